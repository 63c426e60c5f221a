"""The front door: a problem and a method in, a checked result out."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from typing import Literal, get_args

import numpy as np

from fiscus.core.arrays import FloatArray, frozen
from fiscus.core.dynamics import stocks
from fiscus.core.feasibility import violations
from fiscus.core.methods import plan
from fiscus.core.objective import objective
from fiscus.core.problem import METHODS, Method, Problem
from fiscus.core.rows import Rows
from fiscus.core.rules import Risk
from fiscus.errors import InvalidInput, InvalidRule, RouteUnavailable
from fiscus.optimise import highs
from fiscus.optimise.form import form
from fiscus.optimise.highs import Outcome
from fiscus.optimise.layout import Arrays, Form
from fiscus.optimise.pieces import Points, initial_points, refined, stock_reach
from fiscus.optimise.reasons import infeasible_reasons, unbounded_reasons
from fiscus.optimise.result import Binding, Result, Status

Route = Literal["auto", "highs", "pyomo"]
ROUTES: tuple[Route, ...] = get_args(Route)

MOST_ROUNDS = 60
NEXT_TO_NOTHING = 1e-4
LINEAR_GAP = 1e-6
S_CURVE_GAP = 1e-4

LARGEST_SEED = 2**31 - 1

YES_OR_NO = ("lumpy", "funded", "min_ticket")
"""Kinds of rows that only tie amounts to choices; that they bind says nothing."""

Run = Callable[[Form, "Limits"], Outcome]


@dataclass(frozen=True, slots=True)
class Limits:
    """What a solve may take.

    Attributes:
        gap: Relative gap at which the answer is called optimal.
        deadline: On the monotonic clock, inf for none.
        seed: Of the solver.
    """

    gap: float
    deadline: float
    seed: int

    @property
    def seconds(self) -> float | None:
        """What is left, None for no limit."""
        return None if np.isinf(self.deadline) else max(self.deadline - time.monotonic(), 0.01)


def solve(
    problem: Problem,
    *,
    method: Method | None = None,
    route: Route = "auto",
    time_limit: float | None = None,
    gap: float | None = None,
    seed: int = 0,
) -> Result:
    """Make a plan.

    Args:
        problem: What to allocate under which rules.
        method: How; the problem's own when not given.
        route: ``highs`` hands arrays to HiGHS, ``pyomo`` goes through the open model, ``auto`` chooses.
        time_limit: Seconds; when it is reached, the best plan so far is returned with its gap.
        gap: Relative gap at which a plan is called optimal; 1e-6, or 1e-4 where curves are S-shaped.
        seed: Of the solver.

    Returns:
        A result, whatever happens: infeasible and unbounded problems give one with reasons.

    Raises:
        InvalidInput: For an unknown method or route, or a limit that cannot be meant.
        RouteUnavailable: When the route cannot hold the problem; the message says which can.
    """
    began = time.perf_counter()
    method = method or problem.method
    _check(method, route, time_limit, gap, seed)
    run = _run_pyomo if route == "pyomo" else _run_highs
    curved = bool((~problem.lines.curves.concave & ~problem.lines.curves.polyhedral).any())
    tolerance = gap if gap is not None else (S_CURVE_GAP if curved else LINEAR_GAP)
    limits = Limits(tolerance, np.inf if time_limit is None else time.monotonic() + time_limit, seed)
    asked = plan(problem, method)
    search = _search(asked.problem, run, limits)
    judged = asked.judged
    if asked.problem is not judged and search.best is not None:
        # The method has an aim of its own; what its plan is worth, and the best that was possible, are the problem's.
        value = objective(judged, search.best)
        best = _search(judged, run, limits)
        bound = max(best.bound, value)
        search = replace(search, value=value, bound=bound, stake=best.stake, rounds=search.rounds + best.rounds)
        search.seconds["solver"] += best.seconds["solver"]
    result = _result(judged, method, "pyomo" if route == "pyomo" else "highs", search, limits)
    result = replace(result, reasons=(*asked.notes, *result.reasons))
    if not asked.seeks_value:
        # Duals of a method's own aim are no values of money: say what binds, and no prices.
        result = replace(result, binding=_unpriced(judged, search.best), duals_of="")
    return replace(result, timings={**search.seconds, "total": time.perf_counter() - began})


def _check(method: str, route: str, time_limit: float | None, gap: float | None, seed: int) -> None:
    if method not in METHODS:
        raise InvalidInput(f"method is one of {', '.join(METHODS)}, got {method!r}")
    if route == "tree":
        raise RouteUnavailable("the tree route is not built yet; route highs solves the same problems")
    if route not in ROUTES:
        raise InvalidInput(f"route is one of {', '.join(ROUTES)}, got {route!r}")
    if time_limit is not None and not time_limit > 0:
        raise InvalidInput(f"time_limit is seconds above zero, got {time_limit}")
    if not 0 <= seed <= LARGEST_SEED:
        raise InvalidInput(f"seed is a whole number from 0 to {LARGEST_SEED}, got {seed}")
    if gap is not None and not 0 <= gap < 1:
        raise InvalidInput(f"gap is a fraction in [0, 1), got {gap}")


@dataclass
class Search:
    """State of the refinement: the best checked plan and the best proven bound so far.

    Attributes:
        best: Best allocation that the referee passes, shape (T, n), or None.
        value: Its true objective.
        bound: Least upper bound proven by any round.
        last: The last form solved.
        outcome: What the solver said of it.
        broken: Sentences of the referee about the last plan it refused.
    """

    best: FloatArray | None = None
    value: float = -np.inf
    bound: float = np.inf
    last: Form | None = None
    outcome: Outcome | None = None
    broken: tuple[str, ...] = ()
    reason: str = ""
    rounds: int = 0
    stake: float = 0.0
    seconds: dict[str, float] = field(default_factory=lambda: {"form": 0.0, "solver": 0.0, "referee": 0.0})

    @property
    def gap(self) -> float:
        """Relative gap between the best plan and the bound."""
        return relative_gap(self.value, self.bound, self.stake)


def relative_gap(value: float, bound: float, stake: float = 0.0) -> float:
    """``(bound - value) / max(|value|, |bound|)``; inf where nothing is proven, NaN where there is no plan.

    Where the best is next to nothing, as when no project is worth its money, the gap is relative to what is at stake: the benefits
    and costs of all that could be bought.
    """
    if not np.isfinite(value):
        return np.nan
    if not np.isfinite(bound):
        return np.inf
    size = max(abs(value), abs(bound))
    if np.isfinite(stake) and size < NEXT_TO_NOTHING * stake:
        size = stake
    return 0.0 if bound <= value or size < 1e-12 else (bound - value) / size


def at_stake(problem: Problem) -> float:
    """Benefits and costs of buying all that each line can get, units of value; inf where nothing bounds that."""
    stock = stock_reach(problem)
    if not np.isfinite(stock).all():
        return np.inf
    benefit = problem.scenarios.expected() * problem.lines.weight * problem.lines.curves.value(stock)
    return float(benefit.sum() + problem.spend_weight * problem.reach.sum())


def _search(problem: Problem, run: Run, limits: Limits) -> Search:
    """Solve the over-estimate, look at the true curves, refine where they differ, until the gap is closed (§4)."""
    search = Search(stake=at_stake(problem))
    points = initial_points(problem)
    while search.rounds < MOST_ROUNDS:
        try:
            with _timed(search, "form"):
                search.last = form(problem, points)
        except InvalidRule as error:
            search.reason = str(error)
            return search
        with _timed(search, "solver"):
            search.outcome = run(search.last, limits)
        search.rounds += 1
        if search.outcome.status in ("infeasible", "unbounded") or search.outcome.solution is None:
            return search
        with _timed(search, "referee"):
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
    if search.best is None:
        _tighten(search, problem, points, run, limits)
    return search


class _timed:  # noqa: N801 - reads as a statement.
    """Adds the seconds of a block to a search's timings."""

    def __init__(self, search: Search, part: str) -> None:
        self.search, self.part = search, part

    def __enter__(self) -> None:
        self.began = time.perf_counter()

    def __exit__(self, *_: object) -> None:
        self.search.seconds[self.part] += time.perf_counter() - self.began


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


