"""Statements and rows of the SQL stores. SQLite's and PostgreSQL's differ in the sign for a parameter alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from operator import itemgetter
from typing import Any

import orjson

from fiscus.errors import InvalidInput
from fiscus.workflow.ports import Account, Booked, Document, Index, Record, Transfer

COMMITTED = "this unit of work is committed: begin another"
LEFT = "this unit of work is over: begin another"
FAILED = "something in this unit of work failed, so nothing of it is kept: begin another"

STREAM = (
    *("version", "state", "kind", "status", "owner", "unit", "lineage", "amount", "due", "waiting"),
    *("title", "search", "updated", "stream"),
)
"""Columns of a stream, its name last: so the same row serves an INSERT and an UPDATE."""

FOUND = ", ".join(name for name in STREAM if name != "search")
"""Columns that a record is made of."""

ACCOUNT = ("book", "period", "fund", "bucket")
TRANSFER = (
    "number",
    "seq",
    *(f"{side}_{part}" for side in ("source", "target") for part in ACCOUNT),
    "amount",
    "line",
    "memo",
)

FAMILY = "SELECT stream FROM streams WHERE kind = ? AND lineage = ?"
CONTENT = "SELECT body FROM contents WHERE digest = ?"
ANSWER = "SELECT answer FROM commands WHERE id = ?"
LOAD = f"SELECT {FOUND} FROM streams WHERE stream = ?"
NEW_STREAM = f"INSERT INTO streams ({', '.join(STREAM)}) VALUES ({', '.join('?' * len(STREAM))})"
EVENT = "INSERT INTO events (seq, stream, version, body, hash) VALUES (?, ?, ?, ?, ?)"
NOTICE = "INSERT INTO outbox (topic, body, sent) VALUES (?, ?, 0)"
BOOK = f"INSERT INTO transfers ({', '.join(TRANSFER)}) VALUES ({', '.join('?' * len(TRANSFER))})"
NOW_WAITING = "INSERT INTO waiting (role, unit, stream) VALUES (?, ?, ?)"
NO_LONGER_WAITING = "DELETE FROM waiting WHERE role = ? AND unit = ? AND stream = ?"
CHANGE = "UPDATE accounts SET balance = balance + ? WHERE book = ? AND period = ? AND fund = ? AND bucket = ?"
NEW_ACCOUNT = "INSERT INTO accounts (balance, book, period, fund, bucket, hard) VALUES (?, ?, ?, ?, ?, 1)"
CONTROL = (
    "INSERT INTO accounts (book, period, fund, bucket, balance, hard) VALUES (?, ?, ?, ?, 0, ?) "
    "ON CONFLICT (book, period, fund, bucket) DO UPDATE SET hard = excluded.hard"
)
KEEP = "INSERT INTO contents (digest, body) VALUES (?, ?) ON CONFLICT DO NOTHING"
REMEMBER = "INSERT INTO commands (id, answer) VALUES (?, ?)"
ROLE = "INSERT INTO sessions (session, role) VALUES (?, ?) ON CONFLICT DO NOTHING"
CHECKPOINT = "INSERT INTO checkpoints (size, document) VALUES (?, ?)"
CHAIN = "SELECT size, hash, frontier, at, booked FROM chain"
END = "UPDATE chain SET size = ?, hash = ?, frontier = ?, at = ?, booked = ?"
CREDENTIAL = (
    "INSERT INTO credentials (person, hash) VALUES (?, ?) ON CONFLICT (person) DO UPDATE SET hash = excluded.hash"
)


@cache
def pyformat(statement: str) -> str:
    """A statement as PostgreSQL's driver wants it."""
    return statement.replace("%", "%%").replace("?", "%s")


