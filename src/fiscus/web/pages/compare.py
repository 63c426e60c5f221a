"""Two versions of a proposal side by side: amounts, rules, and what else was changed."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.responses import Response

from fiscus.web.rendering import page
from fiscus.web.visits import Here
from fiscus.workflow.service import reading
from fiscus.workflow.service.difference import difference, versions

router = APIRouter()


@router.get("/proposals/{name}/compare")
def show(visit: Here, name: str, first: int = 0, second: int = 0) -> Response:
    """The page; versions are numbered from 1, and the last two are compared unless others are asked for."""
    with visit.read() as reader:
        proposal = reading.known_proposal(reader, name)
        (one, first_digest), (other, second_digest) = versions(proposal, first, second)
        digests = (first_digest, second_digest)
        before, after = (reading.content(reader, digest) for digest in digests)
    return page(
        "compare.html",
        visit,
        proposal=proposal,
        numbers=range(1, len(proposal.versions) + 1),
        one=one,
        other=other,
        digests=digests,
        found=difference(before, after),
    )
