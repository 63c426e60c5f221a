"""Policies: from what is known before a decision to what to spend. The simple ones that every other must beat.

A policy decides for whole batches. It keeps nothing between calls: what it remembers is a state that it hands out and gets back, so
that a policy can be played in many places at once and in any order. What it returns is a wish; the environment allots the
nearest amounts that every hard rule allows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np

from fiscus.core.arrays import FloatArray
from fiscus.core.marginal import priced
from fiscus.env.decode import Moment
from fiscus.env.game import Game
from fiscus.errors import InvalidInput

Memory = Any
"""What a policy remembers from period to period: its own business."""


@runtime_checkable
class Policy(Protocol):
    """What to spend, given what is known."""

    @property
    def name(self) -> str:
        """Short name, for tables."""
        ...

    def reset(self, game: Game, size: int, rng: np.random.Generator) -> Memory:
        """Get ready for a batch of new episodes.

        Args:
            game: What is played.
            size: B.
            rng: For policies that draw; the same one gives the same decisions (§3.8).

        Raises:
            InvalidInput: For a game that the policy cannot play.
        """
        ...

    def act(self, moment: Moment, memory: Memory) -> tuple[FloatArray, Memory]:
        """Decide.

        Args:
            moment: What is known before the decision.
            memory: As returned by ``reset`` or by the decision before.

        Returns:
            Amounts wished for, major units, shape (B, n), and what to remember.
        """
        ...


@dataclass(frozen=True)
class Same:
    """The same amounts in every episode: a plan, such as the optimiser's for expected benefits.

    Attributes:
        plan: Major units, shape (T, n).
        name: Short name.
    """

    plan: FloatArray
    name: str = "fixed plan"

    def reset(self, game: Game, _size: int, _rng: np.random.Generator) -> Memory:
        """See :class:`Policy`."""
        if np.shape(self.plan) != game.problem.shape:
            raise InvalidInput(f"the plan has shape {np.shape(self.plan)}, the problem {game.problem.shape}")
        return None

    def act(self, moment: Moment, memory: Memory) -> tuple[FloatArray, Memory]:
        """See :class:`Policy`."""
        return np.asarray(self.plan)[moment.period], memory


@dataclass(frozen=True)
class LastYear:
    """What each line had in the year before the first period, in every period.

    Attributes:
        growth: By which amounts grow each period, as a fraction; more than nothing makes it *incremental*.
    """

    growth: float = 0.0

    @property
    def name(self) -> str:
        """See :class:`Policy`."""
        return "incremental" if self.growth else "last year"

    def reset(self, _game: Game, _size: int, _rng: np.random.Generator) -> Memory:
        """See :class:`Policy`."""
        return None

    def act(self, moment: Moment, memory: Memory) -> tuple[FloatArray, Memory]:
        """See :class:`Policy`."""
        factor = (1.0 + self.growth) ** (moment.period + 1.0)
        return moment.game.problem.lines.prior * factor[:, None], memory


@dataclass(frozen=True)
class ProRata:
    """What lines may get, cut in one proportion to the money there is; money that is kept over is planned for evenly."""

    name: str = "pro rata"

    def reset(self, _game: Game, _size: int, _rng: np.random.Generator) -> Memory:
        """See :class:`Policy`."""
        return None

    def act(self, moment: Moment, memory: Memory) -> tuple[FloatArray, Memory]:
        """See :class:`Policy`."""
        wish = moment.line_high
        total = wish.sum(axis=1)
        share = np.minimum(1.0, _even(moment) / np.where(total > 0, total, 1.0))
        return wish * share[:, None], memory


@dataclass(frozen=True)
class Shares:
    """Fixed shares of the money there is; money that is kept over is spent evenly over the periods left.

    Attributes:
        share: Of each line, not negative, shape (n,); what is missing to 1 is not spent.
        name: Short name.
    """

    share: FloatArray
    name: str = "fixed shares"

    def reset(self, game: Game, _size: int, _rng: np.random.Generator) -> Memory:
        """See :class:`Policy`."""
        share = np.asarray(self.share)
        if share.shape != (game.lines,) or not (np.isfinite(share) & (share >= 0)).all():
            raise InvalidInput(f"share gives each of {game.lines} lines a number that is not negative")
        return None

    def act(self, moment: Moment, memory: Memory) -> tuple[FloatArray, Memory]:
        """See :class:`Policy`."""
        return _even(moment)[:, None] * np.asarray(self.share), memory


@dataclass(frozen=True)
class Myopic:
    """All the money that may be spent now, where it is worth most now; or, with money that is kept over, an even part of it.

    Attributes:
        even: Whether to keep an even part for each later period; all is spent at once else.
    """

    even: bool = False

    @property
    def name(self) -> str:
        """See :class:`Policy`."""
        return "myopic, evenly" if self.even else "myopic"

    def reset(self, _game: Game, _size: int, _rng: np.random.Generator) -> Memory:
        """See :class:`Policy`."""
        return None

    def act(self, moment: Moment, memory: Memory) -> tuple[FloatArray, Memory]:
        """See :class:`Policy`."""
        game = moment.game
        total = np.clip(_even(moment), moment.least, moment.most) if self.even else moment.most
        factor = moment.multipliers
        return priced(game.nest, game.problem, moment.state, factor, total, moment.low, moment.high), memory


def _even(moment: Moment) -> FloatArray:
    """An even part of the money for each period that is left, what comes in later included, major units, shape (B,)."""
    problem = moment.game.problem
    if problem.account is None:
        return moment.most
    later = np.cumsum(np.r_[problem.budget, 0.0][::-1])[::-1][moment.period + 1]
    return np.asarray((moment.most + later) / (moment.game.periods - moment.period))
