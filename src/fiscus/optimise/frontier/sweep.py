"""Solving one model at many values of one number: a budget, a least mean value, a least alignment.

A sweeper takes the values and answers each with a checked plan, its true worth, a proven bound and the price of one more unit.
:class:`WarmSweeper` holds one persistent HiGHS model in which only bounds of rows move, so each solve starts from the last one;
large models with few rows are answered by small ones near the last answer (:mod:`fiscus.optimise.frontier.sift`).
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from fiscus.core.arrays import BoolArray, FloatArray
from fiscus.core.dynamics import stocks
from fiscus.core.problem import Problem
from fiscus.optimise import highs
from fiscus.optimise.frontier.family import Family
from fiscus.optimise.frontier.sift import Sifter
from fiscus.optimise.highs import Outcome, Warm
from fiscus.optimise.pieces import Points, initial_points, refined
from fiscus.optimise.refine import clean
from fiscus.optimise.result import Status, relative_gap

MOST_ROUNDS = 40
"""Times the curves are refined for all values together; what is open then is solved alone, or reported with its gap."""
CLOSE = 1e-5
"""Relative distance at which two tangents of a curve are as good as one."""
SURE = 1e-9
"""Relative gap below which no other plan is tried: it could not be better by more."""
PROBES = 6
"""Values at which the curves are first refined, before all are solved."""


@dataclass(frozen=True, eq=False)
class Swept:
    """The answer at one value of the parameter.

    Attributes:
        parameter: The value.
        status: As of :class:`fiscus.optimise.result.Result`.
        spend: Plan that the referee passes, major units, shape (T, n); None where there is none.
        aim: True worth of the plan by what the sweep maximises; NaN without a plan.
        bound: No plan is worth more; inf where nothing is proven, -inf where no plan exists.
        price: Gain in worth for one more unit of the parameter; NaN where the solver gives no prices.
    """

    parameter: float
    status: Status
    spend: FloatArray | None = None
    aim: float = np.nan
    bound: float = np.inf
    price: float = np.nan


class Sweeper(Protocol):
    """Anything that can answer many values of one parameter."""

    def sweep(self, parameters: Sequence[float]) -> list[Swept]:
        """One answer a value, in the order given."""
        ...


Judge = Callable[[float, FloatArray], float | None]
"""Parameter and plan of shape (T, n) to the plan's true worth, or None where the referee refuses it."""


@dataclass(frozen=True, kw_only=True)
class Effort:
    """What a sweep may take.

    Attributes:
        gap: Relative gap at which an answer is called optimal.
        time_limit: Seconds for each solve, None for no limit.
        seed: Of the solver.
        stake: Worth of all that could be bought; where the best is next to nothing the gap is relative to it.
    """

    gap: float
    time_limit: float | None = None
    seed: int = 0
    stake: float = 0.0


