"""Two versions of a proposal side by side: amounts, rules, and what else was changed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from fastapi import APIRouter
from starlette.responses import Response

from fiscus.web.rendering import MINUS, page
from fiscus.web.visits import Here
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
        machine: Whether only a program would read it.
    """

    name: str
    old: str
    new: str
    machine: bool


def told(fields: Iterable[tuple[str, str, str]]) -> list[Told]:
    """Differences in words and figures of people.

    Args:
        fields: ``(name, old, new)`` as the service tells them.
    """
    found = []
    for name, old, new in fields:
        if name in WORTH:
            old, new = _worth(old), _worth(new)
        found.append(Told(NAMES.get(name, name), old, new, name in MACHINE))
    return [each for each in found if each.old != each.new]


def _worth(text: str) -> str:
    """A sum of scores as the proof tells it."""
    try:
        return f"{float(text):,.2f}".replace("-", MINUS)
    except ValueError:
        return text


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
        fields=told(found.fields),
    )
