"""Streams as the objects they are, parsed once for each version."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping
from threading import Lock
from typing import Any, TypeVar

import orjson

from fiscus.errors import Refused
from fiscus.workflow.authority.matrix import Matrix
from fiscus.workflow.duties.history import Act
from fiscus.workflow.funds.books import Books
from fiscus.workflow.identity import evolve as registry_after
from fiscus.workflow.identity.registry import Registry
from fiscus.workflow.ports import Entry, Filter, Reader, Record
from fiscus.workflow.proposal import state
from fiscus.workflow.proposal.content import Content, content_of
from fiscus.workflow.proposal.state import Proposal

T = TypeVar("T")


class Parsed:
    """Documents that never change, parsed, the latest few: by digest, or by all that they say.

    Args:
        size: How much is kept in all; the latest is always.
        weigh: How much one is, of its key and itself; without it, each is one.
    """

    def __init__(self, size: int, weigh: Callable[[str, Any], int] | None = None) -> None:
        self.size, self.weigh, self.lock = size, weigh, Lock()
        self.kept: OrderedDict[str, Any] = OrderedDict()
        self.weight = 0
        self._last: tuple[str | None, Any] = (None, None)

    def get(self, key: str, make: Callable[[], T]) -> T:
        """What was made before, or is made now."""
        last, found = self._last  # As people and budgets are at decision after decision: no lock for it.
        if last is not key:
            found = self._get(key, make)
            self._last = (key, found)
        known: T = found
        return known

    def _get(self, key: str, make: Callable[[], Any]) -> Any:
        with self.lock:
            if key in self.kept:
                self.kept.move_to_end(key)
                return self.kept[key]
        made = make()
        self.keep(key, made)
        return made

    def keep(self, key: str, made: Any, *, instead_of: str | None = None) -> None:
        """Keep what was made already.

        Args:
            key: By which it is asked for.
            made: What it says.
            instead_of: Key of what hardly anybody will ask for any more.
        """
        with self.lock:
            if instead_of is not None and instead_of in self.kept and instead_of != key:
                self.weight -= self._weight(instead_of, self.kept.pop(instead_of))
            if key not in self.kept:
                self.weight += self._weight(key, made)
            self.kept[key] = made
            while self.weight > self.size and len(self.kept) > 1:
                self.weight -= self._weight(*self.kept.popitem(last=False))

    def _weight(self, key: str, made: Any) -> int:
        return 1 if self.weigh is None else self.weigh(key, made)


CONTENTS = Parsed(150_000, lambda digest, content: len(content.items) + 20)
"""Versions of proposals, about so many lines of them."""

MATRICES = Parsed(64)

PROPOSALS = Parsed(8_000_000, lambda text, proposal: len(text))
"""Of so many characters: small ones by the thousand."""

REGISTRIES = Parsed(8)
BOOKS = Parsed(8)
POLICIES = Parsed(8)
"""What streams add up to, by the text that says so: it is the same object as long as the text is the same."""


def registry(reader: Reader) -> Registry:
    """People, roles, units and delegations."""
    record = reader.load("registry")
    return Registry() if record is None else REGISTRIES.get(record.text, lambda: Registry.from_json(record.state))


def registry_at(reader: Reader, moment: str) -> Registry:
    """The ``registry`` as it was at a moment: who was there then, and what they were called."""
    found = Registry()
    for event in reader.events("registry"):
        if event.stamp.at > moment:
            break
        found = registry_after(found, Entry(event.kind, event.data))
    return found


def books(reader: Reader) -> Books:
    """Budgets."""
    record = reader.load("funds")
    return Books() if record is None else BOOKS.get(record.text, lambda: Books.from_json(record.state))


def proposal(reader: Reader, name: str) -> Proposal | None:
    """A proposal by its id; None where there is none."""
    record = reader.load(f"proposal/{name}")
    return None if record is None else proposal_of(record)


def proposal_of(record: Record) -> Proposal:
    """The proposal that a record is of."""
    return PROPOSALS.get(record.text, lambda: state.from_json(record.state))


def keep_proposal(reader: Reader, stream: str, proposal: Proposal, before: str | None) -> None:
    """What a proposal has just become, so that nobody parses what was only written.

    Args:
        reader: Of the unit of work that wrote it.
        stream: Its name.
        proposal: As it stands now.
        before: Text of its record until now; None before there was one.
    """
    record = reader.load(stream)
    if record is not None:
        PROPOSALS.keep(record.text, proposal, instead_of=before)


def lineage_acts(reader: Reader, lineage: str) -> tuple[Act, ...]:
    """Parts that people had in a lineage: in all proposals about the same money."""
    records = reader.find(Filter(kind="proposal", lineage=lineage))
    if len(records) == 1:
        return proposal_of(records[0]).acts
    return tuple(act for record in records for act in proposal_of(record).acts)


def known_proposal(reader: Reader, name: str) -> Proposal:
    """A proposal by its id.

    Raises:
        Refused: Where there is none.
    """
    found = proposal(reader, name)
    if found is None:
        raise Refused("transition", f"There is no proposal {name!r}.")
    return found


def content(reader: Reader, digest: str) -> Content:
    """A version by its digest."""
    return CONTENTS.get(digest, lambda: content_of(document(reader, digest)))


def matrix(reader: Reader, digest: str) -> Matrix:
    """An authority matrix by its digest."""
    return MATRICES.get(digest, lambda: Matrix.from_json(document(reader, digest)))


def document(reader: Reader, digest: str) -> Mapping[str, Any]:
    """A stored document by its digest.

    Raises:
        Refused: Where there is none.
    """
    body = reader.content(digest)
    if body is None:
        raise Refused("content.lost", f"The store has no document {digest}.")
    found: Mapping[str, Any] = orjson.loads(body)
    return found
