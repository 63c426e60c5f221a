"""The pass of :mod:`fiscus.optimise.tree.passes` compiled by numba, an optional library; imported only where it is chosen."""

from __future__ import annotations

import math
from typing import Any

import numba
import numpy as np

from fiscus.core.arrays import FloatArray, IntArray
from fiscus.core.curves import HILL_CLOSE, HILL_STEPS
from fiscus.optimise.tree.leaves import HILL, HULL, LOG, POWER, SATURATING, SEGMENTS
from fiscus.optimise.tree.passes import Part, Taken

_compiled: Any = numba.njit(cache=True, error_model="numpy")


@_compiled  # type: ignore[untyped-decorator]
def _hill(r: float, a: float, h: float, p: float) -> tuple[float, float]:
    """Stock at which a Hill curve's slope falls to r, right of its steepest point; see core.curves. And how fast it falls."""
    steep = ((p - 1.0) / (p + 1.0)) ** (1.0 / p) if p > 1.0 else 0.0
    level = math.log(r * h / (a * p))
    t = -level / (1.0 + p)
    top = -math.inf
    if p < 1.0:
        t = min(t, level / (p - 1.0))
    else:
        top = math.log(steep)
        room = (p - 1.0) * top - 2.0 * math.log1p(math.exp(p * top)) - level
        if room < -1e-15:
            return 0.0, 0.0
        t = min(t, top + 2.0 * math.sqrt(max(room, 0.0) / (p * p - 1.0)))
    if level < 0.0 and 0.7 < p < 1.5:
        straight = math.log(math.expm1(-0.5 * level)) / p
        if p < 1.0:
            straight += 1.0
        if top < straight < t:
            t = straight
    slope = -1.0
    for _ in range(HILL_STEPS):
        power = math.exp(-abs(p * t))
        soft = max(p * t, 0.0) + math.log1p(power)
        share = 1.0 / (1.0 + power) if t >= 0.0 else power / (1.0 + power)
        gap = (p - 1.0) * t - 2.0 * soft - level
        slope = p - 1.0 - 2.0 * p * share
        if abs(gap) <= 1e-15 * max(1.0, abs(level)):
            break
        bend = -2.0 * p * p * share * (1.0 - share)
        move = gap * slope / (slope * slope - 0.5 * gap * bend)
        if not math.isfinite(move):
            break
        t = max(t - move, top)
        if abs(move) <= HILL_CLOSE * min(1.0, abs(slope / bend)):
            break
    stock = h * math.exp(t)
    return stock, -stock / slope


@_compiled  # type: ignore[untyped-decorator]
def _leaves(
    kind: IntArray, a: FloatArray, h: FloatArray, p: FloatArray, shift: FloatArray, lower: FloatArray, upper: FloatArray,
    first: IntArray, slope: FloatArray, width: FloatArray, chord: FloatArray, touch: FloatArray, cost: FloatArray,
    prior: FloatArray, moves: bool, charge: FloatArray, constant: FloatArray, alike: bool, together: IntArray,
    owner: IntArray, group: IntArray, price: FloatArray, amount: FloatArray, total: FloatArray, fall: FloatArray,
) -> None:  # fmt: skip
    # Nothing here passes an array to another function: handing over arrays leaf by leaf would cost more than the rest.
    logs, roots = np.zeros(len(price)), np.zeros(len(price))
    for at in range(len(price)):
        if price[at] > 0.0:
            logs[at], roots[at] = math.log(price[at]), math.sqrt(1.0 / price[at])
    for leaf in together:
        node = owner[leaf]
        paid = price[group[node]] + charge[leaf]
        change = cost[leaf] if moves else 0.0
        x, steep, r = 0.0, 0.0, paid
        for side in range(2):
            # Dearer by the cost of change first; where that leaves the leaf below what it had, cheaper by as much.
            r = paid + change if side == 0 else paid - change
            which = kind[leaf]
            stock, steep = 0.0, 0.0
            if r <= 0.0:
                stock = math.inf
            elif which == SEGMENTS:
                for piece in range(first[leaf], first[leaf + 1]):
                    if slope[piece] < r:
                        break
                    stock += width[piece]
            elif which == HULL:
                if r <= chord[leaf]:
                    stock, steep = _hill(r, a[leaf], h[leaf], p[leaf])
                    if stock <= touch[leaf]:
                        stock, steep = touch[leaf], 0.0
            elif which == HILL and p[leaf] != 1.0:
                stock, steep = _hill(r, a[leaf], h[leaf], p[leaf])
            else:
                # ``Leaves.constant`` has the formulas; logarithms and roots of a price that all pay are taken once.
                level = logs[group[node]] if alike else math.log(r)
                root = roots[group[node]] if alike else math.sqrt(1.0 / r)
                if which == LOG:
                    steep = constant[leaf] * root * root
                    stock = max(steep - h[leaf], 0.0)
                elif which == POWER:
                    bent = 1.0 / (1.0 - p[leaf])
                    stock = math.exp(constant[leaf] - bent * level)
                    steep = bent * stock
                elif which == SATURATING:
                    stock, steep = max(h[leaf] * (constant[leaf] - level), 0.0), h[leaf]
                else:
                    steep = 0.5 * constant[leaf] * root
                    stock = max(2.0 * steep - h[leaf], 0.0)
            x = stock - shift[leaf]
            if change == 0.0 or (side == 0 and x >= prior[leaf]):
                break
            if side == 1 and x >= prior[leaf]:
                x, steep = prior[leaf], 0.0
        # Without branches: which leaves are at a bound is what no processor foresees.
        least, most = lower[leaf], upper[leaf]
        x = least if x < least else x
        x = most if x > most else x
        amount[leaf] = x
        total[node] += x
        if not alike:
            steep *= price[group[node]] / r
        # Not multiplied by nothing, as it may be endless.
        fall[node] += steep if (x > least) & (x < most) else 0.0


@_compiled  # type: ignore[untyped-decorator]
def _up(
    parent: IntArray, floor: FloatArray, cap: FloatArray, total: FloatArray, kept: FloatArray, fall: FloatArray
) -> None:
    for node in range(len(parent) - 1, -1, -1):  # Parents come first, so children are done before them.
        kept[node] = total[node]
        above = parent[node]
        if above >= 0:
            kept[node] = min(max(total[node], floor[node]), cap[node])
            total[above] += kept[node]
            if kept[node] == total[node]:
                fall[above] += fall[node]


def compiled_pass(part: Part, price: FloatArray) -> Taken:
    """What the leaves of each group take at its price; see ``numpy_pass``."""
    each, nodes = part.leaves, len(part.node)
    amount, total, kept, fall = np.empty(len(each)), np.zeros(nodes), np.empty(nodes), np.zeros(nodes)
    _leaves(
        each.kind, each.a, each.h, each.p, each.shift, each.lower, each.upper, each.first, each.slope, each.width, each.chord,
        each.touch, each.cost, each.prior, each.moves, each.charge, each.constant, each.alike, each.together,
        part.owner, part.group, price, amount, total, fall,
    )  # fmt: skip
    _up(part.parent, part.floor, part.cap, total, kept, fall)
    return Taken(amount, total, kept, fall)
