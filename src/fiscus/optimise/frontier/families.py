"""The families of models behind the frontiers: over the budget, over the least mean value, over the alignment with a plan."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np
import scipy.sparse as sp
from pydantic import ConfigDict

from fiscus.core.arrays import BoolArray, FloatArray, frozen
from fiscus.core.dynamics import evaluate
from fiscus.core.facts import Facts
from fiscus.core.feasibility import FEASIBILITY_TOLERANCE, violations
from fiscus.core.objective import objective
from fiscus.core.problem import Problem
from fiscus.core.risk import Measure, RiskAversion
from fiscus.core.rows import Columns, Contribution, Rows, Side, silent
from fiscus.core.rules import Rule
from fiscus.core.rules.base import unbounded
from fiscus.errors import InvalidInput, NoAllocation
from fiscus.optimise import highs
from fiscus.optimise.aversion import least_risk_form
from fiscus.optimise.form import form
from fiscus.optimise.frontier.family import Family, Moving
from fiscus.optimise.frontier.reference import Reference
from fiscus.optimise.layout import Arrays, Form
from fiscus.optimise.pieces import Points, initial_points

NO_BUDGET = "no budget up to the largest of the sweep can meet the hard rules; fiscus solve says which"

EDGE = 1e-9
"""Relative step inside the end of a range, so that rounding does not make the end itself infeasible."""
NEAR = 1e-3
"""Share of the largest budget within which the budget that is enough counts as the largest."""
SAMPLES = np.array([1.0, 0.75, 0.5])
"""Shares of the largest budget at which it is looked up what moves."""
PITTANCE = 1e-7
"""Variance that a unit of mean value may cost where the richest of the safest plans is sought."""


def stacked(arrays: Arrays, rows: sp.csr_array, lower: FloatArray, upper: FloatArray) -> Arrays:
    """The arrays with rows added below."""
    return replace(
        arrays,
        matrix=sp.csr_array(sp.vstack([arrays.matrix, rows])),
        row_lower=np.concatenate([arrays.row_lower, lower]),
        row_upper=np.concatenate([arrays.row_upper, upper]),
    )


def plain(arrays: Arrays) -> Arrays:
    """The arrays without the names that a form carries."""
    kept = {name: getattr(arrays, name) for name in Arrays.__dataclass_fields__}
    return Arrays(**kept)


class Budgets:
    """Problems that differ in the money there is.

    The form is stated once at the largest budget: what a line can reach is then never less than at a smaller one, so the
    coefficients that reach decides (all on yes-or-no columns) stay valid and only right-hand sides move.
    """

    def __init__(self, problem: Problem, period: str | None, top: float) -> None:
        """Work out which bounds move.

        Args:
            problem: The plan.
            period: The period whose budget moves; None moves all by one factor.
            top: Largest total, of the period or of all.
        """
        self.problem, self.top = problem, top
        self.position = None if period is None else problem.periods.index(period)
        self.widest = self.problem_at(top)
        self.points = initial_points(self.widest)

    def problem_at(self, total: float) -> Problem:
        """The problem at one total."""
        return self.problem.but(budget=frozen(self.budget_at(total)))

    def budget_at(self, total: float) -> FloatArray:
        """Budget of each period at one total, shape (T,)."""
        budget = np.array(self.problem.budget, dtype=np.float64)
        if self.position is not None:
            budget[self.position] = total
            return budget
        whole = float(budget.sum())
        return np.full(1, total) if len(budget) == 1 else budget * (total / whole)

    @cached_property
    def moving(self) -> Moving | None:
        """Rows of the form that move; None where budgets change more than right-hand sides, or not in proportion."""
        forms = [self._first, *(form(problem, self.points) for problem in self._samples[1:])]
        if any(not _alike(forms[0], other) for other in forms[1:]):
            return None
        totals = self.top * SAMPLES
        return _affine(totals, [each.row_lower for each in forms], [each.row_upper for each in forms])

    def family(self, points: Points) -> Family:
        """The models, given where smooth curves are touched."""
        moving = self.moving
        if moving is None:
            raise InvalidInput("this plan's budget moves more than right-hand sides; solve each budget alone")
        model = self._first if points is self.points else form(self.widest, points)
        return Family(model, plain(model), moving, model.constant)

    @cached_property
    def _first(self) -> Form:
        """The form at the largest total with the first points."""
        return form(self.widest, self.points)

    @cached_property
    def _samples(self) -> list[Problem]:
        """Problems at a few totals, the largest first, that show what moves."""
        return [self.widest, *(self.problem_at(total) for total in (self.top * SAMPLES[1:]).tolist())]

    @cached_property
    def _stated(self) -> Callable[[float], Problem]:
        """Problems whose statement is the widest one's with moved bounds: to state each anew takes longer than to solve it."""
        statement = self.widest.statement
        totals = self.top * SAMPLES
        others = [problem.statement for problem in self._samples[1:]]
        moving = [
            _affine(totals, [rows.lower, *(o.rows[k].lower for o in others)], [rows.upper, *(o.rows[k].upper for o in others)])
            for k, rows in enumerate(statement.rows)
        ]  # fmt: skip
        if any(each is None for each in moving):
            return self.problem_at

        def at(total: float) -> Problem:
            problem = self.problem_at(total)
            rows = tuple(
                each if move is None or not len(move.rows) else _moved(each, move, total)
                for each, move in zip(statement.rows, moving, strict=True)
            )
            # The same rows but for their bounds; big coefficients are the widest reach's, which no smaller plan can tell apart.
            problem.__dict__["statement"] = replace(statement, facts=problem, rows=rows)
            return problem

        return at

    def judge(self, total: float, spend: FloatArray) -> float | None:
        """True worth of a plan at one total; None where the referee refuses it."""
        problem = self._stated(total)
        return None if violations(problem, spend) else objective(problem, spend)

    def range(self, gap: float) -> tuple[float, float]:
        """Least feasible total by the model, and the one above which it gains nothing more (or the top).

        Raises:
            NoAllocation: Where no total up to the top is feasible.
        """
        family = self.family(self.points)
        priced = with_parameter(family, self.top)
        count = len(family.arrays.cost)
        outcome = highs.run(priced, gap=gap)
        if outcome.solution is None:
            raise NoAllocation(NO_BUDGET)
        least = min(max(float(outcome.solution[count]), 0.0) * (1.0 + EDGE), self.top)
        best = highs.run(family.at(self.top), gap=gap)
        if best.solution is None or family.arrays.curvature is not None:
            return least, self.top
        if family.moving.price(best.row_dual) > 0:
            return least, self.top
        worth = float(family.arrays.cost @ best.solution)
        slack = max(1e-7, gap if priced.integer.any() else 0.0) * max(abs(worth), 1e-12)
        row = sp.csr_array(np.r_[family.arrays.cost, 0.0][None, :])
        outcome = highs.run(stacked(priced, row, np.array([worth - slack]), unbounded(1)), gap=gap)
        enough = self.top if outcome.solution is None else float(outcome.solution[count])
        return least, (self.top if enough > (1.0 - NEAR) * self.top else max(enough, least))


