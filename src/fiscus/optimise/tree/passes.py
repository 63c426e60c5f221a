"""One pass over a part of the tree at given prices: what leaves take, and the clipped totals of the nodes above them.

Written twice: with NumPy, level by level, and compiled with numba. Both give the same numbers but for the order of sums.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from fiscus.core.arrays import FloatArray, IntArray
from fiscus.optimise.tree.leaves import Leaves

COMPILED_FROM = 20_000
"""Leaves from which the compiled pass is chosen: below, loading numba takes longer than it saves."""


@dataclass(frozen=True, eq=False)
class Part:
    """Subtrees that are being priced, each a group with one price.

    Attributes:
        leaves: Leaves of the part, shape (m,).
        leaf: Position of each in the program.
        owner: Node of the part that each leaf hangs on, shape (m,).
        node: Position of each node in the program, parents first, shape (k,).
        parent: Node of the part above each node, -1 at the top of a group, shape (k,).
        group: Group of each node, shape (k,).
        top: The topmost node of each group, shape (g,).
        levels: Nodes below the tops that are on the same depth, deepest last.
        floor: Least total of each node; the tops' own limits do not count, shape (k,).
        cap: Most total.
    """

    leaves: Leaves
    leaf: IntArray
    owner: IntArray
    node: IntArray
    parent: IntArray
    group: IntArray
    top: IntArray
    levels: tuple[IntArray, ...]
    floor: FloatArray
    cap: FloatArray

    @cached_property
    def leaf_group(self) -> IntArray:
        """Group of each leaf, shape (m,)."""
        return self.group[self.owner]

    def only(self, groups: IntArray) -> Part:
        """The part with some of its groups."""
        number = np.full(len(self.top), -1)
        number[groups] = np.arange(len(groups))
        nodes = np.flatnonzero(number[self.group] >= 0)
        place = np.full(len(self.node), -1)
        place[nodes] = np.arange(len(nodes))
        leaves = np.flatnonzero(number[self.leaf_group] >= 0)
        parent = self.parent[nodes]
        return Part(
            leaves=self.leaves.take(leaves),
            leaf=self.leaf[leaves],
            owner=place[self.owner[leaves]],
            node=self.node[nodes],
            parent=np.where(parent >= 0, place[parent], -1),
            group=number[self.group[nodes]],
            top=place[self.top[groups]],
            levels=tuple(kept for level in self.levels if len(kept := place[level][place[level] >= 0])),
            floor=self.floor[nodes],
            cap=self.cap[nodes],
        )


@dataclass(frozen=True, eq=False)
class Taken:
    """What a pass finds.

    Attributes:
        amount: Of each leaf, shape (m,).
        total: Of each node's children, shape (k,).
        kept: The same inside the node's own limits, shape (k,).
        fall: How fast each total falls per unit of the price's logarithm, jumps aside, shape (k,).
    """

    amount: FloatArray
    total: FloatArray
    kept: FloatArray
    fall: FloatArray


Pass = Callable[[Part, FloatArray], Taken]


def numpy_pass(part: Part, price: FloatArray) -> Taken:
    """What the leaves of each group take at its price.

    Args:
        part: Subtrees.
        price: Of each group, shape (g,).
    """
    amount, falls = part.leaves.response(price[part.leaf_group])
    total, fall = (
        np.asarray(np.bincount(part.owner, each, minlength=len(part.node)), dtype=np.float64)
        for each in (amount, falls)
    )
    kept = total.copy()
    for level in reversed(part.levels):
        kept[level] = np.clip(total[level], part.floor[level], part.cap[level])
        np.add.at(total, part.parent[level], kept[level])
        np.add.at(fall, part.parent[level], np.where(kept[level] == total[level], fall[level], 0.0))
    top = part.top
    kept[top] = total[top]
    return Taken(amount, total, kept, fall)


def choose(leaves: int, backend: str | None = None) -> tuple[Pass, str]:
    """The pass to use and its name: compiled for many leaves where numba is installed.

    Args:
        leaves: How many there are.
        backend: ``numpy`` or ``numba`` to insist.
    """
    if backend == "numpy" or (backend is None and leaves < COMPILED_FROM):
        return numpy_pass, "numpy"
    try:
        from fiscus.optimise.tree.compiled import compiled_pass
    except ImportError:
        if backend == "numba":
            raise
        return numpy_pass, "numpy"
    return compiled_pass, "numba"
