"""A plan's model on its true curves, solved from a solution nearby: Newton's method on the conditions of an optimum.

Ranges of prices need the best plan at many limits that differ little. Over linear pieces each takes some linear programs and new
pieces; here the amounts between their bounds and the prices of the rows that bind solve one sparse system a step, and what then
lies beyond a bound, or has a price of the wrong sign, changes sides (primal-dual active sets: Bergounioux, Ito & Kunisch 1999).
What comes out is an optimum because the model is concave and every condition is checked; where the steps do not settle, there is
no answer, and the caller goes the longer way.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import scipy.sparse as sp
import scipy.sparse.linalg as spla

from fiscus.core.arrays import BoolArray, FloatArray, IntArray
from fiscus.core.curves import STEP_TOLERANCE, Curves
from fiscus.core.dynamics import stocks
from fiscus.optimise.layout import Form
from fiscus.optimise.pieces import Points

MOST_STEPS = 40
PATIENT = 12
"""Steps after which sides change one at a time, so that they cannot go round in circles for ever."""
SETTLED = 1e-10
"""Relative size of a step that moves nothing."""
EXACT = 1e-9
"""Relative miss of a condition that is rounding."""
SAME_PRICE = 1e-6
"""Relative distance between the slope of a free column and the prices that it pays."""
NUDGE = 1e-4
"""Relative distance over which slopes are compared for their curvature."""
PROXIMAL = 1e-7
"""Curvature of straight columns beside that of a typical bent one; it holds steps short and vanishes with them."""
LEAST = 1e-12


@dataclass(frozen=True, eq=False)
class State:
    """A solution: columns, prices of rows, and which bound each lies on (-1 lower, 1 upper, 0 none).

    Attributes:
        x: Shape (columns,).
        y: Shape (rows,).
        column: Shape (columns,).
        row: Shape (rows,).
    """

    x: FloatArray
    y: FloatArray
    column: IntArray
    row: IntArray


class Newton:
    """A form whose smooth curves are ``effect`` columns, as an objective on the stocks themselves.

    Args:
        model: Of curves ``exact``, integers fixed by their bounds.
        points: Where the linear pieces of curves begin and end.
        spend: The plan whose choices are kept, shape (T, n): each S-shaped curve stays on the part that the plan lies on.
    """

    def __init__(self, model: Form, points: Points, spend: FloatArray) -> None:
        block = model.blocks["effect"]
        cells = block.active
        curves = model.problem.lines.curves.take(cells % model.problem.shape[1])
        effect, place = block.offset + np.arange(len(cells)), _stock_columns(model, cells)
        gain = model.cost[effect]
        self.cost, self.constant = model.cost.copy(), model.constant
        self.cost[effect] = 0.0
        self.idle = np.zeros(len(self.cost), dtype=bool)
        self.idle[effect] = True
        lower, upper = model.lower.copy(), model.upper.copy()
        foot = _feet(curves, stocks(model.problem, spend).ravel()[cells], cells, points)
        for at, low, high in foot:
            # On its convex foot a curve is the chord that the plan lies on, as in the linear pieces.
            start, end = (float(curves.take(np.array([at])).value(np.array([each]))[0]) for each in (low, high))
            slope = (end - start) / (high - low)
            self.cost[place[at]] += gain[at] * slope
            self.constant += float(gain[at] * (start - slope * low))
            upper[place[at]] = min(upper[place[at]], high)
            lower[place[at]] = max(lower[place[at]], low)
        curved = np.setdiff1d(np.arange(len(cells)), [at for at, _, _ in foot])
        self.curves, self.stock, self.gain = curves.take(curved), place[curved], gain[curved]
        np.maximum.at(lower, self.stock, np.where(self.curves.concave, 0.0, self.curves.inflection()))
        self.model = replace(model, lower=lower, upper=upper)
        self.matrix, self.columns = sp.csr_array(model.matrix), sp.csc_array(model.matrix)

    @classmethod
    def serves(cls, model: Form) -> bool:
        """Whether smooth curves count in the objective alone."""
        if model.curvature is not None or "effect" not in model.blocks:
            return False
        block = model.blocks["effect"]
        entries = np.diff(sp.csc_array(model.matrix).indptr)[block.slice]
        return not entries.any() and bool((model.cost[block.slice] >= 0).all())

    def value(self, x: FloatArray) -> float:
        """The objective."""
        return self.constant + float(self.cost @ x + self.gain @ self.curves.value(x[self.stock]))

    def slopes(self, x: FloatArray) -> FloatArray:
        """Gradient of the objective, shape (columns,)."""
        gradient = self.cost.copy()
        np.add.at(gradient, self.stock, self.gain * self.curves.derivative(np.maximum(x[self.stock], 0.0)))
        return gradient

    def _bends(self, x: FloatArray) -> FloatArray:
        """Second derivatives, <= 0, by differences, shape (columns,)."""
        stock = np.maximum(x[self.stock], 0.0)
        ahead = stock * (1.0 + NUDGE) + LEAST * self.curves.h
        behind = stock * (1.0 - NUDGE)
        with np.errstate(invalid="ignore", over="ignore"):
            bend = (self.curves.derivative(ahead) - self.curves.derivative(behind)) / (ahead - behind)
        bends = np.zeros(len(x))
        np.add.at(bends, self.stock, self.gain * np.where(np.isfinite(bend), np.minimum(bend, 0.0), 0.0))
        return bends

    def reduced(self, state: State) -> FloatArray:
        """Value of one more unit of each column, net of the prices of its rows, shape (columns,)."""
        return np.asarray(self.slopes(state.x) - self.columns.T @ state.y)

    def start(self, x: FloatArray, y: FloatArray) -> State:
        """Sides by a solution of linear pieces and its prices of rows."""
        model, lower, upper = self.model, self.model.lower, self.model.upper
        activity = self.matrix @ x
        row = np.where(y > 0, 1, np.where(y < 0, -1, 0))
        off = np.where(row > 0, model.row_upper - activity, activity - model.row_lower)
        row = np.where((row != 0) & (np.abs(off) > 1e-6 * np.maximum(1.0, np.abs(activity))), 0, row)
        row = np.where(model.row_lower == model.row_upper, 1, row)
        grain = 1e-9 * np.maximum(1.0, np.abs(x))
        column = np.where(x <= lower + grain, -1, np.where(x >= upper - grain, 1, 0))
        return State(np.clip(x, lower, upper), np.where(row != 0, y, 0.0), column, row)

    def solve(
        self, state: State, columns: tuple[FloatArray, FloatArray], rows: tuple[FloatArray, FloatArray]
    ) -> State | None:
        """The optimum within bounds, or None where the steps do not settle.

        Args:
            state: To start from.
            columns: Lower and upper bounds of columns.
            rows: Likewise of rows; equal ones are always kept.
        """
        lower, upper = columns
        if (lower > upper).any() or (rows[0] > rows[1]).any():
            return None
        x, y = np.clip(state.x, lower, upper), state.y
        fixed = (lower == upper) | self.idle
        column = np.where(fixed, -1, state.column)
        row = np.where(rows[0] == rows[1], 1, state.row)
        for step in range(MOST_STEPS):
            x = np.where(column < 0, lower, np.where(column > 0, upper, x))
            x[self.idle] = 0.0
            free, held = np.flatnonzero(column == 0), np.flatnonzero(row)
            side = np.where(row[held] > 0, rows[1][held], rows[0][held])
            solved = self._step(x, y, free, held, side)
            if solved is None:
                return None
            move, y = solved
            x[free] += move
            far = float(np.max(np.abs(move) / np.maximum(1.0, np.abs(x[free])), initial=0.0))
            sides = self._sides(State(x, y, column, row), columns, rows, fixed, single=step >= PATIENT)
            if sides is None:
                if far <= SETTLED:
                    found = State(x, y, column, row)
                    return found if self._holds(found, held, side, free) else None
                continue
            released = np.flatnonzero((column != 0) & (sides[0] == 0))
            column, row = sides
            x = self._demanded(np.clip(x, lower, upper), y, released, lower, upper)
        return None

    def _step(
        self, x: FloatArray, y: FloatArray, free: IntArray, held: IntArray, side: FloatArray
    ) -> tuple[FloatArray, FloatArray] | None:
        """Moves of the free columns and prices of all rows, those that bind not being zero."""
        gradient, bends = self.slopes(x), self._bends(x)
        if not np.isfinite(gradient[free]).all():
            return None
        active = sp.csr_array(self.columns[:, free])[held]
        typical = np.abs(bends[free][bends[free] < 0])
        size = float(np.median(typical)) if len(typical) else _typical(gradient[free], x[free])
        near = PROXIMAL * size
        weight = PROXIMAL**1.5 / size * np.asarray(active.power(2).sum(axis=1)).ravel() + LEAST / size
        system = sp.block_array(
            [[sp.diags_array(bends[free] - near), -active.T], [active, -sp.diags_array(weight)]], format="csc"
        )
        missing = side - self.matrix[held] @ x
        right = np.concatenate([-gradient[free], missing - weight * y[held]])
        try:
            found = spla.splu(sp.csc_matrix(system)).solve(right)
        except RuntimeError:  # Singular.
            return None
        if not np.isfinite(found).all():
            return None
        prices = np.zeros(len(y))
        prices[held] = found[len(free) :]
        return found[: len(free)], prices

    def _holds(self, state: State, held: IntArray, side: FloatArray, free: IntArray) -> bool:
        """Whether rows that bind are met and free columns are worth their prices: steps are eased, so they settle in any case."""
        own = self.matrix[held]
        missed = np.abs(own @ state.x - side) > 10 * EXACT * np.maximum(1.0, abs(own) @ np.abs(state.x))
        paid = np.abs(self.columns.T @ state.y)[free]
        with np.errstate(invalid="ignore"):
            apart = np.abs(self.reduced(state)[free])
        return not missed.any() and bool((apart <= SAME_PRICE * np.maximum(paid, paid.max(initial=0.0) * EXACT)).all())

    def _sides(
        self,
        state: State,
        columns: tuple[FloatArray, FloatArray],
        rows: tuple[FloatArray, FloatArray],
        fixed: BoolArray,
        *,
        single: bool,
    ) -> tuple[IntArray, IntArray] | None:
        """Where columns and rows change sides, or None where nothing does."""
        (lower, upper), x, y = columns, state.x, state.y
        paid = self.columns.T @ y
        with np.errstate(invalid="ignore"):
            gain = self.slopes(x) - paid
        size = EXACT * np.maximum(np.abs(paid), np.abs(self.cost)) + LEAST * float(np.abs(paid).max(initial=0.0))
        column, row = state.column.copy(), state.row.copy()
        grain = EXACT * np.maximum(1.0, np.abs(x))
        wrong = np.zeros(len(x))
        wrong = np.where(column == 0, np.maximum(lower - x, x - upper) / grain, wrong)
        wrong = np.where(column < 0, gain / np.maximum(size, 1e-300), wrong)
        wrong = np.where(column > 0, -gain / np.maximum(size, 1e-300), wrong)
        wrong = np.where(fixed, 0.0, wrong)
        activity = self.matrix @ x
        scale = EXACT * np.maximum(1.0, abs(self.matrix) @ np.abs(x))
        over, under = (activity - rows[1]) / scale, (rows[0] - activity) / scale
        equal = rows[0] == rows[1]
        cheap = EXACT * float(np.abs(y).max(initial=0.0)) + 1e-300
        missed = np.where(state.row == 0, np.maximum(over, under), -np.sign(state.row) * y / cheap)
        missed = np.where(equal, 0.0, missed)
        worst = max(float(wrong.max(initial=0.0)), float(missed.max(initial=0.0)))
        if worst <= 1.0:
            return None
        least = worst if single else 1.0 + LEAST
        there = wrong >= least
        column[there] = np.where(column != 0, 0, np.where(x < lower, -1, 1))[there]
        there = missed >= least
        row[there] = np.where(row != 0, 0, np.where(over > under, 1, -1))[there]
        return column, row

    def _demanded(
        self, x: FloatArray, y: FloatArray, released: IntArray, lower: FloatArray, upper: FloatArray
    ) -> FloatArray:
        """Columns that leave a bound, put where their curves' slopes meet their prices."""
        cells = np.flatnonzero(np.isin(self.stock, released) & (self.gain > 0) & self.curves.concave)
        if not len(cells):
            return x
        place = self.stock[cells]
        price = ((self.columns.T @ y)[place] - self.cost[place]) / self.gain[cells]
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            wanted = self.curves.take(cells).inverse_derivative(price)
        good = np.isfinite(wanted) & (price > 0)
        x[place[good]] = np.clip(wanted, lower[place], upper[place])[good]
        return x


