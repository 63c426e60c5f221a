"""Funding rounds: in every period requests arrive, each with an amount and a worth, and money goes to some of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fiscus.core.arrays import FloatArray, IntArray
from fiscus.core.process import Noise, Sampled
from fiscus.errors import InvalidProcess


@dataclass(frozen=True, eq=False)
class FundingRounds(Sampled):
    """Requests of known rounds, in order, or synthetic rounds drawn from them.

    Lines are places for requests; those of one group (a department's) stand side by side, and requests fill them from the first on.

    Attributes:
        requested: Amount of each request, 0 where a place stays empty, major units, shape (T, n).
        worth: Benefit of a unit of money on each request, shape (T, n).
        group: Group of each place, in order, shape (n,).
        synthetic: Whether each request of an episode is drawn, with replacement, from those of its round and group; else every episode
            is the history itself.
    """

    requested: FloatArray
    worth: FloatArray
    group: IntArray
    synthetic: bool = False

    def __post_init__(self) -> None:
        asked, worth = np.asarray(self.requested), np.asarray(self.worth)
        good = asked.ndim == 2 and asked.shape == worth.shape and self.group.shape == asked.shape[1:]
        if not good:
            raise InvalidProcess("requested and worth have shape (T, n), and group shape (n,)")
        if not (np.isfinite(asked) & (asked >= 0) & np.isfinite(worth) & (worth >= 0)).all():
            raise InvalidProcess("amounts requested and what they are worth are numbers that are not negative")
        if (np.diff(self.group) < 0).any():
            raise InvalidProcess("places of one group stand side by side, in the order of the groups")
        late = (asked[:, 1:] > 0) & (asked[:, :-1] == 0) & (self.group[1:] == self.group[:-1])
        if late.any():
            raise InvalidProcess("requests fill the places of a group from the first on")

    @property
    def periods(self) -> int:
        """T."""
        return int(self.requested.shape[0])

    @property
    def lines(self) -> int:
        """n."""
        return int(self.requested.shape[1])

    def noise(self, rng: np.random.Generator, size: int) -> Noise:
        """A uniform number for each place and round, where rounds are synthetic."""
        return (rng.random((size, *self.requested.shape)) if self.synthetic else np.empty((size, 0)),)

    def path(self, noise: Noise) -> FloatArray:
        """Worth of each request, shape (size, T, n)."""
        return self._drawn(self.worth, noise)

    def asked(self, noise: Noise) -> FloatArray:
        """Amount of each request, major units, shape (size, T, n)."""
        return self._drawn(self.requested, noise)

    def mean(self) -> FloatArray:
        """Expected worth, shape (T, n): of a group's requests in a round, where one is drawn from these."""
        if not self.synthetic:
            return np.array(self.worth, dtype=np.float64)
        first, count = self._groups()
        mean = np.zeros(self.requested.shape)
        for place in range(self.lines):
            for period in range(self.periods):
                held = slice(first[place], first[place] + max(int(count[period, place]), 1))
                mean[period, place] = self.worth[period, held].mean()
        return mean

    def _drawn(self, values: FloatArray, noise: Noise) -> FloatArray:
        (uniform,) = noise
        if not self.synthetic:
            return np.array(np.broadcast_to(values, (len(uniform), *values.shape)))
        first, count = self._groups()
        there = np.arange(self.lines)[None, :] - first[None, :] < count
        chosen = first + np.minimum((uniform * count).astype(np.int64), np.maximum(count - 1, 0))
        drawn = np.take_along_axis(np.broadcast_to(values, uniform.shape), chosen, axis=2)
        return np.asarray(np.where(there, drawn, 0.0))

    def _groups(self) -> tuple[IntArray, IntArray]:
        """First place of each place's group, shape (n,), and requests of the group in each round, shape (T, n)."""
        first = np.searchsorted(self.group, self.group, side="left")
        number = int(self.group.max()) + 1 if self.lines else 0
        tally = np.zeros((self.periods, number), dtype=np.int64)
        for place in range(self.lines):
            tally[:, self.group[place]] += np.asarray(self.requested)[:, place] > 0
        return first, tally[:, self.group]
