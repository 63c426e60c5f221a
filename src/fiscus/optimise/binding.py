"""Rows that hold with nothing to spare, and what one more unit of them would be worth."""

from __future__ import annotations

import numpy as np

from fiscus.core.arrays import FloatArray
from fiscus.core.problem import Problem
from fiscus.core.rows import Rows
from fiscus.optimise.result import Binding
from fiscus.optimise.search import Search

YES_OR_NO = ("lumpy", "funded", "min_ticket")
"""Kinds of rows that only tie amounts to choices; that they bind says nothing."""

TOUCHING = 1e-5
"""Relative distance within which the plan itself must touch a bound that binds: it may come from an earlier round of a search."""


def at_bounds(rows: Rows, activity: FloatArray) -> list[tuple[int, float]]:
    """Rows that hold with nothing to spare, and the bound that they touch."""
    touching = []
    for bound in (rows.lower, rows.upper):
        scale = np.maximum(1.0, np.where(np.isfinite(bound), np.abs(bound), 1.0))
        close = np.flatnonzero(np.abs(activity - bound) <= 1e-7 * scale)
        touching += [(row, float(bound[row])) for row in close.tolist()]
    return touching


def unpriced(problem: Problem, spend: FloatArray | None) -> tuple[Binding, ...]:
    """Rows of the problem's rules that hold with nothing to spare at a plan."""
    if spend is None:
        return ()
    point = problem.statement.point(spend)
    found = []
    for rows in problem.statement.rows:
        if rows.kind in YES_OR_NO or not len(rows):
            continue
        labels = rows.labels
        found += [
            Binding(labels[row][0], labels[row], rows.kind, bound, None)
            for row, bound in at_bounds(rows, rows.activity(point))
        ]
    unique = {(each.row, each.kind): each for each in found}
    return tuple(sorted(unique.values(), key=lambda each: each.row))


def duals_of(search: Search) -> str:
    if search.binding is not None:
        return "problem" if any(each.price is not None for each in search.binding) else ""
    if search.outcome is None or search.outcome.row_dual is None or search.last is None:
        return ""
    return "problem with integers fixed" if search.last.integer.any() else "problem"


def priced(search: Search) -> tuple[Binding, ...]:
    """Rows of rules at one of their bounds in the last solved model, dearest first."""
    if search.binding is not None:
        return search.binding
    model, outcome = search.last, search.outcome
    if model is None:
        return ()
    if outcome is None or outcome.solution is None or outcome.row_dual is None:
        return unpriced(model.problem, search.best)
    activity = model.matrix @ outcome.solution
    stated = {id(each.labels): each for each in model.problem.statement.rows}
    point = None if search.best is None else model.problem.statement.point(search.best)
    found = []
    for rows, start in zip(model.rows, model.offsets[:-1].tolist(), strict=True):
        ruled = stated.get(id(rows.labels))
        if ruled is None or rows.kind in YES_OR_NO:
            continue
        place = slice(start, start + len(rows))
        duals = outcome.row_dual[place]
        truly = None if point is None else ruled.activity(point)
        for row, bound in at_bounds(rows, activity[place]):
            # A soft rule that is missed has a price; one with room to spare has none.
            missed = (
                truly is not None and ruled.penalty is not None and not rows.lower[row] <= truly[row] <= rows.upper[row]
            )
            if truly is not None and not missed and abs(truly[row] - bound) > TOUCHING * max(1.0, abs(bound)):
                continue  # A solver may leave cash or risk at a bound that the plan itself keeps away from.
            found.append(Binding(rows.labels[row][0], rows.labels[row], rows.kind, bound, float(duals[row])))
    unique = {(each.row, each.kind): each for each in found}
    return tuple(sorted(unique.values(), key=lambda each: (-abs(each.price or 0.0), each.row)))
