"""From floating-point amounts to minor units that add up everywhere (§3.1).

Children sum to their parents to the cent because the rounding runs down the tree: the root's total is rounded, then each
unit's whole total is dealt to what hangs on it by largest remainders (Balinski & Young 2001, ch. 3). Every total then lies
within one minor unit of what was solved (controlled rounding, Cox & Ernst 1982, exact on a tree). Where other rules are
broken by that, a small integer program moves single minor units until every rule holds.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp

from fiscus.core.arrays import BoolArray, FloatArray, IntArray, frozen
from fiscus.core.feasibility import Violation, violations
from fiscus.core.problem import Problem
from fiscus.core.rows import FUNDED_ABOVE, Point, Rows
from fiscus.errors import InvalidInput

WIDENINGS = (1, 3, 10)
"""Minor units by which the integer program may move an amount, tried in turn."""

EXACT = 1e-9
"""Relative distance beyond which a row of exact amounts counts as broken: float dust of the check itself."""


@dataclass(frozen=True, eq=False)
class Apportionment:
    """Exact amounts.

    Attributes:
        minor: Minor units, int64, shape (T, n).
        amounts: The same in major units, shape (T, n).
        unmet: Hard rules that no rounding found keeps to the minor unit; empty when every rule holds.
    """

    minor: IntArray
    amounts: FloatArray
    unmet: tuple[Violation, ...]


def largest_remainder(
    total: int, weights: FloatArray, *, floor: IntArray | None = None, cap: IntArray | None = None
) -> IntArray:
    """Whole numbers in proportion to weights that sum exactly to a total.

    Args:
        total: What to split, >= 0.
        weights: Shape (n,), >= 0, not all zero.
        floor: Least of each, shape (n,).
        cap: Most of each, shape (n,).

    Returns:
        Shape (n,): proportional shares clipped to the bounds, rounded down, and what is left given by largest remainder.

    Raises:
        InvalidInput: For weights that split nothing, or bounds that the total cannot meet.
    """
    weights = np.asarray(weights, dtype=np.float64)
    low = np.zeros(len(weights), np.int64) if floor is None else np.asarray(floor, np.int64)
    high = np.full(len(weights), total, np.int64) if cap is None else np.minimum(np.asarray(cap, np.int64), total)
    if not (np.isfinite(weights).all() and (weights >= 0).all() and weights.sum() > 0):
        raise InvalidInput("weights are numbers that are not negative and not all zero")
    if low.sum() > total or high.sum() < total or (low > high).any():
        raise InvalidInput(f"no split of {total} lies within the bounds, which allow {low.sum()} to {high.sum()}")
    shares = _clipped_shares(total, weights, low, high)
    whole = np.clip(np.floor(shares + 1e-9).astype(np.int64), low, high)
    left = total - int(whole.sum())
    # Rounding dust can put the floors a unit beyond the total; take back where the remainder was smallest.
    step = 1 if left > 0 else -1
    while left:
        remainder = np.where((whole + step <= high) & (whole + step >= low), step * (shares - whole), -np.inf)
        chosen = np.argsort(-remainder, kind="stable")[: abs(left)]
        chosen = chosen[np.isfinite(remainder[chosen])]
        whole[chosen] += step
        left -= step * len(chosen)
    return whole


def _clipped_shares(total: int, weights: FloatArray, low: IntArray, high: IntArray) -> FloatArray:
    """``clip(scale * weights, low, high)`` with the scale at which they sum to the total, by bisection."""
    lower, upper = 0.0, 1.0
    while np.clip(upper * weights, low, high).sum() < total and upper < 1e300:
        upper *= 2.0
    for _ in range(200):
        middle = 0.5 * (lower + upper)
        if np.clip(middle * weights, low, high).sum() < total:
            lower = middle
        else:
            upper = middle
    return np.asarray(np.clip(upper * weights, low, high))


def apportion(problem: Problem, allocation: FloatArray) -> Apportionment:
    """Exact amounts for an allocation.

    Args:
        problem: With its rules.
        allocation: Major units, shape (T, n), obeying the rules within tolerance.

    Raises:
        InvalidAllocation: For a wrong shape, NaN or infinity.
        InvalidMoney: For an amount too large to count in minor units.
    """
    spend = problem.checked(allocation)
    scale = 10.0**problem.currency.exponent
    minor = np.stack([_round_tree(problem, spend[period] * scale, period) for period in range(len(spend))])
    broken = _broken(problem, minor)
    for reach in WIDENINGS:
        if not broken:
            break
        better = _repair(problem, spend, minor, reach)
        if better is not None:
            left = _broken(problem, better)
            if len(left) < len(broken):
                minor, broken = better, left
    return Apportionment(frozen(minor, np.int64), frozen(minor / scale), tuple(broken))


def _snap(values: FloatArray) -> FloatArray:
    """Minor units without the dust that floats leave around whole ones."""
    near = np.round(values)
    return np.asarray(np.where(np.abs(values - near) <= 1e-6 + 1e-12 * np.abs(values), near, values))


def _round_tree(problem: Problem, cents: FloatArray, period: int) -> IntArray:
    """Round one period down the tree, minor units, shape (n,)."""
    tree, lines = problem.tree, problem.lines
    scale = 10.0**problem.currency.exponent
    problem.currency.to_minor_array(cents / scale)  # Refuses what does not fit.
    cents = _snap(cents)
    totals = _snap(problem.membership @ cents)
    caps = np.array(problem.units.cap[period])
    caps[tree.root] = min(caps[tree.root], problem.money_available[period])
    unit_low, unit_high = _whole_bounds(problem.units.floor[period] * scale, caps * scale)
    line_low, line_high = _whole_bounds(lines.floor[period] * scale, lines.cap[period] * scale)
    unit_total = np.zeros(len(tree))
    root = tree.root
    unit_total[root] = np.clip(np.round(totals[root]), max(np.floor(totals[root]), unit_low[root]), min(np.ceil(totals[root]), unit_high[root]))
    given = np.zeros(len(cents))
    depth_of_line = tree.depth[lines.unit]
    for level in range(len(tree.levels)):
        below = tree.levels[level + 1] if level + 1 < len(tree.levels) else np.zeros(0, np.int64)
        own = np.flatnonzero(depth_of_line == level)
        parent = np.r_[tree.parent[below], lines.unit[own]]
        exact = np.r_[totals[below], cents[own]]
        low, high = np.r_[unit_low[below], line_low[own]], np.r_[unit_high[below], line_high[own]]
        dealt = _deal(unit_total, parent, exact, low, high, len(tree))
        unit_total[below], given[own] = dealt[: len(below)], dealt[len(below) :]
    return given.astype(np.int64)


def _whole_bounds(floor: FloatArray, cap: FloatArray) -> tuple[FloatArray, FloatArray]:
    return np.ceil(_snap(floor)), np.floor(np.where(np.isfinite(cap), _snap(np.where(np.isfinite(cap), cap, 0.0)), np.inf))


def _deal(total: FloatArray, parent: IntArray, exact: FloatArray, low: FloatArray, high: FloatArray, units: int) -> FloatArray:
    """Deal each parent's whole total to its members: all rounded down, then one more to the largest remainders."""
    down = np.floor(exact)
    must, may = down < low, (exact > down) & (down + 1 <= high)
    more = total - np.bincount(parent, down, minlength=units)
    order = np.lexsort((-(exact - down), ~may, ~must, parent))
    sorted_parent = parent[order]
    first = np.searchsorted(sorted_parent, sorted_parent, side="left")
    rank = np.arange(len(order)) - first
    extra = np.zeros(len(exact))
    extra[order] = rank < more[sorted_parent]
    return np.asarray(down + extra)


