"""What an observation holds, number by number: the table from which the space, the vector and the documentation are made."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from fiscus.core.arrays import BoolArray, FloatArray, IntArray
from fiscus.env.decode import Moment
from fiscus.env.game import Game
from fiscus.errors import InvalidInput

LARGEST = 16.0
"""Ends of the box for multipliers and measurements; what lies beyond is shown as this."""


@dataclass(frozen=True, eq=False)
class Seen:
    """What the numbers of an observation are made from.

    Attributes:
        moment: Before the decision.
        period: Position of the period about to be decided, T after the last, shape (B,).
        measurements: Measured benefits of all periods, of which the delay hides the latest, units of benefit, shape (B, T, n); without
            meaning where nothing is measured.
        spends: Amounts so far, zero from the present period on, major units, shape (B, T, n).
        measured: Latest measured benefit of each line, units of benefit, shape (B, n); zero where none is known yet.
        known: Whether there is one, shape (B,).
        amount: Amounts if the period closed now, where projects are chosen one by one, major units, shape (B, n).
        chosen: Lines chosen this period, shape (B, n).
        open: Lines that may be chosen, shape (B, n).
    """

    moment: Moment
    period: IntArray
    measurements: FloatArray
    spends: FloatArray
    measured: FloatArray
    known: FloatArray
    amount: FloatArray | None = None
    chosen: BoolArray | None = None
    open: BoolArray | None = None

    @classmethod
    def of(cls, moment: Moment, period: IntArray | None = None) -> Seen:
        """What follows from a moment.

        Args:
            moment: Before the decision.
            period: Position of the period about to be decided, T after the last, shape (B,); the moment's own when not given.
        """
        period = moment.period if period is None else period
        shown, count = moment.measurements, len(period)
        if shown is None:
            return cls(moment, period, moment.spends, moment.spends, np.zeros((count, 0)), np.zeros(count))
        latest = period - 1 - moment.game.sight.delay
        known = (latest >= 0).astype(np.float64)
        measured = shown[np.arange(count), np.maximum(latest, 0)] * known[:, None]
        return cls(moment, period, shown, moment.spends, measured, known)


@dataclass(frozen=True, eq=False)
class Field:
    """Some numbers of an observation that mean the same.

    Attributes:
        name: Short name, the key of the Dict view.
        size: How many numbers.
        high: Largest; the smallest is 0.
        unit: What 1 stands for.
        meaning: For people.
        read: The numbers at a moment, shape (B, size).
    """

    name: str
    size: int
    high: float
    unit: str
    meaning: str
    read: Callable[[Seen], FloatArray]


def fields(game: Game, *, choosing: bool = False) -> tuple[Field, ...]:
    """The fields of a game's observations, in order.

    Money is scaled by the most that can be spent in any period, amounts of lines by the most each can get, so that most numbers
    lie between 0 and 1.

    Args:
        game: What is played.
        choosing: Whether projects are chosen one by one.
    """
    lines = game.lines
    every, one = f"the most that can be spent in a period, {game.money:,.2f}", "the most the line can get in a period"
    made = [
        Field("time", 1, 1.0, "all periods", "Part of the periods that is over.", _time),
        Field(
            "available", 1, LARGEST, every, "Most that may be spent now, with later floors and reserves kept.", _most
        ),
        Field("last", lines, LARGEST, one, "Amounts of the period before.", _last),
    ]
    if game.problem.account is not None:
        made += [
            Field("cash", 1, LARGEST, every, "Cash proper before the period.", _cash),
            Field("unspent", 1, LARGEST, every, "Appropriation left over.", _unspent),
        ]
    if game.problem.lines.retention.any():
        made.append(Field("stock", lines, LARGEST, one, "Effective stock before the period.", _stock))
    if game.requests:
        made.append(Field("asked", lines, LARGEST, one, "Most that is asked for this period.", _asked))
    if game.sight.multipliers == "now":
        what = "Multipliers of this period's benefits."
        made.append(Field("multiplier", lines, LARGEST, "the curve's own benefit", what, _multiplier))
    if game.sight.measured:
        full = "the benefit of the most the line can get"
        made += [
            Field("measured", lines, LARGEST, full, "Latest measured benefits.", _measured),
            Field("known", 1, 1.0, "yes", "Whether anything has been measured yet.", _known),
        ]
    if choosing:
        made += [
            Field("amount", lines, LARGEST, one, "Amounts if the period closed now.", _amount),
            Field("chosen", lines, 1.0, "yes", "Lines chosen this period.", _chosen),
            Field("open", lines, 1.0, "yes", "Lines that may be chosen.", _open),
        ]
    return tuple(made)


def observed(table: tuple[Field, ...], seen: Seen) -> npt.NDArray[np.float32]:
    """The observation vectors, shape (B, size), freshly made."""
    vector = np.concatenate([field.read(seen) for field in table], axis=1)
    np.minimum(vector, _highs(table), out=vector)
    np.maximum(vector, 0.0, out=vector)
    return vector.astype(np.float32)


@lru_cache
def _highs(table: tuple[Field, ...]) -> FloatArray:
    return np.repeat([field.high for field in table], [field.size for field in table])


def slices(table: tuple[Field, ...]) -> dict[str, slice]:
    """Where each field lies in the vector."""
    ends = np.cumsum([0, *(field.size for field in table)]).tolist()
    return {field.name: slice(first, last) for field, first, last in zip(table, ends[:-1], ends[1:], strict=True)}


def documented(table: tuple[Field, ...]) -> str:
    """The table of fields for people, as Markdown."""
    rows = ["| position | field | from 0 to | 1 stands for | meaning |", "|---|---|---|---|---|"]
    for field, place in zip(table, slices(table).values(), strict=True):
        where = f"{place.start}" if field.size == 1 else f"{place.start}..{place.stop - 1}"
        rows.append(f"| {where} | {field.name} | {field.high:g} | {field.unit} | {field.meaning} |")
    return "\n".join(rows)


def _time(seen: Seen) -> FloatArray:
    return np.asarray(seen.period[:, None] / seen.moment.game.periods)


def _most(seen: Seen) -> FloatArray:
    return np.asarray(seen.moment.most[:, None] / seen.moment.game.money)


def _last(seen: Seen) -> FloatArray:
    return np.asarray(seen.moment.state.spend / seen.moment.game.reach)


def _cash(seen: Seen) -> FloatArray:
    return np.asarray(seen.moment.state.account[:, None] / seen.moment.game.money)


def _unspent(seen: Seen) -> FloatArray:
    return np.asarray(seen.moment.state.unspent[:, None] / seen.moment.game.money)


def _stock(seen: Seen) -> FloatArray:
    return np.asarray(seen.moment.state.stock / seen.moment.game.reach)


def _asked(seen: Seen) -> FloatArray:
    return np.asarray(seen.moment.line_high / seen.moment.game.reach)


def _multiplier(seen: Seen) -> FloatArray:
    return seen.moment.multipliers


def _measured(seen: Seen) -> FloatArray:
    return np.asarray(seen.measured / seen.moment.game.full_benefit)


def _known(seen: Seen) -> FloatArray:
    return seen.known[:, None]


def _amount(seen: Seen) -> FloatArray:
    return np.asarray(_there(seen.amount) / seen.moment.game.reach)


def _chosen(seen: Seen) -> FloatArray:
    return _there(seen.chosen).astype(np.float64)


def _open(seen: Seen) -> FloatArray:
    return _there(seen.open).astype(np.float64)


def _there(array: npt.NDArray[Any] | None) -> npt.NDArray[Any]:
    if array is None:
        raise InvalidInput("this field is for environments in which projects are chosen")
    return array
