"""A problem as sparse arrays with named blocks of rows and columns: what HiGHS is handed and what the open model shows.

Every block of rows knows its rule and every block of columns its name, so that duals, conflicts and components can be read
back in the plan's own words. Money stays in major units and the objective is maximised (§3.4).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
import scipy.sparse as sp

from fiscus.core.arrays import BoolArray, FloatArray
from fiscus.core.problem import Problem
from fiscus.core.rows import Columns, Point, Rows, silent, used
from fiscus.core.rules.base import unbounded
from fiscus.core.rules.risk import value_range
from fiscus.errors import RouteUnavailable
from fiscus.optimise.aversion import MEAN, Priced, priced, spread
from fiscus.optimise.benefit import Benefit, ClosedForm
from fiscus.optimise.layout import Form, lay_out
from fiscus.optimise.pieces import Pieces, Points, estimate, initial_points

Curves = Literal["piecewise", "exact", "cells"]
Aim = Literal["worth", "safety"]


def form(problem: Problem, points: Points | None = None, *, curves: Curves = "piecewise", aim: Aim = "worth") -> Form:
    """Assemble the arrays.

    Args:
        problem: What to state.
        points: Where smooth curves are touched; a first grid when not given.
        curves: ``piecewise`` over-estimates smooth curves by linear pieces; ``exact`` leaves ``effect`` as free columns that
            the open model replaces by the curves' own expressions; ``cells`` leaves it so for every curve, with no pieces at all.
        aim: ``worth`` maximises the problem's objective, ``safety`` minimises the aversion alone and states the mean as a row.

    Raises:
        InvalidRule: For a rule that cannot be stated, or a curve with a step or an S that nothing bounds.
        RouteUnavailable: For scenarios whose curves themselves differ, which rows cannot hold.
    """
    if problem.scenarios.curves is not None:
        raise RouteUnavailable(
            "the optimiser's scenarios may scale a curve but not change its shape; use fiscus.evaluate for these scenarios"
        )
    builder = _Builder(problem)
    builder.add_statement()
    if curves == "piecewise":
        builder.add_pieces(estimate(problem, initial_points(problem) if points is None else points))
    elif curves == "exact":
        builder.add_pieces(estimate(problem, Points.none()))
        builder.add_effect_columns(~problem.lines.curves.polyhedral)
    else:
        builder.add_effect_columns(np.ones(problem.shape[1], dtype=bool))
    builder.add_objective(aim)
    return lay_out(
        problem,
        builder.columns,
        builder.rows,
        builder.cost,
        builder.constant,
        builder.effect,
        builder.effect_constant,
        builder.curvature,
    )


@dataclass
class _Builder:
    """Collects blocks."""

    problem: Problem
    columns: dict[str, Columns] = field(default_factory=dict)
    rows: list[Rows] = field(default_factory=list)
    cost: dict[str, FloatArray] = field(default_factory=dict)
    curvature: dict[str, FloatArray] = field(default_factory=dict)
    constant: float = 0.0
    effect: dict[str, sp.csr_array] = field(default_factory=dict)
    effect_constant: FloatArray = field(default_factory=lambda: np.zeros(0))

    def __post_init__(self) -> None:
        self.size = self.problem.shape[0] * self.problem.shape[1]
        self.effect_constant = np.zeros(self.size)
        self.stocked = np.broadcast_to(self.problem.lines.retention > 0, self.problem.shape).ravel()

    def add_statement(self) -> None:
        """Rules, with slack where they are soft, and the definitions of what they use."""
        statement = self.problem.statement
        self.columns |= statement.columns
        for rows in statement.rows:
            self.rows.append(rows if rows.penalty is None else self._softened(rows))
        moving = np.broadcast_to(self.problem.lines.change_cost > 0, self.problem.shape).ravel()
        needed = {
            "moved": moving | used(statement.rows, "moved", self.size),
            "stock": self.stocked,
        }
        for rows in statement.definitions:
            block = {"moved_up": "moved", "moved_down": "moved"}.get(rows.kind, rows.kind)
            if block in needed:
                rows = _touching(rows, block, needed[block])
            if len(rows):
                self.rows.append(rows)

    def _softened(self, rows: Rows) -> Rows:
        """The same rows with slack that costs the penalty."""
        name = f"slack.{rows.kind}.{sum(each.startswith('slack.') for each in self.columns)}"
        count = len(rows)
        terms = dict(rows.terms)
        sides = (("short", np.isfinite(rows.lower), 1.0), ("over", np.isfinite(rows.upper), -1.0))
        for side, where, sign in sides:
            if where.any():
                block = f"{name}.{side}"
                upper = np.where(where, np.inf, 0.0)
                self.columns[block] = Columns(
                    block, ("row",), (count,), _missed(rows, side), 0.0, upper, labels=rows.labels
                )
                terms[block] = sp.csr_array(sp.diags_array(np.where(where, sign, 0.0), format="csr"))
                self.cost[block] = np.full(count, -(rows.penalty or 0.0))
        return Rows(rows.kind, rows.labels, terms, rows.lower, rows.upper, rows.describe, rows.unit, None, rows.index)

    def add_pieces(self, pieces: Pieces) -> None:
        """Curves as linear pieces."""
        benefit = Benefit(self.problem, pieces)
        self.columns |= benefit.columns
        self.rows += benefit.rows
        self.effect |= benefit.effect
        self.effect_constant = benefit.constant

    def add_effect_columns(self, lines: BoolArray) -> None:
        """``effect[t,i]`` of some lines' curves as free columns."""
        smooth = np.flatnonzero(np.broadcast_to(lines, self.problem.shape))
        self.columns["effect"] = Columns("effect", ("period", "line"), self.problem.shape, _effect, -np.inf)
        self.effect["effect"] = sp.csr_array((np.ones(len(smooth)), (smooth, smooth)), shape=(self.size, self.size))

    def add_objective(self, aim: Aim) -> None:
        """The mean of the value, less aversion and penalties; through ``value`` columns where risk needs them."""
        problem = self.problem
        size = self.size
        gain = (problem.scenarios.theta * (problem.lines.weight * problem.benefit_discount[:, None])).reshape(-1, size)
        spent = np.repeat(problem.spend_discount, problem.shape[1])
        costs = {
            "spend": problem.spend_weight * spent,
            "moved": np.tile(problem.lines.change_cost, problem.shape[0]) * spent,
        }
        costs = {name: vector for name, vector in costs.items() if vector.any()}
        risk = problem.risk if problem.counts_value else None
        by_columns = risk is not None and risk.measure.kind != "meanvar"
        limited = any("value" in rows.terms for rows in self.rows)
        if limited:
            self._add_value(gain, costs)
        if not problem.counts_value:
            return
        mean = problem.scenarios.probability @ gain
        effect: Mapping[str, sp.csr_array] = self.effect
        added = Priced()
        if risk is not None and by_columns:
            added = priced(problem, risk.measure)
            if not limited:
                # One row a scenario instead of two: the value is used once, so it needs no column of its own.
                added = replace(added, rows=tuple(self._without_value(rows, gain, costs) for rows in added.rows))
        elif risk is not None:
            added, effect = spread(problem, self.effect, self.effect_constant, exact="effect" in self.columns)
        self.columns |= {block.name: block for block in added.columns}
        self.rows += added.rows
        if limited and not (risk is not None and risk.measure.kind == "meanvar"):
            self._price({"value": problem.scenarios.probability}, 1.0)
        else:
            self._price({name: mean @ matrix for name, matrix in effect.items()}, 1.0)
            self._price(costs, -1.0)
            self.constant += float(mean @ self.effect_constant)
        if risk is not None:
            if aim == "safety":
                self._limit_mean()
            self._price(added.cost, -risk.aversion)
            self.curvature = {name: risk.aversion * vector for name, vector in added.curvature.items()}

    def _add_value(self, gain: FloatArray, costs: Mapping[str, FloatArray]) -> None:
        """The ``value`` columns, one a scenario."""
        problem = self.problem
        terms = {name: _compressed(-np.asarray(gain @ matrix)) for name, matrix in self.effect.items()}
        for name, vector in costs.items():
            every = sp.csr_array(np.broadcast_to(vector, (len(gain), self.size)))
            terms[name] = sp.csr_array(terms[name] + every) if name in terms else every
        terms["value"] = sp.eye_array(len(gain), format="csr")
        constant = gain @ self.effect_constant
        labels = [("value", f"scenario {scenario}") for scenario in range(len(gain))]
        # At most the estimate: more value is never worse, for the measures on these columns and for every rule on risk.
        rows = Rows(
            "value", labels, terms, -unbounded(len(gain)), constant, silent, "value", index=("rule", "scenario")
        )
        self.rows.append(rows)
        low, high = value_range(problem)
        self.columns["value"] = replace(self.columns["value"], lower=low, upper=high)

    def _without_value(self, rows: Rows, gain: FloatArray, costs: Mapping[str, FloatArray]) -> Rows:
        """Rows that want as much value as there is, with the value written out."""
        if "value" not in rows.terms:
            return rows
        terms = {name: matrix for name, matrix in rows.terms.items() if name != "value"}
        pick = rows.terms["value"]
        weight = pick @ gain
        share = np.asarray(pick.sum(axis=1)).ravel()
        for name, matrix in self.effect.items():
            terms[name] = _compressed(np.asarray(weight @ matrix))
        for name, vector in costs.items():
            every = _compressed(-np.outer(share, vector))
            terms[name] = sp.csr_array(terms[name] + every) if name in terms else every
        constant = weight @ self.effect_constant
        return replace(rows, terms=terms, lower=rows.lower - constant, upper=rows.upper - constant)

    def _limit_mean(self) -> None:
        """What was priced so far, the mean value and penalties, becomes a row; nothing is priced any more."""
        terms = {name: sp.csr_array(vector[None, :]) for name, vector in self.cost.items()}
        labels = [(MEAN, "all")]
        self.rows.append(Rows(MEAN, labels, terms, -unbounded(1), unbounded(1), silent, "value"))
        self.cost = {}

    def _price(self, costs: Mapping[str, FloatArray], sign: float) -> None:
        for name, vector in costs.items():
            self.cost[name] = self.cost.get(name, np.zeros(self.columns[name].size)) + sign * np.asarray(vector)


