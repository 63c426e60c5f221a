"""What an agent may conclude from what it has been shown: estimates of responses, and the chance of each hidden regime.

Both are made anew from the history that was shown, measured benefits and the agent's own amounts, so nothing of the future and
nothing hidden enters.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from fiscus.core.arrays import BoolArray, FloatArray
from fiscus.core.dynamics import stocks
from fiscus.core.process import Process, Product, RegimeSwitching
from fiscus.core.rows import FUNDED_ABOVE
from fiscus.env.fields import LARGEST, Field, Seen
from fiscus.env.game import Game
from fiscus.errors import InvalidInput

UNMEASURED = "beliefs need measurements; give sight=Sight(measured=True)"

NO_NOISE = 1e-6
"""Standard deviation of a log that stands for none at all."""


@dataclass(frozen=True, eq=False)
class Measured:
    """What has been measured so far.

    Attributes:
        ratio: Measured benefit over the benefit of the plan's own curve at the stock there was, shape (B, T, n); 1 where unknown.
        known: Where there is one: measured already, and with stock that counts as funded, shape (B, T, n).
    """

    ratio: FloatArray
    known: BoolArray


def measured(seen: Seen) -> Measured:
    """What the agents of a batch have been shown.

    Raises:
        InvalidInput: Where nothing is ever measured.
    """
    game, sight = seen.moment.game, seen.moment.game.sight
    if not sight.measured:
        raise InvalidInput(UNMEASURED)
    latest = seen.period - 1 - sight.delay
    shown = np.arange(game.periods)[None, :] <= latest[:, None]
    stock = stocks(game.problem, seen.spends)
    curve = game.problem.lines.curves.value(stock)
    # Float dust buys no measurement.
    known = shown[..., None] & (stock > FUNDED_ABOVE) & (curve > 0)
    return Measured(np.divide(seen.measurements, curve, out=np.ones_like(curve), where=known), known)


@dataclass(frozen=True)
class ResponseEstimate:
    """How much more or less than its curve each line brings: a normal prior on the log of the factor, updated by every measurement.

    The conjugate update of a normal mean with known variance (Gelman et al., Bayesian Data Analysis, 3rd ed., 2.5).

    Attributes:
        prior_sd: Standard deviation of the log of the factor before anything is measured.
        noise_sd: Standard deviation of the log of one measurement around the factor.
    """

    prior_sd: float = 0.5
    noise_sd: float = 0.3

    def __post_init__(self) -> None:
        if not (self.prior_sd > 0 and self.noise_sd > 0):
            raise InvalidInput("prior_sd and noise_sd are above zero")

    name: ClassVar[str] = "response"
    meaning: ClassVar[str] = "Expected factor of each line's response, then the standard deviation of its log."

    def size(self, game: Game) -> int:
        """Numbers of the feature."""
        return 2 * game.lines

    def __call__(self, seen: Seen) -> FloatArray:
        """Expected factor of each line, and the standard deviation of its log, shape (B, 2 n)."""
        told = measured(seen)
        logs = np.where(told.known, np.log(np.maximum(told.ratio, np.finfo(np.float64).tiny)), 0.0)
        # A factor whose mean is 1 has a log whose mean is less by half its variance.
        logs = np.where(told.known, logs + 0.5 * self.noise_sd**2, 0.0)
        count = told.known.sum(axis=1)
        precision = 1.0 / self.prior_sd**2 + count / self.noise_sd**2
        mean = (-0.5 + logs.sum(axis=1) / self.noise_sd**2) / precision
        sd = np.sqrt(1.0 / precision)
        return np.concatenate([np.exp(mean + 0.5 * sd**2), sd], axis=1)


@dataclass(frozen=True, eq=False)
class RegimeFilter:
    """The chance of each hidden regime in the period about to be decided: the forward filter of a hidden Markov chain.

    Hamilton (1989); measurements of all lines are independent lognormal given the regime.

    Attributes:
        regimes: The hidden chain.
    """

    regimes: RegimeSwitching

    @classmethod
    def of(cls, process: Process) -> RegimeFilter:
        """For the chain in a process.

        Raises:
            InvalidInput: Where there is none, or more than one.
        """
        parts = process.parts if isinstance(process, Product) else [process]
        chains = [part for part in parts if isinstance(part, RegimeSwitching)]
        if len(chains) != 1:
            raise InvalidInput(f"a regime filter needs exactly one RegimeSwitching process, got {len(chains)}")
        return cls(chains[0])

    name: ClassVar[str] = "regime"
    meaning: ClassVar[str] = "Probability of each hidden regime in the period about to be decided."

    def size(self, _game: Game) -> int:
        """Numbers of the feature."""
        return len(np.asarray(self.regimes.transition))

    def __call__(self, seen: Seen) -> FloatArray:
        """Probabilities, shape (B, R)."""
        told, chain = measured(seen), np.asarray(self.regimes.transition, dtype=np.float64)
        sight, periods = seen.moment.game.sight, seen.moment.game.periods
        sd = max(float(np.hypot(self.regimes.volatility, sight.noise)), NO_NOISE)
        level = np.maximum(self.regimes.levels, np.finfo(np.float64).tiny)
        chance = np.broadcast_to(self.regimes.initial_distribution, (len(seen.period), len(chain))).copy()
        for now in range(periods):
            passed = seen.period > now
            gap = (
                np.log(np.maximum(told.ratio[:, now, None, :], np.finfo(np.float64).tiny))
                - np.log(level)[None]
                + 0.5 * sd**2
            )
            weight = np.where(told.known[:, now, None, :], -0.5 * (gap / sd) ** 2, 0.0)
            logs = np.add.reduce(weight, axis=2)
            posterior = chance * np.exp(logs - logs.max(axis=1, keepdims=True))
            total = np.add.reduce(posterior, axis=1)[:, None]
            posterior = np.divide(posterior, total, out=chance.copy(), where=total > 0)
            following = np.add.reduce(posterior[:, :, None] * chain[None], axis=1)
            chance = np.where(passed[:, None], following, chance)
        return chance


Belief = ResponseEstimate | RegimeFilter


def belief_fields(game: Game, beliefs: Sequence[Belief]) -> tuple[Field, ...]:
    """Fields that hold beliefs.

    Raises:
        InvalidInput: Where nothing is ever measured.
    """
    if not game.sight.measured:
        raise InvalidInput(UNMEASURED)
    return tuple(Field(belief.name, belief.size(game), LARGEST, "1", belief.meaning, belief) for belief in beliefs)
