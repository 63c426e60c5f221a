"""What all explanations of one result read: marginal values, the rows that bind above each amount, and their prices."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from fiscus.core.arrays import BoolArray, FloatArray
from fiscus.core.dynamics import marginal_value
from fiscus.core.problem import Problem
from fiscus.core.rows import FUNDED_ABOVE, Rows
from fiscus.optimise.explain.data import Alternative, RuleShare
from fiscus.optimise.result import Binding, Result

KEEPING = ("freeze", "change")
"""Kinds of rules that keep amounts near what they were."""


@dataclass(frozen=True, eq=False)
class Why:
    """What decides one line's amount in one period.

    Attributes:
        marginal: Value of one more unit of money on the line.
        rules: Binding rows that the line takes part in, with its coefficient in each, dearest first.
        place: ``zero``, ``floor``, ``cap`` or ``between``.
    """

    marginal: float
    rules: tuple[tuple[Binding, float], ...]
    place: str


def binding_of(result: Result) -> dict[tuple[int, int], list[tuple[Binding, float]]]:
    """Binding rows of each cell (period, line) and the cell's coefficient in them."""
    by_row = {each.row: each for each in result.binding}
    lines = result.problem.shape[1]
    found: dict[tuple[int, int], list[tuple[Binding, float]]] = {}
    for rows in result.problem.statement.rows:
        for row, label in enumerate(rows.labels):
            if label not in by_row:
                continue
            if "account" in rows.terms:  # Cash is touched by every amount up to its period.
                until = rows.labels[row][-1]
                for cell in range((result.problem.periods.index(until) + 1) * lines):
                    found.setdefault((cell // lines, cell % lines), []).append((by_row[label], 0.0))
            for block in ("spend", "funded"):
                matrix = rows.terms.get(block)
                if matrix is None:
                    continue
                place = slice(matrix.indptr[row], matrix.indptr[row + 1])
                # A choice has a coefficient in its rule but money has none there, so it prices no money.
                factor = 1.0 if block == "spend" else 0.0
                for cell, coefficient in zip(matrix.indices[place].tolist(), matrix.data[place].tolist(), strict=True):
                    found.setdefault((cell // lines, cell % lines), []).append((by_row[label], factor * coefficient))
    return found


def why(result: Result, period: int, line: int, binding: dict[tuple[int, int], list[tuple[Binding, float]]]) -> Why:
    """What decides one amount.

    Raises:
        NoAllocation: Where there is no allocation.
    """
    lines, amount = result.problem.lines, float(result.allocation[period, line])
    cap, floor = float(lines.cap[period, line]), float(lines.floor[period, line])
    grain = 1e-6 * max(1.0, amount)
    if math.isfinite(cap) and amount >= cap - grain:
        place = "cap"
    elif amount <= FUNDED_ABOVE:
        place = "zero"
    else:
        place = "floor" if floor > 0 and amount <= floor + grain else "between"
    rules = sorted(binding.get((period, line), []), key=lambda pair: -abs(pair[0].price or 0.0))
    return Why(float(marginal_value(result.problem, result.allocation)[period, line]), tuple(rules), place)


def rule_text(problem: Problem, rule: str) -> str:
    """What people call a rule: its own text, or the limit of the table it comes from."""
    text = next((str(each) for each in problem.rules if each.id == rule), "")
    if text:
        return text.rstrip(".")
    kind, _, name = rule.partition(" ")
    if kind == "unit" and name in problem.tree.position:
        return f"Limit of {problem.tree.names[problem.tree.position[name]]}"
    return "Budget" if rule == "budget" else rule


def share_of(problem: Problem, binding: Binding, coefficient: float) -> RuleShare:
    """What one binding row adds to the price of money."""
    text = rule_text(problem, binding.rule)
    return RuleShare(binding.rule, text, binding.row, binding.kind, binding.price, coefficient)


@dataclass(frozen=True, eq=False)
class Picture:
    """What all explanations of one result share: values of money on every amount and the prices of the rules there."""

    result: Result

    @cached_property
    def binding(self) -> dict[tuple[int, int], list[tuple[Binding, float]]]:
        """Binding rows of each cell (period, line), with the cell's coefficient."""
        return binding_of(self.result)

    @cached_property
    def gains(self) -> FloatArray:
        """Value of one more unit on each amount, shape (T, n)."""
        return marginal_value(self.result.problem, self.result.allocation)

    @cached_property
    def losses(self) -> FloatArray:
        """Value lost with one unit less of each amount, shape (T, n)."""
        spend = self.result.allocation
        return marginal_value(self.result.problem, np.maximum(spend * (1.0 - 1e-9) - 1e-9, 0.0))

    @cached_property
    def prices(self) -> FloatArray:
        """What the rules price a unit of money at on each amount, shape (T, n)."""
        prices = np.zeros(self.result.problem.shape)
        for cell, pairs in self.binding.items():
            prices[cell] = sum(coefficient * (each.price or 0.0) for each, coefficient in pairs)
        return prices

    @cached_property
    def derived(self) -> list[tuple[Rows, int, Binding]]:
        """Binding rows on what follows from the amounts: movement, cash, value."""
        by_row = {each.row: each for each in self.result.binding if each.price}
        return [
            (rows, place, by_row[label])
            for rows in self.result.problem.statement.rows
            if not set(rows.terms) <= {"spend", "funded"}
            for place, label in enumerate(rows.labels)
            if label in by_row
        ]

    def free(self, period: int) -> BoolArray:
        """Which lines may take or give a unit: not the all-or-nothing ones and those that a rule of their own keeps, shape (n,)."""
        free = ~self.result.problem.lines.lumpy
        for line in np.flatnonzero(free).tolist():
            free[line] = all(each.kind not in KEEPING for each, _ in self.binding.get((period, line), []))
        return free

    def shares(self, period: int, line: int) -> tuple[RuleShare, ...]:
        """Binding rows above one amount, dearest first; on movement, cash and value by how they answer to a unit of money."""
        problem, pairs = self.result.problem, dict(self.binding.get((period, line), []))
        if self.derived:
            spend = np.array(self.result.allocation)
            before = problem.statement.point(spend.copy())
            step = 1e-4 * max(1.0, float(spend[period, line]))
            spend[period, line] += step
            after = problem.statement.point(spend)
            for rows, place, each in self.derived:
                moved = float(rows.activity(after)[place] - rows.activity(before)[place]) / step
                if abs(moved) > 1e-9:
                    pairs[each] = moved
        shares = [share_of(problem, each, coefficient) for each, coefficient in pairs.items()]
        return tuple(sorted(shares, key=lambda share: -abs(share.cost)))

    def alternative(self, period: int, line: int, shares: Sequence[RuleShare]) -> Alternative | None:
        """Who would get the next unit in place of a line that has some, or lose it to one that has none."""
        problem, spend = self.result.problem, self.result.allocation[period]
        if problem.lines.lumpy[line]:
            return None  # No single unit of an all-or-nothing line comes or goes.
        lines, dearest = problem.lines, next((share for share in shares if share.cost > 0), None)
        open_ = self.free(period) & (np.arange(len(spend)) != line)
        if dearest is not None:
            beside = [
                j
                for j in np.flatnonzero(open_).tolist()
                if any(each.row == dearest.row for each, _ in self.binding.get((period, j), []))
            ]
            open_ = np.isin(np.arange(len(spend)), beside) if beside else open_
        grain = 1e-6 * np.maximum(1.0, spend)
        gets = bool(spend[line] > FUNDED_ABOVE)
        if gets:
            able = open_ & (spend < np.minimum(lines.cap[period], problem.reach[period]) - grain)
            worth = self.gains[period] - self.prices[period]
        else:
            able = open_ & (spend > lines.floor[period] + grain)
            worth = self.prices[period] - self.losses[period]
        if not able.any():
            return None
        best = int(np.argmax(np.where(able, worth, -np.inf)))
        value = self.gains[period, best] if gets else self.losses[period, best]
        return Alternative(lines.id[best], gets, float(value))
