"""The referee: which rules does an allocation break, where, and by how much (§3.7, style 3)."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from fiscus.core.arrays import FloatArray
from fiscus.core.problem import Problem
from fiscus.core.rows import Label, Point, Rows, Side
from fiscus.core.rules.base import amount
from fiscus.errors import InvalidAllocation

FEASIBILITY_TOLERANCE = 1e-6
"""Major units per row, scaled by the largest of 1, the row's bound and its terms (§3.7)."""


@dataclass(frozen=True, slots=True)
class Violation:
    """A hard rule that does not hold.

    Attributes:
        rule: Id of the rule; ``unit X`` and ``line X`` for the tables' own limits, ``budget`` for the money.
        row: What the row speaks of, rule id first.
        distance: How far beyond the bound, in ``unit``.
        unit: The currency's code, or what is counted.
        sentence: For people.
    """

    rule: str
    row: Label
    distance: float
    unit: str
    sentence: str

    def as_dict(self) -> dict[str, Any]:
        """Plain data for ``--json``."""
        return asdict(self)


def violations(problem: Problem, allocation: FloatArray) -> list[Violation]:
    """Every hard rule that an allocation breaks; empty when every rule holds.

    Args:
        problem: With its rules.
        allocation: Major units, shape (T, n).

    Raises:
        InvalidAllocation: For a wrong shape, NaN or infinity.
    """
    point = problem.statement.point(_single(problem, allocation))
    found = _bounds(problem, point.spend)
    for rows in problem.statement.rows:
        if rows.penalty is None and len(rows):
            found += _broken(problem, rows, point)
    return found


def soft_penalties(problem: Problem, allocation: FloatArray) -> dict[str, float]:
    """Value lost to each soft rule that an allocation misses, by rule id.

    Args:
        problem: With its rules.
        allocation: Major units, shape (T, n).
    """
    point = problem.statement.point(_single(problem, allocation))
    lost: dict[str, float] = {}
    for rows in problem.statement.rows:
        if rows.penalty is None or not len(rows):
            continue
        activity = rows.activity(point)
        missed = np.maximum(np.maximum(activity - rows.upper, rows.lower - activity), 0.0)
        for row in np.flatnonzero(missed > 0).tolist():
            rule = rows.labels[row][0]
            lost[rule] = lost.get(rule, 0.0) + rows.penalty * float(missed[row])
    return lost


def _single(problem: Problem, allocation: FloatArray) -> FloatArray:
    spend = problem.checked(allocation)
    if spend.ndim != 2:
        raise InvalidAllocation(f"the referee takes one allocation of shape {problem.shape}, got {spend.shape}")
    return spend


def _bounds(problem: Problem, spend: FloatArray) -> list[Violation]:
    """Floors and caps of lines."""
    lines, found = problem.lines, []
    sides: tuple[tuple[Side, FloatArray, FloatArray, str], ...] = (
        ("above", lines.cap, spend - lines.cap, "exceeds its cap of"),
        ("below", lines.floor, lines.floor - spend, "misses its floor of"),
    )
    for _, bound, distance, phrase in sides:
        scale = np.maximum(1.0, np.where(np.isfinite(bound), np.abs(bound), 0.0))
        for period, line in np.argwhere(distance > FEASIBILITY_TOLERANCE * scale):
            gap, name = float(distance[period, line]), problem.periods[period]
            what = f"{lines.name[line]} in {name} {phrase} {amount(bound[period, line])}"
            found.append(_violation(problem, (f"line {lines.id[line]}", name), gap, "", what))
    return found


def _broken(problem: Problem, rows: Rows, point: Point) -> list[Violation]:
    activity = rows.activity(point)
    above, below = activity - rows.upper, rows.lower - activity
    distance = np.maximum(above, below)
    suspects = distance > FEASIBILITY_TOLERANCE
    if not suspects.any():
        return []
    beyond = np.flatnonzero(suspects & (distance > FEASIBILITY_TOLERANCE * rows.scale(point)))
    found = []
    for row in beyond.tolist():
        side: Side = "above" if above[row] >= below[row] else "below"
        phrase = rows.describe(row, side)
        found.append(_violation(problem, rows.labels[row], float(distance[row]), rows.unit, phrase))
    return found


def _violation(problem: Problem, label: Label, distance: float, unit: str, phrase: str) -> Violation:
    unit = unit or problem.currency.code
    size = amount(distance) if distance >= 0.005 else f"{distance:.3g}"
    return Violation(label[0], label, distance, unit, f"{phrase} by {size} {unit}.")
