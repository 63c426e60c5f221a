"""Budgets swept by the tree solver, where it serves: the tree is stated once, and every budget is one exact split of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from fiscus.core.arrays import FloatArray
from fiscus.errors import NoAllocation
from fiscus.optimise.frontier.families import EDGE, NO_BUDGET, Budgets
from fiscus.optimise.frontier.sweep import Effort, Swept
from fiscus.optimise.result import relative_gap
from fiscus.optimise.tree import Program, obstacle, solve_tree, split
from fiscus.optimise.tree.merge import Order, merged


@dataclass(frozen=True, eq=False)
class TreeSweeper:
    """Sweeps budgets on one tree.

    Attributes:
        budgets: The family of problems.
        effort: Gap.
        program: The tree at the largest budget.
        other_cap: Caps of the roots that are not the budget, shape (T,).
        order: The order of purchase, where curves are made of linear pieces.
    """

    budgets: Budgets
    effort: Effort
    program: Program
    other_cap: FloatArray
    order: Order | None

    @classmethod
    def of(cls, budgets: Budgets, effort: Effort) -> TreeSweeper | None:
        """A sweeper for budgets over a problem that the tree holds; None for others."""
        if obstacle(budgets.widest):
            return None
        parts = split(budgets.widest)
        program = parts.program
        roots = program.levels[0]
        other = np.full(len(program.cap), np.inf)
        found = np.zeros(len(program.cap), dtype=bool)
        for origin in program.rows:
            at = origin.node[origin.node >= 0]
            if origin.block.kind == "budget":
                found[at] = True
                continue
            cap = origin.block.upper[origin.row] / origin.coefficient
            np.minimum.at(other, at, cap[origin.node >= 0])
        if parts.side or not found[roots].all() or any((each.coefficient < 0).any() for each in program.rows):
            return None
        return cls(budgets, effort, program, other[roots], merged(program))

    def sweep(self, parameters: Sequence[float]) -> list[Swept]:
        """One exact split a budget, in the order given."""
        return [self._at(total) for total in parameters]

    def range(self) -> tuple[float, float]:
        """Least total that meets the floors, and the one above which nothing more is gained.

        Raises:
            NoAllocation: Where no total up to the top is feasible.
        """
        problem, top = self.budgets.widest, self.budgets.top
        answer = solve_tree(replace(self.program, cap=self._caps(top)))
        if answer is None:
            raise NoAllocation(NO_BUDGET)
        spent = answer.amount.reshape(problem.shape).sum(axis=1)
        full, none = self.budgets.budget_at(top), self.budgets.budget_at(0.0)
        share = np.where(full > none, (full - none) / top, 0.0)
        floor = np.maximum(problem.membership @ problem.lines.floor.T, problem.units.floor.T)
        for level in problem.tree.levels[:0:-1]:
            below = np.zeros_like(floor)
            np.add.at(below, problem.tree.parent[level], floor[level])
            floor = np.maximum(floor, below)
        with np.errstate(divide="ignore", invalid="ignore"):
            least = np.where(share > 0, floor[problem.tree.root] / share, 0.0).max()
            enough = np.where(share > 0, spent / share, 0.0).max()
        return min(float(least) * (1.0 + EDGE), top), min(float(enough), top)

    def _caps(self, total: float) -> FloatArray:
        cap = self.program.cap.copy()
        roots = self.program.levels[0]
        cap[roots] = np.minimum(self.other_cap, self.budgets.budget_at(total))
        return cap

    def _at(self, total: float) -> Swept:
        roots, program = self.program.levels[0], self.program
        cap = self._caps(total)
        if self.order is not None:
            amount, root_price = self.order.bought(cap[roots], program.base[roots])
            bound = -np.inf
            if (program.floor[roots] > cap[roots] * (1.0 + EDGE)).any():
                return Swept(total, "infeasible", bound=-np.inf)
        else:
            answer = solve_tree(replace(program, cap=cap))
            if answer is None:
                return Swept(total, "infeasible", bound=-np.inf)
            amount, bound = answer.amount, answer.bound
            root_price = answer.price[roots] - program.base[roots]
        lines = self.budgets.widest.lines
        spend = np.clip(amount.reshape(self.budgets.widest.shape), lines.floor, lines.cap)
        worth = self.budgets.judge(total, spend)
        if worth is None:
            return Swept(total, "infeasible", bound=-np.inf)
        bound = max(bound, worth)
        shares = self.budgets.budget_at(1.0) - self.budgets.budget_at(0.0)
        binds = self.budgets.budget_at(total) <= self.other_cap
        price = float(np.where(binds, np.maximum(root_price, 0.0), 0.0) @ shares)
        near = relative_gap(worth, bound, self.effort.stake) <= self.effort.gap
        return Swept(total, "optimal" if near else "feasible", spend, worth, bound, price)
