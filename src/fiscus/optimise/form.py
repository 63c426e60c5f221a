"""A problem as sparse arrays with named blocks of rows and columns: what HiGHS is handed and what the open model shows.

Every block of rows knows its rule and every block of columns its name, so that duals, conflicts and components can be read
back in the plan's own words. Money stays in major units and the objective is maximised (§3.4).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

import numpy as np
import scipy.sparse as sp

from fiscus.core.arrays import BoolArray, FloatArray, IntArray
from fiscus.core.curves import STEP_TOLERANCE
from fiscus.core.facts import Facts
from fiscus.core.problem import Problem
from fiscus.core.rows import Columns, Point, Rows, Side, used
from fiscus.core.rules.base import unbounded
from fiscus.core.rules.risk import cvar_terms
from fiscus.errors import InvalidRule, RouteUnavailable
from fiscus.optimise.pieces import Pieces, Points, estimate, initial_points, stock_reach

Curves = Literal["piecewise", "exact"]
ClosedForm = Callable[[Point], FloatArray]


@dataclass(frozen=True, eq=False)
class Block:
    """Columns of one name in the arrays.

    Attributes:
        columns: What they are.
        active: Flat positions that exist as columns, shape (k,); a column nobody uses is left out.
        offset: Position of the first of them.
    """

    columns: Columns
    active: IntArray
    offset: int

    @property
    def slice(self) -> slice:
        """Where the block lies in a solution vector."""
        return slice(self.offset, self.offset + len(self.active))


@dataclass(frozen=True, eq=False)
class Form:
    """``max cost @ z + constant`` subject to ``row_lower <= matrix @ z <= row_upper`` and ``lower <= z <= upper``.

    Attributes:
        problem: What the arrays state.
        blocks: Column blocks by name, in order.
        rows: Row blocks in order; their lengths add up to the rows of the matrix.
        effect: Block to sparse map (T*n, block size) whose sum with ``effect_constant`` is ``f_i(k[t,i])`` or its estimate.
        matrix: Sparse rows, shape (m, columns).
    """

    problem: Problem
    blocks: dict[str, Block]
    rows: tuple[Rows, ...]
    effect: Mapping[str, sp.csr_array]
    effect_constant: FloatArray
    cost: FloatArray
    constant: float
    lower: FloatArray
    upper: FloatArray
    integer: BoolArray
    matrix: sp.csr_array
    row_lower: FloatArray
    row_upper: FloatArray

    @cached_property
    def offsets(self) -> IntArray:
        """Position of each row block's first row, and the number of rows at the end."""
        return np.cumsum([0, *(len(rows) for rows in self.rows)])

    def values(self, solution: FloatArray, name: str) -> FloatArray:
        """A block's values in its own shape; columns that were left out are zero."""
        block = self.blocks[name]
        full = np.zeros(block.columns.size)
        full[block.active] = solution[block.slice]
        return full.reshape(block.columns.shape)

    def spend(self, solution: FloatArray) -> FloatArray:
        """The allocation in a solution, major units, shape (T, n)."""
        return self.values(solution, "spend")

    def at(self, spend: FloatArray) -> FloatArray:
        """Every column at an allocation of shape (T, n), by the columns' closed forms."""
        columns = {name: block.columns for name, block in self.blocks.items()}
        point = Point(self.problem, spend, self.problem.statement.columns | columns)
        return np.concatenate([point[name].ravel()[block.active] for name, block in self.blocks.items()])

    def estimated_effect(self, solution: FloatArray) -> FloatArray:
        """``f_i(k[t,i])`` as the model sees it, shape (T, n)."""
        total = self.effect_constant.copy()
        for name, matrix in self.effect.items():
            total += matrix @ self.values(solution, name).ravel()
        return total.reshape(self.problem.shape)


def form(problem: Problem, points: Points | None = None, *, curves: Curves = "piecewise") -> Form:
    """Assemble the arrays.

    Args:
        problem: What to state.
        points: Where smooth curves are touched; a first grid when not given.
        curves: ``piecewise`` over-estimates smooth curves by linear pieces; ``exact`` leaves ``effect`` as free columns that
            the open model replaces by the curves' own expressions.

    Raises:
        InvalidRule: For a rule that cannot be stated, or a curve with a step or an S that nothing bounds.
        RouteUnavailable: For scenarios whose curves themselves differ, which rows cannot hold.
    """
    if problem.scenarios.curves is not None:
        raise RouteUnavailable(
            "the optimiser's scenarios may scale a curve but not change its shape; use fiscus.evaluate for these scenarios"
        )
    builder = _Builder(problem)
    builder.add_statement()
    if curves == "piecewise":
        builder.add_pieces(estimate(problem, initial_points(problem) if points is None else points))
    else:
        builder.add_pieces(estimate(problem, Points.none()))
        builder.add_effect_columns()
    builder.add_objective()
    return builder.build()


