"""Two versions of a proposal side by side: amounts, rules, and what else was changed."""

from __future__ import annotations

from collections.abc import Sequence

from fastapi import APIRouter
from starlette.responses import Response

from fiscus.errors import Refused
from fiscus.web.rendering import page
from fiscus.web.visits import Here
from fiscus.workflow.service import reading
from fiscus.workflow.service.difference import difference

router = APIRouter()


@router.get("/proposals/{name}/compare")
def show(visit: Here, name: str, first: int = 0, second: int = 0) -> Response:
    """The page; versions are numbered from 1, and the last two are compared unless others are asked for."""
    with visit.read() as reader:
        proposal = reading.known_proposal(reader, name)
        count = len(proposal.versions)
        one, other = first or max(count - 1, 1), second or count
        digests = [_version(proposal.versions, number, name) for number in (one, other)]
        before, after = (reading.content(reader, digest) for digest in digests)
    return page(
        "compare.html",
        visit,
        proposal=proposal,
        numbers=range(1, count + 1),
        one=one,
        other=other,
        digests=digests,
        found=difference(before, after),
    )


def _version(versions: Sequence[str], number: int, name: str) -> str:
    if not 1 <= number <= len(versions):
        raise Refused("transition", f"There is no proposal {name!r} with a version {number}; it has {len(versions)}.")
    return versions[number - 1]
