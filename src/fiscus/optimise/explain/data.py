"""Explanations as data; :mod:`fiscus.optimise.explain.lines` makes them."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class RuleShare:
    """What one binding row adds to the price of money on a line or in a unit.

    Attributes:
        rule: Id of the rule.
        text: What people call it.
        row: What the row speaks of, rule id first.
        kind: Kind of the rule.
        price: Value of one more unit of its limit; None where the solver gave none.
        coefficient: Units of the limit that a unit of money takes.
    """

    rule: str
    text: str
    row: tuple[str, ...]
    kind: str
    price: float | None
    coefficient: float

    @property
    def cost(self) -> float:
        """Value that a unit of money costs by this row; negative where the row asks for money."""
        return self.coefficient * (self.price or 0.0)


@dataclass(frozen=True, slots=True)
class Alternative:
    """The line at the other end of the next unit of money.

    Attributes:
        line: Its id.
        gets: Whether it would get the next unit; else it would lose it.
        worth: Value of that unit there, less what the rules price it at there.
    """

    line: str
    gets: bool
    worth: float


@dataclass(frozen=True, slots=True)
class PeriodExplanation:
    """Why a line got what it got in one period; money in major units but ``amount``, which is in minor units.

    Attributes:
        period: Its name.
        amount: Exact, minor units.
        ask: None where it asks for no amount.
        prior: Last year's amount.
        floor: Least it must get.
        cap: None where there is none.
        marginal: Value of one more unit of money on it; infinite at the foot of some curves.
        price: What the rules price a unit of money at here.
        place: ``zero``, ``floor``, ``cap`` or ``between``.
        decided: What decides: its own ``cap``, ``ask`` or ``floor``, a rule that keeps it (``kept``) or holds it up (``held up``),
            the ``price`` of money elsewhere, a yes-or-no ``choice``, or ``enough``: more would bring nothing.
        decided_by: Id of the rule that does, where one does.
        rules: Rows above it that bind, dearest first.
        alternative: Who would get the next unit of money, or lose it; None where nobody could.
        sentences: For people.
    """

    period: str
    amount: int
    ask: float | None
    prior: float
    floor: float
    cap: float | None
    marginal: float
    price: float
    place: str
    decided: str
    decided_by: str | None
    rules: tuple[RuleShare, ...]
    alternative: Alternative | None
    sentences: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class LineExplanation:
    """Why a line got what it got, period by period."""

    line: str
    name: str
    unit: str
    periods: tuple[PeriodExplanation, ...]

    @property
    def sentences(self) -> list[str]:
        """For people, period after period."""
        return [sentence for each in self.periods for sentence in each.sentences]

    def as_dict(self) -> dict[str, Any]:
        """Plain data; numbers without end are null."""
        plain: dict[str, Any] = finite(asdict(self))
        return plain


@dataclass(frozen=True, slots=True)
class UnitPeriod:
    """A unit in one period; money in major units but ``amount``, which is in minor units.

    Attributes:
        period: Its name.
        amount: Exact total of its lines, minor units.
        ask: Total of what its lines ask for.
        prior: Total of last year's amounts.
        floor: Of the unit.
        cap: Of the unit; None where there is none.
        price: What one more unit of money for the whole unit is worth: the price of all rows that hold its total.
        rules: Binding rows that hold its total, or its total with others', dearest first.
        inside: Binding rows that hold only some of its lines.
        next: Lines that would get the next unit of money, with its value there, best first.
        sentences: For people.
    """

    period: str
    amount: int
    ask: float
    prior: float
    floor: float
    cap: float | None
    price: float
    rules: tuple[RuleShare, ...]
    inside: tuple[RuleShare, ...]
    next: tuple[tuple[str, float], ...]
    sentences: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class UnitExplanation:
    """Why a unit got what it got, period by period."""

    unit: str
    name: str
    periods: tuple[UnitPeriod, ...]

    @property
    def sentences(self) -> list[str]:
        """For people, period after period."""
        return [sentence for each in self.periods for sentence in each.sentences]

    def as_dict(self) -> dict[str, Any]:
        """Plain data; numbers without end are null."""
        plain: dict[str, Any] = finite(asdict(self))
        return plain


def finite(value: Any) -> Any:
    """The same plain data with numbers that do not exist as null."""
    if isinstance(value, dict):
        return {name: finite(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def worth(value: float, *, signed: bool = False) -> str:
    """A value as people read it: whole where it is large, else four digits."""
    sign = "+" if signed else ""
    return f"{value:{sign},.0f}" if abs(value) >= 1e4 else f"{value:{sign},.4g}"
