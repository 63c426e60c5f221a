"""Dynamic programs: the best there is on problems small enough, for others to be measured against (Bellman 1957).

``GridOracle`` is exact on a grid of amounts where what is seen follows a finite Markov chain: every split of every sum in every state.
``MoneyOracle`` is exact but for its samples where only money couples the periods and what is seen in one says nothing of the next: the
value of money then is one concave function a period.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from weakref import WeakKeyDictionary

import numpy as np

from fiscus.core.arrays import FloatArray, IntArray
from fiscus.core.process import Jumps, LognormalAR1
from fiscus.env.decode import Moment
from fiscus.env.game import Game
from fiscus.errors import InvalidInput
from fiscus.learn.belief import Expectation
from fiscus.learn.horizon import Ahead, TreeHorizon
from fiscus.learn.mpc import balanced

MOST_SPLITS = 200_000
"""Splits of a period's money that a grid may have."""

SAME = 1e-9
"""Relative difference within which multipliers are a state's."""


@dataclass(frozen=True, eq=False)
class Chain:
    """Multipliers that move through a few states, seen before each decision.

    Attributes:
        theta: Multipliers of each line in each state, shape (M, n).
        transition: Row-stochastic, shape (M, M).
        initial: Probabilities of the first state, shape (M,).
    """

    theta: FloatArray
    transition: FloatArray
    initial: FloatArray


@dataclass(frozen=True, eq=False)
class GridProgram:
    """The solved dynamic program.

    Attributes:
        unit: Step of the grid, major units.
        splits: Every split that a period may see, shape (K, n), in units.
        value: Best expected value from each period on, by state and units of money at hand, shape (T + 1, M, C).
        choice: The split that reaches it, shape (T, M, C).
    """

    unit: float
    splits: IntArray
    value: FloatArray
    choice: IntArray


@dataclass(frozen=True, eq=False)
class GridOracle:
    """The exact policy on a grid.

    Attributes:
        chain: What is uncertain; the game's process must draw from it.
        unit: Step of the grid, major units; budgets, floors and caps are multiples of it.
        name: Short name.
    """

    chain: Chain
    unit: float
    name: str = "exact DP"

    def reset(self, game: Game, _size: int, _rng: np.random.Generator) -> GridProgram:
        """See :class:`~fiscus.learn.policy.Policy`."""
        return self.solved(game)

    def act(self, moment: Moment, memory: GridProgram) -> tuple[FloatArray, GridProgram]:
        """See :class:`~fiscus.learn.policy.Policy`."""
        state = self._state(moment.multipliers)
        held = np.floor(_held(moment) / self.unit + 1e-6).astype(np.int64)
        which = memory.choice[moment.period, state, np.minimum(held, memory.choice.shape[2] - 1)]
        return memory.splits[which] * self.unit, memory

    def worth(self, game: Game) -> float:
        """Expected value of the best policy on the grid."""
        made = self.solved(game)
        held = np.floor(_opening(game) / self.unit + 1e-6).astype(np.int64)
        return float(np.asarray(self.chain.initial) @ made.value[0, :, held])

    def _state(self, multipliers: FloatArray) -> IntArray:
        theta = np.asarray(self.chain.theta)
        apart = np.abs(multipliers[:, None] - theta[None]) / np.maximum(1.0, np.abs(theta))
        distance = apart.max(axis=2)
        state = distance.argmin(axis=1)
        if (distance[np.arange(len(state)), state] > SAME).any():
            raise InvalidInput("the multipliers that are seen are none of the chain's; give the process's own states")
        return np.asarray(state)

    def solved(self, game: Game) -> GridProgram:
        """The program, from the last period to the first.

        Raises:
            InvalidInput: For a game that is not of this kind, or too large.
        """
        problem = game.problem
        _check(game)
        theta, chain = np.asarray(self.chain.theta), np.asarray(self.chain.transition)
        splits = self._splits(game)
        total = splits.sum(axis=1)
        money = np.floor(problem.money_available / self.unit + 1e-6).astype(np.int64)
        size = int(money.max()) + 1
        value = np.zeros((game.periods + 1, len(theta), size))
        choice = np.zeros((game.periods, len(theta), size), np.int64)
        spend = np.asarray(splits * self.unit, dtype=np.float64)
        gain = problem.lines.curves.value(spend) * problem.lines.weight
        for period in range(game.periods - 1, -1, -1):
            reward = problem.benefit_discount[period] * (theta @ gain.T)
            reward -= problem.spend_weight * problem.spend_discount[period] * total * self.unit
            reward = np.where(_allowed(game, period, spend), reward, -np.inf)
            after = chain @ value[period + 1]
            for held in range(size):
                left = self._left(game, period, held, total)
                good = left >= 0
                follow = after[:, np.clip(left, 0, size - 1)]
                worth = np.where(good, reward + follow, -np.inf)
                choice[period, :, held] = worth.argmax(axis=1)
                value[period, :, held] = worth.max(axis=1)
        return GridProgram(self.unit, splits, value, choice)

    def _left(self, game: Game, period: int, held: int, total: IntArray) -> IntArray:
        """Units at hand in the next period after each split, negative where there is not enough."""
        problem = game.problem
        left = held - total
        if period + 1 == game.periods:
            return left
        income = int(np.floor(problem.budget[period + 1] / self.unit + 1e-6))
        return np.asarray(np.where(left >= 0, (left if problem.account is not None else 0) + income, -1))

    def _splits(self, game: Game) -> IntArray:
        nest, lines = game.nest, game.lines
        most = np.floor(game.problem.reach.max(axis=0) / self.unit + 1e-6).astype(np.int64)
        if np.prod(most + 1.0) > MOST_SPLITS:
            raise InvalidInput(f"a grid of {self.unit:g} has {np.prod(most + 1.0):,.0f} splits; take a coarser one")
        every = np.indices(most + 1).reshape(lines, -1).T
        high = nest.high[:, nest.root].max() if game.problem.account is None else game.problem.money_available.max()
        return np.asarray(every[every.sum(axis=1) * self.unit <= high + 1e-9])


