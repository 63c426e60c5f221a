"""The policy that is handed to users: the learned one only where it was shown to be better, rolling re-optimisation else."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from fiscus.core.arrays import FloatArray
from fiscus.env.decode import Moment
from fiscus.env.game import Game
from fiscus.learn.evaluate import interval
from fiscus.learn.play import paths, play
from fiscus.learn.policy import Policy

FIRST_PATH = 2_500_000_000
"""Seed of the first validation path: apart from those that chose the policy."""


@dataclass(frozen=True, eq=False)
class Guarded:
    """One of two policies, chosen once by evidence; make it with :func:`guarded`.

    Attributes:
        learned: The candidate.
        standard: What is played where the candidate is not shown to be better.
        gain: Mean paired difference on the validation paths, in parts of the standard's mean.
        low: Lower end of its 95% interval.
        high: Upper end.
        count: Validation paths.
    """

    learned: Policy
    standard: Policy
    gain: float
    low: float
    high: float
    count: int

    @property
    def playing(self) -> Policy:
        """Who plays."""
        return self.learned if self.low > 0 else self.standard

    @property
    def name(self) -> str:
        """See :class:`~fiscus.learn.policy.Policy`."""
        return f"guarded ({self.playing.name})"

    @property
    def sentence(self) -> str:
        """For people: who plays and why."""
        ends = f"95% interval {self.low:+.2%} to {self.high:+.2%}"
        shown = f"{self.gain:+.2%} against {self.standard.name} on {self.count:,} validation paths ({ends})"
        if self.low > 0:
            return f"{self.learned.name} plays: {shown}."
        return f"{self.standard.name} plays: {self.learned.name} was not shown to be better, {shown}."

    def reset(self, game: Game, size: int, rng: np.random.Generator) -> Any:
        """See :class:`~fiscus.learn.policy.Policy`."""
        return self.playing.reset(game, size, rng)

    def act(self, moment: Moment, memory: Any) -> tuple[FloatArray, Any]:
        """See :class:`~fiscus.learn.policy.Policy`."""
        return self.playing.act(moment, memory)


def guarded(game: Game, learned: Policy, standard: Policy, count: int = 2_000, first_path: int = FIRST_PATH) -> Guarded:
    """Judge a learned policy against the standard on paths that neither training nor its choice has seen.

    Args:
        game: What is played.
        learned: The candidate.
        standard: Rolling re-optimisation.
        count: Validation paths.
        first_path: Seed of the first.
    """
    seeds = paths(first_path, count)
    theirs, ours = play(game, standard, seeds).value, play(game, learned, seeds).value
    size = abs(float(theirs.mean())) or 1.0
    mean, low, high = interval((ours - theirs) / size)
    return Guarded(learned, standard, mean, low, high, count)
