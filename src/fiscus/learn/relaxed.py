"""Planning fast where choices are yes or no: every line by its concave envelope, then whole amounts around the plan.

Set-up costs, minimum tickets and all-or-nothing lines make each plan an integer program. Their concave envelopes make it a split by price:
at a price, a line is worth nothing or at least its tangent point, so a plan has few amounts in between, and these are taken whole or left.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from fiscus.core.arrays import FloatArray, frozen
from fiscus.core.curves import Curves
from fiscus.core.problem import Problem
from fiscus.env.decode import Moment
from fiscus.env.game import Game, game
from fiscus.learn.belief import Belief, belief
from fiscus.learn.horizon import TreeHorizon
from fiscus.learn.mpc import MPC, Planner

POINTS = 65
"""Amounts at which a curve is looked at for its envelope."""


@dataclass(frozen=True, eq=False)
class Whole(Planner):
    """What the policy needs of a game.

    Attributes:
        tangent: Amount up to which a line's envelope lies above what it can be worth, major units, shape (n,).
    """

    tangent: FloatArray


@dataclass(frozen=True, eq=False)
class RelaxedMPC:
    """Rolling re-optimisation over concave envelopes; amounts below a line's tangent point are taken whole or left.

    Attributes:
        keep: Part of the tangent point from which an amount is taken whole.
        name: Short name.
    """

    keep: float = 0.5
    name: str = "relaxed MPC"

    def reset(self, played: Game, _size: int, rng: np.random.Generator) -> Whole:
        """See :class:`~fiscus.learn.policy.Policy`."""
        problem, tangent = relaxed(played.problem)
        smooth = game(problem, played.process, played.sight)
        believed: Belief = belief(played)
        return Whole(TreeHorizon(smooth), believed, rng, tangent)

    def act(self, moment: Moment, memory: Whole) -> tuple[FloatArray, Whole]:
        """See :class:`~fiscus.learn.policy.Policy`."""
        return self.planned(moment, memory, self.expected(moment, memory)), memory

    def expected(self, moment: Moment, memory: Whole) -> FloatArray:
        """Multipliers that are planned for, shape (B, T, n)."""
        return memory.belief.expected(moment)

    def planned(self, moment: Moment, memory: Whole, theta: FloatArray) -> FloatArray:
        """Whole amounts around the best plans for some multipliers, major units, shape (B, n)."""
        plan = MPC.planned(moment, memory, theta)
        between = (plan > 0) & (plan < memory.tangent * (1.0 - 1e-9))
        taken = np.minimum(memory.tangent, moment.line_high)
        return np.where(between, np.where(plan >= self.keep * memory.tangent, taken, 0.0), plan)


def relaxed(problem: Problem) -> tuple[Problem, FloatArray]:
    """The problem without rules beyond envelopes, every line by its concave envelope; and the tangent points, shape (n,)."""
    lines, reach = problem.lines, problem.reach.max(axis=0)
    grid = np.linspace(0.0, 1.0, POINTS)[:, None] * reach
    family, points = list(lines.curves.family), list(lines.curves.points)
    tangent = np.zeros(len(lines.id))
    for line in range(len(lines.id)):
        least = max(float(lines.min_ticket[line]), reach[line] if lines.lumpy[line] else 0.0)
        own = lines.curves.points[line]
        money = np.union1d(grid[:, line], [each for each, _ in own] if own is not None else [])
        money = np.union1d(money[money <= reach[line]], [least])
        worth = _one(lines.curves, line, money)
        there = (money == 0) | (money >= least - 1e-9)
        kept = _envelope(money[there], worth[there])
        if lines.curves.concave[line] and least <= 0:
            continue
        family[line], points[line] = (
            "piecewise",
            tuple(zip(*(each[kept].tolist() for each in (money[there], worth[there])), strict=True)),
        )
        tangent[line] = money[there][kept[1]] if len(kept) > 1 else 0.0
    scale = np.where([each == "piecewise" for each in family], 1.0, lines.curves.a)
    curves = Curves.make(family, a=scale, h=lines.curves.h, p=lines.curves.p, points=points)
    free = replace(
        lines,
        curves=curves,
        lumpy=np.zeros_like(lines.lumpy),
        min_ticket=frozen(np.zeros(len(lines.id))),
    )
    return problem.but(lines=free, rules=()), tangent


def _one(curves: Curves, line: int, money: FloatArray) -> FloatArray:
    """Benefit of one line at some amounts."""
    return np.asarray(curves.take(np.full(len(money), line)).value(money))


def _envelope(money: FloatArray, worth: FloatArray) -> list[int]:
    """Positions of the corners of the least concave curve above some points, from the first on (Andrew 1979)."""
    kept: list[int] = []
    for now in range(len(money)):
        while len(kept) > 1:
            a, b = kept[-2], kept[-1]
            if (worth[b] - worth[a]) * (money[now] - money[b]) > (worth[now] - worth[b]) * (money[b] - money[a]) * (
                1 + 1e-12
            ):
                break
            kept.pop()
        kept.append(now)
    return kept
