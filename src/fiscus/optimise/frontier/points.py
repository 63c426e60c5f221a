"""Frontiers: what more budget buys, what less risk costs, what staying close to a reference plan costs.

All points of a frontier come from one persistent model in which only bounds of rows move (:mod:`fiscus.optimise.frontier.sweep`); every
plan is valued on the true curves and checked by the referee.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from fiscus.core.arrays import FloatArray, frozen
from fiscus.core.dynamics import evaluate
from fiscus.core.problem import Problem
from fiscus.core.risk import Measure
from fiscus.errors import InvalidInput, NoAllocation
from fiscus.optimise.frontier.curve import OVERS, Frontier, FrontierPoint, Over
from fiscus.optimise.frontier.families import EDGE, Alignments, Budgets, Risks
from fiscus.optimise.frontier.reference import Reference, reference_plan
from fiscus.optimise.frontier.sweep import Effort, Sweeper, Swept, WarmSweeper
from fiscus.optimise.frontier.tree_sweep import TreeSweeper
from fiscus.optimise.result import NEXT_TO_NOTHING, Result, relative_gap
from fiscus.optimise.search import at_stake
from fiscus.optimise.solve import LINEAR_GAP, S_CURVE_GAP, find

MOST_POINTS = 10_000
GROWTH = 1.5
"""Budgets are swept up to this factor of the plan's own."""
MILLION = 1e6
FINEST = 1e-4
"""Least step of the budget relative to it: a hundred times the tolerances of rules and gaps, or its worth would be lost in them."""


def frontier(
    problem: Problem,
    over: Over = "budget",
    *,
    points: int = 50,
    values: Sequence[float] | FloatArray | None = None,
    period: str | None = None,
    measure: str | None = None,
    reference: npt.ArrayLike | str | None = None,
    amount: float | None = None,
    gap: float | None = None,
    time_limit: float | None = None,
    seed: int = 0,
) -> Frontier:
    """A curve of best plans: value against budget, against risk, or against alignment with a reference plan.

    Over the *budget* all periods grow by one factor (or one ``period`` alone), from the least feasible total to where nothing
    more is gained, at most 1.5 times the plan's own. Over *risk* each plan has the least risk among those whose mean value is
    at least so much. Over *alignment* each has the most value among those aligned at least so much with the reference,
    ``1 - sum |x - reference| / (2 * budget)``.

    Args:
        problem: The plan; its method is set aside but for zero-based, since every point is a best plan.
        over: ``budget``, ``risk`` or ``alignment``.
        points: How many, evenly spread.
        values: Total budgets, least mean values or least alignments to solve at, in place of ``points``.
        period: Over the budget: the period whose budget varies.
        measure: Risk measure, ``cvar:LEVEL``, ``worst``, ``chance:LEVEL`` or ``meanvar``; the plan's own, or ``cvar:0.95``, when not given.
        reference: What alignment is measured with: amounts of shape (T, n) or (n,), or ``targets`` for the units' targets; last
            year when not given.
        amount: Over the budget: the step whose value is reported; a million, or less where the budget is small, or more where
            a million is lost in the tolerances (above ten thousand million).
        gap: Relative gap at which a point is called optimal; 1e-6, or 1e-4 where curves are S-shaped.
        time_limit: Seconds for each point.
        seed: Of the solver.

    Raises:
        InvalidInput: For arguments that cannot be meant, or a plan without what the frontier needs (scenarios, a budget).
        RouteUnavailable: For a measure of risk that this problem's rows cannot hold.
        NoAllocation: Where no plan obeys the hard rules.
    """
    _check(problem, over, points, values, period, amount, gap)
    problem = problem.but(ignore_prior=True) if problem.method == "zero_based" else problem
    curved = bool((~problem.lines.curves.concave & ~problem.lines.curves.polyhedral).any())
    effort = Effort(
        gap=gap if gap is not None else (S_CURVE_GAP if curved else LINEAR_GAP),
        time_limit=time_limit,
        seed=seed,
        stake=at_stake(problem),
    )
    tracer = _Tracer(problem, over, effort, _measure(problem, measure), reference_plan(problem, reference))
    given = None if values is None else sorted({float(each) for each in values})
    if over == "budget":
        return tracer.budget(given, points, period, amount)
    return tracer.risk(given, points) if over == "risk" else tracer.alignment(given, points)


def budget_sweeper(budgets: Budgets, effort: Effort) -> Sweeper:
    """What sweeps budgets: the tree where it serves, one warm model where budgets are right-hand sides, else each alone."""

    def alone(total: float) -> Swept:
        result = _solved(budgets.problem_at(total), effort)
        shares = dict(zip(budgets.problem.periods, budgets.budget_at(1.0) - budgets.budget_at(0.0), strict=True))
        prices = [each.price * shares[each.row[1]] for each in result.binding if each.kind == "budget" and each.price]
        return _as_swept(total, result, float(np.sum(prices)) if result.duals_of else np.nan)

    tree = TreeSweeper.of(budgets, effort)
    if tree is not None:
        return tree
    if budgets.moving is None:
        return _Alone(alone)
    return WarmSweeper(budgets.widest, budgets.family, budgets.judge, effort, alone, budgets.points)


