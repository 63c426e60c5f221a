"""A plan's arrays with every limit able to give: a slack column for each row and side of each limit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import scipy.sparse as sp

from fiscus.core.arrays import BoolArray, FloatArray, IntArray, frozen
from fiscus.core.problem import Problem
from fiscus.core.rows import Label, Rows, shifted
from fiscus.core.rules import Rule
from fiscus.optimise.form import form
from fiscus.optimise.layout import Arrays, Form
from fiscus.optimise.pieces import Points
from fiscus.optimise.repair.limits import Kind, Limit, base_of, keep


@dataclass(frozen=True, eq=False)
class Slacks:
    """By what each limit can give: one entry a row and side, or a period's extra budget; shapes (k,).

    Attributes:
        limit: Position of the limit that gives.
        size: What a give is measured against: the bound, or for a bound of zero the most its terms reach; at least 1.
        sign: +1 where a floor gives, -1 where a cap does, 0 for extra budget.
        bound: The bound, in the row's unit.
        label: What the row speaks of, limit first.
        unit: Of the give; empty for money.
    """

    limit: IntArray
    size: FloatArray
    sign: FloatArray
    bound: FloatArray
    label: tuple[Label, ...]
    unit: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Elastic:
    """A plan's arrays with a slack column for every entry of every limit.

    Attributes:
        asked: The plan as it was asked.
        base: The problem its method makes of it, hard rules only; the limits are this problem's.
        wide: ``base`` with the limits of its tables lifted: what lies in the arrays as structure.
        model: The arrays of ``wide``.
        limits: What can give.
        slacks: The slack columns, which follow the model's own.
        arrays: Maximise minus the total relative give.
        members: Entries by columns of the model that they total, shape (k, columns); empty rows for extra budget.
        moves: What a unit of each period's extra budget adds to the bound of each entry, shape (k, open periods).
        points: Where smooth curves are touched, None for the first grid.
        valued: Whether a hard rule speaks of value, so that the arrays over-estimate curves.
    """

    asked: Problem
    base: Problem
    wide: Problem
    model: Form
    limits: tuple[Limit, ...]
    slacks: Slacks
    arrays: Arrays
    members: sp.csr_array
    moves: sp.csr_array
    points: Points | None
    valued: bool

    @property
    def columns(self) -> int:
        """Number of columns before the slacks."""
        return self.model.matrix.shape[1]

    @cached_property
    def mandatory(self) -> BoolArray:
        """Which limits may not move, shape (limits,)."""
        return np.array([limit.mandatory for limit in self.limits], dtype=bool)

    def room(self, free: BoolArray) -> FloatArray:
        """Upper bounds of the slack columns when only some limits may give, shape (k,)."""
        return np.where(free[self.slacks.limit], np.inf, 0.0)

    def only(self, kept: BoolArray) -> Problem:
        """The problem in which only some of the limits stand, the others lifted.

        Args:
            kept: Which limits stand, shape (limits,).
        """
        return keep(self.base, [limit for limit, stands in zip(self.limits, kept.tolist(), strict=True) if stands])


def elastic(problem: Problem, points: Points | None = None) -> Elastic:
    """Make every limit of a plan elastic.

    Args:
        problem: Under its own method.
        points: Where smooth curves are touched, where a rule speaks of value; a first grid when not given.

    Raises:
        InvalidRule: For a rule that cannot be stated.
        RouteUnavailable: For scenarios whose curves themselves differ.
    """
    base, valued = base_of(problem)
    wide = keep(base, [], rules=True)
    model = form(wide, points)
    entries = _Entries(base, model)
    entries.add_tables()
    entries.add_budget()
    entries.add_rules(wide)
    return Elastic(problem, base, wide, model, *entries.finish(), points=points, valued=valued)


@dataclass(frozen=True, eq=False)
class _Part:
    """Rows of one side of some limits: ``rows @ z`` at least (sign +1) or at most (sign -1) the bound plus ``budget @ extra``."""

    limit: IntArray
    sign: float
    rows: sp.csr_array
    bound: FloatArray
    size: FloatArray
    label: Sequence[Label]
    unit: str
    budget: sp.csr_array


class _Entries:
    """Collects limits, and their rows over the columns of the wide model."""

    def __init__(self, base: Problem, model: Form) -> None:
        self.base, self.model = base, model
        self.limits: list[Limit] = []
        self.parts: list[_Part] = []
        self.row_lower, self.row_upper = model.row_lower.copy(), model.row_upper.copy()
        self.open = np.flatnonzero(np.isfinite(base.budget))
        self.budget_rows = sp.csr_array((model.matrix.shape[0], len(self.open)))

    def _add(
        self, limit: IntArray | int, sign: float, rows: sp.csr_array, bound: FloatArray, label: Sequence[Label],
        unit: str = "", budget: sp.csr_array | None = None,
    ) -> None:  # fmt: skip
        budget = sp.csr_array((len(bound), len(self.open))) if budget is None else budget
        owner = np.broadcast_to(np.asarray(limit, dtype=np.int64), bound.shape)
        self.parts.append(_Part(owner, sign, rows, bound, self._sizes(rows, bound), label, unit, budget))

    def _sizes(self, rows: sp.csr_array, bound: FloatArray) -> FloatArray:
        """The bound; where that is zero, the most that a term of the row reaches within the plan's own caps; at least 1."""
        spend = self.model.blocks["spend"]
        reach = self.base.reach.ravel()
        reach = np.where(np.isfinite(reach), reach, 0.0)
        terms = abs(rows[:, spend.slice]) * reach[None, :]
        most = sp.csr_array(terms).max(axis=1).toarray().ravel() if rows.shape[0] else np.zeros(0)
        return np.asarray(np.maximum(1.0, np.where(bound != 0, np.abs(bound), most)))

    def _spend_rows(self, matrix: sp.csr_array) -> sp.csr_array:
        """Rows over the spend (k, T*n) as rows over the model's columns."""
        spend = self.model.blocks["spend"]
        entries = matrix.tocoo()
        row, column = entries.coords
        return sp.csr_array(
            (entries.data, (row, column + spend.offset)), shape=(matrix.shape[0], self.model.matrix.shape[1])
        )

    def add_tables(self) -> None:
        """Floors and caps of lines and units, and the reserve of the account."""
        base, lines, units = self.base, self.base.lines, self.base.units
        cap = np.where(lines.lumpy, np.inf, lines.cap)
        own = sp.eye_array(base.shape[1], format="csr")
        self._add_table("line", lines.id, lines.name, lines.floor, cap, sp.csr_array(own))
        self._add_table("unit", base.tree.ids, base.tree.names, units.floor, units.cap, base.membership)
        if base.account is not None and (base.account.reserve > 0).any():
            where = np.flatnonzero(base.account.reserve > 0)
            bound = base.account.reserve[where]
            amounts: dict[Label, float] = {(base.periods[t],): float(base.account.reserve[t]) for t in where}
            rows = sp.csr_array(self.model.matrix[base.shape[0] + where])
            self.limits.append(Limit("reserve", "reserve", "the reserve of the account", amounts=amounts))
            self._add(len(self.limits) - 1, 1.0, rows, bound, [("reserve", *row) for row in amounts])

    def _add_table(
        self, table: str, ids: Sequence[str], names: Sequence[str], floor: FloatArray, cap: FloatArray, rows: sp.csr_array
    ) -> None:  # fmt: skip
        """Floors and caps of shape (T, k) on totals of lines (k, n)."""
        sides: tuple[tuple[Kind, float, FloatArray, BoolArray], ...] = (
            ("floor", 1.0, floor, floor > 0), ("cap", -1.0, cap, np.isfinite(cap)),
        )  # fmt: skip
        for kind, sign, bounds, there in sides:
            element, period = np.nonzero(there.T)
            if not len(element):
                continue
            bound, start, label = bounds[period, element], len(self.limits), []
            present, owner = np.unique(element, return_inverse=True)
            amounts: list[dict[Label, float]] = [{} for _ in present]
            for own, t, size in zip(owner.tolist(), period.tolist(), bound.tolist(), strict=True):
                amounts[own][(self.base.periods[t],)] = size
                label.append((f"{table} {ids[present[own]]} {kind}", self.base.periods[t]))
            for own, k in enumerate(present.tolist()):
                name = f"the {kind} of {names[k]}"
                self.limits.append(Limit(f"{table} {ids[k]} {kind}", kind, name, amounts=amounts[own], position=k))
            total = shifted(sp.csr_array(rows[element]), period, self.base.shape)
            self._add(start + owner, sign, self._spend_rows(total), bound, label)

    def add_budget(self) -> None:
        """The budget of each period, or with an account its appropriation, with extra money as columns of its own."""
        base, open_ = self.base, self.open
        if not len(open_):
            return
        amounts: dict[Label, float] = {(base.periods[t],): float(base.budget[t]) for t in open_}
        self.limits.append(Limit("budget", "budget", "the budget", amounts=amounts))
        first = 0
        if base.account is not None:
            kinds = [rows.kind for rows in self.model.rows]
            first = int(self.model.offsets[kinds.index("appropriation")])
            self.row_lower[first + open_] = base.budget[open_]
        self.row_upper[first + open_] = base.budget[open_]
        ones = (np.full(len(open_), -1.0), (first + open_, np.arange(len(open_))))
        self.budget_rows = sp.csr_array(ones, shape=self.budget_rows.shape)

    def add_rules(self, wide: Problem) -> None:
        """Every hard rule's rows; their coefficients are the wide model's, their bounds the plan's."""
        stated = [(rule, len(rule.state(wide).rows)) for rule in wide.rules]
        total = sum(count for _, count in stated)
        block, start = (len(each.statement.rows) - total for each in (wide, self.base))
        for rule, count in stated:
            blocks, mine = range(block, block + count), list(self.base.statement.rows[start : start + count])
            block, start = block + count, start + count
            if not rule.hard:
                continue
            name = f"{rule.text} ({rule.id})" if rule.text else f"{rule.kind} {rule.id}"
            limit = Limit(rule.id, "rule", name, rule.mandatory, _amounts(mine), rule)
            self.limits.append(limit)
            moves = self._moved_by_budget(rule, mine)
            for each, rows in zip(blocks, mine, strict=True):
                places = self.model.offsets[each] + np.arange(len(rows))
                self.row_lower[places], self.row_upper[places] = -np.inf, np.inf
                for side, (sign, bound) in enumerate(((1.0, rows.lower), (-1.0, rows.upper))):
                    where = np.flatnonzero(np.isfinite(bound))
                    label = [rows.labels[row] for row in where.tolist()]
                    matrix = sp.csr_array(self.model.matrix[places[where]])
                    by = sp.csr_array(moves[each - blocks[0]][side][where]) if moves else None
                    self._add(len(self.limits) - 1, sign, matrix, bound[where], label, rows.unit, by)

    def _moved_by_budget(self, rule: Rule, rows: list[Rows]) -> list[tuple[FloatArray, FloatArray]]:
        """Change of each row's lower and upper bound per unit of each open budget, shapes (m, open); empty if none moves."""
        base = self.base
        if not len(self.open):
            return []
        twice = rule.state(base.but(budget=frozen(base.budget * 2 + 1))).rows
        if all(
            _same(new.lower, old.lower) and _same(new.upper, old.upper) for new, old in zip(twice, rows, strict=True)
        ):
            return []
        moved = [(np.zeros((len(each), len(self.open))), np.zeros((len(each), len(self.open)))) for each in rows]
        for place, period in enumerate(self.open.tolist()):
            budget = base.budget.copy()
            step = max(1.0, budget[period])
            budget[period] += step
            for pair, new, old in zip(moved, rule.state(base.but(budget=frozen(budget))).rows, rows, strict=True):
                for side, bounds in zip(pair, ((new.lower, old.lower), (new.upper, old.upper)), strict=True):
                    finite = np.isfinite(bounds[1])
                    side[finite, place] = (bounds[0][finite] - bounds[1][finite]) / step
        return moved

    def finish(self) -> tuple[tuple[Limit, ...], Slacks, Arrays, sp.csr_array, sp.csr_array]:
        """The limits, the slack columns, the arrays, the rows that the slack columns belong to, and what the budget adds to them."""
        parts, base, model = self.parts, self.base, self.model
        counts = [len(part.bound) for part in parts]
        extra = len(self.open)

        def joined(pieces: list[FloatArray], last: FloatArray) -> FloatArray:
            return np.concatenate([*pieces, last])

        budget = base.budget[self.open]
        place = next((index for index, limit in enumerate(self.limits) if limit.kind == "budget"), 0)
        slacks = Slacks(
            limit=np.concatenate([*(part.limit for part in parts), np.full(extra, place, dtype=np.int64)]),
            size=joined([part.size for part in parts], np.maximum(1.0, budget)),
            sign=np.concatenate([np.repeat([part.sign for part in parts], counts), np.zeros(extra)]),
            bound=joined([part.bound for part in parts], budget),
            label=(*(each for part in parts for each in part.label), *(("budget", base.periods[t]) for t in self.open)),
            unit=(*(part.unit for part in parts for _ in part.label), *("" for _ in self.open)),
        )
        total, columns = int(sum(counts)), model.matrix.shape[1]
        members = _stacked([part.rows for part in parts], columns)
        moves = _stacked([part.budget for part in parts], extra)
        sign = slacks.sign[:total]
        matrix = sp.block_array(
            [
                [model.matrix, sp.csr_array((model.matrix.shape[0], total)), self.budget_rows],
                [members, sp.diags_array(sign), -moves],
            ],
            format="csr",
        ) if total + extra else model.matrix  # fmt: skip
        bound = slacks.bound[:total]
        arrays = Arrays(
            cost=np.concatenate([np.zeros(columns), -1.0 / slacks.size]),
            lower=np.concatenate([model.lower, np.zeros(total + extra)]),
            upper=np.concatenate([model.upper, np.full(total + extra, np.inf)]),
            integer=np.concatenate([model.integer, np.zeros(total + extra, dtype=bool)]),
            matrix=sp.csr_array(matrix),
            row_lower=np.concatenate([self.row_lower, np.where(sign > 0, bound, -np.inf)]),
            row_upper=np.concatenate([self.row_upper, np.where(sign < 0, bound, np.inf)]),
        )
        members = sp.csr_array(sp.vstack([members, sp.csr_array((extra, columns))]))
        moves = sp.csr_array(sp.vstack([moves, sp.csr_array((extra, extra))]))
        return tuple(self.limits), slacks, arrays, members, moves


def _stacked(blocks: list[sp.csr_array], columns: int) -> sp.csr_array:
    return sp.csr_array(sp.vstack(blocks)) if blocks else sp.csr_array((0, columns))


def _same(first: FloatArray, second: FloatArray) -> bool:
    return bool(np.array_equal(first, second))


def _amounts(blocks: list[Rows]) -> dict[Label, float]:
    """Bound of each row of a rule, the lower one where there are two."""
    return {
        (*rows.labels[row][1:],): float(rows.lower[row] if np.isfinite(rows.lower[row]) else rows.upper[row])
        for rows in blocks
        for row in range(len(rows))
    }
