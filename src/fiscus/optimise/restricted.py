"""The linear program over the segments of leaves whose price is nearly right, all others full or empty (see ``decompose``)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp

from fiscus.core.arrays import BoolArray, FloatArray, IntArray
from fiscus.optimise.layout import Arrays
from fiscus.optimise.side import Side, charges, edges
from fiscus.optimise.tree import Answer, Program

FREE_SEGMENTS = 4_000
"""Segments left free in the restricted program."""


@dataclass(frozen=True, eq=False)
class Restricted:
    """The linear program over some segments, all others full or empty.

    Attributes:
        arrays: Rows: side rows, then nodes with something free below; columns: free segments, then less and more use of the side rows.
        leaf: Leaf of each free segment.
        base: Amount of each leaf without its free segments.
    """

    arrays: Arrays
    leaf: IntArray
    base: FloatArray

    def amounts(self, solution: FloatArray) -> FloatArray:
        """Amounts of all leaves, shape (m,)."""
        return np.asarray(self.base + np.bincount(self.leaf, solution[: len(self.leaf)], minlength=len(self.base)))

    @classmethod
    def make(cls, program: Program, side: Side, answer: Answer, mu: FloatArray, step: FloatArray) -> Restricted:
        leaves = program.leaves
        every = np.arange(len(leaves))
        owner = np.concatenate([np.repeat(every, np.diff(leaves.first)), every])
        last = leaves.end[leaves.first[1:] - 1]
        factor = side.factor(mu)
        slope = np.concatenate([leaves.slope, np.zeros(len(leaves))])
        begin = np.concatenate([leaves._starts, last]) - leaves.shift[owner]
        end = np.concatenate([leaves.end, np.full(len(leaves), np.inf)]) - leaves.shift[owner]
        low, high = (
            np.clip(begin, leaves.lower[owner], leaves.upper[owner]),
            np.clip(end, leaves.lower[owner], leaves.upper[owner]),
        )
        if side.moved.nnz:
            owner, low, high, slope = _split_at(leaves.prior, owner, low, high, slope)
        away = np.where(low >= leaves.prior[owner], 1.0, -1.0)
        charge, cost = np.asarray(side.matrix.T @ mu), np.asarray(side.moved.T @ mu)
        reduced = factor[owner] * slope - (answer.price[program.owner] + charge)[owner] - away * cost[owner]
        chosen: BoolArray = high > low
        if int(chosen.sum()) > FREE_SEGMENTS:
            edge = np.partition(np.abs(reduced[chosen]), FREE_SEGMENTS)[FREE_SEGMENTS]
            chosen &= np.abs(reduced) <= edge
        full = (high > low) & ~chosen & (reduced > 0)
        base = leaves.lower + np.bincount(owner[full], (high - low)[full], minlength=len(leaves))
        open_ = np.flatnonzero(chosen)
        return cls(
            _restricted_arrays(
                program, side, base, owner[open_], (high - low)[open_], slope[open_], away[open_], mu, step
            ),
            owner[open_],
            base,
        )


def _restricted_arrays(
    program: Program,
    side: Side,
    base: FloatArray,
    leaf: IntArray,
    width: FloatArray,
    slope: FloatArray,
    away: FloatArray,
    mu: FloatArray,
    step: FloatArray,
) -> Arrays:
    count, rows, nodes = len(leaf), len(side.lower), len(program.parent)
    total = np.asarray(np.bincount(program.owner, base, minlength=nodes), dtype=np.float64)
    for level in program.levels[:0:-1]:
        np.add.at(total, program.parent[level], total[level])
    member, column = [], []
    at, which = program.owner[leaf], np.arange(count)
    while len(at):
        member.append(at)
        column.append(which)
        above = program.parent[at]
        at, which = above[above >= 0], which[above >= 0]
    node, position = np.concatenate(member), np.concatenate(column)
    limited = np.isfinite(program.cap) | (program.floor > 0)
    keep = limited[node]
    used, row = np.unique(node[keep], return_inverse=True)
    tree = sp.csr_array((np.ones(len(row)), (row, position[keep])), shape=(len(used), count))
    inside = sp.csr_array(side.matrix[:, leaf])
    if side.moved.nnz:
        inside = inside + sp.csr_array(side.moved[:, leaf]) @ sp.diags_array(away)
    if side.gain.nnz:
        inside = inside - sp.csr_array(side.gain[:, leaf]) @ sp.diags_array(slope)
    eye = sp.eye_array(rows, format="csr")
    none = sp.csr_array((len(used), 2 * rows))
    fixed = side.use(program.leaves, base)
    dear = charges(program)[leaf]
    return Arrays(
        cost=np.concatenate([slope - dear, *edges(side, mu, step)]),
        lower=np.zeros(count + 2 * rows),
        upper=np.concatenate([width, np.full(2 * rows, np.inf)]),
        integer=np.zeros(count + 2 * rows, dtype=bool),
        matrix=sp.csr_array(sp.vstack([sp.hstack([inside, -eye, eye]), sp.hstack([tree, none])])),
        row_lower=np.concatenate([side.lower - fixed, program.floor[used] - total[used]]),
        row_upper=np.concatenate([side.upper - fixed, program.cap[used] - total[used]]),
    )


def _split_at(
    place: FloatArray, owner: IntArray, low: FloatArray, high: FloatArray, slope: FloatArray
) -> tuple[IntArray, FloatArray, FloatArray, FloatArray]:
    """Segments of amounts, in two where a leaf's place lies inside one."""
    at = place[owner]
    inside = np.flatnonzero((low < at) & (at < high))
    first = high.copy()
    first[inside] = at[inside]
    return (
        np.concatenate([owner, owner[inside]]),
        np.concatenate([low, at[inside]]),
        np.concatenate([first, high[inside]]),
        np.concatenate([slope, slope[inside]]),
    )
