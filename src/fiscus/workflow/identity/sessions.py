"""Who is signed in, for how long, and how fast one may guess."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Protocol

from fiscus.errors import Refused
from fiscus.workflow.canonical import moment, timestamp
from fiscus.workflow.identity.passwords import check_password

BROWSER, TOKEN = "browser", "token"
"""Kinds of session: a browser's, that has to send the CSRF token with every change; a program's, that shows its token every time."""

IDLE = timedelta(hours=1)
LONGEST = timedelta(hours=12)
"""After how long a browser's session ends: without a request, and at all."""

RECENT = timedelta(minutes=15)
"""How long a proof of who one is counts for decisions."""

TOUCH = timedelta(minutes=1)
"""A session's last request is noted no more often than this."""

FREE_TRIES = 5
"""Failed sign-ins of a person, or from an address four times as many, before the next has to wait."""

FIRST_WAIT = timedelta(seconds=5)
LONGEST_WAIT = timedelta(minutes=15)

FIRST, PASSWORD = "first", "password"
"""What one-time links are for: the first administrator; a password, new or forgotten."""

LINK_LASTS = timedelta(hours=24)

SIGN_IN, AGAIN, TIE, CODE = "sign_in", "again", "tie", "code"
"""What somebody is sent to an OpenID provider for: to sign in, to say again who they are, to tie their account there; and the
code of a second factor that is still to come after it."""

ATTEMPT_LASTS = timedelta(minutes=10)
"""How long a sign-in elsewhere may take."""


@dataclass(frozen=True, slots=True)
class Session:
    """A sign-in.

    Attributes:
        token: SHA-256 of what the browser or program shows, hexadecimal.
        person: Who.
        kind: ``browser`` or ``token``.
        csrf: What forms carry.
        begun: When, as ``timestamp`` writes it.
        seen: Last request, to the minute.
        proved: When a password or provider last said who it is.
        until: When it ends at the latest.
    """

    token: str
    person: str
    kind: str
    csrf: str
    begun: str
    seen: str
    proved: str
    until: str

    def alive(self, at: datetime) -> bool:
        """Whether it still counts."""
        idle = self.kind == BROWSER and timestamp(at) >= timestamp(moment(self.seen) + IDLE)
        return timestamp(at) < self.until and not idle

    def recent(self, at: datetime) -> bool:
        """Whether whoever is signed in said who they are not long ago."""
        return self.kind == TOKEN or timestamp(at) < timestamp(moment(self.proved) + RECENT)

    @property
    def name(self) -> str:
        """For the log: enough to tell sessions apart, and nothing to sign in with."""
        return self.token[:16]


@dataclass(frozen=True, slots=True)
class Throttle:
    """Failures so far, and until when nobody may try again."""

    failures: int = 0
    until: str = ""

    def failed(self, at: datetime, free: int) -> Throttle:
        """One more; the wait doubles each time beyond those that are free."""
        failures = self.failures + 1
        over = failures - free
        wait = min(FIRST_WAIT * 2 ** min(max(over, 0), 20), LONGEST_WAIT) if over >= 0 else timedelta()
        return Throttle(failures, timestamp(at + wait) if wait else "")


@dataclass(frozen=True, slots=True)
class Link:
    """A one-time link, by the digest of its secret."""

    token: str
    purpose: str
    person: str
    until: str


@dataclass(frozen=True, slots=True)
class Attempt:
    """A sign-in at an OpenID provider that was begun and has not come back.

    Attributes:
        token: SHA-256 of the state, hexadecimal.
        browser: SHA-256 of what the browser that began it keeps in a cookie.
        purpose: ``sign_in``, ``again``, ``tie`` or ``code``.
        nonce: That the ID token has to carry.
        verifier: Of PKCE.
        target: Path to go to afterwards.
        person: Who is signed in already; for ``code`` who it will be.
        session: Token of their session; empty for none.
        begun: When.
        proved: For ``code``: when the provider last asked them who they are.
        until: When it is over.
    """

    token: str
    browser: str
    purpose: str
    nonce: str
    verifier: str
    target: str
    person: str
    session: str
    begun: str
    proved: str
    until: str


@dataclass(frozen=True, slots=True)
class Identity:
    """An account at an OpenID provider, by issuer and subject, and whose it is; empty for nobody's any more."""

    issuer: str
    subject: str
    person: str


