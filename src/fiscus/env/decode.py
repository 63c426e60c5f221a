"""From any finite action to money: four ways to read an action, side by side.

| mode | numbers | what they say |
|---|---|---|
| ``project`` | n | the amount of each line between its floor and cap; the nearest allowed split is taken |
| ``softmax`` | n + 1 | shares of the lines, and of what is kept, in the money there is; what caps refuse is shared |
| ``spend`` | n + 1 | the total, split where it is worth most at the margin; tilts favour lines against that |
| ``residual`` | n | a correction to a reference plan's amounts |

Every number lies in [-1, 1]; numbers beyond are clipped. Whatever they say, the amounts obey every hard rule (see ``core.nested``,
``core.cash`` and ``core.safe``), and every allocation the envelopes allow is the image of some action.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol, get_args

import numpy as np

from fiscus.core.arrays import FloatArray, IntArray
from fiscus.core.dynamics import State
from fiscus.core.marginal import priced, slopes
from fiscus.core.nested import Nest
from fiscus.env.game import Game
from fiscus.errors import InvalidInput

Mode = Literal["project", "softmax", "spend", "residual"]
MODES: tuple[Mode, ...] = get_args(Mode)

SHARPNESS = 12.0
"""Logits of shares at actions of 1: between the largest and the smallest share lie 24 of them, a factor of 2.6e10."""

CACHED = 20_000
"""Nodes that are split together: three times as fast for a thousand lines as all at once."""

STEEPEST = 0.999999
"""Largest size of a tilt before it is taken for infinite preference."""


class Splitter(Protocol):
    """What ``core.compiled.Kernel`` and :class:`Plain` both do."""

    def nearest(self, wish: FloatArray, low: FloatArray, high: FloatArray) -> FloatArray:
        """``Nest.as_wished``."""
        ...


@dataclass(frozen=True, eq=False)
class Plain:
    """The nest's splits with NumPy."""

    nest: Nest

    def nearest(self, wish: FloatArray, low: FloatArray, high: FloatArray) -> FloatArray:
        """``Nest.as_wished``, in parts of the batch that stay in the processor's cache."""
        step = max(1, CACHED // low.shape[1])
        parts = [slice(first, first + step) for first in range(0, len(wish), step)]
        done = [self.nest.as_wished(wish[part], low[part], high[part]) for part in parts]
        return done[0] if len(done) == 1 else np.concatenate(done)


@dataclass(frozen=True, eq=False)
class Moment:
    """What is known to each environment of a batch when it decides.

    Attributes:
        game: What stays the same.
        state: Before the period.
        low: Least each node must get now, major units, shape (B, nodes + 1).
        high: Most it may get now, cash included, the same shape.
        multipliers: Of the period's benefits, seen or expected, shape (B, n).
        splitter: The nest's splits, compiled or not.
        spends: Amounts so far, zero from the present period on, major units, shape (B, T, n).
        measurements: Measured benefits of all periods, of which the sight's delay hides the latest, units of benefit, shape (B, T, n);
            None where nothing is measured.
    """

    game: Game
    state: State
    low: FloatArray
    high: FloatArray
    multipliers: FloatArray
    splitter: Splitter
    spends: FloatArray
    measurements: FloatArray | None = None

    @property
    def period(self) -> IntArray:
        """Position of the period about to be decided, shape (B,)."""
        return self.state.period

    @property
    def line_low(self) -> FloatArray:
        """Least each line must get, major units, shape (B, n)."""
        return self.low[:, self.game.nest.line_nodes]

    @property
    def line_high(self) -> FloatArray:
        """Most each line may get, major units, shape (B, n)."""
        return self.high[:, self.game.nest.line_nodes]

    @property
    def least(self) -> FloatArray:
        """Least total, major units, shape (B,)."""
        return self.low[:, self.game.nest.root]

    @property
    def most(self) -> FloatArray:
        """Most that may be spent in all, major units, shape (B,)."""
        return self.high[:, self.game.nest.root]


Reference = Callable[[Moment], FloatArray]
"""A plan to correct: amounts of the period, major units, shape (B, n)."""


class Decoder(Protocol):
    """One way to read actions."""

    @property
    def size(self) -> int:
        """How many numbers an action has."""
        ...

    def decode(self, action: FloatArray, moment: Moment) -> tuple[FloatArray, FloatArray]:
        """What an action of shape (B, size) in [-1, 1] wishes for, and the nearest the envelopes allow, both (B, n)."""
        ...

    def encode(self, spend: FloatArray, moment: Moment) -> FloatArray:
        """An action that decodes to an allocation the envelopes allow, of shape (B, n)."""
        ...


def decoder(mode: Mode, lines: int, reference: Reference | None = None) -> Decoder:
    """The way to read actions that goes by a name.

    Raises:
        InvalidInput: For an unknown mode, or ``residual`` without a reference.
    """
    if mode not in MODES:
        raise InvalidInput(f"mode is one of {', '.join(MODES)}, got {mode!r}")
    if mode == "residual":
        if reference is None:
            raise InvalidInput("mode 'residual' needs reference=, a function from a Moment to amounts of shape (B, n)")
        return Residual(lines, reference)
    if reference is not None:
        raise InvalidInput(f"a reference is for mode 'residual' only, got mode {mode!r}")
    if mode == "project":
        return Project(lines)
    return Softmax(lines + 1) if mode == "softmax" else Spend(lines + 1)


@dataclass(frozen=True)
class Project:
    """The amount of each line between its floor and its cap."""

    size: int

    def decode(self, action: FloatArray, moment: Moment) -> tuple[FloatArray, FloatArray]:
        low = moment.line_low
        wish = low + 0.5 * (action + 1.0) * (moment.line_high - low)
        return wish, moment.splitter.nearest(wish, moment.low, moment.high)

    def encode(self, spend: FloatArray, moment: Moment) -> FloatArray:
        low = moment.line_low
        width = moment.line_high - low
        part = np.divide(spend - low, width, out=np.zeros_like(spend), where=width > 0)
        return np.asarray(np.clip(2.0 * part - 1.0, -1.0, 1.0))


@dataclass(frozen=True, eq=False)
class Residual:
    """A correction to a reference, in parts of the room between floor and cap."""

    size: int
    reference: Reference

    def decode(self, action: FloatArray, moment: Moment) -> tuple[FloatArray, FloatArray]:
        wish = self._plan(moment) + action * (moment.line_high - moment.line_low)
        return wish, moment.splitter.nearest(wish, moment.low, moment.high)

    def encode(self, spend: FloatArray, moment: Moment) -> FloatArray:
        width = moment.line_high - moment.line_low
        moved = spend - self._plan(moment)
        return np.asarray(np.clip(np.divide(moved, width, out=np.zeros_like(moved), where=width > 0), -1.0, 1.0))

    def _plan(self, moment: Moment) -> FloatArray:
        plan = np.asarray(self.reference(moment), dtype=np.float64)
        shape = moment.line_low.shape
        if plan.shape != shape or not np.isfinite(plan).all():
            raise InvalidInput(f"the reference gives finite amounts of shape {shape}, got shape {plan.shape}")
        return np.clip(plan, moment.line_low, moment.line_high)


@dataclass(frozen=True)
class Softmax:
    """Shares of the lines, and last of what is kept, in the money above the lines' floors; then the nearest allowed split."""

    size: int

    def decode(self, action: FloatArray, moment: Moment) -> tuple[FloatArray, FloatArray]:
        weight = np.exp(SHARPNESS * (action - action.max(axis=1, keepdims=True)))
        share = weight[:, :-1] / np.add.reduce(weight, axis=1)[:, None]
        wish = moment.line_low + share * self._free(moment)[:, None]
        return wish, moment.splitter.nearest(wish, moment.low, moment.high)

    def encode(self, spend: FloatArray, moment: Moment) -> FloatArray:
        extra = np.maximum(spend - moment.line_low, 0.0)
        kept = np.maximum(self._free(moment) - np.add.reduce(extra, axis=1), 0.0)
        parts = np.concatenate([extra, kept[:, None]], axis=1)
        largest = parts.max(axis=1, keepdims=True)
        part = np.divide(parts, largest, out=np.ones_like(parts), where=largest > 0)
        with np.errstate(divide="ignore"):
            return np.asarray(np.maximum(1.0 + np.log(part) / SHARPNESS, -1.0))

    @staticmethod
    def _free(moment: Moment) -> FloatArray:
        return np.asarray(np.maximum(moment.most - np.add.reduce(moment.line_low, axis=1), 0.0))


@dataclass(frozen=True)
class Spend:
    """The total first, split where the margin is worth most; then tilts, by which a line's margin counts for more or less.

    A tilt a multiplies the line's marginal value by ``exp(2 * artanh(a))``, from nothing at -1 to everything at 1: so every corner of
    what the envelopes allow is reached, and all of it where curves are strictly concave. Lines whose margins are constant and equal
    take their parts of what is left in one proportion, which prices cannot tell apart.
    """

    size: int

    def decode(self, action: FloatArray, moment: Moment) -> tuple[FloatArray, FloatArray]:
        total = moment.least + 0.5 * (action[:, 0] + 1.0) * (moment.most - moment.least)
        tilt = np.exp(2.0 * np.arctanh(np.clip(action[:, 1:], -STEEPEST, STEEPEST)))
        game = moment.game
        spend = priced(game.nest, game.problem, moment.state, moment.multipliers * tilt, total, moment.low, moment.high)
        return spend, spend

    def encode(self, spend: FloatArray, moment: Moment) -> FloatArray:
        game = moment.game
        room = moment.most - moment.least
        part = np.divide(np.add.reduce(spend, axis=1) - moment.least, room, out=np.zeros_like(room), where=room > 0)
        slope = slopes(game.problem, moment.state, moment.multipliers, spend)
        inner = (spend > moment.line_low) & (spend < moment.line_high)
        logs = np.where(slope > 0, np.log(np.where(slope > 0, slope, 1.0)), 0.0)
        count = np.maximum(inner.sum(axis=1), 1)
        middle = (np.where(inner, logs, 0.0).sum(axis=1) / count)[:, None]
        tilt = np.tanh(0.5 * (middle - logs))
        tilt = np.where(spend <= moment.line_low, -1.0, np.where(spend >= moment.line_high, 1.0, tilt))
        return np.concatenate([np.clip(2.0 * part - 1.0, -1.0, 1.0)[:, None], tilt], axis=1)
