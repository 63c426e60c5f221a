"""What the tree solver is held against: cvxpy with Clarabel, and a dual bound, both straight from a problem's tables."""

from __future__ import annotations

from dataclasses import dataclass

import cvxpy as cp
import numpy as np

from fiscus.core.arrays import FloatArray
from fiscus.core.problem import Problem

CLARABEL = {"tol_gap_abs": 1e-9, "tol_gap_rel": 1e-9, "tol_feas": 1e-9, "max_iter": 300}
"""Tighter still, and Clarabel calls answers inaccurate that are not."""

NOTHING = 1e-9
"""Width, relative to the largest cap, at which bounds leave no choice."""


@dataclass(frozen=True, eq=False)
class Reach:
    """What bounds alone leave to lines and units in one period.

    Attributes:
        low: Least of each line, shape (n,).
        high: Most of each line, shape (n,).
        least: Least total of each unit, shape (k,).
        most: Most total of each unit, shape (k,).
        crossed: Whether they leave nothing.
        nothing: Width that counts as none, major units.
    """

    low: FloatArray
    high: FloatArray
    least: FloatArray
    most: FloatArray
    crossed: bool
    nothing: float


def reach(problem: Problem, period: int) -> Reach:
    """Bounds of lines and units, each drawn in by all the others up and down the tree."""
    lines, tree = problem.lines, problem.tree
    low, high = lines.floor[period].astype(float), lines.cap[period].astype(float)
    least, most = problem.units.floor[period].astype(float), problem.units.cap[period].astype(float)
    root = int(np.flatnonzero(tree.parent < 0)[0])
    most[root] = min(most[root], problem.budget[period])
    nothing = NOTHING * max(1e-3, float(high.max()))
    downwards = [unit for level in tree.levels for unit in level.tolist()]
    parts = [
        [(least, most, child) for child in np.flatnonzero(tree.parent == unit).tolist()]
        + [(low, high, line) for line in np.flatnonzero(lines.unit == unit).tolist()]
        for unit in range(len(tree))
    ]
    crossed = bool((low > high + nothing).any())
    for _ in range(2 * len(tree.levels)):
        for unit in reversed(downwards):
            least[unit] = max(least[unit], sum(below[at] for below, _, at in parts[unit]))
            most[unit] = min(most[unit], sum(above[at] for _, above, at in parts[unit]))
        crossed = crossed or bool((least > most + nothing).any())
        for unit in downwards:
            under, over = (sum(part[side][part[2]] for part in parts[unit]) for side in (0, 1))
            for below, above, at in parts[unit]:
                top, bottom = most[unit] - (under - below[at]), least[unit] - (over - above[at])
                above[at], below[at] = max(min(above[at], top), below[at]), min(max(below[at], bottom), above[at])
    return Reach(low, high, least, most, crossed, nothing)


def clarabel_value(problem: Problem) -> tuple[float | None, bool]:
    """Best value by cvxpy and Clarabel, and whether Clarabel vouches for it.

    Lines that bounds alone decide are put in as numbers, and totals that they decide as equalities: interior-point methods need
    room on all sides, and without it steep curves at zero turn their smallest slips into value. All numbers are around one.
    """
    lines, members = problem.lines, problem.membership.toarray() != 0
    worth = max(1e-12, float((lines.weight * lines.curves.value(lines.cap)).max()), 1e-6 * float(lines.cap.max()))
    total, limits, known = 0.0, [], 0.0
    for period in range(problem.shape[0]):
        here = reach(problem, period)
        open_ = here.high - here.low > here.nothing
        gain = lines.weight * problem.benefit_discount[period]
        paid = problem.spend_weight * problem.spend_discount[period]
        change = lines.change_cost if problem.shape[0] == 1 else np.zeros(len(gain))
        fixed = np.where(open_, 0.0, here.low)
        sure = gain * lines.curves.value(fixed) - paid * fixed - change * np.abs(fixed - lines.prior)
        known += float(sure[~open_].sum())
        free = np.flatnonzero(open_)
        if not len(free):
            continue
        size = float(here.high[free].max())
        share = cp.Variable(len(free), bounds=[0, 1])
        x = here.low[free] / size + cp.multiply(share, (here.high - here.low)[free] / size)
        for unit, own in enumerate(members):
            inside = np.flatnonzero(own[free])
            rest = float(fixed[own].sum())
            under, over = (float(each[free[inside]].sum()) + rest for each in (here.low, here.high))
            if not len(inside) or over - under <= here.nothing:
                continue
            spent = cp.sum(x[inside])
            if here.most[unit] - here.least[unit] <= here.nothing:
                limits.append(spent == (here.least[unit] - rest) / size)
                continue
            if here.least[unit] > under + here.nothing:
                limits.append(spent >= (here.least[unit] - rest) / size)
            if here.most[unit] < over - here.nothing:
                limits.append(spent <= (here.most[unit] - rest) / size)
        for place, line in enumerate(free.tolist()):
            if gain[line] > 0:
                total += gain[line] / worth * _benefit(problem, line, x[place], size)
            total -= size / worth * (paid * x[place] + change[line] * cp.abs(x[place] - lines.prior[line] / size))
    if not isinstance(total, cp.Expression):
        return known, True  # Bounds decide everything.
    program = cp.Problem(cp.Maximize(total), limits)
    try:
        program.solve(solver=cp.CLARABEL, **CLARABEL)
    except cp.SolverError:
        return None, False
    value = None if program.value is None else float(program.value) * worth + known
    return value, program.status == cp.OPTIMAL


