"""The rooted tree of units that lines hang on (§4)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import scipy.sparse as sp

from fiscus.core.arrays import FloatArray, IntArray, frozen
from fiscus.errors import InvalidTree


def tree_faults(ids: Sequence[str], parents: Sequence[str]) -> list[tuple[int, str, str]]:
    """Everything that keeps units from forming one rooted tree.

    Args:
        ids: Unit ids, one a unit.
        parents: Id of each unit's parent; the empty string marks a root.

    Returns:
        ``(position, field, sentence)`` for each fault, in the order of the units; empty for a good tree.
    """
    faults: list[tuple[int, str, str]] = []
    first: dict[str, int] = {}
    for position, unit in enumerate(ids):
        if not unit:
            faults.append((position, "id", "the unit has no id; give it one"))
        elif unit in first:
            faults.append((position, "id", f"unit {unit!r} stands here a second time; every unit needs its own id"))
        first.setdefault(unit, position)
    roots = [position for position, parent in enumerate(parents) if not parent]
    if not roots and ids:
        faults.append((0, "parent", "no unit has an empty parent; exactly one unit must be the root"))
    faults.extend(
        (
            position,
            "parent",
            f"unit {ids[position]!r} is a second root (the first is {ids[roots[0]]!r}); name its parent",
        )
        for position in roots[1:]
    )
    known = [not parent or parent in first for parent in parents]
    faults.extend(
        (position, "parent", f"parent {parents[position]!r} of unit {ids[position]!r} is not a unit in this table")
        for position, good in enumerate(known)
        if not good
    )
    parent_of = {unit: parents[position] for unit, position in first.items()}
    faults.extend(
        (
            first[cycle[0]],
            "parent",
            f"units form a cycle: {' > '.join([*cycle, cycle[0]])}; one must name another parent",
        )
        for cycle in _cycles(parent_of)
    )
    return sorted(faults)


def _cycles(parent_of: dict[str, str]) -> list[list[str]]:
    """Each cycle of the parent relation once, starting at its first unit in table order."""
    done: set[str] = set()
    cycles = []
    order = {unit: place for place, unit in enumerate(parent_of)}
    for start in parent_of:
        path: dict[str, None] = {}
        unit = start
        while unit in parent_of and unit not in done and unit not in path:
            path[unit] = None
            unit = parent_of[unit]
        if unit in path:
            trail = list(path)
            ring = trail[trail.index(unit) :]
            first = min(range(len(ring)), key=lambda place: order[ring[place]])
            cycles.append(ring[first:] + ring[:first])
        done.update(path)
    return cycles


@dataclass(frozen=True, eq=False)
class Tree:
    """Units as a rooted tree.

    Attributes:
        ids: Unit ids, shape (u,).
        names: What people call the units, shape (u,).
        parent: Position of each unit's parent, -1 for the root, shape (u,).
    """

    ids: tuple[str, ...]
    names: tuple[str, ...]
    parent: IntArray

    @classmethod
    def make(cls, ids: Sequence[str], parents: Sequence[str], names: Sequence[str] | None = None) -> Tree:
        """Build from parent ids.

        Raises:
            InvalidTree: Unless the units form exactly one rooted tree; the message lists every fault.
        """
        faults = tree_faults(ids, parents)
        if not ids or faults:
            raise InvalidTree(
                "; ".join(sentence for _, _, sentence in faults) or "there are no units; give at least a root"
            )
        position = {unit: index for index, unit in enumerate(ids)}
        parent = [position[unit] if unit else -1 for unit in parents]
        return cls(tuple(ids), tuple(names) if names is not None else tuple(ids), frozen(parent, np.int64))

    def __len__(self) -> int:
        return len(self.ids)

    @cached_property
    def position(self) -> dict[str, int]:
        """Unit id to position."""
        return {unit: index for index, unit in enumerate(self.ids)}

    @cached_property
    def root(self) -> int:
        """Position of the root."""
        return int(np.flatnonzero(self.parent < 0)[0])

    @cached_property
    def depth(self) -> IntArray:
        """Edges between each unit and the root, shape (u,)."""
        depth = np.zeros(len(self), np.int64)
        above = self.parent.copy()
        while (above >= 0).any():
            depth += above >= 0
            above = np.where(above >= 0, self.parent[above], -1)
        return frozen(depth, np.int64)

    @cached_property
    def levels(self) -> tuple[IntArray, ...]:
        """Positions of the units of each depth, root first."""
        return tuple(np.flatnonzero(self.depth == level) for level in range(int(self.depth.max()) + 1))

    def membership(self, unit_of: IntArray) -> sp.csr_array:
        """Which lines lie in the subtree of which unit.

        Args:
            unit_of: Position of the unit each line hangs on, shape (n,).

        Returns:
            Sparse 0/1 matrix of shape (u, n).
        """
        lines = np.arange(len(unit_of))
        rows, columns = [], []
        units, members = np.asarray(unit_of), lines
        while len(units):
            rows.append(units)
            columns.append(members)
            above = self.parent[units]
            members, units = members[above >= 0], above[above >= 0]
        row, column = (np.concatenate(rows), np.concatenate(columns)) if rows else (lines, lines)
        ones: FloatArray = np.ones(len(row))
        return sp.csr_array((ones, (row, column)), shape=(len(self), len(unit_of)))

    def children(self, unit: int) -> IntArray:
        """Positions of the units directly below one unit."""
        return np.flatnonzero(self.parent == unit)
