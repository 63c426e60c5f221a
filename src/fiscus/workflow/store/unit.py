"""Reading and writing inside one transaction of an SQL store."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any

from fiscus.errors import Conflict, FiscusError, Overdrawn
from fiscus.workflow.audit.log import hash_of, read, written
from fiscus.workflow.audit.merkle import Frontier
from fiscus.workflow.ports import (
    Account,
    Booked,
    Document,
    Entry,
    Filter,
    Head,
    Index,
    Notice,
    Record,
    Stamp,
    Transfer,
    Written,
)
from fiscus.workflow.store.failpoints import reach
from fiscus.workflow.store.filters import conditions
from fiscus.workflow.store.money import changes, overdrawn

_NAMED = re.compile(r"(?<!:):(\w+)")

_STREAM = "stream, version, state, kind, status, owner, unit, lineage, amount, due, waiting, title, updated"
_SIDES = tuple(f"{side}_{part}" for side in ("source", "target") for part in ("book", "period", "fund", "bucket"))
_TRANSFER = ("number", "seq", *_SIDES, "amount", "line", "memo")
BATCH = 1_000
"""Events read at a time."""


@cache
def _pyformat(statement: str) -> str:
    """A statement with named parameters as PostgreSQL's driver wants it."""
    return _NAMED.sub(r"%(\1)s", statement.replace("%", "%%"))


def _dump(document: Any) -> str:
    return json.dumps(document, separators=(",", ":"), ensure_ascii=False)


