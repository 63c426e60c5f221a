"""Leaves of the tree solver: separable concave benefits as arrays, and what each leaf would take at a price (§4, solvers).

A leaf is one line in one period. At a price r of money it takes the largest amount whose last unit still brings r:
``D(r) = clip(inverse_derivative(r), lower, upper)``. Curves made of linear pieces take whole segments.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import cached_property

import numpy as np

from fiscus.core.arrays import FloatArray, IntArray
from fiscus.core.curves import FAMILIES

SEGMENTS, LOG, POWER, SATURATING, HILL, HULL = range(6)
"""Kinds of leaves. A hull is the concave envelope of an S-shaped Hill curve over the leaf's bounds: a chord, then the curve."""

SMOOTH = {LOG: "log", POWER: "power", SATURATING: "saturating", HILL: "hill", HULL: "hill"}


BLOCK = 4096
"""Leaves whose arrays a processor's nearer caches hold."""


@dataclass(frozen=True, eq=False)
class Leaves:
    """Leaves as arrays of shape (m,); amounts in major units, prices in value per major unit.

    Attributes:
        kind: One of the kinds above.
        a: Scale times weight, multiplier and discount.
        h: Knee.
        p: Exponent.
        shift: Stock there is before any spend.
        lower: Least amount.
        upper: Most; finite.
        first: Where each leaf's segments begin, and their number at the end, shape (m + 1,); smooth leaves have one of width 0.
        slope: Value per unit of each segment, falling within a leaf, shape (s,).
        width: Stock over which each segment extends, inf for an endless last one, shape (s,).
        chord: Slope of a hull's chord, else zero.
        touch: Stock at which a hull's chord touches the curve; the chord starts at the stock of the lower bound.
        cost: Cost of each unit of change from ``prior``.
        prior: Amount from which change is counted.
        charge: What each unit of the leaf costs besides the price of money, as where other rules are priced.
    """

    kind: IntArray
    a: FloatArray
    h: FloatArray
    p: FloatArray
    shift: FloatArray
    lower: FloatArray
    upper: FloatArray
    first: IntArray
    slope: FloatArray
    width: FloatArray
    chord: FloatArray
    touch: FloatArray
    cost: FloatArray
    prior: FloatArray
    charge: FloatArray

    def __len__(self) -> int:
        return len(self.kind)

    @cached_property
    def end(self) -> FloatArray:
        """Stock at which each segment ends, shape (s,)."""
        return np.asarray(self._starts + self.width)

    @cached_property
    def groups(self) -> tuple[tuple[int, IntArray, FloatArray, FloatArray, FloatArray], ...]:
        """Each kind there is: its positions and their a, h and p."""
        found = ((kind, np.flatnonzero(self.kind == kind)) for kind in range(6))
        return tuple((kind, at, self.a[at], self.h[at], self.p[at]) for kind, at in found if len(at))

    @cached_property
    def breaks(self) -> FloatArray:
        """Prices at which some leaf's demand jumps, rising."""
        segments = np.repeat(self.kind == SEGMENTS, np.diff(self.first)) & (self.width > 0)
        owner = np.repeat(np.arange(len(self)), np.diff(self.first))[segments]
        hulls = np.flatnonzero(self.kind == HULL)
        jumps = np.concatenate([self.slope[segments], self.chord[hulls]])
        costs = np.concatenate([self.cost[owner], self.cost[hulls]])
        jumps = jumps - np.concatenate([self.charge[owner], self.charge[hulls]])
        if costs.any():
            jumps = np.concatenate([jumps - costs, jumps + costs])
        return np.unique(jumps)

    @cached_property
    def constant(self) -> FloatArray:
        """The part of a smooth leaf's demand that no price changes, shape (m,); zero for other leaves and bent Hill curves.

        With it demand is ``c/r - h`` (log), ``exp(c - ln(r)/(1-p))`` (power), ``h (c - ln r)`` (saturating) and ``c/sqrt(r) - h``
        (Hill with p = 1), so that a price's logarithm and root are taken once for all leaves.
        """
        constant = np.zeros(len(self))
        with np.errstate(divide="ignore", invalid="ignore"):
            for kind, at, a, h, p in self.groups:
                if kind == LOG:
                    constant[at] = a
                elif kind == POWER:
                    constant[at] = np.log(a * p) / (1.0 - p)
                elif kind == SATURATING:
                    constant[at] = np.log(a / h)
                elif kind == HILL:
                    constant[at] = np.where(p == 1.0, np.sqrt(a * h), 0.0)
        return constant

    @cached_property
    def together(self) -> IntArray:
        """The leaves in an order that has those of a kind together, block by block, shape (m,).

        A loop over mixed kinds waits for branches that no processor foresees; over whole kinds at once it would wait for memory.
        """
        count = len(self)
        kinds = np.full((-(-count // BLOCK), BLOCK), 255, np.uint8)
        kinds.ravel()[:count] = self.kind
        return np.asarray(
            (np.argsort(kinds, axis=1, kind="stable") + BLOCK * np.arange(len(kinds))[:, None]).ravel()[:count]
        )

    @cached_property
    def alike(self) -> bool:
        """Whether all leaves under one price pay that price, as where nothing else is charged."""
        return not (self.moves or self.charge.any())

    @cached_property
    def moves(self) -> bool:
        """Whether change costs anything."""
        return bool(self.cost.any())

    def take(self, which: IntArray) -> Leaves:
        """Some of the leaves, in the order given."""
        counts = np.diff(self.first)[which]
        first = np.r_[0, np.cumsum(counts)]
        place = np.repeat(self.first[:-1][which] - first[:-1], counts) + np.arange(first[-1])
        picked = {
            item.name: getattr(self, item.name)[which]
            for item in fields(self)
            if item.name not in ("first", "slope", "width")
        }
        return Leaves(**picked, first=first, slope=self.slope[place], width=self.width[place])

    def demand(self, price: FloatArray) -> FloatArray:
        """What each leaf takes at its price, shape (m,)."""
        return self.response(price)[0]

    def response(self, price: FloatArray) -> tuple[FloatArray, FloatArray]:
        """What each leaf takes at its price, and how fast that falls per unit of the price's logarithm, both of shape (m,).

        The second is zero at bounds, along linear pieces and chords, and where a change does not pay; jumps do not count.
        """
        paid = price + self.charge
        if not self.moves:
            amount, fall = self._response(paid)
        else:
            # Between the two prices that a change pays, the leaf stays where it was.
            more, steep = self._response(paid + self.cost)
            less, flat = self._response(paid - self.cost)
            amount = np.clip(self.prior, more, less)
            fall = np.where(amount > self.prior, steep, np.where(amount < self.prior, flat, 0.0))
            amount = np.clip(amount, self.lower, self.upper)
        with np.errstate(over="ignore"):
            return amount, np.multiply(fall, price, out=np.zeros_like(fall), where=(price > 0) & (price < np.inf))

    def _response(self, paid: FloatArray) -> tuple[FloatArray, FloatArray]:
        """The same without the costs of change, and the fall per unit of what is paid."""
        wanted, fall = np.empty(len(self)), np.zeros(len(self))
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            for kind, where, a, h, p in self.groups:
                if kind == SEGMENTS:
                    wanted[where] = self._segments(paid)[where]
                    continue
                r = paid[where]
                found = FAMILIES[SMOOTH[kind]].inverse(r, a, h, p)
                steep = _falls(kind, found, h, p) / r
                if kind == HULL:
                    chord, touch = self.chord[where], self.touch[where]
                    steep = np.where((r <= chord) & (found > touch), steep, 0.0)
                    found = np.where(r <= chord, np.maximum(found, touch), 0.0)
                wanted[where], fall[where] = found, steep
        wanted = np.where(paid > 0, wanted - self.shift, np.inf)
        return np.clip(wanted, self.lower, self.upper), np.where(
            (wanted > self.lower) & (wanted < self.upper), fall, 0.0
        )

    def _segments(self, price: FloatArray) -> FloatArray:
        """Ends of the last segments worth their price; all leaves, those of other kinds without meaning."""
        steep = self.slope >= np.repeat(price, np.diff(self.first))
        count = np.add.reduceat(steep.astype(np.int64), self.first[:-1])
        return np.where(count > 0, self.end[self.first[:-1] + np.maximum(count - 1, 0)], 0.0)

    def value(self, amount: FloatArray) -> FloatArray:
        """Value of an amount less its costs, shape (m,); a hull's own, not the curve's under it."""
        stock = amount + self.shift
        worth = np.empty(len(self))
        for kind, where, a, h, p in self.groups:
            if kind == SEGMENTS:
                filled = np.clip(np.repeat(stock, np.diff(self.first)) - self._starts, 0.0, self.width)
                worth[where] = np.add.reduceat(self.slope * filled, self.first[:-1])[where]
                continue
            k = stock[where]
            worth[where] = FAMILIES[SMOOTH[kind]].value(k, a, h, p, np)
            if kind == HULL:
                foot = self.lower[where] + self.shift[where]
                chord = FAMILIES["hill"].value(foot, a, h, p, np) + self.chord[where] * (k - foot)
                worth[where] = np.where(k < self.touch[where], chord, worth[where])
        return np.asarray(worth - self.cost * np.abs(amount - self.prior) - self.charge * amount)

    @cached_property
    def _starts(self) -> FloatArray:
        """Stock at which each segment starts, shape (s,)."""
        start = np.zeros(len(self.width))
        counts = np.diff(self.first)
        # Segment by segment rather than one running sum over all leaves, whose rounding would drown small leaves.
        for rank in range(1, int(counts.max(initial=0))):
            at = self.first[:-1][counts > rank] + rank
            start[at] = start[at - 1] + self.width[at - 1]
        return start

    def slopes(self, amount: FloatArray) -> FloatArray:
        """Value of the next unit less its charge, shape (m,); of a segment leaf its first slope."""
        stock = amount + self.shift
        slope = self.slope[self.first[:-1]].copy()
        with np.errstate(divide="ignore"):
            for kind, where, a, h, p in self.groups:
                if kind != SEGMENTS:
                    slope[where] = FAMILIES[SMOOTH[kind]].derivative(stock[where], a, h, p)
        return slope - self.charge

    def ends(self) -> tuple[FloatArray, FloatArray]:
        """Price at which each leaf takes no more than its lower bound, and at which it takes all of its upper, both of shape (m,).

        Right and left derivatives of what it is worth, charges and costs of change taken off; -inf and inf where it has no room.
        """
        room = self.upper > self.lower
        first = self._derivative(self.lower, right=True) - np.where(self.lower < self.prior, -self.cost, self.cost)
        last = self._derivative(self.upper, right=False) - np.where(self.upper > self.prior, self.cost, -self.cost)
        return np.where(room, first - self.charge, -np.inf), np.where(room, last - self.charge, np.inf)

    def _derivative(self, amount: FloatArray, right: bool) -> FloatArray:
        """Of the benefit alone, to the right or to the left, shape (m,)."""
        stock = amount + self.shift
        there = np.repeat(stock, np.diff(self.first))
        ahead = (self.end > there) if right else (self.end >= there)
        place = np.repeat(np.arange(len(self)), np.diff(self.first))[ahead]
        slope = np.zeros(len(self))
        slope[place[::-1]] = self.slope[ahead][::-1]  # The first of each leaf is written last.
        with np.errstate(divide="ignore"):
            for kind, where, a, h, p in self.groups:
                if kind == SEGMENTS:
                    continue
                slope[where] = FAMILIES[SMOOTH[kind]].derivative(stock[where], a, h, p)
                if kind == HULL:
                    below = stock[where] < self.touch[where] if right else stock[where] <= self.touch[where]
                    slope[where] = np.where(below, self.chord[where], slope[where])
        return slope


def _falls(kind: int, stock: FloatArray, h: FloatArray, p: FloatArray) -> FloatArray:
    """How fast the stock wanted from a smooth curve falls per unit of the price's logarithm: ``-f'(k) / f''(k)``."""
    if kind == LOG:
        return stock + h
    if kind == POWER:
        return stock / (1.0 - p)
    if kind == SATURATING:
        return h
    if (p == 1.0).all():
        return 0.5 * (stock + h)
    return np.asarray(stock / (1.0 - p + 2.0 * p / (1.0 + (h / stock) ** p)))
