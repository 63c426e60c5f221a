"""Writing inside one transaction of an SQL store."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from itertools import chain
from typing import Any, Concatenate, ParamSpec, TypeVar

from fiscus.errors import Conflict, FiscusError, InvalidInput
from fiscus.workflow.audit.log import hash_of, written
from fiscus.workflow.ports import (
    Account,
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
    changes,
)
from fiscus.workflow.store import rows
from fiscus.workflow.store.money import UNUSED, Held, fallen, overdrawn
from fiscus.workflow.store.pending import NOWHERE, Change, Pending, checked, named
from fiscus.workflow.store.reading import SqlReader
from fiscus.workflow.store.rows import COMMITTED, FAILED, LEFT
from fiscus.workflow.store.turns import Shared, Spoilt
from fiscus.workflow.store.writing import sound, write_all, write_one

P = ParamSpec("P")
T = TypeVar("T")


def _whole(method: Callable[Concatenate[SqlUnit, P], T]) -> Callable[Concatenate[SqlUnit, P], T]:
    """A method that writes: once one of them failed, nothing of the unit of work can be committed."""

    @functools.wraps(method)
    def guarded(self: SqlUnit, /, *args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return method(self, *args, **kwargs)
        except BaseException:
            self._over = self._over or FAILED
            raise

    return guarded


class SqlUnit(SqlReader):
    """One writer's turn in a transaction. The end of the log is read once and written once for all who share the transaction.

    Rows are written with the commit, those of all who share it together. Money that is not there is refused at once, from what the
    accounts hold under the lock; the database looks once more when they are written. Whoever catches what a write raised cannot
    commit the rest: half of a decision is none.

    Args:
        shared: The transaction.
        dialect: ``sqlite`` or ``postgresql``.
        finish: Commits; None where whoever gave the work does.
    """

    def __init__(self, shared: Shared, dialect: str, finish: Callable[[Shared], None] | None = None) -> None:
        super().__init__(shared.connection, dialect)
        self._finish, self._shared, self._end = finish, shared, shared.end
        self._saved = shared.end.mark()
        self._before: dict[str, Record | None] = {}
        self._mine = Pending()
        self._wrote = False
        self._over = ""

    def run(self, statement: str, values: Sequence[Any] = ()) -> Any:
        """A statement, which finds everything written that was to be."""
        if self._over in (COMMITTED, LEFT):
            raise FiscusError(self._over)
        self._settle()
        if not statement.startswith("SELECT"):
            self._begin_writing()
        try:
            return super().run(statement, values)
        except Exception:
            self._over = self._over or FAILED
            raise

    def _settle(self) -> None:
        if self._over:
            return
        self._settle_others()
        if self._mine:
            self._begin_writing()
            for account in self._mine.money:  # From here on the database has it, and it has to be asked.
                self._end.books.pop(account.book, None)
            self._shared.answers.clear()
            self._mine.flush(self._write_all)

    def _begin_writing(self) -> None:
        """From here on there is something to undo; the work of others is not."""
        if self._over:
            raise FiscusError(self._over)
        if not self._wrote:
            self._wrote = True
            if self._finish is None:  # Others go on where this fails.
                self._settle_others()
                self._shared.protect()

    def _settle_others(self) -> None:
        """Write what others want written; where that fails, half of it may be."""
        if self._shared.pending:
            self._shared.answers.clear()
            try:
                self._shared.pending.flush(self._write_all)
            except BaseException:
                self._shared.torn = True
                raise

    def _look(self, statement: str, values: Sequence[Any]) -> Any:
        """A statement about what is never pending, or is looked for there first."""
        try:
            return super().run(statement, values)
        except Exception:
            self._over = self._over or FAILED
            raise

    def head(self) -> Head:
        return Head(self._end.size, self._end.hash, self._end.frontier.root().hex())

    def latest(self) -> str:
        return self._end.at

    def load(self, stream: str) -> Record | None:
        known = self._end.records
        if stream not in known:
            self._end.note(stream, self._pending(stream) or self._written(stream))
        return known[stream]

    def _pending(self, stream: str) -> Record | None:
        """A stream that is to be written, where it is no more known than that."""
        for pending in (self._mine, self._shared.pending):
            if stream in pending.streams:
                return pending.streams[stream].record
        return None

    def _written(self, stream: str) -> Record | None:
        row = self._look(rows.LOAD, (stream,)).fetchone()
        return None if row is None else rows.record(row)

    def find(self, wanted: Filter) -> Sequence[Record]:
        if not (wanted.kind and wanted.lineage) or wanted != Filter(kind=wanted.kind, lineage=wanted.lineage):
            return super().find(wanted)
        key = (wanted.kind, wanted.lineage)
        known = (record for name in self._family(key) if (record := self.load(name)) is not None)
        found = [record for record in known if (record.index.kind, record.index.lineage) == key]
        return sorted(found, key=lambda record: (record.updated, record.stream), reverse=True)

    def _family(self, key: tuple[str, str]) -> set[str]:
        """Names of a kind and lineage, those included that are not written yet."""
        names = self._end.families.get(key)
        if names is None:
            names = {row[0] for row in self._look(rows.FAMILY, key).fetchall()}
            for pending in (self._shared.pending, self._mine):
                names |= {
                    n for n, change in pending.streams.items() if (change.after.kind, change.after.lineage) == key
                }
            self._end.families[key] = names
        return names

    def content(self, digest: str) -> bytes | None:
        for pending in (self._mine, self._shared.pending):
            if digest in pending.contents:
                return pending.contents[digest].encode("utf-8")
        row = self._look(rows.CONTENT, (digest,)).fetchone()
        return None if row is None else row[0].encode("utf-8")

    def answer(self, command: str) -> Document | None:
        for pending in (self._mine, self._shared.pending):
            if command in pending.commands:
                return rows.answer(pending.commands[command])
        known = self._shared.answers
        if command not in known:
            row = self._look(rows.ANSWER, (named(command),)).fetchone()
            known[command] = None if row is None else row[0]
        text = known[command]
        return None if text is None else rows.answer(text)

    def balances(self, books: Sequence[str] = (), bucket: str = "") -> Mapping[Account, int]:
        if not books:
            return super().balances(books, bucket)
        self._look_into(books)
        mine = self._mine.money
        found = {
            account: held.balance + mine.get(account, 0)
            for book in books
            for account, held in self._end.books[book].items()
        }
        found |= {account: mine[account] for account in self._mine.opened if account.book in books}
        return {account: balance for account, balance in found.items() if bucket in ("", account.bucket)}

    def _look_into(self, books: Sequence[str]) -> None:
        """Read the accounts of books that were not looked at yet."""
        known = self._end.books
        if all(book in known for book in books):
            return
        self._settle()
        missing = [book for book in books if book not in known]
        found: dict[str, dict[Account, Held]] = {book: {} for book in missing}
        for row in self._look(rows.held_in(len(missing)), missing).fetchall():
            found[row[0]][Account(*row[:4])] = Held(row[4], bool(row[5]))
        known.update(found)

    def _held(self, account: Account) -> Held | None:
        """What an account has, without what this unit of work changes; None for one that is not there."""
        book = self._end.books.get(account.book)
        if book is None:
            self._look_into((account.book,))
            book = self._end.books[account.book]
        return book.get(account)

    @_whole
    def append(
        self, stream: str, expected: int, stamp: Stamp, entries: Sequence[Entry], state: Document, index: Index
    ) -> tuple[Written, ...]:
        record = self.load(stream)  # Nobody else can have changed it since: we hold the lock.
        version, before = (record.version, record.index) if record else (0, NOWHERE)
        if version != expected:
            raise Conflict(f"{stream} is at {version}, not at {expected} any more: look again and decide again.")
        self._open()
        if len(index.waiting) > 1:
            index = index._replace(waiting=tuple(dict.fromkeys(index.waiting)))
        if record is None or _found_by(index) != _found_by(before):
            for name in (stream, index.owner, index.unit, index.lineage, *chain.from_iterable(index.waiting)):
                named(name)
        row = checked(rows.new_stream(stream, expected + len(entries), state, index, stamp.at))
        self._before.setdefault(stream, record)
        made = self._events(stream, expected, stamp, entries)
        mine = self._mine
        mine.events += [_event(each) for each in made]
        pending = mine.streams.get(stream)  # What others want written before this is chained to it when it is added.
        mine.streams[stream] = Change(pending.before if pending else before, row, index)
        self._end.note(stream, Record(stream, made[-1].version, row[1], index, stamp.at))
        if (before.kind, before.lineage) != (index.kind, index.lineage):
            self._end.families.pop((before.kind, before.lineage), None)
            self._end.families.pop((index.kind, index.lineage), None)
        if stamp.session:
            roles = sorted({str(entry.data["role"]) for entry in entries if "role" in entry.data})
            mine.roles += [(named(stamp.session), named(role)) for role in roles]
        return made

    def _events(self, stream: str, expected: int, stamp: Stamp, entries: Sequence[Entry]) -> tuple[Written, ...]:
        made, end = [], self._end
        for position, entry in enumerate(entries, start=1):
            event = written(end.size + 1, stream, expected + position, entry.kind, stamp, entry.data, end.hash)
            end.frontier.append(event.body)
            end.size, end.hash, end.at = event.seq, event.hash, stamp.at
            made.append(event)
        end.changed = True
        return tuple(made)

    @_whole
    def keep(self, body: bytes) -> str:
        self._open()
        digest = hash_of(body)
        self._mine.contents[digest] = checked((body.decode("utf-8"),))[0]
        return digest

    @_whole
    def control(self, account: Account, hard: bool) -> None:
        self._settle()
        held = self._held(account) or UNUSED
        if fallen(account, held.balance, hard):
            raise overdrawn(account, held.balance)
        self._write("control", rows.CONTROL, (*account, int(hard)))
        del self._end.books[account.book]

    @_whole
    def move(self, transfers: Sequence[Transfer], seq: int) -> None:
        first = self._end.booked + 1
        booked = [checked(rows.transfer_row(number, seq, each)) for number, each in enumerate(transfers, first)]
        if seq > self._end.size or any(each.amount <= 0 for each in transfers):
            raise InvalidInput(f"the store cannot keep a transfer of nothing, or of event {seq} that is not there")
        for account, change in changes(transfers):
            self._change(account, change)
        self._mine.transfers += booked
        self._end.booked += len(transfers)
        self._end.changed = True

    def _change(self, account: Account, change: int) -> None:
        held = self._held(account)  # First, as it may write what is pending.
        before = self._mine.money.get(account)
        balance, hard = held or UNUSED
        after = balance + (before or 0) + change
        if fallen(account, after, hard):
            raise overdrawn(account, after)
        if held is None and before is None:
            for part in account:
                named(part)
            self._mine.opened.add(account)
        checked((after,))
        self._mine.money[account] = (before or 0) + change

    @_whole
    def remember(self, command: str, answer: Document) -> None:
        self._open()
        if self.answer(command) is not None:
            raise Conflict(f"The command {command} was followed before.")
        self._mine.commands[named(command)] = rows.dump(answer)

    @_whole
    def send(self, notices: Sequence[Notice]) -> None:
        self._open()
        self._mine.notices += [(named(notice.topic), rows.dump(notice.body)) for notice in notices]

    def sent(self, numbers: Sequence[int]) -> None:
        for number in numbers:
            self._write("sent", "UPDATE outbox SET sent = 1 WHERE number = ?", (number,))

    @_whole
    def checkpoint(self, document: Document) -> None:
        size = document["size"]
        if self.run("SELECT 1 FROM checkpoints WHERE size = ?", (size,)).fetchone():
            raise Conflict(f"There is a checkpoint of {size} events already.")
        self._write("checkpoints", rows.CHECKPOINT, (size, rows.dump(document)))

    def set_credential(self, person: str, hash_: str) -> None:
        """Keep the hash of a password."""
        self._write("credentials", rows.CREDENTIAL, (person, hash_))

    def commit(self) -> None:
        if self._finish is None:
            raise FiscusError("this work is committed by whoever does it, together with that of others")
        self.add()
        self._finish(self._shared)

    def add(self) -> None:
        """All of it is done, and a part of the transaction."""
        self._open()
        if not sound(self.connection, self.dialect):
            self._over = FAILED
            raise FiscusError(FAILED)
        self._over = COMMITTED
        self._end.book(self._mine.money)
        self._shared.pending.add(self._mine)

    def leave(self) -> None:
        """Write no more; what is no part of the transaction is undone.

        Raises:
            Spoilt: Where that is not possible.
        """
        if self._over == COMMITTED:
            return
        self._over = LEFT
        for stream, record in self._before.items():
            self._end.note(stream, record)
        if self._before:
            self._end.families.clear()
        if self._wrote:
            self._end.books.clear()
            self._shared.answers.clear()
        self._end.restore(self._saved)
        if self._finish is not None:
            return  # All of the transaction is its own, and whoever began it undoes it.
        if self._shared.torn:
            raise Spoilt
        if self._wrote:
            try:
                self.connection.execute("ROLLBACK TO SAVEPOINT unit")
            except Exception as error:
                raise Spoilt from error
        elif not sound(self.connection, self.dialect):
            raise Spoilt

    def _open(self) -> None:
        """Refuse whoever writes after the end.

        Raises:
            FiscusError: With what ended it.
        """
        if self._over:
            raise FiscusError(self._over)

    def _write(self, place: str, statement: str, values: Sequence[Any] = ()) -> Any:
        self._begin_writing()
        try:
            return write_one(self.connection, self.dialect, place, statement, values)
        except Exception:
            self._over = FAILED
            raise

    def _write_all(self, place: str, statement: str, given: Sequence[tuple[Any, ...]]) -> None:
        try:
            write_all(self.connection, self.dialect, place, statement, given)
        except Exception:
            self._over = FAILED
            raise


def _found_by(index: Index) -> tuple[Any, ...]:
    """Names among what a stream is found by."""
    return index.owner, index.unit, index.lineage, index.waiting


def _event(event: Written) -> tuple[Any, ...]:
    return event.seq, event.stream, event.version, event.body.decode("utf-8"), event.hash
