"""The tree solver as a route of the front door: which problems it serves, and its answers in the words of the plan's rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from fiscus.core.arrays import FloatArray
from fiscus.core.dynamics import marginal_value
from fiscus.core.feasibility import violations
from fiscus.core.objective import objective
from fiscus.core.problem import Problem
from fiscus.core.rules import Risk
from fiscus.errors import InvalidRule
from fiscus.optimise.binding import YES_OR_NO, at_bounds
from fiscus.optimise.branch import Box, branch_and_bound
from fiscus.optimise.certificate import Boxes, RowKey
from fiscus.optimise.decompose import Decomposed, decompose
from fiscus.optimise.result import Binding
from fiscus.optimise.search import Limits, Search, at_stake, timed
from fiscus.optimise.side import AVERSION, PRICED, RiskLimit, Side
from fiscus.optimise.tree import Answer, Program, obstacle, solve_tree, split
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

EDGE = 1e-9
"""Relative distance from a line's own bound within which it stands there: mixtures of two prices round."""

FEWEST_CELLS = 20_000
"""Lines times periods from which pricing a few rules outside the tree is faster than one program over everything: 4 to 20 times in
``experiments/benchmarks``."""

FEWEST_OUTCOMES, FEWEST_SMOOTH, FEWEST_STRAIGHT = 100_000, 200, 500
"""The same where risk is priced: cells times scenarios, and cells where some curve is smooth or, for limits alone, where none is."""

MOST_SIDE_ROWS = 60


@dataclass(frozen=True, eq=False)
class Across:
    """A tree and what goes across it.

    Attributes:
        plain: Leaves and envelopes of the plan.
        program: The same with a leaf for risk that is saved, where the plan is averse to risk.
        side: Rules on amounts and movements.
        risks: Limits on the loss in the worst scenarios, aversion last.
        offset: What the program's value is beyond the plan's.
    """

    plain: Program
    program: Program
    side: Side
    risks: tuple[RiskLimit, ...]
    offset: float = 0.0

    @classmethod
    def of(cls, problem: Problem) -> Across | None:
        """The parts of a problem; None where there is nothing across the tree, or something that cannot be priced."""
        averse = problem.risk if problem.risk is not None and problem.risk.aversion > 0 else None
        if averse is not None and averse.measure.kind not in PRICED:
            return None
        neutral = problem if problem.risk is None else problem.but(risk=None)
        if obstacle(neutral):
            return None
        parts = split(neutral)
        plain = program = parts.program
        found = RiskLimit.of_aversion(problem, averse, plain) if averse is not None else None
        if averse is not None and found is None:
            return None
        if found is not None:
            program = found[1]
        names = {rows.labels[0][0] for rows, _ in parts.side if rows.kind == Risk.kind}
        limits = [rule for rule in problem.rules if isinstance(rule, Risk) and rule.id in names]
        if found is not None and limits:
            return None  # The limits' leaves would need the spare one too; one program over everything serves.
        risks = [RiskLimit.of(problem, rule, plain) for rule in limits]
        others = tuple((rows, which) for rows, which in parts.side if rows.kind != Risk.kind)
        spare = len(program.leaves) - len(plain.leaves)
        side = Side.of(others, problem.shape[1], spare=spare) if others else Side.none(len(program.leaves))
        known = tuple(risk for risk in risks if risk is not None) + (() if found is None else (found[0],))
        if side is None or not (len(side) or known) or len(known) < len(risks):
            return None
        offset = averse.aversion * found[0].limit if averse is not None and found is not None else 0.0
        return cls(plain, program, side, known, offset)


def few_side_rows(problem: Problem) -> Across | None:
    """The tree and what goes across it, where that is little and the tree is large; else None."""
    if not _large(problem):
        return None
    parts = Across.of(problem)
    return parts if parts is not None and len(parts.side) + len(parts.risks) <= MOST_SIDE_ROWS else None