def with_parameter(family: Family, top: float) -> Arrays:
    """The family's arrays with the parameter itself as a last column, to be made as small as can be."""
    arrays, moving = family.arrays, family.moving
    rows, columns = arrays.matrix.shape
    slope = np.where(moving.upper_slope != 0, moving.upper_slope, moving.lower_slope)
    column = sp.csr_array((-slope, (moving.rows, np.zeros(len(moving.rows), dtype=np.int64))), shape=(rows, 1))
    row_lower, row_upper = arrays.row_lower.copy(), arrays.row_upper.copy()
    row_lower[moving.rows], row_upper[moving.rows] = moving.lower, moving.upper
    return Arrays(
        cost=np.r_[np.zeros(columns), -1.0],
        lower=np.r_[arrays.lower, 0.0],
        upper=np.r_[arrays.upper, top],
        integer=np.r_[arrays.integer, False],
        matrix=sp.csr_array(sp.hstack([arrays.matrix, column])),
        row_lower=row_lower,
        row_upper=row_upper,
    )


def _alike(first: Form, second: Form) -> bool:
    """Whether two forms differ in nothing but bounds of rows, and what reach decides, which is never tighter in the first.

    Reach decides the coefficients of yes-or-no columns, the room of curve segments and the range of the value.
    """
    if first.matrix.shape != second.matrix.shape or first.constant != second.constant:
        return False
    if not np.array_equal(first.cost, second.cost):
        return False
    touched = np.asarray(abs(first.matrix - second.matrix).sum(axis=0)).ravel() > 0
    moved = (first.lower != second.lower) | (first.upper != second.upper)
    for name, block in first.blocks.items():
        if name in ("fill", "value") or name.startswith("aversion."):
            moved[block.slice] = False
    wider = (first.lower <= second.lower).all() and (first.upper >= second.upper).all()
    return bool(wider) and not moved.any() and not touched[~first.integer].any()


