"""Mean and variance of plans with bent curves: branch and bound on amounts, with linear programs inside.

The variance rewards giving up benefit, so where money must be spent (floors, shares, effects that last) the benefits ``e = f(k)``
are no longer held by ``e <= f(k)`` alone, and the problem is not convex, even with concave curves. Inside a box of amounts each
benefit lies between the convex and the concave envelope of its curve, and each square above its tangents; both are cut in where
solutions lie (Kelley 1960; Horst & Tuy 1996, chapter 3). A box is divided where a benefit is furthest from its curve.
"""

from __future__ import annotations

import heapq
import itertools
import time
from dataclasses import dataclass, field, replace

import numpy as np
import scipy.sparse as sp

from fiscus.core.arrays import FloatArray, IntArray
from fiscus.core.dynamics import stocks
from fiscus.core.feasibility import violations
from fiscus.core.objective import objective
from fiscus.core.problem import Problem
from fiscus.optimise import highs
from fiscus.optimise.certificate import Boxes, Certificate, Multipliers, multipliers_of
from fiscus.optimise.envelopes import above, below, enveloped
from fiscus.optimise.form import form
from fiscus.optimise.highs import Outcome
from fiscus.optimise.layout import Arrays
from fiscus.optimise.pieces import Points, stock_reach
from fiscus.optimise.result import relative_gap
from fiscus.optimise.search import Limits, Search, timed

MOST_BOXES = 1000
MOST_CUTS = 60
"""Rounds of cuts in a box."""
EVEN = 0.1
"""A box is divided no closer to its ends than at this share of its width, so that both parts become smaller."""
SHARE = 0.05
"""Share of the allowed gap that a cut must be worth, all benefits and squares together."""
NARROW = 1e-9
"""Relative width below which a box is a point."""
NEAR = 1e-2
"""Relative slack up to which a cut is handed on to the parts of a box."""
STEP = 1e-3
"""Factor by which a touching point comes nearer to a vertical slope, and least weight of what the bound does not lean on."""
FAR = 1e12
"""Units of value beyond which a square bounds anything."""
FIRST = 4.0 ** -np.arange(9)
"""Where squares are touched first, in units of the most they can be; further ones are cut in where solutions lie."""


def serves(problem: Problem) -> bool:
    """Whether a problem is averse to the variance, with curves that envelopes hold and no other yes-or-no choices."""
    risk = problem.risk if problem.counts_value else None
    if risk is None or risk.measure.kind != "meanvar" or problem.scenarios.curves is not None:
        return False
    used = problem.lines.curves.take(np.flatnonzero(problem.lines.weight > 0))
    return bool(enveloped(used).all()) and not problem.statement.indicated.any()


@dataclass(frozen=True, eq=False)
class _Lines:
    """Lines ``slope * stock + base`` of benefits, all of shape (k,)."""

    cell: IntArray
    slope: FloatArray
    base: FloatArray


@dataclass(eq=False)
class Box:
    """Part of the allocations: each amount between two bounds.

    Attributes:
        lower: Shape (T * n,).
        upper: Shape (T * n,).
        bound: No plan inside is worth more.
        touched: Stocks of benefits at which their envelopes were cut in.
        prices: Of the rows, at the last linear program; None where there is no plan inside.
        solution: Its columns.
        gains: What one more unit of each benefit would add to it, its part in the variance included.
        cell: Amount at which the box is divided, -1 where it is not.
        at: Where.
        parts: Both halves.
    """

    lower: FloatArray
    upper: FloatArray
    bound: float
    touched: Points
    prices: Multipliers | None = None
    solution: FloatArray | None = None
    gains: FloatArray | None = None
    cell: int = -1
    at: float = 0.0
    parts: tuple[Box, ...] = field(default=())


