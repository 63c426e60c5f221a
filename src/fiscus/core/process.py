"""The uncertain part of benefits: multipliers theta[s, t, i] >= 0, and processes that draw them (§4)."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import numpy.typing as npt

from fiscus.core.arrays import FloatArray, IntArray, frozen
from fiscus.core.curves import Curves
from fiscus.errors import InvalidProcess


@dataclass(frozen=True, eq=False)
class Scenarios:
    """Possible futures.

    Attributes:
        theta: Multiplier of each benefit, shape (S, T, n).
        probability: Of each scenario, shape (S,), summing to 1.
        curves: Curves whose parameters were drawn, with leading axes (S, 1); None where every scenario has the plan's own.
    """

    theta: FloatArray
    probability: FloatArray
    curves: Curves | None = None

    def __post_init__(self) -> None:
        if self.theta.ndim != 3 or self.probability.shape != self.theta.shape[:1]:
            raise InvalidProcess(
                f"theta has shape (S, T, n) and probability (S,), got {self.theta.shape} and {self.probability.shape}"
            )
        if not (np.isfinite(self.theta).all() and (self.theta >= 0).all()):
            raise InvalidProcess("every multiplier of a benefit must be a number that is not negative")
        if not ((self.probability >= 0).all() and abs(self.probability.sum() - 1.0) <= 1e-9):
            raise InvalidProcess(
                f"probabilities are not negative and sum to 1, got a sum of {self.probability.sum():.9g}"
            )

    @classmethod
    def certain(cls, periods: int, lines: int) -> Scenarios:
        """One scenario in which every benefit is what its curve says."""
        return cls(frozen(np.ones((1, periods, lines))), frozen([1.0]))

    @classmethod
    def equally_likely(cls, theta: npt.ArrayLike, curves: Curves | None = None) -> Scenarios:
        """Draws of equal probability, from multipliers of shape (S, T, n)."""
        array = frozen(theta)
        return cls(array, frozen(np.full(len(array), 1.0 / len(array))), curves)

    @property
    def size(self) -> int:
        """Number of scenarios."""
        return len(self.probability)

    def expected(self) -> FloatArray:
        """Mean multipliers, shape (T, n)."""
        return np.asarray(np.tensordot(self.probability, self.theta, axes=1))


Noise = tuple[FloatArray, ...]
"""Raw random numbers of some draws, arrays with the draws along the first axis."""


class Process(Protocol):
    """Something uncertain that can be sampled.

    A draw is made in two steps, so that many episodes, each with a generator of its own, can share the second one: raw numbers from
    the generator, and the path that follows from them.
    """

    @property
    def periods(self) -> int:
        """T."""
        ...

    @property
    def lines(self) -> int:
        """n."""
        ...

    def noise(self, rng: np.random.Generator, size: int) -> Noise:
        """Raw numbers of some draws; the same generator state gives the same bits (§3.8)."""
        ...

    def path(self, noise: Noise) -> FloatArray:
        """Multipliers that follow from raw numbers, shape (size, T, n)."""
        ...

    def sample(self, rng: np.random.Generator, size: int) -> FloatArray:
        """Draw multipliers, shape (size, T, n)."""
        ...

    def mean(self) -> FloatArray:
        """Expected multipliers, shape (T, n)."""
        ...


def scenarios(process: Process, rng: np.random.Generator, size: int) -> Scenarios:
    """Equally likely draws of a process, with drawn curves where it draws them."""
    if isinstance(process, ParameterPrior):
        return Scenarios.equally_likely(
            np.ones((size, process.periods, process.lines)), process.sample_curves(rng, size)
        )
    return Scenarios.equally_likely(process.sample(rng, size))


class Sampled(ABC):
    """Sampling in the two steps of :class:`Process`."""

    @abstractmethod
    def noise(self, rng: np.random.Generator, size: int) -> Noise:
        """Raw numbers of some draws."""

    @abstractmethod
    def path(self, noise: Noise) -> FloatArray:
        """Multipliers that follow from raw numbers, shape (size, T, n)."""

    def noises(self, generators: Sequence[np.random.Generator]) -> Noise:
        """Raw numbers of one draw from each generator, the same bits as ``noise`` gives one by one."""
        drawn = [self.noise(generator, 1) for generator in generators]
        return tuple(np.concatenate(arrays) for arrays in zip(*drawn, strict=True))

    def sample(self, rng: np.random.Generator, size: int) -> FloatArray:
        """Draw multipliers, shape (size, T, n)."""
        return self.path(self.noise(rng, size))


def _check(good: bool | np.bool_, sentence: str) -> None:
    if not good:
        raise InvalidProcess(sentence)


@dataclass(frozen=True, eq=False)
class Constant(Sampled):
    """Multipliers that are known: ``level``, broadcastable to (T, n)."""

    periods: int
    lines: int
    level: npt.ArrayLike = 1.0

    def __post_init__(self) -> None:
        level = np.asarray(self.level, dtype=np.float64)
        _check((np.isfinite(level) & (level >= 0)).all(), "level is a number that is not negative")

    def noise(self, rng: np.random.Generator, size: int) -> Noise:
        """None is needed."""
        return (np.empty((size, 0)),)

    def path(self, noise: Noise) -> FloatArray:
        """The level, shape (size, T, n)."""
        shape = (len(noise[0]), self.periods, self.lines)
        return np.array(np.broadcast_to(np.asarray(self.level, dtype=np.float64), shape))

    def mean(self) -> FloatArray:
        """Expected multipliers, shape (T, n)."""
        return np.array(np.broadcast_to(np.asarray(self.level, dtype=np.float64), (self.periods, self.lines)))


@dataclass(frozen=True, eq=False)
class ScenarioTable(Sampled):
    """Futures someone listed: multipliers of shape (S, T, n) and their probabilities, shape (S,)."""

    theta: FloatArray
    probability: FloatArray

    def __post_init__(self) -> None:
        Scenarios(np.asarray(self.theta), np.asarray(self.probability))  # Checks both.

    @property
    def periods(self) -> int:
        """T."""
        return int(self.theta.shape[1])

    @property
    def lines(self) -> int:
        """n."""
        return int(self.theta.shape[2])

    def noise(self, rng: np.random.Generator, size: int) -> Noise:
        """One uniform number a draw."""
        return (rng.random(size),)

    def path(self, noise: Noise) -> FloatArray:
        """Scenarios by their probabilities, shape (size, T, n)."""
        ladder = np.cumsum(self.probability)
        return np.asarray(self.theta)[np.searchsorted(ladder / ladder[-1], noise[0], side="right")]

    def mean(self) -> FloatArray:
        """Expected multipliers, shape (T, n)."""
        return np.asarray(np.tensordot(self.probability, self.theta, axes=1))


@dataclass(frozen=True, eq=False)
class LognormalAR1(Sampled):
    """``log theta`` follows a first-order autoregression around the level that makes ``E[theta] = 1`` in the long run.

    ``z[t] = persistence * z[t-1] + volatility * e[t]``, ``theta = exp(z - v/2)`` with v the stationary variance
    ``volatility^2 / (1 - persistence^2)``. Each line has its own independent path.

    Attributes:
        persistence: In (-1, 1), scalar or shape (n,).
        volatility: >= 0, scalar or shape (n,).
        start: Known z before the first period, scalar or shape (n,); drawn from the stationary distribution when None.
    """

    periods: int
    lines: int
    persistence: npt.ArrayLike
    volatility: npt.ArrayLike
    start: npt.ArrayLike | None = None

    def __post_init__(self) -> None:
        _check((np.abs(self._persistence) < 1).all(), "persistence lies between -1 and 1")
        _check(
            (np.isfinite(self._volatility) & (self._volatility >= 0)).all(),
            "volatility is a number that is not negative",
        )

        if self.start is not None:
            _check(np.isfinite(np.asarray(self.start, dtype=np.float64)).all(), "start is a number a line")

    @property
    def _persistence(self) -> FloatArray:
        return np.broadcast_to(np.asarray(self.persistence, dtype=np.float64), (self.lines,))

    @property
    def _volatility(self) -> FloatArray:
        return np.broadcast_to(np.asarray(self.volatility, dtype=np.float64), (self.lines,))

    @property
    def stationary_variance(self) -> FloatArray:
        """Long-run variance of ``log theta``, shape (n,)."""
        return np.asarray(self._volatility**2 / (1.0 - self._persistence**2))

    def noise(self, rng: np.random.Generator, size: int) -> Noise:
        """A standard normal number for the start and for each period, a line."""
        return (rng.standard_normal((size, self.periods + 1, self.lines)),)

    def noises(self, generators: Sequence[np.random.Generator]) -> Noise:
        """The same from many generators, written where it is to stand."""
        shocks = np.empty((len(generators), self.periods + 1, self.lines))
        for own, generator in zip(shocks, generators, strict=True):
            generator.standard_normal(out=own)
        return (shocks,)

    def path(self, noise: Noise) -> FloatArray:
        """Multipliers of the autoregression, shape (size, T, n)."""
        (shocks,) = noise
        size = len(shocks)
        if self.start is None:
            level = np.sqrt(self.stationary_variance) * shocks[:, 0]
        else:
            level = np.broadcast_to(np.asarray(self.start, dtype=np.float64), (size, self.lines))
        path = np.empty((size, self.periods, self.lines))
        np.multiply(self._volatility, shocks[:, 1:], out=path)
        for period in range(self.periods):
            path[:, period] += self._persistence * level
            level = path[:, period]
        path -= self.stationary_variance / 2.0
        return np.exp(path, out=path)

    def mean(self) -> FloatArray:
        """Expected multipliers, shape (T, n): 1 in the long run, and what the known start makes of it before."""
        if self.start is None:
            return np.ones((self.periods, self.lines))
        ahead = np.arange(1, self.periods + 1)[:, None]
        kept = self._persistence**ahead
        variance = self.stationary_variance * (1.0 - kept**2)
        start = np.asarray(self.start, dtype=np.float64)
        return np.asarray(np.exp(kept * start + variance / 2.0 - self.stationary_variance / 2.0))


@dataclass(frozen=True, eq=False)
class RegimeSwitching(Sampled):
    """A hidden regime, shared by all lines, moves by a Markov chain and sets the level of every multiplier.

    Attributes:
        transition: Row-stochastic, shape (R, R).
        level: Multiplier in each regime, shape (R,) or (R, n).
        initial: Probabilities of the first period's regime, shape (R,); the stationary ones when None.
        volatility: Of independent mean-one lognormal noise around the level.
    """

    periods: int
    lines: int
    transition: FloatArray
    level: FloatArray
    initial: FloatArray | None = None
    volatility: float = 0.0

    def __post_init__(self) -> None:
        chain, level = np.asarray(self.transition), np.asarray(self.level)
        _check(chain.ndim == 2 and chain.shape[0] == chain.shape[1], "transition is a square matrix")
        _check(
            (chain >= 0).all() and np.allclose(chain.sum(axis=1), 1.0, atol=1e-9), "each row of transition sums to 1"
        )
        _check(
            len(level) == len(chain) and (np.isfinite(level) & (level >= 0)).all(),
            "level gives every regime a number that is not negative",
        )
        _check(0 <= self.volatility < np.inf, "volatility is a number that is not negative")
        first = self.initial_distribution
        _check(
            first.shape == (len(chain),) and (first >= -1e-12).all() and abs(first.sum() - 1) <= 1e-9,
            "initial sums to 1",
        )

    @property
    def stationary(self) -> FloatArray:
        """Long-run probabilities of the regimes, shape (R,): the left eigenvector of the chain for 1."""
        chain = np.asarray(self.transition, dtype=np.float64)
        size = len(chain)
        system = np.vstack([chain.T - np.eye(size), np.ones(size)])
        answer, *_ = np.linalg.lstsq(system, np.r_[np.zeros(size), 1.0], rcond=None)
        return np.asarray(answer)

    @property
    def initial_distribution(self) -> FloatArray:
        """Probabilities of the first period's regime, shape (R,)."""
        return self.stationary if self.initial is None else np.asarray(self.initial, dtype=np.float64)

    @property
    def levels(self) -> FloatArray:
        level = np.asarray(self.level, dtype=np.float64)
        return np.broadcast_to(level.reshape(len(level), -1), (len(level), self.lines))

    def noise(self, rng: np.random.Generator, size: int) -> Noise:
        """A uniform number a period for the regime, and a standard normal one for each line."""
        return rng.random((size, self.periods)), rng.standard_normal((size, self.periods, self.lines))

    def path_with_regimes(self, noise: Noise) -> tuple[FloatArray, IntArray]:
        """Multipliers, shape (size, T, n), and the regimes behind them, shape (size, T)."""
        uniform, normal = noise
        size = len(uniform)
        ladder = np.cumsum(np.asarray(self.transition, dtype=np.float64), axis=1)
        regimes = np.empty((size, self.periods), dtype=np.int64)
        steps = np.broadcast_to(np.cumsum(self.initial_distribution), (size, len(ladder)))
        for period in range(self.periods):
            drawn = (uniform[:, period, None] > steps).sum(axis=1)
            regimes[:, period] = np.minimum(drawn, len(ladder) - 1)  # A ladder may end a rounding below 1.
            steps = ladder[regimes[:, period]]
        return self.levels[regimes] * np.exp(self.volatility * normal - self.volatility**2 / 2.0), regimes

    def path(self, noise: Noise) -> FloatArray:
        """Multipliers that follow from raw numbers, shape (size, T, n)."""
        return self.path_with_regimes(noise)[0]

    def mean(self) -> FloatArray:
        """Expected multipliers, shape (T, n)."""
        chance = self.initial_distribution
        rows = []
        for _ in range(self.periods):
            rows.append(chance @ self.levels)
            chance = chance @ np.asarray(self.transition, dtype=np.float64)
        return np.array(rows)


