"""Proposals, over JSON."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query

from fiscus.web.api import bodies as b
from fiscus.web.api.responses import READ, WRITE, event_of
from fiscus.web.visits import Asked, Visit
from fiscus.workflow.proposal import commands as do
from fiscus.workflow.service import reading
from fiscus.workflow.service.carrying import carried
from fiscus.workflow.service.difference import difference, versions
from fiscus.workflow.service.views import counted, listed, view

router = APIRouter(tags=["proposals"])

Which = Literal["mine", "others", "overdue", "own", "all"]


@router.get("/proposals", responses=READ)
def proposals(
    visit: Asked,
    which: Which = "mine",
    text: Annotated[str, Query(max_length=100)] = "",
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    offset: Annotated[int, Query(ge=0, le=1_000_000)] = 0,
) -> b.Rows:
    """A page of proposals: those that wait for you, for others, are late, are yours, or all."""
    with visit.read() as reader:
        found = listed(reader, visit.registry, visit.person, visit.at, which, text=text, limit=limit, offset=offset)
        count = counted(reader, visit.registry, visit.person, visit.at, which, text=text)
    return b.Rows(count=count, rows=[b.Row(**row.to_json()) for row in found.rows])


@router.post("/proposals", responses=WRITE, status_code=201)
def draft(visit: Asked, body: b.Draft) -> b.Answer:
    """Begin a proposal; with ``parent`` it moves the money of another."""
    content = body.content(body.parent)
    command = do.Reallocate(body.id, content) if body.parent else do.Draft(body.id, content, body.supersedes)
    return _follow(visit, command)


@router.get("/proposals/{name}", responses=READ)
def proposal(visit: Asked, name: b.Name) -> b.Proposal:
    """One proposal as it stands."""
    with visit.read() as reader:
        seen = view(reader, name, visit.at)
    return b.Proposal(**seen.to_json(), sentences=seen.sentences, steps=seen.steps)


@router.get("/proposals/{name}/events", responses=READ)
def events(visit: Asked, name: b.Name) -> list[b.Event]:
    """Everything that happened to a proposal."""
    with visit.read() as reader:
        reading.known_proposal(reader, name)
        return [event_of(event) for event in reader.events(f"proposal/{name}")]


@router.get("/proposals/{name}/compare", responses=READ)
def compare(
    visit: Asked,
    name: b.Name,
    first: Annotated[int, Query(ge=0, le=2**31)] = 0,
    second: Annotated[int, Query(ge=0, le=2**31)] = 0,
) -> b.Compared:
    """Two versions, numbered from 1: amounts, rules and words that differ; the last two where none are named."""
    with visit.read() as reader:
        pair = versions(reading.known_proposal(reader, name), first, second)
        before, after = (reading.content(reader, digest) for _, digest in pair)
    found = difference(before, after)
    return b.Compared(
        first=pair[0][0],
        second=pair[1][0],
        before=found.before,
        after=found.after,
        same=found.same,
        lines=[
            b.ChangedLine(period=r.period, line=r.line, title=r.title, before=r.before, after=r.after, other=r.other)
            for r in found.lines
        ],
        fields=[b.Changed(name=name_, before=old, after=new) for name_, old, new in found.fields],
    )


@router.put("/proposals/{name}/content", responses=WRITE)
def edit(visit: Asked, name: b.Name, body: b.Version) -> b.Answer:
    """A new version: all approvals are void, and it has to be submitted again."""
    with visit.read() as reader:
        parent = reading.known_proposal(reader, name).parent
    made = body.content(parent)
    answer = visit.follow(lambda uow: do.Edit(name, carried(uow, name, made)))
    return b.Answer(**answer.to_json(), repeated=answer.repeated)


def _follow(visit: Visit, command: do.Command, behalf: str = "", key: str = "") -> b.Answer:
    answer = visit.follow(command, behalf, key)
    return b.Answer(**answer.to_json(), repeated=answer.repeated)


def _add(path: str, body: type[b.Behalf], make: Callable[[str, Any], do.Command], about: str) -> None:
    """A route that follows one command."""

    def run(visit: Asked, name: b.Name, body: Any) -> b.Answer:
        return _follow(visit, make(name, body), body.behalf, body.key)

    run.__name__, run.__doc__ = path.replace("-", "_"), about
    run.__annotations__ = {"visit": Asked, "name": b.Name, "body": body, "return": b.Answer}
    router.add_api_route(f"/proposals/{{name}}/{path}", run, methods=["POST"], responses=WRITE, response_model=b.Answer)


_add("submit", b.Submit, b.MAKERS[b.Submit], "Send a draft into review.")
_add("approve", b.Approve, b.MAKERS[b.Approve], "Sign what you saw.")
_add("break-glass", b.Break, b.MAKERS[b.Break], "In an emergency: two people take the place of missing approvals.")
_add("escalate", b.Escalate, b.MAKERS[b.Escalate], "Let more people sign an overdue stage.")
_add("comment", b.Comment, b.MAKERS[b.Comment], "Say something about it.")
_add("release", b.Release, b.MAKERS[b.Release], "Make reserved money spendable.")
_add("reverse", b.Reverse, b.MAKERS[b.Reverse], "Undo a release, an order or a payment.")
_add("reconcile", b.Reconcile, b.MAKERS[b.Reconcile], "Confirm that the books of the outside show the same.")
_add("reject", b.Reasoned, lambda name, body: do.Reject(name, body.reason), "Decide against it, for good.")
_add("return", b.Reasoned, lambda name, body: do.Return(name, body.reason), "Send back to be changed.")
_add("recall", b.Reasoned, lambda name, body: do.Recall(name, body.reason), "Take back what is not decided yet.")
_add("hold", b.Reasoned, lambda name, body: do.Hold(name, body.reason), "Stop everything for now.")
_add("resume", b.Reasoned, lambda name, body: do.Resume(name, body.reason), "Go on where it was held.")
_add(
    "close",
    b.Reasoned,
    lambda name, body: do.Close(name, body.reason),
    "End it; what was not spent is available again.",
)
_add("expire", b.Behalf, lambda name, body: do.Expire(name), "End what has lapsed.")
_add(
    "commit",
    b.Booked,
    lambda name, body: do.Commit(name, b.by_cell(body.amounts), body.reference),
    "Record an order.",
)
_add(
    "actual",
    b.Booked,
    lambda name, body: do.RecordActual(name, b.by_cell(body.amounts), body.reference),
    "Record a payment.",
)
