"""Who asks: found from the cookie of a browser or the token of a program, at every request."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import Depends, Request
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData, UploadFile

from fiscus.bootstrap import Office
from fiscus.errors import FiscusError, InvalidInput
from fiscus.web.settings import Settings
from fiscus.workflow.actor import Actor
from fiscus.workflow.identity.registry import ADMINISTRATOR, AUDITOR, Registry
from fiscus.workflow.identity.sessions import BROWSER, TOKEN, Session, recognise, same
from fiscus.workflow.ports import Reader, UnitOfWork
from fiscus.workflow.proposal.commands import Command
from fiscus.workflow.service import Answer, reading

SAFE = ("GET", "HEAD", "OPTIONS")
SECRETS = ("password", "again", "old")
FORMS = ("application/x-www-form-urlencoded", "multipart/form-data")


class SignInNeeded(FiscusError):
    """Nobody is signed in here."""


class NotFromHere(FiscusError):
    """A change that did not come from one of our own pages."""


class NotYours(FiscusError):
    """Signed in, and still not entitled to see this."""


@dataclass(frozen=True)
class Visit:
    """A request of somebody who is signed in.

    Attributes:
        office: Store and clock.
        settings: Of the server.
        session: Their sign-in.
        registry: Of people, as it is now.
        at: When the request came.
    """

    office: Office
    settings: Settings
    session: Session
    registry: Registry
    at: datetime

    @property
    def person(self) -> str:
        """Their id."""
        return self.session.person

    @property
    def name(self) -> str:
        """What people call them."""
        return self.registry.people[self.person].name

    @functools.cached_property
    def roles(self) -> frozenset[str]:
        """Roles they hold themselves."""
        return self.registry.roles_of(self.person, self.at)

    @property
    def administers(self) -> bool:
        """Whether they change people, units and policies."""
        return self.registry.may(self.person, "", ADMINISTRATOR, "", self.at)

    @property
    def audits(self) -> bool:
        """Whether they may read the log."""
        return self.administers or AUDITOR in self.roles

    @property
    def recent(self) -> bool:
        """Whether they said not long ago who they are."""
        return self.session.recent(self.at)

    @contextmanager
    def read(self) -> Iterator[Reader]:
        """A moment to read from."""
        with self.office.store.read() as reader:
            yield reader

    @contextmanager
    def work(self, behalf: str = "") -> Iterator[tuple[UnitOfWork, Actor, datetime, str]]:
        """A transaction in their name, committed at its end."""
        with self.office.at_work(self.person, behalf, self.session.name) as work:
            yield work

    def follow(self, command: Command | Callable[[UnitOfWork], Command], behalf: str = "", key: str = "") -> Answer:
        """Follow a command to a proposal in their name; arguments as of ``Office.follow``."""
        make = command if callable(command) else lambda uow: command
        return self.office.follow(make, self.person, behalf, self.session.name, key)

    def must_audit(self) -> None:
        """Refuse those who may not read the log.

        Raises:
            NotYours: With what would be needed.
        """
        if not self.audits:
            known = self.registry.people
            clerks = sorted(known[each].name for each in self.registry.holders(ADMINISTRATOR, "", self.at))
            raise NotYours(
                f"The log is for people with the role {AUDITOR!r}, by exactly that name, and for administrators. "
                f"An administrator gives the role on the page People: {', '.join(clerks[:5])}."
            )

    def must_administer(self) -> None:
        """Refuse all but administrators.

        Raises:
            NotYours: With what would be needed.
        """
        if not self.administers:
            raise NotYours("This is for administrators.")


def office_of(request: Request) -> Office:
    """Store and clock of the server."""
    found: Office = request.app.state.office
    return found


def settings_of(request: Request) -> Settings:
    """Of the server."""
    found: Settings = request.app.state.settings
    return found


def address_of(request: Request) -> str:
    """Where a request comes from; what a proxy says counts only from the proxies that are ours."""
    peer = request.client.host if request.client else ""
    if peer in settings_of(request).proxies:
        return request.headers.get("x-forwarded-for", peer).rsplit(",", 1)[-1].strip()
    return peer


@dataclass(frozen=True)
class Form:
    """What a form sent: texts, and the texts of files."""

    fields: dict[str, list[str]]

    def __getitem__(self, name: str) -> str:
        """One field, without the blanks around it, which belong to passwords alone; empty where it is missing."""
        found = (self.fields.get(name) or [""])[-1]
        return found if name in SECRETS else found.strip()

    def all(self, name: str) -> list[str]:
        """All fields of a name."""
        return self.fields.get(name, [])


KEPT = {"reason": 4000, "choice": 200, "decision": 20}
"""Fields of a decision that outlive a session which ended meanwhile, and how long each may be."""


def kept(form: Form) -> dict[str, list[str]]:
    """What of a decision is carried through a sign-in; never a hash, a signature or a secret."""
    return {name: [form[name][:longest]] for name, longest in KEPT.items() if form[name]}


NOTHING = Form({})
"""What a page shows before anything was sent."""


async def form_of(request: Request) -> Form:
    """The form of a request; empty for none.

    Raises:
        InvalidInput: Where it is no form, or a file is no text.
    """
    kind = request.headers.get("content-type", "").split(";")[0].strip().lower()
    if request.method in SAFE or kind not in FORMS:
        return Form({})
    try:
        given: FormData = await request.form(max_files=4, max_fields=20_000, max_part_size=8 * 1024 * 1024)
    except Exception as error:
        raise InvalidInput(f"The form cannot be read: {error}") from error
    fields: dict[str, list[str]] = {}
    for name, value in given.multi_items():
        fields.setdefault(name, []).append(await _text(name, value))
    return Form(fields)


async def _text(name: str, value: Any) -> str:
    if not isinstance(value, UploadFile):
        return str(value).replace("\r\n", "\n")
    try:
        return (await value.read()).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidInput(f"{name}: {value.filename or 'the file'} is no text in UTF-8.") from error


def _secret(request: Request) -> tuple[str, str]:
    """What the request shows, and which kind of session it may be."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return token.strip(), TOKEN
    return request.cookies.get(settings_of(request).cookie, ""), BROWSER


