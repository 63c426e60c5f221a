"""Benefit curves as linear pieces: exact where the curve is made of them, an over-estimate elsewhere (§4, solvers).

A cell is one line in one period. Its curve is a sequence of *runs*, each concave; a run after the first starts only when all
before it is full, which takes one binary column. Concave curves are one run and need none. Smooth concave parts are
over-estimated by tangents at chosen points, the convex foot of an S-curve by chords, so the solved model is never below the
true curve and its optimum is a bound on the true one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fiscus.core.arrays import BoolArray, FloatArray, IntArray
from fiscus.core.facts import Facts

INITIAL_TANGENTS = 8
INITIAL_CHORDS = 4


@dataclass(frozen=True, eq=False)
class Points:
    """Where curves are touched: one entry a point, sorted by cell and stock.

    Attributes:
        cell: Flat position ``t * n + i``, shape (m,).
        stock: Major units, shape (m,).
    """

    cell: IntArray
    stock: FloatArray

    def __len__(self) -> int:
        return len(self.cell)

    @classmethod
    def none(cls) -> Points:
        """No points."""
        return cls(np.zeros(0, np.int64), np.zeros(0))

    @classmethod
    def sorted(cls, cell: IntArray, stock: FloatArray) -> Points:
        """Sort, and drop points closer together than rounding can tell apart."""
        if not len(cell):
            return cls.none()
        order = np.lexsort((stock, cell))
        cell, stock = cell[order], stock[order]
        far = np.r_[True, (np.diff(cell) > 0) | (np.diff(stock) > 1e-12 * np.maximum(1.0, stock[1:]))]
        return cls(cell[far], stock[far])

    def with_(self, cell: IntArray, stock: FloatArray) -> Points:
        """These and more points."""
        return Points.sorted(np.concatenate([self.cell, cell]), np.concatenate([self.stock, stock]))


@dataclass(frozen=True, eq=False)
class Pieces:
    """Curves of all cells as linear segments in runs.

    Attributes:
        segment_run: Run of each segment, shape (m,); segments are sorted by run, and runs by cell.
        width: Stock over which a segment extends, inf for an endless last one, shape (m,).
        slope: Benefit per unit of stock, shape (m,).
        run_cell: Cell of each run, shape (r,).
        jump: Benefit gained when the run starts, shape (r,).
        first: Whether the run is the first of its cell and so always open, shape (r,).
    """

    segment_run: IntArray
    width: FloatArray
    slope: FloatArray
    run_cell: IntArray
    jump: FloatArray
    first: BoolArray

    @property
    def segment_cell(self) -> IntArray:
        """Cell of each segment, shape (m,)."""
        return self.run_cell[self.segment_run]


def stock_reach(facts: Facts) -> FloatArray:
    """Most effective stock each cell can have, shape (T, n)."""
    stock = np.empty(facts.shape)
    carried = facts.lines.initial_stock
    for period in range(facts.shape[0]):
        with np.errstate(invalid="ignore"):
            kept = np.where(facts.lines.retention > 0, facts.lines.retention * carried, 0.0)
        carried = stock[period] = kept + facts.reach[period]
    return stock


def initial_points(facts: Facts) -> Points:
    """Points to start from: on smooth curves more of them where the curve bends most, near zero."""
    curves, reach = facts.lines.curves, stock_reach(facts)
    # Where nothing bounds the stock, the curve's own scale says where it bends.
    scale = np.where(np.isfinite(reach), reach, 100.0 * np.maximum(curves.h, 1.0))
    bend = np.minimum(curves.inflection(), scale)
    grid = np.linspace(0.0, 1.0, INITIAL_TANGENTS + 1) ** 2
    feet = np.linspace(0.0, 1.0, INITIAL_CHORDS + 1)
    smooth = np.broadcast_to(~curves.polyhedral, facts.shape)
    convex = smooth & (bend > 0)
    periods, lines = np.nonzero(smooth)
    start, end = bend[periods, lines], scale[periods, lines]
    cells = periods * facts.shape[1] + lines
    tangents = start[:, None] + (end - start)[:, None] * grid
    foot = np.flatnonzero(convex[periods, lines])
    chords = start[foot, None] * feet
    return Points.sorted(
        np.concatenate([np.repeat(cells, tangents.shape[1]), np.repeat(cells[foot], chords.shape[1])]),
        np.concatenate([tangents.ravel(), chords.ravel()]),
    )


def refined(facts: Facts, points: Points, stock: FloatArray, error: FloatArray, tolerance: float) -> Points:
    """Add points where the over-estimate is off.

    Args:
        facts: The plan's facts.
        points: Those of the solved model.
        stock: Its solution, shape (T, n).
        error: Over-estimate less true curve there, weighted as in the objective, shape (T, n).
        tolerance: Total error allowed.
    """
    smooth = np.broadcast_to(~facts.lines.curves.polyhedral, facts.shape)
    poor = smooth & (error > tolerance / max(1, 2 * int(smooth.sum())))
    cell = np.flatnonzero(poor)
    new = stock.ravel()[cell]
    # A tangent at zero may be vertical (power curves): there, step towards zero instead.
    gap = np.full(facts.shape[0] * facts.shape[1], np.inf)
    positive = points.stock > 0
    np.minimum.at(gap, points.cell[positive], points.stock[positive])
    at_zero = new < 1e-3 * gap[cell]
    extra = np.concatenate([gap[cell[at_zero]] * factor for factor in (1e-1, 1e-3)])
    return points.with_(np.concatenate([cell, np.tile(cell[at_zero], 2)]), np.concatenate([new, extra]))


def estimate(facts: Facts, points: Points) -> Pieces:
    """The curves of all cells: exact for polyhedral ones, over-estimated at the points for smooth ones."""
    parts = [_polyhedral(facts), *_smooth(facts, points)]
    run_cell = np.concatenate([part.run_cell for part in parts])
    rank = np.concatenate([np.full(len(part.run_cell), index) for index, part in enumerate(parts)])
    # A cell's chords (an earlier part) come before its tangents; within a part the order stands.
    order = np.lexsort((np.arange(len(run_cell)), rank, run_cell))
    place = np.empty_like(order)
    place[order] = np.arange(len(order))
    offsets = np.cumsum([0, *(len(part.run_cell) for part in parts)])[:-1]
    run = np.concatenate([place[part.segment_run + offset] for part, offset in zip(parts, offsets, strict=True)])
    seg = np.argsort(run, kind="stable")
    run_cell = run_cell[order]
    return Pieces(
        segment_run=run[seg],
        width=np.concatenate([part.width for part in parts])[seg],
        slope=np.concatenate([part.slope for part in parts])[seg],
        run_cell=run_cell,
        jump=np.concatenate([part.jump for part in parts])[order],
        first=np.r_[True, np.diff(run_cell) > 0] if len(run_cell) else np.zeros(0, bool),
    )


def _polyhedral(facts: Facts) -> Pieces:
    """Runs of curves that are made of linear pieces, once a line and then for every period."""
    curves = facts.lines.curves
    run_line: list[int] = []
    jumps: list[float] = []
    segments: list[tuple[int, float, float]] = []
    for line in np.flatnonzero(curves.polyhedral).tolist():
        xs, ys, last_slope = curves.breakpoints(line)
        run_line.append(line)
        jumps.append(float(ys[0]))
        steps = [(xs[j + 1] - xs[j], ys[j + 1] - ys[j]) for j in range(len(xs) - 1)]
        previous = np.inf
        for width, rise in [*steps, (np.inf, last_slope)]:
            vertical = width == 0
            slope = rise if width == np.inf else (np.inf if vertical else rise / width)
            if slope > previous * (1 + 1e-12):
                run_line.append(line)
                jumps.append(rise if vertical else 0.0)
            if not vertical:
                segments.append((len(run_line) - 1, width, slope))
            # After a jump the next segment belongs to the run that the jump opened.
            previous = np.inf if vertical else slope
    table = np.array(segments, dtype=np.float64).reshape(-1, 3)
    runs, periods, lines = np.array(run_line, dtype=np.int64), *facts.shape
    shift = np.repeat(np.arange(periods), len(runs))
    return Pieces(
        segment_run=(np.arange(periods)[:, None] * len(runs) + table[:, 0].astype(np.int64)).ravel(),
        width=np.tile(table[:, 1], periods),
        slope=np.tile(table[:, 2], periods),
        run_cell=shift * lines + np.tile(runs, periods),
        jump=np.tile(np.array(jumps, dtype=np.float64), periods),
        first=np.zeros(periods * len(runs), dtype=bool),
    )


def _smooth(facts: Facts, points: Points) -> list[Pieces]:
    """Chords of convex feet, then tangents of concave parts."""
    if not len(points):
        return []
    curves = facts.lines.curves
    line = points.cell % facts.shape[1]
    touched = curves.take(line)
    value, slope = touched.value(points.stock), touched.derivative(points.stock)
    bend = touched.inflection()
    tolerance = 1e-12 * np.maximum(1.0, bend)
    convex = points.stock <= bend + tolerance
    concave = (points.stock >= bend - tolerance) & np.isfinite(slope)
    return [
        _chords(points.cell[convex & (bend > 0)], points.stock[convex & (bend > 0)], value[convex & (bend > 0)]),
        _tangents(points.cell[concave], points.stock[concave], value[concave], slope[concave], bend[concave]),
    ]


def _chords(cell: IntArray, stock: FloatArray, value: FloatArray) -> Pieces:
    """One run a chord: slopes rise, so each chord waits for the one before."""
    same = np.diff(cell) == 0
    width, rise = np.diff(stock)[same], np.diff(value)[same]
    return Pieces(
        segment_run=np.arange(len(width)),
        width=width,
        slope=rise / width,
        run_cell=cell[1:][same],
        jump=np.zeros(len(width)),
        first=np.zeros(len(width), dtype=bool),
    )


def _tangents(cell: IntArray, stock: FloatArray, value: FloatArray, slope: FloatArray, bend: FloatArray) -> Pieces:
    """One run a cell: tangents between the points where neighbours meet."""
    if not len(cell):
        return Pieces(cell, stock, stock, cell, stock, np.zeros(0, dtype=bool))
    # Tangents of equal slope meet nowhere; keep the first of them.
    steeper = np.r_[True, (np.diff(cell) > 0) | (slope[:-1] - slope[1:] > 1e-13 * np.maximum(1e-300, slope[:-1]))]
    cell, stock, bend = cell[steeper], stock[steeper], bend[steeper]
    value, slope = value[steeper], slope[steeper]
    starts = np.r_[True, np.diff(cell) > 0]
    base = value - slope * stock
    with np.errstate(divide="ignore", invalid="ignore"):
        meet = np.r_[0.0, (base[1:] - base[:-1]) / (slope[:-1] - slope[1:])]
    # Rounding must not make a tangent reach beyond its neighbours' points.
    meet = np.where(starts, bend, np.clip(meet, np.r_[0.0, stock[:-1]], stock))
    ends = np.r_[starts[1:], True]
    width = np.where(ends, np.inf, np.r_[meet[1:], np.inf] - meet)
    # The first tangent is raised where its point is not the start of the concave part (vertical slope at zero).
    jump = np.where(bend > 0, 0.0, base)[starts]
    return Pieces(
        segment_run=np.cumsum(starts) - 1,
        width=width,
        slope=slope,
        run_cell=cell[starts],
        jump=jump,
        first=np.zeros(int(starts.sum()), dtype=bool),
    )
