"""A few rules across a large tree: price those rules outside, split the money inside (§4, solvers).

With prices mu on the side rows ``A x <= b`` the tree solver maximises ``value - mu A x`` exactly, so every mu gives a bound
``L(mu)``. A small linear program over the splits found so far (Dantzig & Wolfe 1960) gives the next mu, kept near the best one
so far by a box (Marsten, Hogan & Blankenship 1975), and its mixture of splits obeys all the rules. Curves made of linear pieces
end in one linear program over the segments whose price is nearly right, all others fixed; its plan and the bound at its own prices
close the gap. Limits on the loss in the worst scenarios come in as cuts, each at a split that breaks one (Kelley 1960).
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import scipy.sparse as sp
from scipy.optimize import Bounds, minimize

from fiscus.core.arrays import FloatArray
from fiscus.optimise import highs
from fiscus.optimise.layout import Arrays
from fiscus.optimise.restricted import Restricted
from fiscus.optimise.result import relative_gap
from fiscus.optimise.side import TOLERANCE, RiskLimit, Side, charges, edges
from fiscus.optimise.tree import Answer, Program, solve_tree
from fiscus.optimise.tree.leaves import SEGMENTS

MOST_ROUNDS, MOST_IN_ALL = 300, 2_000
"""Splits between two cuts, and with all of them."""
FIRMER = (1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0)
"""By how much prices at the least bound are raised to find splits well inside the rules."""


INSET = 1e-8
"""Share of its size by which a mixture stays inside each row, so that HiGHS's tolerance does not carry it across."""

MOST_CUTS = 60
NEAR = 2.0 * TOLERANCE
"""Relative excess of a limit on risk that is rounding, for the size of the losses: more than a cut may be missed by."""
HALVINGS = 40


@dataclass
class Decomposed:
    """What the search found.

    Attributes:
        side: The rules, cuts included.
        amount: Best allowed split, shape (m,); None before there is one.
        value: Of it.
        bound: Least bound found.
        mu: Prices of the side rows at the least bound, cuts included, shape (r,).
        answer: The tree's answer at them.
        rounds: Times the tree was split.
        cuts: Limit on risk and mixture of scenarios of each cut.
    """

    side: Side
    amount: FloatArray | None = None
    value: float = -np.inf
    bound: float = np.inf
    mu: FloatArray = field(default_factory=lambda: np.zeros(0))
    answer: Answer | None = None
    rounds: int = 0
    cuts: list[tuple[RiskLimit, FloatArray]] = field(default_factory=list)


def decompose(
    program: Program,
    side: Side,
    risks: Sequence[RiskLimit] = (),
    *,
    gap: float,
    stake: float = 0.0,
    deadline: float = np.inf,
    offset: float = 0.0,
) -> Decomposed | None:
    """The best split that obeys the side rows too.

    Args:
        program: Leaves and nested envelopes, concave.
        side: The other rows.
        risks: Limits on the loss in the worst scenarios.
        gap: Relative gap to reach.
        stake: What all that could be bought is worth, for values next to nothing.
        deadline: On the monotonic clock.
        offset: What values are beyond those that the gap is relative to.

    Returns:
        What was found, perhaps with the gap still open; None where floors and caps alone leave no split.
    """
    work = _Work(program, side, tuple(risks), gap, stake, deadline, offset)
    found = work.found
    for _ in range(MOST_CUTS if risks else 1):
        if not _closed_in(work):
            return None
        work.draw_inside()
        if work.done or not work.closed or found.rounds > MOST_IN_ALL or not work.cut():
            break
    return found


def _closed_in(work: _Work) -> bool:
    """Close the gap under the rules and the cuts so far, as far as rounds and time go; whether there is any split."""
    found = work.found
    mu, step = work.start(), work.first_step()
    if not work.straight and len(work.side):
        mu = work.descend()
        if found.answer is None or work.hopeless:
            return False
        if work.closed:
            return True
        work.surround(mu, step)
        wide, step = 1e3 * step, 0.01 * step
    else:
        wide = step
    last = found.rounds + MOST_ROUNDS
    while found.rounds < last and time.monotonic() < work.deadline:
        improved = work.price(mu)
        if improved is None or work.hopeless:
            return False
        if work.closed or not len(work.side):
            break
        step = step * (2.0 if improved else 0.5) if found.rounds > 1 else step
        mu = work.restricted(step) if work.straight else work.master(step)
        if not work.straight and not improved and not work.closed:
            other = work.master(wide)
            if not work.closed:
                work.price(other)
        if work.closed:
            break
    return True


