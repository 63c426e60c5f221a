"""What one more unit of a limit is worth, and how far the limit may move before that changes.

**Definition.** Let ``v(b)`` be the best value when a limit stands at ``b``, the yes-or-no choices of the plan kept as they are.
It is concave. The *price* is its slope to the right of where the limit stands: the value of one more unit. Where nothing curves,
the price holds on the longest interval on which ``v`` lies on one straight line through the present limit with that slope.
Where curves are smooth it holds on the interval on which the slope stays within 1% of the price. Where ``v`` has a corner at the
present limit, one unit less costs more than one unit more gains; then the interval starts at the present limit and both slopes
are told.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from fiscus.core.rows import Label
from fiscus.optimise.explain.value_function import ROOMY, SAME, Sample, Side, ValueFunction
from fiscus.optimise.result import Binding, Result

WITHIN = 0.01
"""Relative change of a slope within which a price is said to hold, where curves are smooth."""

FURTHEST = 0.1 * ROOMY
MOST_STEPS = 60
ASIDE = 5e-4
"""Share of an interval by which a guess is moved off the end that it is nearer to."""


@dataclass(frozen=True, slots=True)
class PriceRange:
    """The price of a limit and where it holds; see the module for the definition.

    Attributes:
        rule: Id of the rule; ``unit X`` for the units table, ``budget`` for the money.
        row: What the row speaks of, rule id first.
        kind: Kind of the rule.
        side: Whether the limit is a ``cap``, a ``floor`` or both at once (``equal``).
        limit: Where it stands.
        price: Value of one more unit of the limit; negative for a floor that costs value; minus infinity where not one more unit
            is possible.
        price_below: Value lost with one unit less; differs from the price only at a corner. Infinite where one unit less is
            impossible.
        lower: Least limit at which the price holds; minus infinity where it always does.
        upper: Most limit at which the price holds; infinite where it always does.
        within: 0 where the value follows a straight line in the range, else the relative change of the slope that is allowed.
        choices_fixed: Whether the plan has yes-or-no choices, which were kept as they are.
        unit: Of the limit; empty for money.
        cut_short: Whether time ran out on the way to the ends, so that the price holds at least where it is said to.
    """

    rule: str
    row: Label
    kind: str
    side: Side
    limit: float
    price: float
    price_below: float
    lower: float
    upper: float
    within: float
    choices_fixed: bool
    unit: str = ""
    cut_short: bool = False

    def as_dict(self) -> dict[str, Any]:
        """Plain data; numbers without end are null."""
        return {name: _number(value) for name, value in asdict(self).items()}

    def sentence(self, name: str, code: str) -> str:
        """For people.

        Args:
            name: What they call the rule.
            code: Of the currency.
        """
        what = {"cap": "limit", "floor": "floor", "equal": "fixed amount"}[self.side]
        said = f"{name} ({', '.join(self.row[1:])}): "
        unit = self.unit or code
        if math.isinf(self.price) and math.isinf(self.price_below):
            return (
                f"{said}the {what} of {self.limit:,.2f} {unit} can be moved neither up nor down with the other rules."
            )
        if math.isinf(self.price):
            said += (
                f"the {what} of {self.limit:,.2f} {unit} cannot be raised with the other rules; one unit less is worth "
            )
            said += f"{-self.price_below:+.4g}, "
        else:
            said += f"one more unit of the {what} of {self.limit:,.2f} {unit} is worth {self.price:+.4g}, "
        said += ("at least " if self.cut_short else "") + _span(self.lower, self.upper, self.limit)
        if self.within:
            said += f" (within {self.within:.0%})"
        corner = math.isfinite(self.price) and self.lower == self.limit and self.price_below != self.price
        if corner and math.isfinite(self.price_below):
            said += f"; one unit less is worth {-self.price_below:+.4g}"
        return said + (", with the plan's yes-or-no choices kept." if self.choices_fixed else ".")


def _span(lower: float, upper: float, limit: float) -> str:
    if math.isinf(lower) and math.isinf(upper):
        return "wherever the limit stands"
    if math.isinf(lower):
        return f"for every limit up to {upper:,.2f}"
    if math.isinf(upper):
        return f"for every limit from {lower:,.2f} up"
    if lower == upper == limit:
        return "and that changes at once when the limit moves"
    return f"for limits from {lower:,.2f} to {upper:,.2f}"


def _number(value: Any) -> Any:
    if isinstance(value, tuple):
        return list(value)
    return None if isinstance(value, float) and not math.isfinite(value) else value


def price_range(result: Result, rule_row: Binding | Label, function: ValueFunction | None = None) -> PriceRange:
    """The price of one row of a rule and the range of its limit over which the price holds.

    Args:
        result: With an allocation.
        rule_row: A row that binds, or the label of any row of a rule, such as ``("budget", "FY2024")``.
        function: Of the result, shared by many ranges; made when not given.

    Raises:
        InvalidInput: For a row that does not exist, or a method that does not seek value and so has no prices.
        NoAllocation: Where there is no allocation.
    """
    function = (function or ValueFunction(result)).of_row(rule_row)
    end = _smooth_end if function.curved else _straight_end
    base = function.at(function.standing)
    up, down = end(function, base, 1.0), end(function, base, -1.0)
    kink = abs(up.slope - down.slope) > (WITHIN if function.curved else 1e-7) * max(abs(up.slope), abs(down.slope))
    lower, upper = function.standing - down.reach, function.standing + up.reach
    if kink and math.isfinite(up.slope):
        lower = function.standing
    rows = function.rows
    return PriceRange(
        rule=rows.labels[function.row][0],
        row=rows.labels[function.row],
        kind=rows.kind,
        side=function.side,
        limit=function.standing,
        price=up.slope,
        price_below=down.slope,
        lower=lower,
        upper=upper,
        within=WITHIN if function.curved else 0.0,
        choices_fixed=function.choices_fixed,
        unit=rows.unit,
        cut_short=up.cut_short or down.cut_short,
    )


@dataclass(frozen=True, slots=True)
class End:
    """Slope of the value function next to where the limit stands, on one side, and how far it holds on that side."""

    slope: float
    reach: float
    cut_short: bool = False


def limit_value(result: Result, rule_row: Binding | Label) -> ValueFunction:
    """Best value as one row's limit moves.

    Raises:
        InvalidInput: For a row that does not exist, or a method that does not seek value.
        NoAllocation: Where there is no allocation.
    """
    return ValueFunction(result).of_row(rule_row)


def _horizon(function: ValueFunction, direction: float) -> tuple[float, bool]:
    """Furthest distance to look at, and whether feasibility ends there."""
    edge = function.furthest(direction)
    sizes = [1.0, abs(function.standing), float(function.spend.sum())]
    far = FURTHEST * max(sizes)
    return (edge * (1.0 - 1e-12), True) if edge <= far else (far, False)


def first_piece(function: Callable[[float], Sample], start: Sample, far: float) -> End:
    """The first straight piece of a concave function of the distance from its start.

    Two supporting lines, one at each end of an interval, meet above the function; where it touches their meeting point, that is
    the only corner between them (Eisner & Severance 1976). So every corner is found exactly, in as many solves as there are
    pieces on the way.

    Args:
        function: Distance to sample; the slope is along the distance.
        start: At distance zero.
        far: Distance to look at, where the function is finite.
    """
    steep, right = start.slope, function(far)
    beyond: Sample | None = None
    for _ in range(MOST_STEPS):
        near = SAME * max(1.0, abs(start.value), abs(right.value))
        if right.value - right.slope * right.at <= start.value + near:
            break
        if right.value >= start.value + steep * right.at - near:
            return End(steep, right.at)  # The far line touches here too, so this is the corner.
        beyond = right
        meeting = _meeting(start.value, steep, right)
        if not 0.0 < meeting < right.at:
            break
        right = function(meeting)
    slope = right.slope
    while beyond is not None:
        corner = _meeting(start.value, slope, beyond)
        if not right.at < corner < beyond.at:
            break
        sample = function(corner)
        if sample.value >= start.value + slope * corner - SAME * max(1.0, abs(start.value), abs(sample.value)):
            return End(slope, corner)
        beyond = sample
    return End(slope, right.at)


def _meeting(value: float, slope: float, other: Sample) -> float:
    """Where the line from zero meets the supporting line of a sample."""
    gap = slope - other.slope
    return (other.value - other.slope * other.at - value) / gap if gap > 0 else math.inf


def straight_piece(function: ValueFunction, base: Sample, direction: float, *, refine: bool = True) -> tuple[End, bool]:
    """The first straight piece on one side, and whether it ends where feasibility does or never."""
    far, edged = _horizon(function, direction)
    if far <= 1e-9 * max(1.0, abs(function.standing)):
        return End(-math.inf, 0.0), True

    def along(distance: float) -> Sample:
        for back in (0.0, 1e-9, 1e-7):  # On the very edge rounding may call feasible infeasible.
            sample = function.at(function.standing + direction * distance * (1.0 - back), refine=refine)
            if math.isfinite(sample.value):
                break
        return Sample(distance, sample.value, direction * sample.slope)

    start = Sample(0.0, base.value, direction * base.slope)
    piece = first_piece(along, start, far)
    if piece.reach >= far * (1.0 - 1e-9):
        return End(piece.slope, far / (1.0 - 1e-12) if edged else math.inf), True
    return piece, False


def _straight_end(function: ValueFunction, base: Sample, direction: float) -> End:
    piece, _ = straight_piece(function, base, direction)
    return End(direction * piece.slope, piece.reach)


def _smooth_end(function: ValueFunction, base: Sample, direction: float) -> End:
    """Slope next to the limit on one side, and the distance at which it has changed by 1%, to a thousandth."""
    far, edged = _horizon(function, direction)
    scale = max(1.0, abs(function.standing))
    if far <= 1e-6 * scale:
        return End(-direction * math.inf, 0.0)
    slope = function.at(function.standing + direction * 1e-7 * scale).slope

    def changed(distance: float) -> float:
        """Change of the slope in units of what is allowed."""
        sample = function.at(function.standing + direction * distance)
        if not math.isfinite(sample.value):
            return math.inf
        return abs(sample.slope - slope) / (WITHIN * abs(slope) + 1e-12)

    good, bad = 1e-7 * scale, math.inf
    step, changes, stuck = 1e-3 * scale, (0.0, math.inf), 0
    for _ in range(MOST_STEPS):
        if bad < math.inf and bad - good <= 1e-3 * bad:
            break
        if function.late:
            return End(slope, good, cut_short=True)
        width = bad - good
        trial = min(step, far) if bad == math.inf else _between(good, bad, *changes, halve=stuck > 1)
        change = changed(trial)
        if change <= 1.0:
            good, changes = trial, (change, changes[1])
            # Aim a little past where a slope that changes evenly would have changed enough.
            step = trial * min(max(1.05 / max(change, 1e-9), 1.5), 30.0)
            if trial >= far:
                return End(slope, far if edged else math.inf)
        else:
            bad, changes = trial, (changes[0], change)
        stuck = stuck + 1 if bad - good > 0.5 * width else 0
    return End(slope, good)


def _between(good: float, bad: float, inside: float, outside: float, *, halve: bool) -> float:
    """Where to look next for a change of 1: on the line between both ends, a little to either side of its guess in turn."""
    if halve or not math.isfinite(outside):  # The slope may jump; then lines between the ends lead nowhere.
        return 0.5 * (good + bad)
    share = (1.0 - inside) / (outside - inside)
    share += ASIDE if share < 0.5 else -ASIDE  # Just past the guess, so that the interval closes from both sides.
    return good + (bad - good) * min(max(share, 0.02), 0.98)
