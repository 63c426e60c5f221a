"""What the workflow asks of a store. One unit of work is one transaction: everything it wrote is there, or nothing.

Writers come one after another: a unit of work holds the store's only write lock from its beginning, so that what it read cannot
change before it commits. Events, states, money, outbox and the memory of commands are written together.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, TypeVar

import orjson

T = TypeVar("T")

Document = Mapping[str, Any]
"""Anything that JSON can hold."""

BUCKETS = ("appropriated", "available", "reserved", "released", "committed", "actual")
"""Where money of a book stands. What is appropriated is owed by the outside: its balance is never above zero."""


class Entry(NamedTuple):
    """An event before it is written.

    Attributes:
        kind: What happened, past tense: ``Approved``.
        data: The rest of it.
    """

    kind: str
    data: Document


class Stamp(NamedTuple):
    """What all events of one command share.

    Attributes:
        at: When, as :func:`fiscus.workflow.canonical.timestamp` writes it.
        actor: Who.
        behalf: For whom, empty for themselves.
        session: Of sign-in, empty for none.
        command: Id of the command: the same command is followed once.
    """

    at: str
    actor: str
    behalf: str = ""
    session: str = ""
    command: str = ""


class Written(NamedTuple):
    """An event as written.

    Attributes:
        seq: Its number in the store, from 1, without gaps.
        stream: What it happened to.
        version: Its number in the stream, from 1, without gaps.
        kind: What happened.
        stamp: When and by whom.
        data: The rest of it.
        previous: Hash of the event before it in the store; 64 zeros for the first.
        body: All of the above as canonical JSON.
        hash: SHA-256 of the body, hexadecimal.
    """

    seq: int
    stream: str
    version: int
    kind: str
    stamp: Stamp
    data: Document
    previous: str
    body: bytes
    hash: str


class Index(NamedTuple):
    """What a stream is found by.

    Attributes:
        kind: ``proposal``, ``round``, ``registry``, ``policy`` or ``funds``.
        status: Of a proposal or round.
        owner: Person who answers for it.
        unit: Where it belongs.
        lineage: Stream of the first proposal of its lineage.
        amount: Minor units.
        due: When the next deadline is, as ``timestamp`` writes it; empty for none.
        waiting: Roles and the units they are wanted in, whose holders it waits for.
        title: For people.
    """

    kind: str
    status: str = ""
    owner: str = ""
    unit: str = ""
    lineage: str = ""
    amount: int = 0
    due: str = ""
    waiting: tuple[tuple[str, str], ...] = ()
    title: str = ""


@dataclass(frozen=True, slots=True)
class Record:
    """A stream as it stands.

    Attributes:
        stream: Its name.
        version: Number of its last event.
        text: What its events add up to, as JSON: two records with the same text say the same.
        index: What it is found by.
        updated: When its last event happened.
    """

    stream: str
    version: int
    text: str
    index: Index
    updated: str

    @property
    def state(self) -> Document:
        """What its events add up to."""
        found: Document = orjson.loads(self.text)
        return found


class Account(NamedTuple):
    """A place for money; a tuple, as decisions look for them in tables again and again.

    Attributes:
        book: Unit whose budget it is, or ``cash``.
        period: Of the budget.
        fund: Source of money.
        bucket: One of ``BUCKETS``.
    """

    book: str
    period: str
    fund: str
    bucket: str


class Transfer(NamedTuple):
    """Money from one account to another: both sides at once, so that all accounts always add up to nothing.

    Attributes:
        source: Loses the amount.
        target: Gains it.
        amount: Minor units, above zero.
        line: What it is for; empty for budgets themselves.
        memo: Reference of the outside world, as of an invoice.
    """

    source: Account
    target: Account
    amount: int
    line: str = ""
    memo: str = ""


def changes(transfers: Sequence[Transfer]) -> list[tuple[Account, int]]:
    """What each account gains in all, minor units, in an order that is the same for everyone; accounts that gain nothing are left out."""
    total: dict[Account, int] = {}
    for each in transfers:
        total[each.source] = total.get(each.source, 0) - each.amount
        total[each.target] = total.get(each.target, 0) + each.amount
    return [(account, change) for account, change in sorted(total.items()) if change]


@dataclass(frozen=True, slots=True)
class Booked:
    """A transfer as written.

    Attributes:
        number: In the ledger, from 1.
        seq: Event that it came with.
        transfer: The money.
    """

    number: int
    seq: int
    transfer: Transfer


class Notice(NamedTuple):
    """Something to tell the outside, kept with the decision and sent later.

    Attributes:
        topic: As ``proposal.approved``.
        body: JSON.
    """

    topic: str
    body: Document


@dataclass(frozen=True, slots=True)
class Head:
    """The end of the log.

    Attributes:
        size: Number of events.
        hash: Of the last; 64 zeros where there is none.
        root: Merkle root (RFC 9162), hexadecimal.
    """

    size: int
    hash: str
    root: str


class Filter(NamedTuple):
    """Streams to look for; fields left alone do not matter.

    Attributes:
        kind: Of the index.
        status: Any of these.
        owner: Of the index.
        lineage: Of the index.
        waiting: Waiting for any of these roles and units; a unit ``""`` stands for all.
        overdue: Due before this moment.
        text: Part of title or stream, in any case of letters.
        limit: Most records.
        offset: How many to pass over.
    """

    kind: str = ""
    status: tuple[str, ...] = ()
    owner: str = ""
    lineage: str = ""
    waiting: tuple[tuple[str, str], ...] = ()
    overdue: str = ""
    text: str = ""
    limit: int = 0
    offset: int = 0


class Reader(Protocol):
    """One moment of the store, read only."""

    def load(self, stream: str) -> Record | None:
        """A stream as it stands; None where it has no event."""

    def find(self, wanted: Filter) -> Sequence[Record]:
        """Streams that a filter lets through, the one changed last first."""

    def places(self) -> Iterator[tuple[str, str, str]]:
        """Whom streams wait for, as lists are read off them: role, unit, stream; in no order."""

    def count(self, wanted: Filter) -> int:
        """How many a filter lets through, its limit aside."""

    def events(self, stream: str = "", after: int = 0, limit: int = 0) -> Iterator[Written]:
        """Events in order of their numbers.

        Args:
            stream: Of this stream alone; empty for all.
            after: Those with higher numbers alone.
            limit: Most events, 0 for all.
        """

    def backwards(self, stream: str = "", before: int = 0) -> Iterator[Written]:
        """Events, the latest first.

        Args:
            stream: Of this stream alone; empty for all.
            before: Those with lower numbers alone; 0 for all.
        """

    def content(self, digest: str) -> bytes | None:
        """A document by its digest; None where there is none."""

    def contents(self) -> Iterator[tuple[str, bytes]]:
        """All documents in order of their digests."""

    def balances(self, books: Sequence[str] = (), bucket: str = "") -> Mapping[Account, int]:
        """Money of accounts that ever had any, minor units; of some books and one bucket, or of all."""

    def booked(self, after: int = 0, limit: int = 0) -> Iterator[Booked]:
        """The ledger in its order."""

    def head(self) -> Head:
        """The end of the log."""

    def latest(self) -> str:
        """Time of the last event; empty where there is none."""

    def answer(self, command: str) -> Document | None:
        """What was answered to a command that was followed before; None for a new one."""

    def session_roles(self, session: str) -> frozenset[str]:
        """Roles in which events of a session were made, as their data says under ``role``."""

    def checkpoints(self) -> Sequence[Document]:
        """Signed or unsigned Merkle checkpoints, oldest first: ``{"size", "root", "at", ...}``."""

    def notices(self, unsent: bool = True) -> Sequence[tuple[int, Notice]]:
        """The outbox, oldest first."""


class UnitOfWork(Reader, Protocol):
    """A transaction. Leaving it without ``commit`` undoes it."""

    def append(
        self, stream: str, expected: int, stamp: Stamp, entries: Sequence[Entry], state: Document, index: Index
    ) -> tuple[Written, ...]:
        """Write events at the end of a stream, and what they add up to.

        Args:
            stream: Its name.
            expected: Number of its last event as it was read; 0 for a new stream.
            stamp: When and by whom.
            entries: At least one.
            state: Of the stream after them.
            index: What it is found by from now on.

        Raises:
            Conflict: Where the stream is at another version.
        """

    def keep(self, body: bytes) -> str:
        """Store a document for ever; the same one once. Gives its digest."""

    def control(self, account: Account, hard: bool) -> None:
        """Whether an account must never fall below nothing; every account but those appropriated must, until told otherwise."""

    def move(self, transfers: Sequence[Transfer], seq: int) -> None:
        """Book money.

        Raises:
            Overdrawn: Where an account would fall below nothing that must not; the store itself refuses it.
        """

    def remember(self, command: str, answer: Document) -> None:
        """Note that a command was followed, and what was answered.

        Raises:
            Conflict: Where it was followed before.
        """

    def send(self, notices: Sequence[Notice]) -> None:
        """Put notices into the outbox."""

    def sent(self, numbers: Sequence[int]) -> None:
        """Take notices for delivered."""

    def checkpoint(self, document: Document) -> None:
        """Keep a Merkle checkpoint."""

    def commit(self) -> None:
        """Make everything durable; once this returns it survives the loss of power."""


class Store(Protocol):
    """Where everything is kept."""

    def begin(self) -> AbstractContextManager[UnitOfWork]:
        """A transaction that writes; waits for others to end theirs."""

    def together(self, work: Callable[[UnitOfWork], T], command: str = "") -> T:
        """Do a piece of work in a transaction that it may share with that of others who write at the same time.

        What others write is of no concern to it: work that fails takes nobody with it, and is not kept.

        Args:
            work: Given a unit of work, which is committed after it; it may run in another thread.
            command: Id of the one that it follows: whether that was done before is then asked for everybody at once.

        Returns:
            What the work gives, once that is durable.
        """

    def read(self) -> AbstractContextManager[Reader]:
        """A moment to read from."""
