"""A frontier of 200 budgets: one warm model or the tree, against cold solves."""

from __future__ import annotations

import statistics

import numpy as np
from common import Rows, across, once, row, tree_problem
from handover import stock_pyomo

import fiscus
from fiscus.core.arrays import FloatArray
from fiscus.optimise.form import form
from fiscus.optimise.highs import run

BUDGETS = 200
SAMPLED = 7
"""Budgets at which cold solves are timed; all 200 would take an hour and tell the same."""
REPEATS = 3
"""Frontiers, and budgets at which stock Pyomo is timed."""


def rows() -> list[dict[str, str]]:
    """With 20 rules across the tree, and on the tree alone."""
    made = Rows()
    for name, problem, bars in (
        (
            "frontier of 200 budgets, 10,000 lines x 5 segments, 20 rules across",
            across(tree_problem(10_000)),
            (">= 10", ">= 100"),
        ),
        ("frontier of 200 budgets, 10,000 lines x 5 segments, tree alone", tree_problem(10_000), ("", ">= 1000")),
    ):
        total = float(problem.budget[0])
        budgets = np.linspace(0.5, 1.1, BUDGETS) * total
        seconds, cold, stock, apart = _timed(problem, budgets)
        made.append(
            row(
                name,
                f"fiscus.frontier ({seconds / BUDGETS * 1e3:.3g} ms a budget, referee and true values included)",
                seconds,
            )
        )
        made.append(
            row(
                name,
                f"cold array solves, {SAMPLED} timed (values {apart:.1e} apart)",
                cold,
                cold / seconds,
                "fiscus.frontier",
                bars[0],
            )
        )
        made.append(row(name, f"cold stock Pyomo, {REPEATS} timed", stock, stock / seconds, "fiscus.frontier", bars[1]))
    return made


def _timed(problem: fiscus.Problem, budgets: FloatArray) -> tuple[float, float, float, float]:
    """Median seconds of a whole frontier, of all cold array solves and of all of stock Pyomo; how far values are apart.

    A frontier, cold solves and Pyomo take turns, so that what else the machine does slows all of them alike.
    """
    frontiers, arrays, pyomo, apart = [], [], [], 0.0
    places = np.linspace(3, BUDGETS - 3, SAMPLED).astype(int)
    for turn in range(REPEATS):
        taken, curve = once(lambda: fiscus.frontier(problem, "budget", values=budgets))
        frontiers.append(taken)
        for place in places[turn::REPEATS].tolist():
            at = problem.but(budget=np.array([budgets[place]]))
            taken, outcome = once(lambda at=at: run(form(at)))
            arrays.append(taken)
            apart = max(apart, abs(outcome.bound - curve.points[place].value) / abs(outcome.bound))
        spread = places[turn * (SAMPLED - 1) // (REPEATS - 1)]  # The first, the middle and the last of them.
        at = problem.but(budget=np.array([budgets[spread]]))
        pyomo.append(once(lambda at=at: stock_pyomo(at))[0])
    cold, stock = (BUDGETS * statistics.median(each) for each in (arrays, pyomo))
    return statistics.median(frontiers), cold, stock, apart
