"""Some plan that obeys every hard rule, away from the rules' edges where it can be: where safe steps start from."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp

from fiscus.core.arrays import FloatArray
from fiscus.core.feasibility import violations
from fiscus.core.problem import Problem
from fiscus.core.rows import Columns, Rows

WIDEST_MARGIN = 0.05
"""Distance kept from the bounds of rows where there is room, in parts of the bound."""

SECONDS = 30.0
"""Longest search for a plan."""


def anchor(problem: Problem) -> FloatArray | None:
    """A plan that the referee passes, major units, shape (T, n); None where none was found.

    A small linear or integer program over the statement's own rows (SciPy's HiGHS) that keeps as far from their bounds as it can. Rows
    on the value, which is not linear in the amounts, are left to the referee's check.
    """
    for margin in (WIDEST_MARGIN, 0.0):
        found = _solved(problem, margin)
        if found is None:
            continue
        for plan in (found, np.round(found / problem.minor_unit) * problem.minor_unit):
            inside = np.clip(plan, problem.lines.floor, problem.lines.cap)
            if not violations(problem, inside):
                return inside
    return None


def _solved(problem: Problem, margin: float) -> FloatArray | None:
    from scipy.optimize import Bounds, LinearConstraint, milp

    statement = problem.statement
    rows = [each for each in statement.rows if each.penalty is None and len(each) and _linear(each, statement.columns)]
    needed = {name for each in rows for name in each.terms}
    definitions = [each for each in statement.definitions if set(each.terms) & (needed - {"spend"})]
    blocks = sorted({"spend"} | needed | {name for each in definitions for name in each.terms})
    columns = [statement.columns[name] for name in blocks]
    parts, lower, upper = [], [], []
    for each in (*rows, *definitions):
        parts.append([each.terms.get(name, sp.csr_array((len(each), statement.columns[name].size))) for name in blocks])
        room = np.zeros(len(each)) if each in definitions else _room(each, margin)
        lower.append(each.lower + room)
        upper.append(each.upper - room)
    low, high = _bounds(columns, problem)
    integer = np.concatenate([np.full(block.size, int(block.integer)) for block in columns])
    # As little as the rules let it be: what is not promised to later periods can be spent now.
    aim = np.concatenate([np.full(block.size, float(block.name == "spend")) for block in columns])
    matrix = sp.vstack([sp.hstack(part) for part in parts]) if parts else sp.csr_array((0, len(low)))
    limits = LinearConstraint(
        sp.csr_array(matrix), np.concatenate(lower or [low[:0]]), np.concatenate(upper or [low[:0]])
    )
    answer = milp(
        aim,
        integrality=integer,
        bounds=Bounds(low, high),
        constraints=[limits],
        options={"time_limit": SECONDS},
    )
    if answer.x is None:
        return None
    start = int(sum(block.size for block in columns[: blocks.index("spend")]))
    return np.asarray(answer.x[start : start + columns[blocks.index("spend")].size]).reshape(problem.shape)


def _linear(rows: Rows, columns: dict[str, Columns]) -> bool:
    """Whether every column in the rows is tied to the spend by linear rows of the statement."""
    return all(
        name in ("spend", "funded", "moved", "stock", "drawn", "unspent", "account") for name in rows.terms
    ) and all(name in columns for name in rows.terms)


def _room(rows: Rows, margin: float) -> FloatArray:
    """What to keep from the bounds, nothing where they are equal or count what is funded."""
    if "funded" in rows.terms or not margin:
        return np.zeros(len(rows))
    size = np.maximum(
        np.where(np.isfinite(rows.lower), np.abs(rows.lower), 0.0),
        np.where(np.isfinite(rows.upper), np.abs(rows.upper), 0.0),
    )
    with np.errstate(invalid="ignore"):
        width = np.where(np.isfinite(rows.upper - rows.lower), rows.upper - rows.lower, np.inf)
    return np.asarray(np.minimum(margin * size, width / 4.0))


def _bounds(columns: list[Columns], problem: Problem) -> tuple[FloatArray, FloatArray]:
    low = [np.broadcast_to(block.lower, block.shape).ravel() for block in columns]
    high = [np.broadcast_to(block.upper, block.shape).ravel() for block in columns]
    return np.concatenate(low).astype(np.float64), np.concatenate(high).astype(np.float64)
