"""What waits: for me, for others, and too long."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import Response

from fiscus.web.rendering import page
from fiscus.web.visits import Here
from fiscus.workflow.service.views import listed

router = APIRouter()

SHOWN = {
    "mine": "Waiting for me",
    "others": "Waiting for others",
    "overdue": "Overdue",
    "own": "Proposed by me",
    "all": "Everything",
}
PAGE = 50


@router.get("/inbox")
def show(visit: Here, show: str = "mine", text: str = "", number: Annotated[int, Query(alias="page")] = 1) -> Response:
    """A list of proposals."""
    return _page(visit, show, text, number)


def _page(visit: Here, show: str, text: str, number: int) -> Response:
    chosen = show if show in SHOWN else "mine"
    number = max(number, 1)
    with visit.read() as reader:
        found = listed(
            reader,
            visit.registry,
            visit.person,
            visit.at,
            chosen,
            text=text[:100],
            limit=PAGE,
            offset=(number - 1) * PAGE,
        )
    pages = max(-(-found.count // PAGE), 1)
    return page("inbox.html", visit, choices=SHOWN, chosen=chosen, text=text, found=found, number=number, pages=pages)
