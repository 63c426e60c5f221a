"""What can be checked without a solver: a bound on the value of every allowed plan, recomputed from the prices of rows (§4).

For any prices y of the rows, ``max objective - y (rows - their bounds)`` over the columns' boxes is at least the best value: weak
duality. It falls apart into single cells and columns, each maximised on the *true* curve, so no over-estimate and no solver need
be believed. Every sum is rounded outwards (Neumaier & Shcherbina 2004, with a priori error bounds in place of directed rounding:
Higham 2002, chapter 3), so the bound is proved up to the accuracy of exp, log and powers that ``ACCURACY`` assumes.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import scipy.sparse as sp

from fiscus.core.arrays import FloatArray, IntArray
from fiscus.core.dynamics import previous, stocks
from fiscus.core.problem import Problem
from fiscus.core.rows import Label
from fiscus.optimise.cell_bounds import ACCURACY, UNIT, best_of_cells
from fiscus.optimise.form import form
from fiscus.optimise.layout import Form
from fiscus.optimise.pieces import stock_reach
from fiscus.optimise.tree.program import Program, split
from fiscus.optimise.tree.solver import inner_limits

RowKey = tuple[str, Label]
"""Kind and label of a row: together its name in a problem."""

Multipliers = Mapping[RowKey, float]


def multipliers_of(model: Form, row_dual: FloatArray) -> dict[RowKey, float]:
    """Prices of the rows that a problem has whatever its curves are made of, from the duals of a solved model."""
    found: dict[RowKey, float] = {}
    for rows, start in zip(model.rows, model.offsets[:-1].tolist(), strict=True):
        if rows.kind in ("fill", "closed", "full"):
            continue  # They only say how curves are made of pieces; the bound uses the curves themselves.
        duals = row_dual[start : start + len(rows)]
        for row in np.flatnonzero(duals).tolist():
            found[rows.kind, rows.labels[row]] = float(duals[row])
    return found


class Prover:
    """Bounds of one problem at any prices.

    Args:
        problem: With its rules.
    """

    def __init__(self, problem: Problem) -> None:
        self.model = form(problem, curves="cells")
        self.lower, self.upper = _boxes(self.model)

    def bound(
        self, multipliers: Multipliers, lower: FloatArray | None = None, upper: FloatArray | None = None
    ) -> float:
        """No allowed plan has a higher objective than this; inf where the prices prove nothing.

        Args:
            multipliers: Value of one more unit of each row's bound; rows not named count as free.
            lower: Least amounts of the plans meant, shape (T * n,); the tables' own when None.
            upper: Most amounts, likewise.
        """
        model = self.model
        low, high = self.lower.copy(), self.upper.copy()
        spend = model.blocks["spend"]
        if lower is not None:
            low[spend.slice] = np.maximum(low[spend.slice], lower[spend.active])
        if upper is not None:
            high[spend.slice] = np.minimum(high[spend.slice], upper[spend.active])
        price = _aligned(model, multipliers)
        reduced, error = _reduced_costs(model, price)
        paid = np.where(price > 0, model.row_upper, model.row_lower)[price != 0] * price[price != 0]
        best = _columns(model, reduced, error, low, high)
        cells = _cells(model, reduced, error, low, high)
        terms = np.concatenate([np.nextafter(paid, np.inf), best, cells, [np.nextafter(model.constant, np.inf)]])
        if np.isnan(terms).any() or np.isposinf(terms).any():
            return math.inf
        return float(np.nextafter(math.fsum(terms.tolist()), np.inf))

    def charges(self, multipliers: Multipliers) -> FloatArray:
        """What the prices charge for one more unit of money on each line, value per major unit, shape (T, n).

        Args:
            multipliers: Value of one more unit of each row's bound; rows not named count as free.
        """
        spend = self.model.blocks["spend"]
        charge = np.zeros(self.model.problem.shape)
        priced = self.model.matrix.T @ _aligned(self.model, multipliers)
        charge.flat[spend.active] = priced[spend.slice]
        return charge


def proved_bound(problem: Problem, multipliers: Multipliers) -> float:
    """No allowed plan has a higher objective than this; inf where the prices prove nothing.

    Args:
        problem: With its rules.
        multipliers: Value of one more unit of each row's bound; rows not named count as free.
    """
    return Prover(problem).bound(multipliers)


def _aligned(model: Form, multipliers: Multipliers) -> FloatArray:
    """The prices in the order of the model's rows; those on the side where a row has no bound are dust and dropped."""
    price = np.zeros(model.matrix.shape[0])
    if multipliers:
        keys = ((rows.kind, label) for rows in model.rows for label in rows.labels)
        price = np.array([multipliers.get(key, 0.0) for key in keys])
    bounded = np.where(price > 0, np.isfinite(model.row_upper), np.isfinite(model.row_lower))
    return np.where(bounded, price, 0.0)


