"""``fiscus/Allocation-v0`` alone: one episode at a time, through Gymnasium's own interface."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
import numpy.typing as npt

from fiscus.core.arrays import FloatArray
from fiscus.core.problem import Problem
from fiscus.core.process import Process
from fiscus.env.decode import Mode, Reference, decoder
from fiscus.env.engine import Engine, Outcome
from fiscus.env.fields import documented, fields, slices
from fiscus.env.game import Game, Sight, game
from fiscus.env.render import picture
from fiscus.env.spaces import action_box, observation_box
from fiscus.errors import InvalidInput

RENDER_MODES = ("rgb_array", "human")


class AllocationEnv(gymnasium.Env[npt.NDArray[np.float32], npt.NDArray[np.float32]]):
    """Allocate each period's money; see :func:`fiscus.env.game.game` and ``fiscus.env.decode`` for what may be said.

    Rewards are the discounted value of each period, so their plain sum is ``fiscus.evaluate`` of the whole plan (§5). An episode
    terminates after the last period; truncation is left to wrappers.
    """

    metadata: dict[str, Any] = {"render_modes": list(RENDER_MODES), "render_fps": 2}  # noqa: RUF012 - as Gymnasium declares it

    def __init__(
        self,
        problem: Problem,
        process: Process | None = None,
        *,
        mode: Mode = "project",
        sight: Sight | None = None,
        reference: Reference | None = None,
        plan: FloatArray | None = None,
        render_mode: str | None = None,
    ) -> None:
        """Prepare; the arguments but ``mode``, ``reference`` and ``render_mode`` are those of :func:`fiscus.env.game.game`.

        Args:
            problem: What to allocate under which rules.
            process: What is uncertain; the problem's own scenarios when not given.
            mode: How actions are read, see ``fiscus.env.decode``.
            sight: What the agent sees.
            reference: For mode ``residual``: the plan to correct.
            plan: To fall back on, shape (T, n).
            render_mode: ``rgb_array``, ``human`` or None.

        Raises:
            InvalidInput: For what cannot be played.
        """
        if render_mode is not None and render_mode not in RENDER_MODES:
            raise InvalidInput(f"render_mode is one of {', '.join(RENDER_MODES)}, got {render_mode!r}")
        made = game(problem, process, sight, plan)
        self.render_mode = render_mode
        self.engine = Engine(made, decoder(mode, made.lines, reference), fields(made), 1)
        self.action_space = action_box(self.engine.decoder)
        self.observation_space = observation_box(self.engine.table)
        self._begun = False

    @property
    def game(self) -> Game:
        """What is played."""
        return self.engine.game

    @property
    def field_table(self) -> str:
        """What the numbers of an observation mean, as Markdown."""
        return documented(self.engine.table)

    def fields_of(self, observation: npt.NDArray[np.float32]) -> dict[str, npt.NDArray[np.float32]]:
        """An observation by field."""
        return {name: observation[..., place] for name, place in slices(self.engine.table).items()}

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[npt.NDArray[np.float32], dict[str, Any]]:
        """Begin an episode; see Gymnasium. There are no options."""
        super().reset(seed=seed)
        if options:
            raise InvalidInput(f"this environment has no options to reset with, got {', '.join(options)}")
        self.engine.reset(np.zeros(1, dtype=np.int64), [self.np_random])
        self._begun = True
        if self.render_mode == "human":
            self.render()
        return self.engine.observe()[0], {}

    def step(
        self, action: npt.NDArray[np.float32]
    ) -> tuple[npt.NDArray[np.float32], float, bool, bool, dict[str, Any]]:
        """Decide a period; see Gymnasium.

        Raises:
            InvalidInput: For an action that is not finite numbers of the space's shape, and after the episode's end; the state is left
                as it was.
        """
        self._check_running()
        moment = self.engine.moment
        outcome = self.engine.step(np.asarray(action)[None])
        if self.render_mode == "human":
            self.render()
        info = _info(outcome) | {
            "applied_action": self.engine.decoder.encode(outcome.spend, moment)[0].astype(np.float32)
        }
        return self.engine.observe()[0], float(outcome.reward[0]), bool(outcome.done[0]), False, info

    def _check_running(self) -> None:
        if not self._begun:
            raise InvalidInput("call reset before step")
        if self.engine.state.period[0] >= self.game.periods:
            raise InvalidInput("the episode is over; call reset")

    def encode(self, allocation: FloatArray) -> npt.NDArray[np.float32]:
        """The action that decodes to amounts of this period that the envelopes allow.

        Args:
            allocation: Major units, shape (n,).
        """
        return self.engine.decoder.encode(np.asarray(allocation, dtype=np.float64)[None], self.engine.moment)[0].astype(
            np.float32
        )

    def render(self) -> npt.NDArray[np.uint8] | None:
        """The episode so far: amounts, cash and realised value over time; an array of shape (h, w, 3) for ``rgb_array``."""
        if self.render_mode is None:
            gymnasium.logger.warn("give render_mode='rgb_array' or 'human' to see something")
            return None
        return picture(self.engine, 0, show=self.render_mode == "human")


def _info(outcome: Outcome) -> dict[str, Any]:
    """What is said besides the observation: the raw action, the amounts applied, and the money between wish and amounts."""
    return {
        "raw_action": outcome.raw[0],
        "allocation": outcome.spend[0],
        "distance": float(outcome.distance[0]),
        "benefit": outcome.benefit[0],
    }
