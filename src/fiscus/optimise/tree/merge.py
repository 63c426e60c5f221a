"""All budgets at once where curves are made of linear pieces: the segments in the order in which money buys them.

What is best under a node, as a function of its total, is the list of its segments sorted by slope, cut at the node's cap; those
that fill its floor come first whatever they bring. Merging such lists from the leaves up, one sort a level, gives at the root the
whole frontier: every budget buys a prefix of the list.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fiscus.core.arrays import FloatArray, IntArray
from fiscus.optimise.tree.leaves import SEGMENTS
from fiscus.optimise.tree.program import Program
from fiscus.optimise.tree.solver import inner_limits


@dataclass(frozen=True, eq=False)
class Order:
    """Segments under each root, in the order in which they are bought.

    Attributes:
        leaf: Leaf of each segment, shape (s,); those of one root together, in the order of ``roots``.
        width: Money it takes, shape (s,).
        slope: Value per unit of money, without the cost of money itself, shape (s,).
        forced: Whether a floor buys it, whatever it brings, shape (s,).
        first: Where each root's segments begin, and their number at the end.
        leaves: How many leaves there are.
    """

    leaf: IntArray
    width: FloatArray
    slope: FloatArray
    forced: FloatArray
    first: IntArray
    leaves: int

    def bought(self, budget: FloatArray, base: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Amounts of all leaves, and each root's price of money, at one budget a root.

        Args:
            budget: Most that each root may spend, shape (r,).
            base: What money itself costs at each root, shape (r,): what brings less is not bought.

        Returns:
            Major units, shape (m,), and value per unit, shape (r,).
        """
        taken, price = np.zeros(len(self.leaf)), np.zeros(len(budget))
        for root in range(len(budget)):
            place = slice(self.first[root], self.first[root + 1])
            total = np.cumsum(self.width[place])
            left = np.clip(budget[root] - (total - self.width[place]), 0.0, self.width[place])
            wanted = (self.forced[place] > 0) | (self.slope[place] > base[root])
            taken[place] = np.where(wanted, left, 0.0)
            short = np.flatnonzero(wanted & (left < self.width[place]))
            price[root] = self.slope[place][short[0]] - base[root] if len(short) else 0.0
        return np.asarray(np.bincount(self.leaf, taken, minlength=self.leaves), dtype=np.float64), price


def merged(program: Program) -> Order | None:
    """The order of purchase; None where some curve is smooth, change costs money, or floors and caps leave no split."""
    leaves = program.leaves
    if (leaves.kind != SEGMENTS).any() or leaves.moves or inner_limits(program) is None:
        return None
    owner = np.repeat(np.arange(len(leaves)), np.diff(leaves.first))
    begin = leaves._starts - leaves.shift[owner]
    ends = np.stack([begin, begin + leaves.width])
    low, high = np.clip(ends, leaves.lower[owner], leaves.upper[owner])
    # The leaf's own floor, then its segments beyond it, then what it may take at no value.
    least = leaves.lower
    last = np.zeros(len(leaves))
    np.maximum.at(last, owner, high)
    leaf = np.concatenate([np.arange(len(leaves)), owner, np.arange(len(leaves))])
    width = np.concatenate([least, high - low, np.maximum(leaves.upper - np.maximum(last, least), 0.0)])
    slope = np.concatenate([np.zeros(len(leaves)), leaves.slope - leaves.charge[owner], -leaves.charge])
    forced = np.concatenate([np.ones(len(leaves)), np.zeros(len(width) - len(leaves))])
    keep = width > 0
    held = _Held(leaf[keep], width[keep], slope[keep], forced[keep], program.owner[leaf[keep]])
    for level in program.levels[:0:-1]:
        held = held.through(level, program.floor, program.cap, program.parent)
    roots = program.levels[0]
    # Roots keep their lists: only what their floors buy is marked, since their caps are the budgets asked for.
    held = held.through(roots, program.floor, np.full(len(program.cap), np.inf), np.arange(len(program.parent)))
    place = np.full(len(program.parent), -1)
    place[roots] = np.arange(len(roots))
    order = np.lexsort((-held.slope, -held.forced, place[held.node]))
    counts = np.bincount(place[held.node], minlength=len(roots))
    first = np.r_[0, np.cumsum(counts)]
    return Order(held.leaf[order], held.width[order], held.slope[order], held.forced[order], first, len(leaves))


@dataclass(frozen=True, eq=False)
class _Held:
    """Segments and the node whose list each is on, arrays of one length."""

    leaf: IntArray
    width: FloatArray
    slope: FloatArray
    forced: FloatArray
    node: IntArray

    def through(self, level: IntArray, floor: FloatArray, cap: FloatArray, parent: IntArray) -> _Held:
        """The lists of some nodes sorted, cut at their caps, marked up to their floors and handed to the nodes above."""
        inside = np.isin(self.node, level)
        order = np.flatnonzero(inside)
        order = order[np.lexsort((-self.slope[order], -self.forced[order], self.node[order]))]
        if not len(order):
            return self
        at, width = self.node[order], self.width[order]
        before = np.cumsum(width) - width
        start = np.r_[True, at[1:] != at[:-1]]
        before = before - np.maximum.accumulate(np.where(start, before, 0.0))
        cut = np.clip(cap[at] - before, 0.0, width)
        must = np.clip(floor[at] - before, 0.0, cut)
        rest = np.flatnonzero(~inside)
        # A segment that a floor buys in part is two.
        twice = np.concatenate([rest, order, order])
        width = np.concatenate([self.width[rest], must, cut - must])
        forced = np.concatenate([self.forced[rest], np.ones(len(order)), self.forced[order]])
        node = np.concatenate([self.node[rest], parent[at], parent[at]])
        keep = width > 0
        return _Held(self.leaf[twice][keep], width[keep], self.slope[twice][keep], forced[keep], node[keep])