class SqlReader:
    """One moment of the store.

    Args:
        connection: Of the driver, inside a transaction.
        dialect: ``sqlite`` or ``postgresql``.
    """

    def __init__(self, connection: Any, dialect: str) -> None:
        self.connection, self.dialect = connection, dialect

    def run(self, statement: str, values: Mapping[str, Any] | None = None) -> Any:
        """A statement with named parameters; gives a cursor."""
        if self.dialect == "sqlite":
            return self.connection.execute(statement, values or {})
        return self.connection.execute(_pyformat(statement) if values is not None else statement, values)

    def run_many(self, statement: str, rows: Sequence[Mapping[str, Any]]) -> None:
        """A statement once for each row."""
        if self.dialect == "sqlite":
            self.connection.executemany(statement, rows)
        else:
            with self.connection.cursor() as cursor:
                cursor.executemany(_pyformat(statement), rows)

    def load(self, stream: str) -> Record | None:
        row = self.run(f"SELECT {_STREAM} FROM streams WHERE stream = :stream", {"stream": stream}).fetchone()
        return None if row is None else _record(row)

    def find(self, wanted: Filter) -> Sequence[Record]:
        where, values = conditions(wanted, self.dialect)
        page = ""
        if wanted.limit or wanted.offset:
            page = f" LIMIT {wanted.limit or 2**62} OFFSET {wanted.offset}"
        order = " ORDER BY updated DESC, stream DESC"
        return [
            _record(row) for row in self.run(f"SELECT {_STREAM} FROM streams{where}{order}{page}", values).fetchall()
        ]

    def count(self, wanted: Filter) -> int:
        where, values = conditions(wanted, self.dialect)
        return int(self.run(f"SELECT count(*) FROM streams{where}", values).fetchone()[0])

    def events(self, stream: str = "", after: int = 0, limit: int = 0) -> Iterator[Written]:
        given = 0
        only = " AND stream = :stream" if stream else ""
        while not limit or given < limit:
            size = min(BATCH, limit - given) if limit else BATCH
            rows = self.run(
                f"SELECT seq, body FROM events WHERE seq > :after{only} ORDER BY seq LIMIT {size}",
                {"after": after, "stream": stream} if stream else {"after": after},
            ).fetchall()
            for seq, body in rows:
                after, given = int(seq), given + 1
                yield read(json.loads(body), body.encode("utf-8"))
            if len(rows) < size:
                return

    def content(self, digest: str) -> bytes | None:
        row = self.run("SELECT body FROM contents WHERE digest = :digest", {"digest": digest}).fetchone()
        return None if row is None else row[0].encode("utf-8")

    def contents(self) -> Iterator[tuple[str, bytes]]:
        for (digest,) in self.run("SELECT digest FROM contents ORDER BY digest").fetchall():
            body = self.content(digest)
            if body is not None:
                yield digest, body

    def balances(self, books: Sequence[str] = ()) -> Mapping[Account, int]:
        names = {f"b{number}": book for number, book in enumerate(books)}
        where = f" WHERE book IN ({', '.join(f':{name}' for name in names)})" if names else ""
        rows = self.run(f"SELECT book, period, fund, bucket, balance FROM accounts{where}", names).fetchall()
        return {Account(*row[:4]): int(row[4]) for row in rows}

    def booked(self, after: int = 0, limit: int = 0) -> Iterator[Booked]:
        size = f" LIMIT {limit}" if limit else ""
        rows = self.run(
            f"SELECT {', '.join(_TRANSFER)} FROM transfers WHERE number > :after ORDER BY number{size}",
            {"after": after},
        ).fetchall()
        for row in rows:
            transfer = Transfer(Account(*row[2:6]), Account(*row[6:10]), int(row[10]), row[11], row[12])
            yield Booked(int(row[0]), int(row[1]), transfer)

    def head(self) -> Head:
        size, last, frontier = self.run("SELECT size, hash, frontier FROM chain").fetchone()
        return Head(int(size), last, Frontier.from_text(frontier).root().hex())

    def latest(self) -> str:
        return str(self.run("SELECT at FROM chain").fetchone()[0])

    def answer(self, command: str) -> Document | None:
        row = self.run("SELECT answer FROM commands WHERE id = :id", {"id": command}).fetchone()
        return None if row is None else json.loads(row[0])

    def session_roles(self, session: str) -> frozenset[str]:
        rows = self.run("SELECT role FROM sessions WHERE session = :session", {"session": session}).fetchall()
        return frozenset(row[0] for row in rows)

    def checkpoints(self) -> Sequence[Document]:
        return [json.loads(row[0]) for row in self.run("SELECT document FROM checkpoints ORDER BY size").fetchall()]

    def notices(self, unsent: bool = True) -> Sequence[tuple[int, Notice]]:
        where = " WHERE sent = 0" if unsent else ""
        rows = self.run(f"SELECT number, topic, body FROM outbox{where} ORDER BY number").fetchall()
        return [(int(number), Notice(topic, json.loads(body))) for number, topic, body in rows]


def _record(row: Sequence[Any]) -> Record:
    stream, version, state, kind, status, owner, unit, lineage, amount, due, waiting, title, updated = row
    places = tuple((role, place) for role, place in json.loads(waiting))
    index = Index(kind, status, owner, unit, lineage, int(amount), due, places, title)
    return Record(stream, int(version), json.loads(state), index, updated)