def _check(game: Game) -> None:
    lines, account = game.problem.lines, game.problem.account
    if game.safe is not None or lines.retention.any() or lines.change_cost.any() or lines.initial_stock.any():
        raise InvalidInput(
            "the dynamic program knows envelopes and money alone: no other rules, no stock, no cost of change"
        )
    if account is not None and (account.carry_over != 1.0 or account.rate != 0.0 or account.reserve.any()):
        raise InvalidInput("money that is kept must stay what it is: carry_over 1, no interest, no reserve")
    if game.sight.multipliers != "now":
        raise InvalidInput("the dynamic program is for multipliers that are seen before the decision")


def _allowed(game: Game, period: int, spend: FloatArray) -> FloatArray:
    """Whether splits keep the envelopes of a period, shape (K,)."""
    nest, problem = game.nest, game.problem
    units = spend @ problem.membership.toarray().T
    nodes = np.concatenate([units, spend], axis=1)
    floor, cap = (bound[period, : nodes.shape[1]] for bound in (nest.floor, nest.cap))
    return np.asarray(((nodes >= floor - 1e-9) & (nodes <= cap + 1e-9)).all(axis=1))


def _held(moment: Moment) -> FloatArray:
    """Money at hand, major units, shape (B,)."""
    state, budget = moment.state, moment.game.problem.budget[moment.period]
    return np.asarray(budget if moment.game.problem.account is None else state.account + state.unspent + budget)


def _opening(game: Game) -> float:
    account = game.problem.account
    return float(game.problem.budget[0] + (0.0 if account is None else account.opening))


@dataclass(frozen=True, eq=False)
class MoneyValue:
    """What money at hand is worth from each period on.

    Attributes:
        horizon: Prices the present.
        held: Money at hand, rising, major units, shape (C,).
        slope: Value of one more unit between two of these, by period, shape (T + 1, C - 1).
    """

    horizon: TreeHorizon
    held: FloatArray
    slope: FloatArray


