"""Many columns, few rows: near a known answer only the columns whose price is nearly right are solved for.

Amounts are written as sums of their segments, which leaves the few rows of rules and envelopes over many boxed columns. At the
prices of a neighbouring value of the parameter nearly all columns are clearly full or clearly empty; HiGHS is given the others, in
small models that start at those prices, and all columns are then priced at what it answers (sifting: Bixby, Gregory, Lustig,
Marsten & Shanno 1992, "Very large-scale linear programming"). The dual bound over all columns, computed here, is what ends it.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp

from fiscus.core.arrays import BoolArray, FloatArray, IntArray
from fiscus.optimise import highs
from fiscus.optimise.frontier.family import Family, Moving
from fiscus.optimise.highs import Outcome
from fiscus.optimise.layout import Arrays

LEAST_COLUMNS = 5_000
"""Columns from which sifting pays; smaller models are solved whole in milliseconds."""
LEAST_RATIO = 8.0
"""Columns per row from which it pays: with as many rows as columns the small models have as much to do as the whole one."""
FEWEST = 1_000
"""Columns that the small models have at least."""
SHARE = 0.03
"""Part of all columns that the small models have at first: fewer are solved faster and serve fewer values before they are made anew."""
MOST_SHARE = 0.25
"""Part of all columns beyond which a model is no longer small, and the whole one is asked."""
MOST_ROUNDS = 12
"""Small models tried at one value before the whole one is."""
CLOSED = 1e-9
"""Relative distance of plan and bound at which a value is done."""
NO_PRICE = 1e-9
"""Share of the largest cost below which a column without a bound counts as rightly priced, as HiGHS counts it."""


@dataclass(frozen=True, eq=False)
class Lean:
    """A family's arrays with each amount that is a sum of segments written as that sum.

    Attributes:
        family: Where they are from.
        rows: Rows of the family that are left, shape (m,).
        carriers: Columns of the family that have the coefficients: those sums, and columns that are no segments, shape (c,).
        matrix: Of the rows over the carriers, shape (m, c), by columns.
        origin: Column of the family that each column is: segments, then carriers that are no sums, shape (k,).
        carrier: Carrier of each column, shape (k,).
        cost: Shape (k,).
        lower: Shape (k,).
        upper: Shape (k,).
        moving: What moves, its rows being positions in ``rows``.
    """

    family: Family
    rows: IntArray
    carriers: IntArray
    matrix: sp.csc_array
    origin: IntArray
    carrier: IntArray
    cost: FloatArray
    lower: FloatArray
    upper: FloatArray
    moving: Moving

    @classmethod
    def of(cls, family: Family) -> Lean | None:
        """The lean form; None where there are integers, squares or bounds that cannot be moved over to the segments."""
        arrays, moving = family.arrays, family.moving
        apart = moving.lower_slope != moving.upper_slope
        if (
            arrays.integer.any()
            or arrays.curvature is not None
            or (apart & np.isfinite(moving.upper - moving.lower)).any()
        ):
            return None
        links, sums = _sums(arrays)
        kept = np.setdiff1d(np.arange(len(arrays.row_lower)), links)
        if not np.isin(moving.rows, kept).all():
            return None
        entries = sp.csr_array(arrays.matrix[links]).tocoo()
        link, column = (np.asarray(axis, dtype=np.int64) for axis in entries.coords)
        inside = column != sums[link]
        # The dearest segments of a sum come first: the order in which any best plan fills them.
        order = np.lexsort((-arrays.cost[column[inside]], link[inside]))
        link, column = link[inside][order], column[inside][order]
        bounds = _segment_bounds(arrays, link, column, sums)
        if bounds is None:
            return None
        is_segment = np.zeros(len(arrays.cost), dtype=bool)
        is_segment[column] = True
        carriers = np.flatnonzero(~is_segment)
        place = np.full(len(arrays.cost), -1)
        place[carriers] = np.arange(len(carriers))
        alone = np.setdiff1d(carriers, sums)
        return cls(
            family=family,
            rows=kept,
            carriers=carriers,
            matrix=sp.csc_array(sp.csc_array(arrays.matrix[kept])[:, carriers]),
            origin=np.concatenate([column, alone]),
            carrier=np.concatenate([place[sums[link]], place[alone]]),
            cost=np.concatenate([arrays.cost[column] + arrays.cost[sums[link]], arrays.cost[alone]]),
            lower=np.concatenate([bounds[0], arrays.lower[alone]]),
            upper=np.concatenate([bounds[1], arrays.upper[alone]]),
            moving=Moving(
                np.searchsorted(kept, moving.rows), moving.lower, moving.upper, moving.lower_slope, moving.upper_slope
            ),
        )

    def row_bounds(self, parameter: float) -> tuple[FloatArray, FloatArray]:
        """Bounds of the rows at one value."""
        lower, upper = self.family.arrays.row_lower[self.rows], self.family.arrays.row_upper[self.rows]
        lower[self.moving.rows], upper[self.moving.rows] = self.moving.at(parameter)
        return lower, upper

    def use(self, amount: FloatArray) -> FloatArray:
        """Left-hand sides at amounts of the columns, shape (m,)."""
        return np.asarray(self.matrix @ np.bincount(self.carrier, amount, minlength=len(self.carriers)))

    def reduced(self, prices: FloatArray) -> FloatArray:
        """What one more unit of each column adds at prices of the rows, shape (k,)."""
        return np.asarray(self.cost - (self.matrix.T @ prices)[self.carrier])

    def signed(self, prices: FloatArray) -> FloatArray:
        """Prices without those of bounds that are not there."""
        arrays = self.family.arrays
        wrong = np.where(prices > 0, arrays.row_upper[self.rows] == np.inf, arrays.row_lower[self.rows] == -np.inf)
        return np.where(wrong, 0.0, prices)

    def bound(self, prices: FloatArray, lower: FloatArray, upper: FloatArray) -> float:
        """No amounts within the rows' bounds are worth more: what the rows' bounds and all columns come to at some prices."""
        gain = self.reduced(prices)
        edge = np.where(gain > 0, self.upper, self.lower)
        dust = ~np.isfinite(edge) & (np.abs(gain) <= NO_PRICE * np.abs(self.cost).max(initial=0.0))
        gain, edge = np.where(dust, 0.0, gain), np.where(dust, 0.0, edge)
        priced = prices != 0
        limit = np.where(prices > 0, upper, lower)[priced]
        return _product(prices[priced], limit) + _product(gain, edge)

    def solution(self, amount: FloatArray) -> FloatArray:
        """The family's columns."""
        full = np.zeros(len(self.family.arrays.cost))
        full[self.carriers] = np.bincount(self.carrier, amount, minlength=len(self.carriers))
        full[self.origin] = amount
        return full

    def row_dual(self, prices: FloatArray) -> FloatArray:
        """Prices of the family's rows; NaN for the rows of sums, which are gone."""
        full = np.full(len(self.family.arrays.row_lower), np.nan)
        full[self.rows] = prices
        return full


