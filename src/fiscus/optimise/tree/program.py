"""What the tree solver solves: leaves under nested envelopes, and how a problem's rows become them (§4, solvers)."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import scipy.sparse as sp

from fiscus.core.arrays import BoolArray, FloatArray, IntArray
from fiscus.core.problem import Problem
from fiscus.core.rows import Rows
from fiscus.optimise.tree.leaves import HILL, LOG, POWER, SATURATING, SEGMENTS, Leaves


@dataclass(frozen=True, eq=False)
class Program:
    """``max sum_i phi_i(x_i) - base * x_i`` with every node's total between its floor and cap.

    Attributes:
        leaves: The phi, with bounds, shape (m,).
        owner: Node that each leaf hangs on, shape (m,).
        parent: Parent of each node, -1 for roots, shape (k,).
        levels: Nodes of each depth, roots first.
        floor: Least total of each node, shape (k,).
        cap: Most, inf for none, shape (k,).
        base: What money itself costs under each root, in value, by node, shape (k,); only roots' entries count.
        rows: For each bound that came from a row of the statement: its block, row and coefficient; see :class:`Origin`.
    """

    leaves: Leaves
    owner: IntArray
    parent: IntArray
    levels: tuple[IntArray, ...]
    floor: FloatArray
    cap: FloatArray
    base: FloatArray
    rows: tuple[Origin, ...] = ()


@dataclass(frozen=True, eq=False)
class Origin:
    """Rows of one block that bound a node or a leaf.

    Attributes:
        block: The rows.
        row: Which of them, shape (r,).
        node: Node that each bounds, or -1, shape (r,).
        leaf: Leaf that each bounds, or -1, shape (r,).
        coefficient: Of every amount in the row, shape (r,).
    """

    block: Rows
    row: IntArray
    node: IntArray
    leaf: IntArray
    coefficient: FloatArray


@dataclass(frozen=True, eq=False)
class Split:
    """A problem as envelopes and what is left.

    Attributes:
        program: Leaves and nested envelopes.
        side: Rows that couple leaves in other ways, as ``(block, rows)``.
    """

    program: Program
    side: tuple[tuple[Rows, IntArray], ...] = field(default=())


def obstacle(problem: Problem, *, bent: bool = False) -> str:
    """Why the curves or the money of a problem are no separable concave benefits; empty when they are.

    Args:
        problem: To look at.
        bent: Whether S-shaped Hill curves are welcome too.
    """
    lines, several = problem.lines, problem.shape[0] > 1
    if problem.scenarios.curves is not None:
        return "its scenarios change the shape of curves"
    if not problem.counts_value:
        return "it asks for something else than value"
    if problem.risk is not None:
        return "it is averse to risk"
    if problem.account is not None:
        return "cash is carried from period to period"
    if several and lines.retention.any():
        return "effects last from period to period"
    if several and lines.change_cost.any():
        return "changes between periods cost money"
    welcome = lines.curves.concave | (~lines.curves.polyhedral if bent else False)
    if not welcome.all():
        return "some curves are S-shaped or step-like"
    if problem.statement.indicated.any():
        return "some choices are yes or no"
    if not np.isfinite(problem.reach).all():
        return "nothing bounds the amount of some line"
    soft = next((rows.labels[0][0] for rows in problem.statement.rows if rows.penalty is not None and len(rows)), "")
    return f"rule {soft} is soft" if soft else ""


def split(problem: Problem) -> Split:
    """Leaves and envelopes, and the rows that are neither.

    Args:
        problem: One for which :func:`obstacle` is empty.
    """
    periods, units = problem.shape[0], len(problem.tree)
    order = _Order.of(problem)
    floor, cap = np.zeros(periods * units), np.full(periods * units, np.inf)
    # Not ``reach``: a line that could take the whole budget would then hide the budget's own price behind its bound.
    endless = 2.0 * problem.reach + 1.0
    lower = problem.lines.floor.ravel().copy()
    upper = np.where(np.isfinite(problem.lines.cap), problem.lines.cap, endless).ravel()
    origins, side = [], []
    for rows in problem.statement.rows:
        if not len(rows):
            continue
        found = order.match(rows)
        idle = (found.coefficient == 0) & (rows.lower <= 0) & (rows.upper >= 0)
        rest = np.flatnonzero((found.node < 0) & (found.leaf < 0) & ~idle)
        if len(rest):
            side.append((rows, rest))
        kept = np.flatnonzero((found.node >= 0) | (found.leaf >= 0))
        if not len(kept):
            continue
        origin = Origin(rows, kept, found.node[kept], found.leaf[kept], found.coefficient[kept])
        origins.append(origin)
        low, high = row_bounds(origin)
        at = origin.node >= 0
        np.maximum.at(floor, origin.node[at], low[at])
        np.minimum.at(cap, origin.node[at], high[at])
        np.maximum.at(lower, origin.leaf[~at], low[~at])
        np.minimum.at(upper, origin.leaf[~at], high[~at])
    shift = np.arange(periods)[:, None]
    parent = np.where(problem.tree.parent >= 0, problem.tree.parent + shift * units, -1).ravel()
    program = Program(
        leaves=_leaves(problem, lower, upper),
        owner=(problem.lines.unit + shift * units).ravel(),
        parent=parent,
        levels=tuple((level + shift * units).ravel() for level in problem.tree.levels),
        floor=floor,
        cap=cap,
        base=np.repeat(problem.spend_weight * problem.spend_discount, units),
        rows=tuple(origins),
    )
    return Split(program, tuple(side))


def row_bounds(origin: Origin) -> tuple[FloatArray, FloatArray]:
    """Least and most total that each row allows, in money."""
    low, high = origin.block.lower[origin.row], origin.block.upper[origin.row]
    negative = origin.coefficient < 0
    return (
        np.where(negative, high, low) / origin.coefficient,
        np.where(negative, low, high) / origin.coefficient,
    )


@dataclass(frozen=True, eq=False)
class _Match:
    node: IntArray
    leaf: IntArray
    coefficient: FloatArray


@dataclass(frozen=True, eq=False)
class _Order:
    """Lines in the order of a walk through the tree, so that every unit's lines are one interval.

    Attributes:
        place: Position of each line in the walk, shape (n,).
        intervals: Key of each unit's interval, sorted, and the unit it belongs to.
    """

    shape: tuple[int, int]
    units: int
    place: IntArray
    keys: IntArray
    owners: IntArray

    @classmethod
    def of(cls, problem: Problem) -> _Order:
        tree, unit = problem.tree, problem.lines.unit
        own = np.bincount(unit, minlength=len(tree))
        size = own.copy()
        for level in tree.levels[:0:-1]:
            np.add.at(size, tree.parent[level], size[level])
        start = np.zeros(len(tree), np.int64)
        for level in tree.levels[1:]:
            siblings = level[np.argsort(tree.parent[level], kind="stable")]
            above = tree.parent[siblings]
            total = np.cumsum(size[siblings]) - size[siblings]
            first = np.r_[True, np.diff(above) > 0]
            base = np.maximum.accumulate(np.where(first, total, 0))
            start[siblings] = start[above] + own[above] + total - base
        order = np.argsort(unit, kind="stable")
        counted = np.cumsum(own) - own
        place = np.empty(len(unit), np.int64)
        place[order] = start[unit[order]] + np.arange(len(unit)) - counted[unit[order]]
        key = start * (len(unit) + 1) + start + size
        key[size == 0] = -1 - np.flatnonzero(size == 0)
        sort = np.argsort(key, kind="stable")
        return cls(problem.shape, len(tree), place, key[sort], sort)

    def match(self, rows: Rows) -> _Match:
        """The node or the leaf whose total each row bounds; -1 where it does something else."""
        count = len(rows)
        node, leaf, factor = np.full(count, -1), np.full(count, -1), np.ones(count)
        spend = rows.terms.get("spend")
        if spend is None or any(matrix.nnz for name, matrix in rows.terms.items() if name != "spend"):
            return _Match(node, leaf, factor)
        lines = self.shape[1]
        spend = sp.csr_array(spend)
        sizes = np.diff(spend.indptr)
        full = np.flatnonzero(sizes)
        factor[sizes == 0] = 0.0
        if not len(full):
            return _Match(node, leaf, factor)
        begin = spend.indptr[full]
        period, line = np.divmod(spend.indices.astype(np.int64), lines)
        place = period * lines + self.place[line]
        low, high = np.minimum.reduceat(place, begin), np.maximum.reduceat(place, begin)
        least, most = np.minimum.reduceat(spend.data, begin), np.maximum.reduceat(spend.data, begin)
        equal = (least == most) & (least != 0) & (low // lines == high // lines) & (high - low + 1 == sizes[full])
        single = equal & (sizes[full] == 1)
        factor[full] = np.where(equal, least, 1.0)
        leaf[full[single]] = spend.indices[begin[single]]
        key = (low % lines) * (lines + 1) + high % lines + 1
        at = np.minimum(np.searchsorted(self.keys, key), len(self.keys) - 1)
        known = equal & ~single & (self.keys[at] == key)
        node[full[known]] = self.owners[at[known]] + (low[known] // lines) * self.units
        return _Match(node, leaf, factor)


def _leaves(problem: Problem, lower: FloatArray, upper: FloatArray) -> Leaves:
    periods, lines = problem.shape
    curves, count = problem.lines.curves, problem.shape[0] * problem.shape[1]
    names = np.array(curves.family)
    codes = {"log": LOG, "power": POWER, "saturating": SATURATING, "hill": HILL}
    kind = np.full(lines, SEGMENTS)
    for name, code in codes.items():
        kind[names == name] = code
    kind[(names == "power") & (curves.p == 1.0)] = SEGMENTS
    gain = (problem.scenarios.expected() * problem.lines.weight * problem.benefit_discount[:, None]).ravel()
    scale = gain * np.tile(curves.a, periods)
    kind = np.where(scale > 0, np.tile(kind, periods), SEGMENTS)
    first, slope, width = _segments(problem, kind, gain)
    initial = problem.lines.retention * problem.lines.initial_stock
    prior = np.zeros(lines) if problem.ignore_prior else problem.lines.prior
    cost = np.zeros(lines) if problem.ignore_prior else problem.lines.change_cost
    zero = np.zeros(count)
    return Leaves(
        kind=kind,
        a=scale,
        h=np.tile(curves.h, periods),
        p=np.tile(curves.p, periods),
        shift=np.concatenate([initial, np.zeros(count - lines)]),
        lower=lower,
        upper=upper,
        first=first,
        slope=slope,
        width=width,
        chord=zero,
        touch=zero,
        cost=np.tile(cost * problem.spend_discount[0], periods),
        prior=np.tile(prior, periods),
        charge=zero,
    )


def _segments(problem: Problem, kind: IntArray, gain: FloatArray) -> tuple[IntArray, FloatArray, FloatArray]:
    """Segments of the curves that are made of linear pieces; one of no width for every other leaf."""
    periods, lines = problem.shape
    curves = problem.lines.curves
    names = np.array(curves.family)
    straight: BoolArray = (kind == SEGMENTS).reshape(periods, lines).any(axis=0)
    pieces = np.ones(lines, np.int64)
    for knots in curves.knots:
        pieces[knots.line] = np.maximum(1, knots.segments.sum(axis=1))
    pieces[~straight] = 1
    first = np.r_[0, np.cumsum(pieces)]
    slope, width = np.zeros(first[-1]), np.zeros(first[-1])
    endless = straight & (names != "piecewise")
    width[first[:-1][endless]] = np.inf
    rising = endless & np.isin(names, ("linear", "capped", "power"))
    slope[first[:-1][rising]] = curves.a[rising]
    capped = endless & (names == "capped")
    width[first[:-1][capped]] = curves.h[capped]
    for knots in curves.knots:
        row, rank = np.nonzero(knots.segments)
        at = first[:-1][knots.line[row]] + rank
        slope[at] = curves.a[knots.line[row]] * knots.slope[row, rank]
        width[at] = knots.money[row, rank + 1] - knots.money[row, rank]
    counts = np.tile(pieces, periods)
    return (
        np.r_[0, np.cumsum(counts)],
        _tied(np.tile(slope, periods) * np.repeat(gain, counts)),
        np.tile(width, periods),
    )


TIE = 1e-13
"""Relative difference within which two slopes are the same number computed in two ways."""


def _tied(slope: FloatArray) -> FloatArray:
    """Slopes with those that differ by rounding alone made equal, so that ties are seen as ties."""
    order = np.argsort(slope)
    rising = slope[order]
    apart = np.r_[True, np.diff(rising) > TIE * rising[1:]]
    tied = np.empty_like(slope)
    tied[order] = rising[apart][np.cumsum(apart) - 1]
    return tied
