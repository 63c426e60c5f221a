"""Other views of the same observations: by field, and with beliefs; for single environments and for batches."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gymnasium
import numpy as np
import numpy.typing as npt
from gymnasium import spaces
from gymnasium.utils import RecordConstructorArgs
from gymnasium.vector import VectorObservationWrapper, VectorWrapper
from gymnasium.vector.utils import batch_space

from fiscus.env.beliefs import Belief, belief_fields
from fiscus.env.engine import Engine
from fiscus.env.fields import slices
from fiscus.env.single import SingleEnv
from fiscus.env.spaces import observation_box
from fiscus.env.vector import BatchEnv
from fiscus.errors import InvalidInput

Vector = npt.NDArray[np.float32]


class ByField(gymnasium.ObservationWrapper[Any, Any, Vector], RecordConstructorArgs):
    """Observations as a dict, one entry a field of the table."""

    def __init__(self, env: gymnasium.Env[Vector, Any]) -> None:
        """Wrap a single environment of ours."""
        RecordConstructorArgs.__init__(self)
        gymnasium.ObservationWrapper.__init__(self, env)
        self.observation_space = _by_field(_single(env).engine)

    def observation(self, observation: Vector) -> dict[str, Vector]:
        """The same numbers by field."""
        return _split(_single(self.env).engine, observation)


class ByFieldVector(VectorObservationWrapper):
    """Observations of a batch as a dict, one entry a field of the table."""

    def __init__(self, env: Any) -> None:
        """Wrap a batch of ours."""
        super().__init__(env)
        self.single_observation_space = _by_field(_batch(env).engine)
        self.observation_space = batch_space(self.single_observation_space, self.num_envs)

    def observations(self, observations: Any) -> Any:
        """The same numbers by field."""
        return _split(_batch(self.env).engine, observations)


class WithBeliefs(gymnasium.Wrapper[Vector, Any, Vector, Any], RecordConstructorArgs):
    """Observations followed by what follows from the measurements shown so far; see ``fiscus.env.beliefs``.

    The beliefs become fields of the environment's own table, so last observations and the view by field have them too.
    """

    def __init__(self, env: gymnasium.Env[Vector, Any], beliefs: Sequence[Belief]) -> None:
        """Wrap a single environment of ours whose agent is shown measurements."""
        RecordConstructorArgs.__init__(self, beliefs=beliefs)
        gymnasium.Wrapper.__init__(self, env)
        inner = _single(env)
        inner.engine.table += belief_fields(inner.game, beliefs)
        inner.observation_space = self.observation_space = observation_box(inner.engine.table)


class WithBeliefsVector(VectorWrapper):
    """Observations of a batch followed by beliefs, as :class:`WithBeliefs` has them."""

    def __init__(self, env: Any, beliefs: Sequence[Belief]) -> None:
        """Wrap a batch of ours whose agents are shown measurements."""
        super().__init__(env)
        inner = _batch(env)
        inner.engine.table += belief_fields(inner.game, beliefs)
        inner.single_observation_space = self.single_observation_space = observation_box(inner.engine.table)
        inner.observation_space = batch_space(inner.single_observation_space, inner.num_envs)
        self.observation_space = inner.observation_space


def _single(env: Any) -> SingleEnv:
    inner = env.unwrapped
    if not isinstance(inner, SingleEnv):
        raise InvalidInput(f"this wrapper is for environments of fiscus.env, got {type(inner).__name__}")
    return inner


def _batch(env: Any) -> BatchEnv:
    inner = env.unwrapped
    if not isinstance(inner, BatchEnv):
        raise InvalidInput(f"this wrapper is for batches of fiscus.env, got {type(inner).__name__}")
    return inner


def _by_field(engine: Engine) -> Any:
    return spaces.Dict({field.name: spaces.Box(0.0, field.high, (field.size,), np.float32) for field in engine.table})


def _split(engine: Engine, observation: Vector) -> dict[str, Vector]:
    return {name: observation[..., place].copy() for name, place in slices(engine.table).items()}