@dataclass
class _Builder:
    """Collects blocks; ``build`` lays them side by side."""

    problem: Problem
    columns: dict[str, Columns] = field(default_factory=dict)
    rows: list[Rows] = field(default_factory=list)
    cost: dict[str, FloatArray] = field(default_factory=dict)
    constant: float = 0.0
    effect: dict[str, sp.csr_array] = field(default_factory=dict)
    effect_constant: FloatArray = field(default_factory=lambda: np.zeros(0))

    def __post_init__(self) -> None:
        self.size = self.problem.shape[0] * self.problem.shape[1]
        self.effect_constant = np.zeros(self.size)
        self.stocked = np.broadcast_to(self.problem.lines.retention > 0, self.problem.shape).ravel()

    def add_statement(self) -> None:
        """Rules, with slack where they are soft, and the definitions of what they use."""
        statement = self.problem.statement
        self.columns |= statement.columns
        for rows in statement.rows:
            self.rows.append(rows if rows.penalty is None else self._softened(rows))
        moving = np.broadcast_to(self.problem.lines.change_cost > 0, self.problem.shape).ravel()
        needed = {
            "moved": moving | used(statement.rows, "moved", self.size),
            "stock": self.stocked,
        }
        for rows in statement.definitions:
            block = {"moved_up": "moved", "moved_down": "moved"}.get(rows.kind, rows.kind)
            if block in needed:
                rows = _touching(rows, block, needed[block])
            if len(rows):
                self.rows.append(rows)

    def _softened(self, rows: Rows) -> Rows:
        """The same rows with slack that costs the penalty."""
        name = f"slack.{rows.kind}.{sum(each.startswith('slack.') for each in self.columns)}"
        count = len(rows)
        terms = dict(rows.terms)
        sides = (("short", np.isfinite(rows.lower), 1.0), ("over", np.isfinite(rows.upper), -1.0))
        for side, where, sign in sides:
            if where.any():
                block = f"{name}.{side}"
                upper = np.where(where, np.inf, 0.0)
                self.columns[block] = Columns(block, ("row",), (count,), _missed(rows, side), 0.0, upper, labels=rows.labels)
                terms[block] = sp.csr_array(sp.diags_array(np.where(where, sign, 0.0), format="csr"))
                self.cost[block] = np.full(count, -(rows.penalty or 0.0))
        return Rows(rows.kind, rows.labels, terms, rows.lower, rows.upper, rows.describe, rows.unit, None, rows.index)

    def add_effect_columns(self) -> None:
        """``effect[t,i]`` of smooth curves as free columns."""
        smooth = np.flatnonzero(np.broadcast_to(~self.problem.lines.curves.polyhedral, self.problem.shape))
        self.columns["effect"] = Columns("effect", ("period", "line"), self.problem.shape, _effect, -np.inf)
        self.effect["effect"] = sp.csr_array((np.ones(len(smooth)), (smooth, smooth)), shape=(self.size, self.size))

    def add_pieces(self, pieces: Pieces) -> None:
        """Curves as linear pieces: no columns where one slope does, segments to fill elsewhere, binaries between runs."""
        runs_of = np.bincount(pieces.run_cell, minlength=self.size)
        segments_of = np.bincount(pieces.segment_cell, minlength=self.size)
        single = (runs_of == 1) & (segments_of == 1) & np.isinf(_last_width(pieces, self.size))
        self.effect_constant[pieces.run_cell[pieces.first]] = pieces.jump[pieces.first]
        direct = single[pieces.segment_cell]
        for name, mask in (("spend", direct & ~self.stocked[pieces.segment_cell]), ("stock", direct & self.stocked[pieces.segment_cell])):
            cells = pieces.segment_cell[mask]
            if len(cells):
                self.effect[name] = sp.csr_array((pieces.slope[mask], (cells, cells)), shape=(self.size, self.size))
        if not direct.all():
            self._add_segments(pieces, np.flatnonzero(~direct))

    def _add_segments(self, pieces: Pieces, segments: IntArray) -> None:
        problem, count = self.problem, len(segments)
        cell, run = pieces.segment_cell[segments], pieces.segment_run[segments]
        width = _bounded_widths(problem, pieces)[segments]
        parts = _labels(problem, cell, segments)
        self.columns["fill"] = Columns("fill", ("segment",), (count,), _filled(cell, width), 0.0, width, labels=[part[1:] for part in parts])
        self.effect["fill"] = sp.csr_array((pieces.slope[segments], (cell, np.arange(count))), shape=(self.size, count))
        cells = np.unique(cell)
        place = np.searchsorted(cells, cell)
        fills = sp.csr_array((np.ones(count), (place, np.arange(count))), shape=(len(cells), count))
        terms = {"fill": fills}
        for name, mask in (("spend", ~self.stocked[cells]), ("stock", self.stocked[cells])):
            if mask.any():
                rows = np.flatnonzero(mask)
                ones = np.full(len(rows), -1.0)
                terms[name] = sp.csr_array((ones, (rows, cells[rows])), shape=(len(cells), self.size))
        zero = np.zeros(len(cells))
        self.rows.append(Rows("fill", _labels(problem, cells, None), terms, zero, zero, _silent, index=("rule", "period", "line")))
        later = np.flatnonzero(~pieces.first)
        if len(later):
            self._add_picks(pieces, segments, run, width, parts, later)

    def _add_picks(
        self, pieces: Pieces, segments: IntArray, run: IntArray, width: FloatArray, parts: list[tuple[str, ...]], later: IntArray
    ) -> None:
        """A binary for each run after the first: open only when the run before it is full."""
        if not np.isfinite(width[np.isin(run, np.r_[later, later - 1])]).all():
            cell = int(pieces.run_cell[later[0]])
            line = self.problem.lines.id[cell % self.problem.shape[1]]
            raise InvalidRule(f"line {line!r} has a curve with a step or an S, so it needs a cap, or a budget above it")
        picks = len(later)
        where = np.full(len(pieces.run_cell), -1)
        where[later] = np.arange(picks)
        self.columns["pick"] = Columns("pick", ("run",), (picks,), _opened(pieces, later), 0.0, 1.0, integer=True, labels=_run_labels(self.problem, pieces, later))
        jump = pieces.jump[later]
        self.effect["pick"] = sp.csr_array((jump, (pieces.run_cell[later], np.arange(picks))), shape=(self.size, picks))
        follower = np.r_[where[1:], -1]  # The pick of the run after each run, where that is of the same cell.
        for kind, pick_of, sign in (("closed", where[run], 1.0), ("full", follower[run], -1.0)):
            rows = np.flatnonzero(pick_of >= 0)
            index = np.arange(len(rows))
            fill = sp.csr_array((np.full(len(rows), sign), (index, rows)), shape=(len(rows), len(segments)))
            pick = sp.csr_array((-sign * width[rows], (index, pick_of[rows])), shape=(len(rows), picks))
            labels = [(kind, *parts[row][1:]) for row in rows]
            terms = {"fill": fill, "pick": pick}
            self.rows.append(
                Rows(kind, labels, terms, -unbounded(len(rows)), np.zeros(len(rows)), _silent, index=("rule", "period", "line", "segment"))
            )

    def add_objective(self) -> None:
        """The mean of the value, less aversion and penalties; through ``value`` columns where risk needs them."""
        problem = self.problem
        probability = problem.scenarios.probability
        by_value = problem.risk is not None or any("value" in rows.terms for rows in self.rows)
        gain = (problem.scenarios.theta * (problem.lines.weight * problem.benefit_discount[:, None])).reshape(-1, self.size)
        spent = np.repeat(problem.spend_discount, problem.shape[1])
        costs = {"spend": problem.spend_weight * spent, "moved": np.tile(problem.lines.change_cost, problem.shape[0]) * spent}
        costs = {name: vector for name, vector in costs.items() if vector.any()}
        if not by_value:
            self._price({name: (probability @ gain) @ matrix for name, matrix in self.effect.items()}, 1.0)
            self._price(costs, -1.0)
            self.constant += float(probability @ gain @ self.effect_constant)
            return
        terms = {name: sp.csr_array(-(sp.csr_array(gain) @ matrix)) for name, matrix in self.effect.items()}
        for name, vector in costs.items():
            every = sp.csr_array(np.broadcast_to(vector, (len(gain), self.size)))
            terms[name] = sp.csr_array(terms[name] + every) if name in terms else every
        terms["value"] = sp.eye_array(len(gain), format="csr")
        constant = gain @ self.effect_constant
        labels = [("value", f"scenario {scenario}") for scenario in range(len(gain))]
        # At most the estimate: more value is never worse, for the objective and for every rule on risk.
        rows = Rows("value", labels, terms, -unbounded(len(gain)), constant, _silent, "value", index=("rule", "scenario"))
        self.rows.append(rows)
        self._price({"value": probability}, 1.0)
        self._add_aversion()

    def _add_aversion(self) -> None:
        problem = self.problem
        if problem.risk is None:
            return
        measure, aversion, size = problem.risk.measure, problem.risk.aversion, problem.scenarios.size
        if measure.kind == "chance":
            raise RouteUnavailable("aversion takes cvar:LEVEL or worst; to limit a chance, write a risk rule with chance:LEVEL")
        if measure.kind == "cvar":
            columns, definitions, row = cvar_terms(problem, "aversion", measure.level)
            self.columns |= {block.name: block for block in columns}
            self.rows += definitions
            self._price({name: matrix.toarray().ravel() for name, matrix in row.items()}, -aversion)
            return
        likely = np.flatnonzero(problem.scenarios.probability > 0)
        self.columns["aversion.worst"] = Columns("aversion.worst", ("all",), (1,), lambda point: np.array([-point["value"][likely].min()]), -np.inf)
        terms = {"value": sp.csr_array(sp.eye_array(size, format="csr")[likely]), "aversion.worst": sp.csr_array(np.ones((len(likely), 1)))}
        labels = [("aversion.worst", f"scenario {scenario}") for scenario in likely]
        rows = Rows("aversion.worst", labels, terms, np.zeros(len(likely)), unbounded(len(likely)), _silent, "value", index=("rule", "scenario"))
        self.rows.append(rows)
        self._price({"aversion.worst": np.ones(1)}, -aversion)

    def _price(self, costs: Mapping[str, FloatArray], sign: float) -> None:
        for name, vector in costs.items():
            self.cost[name] = self.cost.get(name, np.zeros(self.columns[name].size)) + sign * np.asarray(vector)

    def build(self) -> Form:
        """Lay the blocks side by side; columns that no row and no price touches are left out, ``spend`` never is."""
        blocks: dict[str, Block] = {}
        offset = 0
        for name, columns in self.columns.items():
            touched = used(self.rows, name, columns.size)
            if name in self.cost:
                touched |= self.cost[name] != 0
            active = np.arange(columns.size) if name == "spend" else np.flatnonzero(touched)
            if len(active):
                blocks[name] = Block(columns, active, offset)
                offset += len(active)
        bounds = [_bounds(block) for block in blocks.values()]
        return Form(
            problem=self.problem,
            blocks=blocks,
            rows=tuple(self.rows),
            effect=self.effect,
            effect_constant=self.effect_constant,
            cost=np.concatenate([self.cost.get(name, np.zeros(block.columns.size))[block.active] for name, block in blocks.items()]),
            constant=self.constant,
            lower=np.concatenate([lower for lower, _ in bounds]),
            upper=np.concatenate([upper for _, upper in bounds]),
            integer=np.concatenate([np.full(len(block.active), block.columns.integer) for block in blocks.values()]),
            matrix=_matrix(self.rows, blocks, offset),
            row_lower=np.concatenate([rows.lower for rows in self.rows]),
            row_upper=np.concatenate([rows.upper for rows in self.rows]),
        )


