"""What a policy may expect of the periods to come, given what it has been shown: conditional means and samples of the multipliers.

Each belief is exact for its process where the agent sees multipliers before it decides, and where measurements are lognormal around
them; what it leaves out, its docstring says. Nothing of the future and nothing hidden enters: only a :class:`Moment`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from fiscus.core.arrays import FloatArray, IntArray
from fiscus.core.process import (
    Constant,
    Jumps,
    LognormalAR1,
    ParameterPrior,
    Process,
    Product,
    RegimeSwitching,
    ScenarioTable,
)
from fiscus.core.rounds import FundingRounds
from fiscus.env.beliefs import NO_NOISE, RegimeFilter, ResponseEstimate, measured
from fiscus.env.decode import Moment
from fiscus.env.fields import Seen
from fiscus.env.game import Game
from fiscus.errors import InvalidInput

TINY = float(np.finfo(np.float64).tiny)

SAME_THETA = 1e-9
"""Relative difference within which a listed multiplier is the one that is seen."""


class Belief(Protocol):
    """What is expected of the multipliers."""

    def expected(self, moment: Moment) -> FloatArray:
        """Conditional means of the present and all later periods, shape (B, T, n); earlier ones without meaning."""
        ...

    def sampled(self, moment: Moment, rng: np.random.Generator, size: int) -> FloatArray:
        """Draws from the same distribution, shape (B, size, T, n)."""
        ...


def belief(game: Game) -> Belief:
    """The belief that goes with a game's process and sight.

    Raises:
        InvalidInput: For a product of several uncertain parts, whose parts cannot be told apart, and processes made elsewhere.
    """
    process = game.process
    if isinstance(process, Product):
        uncertain = [part for part in process.parts if not isinstance(part, Constant)]
        if len(uncertain) != 1 or len(process.parts) != 1:
            raise InvalidInput("a product of processes has no belief of its own; give one as belief=")
        process = uncertain[0]
    if game.sight.multipliers == "never" and not game.sight.measured:
        return Expectation(process)
    made: Any = {
        Constant: Expectation,
        LognormalAR1: Autoregression,
        RegimeSwitching: Regimes,
        Jumps: Leaps,
        ParameterPrior: Responses,
        ScenarioTable: Listed,
        FundingRounds: Expectation,
    }.get(type(process))
    if made is None:
        raise InvalidInput(f"there is no belief for a {type(process).__name__}; give one as belief=")
    found: Belief = made(process)
    return found


def _with_present(expected: FloatArray, moment: Moment) -> FloatArray:
    """Means with what is seen of the present in its place."""
    if moment.game.sight.multipliers == "now":
        expected[np.arange(len(expected)), moment.period] = moment.multipliers
    return expected


def _ahead(moment: Moment) -> IntArray:
    """How many periods each lies ahead, 0 for the present and for the past, shape (B, T)."""
    return np.asarray(np.maximum(np.arange(moment.game.periods)[None, :] - moment.period[:, None], 0))


@dataclass(frozen=True, eq=False)
class Expectation:
    """The process's own mean, whatever has been seen but the present."""

    process: Process

    def expected(self, moment: Moment) -> FloatArray:
        """See :class:`Belief`."""
        mean = np.repeat(np.asarray(self.process.mean())[None], len(moment.period), axis=0)
        return _with_present(mean, moment)

    def sampled(self, moment: Moment, rng: np.random.Generator, size: int) -> FloatArray:
        """See :class:`Belief`; periods are drawn as the process draws them, without regard to the present."""
        count = len(moment.period)
        drawn = self.process.sample(rng, count * size).reshape(count, size, *moment.game.problem.shape)
        if moment.game.sight.multipliers == "now":
            drawn[np.arange(count), :, moment.period] = moment.multipliers[:, None]
        return np.asarray(drawn)