def _sums(arrays: Arrays) -> tuple[IntArray, IntArray]:
    """Rows ``sum of segments - amount = 0``, whose segments are in no other row, and the column of the amount in each."""
    matrix = arrays.matrix
    count = matrix.shape[0]
    segment = np.bincount(matrix.indices, minlength=matrix.shape[1]) == 1
    segment &= arrays.lower == 0
    row = np.repeat(np.arange(count), np.diff(matrix.indptr))
    inside = segment[matrix.indices]
    segments = np.bincount(row[inside & (matrix.data == 1)], minlength=count)
    amounts = np.bincount(row[~inside & (matrix.data == -1)], minlength=count)
    links: BoolArray = (arrays.row_lower == 0) & (arrays.row_upper == 0) & (segments > 0) & (amounts == 1)
    links &= segments + amounts == np.diff(matrix.indptr)
    of_amount = links[row] & ~inside
    rows, columns = row[of_amount], matrix.indices[of_amount]
    columns, first = np.unique(columns, return_index=True)
    order = np.argsort(rows[first])
    return rows[first][order], np.asarray(columns[order], dtype=np.int64)


def _segment_bounds(
    arrays: Arrays, link: IntArray, column: IntArray, sums: IntArray
) -> tuple[FloatArray, FloatArray] | None:
    """Bounds of segments, in the order in which they fill, that keep their sum within its own; None where they cannot."""
    width = arrays.upper[column]
    if np.isinf(width).any() and not _last(link)[np.isinf(width)].all():
        return None
    finite = np.where(np.isinf(width), 0.0, width)
    total = np.cumsum(finite) - finite
    first = np.diff(link, prepend=-1) != 0
    start = total - np.maximum.accumulate(np.where(first, total, 0.0))
    floor, cap = arrays.lower[sums], arrays.upper[sums]
    whole = np.bincount(link, width, minlength=len(sums))
    if (floor > whole).any() or (cap < 0).any():
        return None
    return np.clip(floor[link] - start, 0.0, width), np.clip(cap[link] - start, 0.0, width)


def _product(one: FloatArray, other: FloatArray) -> float:
    """Sum of products, by pairs: more exact than BLAS's, whose threads may take longer to start than the sum itself."""
    return float((one * other).sum())


def _last(link: IntArray) -> BoolArray:
    """Whether each entry is the last of its link."""
    return np.asarray(np.diff(link, append=-1) != 0)


