"""Plans from a moment to the end: the best split of what is left, if the multipliers are what they are expected to be (§4, MPC).

Where benefits are concave and nothing but envelopes and money couples the periods, all plans of a batch are one program of the tree
solver: money that stays where it is makes the totals of the first k periods nested envelopes. Elsewhere each plan is a solve of its
own, with the past held at what was spent.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from fiscus.core.arrays import FloatArray, IntArray
from fiscus.core.curves import Curves
from fiscus.core.futures import Requests
from fiscus.core.problem import Problem
from fiscus.core.process import Scenarios
from fiscus.core.rows import FUNDED_ABOVE
from fiscus.env.decode import Moment
from fiscus.env.game import Game
from fiscus.errors import InvalidInput
from fiscus.optimise.solve import find
from fiscus.optimise.tree import Answer, Program, obstacle, solve_tree, split
from fiscus.optimise.tree.leaves import SEGMENTS, Leaves

LEAST_FACTOR = 1e-12
"""Least multiplier of a benefit in a plan: at nothing a leaf would be of another kind."""


DRAWS = 256
"""Draws over which what will be asked for is averaged."""


@dataclass(frozen=True, eq=False)
class Ahead:
    """What a plan is made from.

    Attributes:
        period: Position of the first period planned.
        low: Least each line must get in it, major units, shape (B, n).
        high: Most it may get in it, the same shape.
        most: Most that may be spent in it in all, major units, shape (B,).
        held: Cash at hand in it, the period's appropriation included, major units, shape (B,).
        theta: Expected multipliers of all periods, of which the past counts for nothing, shape (B, T, n).
        spends: Amounts so far, major units, shape (B, T, n).
    """

    period: int
    low: FloatArray
    high: FloatArray
    most: FloatArray
    held: FloatArray
    theta: FloatArray
    spends: FloatArray

    @classmethod
    def of(cls, moment: Moment, period: int, which: IntArray, theta: FloatArray) -> Ahead:
        """For the episodes of a moment that are in one period."""
        held = moment.state.account + moment.state.unspent + moment.game.problem.budget[period]
        low, high = moment.line_low[which], moment.line_high[which]
        return cls(period, low, high, moment.most[which], held[which], theta[which], moment.spends[which])


def coupling(game: Game) -> str:
    """Why plans of a game are no program of the tree solver; empty when they are."""
    problem = game.problem
    if game.safe is not None:
        return "it has rules besides envelopes and cash"
    account = problem.account
    if account is not None and (account.carry_over != 1.0 or account.rate != 0.0):
        return "what is not spent shrinks or grows"
    return obstacle(problem.but(account=None, scenarios=_certain(problem)))


def _certain(problem: Problem) -> Scenarios:
    return Scenarios.certain(*problem.shape)


@dataclass(frozen=True, eq=False)
class TreeHorizon:
    """Plans by the tree solver, whole batches at a time.

    Attributes:
        game: For which :func:`coupling` is empty.
        curves: In place of the plan's own, as where a planner is wrong about them; same families.
    """

    game: Game
    curves: Curves | None = None

    def __post_init__(self) -> None:
        why = coupling(self.game)
        if why:
            raise InvalidInput(f"the tree solver cannot plan ahead here: {why}")

    @cached_property
    def template(self) -> Program:
        """All periods, each on its own, at multipliers of 1."""
        problem = self.game.problem
        lines = problem.lines if self.curves is None else replace(problem.lines, curves=self.curves)
        return split(
            problem.but(account=None, budget=problem.money_available, scenarios=_certain(problem), lines=lines)
        ).program

    @cached_property
    def asked(self) -> FloatArray | None:
        """Mean of what will be asked for in each period, where that is drawn, major units, shape (T, n)."""
        process = self.game.process
        if not isinstance(process, Requests):
            return None
        return np.asarray(process.asked(process.noise(np.random.default_rng(0), DRAWS)).mean(axis=0))

    @property
    def apart(self) -> bool:
        """Whether what is spent in a period takes nothing from the others."""
        return self.game.problem.account is None

    def plan(self, ahead: Ahead, curves: Curves | None = None, *, first: bool = True) -> FloatArray:
        """The best plan of each episode.

        Args:
            ahead: Where each stands.
            curves: Each episode's own, parameters of shape (B, n); the horizon's own when not given.
            first: Whether the first period's amounts are all that is wanted: then later ones may be left out where they do not matter.

        Returns:
            Major units, shape (B, H, n), H the periods planned.
        """
        answer, last = self._solved(ahead, curves, 1 if first and self.apart else None)
        return answer.amount.reshape(len(ahead.most), last - ahead.period, self.game.lines)

    def alone(self, ahead: Ahead) -> FloatArray:
        """The best split of the first period's money alone, major units, shape (B, n)."""
        return self._answer(_Batch(self, ahead, ahead.period + 1), None).amount.reshape(len(ahead.most), -1)

    def prices(self, ahead: Ahead, *, alone: bool = False) -> FloatArray:
        """Value of one more unit of money in each episode's plan, shape (B,).

        Args:
            ahead: Where each stands.
            alone: Whether the first period is planned alone, with the most that may be spent in it.
        """
        made = _Batch(self, ahead, ahead.period + 1 if alone or self.apart else self.game.periods)
        answer = self._answer(made, None)
        node = made.top if alone or self.apart else 0
        return answer.price.reshape(len(ahead.most), -1)[:, node]

    def _solved(self, ahead: Ahead, curves: Curves | None, span: int | None) -> tuple[Answer, int]:
        last = self.game.periods if span is None else ahead.period + span
        return self._answer(_Batch(self, ahead, last), curves), last

    @staticmethod
    def _answer(made: _Batch, curves: Curves | None) -> Answer:
        answer = solve_tree(made.program(made.leaves(curves)))
        if answer is None:
            raise InvalidInput("no plan keeps the floors with the money that is left")
        return answer


