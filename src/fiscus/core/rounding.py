"""Whole numbers from fractions: largest remainders, and controlled rounding on a tree (§3.1).

Largest remainder: Balinski & Young, *Fair Representation* (2001), chapter 3. Controlled rounding, where every entry and
every total goes to one of its two neighbouring whole numbers: Cox & Ernst 1982; it is always possible on a tree.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from fiscus.core.arrays import FloatArray, IntArray
from fiscus.core.tree import Tree
from fiscus.errors import InvalidInput

LARGEST = 2**53
"""Whole numbers up to this are exact as float64."""

WIDENINGS = ((0, 0), (1, 8), (4, 64))
"""Whole numbers beyond the two neighbours that limits may force cells and nodes to, tried in turn."""


def largest_remainder(
    total: int, weights: FloatArray, floor: IntArray | None = None, cap: IntArray | None = None
) -> IntArray:
    """Integers in proportion to weights that sum exactly to a total.

    The shares are ``clip(scale * weights, floor, cap)`` with the one scale at which they sum to the total, then rounded
    to neighbouring integers, upwards where the remainder is largest (ties: the first). Entries of weight zero get their
    floor, unless the others are all at their caps.

    Args:
        total: What to split, >= 0.
        weights: Shape (n,), >= 0; all zero means equal.
        floor: Least of each, shape (n,), >= 0; zero when None.
        cap: Most of each, shape (n,); none when None.

    Returns:
        int64, shape (n,).

    Raises:
        InvalidInput: For weights that are no weights, bounds that cross, or bounds that the total cannot meet.
    """
    weights = np.asarray(weights, dtype=np.float64)
    lower = np.zeros(len(weights), np.int64) if floor is None else np.asarray(floor, np.int64)
    upper = (
        np.full(len(weights), max(total, 0), np.int64) if cap is None else np.minimum(np.asarray(cap, np.int64), total)
    )
    if not (np.isfinite(weights) & (weights >= 0)).all():
        raise InvalidInput("weights must be numbers that are not negative")
    if lower.shape != weights.shape or upper.shape != weights.shape:
        raise InvalidInput(
            f"bounds must have the shape of the weights {weights.shape}, got {lower.shape} and {upper.shape}"
        )
    if (lower < 0).any() or (lower > upper).any() or not lower.sum() <= total <= _capped_sum(upper):
        raise InvalidInput(
            f"{total} cannot be split within the bounds, which allow {lower.sum()} to {_capped_sum(upper)}"
        )
    if total >= LARGEST:
        raise InvalidInput(f"{total} is beyond {LARGEST}, the largest total whose shares are exact")
    shares = _shares(float(total), weights, lower.astype(np.float64), upper.astype(np.float64))
    one = np.zeros(len(weights), np.int64)
    # One more on either side than the neighbours: float dust in the shares must never cost the exact sum.
    low, high = (
        np.clip(np.floor(shares).astype(np.int64) - 1, lower, upper),
        np.clip(np.ceil(shares).astype(np.int64) + 1, lower, upper),
    )
    return nearest_fill(one, shares, low, high, np.array([total], np.int64))


def _shares(total: float, weights: FloatArray, lower: FloatArray, upper: FloatArray) -> FloatArray:
    """``clip(scale * weights, lower, upper)`` that sum to the total.

    Each round finds the scale for those still free. If that leaves more beyond caps than below floors the true scale is
    larger, so what is beyond its cap stays there; else what is below its floor does.
    """
    shares, free = np.zeros(len(weights)), np.arange(len(weights))
    while len(free):
        weight, least, most = weights[free], lower[free], upper[free]
        whole = weight.sum()
        trial = total * (weight / whole) if whole > 0 else np.full(len(free), total / len(free))
        over, under = np.maximum(trial - most, 0.0), np.maximum(least - trial, 0.0)
        if not over.any() and not under.any():
            shares[free] = trial
            break
        capped = over.sum() >= under.sum()
        pinned = over > 0 if capped else under > 0
        shares[free[pinned]] = (most if capped else least)[pinned]
        total -= float((most if capped else least)[pinned].sum())
        free = free[~pinned]
    return shares


def _capped_sum(values: IntArray) -> int:
    """Sum that does not overflow."""
    return int(min(values.astype(np.float64).sum(), 2.0**62)) if values.max(initial=0) > 2**40 else int(values.sum())


def snapped(values: FloatArray) -> FloatArray:
    """Without the dust that float arithmetic leaves around whole numbers."""
    near = np.rint(values)
    with np.errstate(invalid="ignore"):  # Infinite bounds stay what they are.
        return np.asarray(np.where(np.abs(values - near) <= 1e-6 + 1e-15 * np.abs(values), near, values))


def nearest_fill(owner: IntArray, wanted: FloatArray, lower: IntArray, upper: IntArray, target: IntArray) -> IntArray:
    """Whole numbers inside bounds that sum to each owner's target, nearest to the wanted ones in squares.

    One unit at a time to whom it brings nearest is optimal, because the squares are convex. Where the wanted numbers
    sum to within one of the target, each goes to one of its two neighbours unless a bound forbids it.

    Args:
        owner: Position in ``target``, shape (m,).
        wanted: Shape (m,).
        lower: Shape (m,).
        upper: Shape (m,), near ``lower``: one entry is made for every whole number between.
        target: Shape (owners,).

    Returns:
        int64, shape (m,). A target outside the sums of its bounds is met as far as the bounds go.
    """
    spare = target - summed(owner, lower, len(target))
    width = upper - lower
    item = np.repeat(np.arange(len(owner)), width)
    step = np.arange(len(item)) - np.repeat(np.cumsum(width) - width, width)
    gain = np.round(wanted[item] - lower[item] - step, 9)
    order = np.lexsort((-gain, owner[item]))
    group = owner[item][order]
    rank = np.arange(len(group)) - np.searchsorted(group, group)
    taken = item[order][rank < spare[group]]
    return np.asarray(lower + np.bincount(taken, minlength=len(owner)), dtype=np.int64)


def summed(owner: IntArray, values: IntArray, owners: int) -> IntArray:
    """Integer sums by owner, shape (owners,)."""
    total = np.zeros(owners, np.int64)
    np.add.at(total, owner, values)
    return total


@dataclass(frozen=True, eq=False)
class Forest:
    """A tree of units repeated in every period, flat: node ``t * u + unit`` and cell ``t * n + line``.

    Attributes:
        owner: Node that each cell hangs on, shape (T*n,).
        parent: Node above each node, -1 for the roots, shape (T*u,).
        levels: Nodes of each depth, roots first.
    """

    owner: IntArray
    parent: IntArray
    levels: tuple[IntArray, ...]

    @classmethod
    def make(cls, tree: Tree, unit_of: IntArray, periods: int) -> Forest:
        """The tree in each of the periods, with lines on the units ``unit_of`` of shape (n,)."""
        shift = np.arange(periods)[:, None] * len(tree)
        parent = np.where(tree.parent[None, :] >= 0, tree.parent[None, :] + shift, -1)
        levels = tuple((level[None, :] + shift).ravel() for level in tree.levels)
        return cls((np.asarray(unit_of)[None, :] + shift).ravel(), parent.ravel(), levels)

    @cached_property
    def members(self) -> tuple[tuple[IntArray, IntArray, IntArray], ...]:
        """For each level: nodes right below it, cells that hang on it, and the node that each of both belongs to."""
        level_of = np.empty(len(self.parent), np.int64)
        for depth, level in enumerate(self.levels):
            level_of[level] = depth
        cells = np.argsort(level_of[self.owner], kind="stable")
        starts = np.searchsorted(level_of[self.owner][cells], np.arange(len(self.levels) + 1))
        none = np.zeros(0, np.int64)
        found = []
        for depth in range(len(self.levels)):
            below = self.levels[depth + 1] if depth + 1 < len(self.levels) else none
            own = cells[starts[depth] : starts[depth + 1]]
            found.append((below, own, np.concatenate([self.parent[below], self.owner[own]])))
        return tuple(found)

    def totals(self, values: FloatArray) -> FloatArray:
        """Sum of the cells below each node, shape (T*u,)."""
        total = np.bincount(self.owner, values, minlength=len(self.parent))
        for level in self.levels[:0:-1]:
            total += np.bincount(self.parent[level], total[level], minlength=len(self.parent))
        return np.asarray(total, dtype=np.float64)


@dataclass(frozen=True, eq=False)
class Limits:
    """Whole-number bounds of cells, shape (T*n,), and of nodes, shape (T*u,); ``LARGEST`` for none."""

    cell_lower: IntArray
    cell_upper: IntArray
    node_lower: IntArray
    node_upper: IntArray


def round_tree(forest: Forest, wanted: FloatArray, limits: Limits) -> IntArray:
    """Controlled rounding: cells and the totals of all nodes go to neighbouring whole numbers within the limits.

    Where the limits allow no such rounding, entries next to them move further; where they allow none at all, upper
    limits of nodes are kept before lower limits of cells.

    Args:
        forest: The tree.
        wanted: Numbers to round, shape (T*n,), >= 0.
        limits: Of cells (lower <= upper) and nodes.

    Returns:
        int64, shape (T*n,).
    """
    wanted = snapped(wanted)
    totals = snapped(forest.totals(wanted))
    for widening in WIDENINGS:
        intervals = _intervals(forest, wanted, totals, limits, widening)
        if _consistent(forest, intervals, limits):
            break
    return _deal(forest, wanted, totals, intervals, limits)


def _intervals(
    forest: Forest, wanted: FloatArray, totals: FloatArray, limits: Limits, widening: tuple[int, int]
) -> Limits:
    """Bounds that come from below: what a node can be given such that its cells can make it up exactly."""
    more, node_more = widening
    down, up = np.floor(wanted).astype(np.int64) - more, np.ceil(wanted).astype(np.int64) + more
    cell_lower = np.clip(down, limits.cell_lower, limits.cell_upper)
    cell_upper = np.clip(up, limits.cell_lower, limits.cell_upper)
    nodes = len(forest.parent)
    lower, upper = np.zeros(nodes, np.int64), np.zeros(nodes, np.int64)
    least, most = summed(forest.owner, cell_lower, nodes), summed(forest.owner, cell_upper, nodes)
    node_down = np.floor(totals).astype(np.int64) - node_more
    node_up = np.ceil(totals).astype(np.int64) + node_more
    for depth in range(len(forest.levels) - 1, -1, -1):
        level = forest.levels[depth]
        upper[level] = np.minimum(
            np.minimum(limits.node_upper[level], np.maximum(node_up[level], limits.node_lower[level])), most[level]
        )
        lower[level] = np.minimum(
            np.maximum(
                np.maximum(limits.node_lower[level], np.minimum(node_down[level], limits.node_upper[level])),
                least[level],
            ),
            upper[level],
        )
        if depth:
            least += summed(forest.parent[level], lower[level], nodes)
            most += summed(forest.parent[level], upper[level], nodes)
    return Limits(cell_lower, cell_upper, lower, upper)


def _consistent(forest: Forest, intervals: Limits, limits: Limits) -> bool:
    """Whether every node's interval lies inside the sums of what is below it, and reaches its own limits."""
    nodes = len(forest.parent)
    least, most = summed(forest.owner, intervals.cell_lower, nodes), summed(forest.owner, intervals.cell_upper, nodes)
    inner = forest.parent >= 0
    least += summed(forest.parent[inner], intervals.node_lower[inner], nodes)
    most += summed(forest.parent[inner], intervals.node_upper[inner], nodes)
    made_up = (least <= intervals.node_lower) & (intervals.node_upper <= most)
    return bool((made_up & (limits.node_lower <= intervals.node_lower)).all())


