"""Commands to proposals."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from fiscus.errors import Overdrawn
from fiscus.workflow.actor import Actor
from fiscus.workflow.funds.books import from_data
from fiscus.workflow.ports import Entry, Notice, UnitOfWork, Written
from fiscus.workflow.proposal import commands as do
from fiscus.workflow.proposal.decide import decide
from fiscus.workflow.proposal.evolve import evolve
from fiscus.workflow.proposal.reviewing import next_due
from fiscus.workflow.proposal.spending import adjust
from fiscus.workflow.proposal.state import Proposal, index_of, to_json
from fiscus.workflow.proposal.transitions import WITH_MONEY, allowed
from fiscus.workflow.service import reading
from fiscus.workflow.service.answers import Answer, accepted, remembered, stamp_of, unavailable
from fiscus.workflow.service.moment import Moment, Office

WITH_CONTENT = (do.Draft, do.Reallocate, do.Edit)
"""Commands that bring a version of what is proposed."""


def follow(command: do.Command, uow: UnitOfWork, *, actor: Actor, at: datetime, key: str = "") -> Answer:
    """Follow a command: decide, write the events, move the money, and note whom to tell.

    Args:
        command: To a proposal.
        uow: Open transaction; the caller commits it.
        actor: Who asks.
        at: Now.
        key: Id of the command, chosen by the caller: the same key is followed once, and answered as then.

    Raises:
        Refused: Where a rule forbids it.
        Conflict: Where the store was written to in between.
    """
    before = remembered(uow, key)
    if before is not None:
        return before
    family = _Family(uow, command, actor, at, key)
    answer = family.follow()
    if key:
        uow.remember(key, answer.to_json())
    return answer


class _Loaded(NamedTuple):
    """A proposal, the number of its last event, and the text of its record."""

    proposal: Proposal | None
    version: int
    text: str | None


class _Family:
    """One command and the proposals that it touches: its own, a parent's, one that it replaces."""

    def __init__(self, uow: UnitOfWork, command: do.Command, actor: Actor, at: datetime, key: str) -> None:
        self.uow, self.command, self.actor, self.at = uow, command, actor, at
        self.stamp = stamp_of(uow, actor, at, key)
        self.office = Office(uow)

    def follow(self) -> Answer:
        """Events of the command, and of what follows from it."""
        command = self.command
        mine = self._load(command.proposal)
        context = self._context(mine.proposal)
        entries = accepted(decide(mine.proposal, command, self.actor, context))
        if isinstance(command, WITH_CONTENT):
            self.uow.keep(command.content.body)
        status = mine.proposal.status if mine.proposal else ""
        answer = self._write(mine, command.proposal, entries, type(command).__name__, status)
        if isinstance(command, do.Draft) and command.supersedes:
            self._supersede(command)
        if entries[-1].kind == "Adopted" and context.parent is not None and mine.proposal is not None:
            self._adjust(mine.proposal, context)
        return answer

    def _load(self, name: str) -> _Loaded:
        record = self.uow.load(f"proposal/{name}")
        if record is None:
            return _Loaded(None, 0, None)
        return _Loaded(reading.proposal_of(record), record.version, record.text)

    def _supersede(self, command: do.Draft) -> None:
        other = self._load(command.supersedes)
        by = do.Supersede(command.supersedes, by=command.proposal)
        entries = accepted(decide(other.proposal, by, self.actor, self._context(other.proposal)))
        status = other.proposal.status if other.proposal else ""
        self._write(other, command.supersedes, entries, "Supersede", status)

    def _adjust(self, child: Proposal, context: Moment) -> None:
        parent = self._load(child.parent)
        assert parent.proposal is not None
        entry = adjust(parent.proposal, child, context)
        self._write(parent, child.parent, [entry], "Adjust", parent.proposal.status)

    def _write(self, loaded: _Loaded, name: str, entries: Sequence[Entry], command: str, status: str) -> Answer:
        proposal, version = loaded.proposal, loaded.version
        for entry in entries:
            version += 1
            proposal = evolve(proposal, entry, self.stamp, version)
        assert proposal is not None
        if proposal.status not in allowed(status, command):
            raise RuntimeError(f"{command} led from {status!r} to {proposal.status!r}, which the table does not know")
        stream, due = f"proposal/{name}", next_due(proposal)
        written = self.uow.append(
            stream, loaded.version, self.stamp, entries, to_json(proposal), index_of(proposal, due)
        )
        reading.keep_proposal(self.uow, stream, proposal, loaded.text)
        for event in written:
            transfers = event.data.get("transfers")
            if transfers:
                self._move(from_data(transfers), event.seq, proposal.currency)
        self.uow.send(_notices(proposal, due, written))
        return Answer(stream, version, proposal.status, tuple(entry.kind for entry in entries))

    def _move(self, transfers: Any, seq: int, currency: str) -> None:
        try:
            self.uow.move(transfers, seq)
        except Overdrawn as error:  # Decisions look first; the store has the last word.
            raise unavailable(error, currency) from error

    def _context(self, proposal: Proposal | None) -> Moment:
        return Moment(self.uow, self.office, proposal, self.command, self.actor, self.at)


def _notices(proposal: Proposal, due: str, written: Sequence[Written]) -> list[Notice]:
    """What the outside is told of each event."""
    waiting = [[role, proposal.unit] for stage in proposal.open_stages for role in proposal.roles_of(stage)]
    if proposal.status in WITH_MONEY[:2]:
        waiting.append([proposal.release_role, proposal.unit])
    body = {
        "proposal": proposal.id,
        "title": proposal.title,
        "status": proposal.status,
        "owner": proposal.owner,
        "amount": proposal.total,
        "currency": proposal.currency,
        "due": due,
        "waiting": waiting,
    }
    return [
        Notice(
            f"proposal.{event.kind.lower()}", {"event": event.seq, **body, "loud": bool(event.data.get("loud", False))}
        )
        for event in written
    ]


def _named(command: type[do.Command]) -> Any:
    def run(given: do.Command, uow: UnitOfWork, *, actor: Actor, at: datetime, key: str = "") -> Answer:
        if not isinstance(given, command):
            raise TypeError(f"expected {command.__name__}, got {type(given).__name__}")
        return follow(given, uow, actor=actor, at=at, key=key)

    run.__doc__ = f"Follow ``{command.__name__}``; see ``follow``."
    return run


draft, edit, submit = _named(do.Draft), _named(do.Edit), _named(do.Submit)
approve, reject, give_back = _named(do.Approve), _named(do.Reject), _named(do.Return)
recall, escalate, break_glass = _named(do.Recall), _named(do.Escalate), _named(do.BreakGlass)
hold, resume, expire, comment = _named(do.Hold), _named(do.Resume), _named(do.Expire), _named(do.Comment)
release, commit, record_actual = _named(do.Release), _named(do.Commit), _named(do.RecordActual)
reverse, reconcile, close, reallocate = (
    _named(do.Reverse), _named(do.Reconcile), _named(do.Close), _named(do.Reallocate)
)  # fmt: skip