def _typical(gradient: FloatArray, x: FloatArray) -> float:
    """Price by amount where nothing bends."""
    return max(float(np.abs(gradient).max(initial=0.0)), LEAST) / max(1.0, float(np.abs(x).max(initial=0.0)))


def _feet(curves: Curves, stock: FloatArray, cells: IntArray, points: Points) -> list[tuple[int, float, float]]:
    """Cells on the convex foot of their curves, and both ends of the chord that they lie on."""
    found = []
    for at in np.flatnonzero(~curves.concave & (stock < curves.inflection() * (1.0 - STEP_TOLERANCE))).tolist():
        own = points.stock[points.cell == cells[at]]
        ends = own[own <= curves.inflection()[at] * (1.0 + LEAST)]
        first = max(int(np.searchsorted(ends * (1.0 - STEP_TOLERANCE), stock[at], side="right")) - 1, 0)
        if first + 1 < len(ends):
            found.append((at, float(ends[first]), float(ends[first + 1])))
    return found


def _stock_columns(model: Form, cells: IntArray) -> IntArray:
    """Column that holds the stock of each cell."""
    carried = model.problem.lines.retention[cells % model.problem.shape[1]] > 0
    place = np.empty(len(cells), np.int64)
    for name, which in (("spend", ~carried), ("stock", carried)):
        if which.any():
            block = model.blocks[name]
            place[which] = block.offset + np.searchsorted(block.active, cells[which])
    return place
