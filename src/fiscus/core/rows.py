"""The neutral form of every rule: linear rows over named blocks of columns.

A block of columns other than ``spend`` has a closed form in the spend, so that the same rows that the optimiser solves
are what the referee evaluates and what the environment decodes onto: one statement, three readers (§1).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

import numpy as np
import scipy.sparse as sp

from fiscus.core.arrays import BoolArray, FloatArray, IntArray
from fiscus.core.dynamics import balances, evaluate, previous, stocks
from fiscus.core.facts import Facts

Label = tuple[str, ...]
Side = Literal["above", "below"]

FUNDED_ABOVE = 1e-6
"""Major units above which a line counts as funded; below is solver dust (§3.7)."""


@dataclass(frozen=True, eq=False)
class Columns:
    """A block of decision columns.

    Attributes:
        name: ``spend`` or the name of a quantity that follows from it.
        index: Names of the axes, as in ``("period", "line")``.
        shape: Sizes of the axes; the flat order is C order.
        evaluate: Closed form from the point, giving an array of ``shape``, with the batch axes of the spend in front where it has
            some; None for columns that only a solver needs.
        lower: Bound, broadcastable to ``shape``.
        upper: Bound, broadcastable to ``shape``.
        integer: Whether the columns take 0 or 1 only.
        labels: What people call each column, where the axes' names do not say it.
    """

    name: str
    index: tuple[str, ...]
    shape: tuple[int, ...]
    evaluate: Callable[[Point], FloatArray] | None
    lower: FloatArray | float = 0.0
    upper: FloatArray | float = np.inf
    integer: bool = False
    labels: Sequence[Label] | None = None

    def keys(self, facts: Facts, positions: IntArray) -> list[str | Label]:
        """What people call the columns at some flat positions: names of periods and lines, numbers on other axes."""
        if self.labels is not None:
            return [self.labels[position] for position in positions.tolist()]
        names = {"period": facts.periods, "line": facts.lines.id}
        axes = [
            names.get(axis) or [str(number) for number in range(size)]
            for axis, size in zip(self.index, self.shape, strict=True)
        ]
        places = np.array(np.unravel_index(positions, self.shape)).T.tolist()
        keys = [tuple(axis[index] for axis, index in zip(axes, place, strict=True)) for place in places]
        return [key if len(key) > 1 else key[0] for key in keys]

    @property
    def size(self) -> int:
        """Number of columns."""
        return int(np.prod(self.shape))


class Point(Mapping[str, FloatArray]):
    """Every block of columns at one allocation, or at each of a batch of them, computed when asked for."""

    def __init__(self, facts: Facts, spend: FloatArray, blocks: Mapping[str, Columns]) -> None:
        self.facts = facts
        self.spend = spend
        self._blocks = blocks
        self._known: dict[str, FloatArray] = {"spend": spend}

    def __getitem__(self, name: str) -> FloatArray:
        if name not in self._known:
            closed_form = self._blocks[name].evaluate
            if closed_form is None:
                raise KeyError(f"{name} has no closed form")
            self._known[name] = closed_form(self)
        return self._known[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._blocks)

    def __len__(self) -> int:
        return len(self._blocks)


@dataclass(frozen=True, eq=False)
class Rows:
    """A block of rows ``lower <= sum of terms <= upper``.

    Attributes:
        kind: Rule kind, or the name of the columns that the rows define.
        labels: What each row speaks of, rule id first, such as ``("cap-police", "FY2024", "POL")``; shape (m,).
        terms: Column block to sparse coefficients of shape (m, block size).
        lower: Shape (m,); -inf for none.
        upper: Shape (m,); inf for none.
        describe: ``(row, side)`` to a phrase that reads before "by 12.00 USD", side being ``above`` or ``below``.
        unit: Unit of the distance to a bound: empty for money, else what is counted.
        penalty: Value lost per unit of violation of a soft rule; None for a hard one.
        index: Names of the label's parts, for the open model.
    """

    kind: str
    labels: Sequence[Label]
    terms: Mapping[str, sp.csr_array]
    lower: FloatArray
    upper: FloatArray
    describe: Callable[[int, Side], str]
    unit: str = ""
    penalty: float | None = None
    index: tuple[str, ...] = ("rule", "period")

    def __len__(self) -> int:
        return len(self.lower)

    def activity(self, point: Mapping[str, FloatArray]) -> FloatArray:
        """Left-hand sides at a point, shape (m,)."""
        total = np.zeros(len(self))
        for block, matrix in self.terms.items():
            total += matrix @ point[block].ravel()
        return total

    def scale(self, point: Mapping[str, FloatArray]) -> FloatArray:
        """Largest of 1, the row's finite bounds and its terms in absolute value, shape (m,): what §3.7 scales by."""
        bounds = [np.where(np.isfinite(bound), np.abs(bound), 0.0) for bound in (self.lower, self.upper)]
        largest = np.maximum(1.0, np.maximum(*bounds))
        for block, matrix in self.terms.items():
            terms = abs(matrix) * np.abs(point[block].ravel())[None, :]
            largest = np.maximum(largest, sp.csr_array(terms).max(axis=1).toarray().ravel())
        return np.asarray(largest)


