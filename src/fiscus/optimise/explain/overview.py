"""A saved run as a result again, and what there is to say about a whole result."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import Any

import numpy as np

from fiscus.core.arrays import frozen
from fiscus.core.feasibility import violations
from fiscus.core.methods import plan
from fiscus.core.objective import objective
from fiscus.core.problem import Problem
from fiscus.core.rows import FUNDED_ABOVE
from fiscus.errors import BrokenRun
from fiscus.optimise.explain.data import LineExplanation, UnitExplanation, finite
from fiscus.optimise.explain.flips import Flip, flip
from fiscus.optimise.explain.lines import explanation, unit_explanation
from fiscus.optimise.explain.picture import Picture, rule_text
from fiscus.optimise.explain.ranging import PriceRange, price_range
from fiscus.optimise.explain.value_function import ValueFunction
from fiscus.optimise.result import Binding, Result
from fiscus.optimise.run_folder import SavedRun

MOST_CHANGES = 10
MOST_RANGES = 8
MOST_UNITS = 15


def saved_result(run: SavedRun, problem: Problem) -> Result:
    """The result that a run folder holds: its own amounts, prices and proof, whatever a new solve would give.

    Args:
        run: As read back.
        problem: The one it answers.

    Raises:
        BrokenRun: For a problem that is not the run's, amounts that are not the problem's or break its rules, or no amounts.
    """
    document = run.document
    if (document.get("digests") or {}).get("problem") != problem.digest:
        raise BrokenRun(f"{run.path}: the problem stored with the run is not the one that result.json speaks of")
    if not run.amounts:
        reasons = " ".join(str(each) for each in document.get("reasons", ()))
        raise BrokenRun(f"{run.path} has no allocation to explain ({document.get('status')}). {reasons}".rstrip())
    cells = {(period, line) for period in problem.periods for line in problem.lines.id}
    if set(run.amounts) != cells:
        odd = next(iter(set(run.amounts) ^ cells))
        raise BrokenRun(f"{run.path / 'allocation.csv'} does not hold the problem's amounts: look at {' / '.join(odd)}")
    spend = np.array([[float(run.amounts[period, line]) for line in problem.lines.id] for period in problem.periods])
    # Where no rounding keeps a rule to the minor unit, the run says so and misses it by some minor units.
    slack = problem.minor_unit * spend.size
    broken = [each for each in violations(problem, spend) if each.distance > slack]
    if broken:
        raise BrokenRun(f"{run.path / 'allocation.csv'} breaks a rule of its own plan: {broken[0].sentence}")
    value = objective(problem, spend)
    bound = document.get("bound")
    return Result(
        problem=problem,
        method=document["method"],
        route=str(document.get("route")),
        status=document["status"],
        value=value,
        bound=math.inf if bound is None else max(float(bound), value),
        gap=math.nan if document.get("gap") is None else float(document["gap"]),
        solution=frozen(spend),
        binding=tuple(_binding(each) for each in document.get("binding", ())),
        duals_of=str(document.get("duals_of", "")),
        reasons=tuple(document.get("reasons", ())),
        versions=dict(document.get("versions", {})),
        seed=int(document.get("seed", 0)),
    )


def _binding(entry: dict[str, Any]) -> Binding:
    bound = entry.get("bound")
    return Binding(
        rule=entry["rule"],
        row=tuple(entry["row"]),
        kind=entry["kind"],
        bound=math.nan if bound is None else float(bound),
        price=None if entry.get("price") is None else float(entry["price"]),
    )


@dataclass(frozen=True, eq=False)
class Overview:
    """What there is to say about a whole result.

    Attributes:
        result: What is spoken of.
        units: The units below the root, the largest amounts first; the root itself where nothing is below it.
        changes: Lines whose total differs most from last year.
        ranges: What the limits that bind are worth, dearest first, and how far that holds.
        unfunded: Lines that get nothing and are nearest to getting something, with what they would need.
        notes: Why there are no ranges or flip points, where there are none.
    """

    result: Result
    units: tuple[UnitExplanation, ...]
    changes: tuple[LineExplanation, ...]
    ranges: tuple[PriceRange, ...]
    unfunded: tuple[Flip, ...]
    notes: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """Plain data; numbers without end are null."""
        plain: dict[str, Any] = finite(
            {
                "plan": self.result.problem.name,
                "currency": self.result.problem.currency.code,
                "units": [each.as_dict() for each in self.units],
                "changes": [each.as_dict() for each in self.changes],
                "binding": [each.as_dict() for each in self.ranges],
                "unfunded": [each.as_dict() for each in self.unfunded],
                "notes": list(self.notes),
            }
        )
        return plain

    def range_sentences(self) -> list[str]:
        """What the limits that bind are worth."""
        problem = self.result.problem
        return [each.sentence(rule_text(problem, each.rule), problem.currency.code) for each in self.ranges]


def overview(result: Result, flips: int = 3, *, seconds: float = math.inf) -> Overview:
    """Units, largest changes, what binds with its range, and what the best lines without money would need.

    Args:
        result: With an allocation.
        flips: How many lines without money to look at; each takes some solves.
        seconds: After these no more ranges and flip points are begun, and the notes say how many are left out.

    Raises:
        NoAllocation: Where there is no allocation.
    """
    problem, picture = result.problem, Picture(result)
    tree, amounts = problem.tree, result.minor_units.sum(axis=0)
    level = tree.levels[min(1, len(tree.levels) - 1)]
    totals = problem.membership[level] @ amounts
    units = [tree.ids[unit] for unit in level[np.argsort(-totals, kind="stable")][:MOST_UNITS].tolist()]
    moved = result.apportionment.amounts.sum(axis=0) - problem.lines.prior * problem.shape[0]
    order = np.argsort(-np.abs(moved), kind="stable")[:MOST_CHANGES]
    ranges: list[PriceRange] = []
    unfunded: list[Flip] = []
    notes: list[str] = []
    if plan(problem, result.method).seeks_value:
        function = ValueFunction(result)
        function.deadline = time.monotonic() + seconds
        ranges = _ranges(result, function, notes)
        unfunded = _unfunded(result, picture, flips, function, notes)
    else:
        notes.append(
            f"The {result.method} method does not look for the most value, so there are no prices and flip points."
        )
    return Overview(
        result,
        tuple(unit_explanation(result, unit, picture) for unit in units),
        tuple(explanation(result, problem.lines.id[line], picture) for line in order.tolist()),
        tuple(ranges),
        tuple(unfunded),
        tuple(notes),
    )


def _ranges(result: Result, function: ValueFunction, notes: list[str]) -> list[PriceRange]:
    """Ranges of the dearest limits, as many as time allows."""
    priced = [each for each in result.binding if each.price]
    found: list[PriceRange] = []
    for each in priced[:MOST_RANGES]:
        if function.late:
            break
        found.append(price_range(result, each, function))
    if left_out := len(priced) - len(found):
        notes.append(f"Left out: the ranges of {left_out} more limits that have a price.")
    return found


def _unfunded(result: Result, picture: Picture, count: int, function: ValueFunction, notes: list[str]) -> list[Flip]:
    """Flip points of the nearest lines without money, as many as time allows."""
    lines = nearest_unfunded(picture, count)
    found: list[Flip] = []
    for line in lines:
        if function.late:
            break
        found.append(flip(result, line, cost=False, function=function))
    if left_out := lines[len(found) :]:
        notes.append(f"Left out for lack of time: what {', '.join(left_out)} would need; ask for each line alone.")
    return found


def nearest_unfunded(picture: Picture, count: int) -> list[str]:
    """Lines that get nothing, those first whose money would bring most for what the rules price it at.

    All-or-nothing lines count by the mean value of a unit of their whole amount.
    """
    result, problem = picture.result, picture.result.problem
    lines, nothing = problem.lines, (result.allocation <= FUNDED_ABOVE).all(axis=0)
    whole = np.where(np.isfinite(lines.cap), lines.cap, 0.0)
    gain = problem.scenarios.expected() * lines.weight * problem.benefit_discount[:, None] * lines.curves.value(whole)
    mean = np.divide(gain, whole, out=np.zeros_like(gain), where=whole > 0)
    worth = np.where(lines.lumpy | ~lines.curves.concave, mean, picture.gains)
    ratio = np.where(np.isfinite(worth), worth, 1e300) / np.maximum(picture.prices, 1e-300)
    best = np.where(nothing & (problem.reach > 0).any(axis=0), np.minimum(ratio, 1e300).max(axis=0), -np.inf)
    order = np.argsort(-best, kind="stable")[:count]
    return [lines.id[line] for line in order.tolist() if np.isfinite(best[line])]