class SqlUnit(SqlReader):
    """A transaction that writes. The end of the log is read once and written once, at the commit."""

    def __init__(self, connection: Any, dialect: str) -> None:
        super().__init__(connection, dialect)
        self.ended = False
        self._size, self._hash, self._frontier, self._at, self._booked = 0, "", Frontier(), "", 0
        self._changed = False

    def lock(self) -> None:
        """Become the only writer."""
        alone = "" if self.dialect == "sqlite" else " FOR UPDATE"
        size, last, frontier, at, booked = self.run(
            f"SELECT size, hash, frontier, at, booked FROM chain{alone}"
        ).fetchone()
        self._size, self._hash, self._at, self._booked = int(size), last, at, int(booked)
        self._frontier = Frontier.from_text(frontier)

    def head(self) -> Head:
        return Head(self._size, self._hash, self._frontier.root().hex())

    def latest(self) -> str:
        return self._at

    def _write(self, place: str, statement: str, rows: Sequence[Mapping[str, Any]]) -> None:
        reach(f"before.{place}")
        if len(rows) == 1:
            self.run(statement, rows[0])
        elif rows:
            self.run_many(statement, rows)
        reach(f"after.{place}")

    def append(
        self, stream: str, expected: int, stamp: Stamp, entries: Sequence[Entry], state: Document, index: Index
    ) -> tuple[Written, ...]:
        before = self._waited(stream, expected)
        made = self._events(stream, expected, stamp, entries)
        self._write(
            "events",
            "INSERT INTO events (seq, stream, version, body, hash) VALUES (:seq, :stream, :version, :body, :hash) ",
            [
                {"seq": e.seq, "stream": stream, "version": e.version, "body": e.body.decode("utf-8"), "hash": e.hash}
                for e in made
            ],
        )
        self._stream(stream, expected, made[-1].version, stamp, state, index)
        if before != index.waiting:
            self._waiting(stream, index)
        roles = {str(entry.data["role"]) for entry in entries if "role" in entry.data} if stamp.session else set()
        for role in sorted(roles):
            self.run(
                "INSERT INTO sessions (session, role) VALUES (:session, :role) ON CONFLICT DO NOTHING",
                {"session": stamp.session, "role": role},
            )
        return made

    def _events(self, stream: str, expected: int, stamp: Stamp, entries: Sequence[Entry]) -> tuple[Written, ...]:
        made = []
        for position, entry in enumerate(entries, start=1):
            event = written(self._size + 1, stream, expected + position, entry.kind, stamp, entry.data, self._hash)
            self._frontier.append(event.body)
            self._size, self._hash, self._at = event.seq, event.hash, stamp.at
            made.append(event)
        self._changed = True
        return tuple(made)

    def _waited(self, stream: str, expected: int) -> tuple[tuple[str, str], ...]:
        """What a stream waited for before; refused where it moved on."""
        row = self.run("SELECT version, waiting FROM streams WHERE stream = :stream", {"stream": stream}).fetchone()
        there = 0 if row is None else int(row[0])
        if there != expected:
            raise Conflict(f"{stream} is at {there}, not at {expected} any more: look again and decide again.")
        return () if row is None else tuple((role, unit) for role, unit in json.loads(row[1]))

    def _stream(self, stream: str, expected: int, version: int, stamp: Stamp, state: Document, index: Index) -> None:
        values = {
            "stream": stream,
            "version": version,
            "state": _dump(state),
            "kind": index.kind,
            "status": index.status,
            "owner": index.owner,
            "unit": index.unit,
            "lineage": index.lineage,
            "amount": index.amount,
            "due": index.due,
            "waiting": _dump(index.waiting),
            "title": index.title,
            "updated": stamp.at,
        }
        if not expected:
            names = ", ".join(f":{name}" for name in values)
            statement = f"INSERT INTO streams ({', '.join(values)}) VALUES ({names})"
        else:
            sets = ", ".join(f"{name} = :{name}" for name in values if name != "stream")
            statement = f"UPDATE streams SET {sets} WHERE stream = :stream"
        self._write("streams", statement, [values])

    def _waiting(self, stream: str, index: Index) -> None:
        reach("before.waiting")
        self.run("DELETE FROM waiting WHERE stream = :stream", {"stream": stream})
        self.run_many(
            "INSERT INTO waiting (stream, role, unit) VALUES (:stream, :role, :unit)",
            [{"stream": stream, "role": role, "unit": unit} for role, unit in index.waiting],
        )
        reach("after.waiting")

    def keep(self, body: bytes) -> str:
        digest = hash_of(body)
        self._write(
            "contents",
            "INSERT INTO contents (digest, body) VALUES (:digest, :body) ON CONFLICT DO NOTHING",
            [{"digest": digest, "body": body.decode("utf-8")}],
        )
        return digest

    def control(self, account: Account, hard: bool) -> None:
        self.run(
            "INSERT INTO accounts (book, period, fund, bucket, balance, hard) VALUES (:book, :period, :fund, :bucket, 0, :hard) "
            "ON CONFLICT (book, period, fund, bucket) DO UPDATE SET hard = excluded.hard",
            {**_account(account), "hard": int(hard)},
        )

    def move(self, transfers: Sequence[Transfer], seq: int) -> None:
        changed = changes(transfers)
        self._write(
            "accounts",
            "INSERT INTO accounts (book, period, fund, bucket, balance, hard) VALUES (:book, :period, :fund, :bucket, 0, 1) "
            "ON CONFLICT DO NOTHING",
            [_account(account) for account, _ in changed],
        )
        for account, change in changed:
            try:
                self.run(
                    "UPDATE accounts SET balance = balance + :change WHERE book = :book AND period = :period "
                    "AND fund = :fund AND bucket = :bucket",
                    {**_account(account), "change": change},
                )
            except Exception as error:
                raise self._told(error, account, change) from error
        rows = []
        for each in transfers:
            self._booked += 1
            sides = (each.source, each.target)
            places = [part for side in sides for part in (side.book, side.period, side.fund, side.bucket)]
            row = (self._booked, seq, *places, each.amount, each.line, each.memo)
            rows.append(dict(zip(_TRANSFER, row, strict=True)))
        names = ", ".join(f":{name}" for name in _TRANSFER)
        self._write("transfers", f"INSERT INTO transfers ({', '.join(_TRANSFER)}) VALUES ({names})", rows)
        self._changed = True

    def _told(self, error: Exception, account: Account, change: int) -> Exception:
        """The database's refusal in words; any other error as it is."""
        if "covered" not in str(error):
            return error
        if self.dialect == "sqlite":
            row = self.run(
                "SELECT balance FROM accounts WHERE book = :book AND period = :period AND fund = :fund AND bucket = :bucket",
                _account(account),
            ).fetchone()
            return overdrawn(account, int(row[0]) + change)
        return Overdrawn(f"{str(overdrawn(account, change)).partition(' has ')[0]} has too little {account.bucket}.")

    def remember(self, command: str, answer: Document) -> None:
        statement = "INSERT INTO commands (id, answer) VALUES (:id, :answer) ON CONFLICT DO NOTHING"
        reach("before.commands")
        if self.run(statement, {"id": command, "answer": _dump(answer)}).rowcount != 1:
            raise Conflict(f"The command {command} was followed before.")
        reach("after.commands")

    def send(self, notices: Sequence[Notice]) -> None:
        self._write(
            "outbox",
            "INSERT INTO outbox (topic, body, sent) VALUES (:topic, :body, 0)",
            [{"topic": notice.topic, "body": _dump(notice.body)} for notice in notices],
        )

    def sent(self, numbers: Sequence[int]) -> None:
        self.run_many("UPDATE outbox SET sent = 1 WHERE number = :number", [{"number": number} for number in numbers])

    def checkpoint(self, document: Document) -> None:
        self.run(
            "INSERT INTO checkpoints (size, document) VALUES (:size, :document)",
            {"size": document["size"], "document": _dump(document)},
        )

    def commit(self) -> None:
        if self.ended:
            raise FiscusError("this unit of work is over")
        if self._changed:
            self._write(
                "chain",
                "UPDATE chain SET size = :size, hash = :hash, frontier = :frontier, at = :at, booked = :booked",
                [
                    {
                        "size": self._size,
                        "hash": self._hash,
                        "frontier": self._frontier.to_text(),
                        "at": self._at,
                        "booked": self._booked,
                    }
                ],
            )
        reach("before.commit")
        self.run("COMMIT")
        self.ended = True
        reach("after.commit")


def _account(account: Account) -> dict[str, Any]:
    return {"book": account.book, "period": account.period, "fund": account.fund, "bucket": account.bucket}
