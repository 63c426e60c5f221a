"""S-shaped curves under nested envelopes, solved to a proved gap: branch and bound with the tree solver on concave envelopes.

Every relaxed split obeys all the rules, because only curves are over-estimated; so its true value is a lower bound and its relaxed
value an upper one. A box is split where curve and envelope differ most. With many lines the first split is usually close enough
already: only few lines can lie on a chord at once (Shapley & Folkman; Starr 1969).
"""

from __future__ import annotations

import heapq
import itertools
import time
from dataclasses import dataclass, field, replace

import numpy as np

from fiscus.core.arrays import FloatArray
from fiscus.optimise.result import relative_gap
from fiscus.optimise.tree.hull import bends, hulled
from fiscus.optimise.tree.leaves import HILL, Leaves
from fiscus.optimise.tree.program import Program
from fiscus.optimise.tree.solver import Answer, solve_tree

MOST_BOXES = 400


@dataclass
class Box:
    """Part of the allocations: each leaf between two bounds.

    Attributes:
        lower: Shape (m,).
        upper: Shape (m,).
        answer: Best relaxed split inside, or None where there is none.
        leaf: Leaf at which the box was split, -1 where it was not.
        at: Amount at which it was split.
        parts: The two halves.
    """

    lower: FloatArray
    upper: FloatArray
    answer: Answer | None
    leaf: int = -1
    at: float = 0.0
    parts: tuple[Box, ...] = field(default=())


@dataclass(frozen=True, eq=False)
class Branched:
    """What the search found.

    Attributes:
        amount: Of each leaf, shape (m,).
        value: On the true curves.
        bound: No split is worth more.
        root: The boxes, with the prices that bound each.
        boxes: How many.
        answer: Relaxed split of the box that the amounts are from, for its prices.
    """

    amount: FloatArray
    value: float
    bound: float
    root: Box
    boxes: int
    answer: Answer


def branch_and_bound(program: Program, *, gap: float, stake: float = 0.0, deadline: float = np.inf) -> Branched | None:
    """The best split of a program with S-shaped leaves.

    Args:
        program: Leaves of kind HILL with p > 1 are the S-shaped ones.
        gap: Relative gap to reach.
        stake: What all that could be bought is worth, for values next to nothing.
        deadline: On the monotonic clock.

    Returns:
        The best split found and a bound, or None where floors and caps leave no split.
    """
    search = _Search(program)
    root = search.box(program.leaves.lower, program.leaves.upper)
    if root.answer is None:
        return None
    search.look(root)
    order = itertools.count()
    heap = [(-root.answer.bound, next(order), root)]
    boxes, bound = 1, root.answer.bound
    while heap and boxes < MOST_BOXES and time.monotonic() < deadline:
        bound = max(-heap[0][0], search.value)
        if relative_gap(search.value, bound, stake) <= gap:
            break
        _, _, box = heapq.heappop(heap)
        for part in search.split(box):
            boxes += 1
            if part.answer is None:
                continue
            search.look(part)
            heapq.heappush(heap, (-part.answer.bound, next(order), part))
    bound = max(-heap[0][0], search.value) if heap else search.value
    return Branched(search.amount, search.value, bound, root, boxes, search.answer)


class _Search:
    """The best split so far and how boxes are solved, looked at and split."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.bent = np.flatnonzero(bends(program.leaves))
        self.true: Leaves = replace(program.leaves, kind=np.where(bends(program.leaves), HILL, program.leaves.kind))
        self.value = -np.inf
        self.amount = np.zeros(0)
        self.charge = self._charges()

    def _charges(self) -> FloatArray:
        """What money itself costs at each leaf."""
        program = self.program
        charge = program.base.copy()
        for level in program.levels[1:]:
            charge[level] = charge[program.parent[level]]
        return charge[program.owner]

    def box(self, lower: FloatArray, upper: FloatArray, guess: FloatArray | None = None) -> Box:
        leaves = hulled(self.program.leaves, lower, upper)
        return Box(lower, upper, solve_tree(replace(self.program, leaves=leaves), guess=guess))

    def worth(self, amount: FloatArray) -> float:
        return float((self.true.value(amount) - self.charge * amount).sum())

    def keep(self, answer: Answer) -> None:
        value = self.worth(answer.amount)
        if value > self.value:
            self.value, self.amount, self.answer = value, answer.amount, answer

    def look(self, box: Box) -> None:
        """Keep the box's split if it is the best, and the one with every line on one end of its chord."""
        answer = box.answer
        if answer is None:
            return
        self.keep(answer)
        leaves = hulled(self.program.leaves, box.lower, box.upper)
        touch = leaves.touch[self.bent] - leaves.shift[self.bent]
        amount = answer.amount[self.bent]
        for rounded in (amount >= touch * (1.0 - 1e-12), amount >= 0.5 * (touch + box.lower[self.bent])):
            lower, upper = box.lower.copy(), box.upper.copy()
            lower[self.bent] = np.where(rounded, np.minimum(touch, upper[self.bent]), lower[self.bent])
            upper[self.bent] = np.where(rounded, upper[self.bent], lower[self.bent])
            part = self.box(lower, upper, answer.price)
            if part.answer is not None:
                self.keep(part.answer)

    def split(self, box: Box) -> tuple[Box, ...]:
        """Two halves, at the split's own amount of the leaf whose envelope is furthest above its curve."""
        if box.answer is None:
            return ()
        leaves = hulled(self.program.leaves, box.lower, box.upper)
        amount = box.answer.amount
        error = (leaves.value(amount) - self.true.value(amount))[self.bent]
        leaf = int(self.bent[np.argmax(error)])
        at = float(amount[leaf])
        if error.max() <= 0 or not box.lower[leaf] < at < box.upper[leaf]:
            return ()
        box.leaf, box.at = leaf, at
        low, high = box.upper.copy(), box.lower.copy()
        low[leaf], high[leaf] = at, at
        guess = box.answer.price
        box.parts = (self.box(box.lower, low, guess), self.box(high, box.upper, guess))
        return box.parts
