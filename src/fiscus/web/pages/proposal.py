"""One proposal: what is recommended, why, what it would commit, and who signed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse, Response

from fiscus.errors import InvalidInput, Refused
from fiscus.web import drawings
from fiscus.web.figures import PAGE, SORTS, Figures, figures
from fiscus.web.happened import happened
from fiscus.web.reallocation import moves
from fiscus.web.rendering import page
from fiscus.web.troubles import status_of
from fiscus.web.visits import NOTHING, Form, Here, Sent, Visit
from fiscus.workflow.canonical import timestamp
from fiscus.workflow.duties.history import Act
from fiscus.workflow.ports import Filter, Reader, Written
from fiscus.workflow.proposal import commands as do
from fiscus.workflow.proposal.reviewing import due_of
from fiscus.workflow.proposal.transitions import FINAL, IN_REVIEW, WITH_MONEY, allowed
from fiscus.workflow.service import reading
from fiscus.workflow.service.deeds import Deed, deeds, last
from fiscus.workflow.service.entitlement import (
    capacities_in,
    glass,
    glass_capacities,
    signatures,
    waiting_people,
)
from fiscus.workflow.service.impact import commitments
from fiscus.workflow.service.views import View, lineage_acts, openings, release_capacities, view

router = APIRouter()

TOP = 8
"""Changes that are told with their reasons."""


@dataclass(frozen=True, slots=True)
class Table:
    """What of the table is shown.

    Attributes:
        unit: Below which; empty for all.
        sort: By which column.
        down: Whether the largest come first.
        number: Page, from 1.
        line: Whose reasons are told above it; empty for none.
        whole: Whether all rows stand on one page, as on paper.
    """

    unit: str = ""
    sort: str = "change"
    down: bool = True
    number: int = 1
    line: str = ""
    whole: bool = False


SAID: Mapping[str, tuple[tuple[str, ...], str]] = {
    "approve": (("Approved",), "Your approval was recorded."),
    "return": (("Returned",), "It was returned for changes."),
    "reject": (("Rejected",), "It was rejected."),
    "break": (
        ("GlassTouched", "GlassBroken"),
        "Your part in breaking the glass was recorded; how it stands now is said below.",
    ),
    "release": (("Released",), "The money was released."),
}
"""By what an address says was done: the events that have to be in the log, of the person who looks and of this version, and the
sentence that is then true."""


@router.get("/proposals/{name}")
def show(
    visit: Here,
    name: str,
    request: Request,
    unit: str = "",
    sort: str = "change",
    down: int = 1,
    number: int = 0,
    line: str = "",
    done: str = "",
    whole: int = 0,
) -> Response:
    """The page."""
    wanted = Table(unit, sort if sort in SORTS else "change", bool(down), max(number, 1), line, bool(whole))
    with visit.read() as reader:
        turned = number > 0 and "hx-request" in request.headers
        return _page(reader, visit, name, wanted, done, turned=turned)


def _page(
    reader: Reader,
    visit: Visit,
    name: str,
    wanted: Table,
    done: str = "",
    *,
    turned: bool = False,
    fault: str = "",
    form: Form = NOTHING,
    status: int = 200,
) -> Response:
    seen = view(reader, name, visit.at)
    log = tuple(reader.events(seen.proposal.stream))  # Once: bodies of events that move money are long.
    mine = deeds(log, visit.person)
    acts = lineage_acts(reader, seen.proposal)
    shown = figures(seen.content, seen.proposal.content, visit.registry.parents)
    unit = wanted.unit if shown.unit(wanted.unit) else shown.root
    below = unit if wanted.unit else ""
    rows = shown.table(below, wanted.sort, wanted.down)
    each = max(len(rows), 1) if wanted.whole else PAGE
    pages = max(-(-len(rows) // each), 1)
    number = min(wanted.number, pages)
    return page(
        "proposal.html",
        visit,
        status=status,
        fault=fault,
        form=form,
        seen=seen,
        proposal=seen.proposal,
        titles=seen.titles,
        shown=shown,
        top=_top(shown),
        unit=unit,
        below=below,
        trail=shown.trail(unit),
        children=shown.children(unit),
        rows=rows[(number - 1) * each : number * each],
        count=len(rows),
        moved=moves(reader, seen),
        asked_about=[row for row in shown.rows if wanted.line and row.id == wanted.line],
        places=len(shown.children(shown.root)) or len(seen.content.units),
        table=wanted,
        number=number,
        pages=pages,
        pictures=drawings.of_proposal(seen, shown, unit),
        signed=signatures(seen, visit.registry),
        waiting=waiting_people(seen.proposal, visit.registry, visit.at),
        commits=commitments(reader, seen.proposal, seen.content),
        glass=glass(log, seen, visit.registry),
        history=history(log),
        can=_can(seen, visit, acts),
        replaced=_family(reader, seen),
        said=_said(done, mine, seen),
        signed_before=_void(mine, seen),
        turned=turned,  # A page of the table that a script swaps in: its heading takes the focus.
    )


def _said(done: str, mine: Sequence[Deed], seen: View) -> str:
    """What was done, where the log says so; an address alone is not believed."""
    kinds, words = SAID.get(done, ((), ""))
    now = len(seen.proposal.versions)
    return words if any(each.kind in kinds and each.version == now for each in mine) else ""


def _void(mine: Sequence[Deed], seen: View) -> Deed | None:
    """The signature of an earlier version that an edit made void; None for none, and where this one is signed too."""
    found = last(mine, "Approved")
    return found if found and found.version < len(seen.proposal.versions) else None


def _top(shown: Figures) -> Sequence[Any]:
    return [row for row in shown.changes[:TOP] if row.change]


def _family(reader: Reader, seen: View) -> Sequence[str]:
    """Other proposals of its lineage."""
    found = reader.find(Filter(kind="proposal", lineage=seen.proposal.lineage, limit=20))
    return [each.stream.removeprefix("proposal/") for each in found if each.stream != seen.proposal.stream]


def history(log: Iterable[Written]) -> Sequence[Mapping[str, str]]:
    """What happened to a proposal, the latest first, with what people said."""
    found = []
    for event in log:
        words = event.data.get("reason") or event.data.get("text") or event.data.get("comment") or ""
        behalf = f" for {event.stamp.behalf}" if event.stamp.behalf else ""
        found.append(
            {
                "number": str(event.seq),
                "at": event.stamp.at,
                "who": event.stamp.actor + behalf,
                "kind": happened(event),
                "words": str(words),
                "loud": "yes" if event.data.get("loud") else "",
            }
        )
    return found[::-1]


def _can(seen: View, visit: Visit, acts: Sequence[Act]) -> Mapping[str, bool]:
    """What is worth a button; whether it is allowed is decided when it is pressed."""
    proposal, status = seen.proposal, seen.proposal.status
    mine = proposal.owner in visit.registry.capacities(visit.person, visit.at)
    ends = (proposal.release_role, proposal.reconcile_role)
    guards = _holds((*(stage.role for stage in proposal.stages), *ends), seen, visit)
    possible = {name: bool(allowed(status, name)) for name in ("Submit", "Recall", "Hold", "Resume", "Close", "Edit")}
    return {
        "decide": bool(openings(proposal, visit.registry, visit.person, visit.at, acts)),
        "glass": bool(glass_capacities(seen, visit.registry, visit.person, visit.at, acts)),
        "release": bool(release_capacities(proposal, visit.registry, visit.person, visit.at, acts)),
        "edit": mine and possible["Edit"],
        "move": status in WITH_MONEY,
        "submit": mine and possible["Submit"],
        "recall": mine and possible["Recall"],
        "hold": guards and possible["Hold"],
        "resume": guards and possible["Resume"],
        "close": (mine or _holds(ends, seen, visit)) and possible["Close"],
        "comment": status not in FINAL or mine,
        "escalate": status == IN_REVIEW and _late(seen),
        "expire": bool(allowed(status, "Expire")) and bool(proposal.expires) and proposal.expires < timestamp(seen.at),
    }


def _holds(roles: tuple[str, ...], seen: View, visit: Visit) -> bool:
    return bool(capacities_in(roles, seen.proposal.unit, visit.registry, visit.person, visit.at))


def _late(seen: View) -> bool:
    now = timestamp(seen.at)
    return any((due := due_of(seen.proposal, stage)) and due < now for stage in seen.proposal.open_stages)


@router.post("/proposals/{name}/do/{what}")
def act(visit: Here, name: str, what: str, form: Sent, request: Request) -> Response:
    """Follow a command and show the page again; where it cannot be, with why, and what was written."""
    if what not in MAKERS:
        raise InvalidInput(f"Nothing is called {what!r}.")
    try:
        visit.follow(
            lambda uow: MAKERS[what](name, form, reading.known_proposal(uow, name).currency),
            form["behalf"],
            form["key"],
        )
    except (Refused, InvalidInput) as error:
        with visit.read() as reader:
            return _page(reader, visit, name, Table(), fault=str(error), form=form, status=status_of(error))
    return RedirectResponse(f"/proposals/{name}", 303)


MAKERS: Mapping[str, Any] = {
    "submit": lambda name, form, code: do.Submit(name),
    "recall": lambda name, form, code: do.Recall(name, form["reason"]),
    "hold": lambda name, form, code: do.Hold(name, form["reason"]),
    "resume": lambda name, form, code: do.Resume(name, form["reason"]),
    "close": lambda name, form, code: do.Close(name, form["reason"]),
    "comment": lambda name, form, code: do.Comment(name, form["text"]),
    "escalate": lambda name, form, code: do.Escalate(name, form["stage"]),
    "expire": lambda name, form, code: do.Expire(name),
}
"""Commands that a form of the page gives; signing and releasing have pages of their own."""