def _large(problem: Problem) -> bool:
    """Whether pricing outside the tree is worth it, as measured."""
    cells = problem.shape[0] * problem.shape[1]
    if cells >= FEWEST_CELLS:
        return True
    limited = any(isinstance(rule, Risk) for rule in problem.rules)
    if not (limited or problem.risk is not None) or cells * problem.scenarios.size < FEWEST_OUTCOMES:
        return False
    if problem.lines.curves.polyhedral.all():
        return limited and cells >= FEWEST_STRAIGHT
    return cells >= FEWEST_SMOOTH


def search_decomposed(problem: Problem, parts: Across, limits: Limits) -> Search | None:
    """The best split that obeys the rules across the tree too; None where none was found."""
    search = Search("tree", stake=at_stake(problem))
    with timed(search, "solver"):
        found = decompose(
            parts.program,
            parts.side,
            parts.risks,
            gap=limits.gap,
            stake=search.stake,
            deadline=limits.deadline,
            offset=parts.offset,
        )
    if found is None or found.amount is None or found.answer is None:
        return None
    mu, answer = found.mu, found.answer
    if parts.offset and problem.risk is not None:
        mu, answer = _settled(parts, found, answer, problem.risk.aversion)
    with timed(search, "referee"):
        own, nodes = len(parts.plain.leaves), len(parts.plain.parent)
        spend = np.clip(found.amount[:own].reshape(problem.shape), problem.lines.floor, problem.lines.cap)
        if violations(problem, spend):
            return None
        search.best, search.value = spend, objective(problem, spend)
        search.bound = max(found.bound - parts.offset, search.value)
    search.rounds = found.rounds
    leaves = found.side.priced(parts.program.leaves, mu).take(np.arange(own))
    priced, factor = replace(parts.plain, leaves=leaves), found.side.factor(mu)[:own]
    answer = replace(answer, amount=answer.amount[:own], price=answer.price[:nodes])
    prices = row_prices(problem, priced, answer, factor)
    search.binding = tuple(
        sorted(
            (
                *binding_rows(problem, priced, answer, factor, spend.ravel()),
                *_binding_side(parts, found.side, mu, spend),
                *_binding_risks(_mixed(parts, found, mu), spend),
            ),
            key=lambda each: (-abs(each.price or 0.0), each.row),
        )
    )
    across = {
        (rows.kind, rows.labels[row]): price
        for (rows, row), price in zip(found.side.rows, mu.tolist(), strict=False)  # Cuts come after the rows.
        if price
    }
    moved = movement_prices(problem, priced, answer, factor)
    search.boxes = Boxes(_named(prices) | across | moved | _risk_prices(parts, _mixed(parts, found, mu)))
    rules = len(found.side.rows) + sum(risk.rule != AVERSION for risk in parts.risks)
    averse = " and the aversion to risk" if parts.offset else ""
    search.notes = (
        f"{rules} rules across the tree{averse} were priced outside it, in {found.rounds} exact splits of the money.",
    )
    return search


def _settled(parts: Across, found: Decomposed, answer: Answer, aversion: float) -> tuple[FloatArray, Answer]:
    """Prices of the aversion's cuts that sum to it exactly, as the proof needs them: what is off would be charged on all risk."""
    mu, first = found.mu.copy(), len(found.side.rows)
    own = np.array(
        [first + place for place, (risk, _) in enumerate(found.cuts) if risk.rule == AVERSION], dtype=np.int64
    )
    if not mu[own].sum() > 0:
        return mu, answer
    mu[own] *= aversion / mu[own].sum()
    again = solve_tree(replace(parts.program, leaves=found.side.priced(parts.program.leaves, mu)))
    return (found.mu, answer) if again is None else (mu, again)


Mixed = tuple[RiskLimit, float, FloatArray]


