"""Signing in at an OpenID provider: to come in, to say again who one is, and to tie one's account there to the one here.

The provider's word stands in place of the password. A second factor that somebody set up here is asked for all the same.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from starlette.exceptions import HTTPException
from starlette.responses import RedirectResponse, Response

from fiscus.bootstrap import Office
from fiscus.errors import FiscusError, ProviderAway, ProviderWrong, Refused
from fiscus.integrate.openid import Account, Client
from fiscus.web.pages.sign_in import Place, Rules, let_in, sign_in_page
from fiscus.web.rendering import page
from fiscus.web.settings import CALLBACK, Settings
from fiscus.web.troubles import status_of
from fiscus.web.visits import (
    NotFromHere,
    Sent,
    Visit,
    address_of,
    came_from_here,
    safe_path,
    session_of,
    settings_of,
)
from fiscus.workflow.canonical import moment, timestamp
from fiscus.workflow.identity import accounts, sessions
from fiscus.workflow.identity.commands import TieAccount
from fiscus.workflow.identity.second_factor import check_code
from fiscus.workflow.service import administer, registry

router = APIRouter()

LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)
"""When somebody said who they are, where the provider does not tell: no decision rests on it."""

DENIED = ("access_denied", "login_required", "interaction_required", "consent_required", "account_selection_required")
"""What a provider says where somebody did not sign in, or may not."""


def client_of(request: Request) -> Client:
    """Of the server's provider.

    Raises:
        HTTPException: 404 where it has none.
    """
    found: Client | None = request.app.state.client
    if found is None:
        raise HTTPException(404)
    return found


Provided = Annotated[Client, Depends(client_of)]


@router.get("/sign-in/provider")
def leave(
    request: Request, office: Place, settings: Rules, client: Provided, next: str = "/inbox", again: str = ""
) -> Response:
    """Send somebody to the provider; with ``again`` to prove that it is still they who are signed in."""
    session = session_of(request) if again else None
    purpose = sessions.AGAIN if session else sessions.SIGN_IN
    try:
        sessions.wait(office.sign_ins, (_key(request),), office.clock())
        address, secret = _begin(office, client, purpose, safe_path(next), session)
    except (Refused, ProviderAway, ProviderWrong) as error:
        return _told(request, settings, error, next)
    return _remembering(RedirectResponse(address, 303), settings, secret)


def begin_tie(visit: Visit, client: Client) -> Response:
    """Tie one's account at the provider to the one here: a link to go on with.

    A redirect would do, but browsers hold redirects after a form against ``form-action`` of our own policy.
    """
    address, secret = _begin(visit.office, client, sessions.TIE, "/account", visit.session)
    return _remembering(page("leave.html", visit, provider=client.provider, address=address), visit.settings, secret)


def _begin(
    office: Office, client: Client, purpose: str, target: str, session: sessions.Session | None
) -> tuple[str, str]:
    """Address at the provider, and what the browser keeps."""
    client.endpoints()  # Nothing is begun with one that is away.
    begun = accounts.begin_attempt(office.sign_ins, office.clock(), purpose=purpose, target=target, session=session)
    again = purpose != sessions.SIGN_IN
    return client.address(begun.state, begun.attempt.nonce, begun.attempt.verifier, again=again), begun.browser


def _key(request: Request) -> str:
    """Of failures from an address: apart from those of passwords, which stay a way in where the provider is none."""
    return f"provider:{address_of(request)}"


def _remembering(response: Response, settings: Settings, secret: str) -> Response:
    """With the cookie that binds an attempt to this browser; it is sent along when the provider sends people back."""
    response.set_cookie(
        settings.attempt_cookie,
        secret,
        max_age=int(sessions.ATTEMPT_LASTS.total_seconds()),
        path="/",
        httponly=True,
        samesite="lax",
        secure=settings.secure,
    )
    return response


def _forgetting(response: Response, settings: Settings) -> Response:
    response.delete_cookie(settings.attempt_cookie, path="/", httponly=True, samesite="lax", secure=settings.secure)
    return response


def _told(request: Request, settings: Settings, error: FiscusError, target: str = "/inbox") -> Response:
    """What went wrong, with another way in for whoever is not in yet."""
    if session_of(request) is not None:
        raise error
    return sign_in_page(settings, target, fault=str(error), status=status_of(error))


@router.get(CALLBACK)
def back(request: Request, office: Place, settings: Rules, client: Provided) -> Response:
    """Somebody comes back from the provider."""
    given, at, target = request.query_params, office.clock(), "/inbox"
    try:
        if any(len(given.getlist(name)) > 1 for name in ("state", "code", "iss", "error")):
            raise Refused("identity.attempt", "This answer says the same thing twice. Begin again.")
        cookie = request.cookies.get(settings.attempt_cookie, "")
        attempt = accounts.take_attempt(office.sign_ins, given.get("state", ""), cookie, at)
        target = attempt.target
        client.must_be_from(given.get("iss"), failed="error" in given)
        _must_be_answered(client, given.get("error"), given.get("code"))
        since = None if attempt.purpose == sessions.SIGN_IN else moment(attempt.begun)
        account = _account(request, office, client, attempt, given["code"], since)
        response = _go_on(request, office, client, attempt, account)
    except (Refused, ProviderAway, ProviderWrong) as error:
        response = _told(request, settings, error, target)
    return response


def _account(
    request: Request, office: Office, client: Client, attempt: sessions.Attempt, code: str, since: datetime | None
) -> Account:
    """Whom the provider says it is; nobody makes us ask it over and over."""
    at, store, key = office.clock(), office.sign_ins, _key(request)
    try:
        account = client.account(code, attempt.verifier, attempt.nonce, at, since)
    except (Refused, ProviderWrong):
        sessions.fail(store, ((key, 4 * sessions.FREE_TRIES),), at)
        raise
    store.set_throttle(key, None)
    return account


def _must_be_answered(client: Client, error: str | None, code: str | None) -> None:
    name = client.provider.name
    if error in DENIED:
        raise Refused("identity.account", f"{name} did not let you in, or you chose not to sign in there.")
    if error in ("server_error", "temporarily_unavailable"):
        raise ProviderAway(f"{name} cannot sign anybody in just now. Try again later.")
    if error is not None or not code:
        raise ProviderWrong(
            f"{name} did not sign you in, and this server does not understand why. Tell an administrator."
        )


def _go_on(request: Request, office: Office, client: Client, attempt: sessions.Attempt, account: Account) -> Response:
    """Who it is, and what they came for."""
    settings = settings_of(request)
    if attempt.purpose == sessions.SIGN_IN:
        person = _whose(office, client, account)
    else:
        _must_be_the_same(request, attempt)
        person = attempt.person
    if attempt.purpose == sessions.TIE:
        _tie(office, account, person, accounts.BY_THEMSELVES)
        return _forgetting(RedirectResponse("/account", 303), settings)
    if attempt.purpose == sessions.AGAIN:
        known = office.sign_ins.identity(account.issuer, account.subject)
        if known is None or known.person != person:
            name = client.provider.name
            raise Refused("identity.account", f"You signed in to {name} with an account that is not tied to {person}.")
    attempt = replace(attempt, person=person, proved=timestamp(account.asked or LONG_AGO))
    if office.sign_ins.has_second_factor(person):
        pending = accounts.wait_for_code(office.sign_ins, attempt, office.clock())
        return page("code.html", None, pending=pending, fault="")
    return _forgetting(_finish(request, office, attempt), settings)


def _must_be_the_same(request: Request, attempt: sessions.Attempt) -> None:
    """What a session began, it ends."""
    session = session_of(request)
    if session is None or session.token != attempt.session:
        raise Refused("identity.attempt", "You signed out meanwhile, or in as somebody else. Begin again.")


def _finish(request: Request, office: Office, attempt: sessions.Attempt) -> Response:
    """Everything was shown that has to be."""
    if attempt.session:
        _must_be_the_same(request, attempt)
        session = session_of(request)
        assert session is not None
        sessions.prove(office.sign_ins, session, office.clock())
        return RedirectResponse(safe_path(attempt.target), 303)
    return let_in(request, attempt.person, attempt.target, moment(attempt.proved))


def _whose(office: Office, client: Client, account: Account) -> str:
    """The person here of an account there.

    Raises:
        Refused: Where it is nobody's, with what to ask an administrator; nobody is ever made up.
    """
    with office.store.read() as reader:
        people = registry(reader)
    known, name = office.sign_ins.identity(account.issuer, account.subject), client.provider.name
    if known is not None and known.person:
        if not people.is_active(known.person):
            office.sign_ins.end_sessions(known.person)
            raise Refused("identity.account", "Your account here may no longer be used. Ask an administrator.")
        return known.person
    if known is not None:
        raise Refused(
            "identity.account",
            f"An administrator untied your account at {name} from the one here. Sign in with a password and tie it again on "
            "your own page, or ask an administrator for a password link.",
        )
    if not client.provider.by_email:
        raise Refused(
            "identity.account",
            f"Your account at {name} is tied to nobody here. Sign in with a password and tie it on your own page, or ask an "
            "administrator for a password link.",
        )
    account = client.with_address(account)
    if not account.email or not account.verified:
        raise Refused(
            "identity.account",
            f"{name} tells no e-mail address of yours that it verified, so nobody knows who you are here. Have it verified "
            "there, or ask an administrator for a password link.",
        )
    person = accounts.person_by_email(people, account.email)
    if not person:
        raise Refused(
            "identity.account",
            f"No one person here has the e-mail address {account.email}. Ask an administrator to enter it for you, and for "
            "nobody else, on the page People.",
        )
    _tie(office, account, person, accounts.BY_EMAIL)
    return person


def _tie(office: Office, account: Account, person: str, by: str) -> None:
    """Note it in the log, and keep it.

    Raises:
        Refused: Where the account is another's, or the person has another already: an address that was given to somebody
            new at the provider does not bring them in as whoever had it before.
    """
    store = office.sign_ins
    known = store.identity(account.issuer, account.subject)
    if known is not None and known.person == person:
        return
    taken = Refused(
        "identity.account",
        f"This account cannot be tied to {person}: it is somebody else's here, or {person} has another one at the same "
        "provider. Ask an administrator to untie that one on the page People.",
    )
    if (known is not None and known.person) or accounts.tied(store, account.issuer, person):
        raise taken
    with office.at_work(person) as (uow, actor, at, key):
        administer(TieAccount(person, account.issuer, account.subject, by), uow, actor=actor, at=at, key=key)
    if not store.set_identity(sessions.Identity(account.issuer, account.subject, person)):
        raise taken


@router.post("/sign-in/provider/code")
def code(request: Request, form: Sent, office: Place, settings: Rules, client: Provided) -> Response:
    """The code of a second factor, after the provider's word."""
    if not came_from_here(request, settings):
        raise NotFromHere("Sign in from this server's own page.")
    store, at, cookie = office.sign_ins, office.clock(), request.cookies.get(settings.attempt_cookie, "")
    try:
        attempt = accounts.open_attempt(store, form["pending"], cookie, at, code=True)
    except Refused as error:
        return _told(request, settings, error)
    try:
        check_code(store, attempt.person, form["code"], address_of(request), at)
    except Refused as error:
        status = 429 if error.rule == "identity.throttled" else 403
        return page("code.html", None, status=status, pending=form["pending"], fault=error.reason)
    with office.store.read() as reader:
        active = registry(reader).is_active(attempt.person)
    if not active or not store.use_attempt(attempt.token):
        raise Refused("identity.attempt", "This sign-in was used before, or may no longer be. Begin again.")
    return _forgetting(_finish(request, office, attempt), settings)