@cache
def changed_stream(owner: bool, lineage: bool) -> tuple[str, Callable[[tuple[Any, ...]], tuple[Any, ...]]]:
    """A statement that changes a stream, and what takes its values out of those of ``STREAM``.

    SQLite writes an index anew for every column named, whether it differs or not: the two that have one are named where they differ.
    """
    names = [name for name in STREAM if (name != "owner" or owner) and (name != "lineage" or lineage)]
    changes = ", ".join(f"{name} = ?" for name in names[:-1])
    return f"UPDATE streams SET {changes} WHERE stream = ?", itemgetter(*(STREAM.index(name) for name in names))


def dump(document: Any) -> str:
    """A document as a column keeps it.

    Raises:
        InvalidInput: Where it holds what JSON cannot.
    """
    try:
        return orjson.dumps(document).decode()
    except orjson.JSONEncodeError as error:
        raise InvalidInput(f"the document cannot be written as JSON: {error}") from error


def folded(stream: str, title: str) -> str:
    """What a text is looked for in."""
    return f"{stream}\n{title}".casefold()


def new_stream(stream: str, version: int, state: Document, index: Index, updated: str) -> tuple[Any, ...]:
    """Values of ``STREAM``."""
    places = dump(index.waiting) if index.waiting else "[]"
    return (
        *(
            version,
            dump(state),
            index.kind,
            index.status,
            index.owner,
            index.unit,
            index.lineage,
            index.amount,
            index.due,
        ),
        *(places, index.title, folded(stream, index.title), updated, stream),
    )


def change_of_stream(before: Index, row: tuple[Any, ...], index: Index) -> tuple[str, tuple[Any, ...]]:
    """A statement and its values.

    Args:
        before: What the stream was found by until now.
        row: Values of ``STREAM``.
        index: What it is found by from now on.
    """
    statement, values = changed_stream(before.owner != index.owner, before.lineage != index.lineage)
    return statement, values(row)


def record(row: Sequence[Any]) -> Record:
    """A stream from columns of ``FOUND``."""
    version, state, kind, status, owner, unit, lineage, amount, due, waiting, title, updated, stream = row
    index = Index(kind, status, owner, unit, lineage, amount, due, places(waiting), title)
    return Record(stream, version, state, index, updated)


def places(text: str) -> tuple[tuple[str, str], ...]:
    """Roles and units from their column."""
    return tuple((role, unit) for role, unit in orjson.loads(text)) if text != "[]" else ()


def answer(text: str) -> Document:
    """What was answered to a command, from its column."""
    found: Document = orjson.loads(text)
    return found


@cache
def answers_to(dialect: str, commands: int) -> str:
    """A statement for what was answered to so many commands, as the driver wants it."""
    statement = f"SELECT id, answer FROM commands WHERE id IN ({', '.join('?' * commands)})"
    return statement if dialect == "sqlite" else pyformat(statement)


@cache
def held_in(books: int) -> str:
    """A statement for the accounts of so many books."""
    return f"SELECT book, period, fund, bucket, balance, hard FROM accounts WHERE book IN ({', '.join('?' * books)})"


@cache
def balances_of(books: int, bucket: bool = False) -> str:
    """A statement for the balances of so many books, of all for none; of one bucket, or of all."""
    parts = [f"book IN ({', '.join('?' * books)})"] if books else []
    parts += ["bucket = ?"] if bucket else []
    where = f" WHERE {' AND '.join(parts)}" if parts else ""
    return f"SELECT book, period, fund, bucket, balance FROM accounts{where}"


def balances(found: Sequence[Sequence[Any]]) -> dict[Account, int]:
    """Money by account, from what ``balances_of`` selects."""
    return {Account(*row[:4]): row[4] for row in found}


def transfer_row(number: int, seq: int, transfer: Transfer) -> tuple[Any, ...]:
    """Values of ``TRANSFER``."""
    return (number, seq, *transfer.source, *transfer.target, transfer.amount, transfer.line, transfer.memo)


def booked(row: Sequence[Any]) -> Booked:
    """A transfer from columns of ``TRANSFER``."""
    transfer = Transfer(Account(*row[2:6]), Account(*row[6:10]), row[10], row[11], row[12])
    return Booked(row[0], row[1], transfer)
