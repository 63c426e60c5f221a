"""The environments as native vector environments: one array operation steps all episodes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from gymnasium import spaces
from gymnasium.utils import seeding
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space

from fiscus.core.arrays import FloatArray, IntArray
from fiscus.core.problem import Problem
from fiscus.core.process import Process
from fiscus.env.decode import Mode, Reference, decoder
from fiscus.env.engine import Engine
from fiscus.env.fields import documented, fields
from fiscus.env.game import Game, Sight, game
from fiscus.env.selection import SelectionEngine, selection_engine
from fiscus.env.spaces import action_box, choice_space, observation_box
from fiscus.errors import InvalidInput

Observations = npt.NDArray[np.float32]
Stepped = tuple[Observations, FloatArray, npt.NDArray[np.bool_], npt.NDArray[np.bool_], dict[str, Any]]


class BatchEnv(VectorEnv[Observations, npt.NDArray[Any], npt.NDArray[Any]]):
    """Many episodes of one engine.

    Environment i is seeded with ``seed + i``, or with the i-th of a list of seeds, and draws from a generator of its own.
    """

    def __init__(
        self,
        engine: Engine,
        observation: spaces.Space[Any],
        action: spaces.Space[Any],
        autoreset_mode: AutoresetMode | str,
    ) -> None:
        """Wrap an engine.

        Args:
            engine: With as many episodes as environments.
            observation: Space of one environment.
            action: Space of one environment.
            autoreset_mode: ``NextStep`` begins anew in the step after the last, ``SameStep`` in the last itself, ``Disabled`` never.
        """
        self.num_envs, self.engine = engine.size, engine
        self.autoreset_mode = AutoresetMode(autoreset_mode)
        self.metadata = {"autoreset_mode": self.autoreset_mode, "render_modes": []}
        self.single_action_space, self.single_observation_space = action, observation
        self.action_space = batch_space(action, self.num_envs)
        self.observation_space = batch_space(observation, self.num_envs)
        self._generators: list[np.random.Generator] = []
        self._over = np.zeros(self.num_envs, dtype=bool)

    @property
    def game(self) -> Game:
        """What is played."""
        return self.engine.game

    @property
    def field_table(self) -> str:
        """What the numbers of an observation mean, as Markdown."""
        return documented(self.engine.table)

    def reset(
        self, *, seed: int | Sequence[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observations, dict[str, Any]]:
        """Begin episodes; ``options={"reset_mask": mask}`` begins only some."""
        which = self._chosen(options)
        self._seed(seed, which)
        self.engine.reset(which, [self._generators[place] for place in which.tolist()])
        self._over[which] = False
        return self.engine.observe(), self._told(self.engine.told(), np.ones(self.num_envs, dtype=bool))

    @staticmethod
    def _told(told: dict[str, npt.NDArray[Any]], whose: npt.NDArray[np.bool_]) -> dict[str, Any]:
        """What is said, and in which environments, as Gymnasium has it."""
        return told | {f"_{name}": whose for name in told}

    def _chosen(self, options: dict[str, Any] | None) -> IntArray:
        unknown = set(options or {}) - {"reset_mask"}
        if unknown:
            raise InvalidInput(f"the only option to reset with is reset_mask, got {', '.join(sorted(unknown))}")
        if not options:
            return np.arange(self.num_envs)
        mask = np.asarray(options["reset_mask"])
        if mask.shape != (self.num_envs,) or mask.dtype != np.bool_ or not mask.any():
            raise InvalidInput(f"reset_mask is {self.num_envs} flags of which some are True")
        if not self._generators and not mask.all():
            raise InvalidInput("the first reset begins every episode")
        return np.flatnonzero(mask)

    def _seed(self, seed: int | Sequence[int | None] | None, which: IntArray) -> None:
        if not self._generators:
            self._generators = [np.random.default_rng()] * self.num_envs
            seeds: list[int | None] = [None] * self.num_envs
        elif seed is None:
            return
        seeds = [None] * self.num_envs if seed is None else self._seeds(seed)
        for place in which.tolist():
            if seeds[place] is not None or seed is None:
                self._generators[place] = seeding.np_random(seeds[place])[0]

    def _seeds(self, seed: int | Sequence[int | None]) -> list[int | None]:
        if isinstance(seed, int | np.integer):
            return [int(seed) + place for place in range(self.num_envs)]
        if len(seed) != self.num_envs:
            raise InvalidInput(f"give one seed, or one for each of the {self.num_envs} environments")
        return list(seed)

    def step(self, actions: npt.NDArray[Any]) -> Stepped:
        """Decide in every episode; see Gymnasium for autoreset.

        Raises:
            InvalidInput: For actions that are not of the space; the state is left as it was.
        """
        if not self._generators:
            raise InvalidInput("call reset before step")
        if self._over.any():
            return self._step_some(actions)
        outcome = self.engine.step(actions)
        done, told = outcome.done, outcome.told()
        every = np.ones(self.num_envs, dtype=bool)
        if done.any() and self.autoreset_mode is AutoresetMode.SAME_STEP:
            infos = self._begin_anew(done, told)
        else:
            self._over = done.copy()
            infos = self._told(told | self.engine.told(), every)
        return self.engine.observe(), outcome.reward, done, np.zeros(self.num_envs, dtype=bool), infos

    def _begin_anew(self, done: npt.NDArray[np.bool_], told: dict[str, npt.NDArray[Any]]) -> dict[str, Any]:
        """Same-step autoreset: the last observation and what was said of the last step move to ``final_obs`` and ``final_info``."""
        last, which = self.engine.observe(), np.flatnonzero(done)
        final = np.full(self.num_envs, None, dtype=object)
        for place in which.tolist():
            final[place] = last[place]
        infos: dict[str, Any] = {"final_obs": final, "_final_obs": done.copy(), "_final_info": done.copy()}
        infos["final_info"] = self._told(told | self.engine.told(), done.copy())
        if not done.all():
            infos |= self._told(told, ~done)
        self._restart(which)
        return infos | self._told(self.engine.told(), np.ones(self.num_envs, dtype=bool))

    def _restart(self, which: IntArray) -> None:
        self.engine.reset(which, [self._generators[place] for place in which.tolist()])

    def _step_some(self, actions: npt.NDArray[Any]) -> Stepped:
        """Next-step autoreset: episodes that were over begin anew and ignore their action, the others go on."""
        if self.autoreset_mode is AutoresetMode.DISABLED:
            raise InvalidInput("some episodes are over; reset them with options={'reset_mask': mask}")
        anew = self._over
        going = np.flatnonzero(~anew)
        given = np.array(actions)
        given[anew] = 0
        reward, done = np.zeros(self.num_envs), np.zeros(self.num_envs, dtype=bool)
        told: dict[str, Any] = {}
        if len(going):
            outcome = self.engine.step(given, going)
            reward, done, told = outcome.reward, outcome.done, self._told(outcome.told(), ~anew)
        else:
            self.engine.checked(given)
        self._restart(np.flatnonzero(anew))
        self._over = done.copy()
        told |= self._told(self.engine.told(), np.ones(self.num_envs, dtype=bool))
        return self.engine.observe(), reward, done, np.zeros(self.num_envs, dtype=bool), told

    def action_masks(self) -> npt.NDArray[np.bool_]:
        """Which actions are open, shape (B, actions); of environments in which projects are chosen."""
        if not isinstance(self.engine, SelectionEngine):
            raise InvalidInput("every action is open in this environment; masks are for fiscus/Selection-v0")
        return self.engine.mask.copy()


class AllocationVectorEnv(BatchEnv):
    """``fiscus/Allocation-v0`` in a batch; see :class:`fiscus.env.single.AllocationEnv`, of which each is the same bits."""

    def __init__(
        self,
        problem: Problem,
        process: Process | None = None,
        *,
        num_envs: int = 1,
        mode: Mode = "project",
        sight: Sight | None = None,
        reference: Reference | None = None,
        plan: FloatArray | None = None,
        compiled: bool = False,
        autoreset_mode: AutoresetMode | str = AutoresetMode.NEXT_STEP,
        render_mode: str | None = None,
    ) -> None:
        """Prepare; arguments as of the single environment.

        Args:
            problem: What to allocate under which rules.
            process: What is uncertain.
            num_envs: B.
            mode: How actions are read.
            sight: What the agent sees.
            reference: For mode ``residual``.
            plan: To fall back on, shape (T, n).
            compiled: Whether to split and step with numba, which equals NumPy to 1e-12 but not to the last bit.
            autoreset_mode: See :class:`BatchEnv`.
            render_mode: Only None: a batch has no picture.

        Raises:
            InvalidInput: For what cannot be played.
        """
        _check_batch(num_envs, render_mode)
        made = game(problem, process, sight, plan)
        engine = Engine(made, decoder(mode, made.lines, reference), fields(made), num_envs, compiled)
        super().__init__(engine, observation_box(engine.table), action_box(engine.decoder), autoreset_mode)


class SelectionVectorEnv(BatchEnv):
    """``fiscus/Selection-v0`` in a batch; see :class:`fiscus.env.single.SelectionEnv`, of which each is the same bits."""

    def __init__(
        self,
        problem: Problem,
        process: Process | None = None,
        *,
        num_envs: int = 1,
        sight: Sight | None = None,
        plan: FloatArray | None = None,
        compiled: bool = False,
        autoreset_mode: AutoresetMode | str = AutoresetMode.NEXT_STEP,
        render_mode: str | None = None,
    ) -> None:
        """Prepare; arguments as of :class:`AllocationVectorEnv`.

        Raises:
            InvalidInput: For what cannot be played.
        """
        _check_batch(num_envs, render_mode)
        engine = selection_engine(game(problem, process, sight, plan), num_envs, compiled=compiled)
        super().__init__(engine, observation_box(engine.table), choice_space(engine.game.lines), autoreset_mode)


def _check_batch(num_envs: int, render_mode: str | None) -> None:
    if num_envs < 1:
        raise InvalidInput(f"num_envs is at least 1, got {num_envs}")
    if render_mode is not None:
        raise InvalidInput("a batch has no picture; render a single environment")