class _Done(Exception):
    """Ends a descent from inside."""


class _Work:
    """Splits found so far and the programs over them."""

    def __init__(
        self,
        program: Program,
        side: Side,
        risks: tuple[RiskLimit, ...],
        gap: float,
        stake: float,
        deadline: float,
        offset: float,
    ) -> None:
        self.program, self.side, self.risks = program, side, risks
        self.gap, self.stake, self.deadline, self.offset = gap, stake, deadline, offset
        self.found = Decomposed(side=side)
        self.relaxed: FloatArray | None = None
        self.relaxed_value = -np.inf
        self.values: list[float] = []
        self.uses: list[FloatArray] = []
        self.amounts: list[FloatArray] = []
        self.straight = bool((program.leaves.kind == SEGMENTS).all()) and not program.leaves.moves
        self.guess: FloatArray | None = None
        self.last_bound = np.inf
        self.dear = charges(program)
        self.losses: list[list[FloatArray]] = []
        self.least = self._least()

    def _least(self) -> float:
        """No split is worth less: concave leaves are worth least at an end."""
        leaves, dear = self.program.leaves, self.dear
        ends = [leaves.value(amount) - dear * amount for amount in (leaves.lower, leaves.upper)]
        return float(np.minimum(*ends).sum())

    @property
    def closed(self) -> bool:
        """Whether the gap under the rules and the cuts so far is small enough."""
        return self._apart(max(self.found.value, self.relaxed_value)) <= self.gap

    @property
    def done(self) -> bool:
        """Whether the gap is."""
        late = time.monotonic() > self.deadline
        return late or self._apart(self.found.value) <= self.gap

    def _apart(self, value: float) -> float:
        return relative_gap(value - self.offset, self.found.bound - self.offset, self.stake)

    @property
    def hopeless(self) -> bool:
        """The bound is below what any split is worth: no split obeys the side rows."""
        return self.found.bound < self.least - 1e-6 * max(1.0, abs(self.least))

    def first_step(self) -> FloatArray:
        """How far prices may move at first: the price of money over the rows' largest coefficients."""
        answer = solve_tree(self.program)
        money = 1.0 if answer is None else float(np.abs(answer.price).max(initial=0.0)) or 1.0
        largest = self.side.strength(money).max(axis=1).toarray().ravel()
        return np.asarray(0.05 * money / np.where(largest > 0, largest, 1.0))

    def start(self) -> FloatArray:
        """Prices to begin with: the best so far, and nothing for a new cut."""
        mu = np.zeros(len(self.side))
        mu[: len(self.found.mu)] = self.found.mu
        return mu

    def draw_inside(self) -> None:
        """Draw the best split of the relaxation inside the limits on risk, towards splits at firmer prices of their cuts."""
        best = self.relaxed
        if best is None or self.done or not self.found.cuts or self._safe(best):
            return
        cuts = np.arange(len(self.side)) >= len(self.side.rows)
        for more in FIRMER:
            self.price(self.found.mu * np.where(cuts, 1.0 + more, 1.0))
            self.keep(best)
            if self.done:
                return

    def cut(self) -> bool:
        """Add cuts where the best split of the relaxation breaks limits on risk; whether any does."""
        best, found = self.relaxed, self.found
        if best is None or found.answer is None:
            return False
        broken = False
        for place, risk in enumerate(self.risks):
            for amount in (best, found.answer.amount):
                loss = risk.losses(amount)
                if risk.excess(loss) <= NEAR * max(1.0, float(np.abs(loss).max())):
                    continue
                broken = True
                mixture = risk.worst(loss)
                self.side = found.side = risk.cut(self.side, mixture)
                found.cuts.append((risk, mixture))
                uses = [float(mixture @ losses[place]) for losses in self.losses]
                self.uses = [np.append(use, more) for use, more in zip(self.uses, uses, strict=True)]
        found.mu = self.start()
        self.relaxed, self.relaxed_value = None, -np.inf
        return broken

    def price(self, mu: FloatArray) -> bool | None:
        """Split at some prices; whether the bound fell, None where there is no split."""
        leaves = self.side.priced(self.program.leaves, mu)
        answer = solve_tree(replace(self.program, leaves=leaves), guess=self.guess)
        if answer is None:
            return None
        self.guess = answer.price
        self.found.rounds += 1
        use = self.side.use(self.program.leaves, answer.amount)
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
        self.losses.append([risk.losses(amount) for risk in self.risks])

    def keep(self, amount: FloatArray) -> None:
        """Remember a split if it obeys the side rows and is the best, of the relaxation and, drawn inside, of all."""
        if not self._obeys(amount):
            return
        value = self.worth(amount)
        if value > self.relaxed_value:
            self.relaxed, self.relaxed_value = amount, value
        if value <= self.found.value:
            return
        inside = self._inside(amount)
        if inside is None:
            return
        value = value if inside is amount else self.worth(inside)
        if value > self.found.value:
            self.found.amount, self.found.value = inside, value

    def _obeys(self, amount: FloatArray) -> bool:
        use = self.side.use(self.program.leaves, amount)
        scale = TOLERANCE * self.side.size(self.program.leaves, amount)
        return not ((use > self.side.upper + scale) | (use < self.side.lower - scale)).any()

    def _safe(self, amount: FloatArray) -> bool:
        """Whether a split obeys the limits on risk, to the last digit: what is proved gives no tolerance away."""
        return all(risk.excess(risk.losses(amount)) <= 0.0 for risk in self.risks)

    def _inside(self, amount: FloatArray) -> FloatArray | None:
        """The split, or the first safe one on the way from it to the best that is known to be safe; None where none is."""
        if self._safe(amount):
            return amount
        safe = self.found.amount
        if safe is None:
            inside = [each for each in self.amounts if self._obeys(each) and self._safe(each)]
            if not inside:
                return None
            safe = max(inside, key=self.worth)
        low, high = 0.0, 1.0
        for _ in range(HALVINGS):
            middle = 0.5 * (low + high)
            if self._safe(amount + middle * (safe - amount)):
                high = middle
            else:
                low = middle
        return np.asarray(amount + high * (safe - amount))

    def worth(self, amount: FloatArray) -> float:
        """Value of a split without side prices."""
        return float((self.program.leaves.value(amount) - self.dear * amount).sum())

    def descend(self) -> FloatArray:
        """Prices at which the bound is least, where it is smooth: L-BFGS-B, scaled by how strongly each row's use reacts."""
        side = self.side
        low = np.where(np.isfinite(side.lower), -np.inf, 0.0)
        high = np.where(np.isfinite(side.upper), np.inf, 0.0)
        if self.price(self.start()) is None or self.found.answer is None:
            return np.zeros(len(low))
        money = float(np.abs(self.found.answer.price).max(initial=0.0)) or 1.0
        reaction = side.strength(money).power(2) @ np.abs(self.amounts[-1]) / money
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
            if time.monotonic() > self.deadline:
                raise StopIteration

        size = max(1.0, abs(self.found.bound))
        options: dict[str, Any] = {
            "maxiter": MOST_ROUNDS // 2,
            "maxfun": MOST_ROUNDS,
            "ftol": 1e-3 * self.gap * min(1.0, size),
            "gtol": 0.0,
            "maxcor": 30,
        }
        start, box = self.start() / scale, Bounds(low, high)
        with suppress(_Done):
            minimize(bound, start, jac=True, method="L-BFGS-B", bounds=box, callback=enough, options=options)  # type: ignore[call-overload]
        return self.found.mu

    def surround(self, mu: FloatArray, step: FloatArray) -> None:
        """Splits on all sides of the least bound, so that a mixture of them obeys every row exactly and loses next to nothing."""
        for more in FIRMER:
            self.price((1.0 + more) * mu)
        self.master(1e3 * step)
        if self.closed:
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
        dear, cheap = edges(self.side, best, step)
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
        program = Restricted.make(self.program, self.side, answer, mu, step)
        outcome = highs.run(program.arrays)
        if outcome.solution is None or outcome.row_dual is None:
            return mu
        self.keep(program.amounts(outcome.solution))
        return np.asarray(outcome.row_dual[: len(self.side.lower)])