class _Batch:
    """The program of many episodes: leaves by episode, period and line; for each episode a chain of envelopes above its periods."""

    def __init__(self, horizon: TreeHorizon, ahead: Ahead, last: int) -> None:
        self.horizon, self.ahead, self.last = horizon, ahead, last
        self.count, self.span = len(ahead.most), last - ahead.period
        self.lines = horizon.game.lines

    @property
    def top(self) -> int:
        """The root unit of the first period, among the nodes of an episode."""
        return len(self._ends()) + int(self.horizon.game.problem.tree.levels[0][0])

    @property
    def _cells(self) -> IntArray:
        """Leaves of the template that are planned, once."""
        return np.arange(self.ahead.period * self.lines, self.last * self.lines)

    def leaves(self, curves: Curves | None) -> Leaves:
        """The template's leaves for every episode, at its multipliers and with its curves."""
        template = self.horizon.template.leaves
        each = template.take(np.tile(self._cells, self.count))
        theta = np.maximum(self.ahead.theta[:, self.ahead.period : self.last], LEAST_FACTOR)
        shape = theta.shape
        scale, h, p = theta.ravel(), each.h, each.p
        if curves is not None:
            own = self.horizon.game.problem.lines.curves
            straight = np.asarray(each.kind).reshape(shape)[:, 0] == SEGMENTS
            ratio = np.where(own.a > 0, curves.a / np.where(own.a > 0, own.a, 1.0), 1.0)
            if (straight & ((curves.h != own.h) | (curves.p != own.p))).any():
                raise InvalidInput("episodes with kinks of their own cannot be planned by the tree solver")
            scale = (theta * ratio[:, None]).ravel()
            h, p = (np.broadcast_to(given[:, None], shape).ravel() for given in (curves.h, curves.p))
        lower, upper = (bound.reshape(shape).copy() for bound in (each.lower, each.upper))
        if self.horizon.asked is not None:
            upper = np.maximum(np.minimum(upper, self.horizon.asked[self.ahead.period : self.last]), lower)
        lower[:, 0], upper[:, 0] = self.ahead.low, np.maximum(self.ahead.high, self.ahead.low)
        slope = each.slope * np.repeat(scale, np.diff(each.first))
        charge = each.charge
        if not self.horizon.apart:
            # Money of different periods costs differently, so its cost is the leaves' own.
            problem = self.horizon.game.problem
            cost = problem.spend_weight * problem.spend_discount[self.ahead.period : self.last]
            charge = np.broadcast_to(cost[None, :, None], shape).ravel()
        return replace(
            each, a=each.a * scale, h=h, p=p, lower=lower.ravel(), upper=upper.ravel(), slope=slope, charge=charge
        )

    def program(self, leaves: Leaves) -> Program:
        """Leaves under the units of each period, these under the money of the first k periods."""
        template, problem = self.horizon.template, self.horizon.game.problem
        units, ends = len(problem.tree), self._ends()
        links, size = len(ends), len(ends) + self.span * units
        ids = np.arange(self.count)[:, None] * size
        parent = np.full((self.count, size), -1)
        floor, cap = np.zeros((self.count, size)), np.full((self.count, size), np.inf)
        begin = self.ahead.period * units
        nodes = slice(begin, begin + self.span * units)
        floor[:, links:], cap[:, links:] = template.floor[nodes], template.cap[nodes]
        inner = template.parent[nodes] - begin + links
        if links:
            cap[:, :links] = np.stack([self._money(end) for end in ends], axis=1)
            parent[:, 1:links] = ids + np.arange(links - 1)
            # The innermost link that holds each period.
            periods = np.repeat(np.arange(self.ahead.period, self.last), units)
            inner = np.where(inner < links, (np.array(ends) > periods[:, None]).sum(axis=1) - 1, inner)
            parent[:, links:] = ids + inner
        else:
            parent[:, links:] = np.where(inner >= links, ids + inner, -1)
        cap[:, self.top] = np.minimum(cap[:, self.top], self.ahead.most)
        flat = parent.ravel()
        owner = (template.owner[self._cells] - begin + links + ids).ravel()
        base = np.zeros((self.count, size))
        if not links:
            base[:] = template.base[nodes]
        return Program(leaves, owner, flat, _levels(flat), np.minimum(floor, cap).ravel(), cap.ravel(), base.ravel())

    def _ends(self) -> list[int]:
        """Ends of the spans whose money is limited, the whole horizon first: what comes in later cannot be spent before."""
        problem = self.horizon.game.problem
        if problem.account is None:
            return []
        reserve, ends = problem.account.reserve, [self.last]
        ends += [
            end
            for end in range(self.last - 1, self.ahead.period, -1)
            if problem.budget[end] > 0 or reserve[end - 1] > reserve[end:].min()
        ]
        return ends

    def _money(self, end: int) -> FloatArray:
        """Most that may be spent in all before a period, major units, shape (B,)."""
        problem = self.horizon.game.problem
        reserve = 0.0 if problem.account is None else float(problem.account.reserve[end - 1])
        return np.asarray(self.ahead.held + problem.budget[self.ahead.period + 1 : end].sum() - reserve)


