"""Exact splits of money on a tree (§4, solvers): prices from the root down, whole levels at a time.

The best value of a subtree is concave in its total, so what node v takes at price r is
``D_v(r) = clip(sum_children D_c(r), floor_v, cap_v)``. The root's price makes its total meet its limit. A node that is clipped
there has a total that is known and a price of its own inside: all such nodes of a round are priced together, until none is
left. The prices are a dual solution, and the gap is computed from them, not assumed.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from fiscus.core.arrays import BoolArray, FloatArray, IntArray
from fiscus.optimise.tree.passes import Part, Pass, Taken, choose
from fiscus.optimise.tree.program import Program
from fiscus.optimise.tree.search import SMALLEST, Brackets, close_in
from fiscus.optimise.tree.single import close_one

CROSSED = 1e-9
"""Relative size of float dust by which floors may exceed caps."""

SUMMED = 1e-12
"""Relative difference that the order of a sum makes, at most."""

TYPICAL = 1_000
"""About how many leaves the first price is guessed from."""


@dataclass(frozen=True, eq=False)
class Answer:
    """An optimal split and its proof.

    Attributes:
        amount: Of each leaf, major units, shape (m,).
        price: Value of one more unit of money at each node, cost of money included, shape (k,).
        value: Of the amounts, cost of money taken off.
        bound: Dual bound at the prices; no split is worth more.
        passes: Passes over leaves; later ones go over those alone that still wait for a price.
        backend: ``numpy`` or ``numba``.
    """

    amount: FloatArray
    price: FloatArray
    value: float
    bound: float
    passes: int
    backend: str

    @property
    def gap(self) -> float:
        """``(bound - value) / max(|value|, |bound|)``, computed; zero where both are nothing."""
        size = max(abs(self.value), abs(self.bound))
        return max(self.bound - self.value, 0.0) / size if size > 0 else 0.0


def solve_tree(program: Program, *, backend: str | None = None, guess: FloatArray | None = None) -> Answer | None:
    """The best split.

    Args:
        program: Leaves and nested envelopes.
        backend: ``numpy`` or ``numba``; chosen by size when None.
        guess: Prices to try first, by node, shape (k,); as from a program that differs little.

    Returns:
        The answer, or None where floors and caps leave no split.
    """
    limits = inner_limits(program)
    if limits is None:
        return None
    run, name = choose(len(program.leaves), backend)
    work = _Work(program, run, limits, guess)
    work.solve_all()
    price = np.where(np.abs(work.price) <= 3.0 * SMALLEST, 0.0, work.price)
    value, bound = _value_and_bound(program, work.amount, price, work.wanted(price))
    return Answer(work.amount, price, value, max(bound, value), work.passes, name)


def inner_limits(program: Program) -> tuple[FloatArray, FloatArray] | None:
    """Floors and caps of the nodes as what is below them allows; None where they cross."""
    leaves = program.leaves
    count = len(program.parent)
    crossed = np.flatnonzero(leaves.lower > leaves.upper)
    upper = leaves.upper[crossed]
    if (leaves.lower[crossed] > upper + CROSSED * np.maximum(1.0, np.abs(upper))).any():
        return None
    least = np.asarray(np.bincount(program.owner, leaves.lower, minlength=count), dtype=np.float64)
    most = np.asarray(np.bincount(program.owner, leaves.upper, minlength=count), dtype=np.float64)
    for level in program.levels[::-1]:
        dust = CROSSED * np.maximum(1.0, least[level])
        if ((least[level] > program.cap[level] + dust) | (program.floor[level] > most[level] + dust)).any():
            return None
        if (program.floor[level] > program.cap[level] + dust).any():
            return None
        least[level] = np.maximum(least[level], program.floor[level])
        most[level] = np.minimum(most[level], program.cap[level])
        inner = level[program.parent[level] >= 0]
        np.add.at(least, program.parent[inner], least[inner])
        np.add.at(most, program.parent[inner], most[inner])
    return least, np.maximum(most, least)


def _clipping(program: Program, limits: tuple[FloatArray, FloatArray]) -> tuple[FloatArray, FloatArray]:
    """The limits at which nodes are clipped: those that say more than what is below them does, endless elsewhere.

    Sums run in another order elsewhere: a node that could never pass its limit would seem to, and be given a price of its own.
    """
    least, most = limits
    leaves, count = program.leaves, len(program.parent)
    low, high = (
        np.asarray(np.bincount(program.owner, bound, minlength=count), dtype=np.float64)
        for bound in (leaves.lower, leaves.upper)
    )
    for level in program.levels[:0:-1]:
        np.add.at(low, program.parent[level], least[level])
        np.add.at(high, program.parent[level], most[level])
    floor = np.where(program.floor <= low * (1.0 + SUMMED), -np.inf, least)
    return floor, np.where(program.cap >= high * (1.0 - SUMMED), np.inf, most)


class _Work:
    """The rounds: groups that wait for a price, and what is settled so far."""

    def __init__(
        self, program: Program, run: Pass, limits: tuple[FloatArray, FloatArray], guess: FloatArray | None
    ) -> None:
        self.program, self.run, self.guess = program, run, guess
        self.least, self.most = limits
        self.floor, self.cap = _clipping(program, limits)
        self.amount = np.empty(len(program.leaves))
        self.price = np.zeros(len(program.parent))
        self.passes = 0
        leaves = program.leaves
        dearest = float((leaves.cost + leaves.charge).max(initial=0.0))
        # A hair below what costs and charges come to, so that every leaf is sure to take its upper bound.
        self.lowest = min(0.0, -dearest * (1.0 + SUMMED))

    def solve_all(self) -> None:
        """Roots first: at the price of money itself where that keeps their limits, else at the price that meets one."""
        roots = self.program.levels[0]
        part = self._whole()
        base = np.maximum(self.program.base[roots], SMALLEST)
        guess = self._typical(part, self.most[roots]) if self.guess is None else self.guess[roots]
        brackets = self._capped(part, base, guess)
        if brackets is None:
            brackets = self._from_base(part, base)
        else:
            guess = np.full(len(guess), np.nan)
        self._rounds(part, brackets, guess)

    def _capped(self, part: Part, base: FloatArray, guess: FloatArray) -> Brackets | None:
        """Brackets where a price above that of money leaves every root too much: its cap binds, and nobody asks what is below."""
        roots = self.program.levels[0]
        if not ((guess > base) & (self.cap[roots] == self.program.cap[roots])).all():
            return None
        taken = self.run(part, guess)
        self.passes += 1
        total, cap = taken.total[part.top], self.cap[roots]
        if not (total > cap).all():
            return None
        unknown = np.full(len(cap), np.nan)
        brackets = Brackets(
            cap.copy(), guess.copy(), np.full(len(cap), np.inf), total, unknown, np.zeros(len(cap), dtype=bool)
        )
        brackets.note(np.arange(len(cap)), guess, total, taken.fall[part.top])
        return brackets

    def _from_base(self, part: Part, base: FloatArray) -> Brackets:
        """Brackets from what is wanted at the price of money itself."""
        roots = self.program.levels[0]
        taken = self.run(part, base)
        self.passes += 1
        total = taken.total[part.top]
        floor, cap = self.floor[roots], self.cap[roots]
        low, high = np.where(total >= floor, base, np.nan), np.where(total <= cap, base, np.nan)
        return Brackets(
            target=np.clip(total, floor, cap),
            low=np.where(np.isnan(low), self.lowest, base),
            high=np.where(np.isnan(high), np.inf, base),
            above=np.where(np.isnan(low), np.nan, total),
            below=np.where(np.isnan(high), np.nan, total),
            closed=np.isfinite(low) & np.isfinite(high),
        )

    def wanted(self, price: FloatArray) -> FloatArray:
        """What each leaf takes at the price of its own node."""
        whole = self._whole()
        return self.run(replace(whole, group=np.arange(len(price))), price[whole.node]).amount

    def _whole(self) -> Part:
        program = self.program
        order = np.concatenate(program.levels)
        place = np.empty(len(order), np.int64)
        place[order] = np.arange(len(order))
        parent = program.parent[order]
        group = np.full(len(program.parent), -1)
        group[program.levels[0]] = np.arange(len(program.levels[0]))
        for level in program.levels[1:]:
            group[level] = group[program.parent[level]]
        return Part(
            leaves=program.leaves,
            leaf=np.arange(len(program.leaves)),
            owner=place[program.owner],
            node=order,
            parent=np.where(parent >= 0, place[parent], -1),
            group=group[order],
            top=place[program.levels[0]],
            levels=tuple(place[level] for level in program.levels[1:]),
            floor=self.floor[order],
            cap=self.cap[order],
        )

    def _typical(self, part: Part, target: FloatArray) -> FloatArray:
        """A first price: the mean log of the slopes at an equal split."""
        count = np.bincount(part.leaf_group, minlength=len(target))
        stride = max(1, len(part.leaf) // max(TYPICAL, 64 * len(target)))
        some = part.leaves.take(np.arange(0, len(part.leaf), stride))
        group = part.leaf_group[::stride]
        share = (target / np.maximum(count, 1))[group]
        with np.errstate(divide="ignore", invalid="ignore"):
            slope = np.log(some.slopes(np.clip(share, some.lower, some.upper)))
        good = np.isfinite(slope)
        total = np.bincount(group[good], slope[good], minlength=len(target))
        several = np.bincount(group[good], minlength=len(target))
        return np.asarray(np.where(several > 0, np.exp(total / np.maximum(several, 1)), np.nan))

    def _rounds(self, part: Part, brackets: Brackets, guess: FloatArray) -> None:
        while True:
            edge = self._without_room(part, brackets)
            if len(guess) == 1:
                low, high = close_one(part, self.run, brackets, float(guess[0]), self.lowest)
            else:
                low, high = close_in(part, self.run, brackets, guess, self.lowest)
            self.passes += brackets.passes
            stuck = ~np.isnan(edge)
            brackets.low[stuck] = brackets.high[stuck] = edge[stuck]
            found = self._settle(part, brackets, low, high)
            if found is None:
                return
            part, brackets = found
            guess = np.full(len(brackets.target), np.nan)
            if self.guess is not None:
                guess = self.guess[part.node[part.top]]

    def _without_room(self, part: Part, brackets: Brackets) -> FloatArray:
        """Prices of groups whose leaves all stand at their lower bounds, or all at their upper, NaN for others, shape (g,).

        Every price beyond those of the leaves is optimal there: the nearest says what the first unit of room would bring. Their
        brackets are closed at prices at which no leaf can do otherwise.
        """
        top = part.node[part.top]
        tight = ~brackets.closed & np.isnan(brackets.below) & (brackets.target <= self.least[top] * (1.0 + SUMMED))
        full = ~brackets.closed & np.isnan(brackets.above) & (brackets.target >= self.most[top] * (1.0 - SUMMED))
        edge = np.full(len(top), np.nan)
        if not (tight.any() or full.any()):
            return edge
        dearest, cheapest = np.full(len(top), -np.inf), np.full(len(top), np.inf)
        first, last = part.leaves.ends()
        np.maximum.at(dearest, part.leaf_group, first)
        np.minimum.at(cheapest, part.leaf_group, last)
        tight &= dearest < np.inf  # Some curves want a little at any price.
        edge[tight] = np.maximum(dearest, brackets.low)[tight]
        edge[full] = np.minimum(cheapest, brackets.high)[full]
        beyond = np.where(full, self.lowest, edge + np.abs(edge) + SMALLEST)
        for chosen in (tight, full):
            brackets.low[chosen] = brackets.high[chosen] = beyond[chosen]
            brackets.closed[chosen] = True
        return edge

    def _settle(self, part: Part, brackets: Brackets, low: Taken, high: Taken) -> tuple[Part, Brackets] | None:
        """Give every node of the priced groups its total; clipped nodes become the groups of the next round."""
        room = low.total[part.top] - high.total[part.top]
        with np.errstate(divide="ignore", invalid="ignore"):
            share = np.where(room > 0, (brackets.target - high.total[part.top]) / room, 0.0)
        share = np.clip(share, 0.0, 1.0)
        mix = share[part.group]
        target = mix * low.kept + (1.0 - mix) * high.kept
        own = brackets.high[part.group]
        clipped = (low.kept != low.total) | (high.kept != high.total)
        clipped[part.top] = False
        # The topmost clipped nodes start groups of their own; what hangs below them waits.
        start, waiting = np.full(len(part.node), -1), np.zeros(len(part.node), dtype=bool)
        count = 0
        for level in part.levels:
            below = waiting[part.parent[level]]
            fresh = level[clipped[level] & ~below]
            waiting[level] = below | clipped[level]
            start[level[below]] = start[part.parent[level[below]]]
            start[fresh] = np.arange(count, count + len(fresh))
            count += len(fresh)
        done = ~waiting
        self.price[part.node[done]] = own[done]
        settled = done[part.owner]
        blend = share[part.leaf_group[settled]]
        # Exact where both ends agree.
        few, many = high.amount[settled], low.amount[settled]
        self.amount[part.leaf[settled]] = few + blend * (many - few)
        if not count:
            return None
        return self._next(part, brackets, start, waiting, target, low, high)

    def _next(
        self,
        part: Part,
        brackets: Brackets,
        start: IntArray,
        waiting: BoolArray,
        target: FloatArray,
        low: Taken,
        high: Taken,
    ) -> tuple[Part, Brackets]:
        nodes = np.flatnonzero(waiting)
        place = np.full(len(part.node), -1)
        place[nodes] = np.arange(len(nodes))
        leaves = np.flatnonzero(waiting[part.owner])
        above = part.parent[nodes]
        inside = (above >= 0) & (start[above] == start[nodes])
        top = np.flatnonzero(~inside)
        top = top[np.argsort(start[nodes][top], kind="stable")]
        next_part = Part(
            leaves=part.leaves.take(leaves),
            leaf=part.leaf[leaves],
            owner=place[part.owner[leaves]],
            node=part.node[nodes],
            parent=np.where(inside, place[above], -1),
            group=start[nodes],
            top=top,
            levels=tuple(
                kept
                for level in part.levels
                if len(kept := place[level[waiting[level]]][inside[place[level[waiting[level]]]]])
            ),
            floor=part.floor[nodes],
            cap=part.cap[nodes],
        )
        first = nodes[top]
        return next_part, self._inner_brackets(part, brackets, first, target[first], low, high)

    def _inner_brackets(
        self, part: Part, brackets: Brackets, node: IntArray, target: FloatArray, lower: Taken, upper: Taken
    ) -> Brackets:
        """What the prices above say about the price inside: dearer under a cap, cheaper over a floor."""
        group = part.group[node]
        low, high = lower.total[node], upper.total[node]
        at_low, at_high = brackets.low[group], brackets.high[group]
        # Totals fall with the price: at the upper price already too much means that the own price is above it.
        over, under = high >= target, low <= target
        inner = Brackets(
            target=target,
            low=np.where(over, at_high, np.where(under, self.lowest, at_low)),
            high=np.where(over, np.inf, np.where(under, at_low, at_high)),
            above=np.where(over, high, np.where(under, np.nan, low)),
            below=np.where(over, np.nan, np.where(under, low, high)),
            closed=np.zeros(len(node), dtype=bool),
        )
        inner.note(np.arange(len(node)), at_high, high, upper.fall[node])
        return inner


def _value_and_bound(program: Program, amount: FloatArray, price: FloatArray, best: FloatArray) -> tuple[float, float]:
    """Value of the amounts, and the Lagrangian bound at the prices, at which leaves alone would take ``best``."""
    leaves, roots = program.leaves, program.parent < 0
    base = np.where(roots, program.base, 0.0)
    charge = np.empty(len(price))
    for level in program.levels:
        above = program.parent[level]
        charge[level] = np.where(above >= 0, charge[above], base[level])
    value = float((leaves.value(amount) - charge[program.owner] * amount).sum())
    step = price - np.where(roots, base, price[program.parent])
    with np.errstate(invalid="ignore"):
        limits = np.where(step > 0, step * program.cap, step * program.floor)
    paid = price[program.owner]
    bound = float((leaves.value(best) - paid * best).sum()) + float(limits[step != 0].sum())
    return value, bound
