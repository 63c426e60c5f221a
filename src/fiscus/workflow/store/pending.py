"""What units of work have decided to write and have not written yet: one statement for many rows, whosesoever they are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, NamedTuple

from fiscus.errors import InvalidInput
from fiscus.workflow.ports import Account, Index, Record
from fiscus.workflow.store import rows

Row = tuple[Any, ...]
Write = Callable[[str, str, Sequence[Row]], Any]
"""``(place, statement, rows)``: executes the statement for every row; the place is one of ``failpoints.STATEMENTS``."""

NOWHERE = Index("")
"""What a stream is found by that is not there yet."""


class Change(NamedTuple):
    """A stream that is to be written.

    Attributes:
        before: What the database finds it by; ``NOWHERE`` where it is not there.
        row: Values of ``rows.STREAM``.
        after: What it is found by from now on.
    """

    before: Index
    row: Row
    after: Index

    @property
    def record(self) -> Record:
        """The stream as it will stand."""
        values = dict(zip(rows.STREAM, self.row, strict=True))
        return Record(values["stream"], values["version"], values["state"], self.after, values["updated"])


@dataclass(slots=True)
class Pending:
    """Rows by table, and streams as they stand in the end.

    Attributes:
        contents: Documents by digest.
        events: Rows of the log.
        streams: By name.
        roles: Sessions and the roles they acted in.
        money: What accounts gain, minor units.
        opened: Accounts among them that the database does not have yet.
        transfers: Rows of the ledger.
        notices: Rows of the outbox.
        commands: Answers by the command's id.
    """

    contents: dict[str, str] = field(default_factory=dict)
    events: list[Row] = field(default_factory=list)
    streams: dict[str, Change] = field(default_factory=dict)
    roles: list[Row] = field(default_factory=list)
    money: dict[Account, int] = field(default_factory=dict)
    opened: set[Account] = field(default_factory=set)
    transfers: list[Row] = field(default_factory=list)
    notices: list[Row] = field(default_factory=list)
    commands: dict[str, str] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(
            self.events
            or self.commands
            or self.contents
            or self.notices
            or self.transfers
            or self.streams
            or self.roles
        )

    def add(self, later: Pending) -> None:
        """What another wants written after this."""
        for name, change in later.streams.items():
            known = self.streams.get(name)
            self.streams[name] = Change(known.before, change.row, change.after) if known else change
        for account, amount in later.money.items():
            self.money[account] = self.money.get(account, 0) + amount
        self.opened |= later.opened
        self.contents |= later.contents
        self.commands |= later.commands
        for mine, theirs in (
            (self.events, later.events),
            (self.roles, later.roles),
            (self.transfers, later.transfers),
            (self.notices, later.notices),
        ):
            mine += theirs

    def flush(self, write: Write) -> None:
        """Write everything, what others refer to first, and forget it."""
        write("contents", rows.KEEP, list(self.contents.items()))
        write("events", rows.EVENT, self.events)
        self._streams(write)
        write("sessions", rows.ROLE, self.roles)
        self._money(write)
        write("transfers", rows.BOOK, self.transfers)
        write("outbox", rows.NOTICE, self.notices)
        write("commands", rows.REMEMBER, list(self.commands.items()))
        for each in (self.contents, self.events, self.streams, self.roles, self.transfers, self.notices, self.commands):
            each.clear()
        self.money.clear()
        self.opened.clear()

    def _streams(self, write: Write) -> None:
        new = [change.row for change in self.streams.values() if change.before is NOWHERE]
        write("streams", rows.NEW_STREAM, new)
        changed: dict[str, list[Row]] = {}
        gone: list[Row] = []
        come: list[Row] = []
        for name, change in self.streams.items():
            if change.before is not NOWHERE:
                statement, values = rows.change_of_stream(change.before, change.row, change.after)
                changed.setdefault(statement, []).append(values)
            before, after = change.before.waiting, change.after.waiting
            if before != after:
                gone += [(*place, name) for place in before if place not in after]
                come += [(*place, name) for place in after if place not in before]
        for statement, values_of in changed.items():
            write("streams", statement, values_of)
        write("waiting", rows.NO_LONGER_WAITING, gone)
        write("waiting", rows.NOW_WAITING, come)

    def _money(self, write: Write) -> None:
        """One change of each account, whatever its way there: nobody was let below nothing on it, and the database looks at the end."""
        values: dict[bool, list[Row]] = {True: [], False: []}
        for account, amount in self.money.items():
            values[account in self.opened].append((amount, *account))
        write("accounts", rows.NEW_ACCOUNT, values[True])
        write("accounts", rows.CHANGE, values[False])


LONGEST_NAME = 500
"""Bytes of what rows are found by; PostgreSQL's indexes take less than 2,704."""


def checked(row: Row) -> Row:
    """The same, if every database can keep it: with the rows of others it is written, and nobody else shall fail for it.

    Raises:
        InvalidInput: For other values than texts and integers, text with a NUL or half a character, and integers beyond 64 bits.
    """
    for value in row:
        kind = type(value)
        if kind is str:
            if not storable(value):
                raise InvalidInput(f"the store cannot keep this: {value[:60]!r} holds a NUL or half a character")
        elif kind is not int or not -(2**63) <= value < 2**63:
            raise InvalidInput(f"the store cannot keep this: {value!r} is neither a text nor an integer of 64 bits")
    return row


def storable(text: str) -> bool:
    """Whether every database can keep a text, or look for it: without NUL, and of whole characters."""
    return "\0" not in text and (text.isascii() or _whole(text))


def _whole(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


@lru_cache(maxsize=4096)
def named(name: str) -> str:
    """The same, if rows can be found by it.

    Raises:
        InvalidInput: Where it is too long, or no text that a database can keep.
    """
    if len(checked((name,))[0].encode()) > LONGEST_NAME:
        raise InvalidInput(f"the store cannot keep this: {name[:60]!r} and so on is longer than {LONGEST_NAME} bytes")
    return name
