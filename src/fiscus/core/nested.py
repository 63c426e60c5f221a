"""Splitting one period's money down the tree so that every floor and cap of units and lines holds, for whole batches at once.

The rows of a statement that bound the total of one unit, or one line, in one period nest in each other. Here they are collected
from the rows themselves, whatever rule they come from, and made consistent once; after that every split is a pass down the levels.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from fiscus.core.arrays import BoolArray, FloatArray, IntArray, frozen
from fiscus.core.feasibility import FEASIBILITY_TOLERANCE
from fiscus.core.problem import Problem
from fiscus.core.rows import Rows
from fiscus.errors import InvalidInput


@dataclass(frozen=True, eq=False)
class Level:
    """Families of one depth: nodes that have children, and these.

    Attributes:
        parents: Nodes, shape (f,).
        children: Nodes below each, shape (f, k), padded with the node that stands for nobody.
        real: Which of them are children, shape (f, k).
    """

    parents: IntArray
    children: IntArray
    real: BoolArray


@dataclass(frozen=True, eq=False)
class Nest:
    """Units and lines as one tree of nodes, with consistent floors and caps in each period.

    Nodes are the units in the tree's order, then the lines, then one that stands for nobody and gets nothing.

    Attributes:
        units: Number of units.
        lines: Number of lines.
        root: Node at the top.
        levels: Families, from the root down.
        low: Least each node must get so that all below it get theirs, major units, shape (T, nodes + 1).
        high: Most it can get, from below and by its own caps, shape (T, nodes + 1).
        floor: Floors and caps as stated, before they were made consistent, shapes (T, nodes + 1).
        cap: The same.
    """

    units: int
    lines: int
    root: int
    levels: tuple[Level, ...]
    low: FloatArray
    high: FloatArray
    floor: FloatArray
    cap: FloatArray

    @cached_property
    def line_nodes(self) -> slice:
        """Where the lines are among the nodes."""
        return slice(self.units, self.units + self.lines)

    @cached_property
    def paths(self) -> IntArray:
        """Units above each line, the nearest first, shape (n, depth); padded with -1."""
        above = np.full(self.units + self.lines + 1, -1)
        for level in self.levels:
            above[np.where(level.real, level.children, self.units + self.lines)] = level.parents[:, None]
        above[-1] = -1
        steps = [above[self.line_nodes]]
        while (steps[-1] >= 0).any():
            steps.append(np.where(steps[-1] >= 0, above[steps[-1]], -1))
        return np.stack(steps[:-1] or steps, axis=1)

    def takes(self, least: FloatArray, more: FloatArray, floor: FloatArray, high: FloatArray) -> BoolArray:
        """For each line, whether it alone can be given more on top of what all lines must get.

        Args:
            least: Consistent floors of all nodes, major units, shape (B, nodes + 1).
            more: Added to the line's own, shape (B, n).
            floor: Floors of units as stated, shape (B, nodes + 1).
            high: Consistent caps, shape (B, nodes + 1).

        Returns:
            Shape (B, n).
        """
        below = least.copy()
        for level in self.levels:
            below[..., level.parents] = np.add.reduce(least[..., level.children], axis=-1)
        dust = FEASIBILITY_TOLERANCE * 1e-3
        node = least[:, self.line_nodes] + more
        good = node <= high[:, self.line_nodes] * (1.0 + dust)
        for unit in self.paths.T:
            there = unit >= 0
            raised = np.maximum(floor[:, unit], below[:, unit] + more)
            good &= ~there | (raised <= high[:, unit] + dust * np.maximum(1.0, np.abs(high[:, unit])))
            more = np.where(there, raised - least[:, unit], more)
        return np.asarray(good)

    def consistent(self, floor: FloatArray, cap: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Floors and caps that follow from those of all nodes below.

        Args:
            floor: Major units, shape (..., nodes + 1); changed in place.
            cap: The same.
        """
        for level in reversed(self.levels):
            below = np.add.reduce(floor[..., level.children], axis=-1)
            floor[..., level.parents] = np.maximum(floor[..., level.parents], below)
            above = np.add.reduce(cap[..., level.children], axis=-1)
            cap[..., level.parents] = np.minimum(cap[..., level.parents], above)
        return floor, cap

    def gathered(self, wish: FloatArray, low: FloatArray, high: FloatArray) -> FloatArray:
        """What every node wishes for: the sum of the wishes below, inside its floor and cap.

        Args:
            wish: Of the lines, major units, shape (..., n).
            low: Consistent floors, shape (..., nodes + 1).
            high: Consistent caps, the same shape.

        Returns:
            Shape (..., nodes + 1).
        """
        node = np.zeros((*wish.shape[:-1], self.units + self.lines + 1))
        node[..., self.line_nodes] = np.clip(wish, low[..., self.line_nodes], high[..., self.line_nodes])
        for level in reversed(self.levels):
            total = np.add.reduce(node[..., level.children], axis=-1)
            node[..., level.parents] = np.clip(total, low[..., level.parents], high[..., level.parents])
        return node

    def nearest(self, wish: FloatArray, total: FloatArray, low: FloatArray, high: FloatArray) -> FloatArray:
        """The split nearest to the wishes, unit by unit from the root: what is missing or too much is shared equally.

        Among the children of one unit it is the Euclidean projection onto their floors, caps and total. Wishes that obey every
        limit and add up to the total come back as they are, so the map reaches every allocation that the limits allow.

        Args:
            wish: Of the lines, major units, shape (B, n).
            total: To be split, between the root's floor and cap, shape (B,).
            low: Consistent floors, shape (B, nodes + 1) or (nodes + 1,).
            high: Consistent caps, the same shape.

        Returns:
            Major units, shape (B, n).
        """
        node = self.gathered(wish, low, high)
        node[..., self.root] = total
        return self._shared_out(node, low, high)

    def as_wished(self, wish: FloatArray, low: FloatArray, high: FloatArray) -> FloatArray:
        """The same for as much as is wished for in all, inside the limits; arguments as of :meth:`nearest`."""
        return self._shared_out(self.gathered(wish, low, high), low, high)

    def _shared_out(self, node: FloatArray, low: FloatArray, high: FloatArray) -> FloatArray:
        """Give every family its parent's total, in place; amounts of the lines."""
        for level in self.levels:
            asked = node[..., level.children]
            missing = node[..., level.parents] - np.add.reduce(asked, axis=-1)
            more = np.where(level.real, np.broadcast_to(high, node.shape)[..., level.children] - asked, 0.0)
            less = np.where(level.real, asked - np.broadcast_to(low, node.shape)[..., level.children], 0.0)
            room = np.where(missing[..., None] >= 0, more, less)
            moved = poured(np.abs(missing), room)
            node[..., level.children] = asked + np.copysign(moved, missing[..., None])
        return node[..., self.line_nodes]


