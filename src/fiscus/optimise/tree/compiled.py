"""The pass of :mod:`fiscus.optimise.tree.passes` compiled by numba, an optional library; imported only where it is chosen."""

from __future__ import annotations

import math
from typing import Any

import numba
import numpy as np

from fiscus.core.arrays import FloatArray, IntArray
from fiscus.core.curves import HILL_STEPS
from fiscus.optimise.tree.leaves import HULL, LOG, POWER, SATURATING, SEGMENTS
from fiscus.optimise.tree.passes import Part, Taken

_compiled: Any = numba.njit(cache=True, error_model="numpy")


@_compiled  # type: ignore[untyped-decorator]
def _hill(r: float, a: float, h: float, p: float) -> float:
    """Stock at which a Hill curve's slope falls to r, right of its steepest point; see core.curves."""
    steep = ((p - 1.0) / (p + 1.0)) ** (1.0 / p) if p > 1.0 else 0.0
    if p == 1.0:
        return max(h * (math.sqrt(a / (h * r)) - 1.0), 0.0)
    level = math.log(r * h / (a * p))
    t = -level / (1.0 + p)
    top = -math.inf
    if p < 1.0:
        t = min(t, level / (p - 1.0))
    else:
        top = math.log(steep)
        room = (p - 1.0) * top - 2.0 * math.log1p(math.exp(p * top)) - level
        if room < -1e-15:
            return 0.0
        t = min(t, top + 2.0 * math.sqrt(max(room, 0.0) / (p * p - 1.0)))
    if level < 0.0:
        straight = math.log(math.expm1(-0.5 * level)) / p
        if p < 1.0:
            straight += 1.0
        if top < straight < t:
            t = straight
    for _ in range(HILL_STEPS):
        power = math.exp(-abs(p * t))
        soft = max(p * t, 0.0) + math.log1p(power)
        share = 1.0 / (1.0 + power) if t >= 0.0 else power / (1.0 + power)
        gap = (p - 1.0) * t - 2.0 * soft - level
        if abs(gap) <= 1e-15 * max(1.0, abs(level)):
            break
        move = gap / (p - 1.0 - 2.0 * p * share)
        if not math.isfinite(move):
            break
        t = max(t - move, top)
    return h * math.exp(t)


@_compiled  # type: ignore[untyped-decorator]
def _wanted(
    kind: int, r: float, a: float, h: float, p: float, chord: float, touch: float, slope: FloatArray, width: FloatArray
) -> float:
    """Stock that one leaf wants at a price above zero, without bounds."""
    if kind == SEGMENTS:
        stock = 0.0
        for piece in range(len(slope)):
            if slope[piece] < r:
                break
            stock += width[piece]
        return stock
    if kind == LOG:
        return max(a / r - h, 0.0)
    if kind == POWER:
        return float((a * p / r) ** (1.0 / (1.0 - p)))
    if kind == SATURATING:
        return h * math.log(max(a / (h * r), 1.0))
    if kind == HULL:
        return max(_hill(r, a, h, p), touch) if r <= chord else 0.0
    return _hill(r, a, h, p)


@_compiled  # type: ignore[untyped-decorator]
def _leaves(
    kind: IntArray, a: FloatArray, h: FloatArray, p: FloatArray, shift: FloatArray, lower: FloatArray, upper: FloatArray,
    first: IntArray, slope: FloatArray, width: FloatArray, chord: FloatArray, touch: FloatArray, cost: FloatArray,
    prior: FloatArray, owner: IntArray, group: IntArray, price: FloatArray, amount: FloatArray, total: FloatArray,
) -> None:  # fmt: skip
    for leaf in range(len(kind)):
        r = price[group[owner[leaf]]]
        piece, width_of = slope[first[leaf] : first[leaf + 1]], width[first[leaf] : first[leaf + 1]]
        dear, cheap = r + cost[leaf], r - cost[leaf]
        x = math.inf
        if dear > 0.0:
            x = _wanted(kind[leaf], dear, a[leaf], h[leaf], p[leaf], chord[leaf], touch[leaf], piece, width_of) - shift[leaf]
        if cost[leaf] > 0.0 and x < prior[leaf]:
            more = math.inf
            if cheap > 0.0:
                more = _wanted(kind[leaf], cheap, a[leaf], h[leaf], p[leaf], chord[leaf], touch[leaf], piece, width_of)
                more -= shift[leaf]
            x = min(prior[leaf], more)
        x = min(max(x, lower[leaf]), upper[leaf])
        amount[leaf] = x
        total[owner[leaf]] += x


@_compiled  # type: ignore[untyped-decorator]
def _up(parent: IntArray, floor: FloatArray, cap: FloatArray, total: FloatArray, kept: FloatArray) -> None:
    for node in range(len(parent) - 1, -1, -1):  # Parents come first, so children are done before them.
        kept[node] = total[node]
        if parent[node] >= 0:
            kept[node] = min(max(total[node], floor[node]), cap[node])
            total[parent[node]] += kept[node]


def compiled_pass(part: Part, price: FloatArray) -> Taken:
    """What the leaves of each group take at its price; see ``numpy_pass``."""
    each = part.leaves
    amount, total, kept = np.empty(len(each)), np.zeros(len(part.node)), np.empty(len(part.node))
    _leaves(
        each.kind, each.a, each.h, each.p, each.shift, each.lower, each.upper, each.first, each.slope, each.width, each.chord,
        each.touch, each.cost, each.prior, part.owner, part.group, price, amount, total,
    )  # fmt: skip
    _up(part.parent, part.floor, part.cap, total, kept)
    return Taken(amount, total, kept)
