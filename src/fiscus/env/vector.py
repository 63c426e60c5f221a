"""``fiscus/Allocation-v0`` as a native vector environment: one array operation steps all episodes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from gymnasium.utils import seeding
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space

from fiscus.core.arrays import FloatArray, IntArray
from fiscus.core.problem import Problem
from fiscus.core.process import Process
from fiscus.env.decode import Mode, Reference, decoder
from fiscus.env.engine import Engine, Outcome
from fiscus.env.fields import documented, fields
from fiscus.env.game import Game, Sight, game
from fiscus.env.spaces import action_box, observation_box
from fiscus.errors import InvalidInput

Observations = npt.NDArray[np.float32]
Stepped = tuple[Observations, FloatArray, npt.NDArray[np.bool_], npt.NDArray[np.bool_], dict[str, Any]]


class AllocationVectorEnv(VectorEnv[Observations, npt.NDArray[np.float32], npt.NDArray[Any]]):
    """Many episodes of one problem; see :class:`fiscus.env.single.AllocationEnv`, of which each is the same bits.

    Environment i is seeded with ``seed + i``, or with the i-th of a list of seeds, and draws from a generator of its own.
    """

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
            autoreset_mode: ``NextStep`` begins anew in the step after the last, ``SameStep`` in the last itself, ``Disabled`` never.
            render_mode: Only None: a batch has no picture.

        Raises:
            InvalidInput: For what cannot be played.
        """
        if num_envs < 1:
            raise InvalidInput(f"num_envs is at least 1, got {num_envs}")
        if render_mode is not None:
            raise InvalidInput("a batch has no picture; render a single environment")
        made = game(problem, process, sight, plan)
        self.num_envs = num_envs
        self.engine = Engine(made, decoder(mode, made.lines, reference), fields(made), num_envs)
        self.autoreset_mode = AutoresetMode(autoreset_mode)
        self.metadata = {"autoreset_mode": self.autoreset_mode, "render_modes": []}
        self.single_action_space = action_box(self.engine.decoder)
        self.single_observation_space = observation_box(self.engine.table)
        self.action_space = batch_space(self.single_action_space, num_envs)
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self._generators: list[np.random.Generator] = []
        self._over = np.zeros(num_envs, dtype=bool)

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
        return self.engine.observe(), {}

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

    def step(self, actions: npt.NDArray[np.float32]) -> Stepped:
        """Decide a period in every episode; see Gymnasium for autoreset.

        Raises:
            InvalidInput: For actions that are not finite numbers of the space's shape; the state is left as it was.
        """
        if not self._generators:
            raise InvalidInput("call reset before step")
        if self._over.any():
            return self._step_some(actions)
        outcome = self.engine.step(actions)
        infos = _infos(outcome)
        done = outcome.done
        if done.any() and self.autoreset_mode is AutoresetMode.SAME_STEP:
            self._begin_anew(done, infos)
        elif done.any():
            self._over = done.copy()
        return self.engine.observe(), outcome.reward, done, np.zeros(self.num_envs, dtype=bool), infos

    def _begin_anew(self, done: npt.NDArray[np.bool_], infos: dict[str, Any]) -> None:
        """Same-step autoreset: the last observation and what was said of the last step move to ``final_obs`` and ``final_info``."""
        last, which = self.engine.observe(), np.flatnonzero(done)
        final = np.full(self.num_envs, None, dtype=object)
        for place in which.tolist():
            final[place] = last[place]
        told = {name: value for name, value in infos.items() if not name.startswith("_")}
        infos.clear()
        infos |= {"final_obs": final, "_final_obs": done.copy(), "_final_info": done.copy()}
        infos["final_info"] = dict(told) | {f"_{name}": done.copy() for name in told}
        running = ~done
        if running.any():
            infos |= told | {f"_{name}": running for name in told}
        self.engine.reset(which, [self._generators[place] for place in which.tolist()])

    def _step_some(self, actions: npt.NDArray[np.float32]) -> Stepped:
        """Next-step autoreset: episodes that were over begin anew and ignore their action, the others go on."""
        over = self._over
        if self.autoreset_mode is AutoresetMode.DISABLED:
            raise InvalidInput("some episodes are over; reset them with options={'reset_mask': mask}")
        going, anew = np.flatnonzero(~over), np.flatnonzero(over)
        reward, done, infos = np.zeros(self.num_envs), np.zeros(self.num_envs, dtype=bool), {}
        given = np.where(over[:, None], 0.0, np.asarray(actions, dtype=np.float64))
        if len(going):
            outcome = self.engine.step(given, going)
            reward, done = outcome.reward, outcome.done
            infos = {name: (~over if name.startswith("_") else value) for name, value in _infos(outcome).items()}
        else:
            self.engine.checked(given)
        self.engine.reset(anew, [self._generators[place] for place in anew.tolist()])
        self._over = done.copy()
        return self.engine.observe(), reward, done, np.zeros(self.num_envs, dtype=bool), infos


def _infos(outcome: Outcome) -> dict[str, Any]:
    every = np.ones(len(outcome.reward), dtype=bool)
    told = {
        "raw_action": outcome.raw,
        "allocation": outcome.spend,
        "distance": outcome.distance,
        "benefit": outcome.benefit,
    }
    return told | {f"_{name}": every for name in told}