def _broken(problem: Problem, minor: IntArray) -> list[Violation]:
    """Hard rules that exact amounts break, by the referee and by a stricter look at the rows of money."""
    scale = 10.0**problem.currency.exponent
    amounts = minor / scale
    found = violations(problem, amounts)
    known = {each.row for each in found}
    point = problem.statement.point(amounts)
    for rows in problem.statement.rows:
        if rows.penalty is None and len(rows) and not _about_value(rows):
            for row in np.flatnonzero(_strict_misses(rows, point, 1.0 / scale)).tolist():
                if rows.labels[row] not in known:
                    found.append(_as_violation(problem, rows, row, point))
    return [each for each in found if not _is_to_the_cent(problem, each, point, 1.0 / scale)]


def _strict_misses(rows: Rows, point: Point, unit: float) -> BoolArray:
    activity = rows.activity(point)
    distance = np.maximum(activity - rows.upper, rows.lower - activity)
    return np.asarray(distance > np.where(rows.lower == rows.upper, unit * _steepest(rows), EXACT * rows.scale(point)))


def _steepest(rows: Rows) -> FloatArray:
    """Largest coefficient on spend in each row, shape (m,)."""
    if "spend" not in rows.terms:
        return np.ones(len(rows))
    return np.asarray(abs(rows.terms["spend"]).max(axis=1).toarray().ravel())


