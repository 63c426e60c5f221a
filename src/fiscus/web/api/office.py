"""Funds, people, policy and the log, over JSON."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel
from starlette.responses import Response

from fiscus.errors import InvalidMatrix, Refused
from fiscus.web.api import bodies as b
from fiscus.web.api.responses import READ, WRITE, event_of
from fiscus.web.logs import whole_log
from fiscus.web.visits import Asked
from fiscus.workflow.audit.replaying import replayed
from fiscus.workflow.authority.reading import matrix_from_text
from fiscus.workflow.authority.replay import SUMMARY, replay, summary
from fiscus.workflow.canonical import timestamp
from fiscus.workflow.funds.books import SetBudget, SetCash
from fiscus.workflow.identity import commands as who
from fiscus.workflow.service import administer, current_policy, reading, set_budget, set_cash
from fiscus.workflow.service.decisions import past_decisions

router = APIRouter()

Code = Annotated[str, b.Field(pattern="^[A-Z]{3}$")]
Sum = Annotated[int, b.Field(ge=0, le=b.LARGEST)]


class Me(BaseModel):
    """Who is signed in."""

    person: str
    name: str
    roles: list[str]
    acts_for: list[str]
    csrf: str


@router.get("/me", responses=READ, tags=["people"])
def me(visit: Asked) -> Me:
    """Who you are; ``csrf`` goes into the header ``X-CSRF-Token`` of changes made with a browser's session."""
    acts = visit.registry.capacities(visit.person, visit.at)[1:]
    return Me(
        person=visit.person, name=visit.name, roles=sorted(visit.roles), acts_for=list(acts), csrf=visit.session.csrf
    )


class Person(BaseModel):
    """Somebody, without their address."""

    id: str
    name: str
    kind: str
    accountable: str
    active: bool
    roles: list[str]


@router.get("/people", responses=READ, tags=["people"])
def people(visit: Asked) -> list[Person]:
    """Everybody, and the roles they hold now."""
    registry = visit.registry
    return [
        Person(
            id=each.id,
            name=each.name,
            kind=each.kind,
            accountable=each.accountable,
            active=each.active,
            roles=sorted(registry.roles_of(each.id, visit.at)),
        )
        for each in registry.people.values()
    ]


class Delegation(b.Body):
    """Somebody acts for you for a while."""

    taker: b.Name
    since: b.Moment
    until: b.Moment
    roles: Annotated[list[b.Name], b.Field(max_length=50, default_factory=list)]


@router.post("/delegations", responses=WRITE, status_code=201, tags=["people"])
def delegate(visit: Asked, body: Delegation) -> b.Answer:
    """Let somebody act for you."""
    command = who.Delegate(body.taker, body.since, body.until, tuple(body.roles))
    with visit.work() as (uow, actor, at, key):
        answer = administer(command, uow, actor=actor, at=at, key=key)
    return b.Answer(**answer.to_json(), repeated=answer.repeated)


class Given(BaseModel):
    """A delegation."""

    id: str
    giver: str
    taker: str
    since: str
    until: str
    roles: list[str]


@router.get("/delegations", responses=READ, tags=["people"])
def delegations(visit: Asked) -> list[Given]:
    """Delegations to you and by you that are not over."""
    now = timestamp(visit.at)
    return [
        Given(id=d.id, giver=d.giver, taker=d.taker, since=d.since, until=d.until, roles=list(d.roles))
        for d in visit.registry.delegations
        if visit.person in (d.giver, d.taker) and d.until > now
    ]


@router.post("/delegations/{name}/end", responses=WRITE, tags=["people"])
def end_delegation(visit: Asked, name: b.Name, body: b.Behalf) -> b.Answer:
    """End it early."""
    with visit.work() as (uow, actor, at, fresh):
        answer = administer(who.EndDelegation(name), uow, actor=actor, at=at, key=body.key or fresh)
    return b.Answer(**answer.to_json(), repeated=answer.repeated)


@router.get("/funds", responses=READ, tags=["funds"])
def funds(visit: Asked) -> list[b.Balance]:
    """Money of every account, minor units; all of them together are nothing."""
    with visit.read() as reader:
        found = reader.balances()
    return [
        b.Balance(book=a.book, period=a.period, fund=a.fund, bucket=a.bucket, amount=amount)
        for a, amount in sorted(found.items())
    ]


class Budget(b.Body):
    """A budget in all, minor units."""

    unit: b.Name
    period: b.Name
    fund: b.Name = "general"
    amount: Sum
    currency: Code
    hard: bool = True