class WarmSweeper:
    """Sweeps with persistent HiGHS models: smooth curves are refined for all values together (§4, solvers)."""

    def __init__(
        self,
        problem: Problem,
        family: Callable[[Points], Family],
        judge: Judge,
        effort: Effort,
        alone: Callable[[float], Swept] | None = None,
        points: Points | None = None,
        plans: Sequence[FloatArray] = (),
    ) -> None:
        """Nothing is solved yet.

        Args:
            problem: Stated at the widest value; its curves are refined.
            family: The models, given where smooth curves are touched.
            judge: Checks and values a plan.
            effort: Gap and limits.
            alone: Answers one value without the others, for those that the sweep leaves open.
            points: Where smooth curves are touched first.
            plans: Plans known already, each of shape (T, n), for values at which none better is found.
        """
        self.problem, self.family, self.judge, self.effort, self.alone = problem, family, judge, effort, alone
        self.points = initial_points(problem) if points is None else points
        self.plans = plans

    def sweep(self, parameters: Sequence[float]) -> list[Swept]:
        """One answer a value, in the order given."""
        answers: dict[float, Swept] = {}
        # Downwards: each basis is next to the one before.
        every = sorted(set(parameters), reverse=True)
        if len(self.points):
            self._settle(_spread(every, PROBES), answers)
        self._settle(every, answers)
        for parameter in every:
            if self.alone is not None and self._open(answers[parameter]):
                answers[parameter] = self._graded(_better(self.alone(parameter), answers[parameter]))
        self._share(every, answers)
        return [answers[each] for each in parameters]

    def _share(self, downwards: Sequence[float], answers: dict[float, Swept]) -> None:
        """A plan that is allowed at another value may be better than the one found there, within the gap."""
        for parameter, plan in itertools.product(downwards, self.plans):
            answers[parameter] = self._offered(answers[parameter], plan)
        for values in (downwards, downwards[::-1]):
            for here, there in itertools.pairwise(values):
                found, known = answers[here], answers[there]
                if found.spend is not None and not found.aim <= known.aim:
                    answers[there] = self._offered(known, found.spend)

    def _offered(self, known: Swept, spend: FloatArray) -> Swept:
        """The answer with a plan of another value in place of its own, where that is allowed and better."""
        if known.status not in ("optimal", "feasible", "no_solution"):
            return known
        if relative_gap(known.aim, known.bound, self.effort.stake) <= SURE:
            return known
        worth = self.judge(known.parameter, spend)
        if worth is None or worth <= known.aim:
            return known
        return self._graded(replace(known, spend=spend, aim=worth))

    def _settle(self, chosen: Sequence[float], answers: dict[float, Swept]) -> None:
        """Solve at some values, and refine the curves for all of them together until every gap is closed."""
        for _ in range(MOST_ROUNDS):
            pending = [each for each in chosen if each not in answers or self._open(answers[each])]
            if not pending:
                return
            models, finer = _Models(self.family(self.points), self.effort), self.points
            for parameter in pending:
                answers[parameter], finer = self._answer(models, parameter, answers.get(parameter), finer)
            if len(finer) == len(self.points):
                return
            self.points = finer

    def _open(self, swept: Swept) -> bool:
        """Whether finer curves, or a solve alone, could still help."""
        return swept.status in ("feasible", "no_solution")

    def _answer(self, models: _Models, parameter: float, known: Swept | None, points: Points) -> tuple[Swept, Points]:
        """Solve at one value; the better of this answer and the one known, and the points it asks for."""
        outcome = models.solve(parameter)
        if outcome.status in ("infeasible", "unbounded"):
            bound = -np.inf if outcome.status == "infeasible" else np.inf
            return Swept(parameter, outcome.status, bound=bound), points
        if outcome.solution is None:
            return known or Swept(parameter, "no_solution"), points
        family = models.family
        spend = clean(self.problem, family.model, outcome.solution)
        worth = self.judge(parameter, spend)
        price = family.moving.price(outcome.row_dual)
        swept = Swept(parameter, "no_solution", bound=outcome.bound + family.constant, price=price)
        if worth is not None:
            swept = replace(swept, spend=spend, aim=worth)
        swept = self._graded(_better(swept, known))
        if len(points) and self._open(swept):
            points = self._finer(family, outcome.solution, spend, swept, points)
        return swept, points

    def _graded(self, swept: Swept) -> Swept:
        if swept.spend is None:
            return swept
        bound = max(swept.bound, swept.aim)
        near = relative_gap(swept.aim, bound, self.effort.stake) <= self.effort.gap
        return replace(swept, bound=bound, status="optimal" if near else "feasible")

    def _finer(self, family: Family, solution: FloatArray, spend: FloatArray, swept: Swept, points: Points) -> Points:
        problem, size = self.problem, np.nanmax(np.abs([swept.aim, swept.bound, 0.0]))
        stock = stocks(problem, spend)
        weight = problem.scenarios.expected() * problem.lines.weight * problem.benefit_discount[:, None]
        estimated = family.model.estimated_effect(solution)
        error = weight * (estimated - problem.lines.curves.value(stock))
        for allowed in (0.5 * self.effort.gap * float(size), 0.0):
            # Small errors weigh more where risk is priced or limited: then every error counts.
            finer = _apart(points, refined(problem, points, stock, error, allowed))
            if len(finer) > len(points):
                return finer
        return points


