"""What a page needs of a solve to be understood without one: requests, units, reasons, and what saying no would cost.

Amounts are minor units, values units of value; everything is plain JSON and becomes part of what is signed.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from fiscus.core.arrays import FloatArray
from fiscus.core.document import rule_document
from fiscus.core.dynamics import evaluate
from fiscus.core.feasibility import FEASIBILITY_TOLERANCE
from fiscus.core.problem import Problem
from fiscus.optimise.explain.lines import Picture, explanation, largest_changes
from fiscus.optimise.result import Result

MOST_REASONS = 1_500
"""Lines with the largest changes that come with reasons."""

FEW_REASONS = 30
"""The same where prices on what follows from the amounts make each of them slow."""


def evidence_of(result: Result) -> dict[str, Any]:
    """Everything of it.

    Args:
        result: With an allocation.
    """
    problem = result.problem
    return {
        "asked": asked(problem),
        "units": [
            [name, problem.tree.ids[parent] if parent >= 0 else "", title]
            for name, parent, title in zip(
                problem.tree.ids, problem.tree.parent.tolist(), problem.tree.names, strict=True
            )
        ],
        "rules": rules(problem),
        "standings": standings(result),
        "scores": scores(problem),
        "budget": dict(zip(problem.periods, problem.currency.to_minor_array(problem.budget).tolist(), strict=True)),
        **_reasons(result),
        "spread": _spread(problem, result.apportionment.amounts),
        "last_year": _last_year(problem, result.apportionment.amounts),
    }


def asked(problem: Problem) -> list[list[Any]]:
    """``[period, line, unit, title, amount]`` of every request, those that get nothing included."""
    ask = np.nan_to_num(np.broadcast_to(problem.lines.ask, problem.shape), posinf=0.0)
    minor, lines = problem.currency.to_minor_array(ask), problem.lines
    return [
        [period, line, problem.tree.ids[lines.unit[n]], lines.name[n], int(minor[t, n])]
        for t, period in enumerate(problem.periods)
        for n, line in enumerate(lines.id)
        if minor[t, n]
    ]


def rules(problem: Problem) -> list[dict[str, Any]]:
    """Rules as they were stated, without what they leave open, so that two versions can be compared."""
    stated = (rule_document(rule) for rule in problem.rules)
    return [{name: value for name, value in each.items() if value is not None} for each in stated]


def standings(result: Result) -> dict[str, list[Any]]:
    """Rules by id, the tables' own limits included: ``[standing, least, most, sum]``, money in minor units, of their tightest row.

    The standing is ``binds``, ``kept`` or ``not kept``; least and most are None where there is none, and all three where no money is
    counted.
    """
    problem = result.problem
    point = problem.statement.point(np.array(result.apportionment.amounts))
    found: dict[str, tuple[float, list[Any]]] = {}
    for rows in problem.statement.rows:
        activity, scale = rows.activity(point), rows.scale(point)
        for place, label in enumerate(rows.labels):
            least, most, at = float(rows.lower[place]), float(rows.upper[place]), float(activity[place])
            room = min(at - least, most - at) / float(scale[place])
            standing = (
                "not kept" if room < -FEASIBILITY_TOLERANCE else "binds" if room <= FEASIBILITY_TOLERANCE else "kept"
            )
            plain = set(rows.terms) == {"spend"} and not rows.unit and set(rows.terms["spend"][[place]].data) <= {1.0}
            amounts = [_minor(problem, each) if plain else None for each in (least, most, at)]
            if label[0] not in found or room < found[label[0]][0]:
                found[label[0]] = room, [standing, *amounts]
    return {rule: told for rule, (_, told) in found.items()}


def _minor(problem: Problem, amount: float) -> int | None:
    return int(problem.currency.to_minor_array([amount])[0]) if np.isfinite(amount) else None


def scores(problem: Problem) -> dict[str, float]:
    """Weight of each line; empty where all have the same."""
    weights = np.asarray(problem.lines.weight, dtype=float)
    if not len(weights) or (weights == weights[0]).all():
        return {}
    return {line: float(weight) for line, weight in zip(problem.lines.id, weights.tolist(), strict=True)}


def _reasons(result: Result) -> dict[str, Any]:
    """Sentences by line for the largest changes, and what the plan would be worth less without each."""
    problem, amounts = result.problem, result.apportionment.amounts
    picture, whole = Picture(result), _expected(problem, amounts)
    reasons: dict[str, list[str]] = {}
    without: dict[str, float] = {}
    for line, _, _, _ in largest_changes(result, count=FEW_REASONS if picture.derived else MOST_REASONS):
        found = explanation(result, line, picture)
        reasons[line] = [sentence for period in found.periods for sentence in period.sentences]
        left = amounts.copy()
        left[:, problem.line_position[line]] = 0.0
        without[line] = round(whole - _expected(problem, left), 2)
    return {"reasons": reasons, "without": without}


def _expected(problem: Problem, amounts: FloatArray) -> float:
    return float(evaluate(problem, amounts) @ problem.scenarios.probability)


def _spread(problem: Problem, amounts: FloatArray) -> dict[str, float] | None:
    """Value in the scenarios: the tenth and the ninetieth of a hundred, and the mean; None where there is one only."""
    values, chance = evaluate(problem, amounts), problem.scenarios.probability
    if len(values) < 2:
        return None
    order = np.argsort(values)
    reached = np.cumsum(chance[order])
    low, high = (float(values[order][np.searchsorted(reached, share)]) for share in (0.1, 0.9))
    return {"low": low, "expected": float(values @ chance), "high": high, "scenarios": len(values)}


def _last_year(problem: Problem, amounts: FloatArray) -> dict[str, float]:
    """What last year's amounts would be worth again, whether or not the rules allow them, and what the plan is."""
    prior = np.broadcast_to(problem.lines.prior, problem.shape).astype(float)
    return {"value": _expected(problem, prior), "plan": _expected(problem, amounts), "spend": float(prior.sum())}
