"""The best value of a plan as one of its limits moves, its yes-or-no choices kept as they are.

With the choices kept, the model is linear once smooth curves are touched where solutions lie; so the value is a concave function
of the limit, and every look at it is one warm solve.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

import numpy as np

from fiscus.core.arrays import BoolArray, FloatArray, IntArray, frozen
from fiscus.core.dynamics import stocks
from fiscus.core.methods import plan
from fiscus.core.problem import Problem
from fiscus.core.rows import Label, Point, Rows
from fiscus.errors import InvalidInput
from fiscus.optimise import highs
from fiscus.optimise.explain.newton import Newton, State
from fiscus.optimise.form import form
from fiscus.optimise.highs import Outcome, Warm
from fiscus.optimise.layout import Form
from fiscus.optimise.pieces import Points, initial_points, refined, stock_reach
from fiscus.optimise.result import Binding, Result

SAME = 1e-9
"""Relative distance between two values that is rounding."""

ROOMY = 1000.0
"""Factor by which money limits are moved out of the way of bounds that only follow from them."""

CLOSE = 1e-10
"""Relative error of the curves that a solution may have."""

MOST_MISSES = 3
"""Looks in a row at which Newton's method may fail before it is left alone."""
MOST_REFINEMENTS = 12
NEWTON_STEPS = 6
TIES = ("lumpy", "funded", "min_ticket")
"""Kinds of rows that only tie amounts to choices."""

Side = Literal["cap", "floor", "equal"]


@dataclass(frozen=True, slots=True)
class Sample:
    """The value function at one place: the bound, the value (minus infinity where nothing is feasible) and a slope there."""

    at: float
    value: float
    slope: float