@dataclass(frozen=True, eq=False)
class Jumps(Sampled):
    """At most one jump a period and line multiplies the level by a lognormal size.

    Attributes:
        probability: Of a jump in a period, in [0, 1].
        log_mean: Mean of the log of a jump's size.
        log_volatility: Its standard deviation, >= 0.
        persistent: Whether the level stays where a jump put it; else it returns to 1 after the period.
    """

    periods: int
    lines: int
    probability: float
    log_mean: float
    log_volatility: float = 0.0
    persistent: bool = True

    def __post_init__(self) -> None:
        _check(0 <= self.probability <= 1, "probability lies between 0 and 1")
        _check(
            np.isfinite(self.log_mean) and 0 <= self.log_volatility < np.inf,
            "log_mean is finite and log_volatility not negative",
        )

    def noise(self, rng: np.random.Generator, size: int) -> Noise:
        """A uniform number for whether, and a standard normal one for how far, in each period and line."""
        shape = (size, self.periods, self.lines)
        return rng.random(shape), rng.standard_normal(shape)

    def path(self, noise: Noise) -> FloatArray:
        """Multipliers after the jumps, shape (size, T, n)."""
        uniform, normal = noise
        steps = (uniform < self.probability) * (self.log_mean + self.log_volatility * normal)
        return np.asarray(np.exp(np.cumsum(steps, axis=1) if self.persistent else steps))

    def mean(self) -> FloatArray:
        """Expected multipliers, shape (T, n)."""
        once = 1.0 + self.probability * (np.exp(self.log_mean + self.log_volatility**2 / 2.0) - 1.0)
        power = np.arange(1, self.periods + 1) if self.persistent else np.ones(self.periods)
        return np.asarray(np.broadcast_to((once**power)[:, None], (self.periods, self.lines)).copy())


