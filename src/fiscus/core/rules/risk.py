"""Limits on the risk of an allocation's value (§4)."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import scipy.sparse as sp
from pydantic import Field

from fiscus.core.arrays import FloatArray
from fiscus.core.dynamics import evaluate, stocks
from fiscus.core.facts import Facts
from fiscus.core.risk import Measure, value_at_risk
from fiscus.core.rows import Columns, Contribution, Point, Rows, Side, silent
from fiscus.core.rules.base import Fault, Rule, amount, outward, unbounded
from fiscus.errors import InvalidInput

ROOM = 1e-3
"""Share of the range by which the ends of a value lie further out than they need."""

NO_VARIANCE = (
    "a limit on the variance cannot be solved; set risk: meanvar with an aversion in the plan's settings, run the frontier over risk "
    "with meanvar, or limit cvar:LEVEL here"
)


class Risk(Rule):
    """A measure of the loss (minus the value, §3.4) over the scenarios is at most a limit.

    ``cvar:A`` limits the mean loss of the worst ``1 - A`` of cases, ``chance:A`` the loss not exceeded with probability A,
    ``worst`` the loss in every scenario. To ask for value of at least v, write the limit ``-v``.
    """

    kind: ClassVar[str] = "risk"

    measure: str = Field(description="cvar:LEVEL, chance:LEVEL or worst.")
    limit: float = Field(description="Largest loss by that measure, units of value.")

    def faults(self, facts: Facts) -> list[Fault]:
        faults = super().faults(facts)
        if self.periods is not None:
            faults.append(("periods", "a risk limit speaks of the value of the whole plan; remove the periods"))
        try:
            measure = Measure.parse(self.measure)
        except InvalidInput as error:
            return [*faults, ("measure", str(error))]
        if measure.kind == "meanvar":
            faults.append(("measure", NO_VARIANCE))
        if measure.kind == "chance" and not np.isfinite(largest_loss(facts)):
            faults.append(("measure", "a chance limit needs a budget or caps that bound what can be spent"))
        return faults

    def state(self, facts: Facts) -> Contribution:
        measure = Measure.parse(self.measure)
        if measure.kind == "worst":
            return self._worst(facts)
        if measure.kind == "chance":
            return self._chance(facts, measure)
        columns, definitions, terms = cvar_terms(facts, self.id, measure.level)
        return Contribution((self._limit(terms, self.limit, "The risk of the plan"),), columns, definitions)

    def eased(self, facts: Facts, plan: FloatArray) -> Rule | None:
        measure, probability = Measure.parse(self.measure), facts.scenarios.probability
        loss = -evaluate(facts, plan)
        if measure.kind == "chance":
            # The limit stays, the chance of keeping to it falls: that is what the rule's row counts.
            missed = float(probability[loss > self.limit + 1e-9 * max(1.0, abs(self.limit))].sum())
            level = np.floor((1.0 - missed) * 1e9 + 1e-3) / 1e9
            if level >= measure.level:
                return self
            return self.model_copy(update={"measure": f"chance:{level:.9g}"}) if level > 0 else None
        worst = outward(float(measure.of_loss(loss, probability)), facts.minor_unit, up=True)
        return self.model_copy(update={"limit": max(self.limit, worst)})

    def _limit(self, terms: dict[str, sp.csr_array], limit: float, what: str) -> Rows:
        def describe(_row: int, _side: Side) -> str:
            return f"{what} ({self.measure} of the loss) exceeds its limit of {amount(self.limit)}"

        return Rows(
            self.kind, [(self.id, "all")], terms, -unbounded(1), np.array([limit]), describe, "value", self.charge()
        )  # fmt: skip

    def _worst(self, facts: Facts) -> Contribution:
        scenarios = np.flatnonzero(facts.scenarios.probability > 0)
        labels = [(self.id, f"scenario {scenario}") for scenario in scenarios]

        def describe(row: int, _side: Side) -> str:
            return f"The loss in {labels[row][1]} exceeds its limit of {amount(self.limit)}"

        pick = sp.csr_array(-sp.eye_array(facts.scenarios.size, format="csr")[scenarios])
        upper = np.full(len(labels), self.limit)
        rows = Rows(
            self.kind, labels, {"value": pick}, -unbounded(len(labels)), upper, describe, "value", self.charge()
        )
        return Contribution((rows,))

    def _chance(self, facts: Facts, measure: Measure) -> Contribution:
        size, name = facts.scenarios.size, f"{self.id}.missed"
        tolerance = 1e-9 * max(1.0, abs(self.limit))  # A loss on the limit is inside it, whatever the last bit says.

        def missed(point: Point) -> FloatArray:
            return np.asarray(-point["value"] > self.limit + tolerance, dtype=np.float64)

        most = max(largest_loss(facts) - self.limit, 0.0)
        eye = sp.eye_array(size, format="csr")
        define = Rows(
            name, [(self.id, f"scenario {s}") for s in range(size)], {"value": -eye, name: -most * eye}, -unbounded(size),
            np.full(size, self.limit), silent, "value", index=("rule", "scenario"),
        )  # fmt: skip
        block = Columns(name, ("scenario",), (size,), missed, 0.0, 1.0, integer=True)
        probability = sp.csr_array(facts.scenarios.probability[None, :])

        def describe(_row: int, _side: Side) -> str:
            chance = 1 - measure.level
            return f"The probability of a loss above {amount(self.limit)} exceeds {chance:.4g}"

        limit = np.array([1.0 - measure.level + 1e-12])  # Sums of probabilities carry rounding dust.
        rows = Rows(
            self.kind,
            [(self.id, "all")],
            {name: probability},
            -unbounded(1),
            limit,
            describe,
            "probability",
            self.charge(),
        )
        return Contribution((rows,), (block,), (define,))


def largest_loss(facts: Facts) -> float:
    """An upper bound on the loss of any allocation inside the caps: all costs and no benefit, units of value."""
    spend = np.minimum(facts.reach.sum(axis=1), facts.money_available)
    change = (facts.reach + np.vstack([facts.lines.prior[None, :], facts.reach[:-1]])) @ facts.lines.change_cost
    with np.errstate(invalid="ignore"):  # 0 * inf is nan where nothing is bounded; the caller tests for finiteness.
        return float(facts.spend_discount @ (facts.spend_weight * spend + change))


def value_range(facts: Facts) -> tuple[FloatArray, FloatArray]:
    """Between what the value of any allocation inside caps and budget lies, in each scenario.

    All costs and no benefit on one side, all benefits and no cost on the other, and some room: ends that are as tight as a
    solver's tolerance cut off plans at the edge (HiGHS then calls them infeasible).

    Returns:
        Lower and upper ends, units of value, shapes (S,); infinite where nothing bounds them.
    """
    counts = facts.spend_weight > 0 or bool(facts.lines.change_cost.any())
    low = -largest_loss(facts) if counts else 0.0
    low = -np.inf if np.isnan(low) else low
    finite = np.isfinite(facts.reach)
    stock = stocks(facts, np.where(finite, facts.reach, 0.0))
    kept = (facts.lines.retention > 0) & np.logical_or.accumulate(~finite, axis=0)
    with np.errstate(invalid="ignore", over="ignore"):
        effect = facts.lines.curves.value(np.where(finite & ~kept, stock, np.inf))
    gain = facts.scenarios.theta * (facts.lines.weight * facts.benefit_discount[:, None])
    with np.errstate(invalid="ignore"):
        benefit = np.where(gain > 0, gain * effect, 0.0).sum(axis=(1, 2))
    high = np.where(np.isnan(benefit), np.inf, benefit)
    size = np.where(np.isfinite(high), high, 0.0) + (-low if np.isfinite(low) else 0.0)
    slack = np.where(size > 0, ROOM * size, 1.0)
    return low - slack, high + slack


def cvar_terms(
    facts: Facts, name: str, level: float
) -> tuple[tuple[Columns, ...], tuple[Rows, ...], dict[str, sp.csr_array]]:
    """CVaR of the loss as a linear expression (Rockafellar & Uryasev 2000).

    Args:
        facts: The plan's facts.
        name: Prefix of the columns' names.
        level: In (0, 1).

    Returns:
        Columns ``NAME.threshold`` and ``NAME.excess``, the rows that define the excess, and one row of terms that is the CVaR.
    """
    size, probability = facts.scenarios.size, facts.scenarios.probability

    def threshold(point: Point) -> FloatArray:
        return np.asarray(value_at_risk(-point["value"], probability, level))[..., None]

    def excess(point: Point) -> FloatArray:
        return np.asarray(np.maximum(-point["value"] - point[f"{name}.threshold"], 0.0))

    low, high = value_range(facts)
    least, most = -float(high.max()), -float(low.min())
    columns = (
        Columns(f"{name}.threshold", ("all",), (1,), threshold, least, most),
        Columns(f"{name}.excess", ("scenario",), (size,), excess, 0.0, most - least),
    )
    eye = sp.eye_array(size, format="csr")
    terms = {"value": eye, f"{name}.threshold": sp.csr_array(np.ones((size, 1))), f"{name}.excess": eye}
    labels = [(name, f"scenario {s}") for s in range(size)]
    define = Rows(
        f"{name}.excess", labels, terms, np.zeros(size), unbounded(size), silent, "value",
        index=("rule", "scenario"),
    )  # fmt: skip
    row = {
        f"{name}.threshold": sp.csr_array(np.ones((1, 1))),
        f"{name}.excess": sp.csr_array(probability[None, :] / (1.0 - level)),
    }
    return columns, (define,), row
