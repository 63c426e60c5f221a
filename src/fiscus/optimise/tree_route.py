"""The tree solver as a route of the front door: which problems it serves, and its answers in the words of the plan's rows."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from fiscus.core.arrays import FloatArray
from fiscus.core.dynamics import marginal_value
from fiscus.core.feasibility import violations
from fiscus.core.objective import objective
from fiscus.core.problem import Problem
from fiscus.errors import InvalidRule
from fiscus.optimise.binding import YES_OR_NO, at_bounds
from fiscus.optimise.branch import Box, branch_and_bound
from fiscus.optimise.certificate import Boxes, RowKey
from fiscus.optimise.decompose import Side, decompose
from fiscus.optimise.result import Binding
from fiscus.optimise.search import Limits, Search, at_stake, timed
from fiscus.optimise.tree import Answer, Program, Split, obstacle, solve_tree, split
from fiscus.optimise.tree.program import Origin, row_bounds


def why_not_tree(problem: Problem) -> str:
    """Why the tree cannot hold a problem; empty where it can."""
    try:
        why = obstacle(problem, bent=True)
    except InvalidRule as error:
        return str(error)
    if why:
        return why
    side = split(problem).side
    return f"rule {side[0][0].labels[int(side[0][1][0])][0]} is no limit of a unit or a line" if side else ""


def search_tree(problem: Problem, limits: Limits) -> Search | None:
    """The exact split, or with S-shaped curves the best one to the gap asked for; None where there is none.

    Args:
        problem: One that the tree can hold.
        limits: Of gap and time.
    """
    search = Search("tree", stake=at_stake(problem), rounds=1)
    with timed(search, "form"):
        program = split(problem).program
    with timed(search, "solver"):
        found = _exact(program) if problem.lines.curves.concave.all() else _branched(program, search, limits)
    if found is None:
        return None
    answer, amount, bound, root = found
    with timed(search, "referee"):
        spend = np.clip(amount.reshape(problem.shape), problem.lines.floor, problem.lines.cap)
        if violations(problem, spend):
            return None
        search.best, search.value = spend, objective(problem, spend)
        search.bound = max(bound, search.value)
    search.binding = binding_rows(problem, program, answer)
    search.boxes = _priced_boxes(problem, program, root) if root else Boxes(_all_prices(problem, program, answer))
    return search


Found = tuple[Answer, FloatArray, float, Box | None]


def _exact(program: Program) -> Found | None:
    answer = solve_tree(program)
    return None if answer is None else (answer, answer.amount, answer.bound, None)


def _branched(program: Program, search: Search, limits: Limits) -> Found | None:
    # A small program is closed for good: what is left inside the gap asked for, a local search could find.
    gap = min(limits.gap, CLOSED_GAP) if len(program.leaves) <= SMALL else limits.gap
    found = branch_and_bound(program, gap=gap, stake=search.stake, deadline=limits.deadline)
    if found is None:
        return None
    search.rounds = found.boxes
    return found.answer, found.amount, found.bound, found.root


def _priced_boxes(problem: Problem, program: Program, box: Box) -> Boxes:
    if box.parts:
        return Boxes(None, box.leaf, box.at, tuple(_priced_boxes(problem, program, part) for part in box.parts))
    if box.answer is None:
        return Boxes(None)
    return Boxes(_all_prices(problem, program, box.answer))


def _all_prices(problem: Problem, program: Program, answer: Answer) -> dict[RowKey, float]:
    """Every price that proves the answer's bound."""
    return _named(row_prices(problem, program, answer)) | movement_prices(problem, program, answer)


def _named(prices: Sequence[tuple[Origin, FloatArray]]) -> dict[RowKey, float]:
    """Prices that are not zero, by row; rows on single leaves are bounds of their boxes and need none."""
    return {
        (origin.block.kind, origin.block.labels[row]): price
        for origin, each in prices
        for row, price, node in zip(origin.row.tolist(), each.tolist(), origin.node.tolist(), strict=True)
        if price and node >= 0
    }


TOUCHING = 1e-6
"""Relative distance within which a row across the tree counts as binding: mixtures stay a little inside."""

SMALL, CLOSED_GAP = 100, 1e-8
"""Leaves up to which S-curves are searched to a gap that counts as none."""

FEWEST_CELLS = 20_000
"""Lines times periods from which pricing a few rules outside the tree is faster than one program over everything."""

