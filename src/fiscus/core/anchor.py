"""Some plan that obeys every hard rule, away from the rules' edges where it can be: where safe steps start from."""

from __future__ import annotations

import numpy as np

from fiscus.core.arrays import FloatArray
from fiscus.core.feasibility import violations
from fiscus.core.problem import Problem
from fiscus.core.relaxed import Relaxed

WIDEST_MARGIN = 0.05
"""Distance kept from the bounds of rows where there is room, in parts of the bound."""

SECONDS = 30.0
"""Longest search for a plan."""


def anchor(problem: Problem) -> FloatArray | None:
    """A plan that the referee passes, major units, shape (T, n); None where none was found.

    A small linear or integer program over the statement's own rows (SciPy's HiGHS) that keeps as far from their bounds as it can. Rows
    on the value, which is not linear in the amounts, are left to the referee's check.
    """
    relaxed = Relaxed.of(problem)
    for margin in (WIDEST_MARGIN, 0.0):
        found = _solved(relaxed, margin)
        if found is None:
            continue
        for plan in (found, np.round(found / problem.minor_unit) * problem.minor_unit):
            inside = np.clip(plan, problem.lines.floor, problem.lines.cap)
            if not violations(problem, inside):
                return inside
    return None


def _solved(relaxed: Relaxed, margin: float) -> FloatArray | None:
    from scipy.optimize import Bounds, LinearConstraint, milp

    room = _room(relaxed, margin)
    spend = relaxed.places["spend"]
    # As little as the rules let it be: what is not promised to later periods can be spent now.
    aim = np.zeros(len(relaxed.low))
    aim[spend] = 1.0
    answer = milp(
        aim,
        integrality=relaxed.integer.astype(np.int64),
        bounds=Bounds(relaxed.low, relaxed.high),
        constraints=[LinearConstraint(relaxed.matrix, relaxed.lower + room, relaxed.upper - room)],
        options={"time_limit": SECONDS},
    )
    return None if answer.x is None else np.asarray(answer.x[spend]).reshape(relaxed.problem.shape)


def _room(relaxed: Relaxed, margin: float) -> FloatArray:
    """What to keep from the bounds of rules, nothing where they are equal or count what is funded."""
    lower, upper = relaxed.lower, relaxed.upper
    size = np.maximum(
        np.where(np.isfinite(lower), np.abs(lower), 0.0), np.where(np.isfinite(upper), np.abs(upper), 0.0)
    )
    width = np.full(len(lower), np.inf)
    both = np.isfinite(lower) & np.isfinite(upper)
    width[both] = (upper - lower)[both]
    return np.where(relaxed.rule & ~relaxed.counts, np.minimum(margin * size, width / 4.0), 0.0)
