"""The referee in exact arithmetic: whole minor units in, and no rounding of any sum (§3.1, §3.7).

Numbers of tables and rules are the decimals that people read and wrote: a float stands for its shortest decimal. What is
rational in the amounts (spend, what is funded, movements, stocks, cash) is reckoned in whole numbers or fractions. Values,
which take logarithms and powers, are reckoned in decimals of 60 digits, of which the first 40 count as exact.

What a row may be off by:

- nothing, where all its coefficients are whole numbers, its bound is a whole number of minor units and its columns are counted
  in minor units or are a yes or no: budgets, envelopes, counts;
- less than one minor unit times the largest coefficient on money, for an equality in amounts that is not of that sort: there
  may be no whole minor units that meet it (the convention of :mod:`fiscus.core.cents`);
- else ``EXACT`` times the row's scale: computed coefficients, such as 1 - 0.9, carry the dust of float arithmetic.
"""

from __future__ import annotations

import decimal
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
import scipy.sparse as sp

from fiscus.core.arrays import BoolArray, FloatArray, IntArray
from fiscus.core.cents import EXACT, hard_rows
from fiscus.core.curves import STEP_TOLERANCE, Curves
from fiscus.core.feasibility import Violation
from fiscus.core.knots import PointList
from fiscus.core.problem import Problem
from fiscus.core.risk import Measure
from fiscus.core.rows import Label, Rows, Side
from fiscus.core.rules.base import amount
from fiscus.core.rules.risk import Risk
from fiscus.errors import InvalidAllocation

DIGITS = 60
"""Of the decimals in which values are reckoned; cancellation in a logarithm or a power loses some of the last."""

SURE_DIGITS = 40
"""Digits of a value that count as exact."""

DECIMALS = 6
"""Most decimals of a coefficient for which rows are summed in whole numbers, many at a time."""

ENDLESS = Fraction(10**30)
"""Stands for the appropriation of a period without a budget: more than any amount of money."""

_LARGEST_DECIMAL = 1e15
_LARGEST_SUM = 4e18
_CONTEXT = decimal.Context(
    prec=DIGITS,
    Emax=decimal.MAX_EMAX,
    Emin=decimal.MIN_EMIN,
    traps=[decimal.InvalidOperation, decimal.DivisionByZero],
)


@dataclass(frozen=True, slots=True)
class ExactCheck:
    """What exact arithmetic says of a plan.

    Attributes:
        rows: Limits looked at: every row of every hard rule, and the floor and cap of every line in every period.
        exact: Of these, reckoned in whole numbers and fractions.
        decimal: Of these, reckoned in decimals of 60 digits, because they speak of value.
        floating: Of these, reckoned in floats, because a rule made elsewhere has a column of its own.
        largest: Largest distance beyond any bound, allowed or not, in the row's unit; 0 when no bound is passed.
        largest_row: Label of that row; None when no bound is passed.
        violations: Limits that do not hold.
    """

    rows: int
    exact: int
    decimal: int
    floating: int
    largest: Fraction
    largest_row: Label | None
    violations: tuple[Violation, ...]

    @property
    def holds(self) -> bool:
        """Whether every limit holds."""
        return not self.violations

    @property
    def sentence(self) -> str:
        """For people."""
        if self.violations:
            worst = max(self.violations, key=lambda each: each.distance)
            return f"{len(self.violations):,} of {self.rows:,} limits do not hold in exact amounts. {worst.sentence}"
        how = [
            f"{count:,} {words}"
            for count, words in (
                (self.exact, "in whole numbers and fractions"),
                (self.decimal, f"on values, to {SURE_DIGITS} digits"),
                (self.floating, "in ordinary floating point"),
            )
            if count
        ]
        return f"All {self.rows:,} limits hold in exact amounts ({', '.join(how)})."

    def as_dict(self) -> dict[str, Any]:
        """Plain data for ``--json``; the largest distance as a fraction in text and as a number."""
        return {
            "holds": self.holds,
            "rows": self.rows,
            "exact": self.exact,
            "decimal": self.decimal,
            "floating": self.floating,
            "largest": str(self.largest),
            "largest_distance": float(self.largest),
            "largest_row": None if self.largest_row is None else list(self.largest_row),
            "violations": [each.as_dict() for each in self.violations],
            "sentence": self.sentence,
        }


