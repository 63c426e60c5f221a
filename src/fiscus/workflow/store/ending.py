"""The end of the log, as a transaction that writes finds and leaves it, and the streams that are known to stand behind it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from fiscus.workflow.audit.merkle import Frontier
from fiscus.workflow.ports import Account, Record
from fiscus.workflow.store.money import UNUSED, Held

MOST_TEXT = 32 * 1024 * 1024
"""Characters of streams that are kept in memory, about."""

Mark = tuple[int, str, int, tuple[bytes, ...], str, int, bool]
"""Where the end of the log was: size, hash, size and peaks of the frontier, time, transfers, and whether the database has another."""


@dataclass(slots=True)
class End:
    """Where the log ends.

    Streams and accounts change with events alone, and every event changes the hash: whoever finds the log at the hash at which they
    left it knows them as they left them, and need not read them again.

    Attributes:
        size: Number of events.
        hash: Of the last.
        frontier: Of the Merkle tree.
        at: Time of the last event.
        booked: Number of transfers.
        changed: Whether it is not as the database has it.
        records: Streams as they stand, those that were looked at; None for one that is not there.
        text: Characters in them, and a hundred for each.
        families: Names of streams by kind and lineage, those that were looked for.
        books: Accounts of each book that was looked at, with what is pending for those whose work is done.
    """

    size: int
    hash: str
    frontier: Frontier
    at: str
    booked: int
    changed: bool = False
    records: dict[str, Record | None] = field(default_factory=dict)
    text: int = 0
    families: dict[tuple[str, str], set[str]] = field(default_factory=dict)
    books: dict[str, dict[Account, Held]] = field(default_factory=dict)

    @classmethod
    def of_row(cls, row: Any, known: End | None) -> End:
        """From the row of the database.

        Args:
            row: Size, hash, frontier, time and number of transfers.
            known: As a transaction left it before; it counts where the log is there still.
        """
        size, last, frontier, at, booked = row
        if known is not None and (known.size, known.hash, known.booked) == (size, last, booked):
            return known
        return cls(size, last, Frontier.from_text(frontier), at, booked)

    def row(self) -> tuple[int, str, str, str, int]:
        """As the database keeps it."""
        return self.size, self.hash, self.frontier.to_text(), self.at, self.booked

    def mark(self) -> Mark:
        """Where it is now; streams and accounts are not a part of it."""
        return self.size, self.hash, self.frontier.size, tuple(self.frontier.peaks), self.at, self.booked, self.changed

    def restore(self, mark: Mark) -> None:
        """Back to where it was; streams and accounts are whoever's who changed them."""
        self.size, self.hash, size, peaks, self.at, self.booked, self.changed = mark
        self.frontier = Frontier(size, peaks)

    def book(self, changes: Mapping[Account, int]) -> None:
        """What somebody whose work is done changed in accounts, minor units."""
        for account, change in changes.items():
            book = self.books.get(account.book)
            if book is not None:
                held = book.get(account, UNUSED)
                book[account] = Held(held.balance + change, held.hard)

    def note(self, stream: str, record: Record | None) -> None:
        """A stream as it stands."""
        if self.text > MOST_TEXT:
            self.records.clear()
            self.families.clear()
            self.books.clear()
            self.text = 0
        self.text += len(stream) + 100 + (len(record.text) if record is not None else 0)
        self.records[stream] = record
