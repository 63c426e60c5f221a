"""The cheapest ways to make an infeasible plan feasible, each checked by making the change and solving again.

What a repair costs is the relative change it asks of people: the sum over the rows of the limits that move of the give divided by
the size of the bound (:class:`fiscus.optimise.elastic.Slacks`). A tenth off one floor costs as much as a tenth on one cap. The
cheapest repair is the exact minimum of that over all plans; mandatory rules never give.
"""

from __future__ import annotations

import dataclasses
import time
from dataclasses import dataclass
from typing import Any

import numpy as np

from fiscus.core.arrays import BoolArray, FloatArray
from fiscus.core.dynamics import stocks
from fiscus.core.feasibility import violations
from fiscus.core.methods import plan as made_by
from fiscus.core.problem import Problem
from fiscus.core.rules.base import DUST
from fiscus.optimise.layout import Arrays
from fiscus.optimise.pieces import initial_points, refined
from fiscus.optimise.refine import clean, polished
from fiscus.optimise.repair.conflict import SECONDS, Conflict, conflict_of, listed
from fiscus.optimise.repair.elastic import Elastic, elastic
from fiscus.optimise.repair.moves import PERIOD, Give, Move, applied
from fiscus.optimise.search import Limits

MOST_ROUNDS = 16
MOST_TRIES = 12
"""Most limits forbidden, or moved alone, in looking for alternatives."""
CLOSE = 1e-6
"""Part of a bound from which a rule on value is met by asking for more, not by looking at the curves again."""
GAP = 1e-7
SHARE_OF_TIME = 0.4
"""Of the time left: for the cheapest repair, and for each alternative; the rest is for the checks."""
FAR = 20.0
"""How many times dearer than the cheapest repair an alternative may be and still be worth reading."""


@dataclass(frozen=True, eq=False)
class Repair:
    """Changes that make a plan feasible, with the proof that they do.

    Attributes:
        cost: Total relative change, as small as these limits allow.
        exact: Whether the cost is proven to be the least; not where the time ran out.
        moves: The changes.
        value: Value of the best plan found under the changed limits.
        status: Of that solve.
        allocation: That plan, major units, shape (T, n); the referee passes it.
    """

    cost: float
    exact: bool
    moves: tuple[Move, ...]
    value: float
    status: str
    allocation: FloatArray
    _repaired: Problem

    def apply(self) -> Problem:
        """The problem with the changes made."""
        return self._repaired

    @property
    def sentence(self) -> str:
        """All changes for people; the same change in several periods is said once."""
        periods: dict[str, list[str]] = {}
        for move in self.moves:
            periods.setdefault(move.template, []).append(move.period)
        return " ".join(said.replace(PERIOD, listed(names)) for said, names in periods.items())

    def as_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {
            "cost": self.cost,
            "exact": self.exact,
            "value": self.value,
            "status": self.status,
            "moves": [move.as_dict() for move in self.moves],
        }


def repairs(
    problem: Problem, *, most: int = 5, time_limit: float = SECONDS, known: Conflict | None = None
) -> tuple[Repair, ...]:
    """The cheapest repairs of an infeasible plan, cheapest first; they differ in which limits move.

    Args:
        problem: Under its own method.
        most: How many at most.
        time_limit: Seconds in all.
        known: A conflict of this problem, if one was found before.

    Returns:
        Repairs whose changed problem was solved; none where the plan is feasible, or where mandatory rules alone contradict
        each other (:func:`explain_infeasible` then names them).

    Raises:
        InvalidRule: For a rule that cannot be stated.
        RouteUnavailable: For scenarios whose curves themselves differ.
    """
    deadline = time.monotonic() + time_limit
    if known is not None:
        return _repairs(known.elastic, known, most, deadline)
    model = elastic(problem)
    found = conflict_of(model, deadline)
    return () if found is None else _repairs(model, found, most, deadline)


def explain_infeasible(problem: Problem, *, most: int = 3, time_limit: float = SECONDS) -> tuple[str, ...]:
    """Why there is no plan and what would make one possible, as sentences; none where there is one.

    Args:
        problem: Under its own method.
        most: How many repairs at most.
        time_limit: Seconds in all.

    Raises:
        InvalidRule: For a rule that cannot be stated.
        RouteUnavailable: For scenarios whose curves themselves differ.
    """
    deadline = time.monotonic() + time_limit
    model = elastic(problem)
    found = conflict_of(model, deadline)
    if found is None:
        return ()
    ways = _repairs(model, found, most, deadline)
    if ways:
        first = "Cheapest repairs:" if len(ways) > 1 else "A repair:"
        return (*found.sentences, first, *(f"{number}. {way.sentence}" for number, way in enumerate(ways, 1)))
    return (*found.sentences, *_no_repair(model, deadline))


def _no_repair(model: Elastic, deadline: float) -> tuple[str, ...]:
    """Why nothing can be moved."""
    bound = conflict_of(model, deadline, mandatory_only=True) if model.mandatory.any() else None
    if bound is None:
        return ("No repair was found within the time allowed.",)
    names = [limit.name for limit in bound.limits]
    if len(names) == 1:
        return (
            f"Mandatory {names[0]} cannot be kept whatever else moves; no repair is possible while it is mandatory.",
        )
    listed = f"{', '.join(names[:-1])} and {names[-1]}"
    return (
        f"The mandatory rules {listed} contradict each other, so no repair is possible: one of them must lose its mandate.",
    )


