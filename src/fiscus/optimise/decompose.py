"""A few rules across a large tree: price those rules outside, split the money inside (§4, solvers).

With prices mu on the side rows ``A x <= b`` the tree solver maximises ``value - mu A x`` exactly, so every mu gives a bound
``L(mu)``. A small linear program over the splits found so far (Dantzig & Wolfe 1960) gives the next mu, kept near the best one
so far by a box (Marsten, Hogan & Blankenship 1975), and its mixture of splits obeys all the rules. Curves made of linear pieces
end in one linear program over the segments whose price is nearly right, all others fixed; its plan and the bound at its own prices
close the gap.
"""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import scipy.sparse as sp
from scipy.optimize import Bounds, minimize

from fiscus.core.arrays import BoolArray, FloatArray, IntArray
from fiscus.core.rows import Rows
from fiscus.optimise import highs
from fiscus.optimise.layout import Arrays
from fiscus.optimise.result import relative_gap
from fiscus.optimise.tree import Answer, Program, solve_tree
from fiscus.optimise.tree.leaves import SEGMENTS

MOST_ROUNDS = 300
FREE_SEGMENTS = 4_000
"""Segments left free in the restricted program."""


FIRMER = (1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0)
"""By how much prices at the least bound are raised to find splits well inside the rules."""


INSET = 1e-8
"""Share of its size by which a mixture stays inside each row, so that HiGHS's tolerance does not carry it across."""


@dataclass(frozen=True, eq=False)
class Side:
    """Side rows ``lower <= matrix @ x <= upper`` over the leaves.

    Attributes:
        matrix: Shape (r, m).
        lower: Shape (r,).
        upper: Shape (r,).
        rows: Block and row of the statement that each is.
    """

    matrix: sp.csr_array
    lower: FloatArray
    upper: FloatArray
    rows: tuple[tuple[Rows, int], ...]

    @classmethod
    def of(cls, side: tuple[tuple[Rows, IntArray], ...]) -> Side | None:
        """Side rows of a split; None where one speaks of more than amounts."""
        for rows, _ in side:
            if any(matrix.nnz for name, matrix in rows.terms.items() if name != "spend"):
                return None
        return cls(
            sp.csr_array(sp.vstack([rows.terms["spend"][which] for rows, which in side])),
            np.concatenate([rows.lower[which] for rows, which in side]),
            np.concatenate([rows.upper[which] for rows, which in side]),
            tuple((rows, row) for rows, which in side for row in which.tolist()),
        )


@dataclass
class Decomposed:
    """What the search found.

    Attributes:
        amount: Best allowed split, shape (m,); None before there is one.
        value: Of it.
        bound: Least bound found.
        mu: Prices of the side rows at the least bound, shape (r,).
        answer: The tree's answer at them.
        rounds: Times the tree was split.
    """

    amount: FloatArray | None = None
    value: float = -np.inf
    bound: float = np.inf
    mu: FloatArray = field(default_factory=lambda: np.zeros(0))
    answer: Answer | None = None
    rounds: int = 0


def decompose(
    program: Program, side: Side, *, gap: float, stake: float = 0.0, deadline: float = np.inf
) -> Decomposed | None:
    """The best split that obeys the side rows too.

    Args:
        program: Leaves and nested envelopes, concave.
        side: The other rows.
        gap: Relative gap to reach.
        stake: What all that could be bought is worth, for values next to nothing.
        deadline: On the monotonic clock.

    Returns:
        What was found, perhaps with the gap still open; None where floors and caps alone leave no split.
    """
    work = _Work(program, side)
    found = work.found
    mu, step = np.zeros(len(side.lower)), work.first_step()
    if not work.straight:
        mu = work.descend(gap, deadline)
        if found.answer is None or work.hopeless:
            return None
        if relative_gap(found.value, found.bound, stake) <= gap:
            return found
        work.surround(mu, step, gap, stake)
        wide, step = 1e3 * step, 0.01 * step
    while found.rounds < MOST_ROUNDS and time.monotonic() < deadline:
        improved = work.price(mu)
        if improved is None or work.hopeless:
            return None
        if relative_gap(found.value, found.bound, stake) <= gap:
            break
        step = step * (2.0 if improved else 0.5) if found.rounds > 1 else step
        mu = work.restricted(step) if work.straight else work.master(step)
        if not work.straight and not improved and not relative_gap(found.value, found.bound, stake) <= gap:
            other = work.master(wide)
            if not relative_gap(found.value, found.bound, stake) <= gap:
                work.price(other)
        if relative_gap(found.value, found.bound, stake) <= gap:
            break
    return found