def exact_check(problem: Problem, minor: IntArray) -> ExactCheck:
    """Every hard rule and every line's floor and cap, in exact arithmetic.

    Args:
        problem: With its rules.
        minor: Minor units, whole numbers, shape (T, n).

    Raises:
        InvalidAllocation: For a wrong shape or numbers that are not whole.
    """
    columns = _Columns(problem, _checked(problem, minor))
    counts = {"exact": problem.lines.cap.size, "decimal": 0, "floating": 0}
    largest, largest_row = Fraction(0), None
    found: list[Violation] = []
    bounds = _line_rows(problem, columns)
    for rows in (bounds, *hard_rows(problem)):
        if rows is not bounds:
            counts[columns.arithmetic(rows)] += len(rows)
        beyond = _beyond(rows, columns)
        if not beyond:
            continue
        furthest = max(beyond, key=lambda each: each.distance)
        if furthest.distance > largest:
            largest, largest_row = furthest.distance, rows.labels[furthest.row]
        found += _violations(problem, rows, columns, beyond)
    return ExactCheck(sum(counts.values()), **counts, largest=largest, largest_row=largest_row, violations=tuple(found))


def exact_value(problem: Problem, minor: IntArray) -> Decimal | None:
    """The objective to 40 digits: the mean value over the scenarios.

    Args:
        problem: With its rules.
        minor: Minor units, whole numbers, shape (T, n).

    Returns:
        Units of value; None where risk or soft rules change the objective.

    Raises:
        InvalidAllocation: For a wrong shape or numbers that are not whole.
    """
    soft = any(rows.penalty is not None and len(rows) for rows in problem.statement.rows)
    if problem.risk is not None or soft:
        return None
    columns = _Columns(problem, _checked(problem, minor))
    if not problem.counts_value:
        return Decimal(0)
    with decimal.localcontext(_CONTEXT):
        chances = map(decimal_of, problem.scenarios.probability.tolist())
        mean = sum((p * value for p, value in zip(chances, columns.values, strict=True)), Decimal(0))
    return decimal.Context(prec=SURE_DIGITS).plus(mean)


def curve_value(curves: Curves, at: tuple[int, ...], stock: Decimal) -> Decimal:
    """Benefit of one line in decimals of 60 digits, by the formulas of :mod:`fiscus.core.curves`.

    Args:
        curves: With parameters of shape (..., n).
        at: Position in the parameters' arrays; its last entry is the line.
        stock: Major units, >= 0.
    """
    a, h, p = (decimal_of(float(values[at])) for values in (curves.a, curves.h, curves.p))
    with decimal.localcontext(_CONTEXT):
        points = curves.points[at[-1]]
        if points is not None:
            return a * _interpolated(points, stock)
        return _FORMULAS[curves.family[at[-1]]](stock, a, h, p)


def _hill(k: Decimal, a: Decimal, h: Decimal, p: Decimal) -> Decimal:
    return a / (1 + (h / k) ** p) if k else Decimal(0)


def _power(k: Decimal, a: Decimal, _h: Decimal, p: Decimal) -> Decimal:
    return a * k**p if k else Decimal(0)


def _step(k: Decimal, a: Decimal, h: Decimal, _p: Decimal) -> Decimal:
    return a if k >= h * (1 - decimal_of(STEP_TOLERANCE)) else Decimal(0)