def search_squares(problem: Problem, search: Search, limits: Limits) -> Search:
    """Close the gap of a search by dividing boxes of amounts, as far as boxes and seconds go.

    Args:
        problem: One that :func:`serves`.
        search: What other ways have found; improved in place.
        limits: Gap, deadline and seed.
    """
    with timed(search, "form"):
        branching = _Branching(problem, search, limits)
    with timed(search, "solver"):
        root = branching.run()
    if root is not None:
        search.boxes = branching.proof(root)
    return search


class _Branching:
    """The model of one problem without its curves, what was cut in so far, and the best plan."""

    def __init__(self, problem: Problem, search: Search, limits: Limits) -> None:
        self.problem, self.search, self.limits = problem, search, limits
        self.widened = False
        self.model = model = form(problem, curves="cells")
        self.columns = len(model.cost)
        curvature = np.zeros(self.columns) if model.curvature is None else model.curvature
        self.squares = np.flatnonzero(curvature)
        self.curvature = curvature[self.squares]
        block = model.blocks.get("effect")
        self.cells = block.active if block is not None else np.zeros(0, np.int64)
        self.effect = (block.offset if block is not None else 0) + np.arange(len(self.cells))
        self.stock = self._stock_columns()
        self.curves = problem.lines.curves.take(self.cells % problem.shape[1])
        reach = np.maximum(np.abs(model.lower[self.squares]), np.abs(model.upper[self.squares]))
        reach = np.where(np.isfinite(reach), reach, 4.0**8)
        first = (reach[:, None] * np.concatenate([FIRST, -FIRST])).ravel()
        self.bends = Points.sorted(np.repeat(np.arange(len(self.squares)), 2 * len(FIRST)), first)

    def _stock_columns(self) -> IntArray:
        """Column that holds the stock of each benefit."""
        carried = self.problem.lines.retention[self.cells % self.problem.shape[1]] > 0
        place = np.empty(len(self.cells), np.int64)
        for name, which in (("spend", ~carried), ("stock", carried)):
            if which.any():
                block = self.model.blocks[name]
                place[which] = block.offset + np.searchsorted(block.active, self.cells[which])
        return place

    def run(self) -> Box | None:
        """Divide until the gap is closed; the root, or None where the first linear program gave nothing."""
        search, limits = self.search, self.limits
        shape = self.problem.shape
        lower = np.array(np.broadcast_to(self.problem.lines.floor, shape)).ravel()
        upper = np.minimum(np.broadcast_to(self.problem.lines.cap, shape), self.problem.reach).ravel()
        root = Box(lower, np.maximum(lower, upper), np.inf, self._first_points(lower, upper))
        self._touch_best(root)
        outcome = self.solve(root)
        if root.solution is None:
            search.outcome, search.last = outcome, self.model
            return None
        order = itertools.count()
        heap, done, boxes = [(-root.bound, next(order), root)], search.value, 1
        while heap and boxes < MOST_BOXES and time.monotonic() < limits.deadline:
            if self._closed(max(-heap[0][0], done)):
                break
            box = heapq.heappop(heap)[2]
            parts = self.divide(box)
            if not parts:
                done = max(done, box.bound)
            for part in parts:
                boxes += 1
                self.solve(part)
                if part.bound > search.value:
                    heapq.heappush(heap, (-part.bound, next(order), part))
        search.rounds += boxes
        bound = max([done, search.value, *(-entry[0] for entry in heap)])
        search.bound = max(min(search.bound, bound), search.value)
        return root

    def _closed(self, bound: float) -> bool:
        return relative_gap(self.search.value, bound, self.search.stake) <= self.limits.gap

    def _first_points(self, lower: FloatArray, upper: FloatArray) -> Points:
        """A few stocks on the way, ends included."""
        low, high = self._stocks(lower, upper)
        scale = np.where(np.isfinite(high), high, low + 100.0 * np.maximum(self.curves.h, 1.0))
        grid = np.linspace(0.0, 1.0, 5)[1:] ** 2
        places = (low[:, None] + (scale - low)[:, None] * grid).ravel()
        return Points.sorted(np.repeat(np.arange(len(self.cells)), len(grid)), places)

    def _touch_best(self, box: Box) -> None:
        """Cut in at the best plan known, where the linear programs are to end."""
        best = self.search.best
        if best is None:
            return
        at = self.model.at(best)
        self.bends = self.bends.with_(np.arange(len(self.squares)), at[self.squares])
        stock = self._touchable(box, at[self.stock])
        box.touched = box.touched.with_(np.arange(len(self.cells)), stock)

    def _stocks(self, lower: FloatArray, upper: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Least and most stock of each benefit in a box, shape (m,)."""
        shape = self.problem.shape
        with np.errstate(invalid="ignore"):
            low, high = (stocks(self.problem, bound.reshape(shape)).ravel()[self.cells] for bound in (lower, upper))
        reach = stock_reach(self.problem).ravel()[self.cells]
        return low, np.maximum(low, np.fmin(high, reach))

    def solve(self, box: Box) -> Outcome:
        """Cut until the box is closed, or only its envelopes hold it open."""
        search, limits = self.search, self.limits
        low, high = self._stocks(box.lower, box.upper)
        for _ in range(MOST_CUTS):
            outcome = highs.run(self._arrays(box, low, high), time_limit=limits.seconds, seed=limits.seed)
            if outcome.status == "unbounded" and not self.widened:
                # Squares may bound what their first tangents do not.
                self.widened, first = True, np.repeat(np.arange(len(self.squares)), 2)
                self.bends = self.bends.with_(first, np.tile([-FAR, FAR], len(self.squares)))
                continue
            if outcome.status == "infeasible":
                box.bound = -np.inf
            if outcome.solution is None or outcome.status != "optimal" or outcome.row_dual is None:
                return outcome
            box.bound = min(box.bound, outcome.bound + self.model.constant)
            box.solution = outcome.solution[: self.columns]
            base = outcome.row_dual[: self.model.matrix.shape[0]]
            box.prices = multipliers_of(self.model, base)
            box.gains = (self.model.cost - self.model.matrix.T @ base)[self.effect]
            self._judge(box, replace(outcome, solution=box.solution, row_dual=base, column_dual=None))
            late = time.monotonic() > limits.deadline
            if late or self._closed(max(box.bound, search.value)) or not self._cut(box, outcome.solution, low, high):
                break
        return outcome

    def _judge(self, box: Box, outcome: Outcome) -> None:
        """Keep the plan of a linear program if the referee passes it and it is the best."""
        from fiscus.optimise.refine import clean

        search = self.search
        if box.solution is None:
            return
        spend = clean(self.problem, self.model, box.solution)
        value = objective(self.problem, spend)
        if search.best is not None and value <= search.value:
            return
        broken = violations(self.problem, spend)
        if broken:
            search.broken = tuple(each.sentence for each in broken)
            return
        search.best, search.value, search.last, search.outcome = spend, value, self.model, outcome

    def _arrays(self, box: Box, low: FloatArray, high: FloatArray) -> Arrays:
        """The linear program of a box: benefits between their envelopes, squares above their tangents."""
        model, count, bend = self.model, len(self.squares), self.bends.cell
        over, under = self._over(box, low, high), self._under(box, low, high)
        weight, at = self.curvature[bend], self.bends.stock
        # Half of curvature * z^2 is at least curvature * (at * z - at^2 / 2).
        tangents = self._pairs(self.columns + bend, self.squares[bend], -weight * at)
        held = [self._pairs(self.effect[cut.cell], self.stock[cut.cell], -cut.slope) for cut in (over, under)]
        empty = sp.csr_array((model.matrix.shape[0], count))
        matrix = sp.vstack([sp.hstack([model.matrix, empty]), *held, tangents], format="csr")
        lower, upper = model.lower.copy(), model.upper.copy()
        spend = model.blocks["spend"]
        lower[spend.slice] = np.maximum(lower[spend.slice], box.lower[spend.active])
        upper[spend.slice] = np.minimum(upper[spend.slice], box.upper[spend.active])
        none = [np.full(size, np.inf) for size in (len(over.cell), len(under.cell), len(bend), count)]
        return Arrays(
            cost=np.concatenate([model.cost, np.full(count, -1.0)]),
            lower=np.concatenate([lower, np.zeros(count)]),
            upper=np.concatenate([upper, none[3]]),
            integer=np.zeros(self.columns + count, dtype=bool),
            matrix=sp.csr_array(matrix),
            row_lower=np.concatenate([model.row_lower, -none[0], under.base, -0.5 * weight * at**2]),
            row_upper=np.concatenate([model.row_upper, over.base, none[1], none[2]]),
            typical=model.typical,
        )

    def _pairs(self, first: IntArray, second: IntArray, factor: FloatArray) -> sp.csr_array:
        """Rows ``first + factor * second`` of columns, shape (k, columns)."""
        rows = np.tile(np.arange(len(first)), 2)
        entries = np.concatenate([np.ones(len(first)), factor])
        shape = (len(first), self.columns + len(self.squares))
        return sp.csr_array((entries, (rows, np.concatenate([first, second]))), shape=shape)

    def _over(self, box: Box, low: FloatArray, high: FloatArray) -> _Lines:
        """What holds benefits from above; a vertical tangent holds nothing."""
        cell = box.touched.cell
        slope, base = above(self.curves.take(cell), low[cell], high[cell], box.touched.stock)
        kept = np.isfinite(slope) & np.isfinite(base)
        return _Lines(cell[kept], slope[kept], base[kept])

    def _under(self, box: Box, low: FloatArray, high: FloatArray) -> _Lines:
        """What holds benefits from below: one chord where the curve is concave."""
        straight = np.flatnonzero(self.curves.concave)
        bent = ~self.curves.concave[box.touched.cell]
        cell = np.concatenate([straight, box.touched.cell[bent]])
        touch = np.concatenate([low[straight], box.touched.stock[bent]])
        slope, base = below(self.curves.take(cell), low[cell], high[cell], touch)
        return _Lines(cell, slope, base)

    def _cut(self, box: Box, solution: FloatArray, low: FloatArray, high: FloatArray) -> bool:
        """Cut in where the solution lies; whether another linear program would move the bound."""
        search, every = self.search, np.arange(len(self.cells))
        stock, effect = np.clip(solution[self.stock], low, high), solution[self.effect]
        touch = self._touchable(box, stock)
        over, under = above(self.curves, low, high, touch), below(self.curves, low, high, touch)
        weight = self._weights(box)
        missed = weight * np.maximum(effect - over[0] * stock - over[1], under[0] * stock + under[1] - effect)
        squares = solution[self.squares]
        short = 0.5 * self.curvature * squares**2 - solution[self.columns :]
        known = max(abs(box.bound), abs(search.value) if np.isfinite(search.value) else 0.0)
        allowed = SHARE * self.limits.gap * known / max(1, len(missed) + len(short))
        poor, steep = missed > allowed, short > allowed
        box.touched = box.touched.with_(every[poor], touch[poor])
        self.bends = self.bends.with_(np.flatnonzero(steep), squares[steep])
        apart = float((weight * np.abs(effect - self.curves.value(stock))).sum())
        cut = float(missed[poor].sum() + short[steep].sum())
        # Where envelopes lie further from the curves than cuts do from both, only smaller boxes help.
        return cut > 0.0 and cut > EVEN * (apart - float(missed[poor].sum()))

    def _touchable(self, box: Box, stock: FloatArray) -> FloatArray:
        """Stocks at which the slope is finite: next to a vertical one, a step nearer to it than so far."""
        steep = ~np.isfinite(self.curves.derivative(stock))
        if not steep.any():
            return stock
        least = np.full(len(stock), np.inf)
        positive = box.touched.stock > 0
        np.minimum.at(least, box.touched.cell[positive], box.touched.stock[positive])
        return np.where(steep, np.where(np.isfinite(least), STEP * least, STEP), stock)

    def _weights(self, box: Box) -> FloatArray:
        """What a unit of each benefit is worth to the objective, with its part in the variance."""
        cost = self.model.cost[self.effect]
        return np.abs(cost) if box.gains is None else np.maximum(np.abs(box.gains), STEP * np.abs(cost))

    def divide(self, box: Box) -> tuple[Box, ...]:
        """Both halves of a box at the amount whose benefit is furthest from its curve; none where all are on it."""
        solution = box.solution
        if solution is None:
            return ()
        low, high = self._stocks(box.lower, box.upper)
        stock, effect = np.clip(solution[self.stock], low, high), solution[self.effect]
        error = self._weights(box) * np.abs(effect - self.curves.value(stock))
        for place in np.argsort(-error, kind="stable").tolist():
            if error[place] <= 1e-15 * max(1.0, abs(box.bound)):
                break
            cell = self._amount_behind(box, int(self.cells[place]))
            wide = box.upper[cell] - box.lower[cell]
            if not wide > NARROW * max(1.0, box.lower[cell]):
                continue
            given = float(self.model.spend(solution).ravel()[cell])
            edge = EVEN * wide if np.isfinite(wide) else 0.0
            box.cell, box.at = cell, float(np.clip(given, box.lower[cell] + edge, box.upper[cell] - edge))
            below_, above_ = box.upper.copy(), box.lower.copy()
            below_[cell] = above_[cell] = box.at
            kept = self._active(box, low, high)
            box.parts = (Box(box.lower, below_, box.bound, kept), Box(above_, box.upper, box.bound, kept))
            return box.parts
        return ()

    def _amount_behind(self, box: Box, cell: int) -> int:
        """The amount, of this period or before, that leaves most open what a stock is."""
        lines = self.problem.shape[1]
        period, line = divmod(cell, lines)
        kept = float(self.problem.lines.retention[line])
        if kept == 0.0:
            return cell
        earlier = np.arange(period + 1) * lines + line
        with np.errstate(invalid="ignore"):
            open_ = kept ** np.arange(period, -1, -1) * (box.upper - box.lower)[earlier]
        return int(earlier[np.argmax(open_)])

    def _active(self, box: Box, low: FloatArray, high: FloatArray) -> Points:
        """Touching points whose lines matter at the solution of a box, and the solution itself."""
        solution = box.solution
        if solution is None:
            return box.touched
        stock, effect = solution[self.stock], solution[self.effect]
        cell = box.touched.cell
        slope, base = above(self.curves.take(cell), low[cell], high[cell], box.touched.stock)
        with np.errstate(invalid="ignore"):
            slack = slope * stock[cell] + base - effect[cell]
        near = slack <= NEAR * np.maximum(1e-300, np.abs(effect[cell]))
        ends = np.r_[True, np.diff(cell) > 0] | np.r_[np.diff(cell) > 0, True]
        kept = Points(cell[near | ends], box.touched.stock[near | ends])
        inside = np.flatnonzero(np.isfinite(self.curves.derivative(stock)))
        return kept.with_(inside, stock[inside])

    def proof(self, root: Box) -> Boxes:
        """Prices that prove the bound, in parts where that proves more."""
        whole = Boxes(root.prices)
        if not root.parts:
            return whole
        parts = _priced(root)
        return min((whole, parts), key=lambda boxes: Certificate.make(self.problem, boxes).bound)


def _priced(box: Box) -> Boxes:
    if box.parts:
        return Boxes(None, box.cell, box.at, tuple(_priced(part) for part in box.parts))
    return Boxes(box.prices)
