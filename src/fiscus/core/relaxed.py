"""The linear part of a statement as plain arrays: hard rows and what defines their columns, over one vector of columns.

Rows on the value are left out, as it is not linear in the amounts.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import scipy.sparse as sp

from fiscus.core.arrays import BoolArray, FloatArray
from fiscus.core.problem import Problem
from fiscus.core.rows import Columns, Rows

LINEAR = ("spend", "funded", "moved", "stock", "drawn", "unspent", "account")
"""Blocks of columns that rows of the statement tie to the spend."""


@dataclass(frozen=True, eq=False)
class Relaxed:
    """Rows ``lower <= matrix @ columns <= upper`` and bounds of the columns.

    Attributes:
        problem: Whose rows they are.
        blocks: Blocks of columns, one after the other.
        matrix: Coefficients, shape (m, N).
        lower: Shape (m,).
        upper: Shape (m,).
        rule: Whether a row is a rule's, and not the definition of a column, shape (m,).
        counts: Whether a row counts what is funded, shape (m,).
        low: Bounds of the columns, shape (N,).
        high: The same.
    """

    problem: Problem
    blocks: tuple[Columns, ...]
    matrix: sp.csr_array
    lower: FloatArray
    upper: FloatArray
    rule: BoolArray
    counts: BoolArray
    low: FloatArray
    high: FloatArray

    @classmethod
    def of(cls, problem: Problem) -> Relaxed:
        """Collect the rows."""
        statement = problem.statement
        rules = [each for each in statement.rows if each.penalty is None and len(each) and _linear(each)]
        needed = {name for each in rules for name in each.terms}
        definitions = [each for each in statement.definitions if set(each.terms) & (needed - {"spend"})]
        names = sorted({"spend"} | needed | {name for each in definitions for name in each.terms})
        blocks = tuple(statement.columns[name] for name in names)
        every = [*rules, *definitions]
        parts = [
            sp.hstack([each.terms.get(block.name, sp.csr_array((len(each), block.size))) for block in blocks])
            for each in every
        ]
        size = sum(block.size for block in blocks)
        return cls(
            problem=problem,
            blocks=blocks,
            matrix=sp.csr_array(sp.vstack(parts)) if parts else sp.csr_array((0, size)),
            lower=_joined([each.lower for each in every]),
            upper=_joined([each.upper for each in every]),
            rule=np.repeat([True] * len(rules) + [False] * len(definitions), [len(each) for each in every]).astype(
                bool
            ),
            counts=np.repeat(["funded" in each.terms for each in every], [len(each) for each in every]).astype(bool),
            low=_joined([np.broadcast_to(block.lower, block.shape).ravel() for block in blocks]),
            high=_joined([np.broadcast_to(block.upper, block.shape).ravel() for block in blocks]),
        )

    @cached_property
    def places(self) -> dict[str, slice]:
        """Where each block's columns are."""
        ends = np.cumsum([0, *(block.size for block in self.blocks)]).tolist()
        return {block.name: slice(ends[i], ends[i + 1]) for i, block in enumerate(self.blocks)}

    @cached_property
    def integer(self) -> BoolArray:
        """Whether the columns take 0 or 1 only, shape (N,)."""
        return np.repeat([block.integer for block in self.blocks], [block.size for block in self.blocks]).astype(bool)


def _linear(rows: Rows) -> bool:
    return set(rows.terms) <= set(LINEAR)


def _joined(parts: list[FloatArray]) -> FloatArray:
    return np.concatenate([*parts, np.zeros(0)]).astype(np.float64)
