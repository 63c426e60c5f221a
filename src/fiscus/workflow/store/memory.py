"""A store in memory, for tests: the contract and nothing else."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from fiscus.errors import Conflict
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
    Written,
)
from fiscus.workflow.store.money import changes, overdrawn


@dataclass
class _Data:
    """Everything there is."""

    events: list[Written] = field(default_factory=list)
    records: dict[str, Record] = field(default_factory=dict)
    contents: dict[str, bytes] = field(default_factory=dict)
    balances: dict[Account, int] = field(default_factory=dict)
    soft: set[Account] = field(default_factory=set)
    booked: list[Booked] = field(default_factory=list)
    answers: dict[str, Document] = field(default_factory=dict)
    notices: list[tuple[int, Notice, bool]] = field(default_factory=list)
    checkpoints: list[Document] = field(default_factory=list)
    sessions: dict[str, frozenset[str]] = field(default_factory=dict)
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

    @contextmanager
    def read(self) -> Iterator[MemoryUnit]:
        """A moment to read from."""
        with self._lock:
            yield MemoryUnit(self._data)


class MemoryUnit:
    """A unit of work that writes at once and keeps how to undo it."""

    def __init__(self, data: _Data) -> None:
        self._data = data
        self._undo: list[tuple[dict, object, object]] = []  # type: ignore[type-arg]
        self._sizes = len(data.events), len(data.booked), len(data.notices), len(data.checkpoints)
        self._unsent: list[int] = []
        self._frontier = Frontier(data.frontier.size, data.frontier.peaks)
        self._soft = frozenset(data.soft)

    # Reading

    def load(self, stream: str) -> Record | None:
        return self._data.records.get(stream)

    def find(self, wanted: Filter) -> Sequence[Record]:
        found = [record for record in self._data.records.values() if _fits(record, wanted)]
        found.sort(key=lambda record: (record.updated, record.stream), reverse=True)
        end = wanted.offset + wanted.limit if wanted.limit else None
        return found[wanted.offset : end]

    def count(self, wanted: Filter) -> int:
        return sum(_fits(record, wanted) for record in self._data.records.values())

    def events(self, stream: str = "", after: int = 0, limit: int = 0) -> Iterator[Written]:
        number = 0
        for event in self._data.events[after:]:
            if stream in ("", event.stream):
                number += 1
                yield event
                if limit and number == limit:
                    return

    def content(self, digest: str) -> bytes | None:
        return self._data.contents.get(digest)

    def contents(self) -> Iterator[tuple[str, bytes]]:
        yield from sorted(self._data.contents.items())

    def balances(self, books: Sequence[str] = ()) -> Mapping[Account, int]:
        wanted = set(books)
        return {each: amount for each, amount in self._data.balances.items() if not wanted or each.book in wanted}

    def booked(self, after: int = 0, limit: int = 0) -> Iterator[Booked]:
        yield from self._data.booked[after : after + limit if limit else None]

    def head(self) -> Head:
        events = self._data.events
        last = events[-1] if events else None
        return Head(len(events), last.hash if last else START, self._data.frontier.root().hex())

    def latest(self) -> str:
        return self._data.events[-1].stamp.at if self._data.events else ""

    def answer(self, command: str) -> Document | None:
        return self._data.answers.get(command)

    def session_roles(self, session: str) -> frozenset[str]:
        return self._data.sessions.get(session, frozenset())

    def checkpoints(self) -> Sequence[Document]:
        return list(self._data.checkpoints)

    def notices(self, unsent: bool = True) -> Sequence[tuple[int, Notice]]:
        return [(number, notice) for number, notice, sent in self._data.notices if not (unsent and sent)]

    # Writing

    def append(
        self, stream: str, expected: int, stamp: Stamp, entries: Sequence[Entry], state: Document, index: Index
    ) -> tuple[Written, ...]:
        data, record = self._data, self._data.records.get(stream)
        version = record.version if record else 0
        if version != expected:
            raise Conflict(f"{stream} is at {version}, not at {expected} any more: look again and decide again.")
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
        self._put(data.records, stream, Record(stream, version, state, index, stamp.at))
        return tuple(made)

    def keep(self, body: bytes) -> str:
        digest = hash_of(body)
        self._put(self._data.contents, digest, body)
        return digest

    def control(self, account: Account, hard: bool) -> None:
        (self._data.soft.discard if hard else self._data.soft.add)(account)

    def move(self, transfers: Sequence[Transfer], seq: int) -> None:
        data = self._data
        for account, change in changes(transfers):
            after = data.balances.get(account, 0) + change
            if after < 0 and change < 0 and account.bucket != "appropriated" and account not in data.soft:
                raise overdrawn(account, after)
            self._put(data.balances, account, after)
        for transfer in transfers:
            data.booked.append(Booked(len(data.booked) + 1, seq, transfer))

    def remember(self, command: str, answer: Document) -> None:
        if command in self._data.answers:
            raise Conflict(f"The command {command} was followed before.")
        self._put(self._data.answers, command, answer)

    def send(self, notices: Sequence[Notice]) -> None:
        there = self._data.notices
        for notice in notices:
            there.append((len(there) + 1, notice, False))

    def sent(self, numbers: Sequence[int]) -> None:
        self._mark(numbers, True)
        self._unsent += numbers

    def _mark(self, numbers: Sequence[int], sent: bool) -> None:
        for number in numbers:
            self._data.notices[number - 1] = (number, self._data.notices[number - 1][1], sent)

    def checkpoint(self, document: Document) -> None:
        self._data.checkpoints.append(document)

    def commit(self) -> None:
        self.__init__(self._data)  # type: ignore[misc]

    def _put(self, where: dict, key: object, value: object) -> None:  # type: ignore[type-arg]
        self._undo.append((where, key, where.get(key, _NOTHING)))
        where[key] = value

    def leave(self) -> None:
        """Undo what was not committed."""
        data = self._data
        for where, key, value in reversed(self._undo):
            if value is _NOTHING:
                where.pop(key, None)
            else:
                where[key] = value
        events, booked, notices, checkpoints = self._sizes
        del data.events[events:], data.booked[booked:], data.notices[notices:], data.checkpoints[checkpoints:]
        self._mark(self._unsent, False)
        data.frontier = self._frontier
        data.soft = set(self._soft)


_NOTHING = object()


def _fits(record: Record, wanted: Filter) -> bool:
    index = record.index
    return (
        wanted.kind in ("", index.kind)
        and (not wanted.status or index.status in wanted.status)
        and wanted.owner in ("", index.owner)
        and wanted.lineage in ("", index.lineage)
        and (not wanted.overdue or ("" < index.due < wanted.overdue))
        and (not wanted.text or wanted.text.casefold() in f"{record.stream}\n{index.title}".casefold())
        and (not wanted.waiting or any(_waits(place, wanted) for place in index.waiting))
    )


def _waits(place: tuple[str, str], wanted: Filter) -> bool:
    return any(role == place[0] and unit in ("", place[1]) for role, unit in wanted.waiting)