def _reduced_costs(model: Form, price: FloatArray) -> tuple[FloatArray, FloatArray]:
    """``cost - A' y`` of each column, and how far rounding may be off, both of shape (columns,)."""
    transposed = sp.csr_array(model.matrix.T)
    reduced = model.cost - transposed @ price
    size = np.abs(model.cost) + abs(transposed) @ np.abs(price)
    counts = np.diff(transposed.indptr) + 3
    return np.asarray(reduced), np.asarray(1.01 * UNIT * counts * size)


def _boxes(model: Form) -> tuple[FloatArray, FloatArray]:
    """Bounds of every column over all plans that the tables allow, by the columns' closed forms."""
    problem = model.problem
    lower, upper = model.lower.copy(), model.upper.copy()
    least, most = problem.lines.floor, np.minimum(problem.lines.cap, problem.reach)
    before = previous(problem, most)
    appropriation = np.cumsum(problem.budget)
    known: dict[str, tuple[FloatArray, FloatArray]] = {
        "spend": (least, most),
        "moved": (np.zeros(problem.shape), np.maximum(most, before)),
        "stock": (stocks(problem, np.asarray(least)), stock_reach(problem)),
        "drawn": (np.zeros(len(appropriation)), appropriation),
        "unspent": (np.zeros(len(appropriation)), appropriation),
    }
    if problem.account is not None:
        growth = (1.0 + problem.account.rate) ** np.arange(1, len(appropriation) + 1)
        known["account"] = (np.zeros(len(growth)), np.asarray(problem.account.opening * growth, dtype=np.float64))
    for name, (low, high) in known.items():
        if name in model.blocks:
            block = model.blocks[name]
            lower[block.slice] = np.maximum(lower[block.slice], low.ravel()[block.active] * (1.0 - ACCURACY))
            upper[block.slice] = np.minimum(upper[block.slice], high.ravel()[block.active] * (1.0 + ACCURACY))
    _apply_single_rows(model, lower, upper)
    _bound_slack(model, lower, upper)
    return lower, upper


def _apply_single_rows(model: Form, lower: FloatArray, upper: FloatArray) -> None:
    """Rows on one column alone are bounds on it."""
    matrix = model.matrix
    rows = np.flatnonzero(np.diff(matrix.indptr) == 1)
    column, factor = matrix.indices[matrix.indptr[rows]], matrix.data[matrix.indptr[rows]]
    rows, column, factor = rows[factor != 0], column[factor != 0], factor[factor != 0]
    ends = model.row_lower[rows] / factor, model.row_upper[rows] / factor
    least, most = np.minimum(*ends), np.maximum(*ends)
    np.maximum.at(lower, column, least - ACCURACY * np.abs(least))
    np.minimum.at(upper, column, most + ACCURACY * np.abs(most))


def _bound_slack(model: Form, lower: FloatArray, upper: FloatArray) -> None:
    """A soft rule is never missed by more than the boxes of its other columns allow."""
    slack = [block for name, block in model.blocks.items() if name.startswith("slack.")]
    if not slack:
        return
    loose = np.zeros(len(lower), dtype=bool)
    for block in slack:
        loose[block.slice] = True
    matrix = sp.csr_array(model.matrix)
    rest = sp.csr_array(matrix @ sp.diags_array((~loose).astype(np.float64)))
    rest.eliminate_zeros()
    up, down = rest.maximum(0.0), rest.minimum(0.0)
    low_box, high_box = np.where(loose, 0.0, lower), np.where(loose, 0.0, upper)
    with np.errstate(invalid="ignore"):
        highest, lowest = up @ high_box + down @ low_box, up @ low_box + down @ high_box
        miss = np.maximum(highest - model.row_upper, model.row_lower - lowest)
    miss = np.where(np.isnan(miss), np.inf, np.maximum(miss, 0.0) * (1.0 + 1e-12))
    columns = sp.csc_array(matrix)
    for position in np.flatnonzero(loose & ~np.isfinite(upper)).tolist():
        row = columns.indices[columns.indptr[position]]
        upper[position] = miss[row]


def _columns(model: Form, reduced: FloatArray, error: FloatArray, lower: FloatArray, upper: FloatArray) -> FloatArray:
    """The most that each column but those of curves can add."""
    own = np.ones(len(reduced), dtype=bool)
    if "effect" in model.blocks:
        own[model.blocks["effect"].slice] = False
        own[_stock_columns(model)[0]] = False
    low, high = reduced - error, reduced + error
    with np.errstate(invalid="ignore"):
        ends = [np.where(rate == 0, 0.0, rate * edge) for rate in (low, high) for edge in (lower, upper)]
    best = np.nextafter(np.maximum.reduce(ends), np.inf)
    if model.curvature is not None:
        curved = model.curvature > 0
        peak = np.maximum(np.abs(low), np.abs(high)) ** 2 / np.where(curved, 2.0 * model.curvature, 1.0)
        best = np.where(curved, np.minimum(best, peak * (1.0 + 4.0 * UNIT)), best)
    return np.asarray(best[own])


def _stock_columns(model: Form) -> tuple[IntArray, IntArray]:
    """Column that holds the stock of each cell with an effect, and the cell."""
    cells = model.blocks["effect"].active
    lines = model.problem.shape[1]
    carried = model.problem.lines.retention[cells % lines] > 0
    place = np.empty(len(cells), np.int64)
    for name, which in (("spend", ~carried), ("stock", carried)):
        if which.any():
            block = model.blocks[name]
            place[which] = block.offset + np.searchsorted(block.active, cells[which])
    return place, cells


