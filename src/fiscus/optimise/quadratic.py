"""Concave quadratic objectives: bounds that linear programs prove, and an interior-point method of our own.

HiGHS's active-set method for quadratic programs cycles on degenerate models: on the 31 assets of OR-Library's ``port1`` it failed
at 16 of 80 points of the published frontier (highspy 1.15.1: time limit, "unbounded" or an error, whatever the tolerance or
regularisation, with factors or with the covariance itself). So its answer is only used where a linear program proves it, and the
method here, which does not pivot, stands in where it fails.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import scipy.linalg as sla
import scipy.sparse as sp
import scipy.sparse.linalg as spla

from fiscus.core.arrays import BoolArray, FloatArray
from fiscus.optimise.layout import Arrays

MOST_STEPS = 100
CONVERGED = 1e-12
"""Relative residuals and gap at which the interior point stops; it usually stalls a little above."""
GOOD_ENOUGH = 1e-7
"""Relative residual up to which a stalled point is worth looking at."""
STEP = 0.995
PATIENCE = 10
REGULAR = 1e-11
MOST_DENSE_ROWS = 3000
DENSE = 0.05


def linearised(arrays: Arrays, solution: FloatArray) -> tuple[Arrays, float]:
    """A linear objective that is nowhere below a concave one and touches it at a solution.

    Whatever bounds the linear model, plus the constant, bounds the quadratic one.

    Args:
        arrays: With a curvature.
        solution: Shape (columns,).

    Returns:
        The arrays with the gradient as cost, and the constant to be added.
    """
    curvature = _curvature(arrays)
    bent = curvature * solution
    return replace(_plain(arrays), cost=arrays.cost - bent), 0.5 * float(bent @ solution)


def penalised(arrays: Arrays, solution: FloatArray, slack: float) -> tuple[Arrays, float]:
    """As :func:`linearised`, with a price on moving away from the solution, for models that nothing else bounds.

    Uses ``d^2 / 2 >= w |d| - w^2 / 2``; the widths w are chosen so that the constants cost the given slack in all.
    """
    straight, constant = linearised(arrays, solution)
    curvature = _curvature(arrays)
    bent = np.flatnonzero(curvature)
    width = np.sqrt(2.0 * slack / (len(bent) * curvature[bent]))
    columns, count = arrays.matrix.shape[1], len(bent)
    move = sp.csr_array((np.ones(count), (np.arange(count), bent)), shape=(count, columns))
    eye = sp.eye_array(count, format="csr")
    matrix = sp.block_array([[arrays.matrix, None], [-move, eye], [move, eye]], format="csr")
    here, none = solution[bent], np.full(2 * count, np.inf)
    widened = replace(
        straight,
        cost=np.concatenate([straight.cost, -curvature[bent] * width]),
        lower=np.concatenate([arrays.lower, np.zeros(count)]),
        upper=np.concatenate([arrays.upper, np.full(count, np.inf)]),
        integer=np.concatenate([arrays.integer, np.zeros(count, dtype=bool)]),
        matrix=sp.csr_array(matrix),
        row_lower=np.concatenate([arrays.row_lower, -here, here]),
        row_upper=np.concatenate([arrays.row_upper, none]),
    )
    return widened, constant + slack


def escape(arrays: Arrays) -> Arrays:
    """A linear model whose best is above zero exactly where the quadratic model is unbounded, if it has a feasible plan.

    Its columns are a direction, each at most one long, that stays feasible for ever and along which the objective is straight.
    """
    straight = _curvature(arrays) == 0
    return replace(
        _plain(arrays),
        lower=np.where(np.isfinite(arrays.lower) | ~straight, 0.0, -1.0),
        upper=np.where(np.isfinite(arrays.upper) | ~straight, 0.0, 1.0),
        row_lower=np.where(np.isfinite(arrays.row_lower), 0.0, -np.inf),
        row_upper=np.where(np.isfinite(arrays.row_upper), 0.0, np.inf),
    )


def _plain(arrays: Arrays) -> Arrays:
    """The arrays without curvature, and without the names that a form carries."""
    kept = {name: getattr(arrays, name) for name in Arrays.__dataclass_fields__}
    return Arrays(**{**kept, "curvature": None})


def _curvature(arrays: Arrays) -> FloatArray:
    return np.zeros(len(arrays.cost)) if arrays.curvature is None else arrays.curvature


@dataclass(eq=False)
class _Iterate:
    """A point of the method: columns, row prices, and the prices of the columns' two bounds."""

    x: FloatArray
    y: FloatArray
    below: FloatArray
    above: FloatArray


