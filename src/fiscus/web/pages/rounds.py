"""Planning rounds: what there is, who answered, and one's own asks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter
from starlette.responses import PlainTextResponse, RedirectResponse, Response

from fiscus.core.money import currency
from fiscus.errors import FiscusError, InvalidInput, Refused
from fiscus.web.pages.people import day
from fiscus.web.rendering import page
from fiscus.web.troubles import status_of
from fiscus.web.visits import NOTHING, Form, Here, Sent, Visit
from fiscus.workflow.funds.books import BUDGET_ROLE
from fiscus.workflow.ports import Filter
from fiscus.workflow.rounds import commands as do
from fiscus.workflow.rounds.exchange import COLUMNS, read_asks, template
from fiscus.workflow.rounds.state import NEXT, Round
from fiscus.workflow.rounds.summary import rows, sentences
from fiscus.workflow.service import lead, planning_round

router = APIRouter()

BLANK = 3
"""Empty rows below one's asks."""


@router.get("/rounds")
def show_all(visit: Here) -> Response:
    """All rounds."""
    with visit.read() as reader:
        found = reader.find(Filter(kind="round", limit=200))
    return page(
        "rounds.html", visit, found=found, units=tuple(visit.registry.parents), may_plan=BUDGET_ROLE in visit.roles
    )


@router.get("/rounds/{name}")
def show(visit: Here, name: str, unit: str = "") -> Response:
    """One round, and the asks of one unit."""
    return _page(visit, name, unit)


def _page(
    visit: Visit, name: str, unit: str = "", form: Form = NOTHING, fault: str = "", status: int = 200, reason: str = ""
) -> Response:
    with visit.read() as reader:
        made = planning_round(reader, name)
    mine = [
        each
        for each in made.units
        if visit.registry.owners.get(each) in visit.registry.capacities(visit.person, visit.at)
    ]
    chosen = unit if unit in made.units else (mine[0] if mine else "")
    answered = made.answers.get(chosen)
    asks = _sent(form, made) if form.fields else (answered.asks if answered else ())
    return page(
        "round.html",
        visit,
        status=status,
        made=made,
        rows=rows(made, visit.registry),
        told=sentences(made, visit.registry, visit.at),
        chosen=chosen,
        mine=mine,
        asks=asks,
        blank=range(BLANK),
        columns=COLUMNS,
        possible={command for state, command in NEXT if state == made.status},
        manages=visit.person == made.manager or BUDGET_ROLE in visit.roles,
        fault=fault,
        reason=reason,
        exponent=currency(made.currency),
    )


def _sent(form: Form, made: Round) -> list[Mapping[str, str]]:
    """Rows as they were written, to be shown again."""
    columns = [form.all(name) for name in COLUMNS]
    return [dict(zip(COLUMNS, row, strict=True)) for row in zip(*columns, strict=False) if any(row)]


@router.get("/rounds/{name}/template")
def empty(visit: Here, name: str) -> Response:
    """An empty table of asks."""
    with visit.read() as reader:
        text = template(planning_round(reader, name))
    return PlainTextResponse(
        text, media_type="text/csv", headers={"content-disposition": 'attachment; filename="asks.csv"'}
    )


@router.post("/rounds/{name}/answer")
def answer(visit: Here, name: str, form: Sent) -> Response:
    """Take a unit's asks, from the fields or a file: all of them or none."""
    with visit.read() as reader:
        made = planning_round(reader, name)
    try:
        asks = read_asks(form["file"], made.currency) if form["file"] else _asks(form, made)
        with visit.work(form["behalf"]) as (uow, actor, at, key):
            lead(do.Answer(name, form["unit"], asks), uow, actor=actor, at=at, key=key)
    except FiscusError as error:
        return _page(visit, name, form["unit"], form, str(error), 422)
    return RedirectResponse(f"/rounds/{name}?unit={form['unit']}", 303)


def _asks(form: Form, made: Round) -> tuple[do.Ask, ...]:
    faults, found, unit = [], [], currency(made.currency)
    for number, row in enumerate(_sent(form, made), start=1):
        if not row["line"].strip() and not row["amount"].strip():
            continue
        try:
            amount = unit.to_minor(row["amount"].strip() or "0")
        except InvalidInput as error:
            faults.append(f"Row {number}, amount: {error}.")
            continue
        texts = {each: row[each].strip() for each in COLUMNS}
        found.append(
            do.Ask(texts["line"], texts["period"], texts["fund"], amount, texts["title"], texts["justification"])
        )
    if faults:
        raise InvalidInput(" ".join(faults))
    return tuple(found)


@router.post("/rounds")
def plan(visit: Here, form: Sent) -> Response:
    """Begin a round."""
    code = form["currency"] or "USD"
    amount = currency(code).to_minor(form["amount"])
    funds = {form["period"]: {form["fund"] or "general": amount}}
    deadline = day(form["deadline"], "Deadline", end=True)
    command = do.Plan(form["round"], form["title"], code, funds, tuple(form.all("unit")), deadline)
    with visit.work() as (uow, actor, at, key):
        lead(command, uow, actor=actor, at=at, key=key)
    return RedirectResponse(f"/rounds/{form['round']}", 303)


@router.post("/rounds/{name}/do/{what}")
def act(visit: Here, name: str, what: str, form: Sent) -> Response:
    """Follow a command of its manager."""
    if what not in MAKERS:
        raise InvalidInput(f"Nothing is called {what!r}.")
    with visit.read() as reader:
        code = planning_round(reader, name).currency
    try:
        with visit.work() as (uow, actor, at, key):
            lead(MAKERS[what](name, form, code), uow, actor=actor, at=at, key=key)
    except (Refused, InvalidInput) as error:
        return _page(visit, name, fault=str(error), status=status_of(error), reason=form["reason"])
    return RedirectResponse(f"/rounds/{name}", 303)


MAKERS: Mapping[str, Any] = {
    "open": lambda name, form, code: do.Open(name),
    "freeze": lambda name, form, code: do.Freeze(name, form["reason"]),
    "reopen": lambda name, form, code: do.Reopen(name, form["reason"]),
    "extend": lambda name, form, code: do.Extend(name, day(form["deadline"], "Deadline", end=True)),
    "target": lambda name, form, code: do.SetTarget(
        name, form["unit"], form["period"], currency(code).to_minor(form["amount"])
    ),
    "close": lambda name, form, code: do.Close(name),
    "cancel": lambda name, form, code: do.Cancel(name, form["reason"]),
}
"""Commands that forms give."""
