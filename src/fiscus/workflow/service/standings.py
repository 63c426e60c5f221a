"""Where the money of a proposal's lines is now, and which reallocations moved it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from fiscus.workflow.ports import Written
from fiscus.workflow.proposal.content import Content
from fiscus.workflow.proposal.state import Proposal
from fiscus.workflow.proposal.transitions import FINAL, WITH_MONEY

BUCKETS = ("reserved", "released", "committed", "actual")
"""Where money of a line can be, in the order in which it gets there."""


@dataclass(frozen=True, slots=True)
class Standing:
    """Where the money of a line is, minor units.

    Attributes:
        period: Of the budget.
        line: Its id.
        title: For people.
        approved: As the approvers saw it; nothing where a reallocation brought it in.
        now: The same with what reallocations added to it or took from it.
        reserved: Approved and not released.
        released: Spendable.
        committed: Ordered.
        actual: Paid.
    """

    period: str
    line: str
    title: str
    approved: int
    now: int
    reserved: int
    released: int
    committed: int
    actual: int


@dataclass(frozen=True, slots=True)
class Moved:
    """What a reallocation did.

    Attributes:
        by: Its id.
        at: When it was approved.
        changes: Minor units by period and line, below zero for what was taken.
    """

    by: str
    at: str
    changes: tuple[tuple[str, str, int], ...]


def holds_money(proposal: Proposal) -> bool:
    """Whether money is reserved for it, or went on from there, and it is not over."""
    return proposal.status in WITH_MONEY or proposal.held in WITH_MONEY


def standings(proposal: Proposal, content: Content) -> Sequence[Standing]:
    """Every line that money was approved for, reallocations included; once it is over, only what was paid is not available again.

    Args:
        proposal: As it stands.
        content: Its current version.
    """
    found, items, left, signed = [], proposal.items(content), proposal.left(content), content.by_cell
    for cell, reserved in left.items():
        item, (released, committed, actual) = items.get(cell), proposal.places.get(cell, (0, 0, 0))
        before = signed[cell].amount if cell in signed else 0
        now = before + proposal.adjusted.get(cell, 0)
        title = (item.title if item else "") or cell[1]
        places = (
            reserved if holds_money(proposal) else 0,
            0 if proposal.status in FINAL else released,
            committed,
            actual,
        )
        found.append(Standing(*cell, title, before, now, *places))
    return found


def moved(log: Iterable[Written]) -> Sequence[Moved]:
    """Reallocations that moved money of a proposal, the first first.

    Args:
        log: Of the proposal.
    """
    return [
        Moved(
            event.data["by"],
            event.stamp.at,
            tuple((period, line, amount) for period, line, amount in event.data["added"]),
        )
        for event in log
        if event.kind == "Adjusted"
    ]
