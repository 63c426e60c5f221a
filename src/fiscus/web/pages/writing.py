"""Writing: a new version of a proposal by its owner, and moving money of an approved one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import uuid4

from fastapi import APIRouter
from starlette.responses import RedirectResponse, Response

from fiscus.core.money import currency
from fiscus.errors import InvalidInput, Refused
from fiscus.web.figures import figures
from fiscus.web.rendering import page
from fiscus.web.visits import NOTHING, Form, Here, Sent, Visit
from fiscus.workflow.proposal import commands as do
from fiscus.workflow.proposal.content import Content, Item, checked
from fiscus.workflow.service import reading
from fiscus.workflow.service.carrying import carried
from fiscus.workflow.service.impact import commitments
from fiscus.workflow.service.views import View, view

router = APIRouter()

EDIT, MOVE = "edit", "move"


@dataclass(frozen=True, slots=True)
class Field:
    """A line that an amount is written beside.

    Attributes:
        item: The line; its amount is what there is now, or what is left of it to be moved.
        written: What stands in the field.
    """

    item: Item
    written: str


@router.get("/proposals/{name}/edit")
def edit(visit: Here, name: str) -> Response:
    """A form with the version as it is."""
    return _page(visit, name, EDIT)


@router.get("/proposals/{name}/move")
def move(visit: Here, name: str) -> Response:
    """A form with what every line has left."""
    return _page(visit, name, MOVE)


def _page(visit: Visit, name: str, what: str, form: Form = NOTHING, fault: str = "", status: int = 200) -> Response:
    with visit.read() as reader:
        seen = view(reader, name, visit.at)
        record = reader.load("policy")
        matrix = reading.matrix(reader, str(record.state["current"])) if record else None
        sketch = replace(seen.content, items=_written(seen, form)) if what == EDIT else seen.content
        commits = commitments(reader, seen.proposal, sketch) if what == EDIT else ()
    shown = figures(seen.content, seen.proposal.content, visit.registry.parents)
    context: dict[str, Any] = {"seen": seen, "proposal": seen.proposal, "form": form, "fault": fault, "what": what}
    return page(
        "writing.html",
        visit,
        status=status,
        fields=_fields(seen, what, form),
        bands=matrix.risk_bands if matrix else (),
        version=form["version"] or seen.proposal.content,
        key=form["key"] or uuid4().hex,
        owner=seen.proposal.owner in visit.registry.capacities(visit.person, visit.at),
        exact=currency(seen.currency),
        commits=commits,
        total=sketch.total,
        shown=shown,
        asked={(row.period, row.id): row.asked for row in shown.rows},
        **context,
    )


def _fields(seen: View, what: str, form: Form) -> Sequence[Field]:
    sent = form.all("amount")
    exact, found = currency(seen.currency), []
    for number, item in enumerate(_items(seen, what)):
        plain = str(exact.from_minor(item.amount)) if what == EDIT else ""
        found.append(Field(item, sent[number] if number < len(sent) else plain))
    return found


def _written(seen: View, form: Form) -> tuple[Item, ...]:
    """Lines with the amounts that the form says; those that are none stay as they are."""
    exact, found = currency(seen.currency), list(seen.content.items)
    for number, (item, text) in enumerate(zip(seen.content.items, form.all("amount"), strict=False)):
        try:
            found[number] = replace(item, amount=exact.to_minor(text.strip() or "0"))
        except InvalidInput:
            continue  # Told when it is saved.
    return tuple(found)


def _items(seen: View, what: str) -> Sequence[Item]:
    """Lines in the order of the form."""
    if what == EDIT:
        return seen.content.items
    left = seen.proposal.left(seen.content)
    known = seen.proposal.items(seen.content)
    return [replace(item, amount=left.get(cell, 0)) for cell, item in known.items()]


@router.post("/proposals/{name}/edit")
def edited(visit: Here, name: str, form: Sent) -> Response:
    """A new version; where it cannot be one, show why and keep what was written."""
    return _follow(visit, name, EDIT, form)


@router.post("/proposals/{name}/move")
def moved(visit: Here, name: str, form: Sent) -> Response:
    """A new proposal that moves money of this one; its author submits it as any other."""
    return _follow(visit, name, MOVE, form)


def _follow(visit: Visit, name: str, what: str, form: Form) -> Response:
    if form["only"] == "sum":
        return _page(visit, name, what, form)
    with visit.read() as reader:
        seen = view(reader, name, visit.at)
    behalf = _behalf(seen, visit) if what == EDIT else ""
    try:
        if form["version"] != seen.proposal.content:
            raise Refused("content.stale", "Somebody wrote another version meanwhile. Open this page again.")
        made = checked(_content(seen, what, form))
        target = name if what == EDIT else form["proposal"]
        if not target or "/" in target:
            raise InvalidInput("Give the new proposal a short name, without a slash.")
        if what == EDIT:
            visit.follow(lambda uow: do.Edit(name, carried(uow, name, made)), behalf, form["key"])
        else:
            visit.follow(do.Reallocate(target, made), behalf, form["key"])
    except (Refused, InvalidInput) as error:
        if isinstance(error, Refused) and error.rule.endswith("not_owner"):
            raise
        return _page(visit, name, what, form, str(error), 422 if isinstance(error, InvalidInput) else 409)
    return RedirectResponse(f"/proposals/{target}", 303)


def _behalf(seen: View, visit: Visit) -> str:
    """Whom the owner's delegate writes for; empty for oneself."""
    owner = seen.proposal.owner
    return owner if owner != visit.person and owner in visit.registry.capacities(visit.person, visit.at) else ""


def _content(seen: View, what: str, form: Form) -> Content:
    """What the form says.

    Raises:
        InvalidInput: With every amount that is none.
    """
    before, exact, faults = seen.content, currency(seen.currency), []
    items: list[Item] = []
    for item, text in zip(_items(seen, what), form.all("amount"), strict=False):
        plain = text.replace("\N{MINUS SIGN}", "-").strip()
        if what == MOVE and not plain:
            continue
        try:
            items.append(replace(item, amount=exact.to_minor(plain or "0")))
        except InvalidInput as error:
            faults.append(f"{item.title or item.line} in {item.period}: {error}.")
    if faults:
        raise InvalidInput(" ".join(faults))
    words: dict[str, Any] = {"title": form["title"], "justification": form["justification"], "risk": form["risk"]}
    if what == MOVE:
        return Content(currency=before.currency, items=tuple(items), parent=seen.proposal.id, **words)
    return Content(currency=before.currency, items=tuple(items), parent=before.parent, **words)
