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
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import scipy.sparse as sp

from fiscus.core.arrays import BoolArray, FloatArray, IntArray
from fiscus.core.cents import EXACT, hard_rows
from fiscus.core.exact_columns import DECIMALS, LARGEST_SUM, ExactColumns, Whole, in_units
from fiscus.core.exact_curves import CONTEXT, SURE_DIGITS, curve_value, decimal_of, fraction_of
from fiscus.core.feasibility import Violation
from fiscus.core.problem import Problem
from fiscus.core.rows import Label, Rows, Side
from fiscus.core.rules.base import amount
from fiscus.errors import InvalidAllocation


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
    columns = ExactColumns(problem, _checked(problem, minor))
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
    columns = ExactColumns(problem, _checked(problem, minor))
    if not problem.counts_value:
        return Decimal(0)
    with decimal.localcontext(CONTEXT):
        chances = map(decimal_of, problem.scenarios.probability.tolist())
        mean = sum((p * value for p, value in zip(chances, columns.values, strict=True)), Decimal(0))
    return decimal.Context(prec=SURE_DIGITS).plus(mean)


def _checked(problem: Problem, minor: IntArray) -> IntArray:
    array = np.asarray(minor)
    if array.shape != problem.shape or array.dtype.kind not in "iu":
        raise InvalidAllocation(
            f"exact amounts are whole minor units of shape {problem.shape}, got {array.dtype} of shape {array.shape}"
        )
    return array.astype(np.int64)


@dataclass(frozen=True, slots=True)
class _Beyond:
    """A row beyond a bound: how far, on which side, and whether it is all in whole minor units."""

    row: int
    distance: Fraction
    side: Side
    strict: bool


def _line_rows(problem: Problem, columns: ExactColumns) -> Rows:
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


def _beyond(rows: Rows, columns: ExactColumns) -> list[_Beyond]:
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
    rows: Rows, blocks: Sequence[tuple[sp.csr_array, Whole]], decimals: int, exponent: int, left: BoolArray
) -> list[_Beyond]:
    """Rows whose numbers have so many decimals, summed in 64 bits where nothing can overflow; strikes them off ``left``."""
    finest = max((block.power for _, block in blocks), default=0)
    power = finest + decimals
    good, total, size = left.copy(), np.zeros(len(rows), np.int64), np.zeros(len(rows))
    for matrix, block in blocks:
        units, whole = in_units(matrix.data, power - block.power)
        good &= np.bincount(_row_of(matrix)[~whole], minlength=len(rows)) == 0
        scaled = sp.csr_array((units, matrix.indices, matrix.indptr), shape=matrix.shape)
        size += abs(scaled).astype(np.float64) @ np.abs(block.units.astype(np.float64))
        total += np.asarray(scaled @ block.units)  # May wrap around in rows that are then left to fractions.
    bounds = []
    for bound in (rows.lower, rows.upper):
        units, whole = in_units(bound, power)
        good &= whole | np.isinf(bound)
        bounds.append(units)
    good &= size < LARGEST_SUM
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


def _by_fractions(rows: Rows, terms: Mapping[str, sp.csr_array], columns: ExactColumns, row: int) -> list[_Beyond]:
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


def _violations(problem: Problem, rows: Rows, columns: ExactColumns, beyond: Sequence[_Beyond]) -> list[Violation]:
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
