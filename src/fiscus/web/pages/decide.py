"""Approve, return or reject: what is signed is shown, named by its hash, and asked for once more."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from urllib.parse import quote
from uuid import uuid4

from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse, Response

from fiscus.errors import Refused
from fiscus.web.figures import figures
from fiscus.web.pages.again import say_again, ways
from fiscus.web.pages.sign_in import Place, Rules, entered, renewed, sign_in_page
from fiscus.web.rendering import minute, page
from fiscus.web.visits import NOTHING, Form, Here, Sent, Visit, kept
from fiscus.workflow.identity.signatures import approval_message
from fiscus.workflow.proposal import commands as do
from fiscus.workflow.service import reading
from fiscus.workflow.service.deeds import Deed, deeds, last
from fiscus.workflow.service.entitlement import glass, glass_capacities
from fiscus.workflow.service.impact import commitments
from fiscus.workflow.service.views import View, lineage_acts, obstacle, openings, view

router = APIRouter()


@router.get("/proposals/{name}/decide")
def show(visit: Here, name: str) -> Response:
    """The page."""
    return _page(visit, name, NOTHING, "")


def _page(visit: Visit, name: str, form: Form, fault: str, status: int = 200) -> Response:
    with visit.read() as reader:
        seen = view(reader, name, visit.at)
        history = lineage_acts(reader, seen.proposal)
        log = tuple(reader.events(seen.proposal.stream))
        commits = commitments(reader, seen.proposal, seen.content)
    proposal, signed = seen.proposal, last(deeds(log, visit.person), "Approved")
    choices = openings(proposal, visit.registry, visit.person, visit.at, history)
    wanted = {stage.name for stage in proposal.stages if stage.signature} & {each.stage for each in choices}
    messages = {
        behalf: approval_message(name, proposal.hash, visit.person, behalf).decode()
        for behalf in sorted({each.behalf for each in choices})
    }
    return page(
        "decide.html",
        visit,
        status=status,
        seen=seen,
        proposal=proposal,
        titles=seen.titles,
        shown=figures(seen.content, proposal.content, visit.registry.parents),
        choices=choices,
        obstacle="" if choices else obstacle(proposal, visit.registry, visit.person, visit.at, history),
        breakers=glass_capacities(seen, visit.registry, visit.person, visit.at, history),
        glass=glass(log, seen, visit.registry),
        commits=commits,
        form=form,
        fault=_plain(fault, form, seen, signed) if fault else "",
        signed=signed,
        changed=bool(fault) and _changed(form, seen),
        key=form["key"] or uuid4().hex,
        signature_wanted=bool(wanted),
        can_sign=bool(wanted) or bool(visit.registry.keys_of(visit.person, visit.at)),
        messages=messages,
        **ways(visit),
    )


def _changed(form: Form, seen: View) -> bool:
    """Whether another version was written since the page that a form came from."""
    return bool(form["hash"]) and form["hash"] != seen.proposal.hash


def _plain(fault: str, form: Form, seen: View, signed: Deed | None) -> str:
    """A refusal in the words of whoever reads it: what happened since they saw the page comes first."""
    proposal = seen.proposal
    if _changed(form, seen):
        number = len(proposal.versions)
        if proposal.hash:
            return f"This is not the version you saw: version {number} was written since. Nothing was decided; look at it again."
        return (
            f"This is not the version you saw: {proposal.owner} is writing version {number}. Nothing was decided; you are "
            "asked again when it is submitted."
        )
    if form["decision"] == "approve" and signed and signed.version == len(proposal.versions):
        return f"You signed this version on {minute(signed.at)}; once counts, and nothing more was recorded."
    return fault


@router.post("/proposals/{name}/decide/sign-in")
def signed_in(name: str, form: Sent, request: Request, office: Place, settings: Rules) -> Response:
    """Sign in on the way to a decision whose session had ended, and show the page with what was written there.

    No new address is gone to: what was written travels in the two forms alone, and is escaped, shown and sent again by a
    person before it means anything.
    """
    target = f"/proposals/{quote(name, safe='')}/decide"
    try:
        person = entered(request, form, office, settings)
    except Refused as error:
        status = 429 if error.rule == "identity.throttled" else 403
        return sign_in_page(settings, target, person=form["person"], fault=error.reason, status=status, kept=kept(form))
    session, give = renewed(request, person)
    with office.store.read() as reader:
        visit = Visit(office, settings, session, reading.registry(reader), office.clock())
    return give(_page(visit, name, Form(kept(form)), ""))


@router.post("/proposals/{name}/decide")
def decided(visit: Here, name: str, form: Sent, request: Request) -> Response:
    """Follow the decision; where it cannot be, show why and keep what was written."""
    try:
        say_again(visit, form, request, "decide")
        command = _command(name, form)
        stage, _, behalf = form["choice"].partition("|")
        visit.follow(command(stage), behalf, form["key"])
    except Refused as error:
        return _page(visit, name, form, error.reason, 429 if error.rule == "identity.throttled" else 409)
    return RedirectResponse(f"/proposals/{name}?done={form['decision']}", 303)


def _command(name: str, form: Form) -> Callable[[str], do.Command]:
    """What the pressed button means, given the stage.

    Raises:
        Refused: For no button of ours.
    """
    made: Mapping[str, Callable[[str], do.Command]] = {
        "approve": lambda stage: do.Approve(name, form["hash"], stage, form["signature"], form["reason"]),
        "return": lambda stage: do.Return(name, form["reason"]),
        "reject": lambda stage: do.Reject(name, form["reason"]),
        "break": lambda stage: do.BreakGlass(name, form["hash"], form["reason"]),
    }
    if form["decision"] not in made:
        raise Refused("web.decision", "Choose to approve, to return or to reject.")
    return made[form["decision"]]
