"""From floating-point amounts to minor units that add up everywhere (§3.1).

The tree is rounded by controlled rounding: every amount and every unit's total goes to one of its two neighbouring
minor units, so children always add up, within the bounds and all rules on single amounts and units
(:mod:`fiscus.core.rounding`). Where another hard rule is broken by that, a small integer program moves single minor
units until every rule holds (:mod:`fiscus.core.cents_program`). Where nothing does, the rules that fail are named.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fiscus.core.arrays import FloatArray, IntArray, frozen
from fiscus.core.cents import Miss, limits, misses
from fiscus.core.cents_program import Program
from fiscus.core.feasibility import Violation
from fiscus.core.problem import Problem
from fiscus.core.rounding import LARGEST, Forest, largest_remainder, round_tree, snapped
from fiscus.core.rows import FUNDED_ABOVE, Rows
from fiscus.core.rules.base import amount
from fiscus.errors import InvalidAllocation, InvalidMoney

ATTEMPTS = ((0, True), (1, True), (1, False), (2, False), (5, False), (20, False), (100, False))
"""Minor units by which the program may move an amount, and whether units' totals stay neighbours, tried in turn."""

TIGHTENINGS = 3
"""Times the program is solved with growing margins, for rules on value, not quite linear in single minor units."""


@dataclass(frozen=True, eq=False)
class Apportionment:
    """Exact amounts.

    Attributes:
        minor: Minor units, int64, shape (T, n); read-only.
        amounts: The same in major units, shape (T, n); read-only.
        unmet: Hard rules that no rounding found keeps to the minor unit; empty when every rule holds.
    """

    minor: IntArray
    amounts: FloatArray
    unmet: tuple[Violation, ...]


def apportion(problem: Problem, allocation: FloatArray) -> Apportionment:
    """Exact amounts for an allocation.

    What is funded stays funded and what is not gets nothing. An equality between two minor units (a line frozen at
    10.005) counts as met at either neighbour; inequalities hold exactly.

    Args:
        problem: With its rules.
        allocation: Major units, shape (T, n), obeying the rules within the referee's tolerance.

    Raises:
        InvalidAllocation: For a wrong shape, NaN or infinity.
        InvalidMoney: For amounts too large to count in minor units.
    """
    spend = problem.checked(allocation)
    if spend.ndim != 2:
        raise InvalidAllocation(f"one allocation of shape {problem.shape} is rounded at a time, got {spend.shape}")
    wanted = snapped(np.where(spend > FUNDED_ABOVE, spend, 0.0).ravel() * 10.0**problem.currency.exponent)
    if wanted.sum() >= LARGEST:
        raise InvalidMoney(f"a total of {spend.sum():,.0f} {problem.currency} is too large to count in minor units")
    forest = Forest.make(problem.tree, problem.lines.unit, len(problem.periods))
    bounds = limits(problem, spend, forest)
    start = round_tree(forest, wanted, bounds)
    found = misses(problem, start.reshape(spend.shape))
    if found:
        better = _moved(Program(problem, forest, bounds, wanted, start))
        start, found = (start, found) if better is None else (better, [])
    minor = start.reshape(spend.shape)
    unmet = (*_missed_bounds(problem, minor), *_violations(problem, minor, found))
    return Apportionment(frozen(minor, np.int64), frozen(problem.currency.to_major_array(minor)), unmet)


def _moved(program: Program) -> IntArray | None:
    """Minor units at which every hard row holds, or None; the smallest move that the attempts find."""
    for reach, keep_totals in ATTEMPTS:
        margins: dict[Rows, FloatArray] = {}
        for _ in range(TIGHTENINGS):
            minor = program.solve(reach, keep_totals=keep_totals, margins=margins)
            if minor is None:
                break
            if not misses(program.problem, minor.reshape(program.problem.shape)):
                return minor
            margins = program.tightened(margins, minor)
    return None


def _missed_bounds(problem: Problem, minor: IntArray) -> list[Violation]:
    """Floors and caps of lines that do not hold to the minor unit."""
    lines, scale = problem.lines, 10.0**problem.currency.exponent
    floor, cap = (
        snapped(lines.floor * scale),
        np.where(np.isfinite(lines.cap), snapped(np.minimum(lines.cap, LARGEST) * scale), np.inf),
    )
    slack = np.where(floor == cap, 1.0 - 1e-6, 0.0)  # An equality is met at either neighbour.
    found = []
    for bound, distance, phrase in (
        (cap, minor - cap, "exceeds its cap of"),
        (floor, floor - minor, "misses its floor of"),
    ):
        for period, line in np.argwhere(distance > slack + 1e-6):
            label = (f"line {lines.id[line]}", problem.periods[period])
            sentence = f"{lines.name[line]} in {label[1]} {phrase} {amount(bound[period, line] / scale)}"
            found.append(_violation(problem, label, float(distance[period, line]) / scale, "", sentence))
    return found


def _violations(problem: Problem, minor: IntArray, found: list[Miss]) -> list[Violation]:
    point = problem.statement.point(problem.currency.to_major_array(minor))
    broken = []
    for miss in found:
        above = miss.rows.activity(point) > miss.rows.upper
        for row, distance in zip(miss.row.tolist(), miss.distance.tolist(), strict=True):
            phrase = miss.rows.describe(row, "above" if above[row] else "below")
            broken.append(_violation(problem, miss.rows.labels[row], distance, miss.rows.unit, phrase))
    return broken


def _violation(problem: Problem, label: tuple[str, ...], distance: float, unit: str, phrase: str) -> Violation:
    unit = unit or problem.currency.code
    size = amount(distance) if distance >= 0.005 else f"{distance:.3g}"
    return Violation(label[0], label, distance, unit, f"{phrase} by {size} {unit} after rounding.")


__all__ = ["Apportionment", "apportion", "largest_remainder"]