_FORMULAS: Mapping[str, Callable[[Decimal, Decimal, Decimal, Decimal], Decimal]] = {
    "linear": lambda k, a, h, p: a * k,
    "capped": lambda k, a, h, p: a * min(k, h),
    "log": lambda k, a, h, p: a * (1 + k / h).ln(),
    "power": _power,
    "saturating": lambda k, a, h, p: a * (1 - (-k / h).exp()),
    "hill": _hill,
    "step": _step,
}


def _interpolated(points: PointList, stock: Decimal) -> Decimal:
    before = Decimal(0), Decimal(0)
    for money, benefit in points:
        here = decimal_of(money), decimal_of(benefit)
        if stock < here[0]:
            return before[1] + (here[1] - before[1]) * (stock - before[0]) / (here[0] - before[0])
        before = here
    return before[1]


@lru_cache(maxsize=1 << 16)
def fraction_of(number: float) -> Fraction:
    """The decimal that a float shows, exactly."""
    return Fraction(repr(float(number)))


@lru_cache(maxsize=1 << 16)
def decimal_of(number: float) -> Decimal:
    """The decimal that a float shows."""
    return Decimal(repr(float(number)))


def _checked(problem: Problem, minor: IntArray) -> IntArray:
    array = np.asarray(minor)
    if array.shape != problem.shape or array.dtype.kind not in "iu":
        raise InvalidAllocation(
            f"exact amounts are whole minor units of shape {problem.shape}, got {array.dtype} of shape {array.shape}"
        )
    return array.astype(np.int64)


def _in_units(numbers: FloatArray, power: int) -> tuple[IntArray, BoolArray]:
    """Numbers times a power of ten, and which of them are whole numbers then, as the decimals they show.

    A decimal of at most 15 digits is the shortest one that shows its float, so dividing back tells.
    """
    with np.errstate(invalid="ignore", over="ignore"):
        units = np.rint(numbers * 10.0**power)
        whole = (np.abs(units) < _LARGEST_DECIMAL) & (units / 10.0**power == numbers)
    return np.where(whole, units, 0.0).astype(np.int64), whole


@dataclass(frozen=True)
class _Whole:
    """Columns that are whole multiples of a power of ten: ``units / 10**power``, shape (size,)."""

    units: IntArray
    power: int


