"""A log as one file that a second machine verifies with no database.

Lines of canonical JSON: a header, the checkpoints, every event's body as it was hashed, the documents that events speak of by
their digests, and a footer with counts, the last hash, the Merkle root and the SHA-256 of every byte before it. Whoever changes
the end of a log and writes a footer to match is found by a checkpoint that somebody else kept.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from fiscus.core.money import how_many
from fiscus.errors import BrokenLog
from fiscus.workflow.audit.log import Chain, foreign, hash_of, parse, strict
from fiscus.workflow.audit.merkle import Frontier
from fiscus.workflow.canonical import canonical
from fiscus.workflow.funds.books import from_data
from fiscus.workflow.ports import Account, Document, Reader, Transfer, Written

FORMAT = "fiscus-audit-1"
REFERENCES = ("content", "policy")
"""Fields of an event's data that hold the digest of a document."""


@dataclass(frozen=True, eq=False)
class Verified:
    """What a file proves.

    Attributes:
        size: Events.
        last: Hash of the last.
        root: Merkle root.
        first_at: When the log begins; empty for an empty one.
        last_at: When it ends.
        documents: How many it holds.
        balances: Minor units by account, recomputed from the events.
        sentences: What was checked.
    """

    size: int
    last: str
    root: str
    first_at: str
    last_at: str
    documents: int
    balances: Mapping[Account, int]
    sentences: tuple[str, ...]


def write_export(reader: Reader, file: BinaryIO, at: str) -> int:
    """Write a log; gives its number of events.

    Args:
        reader: One moment of a store.
        file: Open for bytes.
        at: Now, as ``timestamp`` writes it.
    """
    total, frontier, chain, wanted = hashlib.sha256(), Frontier(), Chain(), set[str]()

    def write(line: bytes) -> None:
        total.update(line + b"\n")
        file.write(line + b"\n")

    write(canonical({"at": at, "format": FORMAT}))
    checkpoints = reader.checkpoints()
    for checkpoint in checkpoints:
        write(canonical({"checkpoint": checkpoint}))
    for event in reader.events():
        chain.add(event)
        frontier.append(event.body)
        wanted |= _references(event)
        write(event.body)
    for digest in sorted(wanted):
        body = reader.content(digest)
        if body is None:
            raise BrokenLog(f"the store has no document {digest}, which its events speak of")
        write(canonical({"digest": digest, "document": body.decode("utf-8")}))
    footer = {
        "checkpoints": len(checkpoints),
        "documents": len(wanted),
        "events": chain.size,
        "last": chain.last,
        "root": frontier.root().hex(),
        "sha256": total.hexdigest(),
    }
    file.write(canonical(footer) + b"\n")
    return chain.size


def _transfers(event: Written) -> list[Transfer]:
    try:
        found = from_data(event.data.get("transfers", ()))
        hash(tuple(found))  # Accounts are named by text.
    except (KeyError, TypeError, ValueError) as error:
        raise BrokenLog(f"event {event.seq} moves money in a way that no event does") from error
    if any(type(transfer.amount) is not int or transfer.amount <= 0 for transfer in found):
        raise BrokenLog(f"event {event.seq} moves an amount that is not above zero")
    return found


def _references(event: Written) -> set[str]:
    return {str(event.data[name]) for name in REFERENCES if name in event.data}


def verify_export(path: str | Path, known: Sequence[Document] = ()) -> Verified:
    """What a file proves.

    Args:
        path: As ``write_export`` wrote it.
        known: Checkpoints that somebody noted elsewhere, ``{"size", "root"}``: the log must have passed through them.

    Raises:
        BrokenLog: At the first line that is not as it was written; the message names it.
    """
    try:
        with Path(path).open("rb") as file:
            return verify_lines(file, known)
    except OSError as error:
        raise BrokenLog(f"{path} cannot be read: {error.strerror or error}") from error


def verify_lines(lines: Iterable[bytes], known: Sequence[Document] = ()) -> Verified:
    """The same for lines at hand, each with its end."""
    verifier = Verifier(known)
    for line in lines:
        verifier.take(line)
    return verifier.end()


