"""A family of models: the same arrays but for the bounds of some rows, which move with one number."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from fiscus.core.arrays import FloatArray, IntArray
from fiscus.optimise.layout import Arrays, Form


@dataclass(frozen=True, eq=False)
class Moving:
    """Rows whose bounds move with the parameter p: ``lower + lower_slope * p`` and ``upper + upper_slope * p``, shape (k,).

    The slope is zero where a bound is infinite.
    """

    rows: IntArray
    lower: FloatArray
    upper: FloatArray
    lower_slope: FloatArray
    upper_slope: FloatArray

    def at(self, parameter: float) -> tuple[FloatArray, FloatArray]:
        """Bounds at one value."""
        lower, upper = self.lower.copy(), self.upper.copy()
        for bound, slope in ((lower, self.lower_slope), (upper, self.upper_slope)):
            bound[slope != 0] += slope[slope != 0] * parameter
        return lower, upper

    def price(self, row_dual: FloatArray | None) -> float:
        """Gain in the objective for one more unit of the parameter; a dual above zero belongs to an upper bound."""
        if row_dual is None:
            return float(np.nan)
        duals = row_dual[self.rows]
        return float(np.maximum(duals, 0.0) @ self.upper_slope + np.minimum(duals, 0.0) @ self.lower_slope)


@dataclass(frozen=True, eq=False)
class Family:
    """Models that differ in the bounds of some rows only.

    Attributes:
        model: Names the columns; its columns come first in the arrays.
        arrays: What is solved, stated at the widest value.
        moving: What changes.
        constant: To be added to the objective.
    """

    model: Form
    arrays: Arrays
    moving: Moving
    constant: float

    def at(self, parameter: float) -> Arrays:
        """The arrays at one value."""
        row_lower, row_upper = self.arrays.row_lower.copy(), self.arrays.row_upper.copy()
        row_lower[self.moving.rows], row_upper[self.moving.rows] = self.moving.at(parameter)
        return replace(self.arrays, row_lower=row_lower, row_upper=row_upper)