MOST_SIDE_ROWS = 60


def few_side_rows(problem: Problem) -> tuple[Split, Side] | None:
    """The tree and the rows across it, where those are few, speak of amounts alone and the tree is large; else None."""
    if problem.shape[0] * problem.shape[1] < FEWEST_CELLS or obstacle(problem):
        return None
    parts = split(problem)
    if not 0 < sum(len(rows) for _, rows in parts.side) <= MOST_SIDE_ROWS:
        return None
    side = Side.of(parts.side)
    return None if side is None else (parts, side)


def search_decomposed(problem: Problem, parts: Split, side: Side, limits: Limits) -> Search | None:
    """The best split that obeys the rows across the tree too; None where none was found."""
    search = Search("tree", stake=at_stake(problem))
    with timed(search, "solver"):
        found = decompose(parts.program, side, gap=limits.gap, stake=search.stake, deadline=limits.deadline)
    if found is None or found.amount is None or found.answer is None:
        return None
    with timed(search, "referee"):
        spend = np.clip(found.amount.reshape(problem.shape), problem.lines.floor, problem.lines.cap)
        if violations(problem, spend):
            return None
        search.best, search.value = spend, objective(problem, spend)
        search.bound = max(found.bound, search.value)
    search.rounds = found.rounds
    prices = row_prices(problem, parts.program, found.answer)
    search.binding = tuple(
        sorted(
            (*binding_rows(problem, parts.program, found.answer), *_binding_side(side, found.mu, spend)),
            key=lambda each: (-abs(each.price or 0.0), each.row),
        )
    )
    across = {
        (rows.kind, rows.labels[row]): price
        for (rows, row), price in zip(side.rows, found.mu.tolist(), strict=True)
        if price
    }
    charge = np.asarray(side.matrix.T @ found.mu)
    moved = movement_prices(problem, parts.program, found.answer, charge)
    search.boxes = Boxes(_named(prices) | across | moved)
    search.notes = (
        f"{len(side.rows)} rules across the tree were priced outside it, in {found.rounds} exact splits of the money.",
    )
    return search


def _binding_side(side: Side, mu: FloatArray, spend: FloatArray) -> list[Binding]:
    """Rows across the tree that hold with nothing to spare."""
    use = side.matrix @ spend.ravel()
    scale = np.maximum(1.0, np.abs(use))
    touching = (np.abs(use - side.upper) <= TOUCHING * scale) | (np.abs(use - side.lower) <= TOUCHING * scale)
    found = []
    for position in np.flatnonzero(touching).tolist():
        rows, row = side.rows[position]
        bound = rows.upper[row] if mu[position] > 0 or not np.isfinite(rows.lower[row]) else rows.lower[row]
        found.append(Binding(rows.labels[row][0], rows.labels[row], rows.kind, float(bound), float(mu[position])))
    return found


def movement_prices(
    problem: Problem, program: Program, answer: Answer, charge: FloatArray | None = None
) -> dict[RowKey, float]:
    """Prices of the rows that define movement, where change costs money: what the last unit moved saves or costs.

    Args:
        problem: Of one period.
        program: Its tree.
        answer: To the tree.
        charge: What each unit of a leaf costs besides, as where other rules are priced.
    """
    leaves = program.leaves
    if not leaves.moves:
        return {}
    base = np.repeat(program.base[program.levels[0]], problem.shape[1])
    slope = np.nan_to_num(marginal_value(problem, answer.amount.reshape(problem.shape)).ravel(), posinf=1e300) + base
    paid = answer.price[program.owner] + (0.0 if charge is None else charge)
    apart = answer.amount - leaves.prior
    still = np.abs(apart) <= 1e-9 * np.maximum(1.0, np.abs(leaves.prior))
    push = np.where(still, np.clip(slope - paid, -leaves.cost, leaves.cost), np.sign(apart) * leaves.cost)
    prices: dict[RowKey, float] = {}
    for leaf in np.flatnonzero(leaves.cost > 0).tolist():
        label = problem.periods[0], problem.lines.id[leaf]
        prices["moved_up", ("moved_up", *label)] = -0.5 * float(leaves.cost[leaf] + push[leaf])
        prices["moved_down", ("moved_down", *label)] = -0.5 * float(leaves.cost[leaf] - push[leaf])
    return prices


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
