"""The log: looked through, verified, and downloaded as one file."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from fastapi import APIRouter
from starlette.responses import Response

from fiscus.errors import BrokenLog
from fiscus.web.logs import whole_log
from fiscus.web.rendering import page
from fiscus.web.visits import Here, Visit
from fiscus.workflow.audit.replaying import replayed
from fiscus.workflow.ports import Written

router = APIRouter()

PAGE = 100


@router.get("/audit")
def show(visit: Here, stream: str = "", who: str = "", kind: str = "", before: int = 0) -> Response:
    """Events, the latest first."""
    visit.must_audit()
    return _page(visit, stream, who, kind, before)


def _page(
    visit: Visit, stream: str, who: str, kind: str, before: int, told: Sequence[str] = (), broken: str = ""
) -> Response:
    with visit.read() as reader:
        head, checkpoints = reader.head(), reader.checkpoints()
        events, more = _found(reader.backwards(stream.strip(), before), who, kind)
    return page(
        "audit.html",
        visit,
        status=409 if broken else 200,
        events=events,
        more=more,
        head=head,
        checkpoints=checkpoints,
        stream=stream,
        who=who,
        kind=kind,
        told=told,
        broken=broken,
    )


def _found(events: Iterable[Written], who: str, kind: str) -> tuple[Sequence[Written], int]:
    """One page of what fits, and the number to go on from; 0 for the end."""
    found: list[Written] = []
    who, kind = who.strip().casefold(), kind.strip().casefold()
    for event in events:
        people = (event.stamp.actor.casefold(), event.stamp.behalf.casefold())
        fits = (not who or who in people) and (not kind or event.kind.casefold() == kind)
        if fits:
            if len(found) == PAGE:
                return found, found[-1].seq
            found.append(event)
    return found, 0


@router.post("/audit/verify")
def verify(visit: Here) -> Response:
    """Read the whole log again and compare it with everything it should add up to."""
    visit.must_audit()
    try:
        with visit.read() as reader:
            told = replayed(reader)
    except BrokenLog as error:
        return _page(visit, "", "", "", 0, broken=str(error))
    return _page(visit, "", "", "", 0, told=told)


@router.get("/audit/export")
def export(visit: Here) -> Response:
    """The log as one file that a second machine verifies."""
    return whole_log(visit)
