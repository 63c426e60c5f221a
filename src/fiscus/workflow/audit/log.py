"""Events as bytes, and whether a run of them is unbroken."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from fiscus.errors import BrokenLog, InvalidInput
from fiscus.workflow.canonical import canonical
from fiscus.workflow.ports import Document, Stamp, Written

START = "0" * 64
"""What stands for the hash before the first event."""

FIELDS = {
    "seq": int,
    "version": int,
    "data": dict,
    **dict.fromkeys(("at", "stream", "kind", "actor", "behalf", "session", "command", "previous"), str),
}
"""Fields of an event's body, and what they are."""

_HASH = re.compile("[0-9a-f]{64}")
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")


def foreign(size: int, events: int) -> BrokenLog:
    """That a checkpoint is not one of a log.

    Args:
        size: Events at the checkpoint.
        events: Of the log, in all.
    """
    if size > events:
        return BrokenLog(
            f"the checkpoint at {size:,} events is later than the end of this log, which has {events:,}: its end was cut off, "
            "or the checkpoint is one of another log"
        )
    return BrokenLog(f"the checkpoint at {size:,} events is not one of this log: its past was changed")


def body_of(seq: int, stream: str, version: int, kind: str, stamp: Stamp, data: Document, previous: str) -> bytes:
    """An event as canonical JSON; fields as of :class:`~fiscus.workflow.ports.Written`."""
    return canonical(
        {
            "seq": seq,
            "at": stamp.at,
            "stream": stream,
            "version": version,
            "kind": kind,
            "actor": stamp.actor,
            "behalf": stamp.behalf,
            "session": stamp.session,
            "command": stamp.command,
            "data": data,
            "previous": previous,
        }
    )


def hash_of(body: bytes) -> str:
    """Of an event's body, hexadecimal."""
    return hashlib.sha256(body).hexdigest()


def written(seq: int, stream: str, version: int, kind: str, stamp: Stamp, data: Document, previous: str) -> Written:
    """An event with its body and hash."""
    body = body_of(seq, stream, version, kind, stamp, data, previous)
    return Written(seq, stream, version, kind, stamp, data, previous, body, hash_of(body))


def parse(body: bytes) -> Written:
    """An event from its body.

    Raises:
        BrokenLog: For bytes that no event is written as.
    """
    document = strict(body)
    if set(document) != set(FIELDS):
        raise BrokenLog(
            f"an event has the fields {', '.join(sorted(FIELDS))}, and this one {', '.join(sorted(document))}"
        )
    for name, kind in FIELDS.items():
        if type(document[name]) is not kind:
            raise BrokenLog(f"the field {name!r} of an event is {document[name]!r}")
    if not _HASH.fullmatch(document["previous"]) or not _TIME.fullmatch(document["at"]):
        raise BrokenLog("an event's time or the hash of the one before it is written in another form")
    return read(document, body)


def read(document: dict[str, Any], body: bytes) -> Written:
    """An event from a body that was parsed already."""
    stamp = Stamp(*(document[name] for name in ("at", "actor", "behalf", "session", "command")))
    return Written(
        document["seq"],
        document["stream"],
        document["version"],
        document["kind"],
        stamp,
        document["data"],
        document["previous"],
        body,
        hash_of(body),
    )


def strict(body: bytes) -> dict[str, Any]:
    """A JSON object, refused unless it is written in the one canonical way.

    Raises:
        BrokenLog: For anything else.
    """
    try:
        text = body.decode("utf-8")
        document = json.loads(text, parse_int=_number)
    except (ValueError, RecursionError) as error:
        raise BrokenLog(f"this is no JSON: {error}") from error
    if not isinstance(document, dict):
        raise BrokenLog("this is no JSON object")
    try:
        same = canonical(document) == body
    except (InvalidInput, RecursionError):
        same = False
    if not same:
        raise BrokenLog("this JSON is not written in the canonical way (RFC 8785)")
    return document


def _number(text: str) -> int | float:
    """A whole number; beyond 2^53 it was a float, which is written without exponent up to 10^21."""
    number = int(text)
    return number if abs(number) < 2**53 else float(text)


@dataclass(slots=True)
class Chain:
    """Events one after another, each checked against the one before.

    Attributes:
        size: How many there were.
        last: Hash of the last.
        at: Time of the last.
        versions: Number of the last event by stream.
    """

    size: int = 0
    last: str = START
    at: str = ""
    versions: dict[str, int] = field(default_factory=dict)

    def add(self, event: Written) -> None:
        """One more.

        Raises:
            BrokenLog: Where it does not follow on the one before; the message names the place.
        """
        if event.seq != self.size + 1:
            raise BrokenLog(f"after event {self.size} comes event {event.seq}: events are missing or out of order")
        if event.previous != self.last:
            raise BrokenLog(
                f"event {event.seq} does not follow on event {self.size} as it stands here: one was changed"
            )
        version = self.versions.get(event.stream, 0) + 1
        if event.version != version:
            raise BrokenLog(
                f"event {event.seq} is number {event.version} of {event.stream}, where {version} comes next"
            )
        if event.stamp.at < self.at:
            raise BrokenLog(f"event {event.seq} happened before the one before it")
        self.size, self.last, self.at = event.seq, event.hash, event.stamp.at
        self.versions[event.stream] = version


def unbroken(events: Iterable[Written]) -> Iterator[Written]:
    """The same events, checked as they pass.

    Raises:
        BrokenLog: At the first that does not follow.
    """
    chain = Chain()
    for event in events:
        chain.add(event)
        yield event
