"""Small problems for the environments' tests."""

from __future__ import annotations

import numpy as np

import fiscus
from fiscus.core.process import Jumps, LognormalAR1, ParameterPrior, Process, Product, RegimeSwitching

PERIODS = ("q1", "q2", "q3", "q4")


def tree_problem(**settings: object) -> fiscus.Problem:
    """Six lines of all smooth families in two departments with floors and caps, four periods, stock and change cost."""
    lines = {
        "id": ["roads", "parks", "pools", "books", "clinic", "police"],
        "unit": ["town", "town", "town", "care", "care", "care"],
        "ask": [30, 40, 25, 20, 50, 35],
        "floor": [2, 0, 0, 5, 0, 0],
        "prior": [10, 10, 5, 8, 20, 15],
        "curve": ["log", "power", "saturating", "hill", "linear", "capped"],
        "a": [10, 4, 30, 25, 0.8, 1.1],
        "h": [20, "", 15, 12, "", 30],
        "p": ["", 0.5, "", 1.0, "", ""],
        "retention": [0.4, 0, 0.2, 0, 0, 0],
        "change_cost": [0.05, 0, 0, 0.02, 0, 0],
    }
    units = {
        "id": ["all", "town", "care"],
        "parent": ["", "all", "all"],
        "floor": [0, 15, 10],
        "cap": ["", 60, 70],
    }
    given = {"periods": list(PERIODS), "budget": dict.fromkeys(PERIODS, 100), "discount_rate": 0.03}
    return fiscus.Problem.from_frames(units=units, lines=lines, **(given | settings))


def cash_problem() -> fiscus.Problem:
    """The same with a working-capital account that carries money over and must keep a reserve."""
    return tree_problem(
        budget=dict.fromkeys(PERIODS, 60), opening_cash=50, reserve=10, carry_over=0.5, cash_rate=0.01, spend_weight=1
    )


def project_problem() -> fiscus.Problem:
    """All-or-nothing projects over two periods, with stages, exclusion and a count."""
    lines = {
        "id": ["bridge", "tunnel", "depot", "school", "wing"],
        "unit": ["works", "works", "works", "learn", "learn"],
        "ask": [40, 55, 20, 30, 15],
        "a": [1.2, 1.5, 0.9, 1.1, 1.3],
        "lumpy": [True, True, False, True, True],
    }
    units = {"id": ["city", "works", "learn"], "parent": ["", "city", "city"], "cap": ["", 80, 40]}
    rules = [
        {"id": "one-crossing", "kind": "at_most", "lines": ["bridge", "tunnel"], "count": 1},
        {"id": "wing-after", "kind": "staged", "lines": ["school", "wing"]},
        {"id": "some", "kind": "at_least", "lines": ["bridge", "tunnel", "school"], "count": 1},
    ]
    return fiscus.Problem.from_frames(
        units=units, lines=lines, rules=rules, periods=["y1", "y2"], budget={"y1": 100, "y2": 70}
    )


def processes(problem: fiscus.Problem) -> dict[str, Process]:
    """One process of each kind that fits a problem."""
    periods, lines = problem.shape
    chain = RegimeSwitching(periods, lines, np.array([[0.8, 0.2], [0.3, 0.7]]), np.array([1.4, 0.6]), volatility=0.1)
    return {
        "autoregression": LognormalAR1(periods, lines, 0.7, 0.3),
        "regimes": chain,
        "jumps": Jumps(periods, lines, 0.2, 0.3, 0.1),
        "unknown curves": ParameterPrior(periods, problem.lines.curves, 0.3, 0.2),
        "product": Product([chain, ParameterPrior(periods, problem.lines.curves, 0.3, 0.2)]),
    }
