"""A proposal that moves money of another, as people read it: from where, to where, and what there is before and after."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from fiscus.core.money import written
from fiscus.workflow.ports import Reader
from fiscus.workflow.proposal.content import Item
from fiscus.workflow.proposal.transitions import CLOSED
from fiscus.workflow.service import reading
from fiscus.workflow.service.views import View


@dataclass(frozen=True, slots=True)
class Moves:
    """What moves.

    Attributes:
        words: What it wants, after the name of who does.
        rows: Each line with what it has before, minor units; those that give first, the largest moves first.
    """

    words: str
    rows: Sequence[tuple[Item, int]]


def moves(reader: Reader, seen: View) -> Moves | None:
    """What a reallocation moves; None for any other proposal.

    Args:
        reader: Of the store.
        seen: The proposal.
    """
    if not seen.proposal.parent:
        return None
    parent = reading.known_proposal(reader, seen.proposal.parent)
    before = {item.cell: item.amount for item in reading.content(reader, parent.content).items}
    adopted = seen.proposal.status == CLOSED  # Then the parent has it already.
    rows = []
    known = parent.items(reading.content(reader, parent.content))
    for item in sorted(seen.content.items, key=lambda each: (each.amount > 0, -abs(each.amount), each.line)):
        there = before.get(item.cell, 0) + parent.adjusted.get(item.cell, 0) - (item.amount if adopted else 0)
        rows.append((_titled(item, known.get(item.cell)), there))
    return Moves(_words(seen), rows)


def _titled(item: Item, known: Item | None) -> Item:
    title = item.title or (known.title if known else "")
    return Item(item.period, item.line, item.unit, item.fund, item.amount, item.prior, title)


def _words(seen: View) -> str:
    code = seen.currency
    gained = seen.content.total
    taken = gained - sum(item.amount for item in seen.content.items)
    if not gained:
        return f"gives back {written(taken, code)}"
    if not taken:
        return f"wants to add {written(gained, code)}"
    if taken == gained:
        return f"wants to move {written(gained, code)}"
    return f"wants to take {written(taken, code)} and to add {written(gained, code)} elsewhere"
