"""What all explanations of one result read: marginal values, the rows that bind above each amount, and their prices."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np

from fiscus.core.arrays import BoolArray, FloatArray
from fiscus.core.dynamics import marginal_value
from fiscus.core.problem import Problem
from fiscus.core.rows import FUNDED_ABOVE, Rows
from fiscus.core.rules import Envelope
from fiscus.optimise.explain.data import Alternative, RuleShare
from fiscus.optimise.result import Binding, Result

KEEPING = ("freeze", "change")
"""Kinds of rules that keep amounts near what they were."""

CHOICES = ("requires", "at_most", "at_least", "staged", "whole", "resource", "risk")
"""Kinds of rules that may decide which lines have money at all."""

SAME = 0.01
"""Relative difference within which a marginal value and a price are told as equal: tangents find them to the root of the gap."""


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


def place_of(problem: Problem, rules: Sequence[tuple[Binding, float]]) -> str:
    """Where money has the price that the rows above an amount give it: `` in`` the smallest unit that one of them is about, or empty."""
    nodes = {rule.id: rule.node for rule in problem.rules if isinstance(rule, Envelope)}
    found = []
    for each, coefficient in rules:
        if not coefficient * (each.price or 0.0) or each.rule == "budget":
            continue
        unit = each.rule.removeprefix("unit ") if each.rule.startswith("unit ") else nodes.get(each.rule, "")
        if unit not in problem.tree.position:
            return ""
        place = problem.tree.position[unit]
        found.append((len(problem.membership[[place]].indices), problem.tree.names[place]))
    return f" in {min(found)[1].rstrip('.')}" if found else ""


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
        return self._free[period]

    @cached_property
    def _free(self) -> list[BoolArray]:
        found = []
        for period in range(self.result.problem.shape[0]):
            free = ~self.result.problem.lines.lumpy
            for line in np.flatnonzero(free).tolist():
                free[line] = all(each.kind not in KEEPING for each, _ in self.binding.get((period, line), []))
            found.append(free)
        return found

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
        """Who would get the next unit in place of a line that has some, or lose it to one that has none.

        Moving a unit to or from one other line may break no row that binds. The best such line is told only where no longer chain of
        moves can do better: where its unit is worth what the prices of the rules say (duality), or where the rows that bind are
        nested totals, in which every move is a sum of moves between two lines.
        """
        problem, spend = self.result.problem, self.result.allocation[period]
        if problem.lines.lumpy[line] or self.derived or not problem.lines.curves.concave.all():
            return None  # No single unit comes or goes, or it is worth more than the amounts of this period tell.
        lines, price = problem.lines, sum(share.cost for share in shares)
        grain = 1e-6 * np.maximum(1.0, spend)
        gets = bool(spend[line] > FUNDED_ABOVE)
        least = np.maximum(lines.floor[period], np.where(spend > FUNDED_ABOVE, lines.min_ticket, 0.0))
        if gets:
            able = spend < np.minimum(lines.cap[period], problem.reach[period]) - grain
            able &= (spend > FUNDED_ABOVE) | (lines.min_ticket <= 0.0)
            if spend[line] <= least[line] + grain[line]:
                return None
        else:
            able = spend > least + grain
        able &= self.free(period) & (np.arange(len(spend)) != line)
        values = self.gains[period] if gets else self.losses[period]
        order = np.argsort(-values if gets else values, kind="stable")
        for best in order[able[order]].tolist():
            if self._moves(period, (line, best) if gets else (best, line)):
                value = float(values[best])
                known = self.nested or abs(value - price) <= SAME * max(abs(value), abs(price))
                return Alternative(lines.id[best], gets, value) if known else None
        return None

    @cached_property
    def nested(self) -> bool:
        """Whether the rows that bind are plain totals of amounts of one period, any two of them one in the other or apart."""
        totals: dict[Binding, set[tuple[int, int]]] = {}
        for cell, pairs in self.binding.items():
            for each, coefficient in pairs:
                if coefficient != 1.0:
                    return False
                totals.setdefault(each, set()).add(cell)
        if any(len({period for period, _ in cells}) > 1 for cells in totals.values()):
            return False
        if self.result.problem.lines.retention.any():
            return False
        chains = {
            tuple(sorted((each for each, _ in pairs), key=lambda each: len(totals[each])))
            for pairs in self.binding.values()
        }
        return all(totals[one] <= totals[other] for chain in chains for one, other in pairwise(chain))

    def _moves(self, period: int, ends: tuple[int, int]) -> bool:
        """Whether a unit may go from one line to another with every binding row kept."""
        giver, taker = (dict(self.binding.get((period, end), [])) for end in ends)
        spend = self.result.allocation[period]
        counted = float(spend[ends[1]]) <= FUNDED_ABOVE  # Whether a line has money at all is what choices count.
        for each in {**giver, **taker}:
            step, price = taker.get(each, 0.0) - giver.get(each, 0.0), each.price or 0.0
            if (price > 0 and step > 0) or (price < 0 and step < 0) or (not price and step != 0):
                return False
            if counted and each in taker and each.kind in CHOICES:
                return False
        return True