def _bounds(block: Block) -> tuple[FloatArray, FloatArray]:
    columns = block.columns
    lower, upper = (np.broadcast_to(bound, columns.shape).ravel()[block.active] for bound in (columns.lower, columns.upper))
    return lower, upper


def _matrix(rows: list[Rows], blocks: Mapping[str, Block], columns: int) -> sp.csr_array:
    row_parts, column_parts, data_parts = [], [], []
    start = 0
    places = {}
    for name, block in blocks.items():
        places[name] = np.full(block.columns.size, -1)
        places[name][block.active] = block.offset + np.arange(len(block.active))
    for each in rows:
        for name, matrix in each.terms.items():
            if not matrix.nnz:
                continue
            entries = matrix.tocoo()
            row, column = entries.coords
            row_parts.append(row + start)
            column_parts.append(places[name][column])
            data_parts.append(entries.data)
        start += len(each)
    where = (np.concatenate(row_parts), np.concatenate(column_parts))
    return sp.csr_array((np.concatenate(data_parts), where), shape=(start, columns))


def _touching(rows: Rows, block: str, columns: BoolArray) -> Rows:
    """Only the rows that touch some of a block's columns."""
    keep = np.flatnonzero(abs(rows.terms[block]) @ columns.astype(np.float64) > 0)
    if len(keep) == len(rows):
        return rows
    terms = {name: sp.csr_array(matrix[keep]) for name, matrix in rows.terms.items()}
    labels = [rows.labels[row] for row in keep]
    return Rows(rows.kind, labels, terms, rows.lower[keep], rows.upper[keep], rows.describe, rows.unit, rows.penalty, rows.index)


