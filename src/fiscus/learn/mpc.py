"""Rolling re-optimisation (model predictive control): plan to the end as if the expected came true, play the first period, plan again.

``MPC`` takes expected multipliers for certain; ``ScenarioMPC`` weighs money now against what it is worth in many drawn futures;
``Tuned`` is MPC whose view of the future is scaled by numbers that were tuned in simulation, a cost-function approximation (Powell,
Reinforcement Learning and Stochastic Optimization, 2022, ch. 13); ``Posterior`` plans for multipliers drawn from what is believed
(Thompson sampling).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from fiscus.core.arrays import FloatArray, IntArray
from fiscus.core.curves import Curves
from fiscus.core.marginal import priced
from fiscus.env.decode import Moment
from fiscus.env.game import Game
from fiscus.errors import InvalidInput
from fiscus.learn.belief import Belief, Expectation, belief
from fiscus.learn.horizon import Ahead, Horizon, TreeHorizon, horizon

STEPS = 18
"""Halvings of the total spent now that :class:`ScenarioMPC` tries: it is known to 4e-6 of what may be spent."""


@dataclass(frozen=True, eq=False)
class Planner:
    """What a planning policy needs of a game.

    Attributes:
        horizon: Makes plans.
        belief: Says what to expect.
        rng: For beliefs that are drawn.
    """

    horizon: Horizon
    belief: Belief
    rng: np.random.Generator


@dataclass(frozen=True, eq=False)
class MPC:
    """Certainty-equivalent rolling re-optimisation.

    Attributes:
        name: Short name.
        learning: Whether beliefs are updated; else the process's mean is all that is expected besides what is seen of the present.
        curves: What the planner takes the curves for; the plan's own when not given.
        view: What to make of expected multipliers before planning; see :class:`Tuned`.
        believes: In place of the belief that goes with the process.
    """

    name: str = "MPC"
    learning: bool = True
    curves: Curves | None = None
    view: View | None = None
    believes: Belief | None = None

    def reset(self, game: Game, _size: int, rng: np.random.Generator) -> Planner:
        """See :class:`~fiscus.learn.policy.Policy`."""
        believed = self.believes or (belief(game) if self.learning else Expectation(game.process))
        return Planner(horizon(game, self.curves), believed, rng)

    def act(self, moment: Moment, memory: Planner) -> tuple[FloatArray, Planner]:
        """See :class:`~fiscus.learn.policy.Policy`."""
        return self.planned(moment, memory, self.expected(moment, memory)), memory

    def expected(self, moment: Moment, memory: Planner) -> FloatArray:
        """Multipliers that are planned for, shape (B, T, n)."""
        theta = memory.belief.expected(moment)
        return theta if self.view is None else self.view(moment, theta)

    @staticmethod
    def planned(moment: Moment, memory: Planner, theta: FloatArray) -> FloatArray:
        """First amounts of the best plans for some multipliers, major units, shape (B, n)."""
        first = np.empty(moment.line_low.shape)
        for period in np.unique(moment.period).tolist():
            which = np.flatnonzero(moment.period == period)
            first[which] = memory.horizon.plan(Ahead.of(moment, period, which, theta))[:, 0]
        return first


View = Callable[[Moment, FloatArray], FloatArray]
"""What to make of expected multipliers, shape (B, T, n), before planning."""


@dataclass(frozen=True, eq=False)
class FutureScaled:
    """The future counts for more or less than expected: one number, or one for each period ahead, the last for all beyond.

    Attributes:
        factor: Shape (k,).
    """

    factor: FloatArray

    def __call__(self, moment: Moment, theta: FloatArray) -> FloatArray:
        """See :data:`View`."""
        factor = np.r_[1.0, np.asarray(self.factor, dtype=np.float64)]
        ahead = np.maximum(np.arange(moment.game.periods)[None, :] - moment.period[:, None], 0)
        return np.asarray(theta * factor[np.minimum(ahead, len(factor) - 1)][..., None])


def tuned(factor: FloatArray, name: str = "tuned MPC") -> MPC:
    """MPC whose view of the future is scaled; :func:`fiscus.learn.tune.tune` finds the numbers."""
    return MPC(name=name, view=FutureScaled(np.asarray(factor, dtype=np.float64)))


@dataclass(frozen=True, eq=False)
class Posterior:
    """MPC for multipliers drawn from what is believed, once an episode or once a period: it tries what may turn out well.

    Attributes:
        name: Short name.
    """

    name: str = "posterior sampling"

    def reset(self, game: Game, _size: int, rng: np.random.Generator) -> Planner:
        """See :class:`~fiscus.learn.policy.Policy`."""
        return Planner(horizon(game), belief(game), rng)

    def act(self, moment: Moment, memory: Planner) -> tuple[FloatArray, Planner]:
        """See :class:`~fiscus.learn.policy.Policy`."""
        return MPC.planned(moment, memory, memory.belief.sampled(moment, memory.rng, 1)[:, 0]), memory


@dataclass(frozen=True, eq=False)
class ScenarioMPC:
    """Money now against money later in many drawn futures, each planned with full knowledge: a two-stage stochastic program.

    What couples the present with the future is the total spent now alone, so the best total is where the price of money in the
    present's split falls to the mean price of money in the futures' plans; it is found by halving, the split by price.

    Attributes:
        futures: How many are drawn for each decision.
        name: Short name.
    """

    futures: int = 16
    name: str = "scenario MPC"

    def reset(self, game: Game, _size: int, rng: np.random.Generator) -> Planner:
        """See :class:`~fiscus.learn.policy.Policy`."""
        return Planner(TreeHorizon(game), belief(game), rng)

    def act(self, moment: Moment, memory: Planner) -> tuple[FloatArray, Planner]:
        """See :class:`~fiscus.learn.policy.Policy`."""
        theta, made, game = memory.belief.expected(moment), memory.horizon, moment.game
        if not isinstance(made, TreeHorizon):
            raise InvalidInput("scenario MPC plans with the tree solver")
        if made.apart:
            return MPC.planned(moment, memory, theta), memory
        drawn = memory.belief.sampled(moment, memory.rng, self.futures)

        def worth(here: Ahead, which: IntArray, left: FloatArray) -> FloatArray:
            futures = drawn[which].reshape(-1, *drawn.shape[2:])
            held = np.repeat(left, self.futures)
            later = replace(_next(game, here.period + 1, futures), held=held, most=held)
            return np.asarray(made.prices(later).reshape(-1, self.futures).mean(axis=1))

        return balanced(moment, made, theta, worth), memory


Worth = Callable[[Ahead, IntArray, FloatArray], FloatArray]
"""What one more unit of money is worth after the present period: of some episodes, by what they hold then."""


def balanced(moment: Moment, made: TreeHorizon, theta: FloatArray, worth: Worth) -> FloatArray:
    """Amounts of the present period whose last unit is worth as much now as later, major units, shape (B, n).

    The price of money in the present's split falls with its total, what it is worth later rises: the total is found by halving.

    Args:
        moment: What is known.
        made: Prices the present.
        theta: Multipliers of all periods, of which the present's count, shape (B, T, n).
        worth: What money is worth later.
    """
    game, now = moment.game, theta[np.arange(len(theta)), moment.period]
    total = moment.most.copy()
    for period in np.unique(moment.period).tolist():
        if period + 1 == game.periods:
            continue
        which = np.flatnonzero(moment.period == period)
        here = Ahead.of(moment, period, which, theta)
        low, high = moment.least[which], moment.most[which]
        for _ in range(STEPS):
            middle = 0.5 * (low + high)
            dear = made.prices(replace(here, most=middle), alone=True)
            more = dear > worth(here, which, here.held - middle + game.problem.budget[period + 1])
            low, high = np.where(more, middle, low), np.where(more, high, middle)
        total[which] = 0.5 * (low + high)
    return priced(game.nest, game.problem, moment.state, now, total, moment.low, moment.high)


def _next(game: Game, period: int, theta: FloatArray) -> Ahead:
    """A period of every drawn future, before its money is known."""
    rows, problem = len(theta), game.problem
    low, high = (
        np.broadcast_to(bound[period, game.nest.line_nodes], (rows, game.lines))
        for bound in (game.nest.low, game.nest.high)
    )
    nothing = np.zeros(rows)
    return Ahead(period, low, high, nothing, nothing, theta, np.zeros((rows, *problem.shape)))
