"""Reading inside one transaction of an SQL store."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import orjson

from fiscus.workflow.audit.log import read
from fiscus.workflow.audit.merkle import Frontier
from fiscus.workflow.ports import Account, Booked, Document, Filter, Head, Notice, Record, Written
from fiscus.workflow.store import rows
from fiscus.workflow.store.filters import conditions

BATCH = 1_000
"""Rows of what is long that are read at a time."""

_ORDER = {"sqlite": "stream", "postgresql": 'stream COLLATE "C"'}
"""Names in the order of their letters' numbers, whatever language a server is set to."""


class SqlReader:
    """One moment of the store.

    Args:
        connection: Of the driver, inside a transaction.
        dialect: ``sqlite`` or ``postgresql``.
    """

    def __init__(self, connection: Any, dialect: str) -> None:
        self.connection, self.dialect = connection, dialect
        self._sqlite = dialect == "sqlite"

    def run(self, statement: str, values: Sequence[Any] = ()) -> Any:
        """A statement with ``?`` for parameters; gives a cursor."""
        if self._sqlite:
            return self.connection.execute(statement, values)
        return self.connection.execute(rows.pyformat(statement), values)

    def load(self, stream: str) -> Record | None:
        row = self.run(rows.LOAD, (stream,)).fetchone()
        return None if row is None else rows.record(row)

    def find(self, wanted: Filter) -> Sequence[Record]:
        where, values = conditions(wanted, self.dialect)
        page = f" LIMIT {wanted.limit or 2**62} OFFSET {wanted.offset}" if wanted.limit or wanted.offset else ""
        order = f" ORDER BY updated DESC, {_ORDER[self.dialect]} DESC"
        found = self.run(f"SELECT {rows.FOUND} FROM streams{where}{order}{page}", values)
        return [rows.record(row) for row in found.fetchall()]

    def places(self) -> Iterator[tuple[str, str, str]]:
        yield from self.run("SELECT role, unit, stream FROM waiting").fetchall()

    def count(self, wanted: Filter) -> int:
        where, values = conditions(wanted, self.dialect)
        return int(self.run(f"SELECT count(*) FROM streams{where}", values).fetchone()[0])

    def events(self, stream: str = "", after: int = 0, limit: int = 0) -> Iterator[Written]:
        given = 0
        only, of = (" AND stream = ?", (stream,)) if stream else ("", ())
        while not limit or given < limit:
            size = min(BATCH, limit - given) if limit else BATCH
            statement = f"SELECT seq, body FROM events WHERE seq > ?{only} ORDER BY seq LIMIT {size}"
            found = self.run(statement, (after, *of)).fetchall()
            for seq, body in found:
                after, given = seq, given + 1
                yield read(orjson.loads(body), body.encode("utf-8"))
            if len(found) < size:
                return

    def backwards(self, stream: str = "", before: int = 0) -> Iterator[Written]:
        before = before or 2**62
        only, of = (" AND stream = ?", (stream,)) if stream else ("", ())
        while True:
            statement = f"SELECT seq, body FROM events WHERE seq < ?{only} ORDER BY seq DESC LIMIT {BATCH}"
            found = self.run(statement, (before, *of)).fetchall()
            for seq, body in found:
                before = seq
                yield read(orjson.loads(body), body.encode("utf-8"))
            if len(found) < BATCH:
                return

    def content(self, digest: str) -> bytes | None:
        row = self.run(rows.CONTENT, (digest,)).fetchone()
        return None if row is None else row[0].encode("utf-8")

    def contents(self) -> Iterator[tuple[str, bytes]]:
        after = ""
        while True:
            statement = f"SELECT digest, body FROM contents WHERE digest > ? ORDER BY digest LIMIT {BATCH}"
            found = self.run(statement, (after,)).fetchall()
            for after, body in found:
                yield after, body.encode("utf-8")
            if len(found) < BATCH:
                return

    def balances(self, books: Sequence[str] = (), bucket: str = "") -> Mapping[Account, int]:
        values = (*books, bucket) if bucket else books
        return rows.balances(self.run(rows.balances_of(len(books), bool(bucket)), values).fetchall())

    def booked(self, after: int = 0, limit: int = 0) -> Iterator[Booked]:
        given = 0
        while not limit or given < limit:
            size = min(BATCH, limit - given) if limit else BATCH
            statement = (
                f"SELECT {', '.join(rows.TRANSFER)} FROM transfers WHERE number > ? ORDER BY number LIMIT {size}"
            )
            found = self.run(statement, (after,)).fetchall()
            for row in found:
                after, given = row[0], given + 1
                yield rows.booked(row)
            if len(found) < size:
                return

    def head(self) -> Head:
        size, last, frontier, _, _ = self.run(rows.CHAIN).fetchone()
        return Head(size, last, Frontier.from_text(frontier).root().hex())

    def latest(self) -> str:
        return str(self.run("SELECT at FROM chain").fetchone()[0])

    def answer(self, command: str) -> Document | None:
        row = self.run(rows.ANSWER, (command,)).fetchone()
        return None if row is None else rows.answer(row[0])

    def session_roles(self, session: str) -> frozenset[str]:
        found = self.run("SELECT role FROM sessions WHERE session = ?", (session,))
        return frozenset(row[0] for row in found.fetchall())

    def checkpoints(self) -> Sequence[Document]:
        return [orjson.loads(row[0]) for row in self.run("SELECT document FROM checkpoints ORDER BY size").fetchall()]

    def notices(self, unsent: bool = True) -> Sequence[tuple[int, Notice]]:
        where = " WHERE sent = 0" if unsent else ""
        found = self.run(f"SELECT number, topic, body FROM outbox{where} ORDER BY number").fetchall()
        return [(number, Notice(topic, orjson.loads(body))) for number, topic, body in found]