def _affine(totals: FloatArray, lowers: Sequence[FloatArray], uppers: Sequence[FloatArray]) -> Moving | None:
    """Bounds as straight lines of the total through the first and last sample; None where the middle one is off."""
    found = []
    moves: BoolArray = np.zeros(len(lowers[0]), dtype=bool)
    for bounds in (lowers, uppers):
        finite = np.isfinite(bounds[0])
        if any(not np.array_equal(finite, np.isfinite(each)) for each in bounds):
            return None
        first, middle, last = (np.where(finite, each, 0.0) for each in bounds)
        slope = np.where(first != last, (first - last) / (totals[0] - totals[2]), 0.0)
        base = first - slope * totals[0]
        if not np.allclose(base + slope * totals[1], middle, rtol=1e-12, atol=1e-9 * max(1.0, float(totals[0]))):
            return None
        moves |= slope != 0
        found.append((np.where(slope != 0, base, np.where(finite, bounds[0], bounds[0])), slope))
    (lower, lower_slope), (upper, upper_slope) = found
    both = (lower_slope != upper_slope) & np.isfinite(lower) & np.isfinite(upper)
    if both.any():
        return None
    rows = np.flatnonzero(moves)
    return Moving(rows, lower[rows], upper[rows], lower_slope[rows], upper_slope[rows])


def _moved(rows: Rows, moving: Moving, total: float) -> Rows:
    lower, upper = rows.lower.copy(), rows.upper.copy()
    lower[moving.rows], upper[moving.rows] = moving.at(total)
    return replace(rows, lower=lower, upper=upper)


class Risks:
    """Plans of least risk among those whose mean value is at least so much.

    The worth to be maximised is minus the measure of the loss; the mean value is net of the penalties of soft rules.
    """

    def __init__(self, problem: Problem, measure: Measure) -> None:
        """State the problem with the measure as its aversion, and with none."""
        self.measure = measure
        self.widest = problem.but(risk=RiskAversion(measure, 1.0))
        self.neutral = problem.but(risk=None)

    def family(self, points: Points) -> Family:
        """The models, given where smooth curves are touched."""
        least = least_risk_form(self.neutral, self.measure, points)
        row = np.array([least.row])
        moving = Moving(row, np.array([-least.constant]), unbounded(1), np.ones(1), np.zeros(1))
        return Family(least.model, plain(least.model), moving, least.model.constant)

    def mean(self, spend: FloatArray) -> float:
        """True mean value, less penalties."""
        return objective(self.neutral, spend)

    def risk(self, spend: FloatArray) -> float:
        """The measure of the loss."""
        return float(self.measure.of_loss(-evaluate(self.neutral, spend), self.neutral.scenarios.probability))

    def judge_within(self, slack: float) -> Callable[[float, FloatArray], float | None]:
        """A judge that lets the mean value miss the least one by the slack, units of value."""

        def judge(least: float, spend: FloatArray) -> float | None:
            if violations(self.neutral, spend) or self.mean(spend) < least - slack:
                return None
            return -self.risk(spend)

        return judge

    def richest_of_safest(self, worth: float) -> float | None:
        """Best mean value by the model among plans whose risk is as small as that of a known plan; None without one.

        Args:
            worth: Minus the least risk.
        """
        family = self.family(initial_points(self.widest))
        arrays = family.arrays
        mean = arrays.matrix[family.moving.rows].toarray().ravel()
        if arrays.curvature is None:
            least = np.array([worth - EDGE * max(1.0, abs(worth))])
            arrays = replace(stacked(arrays, sp.csr_array(arrays.cost[None, :]), least, unbounded(1)), cost=mean)
        else:
            # A variance cannot be a row, so the mean is given a price too small to buy any.
            arrays = replace(arrays, cost=arrays.cost + PITTANCE * mean)
        outcome = highs.run(arrays)
        if outcome.solution is None:
            return None
        return float(mean @ outcome.solution) - float(family.moving.lower[0])