def _labels(facts: Facts, cells: IntArray, segments: IntArray | None) -> list[tuple[str, ...]]:
    lines = facts.shape[1]
    labels = [("fill", facts.periods[cell // lines], facts.lines.id[cell % lines]) for cell in cells.tolist()]
    if segments is None:
        return labels
    first = np.r_[True, np.diff(cells) > 0]
    number = np.arange(len(cells)) - np.maximum.accumulate(np.where(first, np.arange(len(cells)), 0))
    return [(*label, str(rank)) for label, rank in zip(labels, number.tolist(), strict=True)]


def _run_labels(facts: Facts, pieces: Pieces, runs: IntArray) -> list[tuple[str, ...]]:
    """Period, line and number of each run, counted from 0 in its cell."""
    number = np.arange(len(pieces.run_cell))
    number = number - np.maximum.accumulate(np.where(pieces.first, number, 0))
    cells, lines = pieces.run_cell[runs].tolist(), facts.shape[1]
    return [
        (facts.periods[cell // lines], facts.lines.id[cell % lines], str(rank))
        for cell, rank in zip(cells, number[runs].tolist(), strict=True)
    ]


def _last_width(pieces: Pieces, size: int) -> FloatArray:
    width = np.zeros(size)
    np.maximum.at(width, pieces.segment_cell, pieces.width)
    return width


def _bounded_widths(facts: Facts, pieces: Pieces) -> FloatArray:
    """Widths with endless last segments cut at what the stock can reach, shape (m,)."""
    cell = pieces.segment_cell
    finite = np.where(np.isfinite(pieces.width), pieces.width, 0.0)
    room = stock_reach(facts).ravel()[cell] - np.bincount(cell, finite, minlength=facts.shape[0] * facts.shape[1])[cell]
    return np.where(np.isfinite(pieces.width), pieces.width, np.maximum(room, 0.0))


def _silent(_row: int, _side: Side) -> str:
    """Definitions hold by construction, so there is nothing to say."""
    return ""


def _effect(point: Point) -> FloatArray:
    return point.facts.lines.curves.value(point["stock"])


def _missed(rows: Rows, side: str) -> ClosedForm:
    """By how much each row of a soft rule misses its lower or upper bound."""

    def missed(point: Point) -> FloatArray:
        activity = rows.activity(point)
        gap = rows.lower - activity if side == "short" else activity - rows.upper
        return np.asarray(np.maximum(gap, 0.0))

    return missed


def _before(cell: IntArray, width: FloatArray) -> FloatArray:
    """Stock below the start of each segment, given the segments' cells in order."""
    finite = np.where(np.isfinite(width), width, 0.0)
    total = np.cumsum(finite) - finite
    first = np.r_[True, np.diff(cell) > 0]
    return np.asarray(total - np.maximum.accumulate(np.where(first, total, 0.0)))


def _filled(cell: IntArray, width: FloatArray) -> ClosedForm:
    """Segments of a cell fill in order."""

    def filled(point: Point) -> FloatArray:
        return np.asarray(np.clip(point["stock"].ravel()[cell] - _before(cell, width), 0.0, width))

    return filled


def _opened(pieces: Pieces, later: IntArray) -> ClosedForm:
    """A run is open where all before it is full."""
    widths = np.where(np.isfinite(pieces.width), pieces.width, 0.0)
    length = np.bincount(pieces.segment_run, widths, minlength=len(pieces.run_cell))
    start = _before(pieces.run_cell, length)[later]

    def opened(point: Point) -> FloatArray:
        stock = point["stock"].ravel()[pieces.run_cell[later]]
        return np.asarray(stock >= start * (1 - STEP_TOLERANCE), dtype=np.float64)

    return opened
