"""Policies played on many sample paths: path i is the same for every policy, so that differences are of the policies alone.

Path i is drawn from the generator that environment i of a batch has, so it is also what ``gymnasium`` plays for that seed.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from gymnasium.utils import seeding

from fiscus.core.arrays import FloatArray, IntArray
from fiscus.env.decode import decoder
from fiscus.env.engine import Engine
from fiscus.env.fields import fields
from fiscus.env.game import Game
from fiscus.errors import InvalidInput
from fiscus.learn.learned import Learned
from fiscus.learn.policy import Policy

BATCH = 500
"""Episodes that are played together."""

LARGEST_SEED = 2**32


@dataclass(frozen=True, eq=False)
class Played:
    """What a policy brought.

    Attributes:
        name: Of the policy.
        seeds: Of the paths, shape (N,).
        value: Discounted value of each episode, shape (N,).
        spend: Amounts, major units, shape (N, T, n); None where they were not kept.
        seconds: Of deciding alone.
    """

    name: str
    seeds: IntArray
    value: FloatArray
    spend: FloatArray | None
    seconds: float

    @property
    def per_decision(self) -> float:
        """Seconds a decision of one episode, in batches as they were played."""
        return self.seconds / max(len(self.value) * (1 if self.spend is None else self.spend.shape[1]), 1)


def paths(first: int, count: int) -> IntArray:
    """Seeds of consecutive sample paths.

    Raises:
        InvalidInput: For none, or seeds out of range.
    """
    if count < 1 or first < 0 or first + count > LARGEST_SEED:
        raise InvalidInput(f"sample paths are at least one, with seeds from 0 to {LARGEST_SEED - 1}")
    return np.arange(first, first + count)


def dealt(game: Game, seeds: IntArray, batch: int = BATCH) -> Iterator[tuple[slice, Engine]]:
    """Engines at the beginning of every path, a batch at a time, and which paths they are.

    Args:
        game: What is played.
        seeds: Of the paths, shape (N,).
        batch: Episodes that are played together.
    """
    table, reading = fields(game), decoder("project", game.lines)
    for begin in range(0, len(seeds), batch):
        part = slice(begin, min(begin + batch, len(seeds)))
        size = part.stop - part.start
        engine = Engine(game, reading, table, size)
        engine.reset(np.arange(size), [seeding.np_random(int(seed))[0] for seed in seeds[part]])
        yield part, engine


def play(
    game: Game, policy: Policy, seeds: IntArray, *, batch: int = BATCH, seed: int = 0, keep: bool = False
) -> Played:
    """Play a policy on sample paths.

    Args:
        game: What is played.
        policy: Who decides.
        seeds: Of the paths, shape (N,).
        batch: Episodes that are played together; what a policy draws may differ with it, what it plays against does not.
        seed: Of what the policy draws.
        keep: Whether to keep the amounts.

    Raises:
        InvalidInput: For a game that the policy cannot play, and wishes that are no amounts.
    """
    if isinstance(policy, Learned) and policy.chooses:
        return _choosing(game, policy, seeds, batch, keep=keep)
    value = np.zeros(len(seeds))
    spend = np.zeros((len(seeds), *game.problem.shape)) if keep else None
    seconds = 0.0
    for part, engine in dealt(game, seeds, batch):
        rng = np.random.default_rng([seed, int(seeds[part.start])])
        began = time.perf_counter()
        memory = policy.reset(game, engine.size, rng)
        seconds += time.perf_counter() - began
        for _ in range(game.periods):
            moment = engine.moment
            began = time.perf_counter()
            wish, memory = policy.act(moment, memory)
            seconds += time.perf_counter() - began
            reward, _, _ = engine.commit(engine.settle(np.asarray(wish, dtype=np.float64)))
            value[part] += reward
        if spend is not None:
            spend[part] = engine.spends
    return Played(policy.name, np.asarray(seeds), value, spend, seconds)


def _choosing(game: Game, policy: Learned, seeds: IntArray, batch: int, *, keep: bool) -> Played:
    """Play a policy that chooses projects one by one; seconds are of playing, not of deciding alone."""
    value, spend = np.zeros(len(seeds)), np.zeros((len(seeds), *game.problem.shape))
    began = time.perf_counter()
    for begin in range(0, len(seeds), batch):
        part = slice(begin, min(begin + batch, len(seeds)))
        value[part], spend[part] = policy.chosen(game, [seeding.np_random(int(seed))[0] for seed in seeds[part]])
    return Played(policy.name, np.asarray(seeds), value, spend if keep else None, time.perf_counter() - began)
