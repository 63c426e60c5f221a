"""Writing inside one transaction of an SQL store."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from fiscus.errors import Conflict, FiscusError
from fiscus.workflow.audit.log import hash_of, written
from fiscus.workflow.ports import Account, Document, Entry, Head, Index, Notice, Record, Stamp, Transfer, Written
from fiscus.workflow.store import rows
from fiscus.workflow.store.failpoints import reach
from fiscus.workflow.store.money import changes, overdrawn
from fiscus.workflow.store.reading import SqlReader
from fiscus.workflow.store.rows import COMMITTED, FAILED, LEFT
from fiscus.workflow.store.turns import Shared, Turns

NOWHERE = Index("")
"""What a stream is found by that is not there yet."""

_FAILED_BALANCE = re.compile(r", (-\d+), 1\)\.?$")
"""The row that PostgreSQL refused, at its end: balance, and that the account is hard."""


class SqlUnit(SqlReader):
    """One writer's turn in a transaction. The end of the log is read once and written once for all who share the transaction.

    Whoever catches what a write raised cannot commit the rest: half of a decision is none.

    Args:
        turns: Of the writers; this one's has come.
        shared: The transaction.
        dialect: ``sqlite`` or ``postgresql``.
    """

    def __init__(self, turns: Turns, shared: Shared, dialect: str) -> None:
        super().__init__(shared.connection, dialect)
        self._turns, self._shared, self._end = turns, shared, shared.end
        self._saved = shared.end.copy()
        self._streams: set[str] = set()
        self._wrote = False
        self._over = ""

    def head(self) -> Head:
        return Head(self._end.size, self._end.hash, self._end.frontier.root().hex())

    def latest(self) -> str:
        return self._end.at

    def load(self, stream: str) -> Record | None:
        known = self._end.records
        if stream not in known:
            self._end.note(stream, super().load(stream))
        return known[stream]

    def append(
        self, stream: str, expected: int, stamp: Stamp, entries: Sequence[Entry], state: Document, index: Index
    ) -> tuple[Written, ...]:
        record = self.load(stream)  # Nobody else can have changed it since: we hold the lock.
        version, before = (record.version, record.index) if record else (0, NOWHERE)
        if version != expected:
            raise self._spoilt(
                Conflict(f"{stream} is at {version}, not at {expected} any more: look again and decide again.")
            )
        made = self._events(stream, expected, stamp, entries)
        self._insert("events", ("seq", "stream", "version", "body", "hash"), [_event(each) for each in made])
        index = replace(index, waiting=tuple(dict.fromkeys(index.waiting))) if len(index.waiting) > 1 else index
        row = rows.new_stream(stream, made[-1].version, state, index, stamp.at)
        self._write("streams", *(rows.change_of_stream(before, row, index) if expected else (rows.NEW_STREAM, row)))
        self._end.note(stream, Record(stream, made[-1].version, row[1], index, stamp.at))
        if index.waiting != before.waiting:
            self._waiting(stream, before.waiting, index.waiting)
        if stamp.session:
            for role in sorted({str(entry.data["role"]) for entry in entries if "role" in entry.data}):
                self._write("sessions", rows.ROLE, (stamp.session, role))
        return made

    def _events(self, stream: str, expected: int, stamp: Stamp, entries: Sequence[Entry]) -> tuple[Written, ...]:
        made, end = [], self._end
        self._streams.add(stream)
        for position, entry in enumerate(entries, start=1):
            event = written(end.size + 1, stream, expected + position, entry.kind, stamp, entry.data, end.hash)
            end.frontier.append(event.body)
            end.size, end.hash, end.at = event.seq, event.hash, stamp.at
            made.append(event)
        end.changed = True
        return tuple(made)

    def _waiting(self, stream: str, before: Sequence[tuple[str, str]], after: Sequence[tuple[str, str]]) -> None:
        for place in before:
            if place not in after:
                self._write("waiting", rows.NO_LONGER_WAITING, (*place, stream))
        self._insert("waiting", rows.WAITING, [(*place, stream) for place in after if place not in before])

    def keep(self, body: bytes) -> str:
        digest = hash_of(body)
        self._write("contents", rows.KEEP, (digest, body.decode("utf-8")))
        return digest

    def control(self, account: Account, hard: bool) -> None:
        try:
            self._write("control", rows.CONTROL, (*rows.account_row(account), int(hard)))
        except Exception as error:
            raise self._told(error, account, 0) from error

    def move(self, transfers: Sequence[Transfer], seq: int) -> None:
        for account, change in changes(transfers):
            place = rows.account_row(account)
            try:
                if self._write("accounts", rows.CHANGE, (change, *place)).rowcount == 0:
                    self._write("accounts", rows.NEW_ACCOUNT, (change, *place))
            except Exception as error:
                raise self._told(error, account, change) from error
        first = self._end.booked + 1
        numbered = [rows.transfer_row(number, seq, each) for number, each in enumerate(transfers, first)]
        self._insert("transfers", rows.TRANSFER, numbered)
        self._end.booked += len(numbered)
        self._end.changed = True

    def _told(self, error: Exception, account: Account, change: int) -> Exception:
        """The database's refusal in words; any other error as it is."""
        if "ck_accounts_covered" not in str(error):
            return error
        if self._sqlite:
            row = self.run(rows.BALANCE, rows.account_row(account)).fetchone()
            return overdrawn(account, change + (row[0] if row else 0))
        words = getattr(getattr(error, "diag", None), "message_detail", None)
        detail = _FAILED_BALANCE.search(words or "")
        return overdrawn(account, int(detail[1]) if detail else None)

    def remember(self, command: str, answer: Document) -> None:
        if self._write("commands", rows.REMEMBER, (command, rows.dump(answer))).rowcount != 1:
            raise self._spoilt(Conflict(f"The command {command} was followed before."))

    def send(self, notices: Sequence[Notice]) -> None:
        self._insert(
            "outbox", ("topic", "body", "sent"), [(notice.topic, rows.dump(notice.body), 0) for notice in notices]
        )

    def sent(self, numbers: Sequence[int]) -> None:
        for number in numbers:
            self._write("sent", "UPDATE outbox SET sent = 1 WHERE number = ?", (number,))

    def checkpoint(self, document: Document) -> None:
        size = document["size"]
        if self.run("SELECT 1 FROM checkpoints WHERE size = ?", (size,)).fetchone():
            raise self._spoilt(Conflict(f"There is a checkpoint of {size} events already."))
        self._write("checkpoints", rows.CHECKPOINT, (size, rows.dump(document)))

    def set_credential(self, person: str, hash_: str) -> None:
        """Keep the hash of a password."""
        self._write("credentials", rows.CREDENTIAL, (person, hash_))

    def commit(self) -> None:
        if self._over:
            raise FiscusError(self._over)
        self._over = COMMITTED
        self._turns.commit(self._shared)

    def leave(self) -> None:
        """Write no more; what was not committed is undone."""
        if self._over != COMMITTED:
            self._over = LEFT
            self._turns.undo(self._shared, self._saved, self._streams if self._wrote else None)

    def _spoilt(self, error: Exception) -> Exception:
        """The same error, after which nothing can be written or committed."""
        self._over = FAILED
        return error

    def _write(self, place: str, statement: str, values: Sequence[Any] = ()) -> Any:
        if self._over:
            raise FiscusError(self._over)
        self._wrote = True
        reach(f"before.{place}")
        try:
            cursor = self.run(statement, values)
        except Exception:
            self._over = FAILED
            raise
        reach(f"after.{place}")
        return cursor

    def _insert(self, table: str, columns: tuple[str, ...], given: Sequence[tuple[Any, ...]]) -> None:
        for start in range(0, len(given), rows.MOST_ROWS):
            batch = given[start : start + rows.MOST_ROWS]
            values = batch[0] if len(batch) == 1 else [value for row in batch for value in row]
            self._write(table, rows.insert(table, columns, len(batch)), values)


def _event(event: Written) -> tuple[Any, ...]:
    return event.seq, event.stream, event.version, event.body.decode("utf-8"), event.hash
