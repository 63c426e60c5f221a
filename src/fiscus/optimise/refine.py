"""The array and Pyomo routes: solve an over-estimate, look at the true curves, refine where they differ (§4, solvers)."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from fiscus.core.arrays import FloatArray
from fiscus.core.dynamics import stocks
from fiscus.core.feasibility import violations
from fiscus.core.objective import objective
from fiscus.core.problem import Problem
from fiscus.core.rules import Risk
from fiscus.errors import InvalidInput, InvalidRule
from fiscus.optimise import highs
from fiscus.optimise.certificate import Boxes, multipliers_of
from fiscus.optimise.form import form
from fiscus.optimise.highs import Outcome
from fiscus.optimise.layout import Arrays, Form
from fiscus.optimise.pieces import Points, initial_points, refined
from fiscus.optimise.search import Limits, Search, at_stake, timed
from fiscus.optimise.squares import search_squares, serves

MOST_ROUNDS = 60

Run = Callable[[Form, Limits], Outcome]


def search_form(problem: Problem, route: str, limits: Limits) -> Search:
    """Solve the over-estimate, look at the true curves, refine where they differ, until the gap is closed (§4)."""
    run: Run = run_pyomo if route == "pyomo" else run_highs
    search = Search(route, stake=at_stake(problem))
    divisible = route != "pyomo" and serves(problem)
    if divisible and not problem.lines.curves.polyhedral.all():
        # Cuts are many times faster than quadratic programs over pieces, and S-curves need no yes-or-no choices.
        search_squares(problem, search, limits)
        if search.gap <= limits.gap or not problem.lines.curves.concave.all():
            return search
    points = initial_points(problem)
    while search.rounds < MOST_ROUNDS:
        try:
            with timed(search, "form"):
                search.last, search.points = form(problem, points), points
        except InvalidRule as error:
            search.reason = str(error)
            return search
        with timed(search, "solver"):
            search.outcome = run(search.last, limits)
        search.rounds += 1
        if search.outcome.status in ("infeasible", "unbounded"):
            return search
        if search.outcome.solution is None:
            break
        with timed(search, "referee"):
            stock, errors = _judge(search, problem)
        if search.gap <= limits.gap or time.monotonic() > limits.deadline or not len(points):
            break
        allowed = 0.5 * limits.gap * max(abs(search.value), abs(search.bound))
        more = refined(problem, points, stock, errors, allowed)
        if len(more) == len(points):
            # Small errors weigh more where risk is priced or limited: then every error counts.
            more = refined(problem, points, stock, errors, 0.0)
        if len(more) == len(points):
            break
        points = more
    if search.best is None and search.outcome is not None and search.outcome.solution is not None:
        _tighten(search, problem, points, run, limits)
    if divisible and problem.lines.curves.polyhedral.all() and not search.gap <= limits.gap:
        search_squares(problem, search, limits)
    return search


def _judge(search: Search, problem: Problem) -> tuple[FloatArray, FloatArray]:
    """Clean the plan, have the referee check it, keep it if it is the best; where was the model off?

    Returns:
        The stock of the model's own solution and the error of its curves there as the objective weighs it, both (T, n).
    """
    model, outcome = search.last, search.outcome
    if model is None or outcome is None or outcome.solution is None:
        raise InvalidInput("nothing was solved")
    bound = outcome.bound + model.constant
    search.bound = min(search.bound, bound)
    spend = clean(problem, model, outcome.solution)
    broken = violations(problem, spend)
    if broken:
        search.broken = tuple(each.sentence for each in broken)
    else:
        value = objective(problem, spend)
        if search.best is None or value > search.value:
            search.best, search.value = spend, value
    search.bound = max(search.bound, search.value)
    if outcome.row_dual is not None and not model.integer.any():
        search.boxes = Boxes(multipliers_of(model, outcome.row_dual))
    stock = stocks(problem, spend)
    weight = problem.scenarios.expected() * problem.lines.weight * problem.benefit_discount[:, None]
    error = weight * (model.estimated_effect(outcome.solution) - problem.lines.curves.value(stock))
    return stock, error


def clean(problem: Problem, model: Form, solution: FloatArray) -> FloatArray:
    """The allocation without solver dust: inside its bounds, all-or-nothing lines at exactly all or nothing."""
    spend = np.clip(model.spend(solution), problem.lines.floor, problem.lines.cap)
    grain = 1e-9 * np.maximum(1.0, np.where(np.isfinite(problem.lines.cap), problem.lines.cap, np.abs(spend)))
    for edge in (problem.lines.floor, problem.lines.cap, np.zeros_like(spend)):
        spend = np.where(np.abs(spend - edge) <= grain, edge, spend)
    if "funded" in model.blocks:
        funded = model.values(solution, "funded") > 0.5
        lumpy = problem.lines.lumpy & problem.statement.indicated
        spend = np.where(lumpy, np.where(funded, problem.lines.cap, 0.0), spend)
        spend = np.where(problem.statement.indicated & ~funded, 0.0, spend)
    return spend


def _tighten(search: Search, problem: Problem, points: Points, run: Run, limits: Limits) -> None:
    """Where over-estimated curves let the plan miss a risk limit, tighten the limit by the miss and solve again."""
    margin = 0.0
    for _ in range(8):
        broken = _risk_misses(search, problem)
        if not broken:
            return
        margin += 1.5 * max(broken)
        rules = tuple(
            rule.model_copy(update={"limit": rule.limit - margin}) if isinstance(rule, Risk) and rule.hard else rule
            for rule in problem.rules
        )
        strict = problem.but(rules=rules)
        model = form(strict, points)
        outcome = run(model, limits)
        search.rounds += 1
        if outcome.solution is None:
            return
        spend = clean(strict, model, outcome.solution)
        if not violations(problem, spend):
            search.best, search.value = spend, objective(problem, spend)
            search.bound = max(search.bound, search.value)
            return
        search.outcome, search.last = outcome, model


def _risk_misses(search: Search, problem: Problem) -> list[float]:
    if search.last is None or search.outcome is None or search.outcome.solution is None:
        return []
    risks = {rule.id for rule in problem.rules if isinstance(rule, Risk)}
    broken = violations(problem, clean(problem, search.last, search.outcome.solution))
    if any(each.rule not in risks for each in broken):
        return []
    return [each.distance for each in broken]


def run_highs(model: Form, limits: Limits) -> Outcome:
    return polished(model, limits)


def run_pyomo(model: Form, limits: Limits) -> Outcome:
    from fiscus.optimise.pyomo_model import through_pyomo

    compiled = through_pyomo(model)
    outcome = polished(compiled.arrays, limits)
    if outcome.solution is None:
        return outcome
    duals = outcome.row_dual
    if duals is not None:
        duals = np.asarray(np.bincount(compiled.row, duals, minlength=model.matrix.shape[0]), dtype=np.float64)
    return replace(outcome, row_dual=duals, column_dual=None)


def polished(arrays: Arrays, limits: Limits) -> Outcome:
    """Solve; for a MILP then solve again with the integers fixed, which sharpens the amounts and gives prices.

    A MILP's amounts are only as sharp as its integrality tolerance times the largest coefficient; with the integers fixed at
    0 or 1 exactly they are an LP's.
    """
    outcome = highs.run(arrays, gap=limits.gap / 2, time_limit=limits.seconds, seed=limits.seed)
    if outcome.solution is None or not arrays.integer.any():
        return outcome
    rounded = np.where(arrays.integer, np.round(outcome.solution), np.nan)
    lower = np.where(arrays.integer, rounded, arrays.lower)
    upper = np.where(arrays.integer, rounded, arrays.upper)
    fixed = replace(arrays, lower=lower, upper=upper, integer=np.zeros(len(lower), dtype=bool))
    sharp = highs.run(fixed, gap=limits.gap, time_limit=limits.seconds, seed=limits.seed)
    if sharp.status != "optimal":
        return outcome
    return replace(
        sharp,
        status=outcome.status,
        bound=outcome.bound,
        seconds=outcome.seconds + sharp.seconds,
        message=outcome.message,
    )