@dataclass(frozen=True, eq=False)
class Selection:
    """Lines in periods, as sparse rows: the small algebra that rules are written in."""

    facts: Facts
    periods: IntArray

    def each(self, lines: IntArray, coefficient: FloatArray | float = 1.0) -> sp.csr_array:
        """One row for each period and line: ``coefficient * column[t, i]``, shape (periods * lines, T*n)."""
        rows = len(self.periods) * len(lines)
        columns = (self.periods[:, None] * self.facts.shape[1] + lines[None, :]).ravel()
        data = np.broadcast_to(np.asarray(coefficient, dtype=np.float64), (len(self.periods), len(lines))).ravel()
        return self._matrix(np.arange(rows), columns, data, rows)

    def total(self, lines: IntArray, coefficient: FloatArray | float = 1.0) -> sp.csr_array:
        """One row for each period: ``sum_i coefficient_i * column[t, i]``, shape (periods, T*n)."""
        columns = (self.periods[:, None] * self.facts.shape[1] + lines[None, :]).ravel()
        data = np.broadcast_to(np.asarray(coefficient, dtype=np.float64), (len(self.periods), len(lines))).ravel()
        return self._matrix(np.repeat(np.arange(len(self.periods)), len(lines)), columns, data, len(self.periods))

    def so_far(self, line: int) -> sp.csr_array:
        """One row for each period: ``sum_{u <= t} column[u, line]``, shape (periods, T*n)."""
        rows = np.repeat(np.arange(len(self.periods)), self.periods + 1)
        past = np.concatenate([np.arange(period + 1) for period in self.periods]) if len(self.periods) else self.periods
        return self._matrix(rows, past * self.facts.shape[1] + line, np.ones(len(rows)), len(self.periods))

    def before(self, matrix: sp.csr_array) -> tuple[sp.csr_array, FloatArray]:
        """The same rows one period earlier: coefficients on the spend, and the part that falls on last year's amounts.

        Returns:
            Matrix of shape (m, T*n) and constants of shape (m,).
        """
        lines = self.facts.shape[1]
        entries = matrix.tocoo()
        row, column = (np.asarray(axis, dtype=np.int64) for axis in entries.coords)
        inside = column >= lines
        shifted = self._matrix(row[inside], column[inside] - lines, entries.data[inside], matrix.shape[0])
        constant = np.bincount(
            row[~inside], entries.data[~inside] * self.facts.lines.prior[column[~inside]], minlength=matrix.shape[0]
        )
        return shifted, np.asarray(constant, dtype=np.float64)

    def _matrix(self, row: IntArray, column: IntArray, data: FloatArray, rows: int) -> sp.csr_array:
        periods, lines = self.facts.shape
        return sp.csr_array((data, (row, column)), shape=(rows, periods * lines))


def _funded(point: Point) -> FloatArray:
    return (point.spend > FUNDED_ABOVE).astype(np.float64)


def _moved(point: Point) -> FloatArray:
    return np.asarray(np.abs(point.spend - previous(point.facts, point.spend)))


def standard_columns(facts: Facts) -> dict[str, Columns]:
    """The blocks every rule may use besides its own.

    ``spend`` x, ``funded`` y = [x > 0], ``moved`` |x[t] - x[t-1]|, ``stock`` k, the cash of §4 (``drawn``, ``unspent``,
    ``account``) and ``value`` V_s.
    """
    periods, lines = facts.shape
    grid, shape, scenarios = ("period", "line"), (periods, lines), facts.scenarios.size
    along = ("period",)
    blocks = [
        Columns("spend", grid, shape, lambda point: point.spend, facts.lines.floor, facts.lines.cap),
        Columns("funded", grid, shape, _funded, 0.0, 1.0, integer=True),
        Columns("moved", grid, shape, _moved),
        Columns("stock", grid, shape, lambda point: stocks(point.facts, point.spend)),
        Columns("drawn", along, (periods,), lambda point: balances(point.facts, point.spend).drawn),
        Columns("unspent", along, (periods,), lambda point: balances(point.facts, point.spend).unspent),
        Columns("account", along, (periods,), lambda point: balances(point.facts, point.spend).account, -np.inf),
        Columns("value", ("scenario",), (scenarios,), lambda point: evaluate(point.facts, point.spend), -np.inf),
    ]
    return {block.name: block for block in blocks}


@dataclass(frozen=True, eq=False)
class Contribution:
    """What a rule adds to the statement: rows people know, and columns of its own with the rows that define them.

    Attributes:
        rows: Checked by the referee, priced by the optimiser.
        columns: Quantities only this rule needs, each with a closed form.
        definitions: Rows that tie ``columns`` to others; true by construction at any point the closed forms give.
    """

    rows: tuple[Rows, ...]
    columns: tuple[Columns, ...] = ()
    definitions: tuple[Rows, ...] = field(default=())

    @cached_property
    def blocks(self) -> frozenset[str]:
        """Names of the column blocks that the rows touch."""
        return frozenset(name for rows in (*self.rows, *self.definitions) for name in rows.terms)


def silent(_row: int, _side: Side) -> str:
    """Describes rows of definitions, which hold by construction, so there is nothing to say."""
    return ""


def shifted(matrix: sp.csr_array, periods: IntArray, shape: tuple[int, int]) -> sp.csr_array:
    """Rows over lines, each moved to one period: (m, n) to (m, T*n)."""
    entries = matrix.tocoo()
    row, column = entries.coords
    return sp.csr_array(
        (entries.data, (row, column + periods[row] * shape[1])), shape=(matrix.shape[0], shape[0] * shape[1])
    )


def used(rows: Sequence[Rows], block: str, size: int) -> BoolArray:
    """Which columns of a block any of the rows touches, shape (size,)."""
    touched = np.zeros(size, dtype=bool)
    for each in rows:
        if block in each.terms:
            touched[each.terms[block].indices] = True
    return touched
