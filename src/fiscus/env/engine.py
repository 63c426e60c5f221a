"""Batches of episodes, stepped together: the one implementation behind the single, the vector and the SB3 environment.

Every operation runs along the last axes of arrays whose first axis is the batch, so an episode is the same bits alone and among
thousands. Nothing here is mathematics of its own: amounts come from ``decode``, time from ``core.dynamics``.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from fiscus.core.arrays import BoolArray, FloatArray, IntArray
from fiscus.core.curves import Curves
from fiscus.core.dynamics import State, initial_state, step
from fiscus.core.futures import Futures, futures
from fiscus.env.decode import Decoder, Moment, Plain, Splitter
from fiscus.env.fields import Field, Seen, observed
from fiscus.env.game import Game
from fiscus.errors import InvalidInput

if TYPE_CHECKING:
    from fiscus.core.compiled import Kernel


class Outcome(NamedTuple):
    """What a step of a batch brought.

    Attributes:
        reward: Discounted value of the period, shape (B,).
        done: Whether the last period is over, shape (B,).
        raw: Actions as given, shape (B, size).
        applied: Actions that say what was allocated, the same shape.
        wish: What they asked for, major units, shape (B, n).
        spend: What was allocated, major units, shape (B, n).
        benefit: Of each line, unweighted and undiscounted, shape (B, n).
    """

    reward: FloatArray
    done: BoolArray
    raw: FloatArray
    applied: FloatArray
    wish: FloatArray
    spend: FloatArray
    benefit: FloatArray

    @property
    def distance(self) -> FloatArray:
        """Money between what was asked for and what was allocated, major units, shape (B,)."""
        return np.asarray(np.add.reduce(np.abs(self.spend - self.wish), axis=1))

    def told(self) -> dict[str, npt.NDArray[Any]]:
        """What is said of the step besides observations, rewards and ends, first axis B."""
        return {
            "raw_action": self.raw,
            "applied_action": self.applied,
            "allocation": self.spend,
            "distance": self.distance,
            "benefit": self.benefit,
        }


@dataclass(eq=False)
class Engine:
    """A batch of episodes of one game; ``reset`` before anything else.

    Attributes:
        game: What is played.
        decoder: How actions are read.
        table: Fields of the observations.
        size: B.
        compiled: Whether to split and step with numba, faster in large batches. It equals NumPy to 1e-12 but not to the last bit, so
            it is never chosen unasked: an episode would not be the same alone and in a batch.
    """

    game: Game
    decoder: Decoder
    table: tuple[Field, ...]
    size: int
    compiled: bool = False

    def __post_init__(self) -> None:
        self.kernel = _kernel(self.game) if self.compiled else None
        self.splitter: Splitter = self.kernel or Plain(self.game.nest)
        periods, lines = self.game.problem.shape
        self.state: State = initial_state(self.game.problem, (self.size,))
        self.theta = np.ones((self.size, periods, lines))
        self.curves: Curves | None = None
        self.asked: FloatArray | None = None
        self.error = np.ones((self.size, periods, lines))
        self.plans = np.zeros((self.size, periods, lines))
        self.benefits = np.zeros((self.size, periods, lines))
        self.rewards = np.zeros((self.size, periods))
        self.spends = np.zeros((self.size, periods, lines))
        self.cash = np.zeros((self.size, periods))
        self._moment: Moment | None = None
        self._plans: FloatArray | None = None

    def reset(self, which: IntArray, generators: Sequence[np.random.Generator]) -> None:
        """Begin new episodes.

        Args:
            which: Positions in the batch, shape (k,).
            generators: One for each of them, moved on by the draw.
        """
        game = self.game
        drawn = futures(game.process, generators)
        if len(which) == self.size:
            self.theta[:] = drawn.theta
        else:
            self.theta[which] = drawn.theta
        self._install(which, drawn)
        if game.sight.measured and game.sight.noise > 0:
            sd = game.sight.noise
            normal = np.stack([generator.standard_normal(game.problem.shape) for generator in generators])
            self.error[which] = np.exp(sd * normal - 0.5 * sd**2)
        self._put(which, initial_state(game.problem, (len(which),)))
        if game.safe is not None:
            self.plans[which] = game.safe.anchor
        for history in (self.benefits, self.rewards, self.spends, self.cash):
            history[slice(None) if len(which) == self.size else which] = 0.0
        self._moment = None

    def _put(self, which: IntArray, part: State) -> None:
        """The state of some episodes."""
        if len(which) == self.size:
            self.state = part
            return
        whole = self.state
        period = whole.period.copy()
        period[which] = part.period
        mixed = [array.copy() for array in (whole.spend, whole.stock, whole.unspent, whole.account)]
        for array, new in zip(mixed, (part.spend, part.stock, part.unspent, part.account), strict=True):
            array[which] = new
        self.state = State(period, *mixed)

    def _install(self, which: IntArray, drawn: Futures) -> None:
        """Curves and requests that differ from episode to episode."""
        if drawn.curves is not None:
            if self.curves is None:
                shape = (self.size, self.game.lines)
                first = [np.broadcast_to(each[:1], shape) for each in (drawn.curves.a, drawn.curves.h, drawn.curves.p)]
                self.curves = replace(drawn.curves, a=first[0], h=first[1], p=first[2])
            a, h, p = self.curves.a.copy(), self.curves.h.copy(), self.curves.p.copy()
            a[which], h[which], p[which] = drawn.curves.a, drawn.curves.h, drawn.curves.p
            self.curves = replace(self.curves, a=a, h=h, p=p)
        if drawn.asked is not None:
            if self.asked is None:
                self.asked = np.zeros_like(self.theta)
            self.asked[which] = drawn.asked

    @property
    def moment(self) -> Moment:
        """What is known before the next decision."""
        if self._moment is None:
            self._moment = self._look()
        return self._moment

    def _look(self) -> Moment:
        game, state = self.game, self.state
        nest = game.nest
        period = np.minimum(state.period, game.periods - 1)
        same = _same(period)
        if same is None:
            low, high = nest.low[period], nest.high[period]
        else:
            low, high = (np.tile(each[same], (self.size, 1)) for each in (nest.low, nest.high))
        if self.asked is not None:
            floor, cap = low.copy(), nest.cap[period]
            lines = nest.line_nodes
            asked = self.asked[np.arange(self.size), period]
            cap[:, lines] = np.maximum(np.minimum(cap[:, lines], asked), floor[:, lines])
            low, high = nest.consistent(floor, cap)
            high = np.maximum(high, low)
        limit = game.limit.most(period, state.unspent, state.account)
        root = nest.root
        high[:, root] = np.maximum(np.minimum(high[:, root], limit), low[:, root])
        if game.sight.multipliers == "now":
            multipliers = self.theta[np.arange(self.size), period]
        else:
            multipliers = game.expected[period]
        measurements = self.benefits * self.error if game.sight.measured else None
        return Moment(
            game, replace(state, period=period), low, high, multipliers, self.splitter, self.spends, measurements
        )

    def observe(self) -> npt.NDArray[np.float32]:
        """Observations before the next decision, freshly made, shape (B, size of the table)."""
        return observed(self.table, self.seen())

    def seen(self) -> Seen:
        """What observations are made from."""
        return Seen.of(self.moment, self.state.period)

    def checked(self, actions: npt.ArrayLike) -> FloatArray:
        """Actions as float64 of shape (B, size), clipped to [-1, 1].

        Raises:
            InvalidInput: For a wrong shape, NaN or infinity; nothing has happened then.
        """
        try:
            given = np.asarray(actions, dtype=np.float64)
        except (TypeError, ValueError):
            raise InvalidInput(
                f"actions are numbers of shape {(self.size, self.decoder.size)}, got {actions!r:.60}"
            ) from None
        if given.shape != (self.size, self.decoder.size):
            raise InvalidInput(f"actions have shape {(self.size, self.decoder.size)}, got {given.shape}")
        if not np.isfinite(given).all():
            place, number = np.argwhere(~np.isfinite(given))[0].tolist()
            raise InvalidInput(
                f"number {number} of the action of environment {place} is {given[place, number]}; give finite numbers. Nothing was done."
            )
        return np.clip(given, -1.0, 1.0)

    def decode(self, actions: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Wishes and allocations, both (B, n), of checked actions; every hard rule holds."""
        wish, spend = self.decoder.decode(actions, self.moment)
        return wish, self._kept(spend)

    def settle(self, wish: FloatArray) -> FloatArray:
        """The nearest amounts to a wish that every hard rule allows, both major units, shape (B, n); then ``commit`` them.

        Raises:
            InvalidInput: For a wish of another shape, or that holds what is no number.
        """
        moment = self.moment
        if wish.shape != moment.line_low.shape or not np.isfinite(wish).all():
            raise InvalidInput(f"a wish is finite amounts of shape {moment.line_low.shape}, got shape {wish.shape}")
        return self._kept(moment.splitter.nearest(wish, moment.low, moment.high))

    def _kept(self, spend: FloatArray) -> FloatArray:
        """Amounts that keep the rules besides envelopes and cash too."""
        if self.game.safe is None:
            return spend
        self._plans = self.game.safe.advanced(self.plans, self.moment.period, spend)
        return np.asarray(self._plans[np.arange(self.size), self.moment.period])

    def step(self, actions: npt.ArrayLike, going: IntArray | None = None) -> Outcome:
        """Decide the period.

        Args:
            actions: Shape (B, size).
            going: Positions of the episodes that go on, which must not be over; all when not given. The others stay as they are.

        Raises:
            InvalidInput: For actions that are not finite numbers of that shape; the state is left as it was.
        """
        action = self.checked(actions)
        wish, spend = self.decode(action)
        applied = self.decoder.encode(spend, self.moment)
        reward, done, benefit = self.commit(spend, going)
        return Outcome(reward, done, np.asarray(actions, dtype=np.float64), applied, wish, spend, benefit)

    def told(self) -> dict[str, npt.NDArray[Any]]:
        """What is said at every observation, first axis B."""
        return {}

    def commit(self, spend: FloatArray, going: IntArray | None = None) -> tuple[FloatArray, BoolArray, FloatArray]:
        """Let a period pass with amounts that obey the rules, shape (B, n).

        Returns:
            Reward and end of the episode, shapes (B,), and benefit of each line, shape (B, n); nothing in episodes that do not go on.
        """
        game = self.game
        rows = np.arange(self.size) if going is None else going
        period = self.state.period[rows]
        same = _same(period) if going is None else None
        # Batches mostly keep step, and whole slices are several times faster than picked cells.
        cells: Any = (rows, period) if same is None else (slice(None), same)
        state = self.state if going is None else _part(self.state, going)
        curves = self.curves
        if curves is not None and going is not None:
            curves = replace(curves, a=curves.a[going], h=curves.h[going], p=curves.p[going])
        now, theta = spend if going is None else spend[rows], np.ascontiguousarray(self.theta[cells])
        if self.kernel is None:
            after, reward, benefit = step(game.problem, state, now, theta, curves)
        else:
            after, reward, benefit = self.kernel.step(state, now, theta, curves or game.problem.lines.curves)
        self._put(rows, after)
        if self._plans is not None:
            self.plans[rows] = self._plans[rows]
        self.benefits[cells], self.rewards[cells], self.spends[cells] = benefit, reward, now
        self.cash[cells] = after.account + after.unspent
        self._moment = self._plans = None
        done = self.state.period >= game.periods
        if going is not None:
            reward, benefit = _filled(reward, going, self.size), _filled(benefit, going, self.size)
            done &= np.isin(np.arange(self.size), going)
        return reward, done, benefit


def _same(period: IntArray) -> int | None:
    """The period that all episodes of a batch are in; None where they differ."""
    first = int(period[0])
    return first if bool((period == first).all()) else None


def _kernel(game: Game) -> Kernel:
    """The compiled functions.

    Raises:
        InvalidInput: Where numba is not installed.
    """
    if importlib.util.find_spec("numba") is None:
        raise InvalidInput("compiled=True needs numba; install fiscus[fast]")
    from fiscus.core.compiled import Kernel

    return Kernel.of(game.problem, game.nest)


def _part(state: State, which: IntArray) -> State:
    return State(
        state.period[which], state.spend[which], state.stock[which], state.unspent[which], state.account[which]
    )


def _filled(values: FloatArray, which: IntArray, size: int) -> FloatArray:
    """Values of some episodes among zeros for the others."""
    whole = np.zeros((size, *values.shape[1:]))
    whole[which] = values
    return whole
