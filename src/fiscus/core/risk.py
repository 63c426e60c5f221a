"""Risk measures of a discrete distribution of value."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np

from fiscus.core.arrays import FloatArray
from fiscus.errors import InvalidInput


@dataclass(frozen=True, slots=True)
class Measure:
    """A risk measure named in a word: ``cvar:0.95``, ``chance:0.9``, ``worst`` or ``meanvar``.

    Attributes:
        kind: ``cvar``, ``chance``, ``worst`` or ``meanvar`` (the variance).
        level: Probability in (0, 1); 1 for ``worst`` and ``meanvar``.
    """

    kind: str
    level: float

    @classmethod
    def parse(cls, text: str) -> Measure:
        """Read ``kind:level``.

        Raises:
            InvalidInput: For an unknown kind or a level outside (0, 1).
        """
        match = re.fullmatch(r"\s*(cvar|chance)\s*:\s*([0-9.eE+-]+)\s*|\s*(worst|meanvar)\s*", text)
        if match is None:
            raise InvalidInput(
                f"a risk measure is meanvar, cvar:LEVEL, chance:LEVEL or worst (such as cvar:0.95), got {text!r}"
            )
        if match[3]:
            return cls(match[3], 1.0)
        try:
            level = float(match[2])
        except ValueError:
            level = np.nan
        if not 0 < level < 1:
            raise InvalidInput(f"the level of {match[1]} is a probability between 0 and 1, got {match[2]}")
        return cls(match[1], level)

    def __str__(self) -> str:
        # Every digit of the level: it reads back.
        return self.kind if self.kind in ("worst", "meanvar") else f"{self.kind}:{self.level}"

    def of_loss(self, loss: FloatArray, probability: FloatArray) -> FloatArray:
        """The measure of a loss: CVaR, the quantile a chance limit speaks of, the worst case, or the variance.

        Args:
            loss: Shape (..., S), major units; a loss is minus a value (§3.4).
            probability: Shape (S,).

        Returns:
            Major units, for the variance their square, shape (...).
        """
        if self.kind == "meanvar":
            return variance(loss, probability)
        if self.kind == "worst":
            return np.asarray(np.where(probability > 0, loss, -np.inf).max(axis=-1))
        if self.kind == "chance":
            return value_at_risk(loss, probability, self.level)
        return cvar(loss, probability, self.level)


@dataclass(frozen=True, slots=True)
class RiskAversion:
    """How risk lowers the objective: ``mean V - aversion * measure(-V)`` (§4).

    Attributes:
        measure: Of the loss.
        aversion: Weight, >= 0; for ``meanvar``, whose measure is in squared units of value, per unit of value.
    """

    measure: Measure
    aversion: float


def value_at_risk(loss: FloatArray, probability: FloatArray, level: float) -> FloatArray:
    """Smallest loss whose cumulative probability reaches ``level``, shape (...)."""
    order = np.argsort(loss, axis=-1, kind="stable")
    cumulative = np.cumsum(probability[order], axis=-1)
    first = np.argmax(cumulative >= level - 1e-12, axis=-1)  # Cumulative sums of probabilities carry rounding dust.
    return np.asarray(np.take_along_axis(np.take_along_axis(loss, order, -1), first[..., None], -1)[..., 0])


def variance(loss: FloatArray, probability: FloatArray) -> FloatArray:
    """Mean squared distance from the mean, shape (...), of losses of shape (..., S)."""
    return np.asarray((loss - (loss @ probability)[..., None]) ** 2 @ probability)


def cvar(loss: FloatArray, probability: FloatArray, level: float) -> FloatArray:
    """Conditional value at risk: mean of the worst ``1 - level`` of the distribution.

    The minimum over z of ``z + E[max(loss - z, 0)] / (1 - level)``, attained at the value at risk
    (Rockafellar & Uryasev 2000, theorem 1; for discrete distributions 2002, theorem 10).

    Args:
        loss: Shape (..., S), major units.
        probability: Shape (S,).
        level: In (0, 1).

    Returns:
        Major units, shape (...).
    """
    threshold = value_at_risk(loss, probability, level)
    excess = np.maximum(loss - threshold[..., None], 0.0)
    return np.asarray(threshold + excess @ probability / (1.0 - level))