class _Columns:
    """Every block of columns at one plan, in the arithmetic that it needs."""

    def __init__(self, problem: Problem, minor: IntArray) -> None:
        self.problem, self.minor = problem, minor
        self.exponent = problem.currency.exponent
        self.point = problem.statement.point(problem.currency.to_major_array(minor))
        self._whole: dict[str, _Whole | None] = {
            "spend": _Whole(minor.ravel(), self.exponent),
            "funded": _Whole((minor > 0).astype(np.int64).ravel(), 0),
        }
        self._fractions: dict[str, list[Fraction]] = {}
        self._risks = {
            f"{rule.id}.{part}": rule
            for rule in problem.rules
            if isinstance(rule, Risk)
            for part in ("threshold", "excess", "missed")
        }

    def arithmetic(self, rows: Rows) -> str:
        """In what a block of rows is reckoned: ``exact``, ``decimal`` or ``floating``."""
        known = {"spend", "funded", "moved", "stock", "drawn", "unspent", "account"}
        others = {name for name, matrix in rows.terms.items() if matrix.nnz} - known
        if not others:
            return "exact"
        return "decimal" if all(name == "value" or name in self._risks for name in others) else "floating"

    def whole(self, name: str) -> _Whole | None:
        """A block as whole multiples, where it is some."""
        if name not in self._whole:
            self._whole[name] = self._moved_units() if name == "moved" else None
        return self._whole[name]

    def _moved_units(self) -> _Whole | None:
        prior = self.problem.lines.prior
        for power in range(self.exponent, self.exponent + DECIMALS):
            first, good = _in_units(prior, power)
            factor = 10 ** (power - self.exponent)
            if good.all() and float(np.abs(self.minor).max(initial=0)) * factor < _LARGEST_SUM:
                amounts = self.minor * factor
                before = np.vstack([amounts[:1] if self.problem.ignore_prior else first[None, :], amounts[:-1]])
                return _Whole(np.abs(amounts - before).ravel(), power)
        return None

    def fractions(self, name: str) -> list[Fraction]:
        """A block that is not whole multiples, exactly, flat."""
        if name not in self._fractions:
            self._fractions |= self._made(name)
        return self._fractions[name]

    def _made(self, name: str) -> dict[str, list[Fraction]]:
        if name == "moved":
            return {name: [abs(now - before) for now, before in zip(self._spend, self._previous, strict=True)]}
        if name == "stock":
            return {name: self._stocks()}
        if name in ("drawn", "unspent", "account"):
            return self._balances()
        if name == "value":
            return {name: [Fraction(value) for value in self.values]}
        if name in self._risks:
            return {name: self._risk(self._risks[name], name)}
        # A rule made elsewhere has columns of its own, whose closed form exists in floats only.
        return {name: [fraction_of(value) for value in self.point[name].ravel().tolist()]}

    @cached_property
    def _spend(self) -> list[Fraction]:
        scale = 10**self.exponent
        return [Fraction(units, scale) for units in self.minor.ravel().tolist()]

    @cached_property
    def _previous(self) -> list[Fraction]:
        n = self.problem.shape[1]
        first = self._spend[:n] if self.problem.ignore_prior else self._fractions_of(self.problem.lines.prior)
        return [*first, *self._spend[: len(self._spend) - n]]

    @staticmethod
    def _fractions_of(numbers: FloatArray) -> list[Fraction]:
        return [fraction_of(number) for number in numbers.ravel().tolist()]

    def _stocks(self) -> list[Fraction]:
        lines, n = self.problem.lines, self.problem.shape[1]
        kept, carried = self._fractions_of(lines.retention), self._fractions_of(lines.initial_stock)
        stock: list[Fraction] = []
        for start in range(0, len(self._spend), n) if n else ():
            carried = [r * k + x for r, k, x in zip(kept, carried, self._spend[start : start + n], strict=True)]
            stock += carried
        return stock

    def _balances(self) -> dict[str, list[Fraction]]:
        """The recursions of ``dynamics.balances``."""
        problem, account = self.problem, self.problem.account
        carry, growth = (account.carry_over, account.rate) if account else (0.0, 0.0)
        left, held = Fraction(0), fraction_of(account.opening if account else 0.0)
        made: dict[str, list[Fraction]] = {"drawn": [], "unspent": [], "account": []}
        for period, appropriation in enumerate(problem.budget.tolist()):
            total = Fraction(sum(self.minor[period].tolist()), 10**self.exponent)
            available = fraction_of(carry) * left + (
                fraction_of(appropriation) if np.isfinite(appropriation) else ENDLESS
            )
            use = total if account is None else min(total, available)
            left = available - use
            held = held * (1 + fraction_of(growth)) - (total - use)
            for name, value in zip(made, (use, left, held), strict=True):
                made[name].append(value)
        return made

    @cached_property
    def values(self) -> list[Decimal]:
        """Value in each scenario to 60 digits: ``V_s`` of §4."""
        problem = self.problem
        with decimal.localcontext(_CONTEXT):
            rate = 1 + decimal_of(problem.discount_rate)
            periods = range(problem.shape[0])
            cost = sum((self._cost(t) / rate**t for t in periods), Decimal(0))
            discounts = [1 / rate ** (t + 1) for t in periods]
            weights = [decimal_of(weight) for weight in problem.lines.weight.tolist()]
            weighted = [[discount * weight for weight in weights] for discount in discounts]
            return [self._benefit(s, weighted) - cost for s in range(problem.scenarios.size)]

    def _cost(self, period: int) -> Decimal:
        """Spend that counts and the cost of change in one period, undiscounted."""
        problem, n = self.problem, self.problem.shape[1]
        total = Decimal(sum(self.minor[period].tolist())).scaleb(-self.exponent)
        cost = decimal_of(problem.spend_weight) * total
        prices = problem.lines.change_cost
        for line in np.flatnonzero(prices).tolist():
            cell = period * n + line
            cost += decimal_of(prices[line]) * _decimal(abs(self._spend[cell] - self._previous[cell]))
        return cost

    def _benefit(self, scenario: int, weighted: list[list[Decimal]]) -> Decimal:
        """Discounted and weighted benefit of one scenario."""
        theta = self.problem.scenarios.theta[scenario]
        effects = self._effects(scenario if self.problem.scenarios.curves is not None else 0)
        total = Decimal(0)
        for weights, factors, row in zip(weighted, theta.tolist(), effects, strict=True):
            for weight, factor, effect in zip(weights, factors, row, strict=True):
                if effect and factor:
                    total += weight * decimal_of(factor) * effect
        return total

    def _effects(self, scenario: int) -> list[list[Decimal]]:
        """Benefit of every line in every period; scenarios share it unless their curves were drawn."""
        if self.problem.scenarios.curves is None:
            return self._common_effects
        return self._of_curves(self.problem.scenarios.curves, scenario)

    @cached_property
    def _common_effects(self) -> list[list[Decimal]]:
        return self._of_curves(self.problem.lines.curves, 0)

    def _of_curves(self, curves: Curves, scenario: int) -> list[list[Decimal]]:
        shape = curves.a.shape
        rows = []
        for period, stocks in enumerate(self._stock_decimals):
            lead = (scenario, period)[2 - (len(shape) - 1) :]
            at = tuple(min(place, size - 1) for place, size in zip(lead, shape[:-1], strict=True))
            rows.append([curve_value(curves, (*at, line), stock) for line, stock in enumerate(stocks)])
        return rows

    @cached_property
    def _stock_decimals(self) -> list[list[Decimal]]:
        n = self.problem.shape[1]
        if not self.problem.lines.retention.any():
            return [[Decimal(units).scaleb(-self.exponent) for units in row] for row in self.minor.tolist()]
        flat = [_decimal(stock) for stock in self.fractions("stock")]
        return [flat[start : start + n] for start in range(0, len(flat), n)]

    def _risk(self, rule: Risk, name: str) -> list[Fraction]:
        """The columns of a limit on risk: value at risk, the loss beyond it, and the scenarios that miss a limit."""
        loss = [-value for value in self.fractions("value")]
        if name.endswith(".missed"):
            # The rule's own words: a loss on the limit is inside it.
            limit = fraction_of(rule.limit) + fraction_of(EXACT * max(1.0, abs(rule.limit)))
            return [Fraction(int(each > limit)) for each in loss]
        threshold = self._value_at_risk(loss, Measure.parse(rule.measure).level)
        return [threshold] if name.endswith(".threshold") else [max(each - threshold, Fraction(0)) for each in loss]

    def _value_at_risk(self, loss: list[Fraction], level: float) -> Fraction:
        chances = self._fractions_of(self.problem.scenarios.probability)
        enough = fraction_of(level) - fraction_of(1e-12)  # The probabilities are rounded to floats.
        so_far = Fraction(0)
        for scenario in sorted(range(len(loss)), key=loss.__getitem__):
            so_far += chances[scenario]
            if so_far >= enough:
                return loss[scenario]
        return max(loss)