class Aligned(Rule):
    """A plan's alignment with a reference is at least so much. Made by the frontier; it has no kind, so no plan can name it."""

    model_config = ConfigDict(arbitrary_types_allowed=True)

    reference: Any
    least: float

    def state(self, facts: Facts) -> Contribution:
        reference: Reference = self.reference
        count = len(reference.amounts)
        block = f"{self.id}.apart"
        columns = Columns(block, ("row",), (count,), lambda point: reference.apart(point["spend"]))
        eye = sp.eye_array(count, format="csr")
        labels = [(block, str(row)) for row in range(count)]
        none = unbounded(count)
        above = Rows(
            f"{block}.up",
            labels,
            {block: eye, "spend": sp.csr_array(-reference.rows)},
            -reference.amounts,
            none,
            silent,
        )
        below = Rows(f"{block}.down", labels, {block: eye, "spend": reference.rows}, reference.amounts, none, silent)

        def describe(_row: int, _side: Side) -> str:
            return f"The plan lies further from {reference.name} than an alignment of {self.least:.4g} allows"

        total = {block: sp.csr_array(np.ones((1, count)))}
        upper = np.array([2.0 * reference.whole * (1.0 - self.least)])
        rows = Rows("alignment", [(self.id, "all")], total, -unbounded(1), upper, describe)
        return Contribution((rows,), (columns,), (above, below))


class Alignments:
    """Plans of most value among those whose alignment with a reference is at least so much."""

    def __init__(self, problem: Problem, reference: Reference) -> None:
        """State the problem with the rule, which binds nothing yet."""
        self.problem, self.reference = problem, reference
        taken = {rule.id for rule in problem.rules}
        self.rule_id = next(
            name for name in (f"alignment{'_' * k}" for k in range(len(taken) + 1)) if name not in taken
        )
        self.widest = self.problem_at(-1e3)

    def problem_at(self, least: float) -> Problem:
        """The problem with a least alignment."""
        rule = Aligned(id=self.rule_id, reference=self.reference, least=least)
        return self.problem.but(rules=(*self.problem.rules, rule))

    def family(self, points: Points) -> Family:
        """The models, given where smooth curves are touched."""
        model = form(self.widest, points)
        twice = 2.0 * self.reference.whole
        row = np.array([self._row(model)])
        moving = Moving(row, -unbounded(1), np.array([twice]), np.zeros(1), np.array([-twice]))
        return Family(model, plain(model), moving, model.constant)

    def _row(self, model: Form) -> int:
        block = next(k for k, rows in enumerate(model.rows) if rows.kind == "alignment")
        return int(model.offsets[block])

    def judge(self, least: float, spend: FloatArray) -> float | None:
        """True worth of a plan at one least alignment; None where the referee refuses it."""
        allowed = 2.0 * self.reference.whole * (1.0 - least)
        far = self.reference.apart(spend).sum() > allowed + FEASIBILITY_TOLERANCE * max(1.0, abs(allowed))
        return None if far or violations(self.problem, spend) else objective(self.problem, spend)

    def most(self, gap: float) -> float:
        """The best alignment that any plan inside the rules has.

        Raises:
            NoAllocation: Where no plan obeys the hard rules.
        """
        family = self.family(initial_points(self.widest))
        row = family.arrays.matrix[family.moving.rows].toarray().ravel()
        outcome = highs.run(replace(family.arrays, cost=-row), gap=gap)
        if outcome.solution is None:
            raise NoAllocation("no plan obeys the hard rules, so there is no frontier; fiscus solve says why")
        return self.reference.alignment(family.model.spend(outcome.solution)) - EDGE

    def most_of_best(self, worth: float) -> float | None:
        """The best alignment by the model among plans worth at least so much; None without one."""
        family = self.family(initial_points(self.widest))
        row = family.arrays.matrix[family.moving.rows].toarray().ravel()
        least = np.array([worth - family.constant - EDGE * max(1.0, abs(worth))])
        arrays = stacked(family.arrays, sp.csr_array(family.arrays.cost[None, :]), least, unbounded(1))
        outcome = highs.run(replace(arrays, cost=-row))
        return None if outcome.solution is None else self.reference.alignment(family.model.spend(outcome.solution))