def _run_highs(model: Form, limits: Limits) -> Outcome:
    return polished(model, limits)


def _run_pyomo(model: Form, limits: Limits) -> Outcome:
    from fiscus.optimise.pyomo_model import through_pyomo

    compiled = through_pyomo(model)
    outcome = polished(compiled.arrays, limits)
    if outcome.solution is None:
        return outcome
    duals = outcome.row_dual
    if duals is not None:
        duals = np.asarray(np.bincount(compiled.row, duals, minlength=model.matrix.shape[0]), dtype=np.float64)
    return replace(outcome, solution=outcome.solution[compiled.column], row_dual=duals, column_dual=None)


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


def _result(problem: Problem, method: Method, route: str, search: Search, limits: Limits) -> Result:
    status, reasons = _verdict(problem, search, limits)
    found = search.best is not None
    return Result(
        problem=problem,
        method=method,
        route=route,
        status=status,
        value=search.value if found else np.nan,
        bound=search.bound,
        gap=search.gap if found else np.nan,
        solution=frozen(search.best) if search.best is not None else None,
        binding=_binding(search) if found else (),
        duals_of=_duals_of(search),
        reasons=reasons,
        versions={"fiscus": version("fiscus"), "highs": highs.version()},
        seed=limits.seed,
        rounds=search.rounds,
    )


