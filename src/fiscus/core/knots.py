"""Curves given by breakpoints, many at once: padded arrays instead of a loop over lines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fiscus.core.arrays import BoolArray, FloatArray, IntArray

PointList = tuple[tuple[float, float], ...]


@dataclass(frozen=True, eq=False)
class Knots:
    """Piecewise-linear curves with about as many breakpoints each.

    Attributes:
        line: Position of each curve, shape (m,).
        money: Breakpoints, first 0; inf after the last, shape (m, K).
        benefit: Benefit there, shape (m, K).
        slope: Of the segment from each breakpoint on; 0 from the last on, shape (m, K).
    """

    line: IntArray
    money: FloatArray
    benefit: FloatArray
    slope: FloatArray

    @classmethod
    def groups(cls, points: Sequence[PointList | None]) -> tuple[Knots, ...]:
        """Groups of curves whose numbers of breakpoints have as many binary digits, so that padding at most doubles them."""
        sizes: dict[int, list[int]] = {}
        for line, own in enumerate(points):
            if own is not None:
                sizes.setdefault(len(own).bit_length(), []).append(line)
        return tuple(cls._of(lines, points) for _, lines in sorted(sizes.items()))

    @classmethod
    def _of(cls, lines: list[int], points: Sequence[PointList | None]) -> Knots:
        owned = [points[line] or () for line in lines]
        count = np.array([len(own) for own in owned])
        there = np.arange(count.max()) < count[:, None]
        pairs = np.array([pair for own in owned for pair in own], dtype=np.float64)
        money, benefit = np.full(there.shape, np.inf), np.zeros(there.shape)
        money[there], benefit[there] = pairs[:, 0], pairs[:, 1]
        slope = np.zeros(there.shape)
        row, end = np.nonzero(there[:, 1:])  # Segments alone: between two paddings, inf less inf would warn.
        rise, run = benefit[row, end + 1] - benefit[row, end], money[row, end + 1] - money[row, end]
        slope[row, end] = rise / run
        return cls(np.array(lines, dtype=np.int64), money, benefit, slope)

    @property
    def segments(self) -> BoolArray:
        """Which entries start a segment: all breakpoints but the last, shape (m, K)."""
        after = np.concatenate([self.money[:, 1:], np.full((len(self.line), 1), np.inf)], axis=1)
        return np.asarray(np.isfinite(after), dtype=np.bool_)

    def concave(self) -> BoolArray:
        """Whether no slope rises but for rounding, shape (m,)."""
        rise = self.slope[:, 1:] - self.slope[:, :-1]
        dust = 1e-12 * np.maximum(1e-300, self.slope[:, :-1])
        return np.asarray((~self.segments[:, 1:] | (rise <= dust)).all(axis=1), dtype=np.bool_)

    def value(self, stock: FloatArray) -> FloatArray:
        """Benefit at a stock of shape (..., m); flat after the last breakpoint."""
        row, at = np.arange(len(self.line)), self._segment(stock)
        return np.asarray(self.benefit[row, at] + self.slope[row, at] * (stock - self.money[row, at]))

    def derivative(self, stock: FloatArray) -> FloatArray:
        """Right derivative at a stock of shape (..., m)."""
        return np.asarray(self.slope[np.arange(len(self.line)), self._segment(stock)])

    def demand(self, price: FloatArray, scale: FloatArray) -> FloatArray:
        """End of the last segment whose slope times the scale is at least the price, both (..., m); of concave curves."""
        steep = self.segments & (scale[..., None] * self.slope >= price[..., None])
        return np.asarray(self.money[np.arange(len(self.line)), steep.sum(axis=-1)])

    def _segment(self, stock: FloatArray) -> IntArray:
        return np.asarray(np.maximum((self.money <= stock[..., None]).sum(axis=-1) - 1, 0))