def poured(amount: FloatArray, room: FloatArray) -> FloatArray:
    """Pour an amount into vessels so that all stand at one level, ``min(level, room)``, exactly.

    Args:
        amount: At most the sum of the rooms, not negative, shape (...).
        room: Of each vessel, not negative, infinite where there is no limit, shape (..., k).

    Returns:
        What each vessel takes, shape (..., k).
    """
    ordered = np.sort(room, axis=-1)
    full = np.zeros_like(ordered)
    np.cumsum(ordered[..., :-1], axis=-1, out=full[..., 1:])
    rate = np.arange(room.shape[-1], 0, -1, dtype=np.float64)
    # What vessels hold at a level is the least of straight lines, one for each number that are full: the highest level counts.
    level = np.maximum.reduce((amount[..., None] - full) / rate, axis=-1)
    return np.asarray(np.minimum(level[..., None], room))


def nest(problem: Problem) -> tuple[Nest, list[tuple[Rows, IntArray]]]:
    """The nested limits of a problem, and its other hard rows.

    Args:
        problem: With its rules.

    Returns:
        The nest, and pairs of a block of rows and the positions of those in it that do not nest.

    Raises:
        InvalidInput: Where floors and caps contradict each other, so that nothing can be allocated.
    """
    periods, lines = problem.shape
    units = len(problem.tree)
    floor, cap = np.zeros((periods, units + lines + 1)), np.full((periods, units + lines + 1), np.inf)
    floor[:, units:-1], cap[:, units:-1] = problem.lines.floor, problem.reach
    cap[:, problem.tree.root] = problem.money_available
    cap[:, -1] = 0.0
    known = _totals(problem)
    others = []
    for rows in problem.statement.rows:
        if rows.penalty is None and len(rows):
            left = _take(rows, known, floor, cap, lines) if set(rows.terms) == {"spend"} else np.arange(len(rows))
            if len(left):
                others.append((rows, left))
    levels = _levels(problem)
    nobody_below = np.ones(units, dtype=bool)
    nobody_below[[parent for level in levels for parent in level.parents.tolist()]] = False
    cap[:, :units][:, nobody_below] = 0.0  # A unit with nothing below it cannot hold money.
    draft = Nest(units, lines, problem.tree.root, levels, floor, cap, floor, cap)
    low, high = draft.consistent(floor.copy(), cap.copy())
    for period, node in np.argwhere(low > high + FEASIBILITY_TOLERANCE * np.maximum(1.0, np.abs(low)))[:1].tolist():
        name = problem.tree.names[node] if node < units else problem.lines.name[node - units]
        raise InvalidInput(
            f"nothing can be allocated: {name} needs at least {low[period, node]:,.2f} in {problem.periods[period]} but may get at most "
            f"{high[period, node]:,.2f}; fiscus.repairs(problem) names what would help"
        )
    high = np.maximum(high, low)
    return Nest(units, lines, problem.tree.root, levels, frozen(low), frozen(high), frozen(floor), frozen(cap)), others


