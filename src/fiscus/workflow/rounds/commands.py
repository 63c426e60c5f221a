"""What people ask of a round. Money is in minor units."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Ask:
    """Money wanted for a line in a period.

    Attributes:
        line: Its id.
        period: Of the round.
        fund: Of the round.
        amount: Minor units.
        title: For people.
        justification: Why.
    """

    line: str
    period: str
    fund: str
    amount: int
    title: str = ""
    justification: str = ""


@dataclass(frozen=True, slots=True)
class Command:
    """Of one round.

    Attributes:
        round: Its id.
    """

    round: str


@dataclass(frozen=True, slots=True)
class Plan(Command):
    """Begin one: what there is to give by period and fund, which units are asked, and until when."""

    title: str
    currency: str
    funds: Mapping[str, Mapping[str, int]]
    units: tuple[str, ...]
    deadline: datetime


@dataclass(frozen=True, slots=True)
class Open(Command):
    """Let units ask."""


@dataclass(frozen=True, slots=True)
class Answer(Command):
    """What a unit asks for, in place of what it asked for before; nothing at all is an answer too."""

    unit: str
    asks: tuple[Ask, ...]


@dataclass(frozen=True, slots=True)
class SetTarget(Command):
    """What a unit should keep to in a period, from above."""

    unit: str
    period: str
    amount: int


@dataclass(frozen=True, slots=True)
class Extend(Command):
    """Give more time."""

    deadline: datetime


@dataclass(frozen=True, slots=True)
class Freeze(Command):
    """No more answers; before everyone answered it takes the deadline or a reason."""

    reason: str = ""


@dataclass(frozen=True, slots=True)
class Reopen(Command):
    """Let units answer again; a run that was recorded counts no more."""

    reason: str


@dataclass(frozen=True, slots=True)
class RecordRun(Command):
    """A plan was made from the frozen asks.

    Attributes:
        problem: Digest of its problem.
        asks: Digest of the asks in it.
        allocated: Minor units that it gives, by period and fund.
    """

    problem: str
    asks: str
    allocated: Mapping[str, Mapping[str, int]]


@dataclass(frozen=True, slots=True)
class Propose(Command):
    """The plan became a proposal."""

    proposal: str
    problem: str


@dataclass(frozen=True, slots=True)
class Close(Command):
    """It is over."""


@dataclass(frozen=True, slots=True)
class Cancel(Command):
    """It leads nowhere."""

    reason: str
