"""How much may be spent now so that every later least spend can still be paid and every reserve kept (§4, cash).

With a working-capital account the money of a period is what the account holds, so spending now takes from later. What must be
left is a convex piecewise-linear function of the appropriation left over, computed backwards once; looking it up is then exact.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fiscus.core.arrays import FloatArray, IntArray
from fiscus.core.facts import Account, Facts

Curve = tuple[FloatArray, FloatArray]
"""Knots ``u`` and values ``a`` of a decreasing function, constant after its last knot: account needed if ``u`` is left over."""

DUST = 1e-10
"""Cash missing, in parts of what is needed, that counts as float64 dust."""


@dataclass(frozen=True, eq=False)
class SpendLimit:
    """The most that may be spent in a period, from what the account holds before it.

    Attributes:
        facts: Money and account.
        needed: For each period, the account needed after its spend as a function of the appropriation left over then.
    """

    facts: Facts
    needed: tuple[Curve, ...]

    @classmethod
    def of(cls, facts: Facts, reserve: FloatArray, least: FloatArray) -> SpendLimit:
        """Compute backwards.

        Args:
            facts: Money and account.
            reserve: Cash to be left at the end of each period, major units, shape (T,).
            least: Least spend of each period, major units, shape (T,).
        """
        account = facts.account
        if account is None:
            return cls(facts, ())
        later: Curve = (np.zeros(1), np.zeros(1))
        needed = []
        for period in range(len(facts.budget) - 1, -1, -1):
            now = _larger(later, float(reserve[period]))
            needed.append(now)
            later = _before(now, account, float(facts.budget[period]), float(least[period]))
        return cls(facts, tuple(reversed(needed)))

    def most(self, period: IntArray, unspent: FloatArray, account: FloatArray) -> FloatArray:
        """Most that may be spent, major units, shape (B,); minus infinity where nothing is little enough.

        Args:
            period: About to be decided, shape (B,).
            unspent: Appropriation left over from the period before, shape (B,).
            account: Cash proper before the period, shape (B,).
        """
        terms = self.facts.account
        if terms is None:
            return np.asarray(self.facts.budget[period])
        available = self.facts.budget[period] + terms.carry_over * unspent
        held = account * (1.0 + terms.rate)
        limit = np.empty(len(period))
        for now in np.unique(period).tolist():
            here = period == now
            left, need = self.needed[now]
            # Cash beyond the need at nothing left over can be spent; short of it, some appropriation has to stay.
            short = np.interp(-held[here], -need, left)
            most = available[here] + np.where(held[here] >= need[0], held[here] - need[0], -short)
            hopeless = need[-1] - held[here] > DUST * max(1.0, need[0])
            limit[here] = np.where(hopeless, -np.inf, most)
        return limit


def _value(curve: Curve, at: FloatArray) -> FloatArray:
    return np.asarray(np.interp(at, curve[0], curve[1]))


def _larger(curve: Curve, reserve: float) -> Curve:
    """``max(curve(u), reserve - u, 0)`` on its own knots."""
    knots, values = curve
    places = [*knots.tolist(), max(reserve, 0.0)]
    # Where the curve crosses ``reserve - u``: between knots, and after the last one.
    ends = [*zip(knots[:-1].tolist(), values[:-1].tolist(), knots[1:].tolist(), values[1:].tolist(), strict=True)]
    for left, high, right, low in ends:
        slope = (low - high) / (right - left)
        if slope != -1.0:
            crossing = (reserve - high + slope * left) / (1.0 + slope)
            if left < crossing < right:
                places.append(crossing)
    beyond = reserve - float(values[-1])
    if beyond > knots[-1]:
        places.append(beyond)
    at = np.unique(np.maximum(places, 0.0))
    return _tidy(at, np.maximum(np.maximum(_value(curve, at), reserve - at), 0.0))


def _before(now: Curve, account: Account, budget: float, least: float) -> Curve:
    """Account needed before a period in which the least is spent, as a function of what was left over before it."""
    growth, carry = 1.0 + account.rate, account.carry_over
    places = [0.0]
    if carry > 0:
        places += [(knot + least - budget) / carry for knot in now[0].tolist()]
    at = np.unique(np.maximum(places, 0.0))
    left = budget + carry * at - least
    need = np.where(left >= 0, _value(now, np.maximum(left, 0.0)), float(now[1][0]) - left)
    return _tidy(at, need / growth)


def _tidy(knots: FloatArray, values: FloatArray) -> Curve:
    """Without the knots after the function has stopped falling, so that it can be looked up both ways."""
    falling = np.r_[True, np.diff(values) < 0]
    last = int(np.flatnonzero(falling)[-1])
    return knots[: last + 1], values[: last + 1]