@dataclass(frozen=True, eq=False)
class _Standard:
    """``min cost @ x + quad @ x**2 / 2`` subject to ``matrix @ x = side``, ``lower <= x <= upper``; no column is fixed."""

    cost: FloatArray
    quad: FloatArray
    matrix: sp.csr_array
    side: FloatArray
    lower: FloatArray
    upper: FloatArray

    @cached_property
    def dense(self) -> FloatArray:
        """The matrix with its zeros."""
        return np.asarray(self.matrix.toarray())

    @cached_property
    def low(self) -> BoolArray:
        """Columns with a lower bound."""
        return np.isfinite(self.lower)

    @cached_property
    def high(self) -> BoolArray:
        """Columns with an upper bound."""
        return np.isfinite(self.upper)

    def gaps(self, x: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Distances to the bounds, never zero; one where there is none."""
        least = 1e-16 * np.maximum(1.0, np.abs(x))
        below = np.where(self.low, np.maximum(x - self.lower, least), 1.0)
        return below, np.where(self.high, np.maximum(self.upper - x, least), 1.0)


def interior(arrays: Arrays) -> FloatArray | None:
    """A maximiser by a primal-dual interior-point method (Mehrotra 1992), or None where it finds none.

    Args:
        arrays: Feasible and bounded, no integers; best scaled to numbers near one.

    Returns:
        Columns inside their bounds, to about eight digits of the objective; what it is worth is for the caller to prove.
    """
    rows, columns = arrays.matrix.shape
    equal = arrays.row_lower == arrays.row_upper
    idle = ~np.isfinite(arrays.row_lower) & ~np.isfinite(arrays.row_upper)
    ranged = np.flatnonzero(~equal & ~idle)
    used = np.flatnonzero(~idle)
    slack = sp.csr_array((-np.ones(len(ranged)), (ranged, np.arange(len(ranged)))), shape=(rows, len(ranged)))
    matrix = sp.csr_array(sp.hstack([arrays.matrix, slack])[used])
    lower = np.concatenate([arrays.lower, arrays.row_lower[ranged]])
    upper = np.concatenate([arrays.upper, arrays.row_upper[ranged]])
    side = np.where(equal, arrays.row_lower, 0.0)[used]
    cost = np.concatenate([-arrays.cost, np.zeros(len(ranged))])
    quad = np.concatenate([_curvature(arrays), np.zeros(len(ranged))])
    free = np.flatnonzero(lower < upper)
    fixed = np.where(lower < upper, 0.0, lower)
    model = _Standard(
        cost[free], quad[free], sp.csr_array(matrix[:, free]), side - matrix @ fixed, lower[free], upper[free]
    )
    with np.errstate(all="ignore"):  # What is not finite ends the path; infinite bounds are masked out.
        found = _follow(model)
    if found is None:
        return None
    fixed[free] = np.clip(found, model.lower, model.upper)
    return np.asarray(fixed[:columns])


def _start(model: _Standard) -> _Iterate:
    low, high = model.low, model.high
    middle = np.where(low & high, 0.5 * (model.lower + model.upper), 0.0)
    x = np.where(low & ~high, model.lower + 1.0, np.where(high & ~low, model.upper - 1.0, middle))
    # Wide boxes: near the end that is nearer to zero, but well inside.
    wide = low & high & (model.upper - model.lower > 2.0)
    x = np.where(wide, np.clip(0.0, model.lower + 1.0, model.upper - 1.0), x)
    size = max(1.0, float(np.abs(model.cost).max(initial=0.0)))
    return _Iterate(x, np.zeros(len(model.side)), np.where(low, size, 0.0), np.where(high, size, 0.0))


def _follow(model: _Standard) -> FloatArray | None:
    """The central path to its end."""
    at = _start(model)
    pairs = int(model.low.sum() + model.high.sum())
    best, least, since = None, np.inf, 0
    for _ in range(MOST_STEPS):
        down, up = model.gaps(at.x)
        primal = model.side - model.matrix @ at.x
        dual = model.cost + model.quad * at.x - model.matrix.T @ at.y - at.below + at.above
        centre = float(at.below @ down + at.above @ up) / max(pairs, 1)
        worth = float(np.abs(model.cost @ at.x)) + 0.5 * float(model.quad @ at.x**2)
        off = max(
            float(np.abs(primal).max(initial=0.0)) / (1.0 + float(np.abs(model.side).max(initial=0.0))),
            float(np.abs(dual).max(initial=0.0)) / (1.0 + float(np.abs(model.cost).max(initial=0.0))),
            centre * pairs / (1e-3 + worth),
        )
        if not np.isfinite(off):
            break
        since = 0 if off < 0.5 * least else since + 1
        if off < least:
            best, least = at.x, off
        if off < CONVERGED or since > PATIENCE:
            break
        try:
            newton = _Newton(model, at)
        except RuntimeError:  # Singular to working precision: the path has ended.
            break
        guess = _direction(model, newton, at, (primal, dual), (-at.below * down, -at.above * up))
        lengths = _lengths(model, at, guess)
        after = _moved(at, guess, *lengths)
        near, far = model.gaps(after.x)
        aimed = float(after.below @ near + after.above @ far) / max(pairs, 1)
        target = centre * min(1.0, max(aimed / centre, 0.0) ** 3) if centre > 0 else 0.0
        corrected = (
            np.where(model.low, target - at.below * down - guess.x * guess.below, 0.0),
            np.where(model.high, target - at.above * up + guess.x * guess.above, 0.0),
        )
        step = _direction(model, newton, at, (primal, dual), corrected)
        at = _moved(at, step, *(STEP * length for length in _lengths(model, at, step)))
    return best if least <= GOOD_ENOUGH else None


class _Newton:
    """The Newton system at one point, factored; slightly regularised so that free columns and repeated rows do no harm.

    With ``H = quad + prices / distances``, ``[-H M'; M 0]``. Where M is small and dense its normal equations ``M H^-1 M'`` are
    factored instead, which takes BLAS.
    """

    def __init__(self, model: _Standard, at: _Iterate) -> None:
        """Factor.

        Raises:
            RuntimeError: For a system that is singular to working precision.
        """
        down, up = model.gaps(at.x)
        with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
            self.weight = model.quad + at.below / down + at.above / up
        if not np.isfinite(self.weight).all():
            raise RuntimeError("a column lies on its bound")
        self.model = model
        rows, columns = model.matrix.shape
        regular = self.weight + REGULAR
        self.normal = rows <= MOST_DENSE_ROWS and model.matrix.nnz > DENSE * rows * columns
        if self.normal:
            scaled = model.dense / np.sqrt(regular)
            try:
                self.cholesky = sla.cho_factor(scaled @ scaled.T + REGULAR * np.eye(rows))
                return
            except (
                np.linalg.LinAlgError
            ):  # Near the end most columns lie on bounds; the whole system bears that better.
                self.normal = False
        system = sp.block_array(
            [[sp.diags_array(-regular), model.matrix.T], [model.matrix, REGULAR * sp.eye_array(rows)]], format="csc"
        )
        self.lu = spla.splu(sp.csc_matrix(system))

    def solve(self, dual: FloatArray, primal: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Steps in the columns and in the row prices; refined against what the regularisation leaves."""
        matrix = self.model.matrix
        move, price = self._once(dual, primal)
        for _ in range(2):
            again = self._once(dual + self.weight * move - matrix.T @ price, primal - matrix @ move)
            move, price = move + again[0], price + again[1]
        return move, price

    def _once(self, dual: FloatArray, primal: FloatArray) -> tuple[FloatArray, FloatArray]:
        if not self.normal:
            answer = self.lu.solve(np.concatenate([dual, primal]))
            return answer[: len(dual)], answer[len(dual) :]
        regular = self.weight + REGULAR
        # -H move + M' price = dual, so move = (M' price - dual) / H.
        price = sla.cho_solve(self.cholesky, primal + self.model.dense @ (dual / regular))
        return (self.model.dense.T @ price - dual) / regular, price


def _direction(
    model: _Standard,
    newton: _Newton,
    at: _Iterate,
    residuals: tuple[FloatArray, FloatArray],
    products: tuple[FloatArray, FloatArray],
) -> _Iterate:
    """A Newton step towards given products of distances and prices."""
    primal, dual = residuals
    down, up = model.gaps(at.x)
    moved, price = newton.solve(dual - products[0] / down + products[1] / up, primal)
    below = np.where(model.low, (products[0] - at.below * moved) / down, 0.0)
    above = np.where(model.high, (products[1] + at.above * moved) / up, 0.0)
    return _Iterate(moved, price, below, above)


def _lengths(model: _Standard, at: _Iterate, step: _Iterate) -> tuple[float, float]:
    """How far columns and prices can go before one of them meets its bound, at most one."""
    down, up = model.gaps(at.x)

    def longest(value: FloatArray, change: FloatArray, where: BoolArray) -> float:
        falling = where & (change < 0)
        return float(min(1.0, (-value[falling] / change[falling]).min(initial=np.inf)))

    primal = min(longest(down, step.x, model.low), longest(up, -step.x, model.high))
    dual = min(longest(at.below, step.below, model.low), longest(at.above, step.above, model.high))
    if model.quad.any():  # Columns and prices are tied by the curvature.
        primal = dual = min(primal, dual)
    return primal, dual


def _moved(at: _Iterate, step: _Iterate, primal: float, dual: float) -> _Iterate:
    return _Iterate(
        at.x + primal * step.x, at.y + dual * step.y, at.below + dual * step.below, at.above + dual * step.above
    )
