"""How far whole batches of plans are beyond the hard rows of a problem."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp

from fiscus.core.arrays import FloatArray, IntArray
from fiscus.core.problem import Problem
from fiscus.core.rows import Point, Rows

PLANS = 4096
"""Plans that are looked at in one go, so that arrays stay small."""


@dataclass(frozen=True, eq=False)
class Activity:
    """Some rows of a problem, ready to be evaluated at many plans.

    Attributes:
        problem: Whose rows they are.
        terms: Column block to coefficients of all rows, shape (m, block size).
        lower: Shape (m,).
        upper: Shape (m,).
    """

    problem: Problem
    terms: dict[str, sp.csr_array]
    lower: FloatArray
    upper: FloatArray

    @classmethod
    def of(cls, problem: Problem, chosen: Sequence[tuple[Rows, IntArray]]) -> Activity:
        """Stack blocks of rows, of each the given positions."""
        blocks = sorted({name for rows, _ in chosen for name in rows.terms})
        columns = problem.statement.columns
        terms = {}
        for name in blocks:
            parts = [
                sp.csr_array(rows.terms[name][places])
                if name in rows.terms
                else sp.csr_array((len(places), columns[name].size))
                for rows, places in chosen
            ]
            terms[name] = sp.csr_array(sp.vstack(parts))
        lower = np.concatenate([rows.lower[places] for rows, places in chosen] or [np.zeros(0)])
        upper = np.concatenate([rows.upper[places] for rows, places in chosen] or [np.zeros(0)])
        return cls(problem, terms, lower, upper)

    def __len__(self) -> int:
        return len(self.lower)

    def excess(self, plans: FloatArray) -> FloatArray:
        """Largest distance beyond a bound over the rows, in parts of the row's bound or of 1 where that is larger.

        Args:
            plans: Major units, shape (B, T, n).

        Returns:
            Shape (B,); zero or less where every row holds.
        """
        if not len(self):
            return np.full(len(plans), -np.inf)
        found = [self._excess(plans[first : first + PLANS]) for first in range(0, len(plans), PLANS)]
        return np.concatenate(found) if found else np.zeros(0)

    def _excess(self, plans: FloatArray) -> FloatArray:
        point = Point(self.problem, plans, self.problem.statement.columns)
        total = np.zeros((len(plans), len(self)))
        for name, matrix in self.terms.items():
            total += (matrix @ point[name].reshape(len(plans), -1).T).T
        below = (self.lower - total) / self._scale(self.lower)
        above = (total - self.upper) / self._scale(self.upper)
        return np.asarray(np.maximum(below, above).max(axis=1))

    @staticmethod
    def _scale(bound: FloatArray) -> FloatArray:
        return np.maximum(1.0, np.where(np.isfinite(bound), np.abs(bound), 0.0))
