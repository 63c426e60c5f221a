"""What an observation holds, number by number: the table from which the space, the vector and the documentation are made."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fiscus.core.arrays import FloatArray
from fiscus.env.decode import Moment
from fiscus.env.game import Game

LARGEST = 16.0
"""Ends of the box for multipliers and measurements; what lies beyond is shown as this."""


@dataclass(frozen=True, eq=False)
class Seen:
    """What the numbers of an observation are made from.

    Attributes:
        moment: Before the decision.
        measured: Latest measured benefit of each line, units of benefit, shape (B, n); zero where none is known yet.
        known: Whether there is one, shape (B,).
    """

    moment: Moment
    measured: FloatArray
    known: FloatArray


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


def fields(game: Game) -> tuple[Field, ...]:
    """The fields of a game's observations, in order.

    Money is scaled by the most that can be spent in any period, amounts of lines by the most each can get, so that most numbers
    lie between 0 and 1.
    """
    lines, money, reach = game.lines, game.money, game.reach
    every, one = f"the most that can be spent in a period, {money:,.2f}", "the most the line can get in a period"
    made = [
        Field("time", 1, 1.0, "all periods", "Part of the periods that is over.", _time),
        Field(
            "available", 1, LARGEST, every, "Most that may be spent now, with later floors and reserves kept.", _most
        ),
        Field(
            "last", lines, LARGEST, one, "Amounts of the period before.", lambda seen: seen.moment.state.spend / reach
        ),
    ]
    if game.problem.account is not None:
        made += [
            Field(
                "cash",
                1,
                LARGEST,
                every,
                "Cash proper before the period.",
                lambda s: s.moment.state.account[:, None] / money,
            ),
            Field(
                "unspent",
                1,
                LARGEST,
                every,
                "Appropriation left over.",
                lambda s: s.moment.state.unspent[:, None] / money,
            ),
        ]
    if game.problem.lines.retention.any():
        made.append(
            Field(
                "stock",
                lines,
                LARGEST,
                one,
                "Effective stock before the period.",
                lambda s: s.moment.state.stock / reach,
            )
        )
    if game.requests:
        made.append(
            Field(
                "asked",
                lines,
                LARGEST,
                one,
                "Most that is asked for this period.",
                lambda s: s.moment.line_high / reach,
            )
        )
    if game.sight.multipliers == "now":
        made.append(
            Field("multiplier", lines, LARGEST, "the curve's own benefit", "Multipliers of this period's benefits.",
                  lambda seen: seen.moment.multipliers)
        )  # fmt: skip
    if game.sight.measured:
        full = game.problem.lines.curves.value(reach)
        full = np.where(full > 0, full, 1.0)
        made += [
            Field("measured", lines, LARGEST, "the benefit of the most the line can get", "Latest measured benefits.",
                  lambda seen: seen.measured / full),
            Field("known", 1, 1.0, "yes", "Whether anything has been measured yet.", lambda seen: seen.known[:, None]),
        ]  # fmt: skip
    return tuple(made)


def observed(table: tuple[Field, ...], seen: Seen) -> npt.NDArray[np.float32]:
    """The observation vectors, shape (B, size), freshly made."""
    parts = [np.clip(field.read(seen), 0.0, field.high) for field in table]
    return np.concatenate(parts, axis=1, dtype=np.float32, casting="same_kind")


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
    return np.asarray(seen.moment.period[:, None] / seen.moment.game.periods)


def _most(seen: Seen) -> FloatArray:
    return np.asarray(seen.moment.most[:, None] / seen.moment.game.money)
