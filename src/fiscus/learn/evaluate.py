"""Policies judged on the same sample paths: what is shown, and what the paths cannot decide.

All comparisons are paired: path i is the same for every policy. Learned policies have several training runs; their differences are
judged over runs, since a run that happened to go well is no property of the method.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from fiscus.core.arrays import FloatArray
from fiscus.errors import InvalidInput

CONFIDENCE = 0.95
NO_GAP = 1e-9
"""Part of perfect foresight's value below which the distance to it is rounding."""

WORST = 0.05
"""Part of the paths whose mean is the conditional value at risk."""

RESAMPLES = 2_000


def interval(values: FloatArray, confidence: float = CONFIDENCE) -> tuple[float, float, float]:
    """Mean of independent numbers and its Student t interval.

    Args:
        values: Shape (N,), N at least 2.
        confidence: Of the interval.

    Returns:
        Mean, lower and upper end.
    """
    if len(values) < 2:
        raise InvalidInput("an interval needs at least two numbers")
    mean, error = float(values.mean()), float(values.std(ddof=1) / np.sqrt(len(values)))
    reach = error * float(stats.t.ppf(0.5 + confidence / 2.0, len(values) - 1))
    return mean, mean - reach, mean + reach


def interquartile_mean(values: FloatArray) -> float:
    """Mean of the middle half (Agarwal et al. 2021, Deep Reinforcement Learning at the Edge of the Statistical Precipice)."""
    return float(stats.trim_mean(values, 0.25))


def stratified_interval(
    scores: Sequence[FloatArray], seed: int = 0, confidence: float = CONFIDENCE, resamples: int = RESAMPLES
) -> tuple[float, float, float]:
    """Interquartile mean over problems and training runs, and its percentile interval: runs are drawn again within each problem.

    Args:
        scores: For each problem the scores of its runs, shape (K,).
        seed: Of the resampling.
        confidence: Of the interval.
        resamples: How often runs are drawn again.

    Returns:
        Interquartile mean, lower and upper end.
    """
    if not scores or any(len(each) == 0 for each in scores):
        raise InvalidInput("every problem needs the score of at least one run")
    rng = np.random.default_rng(seed)
    drawn = [each[rng.integers(0, len(each), (resamples, len(each)))] for each in scores]
    whole = np.concatenate(drawn, axis=1)
    resampled = stats.trim_mean(whole, 0.25, axis=1)
    low, high = np.quantile(resampled, [(1 - confidence) / 2, (1 + confidence) / 2])
    return interquartile_mean(np.concatenate(scores)), float(low), float(high)


def profile(scores: Sequence[FloatArray], levels: FloatArray) -> FloatArray:
    """Performance profile: the part of runs whose score is above each level, all problems counting alike (Agarwal et al. 2021).

    Args:
        scores: For each problem the scores of its runs, shape (K,).
        levels: Shape (L,).

    Returns:
        Shape (L,), falling.
    """
    return np.asarray(np.mean([(each[:, None] > levels).mean(axis=0) for each in scores], axis=0))


@dataclass(frozen=True, eq=False)
class Entry:
    """A policy's values on all paths.

    Attributes:
        name: Of the policy.
        values: Of each training run, shape (K, N); K = 1 for what is not trained.
        seconds: A decision, in batches.
    """

    name: str
    values: FloatArray
    seconds: float = 0.0

    @property
    def mean(self) -> FloatArray:
        """Mean over runs on each path, shape (N,)."""
        return np.asarray(self.values.mean(axis=0))


@dataclass(frozen=True)
class Standing:
    """How a policy did.

    Attributes:
        name: Of the policy.
        runs: Training runs, 1 for what is not trained.
        mean: Mean value.
        error: Standard error of the mean over paths.
        regret: Part of perfect foresight's value that is missed.
        difference: Mean difference to the reference, in parts of the reference's mean.
        low: Lower end of its 95% interval.
        high: Upper end.
        cvar: Mean value on the worst 5% of paths.
        worse: Part of the paths on which it is worse than the reference.
        closed: Part of the gap between the reference and perfect foresight that it closes; None where there is no gap to speak of.
        microseconds: A decision, in batches as played.
        interquartile: Interquartile mean of the runs' differences to the reference, and its interval; None for one run.
    """

    name: str
    runs: int
    mean: float
    error: float
    regret: float
    difference: float
    low: float
    high: float
    cvar: float
    worse: float
    closed: float | None
    microseconds: float
    interquartile: tuple[float, float, float] | None = None


