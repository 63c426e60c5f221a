"""Commands to proposals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from fiscus.errors import Overdrawn, Refused
from fiscus.workflow.actor import Actor
from fiscus.workflow.canonical import timestamp
from fiscus.workflow.duties.history import Act
from fiscus.workflow.funds.books import CASH, from_data
from fiscus.workflow.identity.signatures import approval_message, verify
from fiscus.workflow.ports import Account, Entry, Filter, Notice, UnitOfWork
from fiscus.workflow.proposal import commands as do
from fiscus.workflow.proposal.content import Content
from fiscus.workflow.proposal.context import Context
from fiscus.workflow.proposal.decide import decide
from fiscus.workflow.proposal.evolve import evolve
from fiscus.workflow.proposal.reviewing import next_due
from fiscus.workflow.proposal.spending import adjust
from fiscus.workflow.proposal.state import Proposal, index_of, to_json
from fiscus.workflow.proposal.transitions import LIVE, WITH_MONEY, allowed
from fiscus.workflow.service import reading
from fiscus.workflow.service.answers import Answer, accepted, remembered, stamp_of
from fiscus.workflow.service.policies import current_policy


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


@dataclass(slots=True)
class _Loaded:
    """A proposal and the number of its last event."""

    proposal: Proposal | None
    version: int


class _Family:
    """One command and the proposals that it touches: its own, a parent's, one that it replaces."""

    def __init__(self, uow: UnitOfWork, command: do.Command, actor: Actor, at: datetime, key: str) -> None:
        self.uow, self.command, self.actor, self.at = uow, command, actor, at
        self.stamp = stamp_of(uow, actor, at, key)
        self.registry = reading.registry(uow)
        self.policy = current_policy(uow)
        self.books = reading.books(uow)
        self.seq = 0

    def follow(self) -> Answer:
        """Events of the command, and of what follows from it."""
        command = self.command
        mine = self._load(command.proposal)
        context = self._context(mine.proposal)
        entries = accepted(decide(mine.proposal, command, self.actor, context))
        if isinstance(command, do.Draft | do.Reallocate | do.Edit):
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
        return _Loaded(None, 0) if record is None else _Loaded(reading.proposal_of(record), record.version)

    def _supersede(self, command: do.Draft) -> None:
        other = self._load(command.supersedes)
        by = do.Supersede(command.supersedes, by=command.proposal)
        entries = accepted(decide(other.proposal, by, self.actor, self._context(other.proposal)))
        status = other.proposal.status if other.proposal else ""
        self._write(other, command.supersedes, entries, "Supersede", status)

    def _adjust(self, child: Proposal, context: Context) -> None:
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
        stream = f"proposal/{name}"
        written = self.uow.append(
            stream, loaded.version, self.stamp, entries, to_json(proposal), index_of(proposal, next_due(proposal))
        )
        for event in written:
            transfers = from_data(event.data.get("transfers", ()))
            if transfers:
                self._move(transfers, event.seq)
        self.uow.send([_notice(proposal, event.kind, event.seq, event.data) for event in written])
        return Answer(stream, version, proposal.status, tuple(entry.kind for entry in entries))

    def _move(self, transfers: Any, seq: int) -> None:
        try:
            self.uow.move(transfers, seq)
        except Overdrawn as error:  # Decisions look first; the store has the last word.
            raise Refused("funds.unavailable", str(error)) from error

    def _context(self, proposal: Proposal | None) -> Context:
        command, uow = self.command, self.uow
        matrix = reading.matrix(uow, self.policy)
        content = reading.content(uow, proposal.content) if proposal else None
        parent, replaced = self._relatives(proposal)
        lineage = next((each.lineage for each in (proposal, parent, replaced) if each is not None), "")
        return Context(
            at=self.at,
            registry=self.registry,
            matrix=matrix,
            policy=self.policy,
            pinned=reading.matrix(uow, proposal.policy) if proposal and proposal.policy else None,
            content=content,
            history=self._history(lineage),
            rolling=self._rolling(proposal, content, matrix.rolling_days) if isinstance(command, do.Submit) else 0,
            books=self.books,
            balances=self._balances(proposal, content),
            parent=parent,
            parent_content=reading.content(uow, parent.content) if parent else None,
            replaced=replaced,
            session_roles=self._session_roles(),
            signed=self._signed(proposal),
        )

    def _relatives(self, proposal: Proposal | None) -> tuple[Proposal | None, Proposal | None]:
        command = self.command
        parent = proposal.parent if proposal else ""
        replaced = ""
        if proposal is None and isinstance(command, do.Reallocate):
            parent = command.content.parent
        if proposal is None and isinstance(command, do.Draft):
            replaced = command.supersedes
        return (
            reading.proposal(self.uow, parent) if parent else None,
            reading.proposal(self.uow, replaced) if replaced else None,
        )

    def _history(self, lineage: str) -> tuple[Act, ...]:
        if not lineage:
            return ()
        records = self.uow.find(Filter(kind="proposal", lineage=lineage))
        return tuple(act for record in records for act in reading.proposal_of(record).acts)

    def _rolling(self, proposal: Proposal | None, content: Content | None, days: int) -> int:
        """What the owner has in the works or got for the same lines, within so many days."""
        if proposal is None or content is None or not days:
            return 0
        since = timestamp(self.at - timedelta(days=days))
        lines = {item.line for item in content.items}
        amount = 0
        for record in self.uow.find(Filter(kind="proposal", owner=proposal.owner, status=LIVE)):
            other = reading.proposal_of(record)
            if other.id == proposal.id or other.submitted < since:
                continue
            items = reading.content(self.uow, other.content).items
            amount += sum(max(item.amount, 0) for item in items if item.line in lines)
        return amount

    def _balances(self, proposal: Proposal | None, content: Content | None) -> Mapping[Account, int]:
        """Money of every budget above any of the lines, those that reallocations brought in included, and cash."""
        if proposal is None or content is None or not _moves_money(self.command):
            return {}
        units = {item.unit for item in proposal.items(content).values()}
        above = {node for unit in units for node in self.registry.upwards(unit)}
        books = {key.book for key in self.books.hard if key.book in above}
        return self.uow.balances(sorted(books | ({CASH} if self.books.cash else set())))

    def _session_roles(self) -> frozenset[str]:
        if not self.actor.session or not isinstance(self.command, do.Approve):
            return frozenset()
        return self.uow.session_roles(self.actor.session)

    def _signed(self, proposal: Proposal | None) -> bool:
        command, actor = self.command, self.actor
        if proposal is None or not isinstance(command, do.Approve) or not command.signature:
            return False
        message = approval_message(proposal.id, command.hash, actor.person, actor.behalf)
        return any(verify(key, message, command.signature) for key in self.registry.keys_of(actor.person, self.at))


def _moves_money(command: do.Command) -> bool:
    return not isinstance(command, do.Draft | do.Edit | do.Comment | do.Hold | do.Resume | do.Escalate | do.Recall)


def _notice(proposal: Proposal, kind: str, seq: int, data: Mapping[str, Any]) -> Notice:
    waiting = [(role, proposal.unit) for stage in proposal.open_stages for role in proposal.roles_of(stage)]
    if proposal.status in WITH_MONEY[:2]:
        waiting.append((proposal.release_role, proposal.unit))
    body = {
        "event": seq,
        "proposal": proposal.id,
        "title": proposal.title,
        "status": proposal.status,
        "owner": proposal.owner,
        "amount": proposal.total,
        "currency": proposal.currency,
        "due": next_due(proposal),
        "waiting": [list(place) for place in waiting],
        "loud": bool(data.get("loud", False)),
    }
    return Notice(f"proposal.{kind.lower()}", body)


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
