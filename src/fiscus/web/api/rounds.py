"""Planning rounds, over JSON."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

from fastapi import APIRouter

from fiscus.web.api import bodies as b
from fiscus.web.api.responses import READ, WRITE
from fiscus.web.visits import Asked, Visit
from fiscus.workflow.ports import Filter
from fiscus.workflow.rounds import commands as do
from fiscus.workflow.rounds.state import to_json
from fiscus.workflow.service import lead, planning_round

router = APIRouter(tags=["rounds"])

Sum = Annotated[int, b.Field(ge=0, le=b.LARGEST)]


class Fund(b.Body):
    """What there is to give, minor units."""

    period: b.Name
    fund: b.Name = "general"
    amount: Sum


class Plan(b.Behalf):
    """A round that begins."""

    id: b.Name
    title: b.Short
    currency: Annotated[str, b.Field(pattern="^[A-Z]{3}$")]
    funds: Annotated[list[Fund], b.Field(min_length=1, max_length=500)]
    units: Annotated[list[b.Name], b.Field(min_length=1, max_length=5_000)]
    deadline: b.Moment


class Ask(b.Body):
    """Money wanted for a line, minor units."""

    line: b.Name
    period: b.Name
    fund: b.Name = "general"
    amount: Sum
    title: b.Short = ""
    justification: b.Words = ""


class Asks(b.Behalf):
    """Everything that a unit asks for; it takes the place of what it asked for before, and none is an answer too."""

    unit: b.Name
    asks: Annotated[list[Ask], b.Field(max_length=20_000)]


class Target(b.Behalf):
    """What a unit should keep to, minor units."""

    unit: b.Name
    period: b.Name
    amount: Sum


class Deadline(b.Behalf):
    """More time."""

    deadline: b.Moment


@router.get("/rounds", responses=READ)
def rounds(visit: Asked) -> list[str]:
    """Names of all rounds, the one changed last first."""
    with visit.read() as reader:
        return [each.stream.removeprefix("round/") for each in reader.find(Filter(kind="round", limit=1_000))]


@router.get("/rounds/{name}", responses=READ)
def one_round(visit: Asked, name: b.Name) -> dict[str, Any]:
    """A round as it stands."""
    with visit.read() as reader:
        return to_json(planning_round(reader, name))


@router.post("/rounds", responses=WRITE, status_code=201)
def plan(visit: Asked, body: Plan) -> b.Answer:
    """Begin a round: what there is to give, which units are asked, and until when."""
    funds: dict[str, dict[str, int]] = {}
    for each in body.funds:
        funds.setdefault(each.period, {})[each.fund] = each.amount
    command = do.Plan(body.id, body.title, body.currency, funds, tuple(body.units), body.deadline)
    return _lead(visit, command, body)


def _lead(visit: Visit, command: do.Command, body: b.Behalf) -> b.Answer:
    with visit.work(body.behalf) as (uow, actor, at, fresh):
        answer = lead(command, uow, actor=actor, at=at, key=body.key or fresh)
    return b.Answer(**answer.to_json(), repeated=answer.repeated)


def _add(path: str, body: type[b.Behalf], make: Callable[[str, Any], do.Command], about: str) -> None:
    """A route that follows one command."""

    def run(visit: Asked, name: b.Name, body: Any) -> b.Answer:
        return _lead(visit, make(name, body), body)

    run.__name__, run.__doc__ = f"round_{path}", about
    run.__annotations__ = {"visit": Asked, "name": b.Name, "body": body, "return": b.Answer}
    router.add_api_route(f"/rounds/{{name}}/{path}", run, methods=["POST"], responses=WRITE, response_model=b.Answer)


def _answer(name: str, body: Asks) -> do.Command:
    return do.Answer(name, body.unit, tuple(do.Ask(**each.model_dump()) for each in body.asks))


_add("open", b.Behalf, lambda name, body: do.Open(name), "Let units ask.")
_add("answer", Asks, _answer, "What a unit asks for.")
_add(
    "target",
    Target,
    lambda n, body: do.SetTarget(n, body.unit, body.period, body.amount),
    "What a unit should keep to.",
)
_add("extend", Deadline, lambda name, body: do.Extend(name, body.deadline), "Give more time.")
_add("freeze", b.Reasoned, lambda name, body: do.Freeze(name, body.reason), "No more answers.")
_add("reopen", b.Reasoned, lambda name, body: do.Reopen(name, body.reason), "Let units answer again.")
_add("cancel", b.Reasoned, lambda name, body: do.Cancel(name, body.reason), "It leads nowhere.")
_add("close", b.Behalf, lambda name, body: do.Close(name), "It is over.")