def _mixed(parts: Across, found: Decomposed, mu: FloatArray) -> list[Mixed]:
    """Each limit on risk with its price, and the price of each scenario's loss, shape (S,)."""
    cut_prices = mu[len(found.side.rows) :].tolist()
    mixed = []
    for risk in parts.risks:
        own = [(price, mixture) for (of, mixture), price in zip(found.cuts, cut_prices, strict=True) if of is risk]
        total = np.sum([price * mixture for price, mixture in own], axis=0) if own else np.zeros(len(risk.probability))
        mixed.append((risk, float(sum(price for price, _ in own)), np.asarray(total)))
    return mixed


def _risk_prices(parts: Across, mixed: list[Mixed]) -> dict[RowKey, float]:
    """Prices of the rows behind the limits on risk: those of their cuts, mixed."""
    if not parts.risks:
        return {}
    prices: dict[RowKey, float] = {}
    whole = parts.risks[0].probability.copy()
    for risk, price, each in mixed:
        prices |= risk.prices(each, price)
        whole += each
    return prices | {("value", ("value", f"scenario {place}")): each for place, each in enumerate(whole.tolist())}


def _binding_risks(mixed: list[Mixed], spend: FloatArray) -> list[Binding]:
    """Limits on risk that hold with nothing to spare."""
    given = []
    for risk, price, each in mixed:
        if risk.rule == AVERSION:
            continue
        loss = risk.losses(spend.ravel())
        near = TOUCHING * max(1.0, abs(risk.limit), float(np.abs(loss).max()))
        if risk.measure.kind == "worst":
            touching = [
                place for place in np.flatnonzero(loss >= risk.limit - near).tolist() if risk.probability[place]
            ]
            rows = [((risk.rule, f"scenario {place}"), float(each[place])) for place in touching]
        else:
            rows = [((risk.rule, "all"), price)] if risk.excess(loss) >= -near else []
        given += [Binding(risk.rule, row, Risk.kind, risk.limit, worth) for row, worth in rows]
    return given


def _binding_side(parts: Across, side: Side, mu: FloatArray, spend: FloatArray) -> list[Binding]:
    """Rows across the tree that hold with nothing to spare."""
    spare = np.zeros(len(parts.program.leaves) - spend.size)
    use = side.use(parts.program.leaves, np.concatenate([spend.ravel(), spare]))[: len(side.rows)]
    lower, upper = side.lower[: len(use)], side.upper[: len(use)]
    scale = np.maximum(1.0, np.abs(use))
    touching = (np.abs(use - upper) <= TOUCHING * scale) | (np.abs(use - lower) <= TOUCHING * scale)
    found = []
    for position in np.flatnonzero(touching).tolist():
        rows, row = side.rows[position]
        bound = rows.upper[row] if mu[position] > 0 or not np.isfinite(rows.lower[row]) else rows.lower[row]
        found.append(Binding(rows.labels[row][0], rows.labels[row], rows.kind, float(bound), float(mu[position])))
    return found


