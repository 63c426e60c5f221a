"""Periods and discounting (§3.3)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from fiscus.core.arrays import FloatArray, IntArray
from fiscus.errors import InvalidPeriods, InvalidRate


def spend_discount(discount_rate: float, periods: int) -> FloatArray:
    """Factors ``(1+r)^-t`` for money committed at the start of each period, shape (T,).

    Raises:
        InvalidRate: Unless ``discount_rate > -1`` and finite.
    """
    if not -1 < discount_rate < np.inf:  # Also rejects NaN.
        raise InvalidRate(f"discount_rate is a fraction per period above -1, got {discount_rate}")
    return np.asarray((1.0 + discount_rate) ** -np.arange(periods, dtype=np.float64))


def benefit_discount(discount_rate: float, periods: int) -> FloatArray:
    """Factors ``(1+r)^-(t+1)`` for benefits that arrive at the end of each period, shape (T,)."""
    return spend_discount(discount_rate, periods + 1)[1:]


def period_positions(periods: Sequence[str], named: Sequence[str] | None) -> IntArray:
    """Positions of the named periods; all of them when none are named.

    Raises:
        InvalidPeriods: For a name that is not one of ``periods``.
    """
    if named is None:
        return np.arange(len(periods))
    unknown = [name for name in named if name not in periods]
    if unknown:
        raise InvalidPeriods(f"no period is called {unknown[0]!r}; the periods are {', '.join(periods)}")
    return np.array([index for index, name in enumerate(periods) if name in set(named)], dtype=np.int64)