@dataclass(frozen=True, eq=False)
class Tournament:
    """Everyone on the same paths.

    Attributes:
        entries: The policies.
        foresight: Perfect foresight's value on each path, shape (N,).
        reference: Name of the policy that others are measured against.
    """

    entries: tuple[Entry, ...]
    foresight: FloatArray
    reference: str = "MPC"

    def __post_init__(self) -> None:
        names = [entry.name for entry in self.entries]
        if len(set(names)) < len(names):
            raise InvalidInput("two policies have one name")
        if self.reference not in names:
            raise InvalidInput(f"the reference {self.reference!r} does not play; playing are {', '.join(names)}")
        if any(entry.values.shape[1:] != self.foresight.shape for entry in self.entries):
            raise InvalidInput("every policy is played on the same paths")

    @property
    def by_name(self) -> Mapping[str, Entry]:
        """Entries by name."""
        return {entry.name: entry for entry in self.entries}

    @property
    def information(self) -> float:
        """Expected value of perfect information over the reference: what nobody can get more than that."""
        return float((self.foresight - self.by_name[self.reference].mean).mean())

    def difference(self, name: str, other: str | None = None) -> tuple[float, float, float]:
        """Mean paired difference of one policy to another, in parts of the other's mean, and its 95% interval.

        Over training runs where there are several, else over paths.
        """
        first, second = self.by_name[name], self.by_name[other or self.reference]
        size = abs(float(second.mean.mean()))
        apart = (first.values - second.mean) / (size if size > 0 else 1.0)
        if len(apart) == 1:
            return interval(apart[0])
        # Over runs; the paths' own share of the uncertainty is added, since all runs are judged on the same ones.
        mean, low, _ = interval(apart.mean(axis=1))
        paths = interval(apart.mean(axis=0))
        reach = float(np.hypot(mean - low, paths[0] - paths[1]))
        return mean, mean - reach, mean + reach

    def standings(self) -> list[Standing]:
        """Everyone, best first."""
        return sorted((self._standing(entry) for entry in self.entries), key=lambda each: -each.mean)

    def _standing(self, entry: Entry) -> Standing:
        reference, best = self.by_name[self.reference], float(self.foresight.mean())
        mean, count = entry.mean, self.foresight.size
        worst = np.sort(entry.values.ravel())[: max(1, int(np.ceil(WORST * entry.values.size)))]
        difference, low, high = (0.0, 0.0, 0.0) if entry.name == reference.name else self.difference(entry.name)
        gap = self.information
        several = None
        if len(entry.values) > 1:
            size = abs(float(reference.mean.mean()))
            several = stratified_interval([(entry.values - reference.mean).mean(axis=1) / (size or 1.0)])
        return Standing(
            name=entry.name,
            runs=len(entry.values),
            mean=float(mean.mean()),
            error=float(mean.std(ddof=1) / np.sqrt(count)) if count > 1 else float("nan"),
            regret=(best - float(mean.mean())) / abs(best) if best else 0.0,
            difference=difference,
            low=low,
            high=high,
            cvar=float(worst.mean()),
            worse=float((entry.values < reference.mean - 1e-9 * np.abs(reference.mean)).mean()),
            closed=float((mean - reference.mean).mean()) / gap if gap > NO_GAP * abs(best) else None,
            microseconds=1e6 * entry.seconds,
            interquartile=several,
        )

    def verdict(self) -> str:
        """One sentence on who wins, and none where the paths do not decide."""
        order = self.standings()
        first = order[0]
        if len(order) == 1:
            return f"{first.name} plays alone."
        level = [first.name]
        for other in order[1:]:
            _, low, _ = self.difference(first.name, other.name)
            if low <= 0:
                level.append(other.name)
        gap = f"{first.regret:.2%} below perfect foresight"
        if len(level) > 1:
            return f"No winner: the paths do not tell {_listed(level)} apart (the best mean is {gap})."
        margin, low, high = self.difference(first.name, order[1].name)
        return f"{first.name} wins, {gap}: by {margin:.2%} over {order[1].name} (95% interval {low:.2%} to {high:.2%})."


def _listed(names: Sequence[str]) -> str:
    return f"{', '.join(names[:-1])} and {names[-1]}"
