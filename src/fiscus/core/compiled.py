"""The split of ``core.nested`` and the step of ``core.dynamics`` compiled by numba, an optional library, for batches of episodes.

The same arithmetic episode by episode, so that nothing is written to memory between one operation and the next; it equals the NumPy
functions to 1e-12. Imported only where it is chosen.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

import numba
import numpy as np

from fiscus.core.arrays import FloatArray, IntArray
from fiscus.core.curves import STEP_TOLERANCE, Curves
from fiscus.core.dynamics import State
from fiscus.core.facts import Facts
from fiscus.core.nested import Nest

_compiled: Any = numba.njit(cache=True, error_model="numpy")

LINEAR, CAPPED, LOG, POWER, SATURATING, HILL, STEP, PIECEWISE = range(8)
_KINDS = {"linear": LINEAR, "capped": CAPPED, "log": LOG, "power": POWER, "saturating": SATURATING, "hill": HILL, "step": STEP,
          "piecewise": PIECEWISE}  # fmt: skip

SHORT = 24
"""Children up to which insertion sorts them sooner than a general method."""


class Shape(NamedTuple):
    """Families of a nest, from the root down, as flat arrays.

    Attributes:
        parent: Parent of each family, shape (f,).
        first: Where its children start, and the end, shape (f + 1,).
        child: Children of all families, shape (sum of their numbers,).
        root: Node at the top.
        units: Nodes before the first line.
    """

    parent: IntArray
    first: IntArray
    child: IntArray
    root: int
    units: int


class Lines(NamedTuple):
    """What a step needs of the lines, shapes (n,), and of piecewise curves, shapes (n, K)."""

    kind: IntArray
    weight: FloatArray
    retention: FloatArray
    change_cost: FloatArray
    money: FloatArray
    benefit: FloatArray
    slope: FloatArray


class Money(NamedTuple):
    """What a step needs of time and money: shapes (T,), and the account's terms."""

    budget: FloatArray
    spend_discount: FloatArray
    benefit_discount: FloatArray
    spend_weight: float
    account: bool
    carry_over: float
    growth: float
    ignore_prior: bool


@dataclass(frozen=True, eq=False)
class Kernel:
    """A problem's numbers, ready for the compiled functions."""

    shape: Shape
    lines: Lines
    money: Money

    @classmethod
    def of(cls, facts: Facts, nest: Nest) -> Kernel:
        """Lay the numbers out."""
        parents, children = [], []
        for level in nest.levels:
            for parent, below, real in zip(level.parents.tolist(), level.children, level.real, strict=True):
                parents.append(parent)
                children.append(below[real])
        first = np.cumsum([0, *(len(each) for each in children)])
        child = np.concatenate(children) if children else np.zeros(0, dtype=np.int64)
        shape = Shape(np.array(parents, dtype=np.int64), first.astype(np.int64), child, nest.root, nest.units)
        lines, account = facts.lines, facts.account
        width = max([1, *(knots.money.shape[1] for knots in lines.curves.knots)])
        money, benefit, slope = (np.zeros((facts.shape[1], width)) for _ in range(3))
        money += np.inf
        for knots in lines.curves.knots:
            wide = slice(0, knots.money.shape[1])
            money[knots.line, wide], benefit[knots.line, wide] = knots.money, knots.benefit
            slope[knots.line, wide] = knots.slope
        kind = np.array([_KINDS[family] for family in lines.curves.family], dtype=np.int64)
        return cls(
            shape,
            Lines(
                kind, _plain(lines.weight), _plain(lines.retention), _plain(lines.change_cost), money, benefit, slope
            ),
            Money(
                _plain(facts.budget),
                _plain(facts.spend_discount),
                _plain(facts.benefit_discount),
                float(facts.spend_weight),
                account is not None,
                float(account.carry_over) if account else 0.0,
                1.0 + float(account.rate) if account else 1.0,
                bool(facts.ignore_prior),
            ),
        )

    def nearest(self, wish: FloatArray, low: FloatArray, high: FloatArray) -> FloatArray:
        """``Nest.as_wished``; wishes (B, n), limits (B, nodes + 1)."""
        return np.asarray(_nearest(self.shape, wish, low, high))

    def step(
        self, state: State, spend: FloatArray, theta: FloatArray, curves: Curves
    ) -> tuple[State, FloatArray, FloatArray]:
        """``dynamics.step``: the next state, rewards of shape (B,), and benefits of shape (B, n).

        Args:
            state: Arrays of shape (B,) and (B, n).
            spend: Major units, shape (B, n).
            theta: Multipliers, shape (B, n).
            curves: With parameters of shape (n,) or (B, n).
        """
        a, h, p = (_plain(np.atleast_2d(each)) for each in (curves.a, curves.h, curves.p))
        stock, unspent, account, reward, benefit = _step(
            self.lines, self.money, state.period, state.spend, state.stock, state.unspent, state.account, spend, theta, a, h, p
        )  # fmt: skip
        return State(state.period + 1, spend, stock, unspent, account), reward, benefit


def _plain(array: FloatArray) -> FloatArray:
    """Contiguous and writable, so that numba compiles one version."""
    plain = np.ascontiguousarray(array, dtype=np.float64)
    return plain if plain.flags.writeable else plain.copy()


