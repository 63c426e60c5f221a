"""Plans inside their limits on risk to the last minor unit, where a solver kept to them within its tolerance only.

A solver keeps a row to about 1e-7 of its size, and where curves are over-estimated the plan loses a little more than the model
says. The referee allows both (§3.7), but exact amounts either keep a limit or they do not. So the model is solved once more
under limits tightened by a few times what was missed, and the plan moves towards that answer as little as it takes: all
other rules are linear in between, and the measures of risk are convex.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from fiscus.core.apportion import apportion
from fiscus.core.arrays import FloatArray
from fiscus.core.feasibility import violations
from fiscus.core.objective import objective
from fiscus.core.problem import Problem
from fiscus.core.risk import Measure
from fiscus.core.rules import Risk
from fiscus.errors import InvalidRule
from fiscus.optimise import highs
from fiscus.optimise.form import form
from fiscus.optimise.refine import clean, search_form
from fiscus.optimise.search import Limits, Search, timed

FACTORS = (2.0, 8.0, 32.0)
"""Times what was missed by which limits are tightened, tried in turn."""

HALVINGS = 24

NOTE = "Its exact amounts keep the limits on risk to the minor unit, which costs more than the gap that was asked for."

FINER = 8.0
"""By how much finer the search is run again where keeping the limits costs more than the gap had left."""


def limited(problem: Problem) -> tuple[Risk, ...]:
    """Hard limits on measures of risk that are convex in the plan: all but chances."""
    return tuple(
        rule
        for rule in problem.rules
        if isinstance(rule, Risk) and rule.hard and Measure.parse(rule.measure).kind in ("cvar", "worst")
    )


def keep_within(problem: Problem, search: Search, limits: Limits) -> None:
    """Replace the best plan by one near it whose exact amounts keep every limit on risk; leave it where none is found.

    Args:
        problem: With its rules.
        search: Whose best plan is looked at; its bound stays what it is.
        limits: What the solver may take.
    """
    if search.best is None or not limited(problem):
        return
    aimed = search.gap <= limits.gap
    if not _mend(problem, search, limits) or search.gap <= limits.gap or not aimed:
        return
    # What the limits cost came on top of a gap that was used up nearly: a finer search leaves room for it.
    finer = replace(limits, gap=limits.gap / FINER)
    again = search_form(problem, search.route, finer)
    if _mend(problem, again, finer) and again.gap < search.gap:
        again.rounds += search.rounds
        again.seconds = {part: again.seconds[part] + search.seconds[part] for part in again.seconds}
        vars(search).update(vars(again))
    if search.gap > limits.gap:
        search.notes = (*search.notes, NOTE)


def _mend(problem: Problem, search: Search, limits: Limits) -> bool:
    """Move the search's plan inside its limits where its exact amounts are not; whether they are now."""
    if search.best is None:
        return False
    with timed(search, "referee"):
        missed, rounded = _missed(problem, search.best)
    if rounded <= 0:
        return True
    for factor in FACTORS:
        inner = _tightened(problem, search, factor * max(missed, rounded), limits)
        if inner is None:
            return False
        with timed(search, "referee"):
            found = _between(problem, search.best, inner, max(rounded - max(missed, 0.0), 0.0))
        if found is not None:
            search.best, search.value = found, objective(problem, found)
            search.bound = max(search.bound, search.value)
            return True
    return False


def _between(problem: Problem, outer: FloatArray, inner: FloatArray, room: float) -> FloatArray | None:
    """The nearest plan to ``outer`` on the way to ``inner`` that keeps the limits, with room for rounding; None for none."""
    if _beyond(problem, inner) > -room:
        return None
    near, far = 0.0, 1.0
    for _ in range(HALVINGS):
        middle = 0.5 * (near + far)
        if _beyond(problem, (1.0 - middle) * outer + middle * inner) <= -room:
            far = middle
        else:
            near = middle
    for share in (far, min(2.0 * far, 1.0), 1.0):
        plan = (1.0 - share) * outer + share * inner
        if not violations(problem, plan) and not apportion(problem, plan).unmet:
            return plan
    return None


def _beyond(problem: Problem, spend: FloatArray) -> float:
    """By how much a plan is beyond the limit that it misses most, units of value; negative inside all of them."""
    point = problem.statement.point(spend)
    rows = [rows for rows in problem.statement.rows if rows.kind == Risk.kind and rows.penalty is None and len(rows)]
    return max((float((each.activity(point) - each.upper).max()) for each in rows), default=-np.inf)


def _missed(problem: Problem, spend: FloatArray) -> tuple[float, float]:
    """By how much a plan is beyond its limits, and its exact amounts; the second is 0 where they keep every rule."""
    made = apportion(problem, spend)
    return _beyond(problem, spend), max(_beyond(problem, made.amounts), 0.0) if made.unmet else 0.0


def _tightened(problem: Problem, search: Search, margin: float, limits: Limits) -> FloatArray | None:
    """The best plan under limits that are tighter by a margin, the yes-or-no choices of the last model kept."""
    model, outcome = search.last, search.outcome
    if model is None or outcome is None or outcome.solution is None or search.points is None:
        return None
    tighter = {rule.id: rule.model_copy(update={"limit": rule.limit - margin}) for rule in limited(problem)}
    try:
        with timed(search, "form"):
            strict = form(problem.but(rules=tuple(tighter.get(rule.id, rule) for rule in problem.rules)), search.points)
    except InvalidRule:
        return None
    if len(strict.lower) != len(model.lower):
        return None
    chosen = np.round(outcome.solution)
    fixed = replace(
        strict,
        lower=np.where(model.integer, chosen, strict.lower),
        upper=np.where(model.integer, chosen, strict.upper),
        integer=np.zeros_like(strict.integer),
    )
    with timed(search, "solver"):
        answer = highs.run(fixed, gap=limits.gap, time_limit=limits.seconds, seed=limits.seed)
    search.rounds += 1
    return None if answer.solution is None else clean(problem, strict, answer.solution)
