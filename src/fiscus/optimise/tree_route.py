"""The tree solver as a route of the front door: which problems it serves, and its answers in the words of the plan's rows."""

from __future__ import annotations

import numpy as np

from fiscus.core.arrays import FloatArray
from fiscus.core.dynamics import marginal_value
from fiscus.core.feasibility import violations
from fiscus.core.objective import objective
from fiscus.core.problem import Problem
from fiscus.errors import InvalidRule
from fiscus.optimise.binding import YES_OR_NO, at_bounds
from fiscus.optimise.result import Binding
from fiscus.optimise.search import Search, at_stake, timed
from fiscus.optimise.tree import Answer, Program, obstacle, solve_tree, split
from fiscus.optimise.tree.program import Origin, row_bounds


def why_not_tree(problem: Problem) -> str:
    """Why the tree cannot hold a problem; empty where it can."""
    try:
        why = obstacle(problem)
    except InvalidRule as error:
        return str(error)
    if why:
        return why
    side = split(problem).side
    return f"rule {side[0][0].labels[int(side[0][1][0])][0]} is no limit of a unit or a line" if side else ""


def search_tree(problem: Problem) -> Search | None:
    """The exact split; None where there is none, so that another route can say why.

    Args:
        problem: One that the tree can hold.
    """
    search = Search("tree", stake=at_stake(problem), rounds=1)
    with timed(search, "form"):
        program = split(problem).program
    with timed(search, "solver"):
        answer = solve_tree(program)
    if answer is None:
        return None
    with timed(search, "referee"):
        spend = np.clip(answer.amount.reshape(problem.shape), problem.lines.floor, problem.lines.cap)
        if violations(problem, spend):
            return None
        search.best, search.value = spend, objective(problem, spend)
        search.bound = max(answer.bound, search.value)
    search.binding = binding_rows(problem, program, answer)
    search.prices = row_prices(problem, program, answer)
    return search


def row_prices(problem: Problem, program: Program, answer: Answer) -> tuple[tuple[Origin, FloatArray], ...]:
    """Value of one more unit of the bound of each row that limits a node or a leaf.

    A node's price above its parent's belongs to the row that gives its cap, below it to the one that gives its floor.
    """
    above = np.where(program.parent >= 0, answer.price[program.parent], program.base)
    step = answer.price - above
    money = np.repeat(program.base[program.levels[0]], problem.shape[1])
    slope = marginal_value(problem, answer.amount.reshape(problem.shape)).ravel() + money
    extra = np.where(np.isfinite(slope), slope - answer.price[program.owner], 0.0)
    given = []
    for origin in program.rows:
        low, high = row_bounds(origin)
        at_node = origin.node >= 0
        price = np.where(at_node, step[origin.node], extra[origin.leaf])
        floor = np.where(at_node, program.floor[origin.node], program.leaves.lower[origin.leaf])
        cap = np.where(at_node, program.cap[origin.node], program.leaves.upper[origin.leaf])
        amount = answer.amount[origin.leaf]
        floor_binds = (price < 0) & (low == floor) & (at_node | (amount <= floor))
        cap_binds = (price > 0) & (high == cap) & (at_node | (amount >= cap))
        given.append((origin, np.where(floor_binds | cap_binds, price / origin.coefficient, 0.0)))
    return tuple(given)


def binding_rows(problem: Problem, program: Program, answer: Answer) -> tuple[Binding, ...]:
    """Rows that hold with nothing to spare, with their prices, dearest first."""
    found = {}
    for origin, price in row_prices(problem, program, answer):
        rows = origin.block
        if rows.kind in YES_OR_NO:
            continue
        worth = dict(zip(origin.row.tolist(), price.tolist(), strict=True))
        activity = np.asarray(rows.terms["spend"] @ answer.amount)
        for row, bound in at_bounds(rows, activity):
            binding = Binding(rows.labels[row][0], rows.labels[row], rows.kind, bound, worth.get(row, 0.0))
            found[binding.row, binding.kind] = binding
    return tuple(sorted(found.values(), key=lambda each: (-abs(each.price or 0.0), each.row)))