@_compiled  # type: ignore[untyped-decorator]
def _sorted(values: FloatArray, count: int) -> None:
    """Sort the first values in place."""
    if count > SHORT:
        values[:count] = np.sort(values[:count])
        return
    for place in range(1, count):
        held, before = values[place], place - 1
        while before >= 0 and values[before] > held:
            values[before + 1] = values[before]
            before -= 1
        values[before + 1] = held


@_compiled  # type: ignore[untyped-decorator]
def _level(amount: float, ordered: FloatArray, count: int) -> float:
    """The level at which vessels with sorted rooms hold an amount; inf where it fills them all."""
    full = 0.0
    for place in range(count):
        rate = count - place
        if full + ordered[place] * rate >= amount:
            return max((amount - full) / rate, 0.0)
        full += ordered[place]
    return math.inf


@_compiled  # type: ignore[untyped-decorator]
def _nearest(shape: Shape, wish: FloatArray, low: FloatArray, high: FloatArray) -> FloatArray:
    batch, lines = wish.shape
    spend = np.empty((batch, lines))
    node, room = np.zeros(low.shape[1]), np.empty(low.shape[1])
    families = len(shape.parent)
    for b in range(batch):
        for i in range(lines):
            at = shape.units + i
            node[at] = min(max(wish[b, i], low[b, at]), high[b, at])
        for unit in range(shape.units):
            node[unit] = min(max(0.0, low[b, unit]), high[b, unit])
        for family in range(families - 1, -1, -1):
            total, parent = 0.0, shape.parent[family]
            for place in range(shape.first[family], shape.first[family + 1]):
                total += node[shape.child[place]]
            node[parent] = min(max(total, low[b, parent]), high[b, parent])
        for family in range(families):
            first, last = shape.first[family], shape.first[family + 1]
            asked = 0.0
            for place in range(first, last):
                asked += node[shape.child[place]]
            missing = node[shape.parent[family]] - asked
            if missing == 0.0:
                continue
            for place in range(first, last):
                child = shape.child[place]
                room[place - first] = high[b, child] - node[child] if missing > 0.0 else node[child] - low[b, child]
            _sorted(room, last - first)
            level = _level(abs(missing), room, last - first)
            for place in range(first, last):
                child = shape.child[place]
                if missing > 0.0:
                    node[child] += min(level, high[b, child] - node[child])
                else:
                    node[child] -= min(level, node[child] - low[b, child])
        for i in range(lines):
            spend[b, i] = node[shape.units + i]
    return spend


@_compiled  # type: ignore[untyped-decorator]
def _value(lines: Lines, line: int, k: float, a: float, h: float, p: float) -> Any:
    """Benefit of a stock; the formulas of ``core.curves``."""
    kind = lines.kind[line]
    if kind == LINEAR:
        return a * k
    if kind == CAPPED:
        return a * min(k, h)
    if kind == LOG:
        return a * math.log1p(k / h)
    if kind == POWER:
        return a * k**p
    if kind == SATURATING:
        return -a * math.expm1(-k / h)
    if kind == HILL:
        if k <= 0.0:
            return 0.0
        if p == 1.0:
            return a * k / (h + k)
        return a / (1.0 + (h / k) ** p)
    if kind == STEP:
        return a if k >= h * (1.0 - STEP_TOLERANCE) else 0.0
    at = 0
    while at + 1 < lines.money.shape[1] and lines.money[line, at + 1] <= k:
        at += 1
    return a * (lines.benefit[line, at] + lines.slope[line, at] * (k - lines.money[line, at]))


@_compiled  # type: ignore[untyped-decorator]
def _step(
    lines: Lines, terms: Money, period: IntArray, before: FloatArray, stock: FloatArray, unspent: FloatArray, account: FloatArray,
    spend: FloatArray, theta: FloatArray, a: FloatArray, h: FloatArray, p: FloatArray,
) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray, FloatArray]:  # fmt: skip
    batch, count = spend.shape
    after, benefit = np.empty((batch, count)), np.empty((batch, count))
    left, held, reward = np.empty(batch), np.empty(batch), np.empty(batch)
    own = a.shape[0] > 1
    for b in range(batch):
        row, t = (b if own else 0), period[b]
        total, worth, change = 0.0, 0.0, 0.0
        for i in range(count):
            amount = spend[b, i]
            kept = lines.retention[i] * stock[b, i] + amount
            after[b, i] = kept
            gained = theta[b, i] * _value(lines, i, kept, a[row, i], h[row, i], p[row, i])
            benefit[b, i] = gained
            total += amount
            worth += gained * lines.weight[i]
            if not (terms.ignore_prior and t == 0):
                change += abs(amount - before[b, i]) * lines.change_cost[i]
        reward[b] = terms.benefit_discount[t] * worth - terms.spend_discount[t] * (terms.spend_weight * total + change)
        available = terms.budget[t]
        if terms.account and terms.carry_over > 0.0:
            available += terms.carry_over * unspent[b]
        drawn = min(total, available) if terms.account else total
        left[b] = available - drawn
        held[b] = account[b] * terms.growth - (total - drawn)
    return after, left, held, reward, benefit