class Sifter:
    """Answers values of the parameter near ones whose prices are known."""

    def __init__(self, lean: Lean, *, gap: float, seed: int = 0) -> None:
        """Nothing is known yet.

        Args:
            lean: The models.
            gap: Relative gap that is wanted.
            seed: Of the solver.
        """
        self.lean, self.tolerance, self.seed = lean, min(gap, CLOSED), seed
        self.prices: FloatArray | None = None
        self.near: _Near | None = None

    @classmethod
    def of(cls, family: Family, *, gap: float, seed: int = 0) -> Sifter | None:
        """A sifter where one pays; None elsewhere."""
        if len(family.arrays.cost) < LEAST_COLUMNS:
            return None
        lean = Lean.of(family)
        if lean is None or len(lean.cost) < max(LEAST_COLUMNS, LEAST_RATIO * len(lean.rows)):
            return None
        return cls(lean, gap=gap, seed=seed)

    def start(self, row_dual: FloatArray) -> None:
        """Start from prices of the family's rows."""
        self.prices, self.near = self.lean.signed(row_dual[self.lean.rows]), None

    def solve(self, parameter: float, *, time_limit: float | None = None) -> Outcome | None:
        """The answer at one value, proved over all columns; None where the whole model must be asked."""
        if self.prices is None:
            return None
        began, lean = time.perf_counter(), self.lean
        lower, upper = lean.row_bounds(parameter)
        every = len(lean.cost)
        count = max(FEWEST, int(SHARE * every))
        for _ in range(MOST_ROUNDS):
            left = None if time_limit is None else time_limit - (time.perf_counter() - began)
            if left is not None and left <= 0:
                return None
            fresh = self.near is None
            near = self.near or _Near(lean, self.prices, count, lower, upper, self.seed)
            found = near.solve(lower, upper, left)
            self.near = None
            if found is not None:
                amount, self.prices = found
                bound, worth = lean.bound(self.prices, lower, upper), _product(lean.cost, amount)
                if np.isfinite(bound) and bound - worth <= self.tolerance * max(abs(bound), abs(worth)):
                    self.near = near
                    seconds = time.perf_counter() - began
                    return Outcome(
                        "optimal", lean.solution(amount), bound, lean.row_dual(self.prices), None, seconds, "sifted"
                    )
            if fresh:
                # Prices that are far off need more columns around them.
                count *= 2
            if count > max(FEWEST, MOST_SHARE * every):
                return None
        return None


class _Unpresolved(highs.Warm):
    """A model a few steps from its answer: presolve would take longer than they do, and lose where they start."""

    def __init__(self, arrays: Arrays, *, seed: int) -> None:
        super().__init__(arrays, seed=seed)
        self._solver.setOptionValue("presolve", "off")


class _Near:
    """The model of the columns whose price is nearly right, all others full or empty.

    It is stated in gains beside the given prices, with a column for what each priced row leaves unused: HiGHS's first basis, of
    slacks alone, then is those prices, and only what moves from them takes steps.
    """

    def __init__(
        self, lean: Lean, prices: FloatArray, count: int, lower: FloatArray, upper: FloatArray, seed: int
    ) -> None:
        self.lean, self.prices = lean, prices
        gain = lean.reduced(prices)
        rest = np.where(gain > 0, lean.upper, lean.lower)
        urgency = np.where(np.isfinite(rest), np.abs(gain), -1.0)
        urgency[lean.upper <= lean.lower] = np.inf
        # The first so many are in, and whatever could not rest at a bound.
        count = max(min(count, int(np.isfinite(urgency).sum())), int((urgency < 0).sum()))
        self.chosen = np.sort(np.argpartition(urgency, count - 1)[:count]) if count else np.zeros(0, dtype=np.int64)
        self.rest = rest
        self.rest[self.chosen] = 0.0
        self.used = lean.use(self.rest)
        self.tight = np.flatnonzero(prices)
        sign = np.sign(prices[self.tight])
        slack = sp.csc_array(
            (sign, (self.tight, np.arange(len(sign)))), shape=(len(lean.rows), len(sign)), dtype=np.float64
        )
        row_lower, row_upper = self._bounds(lower, upper)
        room = upper[self.tight] - lower[self.tight]
        self.model = _Unpresolved(
            Arrays(
                cost=np.concatenate([gain[self.chosen], -np.abs(prices[self.tight])]),
                lower=np.concatenate([lean.lower[self.chosen], np.zeros(len(sign))]),
                upper=np.concatenate([lean.upper[self.chosen], room]),
                integer=np.zeros(len(self.chosen) + len(sign), dtype=bool),
                matrix=sp.csr_array(sp.hstack([lean.matrix[:, lean.carrier[self.chosen]], slack])),
                row_lower=row_lower,
                row_upper=row_upper,
                typical=lean.family.arrays.typical,
            ),
            seed=seed,
        )

    def _bounds(self, lower: FloatArray, upper: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Bounds of the rows less what rests; priced rows are at the bound that their price speaks of."""
        low, high = lower - self.used, upper - self.used
        return np.where(self.prices > 0, high, low), np.where(self.prices < 0, low, high)

    def solve(
        self, lower: FloatArray, upper: FloatArray, time_limit: float | None
    ) -> tuple[FloatArray, FloatArray] | None:
        """Amounts of all columns and prices of all rows at some bounds of the rows; None where the rest leaves no plan."""
        rows = self.lean.moving.rows
        row_lower, row_upper = self._bounds(lower, upper)
        self.model.change_rows(rows, row_lower[rows], row_upper[rows])
        outcome = self.model.solve(time_limit=time_limit)
        if outcome.status != "optimal" or outcome.solution is None or outcome.row_dual is None:
            return None
        amount = self.rest.copy()
        amount[self.chosen] = outcome.solution[: len(self.chosen)]
        return amount, self.lean.signed(self.prices + outcome.row_dual)