class _Done(Exception):
    """Ends a descent from inside."""


class _Work:
    """Splits found so far and the programs over them."""

    def __init__(self, program: Program, side: Side) -> None:
        self.program, self.side = program, side
        self.found = Decomposed()
        self.values: list[float] = []
        self.uses: list[FloatArray] = []
        self.amounts: list[FloatArray] = []
        self.straight = bool((program.leaves.kind == SEGMENTS).all()) and not program.leaves.moves
        self.guess: FloatArray | None = None
        self.last_bound = np.inf
        self.dear = _charges(program)
        self.least = self._least()

    def _least(self) -> float:
        """No split is worth less: concave leaves are worth least at an end."""
        leaves, dear = self.program.leaves, self.dear
        ends = [leaves.value(amount) - dear * amount for amount in (leaves.lower, leaves.upper)]
        return float(np.minimum(*ends).sum())

    @property
    def hopeless(self) -> bool:
        """The bound is below what any split is worth: no split obeys the side rows."""
        return self.found.bound < self.least - 1e-6 * max(1.0, abs(self.least))

    def first_step(self) -> FloatArray:
        """How far prices may move at first: the price of money over the rows' largest coefficients."""
        answer = solve_tree(self.program)
        money = 1.0 if answer is None else float(np.abs(answer.price).max(initial=0.0)) or 1.0
        largest = abs(self.side.matrix).max(axis=1).toarray().ravel()
        return np.asarray(0.05 * money / np.where(largest > 0, largest, 1.0))

    def price(self, mu: FloatArray) -> bool | None:
        """Split at some prices; whether the bound fell, None where there is no split."""
        leaves = replace(self.program.leaves, charge=np.asarray(self.side.matrix.T @ mu))
        answer = solve_tree(replace(self.program, leaves=leaves), guess=self.guess)
        if answer is None:
            return None
        self.guess = answer.price
        self.found.rounds += 1
        use = np.asarray(self.side.matrix @ answer.amount)
        dear, cheap = mu > 0, mu < 0
        bound = answer.bound + float(mu[dear] @ self.side.upper[dear]) + float(mu[cheap] @ self.side.lower[cheap])
        self.last_bound = bound
        value = answer.value + float(mu @ use)
        self._remember(value, use, answer.amount)
        self.keep(answer.amount)
        if bound < self.found.bound:
            self.found.bound, self.found.mu, self.found.answer = bound, mu, answer
            return True
        return False

    def _remember(self, value: float, use: FloatArray, amount: FloatArray) -> None:
        self.values.append(value)
        self.uses.append(use)
        self.amounts.append(amount)

    def keep(self, amount: FloatArray) -> None:
        """Remember a split if it obeys the side rows and is the best."""
        use = np.asarray(self.side.matrix @ amount)
        scale = 5e-9 * np.maximum(1.0, abs(self.side.matrix) @ np.abs(amount))
        if ((use > self.side.upper + scale) | (use < self.side.lower - scale)).any():
            return
        value = self.worth(amount)
        if value > self.found.value:
            self.found.amount, self.found.value = amount, value

    def worth(self, amount: FloatArray) -> float:
        """Value of a split without side prices."""
        return float((self.program.leaves.value(amount) - self.dear * amount).sum())

    def descend(self, gap: float, deadline: float) -> FloatArray:
        """Prices at which the bound is least, where it is smooth: L-BFGS-B, scaled by how strongly each row's use reacts."""
        side = self.side
        low = np.where(np.isfinite(side.lower), -np.inf, 0.0)
        high = np.where(np.isfinite(side.upper), np.inf, 0.0)
        if self.price(np.zeros(len(low))) is None or self.found.answer is None:
            return np.zeros(len(low))
        money = float(np.abs(self.found.answer.price).max(initial=0.0)) or 1.0
        reaction = side.matrix.power(2) @ np.abs(self.amounts[-1]) / money
        scale = 1.0 / np.sqrt(np.where(reaction > 0, reaction, 1.0))

        def bound(point: FloatArray) -> tuple[float, FloatArray]:
            mu = point * scale
            if self.price(mu) is None or self.hopeless:
                raise _Done
            edge = np.where(
                mu > 0,
                side.upper,
                np.where(mu < 0, side.lower, np.where(np.isfinite(side.upper), side.upper, side.lower)),
            )
            return self.last_bound, scale * (edge - self.uses[-1])

        def enough(_point: FloatArray) -> None:
            if time.monotonic() > deadline:
                raise StopIteration

        size = max(1.0, abs(self.found.bound))
        options: dict[str, Any] = {
            "maxiter": MOST_ROUNDS // 2,
            "maxfun": MOST_ROUNDS,
            "ftol": 1e-3 * gap * min(1.0, size),
            "gtol": 0.0,
            "maxcor": 30,
        }
        start, box = np.zeros(len(low)), Bounds(low, high)
        with suppress(_Done):
            minimize(bound, start, jac=True, method="L-BFGS-B", bounds=box, callback=enough, options=options)  # type: ignore[call-overload]
        return self.found.mu

    def surround(self, mu: FloatArray, step: FloatArray, gap: float, stake: float) -> None:
        """Splits on all sides of the least bound, so that a mixture of them obeys every row exactly and loses next to nothing."""
        for more in FIRMER:
            self.price((1.0 + more) * mu)
        self.master(1e3 * step)
        if relative_gap(self.found.value, self.found.bound, stake) <= gap:
            return
        for row in np.flatnonzero(mu).tolist():
            moved = mu.copy()
            moved[row] *= 1.0 + FIRMER[2]
            self.price(moved)
        self.master(1e3 * step)

    def master(self, step: FloatArray) -> FloatArray:
        """Next prices: those at which the splits so far bound least, within a step of the best; and the mixture they give."""
        count, rows = len(self.values), len(self.side.lower)
        best, use = self.found.mu, np.array(self.uses).T
        # In units of each row's own size, so that shares and uses are about 1 and HiGHS's tolerances mean something.
        size = np.abs(use).max(axis=1)
        limits = np.abs(np.stack([self.side.lower, self.side.upper]))
        size = np.maximum(size, np.where(np.isfinite(limits), limits, 0.0).max(axis=0))
        size = np.where(size > 0, size, 1.0)
        dear, cheap = _edges(self.side, best, step)
        inset = np.where(self.side.lower == self.side.upper, 0.0, INSET)
        shares = np.block([np.ones((1, count)), np.zeros((1, 2 * rows))])
        uses = np.block([use / size[:, None], -np.eye(rows), np.eye(rows)])
        arrays = Arrays(
            # Shares of the splits, then less and more use of each row at the prices of the box's edges.
            cost=np.concatenate([np.array(self.values) - max(self.values), dear * size, cheap * size]),
            lower=np.zeros(count + 2 * rows),
            upper=np.full(count + 2 * rows, np.inf),
            integer=np.zeros(count + 2 * rows, dtype=bool),
            matrix=sp.csr_array(np.vstack([shares, uses])),
            row_lower=np.concatenate([[1.0], self.side.lower / size + inset]),
            row_upper=np.concatenate([[1.0], self.side.upper / size - inset]),
            typical=1.0,
        )
        outcome = highs.run(arrays)
        if outcome.solution is None or outcome.row_dual is None:
            return best
        share = np.maximum(outcome.solution[:count], 0.0)
        used = np.flatnonzero(share > 1e-12)
        amount = np.asarray(sum(share[each] * self.amounts[each] for each in used.tolist()) / share[used].sum())
        self.keep(amount)
        return np.asarray(outcome.row_dual[1:] / size)

    def restricted(self, step: FloatArray) -> FloatArray:
        """Next prices, by one linear program over the segments whose price is nearly right; its plan obeys the node rows."""
        answer, mu = self.found.answer, self.found.mu
        if answer is None:
            return mu
        program = _Restricted.make(self.program, self.side, answer, mu, step)
        outcome = highs.run(program.arrays)
        if outcome.solution is None or outcome.row_dual is None:
            return mu
        self.keep(program.amounts(outcome.solution))
        return np.asarray(outcome.row_dual[: len(self.side.lower)])


