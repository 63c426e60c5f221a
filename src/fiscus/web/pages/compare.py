"""Two versions of a proposal side by side: amounts, rules, and what else was changed."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from fastapi import APIRouter
from starlette.responses import Response

from fiscus.web.rendering import MINUS, page
from fiscus.web.visits import Here
from fiscus.workflow.proposal.content import Content
from fiscus.workflow.service import reading
from fiscus.workflow.service.difference import difference, versions

router = APIRouter()

WORTH = ("value", "bound")
"""Fields that are sums of scores."""

MACHINE = ("digests", "binding", "plan")
"""Fields that a program compares; people may look at them too."""

NAMES = {
    "value": "worth of the plan",
    "bound": "no plan is worth more than",
    "origin": "made by",
    "parent": "moves money of",
}
"""Of fields, for people; others are called what they are."""


@dataclass(frozen=True, slots=True)
class Told:
    """A field that differs.

    Attributes:
        name: As people call it.
        old: In the first version; empty for nothing.
        new: In the second.
        kind: ``words``, ``rules``, or ``machine`` for what only a program would read.
    """

    name: str
    old: str
    new: str
    kind: str


def told(fields: Iterable[tuple[str, str, str]]) -> list[Told]:
    """Differences in words and figures of people.

    Args:
        fields: ``(name, old, new)`` as the service tells them.
    """
    found = []
    for name, old, new in fields:
        if name in WORTH:
            old, new = (_worth(text, up=name == "bound") for text in (old, new))
        kind = "machine" if name in MACHINE else "rules" if name.startswith("rule ") else "words"
        found.append(Told(NAMES.get(name, name), old, new, kind))
    return [each for each in found if each.old != each.new]


def _worth(text: str, *, up: bool) -> str:
    """A sum of scores as the proof tells it; what bounds others is rounded up, so that it still does."""
    try:
        worth = math.ceil(float(text) * 100) / 100 if up else float(text)
    except (ValueError, OverflowError):  # Nothing, or no bound at all.
        return text
    return f"{worth:,.2f}".replace("-", MINUS)


def _proved(fields: Iterable[tuple[str, str, str]], before: Content, after: Content) -> list[tuple[str, str, str]]:
    """With the bounds that were proved in place of those that a solver reported."""
    proved = [str((each.evidence.get("proof") or {}).get("proved_bound") or "") for each in (before, after)]
    return [
        (name, proved[0] or old, proved[1] or new) if name == "bound" else (name, old, new) for name, old, new in fields
    ]


@router.get("/proposals/{name}/compare")
def show(visit: Here, name: str, first: int = 0, second: int = 0) -> Response:
    """The page; versions are numbered from 1, and the last two are compared unless others are asked for."""
    with visit.read() as reader:
        proposal = reading.known_proposal(reader, name)
        (one, first_digest), (other, second_digest) = versions(proposal, first, second)
        digests = (first_digest, second_digest)
        before, after = (reading.content(reader, digest) for digest in digests)
    found = difference(before, after)
    return page(
        "compare.html",
        visit,
        proposal=proposal,
        numbers=range(1, len(proposal.versions) + 1),
        one=one,
        other=other,
        digests=digests,
        found=found,
        fields=told(_proved(found.fields, before, after)),
    )
