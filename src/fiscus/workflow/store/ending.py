"""The end of the log, as a transaction that writes finds and leaves it, and the streams that are known to stand behind it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from fiscus.workflow.audit.merkle import Frontier
from fiscus.workflow.ports import Record

MOST_TEXT = 32 * 1024 * 1024
"""Characters of streams that are kept in memory, about."""


@dataclass(slots=True)
class End:
    """Where the log ends.

    Streams change with events alone, and every event changes the hash: whoever finds the log at the hash at which they left it
    knows every stream as they left it, and need not read it again.

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

    def copy(self) -> End:
        """As it is now; streams are not copied."""
        frontier = Frontier(self.frontier.size, self.frontier.peaks)
        return replace(self, frontier=frontier, records={}, text=0, families={})

    def restore(self, saved: End) -> None:
        """Back to what it was; streams are whoever's who changed them."""
        self.size, self.hash, self.frontier = saved.size, saved.hash, saved.frontier
        self.at, self.booked, self.changed = saved.at, saved.booked, saved.changed

    def note(self, stream: str, record: Record | None) -> None:
        """A stream as it stands."""
        if self.text > MOST_TEXT:
            self.records.clear()
            self.families.clear()
            self.text = 0
        self.text += len(stream) + 100 + (len(record.text) if record is not None else 0)
        self.records[stream] = record
