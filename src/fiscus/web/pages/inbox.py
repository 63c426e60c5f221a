"""What waits: for me, for others, and too long."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import Response

from fiscus.web.rendering import page
from fiscus.web.visits import Here
from fiscus.workflow.service.tasks import tasks
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
MOST_PAGES = 1_000_000
"""Beyond what any database holds; larger numbers are no numbers of SQL."""


@router.get("/inbox")
def show(visit: Here, show: str = "mine", text: str = "", number: Annotated[int, Query(alias="page")] = 1) -> Response:
    """A list of proposals."""
    return _page(visit, show, text, number)


def _page(visit: Here, show: str, text: str, number: int) -> Response:
    chosen = show if show in SHOWN else "mine"
    number = min(max(number, 1), MOST_PAGES)
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
        mine = chosen == "mine" and number == 1
        todo = tasks(reader, visit.registry, visit.person, visit.at, text[:100]) if mine else ()
    return page("inbox.html", visit, choices=SHOWN, chosen=chosen, text=text, found=found, todo=todo, number=number)
