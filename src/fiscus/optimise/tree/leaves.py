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
    def groups(self) -> tuple[tuple[int, IntArray], ...]:
        """Positions of each kind there is."""
        return tuple((kind, where) for kind in range(6) if len(where := np.flatnonzero(self.kind == kind)))

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
        price = price + self.charge
        if not self.moves:
            return np.clip(self._wanted(price), self.lower, self.upper)
        # Between the two prices that a change pays, the leaf stays where it was.
        stay = np.clip(self.prior, self._wanted(price + self.cost), self._wanted(price - self.cost))
        return np.clip(stay, self.lower, self.upper)

    def _wanted(self, price: FloatArray) -> FloatArray:
        """The same without bounds: inf at prices up to zero."""
        stock = np.empty(len(self))
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            for kind, where in self.groups:
                if kind == SEGMENTS:
                    stock[where] = self._segments(price)[where]
                    continue
                a, h, p, r = self.a[where], self.h[where], self.p[where], price[where]
                found = FAMILIES[SMOOTH[kind]].inverse(r, a, h, p)
                if kind == HULL:
                    chord, touch = self.chord[where], self.touch[where]
                    found = np.where(r <= chord, np.maximum(found, touch), 0.0)
                stock[where] = found
        return np.asarray(np.where(price > 0, stock - self.shift, np.inf))

    def _segments(self, price: FloatArray) -> FloatArray:
        """Ends of the last segments worth their price; all leaves, those of other kinds without meaning."""
        steep = self.slope >= np.repeat(price, np.diff(self.first))
        count = np.add.reduceat(steep.astype(np.int64), self.first[:-1])
        return np.where(count > 0, self.end[self.first[:-1] + np.maximum(count - 1, 0)], 0.0)

    def value(self, amount: FloatArray) -> FloatArray:
        """Value of an amount less its costs, shape (m,); a hull's own, not the curve's under it."""
        stock = amount + self.shift
        worth = np.empty(len(self))
        for kind, where in self.groups:
            if kind == SEGMENTS:
                filled = np.clip(np.repeat(stock, np.diff(self.first)) - self._starts, 0.0, self.width)
                worth[where] = np.add.reduceat(self.slope * filled, self.first[:-1])[where]
                continue
            a, h, p, k = self.a[where], self.h[where], self.p[where], stock[where]
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
            for kind, where in self.groups:
                if kind != SEGMENTS:
                    family = FAMILIES[SMOOTH[kind]]
                    slope[where] = family.derivative(stock[where], self.a[where], self.h[where], self.p[where])
        return slope - self.charge
