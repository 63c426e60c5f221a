"""Which proposals a rule takes.

Money is minor units of the matrix's currency, change is relative to last year (0.1 is ten per cent more).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

ORIGINS = ("optimiser", "learned", "manual")
"""Who made the amounts: a solver, a learned policy, people."""
ELSEWHERE = "elsewhere"
"""Where a proposal is whose unit lies under none that the matrix names."""
LEAST_CHANGE = -1.0
"""Nothing is left of last year: no proposal can change by less."""
LARGEST_MINOR = 2**53 - 1
"""Minor units that JSON carries exactly."""

Number = TypeVar("Number", int, float)


@dataclass(frozen=True, slots=True)
class Span(Generic[Number]):
    """Numbers from one, which belongs to it, to another, which does not.

    Attributes:
        start: Lowest.
        below: All are below it; None for no end.
    """

    start: Number
    below: Number | None = None

    def holds(self, number: Number) -> bool:
        """Whether a number is one of these; NaN never is."""
        return self.start <= number and (self.below is None or number < self.below)

    def meet(self, other: Span[Number]) -> Span[Number] | None:
        """Numbers of both; None where there are none."""
        start = max(self.start, other.start)
        ends = [end for end in (self.below, other.below) if end is not None]
        below = min(ends) if ends else None
        return Span(start, below) if below is None or start < below else None

    def to_json(self) -> dict[str, Any]:
        """As JSON."""
        return {"from": self.start, "below": self.below}


EVERY_AMOUNT: Span[int] = Span(0)
"""Of a proposal; none is below nothing."""
EVERY_CHANGE: Span[float] = Span(LEAST_CHANGE)
"""Of a proposal that had a last year."""


@dataclass(frozen=True, slots=True)
class Condition:
    """Which proposals a rule takes: all of these must hold. Names left out stand for all.

    Attributes:
        amount: Minor units, with what the same owner proposed for the same lines before.
        change: Relative to last year; None takes no proposal that had a last year.
        new: Whether proposals without a last year are taken.
        units: Named units, or ``ELSEWHERE``; each means its subtree without the named units further down.
        risks: Bands.
        origins: Of ``ORIGINS``.
    """

    amount: Span[int] = EVERY_AMOUNT
    change: Span[float] | None = EVERY_CHANGE
    new: bool = True
    units: tuple[str, ...] = ()
    risks: tuple[str, ...] = ()
    origins: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "amount": self.amount.to_json(),
            "change": self.change.to_json() if self.change else None,
            "new": self.new,
            "units": list(self.units),
            "risks": list(self.risks),
            "origins": list(self.origins),
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Condition:
        """What ``to_json`` wrote."""
        amount, change = document["amount"], document["change"]
        return cls(
            Span(amount["from"], amount["below"]),
            # JSON writes 1.0 as 1: it is a float here all the same.
            Span(float(change["from"]), None if change["below"] is None else float(change["below"]))
            if change
            else None,
            document["new"],
            *(tuple(document[name]) for name in ("units", "risks", "origins")),
        )
