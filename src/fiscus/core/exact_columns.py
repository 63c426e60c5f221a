"""Every block of columns at one plan, in whole numbers, fractions or decimals (:mod:`fiscus.core.exact`)."""

from __future__ import annotations

import decimal
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from functools import cached_property

import numpy as np

from fiscus.core.arrays import BoolArray, FloatArray, IntArray
from fiscus.core.cents import EXACT
from fiscus.core.curves import Curves
from fiscus.core.exact_curves import CONTEXT, LARGEST_DECIMAL, as_decimal, curve_value, decimal_of, fraction_of
from fiscus.core.problem import Problem
from fiscus.core.risk import Measure
from fiscus.core.rows import Rows
from fiscus.core.rules.risk import Risk

DECIMALS = 6
"""Most decimals of a coefficient for which rows are summed in whole numbers, many at a time."""


ENDLESS = Fraction(10**30)
"""Stands for the appropriation of a period without a budget: more than any amount of money."""


LARGEST_SUM = 4e18


def in_units(numbers: FloatArray, power: int) -> tuple[IntArray, BoolArray]:
    """Numbers times a power of ten, and which of them are whole numbers then, as the decimals they show.

    A decimal of at most 15 digits is the shortest one that shows its float, so dividing back tells.
    """
    with np.errstate(invalid="ignore", over="ignore"):
        units = np.rint(numbers * 10.0**power)
        whole = (np.abs(units) < LARGEST_DECIMAL) & (units / 10.0**power == numbers)
    return np.where(whole, units, 0.0).astype(np.int64), whole


@dataclass(frozen=True)
class Whole:
    """Columns that are whole multiples of a power of ten: ``units / 10**power``, shape (size,)."""

    units: IntArray
    power: int


