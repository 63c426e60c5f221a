"""People, their roles, units and delegations; as of any day."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Query
from starlette.responses import RedirectResponse, Response

from fiscus.errors import InvalidInput
from fiscus.web.rendering import page
from fiscus.web.visits import NOTHING, Form, Here, Sent, Visit
from fiscus.workflow.canonical import timestamp
from fiscus.workflow.identity import commands as who
from fiscus.workflow.identity.people import Grant
from fiscus.workflow.identity.sessions import PASSWORD, Identity, new_link
from fiscus.workflow.service import administer
from fiscus.workflow.service.roles import alike, known_roles

router = APIRouter()

PAGE = 100
"""People on one page."""


def day(text: str, name: str, end: bool = False) -> datetime:
    """A day that somebody wrote, UTC; its end is the beginning of the next.

    Raises:
        InvalidInput: Where it is none.
    """
    try:
        found = datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError as error:
        raise InvalidInput(f"{name}: {text!r} is no day; write it as 2027-01-31.") from error
    return found + timedelta(days=1) if end else found


@router.get("/people")
def show(
    visit: Here,
    as_of: str = "",
    text: str = "",
    number: Annotated[int, Query(alias="page")] = 1,
    given: str = "",
    to: str = "",
) -> Response:
    """Everybody, or those of a name, and who held which role on a day."""
    return _page(visit, as_of, text=text[:100], number=number, said=_given(visit, given, to))


def _given(visit: Visit, role: str, person: str) -> str:
    """That somebody holds a role, where the registry says so; an address alone is not believed."""
    holds = role in visit.registry.roles_of(person, visit.at)
    return f"Given. {visit.registry.people[person].name} holds the role {role}." if holds else ""


def _page(
    visit: Visit,
    as_of: str = "",
    link: str = "",
    whose: str = "",
    text: str = "",
    number: int = 1,
    said: str = "",
    fault: str = "",
    form: Form = NOTHING,
) -> Response:
    with visit.read() as reader:
        roles = known_roles(reader) if visit.administers else {}
    at = day(as_of, "The day", end=True) - timedelta(microseconds=1) if as_of else visit.at
    moment, registry = timestamp(at), visit.registry
    wanted = text.strip().casefold()
    found = [each for each in registry.people.values() if wanted in f"{each.id}\n{each.name}".casefold()]
    pages = max(-(-len(found) // PAGE), 1)
    number = min(max(number, 1), pages)
    shown = found[(number - 1) * PAGE : number * PAGE]
    held: dict[str, list[Grant]] = {each.id: [] for each in shown}
    for grant in registry.grants:
        if grant.person in held and grant.in_force(moment):
            held[grant.person].append(grant)
    return page(
        "people.html",
        visit,
        status=422 if fault else 200,
        said=said,
        fault=fault,
        form=form,
        roles=roles,
        registry=registry,
        shown=shown,
        held=held,
        text=text,
        number=number,
        pages=pages,
        delegations=[each for each in registry.delegations if each.until > moment],
        as_of=as_of,
        link=link,
        whose=whose,
        elsewhere=_elsewhere(visit),
        coded=visit.office.sign_ins.with_second_factor() if visit.administers else frozenset(),
        tree=sorted(registry.parents, key=lambda unit: [*registry.upwards(unit)][::-1]),
    )


@router.post("/people/do/{what}")
def act(visit: Here, what: str, form: Sent) -> Response:
    """Follow a command about people."""
    if what not in MAKERS:
        raise InvalidInput(f"Nothing is called {what!r}.")
    strange = _strange(visit, form) if what == "grant" else ""
    if strange:
        return _page(visit, fault=strange, form=form)
    with visit.work() as (uow, actor, at, key):
        administer(MAKERS[what](form), uow, actor=actor, at=at, key=key)
    if what == "grant":
        return RedirectResponse(f"/people?{urlencode({'given': form['role'], 'to': form['person']})}", 303)
    if what == "deactivate":
        visit.office.sign_ins.end_sessions(form["person"])
    return RedirectResponse("/account" if what in OWN else "/people", 303)


def _strange(visit: Visit, form: Form) -> str:
    """What is odd about a role that nothing here asks for and that nobody confirmed; empty for nothing."""
    if not visit.administers or form["sure"]:
        return ""
    with visit.read() as reader:
        known = known_roles(reader)
    if form["role"] in known:
        return ""
    near = " or ".join(alike(form["role"], known))
    return f"No authority matrix knows the role {form['role']!r}, and nothing asks for it.{f' Did you mean {near}?' if near else ''}"


@router.post("/people/link")
def link(visit: Here, form: Sent) -> Response:
    """A one-time link with which somebody sets a password; told once, here."""
    visit.must_administer()
    person = form["person"]
    if not visit.registry.is_active(person):
        raise InvalidInput(f"There is nobody called {person!r} who may act.")
    secret = new_link(visit.office.sign_ins, PASSWORD, person, visit.at)
    return _page(visit, link=f"{visit.settings.origin}/begin/{secret}", whose=person)


@router.post("/people/address")
def address(visit: Here, form: Sent) -> Response:
    """Where somebody is told, and by which address they are known at an OpenID provider."""
    person = visit.registry.people.get(form["person"])
    if person is None:
        raise InvalidInput(f"There is nobody called {form['person']!r}.")
    with visit.work() as (uow, actor, at, key):
        administer(who.ChangePerson(person.id, person.name, form["email"]), uow, actor=actor, at=at, key=key)
    return RedirectResponse("/people", 303)


@router.post("/people/untie")
def untie(visit: Here, form: Sent) -> Response:
    """An account at an OpenID provider lets nobody in any more; whoever is signed in as its person has to sign in anew."""
    visit.must_administer()
    person, issuer, subject = form["person"], form["issuer"], form["subject"]
    store = visit.office.sign_ins
    if Identity(issuer, subject, person) not in store.identities():
        raise InvalidInput(f"That account is not tied to {person!r}; look at the page again.")
    with visit.work() as (uow, actor, at, key):
        administer(who.UntieAccount(person, issuer, subject), uow, actor=actor, at=at, key=key)
    store.end_identity(issuer, subject)
    store.end_sessions(person)
    return RedirectResponse("/people", 303)


@router.post("/people/reset-code")
def reset_code(visit: Here, form: Sent) -> Response:
    """The authenticator of somebody who lost it counts no more; whoever is signed in as them has to sign in anew."""
    visit.must_administer()
    person, store = form["person"], visit.office.sign_ins
    if not store.has_second_factor(person):
        raise InvalidInput(f"{person!r} has no second factor; look at the page again.")
    with visit.work() as (uow, actor, at, key):
        administer(who.ResetSecondFactor(person), uow, actor=actor, at=at, key=key)
    store.set_second_factor(person, None)
    store.end_sessions(person)
    return RedirectResponse("/people", 303)


def _elsewhere(visit: Visit) -> Mapping[str, list[Identity]]:
    """Accounts at OpenID providers by person, which is for administrators."""
    found: dict[str, list[Identity]] = {}
    for each in visit.office.sign_ins.identities() if visit.administers else ():
        found.setdefault(each.person, []).append(each)
    return found


def _delegate(form: Form) -> who.Command:
    roles = tuple(role for role in form.all("role") if role)
    return who.Delegate(form["taker"], day(form["since"], "From"), day(form["until"], "Until", end=True), roles)


MAKERS: Mapping[str, Any] = {
    "add": lambda form: who.AddPerson(
        form["person"], form["name"], form["email"], form["kind"] or "person", form["accountable"]
    ),
    "change": lambda form: who.ChangePerson(form["person"], form["name"], form["email"]),
    "deactivate": lambda form: who.Deactivate(form["person"]),
    "reactivate": lambda form: who.Reactivate(form["person"]),
    "grant": lambda form: who.GrantRole(
        form["person"], form["role"], form["unit"], day(form["until"], "Until", end=True) if form["until"] else None
    ),
    "revoke": lambda form: who.RevokeRole(form["person"], form["role"], form["unit"]),
    "unit": lambda form: who.AddUnit(form["unit"], form["parent"], form["owner"]),
    "move": lambda form: who.MoveUnit(form["unit"], form["parent"]),
    "owner": lambda form: who.SetOwner(form["unit"], form["owner"]),
    "delegate": _delegate,
    "end-delegation": lambda form: who.EndDelegation(form["delegation"]),
    "add-key": lambda form: who.AddKey(form["public"]),
    "revoke-key": lambda form: who.RevokeKey(form["public"]),
}
"""Commands that forms give."""

OWN = ("delegate", "end-delegation", "add-key", "revoke-key")
"""About oneself: they come from the page of one's account."""