class Fixed:
    """A result's model with the yes-or-no choices of its plan kept, so that it is linear and one bound of it can be moved.

    Smooth curves are touched at the plan's own stocks, and wherever a later solve leads.
    """

    def __init__(self, result: Result) -> None:
        """Build.

        Raises:
            InvalidInput: For a method that does not seek value.
            NoAllocation: Where there is no allocation.
        """
        asked = plan(result.problem, result.method)
        if not asked.seeks_value:
            raise InvalidInput(
                f"the {result.method} method does not look for the most value, so its limits have no prices; "
                "solve with method optimise to price them"
            )
        self.problem, self.spend, self.binding = asked.problem, np.asarray(result.allocation), result.binding
        self.points = self._with(initial_points(self.problem), stocks(self.problem, self.spend))
        self._start = self.points
        self._build()
        self.choices_fixed = bool(self.model.integer.any())

    @cached_property
    def _wide(self) -> Problem:
        return _roomy(self.problem)

    @cached_property
    def _row_bounds(self) -> tuple[FloatArray, FloatArray]:
        """Bounds of the rows of rules and of what they are defined by, without the curves' own."""
        model, statement = form(self.problem, self.points), self.problem.statement
        kinds = {rows.kind for rows in (*statement.rows, *statement.definitions)}
        count = next((at for at, rows in enumerate(model.rows) if rows.kind not in kinds), len(model.rows))
        rows = int(model.offsets[count])
        return model.row_lower[:rows], model.row_upper[:rows]

    @cached_property
    def curved(self) -> bool:
        """Whether some line's curve is smooth."""
        return bool((~self.problem.lines.curves.polyhedral & (self.problem.lines.weight > 0)).any())

    def _with(self, points: Points, stock: FloatArray) -> Points:
        """Points with one more at each stock on the concave part of a smooth curve."""
        cells = np.flatnonzero(self._touchable(stock))
        return points.with_(cells, stock.ravel()[cells])

    def _touchable(self, stock: FloatArray) -> BoolArray:
        curves = self.problem.lines.curves
        smooth = ~curves.polyhedral & np.isfinite(curves.derivative(stock))
        return np.asarray(smooth & (stock >= curves.inflection()) & (stock <= self._reach.reshape(stock.shape)))

    def _build(self) -> None:
        # Bounds of amounts follow from the budget; with the budget moved they would stand where it was, so they are made roomy
        # and only the rules' rows, which come first, keep the limits as they are.
        model = form(self._wide, self.points)
        lower, upper = self._row_bounds
        chosen = np.round(_choices(model, self.spend))
        self.model: Form = replace(
            model,
            row_lower=np.concatenate([lower, model.row_lower[len(lower) :]]),
            row_upper=np.concatenate([upper, model.row_upper[len(upper) :]]),
            lower=np.where(model.integer, chosen, model.lower),
            upper=np.where(model.integer, chosen, model.upper),
        )
        self.warm = Warm(replace(self.model, integer=np.zeros(len(model.integer), dtype=bool)), gap=SAME)

    def refine(self, outcome: Outcome) -> bool:
        """Touch smooth curves where a solution over-estimates them; whether anything was added."""
        solution, problem = outcome.solution, self.problem
        if solution is None or not self.curved or not len(self.points):
            return False
        stock = stocks(problem, np.clip(self.model.spend(solution), problem.lines.floor, problem.lines.cap))
        weight = problem.scenarios.expected() * problem.lines.weight * problem.benefit_discount[:, None]
        true = problem.lines.curves.value(stock)
        error = np.where(self._touchable(stock), weight * (self.model.estimated_effect(solution) - true), 0.0)
        size = max(1e-300, float(np.abs(weight * true).sum()))
        if float(error.sum()) <= CLOSE * size:
            return False
        points = _finite(refined(problem, self.points, stock, error, CLOSE * size))
        points = self._demanded(points, outcome, weight, stock)
        if len(points) == len(self.points):
            return False
        self.points = points
        self._build()
        return True

    def _demanded(self, points: Points, outcome: Outcome, weight: FloatArray, stock: FloatArray) -> Points:
        """Points also where the next solution will lie: what each curve would get if those priced alike were priced exactly.

        A solution sits on corners between tangents, so money that curves of one price share is shared out roughly; the price at which
        their exact demands add up to the same money is found by Newton steps.
        """
        model, problem, curves = self.model, self.problem, self.problem.lines.curves
        place = next((at for at, rows in enumerate(model.rows) if rows.kind == "fill"), None)
        if place is None or outcome.row_dual is None:
            return points
        prices = outcome.row_dual[model.offsets[place] : model.offsets[place + 1]]
        cells = self._fill_cells(model.rows[place])
        good = (self._touchable(stock) & curves.concave & (weight > 0)).ravel()[cells] & (prices > 0)
        cells, prices = cells[good], prices[good]
        if not len(cells):
            return points
        _, first, group = np.unique(np.round(np.log(prices), 9), return_index=True, return_inverse=True)
        shared, own = curves.take(cells % problem.shape[1]), weight.ravel()[cells]
        total, price = np.bincount(group, stock.ravel()[cells]), prices[first]
        for _ in range(NEWTON_STEPS):
            demand = shared.inverse_derivative(price[group] / own)
            less = shared.inverse_derivative(price[group] * (1.0 + 1e-6) / own)
            fall = np.bincount(group, demand - less) / (1e-6 * price)
            move = np.divide(np.bincount(group, demand) - total, fall, out=np.zeros_like(total), where=fall > 0)
            price = np.clip(price + np.where(np.isfinite(move), move, 0.0), 0.8 * price, 1.25 * price)
        wanted = shared.inverse_derivative(price[group] / own)
        inside = np.isfinite(wanted) & (wanted > 0) & (wanted <= self._reach[cells])
        return points.with_(cells[inside], wanted[inside])

    def _fill_cells(self, rows: Rows) -> IntArray:
        """Flat positions of the amounts whose curves have linear pieces."""
        lines = self.problem.line_position
        position = {period: index for index, period in enumerate(self.problem.periods)}
        return np.array([position[label[1]] * len(lines) + lines[label[2]] for label in rows.labels], dtype=np.int64)

    @cached_property
    def _reach(self) -> FloatArray:
        return stock_reach(self._wide).ravel()

    def fresh(self) -> None:
        """Forget the points of earlier looks, which would only make the model larger."""
        if len(self.points) > 2 * len(self._start):
            self.points = self._start
            self._build()


def _finite(points: Points) -> Points:
    """The points that lie somewhere: a line that could get nothing has no scale of its own to step by."""
    kept = np.isfinite(points.stock)
    return Points(points.cell[kept], points.stock[kept])


def _choices(model: Form, spend: FloatArray) -> FloatArray:
    """Values of the yes-or-no columns at an allocation, zero elsewhere, shape (columns,)."""
    columns = {name: block.columns for name, block in model.blocks.items()}
    point = Point(model.problem, spend, model.problem.statement.columns | columns)
    values = np.zeros(len(model.cost))
    for name, block in model.blocks.items():
        if block.columns.integer:
            values[block.slice] = point[name].ravel()[block.active]
    return values