class ExactColumns:
    """Every block of columns at one plan, in the arithmetic that it needs."""

    def __init__(self, problem: Problem, minor: IntArray) -> None:
        self.problem, self.minor = problem, minor
        self.exponent = problem.currency.exponent
        self.point = problem.statement.point(problem.currency.to_major_array(minor))
        self._whole: dict[str, Whole | None] = {
            "spend": Whole(minor.ravel(), self.exponent),
            "funded": Whole((minor > 0).astype(np.int64).ravel(), 0),
        }
        self._fractions: dict[str, list[Fraction]] = {}
        self._risks = {
            f"{rule.id}.{part}": rule
            for rule in problem.rules
            if isinstance(rule, Risk)
            for part in ("threshold", "excess", "missed")
        }

    def arithmetic(self, rows: Rows) -> str:
        """In what a block of rows is reckoned: ``exact``, ``decimal`` or ``floating``."""
        known = {"spend", "funded", "moved", "stock", "drawn", "unspent", "account"}
        others = {name for name, matrix in rows.terms.items() if matrix.nnz} - known
        if not others:
            return "exact"
        return "decimal" if all(name == "value" or name in self._risks for name in others) else "floating"

    def whole(self, name: str) -> Whole | None:
        """A block as whole multiples, where it is some."""
        if name not in self._whole:
            self._whole[name] = self._moved_units() if name == "moved" else None
        return self._whole[name]

    def _moved_units(self) -> Whole | None:
        prior = self.problem.lines.prior
        for power in range(self.exponent, self.exponent + DECIMALS):
            first, good = in_units(prior, power)
            factor = 10 ** (power - self.exponent)
            if good.all() and float(np.abs(self.minor).max(initial=0)) * factor < LARGEST_SUM:
                amounts = self.minor * factor
                before = np.vstack([amounts[:1] if self.problem.ignore_prior else first[None, :], amounts[:-1]])
                return Whole(np.abs(amounts - before).ravel(), power)
        return None

    def fractions(self, name: str) -> list[Fraction]:
        """A block that is not whole multiples, exactly, flat."""
        if name not in self._fractions:
            self._fractions |= self._made(name)
        return self._fractions[name]

    def _made(self, name: str) -> dict[str, list[Fraction]]:
        if name == "moved":
            return {name: [abs(now - before) for now, before in zip(self._spend, self._previous, strict=True)]}
        if name == "stock":
            return {name: self._stocks()}
        if name in ("drawn", "unspent", "account"):
            return self._balances()
        if name == "value":
            return {name: [Fraction(value) for value in self.values]}
        if name in self._risks:
            return {name: self._risk(self._risks[name], name)}
        # A rule made elsewhere has columns of its own, whose closed form exists in floats only.
        return {name: [fraction_of(value) for value in self.point[name].ravel().tolist()]}

    @cached_property
    def _spend(self) -> list[Fraction]:
        scale = 10**self.exponent
        return [Fraction(units, scale) for units in self.minor.ravel().tolist()]

    @cached_property
    def _previous(self) -> list[Fraction]:
        n = self.problem.shape[1]
        first = self._spend[:n] if self.problem.ignore_prior else self._fractions_of(self.problem.lines.prior)
        return [*first, *self._spend[: len(self._spend) - n]]

    @staticmethod
    def _fractions_of(numbers: FloatArray) -> list[Fraction]:
        return [fraction_of(number) for number in numbers.ravel().tolist()]

    def _stocks(self) -> list[Fraction]:
        lines, n = self.problem.lines, self.problem.shape[1]
        kept, carried = self._fractions_of(lines.retention), self._fractions_of(lines.initial_stock)
        stock: list[Fraction] = []
        for start in range(0, len(self._spend), n) if n else ():
            carried = [r * k + x for r, k, x in zip(kept, carried, self._spend[start : start + n], strict=True)]
            stock += carried
        return stock

    def _balances(self) -> dict[str, list[Fraction]]:
        """The recursions of ``dynamics.balances``."""
        problem, account = self.problem, self.problem.account
        carry, growth = (account.carry_over, account.rate) if account else (0.0, 0.0)
        left, held = Fraction(0), fraction_of(account.opening if account else 0.0)
        made: dict[str, list[Fraction]] = {"drawn": [], "unspent": [], "account": []}
        for period, appropriation in enumerate(problem.budget.tolist()):
            total = Fraction(sum(self.minor[period].tolist()), 10**self.exponent)
            available = fraction_of(carry) * left + (
                fraction_of(appropriation) if np.isfinite(appropriation) else ENDLESS
            )
            use = total if account is None else min(total, available)
            left = available - use
            held = held * (1 + fraction_of(growth)) - (total - use)
            for name, value in zip(made, (use, left, held), strict=True):
                made[name].append(value)
        return made

    @cached_property
    def values(self) -> list[Decimal]:
        """Value in each scenario to 60 digits: ``V_s`` of §4."""
        problem = self.problem
        with decimal.localcontext(CONTEXT):
            rate = 1 + decimal_of(problem.discount_rate)
            periods = range(problem.shape[0])
            cost = sum((self._cost(t) / rate**t for t in periods), Decimal(0))
            discounts = [1 / rate ** (t + 1) for t in periods]
            weights = [decimal_of(weight) for weight in problem.lines.weight.tolist()]
            weighted = [[discount * weight for weight in weights] for discount in discounts]
            return [self._benefit(s, weighted) - cost for s in range(problem.scenarios.size)]

    def _cost(self, period: int) -> Decimal:
        """Spend that counts and the cost of change in one period, undiscounted."""
        problem, n = self.problem, self.problem.shape[1]
        total = Decimal(sum(self.minor[period].tolist())).scaleb(-self.exponent)
        cost = decimal_of(problem.spend_weight) * total
        prices = problem.lines.change_cost
        for line in np.flatnonzero(prices).tolist():
            cell = period * n + line
            cost += decimal_of(prices[line]) * as_decimal(abs(self._spend[cell] - self._previous[cell]))
        return cost

    def _benefit(self, scenario: int, weighted: list[list[Decimal]]) -> Decimal:
        """Discounted and weighted benefit of one scenario."""
        theta = self.problem.scenarios.theta[scenario]
        effects = self._effects(scenario if self.problem.scenarios.curves is not None else 0)
        total = Decimal(0)
        for weights, factors, row in zip(weighted, theta.tolist(), effects, strict=True):
            for weight, factor, effect in zip(weights, factors, row, strict=True):
                if effect and factor:
                    total += weight * decimal_of(factor) * effect
        return total

    def _effects(self, scenario: int) -> list[list[Decimal]]:
        """Benefit of every line in every period; scenarios share it unless their curves were drawn."""
        if self.problem.scenarios.curves is None:
            return self._common_effects
        return self._of_curves(self.problem.scenarios.curves, scenario)

    @cached_property
    def _common_effects(self) -> list[list[Decimal]]:
        return self._of_curves(self.problem.lines.curves, 0)

    def _of_curves(self, curves: Curves, scenario: int) -> list[list[Decimal]]:
        shape = curves.a.shape
        rows = []
        for period, stocks in enumerate(self._stock_decimals):
            lead = (scenario, period)[2 - (len(shape) - 1) :]
            at = tuple(min(place, size - 1) for place, size in zip(lead, shape[:-1], strict=True))
            rows.append([curve_value(curves, (*at, line), stock) for line, stock in enumerate(stocks)])
        return rows

    @cached_property
    def _stock_decimals(self) -> list[list[Decimal]]:
        n = self.problem.shape[1]
        if not self.problem.lines.retention.any():
            return [[Decimal(units).scaleb(-self.exponent) for units in row] for row in self.minor.tolist()]
        flat = [as_decimal(stock) for stock in self.fractions("stock")]
        return [flat[start : start + n] for start in range(0, len(flat), n)]

    def _risk(self, rule: Risk, name: str) -> list[Fraction]:
        """The columns of a limit on risk: value at risk, the loss beyond it, and the scenarios that miss a limit."""
        loss = [-value for value in self.fractions("value")]
        if name.endswith(".missed"):
            # The rule's own words: a loss on the limit is inside it.
            limit = fraction_of(rule.limit) + fraction_of(EXACT * max(1.0, abs(rule.limit)))
            return [Fraction(int(each > limit)) for each in loss]
        threshold = self._value_at_risk(loss, Measure.parse(rule.measure).level)
        return [threshold] if name.endswith(".threshold") else [max(each - threshold, Fraction(0)) for each in loss]

    def _value_at_risk(self, loss: list[Fraction], level: float) -> Fraction:
        chances = self._fractions_of(self.problem.scenarios.probability)
        enough = fraction_of(level) - fraction_of(1e-12)  # The probabilities are rounded to floats.
        so_far = Fraction(0)
        for scenario in sorted(range(len(loss)), key=loss.__getitem__):
            so_far += chances[scenario]
            if so_far >= enough:
                return loss[scenario]
        return max(loss)
