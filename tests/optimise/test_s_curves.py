"""S-curves solved to a proved gap: against dynamic programs on a grid of money, SLSQP from many starts, and enumeration."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pytest
from scipy.optimize import minimize

import fiscus
from fiscus.core.feasibility import violations
from fiscus.core.methods import pro_rata
from fiscus.core.objective import objective

STEPS = 400
"""Steps of money into which the dynamic programs divide a budget."""

STARTS = 20


@dataclass(frozen=True)
class Case:
    """A random mix of Hill, log and saturating curves, and what is needed to look at it without Fiscus."""

    problem: fiscus.Problem
    cap: np.ndarray
    unit: np.ndarray
    unit_cap: np.ndarray
    budget: float

    @cached_property
    def terms(self):
        curves = self.problem.lines.curves
        return np.array(curves.family), curves.a, curves.h, curves.p

    def values(self, money):
        """Benefit of each line, shape (..., n), by the textbook formulas."""
        family, a, h, p = self.terms
        with np.errstate(divide="ignore", invalid="ignore"):
            hill = a * money**p / (h**p + money**p)
            log, saturating = a * np.log1p(money / h), -a * np.expm1(-money / h)
        return np.select([family == "hill", family == "log"], [hill, log], saturating)

    def slopes(self, money):
        family, a, h, p = self.terms
        hill = a * p * h**p * money ** (p - 1) / (h**p + money**p) ** 2
        return np.select([family == "hill", family == "log"], [hill, a / (h + money)], a / h * np.exp(-money / h))

    def by_grid(self):
        """Best split on a grid of money, and a bound on the best of all splits.

        A split of any amounts is one of whole steps once each amount is rounded down; giving each line a step more can only
        be worth more.
        """
        step = self.budget / STEPS
        low, high = [], []
        for unit in range(len(self.unit_cap)):
            lines = np.flatnonzero(self.unit == unit)
            most = int(min(STEPS, np.floor(self.unit_cap[unit] / step + 1e-9)))
            for found, ceiling in ((low, False), (high, True)):
                total = np.full(STEPS + 1, -np.inf)
                total[0] = 0.0
                for line in lines:
                    total = _together(total, self._steps(line, step, ceiling))
                total[most + 1 :] = -np.inf
                found.append(total)
        return tuple(np.max(_all_together(tables)) for tables in (low, high))

    def _steps(self, line, step, ceiling):
        money = np.arange(STEPS + 1) * step
        worth = self.values(
            np.minimum((money + (step if ceiling else 0.0))[:, None], self.cap)[:, [line]].repeat(len(self.cap), 1)
        )
        return np.where(money <= self.cap[line] * (1 + 1e-12), worth[:, line], -np.inf)

    def allowed(self, money):
        """The nearest way back inside the limits: clipped, then scaled."""
        money = np.clip(money, 0.0, self.cap)
        total = np.bincount(self.unit, money, minlength=len(self.unit_cap))
        money = money * np.minimum(1.0, self.unit_cap / np.maximum(total, 1e-300))[self.unit]
        return money * min(1.0, self.budget / max(money.sum(), 1e-300))

    def by_slsqp(self, rng):
        """Best value of SLSQP from a uniform start and from random ones."""
        n, size = len(self.cap), self.values(self.cap).sum()
        units = np.flatnonzero(np.isfinite(self.unit_cap))
        rows = np.vstack([np.ones(n), *(self.unit == unit for unit in units)]) / self.budget
        limit = np.r_[self.budget, self.unit_cap[units]] / self.budget
        rule = {"type": "ineq", "fun": lambda x: limit - rows @ x, "jac": lambda _: -rows}
        starts = [np.full(n, self.budget / n), *(rng.dirichlet(np.full(n, rng.uniform(0.2, 2)), STARTS) * self.budget)]
        best = 0.0
        for start in starts:
            found = minimize(
                lambda x: -self.values(np.maximum(x, 0.0)).sum() / size,
                self.allowed(start),
                jac=lambda x: -self.slopes(np.maximum(x, 1e-9)) / size,
                method="SLSQP",
                bounds=list(zip(np.zeros(n), self.cap, strict=True)),
                constraints=[rule],
                options={"maxiter": 60, "ftol": 1e-9},
            )
            best = max(best, float(self.values(self.allowed(found.x)).sum()))
        return best


def _together(first, second):
    """Best sums of two tables over steps of money: ``max_j first[i - j] + second[j]``."""
    index = np.arange(len(first))[:, None] - np.arange(len(first))
    padded = np.where(index >= 0, first[np.maximum(index, 0)], -np.inf)
    return (padded + second).max(axis=1)


def _all_together(tables):
    total = tables[0]
    for table in tables[1:]:
        total = _together(total, table)
    return total


def drawn(seed, n=None):
    """One budget, and in half of the cases caps of units within it."""
    rng = np.random.default_rng(seed)
    n = n or int(rng.integers(2, 13))
    cap = rng.uniform(20, 100, n).round(2)
    family = rng.choice(["hill", "hill", "hill", "log", "saturating"], n)
    h = (cap * rng.uniform(0.2, 0.8, n)).round(2)
    p = [float(rng.uniform(1.3, 5)) if name == "hill" else None for name in family]
    units = max(2, n // 4) if seed % 2 else 1
    unit = rng.integers(0, units, n)
    unit_cap = np.full(units, np.inf)
    if units > 1:
        unit_cap = (np.bincount(unit, cap, minlength=units) * rng.uniform(0.3, 0.9, units)).round(2)
    budget = float((cap.sum() * rng.uniform(0.2, 0.7)).round(2))
    ids = [f"u{each}" for each in range(units)]
    problem = fiscus.Problem.from_frames(
        lines={
            "id": [f"l{each}" for each in range(n)],
            "unit": [ids[each] for each in unit],
            "cap": cap.tolist(),
            "curve": family.tolist(),
            "a": rng.uniform(10, 100, n).tolist(),
            "h": h.tolist(),
            "p": p,
            "prior": (cap * rng.uniform(0, 0.5, n)).round(2).tolist(),
        },
        units={
            "id": ["all", *ids],
            "parent": ["", *["all"] * units],
            "cap": [None, *(each if np.isfinite(each) else None for each in unit_cap.tolist())],
        },
        budget=budget,
    )
    return Case(problem, cap, unit, unit_cap, budget)


# ---TESTS---
