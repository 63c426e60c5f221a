"""What a version of a proposal says. It is stored once by its digest and never changes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from fiscus.core.money import currency, written
from fiscus.errors import InvalidInput
from fiscus.workflow.authority.routing import relative_change
from fiscus.workflow.canonical import canonical, digest
from fiscus.workflow.once import once

ORIGINS = ("optimiser", "learned", "manual")
"""Who made the amounts: a solver, a learned policy, people."""

Cell = tuple[str, str]
"""A line in a period: ``(period, line)``."""

LARGEST = 2**53 - 1
"""Minor units that JSON carries exactly."""


@dataclass(frozen=True, slots=True)
class Item:
    """Money of one line in one period.

    Attributes:
        period: Of the budget.
        line: Its id.
        unit: That it belongs to.
        fund: Source of money.
        amount: Minor units; of a reallocation what is added, below zero where it is taken away.
        prior: Last year's, minor units; None where there was none.
        title: For people.
    """

    period: str
    line: str
    unit: str
    fund: str
    amount: int
    prior: int | None = None
    title: str = ""

    @property
    def cell(self) -> Cell:
        return self.period, self.line


@dataclass(frozen=True, eq=False)
class Content:
    """One version.

    Attributes:
        title: Of the proposal.
        currency: ISO 4217 code.
        items: At least one, each line once a period.
        origin: One of ``ORIGINS``.
        risk: Band, as the authority matrix names them; empty for none.
        justification: Why.
        parent: Stream whose money a reallocation moves; empty for a proposal of its own.
        evidence: What a solve left: digests, solver, value, bound, gap, rows that bind, alternatives.
    """

    title: str
    currency: str
    items: tuple[Item, ...]
    origin: str = "manual"
    risk: str = ""
    justification: str = ""
    parent: str = ""
    evidence: Mapping[str, Any] = field(default_factory=dict)

    @once
    def document(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "title": self.title,
            "currency": self.currency,
            "origin": self.origin,
            "risk": self.risk,
            "justification": self.justification,
            "parent": self.parent,
            "items": [asdict(item) for item in self.items],
            "evidence": dict(self.evidence),
        }

    @once
    def body(self) -> bytes:
        """As stored."""
        return canonical(self.document)

    @once
    def digest(self) -> str:
        """Of the body."""
        return digest(self.document)

    @once
    def by_cell(self) -> dict[Cell, Item]:
        """Items by period and line."""
        return {(item.period, item.line): item for item in self.items}

    @once
    def total(self) -> int:
        """Minor units; of a reallocation what it adds to the lines that gain."""
        return sum(item.amount for item in self.items if not self.parent or item.amount > 0)

    @once
    def prior(self) -> int | None:
        """Last year's total, minor units; None where no line had any."""
        known = [item.prior for item in self.items if item.prior is not None]
        return sum(known) if known else None

    @property
    def change(self) -> float | None:
        """Against last year, as a fraction; None where last year had nothing."""
        return relative_change(self.total, self.prior)

    @once
    def units(self) -> tuple[str, ...]:
        """Units it touches, each once, sorted."""
        return tuple(sorted({item.unit for item in self.items}))

    @once
    def by_source(self) -> Mapping[tuple[str, str, str], int]:
        """Minor units by unit, period and fund, in the order of the items."""
        found: dict[tuple[str, str, str], int] = {}
        for item in self.items:
            source = item.unit, item.period, item.fund
            found[source] = found.get(source, 0) + item.amount
        return found


def content_of(document: Mapping[str, Any]) -> Content:
    """A version from JSON.

    Raises:
        InvalidInput: Where it is not one; the message names the item and the field.
    """
    try:
        items = tuple(Item(**item) for item in document["items"])
        rest = {key: document[key] for key in document if key != "items"}
        return checked(Content(items=items, **rest))
    except (KeyError, TypeError) as error:
        raise InvalidInput(f"the document is no version of a proposal: {error}") from error


def checked(content: Content) -> Content:
    """The same, if it can be proposed.

    Raises:
        InvalidInput: With every fault, each naming item and field.
    """
    faults = list(_faults(content))
    if faults:
        raise InvalidInput(" ".join(faults))
    return content


def _faults(content: Content) -> Iterator[str]:
    try:
        currency(content.currency)
    except InvalidInput as error:
        yield f"currency: {error}."
    if not content.title.strip():
        yield "title: it is empty; say what the money is for."
    if content.origin not in ORIGINS:
        yield f"origin: {content.origin!r} is none of {', '.join(ORIGINS)}."
    if not content.items:
        yield "items: there are none."
    seen: set[Cell] = set()
    for number, item in enumerate(content.items, start=1):
        about = (
            f"item {number}, {item.title or item.line} in {item.period}"
            if item.line and item.period
            else f"item {number}"
        )
        yield from (f"{about}, {fault}" for fault in _item_faults(item, bool(content.parent), content.currency))
        if item.cell in seen:
            yield f"item {number}: line {item.line!r} stands twice in {item.period!r}."
        seen.add(item.cell)
    if not sum(abs(item.amount) for item in content.items if type(item.amount) is int):
        yield "items: no amount is above zero."


def _item_faults(item: Item, moves: bool, code: str) -> Iterator[str]:
    for name in ("period", "line", "unit", "fund"):
        if not isinstance(getattr(item, name), str) or not getattr(item, name):
            yield f"{name}: it is empty."
    if type(item.amount) is not int or abs(item.amount) > LARGEST:
        yield f"amount: {item.amount!r} is no whole number of minor units below {LARGEST:,}."
    elif item.amount < 0 and not moves:
        yield f"amount: {_money(item.amount, code)} is below zero; only a reallocation takes money away."
    if item.prior is not None and (type(item.prior) is not int or not 0 <= item.prior <= LARGEST):
        yield f"prior: {item.prior!r} is no whole number of minor units."


def _money(minor: int, code: str) -> str:
    """As people write it; in minor units where the currency is none."""
    try:
        return written(minor, code)
    except InvalidInput:
        return f"{minor:,}"


def approval_hash(content: str, policy: str) -> str:
    """What an approver signs: this version under this authority matrix, both by their digests."""
    return digest({"content": content, "policy": policy})


def amounts_of(items: Sequence[Item]) -> dict[Cell, int]:
    """Minor units by period and line."""
    return {item.cell: item.amount for item in items}
