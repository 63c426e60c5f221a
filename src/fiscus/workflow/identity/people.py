"""Who there is, what they may do, and since when."""

from __future__ import annotations

from dataclasses import dataclass

HUMAN, SERVICE = "person", "service"


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody, or a program.

    Attributes:
        id: Short name.
        name: What people call them.
        email: Where they are told; empty for nowhere.
        kind: ``person`` or ``service``.
        accountable: Human who answers for a service account; empty for humans.
        active: Whether they may act.
    """

    id: str
    name: str
    email: str = ""
    kind: str = HUMAN
    accountable: str = ""
    active: bool = True


@dataclass(frozen=True, slots=True)
class Grant:
    """A role somebody holds or held.

    Attributes:
        person: Their id.
        role: Its name.
        unit: Where, and everywhere below it; empty for everywhere.
        since: When it began, as ``timestamp`` writes it.
        until: When it ended or will; empty for never.
    """

    person: str
    role: str
    unit: str
    since: str
    until: str = ""

    def in_force(self, at: str) -> bool:
        """Whether it holds at a moment; it ends before its last."""
        return self.since <= at and (not self.until or at < self.until)

    def within(self, first: str, last: str) -> bool:
        """Whether it holds at any moment of a while."""
        return self.since <= last and (not self.until or first < self.until)


@dataclass(frozen=True, slots=True)
class Delegation:
    """One who acts for another for a while.

    Attributes:
        id: Its name.
        giver: For whom.
        taker: Who acts.
        since: When it begins.
        until: When it ends.
        roles: Which roles of the giver; empty for all.
    """

    id: str
    giver: str
    taker: str
    since: str
    until: str
    roles: tuple[str, ...] = ()

    def in_force(self, at: str) -> bool:
        """Whether it holds at a moment."""
        return self.since <= at < self.until

    def within(self, first: str, last: str) -> bool:
        """Whether it holds at any moment of a while."""
        return self.since <= last and first < self.until

    def covers(self, role: str) -> bool:
        """Whether a role goes with it."""
        return not self.roles or role in self.roles


@dataclass(frozen=True, slots=True)
class Key:
    """A public key somebody signs with.

    Attributes:
        person: Whose.
        public: Ed25519, hexadecimal.
        since: When it was added.
        until: When it was revoked; empty for not.
    """

    person: str
    public: str
    since: str
    until: str = ""