class _Models:
    """The persistent models of a family: the whole one, where it has integers one with the integers fixed, small ones else."""

    def __init__(self, family: Family, effort: Effort) -> None:
        arrays = family.arrays
        self.family, self.effort = family, effort
        self.integer = np.flatnonzero(arrays.integer)
        self.whole = Warm(arrays, gap=effort.gap / 2 if len(self.integer) else effort.gap, seed=effort.seed)
        relaxed = replace(arrays, integer=np.zeros(len(arrays.cost), dtype=bool))
        self.fixed = Warm(relaxed, gap=effort.gap, seed=effort.seed) if len(self.integer) else None
        self.sifter = Sifter.of(family, gap=effort.gap, seed=effort.seed)

    def solve(self, parameter: float) -> Outcome:
        """Solve at one value; a MILP's amounts are sharpened with its integers fixed, which also gives prices."""
        if self.sifter is not None:
            sifted = self.sifter.solve(parameter, time_limit=self.effort.time_limit)
            if sifted is not None:
                return sifted
        rows, (lower, upper) = self.family.moving.rows, self.family.moving.at(parameter)
        self.whole.change_rows(rows, lower, upper)
        outcome = self.whole.solve(time_limit=self.effort.time_limit)
        if outcome.status == "no_solution":
            # A basis can lead astray; a cold start has none.
            limit = self.effort.time_limit
            outcome = highs.run(self.family.at(parameter), gap=self.effort.gap, time_limit=limit, seed=self.effort.seed)
        if self.sifter is not None and outcome.status == "optimal" and outcome.row_dual is not None:
            self.sifter.start(outcome.row_dual)
        if outcome.solution is None or self.fixed is None:
            return outcome
        chosen = np.round(outcome.solution[self.integer])
        self.fixed.change_rows(rows, lower, upper)
        self.fixed.change_columns(self.integer, chosen, chosen)
        sharp = self.fixed.solve(time_limit=self.effort.time_limit)
        return replace(sharp, status=outcome.status, bound=outcome.bound) if sharp.status == "optimal" else outcome


def _apart(points: Points, more: Points) -> Points:
    """The points of both, but for new ones next to an old one: neighbouring values ask for almost the same tangents.

    Between tangents that close the curve is known to rounding, and rows that are all but the same upset a solver.
    """
    step = np.diff(more.stock, prepend=-np.inf)
    same = np.diff(more.cell, prepend=-1) == 0
    near = same & (step <= CLOSE * np.abs(more.stock))
    known = _among(more, points)
    # A new point goes if its neighbour on either side is an old one, or a new one that stays.
    drop = near & ~known
    drop[:-1] |= near[1:] & known[1:] & ~known[:-1]
    return Points(more.cell[~drop], more.stock[~drop])


def _among(more: Points, points: Points) -> BoolArray:
    """Which of the points are among those of a smaller set, both sorted by cell and stock."""
    pairs = set(zip(points.cell.tolist(), points.stock.tolist(), strict=True))
    return np.array([pair in pairs for pair in zip(more.cell.tolist(), more.stock.tolist(), strict=True)], dtype=bool)


def _better(new: Swept, known: Swept | None) -> Swept:
    """The better plan with the tighter bound; prices are the newer ones, from the finer curves."""
    if known is None:
        return new
    bound = min(new.bound, known.bound)
    keep = known.spend is not None and not new.aim > known.aim
    plan = known if keep else new
    return replace(new, spend=plan.spend, aim=plan.aim, bound=bound)


def _spread(values: list[float], count: int) -> list[float]:
    """About ``count`` of the values, evenly spread, both ends among them."""
    places = np.unique(np.linspace(0, len(values) - 1, min(count, len(values))).round().astype(int))
    return [values[place] for place in places.tolist()]
