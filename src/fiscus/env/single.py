"""The environments alone: one episode at a time, through Gymnasium's own interface."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
import numpy.typing as npt
from gymnasium import spaces

from fiscus.core.arrays import FloatArray
from fiscus.core.problem import Problem
from fiscus.core.process import Process
from fiscus.env.decode import Mode, Reference, decoder
from fiscus.env.engine import Engine
from fiscus.env.fields import documented, fields, slices
from fiscus.env.game import Game, Sight, game
from fiscus.env.render import close_window, picture
from fiscus.env.selection import SelectionEngine, selection_engine
from fiscus.env.spaces import action_box, choice_space, observation_box
from fiscus.errors import InvalidInput

RENDER_MODES = ("rgb_array", "human")

Observation = npt.NDArray[np.float32]


class SingleEnv(gymnasium.Env[Observation, Any]):
    """One episode of an engine.

    Rewards are the discounted value of each period, so their plain sum is ``fiscus.evaluate`` of the whole plan (§5). An episode
    terminates after the last period; truncation is left to wrappers.
    """

    metadata: dict[str, Any] = {"render_modes": list(RENDER_MODES), "render_fps": 2}  # noqa: RUF012 - as Gymnasium has it

    def __init__(
        self, engine: Engine, observation: spaces.Space[Any], action: spaces.Space[Any], render_mode: str | None
    ) -> None:
        """Wrap an engine of one episode.

        Raises:
            InvalidInput: For an unknown way to render.
        """
        if render_mode is not None and render_mode not in RENDER_MODES:
            raise InvalidInput(f"render_mode is one of {', '.join(RENDER_MODES)}, got {render_mode!r}")
        self.render_mode, self.engine = render_mode, engine
        self.observation_space, self.action_space = observation, action
        self._begun = False

    @property
    def game(self) -> Game:
        """What is played."""
        return self.engine.game

    @property
    def field_table(self) -> str:
        """What the numbers of an observation mean, as Markdown."""
        return documented(self.engine.table)

    def fields_of(self, observation: Observation) -> dict[str, Observation]:
        """An observation by field."""
        return {name: observation[..., place] for name, place in slices(self.engine.table).items()}

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Begin an episode; see Gymnasium. There are no options."""
        super().reset(seed=seed)
        if options:
            raise InvalidInput(f"this environment has no options to reset with, got {', '.join(options)}")
        self.engine.reset(np.zeros(1, dtype=np.int64), [self.np_random])
        self._begun = True
        if self.render_mode == "human":
            self.render()
        return self.engine.observe()[0], _first(self.engine.told())

    def step(self, action: Any) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """Decide; see Gymnasium.

        Raises:
            InvalidInput: For an action that is not of the space, and after the episode's end; the state is left as it was.
        """
        if not self._begun:
            raise InvalidInput("call reset before step")
        if self.engine.state.period[0] >= self.game.periods:
            raise InvalidInput("the episode is over; call reset")
        outcome = self.engine.step(np.asarray(action)[None])
        if self.render_mode == "human":
            self.render()
        info = _first(outcome.told() | self.engine.told())
        return self.engine.observe()[0], float(outcome.reward[0]), bool(outcome.done[0]), False, info

    def render(self) -> npt.NDArray[np.uint8] | None:
        """The episode so far: amounts, cash and realised value over time; an array of shape (h, w, 3) for ``rgb_array``."""
        if self.render_mode is None:
            gymnasium.logger.warn("give render_mode='rgb_array' or 'human' to see something")
            return None
        drawn = picture(self.engine, 0, show=self.render_mode == "human")
        return drawn if self.render_mode == "rgb_array" else None

    def close(self) -> None:
        """Close the window, if there is one."""
        if self.render_mode == "human":
            close_window()


class AllocationEnv(SingleEnv):
    """``fiscus/Allocation-v0``: allocate each period's money; see ``fiscus.env.decode`` for what an action says."""

    def __init__(
        self,
        problem: Problem,
        process: Process | None = None,
        *,
        mode: Mode = "project",
        sight: Sight | None = None,
        reference: Reference | None = None,
        plan: FloatArray | None = None,
        compiled: bool = False,
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
            compiled: Whether to split and step with numba, which equals NumPy to 1e-12 but not to the last bit.
            render_mode: ``rgb_array``, ``human`` or None.

        Raises:
            InvalidInput: For what cannot be played.
        """
        made = game(problem, process, sight, plan)
        engine = Engine(made, decoder(mode, made.lines, reference), fields(made), 1, compiled)
        super().__init__(engine, observation_box(engine.table), action_box(engine.decoder), render_mode)

    def encode(self, allocation: FloatArray) -> Observation:
        """The action that decodes to amounts of this period that the envelopes allow.

        Args:
            allocation: Major units, shape (n,).
        """
        amounts = np.asarray(allocation, dtype=np.float64)[None]
        return np.asarray(self.engine.decoder.encode(amounts, self.engine.moment)[0], dtype=np.float32)


class SelectionEnv(SingleEnv):
    """``fiscus/Selection-v0``: choose projects one by one; see ``fiscus.env.selection``."""

    def __init__(
        self,
        problem: Problem,
        process: Process | None = None,
        *,
        sight: Sight | None = None,
        plan: FloatArray | None = None,
        compiled: bool = False,
        render_mode: str | None = None,
    ) -> None:
        """Prepare; arguments as of :class:`AllocationEnv`.

        Raises:
            InvalidInput: For what cannot be played.
        """
        self.selection: SelectionEngine = selection_engine(game(problem, process, sight, plan), 1, compiled=compiled)
        table = self.selection.table
        super().__init__(self.selection, observation_box(table), choice_space(self.selection.game.lines), render_mode)

    def action_masks(self) -> npt.NDArray[np.bool_]:
        """Which actions are open, the last of which closes the period, shape (n + 1,)."""
        return np.array(self.selection.mask[0], dtype=bool)


def _first(told: dict[str, npt.NDArray[Any]]) -> dict[str, Any]:
    """What is said of the one episode; numbers as plain ones."""
    return {name: value[0] if value.ndim > 1 else value[0].item() for name, value in told.items()}