@dataclass(frozen=True, eq=False)
class MoneyOracle:
    """The best policy where only money couples the periods and multipliers are independent from period to period.

    Attributes:
        points: Sums of money at which its value is computed, C.
        samples: Draws over which it is averaged.
        seed: Of the draws.
        name: Short name.
    """

    points: int = 201
    samples: int = 400
    seed: int = 0
    name: str = "DP of money"
    known: WeakKeyDictionary[Game, MoneyValue] = field(default_factory=WeakKeyDictionary, repr=False)

    def reset(self, game: Game, _size: int, _rng: np.random.Generator) -> MoneyValue:
        """See :class:`~fiscus.learn.policy.Policy`."""
        if game not in self.known:
            self.known[game] = self.solved(game)
        return self.known[game]

    def act(self, moment: Moment, memory: MoneyValue) -> tuple[FloatArray, MoneyValue]:
        """See :class:`~fiscus.learn.policy.Policy`."""

        def worth(here: Ahead, _which: IntArray, left: FloatArray) -> FloatArray:
            centre = 0.5 * (memory.held[1:] + memory.held[:-1])
            return np.asarray(np.interp(left, centre, memory.slope[here.period + 1]))

        theta = Expectation(moment.game.process).expected(moment)
        return balanced(moment, memory.horizon, theta, worth), memory

    def solved(self, game: Game) -> MoneyValue:
        """The value of money, from the last period to the first.

        Raises:
            InvalidInput: For a game that is not of this kind.
        """
        _check(game)
        process = game.process
        memoryless = (isinstance(process, Jumps) and not process.persistent) or (
            isinstance(process, LognormalAR1) and not np.any(process.persistence) and process.start is None
        )
        if not memoryless:
            raise InvalidInput(
                "the value of money alone decides only where multipliers are independent between periods"
            )
        made, problem = TreeHorizon(game), game.problem
        if made.apart:
            raise InvalidInput("money that lapses has no value later; play MPC")
        held = np.linspace(0.0, float(problem.money_available.max()), self.points)
        step = held[1]
        theta = process.sample(np.random.default_rng(self.seed), self.samples)[:, 0]
        value = np.zeros((game.periods + 1, self.points))
        for period in range(game.periods - 1, -1, -1):
            now = _split_values(made, period, theta, held)
            income = 0.0 if period + 1 == game.periods else problem.budget[period + 1]
            after = np.interp(held + income, held, value[period + 1])
            # Held c and spent j leaves c - j: the best over j, sample by sample, then the mean.
            best = np.empty((self.samples, self.points))
            for c in range(self.points):
                best[:, c] = (now[:, : c + 1] + after[c::-1][: c + 1]).max(axis=1)
            value[period] = best.mean(axis=0)
        return MoneyValue(made, held, np.diff(value, axis=1) / step)


def _split_values(made: TreeHorizon, period: int, theta: FloatArray, total: FloatArray) -> FloatArray:
    """Value of the best split of each total in each sample, shape (S, C)."""
    game, problem = made.game, made.game.problem
    samples, points = len(theta), len(total)
    rows = samples * points
    whole = np.zeros((rows, *problem.shape))
    whole[:, period] = np.repeat(theta, points, axis=0)
    money = np.tile(total, samples)
    low, high = (
        np.broadcast_to(bound[period, game.nest.line_nodes], (rows, game.lines))
        for bound in (game.nest.low, game.nest.high)
    )
    ahead = Ahead(period, low, high, money, money, whole, whole)
    spend = made.alone(ahead)
    benefit = (np.repeat(theta, points, axis=0) * problem.lines.curves.value(spend)) @ problem.lines.weight
    cost = problem.spend_weight * problem.spend_discount[period] * spend.sum(axis=1)
    return np.asarray((problem.benefit_discount[period] * benefit - cost).reshape(samples, points))
