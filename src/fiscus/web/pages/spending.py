"""What happened to a proposal's money after approval: orders, payments, what was undone, and reconciliation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse, Response

from fiscus.core.money import currency
from fiscus.errors import InvalidInput, Refused
from fiscus.web.pages.again import say_again, ways
from fiscus.web.rendering import page
from fiscus.web.troubles import status_of
from fiscus.web.visits import NOTHING, Form, Here, Sent, Visit
from fiscus.workflow.proposal import commands as do
from fiscus.workflow.proposal.content import Cell
from fiscus.workflow.proposal.spending import BOOKKEEPER
from fiscus.workflow.proposal.transitions import allowed
from fiscus.workflow.service import reading
from fiscus.workflow.service.entitlement import capacities_in
from fiscus.workflow.service.standings import BUCKETS, standings
from fiscus.workflow.service.views import View, view

router = APIRouter()


@router.get("/proposals/{name}/books")
def show(visit: Here, name: str) -> Response:
    """The page."""
    return _page(visit, name)


def _page(visit: Visit, name: str, form: Form = NOTHING, fault: str = "", status: int = 200) -> Response:
    with visit.read() as reader:
        seen = view(reader, name, visit.at)
    proposal = seen.proposal
    rows = standings(seen.proposal, seen.content)
    spent: dict[str, int] = {}
    for row in rows:
        spent[row.period] = spent.get(row.period, 0) + row.actual
    return page(
        "books.html",
        visit,
        status=status,
        proposal=proposal,
        rows=rows,
        totals=[sum(getattr(row, each) for row in rows) for each in BUCKETS],
        spent=spent,
        record=_capacities(seen, visit, "Commit", (proposal.release_role, BOOKKEEPER)),
        reconcile=_capacities(seen, visit, "Reconcile", (proposal.reconcile_role,)),
        form=form,
        fault=fault,
        **ways(visit),
    )


def _capacities(seen: View, visit: Visit, command: str, roles: tuple[str, ...]) -> tuple[str, ...]:
    """For whom somebody may give a command; none where nobody could now."""
    if not allowed(seen.proposal.status, command):
        return ()
    return capacities_in(roles, seen.proposal.unit, visit.registry, visit.person, visit.at)


@router.post("/proposals/{name}/books/{what}")
def record(visit: Here, name: str, what: str, form: Sent, request: Request) -> Response:
    """Record an order, a payment, a reversal or a reconciliation; where it cannot be, show why and keep what was written."""
    if what not in MAKERS:
        raise InvalidInput(f"Nothing is called {what!r}.")
    try:
        if what == "reverse":
            say_again(visit, form, request, "undo it")
        visit.follow(
            lambda uow: MAKERS[what](name, form, reading.known_proposal(uow, name).currency),
            form["behalf"],
            form["key"],
        )
    except (Refused, InvalidInput) as error:
        return _page(visit, name, form, str(error), status_of(error))
    return RedirectResponse(f"/proposals/{name}/books", 303)


def amounts(form: Form, code: str) -> Mapping[Cell, int]:
    """Amounts that were written beside lines; empty fields are passed over.

    Raises:
        InvalidInput: With every amount that is none, and the line it stands at.
    """
    found: dict[Cell, int] = {}
    faults = []
    for period, line, amount in zip(form.all("period"), form.all("line"), form.all("amount"), strict=False):
        if not amount.strip():
            continue
        try:
            found[period, line] = currency(code).to_minor(amount.strip())
        except InvalidInput as error:
            faults.append(f"{line} in {period}: {error}.")
    if faults:
        raise InvalidInput(" ".join(faults))
    return found


def _totals(form: Form, code: str) -> Mapping[str, int]:
    unit = currency(code)
    pairs = zip(form.all("period"), form.all("amount"), strict=False)
    return {period: unit.to_minor(amount.strip() or "0") for period, amount in pairs}


def _event(text: str) -> int:
    if not text.isdigit():
        raise InvalidInput(f"{text!r} is no number of an event." if text else "Choose the movement that is undone.")
    return int(text)


MAKERS: Mapping[str, Any] = {
    "commit": lambda name, form, code: do.Commit(name, amounts(form, code), form["reference"]),
    "actual": lambda name, form, code: do.RecordActual(name, amounts(form, code), form["reference"]),
    "reverse": lambda name, form, code: do.Reverse(name, _event(form["version"]), form["reason"]),
    "reconcile": lambda name, form, code: do.Reconcile(name, _totals(form, code), form["reference"]),
}
"""Commands that forms give."""