@dataclass(frozen=True)
class _Alone:
    """Solves every value from scratch."""

    solve_one: Any

    def sweep(self, parameters: Sequence[float]) -> list[Swept]:
        return [self.solve_one(parameter) for parameter in parameters]


@dataclass(frozen=True, eq=False)
class _Tracer:
    """Traces one frontier."""

    problem: Problem
    over: Over
    effort: Effort
    measure: Measure | None
    reference: Reference

    def budget(self, values: list[float] | None, points: int, period: str | None, amount: float | None) -> Frontier:
        """Sweep totals, and a step up and down from the plan's own."""
        problem = self.problem
        total = float(problem.budget.sum() if period is None else problem.budget[problem.periods.index(period)])
        if not np.isfinite(total) and (values is None or (period is None and len(problem.periods) > 1)):
            raise InvalidInput("a frontier over the budget needs a finite budget in every period that it varies")
        known = np.isfinite(total)
        step = (_step(total) if amount is None else amount) if known else 0.0
        around = [each for each in (total, total + step, total - step) if each >= 0] if known else []
        top = max([*(values or []), *around, GROWTH * total if known else 0.0])
        if top <= 0 or (total == 0 and period is None and len(problem.periods) > 1):
            raise InvalidInput("a frontier over the budget needs a budget above zero")
        budgets = Budgets(problem, period, top)
        sweeper = budget_sweeper(budgets, self.effort)
        if values is None:
            most = GROWTH * total
            if isinstance(sweeper, TreeSweeper):
                least, enough = sweeper.range()
            else:
                least, enough = (0.5 * total, most) if budgets.moving is None else budgets.range(self.effort.gap)
            values = _grid(least, max(least, min(enough, most)), points)
        answers = sweeper.sweep([*values, *around])
        traced = [self._point(answer) for answer in answers]
        here = dict(zip(around, traced[len(values) :], strict=True))
        traced = traced[: len(values)]
        current = _solved_point(here.get(total))
        richer, poorer = _solved_point(here.get(total + step)), _solved_point(here.get(total - step))
        made = self._frontier(traced, current)
        return replace(made, period=period, amount=step, richer=richer, poorer=poorer)

    def risk(self, values: list[float] | None, points: int) -> Frontier:
        """Least risk for each least mean value."""
        problem, measure = self.problem, self.measure
        if measure is None:
            raise InvalidInput("a frontier over risk needs scenarios; this plan has one future only")
        risks = Risks(problem, measure)
        best = _solved(risks.neutral, self.effort)
        _require(best)
        effort = self.effort
        size = max(abs(best.value), NEXT_TO_NOTHING * effort.stake if np.isfinite(effort.stake) else 1.0)
        if measure.kind == "meanvar":
            # Small variances are next to nothing beside that of the plan of best mean, in squared units of value.
            effort = replace(effort, stake=risks.risk(best.allocation))
        judge = risks.judge_within(self.effort.gap * size)
        sweeper = WarmSweeper(risks.widest, risks.family, judge, effort, plans=(best.allocation,))
        if values is None:
            safest = sweeper.sweep([-np.inf])[0]
            low = best.value if safest.spend is None else risks.mean(safest.spend)
            polyhedral = bool(problem.lines.curves.polyhedral.all())
            if safest.spend is not None and (polyhedral or measure.kind == "meanvar"):
                # Where many plans are as safe, the frontier starts at the richest of them.
                low = max(low, risks.richest_of_safest(safest.aim) or low)
            high = best.value - EDGE * max(abs(best.value), abs(best.value - low))
            values = _grid(min(low, high), high, points)
        traced = [self._point(answer, risks, effort.stake) for answer in sweeper.sweep(values)]
        mine = best if problem.risk is None else _solved(problem, self.effort)
        current = None
        if mine.solution is not None:
            spend, price = mine.allocation, float(np.nan)
            swept = Swept(risks.mean(spend), mine.status, spend, -risks.risk(spend), np.inf, price)
            current = self._point(swept, risks, effort.stake)
        return self._frontier(traced, current)

    def alignment(self, values: list[float] | None, points: int) -> Frontier:
        """Most value for each least alignment."""
        problem, reference = self.problem, self.reference
        if not (np.isfinite(reference.whole) and reference.whole > 0):
            raise InvalidInput(
                "a frontier over alignment needs a budget above zero in total and finite in every period"
            )
        alignments = Alignments(problem, reference)
        best = _solved(problem, self.effort)
        _require(best)

        def alone(least: float) -> Swept:
            return _as_swept(least, _solved(alignments.problem_at(least), self.effort), np.nan)

        sweeper = WarmSweeper(alignments.widest, alignments.family, alignments.judge, self.effort, alone)
        low = reference.alignment(best.allocation)
        if values is None:
            whole = bool(problem.lines.curves.polyhedral.all())
            low = max(low, (alignments.most_of_best(best.value) or low) if whole else low)
            high = alignments.most(self.effort.gap)
            values = _grid(min(low, high), high, points)
        traced = [self._point(answer) for answer in sweeper.sweep(values)]
        swept = Swept(reference.alignment(best.allocation), best.status, best.allocation, best.value, best.bound, 0.0)
        return self._frontier(traced, self._point(swept))

    def _frontier(self, points: list[FrontierPoint], current: FrontierPoint | None) -> Frontier:
        measure = "" if self.measure is None else str(self.measure)
        return Frontier(self.problem, self.over, tuple(points), current, measure, self.reference.name)

    def _point(self, swept: Swept, risks: Risks | None = None, stake: float | None = None) -> FrontierPoint:
        """A sweep's answer as a point; the stake is the plan's own where it is not given."""
        spend, sign = swept.spend, 1.0 if risks is None else -1.0
        blank = FrontierPoint(
            swept.parameter, swept.status, np.nan, sign * swept.bound, None, np.nan, np.nan, np.nan, np.nan, np.nan
        )
        if spend is None:
            return blank
        risk = np.nan
        if self.measure is not None:
            loss = -evaluate(self.problem, spend)
            risk = float(self.measure.of_loss(loss, self.problem.scenarios.probability))
        return replace(
            blank,
            value=swept.aim if risks is None else risks.mean(spend),
            spend=frozen(spend),
            spent=float(spend.sum()),
            risk=risk,
            alignment=self.reference.alignment(spend),
            price=sign * swept.price + 0.0,  # No minus zeros.
            gap=relative_gap(swept.aim, swept.bound, self.effort.stake if stake is None else stake),
        )