def _levels(parent: IntArray) -> tuple[IntArray, ...]:
    """Nodes by depth, roots first."""
    level = np.flatnonzero(parent < 0)
    depth = np.full(len(parent), -1)
    depth[level] = 0
    levels, now = [level], 0
    while True:
        inside = np.flatnonzero((parent >= 0) & (depth < 0))
        inside = inside[depth[parent[inside]] == now]
        if not len(inside):
            return tuple(levels)
        now += 1
        depth[inside] = now
        levels.append(inside)


@dataclass(frozen=True, eq=False)
class SolverHorizon:
    """Plans one by one through the front door, whatever the rules: the past is held at what was spent.

    Attributes:
        game: What is played.
        curves: In place of the plan's own, as where a planner is wrong about them.
        gap: Relative gap at which a plan is good enough.
        time_limit: Seconds for each.
    """

    game: Game
    curves: Curves | None = None
    gap: float = 1e-4
    time_limit: float = 20.0

    def plan(self, ahead: Ahead, curves: Curves | None = None, *, first: bool = True) -> FloatArray:
        """See :class:`TreeHorizon`."""
        plans = [self._one(ahead, place, curves) for place in range(len(ahead.most))]
        return np.stack(plans)[:, ahead.period :]

    def _one(self, ahead: Ahead, place: int, curves: Curves | None) -> FloatArray:
        problem, now = self.game.problem, ahead.period
        floor, cap = problem.lines.floor.copy(), problem.lines.cap.copy()
        floor[now], cap[now] = ahead.low[place], ahead.high[place]
        if now:
            floor[:now] = cap[:now] = ahead.spends[place, :now]
        own = problem.lines.curves if self.curves is None else self.curves
        if curves is not None:
            own = replace(own, a=curves.a[place], h=curves.h[place], p=curves.p[place])
        theta = ahead.theta[place].copy()
        theta[:now] = 0.0
        given = problem.but(
            lines=replace(problem.lines, floor=floor, cap=cap, curves=own),
            scenarios=Scenarios.equally_likely(theta[None]),
        )
        result = find(given, method="optimise", gap=self.gap, time_limit=self.time_limit)
        if result.solution is None:
            raise InvalidInput(f"no plan was found for the periods to come: {'; '.join(result.reasons)}")
        return np.where(result.solution > FUNDED_ABOVE, result.solution, 0.0)


Horizon = TreeHorizon | SolverHorizon


def horizon(game: Game, curves: Curves | None = None) -> Horizon:
    """The tree solver where it can plan ahead, else the front door."""
    return SolverHorizon(game, curves) if coupling(game) else TreeHorizon(game, curves)
