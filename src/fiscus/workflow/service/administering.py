"""Commands to people, roles, units and delegations."""

from __future__ import annotations

from datetime import datetime

from fiscus.workflow.actor import Actor
from fiscus.workflow.identity import decide, evolve
from fiscus.workflow.identity.commands import Command
from fiscus.workflow.ports import Index, Notice, UnitOfWork
from fiscus.workflow.service import reading
from fiscus.workflow.service.answers import Answer, accepted, remembered, stamp_of

STREAM = "registry"


def administer(command: Command, uow: UnitOfWork, *, actor: Actor, at: datetime, key: str = "") -> Answer:
    """Follow a command about people; arguments and errors as of ``follow``."""
    before = remembered(uow, key)
    if before is not None:
        return before
    record = uow.load(STREAM)
    registry, version = reading.registry(uow), 0 if record is None else record.version
    entries = accepted(decide(registry, command, actor, at))
    stamp = stamp_of(uow, actor, at, key)
    for entry in entries:
        registry = evolve(registry, entry)
    written = uow.append(STREAM, version, stamp, entries, registry.to_json(), Index("registry"))
    uow.send([Notice(f"registry.{event.kind.lower()}", {"event": event.seq, **event.data}) for event in written])
    answer = Answer(STREAM, version + len(entries), "", tuple(entry.kind for entry in entries))
    if key:
        uow.remember(key, answer.to_json())
    return answer
