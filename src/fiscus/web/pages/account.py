"""One's own account: password, second factor, sessions, delegations and keys."""

from __future__ import annotations

import re

import segno
from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse, Response

from fiscus.errors import InvalidInput, ProviderAway, ProviderWrong, Refused
from fiscus.web.pages.provider import Provided, begin_tie
from fiscus.web.pages.sign_in import prove
from fiscus.web.rendering import page
from fiscus.web.troubles import status_of
from fiscus.web.visits import Form, Here, Sent, Visit
from fiscus.workflow.identity import commands as who
from fiscus.workflow.identity import second_factor, sessions
from fiscus.workflow.identity.passwords import hash_password
from fiscus.workflow.identity.sealing import Unreadable
from fiscus.workflow.service import administer

router = APIRouter()

SECRET = re.compile(r"[A-Z2-7]{16,128}")
"""How a secret of an authenticator looks that may be shown again."""


@router.get("/account")
def show(visit: Here) -> Response:
    """The page."""
    return _page(visit)


def _page(visit: Visit, secret: str = "", fault: str = "", status: int = 200) -> Response:
    store, registry = visit.office.sign_ins, visit.registry
    picture = ""
    if secret:
        made = segno.make(second_factor.link_of(secret, visit.person))
        picture = made.svg_inline(scale=5, border=4, dark="#000", light="#fff", title="Code for your authenticator")
    return page(
        "account.html",
        visit,
        status=status,
        person=registry.people[visit.person],
        grants=[each for each in registry.grants if each.person == visit.person and not each.until],
        delegations=[each for each in registry.delegations if visit.person in (each.giver, each.taker)],
        keys=[each for each in registry.keys if each.person == visit.person],
        sessions=store.sessions(visit.person),
        has_password=store.credential(visit.person) is not None,
        has_code=store.has_second_factor(visit.person),
        secret=secret,
        picture=picture,
        provider=visit.settings.provider,
        elsewhere=store.identities(visit.person),
        fault=fault,
        people=[each for each in registry.people.values() if each.active and each.id != visit.person],
    )


@router.post("/account/provider")
def tie(visit: Here, form: Sent, request: Request, client: Provided) -> Response:
    """Tie one's account at the OpenID provider to the one here; takes the password."""
    try:
        prove(request, visit.person, form, visit.at)
        return begin_tie(visit, client)
    except (Refused, ProviderAway, ProviderWrong) as error:
        return _page(visit, fault=str(error), status=status_of(error))


@router.post("/account/password")
def password(visit: Here, form: Sent, request: Request) -> Response:
    """Another password; all other sessions end. Without a present one the sign-in itself has to be recent."""
    try:
        if visit.office.sign_ins.credential(visit.person) is None and not visit.recent:
            raise Refused("identity.recent", "Your sign-in is some time ago: confirm that it is you first.")
        if visit.office.sign_ins.credential(visit.person) is not None:
            prove(request, visit.person, Form({"password": form.all("old"), "code": form.all("code")}), visit.at)
        if form["password"] != form["again"]:
            raise InvalidInput("The two passwords are not the same.")
        hashed = hash_password(form["password"])
    except (Refused, InvalidInput) as error:
        return _page(visit, fault=str(error), status=422)
    with visit.work() as (uow, actor, at, key):
        administer(who.NotePassword(visit.person), uow, actor=actor, at=at, key=key)
    store = visit.office.sign_ins
    store.set_credential(visit.person, hashed)
    store.end_sessions(visit.person, but=visit.session.token)
    return RedirectResponse("/account", 303)


@router.post("/account/code")
def code(visit: Here, form: Sent, request: Request) -> Response:
    """Begin, confirm or end a second factor; each takes the password."""
    store = visit.office.sign_ins
    try:
        sessions.guess(store, visit.person, form["password"], "", visit.at)
        if form["what"] == "begin":
            return _page(visit, secret=second_factor.new_secret())
        if form["what"] == "confirm":
            if second_factor.step_of(form["secret"], form["code"], visit.at) is None:
                raise Refused(
                    "identity.code", "That is not the code that your authenticator shows now. Enter the next one."
                )
            store.set_second_factor(visit.person, form["secret"])
        else:
            second_factor.check_code(store, visit.person, form["code"], "", visit.at)
            store.set_second_factor(visit.person, None)
    except Refused as error:
        kept = form["secret"] if form["what"] == "confirm" and SECRET.fullmatch(form["secret"]) else ""
        return _page(visit, secret=kept, fault=error.reason, status=403)
    except Unreadable as error:
        return _page(visit, fault=str(error), status=503)
    return RedirectResponse("/account", 303)
