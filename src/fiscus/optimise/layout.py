"""Blocks of rows and columns laid side by side as sparse arrays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import scipy.sparse as sp

from fiscus.core.arrays import BoolArray, FloatArray, IntArray
from fiscus.core.problem import Problem
from fiscus.core.rows import Columns, Point, Rows, used


@dataclass(frozen=True, eq=False, kw_only=True)
class Arrays:
    """``max cost @ z - curvature @ z**2 / 2``, ``row_lower <= matrix @ z <= row_upper``, ``lower <= z <= upper``, some z in {0, 1}.

    ``curvature`` is not negative, so the objective is concave; None where it is linear. ``typical`` is the size of a typical amount,
    by which HiGHS's tolerances are scaled; None takes it from the bounds.
    """

    cost: FloatArray
    lower: FloatArray
    upper: FloatArray
    integer: BoolArray
    matrix: sp.csr_array
    row_lower: FloatArray
    row_upper: FloatArray
    curvature: FloatArray | None = None
    typical: float | None = None

    def worth(self, solution: FloatArray) -> float:
        """The objective at a solution of shape (columns,)."""
        curved = 0.0 if self.curvature is None else 0.5 * float(self.curvature @ solution**2)
        return float(self.cost @ solution) - curved


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


@dataclass(frozen=True, eq=False, kw_only=True)
class Form(Arrays):
    """The arrays of a problem, and what their rows and columns stand for; ``constant`` is to be added to the objective.

    Attributes:
        problem: What the arrays state.
        blocks: Column blocks by name, in order.
        rows: Row blocks in order; their lengths add up to the rows of the matrix.
        effect: Block to sparse map (T*n, block size) whose sum with ``effect_constant`` is ``f_i(k[t,i])`` or its estimate.
        effect_constant: Shape (T*n,).
        constant: Part of the objective that no column moves.
    """

    problem: Problem
    blocks: dict[str, Block]
    rows: tuple[Rows, ...]
    effect: Mapping[str, sp.csr_array]
    effect_constant: FloatArray
    constant: float

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


def lay_out(
    problem: Problem,
    columns: Mapping[str, Columns],
    rows: Sequence[Rows],
    cost: Mapping[str, FloatArray],
    constant: float,
    effect: Mapping[str, sp.csr_array],
    effect_constant: FloatArray,
    curvature: Mapping[str, FloatArray] | None = None,
) -> Form:
    """Lay the blocks side by side; columns that no row and no price touches are left out, ``spend`` never is.

    Args:
        problem: What the blocks state.
        columns: Every block there may be, by name.
        rows: Row blocks.
        cost: Price of each column, by block; blocks without are free.
        constant: Of the objective.
        effect: Block to sparse map giving ``f_i(k[t,i])``, see :class:`Form`.
        effect_constant: Its constant part, shape (T*n,).
        curvature: Twice the price of each column's square, by block, see :class:`Arrays`.
    """
    blocks: dict[str, Block] = {}
    offset = 0
    for name, block in columns.items():
        touched = used(rows, name, block.size)
        for prices in (cost, curvature or {}):
            if name in prices:
                touched |= prices[name] != 0
        active = np.arange(block.size) if name == "spend" else np.flatnonzero(touched)
        if len(active):
            blocks[name] = Block(block, active, offset)
            offset += len(active)
    bounds = [_bounds(block) for block in blocks.values()]
    return Form(
        problem=problem,
        blocks=blocks,
        rows=tuple(rows),
        effect=effect,
        effect_constant=effect_constant,
        cost=_prices(blocks, cost),
        constant=constant,
        lower=np.concatenate([lower for lower, _ in bounds]),
        upper=np.concatenate([upper for _, upper in bounds]),
        integer=np.concatenate([np.full(len(block.active), block.columns.integer) for block in blocks.values()]),
        matrix=_matrix(rows, blocks, offset),
        row_lower=np.concatenate([each.lower for each in rows]),
        row_upper=np.concatenate([each.upper for each in rows]),
        typical=_typical(rows, blocks, bounds),
        curvature=_prices(blocks, curvature) if curvature else None,
    )


def _typical(
    rows: Sequence[Rows], blocks: Mapping[str, Block], bounds: Sequence[tuple[FloatArray, FloatArray]]
) -> float | None:
    """Median of the bounds on money and counts; bounds on values are wide and of another unit."""
    sides = [side for each in rows for side in (each.lower, each.upper)]
    for (name, block), (_, upper) in zip(blocks.items(), bounds, strict=True):
        of_value = name == "value" or name.startswith("aversion.") or name.endswith((".threshold", ".excess"))
        if not of_value and not block.columns.integer:
            sides.append(upper)
    sizes = np.abs(np.concatenate(sides))
    sizes = sizes[np.isfinite(sizes) & (sizes > 0)]
    return float(np.median(sizes)) if len(sizes) else None


def _prices(blocks: Mapping[str, Block], prices: Mapping[str, FloatArray]) -> FloatArray:
    return np.concatenate(
        [prices.get(name, np.zeros(block.columns.size))[block.active] for name, block in blocks.items()]
    )


def _bounds(block: Block) -> tuple[FloatArray, FloatArray]:
    columns = block.columns
    lower, upper = (
        np.broadcast_to(bound, columns.shape).ravel()[block.active] for bound in (columns.lower, columns.upper)
    )
    return lower, upper


def _matrix(rows: Sequence[Rows], blocks: Mapping[str, Block], columns: int) -> sp.csr_array:
    row_parts, column_parts, data_parts = [], [], []
    start = 0
    places = {}
    for name, block in blocks.items():
        places[name] = np.full(block.columns.size, -1)
        places[name][block.active] = block.offset + np.arange(len(block.active))
    for each in rows:
        # In the order of the columns, so that rows need no sorting.
        for name, matrix in sorted(
            each.terms.items(), key=lambda term: blocks[term[0]].offset if term[0] in blocks else 0
        ):
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