@dataclass(frozen=True, eq=False)
class ParameterPrior(Sampled):
    """Curves that are not known: scale and knee drawn once a scenario, lognormal with the plan's own values as means.

    Attributes:
        curves: The plan's curves.
        log_sd_a: Standard deviation of log a.
        log_sd_h: Standard deviation of log h.
    """

    periods: int
    curves: Curves
    log_sd_a: float = 0.0
    log_sd_h: float = 0.0

    def __post_init__(self) -> None:
        _check(0 <= self.log_sd_a < np.inf and 0 <= self.log_sd_h < np.inf, "standard deviations are not negative")

    @property
    def lines(self) -> int:
        """n."""
        return len(self.curves)

    def sample_curves(self, rng: np.random.Generator, size: int) -> Curves:
        """Draw curves, parameters of shape (size, 1, n)."""
        return self.curves_of(self.noise(rng, size))

    def curves_of(self, noise: Noise) -> Curves:
        """Curves that follow from raw numbers, parameters of shape (size, 1, n)."""
        (draws,) = noise
        scale = np.exp(self.log_sd_a * draws[:, :1] - self.log_sd_a**2 / 2.0)
        knee = np.exp(self.log_sd_h * draws[:, 1:] - self.log_sd_h**2 / 2.0)
        a, h = np.broadcast_to(self.curves.a, scale.shape), np.broadcast_to(self.curves.h, knee.shape)
        p = np.broadcast_to(self.curves.p, scale.shape)
        return replace(self.curves, a=frozen(a * scale), h=frozen(h * knee), p=frozen(p))

    def noise(self, rng: np.random.Generator, size: int) -> Noise:
        """Two standard normal numbers a line: of the scale and of the knee."""
        return (rng.standard_normal((size, 2, self.lines)),)

    def path(self, noise: Noise) -> FloatArray:
        """Multipliers of 1, shape (size, T, n): what is unknown here are the curves."""
        return np.ones((len(noise[0]), self.periods, self.lines))

    def mean(self) -> FloatArray:
        """Expected multipliers, shape (T, n)."""
        return np.ones((self.periods, self.lines))