@dataclass(frozen=True, eq=False)
class Autoregression:
    """Lines whose log multipliers follow a first-order autoregression: known where seen, else by a Kalman filter of measurements.

    Kalman (1960) for ``z[t] = persistence z[t-1] + volatility e[t]`` and measured logs ``z + noise``.

    Attributes:
        process: The autoregression.
    """

    process: LognormalAR1

    def _each(self, parameter: npt.ArrayLike) -> FloatArray:
        """A parameter of each line, shape (n,)."""
        return np.broadcast_to(np.asarray(parameter, dtype=np.float64), (self.process.lines,))

    def _known(self, moment: Moment) -> tuple[FloatArray, FloatArray]:
        """Mean and variance of z in the present period, shapes (B, n)."""
        process, variance = self.process, self.process.stationary_variance
        if moment.game.sight.multipliers == "now":
            z = np.log(np.maximum(moment.multipliers, TINY)) + variance / 2.0
            return z, np.zeros_like(z)
        persistence, shock = self._each(process.persistence), self._each(process.volatility) ** 2
        told, noise = measured(_seen(moment)), max(moment.game.sight.noise**2, NO_NOISE**2)
        shape = (len(moment.period), process.lines)
        if process.start is None:
            mean, spread = np.zeros(shape), np.broadcast_to(variance, shape).copy()
        else:
            mean = np.repeat(self._each(process.start)[None], shape[0], axis=0)
            spread = np.zeros(shape)
        logs = np.log(np.maximum(told.ratio, TINY)) + variance / 2.0 + moment.game.sight.noise**2 / 2.0
        for now in range(moment.game.periods):
            passed = (moment.period >= now)[:, None]
            mean = np.where(passed, persistence * mean, mean)
            spread = np.where(passed, persistence**2 * spread + shock, spread)
            known = told.known[:, now] & passed
            gain = np.where(known, spread / np.maximum(spread + noise, TINY), 0.0)
            mean = mean + gain * np.where(known, logs[:, now] - mean, 0.0)
            spread = (1.0 - gain) * spread
        return mean, spread

    def expected(self, moment: Moment) -> FloatArray:
        """See :class:`Belief`."""
        mean, spread = self._known(moment)
        stationary = self.process.stationary_variance
        power = self._each(self.process.persistence)[None, None, :] ** _ahead(moment)[..., None]
        variance = power**2 * spread[:, None] + stationary * (1.0 - power**2)
        return _with_present(np.exp(power * mean[:, None] + 0.5 * (variance - stationary)), moment)

    def sampled(self, moment: Moment, rng: np.random.Generator, size: int) -> FloatArray:
        """See :class:`Belief`."""
        mean, spread = self._known(moment)
        count, (periods, lines) = len(mean), moment.game.problem.shape
        shocks = rng.standard_normal((count, size, periods + 1, lines))
        z = mean[:, None] + np.sqrt(spread)[:, None] * shocks[:, :, periods]
        drawn = np.empty((count, size, periods, lines))
        persistence, volatility = self._each(self.process.persistence), self._each(self.process.volatility)
        for now in range(periods):
            later = (moment.period < now)[:, None, None]
            z = np.where(later, persistence * z + volatility * shocks[:, :, now], z)
            drawn[:, :, now] = z
        return np.asarray(np.exp(drawn - self.process.stationary_variance / 2.0))


@dataclass(frozen=True, eq=False)
class Regimes:
    """A hidden regime, filtered from measurements, or from what is seen of the present alone where that is shown.

    Attributes:
        process: The chain.
    """

    process: RegimeSwitching

    def chances(self, moment: Moment) -> FloatArray:
        """Probability of each regime in the present period, shape (B, R)."""
        chain = np.asarray(self.process.transition, dtype=np.float64)
        if moment.game.sight.measured:
            return RegimeFilter(self.process)(_seen(moment))
        chance = np.stack(
            [
                self.process.initial_distribution @ np.linalg.matrix_power(chain, period)
                for period in moment.period.tolist()
            ]
        )
        sd = max(self.process.volatility, NO_NOISE)
        level = np.log(np.maximum(self.process.levels, TINY))
        gap = np.log(np.maximum(moment.multipliers[:, None], TINY)) - level + 0.5 * sd**2
        logs = np.log(np.maximum(chance, TINY)) - 0.5 * ((gap / sd) ** 2).sum(axis=2)
        weight = np.exp(logs - logs.max(axis=1, keepdims=True))
        return np.asarray(weight / weight.sum(axis=1, keepdims=True))

    def expected(self, moment: Moment) -> FloatArray:
        """See :class:`Belief`."""
        chance, ahead = self.chances(moment), _ahead(moment)
        chain = np.asarray(self.process.transition, dtype=np.float64)
        mean = np.empty((len(chance), *moment.game.problem.shape))
        for steps in range(int(ahead.max()) + 1):
            rows, periods = np.nonzero(ahead == steps)
            mean[rows, periods] = (chance @ self.process.levels)[rows]
            chance = chance @ chain
        return _with_present(mean, moment)

    def sampled(self, moment: Moment, rng: np.random.Generator, size: int) -> FloatArray:
        """See :class:`Belief`."""
        chance, (periods, lines) = self.chances(moment), moment.game.problem.shape
        ladder = np.cumsum(np.asarray(self.process.transition, dtype=np.float64), axis=1)
        top = len(ladder) - 1
        regime = (rng.random((len(chance), size, 1)) > np.cumsum(chance, axis=1)[:, None]).sum(axis=2).clip(0, top)
        drawn = np.empty((len(chance), size, periods, lines))
        for now in range(periods):
            moved = (rng.random((len(chance), size, 1)) > ladder[regime]).sum(axis=2).clip(0, top)
            regime = np.where((moment.period < now)[:, None], moved, regime)
            drawn[:, :, now] = self.process.levels[regime]
        normal = rng.standard_normal(drawn.shape)
        drawn = drawn * np.exp(self.process.volatility * normal - self.process.volatility**2 / 2.0)
        if moment.game.sight.multipliers == "now":
            drawn[np.arange(len(drawn)), :, moment.period] = moment.multipliers[:, None]
        return np.asarray(drawn)


