"""Signing in and out, and the one-time links that begin an account."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from starlette.responses import RedirectResponse, Response

from fiscus.bootstrap import Office
from fiscus.errors import InvalidInput, Refused
from fiscus.web.rendering import page
from fiscus.web.settings import Settings
from fiscus.web.visits import (
    Form,
    Here,
    NotFromHere,
    Sent,
    address_of,
    came_from_here,
    office_of,
    safe_path,
    session_of,
    settings_of,
)
from fiscus.workflow.actor import Actor
from fiscus.workflow.identity import commands as who
from fiscus.workflow.identity import sessions
from fiscus.workflow.identity.passwords import hash_password
from fiscus.workflow.identity.second_factor import check_code
from fiscus.workflow.service import administer, registry

router = APIRouter()

Place = Annotated[Office, Depends(office_of)]
Rules = Annotated[Settings, Depends(settings_of)]


def let_in(request: Request, person: str, target: str, proved: datetime | None = None) -> Response:
    """A new session and the way to a page; whatever session the browser had is over, so that nobody can plant one.

    Args:
        request: Of whoever is let in.
        person: Who it is.
        target: Path of the page.
        proved: When they last said who they are; now where it is not given.
    """
    _, give = renewed(request, person, proved)
    return give(RedirectResponse(safe_path(target), 303))


def renewed(
    request: Request, person: str, proved: datetime | None = None
) -> tuple[sessions.Session, Callable[[Response], Response]]:
    """A new session in place of whatever the browser had, and what gives it to the browser with an answer.

    Args:
        request: Of whoever is let in.
        person: Who it is.
        proved: When they last said who they are; now where it is not given.
    """
    office, settings = office_of(request), settings_of(request)
    before = session_of(request)
    if before is not None:
        office.sign_ins.end_session(before.token)
    secret, session = sessions.begin(office.sign_ins, person, office.clock(), proved=proved)

    def give(response: Response) -> Response:
        longest = int(sessions.LONGEST.total_seconds())
        response.set_cookie(
            settings.cookie, secret, max_age=longest, path="/", httponly=True, samesite="lax", secure=settings.secure
        )
        return response

    return session, give


def prove(request: Request, person: str, form: Form, at: datetime) -> None:
    """Check password and second factor.

    Raises:
        Refused: Where either is wrong, or one has to wait.
    """
    office, address = office_of(request), address_of(request)
    sessions.guess(office.sign_ins, person, form["password"], address, at)
    check_code(office.sign_ins, person, form["code"], address, at)


@router.get("/sign-in")
def show(request: Request, settings: Rules, next: str = "/inbox") -> Response:
    """The form."""
    return sign_in_page(settings, next)


def sign_in_page(
    settings: Settings,
    target: str,
    *,
    person: str = "",
    fault: str = "",
    status: int = 200,
    kept: Mapping[str, Sequence[str]] | None = None,
) -> Response:
    """The form, and what went wrong.

    Args:
        settings: Of the server.
        target: Where it leads.
        person: Name that was entered.
        fault: What went wrong; empty for nothing.
        status: Of HTTP.
        kept: What was written on the page that it leads back to, which then takes the form itself.
    """
    target, provider = safe_path(target), settings.provider
    return page(
        "sign_in.html",
        None,
        status=status,
        target=target,
        provider=provider,
        person=person,
        fault=fault,
        kept=kept or {},
    )


@router.post("/sign-in")
def sign_in(request: Request, form: Sent, office: Place, settings: Rules) -> Response:
    """Let somebody in, or say why not; in the same words for names that nobody has."""
    try:
        person = entered(request, form, office, settings)
    except Refused as error:
        status = 429 if error.rule == "identity.throttled" else 403
        return sign_in_page(settings, form["next"], person=form["person"], fault=error.reason, status=status)
    return let_in(request, person, form["next"])


def entered(request: Request, form: Form, office: Office, settings: Settings) -> str:
    """Who signs in by a form of ours.

    Raises:
        NotFromHere: For a form from elsewhere.
        Refused: Where name, password or code are wrong, or one has to wait.
    """
    if not came_from_here(request, settings):
        raise NotFromHere("Sign in from this server's own page.")
    person = form["person"]
    prove(request, person, form, office.clock())
    with office.store.read() as reader:
        if not registry(reader).is_active(person):
            raise Refused("identity.password", "The name or the password is wrong.")
    return person


@router.post("/sign-out")
def sign_out(visit: Here, form: Sent) -> Response:
    """End this session, or all of them."""
    if form["everywhere"]:
        visit.office.sign_ins.end_sessions(visit.person)
    visit.office.sign_ins.end_session(visit.session.token)
    response = RedirectResponse("/sign-in", 303)
    response.delete_cookie(visit.settings.cookie, path="/", secure=visit.settings.secure, httponly=True)
    return response


@router.get("/begin/{secret}")
def begin(secret: str, office: Place) -> Response:
    """The page behind a one-time link; looking at it does not use it up."""
    link = sessions.open_link(office.sign_ins, secret, office.clock())
    return page("begin.html", None, link=link, secret=secret, fault="", name="", person=link.person)


@router.post("/begin/{secret}")
def begun(secret: str, request: Request, form: Sent, office: Place, settings: Rules) -> Response:
    """The first administrator, or a new password."""
    if not came_from_here(request, settings):
        raise NotFromHere("Use the form of this server's own page.")
    at = office.clock()
    link = sessions.open_link(office.sign_ins, secret, at)
    person = link.person or form["person"]
    try:
        if form["password"] != form["again"]:
            raise InvalidInput("The two passwords are not the same.")
        hashed = hash_password(form["password"])
        _take(office, link, person, form["name"], hashed, at)
    except (InvalidInput, Refused) as error:
        return page(
            "begin.html", None, status=422, link=link, secret=secret, fault=str(error), name=form["name"], person=person
        )
    return let_in(request, person, "/inbox")


def _take(office: Office, link: sessions.Link, person: str, name: str, hashed: str, at: datetime) -> None:
    with office.store.begin() as uow:
        actor = Actor(person)
        if link.purpose == sessions.FIRST:
            administer(who.AddPerson(person, name), uow, actor=actor, at=at)
        administer(who.NotePassword(person), uow, actor=actor, at=at)
        uow.commit()
    if not office.sign_ins.use_link(link.token):
        raise Refused("identity.link", "This link was used a moment ago. Ask for a new one.")
    office.sign_ins.set_credential(person, hashed)
    office.sign_ins.end_sessions(person)