def _totals(problem: Problem) -> dict[tuple[int, ...], int]:
    """Node whose total some lines make, by the positions of the lines; of several the lowest unit."""
    membership, units = problem.membership, len(problem.tree)
    deepest = np.argsort(problem.tree.depth, kind="stable")
    known = {
        tuple(sorted(membership.indices[membership.indptr[unit] : membership.indptr[unit + 1]].tolist())): int(unit)
        for unit in deepest.tolist()
    }
    return known | {(line,): units + line for line in range(problem.shape[1])}


def _take(rows: Rows, known: dict[tuple[int, ...], int], floor: FloatArray, cap: FloatArray, lines: int) -> IntArray:
    """Put rows that bound one node's total in one period among the floors and caps; positions of the rows that do not."""
    matrix = rows.terms["spend"]
    left = []
    for row in range(len(rows)):
        place = slice(matrix.indptr[row], matrix.indptr[row + 1])
        columns, factors = matrix.indices[place], matrix.data[place]
        columns, factors = columns[factors != 0], factors[factors != 0]
        if not len(columns):
            _check_empty(rows, row)
            continue
        period = int(columns[0]) // lines
        node = known.get(tuple(sorted((columns - period * lines).tolist())))
        if node is None or factors.min() != factors.max():
            left.append(row)
            continue
        ends = np.array([rows.lower[row], rows.upper[row]]) / factors[0]
        least, most = ends if factors[0] > 0 else ends[::-1]
        floor[period, node] = max(floor[period, node], least)
        cap[period, node] = min(cap[period, node], most)
    return np.array(left, dtype=np.int64)


def _check_empty(rows: Rows, row: int) -> None:
    """Refuse a row that no amount is part of, such as the floor of a unit without lines, unless it holds anyway.

    Raises:
        InvalidInput: With the rule's own sentence.
    """
    short, over = float(rows.lower[row]), -float(rows.upper[row])
    gap = max(short, over)
    bound = short if short >= over else -over
    if gap > FEASIBILITY_TOLERANCE * max(1.0, abs(bound)):
        phrase = rows.describe(row, "below" if short >= over else "above")
        raise InvalidInput(f"nothing can be allocated: {phrase} by {gap:,.2f} whatever is allocated")


def _levels(problem: Problem) -> tuple[Level, ...]:
    """Families by depth of the parent; a unit with neither units nor lines below it has no family."""
    tree, units, lines = problem.tree, len(problem.tree), problem.shape[1]
    below: list[list[int]] = [[] for _ in range(units)]
    for unit, parent in enumerate(tree.parent.tolist()):
        if parent >= 0:
            below[parent].append(unit)
    for line, unit in enumerate(problem.lines.unit.tolist()):
        below[unit].append(units + line)
    levels = []
    for members in tree.levels:
        parents = [unit for unit in members.tolist() if below[unit]]
        if not parents:
            continue
        widest = max(len(below[unit]) for unit in parents)
        nobody = units + lines
        children = np.array([below[unit] + [nobody] * (widest - len(below[unit])) for unit in parents], dtype=np.int64)
        levels.append(Level(np.array(parents, dtype=np.int64), children, children != nobody))
    return tuple(levels)
