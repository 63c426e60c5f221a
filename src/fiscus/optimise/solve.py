"""The front door: a problem and a method in, a checked result out."""

from __future__ import annotations

import time
from dataclasses import replace
from importlib.metadata import version
from typing import Literal, get_args

import numpy as np

from fiscus.core.arrays import frozen
from fiscus.core.feasibility import violations
from fiscus.core.methods import plan, pro_rata
from fiscus.core.objective import objective
from fiscus.core.problem import METHODS, Method, Problem
from fiscus.core.risk import Measure, RiskAversion
from fiscus.errors import InvalidInput, RouteUnavailable
from fiscus.optimise import highs
from fiscus.optimise.binding import duals_of, priced, unpriced
from fiscus.optimise.reasons import unbounded_reasons
from fiscus.optimise.refine import search_form
from fiscus.optimise.repair.repairs import explain_infeasible
from fiscus.optimise.result import Result, Status
from fiscus.optimise.search import Limits, Search, better
from fiscus.optimise.strict import keep_within
from fiscus.optimise.tree_route import few_side_rows, search_decomposed, search_tree, why_not_tree

Route = Literal["auto", "tree", "highs", "pyomo"]
ROUTES: tuple[Route, ...] = get_args(Route)

LINEAR_GAP = 1e-6
S_CURVE_GAP = 1e-4

REPAIR_SECONDS = 20.0
"""Most time given to finding out why there is no plan and what would repair it."""

LARGEST_SEED = 2**31 - 1


def solve(
    problem: Problem,
    *,
    method: Method | None = None,
    route: Route = "auto",
    time_limit: float | None = None,
    gap: float | None = None,
    seed: int = 0,
    risk: str | None = None,
    aversion: float | None = None,
) -> Result:
    """Make a plan.

    Args:
        problem: What to allocate under which rules.
        method: How; the problem's own when not given.
        route: ``tree`` splits exactly under nested envelopes, ``highs`` hands arrays to HiGHS, ``pyomo`` goes through the open
            model, ``auto`` takes the tree where it can and HiGHS elsewhere.
        time_limit: Seconds; when it is reached, the best plan so far is returned with its gap.
        gap: Relative gap at which a plan is called optimal; 1e-6, or 1e-4 where curves are S-shaped.
        seed: Of the solver.
        risk: Measure of risk to be averse to, ``cvar:LEVEL``, ``worst``, ``chance:LEVEL`` or ``meanvar``; the problem's own when
            not given.
        aversion: Weight of the measure in the objective, >= 0; 1 when only ``risk`` is given.

    Returns:
        A result, whatever happens: infeasible and unbounded problems give one with reasons.

    Raises:
        InvalidInput: For an unknown method or route, or a limit that cannot be meant.
        RouteUnavailable: When the route cannot hold the problem; the message says which can.
    """
    _check(method or problem.method, route, time_limit, gap, seed)
    problem = _averse(problem, risk, aversion)
    return find(problem, method=method, route=route, time_limit=time_limit, gap=gap, seed=seed, strict=True)


def find(
    problem: Problem,
    *,
    method: Method | None = None,
    route: Route = "auto",
    time_limit: float | None = None,
    gap: float | None = None,
    seed: int = 0,
    strict: bool = False,
) -> Result:
    """:func:`solve` for those who solve many times on the way to an answer: limits on risk hold as the referee sees them.

    Args:
        problem: What to allocate under which rules.
        method: As there.
        route: As there.
        time_limit: As there.
        gap: As there.
        seed: As there.
        strict: Whether exact amounts keep limits on risk too, which may take one more solve.

    Raises:
        RouteUnavailable: When the route cannot hold the problem; the message says which can.
    """
    began = time.perf_counter()
    method = method or problem.method
    curved = bool((~problem.lines.curves.concave & ~problem.lines.curves.polyhedral).any())
    tolerance = gap if gap is not None else (S_CURVE_GAP if curved else LINEAR_GAP)
    limits = Limits(tolerance, np.inf if time_limit is None else time.monotonic() + time_limit, seed)
    asked = plan(problem, method)
    search = _search(asked.problem, route, limits)
    judged = asked.judged
    if asked.problem is not judged and search.best is not None:
        # The method has an aim of its own; what its plan is worth, and the best that was possible, are the problem's.
        value = objective(judged, search.best)
        best = _search(judged, route, limits)
        bound = max(best.bound, value)
        search = replace(search, value=value, bound=bound, stake=best.stake, rounds=search.rounds + best.rounds)
        search.boxes, search.points = best.boxes, best.points
        search.seconds["solver"] += best.seconds["solver"]
    elif asked.seeks_value:
        _keep_up(judged, search, limits)
        if strict:
            keep_within(judged, search, limits)
    result = _result(judged, method, search, limits)
    result = replace(result, reasons=(*asked.notes, *result.reasons))
    if not asked.seeks_value:
        # Duals of a method's own aim are no values of money: say what binds, and no prices.
        result = replace(result, binding=unpriced(judged, search.best), duals_of="")
    return replace(result, timings={**search.seconds, "total": time.perf_counter() - began})


