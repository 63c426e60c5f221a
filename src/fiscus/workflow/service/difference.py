"""What two versions of a proposal do not have in common."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fiscus.core.money import written
from fiscus.errors import Refused
from fiscus.workflow.proposal.content import Content
from fiscus.workflow.proposal.state import Proposal

TOLD = ("method", "status", "plan", "value", "bound", "digests", "binding", "proof")
"""Parts of the evidence that are told as old and new."""


@dataclass(frozen=True, slots=True)
class Changed:
    """A line whose amount, or anything else, is another.

    Attributes:
        period: Of the budget.
        line: Its id.
        title: For people.
        before: Minor units; None where it was not there.
        after: Minor units; None where it is no more.
        other: Other fields that changed, in words.
    """

    period: str
    line: str
    title: str
    before: int | None
    after: int | None
    other: str

    @property
    def change(self) -> int:
        """Minor units."""
        return (self.after or 0) - (self.before or 0)


@dataclass(frozen=True, slots=True)
class Difference:
    """Between two versions.

    Attributes:
        before: Total, minor units.
        after: Total, minor units.
        lines: That changed, the largest changes first.
        same: How many did not.
        fields: ``(name, old, new)`` of everything beside the lines.
        currency: ISO 4217 code of the later one.
    """

    before: int
    after: int
    lines: tuple[Changed, ...]
    same: int
    fields: tuple[tuple[str, str, str], ...]
    currency: str


def versions(proposal: Proposal, first: int = 0, second: int = 0) -> tuple[tuple[int, str], tuple[int, str]]:
    """Two versions as ``(number, digest)``.

    Args:
        proposal: Whose.
        first: Number from 1; 0 for the one before the second.
        second: Number from 1; 0 for the last.

    Raises:
        Refused: Where there is no such version.
    """
    count = len(proposal.versions)
    other = second or count
    one = first or max(other - 1, 1)
    for number in (one, other):
        if not 1 <= number <= count:
            reason = f"There is no proposal {proposal.id!r} with a version {number}; it has {count}."
            raise Refused("transition", reason)
    return (one, proposal.versions[one - 1]), (other, proposal.versions[other - 1])


def difference(before: Content, after: Content) -> Difference:
    """What changed from one version to another."""
    cells = list(dict.fromkeys((*before.by_cell, *after.by_cell)))
    changed = []
    for cell in cells:
        old, new = before.by_cell.get(cell), after.by_cell.get(cell)
        if old == new:
            continue
        there = new or old
        assert there is not None
        other = ""
        if old and new:
            names = ("unit", "fund", "prior", "title")
            other = "; ".join(
                f"{name}: {getattr(old, name)} \N{RIGHTWARDS ARROW} {getattr(new, name)}"
                for name in names
                if getattr(old, name) != getattr(new, name)
            )
        changed.append(Changed(*cell, there.title, old.amount if old else None, new.amount if new else None, other))
    changed.sort(key=lambda each: (-abs(each.change), each.period, each.line))
    return Difference(
        before.total,
        after.total,
        tuple(changed),
        len(cells) - len(changed),
        tuple(_fields(before, after)),
        after.currency,
    )


def _fields(before: Content, after: Content) -> list[tuple[str, str, str]]:
    found = [
        (name, str(getattr(before, name)), str(getattr(after, name)))
        for name in ("title", "currency", "origin", "risk", "justification", "parent")
    ]
    found += [(name, _words(before.evidence, name), _words(after.evidence, name)) for name in TOLD]
    found += _budgets(before, after)
    return [each for each in found if each[1] != each[2]] + _rules(before, after)


def _budgets(before: Content, after: Content) -> list[tuple[str, str, str]]:
    """The envelope of each period that either knows."""
    old, new = before.evidence.get("budget") or {}, after.evidence.get("budget") or {}
    return [
        (
            f"budget {period}",
            written(old[period], before.currency) if period in old else "",
            written(new[period], after.currency) if period in new else "",
        )
        for period in dict.fromkeys((*old, *new))
    ]


def _rules(before: Content, after: Content) -> list[tuple[str, str, str]]:
    """Rules that are new, gone, or stated otherwise."""
    old, new = ({str(rule["id"]): rule for rule in each.evidence.get("rules") or ()} for each in (before, after))
    return [
        (f"rule {name}", rule_in_words(old.get(name)), rule_in_words(new.get(name)))
        for name in dict.fromkeys((*old, *new))
        if old.get(name) != new.get(name)
    ]


def rule_in_words(rule: Mapping[str, Any] | None) -> str:
    """A rule's own text, and what it says exactly; empty for none."""
    if rule is None:
        return ""
    plain = {name: value for name, value in rule.items() if name not in ("id", "text", "hard", "mandatory", "penalty")}
    exact = "; ".join(f"{name} {_value(value)}" for name, value in plain.items())
    force = "hard" if rule.get("hard") else f"soft, penalty {_value(rule.get('penalty'))}"
    return f"{rule.get('text') or rule['id']} ({force}; {exact})"


def _value(value: Any) -> str:
    if isinstance(value, float | int) and not isinstance(value, bool):
        return f"{value:,.15g}"
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True, ensure_ascii=False)


def _words(evidence: Mapping[str, Any], name: str) -> str:
    found = evidence.get(name)
    if found is None:
        return ""
    if name == "binding":
        return "; ".join(
            f"{row.get('rule')} ({', '.join(str(part) for part in row.get('row', ())[1:])})" for row in found
        )
    if name == "proof":
        return str(found.get("status", ""))
    return found if isinstance(found, str) else json.dumps(found, sort_keys=True)
