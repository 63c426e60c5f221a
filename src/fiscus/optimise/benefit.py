"""Linear pieces of benefit curves as columns and rows, with their closed forms."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import overload

import numpy as np
import scipy.sparse as sp

from fiscus.core.arrays import FloatArray, IntArray
from fiscus.core.curves import STEP_TOLERANCE
from fiscus.core.facts import Facts
from fiscus.core.rows import Columns, Label, Point, Rows, silent
from fiscus.core.rules.base import unbounded
from fiscus.errors import InvalidRule
from fiscus.optimise.pieces import Pieces, stock_reach

ClosedForm = Callable[[Point], FloatArray]


@dataclass
class Benefit:
    """What the curves add to a model.

    Attributes:
        facts: The plan's facts.
        pieces: Curves of all cells.
        columns: Segments to fill, and binaries between runs.
        rows: What ties them to the stock.
        effect: Block to sparse map (T*n, block size) whose sum with ``constant`` is ``f_i(k[t,i])`` or its estimate.
        constant: Shape (T*n,).
    """

    facts: Facts
    pieces: Pieces
    columns: dict[str, Columns] = field(default_factory=dict)
    rows: list[Rows] = field(default_factory=list)
    effect: dict[str, sp.csr_array] = field(default_factory=dict)
    constant: FloatArray = field(init=False)

    def __post_init__(self) -> None:
        self.size = self.facts.shape[0] * self.facts.shape[1]
        self.constant = np.zeros(self.size)
        self.stocked = np.broadcast_to(self.facts.lines.retention > 0, self.facts.shape).ravel()
        self._add_cells()

    def _add_cells(self) -> None:
        """No columns where one slope does, segments to fill elsewhere, binaries between runs."""
        pieces = self.pieces
        runs_of = np.bincount(pieces.run_cell, minlength=self.size)
        segments_of = np.bincount(pieces.segment_cell, minlength=self.size)
        single = (runs_of == 1) & (segments_of == 1) & np.isinf(_last_width(pieces, self.size))
        self.constant[pieces.run_cell[pieces.first]] = pieces.jump[pieces.first]
        cell = pieces.segment_cell
        direct = single[cell]
        for name, mask in (("spend", direct & ~self.stocked[cell]), ("stock", direct & self.stocked[cell])):
            if mask.any():
                where = (cell[mask], cell[mask])
                self.effect[name] = sp.csr_array((pieces.slope[mask], where), shape=(self.size, self.size))
        if not direct.all():
            self._add_segments(np.flatnonzero(~direct))

    def _add_segments(self, segments: IntArray) -> None:
        """Segments that fill up to the stock of their cell."""
        pieces, count = self.pieces, len(segments)
        cell = pieces.segment_cell[segments]
        width = _bounded_widths(self.facts, pieces)[segments]
        labels = _segment_labels(self.facts, cell)
        self.columns["fill"] = Columns("fill", ("segment",), (count,), _filled(cell, width), 0.0, width, labels=labels)
        self.effect["fill"] = sp.csr_array((pieces.slope[segments], (cell, np.arange(count))), shape=(self.size, count))
        cells = np.unique(cell)
        where = (np.searchsorted(cells, cell), np.arange(count))
        terms = {"fill": sp.csr_array((np.ones(count), where), shape=(len(cells), count))}
        for name, mask in (("spend", ~self.stocked[cells]), ("stock", self.stocked[cells])):
            if mask.any():
                rows = np.flatnonzero(mask)
                minus = np.full(len(rows), -1.0)
                terms[name] = sp.csr_array((minus, (rows, cells[rows])), shape=(len(cells), self.size))
        zero = np.zeros(len(cells))
        names = Labels(len(cells), lambda row: ("fill", *_cell_label(self.facts, int(cells[row]))))
        self.rows.append(Rows("fill", names, terms, zero, zero, silent, index=("rule", "period", "line")))
        later = np.flatnonzero(~pieces.first)
        if len(later):
            self._add_picks(segments, width, labels, later)

    def _add_picks(self, segments: IntArray, width: FloatArray, labels: Sequence[Label], later: IntArray) -> None:
        """A binary for each run after the first: open only when the run before it is full."""
        pieces, run = self.pieces, self.pieces.segment_run[segments]
        if not np.isfinite(width[np.isin(run, np.r_[later, later - 1])]).all():
            _, line = _cell_label(self.facts, int(pieces.run_cell[later[0]]))
            raise InvalidRule(f"line {line!r} has a curve with a step or an S, so it needs a cap, or a budget above it")
        picks = len(later)
        pick_of = np.full(len(pieces.run_cell), -1)
        pick_of[later] = np.arange(picks)
        names = _run_labels(self.facts, pieces, later)
        self.columns["pick"] = Columns(
            "pick", ("run",), (picks,), _opened(pieces, later), 0.0, 1.0, integer=True, labels=names
        )  # fmt: skip
        jumps = (pieces.jump[later], (pieces.run_cell[later], np.arange(picks)))
        self.effect["pick"] = sp.csr_array(jumps, shape=(self.size, picks))
        follower = np.r_[pick_of[1:], -1]  # The pick of the run after each run, where that is of the same cell.
        for kind, which, sign in (("closed", pick_of[run], 1.0), ("full", follower[run], -1.0)):
            rows = np.flatnonzero(which >= 0)
            index, none = np.arange(len(rows)), -unbounded(len(rows))
            terms = {
                "fill": sp.csr_array((np.full(len(rows), sign), (index, rows)), shape=(len(rows), len(segments))),
                "pick": sp.csr_array((-sign * width[rows], (index, which[rows])), shape=(len(rows), picks)),
            }
            named = Labels(len(rows), partial(_named, kind, labels, rows))
            axes = ("rule", "period", "line", "segment")
            self.rows.append(Rows(kind, named, terms, none, np.zeros(len(rows)), silent, index=axes))


def _cell_label(facts: Facts, cell: int) -> Label:
    """Period and line of a cell."""
    lines = facts.shape[1]
    return facts.periods[cell // lines], facts.lines.id[cell % lines]


def _ranks(cells: IntArray) -> IntArray:
    """Number of each entry among those of its cell, the cells being in order."""
    first = np.r_[True, np.diff(cells) > 0]
    place = np.arange(len(cells))
    return np.asarray(place - np.maximum.accumulate(np.where(first, place, 0)))


class Labels(Sequence[Label]):
    """Labels made when somebody asks: a model has many more segments than anyone reads."""

    def __init__(self, count: int, make: Callable[[int], Label]) -> None:
        self.size, self.make = count, make

    def __len__(self) -> int:
        return self.size

    @overload
    def __getitem__(self, index: int) -> Label: ...
    @overload
    def __getitem__(self, index: slice) -> list[Label]: ...
    def __getitem__(self, index: int | slice) -> Label | list[Label]:
        if isinstance(index, slice):
            return [self.make(each) for each in range(*index.indices(self.size))]
        if not -self.size <= index < self.size:
            raise IndexError(index)
        return self.make(index % self.size)


def _named(kind: str, labels: Sequence[Label], rows: IntArray, row: int) -> Label:
    return (kind, *labels[int(rows[row])])


def _segment_labels(facts: Facts, cells: IntArray) -> Labels:
    """Period, line and number of each segment."""
    ranks = _ranks(cells)
    return Labels(len(cells), lambda segment: (*_cell_label(facts, int(cells[segment])), str(ranks[segment])))


def _run_labels(facts: Facts, pieces: Pieces, runs: IntArray) -> Labels:
    """Period, line and number of some runs."""
    ranks = _ranks(pieces.run_cell)

    def label(position: int) -> Label:
        run = int(runs[position])
        return (*_cell_label(facts, int(pieces.run_cell[run])), str(ranks[run]))

    return Labels(len(runs), label)


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
    length = np.asarray(np.bincount(pieces.segment_run, widths, minlength=len(pieces.run_cell)), dtype=np.float64)
    start = _before(pieces.run_cell, length)[later]

    def opened(point: Point) -> FloatArray:
        stock = point["stock"].ravel()[pieces.run_cell[later]]
        return np.asarray(stock >= start * (1 - STEP_TOLERANCE), dtype=np.float64)

    return opened