def _check(
    problem: Problem,
    over: str,
    points: int,
    values: Sequence[float] | FloatArray | None,
    period: str | None,
    amount: float | None,
    gap: float | None,
) -> None:
    if over not in OVERS:
        raise InvalidInput(f"a frontier is over one of {', '.join(OVERS)}, got {over!r}")
    if not 2 <= points <= MOST_POINTS:
        raise InvalidInput(f"points is a whole number from 2 to {MOST_POINTS:,}, got {points}")
    if values is not None:
        array = np.asarray(values, dtype=np.float64)
        if array.ndim != 1 or not 1 <= len(array) <= MOST_POINTS or not np.isfinite(array).all():
            raise InvalidInput(f"values is a list of 1 to {MOST_POINTS:,} finite numbers")
        if over == "budget" and (array < 0).any():
            raise InvalidInput(f"a budget is not negative, got {array.min():g}")
        if over == "alignment" and (array > 1).any():
            raise InvalidInput(f"an alignment is at most 1, got {array.max():g}")
    if period is not None and (over != "budget" or period not in problem.periods):
        periods = ", ".join(problem.periods)
        raise InvalidInput(f"period is one of {periods}, over the budget only, got {period!r}")
    if amount is not None and not 0 < amount < np.inf:
        raise InvalidInput(f"amount is money above zero, got {amount}")
    if gap is not None and not 0 <= gap < 1:
        raise InvalidInput(f"gap is a fraction in [0, 1), got {gap}")


def _measure(problem: Problem, text: str | None) -> Measure | None:
    """The measure of the points; None where there is one future only."""
    if problem.scenarios.size < 2:
        return None
    if text is not None:
        return Measure.parse(text)
    return problem.risk.measure if problem.risk is not None else Measure("cvar", 0.95)


def _solved(problem: Problem, effort: Effort) -> Result:
    return find(problem, method="optimise", gap=effort.gap, time_limit=effort.time_limit, seed=effort.seed)


def _as_swept(parameter: float, result: Result, price: float) -> Swept:
    bound = -np.inf if result.status == "infeasible" else result.bound
    return Swept(parameter, result.status, result.solution, result.value, bound, price)


def _require(result: Result) -> None:
    if result.solution is None:
        why = " ".join(result.reasons)
        raise NoAllocation(f"there is no plan to trace a frontier from ({result.status}): {why}")


def _grid(low: float, high: float, points: int) -> list[float]:
    """Evenly spread values; one where the ends cannot be told apart."""
    if high - low <= 1e-6 * max(abs(low), abs(high)):
        return [high]
    grid: list[float] = np.linspace(low, high, points).tolist()
    return grid


def _step(total: float) -> float:
    """A million, or the power of ten at a tenth or less of a smaller budget, or at a ten-thousandth or more of a huge one."""
    if total <= 0:
        return 0.0
    if total * FINEST > MILLION:
        return float(10.0 ** np.ceil(np.log10(total * FINEST)))
    return float(min(MILLION, 10.0 ** np.floor(np.log10(total / 10.0))))


def _solved_point(point: FrontierPoint | None) -> FrontierPoint | None:
    return None if point is None or point.spend is None else point