class Verifier:
    """Goes through an export line by line.

    Args:
        known: Checkpoints noted elsewhere.
    """

    def __init__(self, known: Sequence[Document] = ()) -> None:
        self.known = list(known)
        self.number = 0
        self.chain, self.frontier, self.total = Chain(), Frontier(), hashlib.sha256()
        self.wanted: set[str] = set()
        self.documents: list[str] = []
        self.checkpoints: list[Document] = []
        self.balances: Counter[Account] = Counter()
        self.marks = {int(each["size"]) for each in known}
        self.roots: dict[int, str] = {}
        self.first_at = ""
        self.footer: Document | None = None

    def copy(self) -> Verifier:
        """Another that has seen the same lines."""
        other = Verifier(self.known)
        other.number, other.first_at, other.footer = self.number, self.first_at, self.footer
        other.chain = Chain(self.chain.size, self.chain.last, self.chain.at, dict(self.chain.versions))
        other.frontier, other.total = Frontier(self.frontier.size, self.frontier.peaks), self.total.copy()
        other.wanted, other.documents, other.checkpoints = (
            set(self.wanted),
            list(self.documents),
            list(self.checkpoints),
        )
        other.balances, other.marks, other.roots = Counter(self.balances), set(self.marks), dict(self.roots)
        return other

    def take(self, line: bytes) -> None:
        """The next line, with its end.

        Raises:
            BrokenLog: Where it is not as it was written.
        """
        self.number += 1
        try:
            if self.footer is not None:
                raise BrokenLog("something follows the footer")
            if not line.endswith(b"\n"):
                raise BrokenLog("the line has no end: the file was cut off")
            self._line(line[:-1])
        except BrokenLog as error:
            raise BrokenLog(f"line {self.number}: {error}") from error
        if self.footer is None:
            self.total.update(line)

    def end(self) -> Verified:
        """What all lines together prove.

        Raises:
            BrokenLog: Where something is missing.
        """
        if self.footer is None:
            raise BrokenLog(f"the file ends after line {self.number} without a footer: it was cut off")
        self._finish(self.footer)
        return self._verified()

    def _line(self, body: bytes) -> None:
        if self.number > 1 and body.startswith(b'{"actor"'):
            self._event(body)
            return
        document = strict(body)
        if self.number == 1:
            if set(document) != {"at", "format"} or document["format"] != FORMAT:
                raise BrokenLog(f"this is no header of {FORMAT}")
        elif set(document) == {"digest", "document"}:
            self._document(document)
        elif set(document) == {"checkpoint"}:
            self._checkpoint(document["checkpoint"])
        elif set(document) == {"checkpoints", "documents", "events", "last", "root", "sha256"}:
            self.footer = document
        else:
            raise BrokenLog("this line is no event, document, checkpoint or footer")

    def _checkpoint(self, checkpoint: Any) -> None:
        if self.chain.size or self.documents:
            raise BrokenLog("a checkpoint stands after the events: lines are out of order")
        if not isinstance(checkpoint, dict) or type(checkpoint.get("size")) is not int:
            raise BrokenLog("a checkpoint says no size")
        self.checkpoints.append(checkpoint)
        self.marks.add(checkpoint["size"])

    def _event(self, body: bytes) -> None:
        if self.documents:
            raise BrokenLog("an event stands after the documents: lines are out of order")
        event = parse(body)
        self.chain.add(event)
        self.frontier.append(body)
        self.wanted |= _references(event)
        self.first_at = self.first_at or event.stamp.at
        if event.seq in self.marks:
            self.roots[event.seq] = self.frontier.root().hex()
        for transfer in _transfers(event):
            self.balances[transfer.source] -= transfer.amount
            self.balances[transfer.target] += transfer.amount

    def _document(self, document: Document) -> None:
        digest, text = document["digest"], document["document"]
        if not isinstance(text, str) or hash_of(text.encode("utf-8", "surrogatepass")) != digest:
            raise BrokenLog(f"the document {digest} is not what its digest says, or stands out of order")
        if self.documents and digest <= self.documents[-1]:
            raise BrokenLog(f"the document {digest} is out of order, or there twice")
        self.documents.append(digest)

    def _finish(self, footer: Document) -> None:
        told = {
            "checkpoints": len(self.checkpoints),
            "documents": len(self.documents),
            "events": self.chain.size,
            "last": self.chain.last,
            "root": self.frontier.root().hex(),
            "sha256": self.total.hexdigest(),
        }
        for name, value in told.items():
            if footer[name] != value:
                raise BrokenLog(f"the footer says {name} is {footer[name]}, and here it is {value}")
        missing = self.wanted.symmetric_difference(self.documents)
        if missing:
            digest = min(missing)
            raise BrokenLog(f"the document {digest} is missing, or nothing speaks of it")
        for each in self.known:
            size, root = int(each["size"]), str(each["root"])
            if self.roots.get(size) != root:
                raise foreign(size, self.chain.size)

    def _verified(self) -> Verified:
        if sum(self.balances.values()):
            raise BrokenLog("the accounts do not add up to nothing")
        count, documents = self.chain.size, len(self.documents)
        sentences = [
            f"{count:,} events follow on each other without a gap; the last is {self.chain.last[:12]}.",
            f"{documents:,} documents are what their digests say, and all that events speak of are here.",
            f"Every byte is as it was written; the Merkle root is {self.frontier.root().hex()[:12]}.",
            f"Money in {len(self.balances):,} accounts adds up to nothing.",
        ]
        if self.known:
            noted = how_many(len(self.known), "checkpoint noted elsewhere is", "checkpoints noted elsewhere are")
            sentences.append(f"{noted} part of this log.")
        return Verified(
            count,
            self.chain.last,
            self.frontier.root().hex(),
            self.first_at,
            self.chain.at,
            documents,
            dict(self.balances),
            tuple(sentences),
        )