def _cells(model: Form, reduced: FloatArray, error: FloatArray, lower: FloatArray, upper: FloatArray) -> FloatArray:
    """The most that each cell can add: ``max G f(k) + r k`` over its box."""
    if "effect" not in model.blocks:
        return np.zeros(0)
    place, cells = _stock_columns(model)
    effect = model.blocks["effect"].slice
    gain, rate = reduced[effect] + error[effect], reduced[place] + error[place]
    low, high = np.maximum(lower[place], 0.0), upper[place]
    curves = model.problem.lines.curves.take(cells % model.problem.shape[1])
    return best_of_cells(curves, gain, rate, low, high)


@dataclass(frozen=True, eq=False)
class Boxes:
    """Allowed plans divided by amounts of single lines, each part with prices that bound it.

    Attributes:
        prices: Of an undivided part; None where the part is divided, or where floors and caps leave no plan in it.
        cell: Flat position ``t * n + i`` of the amount that divides the part, -1 for none.
        at: Where it divides: the first half has at most this, the second at least.
        halves: Both of them, or none.
    """

    prices: Multipliers | None
    cell: int = -1
    at: float = 0.0
    halves: tuple[Boxes, ...] = ()

    def bound(self, problem: Problem) -> float:
        """What the prices prove of all parts together; inf where a part is not covered."""
        prover, program = Prover(problem), split(problem).program
        return self._bound(prover, program, program.leaves.lower.copy(), program.leaves.upper.copy())

    def _bound(self, prover: Prover, program: Program, lower: FloatArray, upper: FloatArray) -> float:
        if self.halves:
            low, high = upper.copy(), lower.copy()
            low[self.cell] = min(low[self.cell], self.at)
            high[self.cell] = max(high[self.cell], self.at)
            first, second = self.halves
            return max(first._bound(prover, program, lower, low), second._bound(prover, program, high, upper))
        if self.prices is not None:
            return prover.bound(self.prices, lower, upper)
        inside = replace(program, leaves=replace(program.leaves, lower=lower, upper=upper))
        return -math.inf if inner_limits(inside) is None else math.inf

    def as_dict(self, problem: Problem) -> dict[str, object]:
        """Plain data."""
        if self.halves:
            lines = problem.shape[1]
            period, line = problem.periods[self.cell // lines], problem.lines.id[self.cell % lines]
            halves = [half.as_dict(problem) for half in self.halves]
            return {"period": period, "line": line, "at": self.at, "at_most": halves[0], "at_least": halves[1]}
        if self.prices is None:
            return {"empty": True}
        rows = [{"kind": kind, "row": list(label), "price": price} for (kind, label), price in self.prices.items()]
        return {"prices": rows}

    @classmethod
    def from_dict(cls, document: Mapping[str, Any], problem: Problem) -> Boxes:
        """Read back.

        Raises:
            KeyError, TypeError, ValueError: For a document that this class did not write.
        """
        if not isinstance(document, Mapping):
            raise TypeError("a certificate is a mapping")
        if "at" in document:
            cell = (
                problem.periods.index(document["period"]) * problem.shape[1] + problem.line_position[document["line"]]
            )
            halves = tuple(cls.from_dict(document[name], problem) for name in ("at_most", "at_least"))
            return cls(None, cell, float(document["at"]), halves)
        if document.get("empty"):
            return cls(None)
        rows = document["prices"]
        prices = {(row["kind"], tuple(str(part) for part in row["row"])): float(row["price"]) for row in rows}
        if not all(math.isfinite(price) for price in prices.values()):
            raise ValueError("a price is not a number")
        return cls(prices)


@dataclass(frozen=True, eq=False)
class Certificate:
    """Prices of rows that prove a bound, for all allowed plans at once or part by part.

    Attributes:
        boxes: The parts.
        bound: What their prices prove for the problem they were made for.
    """

    boxes: Boxes
    bound: float

    @classmethod
    def make(cls, problem: Problem, boxes: Boxes) -> Certificate:
        """Prove the bound of some prices, or that of no prices where those prove nothing."""
        bound = boxes.bound(problem) if boxes.halves else proved_bound(problem, boxes.prices or {})
        free = proved_bound(problem, {}) if math.isinf(bound) else math.inf
        return cls(boxes, bound) if bound <= free else cls(Boxes({}), free)

    def as_dict(self, problem: Problem) -> dict[str, object]:
        """Plain data for ``certificate.json``."""
        return {"proved_bound": None if math.isinf(self.bound) else self.bound, **self.boxes.as_dict(problem)}

    @classmethod
    def from_dict(cls, document: Mapping[str, Any], problem: Problem) -> Certificate:
        """Read back, and prove the bound anew.

        Raises:
            KeyError, TypeError, ValueError: For a document that this class did not write.
        """
        return cls.make(problem, Boxes.from_dict(document, problem))
