"""What a caller is told, and how a command is followed once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from fiscus.core.money import written
from fiscus.errors import Overdrawn, Refused
from fiscus.workflow.actor import Actor
from fiscus.workflow.canonical import timestamp
from fiscus.workflow.funds.books import Key, describe
from fiscus.workflow.ports import Entry, Stamp, UnitOfWork
from fiscus.workflow.refusal import Refusal


class Answer(NamedTuple):
    """What came of a command.

    Attributes:
        stream: That it changed.
        version: Number of its last event there.
        status: Of the proposal or round; empty for others.
        events: Kinds of what happened.
        repeated: Whether the same command had been followed before: this is the answer of then.
    """

    stream: str
    version: int
    status: str
    events: tuple[str, ...]
    repeated: bool = False

    def to_json(self) -> dict[str, Any]:
        """As a store remembers it."""
        return {"stream": self.stream, "version": self.version, "status": self.status, "events": list(self.events)}


def remembered(uow: UnitOfWork, command: str) -> Answer | None:
    """What was answered before to the same command; None for a new one.

    Args:
        uow: Of the store.
        command: Its id; empty for one that nobody repeats.
    """
    before = uow.answer(command) if command else None
    return None if before is None else answer_of(before)


def answer_of(document: Mapping[str, Any]) -> Answer:
    """What a store remembered."""
    return Answer(document["stream"], document["version"], document["status"], tuple(document["events"]), repeated=True)


def stamp_of(uow: UnitOfWork, actor: Actor, at: datetime, command: str) -> Stamp:
    """Who and when, for events. Where a clock was put back, the time of the last event stands: the log never goes back."""
    return Stamp(max(timestamp(at), uow.latest()), actor.person, actor.behalf, actor.session, command)


def unavailable(error: Overdrawn, currency: str) -> Refused:
    """What a caller is told where a store found too little money: in the currency, which a store does not know."""
    account = error.account
    if account is None or not currency:
        return Refused("funds.unavailable", str(error))
    budget = describe(Key(account.book, account.period, account.fund), begins=True)
    missing = written(error.missing, currency)
    return Refused("funds.unavailable", f"{budget} has {missing} too little {account.bucket}.")


def accepted(outcome: Sequence[Entry] | Refusal) -> list[Entry]:
    """Events of a decision.

    Raises:
        Refused: Where it is none.
    """
    if isinstance(outcome, Refusal):
        raise Refused(outcome.rule, outcome.reason)
    return list(outcome)
