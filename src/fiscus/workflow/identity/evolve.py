"""What an event makes of the registry."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from fiscus.workflow.identity.people import Delegation, Grant, Key, Person
from fiscus.workflow.identity.registry import Registry
from fiscus.workflow.ports import Entry

Data = Mapping[str, Any]


def evolve(registry: Registry, entry: Entry) -> Registry:
    """The registry after one event."""
    return HANDLERS[entry.kind](registry, entry.data)


def _person_added(registry: Registry, data: Data) -> Registry:
    person = Person(data["person"], data["name"], data["email"], data["kind"], data["accountable"])
    return replace(registry, people={**registry.people, person.id: person})


def _changed(registry: Registry, data: Data, **changes: Any) -> Registry:
    person = replace(registry.people[data["person"]], **changes)
    return replace(registry, people={**registry.people, person.id: person})


def _granted(registry: Registry, data: Data) -> Registry:
    grant = Grant(data["person"], data["role"], data["unit"], data["since"], data["until"])
    return replace(registry, grants=(*registry.grants, grant))


def _revoked(registry: Registry, data: Data) -> Registry:
    name, until = (data["person"], data["role"], data["unit"]), data["until"]
    grants = tuple(
        replace(grant, until=until)
        if (grant.person, grant.role, grant.unit) == name and (not grant.until or until < grant.until)
        else grant
        for grant in registry.grants
    )
    return replace(registry, grants=grants)


def _delegated(registry: Registry, data: Data) -> Registry:
    given = Delegation(
        data["delegation"], data["giver"], data["taker"], data["since"], data["until"], tuple(data["roles"])
    )
    return replace(registry, delegations=(*registry.delegations, given))


def _delegation_ended(registry: Registry, data: Data) -> Registry:
    ended = tuple(
        replace(each, until=data["until"]) if each.id == data["delegation"] else each for each in registry.delegations
    )
    return replace(registry, delegations=ended)


def _unit_added(registry: Registry, data: Data) -> Registry:
    owners = {**registry.owners, data["unit"]: data["owner"]} if data["owner"] else registry.owners
    return replace(registry, parents={**registry.parents, data["unit"]: data["parent"]}, owners=owners)


def _unit_moved(registry: Registry, data: Data) -> Registry:
    return replace(registry, parents={**registry.parents, data["unit"]: data["parent"]})


def _owner_set(registry: Registry, data: Data) -> Registry:
    owners = {unit: owner for unit, owner in registry.owners.items() if unit != data["unit"]}
    return replace(registry, owners=owners | ({data["unit"]: data["owner"]} if data["owner"] else {}))


def _exclusive_set(registry: Registry, data: Data) -> Registry:
    return replace(registry, exclusive=tuple((first, second) for first, second in data["pairs"]))


def _key_added(registry: Registry, data: Data) -> Registry:
    return replace(registry, keys=(*registry.keys, Key(data["person"], data["public"], data["since"])))


def _key_revoked(registry: Registry, data: Data) -> Registry:
    keys = tuple(replace(key, until=data["until"]) if key.public == data["public"] else key for key in registry.keys)
    return replace(registry, keys=keys)


HANDLERS: Mapping[str, Callable[[Registry, Data], Registry]] = {
    "PersonAdded": _person_added,
    "PersonChanged": lambda registry, data: _changed(registry, data, name=data["name"], email=data["email"]),
    "Deactivated": lambda registry, data: _changed(registry, data, active=False),
    "Reactivated": lambda registry, data: _changed(registry, data, active=True),
    "RoleGranted": _granted,
    "RoleRevoked": _revoked,
    "Delegated": _delegated,
    "DelegationEnded": _delegation_ended,
    "UnitAdded": _unit_added,
    "UnitMoved": _unit_moved,
    "OwnerSet": _owner_set,
    "ExclusiveSet": _exclusive_set,
    "KeyAdded": _key_added,
    "KeyRevoked": _key_revoked,
    "PasswordSet": lambda registry, data: registry,
    "AccountTied": lambda registry, data: registry,
    "AccountUntied": lambda registry, data: registry,
    "SecondFactorReset": lambda registry, data: registry,
}
"""What each kind of event does."""
