"""Commands to rounds."""

from __future__ import annotations

from datetime import datetime

from fiscus.errors import Refused
from fiscus.workflow.actor import Actor
from fiscus.workflow.ports import Notice, Reader, UnitOfWork
from fiscus.workflow.rounds import commands as do
from fiscus.workflow.rounds import decide, evolve
from fiscus.workflow.rounds.state import NEXT, Round, from_json, index_of, to_json
from fiscus.workflow.service import reading
from fiscus.workflow.service.answers import Answer, accepted, remembered, stamp_of


def lead(command: do.Command, uow: UnitOfWork, *, actor: Actor, at: datetime, key: str = "") -> Answer:
    """Follow a command to a round; arguments and errors as of ``follow``."""
    before = remembered(uow, key)
    if before is not None:
        return before
    stream = f"round/{command.round}"
    record = uow.load(stream)
    made, version = (None, 0) if record is None else (from_json(record.state), record.version)
    entries = accepted(decide(made, command, actor, at, reading.registry(uow)))
    stamp, status = stamp_of(uow, actor, at, key), made.status if made else ""
    for entry in entries:
        made = evolve(made, entry, stamp)
    assert made is not None
    if made.status != NEXT[status, type(command).__name__]:
        raise RuntimeError(f"{type(command).__name__} led a round from {status!r} to {made.status!r}")
    written = uow.append(stream, version, stamp, entries, to_json(made), index_of(made))
    body = {"round": made.id, "title": made.title, "status": made.status, "missing": list(made.missing)}
    uow.send([Notice(f"round.{event.kind.lower()}", {"event": event.seq, **body}) for event in written])
    answer = Answer(stream, version + len(entries), made.status, tuple(entry.kind for entry in entries))
    if key:
        uow.remember(key, answer.to_json())
    return answer


def planning_round(reader: Reader, name: str) -> Round:
    """A round by its id.

    Raises:
        Refused: Where there is none.
    """
    record = reader.load(f"round/{name}")
    if record is None:
        raise Refused("transition", f"There is no round {name!r}.")
    return from_json(record.state)
