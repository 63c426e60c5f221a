"""The environments as stable-baselines3's own kind of vector environment: no loop over environments, and no copies of them."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from gymnasium.vector import AutoresetMode
from stable_baselines3.common.vec_env import VecEnv

from fiscus.env.vector import BatchEnv
from fiscus.errors import InvalidInput


class StableBaselinesVecEnv(VecEnv):
    """A batch for stable-baselines3, which begins a new episode in the step that ends the last.

    Infos hold what its learners read: the last observation of an episode, and its return, length and seconds as ``Monitor`` writes
    them, so that neither ``Monitor`` nor ``VecMonitor`` is needed. What was allocated is read from ``batch``.
    """

    def __init__(self, batch: BatchEnv, *, seed: int | None = None) -> None:
        """Wrap a batch.

        Args:
            batch: Made with ``autoreset_mode="SameStep"``.
            seed: Of the first reset; environment i gets ``seed + i``.

        Raises:
            InvalidInput: For a batch that resets otherwise.
        """
        if batch.autoreset_mode is not AutoresetMode.SAME_STEP:
            raise InvalidInput(
                'stable-baselines3 resets in the same step; make the batch with autoreset_mode="SameStep"'
            )
        self.batch = batch
        self.render_mode = None
        super().__init__(batch.num_envs, batch.single_observation_space, batch.single_action_space)
        self._seeds = [None if seed is None else seed + place for place in range(batch.num_envs)]
        self._actions: npt.NDArray[Any] = np.zeros(0)
        self._returns, self._lengths = np.zeros(batch.num_envs), np.zeros(batch.num_envs, dtype=np.int64)
        self._began = time.perf_counter()

    def reset(self) -> npt.NDArray[np.float32]:
        """Begin every episode; seeds given by ``seed`` are used once."""
        given: Any = self._seeds if any(seed is not None for seed in self._seeds) else None
        observations, _ = self.batch.reset(seed=given)
        self._returns[:], self._lengths[:] = 0.0, 0
        self.reset_infos = [{} for _ in range(self.num_envs)]
        self._reset_seeds()
        self._reset_options()
        return observations

    def step_async(self, actions: npt.NDArray[Any]) -> None:
        """Take note of actions."""
        self._actions = actions

    def step_wait(
        self,
    ) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32], npt.NDArray[np.bool_], list[dict[str, Any]]]:
        """Decide in every episode."""
        observations, rewards, done, _, told = self.batch.step(self._actions)
        self._returns += rewards
        self._lengths += 1
        infos: list[dict[str, Any]] = [{} for _ in range(self.num_envs)]
        if done.any():
            elapsed = round(time.perf_counter() - self._began, 6)
            for place in np.flatnonzero(done).tolist():
                episode = {"r": float(self._returns[place]), "l": int(self._lengths[place]), "t": elapsed}
                infos[place] = {
                    "terminal_observation": told["final_obs"][place],
                    "TimeLimit.truncated": False,
                    "episode": episode,
                }
            self._returns[done], self._lengths[done] = 0.0, 0
        return observations, rewards.astype(np.float32), done, infos

    def close(self) -> None:
        """Nothing is held open."""

    def has_attr(self, attr_name: str) -> bool:
        """Whether every environment has an attribute: they share the batch's."""
        return hasattr(self.batch, attr_name)

    def get_attr(self, attr_name: str, indices: Any = None) -> list[Any]:
        """An attribute, once for each environment."""
        value = self.render_mode if attr_name == "render_mode" else getattr(self.batch, attr_name)
        return [value] * len(self._places(indices))

    def set_attr(self, attr_name: str, value: Any, indices: Any = None) -> None:
        """Refused: environments of a batch share everything but their state.

        Raises:
            InvalidInput: Always.
        """
        raise InvalidInput(f"the environments of a batch share everything; make a new batch to change {attr_name}")

    def env_method(self, method_name: str, *method_args: Any, indices: Any = None, **method_kwargs: Any) -> list[Any]:
        """What a method of the batch gives, by environment; ``action_masks`` is what MaskablePPO asks for."""
        given = getattr(self.batch, method_name)(*method_args, **method_kwargs)
        return [given[place] for place in self._places(indices)]

    def env_is_wrapped(self, wrapper_class: Any, indices: Any = None) -> list[bool]:
        """No wrapper is around single environments: there are none."""
        return [False] * len(self._places(indices))

    def _places(self, indices: Any) -> Sequence[int]:
        return list(self._get_indices(indices))