def session_of(request: Request) -> Session | None:
    """Who is signed in; None for nobody."""
    secret, kind = _secret(request)
    office = office_of(request)
    session = recognise(office.sign_ins, secret, office.clock())
    return session if session is not None and session.kind == kind else None


def came_from_here(request: Request, settings: Settings) -> bool:
    """Whether a browser says that a request comes from one of our pages."""
    origin = request.headers.get("origin")
    if origin is not None:
        return origin == settings.origin
    return request.headers.get("sec-fetch-site", "same-origin") in ("same-origin", "none")


def _checked(request: Request, session: Session, csrf: str) -> None:
    """Changes by browsers come from our own pages and carry their session's token."""
    if request.method in SAFE or session.kind == TOKEN:
        return
    if not came_from_here(request, settings_of(request)):
        raise NotFromHere("This change did not come from a page of this server, so it was not made.")
    if not same(csrf, session.csrf):
        raise NotFromHere("This page is older than your sign-in. Go back, reload it and send it again.")


def _visit(request: Request, csrf: str) -> Visit:
    session = session_of(request)
    if session is None:
        raise SignInNeeded("Sign in first.")
    _checked(request, session, csrf)
    office = office_of(request)
    with office.store.read() as reader:
        registry = reading.registry(reader)
    if not registry.is_active(session.person):
        office.sign_ins.end_sessions(session.person)
        raise SignInNeeded("Your account may no longer be used.")
    return Visit(office, settings_of(request), session, registry, office.clock())


async def visit_page(request: Request, form: Annotated[Form, Depends(form_of)]) -> Visit:
    """Who asks for a page or sends a form."""
    request.state.form = form  # Where nobody is signed in any more, what was written is not lost.
    csrf = form["csrf"] or request.headers.get("x-csrf-token", "")
    return await run_in_threadpool(_visit, request, csrf)


def visit_api(request: Request) -> Visit:
    """Who asks over JSON."""
    return _visit(request, request.headers.get("x-csrf-token", ""))


def safe_path(target: str, otherwise: str = "/inbox") -> str:
    """A path of our own, else another: nobody is sent elsewhere by a link that begins here."""
    plain = target.startswith("/") and not target.startswith(("//", "/\\")) and "\\" not in target
    if not plain or any(ord(sign) < 33 or ord(sign) == 127 for sign in target):
        return otherwise
    return quote(target, safe="/?&=%:;,+@!$'()*~-._")


Here = Annotated[Visit, Depends(visit_page)]
Asked = Annotated[Visit, Depends(visit_api)]
Sent = Annotated[Form, Depends(form_of)]