@router.put("/funds/budget", responses=WRITE, tags=["funds"])
def budget(visit: Asked, body: Budget) -> b.Answer:
    """Give a unit money for a period, or change what it has."""
    command = SetBudget(body.unit, body.period, body.fund, body.amount, body.currency, body.hard)
    with visit.work() as (uow, actor, at, key):
        answer = set_budget(command, uow, actor=actor, at=at, key=key)
    return b.Answer(**answer.to_json(), repeated=answer.repeated)


class Cash(b.Body):
    """Cash of a period, minor units."""

    period: b.Name
    amount: Sum
    reserve: Sum | None = None
    currency: Code


@router.put("/funds/cash", responses=WRITE, tags=["funds"])
def cash(visit: Asked, body: Cash) -> b.Answer:
    """Say what cash comes in, and how much has to stay."""
    with visit.work() as (uow, actor, at, key):
        command = SetCash(body.period, body.amount, body.reserve, body.currency)
        answer = set_cash(command, uow, actor=actor, at=at, key=key)
    return b.Answer(**answer.to_json(), repeated=answer.repeated)


@router.get("/policy", responses=READ, tags=["policy"])
def policy(visit: Asked) -> dict[str, Any]:
    """The authority matrix in force."""
    with visit.read() as reader:
        if reader.load("policy") is None:
            raise Refused("transition", "There is no round and no proposal yet: no authority matrix is in force.")
        return reading.matrix(reader, current_policy(reader)).to_json()


class Yaml(b.Body):
    """An authority matrix, YAML."""

    text: Annotated[str, b.Field(max_length=1_000_000, pattern=r"^[^\x00]*$")]


class Tried(BaseModel):
    """How past decisions would pass a matrix; or what is wrong with it."""

    faults: list[str]
    header: list[str]
    rows: list[list[str]]


@router.post("/policy/try", responses=WRITE, tags=["policy"])
def attempt(visit: Asked, body: Yaml) -> Tried:
    """How decisions made so far would pass another matrix; nothing is changed."""
    try:
        matrix = matrix_from_text(body.text, "your matrix")
    except InvalidMatrix as error:
        return Tried(faults=list(error.faults), header=[], rows=[])
    try:
        with visit.read() as reader:
            replayed_ = replay(matrix, past_decisions(reader, matrix.currency), visit.registry.parents)
    except Refused as error:
        return Tried(faults=[str(error)], header=[], rows=[])
    return Tried(faults=[], header=list(SUMMARY), rows=[[str(cell) for cell in row] for row in summary(replayed_)])


@router.get("/audit/head", responses=READ, tags=["audit"])
def head(visit: Asked) -> b.Head:
    """The end of the log: note it elsewhere, and nobody can rewrite what was before."""
    with visit.read() as reader:
        found = reader.head()
    return b.Head(size=found.size, hash=found.hash, root=found.root)


@router.get("/audit/events", responses=READ, tags=["audit"])
def events(
    visit: Asked,
    after: Annotated[int, Query(ge=0, le=2**53)] = 0,
    limit: Annotated[int, Query(ge=1, le=1_000)] = 100,
    stream: b.Short = "",
    actor: b.Short = "",
    kind: b.Short = "",
) -> list[b.Event]:
    """Events in the order they happened; only those of a stream, by or for somebody, or of a kind, where that is given."""
    visit.must_audit()
    found: list[b.Event] = []
    with visit.read() as reader:
        for event in reader.events(stream, after=after) if stream else reader.events(after=after):
            fits = (not actor or actor in (event.stamp.actor, event.stamp.behalf)) and (not kind or event.kind == kind)
            if fits:
                found.append(event_of(event))
            if len(found) == limit:
                break
    return found


_JSONL = {"application/jsonl": {"schema": {"type": "string"}}}
EXPORT: dict[int | str, dict[str, Any]] = {200: {"content": _JSONL, "description": "The log."}}


@router.get("/audit/export", responses={**READ, **EXPORT}, response_class=Response, tags=["audit"])
def export(visit: Asked) -> Response:
    """The whole log as one file that proves itself: ``fiscus audit verify`` reads it without a database."""
    return whole_log(visit)


@router.post("/audit/verify", responses=WRITE, tags=["audit"])
def verify(visit: Asked) -> b.Verified:
    """Read the whole log again and compare it with everything it should add up to."""
    visit.must_audit()
    with visit.read() as reader:
        return b.Verified(sentences=replayed(reader))