def _benefit(problem: Problem, line: int, x: cp.Expression, size: float) -> cp.Expression:
    """A line's curve, of x in units of ``size``."""
    curves = problem.lines.curves
    family = curves.family[line]
    a, h, p = (float(each[line]) for each in (curves.a, curves.h, curves.p))
    if family == "linear":
        return a * size * x
    if family == "capped":
        return a * size * cp.minimum(x, h / size)
    if family == "log":
        return a * cp.log(1 + x * (size / h))
    if family == "saturating":
        return a * (1 - cp.exp(-x * (size / h)))
    if family == "power":
        return a * size**p * cp.power(x, p)
    if family == "hill":
        assert p == 1  # Others are no cone's.
        return a * (1 - cp.inv_pos(1 + x * (size / h)))
    xs, ys, _ = curves.breakpoints(line)
    xs, ys = np.asarray(xs) / size, np.asarray(ys) / size  # Raw money inside the minimum misleads Clarabel.
    slopes = np.diff(ys) / np.diff(xs)
    pieces = [ys[k] + slopes[k] * (x - xs[k]) for k in range(len(slopes))]
    return size * cp.minimum(*pieces, ys[-1])


def dual_bound(problem: Problem, price: FloatArray) -> float:
    """No plan is worth more than this, whatever the prices.

    Args:
        problem: Without effects that last and, over several periods, without costs of change.
        price: Of money at each unit in each period, period by period, shape (T * k,).
    """
    lines, tree, bound = problem.lines, problem.tree, 0.0
    for period, paid in enumerate(price.reshape(problem.shape[0], len(tree))):
        here = reach(problem, period)
        base = problem.spend_weight * problem.spend_discount[period]
        step = paid - np.where(tree.parent < 0, base, paid[tree.parent])
        limit = np.where(step > 0, here.most, here.least)
        bound += float((step * limit)[step != 0].sum())
        gain = lines.weight * problem.benefit_discount[period]
        change = lines.change_cost if problem.shape[0] == 1 else np.zeros(len(gain))
        bound += float(_best(problem, gain, change, paid[lines.unit], here.low, here.high).sum())
    return bound


def _best(
    problem: Problem, gain: FloatArray, change: FloatArray, paid: FloatArray, low: FloatArray, high: FloatArray
) -> FloatArray:
    """Most that each line brings at its price: concave, so a grid closes in on it."""
    lines = problem.lines
    ramp = np.linspace(0.0, 1.0, 65)[:, None]
    best = np.full(len(gain), -np.inf)
    extra = np.clip(lines.prior, low, high)
    for _ in range(14):
        x = np.concatenate([low + (high - low) * ramp, extra[None]])
        worth = gain * lines.curves.value(x) - paid * x - change * np.abs(x - lines.prior)
        best = np.maximum(best, worth.max(axis=0))
        top = worth[:-1].argmax(axis=0)
        width = (high - low) / 64
        low, high = low + width * np.maximum(top - 1, 0), low + width * np.minimum(top + 1, 64)
    return best