def _decimal(number: Fraction) -> Decimal:
    return _CONTEXT.divide(Decimal(number.numerator), Decimal(number.denominator))


@dataclass(frozen=True, slots=True)
class _Beyond:
    """A row beyond a bound: how far, on which side, and whether it is all in whole minor units."""

    row: int
    distance: Fraction
    side: Side
    strict: bool


def _line_rows(problem: Problem, columns: _Columns) -> Rows:
    """Floors and caps of lines, those near their bound; the others are further off than any float error."""
    lines, spend = problem.lines, columns.point.spend
    with np.errstate(invalid="ignore"):
        near = (spend > lines.cap * (1.0 - EXACT) - EXACT) | (spend < 0)
        near |= (lines.floor > 0) & (spend < lines.floor * (1.0 + EXACT) + EXACT)
    cells = np.flatnonzero(near.ravel())
    where = [divmod(cell, problem.shape[1]) for cell in cells.tolist()]
    labels = [(f"line {lines.id[i]}", problem.periods[t]) for t, i in where]
    floor, cap = (np.broadcast_to(bound, problem.shape).ravel()[cells] for bound in (lines.floor, lines.cap))

    def describe(row: int, side: Side) -> str:
        period, line = where[row]
        limit = (
            f"exceeds its cap of {amount(cap[row])}" if side == "above" else f"misses its floor of {amount(floor[row])}"
        )
        return f"{lines.name[line]} in {problem.periods[period]} {limit}"

    pick = sp.csr_array((np.ones(len(cells)), (np.arange(len(cells)), cells)), shape=(len(cells), near.size))
    return Rows("line", labels, {"spend": pick}, floor, cap, describe)