@dataclass(frozen=True, eq=False)
class Product(Sampled):
    """Independent processes multiplied."""

    parts: Sequence[Process]

    def __post_init__(self) -> None:
        shapes = {(part.periods, part.lines) for part in self.parts}
        _check(len(shapes) == 1, "the parts of a product have the same periods and lines, and there is at least one")

    @property
    def periods(self) -> int:
        """T."""
        return self.parts[0].periods

    @property
    def lines(self) -> int:
        """n."""
        return self.parts[0].lines

    def noise(self, rng: np.random.Generator, size: int) -> Noise:
        """The raw numbers of all parts, one part after another."""
        return tuple(array for part in self.parts for array in part.noise(rng, size))

    def path(self, noise: Noise) -> FloatArray:
        """Multipliers multiplied, shape (size, T, n)."""
        return np.asarray(np.prod([part.path(own) for part, own in self.split(noise)], axis=0))

    def split(self, noise: Noise) -> list[tuple[Process, Noise]]:
        """The parts, each with its own raw numbers."""
        empty, pairs, first = np.random.default_rng(0), [], 0
        for part in self.parts:
            count = len(part.noise(empty, 1))
            pairs.append((part, noise[first : first + count]))
            first += count
        return pairs

    def mean(self) -> FloatArray:
        """Expected multipliers, shape (T, n)."""
        return np.asarray(np.prod([part.mean() for part in self.parts], axis=0))