class SignIns(Protocol):
    """Where sign-ins are kept; every method is a transaction of its own."""

    def session(self, token: str) -> Session | None:
        """By its digest."""

    def save_session(self, session: Session) -> None:
        """A new one."""

    def touch_session(self, session: Session) -> None:
        """Other times; one that was ended meanwhile stays so."""

    def end_session(self, token: str) -> None:
        """It is over."""

    def end_sessions(self, person: str, but: str = "") -> None:
        """All of a person, but for one, and what they have begun elsewhere."""

    def sessions(self, person: str) -> tuple[Session, ...]:
        """All of a person, the latest first."""

    def throttle(self, key: str) -> Throttle:
        """Failures so far."""

    def set_throttle(self, key: str, throttle: Throttle | None) -> None:
        """After a failure; None after success."""

    def save_link(self, link: Link) -> None:
        """A new one; those of the same purpose and person are void."""

    def link(self, token: str) -> Link | None:
        """By its digest."""

    def use_link(self, token: str) -> bool:
        """Take it; False where somebody was faster."""

    def second_factor(self, person: str) -> tuple[str, int] | None:
        """Secret, and number of the last step that was used; raises ``Unreadable`` where no key opens it."""

    def with_second_factor(self) -> frozenset[str]:
        """Everybody who has one."""

    def has_second_factor(self, person: str) -> bool:
        """Whether there is one, readable or not."""

    def reseal(self) -> int:
        """Seal with the newest key what lies in the clear or under an older one; gives how many those were."""

    def use_step(self, person: str, step: int) -> bool:
        """Take a step of a second factor; False where it or a later one was used."""

    def set_second_factor(self, person: str, secret: str | None) -> None:
        """Another secret, or none."""

    def identity(self, issuer: str, subject: str) -> Identity | None:
        """An account elsewhere; None for one that was never anybody's."""

    def identities(self, person: str = "") -> tuple[Identity, ...]:
        """Accounts elsewhere of a person, or of anybody."""

    def set_identity(self, identity: Identity) -> bool:
        """Whose account it is; False where it is another's, or they have another at that issuer."""

    def end_identity(self, issuer: str, subject: str) -> None:
        """It is nobody's any more, which is remembered."""

    def save_attempt(self, attempt: Attempt) -> None:
        """A new one; those that are over are forgotten."""

    def attempt(self, token: str) -> Attempt | None:
        """By the digest of its state."""

    def use_attempt(self, token: str) -> bool:
        """Take it; False where somebody was faster."""

    def credential(self, person: str) -> str | None:
        """Hash of a password."""

    def set_credential(self, person: str, hash_: str) -> None:
        """Keep the hash of a password."""


def digest_of(secret: str) -> str:
    """What is kept of a token; tokens are random and long, so a plain hash will do."""
    return hashlib.sha256(secret.encode()).hexdigest()


def begin(
    store: SignIns,
    person: str,
    at: datetime,
    kind: str = BROWSER,
    lasts: timedelta = LONGEST,
    proved: datetime | None = None,
) -> tuple[str, Session]:
    """A new session.

    Args:
        store: Of sign-ins.
        person: Whose.
        at: Now.
        kind: ``browser`` or ``token``.
        lasts: How long at the most.
        proved: When they last said who they are; now where it is not given, and never later.

    Returns:
        What the browser or program shows from now on, told once; and the session.
    """
    secret, now = secrets.token_urlsafe(32), timestamp(at)
    said = timestamp(min(at, proved or at))
    session = Session(digest_of(secret), person, kind, secrets.token_urlsafe(32), now, now, said, timestamp(at + lasts))
    store.save_session(session)
    return secret, session


def recognise(store: SignIns, secret: str, at: datetime) -> Session | None:
    """The session of what a browser or program shows; None where there is none or it is over."""
    session = store.session(digest_of(secret)) if secret else None
    if session is None or not session.alive(at):
        return None
    if timestamp(at) >= timestamp(moment(session.seen) + TOUCH):
        session = replace(session, seen=timestamp(at))
        store.touch_session(session)
    return session


def prove(store: SignIns, session: Session, at: datetime) -> None:
    """Whoever is signed in said again who they are."""
    store.touch_session(replace(session, proved=timestamp(at), seen=timestamp(at)))


def same(one: str, other: str) -> bool:
    """Whether two secrets are the same, in a time that tells nothing."""
    return hmac.compare_digest(one.encode(), other.encode())


def guess(store: SignIns, person: str, password: str, address: str, at: datetime) -> None:
    """Check a password, not faster than is allowed.

    Args:
        store: Of sign-ins.
        person: Who they say they are.
        password: As typed.
        address: Where it comes from.
        at: Now.

    Raises:
        Refused: ``identity.throttled`` where one has to wait, ``identity.password`` where it is not theirs.
    """
    keys = ((f"person:{person}", FREE_TRIES), (f"address:{address}", 4 * FREE_TRIES))
    wait(store, tuple(key for key, _ in keys), at)
    if check_password(store.credential(person), password):
        for key, _ in keys:
            store.set_throttle(key, None)
        return
    fail(store, keys, at)
    raise Refused("identity.password", "The name or the password is wrong.")


def wait(store: SignIns, keys: tuple[str, ...], at: datetime) -> None:
    """Refuse whoever guesses too fast.

    Raises:
        Refused: With the seconds left.
    """
    until = max(store.throttle(key).until for key in keys)
    if timestamp(at) < until:
        seconds = int((moment(until) - at).total_seconds()) + 1
        raise Refused("identity.throttled", f"Too many failed sign-ins: try again in {seconds} seconds.")


def fail(store: SignIns, keys: tuple[tuple[str, int], ...], at: datetime) -> None:
    """Count a failure."""
    for key, free in keys:
        store.set_throttle(key, store.throttle(key).failed(at, free))


def new_link(store: SignIns, purpose: str, person: str, at: datetime) -> str:
    """Secret of a new one-time link; earlier ones of the same purpose and person are void."""
    secret = secrets.token_urlsafe(32)
    store.save_link(Link(digest_of(secret), purpose, person, timestamp(at + LINK_LASTS)))
    return secret


def open_link(store: SignIns, secret: str, at: datetime) -> Link:
    """A link that may be used.

    Raises:
        Refused: Where it was used, is over, or never was.
    """
    link = store.link(digest_of(secret))
    if link is None or timestamp(at) >= link.until:
        raise Refused("identity.link", "This link was used before, is over, or never was. Ask for a new one.")
    return link
