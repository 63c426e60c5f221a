"""Everybody, as they stand: asked at every decision, changed by events alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

from fiscus.workflow.canonical import timestamp
from fiscus.workflow.identity.people import HUMAN, SERVICE, Delegation, Grant, Key, Person
from fiscus.workflow.once import once

ADMINISTRATOR = "administrator"
"""Role whose holders change people, units and policies; it gives no part in any decision about money."""

NEVER = "~"
"""Later than every moment that ``timestamp`` writes."""

_AT_NO_TIME = (NEVER, NEVER, frozenset[str]())

AUDITOR = "auditor"
"""Role whose holders read the log; administrators do too. An authority matrix may have auditors of its own, who do not by that."""


@dataclass(frozen=True, eq=False)
class Registry:
    """People, units, roles, delegations and keys.

    Attributes:
        people: By id.
        parents: Unit above each unit; empty for the root.
        owners: Person who answers for a unit.
        grants: Roles, those that ended included.
        delegations: Those that ended included.
        keys: Public keys, those revoked included.
        exclusive: Pairs of roles that nobody may hold both.
    """

    people: Mapping[str, Person] = field(default_factory=dict)
    parents: Mapping[str, str] = field(default_factory=dict)
    owners: Mapping[str, str] = field(default_factory=dict)
    grants: tuple[Grant, ...] = ()
    delegations: tuple[Delegation, ...] = ()
    keys: tuple[Key, ...] = ()
    exclusive: tuple[tuple[str, str], ...] = ()

    @once
    def _grants_of(self) -> Mapping[str, tuple[Grant, ...]]:
        found: dict[str, list[Grant]] = {}
        for grant in self.grants:
            found.setdefault(grant.person, []).append(grant)
        return {person: tuple(grants) for person, grants in found.items()}

    @once
    def _grants_to(self) -> Mapping[str, tuple[Grant, ...]]:
        found: dict[str, list[Grant]] = {}
        for grant in self.grants:
            found.setdefault(grant.role, []).append(grant)
        return {role: tuple(grants) for role, grants in found.items()}

    @once
    def _known_entitled(self) -> dict[tuple[str, str], Mapping[str, tuple[Grant, ...]]]:
        return {}

    def _entitled(self, role: str, unit: str) -> Mapping[str, tuple[Grant, ...]]:
        """Active people and the grants by which they hold a role for a unit, each in its time; looked for once."""
        key = (role, unit)
        known = self._known_entitled.get(key)
        if known is None:
            above, found = set(self.upwards(unit)), dict[str, tuple[Grant, ...]]()
            for grant in self._grants_to.get(role, ()):
                if self._covers(grant, above) and self.is_active(grant.person):
                    found[grant.person] = (*found.get(grant.person, ()), grant)
            known = found
            if role in self._grants_to and (not unit or unit in self.parents):  # Others could be any number of names.
                self._known_entitled[key] = known
        return known

    @once
    def _delegated_to(self) -> Mapping[str, tuple[Delegation, ...]]:
        found: dict[str, list[Delegation]] = {}
        for delegation in self.delegations:
            found.setdefault(delegation.taker, []).append(delegation)
        return {person: tuple(given) for person, given in found.items()}

    def is_active(self, person: str) -> bool:
        """Whether somebody is there and may act; a service account only while the human who answers for it may."""
        found = self.people.get(person)
        if found is None or not found.active:
            return False
        return found.kind != SERVICE or self.is_active(found.accountable)

    def accountable(self, person: str) -> str:
        """The human who counts for duties: the one who answers for a service account, else the person."""
        return self._answering.get(person, person)

    @once
    def _answering(self) -> Mapping[str, str]:
        return {person.id: person.accountable for person in self.people.values() if person.kind == SERVICE}

    def upwards(self, unit: str) -> Iterator[str]:
        """A unit and all above it."""
        while unit:
            yield unit
            unit = self.parents.get(unit, "")

    def holds(self, person: str, role: str, unit: str, at: datetime) -> bool:
        """Whether somebody holds a role for a unit themselves; for all units where the unit is empty."""
        grants = self._entitled(role, unit).get(person)
        return grants is not None and _in_force(grants, timestamp(at))

    def _covers(self, grant: Grant, above: set[str]) -> bool:
        """A grant covers its unit and all below; one on the root covers everything."""
        return not grant.unit or grant.unit in above or self.parents.get(grant.unit) == ""

    def holders(self, role: str, unit: str, at: datetime) -> frozenset[str]:
        """Active people who hold a role for a unit themselves, at any moment, past ones included."""
        moment = timestamp(at)
        return frozenset([p for p, grants in self._entitled(role, unit).items() if _in_force(grants, moment)])

    def human_holders(self, role: str, unit: str, at: datetime) -> frozenset[str]:
        """The ``holders`` that are no programs; looked for once for all the time in which they are the same."""
        moment, key = timestamp(at), (role, unit)
        since, until, known = self._known_humans.get(key, _AT_NO_TIME)
        if since <= moment < until:
            return known
        entitled = self._entitled(role, unit)
        edges = {edge for grants in entitled.values() for grant in grants for edge in (grant.since, grant.until)} - {""}
        found = frozenset(p for p in self.holders(role, unit, at) if self.people[p].kind == HUMAN)
        if key in self._known_entitled:
            since = max((edge for edge in edges if edge <= moment), default="")
            until = min((edge for edge in edges if edge > moment), default=NEVER)
            self._known_humans[key] = (since, until, found)
        return found

    @once
    def _known_humans(self) -> dict[tuple[str, str], tuple[str, str, frozenset[str]]]:
        return {}

    def roles_of(self, person: str, at: datetime) -> frozenset[str]:
        """Roles somebody holds themselves, anywhere."""
        moment = timestamp(at)
        return frozenset(grant.role for grant in self._grants_of.get(person, ()) if grant.in_force(moment))

    @once
    def _below(self) -> Mapping[str, tuple[str, ...]]:
        """Each unit with all below it."""
        found: dict[str, list[str]] = {}
        for unit in self.parents:
            for above in self.upwards(unit):
                found.setdefault(above, []).append(unit)
        return {unit: tuple(below) for unit, below in found.items()}

    def places(self, person: str, at: datetime) -> frozenset[tuple[str, str]]:
        """Roles and units that somebody may act in, themselves or for others; a unit ``""`` stands for all."""
        moment = timestamp(at)
        found: set[tuple[str, str]] = set()
        for who in self.capacities(person, at):
            given = [each for each in self._delegated_to.get(person, ()) if each.giver == who and each.in_force(moment)]
            for grant in self._grants_of.get(who, ()):
                mine = who == person or any(each.covers(grant.role) for each in given)
                if mine and grant.in_force(moment):
                    everywhere = self._covers(grant, set())
                    units = ("",) if everywhere else self._below.get(grant.unit, (grant.unit,))
                    found.update((grant.role, unit) for unit in units)
        return frozenset(found)

    def capacities(self, person: str, at: datetime) -> tuple[str, ...]:
        """Whom somebody may act as: themselves, and those who delegated to them."""
        moment = timestamp(at)
        givers = {
            each.giver
            for each in self._delegated_to.get(person, ())
            if each.in_force(moment) and self.is_active(each.giver)
        }
        return (person, *sorted(givers - {person}))

    def may(self, person: str, behalf: str, role: str, unit: str, at: datetime) -> bool:
        """Whether somebody may act in a role for a unit.

        Args:
            person: Who acts.
            behalf: For whom; empty for themselves.
            role: In which.
            unit: Where; empty for all units.
            at: When.
        """
        if not behalf or behalf == person:
            return self.holds(person, role, unit, at)
        if role == ADMINISTRATOR:
            return False  # Granted, never delegated: not even by one who got it after they delegated all they had.
        moment = timestamp(at)
        given = any(
            each.giver == behalf and each.in_force(moment) and each.covers(role)
            for each in self._delegated_to.get(person, ())
        )
        return given and self.is_active(person) and self.holds(behalf, role, unit, at)

    def keys_of(self, person: str, at: datetime) -> tuple[str, ...]:
        """Public keys that somebody signs with at a moment."""
        moment = timestamp(at)
        return tuple(
            key.public
            for key in self.keys
            if key.person == person and key.since <= moment and (not key.until or moment < key.until)
        )

    def to_json(self) -> dict[str, Any]:
        """As a store keeps it."""
        return {
            "people": [asdict(person) for person in self.people.values()],
            "parents": dict(self.parents),
            "owners": dict(self.owners),
            "grants": [[g.person, g.role, g.unit, g.since, g.until] for g in self.grants],
            "delegations": [[d.id, d.giver, d.taker, d.since, d.until, list(d.roles)] for d in self.delegations],
            "keys": [[k.person, k.public, k.since, k.until] for k in self.keys],
            "exclusive": [list(pair) for pair in self.exclusive],
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Registry:
        """What ``to_json`` wrote."""
        return cls(
            people={each["id"]: Person(**each) for each in document["people"]},
            parents=dict(document["parents"]),
            owners=dict(document["owners"]),
            grants=tuple(Grant(*each) for each in document["grants"]),
            delegations=tuple(
                Delegation(name, giver, taker, since, until, tuple(roles))
                for name, giver, taker, since, until, roles in document["delegations"]
            ),
            keys=tuple(Key(*each) for each in document["keys"]),
            exclusive=tuple((first, second) for first, second in document["exclusive"]),
        )


def _in_force(grants: Sequence[Grant], moment: str) -> bool:
    return any(grant.in_force(moment) for grant in grants)