def _roomy(problem: Problem) -> Problem:
    """The same problem with money limits so wide that no amount is bounded by them."""
    caps = problem.lines.cap[np.isfinite(problem.lines.cap)]
    wide = float(caps.sum()) + 1.0
    units = replace(problem.units, cap=frozen(ROOMY * problem.units.cap + wide))
    if problem.account is not None:
        return problem.but(
            units=units, account=replace(problem.account, opening=problem.account.opening + ROOMY * wide)
        )
    return problem.but(units=units, budget=frozen(ROOMY * problem.budget + wide))


class ValueFunction(Fixed):
    """Best value as one bound of the model moves: of a row, or the floor of one amount.

    Attributes:
        standing: Where the bound stands.
        side: Which bound.
        deadline: On the monotonic clock; looks after it are for the asker to leave out.
    """

    deadline: float = math.inf

    row: int = -1
    rows: Rows
    side: Side = "floor"
    standing: float = 0.0
    _row: int = -1
    _column: int = -1
    _state: State | None = None
    _misses: int = 0

    @cached_property
    def newton(self) -> Newton | None:
        """The model on its true curves, where Newton's method serves it."""
        if not self.curved:
            return None
        model = form(self._wide, self.points, curves="exact")
        lower, upper = self._row_bounds
        chosen = np.round(_choices(model, self.spend))
        model = replace(
            model,
            row_lower=np.concatenate([lower, model.row_lower[len(lower) :]]),
            row_upper=np.concatenate([upper, model.row_upper[len(upper) :]]),
            lower=np.where(model.integer, chosen, model.lower),
            upper=np.where(model.integer, chosen, model.upper),
        )
        return Newton(model, self.points, self.spend) if Newton.serves(model) else None

    def of_row(self, wanted: Binding | Label) -> ValueFunction:
        """Choose a row of a rule."""
        label, kind = (wanted.row, wanted.kind) if isinstance(wanted, Binding) else (tuple(wanted), "")
        model = self.model
        for rows, start in zip(model.rows, model.offsets[:-1].tolist(), strict=True):
            ruled = any(rows.labels is each.labels for each in model.problem.statement.rows)
            if not ruled or rows.kind in TIES or (kind and rows.kind != kind) or label not in rows.labels:
                continue
            self._restore()
            self.rows, self.row = rows, list(rows.labels).index(label)
            self._row, self._column = start + self.row, -1
            self._choose_side()
            return self
        raise InvalidInput(f"no rule has a limit called {' / '.join(label)}")

    def of_floor(self, period: int, line: int, standing: float) -> ValueFunction:
        """Choose the floor of one amount, set to where it is to stand; a floor chosen before goes back to what it was."""
        self._restore()
        self._row, self._column = -1, period * self.problem.shape[1] + line
        self.standing, self.side = standing, "floor"
        return self

    def _restore(self) -> None:
        """Put a bound chosen before back to what it was."""
        if self._column >= 0 or self._row >= 0:
            self._set(self._original)
        self._state = None

    def _choose_side(self) -> None:
        lower, upper = float(self.model.row_lower[self._row]), float(self.model.row_upper[self._row])
        activity = float((self.model.matrix @ self.model.at(self.spend))[self._row])
        if lower == upper:
            self.side, self.standing = "equal", upper
        elif abs(upper - activity) <= abs(activity - lower):
            self.side, self.standing = "cap", upper
        else:
            self.side, self.standing = "floor", lower
        if not math.isfinite(self.standing):
            raise InvalidInput(f"{' / '.join(self.rows.labels[self.row])} has no limit")

    def at(self, bound: float, *, refine: bool = True) -> Sample:
        """The value and its slope where the bound stands at a place."""
        found = self._newton_sample(bound) if refine else None
        if found is not None:
            return found
        outcome = self._solved(bound, refine=refine)
        columns, rows = outcome.column_dual, outcome.row_dual
        if outcome.solution is None or columns is None or rows is None:
            return Sample(bound, math.inf if outcome.status == "unbounded" else -math.inf, math.nan)
        dual = float(columns[self._column] if self._column >= 0 else rows[self._row])
        signed = {"cap": max(dual, 0.0), "floor": min(dual, 0.0), "equal": dual}[self.side]
        return Sample(bound, outcome.bound + self.model.constant, signed)

    def _newton_sample(self, bound: float) -> Sample | None:
        """The same on the true curves themselves, where these and the steps allow."""
        newton = self.newton
        if newton is None or self._misses >= MOST_MISSES:
            return None
        model, column, row = newton.model, self._column, self._row
        lower, upper = model.lower.copy(), model.upper.copy()
        row_lower, row_upper = model.row_lower.copy(), model.row_upper.copy()
        if column >= 0:
            lower[column], upper[column] = bound, max(bound, upper[column])
        else:
            row_lower[row] = row_lower[row] if self.side == "cap" else bound
            row_upper[row] = row_upper[row] if self.side == "floor" else bound
        for start in (self._state, self._first):
            state = newton.solve(start, (lower, upper), (row_lower, row_upper)) if start is not None else None
            if state is not None:
                self._state, self._misses = state, 0
                dual = float(newton.reduced(state)[column] if column >= 0 else state.y[row])
                signed = {"cap": max(dual, 0.0), "floor": min(dual, 0.0), "equal": dual}[self.side]
                return Sample(bound, newton.value(state.x), signed)
        self._misses += 1
        return None

    @property
    def late(self) -> bool:
        """Whether the deadline has passed."""
        return time.monotonic() > self.deadline

    @cached_property
    def _first(self) -> State | None:
        """Where Newton's method starts: the plan with its prices, or a solution of linear pieces; None where neither leads on."""
        newton = self.newton
        if newton is None:
            return None
        model, labels = newton.model, {(each.kind, each.row): each.price or 0.0 for each in self.binding}
        prices = np.zeros(model.matrix.shape[0])
        for rows, start in zip(model.rows, model.offsets[:-1].tolist(), strict=True):
            if any((rows.kind, label) in labels for label in rows.labels):
                prices[start : start + len(rows)] = [labels.get((rows.kind, label), 0.0) for label in rows.labels]
        bounds = (model.lower, model.upper), (model.row_lower, model.row_upper)
        state = newton.solve(newton.start(model.at(self.spend), prices), *bounds)
        if state is not None:
            return state
        outcome = self._solved(self._original, refine=True)
        if outcome.solution is None or outcome.row_dual is None:
            return None
        shared = len(self._row_bounds[0])
        prices = np.concatenate([outcome.row_dual[:shared], np.zeros(len(prices) - shared)])
        spend = np.clip(self.model.spend(outcome.solution), self.problem.lines.floor, self.problem.lines.cap)
        return newton.solve(newton.start(model.at(spend), prices), *bounds)

    @property
    def _original(self) -> float:
        """Where the chosen bound stands in the problem."""
        return float(self.model.lower[self._column]) if self._column >= 0 else self.standing

    def _solved(self, bound: float, *, refine: bool) -> Outcome:
        """Solve, and again with finer curves while they are off."""
        if refine:
            self.fresh()
        for _ in range(MOST_REFINEMENTS):
            self._set(bound)
            outcome = self.warm.solve()
            if outcome.status == "no_solution":
                outcome = highs.run(self.warm.arrays, gap=SAME)
            if outcome.solution is None or not (refine and self.refine(outcome)):
                break
        return outcome

    def _set(self, bound: float) -> None:
        one = np.array([bound])
        if self._column >= 0:
            column = np.array([self._column])
            self.warm.change_columns(column, one, np.maximum(one, self.model.upper[column]))
            return
        row = np.array([self._row])
        lower = self.model.row_lower[row] if self.side == "cap" else one
        upper = self.model.row_upper[row] if self.side == "floor" else one
        self.warm.change_rows(row, lower, upper)

    def furthest(self, direction: float) -> float:
        """How far the bound can move up (1) or down (-1) before nothing is feasible; infinite where it always is."""
        loosening = {"cap": 1.0, "floor": -1.0, "equal": 0.0}[self.side]
        if direction == loosening:
            return math.inf
        model = self.newton.model if self.newton is not None else self.model  # Without pieces there are fewer columns.
        arrays = replace(model, integer=np.zeros(len(model.integer), dtype=bool))
        row_lower, row_upper = arrays.row_lower.copy(), arrays.row_upper.copy()
        lower = arrays.lower.copy()
        if self._column >= 0:
            cost = np.zeros(len(arrays.cost))
            cost[self._column] = direction
            lower[self._column] = self.standing
        else:
            cost = direction * arrays.matrix[[self._row]].toarray().ravel()
            if self.side != "floor":
                row_upper[self._row] = np.inf
            if self.side != "cap":
                row_lower[self._row] = -np.inf
        edge = highs.run(replace(arrays, cost=cost, lower=lower, row_lower=row_lower, row_upper=row_upper), gap=SAME)
        if edge.solution is None:
            return math.inf
        return max(0.0, float(cost @ edge.solution) - direction * self.standing)