def _edges(side: Side, mu: FloatArray, step: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Objective of one unit less and of one unit more use of each row: keeps the rows' duals within a step of mu."""
    dearest = np.where(np.isfinite(side.upper), mu + step, np.minimum(mu + step, 0.0))
    cheapest = np.where(np.isfinite(side.lower), mu - step, np.maximum(mu - step, 0.0))
    return -dearest, cheapest


def _charges(program: Program) -> FloatArray:
    """What money itself costs at each leaf."""
    charge = program.base.copy()
    for level in program.levels[1:]:
        charge[level] = charge[program.parent[level]]
    return charge[program.owner]


@dataclass(frozen=True, eq=False)
class _Restricted:
    """The linear program over some segments, all others full or empty.

    Attributes:
        arrays: Rows: side rows, then nodes with something free below; columns: free segments, then less and more use of the side rows.
        leaf: Leaf of each free segment.
        base: Amount of each leaf without its free segments.
    """

    arrays: Arrays
    leaf: IntArray
    base: FloatArray

    def amounts(self, solution: FloatArray) -> FloatArray:
        """Amounts of all leaves, shape (m,)."""
        return np.asarray(self.base + np.bincount(self.leaf, solution[: len(self.leaf)], minlength=len(self.base)))

    @classmethod
    def make(cls, program: Program, side: Side, answer: Answer, mu: FloatArray, step: FloatArray) -> _Restricted:
        leaves = program.leaves
        every = np.arange(len(leaves))
        owner = np.concatenate([np.repeat(every, np.diff(leaves.first)), every])
        last = leaves.end[leaves.first[1:] - 1]
        slope = np.concatenate([leaves.slope, np.zeros(len(leaves))])
        begin = np.concatenate([leaves._starts, last]) - leaves.shift[owner]
        end = np.concatenate([leaves.end, np.full(len(leaves), np.inf)]) - leaves.shift[owner]
        low, high = (
            np.clip(begin, leaves.lower[owner], leaves.upper[owner]),
            np.clip(end, leaves.lower[owner], leaves.upper[owner]),
        )
        charge = np.asarray(side.matrix.T @ mu)
        reduced = slope - (answer.price[program.owner] + charge)[owner]
        chosen: BoolArray = high > low
        if int(chosen.sum()) > FREE_SEGMENTS:
            edge = np.partition(np.abs(reduced[chosen]), FREE_SEGMENTS)[FREE_SEGMENTS]
            chosen &= np.abs(reduced) <= edge
        full = (high > low) & ~chosen & (reduced > 0)
        base = leaves.lower + np.bincount(owner[full], (high - low)[full], minlength=len(leaves))
        open_ = np.flatnonzero(chosen)
        return cls(
            _restricted_arrays(program, side, base, owner[open_], (high - low)[open_], slope[open_], mu, step),
            owner[open_],
            base,
        )


def _restricted_arrays(
    program: Program,
    side: Side,
    base: FloatArray,
    leaf: IntArray,
    width: FloatArray,
    slope: FloatArray,
    mu: FloatArray,
    step: FloatArray,
) -> Arrays:
    count, rows, nodes = len(leaf), len(side.lower), len(program.parent)
    total = np.asarray(np.bincount(program.owner, base, minlength=nodes), dtype=np.float64)
    for level in program.levels[:0:-1]:
        np.add.at(total, program.parent[level], total[level])
    member, column = [], []
    at, which = program.owner[leaf], np.arange(count)
    while len(at):
        member.append(at)
        column.append(which)
        above = program.parent[at]
        at, which = above[above >= 0], which[above >= 0]
    node, position = np.concatenate(member), np.concatenate(column)
    limited = np.isfinite(program.cap) | (program.floor > 0)
    keep = limited[node]
    used, row = np.unique(node[keep], return_inverse=True)
    tree = sp.csr_array((np.ones(len(row)), (row, position[keep])), shape=(len(used), count))
    inside = sp.csr_array(side.matrix[:, leaf])
    eye = sp.eye_array(rows, format="csr")
    none = sp.csr_array((len(used), 2 * rows))
    fixed = np.asarray(side.matrix @ base)
    dear = _charges(program)[leaf]
    return Arrays(
        cost=np.concatenate([slope - dear, *_edges(side, mu, step)]),
        lower=np.zeros(count + 2 * rows),
        upper=np.concatenate([width, np.full(2 * rows, np.inf)]),
        integer=np.zeros(count + 2 * rows, dtype=bool),
        matrix=sp.csr_array(sp.vstack([sp.hstack([inside, -eye, eye]), sp.hstack([tree, none])])),
        row_lower=np.concatenate([side.lower - fixed, program.floor[used] - total[used]]),
        row_upper=np.concatenate([side.upper - fixed, program.cap[used] - total[used]]),
    )
