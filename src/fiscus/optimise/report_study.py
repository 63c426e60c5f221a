"""What a report may add by solving some more: the frontier of budgets, how far prices hold, what lines without money need."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from fiscus.core.money import compact, short
from fiscus.core.problem import Problem
from fiscus.errors import FiscusError
from fiscus.optimise.explain.flips import flip
from fiscus.optimise.explain.overview import nearest_unfunded
from fiscus.optimise.explain.picture import Picture, rule_text
from fiscus.optimise.explain.ranging import price_range
from fiscus.optimise.frontier.curve import Frontier
from fiscus.optimise.frontier.points import frontier
from fiscus.optimise.result import Result

POINTS, RANGES, FLIPS = 15, 5, 3
WIDTH, HEIGHT, LEFT, RIGHT, BOTTOM = 1040, 300, 70, 48, 44
TICKS = 5


@dataclass(frozen=True, eq=False)
class Study:
    """Further looks at a result.

    Attributes:
        frontier: Best value at each budget; None where there is no budget to vary.
        ranges: Sentences on what the dearest limits are worth, and how far that holds.
        flips: Sentences on what the lines nearest to money would need.
    """

    frontier: Frontier | None
    ranges: tuple[str, ...]
    flips: tuple[str, ...]


def study(result: Result) -> Study:
    """Look further at a result that seeks value; costs some more solves.

    Raises:
        NoAllocation: Where there is no allocation.
    """
    problem = result.problem
    curve = None
    if np.isfinite(problem.budget).all() and problem.budget.sum() > 0:
        try:
            curve = frontier(problem, "budget", points=POINTS)
        except FiscusError:
            curve = None  # A frontier is an extra; what keeps it from being drawn says nothing about the result.
    # On smooth curves a range takes many refinements; there the dearest limit has to do.
    straight = bool(problem.lines.curves.polyhedral.all())
    priced = [each for each in result.binding if each.price][: RANGES if straight else 1]
    code = problem.currency.code
    ranges = [price_range(result, each).sentence(rule_text(problem, each.rule), code) for each in priced]
    unfunded = nearest_unfunded(Picture(result), FLIPS) if priced else []
    return Study(curve, tuple(ranges), tuple(_flip_text(result, line) for line in unfunded))


def _flip_text(result: Result, line: str) -> str:
    return " ".join(flip(result, line, cost=False).sentences(result.problem))


def picture(curve: Frontier) -> dict[str, Any]:
    """The frontier as lines and marks of an SVG drawing."""
    problem = curve.problem
    points = [point for point in curve.points if point.spend is not None]
    if len(points) < 2:
        return {}
    budgets = np.array([point.parameter for point in points])
    values = np.array([point.value for point in points])
    low, high = float(budgets.min()), float(budgets.max())
    floor, top = min(0.0, float(values.min())), float(values.max())

    def place(budget: float, value: float) -> tuple[float, float]:
        across = (budget - low) / (high - low) if high > low else 0.0
        up = (value - floor) / (top - floor) if top > floor else 0.0
        return round(LEFT + across * (WIDTH - LEFT - RIGHT), 1), round(HEIGHT - BOTTOM - up * (HEIGHT - BOTTOM - 24), 1)

    marks = []
    for name, point in (("knee", curve.knee), ("this plan", curve.current)):
        if point is not None and point.spend is not None and low <= point.parameter <= high:
            x, y = place(point.parameter, point.value)
            text = f"{name}: {_amount(problem, point.parameter)}, value {compact(point.value)}"
            marks.append({"x": x, "y": y, "name": name, "text": text})
    return {
        "width": WIDTH,
        "height": HEIGHT,
        "left": LEFT,
        "base": HEIGHT - BOTTOM,
        "path": " ".join(f"{x},{y}" for x, y in (place(b, v) for b, v in zip(budgets, values, strict=True))),
        "dots": [place(b, v) for b, v in zip(budgets.tolist(), values.tolist(), strict=True)],
        "marks": marks,
        "across": [(place(b, floor)[0], _amount(problem, b)) for b in np.linspace(low, high, TICKS).tolist()],
        "up": [(place(low, v)[1], compact(v)) for v in np.linspace(floor, top, TICKS).tolist()],
    }


def _amount(problem: Problem, amount: float) -> str:
    return short(amount, problem.currency)
