"""Accounts at an OpenID provider: sign-ins there that were begun, and whose account is whose here."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, replace
from datetime import datetime

from fiscus.errors import Refused
from fiscus.workflow.canonical import timestamp
from fiscus.workflow.identity.people import HUMAN
from fiscus.workflow.identity.registry import Registry
from fiscus.workflow.identity.sessions import (
    ATTEMPT_LASTS,
    CODE,
    SIGN_IN,
    Attempt,
    Identity,
    Session,
    SignIns,
    digest_of,
    same,
)

BY_EMAIL, BY_THEMSELVES = "verified e-mail", "own sign-in"
"""What ties an account elsewhere to a person."""


@dataclass(frozen=True, slots=True)
class Begun:
    """What goes out with an attempt: the state to the provider, the other secret into a cookie of the browser."""

    state: str
    browser: str
    attempt: Attempt


def begin_attempt(
    store: SignIns, at: datetime, *, purpose: str = SIGN_IN, target: str = "/", session: Session | None = None
) -> Begun:
    """A sign-in at a provider begins.

    Args:
        store: Of sign-ins.
        at: Now.
        purpose: What for.
        target: Path to go to afterwards.
        session: Of whoever is signed in already, where that matters.
    """
    state, browser = secrets.token_urlsafe(32), secrets.token_urlsafe(32)
    attempt = Attempt(
        token=digest_of(state),
        browser=digest_of(browser),
        purpose=purpose,
        nonce=secrets.token_urlsafe(32),
        verifier=secrets.token_urlsafe(48),
        target=target,
        person=session.person if session else "",
        session=session.token if session else "",
        begun=timestamp(at),
        proved="",
        until=timestamp(at + ATTEMPT_LASTS),
    )
    store.save_attempt(attempt)
    return Begun(state, browser, attempt)


def open_attempt(store: SignIns, state: str, browser: str, at: datetime, *, code: bool = False) -> Attempt:
    """An attempt that may go on.

    Args:
        store: Of sign-ins.
        state: As it came back.
        browser: What the browser keeps.
        at: Now.
        code: Whether a second factor is all that is missing.

    Raises:
        Refused: Where it was begun in another browser, was used, is over, or never was.
    """
    attempt = store.attempt(digest_of(state)) if state else None
    known = attempt is not None and timestamp(at) < attempt.until and (attempt.purpose == CODE) == code
    if attempt is None or not known or not same(attempt.browser, digest_of(browser)):
        raise _over()
    return attempt


def take_attempt(store: SignIns, state: str, browser: str, at: datetime) -> Attempt:
    """An attempt that comes back from the provider, which it does once; arguments and errors as of ``open_attempt``.

    One that comes back in another browser is used up too: whoever planted it learns nothing by trying again.
    """
    try:
        attempt = open_attempt(store, state, browser, at)
    finally:
        used = store.use_attempt(digest_of(state))
    if not used:
        raise _over()
    return attempt


def wait_for_code(store: SignIns, attempt: Attempt, at: datetime) -> str:
    """Keep who the provider says it is until the code of their second factor is there, no longer than the attempt lasts.

    Args:
        store: Of sign-ins.
        attempt: Used already, with the person.
        at: Now.

    Returns:
        State of what is kept.
    """
    state = secrets.token_urlsafe(32)
    waits = replace(attempt, token=digest_of(state), purpose=CODE, nonce="", verifier="", begun=timestamp(at))
    store.save_attempt(waits)
    return state


def _over() -> Refused:
    minutes = int(ATTEMPT_LASTS.total_seconds() // 60)
    return Refused(
        "identity.attempt",
        f"This sign-in was not begun in this browser, was used before, or took longer than {minutes} minutes. "
        "Begin again.",
    )


def person_by_email(registry: Registry, email: str) -> str:
    """The one human who may act and has this address; empty where there is none, or more than one.

    Addresses of other than ASCII letters have to be the same sign by sign: signs that only look like others, or become
    others in lower case, are other people.
    """
    found = [
        person.id
        for person in registry.people.values()
        if person.kind == HUMAN and registry.is_active(person.id) and _alike(person.email, email)
    ]
    return found[0] if len(found) == 1 else ""


def _alike(one: str, other: str) -> bool:
    if not one or not other:
        return False
    if one.isascii() and other.isascii():
        return one.lower() == other.lower()
    return one == other


def tied(store: SignIns, issuer: str, person: str) -> tuple[Identity, ...]:
    """Accounts that somebody has at an issuer; at most one."""
    return tuple(each for each in store.identities(person) if each.issuer == issuer)
