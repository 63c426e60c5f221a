"""A store in memory, for tests: the contract and nothing else."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

from fiscus.errors import Conflict, FiscusError
from fiscus.workflow.audit.log import START, hash_of, written
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
    UnitOfWork,
    Written,
    changes,
)
from fiscus.workflow.store.money import fallen, overdrawn
from fiscus.workflow.store.rows import COMMITTED, FAILED, LEFT, dump, folded

T = TypeVar("T")


@dataclass
class _Data:
    """Everything there is. What is in lists is only ever added to, but for what was sent."""

    events: list[Written] = field(default_factory=list)
    records: dict[str, Record] = field(default_factory=dict)
    contents: dict[str, bytes] = field(default_factory=dict)
    balances: dict[Account, int] = field(default_factory=dict)
    soft: dict[Account, bool] = field(default_factory=dict)
    booked: list[Booked] = field(default_factory=list)
    answers: dict[str, Document] = field(default_factory=dict)
    notices: list[Notice] = field(default_factory=list)
    unsent: dict[int, Notice] = field(default_factory=dict)
    checkpoints: dict[int, Document] = field(default_factory=dict)
    sessions: dict[str, frozenset[str]] = field(default_factory=dict)
    credentials: dict[str, str] = field(default_factory=dict)
    frontier: Frontier = field(default_factory=Frontier)


class MemoryStore:
    """A store that is gone with the process."""

    def __init__(self) -> None:
        self._data = _Data()
        self._lock = threading.Lock()

    @contextmanager
    def begin(self) -> Iterator[MemoryUnit]:
        """A transaction that writes."""
        with self._lock:
            unit = MemoryUnit(self._data)
            try:
                yield unit
            finally:
                unit.leave()

    def together(self, work: Callable[[UnitOfWork], T], command: str = "") -> T:
        """Do a piece of work in a transaction."""
        with self.begin() as unit:
            result = work(unit)
            unit.commit()
        return result

    @contextmanager
    def read(self) -> Iterator[MemoryReader]:
        """A moment to read from."""
        with self._lock:
            yield MemoryReader(self._data)

    def credential(self, person: str) -> str | None:
        """Hash of a password; None where none was set."""
        return self._data.credentials.get(person)

    def set_credential(self, person: str, hash_: str) -> None:
        """Keep the hash of a password."""
        self._data.credentials[person] = hash_


class MemoryReader:
    """One moment of the store: nobody writes meanwhile.

    Args:
        data: Of the store.
    """

    def __init__(self, data: _Data) -> None:
        self._data = data

    def load(self, stream: str) -> Record | None:
        return self._data.records.get(stream)

    def find(self, wanted: Filter) -> Sequence[Record]:
        found = [record for record in self._data.records.values() if _fits(record, wanted)]
        found.sort(key=lambda record: (record.updated, record.stream), reverse=True)
        end = wanted.offset + wanted.limit if wanted.limit else None
        return found[wanted.offset : end]

    def places(self) -> Iterator[tuple[str, str, str]]:
        for record in self._data.records.values():
            for role, unit in dict.fromkeys(record.index.waiting):
                yield role, unit, record.stream

    def count(self, wanted: Filter) -> int:
        return sum(_fits(record, wanted) for record in self._data.records.values())

    def events(self, stream: str = "", after: int = 0, limit: int = 0) -> Iterator[Written]:
        given = 0
        for event in self._data.events[after:]:
            if stream in ("", event.stream):
                given += 1
                yield event
                if given == limit:
                    return

    def backwards(self, stream: str = "", before: int = 0) -> Iterator[Written]:
        for event in reversed(self._data.events[: before - 1 if before else None]):
            if stream in ("", event.stream):
                yield event

    def content(self, digest: str) -> bytes | None:
        return self._data.contents.get(digest)

    def contents(self) -> Iterator[tuple[str, bytes]]:
        yield from sorted(self._data.contents.items())

    def balances(self, books: Sequence[str] = (), bucket: str = "") -> Mapping[Account, int]:
        wanted = set(books)
        return {
            each: amount
            for each, amount in self._data.balances.items()
            if (not wanted or each.book in wanted) and bucket in ("", each.bucket)
        }

    def booked(self, after: int = 0, limit: int = 0) -> Iterator[Booked]:
        yield from self._data.booked[after : after + limit if limit else None]

    def head(self) -> Head:
        events = self._data.events
        return Head(len(events), events[-1].hash if events else START, self._data.frontier.root().hex())

    def latest(self) -> str:
        return self._data.events[-1].stamp.at if self._data.events else ""

    def answer(self, command: str) -> Document | None:
        return self._data.answers.get(command)

    def session_roles(self, session: str) -> frozenset[str]:
        return self._data.sessions.get(session, frozenset())

    def checkpoints(self) -> Sequence[Document]:
        return [document for _, document in sorted(self._data.checkpoints.items(), key=lambda item: item[0])]

    def notices(self, unsent: bool = True) -> Sequence[tuple[int, Notice]]:
        found = self._data.unsent.items() if unsent else enumerate(self._data.notices, start=1)
        return sorted(found, key=lambda item: item[0])


class MemoryUnit(MemoryReader):
    """A unit of work that writes at once and notes how to undo it.

    Args:
        data: Of the store.
    """

    def __init__(self, data: _Data) -> None:
        super().__init__(data)
        self._over, self._committed = "", False
        self._undo: list[tuple[dict[Any, Any], object, object]] = []
        self._sizes = len(data.events), len(data.booked), len(data.notices)
        self._frontier = Frontier(data.frontier.size, data.frontier.peaks)

    def append(
        self, stream: str, expected: int, stamp: Stamp, entries: Sequence[Entry], state: Document, index: Index
    ) -> tuple[Written, ...]:
        self._open()
        data, record = self._data, self._data.records.get(stream)
        version = record.version if record else 0
        if version != expected:
            raise self._spoilt(
                Conflict(f"{stream} is at {version}, not at {expected} any more: look again and decide again.")
            )
        made = []
        for entry in entries:
            version += 1
            previous = data.events[-1].hash if data.events else START
            event = written(len(data.events) + 1, stream, version, entry.kind, stamp, entry.data, previous)
            data.events.append(event)
            data.frontier.append(event.body)
            made.append(event)
            if stamp.session and "role" in entry.data:
                used = data.sessions.get(stamp.session, frozenset()) | {str(entry.data["role"])}
                self._put(data.sessions, stamp.session, used)
        self._put(data.records, stream, Record(stream, version, dump(state), index, stamp.at))
        return tuple(made)

    def keep(self, body: bytes) -> str:
        digest = hash_of(body)
        self._put(self._data.contents, digest, body)
        return digest

    def control(self, account: Account, hard: bool) -> None:
        balance = self._data.balances.get(account, 0)
        if fallen(account, balance, hard):
            raise self._spoilt(overdrawn(account, balance))
        self._put(self._data.balances, account, balance)
        self._put(self._data.soft, account, not hard)

    def move(self, transfers: Sequence[Transfer], seq: int) -> None:
        data = self._data
        for account, change in changes(transfers):
            after = data.balances.get(account, 0) + change
            if fallen(account, after, not data.soft.get(account)):
                raise self._spoilt(overdrawn(account, after))
            self._put(data.balances, account, after)
        for transfer in transfers:
            data.booked.append(Booked(len(data.booked) + 1, seq, transfer))

    def remember(self, command: str, answer: Document) -> None:
        if command in self._data.answers:
            raise self._spoilt(Conflict(f"The command {command} was followed before."))
        self._put(self._data.answers, command, answer)

    def send(self, notices: Sequence[Notice]) -> None:
        self._open()
        for notice in notices:
            self._data.notices.append(notice)
            self._put(self._data.unsent, len(self._data.notices), notice)

    def sent(self, numbers: Sequence[int]) -> None:
        for number in numbers:
            self._put(self._data.unsent, number, _NOTHING)

    def checkpoint(self, document: Document) -> None:
        size = document["size"]
        if size in self._data.checkpoints:
            raise self._spoilt(Conflict(f"There is a checkpoint of {size} events already."))
        self._put(self._data.checkpoints, size, document)

    def commit(self) -> None:
        self._open()
        self._over = COMMITTED
        self._committed = True

    def leave(self) -> None:
        """Undo what was not committed."""
        self._over = self._over or LEFT
        if self._committed:
            return
        for where, key, value in reversed(self._undo):
            _set(where, key, value)
        data = self._data
        events, booked, notices = self._sizes
        del data.events[events:], data.booked[booked:], data.notices[notices:]
        data.frontier = self._frontier

    def _open(self) -> None:
        if self._over:
            raise FiscusError(self._over)

    def _spoilt(self, error: Exception) -> Exception:
        """The same error, after which nothing can be written or committed."""
        self._over = FAILED
        return error

    def _put(self, where: dict[Any, Any], key: object, value: object) -> None:
        self._open()
        self._undo.append((where, key, where.get(key, _NOTHING)))
        _set(where, key, value)


_NOTHING = object()


def _set(where: dict[Any, Any], key: object, value: object) -> None:
    if value is _NOTHING:
        where.pop(key, None)
    else:
        where[key] = value


def _fits(record: Record, wanted: Filter) -> bool:
    index = record.index
    return (
        wanted.kind in ("", index.kind)
        and (not wanted.status or index.status in wanted.status)
        and wanted.owner in ("", index.owner)
        and wanted.lineage in ("", index.lineage)
        and (not wanted.overdue or ("" < index.due < wanted.overdue))
        and (not wanted.text or wanted.text.casefold() in folded(record.stream, index.title))
        and (not wanted.waiting or any(_waits(place, wanted) for place in index.waiting))
    )


def _waits(place: tuple[str, str], wanted: Filter) -> bool:
    return any(role == place[0] and unit in ("", place[1]) for role, unit in wanted.waiting)