def _repairs(model: Elastic, found: Conflict, most: int, deadline: float) -> tuple[Repair, ...]:
    """Distinct ways, cheapest first, verified."""
    best = _cheapest(model, ~model.mandatory, _until(deadline))
    if best is None or not best.moved:
        return ()
    first = _verified(
        best, deadline
    )  # Before any alternative is looked for, so that a short time gives this one at least.
    ways = [best]
    for free in _alternatives(best, found):
        way = _cheapest(model, free, _until(deadline)) if most > 1 and time.monotonic() < deadline else None
        ways += [way] if way is not None else []
    verified = [first] if first is not None else []
    for way in _distinct(ways):
        if way is not best and len(verified) < most and time.monotonic() < deadline:
            repair = _verified(way, _until(deadline))
            known = [{move.limit for move in each.moves} for each in verified]
            # Applied in round amounts, a way may need less than it seemed to, and be one that is known.
            if repair is not None and {move.limit for move in repair.moves} not in known:
                verified.append(repair)
    # The best of all may be dearer than an alternative by the solver's tolerance.
    return tuple(sorted(verified, key=lambda way: way.cost))


def _until(deadline: float) -> float:
    """The end of one step that leaves time for those after it."""
    return time.monotonic() + SHARE_OF_TIME * max(deadline - time.monotonic(), 0.0)


def _alternatives(best: Give, found: Conflict) -> list[BoolArray]:
    """Which limits may move instead: all but one that moves in the best repair, or one of the conflict alone."""
    model = best.model
    free = ~model.mandatory
    share = np.bincount(model.slacks.limit, best.give / model.slacks.size, minlength=len(model.limits))
    dearest = sorted(best.moved, key=lambda position: -share[position])[:MOST_TRIES]
    places = np.arange(len(model.limits))
    without = [free & (places != position) for position in dearest]
    mine = {id(limit) for limit in found.limits[:MOST_TRIES]}
    alone = [
        free & (places == position)
        for position, limit in enumerate(model.limits)
        if id(limit) in mine and free[position]
    ]
    return [*without, *alone]


def _distinct(ways: list[Give]) -> list[Give]:
    """Cheapest first, without those that move all that a cheaper one moves, and maybe more."""
    kept: list[Give] = []
    for way in sorted(ways, key=lambda each: (each.cost, len(each.moved))):
        if way.moved and not any(other.moved <= way.moved for other in kept):
            kept.append(way)
    return [way for way in kept if way.cost <= max(FAR * kept[0].cost, FAR / 4)]


def _cheapest(model: Elastic, free: BoolArray, deadline: float) -> Give | None:
    """The least total relative give of some limits; None where they cannot make a plan possible, or in time.

    Where a rule speaks of value the arrays over-estimate curves: then the plan is looked at on the true ones, the curves are
    touched where it lies, and a rule that may not give and is nearly met is asked for by as much more as it was missed.
    """
    best: Give | None = None
    margin = np.zeros(len(model.slacks.limit))
    for _ in range(MOST_ROUNDS if model.valued else 1):
        outcome = polished(_freed(model, free, margin), Limits(GAP, deadline, 0))
        if outcome.solution is None:
            return best
        plan = clean(model.wide, model.model, outcome.solution[: model.columns])
        slack = np.maximum(outcome.solution[model.columns :], 0.0)
        give = _true_give(model, plan, slack) if model.valued else slack
        estimated, cost = (float((each / model.slacks.size).sum()) for each in (slack, give))
        missed = np.where(~free[model.slacks.limit] & (give > DUST * model.slacks.size), give, 0.0)
        if not missed.any() and (best is None or cost < best.cost):
            best = Give(model, plan, give, cost, outcome.status == "optimal")
        if not missed.any() and cost - estimated <= DUST * max(1.0, cost):
            return best
        margin += np.where(missed <= CLOSE * model.slacks.size, missed, 0.0)
        model = _sharper(model, plan, outcome.solution[: model.columns])
    return best


def _freed(model: Elastic, free: BoolArray, margin: FloatArray) -> Arrays:
    """The arrays in which only some limits may give, and each entry is asked for by a margin more, shape (k,)."""
    arrays, sign = model.arrays, model.slacks.sign[model.slacks.sign != 0]
    rows = arrays.matrix.shape[0] - len(sign)
    more = np.concatenate([np.zeros(rows), margin[: len(sign)] * sign])
    return dataclasses.replace(
        arrays,
        upper=np.concatenate([arrays.upper[: model.columns], model.room(free)]),
        row_lower=arrays.row_lower + more,
        row_upper=arrays.row_upper + more,
    )


def _true_give(model: Elastic, plan: FloatArray, slack: FloatArray) -> FloatArray:
    """By how much each entry gives at a plan, by the true curves where it speaks of value."""
    point = model.model.at(plan)
    activity = model.members @ point
    valued = np.array(
        [limit.rule is not None and "value" in limit.rule.state(model.base).blocks for limit in model.limits]
    )
    missed = np.maximum(model.slacks.sign * (model.slacks.bound - activity), 0.0)
    return np.where(valued[model.slacks.limit], missed, slack)


def _sharper(model: Elastic, plan: FloatArray, solution: FloatArray) -> Elastic:
    """The model with curves touched where the plan lies."""
    wide, stock = model.wide, stocks(model.wide, plan)
    error = model.model.estimated_effect(solution) - wide.lines.curves.value(stock)
    points = model.points if model.points is not None else initial_points(wide)
    more = refined(wide, points, stock, error, 0.0)
    return model if len(more) == len(points) else elastic(model.asked, more)


def _verified(way: Give, deadline: float) -> Repair | None:
    """The repair, if the changed problem has a plan that the referee passes."""
    from fiscus.optimise.solve import find

    repaired, moves = applied(way)
    if not moves:
        return None
    result = find(repaired, time_limit=max(deadline - time.monotonic(), 0.1))
    if result.solution is None or violations(made_by(repaired, repaired.method).judged, result.allocation):
        return None
    return Repair(way.cost, way.exact, tuple(moves), result.value, result.status, result.allocation, repaired)