def _beyond(rows: Rows, columns: _Columns) -> list[_Beyond]:
    """Every row that is beyond a bound at all: whole numbers where they do, fractions for the rest."""
    terms = {name: _tidy(matrix) for name, matrix in rows.terms.items() if matrix.nnz}
    whole = {name: columns.whole(name) for name in terms}
    left = np.ones(len(rows), dtype=bool)
    found: list[_Beyond] = []
    blocks = [(terms[name], block) for name, block in whole.items() if block is not None]
    if len(blocks) == len(terms):
        for decimals in range(DECIMALS + 1):
            found += _by_whole_numbers(rows, blocks, decimals, columns.exponent, left)
            if not left.any():
                return found
    for row in np.flatnonzero(left).tolist():
        found += _by_fractions(rows, terms, columns, row)
    return found


def _tidy(matrix: sp.csr_array) -> sp.csr_array:
    tidy = sp.csr_array(matrix, copy=True)
    tidy.sum_duplicates()
    tidy.eliminate_zeros()
    return tidy


def _by_whole_numbers(
    rows: Rows, blocks: Sequence[tuple[sp.csr_array, _Whole]], decimals: int, exponent: int, left: BoolArray
) -> list[_Beyond]:
    """Rows whose numbers have so many decimals, summed in 64 bits where nothing can overflow; strikes them off ``left``."""
    finest = max((block.power for _, block in blocks), default=0)
    power = finest + decimals
    good, total, size = left.copy(), np.zeros(len(rows), np.int64), np.zeros(len(rows))
    for matrix, block in blocks:
        units, whole = _in_units(matrix.data, power - block.power)
        good &= np.bincount(_row_of(matrix)[~whole], minlength=len(rows)) == 0
        scaled = sp.csr_array((units, matrix.indices, matrix.indptr), shape=matrix.shape)
        size += abs(scaled).astype(np.float64) @ np.abs(block.units.astype(np.float64))
        total += np.asarray(scaled @ block.units)  # May wrap around in rows that are then left to fractions.
    bounds = []
    for bound in (rows.lower, rows.upper):
        units, whole = _in_units(bound, power)
        good &= whole | np.isinf(bound)
        bounds.append(units)
    good &= size < _LARGEST_SUM
    below = np.where(np.isfinite(rows.lower), bounds[0] - total, -1)
    above = np.where(np.isfinite(rows.upper), total - bounds[1], -1)
    left &= ~good
    strict = decimals == 0 and finest <= exponent
    return [
        _Beyond(
            row,
            Fraction(int(max(above[row], below[row])), 10**power),
            "above" if above[row] >= below[row] else "below",
            strict,
        )
        for row in np.flatnonzero(good & (np.maximum(above, below) > 0)).tolist()
    ]


