"""Lines that hold a curve from above and from below over an interval: its concave and its convex envelope, cut by cut.

Concave curves lie below their tangents and above their chord. An S-shaped Hill curve (p > 1) lies below the chord that touches its
concave part and the tangents beyond, and above the tangents of its convex foot and the chord that touches that one.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from fiscus.core.arrays import BoolArray, FloatArray
from fiscus.core.curves import Curves

HALVINGS = 60
SHORT = 1e-9
"""Relative length below which a chord's slope is rounding; the curve is straight there."""
OUTWARD = 1e-14
"""Share of a line's size by which it is moved off the curve, for the rounding of its own slope."""


def enveloped(curves: Curves) -> BoolArray:
    """Which curves these lines can hold: all concave ones and the smooth S-shaped ones, shape (m,)."""
    return np.asarray(curves.concave | ~curves.polyhedral)


def above(curves: Curves, low: FloatArray, high: FloatArray, touch: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Lines nowhere below the curves on their intervals, that meet the concave envelope at a stock.

    Args:
        curves: m of them, each with :func:`enveloped`.
        low: Start of each interval, shape (m,).
        high: Its end; infinite only for concave curves.
        touch: Stock inside it, where the slope is finite.

    Returns:
        Slope and value at zero of each line, both of shape (m,).
    """
    touch = np.clip(touch, low, high)
    slope, at = np.where(low < high, curves.derivative(touch), 0.0), touch
    bent = np.flatnonzero(~curves.concave)
    if len(bent):
        own, foot, top = curves.take(bent), low[bent], high[bent]
        start = own.value(foot)
        bend = np.clip(own.inflection(), foot, top)

        def short(stock: FloatArray) -> BoolArray:
            return np.asarray(own.value(stock) - start < own.derivative(stock) * (stock - foot))

        meet = _halved(short, bend, top)
        long = meet - foot > SHORT * meet
        on_chord = (touch[bent] <= meet) & long
        chord = np.divide(own.value(meet) - start, meet - foot, out=np.zeros(len(bent)), where=long)
        beyond = np.where(long, touch[bent], np.maximum(touch[bent], meet))
        slope[bent] = np.where(on_chord, chord, np.where(foot < top, own.derivative(beyond), 0.0))
        at = at.copy()
        at[bent] = np.where(on_chord, meet, beyond)
    value = curves.value(at)
    with np.errstate(invalid="ignore"):  # A vertical slope at zero.
        return slope, value - slope * at + OUTWARD * (np.abs(value) + np.abs(slope * at))


def below(curves: Curves, low: FloatArray, high: FloatArray, touch: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Lines nowhere above the curves on their intervals, that meet the convex envelope at a stock; see :func:`above`."""
    start, ends = curves.value(low), np.isfinite(high)
    end = np.where(ends, high, low)
    rise, width = curves.value(end) - start, end - low
    slope = np.divide(rise, width, out=np.zeros(len(low)), where=width > 0)
    at = low.copy()
    bent = np.flatnonzero(~curves.concave & (curves.inflection() > low))
    if len(bent):
        own, foot, top = curves.take(bent), low[bent], high[bent]
        bend, peak = np.minimum(own.inflection(), top), own.value(top)

        def short(stock: FloatArray) -> BoolArray:
            return np.asarray(own.value(stock) + own.derivative(stock) * (top - stock) < peak)

        meet = np.where(bend < top, _halved(short, foot, bend), top)
        long = top - meet > SHORT * top
        here = np.where(long, np.clip(touch[bent], foot, top), np.clip(touch[bent], foot, meet))
        on_curve = (here < meet) | ~long
        chord = np.divide(peak - own.value(meet), top - meet, out=np.zeros(len(bent)), where=long)
        slope[bent] = np.where(on_curve, own.derivative(here), chord)
        at[bent] = np.where(on_curve, here, meet)
    value = curves.value(at)
    return slope, value - slope * at - OUTWARD * (np.abs(value) + np.abs(slope * at))


def _halved(short: Callable[[FloatArray], BoolArray], low: FloatArray, high: FloatArray) -> FloatArray:
    """Where a condition that holds on the left ends, between two stocks; the start where it never holds."""
    never, start = ~short(low), low
    for _ in range(HALVINGS):
        middle = 0.5 * (low + high)
        left = short(middle)
        low, high = np.where(left, middle, low), np.where(left, high, middle)
    return np.asarray(np.where(never, start, high))