def _deal(forest: Forest, wanted: FloatArray, totals: FloatArray, intervals: Limits, limits: Limits) -> IntArray:
    """Top-down: every node's whole total is dealt to what is right below it."""
    given, amounts = np.zeros(len(forest.parent), np.int64), np.zeros(len(wanted), np.int64)
    roots = forest.levels[0]
    given[roots] = np.clip(
        np.rint(totals[roots]).astype(np.int64), intervals.node_lower[roots], intervals.node_upper[roots]
    )
    for below, own, owner in forest.members:
        if not len(owner):
            continue
        nodes, local = np.unique(owner, return_inverse=True)
        target = given[nodes]
        near = np.concatenate([totals[below], wanted[own]])
        lower = np.concatenate([intervals.node_lower[below], intervals.cell_lower[own]])
        upper = np.concatenate([intervals.node_upper[below], intervals.cell_upper[own]])
        dealt = nearest_fill(local, near, lower, upper, target)
        amiss = np.flatnonzero(summed(local, dealt, len(nodes)) != target)
        if len(amiss):
            widest = np.concatenate([limits.node_upper[below], limits.cell_upper[own]])
            least = np.concatenate([limits.node_lower[below], limits.cell_lower[own]])
            order = np.argsort(local, kind="stable")
            starts = np.searchsorted(local[order], np.arange(len(nodes) + 1))
            for node in amiss.tolist():
                members = order[starts[node] : starts[node + 1]]
                dealt[members] = _ambiguous(int(target[node]), near[members], least[members], widest[members])
        given[below], amounts[own] = dealt[: len(below)], dealt[len(below) :]
    return amounts


def _ambiguous(total: int, wanted: FloatArray, lower: IntArray, upper: IntArray) -> IntArray:
    """Deal a total that neighbours cannot make up: in proportion within the limits, or without the lower ones."""
    upper = np.minimum(upper, max(total, 0))
    lower = np.minimum(lower, upper)
    if total < lower.sum():
        return largest_remainder(total, lower.astype(np.float64))
    if total > _capped_sum(upper):  # Bounds below cannot take it: the caller's check says so.
        return upper
    return largest_remainder(total, wanted, lower, upper)