@dataclass(frozen=True, eq=False)
class Leaps:
    """Jumps: where they persist, levels stay where they are seen; where they pass, only the present is out of the ordinary.

    Without sight of the present the process's mean is all there is.

    Attributes:
        process: The jumps.
    """

    process: Jumps

    def expected(self, moment: Moment) -> FloatArray:
        """See :class:`Belief`."""
        process, shape = self.process, (len(moment.period), *moment.game.problem.shape)
        once = 1.0 + process.probability * (np.exp(process.log_mean + process.log_volatility**2 / 2.0) - 1.0)
        if moment.game.sight.multipliers != "now" or not process.persistent:
            mean = process.mean() if process.persistent else np.full(moment.game.problem.shape, once)
            return _with_present(np.broadcast_to(mean, shape).copy(), moment)
        return np.asarray(moment.multipliers[:, None] * once ** _ahead(moment)[..., None])

    def sampled(self, moment: Moment, rng: np.random.Generator, size: int) -> FloatArray:
        """See :class:`Belief`."""
        process, shape = self.process, (len(moment.period), size, *moment.game.problem.shape)
        steps = (rng.random(shape) < process.probability) * (
            process.log_mean + process.log_volatility * rng.standard_normal(shape)
        )
        if moment.game.sight.multipliers != "now":
            return np.asarray(np.exp(np.cumsum(steps, axis=2) if process.persistent else steps))
        later = (_ahead(moment) > 0)[:, None, :, None]
        steps = np.where(later, steps, 0.0)
        if process.persistent:
            return np.asarray(moment.multipliers[:, None, None] * np.exp(np.cumsum(steps, axis=2)))
        return np.asarray(np.where(later, np.exp(steps), moment.multipliers[:, None, None]))


@dataclass(frozen=True, eq=False)
class Responses:
    """Scales of curves that are not known: a normal log scale, updated by every measurement. Knees count as the plan's.

    Attributes:
        process: The prior.
    """

    process: ParameterPrior

    def _factor(self, moment: Moment) -> tuple[FloatArray, FloatArray]:
        """Expected factor and standard deviation of its log, shapes (B, n)."""
        lines = moment.game.lines
        if not moment.game.sight.measured or self.process.log_sd_a <= 0:
            shape = (len(moment.period), lines)
            return np.ones(shape), np.full(shape, self.process.log_sd_a)
        told = ResponseEstimate(self.process.log_sd_a, max(moment.game.sight.noise, NO_NOISE))(_seen(moment))
        return told[:, :lines], told[:, lines:]

    def expected(self, moment: Moment) -> FloatArray:
        """See :class:`Belief`."""
        return np.repeat(self._factor(moment)[0][:, None], moment.game.periods, axis=1)

    def sampled(self, moment: Moment, rng: np.random.Generator, size: int) -> FloatArray:
        """See :class:`Belief`."""
        factor, sd = self._factor(moment)
        normal = rng.standard_normal((len(factor), size, 1, factor.shape[1]))
        drawn = factor[:, None, None] * np.exp(sd[:, None, None] * normal - 0.5 * sd[:, None, None] ** 2)
        return np.repeat(drawn, moment.game.periods, axis=2)


@dataclass(frozen=True, eq=False)
class Listed:
    """Futures that someone listed: those that agree with what is seen of the present, by their probabilities.

    What was seen in earlier periods does not count, which is exact where the present tells the branches of a tree apart.

    Attributes:
        process: The table.
    """

    process: ScenarioTable

    def _weights(self, moment: Moment) -> FloatArray:
        """Probability of each future, shape (B, S)."""
        probability = np.asarray(self.process.probability, dtype=np.float64)
        if moment.game.sight.multipliers != "now":
            return np.broadcast_to(probability, (len(moment.period), len(probability)))
        there = np.asarray(self.process.theta)[:, moment.period].transpose(1, 0, 2)
        near = np.abs(there - moment.multipliers[:, None]) <= SAME_THETA * np.maximum(1.0, np.abs(there))
        weight = probability * near.all(axis=2)
        total = weight.sum(axis=1, keepdims=True)
        return np.where(total > 0, weight / np.where(total > 0, total, 1.0), probability)

    def expected(self, moment: Moment) -> FloatArray:
        """See :class:`Belief`."""
        return np.asarray(np.tensordot(self._weights(moment), np.asarray(self.process.theta), axes=1))

    def sampled(self, moment: Moment, rng: np.random.Generator, size: int) -> FloatArray:
        """See :class:`Belief`."""
        ladder = np.cumsum(self._weights(moment), axis=1)
        which = (rng.random((len(ladder), size, 1)) > ladder[:, None]).sum(axis=2)
        return np.asarray(np.asarray(self.process.theta)[np.minimum(which, ladder.shape[1] - 1)])


def _seen(moment: Moment) -> Seen:
    """What features of observations are made from, as far as beliefs ask for it."""
    if moment.measurements is None:
        raise InvalidInput("beliefs need measurements; give sight=Sight(measured=True)")
    return Seen.of(moment)