def _check(method: str, route: str, time_limit: float | None, gap: float | None, seed: int) -> None:
    if method not in METHODS:
        raise InvalidInput(f"method is one of {', '.join(METHODS)}, got {method!r}")
    if route not in ROUTES:
        raise InvalidInput(f"route is one of {', '.join(ROUTES)}, got {route!r}")
    if time_limit is not None and not time_limit > 0:
        raise InvalidInput(f"time_limit is seconds above zero, got {time_limit}")
    if not 0 <= seed <= LARGEST_SEED:
        raise InvalidInput(f"seed is a whole number from 0 to {LARGEST_SEED}, got {seed}")
    if gap is not None and not 0 <= gap < 1:
        raise InvalidInput(f"gap is a fraction in [0, 1), got {gap}")


def _averse(problem: Problem, risk: str | None, aversion: float | None) -> Problem:
    """The problem with another aversion to risk, where one is given."""
    if risk is None and aversion is None:
        return problem
    if aversion is not None and not 0 <= aversion < np.inf:
        raise InvalidInput(f"aversion is a number that is not negative, got {aversion}")
    if risk is None and problem.risk is None:
        raise InvalidInput("aversion needs a measure of risk, such as risk='cvar:0.95'")
    measure = problem.risk.measure if risk is None and problem.risk else Measure.parse(risk or "")
    return problem.but(risk=RiskAversion(measure, 1.0 if aversion is None else aversion))


def _search(problem: Problem, route: Route, limits: Limits) -> Search:
    """The best plan by the route asked for, or by the one that serves."""
    if route in ("auto", "tree"):
        obstacle = why_not_tree(problem)
        search = None if obstacle else search_tree(problem, limits)
        across = few_side_rows(problem) if obstacle else None
        if across is not None:
            search = search_decomposed(problem, across, limits)
        elif obstacle and route == "tree":
            raise RouteUnavailable(f"the tree route cannot hold this problem: {obstacle}; route highs can")
        if search is not None and (search.gap <= limits.gap or route == "tree"):
            return search
        if search is not None:
            return better(search, search_form(problem, "highs", limits))
    return search_form(problem, "pyomo" if route == "pyomo" else "highs", limits)


def _keep_up(problem: Problem, search: Search, limits: Limits) -> None:
    """Where the search stopped short, never be worse than last year's plan or asks cut pro rata, if those obey the rules."""
    if (search.best is not None and search.gap <= limits.gap) or search.reason:
        return
    if search.outcome is not None and search.outcome.status in ("infeasible", "unbounded"):
        return
    last_year = np.broadcast_to(problem.lines.prior, problem.shape)
    for name, spend in (("last year's", last_year), ("the pro rata", pro_rata(problem))):
        if violations(problem, spend):
            continue
        value = objective(problem, spend)
        if value > search.value and value <= search.bound:
            search.best, search.value, search.binding = np.array(spend), value, unpriced(problem, spend)
            search.notes = (f"The search stopped before it found anything better than {name} plan, which is returned.",)


def _result(problem: Problem, method: Method, search: Search, limits: Limits) -> Result:
    status, reasons = _verdict(problem, search, limits)
    found = search.best is not None
    return Result(
        problem=problem,
        method=method,
        route=search.route,
        status=status,
        value=search.value if found else np.nan,
        bound=search.bound,
        gap=search.gap if found else np.nan,
        solution=frozen(search.best) if search.best is not None else None,
        binding=priced(search) if found else (),
        duals_of=duals_of(search),
        reasons=(*reasons, *search.notes),
        versions={"fiscus": version("fiscus"), "highs": highs.version()},
        seed=limits.seed,
        rounds=search.rounds,
        boxes=search.boxes,
        points=search.points,
        tolerance=limits.gap,
    )


def _verdict(problem: Problem, search: Search, limits: Limits) -> tuple[Status, tuple[str, ...]]:
    if search.best is not None:
        return ("optimal" if search.gap <= limits.gap else "feasible"), ()
    if search.reason:
        return "infeasible", (search.reason,)
    if search.outcome is None or search.last is None:
        return "no_solution", ("Nothing was solved.",)
    if search.outcome.status == "infeasible":
        return "infeasible", explain_infeasible(
            problem, time_limit=min(REPAIR_SECONDS, limits.seconds or REPAIR_SECONDS)
        )
    if search.outcome.status == "unbounded":
        return "unbounded", unbounded_reasons(problem)
    if search.broken:
        return "no_solution", ("The solver's plan was refused by the referee:", *search.broken)
    return "no_solution", (f"The limit was reached before any plan was found ({search.outcome.message}).",)
