"""The most that single cells can add to a Lagrangian: upper bounds of ``gain * f(k) + rate * k``, rounded outwards."""

from __future__ import annotations

import numpy as np

from fiscus.core.arrays import FloatArray, IntArray
from fiscus.core.curves import FAMILIES, STEP_TOLERANCE, Curves

UNIT = 2.0**-53
"""Rounding of one operation on float64, relative."""

ACCURACY = 1e-14
"""Relative error that the elementary functions may have; measured ones stay below 1e-15."""

SLOPE_ACCURACY = 1e-12
"""Likewise of slopes, whose exponents are larger."""


def best_of_cells(curves: Curves, gain: FloatArray, rate: FloatArray, low: FloatArray, high: FloatArray) -> FloatArray:
    """An upper bound on ``max gain * f(k) + rate * k`` over ``low <= k <= high``, for each of m curves, rounded outwards.

    Args:
        curves: m of them.
        gain: Shape (m,).
        rate: Shape (m,).
        low: Shape (m,), >= 0.
        high: Shape (m,).
    """

    accuracy = _accuracy(curves)

    def worth(stock: FloatArray, which: IntArray | slice = slice(None)) -> FloatArray:
        effect = (curves if isinstance(which, slice) else curves.take(which)).value(stock)
        g, r = gain[which], rate[which]
        # Away from zero on the side that makes it larger.
        benefit = g * effect * np.where(g > 0, 1.0 + accuracy[which], 1.0 - accuracy[which])
        with np.errstate(invalid="ignore"):
            money = np.where(r == 0, 0.0, r * stock)
        return np.asarray(benefit + money + 4.0 * UNIT * (np.abs(benefit) + np.abs(money)))

    with np.errstate(invalid="ignore", over="ignore"):
        best = np.maximum(worth(low), worth(high))
        # Where benefit counts against: at least that of the lowest stock.
        adverse = gain < 0
        best = np.where(
            adverse, gain * curves.value(low) * (1.0 - accuracy) + np.maximum(rate * low, rate * high), best
        )
    for corner, which in _corners(curves, low, high):
        best[which] = np.where(adverse[which], best[which], np.maximum(best[which], worth(corner, which)))
    smooth = np.flatnonzero(~curves.polyhedral & (gain > 0) & (rate < 0) & (high > low))
    if len(smooth):
        best[smooth] = np.maximum(
            best[smooth], _tangent(curves.take(smooth), gain[smooth], rate[smooth], low[smooth], high[smooth])
        )
    return np.asarray(np.nextafter(best, np.inf))


def _accuracy(curves: Curves) -> FloatArray:
    """Relative error of each curve's value: a power loses digits in proportion to its exponent, shape (m,)."""
    return np.asarray(ACCURACY * np.maximum(1.0, np.abs(curves.p) / 20.0))


def _corners(curves: Curves, low: FloatArray, high: FloatArray) -> list[tuple[FloatArray, IntArray]]:
    """Stocks at which curves made of linear pieces bend or jump, inside the boxes, and which curves they are of."""
    names, found = np.array(curves.family), []
    for name, factor in (("capped", 1.0), ("step", 1.0 - STEP_TOLERANCE)):
        which = np.flatnonzero(names == name)
        if len(which):
            found.append((np.clip(curves.h[which] * factor, low[which], high[which]), which))
    for knots in curves.knots:
        for rank in range(knots.money.shape[1]):
            there = np.flatnonzero(np.isfinite(knots.money[:, rank]))
            which = knots.line[there]
            found.append((np.clip(knots.money[there, rank], low[which], high[which]), which))
    return found


def _tangent(curves: Curves, gain: FloatArray, rate: FloatArray, low: FloatArray, high: FloatArray) -> FloatArray:
    """The bound for smooth curves: ends of the convex foot, and the tangent line over the concave rest.

    A concave curve lies below its tangent at any point; the point only has to be near the best one for the bound to be sharp.
    """
    price, accuracy = -rate / gain, _accuracy(curves)
    start = np.clip(curves.inflection(), low, high)
    # At a price a hair lower, so that the tangent's slope, rounded up, is still no more than the price.
    wanted = _concave_demand(curves, price * (1.0 - 4.0 * SLOPE_ACCURACY))
    touch = np.clip(wanted, start, high)
    effect, slope = curves.value(touch), curves.derivative(touch)
    base = gain * effect * (1.0 + accuracy) + rate * touch
    with np.errstate(invalid="ignore", over="ignore"):
        left = base - (gain * slope * (1.0 - SLOPE_ACCURACY) + rate) * (touch - start)
        right = base + (gain * slope * (1.0 + SLOPE_ACCURACY) + rate) * (high - touch)
    left, right = np.where(touch > start, left, base), np.where(high > touch, right, base)
    foot = gain * curves.value(start) * (1.0 + accuracy) + rate * start
    size = np.abs(gain * effect) + np.abs(rate) * high
    return np.asarray(np.maximum.reduce([base, left, right, foot]) + 16.0 * UNIT * size)


def _concave_demand(curves: Curves, price: FloatArray) -> FloatArray:
    """Where the slope falls to the price on the concave part of each curve."""
    names = np.array(curves.family)
    found = np.zeros(len(curves))
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        for name in ("log", "power", "saturating", "hill"):
            which = np.flatnonzero(names == name)
            if len(which):
                a, h, p = curves.a[which], curves.h[which], curves.p[which]
                found[which] = FAMILIES[name].inverse(price[which], a, h, p)
    return np.where(np.isfinite(found), found, np.where(np.isnan(found), 0.0, np.inf))