def _is_to_the_cent(problem: Problem, violation: Violation, point: Point, unit: float) -> bool:
    """Whether an equality is off by less than one minor unit because its bound lies between two of them."""
    for rows in problem.statement.rows:
        if violation.row in rows.labels and not _about_value(rows):
            row = list(rows.labels).index(violation.row)
            if rows.lower[row] == rows.upper[row]:
                return abs(float(rows.activity(point)[row] - rows.lower[row])) < unit * float(_steepest(rows)[row])
    return False


def _about_value(rows: Rows) -> bool:
    """Whether a row speaks of benefit, where a minor unit more or less is far inside any tolerance."""
    return rows.unit in ("value", "probability")


def _as_violation(problem: Problem, rows: Rows, row: int, point: Point) -> Violation:
    activity = rows.activity(point)[row]
    above = float(activity - rows.upper[row])
    distance = max(above, float(rows.lower[row] - activity))
    unit = rows.unit or problem.currency.code
    phrase = rows.describe(row, "above" if above > 0 else "below")
    label = rows.labels[row]
    return Violation(label[0], label, distance, unit, f"{phrase[:1].upper()}{phrase[1:]} by {distance:.2g} {unit} after rounding.")


def _repair(problem: Problem, spend: FloatArray, minor: IntArray, reach: int) -> IntArray | None:
    """Move funded amounts by up to ``reach`` minor units so that every hard row of money holds, moving as few as possible.

    The columns are, in minor units: ups and downs of each amount, then the movement and cash that rules may speak of.
    """
    from scipy.optimize import LinearConstraint, milp

    scale = 10.0**problem.currency.exponent
    statement = problem.statement
    amounts = minor / scale
    point = statement.point(amounts)
    size = minor.size
    active = (spend > FUNDED_ABOVE).ravel() & ~np.broadcast_to(problem.lines.lumpy, spend.shape).ravel()
    others = [name for name in ("moved", "drawn", "unspent", "account") if _mentioned(statement.rows, name)]
    wanted = set(others) | {"spend", "funded"}
    blocks, lower, upper = [], [], []
    for rows in (*statement.rows, *statement.definitions):
        if not len(rows) or rows.penalty is not None or _about_value(rows) or not set(rows.terms) <= wanted:
            continue
        constant = sum((rows.terms[name] @ point[name].ravel() for name in ("spend", "funded") if name in rows.terms), np.zeros(len(rows)))
        slack = np.where(rows.lower == rows.upper, _steepest(rows) / scale * 0.999, 0.0)
        step = rows.terms.get("spend", sp.csr_array((len(rows), size)))
        parts = [step, -step, *(rows.terms.get(name, sp.csr_array((len(rows), statement.columns[name].size))) for name in others)]
        blocks.append(sp.hstack(parts))
        lower.append((rows.lower - slack - constant) * scale)
        upper.append((rows.upper + slack - constant) * scale)
    low = np.ceil(np.maximum(_snap(problem.lines.floor * scale) - minor, -reach)).ravel() * active
    high = np.floor(np.minimum(np.where(np.isfinite(problem.lines.cap), problem.lines.cap * scale, np.inf) - minor, reach)).ravel() * active
    extra = sum(statement.columns[name].size for name in others)
    cost = np.concatenate([np.ones(2 * size), np.zeros(extra)])
    bounds_low = np.concatenate([np.maximum(low, 0), np.maximum(-high, 0), np.full(extra, -np.inf)])
    bounds_high = np.concatenate([np.maximum(high, 0), np.maximum(-low, 0), np.full(extra, np.inf)])
    if (bounds_low > bounds_high).any():
        return None
    answer = milp(
        cost,
        constraints=LinearConstraint(sp.csr_array(sp.vstack(blocks)), np.concatenate(lower), np.concatenate(upper)),
        integrality=np.concatenate([np.ones(2 * size), np.zeros(extra)]),
        bounds=(bounds_low, bounds_high),
        options={"time_limit": 20.0},
    )
    if answer.x is None:
        return None
    moves = np.round(answer.x[:size] - answer.x[size : 2 * size]).astype(np.int64)
    return np.asarray(minor + moves.reshape(minor.shape))


def _mentioned(rows: tuple[Rows, ...], name: str) -> bool:
    return any(name in each.terms and each.penalty is None for each in rows)

