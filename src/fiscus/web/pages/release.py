"""Release of approved money: all that is left, named by its amount, or amounts that are written beside lines."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse, Response

from fiscus.errors import InvalidInput, Refused
from fiscus.web.pages.again import say_again, ways
from fiscus.web.pages.spending import amounts
from fiscus.web.rendering import page
from fiscus.web.troubles import status_of
from fiscus.web.visits import NOTHING, Form, Here, Sent, Visit
from fiscus.workflow.proposal import commands as do
from fiscus.workflow.service.standings import standings
from fiscus.workflow.service.views import View, lineage_acts, release_capacities, view

router = APIRouter()


@router.get("/proposals/{name}/release")
def show(visit: Here, name: str) -> Response:
    """The page."""
    return _page(visit, name, NOTHING, "")


def _page(visit: Visit, name: str, form: Form, fault: str, status: int = 200) -> Response:
    with visit.read() as reader:
        seen = view(reader, name, visit.at)
        history = lineage_acts(reader, seen.proposal)
    rows = [row for row in standings(seen.proposal, seen.content) if row.reserved > 0]
    written = dict(zip(zip(form.all("period"), form.all("line"), strict=False), form.all("amount"), strict=False))
    return page(
        "release.html",
        visit,
        status=status,
        proposal=seen.proposal,
        rows=rows,
        left=sum(row.reserved for row in rows),
        written=written,
        capacities=release_capacities(seen.proposal, visit.registry, visit.person, visit.at, history),
        fault=fault,
        form=form,
        **ways(visit),
    )


@router.post("/proposals/{name}/release")
def released(visit: Here, name: str, form: Sent, request: Request) -> Response:
    """Release; where it cannot be, show why and keep what was written."""
    try:
        say_again(visit, form, request, "release money")
        visit.follow(lambda uow: do.Release(name, _amounts(form, view(uow, name, visit.at))), form["behalf"])
    except (Refused, InvalidInput) as error:
        return _page(visit, name, form, str(error), status_of(error))
    return RedirectResponse(f"/proposals/{name}?done=release", 303)


def _amounts(form: Form, seen: View) -> dict[tuple[str, str], int]:
    """What the pressed button means: never everything where nothing was written.

    Raises:
        InvalidInput: For a part without amounts, or no button of ours.
        Refused: Where what is left is another sum than the button said.
    """
    left = {(row.period, row.line): row.reserved for row in standings(seen.proposal, seen.content) if row.reserved > 0}
    if form["what"] not in ("whole", "part"):
        raise InvalidInput("Choose to release the whole, or the amounts that you wrote.")
    if form["left"] != str(sum(left.values())):  # Pressed twice, too: a part is never released twice by one page.
        raise Refused("release.stale", "What is still reserved changed since you saw this page. Look at it again.")
    if form["what"] == "whole":
        return left
    found = dict(amounts(form, seen.currency))
    if not found:
        raise InvalidInput("Write an amount beside at least one line, or release the whole.")
    return found