def _row_of(matrix: sp.csr_array) -> IntArray:
    return np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))


def _by_fractions(rows: Rows, terms: Mapping[str, sp.csr_array], columns: _Columns, row: int) -> list[_Beyond]:
    """One row in fractions."""
    total, strict = Fraction(0), True
    blocks = {name: columns.whole(name) for name in terms}
    finest = max((block.power for block in blocks.values() if block is not None), default=0)
    for name, matrix in terms.items():
        entries = slice(matrix.indptr[row], matrix.indptr[row + 1])
        where, data = matrix.indices[entries], matrix.data[entries]
        block = blocks[name]
        if block is None:
            values = columns.fractions(name)
            pairs = zip(data.tolist(), where.tolist(), strict=True)
            total += sum((fraction_of(factor) * values[place] for factor, place in pairs), Fraction(0))
            strict = strict and not len(where)
            continue
        # One product for each coefficient that occurs: the units of its columns are summed as integers first.
        sums: dict[float, int] = {}
        for factor, units in zip(data.tolist(), block.units[where].tolist(), strict=True):
            sums[factor] = sums.get(factor, 0) + units
        total += sum((fraction_of(factor) * units for factor, units in sums.items()), Fraction(0)) / 10**block.power
        strict = strict and all(_is_whole(factor, finest - block.power) for factor in sums)
    bounds = [bound for bound in (float(rows.lower[row]), float(rows.upper[row])) if np.isfinite(bound)]
    strict = strict and finest <= columns.exponent and all(_is_whole(bound, finest) for bound in bounds)
    above = total - fraction_of(rows.upper[row]) if np.isfinite(rows.upper[row]) else Fraction(-1)
    below = fraction_of(rows.lower[row]) - total if np.isfinite(rows.lower[row]) else Fraction(-1)
    if max(above, below) <= 0:
        return []
    return [_Beyond(row, max(above, below), "above" if above >= below else "below", strict)]


def _is_whole(number: float, power: int) -> bool:
    """Whether a number times a power of ten is whole, as the decimal it shows."""
    return bool((fraction_of(number) * 10**power).denominator == 1)


def _violations(problem: Problem, rows: Rows, columns: _Columns, beyond: Sequence[_Beyond]) -> list[Violation]:
    """Those beyond their bound by more than such a row may be."""
    scale: FloatArray | None = None
    found = []
    for each in beyond:
        if not each.strict:
            scale = rows.scale(columns.point) if scale is None else scale
            if each.distance <= Fraction(EXACT) * Fraction(float(scale[each.row])):
                continue
            if each.distance < _to_the_cent(problem, rows, each.row):
                continue
        unit = rows.unit or problem.currency.code
        size = float(each.distance)
        said = amount(size) if size >= 0.005 else f"{size:.3g}"
        sentence = f"{rows.describe(each.row, each.side)} by {said} {unit}."
        found.append(Violation(rows.labels[each.row][0], rows.labels[each.row], size, unit, sentence))
    return found


def _to_the_cent(problem: Problem, rows: Rows, row: int) -> Fraction:
    """What an equality in amounts stays below: one minor unit times its largest coefficient on money; 0 for other rows."""
    if rows.lower[row] != rows.upper[row] or "spend" not in rows.terms or not set(rows.terms) <= {"spend", "funded"}:
        return Fraction(0)
    matrix = rows.terms["spend"]
    largest = float(np.abs(matrix.data[matrix.indptr[row] : matrix.indptr[row + 1]]).max(initial=0.0))
    return fraction_of(largest) * Fraction(1, 10**problem.currency.exponent)


__all__ = ["ExactCheck", "curve_value", "exact_check", "exact_value"]
