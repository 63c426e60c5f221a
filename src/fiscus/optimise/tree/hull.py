"""Concave envelopes of S-shaped curves over boxes: what makes the tree solver bound them (§4, solvers).

The envelope of a Hill curve with p > 1 over [l, u] is the chord from l to the point where it touches the concave part as a
tangent, or to u where that comes first, and the curve from there on.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from fiscus.core.arrays import FloatArray
from fiscus.core.curves import FAMILIES
from fiscus.optimise.tree.leaves import HULL, Leaves

HALVINGS = 60


def hulled(leaves: Leaves, lower: FloatArray, upper: FloatArray) -> Leaves:
    """The leaves inside narrower bounds, with S-shaped ones replaced by their envelopes there.

    Args:
        leaves: S-shaped ones are those of kind HILL or HULL with p > 1.
        lower: Shape (m,).
        upper: Shape (m,).
    """
    bent = np.flatnonzero(bends(leaves))
    kind, chord, touch = leaves.kind.copy(), leaves.chord.copy(), leaves.touch.copy()
    kind[bent] = HULL
    foot, top = lower[bent] + leaves.shift[bent], upper[bent] + leaves.shift[bent]
    chord[bent], touch[bent] = _chords(leaves.a[bent], leaves.h[bent], leaves.p[bent], foot, top)
    return replace(leaves, kind=kind, lower=lower, upper=upper, chord=chord, touch=touch)


def bends(leaves: Leaves) -> FloatArray:
    """Which leaves are S-shaped, shape (m,)."""
    return np.asarray(np.isin(leaves.kind, (HULL, HULL - 1)) & (leaves.p > 1) & (leaves.a > 0))


def _chords(
    a: FloatArray, h: FloatArray, p: FloatArray, foot: FloatArray, top: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Slope of each chord and the stock at which it touches."""
    hill = FAMILIES["hill"]
    bend = h * ((p - 1.0) / (p + 1.0)) ** (1.0 / p)
    start = hill.value(foot, a, h, p, np)
    # From the origin the tangent touches at h (p-1)^(1/p); from anywhere else sooner.
    low, high = np.maximum(bend, foot), np.maximum(h * (p - 1.0) ** (1.0 / p), np.maximum(bend, foot))
    for _ in range(HALVINGS):
        middle = 0.5 * (low + high)
        short = hill.value(middle, a, h, p, np) - start < hill.derivative(middle, a, h, p) * (middle - foot)
        low, high = np.where(short, middle, low), np.where(short, high, middle)
    touch = np.where(foot >= bend, foot, np.minimum(high, top))
    with np.errstate(divide="ignore", invalid="ignore"):
        slope = (hill.value(touch, a, h, p, np) - start) / (touch - foot)
    slope = np.where(touch > foot, slope, hill.derivative(np.maximum(foot, bend), a, h, p))
    return np.asarray(slope), np.asarray(touch)