def _compressed(dense: FloatArray) -> sp.csr_array:
    """A dense matrix as a sparse one; without a search for zeros where there are none."""
    rows, columns = dense.shape
    if not dense.size or not dense.all():
        return sp.csr_array(dense)
    indices = np.tile(np.arange(columns, dtype=np.int32), rows)
    starts = np.arange(rows + 1, dtype=np.int32) * np.int32(columns)
    return sp.csr_array((dense.ravel(), indices, starts), shape=dense.shape)


def _touching(rows: Rows, block: str, columns: BoolArray) -> Rows:
    """Only the rows that touch some of a block's columns."""
    keep = np.flatnonzero(np.asarray(abs(rows.terms[block]) @ columns.astype(np.float64)) > 0)
    if len(keep) == len(rows):
        return rows
    terms = {name: sp.csr_array(matrix[keep]) for name, matrix in rows.terms.items()}
    labels = [rows.labels[row] for row in keep.tolist()]
    return Rows(
        rows.kind, labels, terms, rows.lower[keep], rows.upper[keep], rows.describe, rows.unit, rows.penalty, rows.index
    )


def _effect(point: Point) -> FloatArray:
    return point.facts.lines.curves.value(point["stock"])


def _missed(rows: Rows, side: str) -> ClosedForm:
    """By how much each row of a soft rule misses its lower or upper bound."""

    def missed(point: Point) -> FloatArray:
        activity = rows.activity(point)
        gap = rows.lower - activity if side == "short" else activity - rows.upper
        return np.asarray(np.maximum(gap, 0.0))

    return missed
