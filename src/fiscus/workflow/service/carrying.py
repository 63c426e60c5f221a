"""What a solve left and still holds once people wrote other amounts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from fiscus.workflow.ports import Reader
from fiscus.workflow.proposal.content import Content, Item
from fiscus.workflow.service import reading

FACTS = ("asked", "requests", "units", "rules", "budget", "run", "scores", "value_unit")
"""Parts of the evidence that say what the plan was made from; whatever the amounts are, they hold."""


def carried(reader: Reader, name: str, content: Content) -> Content:
    """A new version as people wrote it, with what earlier ones know of it.

    With the amounts of an earlier version, all that was computed for that one, and its origin. With others it is made by hand: requests,
    names, units and rules are carried over, and so are the reasons of lines that are as they were; what was proved, reckoned and priced
    is not, as it was about other amounts.

    Args:
        reader: Of the store.
        name: Of the proposal that is edited.
        content: Without evidence.

    Raises:
        Refused: Where there is no such proposal.
    """
    proposal = reading.known_proposal(reader, name)
    if proposal.parent:
        return content
    known = [(number, reading.content(reader, each)) for number, each in enumerate(proposal.versions, start=1)]
    content = replace(content, items=tuple(_named(item, known[-1][1]) for item in content.items))
    same = [each for _, each in known if _amounts(each) == _amounts(content)]
    if same:
        latest = max(enumerate(same), key=lambda pair: (_computed(pair[1]), pair[0]))[1]
        return replace(content, origin=latest.origin, evidence=latest.evidence)
    solved = next((each for _, each in reversed(known) if _computed(each)), None)
    if solved is None:
        return replace(content, origin="manual", evidence={})
    first = next(
        pair for pair in known if pair[1].evidence == solved.evidence
    )  # Later ones may have changed words alone.
    return replace(content, origin="manual", evidence=_kept(*first, content))


def _computed(content: Content) -> bool:
    return bool(content.evidence) and "carried" not in content.evidence


def _named(item: Item, before: Content) -> Item:
    known = before.by_cell.get(item.cell)
    return replace(item, title=known.title) if known is not None and not item.title else item


def _amounts(content: Content) -> Mapping[tuple[str, str], tuple[Any, ...]]:
    return {item.cell: (item.unit, item.fund, item.amount, item.prior) for item in content.items}


def _kept(number: int, solved: Content, content: Content) -> dict[str, Any]:
    """Evidence of a version for other amounts than it was made for."""
    old, new = solved.by_cell, content.by_cell
    cells = {*old, *new}
    changed = {cell for cell in cells if _given(old.get(cell)) != _given(new.get(cell))}
    lines = {line for _, line in changed}
    reasons = solved.evidence.get("reasons") or {}
    return {
        **{part: solved.evidence[part] for part in FACTS if part in solved.evidence},
        "reasons": {line: told for line, told in reasons.items() if line not in lines},
        "alternatives": [{**each, "moved": None} for each in solved.evidence.get("alternatives") or ()],
        "carried": {"version": number, "digest": solved.digest, "changed": sorted(changed), "of": len(cells)},
    }


def _given(item: Item | None) -> tuple[str, str, int]:
    return (item.unit, item.fund, item.amount) if item is not None and item.amount else ("", "", 0)
