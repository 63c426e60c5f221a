"""Ways of making a plan (§4, methods), as changes to the problem or as a reference plan to stay close to.

*optimise* maximises value. *zero_based* does so as if last year had not been. *top_down* does so inside targets that flow
from the root. *hybrid* prices targets from above and asks from below. *bottom_up* adds up the asks and cuts them where they
exceed an envelope, by priority, pro rata or value. *incremental* is last year plus a percentage, the baseline to beat.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np

from fiscus.core.arrays import FloatArray, frozen
from fiscus.core.facts import Facts
from fiscus.core.problem import Method, Problem
from fiscus.core.rules import Asks, Near, Targets


@dataclass(frozen=True, eq=False)
class Plan:
    """What a method asks of the optimiser.

    Attributes:
        problem: To be maximised.
        judged: The problem whose objective the plan is valued by and whose rules it must obey.
        seeks_value: Whether the maximised objective is the judged one, so that its prices are values of money.
        notes: What people should know about how the plan was made.
    """

    problem: Problem
    judged: Problem
    seeks_value: bool = True
    notes: tuple[str, ...] = ()


def plan(problem: Problem, method: Method) -> Plan:
    """Turn a method into a problem to maximise."""
    if method == "zero_based":
        fresh = problem.but(ignore_prior=True)
        aside = [rule.id for rule in problem.rules if rule.uses_prior and 0 in rule.positions(problem)]
        note = (
            f"Zero-based: rules against last year's amounts are set aside for {problem.periods[0]}: {', '.join(aside)}."
        )
        return Plan(fresh, fresh, notes=(note,) if aside else ())
    if method == "top_down":
        return Plan(_within_targets(problem), problem)
    if method == "hybrid":
        return Plan(_hybrid(problem), problem, seeks_value=False)
    if method == "bottom_up":
        if problem.options.cut == "value":
            cap = np.minimum(problem.lines.cap, problem.lines.ask)
            return Plan(problem.but(lines=dataclasses.replace(problem.lines, cap=frozen(cap))), problem)
        cut = by_priority(problem) if problem.options.cut == "priority" else pro_rata(problem)
        return Plan(nearest(problem, cut, offer=True), problem, seeks_value=False)
    if method == "incremental":
        return Plan(nearest(problem, incremental(problem)), problem, seeks_value=False)
    return Plan(problem, problem)


def nearest(problem: Problem, reference: FloatArray, *, offer: bool = False) -> Problem:
    """The problem of obeying every hard rule while moving as little money as possible from a reference plan.

    Args:
        problem: With its rules.
        reference: Major units, shape (T, n).
        offer: Whether money that the rules take from some is offered to others up to their asks: giving a unit above the
            reference then gains half of what taking one away costs at least.
    """
    near = Near(id="near the reference plan", hard=False, penalty=1.0, amounts=tuple(map(tuple, reference.tolist())))
    hard = tuple(rule for rule in problem.rules if rule.hard)
    asked = (Asks(id="asks", hard=False, penalty=1.5),) if offer else ()
    return problem.but(risk=None, counts_value=False, rules=(*hard, near, *asked))


def incremental(problem: Problem) -> FloatArray:
    """Last year's amounts grown by the plan's ``growth`` a period; without one, scaled to spend each budget.

    Returns:
        Major units inside each line's own reach, shape (T, n).
    """
    prior, growth = problem.lines.prior, problem.options.growth
    periods = problem.shape[0]
    if growth is not None:
        factor = (1.0 + growth) ** np.arange(1, periods + 1)
    else:
        total = float(prior.sum())
        factor = np.where(np.isfinite(problem.budget), problem.budget / total, 1.0) if total > 0 else np.ones(periods)
    return np.asarray(np.clip(prior * factor[:, None], problem.lines.floor, problem.reach))


def asks(facts: Facts) -> FloatArray:
    """What each line asks for inside its own bounds, shape (T, n).

    Its cap where it states no ask, else what it can reach, and its floor where nothing bounds that: who asks for no amount gets none.
    """
    bounded = np.where(np.isfinite(facts.lines.cap), facts.lines.cap, facts.reach)
    wanted = np.where(np.isfinite(facts.lines.ask), facts.lines.ask, bounded)
    wanted = np.where(np.isfinite(wanted), wanted, facts.lines.floor)
    return np.asarray(np.clip(wanted, facts.lines.floor, facts.lines.cap))


def by_priority(problem: Problem) -> FloatArray:
    """Asks met in order of priority, then of value per unit of money, until an envelope above is full.

    Floors come first. An all-or-nothing line, or one with a minimum ticket, that no longer fits gets nothing.

    Returns:
        Major units, shape (T, n).
    """
    lines, wanted = problem.lines, asks(problem)
    rank = np.where(np.isfinite(lines.priority), lines.priority, np.inf)
    path = _paths(problem)
    given = np.array(lines.floor)
    for period in range(problem.shape[0]):
        room = np.minimum(problem.units.cap[period], problem.budget[period])
        room = room - problem.membership @ given[period]
        worth = lines.weight * lines.curves.value(wanted[period]) / np.maximum(wanted[period], 1e-300)
        for line in np.lexsort((np.arange(len(rank)), -worth, rank)).tolist():
            more = min(wanted[period, line] - given[period, line], float(room[path[line]].min()))
            total = given[period, line] + more
            short = lines.lumpy[line] and total < lines.cap[period, line]
            if more <= 0 or short or total < lines.min_ticket[line]:
                continue
            given[period, line] = total
            room[path[line]] -= more
    return given


def _paths(facts: Facts) -> list[list[int]]:
    """Units from each line up to the root."""
    up: list[list[int]] = []
    for unit in facts.lines.unit.tolist():
        path = []
        above = unit
        while above >= 0:
            path.append(above)
            above = int(facts.tree.parent[above])
        up.append(path)
    return up


def pro_rata(problem: Problem) -> FloatArray:
    """Asks cut by the same fraction (above the floors) inside every envelope that is too small.

    Returns:
        Major units, shape (T, n).
    """
    tree, lines, member = problem.tree, problem.lines, problem.membership
    wanted = asks(problem)
    given = np.empty_like(wanted)
    for period in range(problem.shape[0]):
        floor = member @ lines.floor[period]
        limit = np.array(problem.units.cap[period])
        limit[tree.root] = min(limit[tree.root], problem.budget[period])
        own = np.asarray(np.bincount(lines.unit, wanted[period], minlength=len(tree)), dtype=np.float64)
        demand = _demands(problem, own, limit)
        share = np.empty(len(tree))
        share[tree.root] = demand[tree.root]
        below = np.bincount(tree.parent[tree.parent >= 0], demand[tree.parent >= 0], minlength=len(tree)) + own
        fraction = np.zeros(len(tree))
        for level in tree.levels:
            if level[0] != tree.root:
                above = tree.parent[level]
                share[level] = floor[level] + fraction[above] * (demand[level] - floor[level])
            room = below[level] - floor[level]
            fraction[level] = np.clip((share[level] - floor[level]) / np.where(room > 0, room, 1.0), 0.0, 1.0)
        low = lines.floor[period]
        given[period] = low + fraction[lines.unit] * (wanted[period] - low)
    return given


def _demands(facts: Facts, own: FloatArray, limit: FloatArray) -> FloatArray:
    """What each unit can use of the asks below it, inside the caps, shape (u,)."""
    demand = own.copy()
    for level in facts.tree.levels[::-1]:
        demand[level] = np.minimum(demand[level], limit[level])
        inner = level[facts.tree.parent[level] >= 0]
        np.add.at(demand, facts.tree.parent[inner], demand[inner])
    return demand


def targets(problem: Problem) -> FloatArray:
    """Targets of all units: given ones, and below them shares in proportion to last year, else to the asks.

    Returns:
        Major units, shape (T, u); what the budget and caps leave at the root.
    """
    tree = problem.tree
    wanted = asks(problem)
    filled = np.empty((problem.shape[0], len(tree)))
    for period in range(problem.shape[0]):
        asked = problem.membership @ wanted[period]
        base = problem.membership @ problem.lines.prior
        root_limit = min(problem.budget[period], problem.units.cap[period, tree.root])
        given = problem.units.target[period]
        root_target = given[tree.root] if np.isfinite(given[tree.root]) else root_limit
        filled[period, tree.root] = min(root_target, root_limit)
        for parent in np.concatenate(tree.levels):
            children = tree.children(int(parent))
            if len(children):
                weights = base[children] if base[children].sum() > 0 else asked[children]
                filled[period, children] = _shares(filled[period, parent], given[children], weights)
    return filled


def _shares(total: float, given: FloatArray, weights: FloatArray) -> FloatArray:
    """Given targets as they are, and what they leave in proportion to the weights."""
    open_ = ~np.isfinite(given)
    left = max(total - float(given[~open_].sum()), 0.0) if np.isfinite(total) else np.inf
    sum_ = float(weights[open_].sum())
    part = weights / sum_ if sum_ > 0 else np.full(len(weights), 1.0 / max(1, int(open_.sum())))
    with np.errstate(invalid="ignore"):  # 0 * inf where an endless total meets a child with no weight.
        share = np.where(part > 0, left * part, 0.0)
    return np.where(open_, share, given)


def _with_targets(problem: Problem) -> Problem:
    filled = targets(problem)
    least = (problem.membership @ problem.lines.floor.T).T
    filled = np.maximum(filled, np.maximum(problem.units.floor, least))  # A target cannot ask a floor to be broken.
    filled = np.where(np.isfinite(filled), filled, np.nan)
    return problem.but(units=dataclasses.replace(problem.units, target=frozen(filled)))


def _within_targets(problem: Problem) -> Problem:
    ready = _with_targets(problem)
    return ready.but(rules=(*ready.rules, Targets(id="targets")))


def _hybrid(problem: Problem) -> Problem:
    """Value less a price on money above targets and on asks not met.

    Both prices are a tenth of the average benefit of a unit of money asked for, unless the plan sets them.
    """
    ready = _with_targets(problem)
    wanted = asks(problem)
    asked = float(wanted.sum())
    worth = float((problem.lines.weight * problem.lines.curves.value(wanted)).sum()) / asked if asked > 0 else 0.0
    options = problem.options
    price = [0.1 * worth if weight is None else weight for weight in (options.target_weight, options.ask_weight)]
    guides = (
        Targets(id="targets", hard=False, penalty=price[0]),
        Asks(id="asks", hard=False, penalty=price[1]),
    )
    return ready.but(rules=(*ready.rules, *guides))