def _verdict(problem: Problem, search: Search, limits: Limits) -> tuple[Status, tuple[str, ...]]:
    if search.best is not None:
        return ("optimal" if search.gap <= limits.gap else "feasible"), ()
    if search.reason:
        return "infeasible", (search.reason,)
    if search.outcome is None or search.last is None:
        return "no_solution", ("Nothing was solved.",)
    if search.outcome.status == "infeasible":
        return "infeasible", infeasible_reasons(search.last)
    if search.outcome.status == "unbounded":
        return "unbounded", unbounded_reasons(problem)
    if search.broken:
        return "no_solution", ("The solver's plan was refused by the referee:", *search.broken)
    return "no_solution", (f"The limit was reached before any plan was found ({search.outcome.message}).",)


def _at_bounds(rows: Rows, activity: FloatArray) -> list[tuple[int, float]]:
    """Rows that hold with nothing to spare, and the bound that they touch."""
    touching = []
    for bound in (rows.lower, rows.upper):
        scale = np.maximum(1.0, np.where(np.isfinite(bound), np.abs(bound), 1.0))
        close = np.flatnonzero(np.abs(activity - bound) <= 1e-7 * scale)
        touching += [(row, float(bound[row])) for row in close.tolist()]
    return touching


def _unpriced(problem: Problem, spend: FloatArray | None) -> tuple[Binding, ...]:
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
            for row, bound in _at_bounds(rows, rows.activity(point))
        ]
    unique = {(each.row, each.kind): each for each in found}
    return tuple(sorted(unique.values(), key=lambda each: each.row))


def _duals_of(search: Search) -> str:
    if search.outcome is None or search.outcome.row_dual is None or search.last is None:
        return ""
    return "problem with integers fixed" if search.last.integer.any() else "problem"


def _binding(search: Search) -> tuple[Binding, ...]:
    """Rows of rules at one of their bounds in the last solved model, dearest first."""
    model, outcome = search.last, search.outcome
    if model is None or outcome is None or outcome.solution is None:
        return ()
    activity = model.matrix @ outcome.solution
    found = []
    for rows, start in zip(model.rows, model.offsets[:-1].tolist(), strict=True):
        ruled = any(rows.labels is each.labels for each in model.problem.statement.rows)
        if not ruled or rows.kind in YES_OR_NO:
            continue
        place = slice(start, start + len(rows))
        duals = outcome.row_dual[place] if outcome.row_dual is not None else None
        for row, bound in _at_bounds(rows, activity[place]):
            price = None if duals is None else float(duals[row])
            found.append(Binding(rows.labels[row][0], rows.labels[row], rows.kind, bound, price))
    unique = {(each.row, each.kind): each for each in found}
    return tuple(sorted(unique.values(), key=lambda each: (-abs(each.price or 0.0), each.row)))
