"""What administrators and people themselves ask of the registry."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Command:
    """Of the registry."""


@dataclass(frozen=True, slots=True)
class AddPerson(Command):
    """Somebody new, or a service account with the human who answers for it. The first of all becomes administrator."""

    person: str
    name: str
    email: str = ""
    kind: str = "person"
    accountable: str = ""


@dataclass(frozen=True, slots=True)
class ChangePerson(Command):
    """Another name or address."""

    person: str
    name: str
    email: str = ""


@dataclass(frozen=True, slots=True)
class Deactivate(Command):
    """They may no longer act; what they did stays."""

    person: str


@dataclass(frozen=True, slots=True)
class Reactivate(Command):
    """They may act again."""

    person: str


@dataclass(frozen=True, slots=True)
class GrantRole(Command):
    """Give a role, for a unit and all below it, or everywhere; until a moment, or for good."""

    person: str
    role: str
    unit: str = ""
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class RevokeRole(Command):
    """Take a role back."""

    person: str
    role: str
    unit: str = ""


@dataclass(frozen=True, slots=True)
class Delegate(Command):
    """Let somebody act for oneself for a while, in some roles or all."""

    taker: str
    since: datetime
    until: datetime
    roles: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class EndDelegation(Command):
    """End it early."""

    delegation: str


@dataclass(frozen=True, slots=True)
class AddUnit(Command):
    """A unit below another; the first of all is the root."""

    unit: str
    parent: str = ""
    owner: str = ""


@dataclass(frozen=True, slots=True)
class MoveUnit(Command):
    """Hang a unit below another."""

    unit: str
    parent: str


@dataclass(frozen=True, slots=True)
class SetOwner(Command):
    """Who answers for a unit."""

    unit: str
    owner: str


@dataclass(frozen=True, slots=True)
class SetExclusive(Command):
    """Pairs of roles that nobody may hold both of."""

    pairs: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class AddKey(Command):
    """A public key that one signs with from now on."""

    public: str


@dataclass(frozen=True, slots=True)
class RevokeKey(Command):
    """A key that counts no more: one's own, or anybody's by an administrator."""

    public: str


@dataclass(frozen=True, slots=True)
class NotePassword(Command):
    """That a password was set; never the password."""

    person: str


@dataclass(frozen=True, slots=True)
class TieAccount(Command):
    """An account at an OpenID provider signs in as oneself from now on; ``by`` says what tied it."""

    person: str
    issuer: str
    subject: str
    by: str


@dataclass(frozen=True, slots=True)
class UntieAccount(Command):
    """An account at an OpenID provider signs in as nobody any more."""

    person: str
    issuer: str
    subject: str


@dataclass(frozen=True, slots=True)
class ResetSecondFactor(Command):
    """Somebody lost their authenticator: from now on their password is enough, until they set up another."""

    person: str