def movement_prices(
    problem: Problem, program: Program, answer: Answer, factor: FloatArray | float = 1.0
) -> dict[RowKey, float]:
    """Prices of the rows that define movement, where change costs money: what the last unit moved saves or costs.

    Args:
        problem: Its first period's movements count, or there is but one.
        program: Its tree, with what other rules are priced at on the leaves.
        answer: To the tree.
        factor: By what the prices of other rules multiply each leaf's benefit, shape (m,).
    """
    leaves = program.leaves
    if not leaves.moves:
        return {}
    push = _push(program, answer, _slopes(problem, program, answer, factor))
    prices: dict[RowKey, float] = {}
    for leaf in np.flatnonzero(leaves.cost > 0).tolist():
        label = problem.periods[leaf // problem.shape[1]], problem.lines.id[leaf % problem.shape[1]]
        prices["moved_up", ("moved_up", *label)] = -0.5 * float(leaves.cost[leaf] + push[leaf])
        prices["moved_down", ("moved_down", *label)] = -0.5 * float(leaves.cost[leaf] - push[leaf])
    return prices


def _slopes(problem: Problem, program: Program, answer: Answer, factor: FloatArray | float) -> FloatArray:
    """What the next unit of each leaf brings, the cost of money not taken off, shape (m,)."""
    base = np.repeat(program.base[program.levels[0]], problem.shape[1])
    return np.asarray(factor * (marginal_value(problem, answer.amount.reshape(problem.shape)).ravel() + base))


def _push(program: Program, answer: Answer, slope: FloatArray) -> FloatArray:
    """What the last unit moved costs at each leaf, less than nothing where moving back saves it, shape (m,)."""
    leaves = program.leaves
    paid = answer.price[program.owner] + leaves.charge
    apart = answer.amount - leaves.prior
    still = np.abs(apart) <= 1e-9 * np.maximum(1.0, np.abs(leaves.prior))
    left = np.clip(np.nan_to_num(slope, posinf=1e300) - paid, -leaves.cost, leaves.cost)
    return np.asarray(np.where(still, left, np.sign(apart) * leaves.cost))


def row_prices(
    problem: Problem, program: Program, answer: Answer, factor: FloatArray | float = 1.0
) -> tuple[tuple[Origin, FloatArray], ...]:
    """Value of one more unit of the bound of each row that limits a node or a leaf.

    A node's price above its parent's belongs to the row that gives its cap, below it to the one that gives its floor.

    Args:
        problem: With its rules.
        program: Its tree, with what other rules are priced at on the leaves.
        answer: To the tree.
        factor: By what the prices of other rules multiply each leaf's benefit, shape (m,).
    """
    above = np.where(program.parent >= 0, answer.price[program.parent], program.base)
    step = answer.price - above
    slope = _slopes(problem, program, answer, factor)
    paid = answer.price[program.owner] + program.leaves.charge + _push(program, answer, slope)
    extra = np.where(np.isfinite(slope), slope - paid, 0.0)
    given = []
    for origin in program.rows:
        low, high = row_bounds(origin)
        at_node = origin.node >= 0
        price = np.where(at_node, step[origin.node], extra[origin.leaf])
        floor = np.where(at_node, program.floor[origin.node], program.leaves.lower[origin.leaf])
        cap = np.where(at_node, program.cap[origin.node], program.leaves.upper[origin.leaf])
        amount = answer.amount[origin.leaf]
        near = EDGE * np.maximum(1.0, np.abs(amount))
        floor_binds = (price < 0) & (low == floor) & (at_node | (amount <= floor + near))
        cap_binds = (price > 0) & (high == cap) & (at_node | (amount >= cap - near))
        given.append((origin, np.where(floor_binds | cap_binds, price / origin.coefficient, 0.0)))
    return tuple(given)


def binding_rows(
    problem: Problem,
    program: Program,
    answer: Answer,
    factor: FloatArray | float = 1.0,
    amount: FloatArray | None = None,
) -> tuple[Binding, ...]:
    """Rows that hold with nothing to spare, with their prices, dearest first.

    Args:
        problem: With its rules.
        program: Its tree, with what other rules are priced at on the leaves.
        answer: To the tree, whose prices they are.
        factor: By what the prices of other rules multiply each leaf's benefit, shape (m,).
        amount: The plan, where it is not the answer's but a mixture of several, shape (m,).
    """
    found = {}
    for origin, price in row_prices(problem, program, answer, factor):
        rows = origin.block
        if rows.kind in YES_OR_NO:
            continue
        worth = dict(zip(origin.row.tolist(), price.tolist(), strict=True))
        activity = np.asarray(rows.terms["spend"] @ (answer.amount if amount is None else amount))
        for row, bound in at_bounds(rows, activity):
            binding = Binding(rows.labels[row][0], rows.labels[row], rows.kind, bound, worth.get(row, 0.0))
            found[binding.row, binding.kind] = binding
    return tuple(sorted(found.values(), key=lambda each: (-abs(each.price or 0.0), each.row)))
