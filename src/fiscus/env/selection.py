"""Choosing projects one by one: what ``fiscus/Selection-v0`` plays.

In each period an agent funds lines in full, one an action, until it closes the period. Lines that were not chosen get their floor, or
what units' floors and other rules make them get. A line may be chosen where all chosen so far can have their full amount with it and
every hard rule can be kept to the end; the mask says so. An action that the mask forbids closes the period, so every episode ends.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from fiscus.core.arrays import BoolArray, FloatArray, IntArray
from fiscus.env.decode import Project
from fiscus.env.engine import Engine, Outcome
from fiscus.env.fields import Seen, fields
from fiscus.env.game import Game
from fiscus.errors import InvalidInput

DUST = 1e-9
"""Parts of a line's full amount by which it may miss it and still count as funded in full."""


def selection_engine(game: Game, size: int, *, compiled: bool = False) -> SelectionEngine:
    """A batch of episodes of a game in which lines are chosen."""
    return SelectionEngine(game, Project(game.lines), fields(game, choosing=True), size, compiled)


@dataclass(eq=False)
class SelectionEngine(Engine):
    """A batch of episodes in which lines are chosen; see :class:`fiscus.env.engine.Engine`."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.chosen = np.zeros((self.size, self.game.lines), dtype=bool)
        self.now = np.zeros((self.size, self.game.lines))
        self.mask = np.zeros((self.size, self.game.lines + 1), dtype=bool)
        self.ready = np.zeros_like(self.plans)  # Whole plans if the period closed now, where safe steps are needed.

    def reset(self, which: IntArray, generators: Sequence[np.random.Generator]) -> None:
        """Begin new episodes with nothing chosen."""
        super().reset(which, generators)
        self.ready[which] = self.plans[which]
        self._open(which)

    def checked(self, actions: npt.ArrayLike) -> FloatArray:
        """Actions as whole numbers from 0 to n, shape (B,).

        Raises:
            InvalidInput: For anything else; nothing has happened then.
        """
        given = np.asarray(actions)
        lines = self.game.lines
        if given.shape != (self.size,) or not np.issubdtype(given.dtype, np.number):
            raise InvalidInput(f"actions are {self.size} whole numbers, got shape {given.shape} of {given.dtype}")
        number = given.astype(np.float64)
        wrong = ~(np.isfinite(number) & (number == np.floor(number)) & (number >= 0) & (number <= lines))
        if wrong.any():
            place = int(np.flatnonzero(wrong)[0])
            raise InvalidInput(
                f"the action of environment {place} is {given[place]}; give a line from 0 to {lines - 1}, or {lines} to close the period. "
                "Nothing was done."
            )
        return number

    def step(self, actions: npt.ArrayLike, going: IntArray | None = None) -> Outcome:
        """Choose a line, or close the period, in every episode that goes on."""
        action = self.checked(actions).astype(np.int64)
        every = np.arange(self.size)
        active = np.isin(every, every if going is None else going)
        picks = active & self.mask[every, action] & (action < self.game.lines)
        closes = np.flatnonzero(active & ~picks)
        if picks.any():
            self._take(np.flatnonzero(picks), action[picks])
        spend = self.now.copy()
        reward, done = np.zeros(self.size), np.zeros(self.size, dtype=bool)
        benefit = np.zeros_like(spend)
        if len(closes):
            self._plans = self.ready if self.game.safe is not None else None
            reward, done, benefit = self.commit(spend, closes)
            self._open(closes[~done[closes]])
        applied = np.where(picks, action, self.game.lines)
        return Outcome(reward, done, action.astype(np.float64), applied.astype(np.float64), spend, spend, benefit)

    def seen(self) -> Seen:
        """What observations are made from, the choice so far included."""
        return replace(super().seen(), amount=self.now, chosen=self.chosen, open=self.mask[:, :-1])

    def told(self) -> dict[str, npt.NDArray[Any]]:
        """The mask of actions, the last of which closes the period and is always open, shape (B, n + 1)."""
        return {"action_mask": self.mask.astype(np.int8)}

    def _open(self, which: IntArray) -> None:
        """A new period: nothing chosen, and what is given anyway."""
        if not len(which):
            return
        self.chosen[which] = False
        self._settle(which)

    def _take(self, which: IntArray, lines: IntArray) -> None:
        self.chosen[which, lines] = True
        self._settle(which)

    def _settle(self, which: IntArray) -> None:
        """The amounts that go with what is chosen, and what may be chosen next."""
        _, self.now[which], plans = self._tried(which, self.chosen[which])
        if plans is not None:
            self.ready[which] = plans
        self._look_round(which)

    def _look_round(self, which: IntArray) -> None:
        """Which lines may be chosen next."""
        moment, nest, lines = self.moment, self.game.nest, self.game.lines
        low, high = moment.low[which].copy(), moment.high[which]
        full = high[:, nest.line_nodes]
        # What is chosen must get its full amount; does one line more still fit under every unit?
        low[:, nest.line_nodes] = np.where(self.chosen[which], full, low[:, nest.line_nodes])
        floor = nest.floor[moment.period[which]]
        low, _ = nest.consistent(np.maximum(low, floor), high.copy())
        fits = nest.takes(low, full - low[:, nest.line_nodes], floor, high)
        fits &= ~self.chosen[which] & (self.now[which] < full * (1.0 - DUST)) & (full > 0)
        if self.game.safe is not None:
            place, line = np.nonzero(fits)
            more = self.chosen[which][place]
            more[np.arange(len(line)), line] = True
            fits[place, line] = self._tried(which[place], more)[0]
        self.mask[which, :-1] = fits
        self.mask[which, lines] = True

    def _tried(self, which: IntArray, chosen: BoolArray) -> tuple[BoolArray, FloatArray, FloatArray | None]:
        """Whether sets of lines can be funded in full, the amounts if they are, and the whole plans behind these.

        Args:
            which: Episode of each set, shape (M,).
            chosen: The sets, shape (M, n).
        """
        moment, nest, safe = self.moment, self.game.nest, self.game.safe
        low, high = moment.low[which], moment.high[which]
        full = high[:, nest.line_nodes]
        wish = np.where(chosen, full, low[:, nest.line_nodes])
        if safe is None:
            spend = moment.splitter.nearest(wish, low, high)
            return self._funded(spend, full, chosen), spend, None
        period = moment.period[which]
        known = self.ready[which]
        rows = np.arange(len(which))
        best = known.copy()
        done = np.zeros(len(which), dtype=bool)
        for rest in (wish, known[rows, period], safe.anchor[period]):
            left = np.flatnonzero(~done)
            if not len(left):
                break
            target = np.where(chosen[left], full[left], np.clip(rest[left], low[left][:, nest.line_nodes], full[left]))
            target = moment.splitter.nearest(target, low[left], high[left])
            found, plans = safe.tried(known[left], period[left], target)
            good = found & self._funded(target, full[left], chosen[left])
            best[left[good]] = plans[good]
            done[left[good]] = True
        return done, best[rows, period], best

    @staticmethod
    def _funded(spend: FloatArray, full: FloatArray, chosen: BoolArray) -> BoolArray:
        return np.asarray((~chosen | (spend >= full * (1.0 - DUST))).all(axis=1))
