"""What a learned policy looks at and how its actions become money: a few words from which both are made anew anywhere.

In mode ``scaled`` the agent corrects a plan of rolling re-optimisation: its first number moves the total towards all or nothing, the
others tilt the lines' margins before the total is split by price. At all zeros it *is* the plan, where benefits are concave and nothing
but money couples the periods.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from typing import Any, Literal, get_args

import numpy as np

from fiscus.core.arrays import FloatArray, frozen
from fiscus.core.marginal import priced, slopes
from fiscus.core.problem import Problem
from fiscus.env.decode import STEEPEST, Decoder, Moment, decoder
from fiscus.env.engine import Engine
from fiscus.env.fields import LARGEST, Field, Seen, fields
from fiscus.env.game import Game
from fiscus.env.selection import selection_engine
from fiscus.errors import InvalidInput
from fiscus.learn.horizon import Horizon
from fiscus.learn.mpc import MPC, FutureScaled
from fiscus.learn.relaxed import RelaxedMPC

Mode = Literal["project", "softmax", "spend", "residual", "scaled", "choose"]
AGENT_MODES: tuple[Mode, ...] = get_args(Mode)


@dataclass(frozen=True)
class GuideSpec:
    """The rolling re-optimisation that an agent starts from or looks at.

    Attributes:
        kind: ``mpc``, or ``relaxed`` for :class:`~fiscus.learn.relaxed.RelaxedMPC`, of which modes ``residual`` alone can correct.
        learning: Whether its beliefs are updated.
        future: Factors of the future's multipliers, as tuned; none for plain MPC.
        curves: What it takes the curves for, ``{"a": [...], "h": [...], "p": [...]}``; the plan's own when None.
    """

    kind: Literal["mpc", "relaxed"] = "mpc"
    learning: bool = True
    future: tuple[float, ...] = ()
    curves: Mapping[str, tuple[float, ...]] | None = None

    def policy(self, game: Game, name: str = "MPC") -> MPC | RelaxedMPC:
        """The policy.

        Raises:
            InvalidInput: For an unknown kind.
        """
        if self.kind == "relaxed":
            return RelaxedMPC()
        if self.kind != "mpc":
            raise InvalidInput(f"a guide is mpc or relaxed, got {self.kind!r}")
        curves = None
        if self.curves is not None:
            a, h, p = (frozen(self.curves[key]) for key in ("a", "h", "p"))
            curves = replace(game.problem.lines.curves, a=a, h=h, p=p)
        view = FutureScaled(np.array(self.future)) if self.future else None
        return MPC(name, self.learning, curves, view)


@dataclass(frozen=True)
class AgentSpec:
    """An agent in words.

    Attributes:
        mode: How actions are read: one of the environment's, ``scaled``, or ``choose`` for projects one by one.
        guide: What modes ``residual`` and ``scaled`` correct.
        tilts: Whether mode ``scaled`` corrects lines' margins too, and not the total alone.
        sees_plan: Whether observations hold what the guide would do.
        sees_belief: Whether they hold what is believed of the present and of the mean of later multipliers.
    """

    mode: Mode = "scaled"
    guide: GuideSpec = field(default_factory=GuideSpec)
    tilts: bool = True
    sees_plan: bool = False
    sees_belief: bool = False

    def __post_init__(self) -> None:
        if self.mode not in AGENT_MODES:
            raise InvalidInput(f"mode is one of {', '.join(AGENT_MODES)}, got {self.mode!r}")

    @classmethod
    def from_dict(cls, given: Mapping[str, Any]) -> AgentSpec:
        """From plain data, as of a configuration.

        Raises:
            InvalidInput: For keys that are unknown.
        """
        try:
            guide = dict(given.get("guide") or {})
            guide["future"] = tuple(guide.get("future") or ())
            if guide.get("curves"):
                guide["curves"] = {key: tuple(map(float, values)) for key, values in guide["curves"].items()}
            return cls(**{**given, "guide": GuideSpec(**guide)})
        except (TypeError, ValueError, AttributeError) as error:
            raise InvalidInput(
                f"an agent has the keys mode, guide, tilts, sees_plan and sees_belief ({error})"
            ) from error

    def as_dict(self) -> dict[str, Any]:
        """Plain data."""
        return asdict(self)

    def build(self, game: Game) -> Agent:
        """What the words stand for in a game."""
        if self.mode == "choose":
            if self.sees_plan or self.sees_belief:
                raise InvalidInput("an agent that chooses projects sees neither plan nor belief")
            return Agent(game, decoder("project", game.lines), fields(game, choosing=True), choices=game.lines + 1)
        guide = Guide(self.guide.policy(game), game) if self._guided else None
        reading: Decoder
        if self.mode == "scaled":
            if guide is None or self.guide.kind != "mpc":
                raise InvalidInput("mode scaled corrects plans of MPC; take mode residual for others")
            reading = Scale(game.lines + 1 if self.tilts else 1, guide)
        else:
            reference = guide.amounts if self.mode == "residual" and guide is not None else None
            reading = decoder(self.mode, game.lines, reference)
        table = fields(game)
        if self.sees_plan and guide is not None:
            what = "What rolling re-optimisation would give."
            table += (Field("plan", game.lines, LARGEST, "the most the line can get in a period", what, guide.plan_of),)
        if self.sees_belief and guide is not None:
            what = "Multipliers expected now, then the mean of those expected later."
            table += (Field("expected", 2 * game.lines, LARGEST, "the curve's own benefit", what, guide.belief_of),)
        return Agent(game, reading, table)

    @property
    def _guided(self) -> bool:
        return self.mode in ("residual", "scaled") or self.sees_plan or self.sees_belief


@dataclass(frozen=True, eq=False)
class Agent:
    """How actions are read and what observations hold.

    Attributes:
        game: What is played.
        decoder: Reads actions.
        table: Fields of observations.
        choices: How many there are to choose from, where projects are chosen one by one; 0 elsewhere.
    """

    game: Game
    decoder: Decoder
    table: tuple[Field, ...]
    choices: int = 0

    @property
    def numbers(self) -> int:
        """Length of an observation."""
        return sum(field.size for field in self.table)

    @property
    def outputs(self) -> int:
        """Numbers of an action, or how many there are to choose from."""
        return self.choices or self.decoder.size

    def engine(self, size: int) -> Engine:
        """A batch to play."""
        if self.choices:
            return selection_engine(self.game, size)
        return Engine(self.game, self.decoder, self.table, size)


class Guide:
    """A planning policy asked once a moment, whoever asks first."""

    def __init__(self, policy: MPC | RelaxedMPC, game: Game) -> None:
        self.policy = policy
        self.memory: Any = policy.reset(game, 1, np.random.default_rng(0))
        self._moment: Moment | None = None
        self._expected = self._amounts = np.zeros(0)

    def _at(self, moment: Moment) -> None:
        if moment is not self._moment:
            self._expected = self.policy.expected(moment, self.memory)
            self._amounts = self.policy.planned(moment, self.memory, self._expected)
            self._moment = moment

    def amounts(self, moment: Moment) -> FloatArray:
        """What it would give, major units, shape (B, n)."""
        self._at(moment)
        return self._amounts

    def factor(self, moment: Moment) -> FloatArray:
        """Multipliers that it expects of the present, shape (B, n)."""
        self._at(moment)
        return np.asarray(self._expected[np.arange(len(moment.period)), moment.period])

    def plan_of(self, seen: Seen) -> FloatArray:
        """The field ``plan``."""
        return np.asarray(self.amounts(seen.moment) / seen.moment.game.reach)

    def belief_of(self, seen: Seen) -> FloatArray:
        """The field ``expected``."""
        moment = seen.moment
        now = self.factor(moment)
        later = np.arange(moment.game.periods)[None, :] > moment.period[:, None]
        count = np.maximum(later.sum(axis=1), 1)[:, None]
        return np.concatenate([now, (self._expected * later[..., None]).sum(axis=1) / count], axis=1)


@dataclass(frozen=True, eq=False)
class Scale:
    """A correction to a guide's plan: of its total, then tilts of the lines' margins as in mode ``spend``.

    Attributes:
        size: n + 1, or 1 for the total alone.
        guide: Whose plan is corrected.
    """

    size: int
    guide: Guide

    def decode(self, action: FloatArray, moment: Moment) -> tuple[FloatArray, FloatArray]:
        """See :class:`fiscus.env.decode.Decoder`."""
        plan = np.clip(self.guide.amounts(moment), moment.line_low, moment.line_high)
        least, most = moment.least, moment.most
        total = np.clip(plan.sum(axis=1), least, most)
        push = action[:, 0]
        total = np.where(push > 0, total + push * (most - total), total + push * (total - least))
        factor, game = self.guide.factor(moment), moment.game
        if self.size > 1:
            factor = factor * np.exp(2.0 * np.arctanh(np.clip(action[:, 1:], -STEEPEST, STEEPEST)))
        spend = priced(game.nest, self._problem, moment.state, factor, total, moment.low, moment.high)
        return spend, spend

    def encode(self, spend: FloatArray, moment: Moment) -> FloatArray:
        """See :class:`fiscus.env.decode.Decoder`."""
        plan = np.clip(self.guide.amounts(moment), moment.line_low, moment.line_high)
        least, most = moment.least, moment.most
        total, asked = np.clip(plan.sum(axis=1), least, most), spend.sum(axis=1)
        room = np.where(asked > total, most - total, total - least)
        push = np.clip(np.divide(asked - total, room, out=np.zeros_like(room), where=room > 0), -1.0, 1.0)
        if self.size == 1:
            return np.asarray(push[:, None])
        slope = slopes(self._problem, moment.state, self.guide.factor(moment), spend)
        inner = (spend > moment.line_low) & (spend < moment.line_high)
        logs = np.where(slope > 0, np.log(np.where(slope > 0, slope, 1.0)), 0.0)
        count = np.maximum(inner.sum(axis=1), 1)
        middle = (np.where(inner, logs, 0.0).sum(axis=1) / count)[:, None]
        tilt = np.tanh(0.5 * (middle - logs))
        tilt = np.where(spend <= moment.line_low, -1.0, np.where(spend >= moment.line_high, 1.0, tilt))
        return np.concatenate([push[:, None], tilt], axis=1)

    @cached_property
    def _problem(self) -> Problem:
        """The problem as the guide sees it: a wrong guide tilts wrong margins."""
        planned: Horizon = self.guide.memory.horizon
        problem = planned.game.problem
        if planned.curves is None:
            return problem
        return problem.but(lines=replace(problem.lines, curves=planned.curves))
