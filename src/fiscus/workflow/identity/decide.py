"""Whether the registry may be changed, and what then happens."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

from fiscus.workflow.actor import Actor
from fiscus.workflow.canonical import last_day, timestamp
from fiscus.workflow.identity import commands as do
from fiscus.workflow.identity.people import HUMAN, SERVICE
from fiscus.workflow.identity.registry import ADMINISTRATOR, Registry
from fiscus.workflow.ports import Entry
from fiscus.workflow.refusal import Refusal

LONGEST = timedelta(days=366)
"""Of a delegation."""

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.@-]{0,63}")
"""Ids of people and units: they stand in commands, file names and web addresses."""

ADDRESS = re.compile(r"[^@\s\x00-\x1f\x7f]+@[^@\s\x00-\x1f\x7f]+")
"""Where mail can be sent to."""

Outcome = list[Entry] | Refusal
Handler = Callable[[Registry, Any, Actor, datetime], Outcome]


def decide(registry: Registry, command: do.Command, actor: Actor, at: datetime) -> Outcome:
    """What a command does to the registry.

    Args:
        registry: As it stands.
        command: To follow.
        actor: Who asks; nobody acts for another here.
        at: When.
    """
    if not registry.people:
        if isinstance(command, do.AddPerson):
            return _first(command, actor, at)
        return Refusal("identity.empty", "There is nobody yet: add the first person, who becomes administrator.")
    if actor.behalf:
        return Refusal("identity.behalf", "People and roles are changed in one's own name, not for another.")
    if not registry.is_active(actor.person):
        return Refusal("identity.unknown", f"There is no active person {actor.person!r}.")
    if not isinstance(command, OWN) and not registry.holds(actor.person, ADMINISTRATOR, "", at):
        return Refusal("identity.not_administrator", f"{actor.person} is no administrator, who alone may do this.")
    return HANDLERS[type(command)](registry, command, actor, at)


def _first(command: do.AddPerson, actor: Actor, at: datetime) -> Outcome:
    refused = _badly_named("person", command.person) or _no_address(command.email)
    if refused:
        return refused
    if actor.person != command.person or actor.behalf or command.kind != HUMAN or command.accountable:
        return Refusal("identity.first", "The first person adds themself, and is human.")
    return [
        Entry("PersonAdded", _person(command)),
        Entry("RoleGranted", _grant(command.person, ADMINISTRATOR, "", at, None)),
    ]


def _person(command: do.AddPerson) -> dict[str, Any]:
    return {
        "person": command.person,
        "name": command.name,
        "email": command.email,
        "kind": command.kind,
        "accountable": command.accountable,
    }


def _grant(person: str, role: str, unit: str, at: datetime, until: datetime | None) -> dict[str, Any]:
    end = timestamp(until) if until else ""
    return {"person": person, "role": role, "unit": unit, "since": timestamp(at), "until": end}


def _badly_named(what: str, name: str) -> Refusal | None:
    if NAME.fullmatch(name):
        return None
    return Refusal(
        "identity.name", f"{name!r} is no id of a {what}: use letters, digits and . _ @ -, at most 64 of them."
    )


def _no_address(email: str) -> Refusal | None:
    """An address that mail cannot be sent to; an empty one is nowhere."""
    if not email or ADDRESS.fullmatch(email):
        return None
    return Refusal("identity.email", f"{email!r} is no e-mail address: write one as ann@example.org, or leave it out.")


def _known(registry: Registry, person: str) -> Refusal | None:
    return None if person in registry.people else Refusal("identity.unknown", f"There is no person {person!r}.")


def _add_person(registry: Registry, command: do.AddPerson, actor: Actor, at: datetime) -> Outcome:
    if command.person in registry.people:
        return Refusal("identity.known", f"There is a person {command.person!r} already.")
    if command.kind not in (HUMAN, SERVICE):
        return Refusal("identity.kind", f"{command.kind!r} is neither {HUMAN} nor {SERVICE}.")
    if (command.kind == SERVICE) != bool(command.accountable):
        return Refusal(
            "identity.accountable", "A service account names the human who answers for it; a human names nobody."
        )
    if command.kind == SERVICE:
        human = registry.people.get(command.accountable)
        if human is None or human.kind != HUMAN or not human.active:
            return Refusal(
                "identity.accountable", f"{command.accountable!r} is no active human who could answer for it."
            )
    return (
        _badly_named("person", command.person) or _no_address(command.email) or [Entry("PersonAdded", _person(command))]
    )


def _change_person(registry: Registry, command: do.ChangePerson, actor: Actor, at: datetime) -> Outcome:
    data = {"person": command.person, "name": command.name, "email": command.email}
    return _known(registry, command.person) or _no_address(command.email) or [Entry("PersonChanged", data)]


def _deactivate(registry: Registry, command: do.Deactivate, actor: Actor, at: datetime) -> Outcome:
    refused = _known(registry, command.person)
    if refused:
        return refused
    if not registry.people[command.person].active:
        return Refusal("identity.inactive", f"{command.person} is not active.")
    if _administrators(registry, at) == {command.person}:
        return _last(command.person)
    return [Entry("Deactivated", {"person": command.person})]


def _reactivate(registry: Registry, command: do.Reactivate, actor: Actor, at: datetime) -> Outcome:
    refused = _known(registry, command.person)
    if refused:
        return refused
    if registry.people[command.person].active:
        return Refusal("identity.active", f"{command.person} is active.")
    clash = _clash_of(registry, command.person, "", at)
    return clash or [Entry("Reactivated", {"person": command.person})]


def _administrators(registry: Registry, at: datetime) -> set[str]:
    """Humans whose administration has no end."""
    return {
        grant.person
        for grant in registry.grants
        if grant.role == ADMINISTRATOR
        and not grant.until
        and not grant.unit
        and registry.is_active(grant.person)
        and registry.people[grant.person].kind == HUMAN
    }


def _last(person: str) -> Refusal:
    return Refusal("identity.last_administrator", f"{person} is the last administrator: make somebody else one first.")


def _grant_role(registry: Registry, command: do.GrantRole, actor: Actor, at: datetime) -> Outcome:
    refused = _known(registry, command.person) or _badly_named("role", command.role)
    if refused:
        return refused
    if command.unit and command.unit not in registry.parents:
        return Refusal("identity.unknown_unit", f"There is no unit {command.unit!r}.")
    if registry.accountable(command.person) == registry.accountable(actor.person):
        return Refusal("identity.own_role", "Nobody gives a role to themself, or to a service account of theirs.")
    if command.until is not None and command.until <= at:
        return Refusal("identity.dates", "It would have ended already: give a later moment.")
    moment = timestamp(at)
    for grant in registry.grants:
        if (grant.person, grant.role, grant.unit) == (command.person, command.role, command.unit) and (
            grant.in_force(moment)
        ):
            return Refusal("identity.held", f"{command.person} holds the role {command.role!r} there already.")
    clash = _clash_of(registry, command.person, command.role, at)
    return clash or [Entry("RoleGranted", _grant(command.person, command.role, command.unit, at, command.until))]


def _clash_of(registry: Registry, person: str, role: str, at: datetime) -> Refusal | None:
    """Exclusive roles that one human would come to hold, or one who acts for them."""
    human = registry.accountable(person)
    clash = _clash(registry, human, _within_reach(registry, human, at) | ({role} - {""}))
    if clash or not role:
        return clash
    takers = {
        each.taker
        for each in registry.delegations
        if each.giver == person and each.until > timestamp(at) and each.covers(role)
    }
    for taker in sorted(takers):
        clash = _clash(registry, taker, _within_reach(registry, taker, at) | {role})
        if clash:
            return clash
    return None


def _within_reach(registry: Registry, human: str, at: datetime) -> set[str]:
    """Roles that a human holds, those of their service accounts and of delegations to them included, even coming ones."""
    accounts = (each for each in registry.people if registry.accountable(each) == human)
    held = {role for account in accounts for role in registry.roles_of(account, at)}
    moment = timestamp(at)
    for delegation in registry.delegations:
        if delegation.taker == human and delegation.until > moment:
            held |= {role for role in registry.roles_of(delegation.giver, at) if delegation.covers(role)}
    return held


def _clash(registry: Registry, person: str, held: set[str]) -> Refusal | None:
    for first, second in registry.exclusive:
        if first in held and second in held:
            return Refusal(
                "duties.exclusive", f"{person} would hold both {first!r} and {second!r}, which exclude each other."
            )
    return None


def _revoke_role(registry: Registry, command: do.RevokeRole, actor: Actor, at: datetime) -> Outcome:
    moment = timestamp(at)
    held = any(
        (grant.person, grant.role, grant.unit) == (command.person, command.role, command.unit)
        and (grant.in_force(moment) or grant.since > moment)
        for grant in registry.grants
    )
    if not held:
        where = command.unit or "all units"
        return Refusal("identity.not_held", f"{command.person} does not hold the role {command.role!r} for {where}.")
    if command.role == ADMINISTRATOR and not command.unit and _administrators(registry, at) == {command.person}:
        return _last(command.person)
    data = {"person": command.person, "role": command.role, "unit": command.unit, "until": moment}
    return [Entry("RoleRevoked", data)]


def _delegate(registry: Registry, command: do.Delegate, actor: Actor, at: datetime) -> Outcome:
    taker = registry.people.get(command.taker)
    if registry.people[actor.person].kind != HUMAN or taker is None or taker.kind != HUMAN or not taker.active:
        return Refusal("identity.delegate", "One active human delegates to another; service accounts do neither.")
    if command.taker == actor.person:
        return Refusal("identity.delegate", "Nobody delegates to themself.")
    if command.until <= max(command.since, at) or command.until - command.since > LONGEST:
        return Refusal("identity.dates", f"A delegation ends after it began, within {LONGEST.days} days.")
    since, until = timestamp(max(command.since, at)), timestamp(command.until)
    mine = registry.roles_of(actor.person, at)
    unknown = [role for role in command.roles if role not in mine]
    if unknown or not mine:
        what = f"the role {unknown[0]!r}" if unknown else "any role"
        return Refusal(
            "identity.no_chain",
            f"{actor.person} does not hold {what}: what was received by delegation is not passed on.",
        )
    if ADMINISTRATOR in (command.roles or mine):
        return Refusal("identity.delegate", "Administration is granted, not delegated: name the roles you delegate.")
    for other in registry.delegations:
        if other.giver == actor.person and other.taker == command.taker and other.since < until and since < other.until:
            return Refusal(
                "identity.delegated", f"{command.taker} acts for {actor.person} until {last_day(other.until)} already."
            )
    passed = set(command.roles or mine)
    clash = _clash(registry, command.taker, passed | _within_reach(registry, command.taker, at))
    if clash:
        return clash
    name = f"d{len(registry.delegations) + 1}"
    data = {"delegation": name, "giver": actor.person, "taker": command.taker, "since": since, "until": until}
    return [Entry("Delegated", data | {"roles": sorted(command.roles)})]


def _end_delegation(registry: Registry, command: do.EndDelegation, actor: Actor, at: datetime) -> Outcome:
    found = next((each for each in registry.delegations if each.id == command.delegation), None)
    if found is None or found.until <= timestamp(at):
        return Refusal("identity.no_delegation", f"There is no delegation {command.delegation!r} in force.")
    if actor.person not in (found.giver, found.taker) and not registry.holds(actor.person, ADMINISTRATOR, "", at):
        return Refusal("identity.not_yours", f"Only {found.giver}, {found.taker} or an administrator ends it.")
    return [Entry("DelegationEnded", {"delegation": found.id, "until": timestamp(at)})]


def _add_unit(registry: Registry, command: do.AddUnit, actor: Actor, at: datetime) -> Outcome:
    refused = _badly_named("unit", command.unit) or _owner(registry, command.owner)
    if refused:
        return refused
    if command.unit in registry.parents:
        return Refusal("identity.known_unit", f"There is a unit {command.unit!r} already.")
    if command.unit == "cash":
        return Refusal("identity.name", "'cash' is the book of working capital: give the unit another name.")
    if registry.parents and command.parent not in registry.parents:
        if not command.parent:
            root = next(unit for unit, above in registry.parents.items() if not above)
            return Refusal(
                "identity.unknown_unit", f"There is one root, {root!r}: say which unit {command.unit} is below."
            )
        return Refusal(
            "identity.unknown_unit", f"There is no unit {command.parent!r} to be above it: add that one first."
        )
    if not registry.parents and command.parent:
        return Refusal("identity.unknown_unit", "The first unit is the root, with nothing above it.")
    return [Entry("UnitAdded", {"unit": command.unit, "parent": command.parent, "owner": command.owner})]


def _owner(registry: Registry, owner: str) -> Refusal | None:
    return _known(registry, owner) if owner else None


def _move_unit(registry: Registry, command: do.MoveUnit, actor: Actor, at: datetime) -> Outcome:
    for unit in (command.unit, command.parent):
        if unit not in registry.parents:
            return Refusal("identity.unknown_unit", f"There is no unit {unit!r}.")
    if not registry.parents[command.unit]:
        return Refusal("identity.root", "The root stays where it is.")
    if command.unit in registry.upwards(command.parent):
        return Refusal("identity.cycle", f"{command.parent} is below {command.unit}: they would hang on each other.")
    return [Entry("UnitMoved", {"unit": command.unit, "parent": command.parent})]


def _set_owner(registry: Registry, command: do.SetOwner, actor: Actor, at: datetime) -> Outcome:
    if command.unit not in registry.parents:
        return Refusal("identity.unknown_unit", f"There is no unit {command.unit!r}.")
    data = {"unit": command.unit, "owner": command.owner}
    return _owner(registry, command.owner) or [Entry("OwnerSet", data)]


def _set_exclusive(registry: Registry, command: do.SetExclusive, actor: Actor, at: datetime) -> Outcome:
    changed = Registry(
        registry.people,
        registry.parents,
        registry.owners,
        registry.grants,
        registry.delegations,
        registry.keys,
        command.pairs,
    )
    for person in registry.people:
        clash = _clash_of(changed, person, "", at)
        if clash:
            return clash
    return [Entry("ExclusiveSet", {"pairs": [list(pair) for pair in command.pairs]})]


def _add_key(registry: Registry, command: do.AddKey, actor: Actor, at: datetime) -> Outcome:
    if not re.fullmatch(r"[0-9a-f]{64}", command.public):
        return Refusal("identity.key", "An Ed25519 public key is 64 hexadecimal digits.")
    if any(key.public == command.public for key in registry.keys):
        return Refusal("identity.key", "This key is known already.")
    return [Entry("KeyAdded", {"person": actor.person, "public": command.public, "since": timestamp(at)})]


def _revoke_key(registry: Registry, command: do.RevokeKey, actor: Actor, at: datetime) -> Outcome:
    found = next((key for key in registry.keys if key.public == command.public and not key.until), None)
    if found is None:
        return Refusal("identity.key", "There is no such key in force.")
    if found.person != actor.person and not registry.holds(actor.person, ADMINISTRATOR, "", at):
        return Refusal("identity.not_yours", f"Only {found.person} or an administrator revokes it.")
    return [Entry("KeyRevoked", {"public": command.public, "until": timestamp(at)})]


def _note_password(registry: Registry, command: do.NotePassword, actor: Actor, at: datetime) -> Outcome:
    if command.person != actor.person and not registry.holds(actor.person, ADMINISTRATOR, "", at):
        return Refusal("identity.not_yours", f"Only {command.person} or an administrator sets this password.")
    return _known(registry, command.person) or [Entry("PasswordSet", {"person": command.person})]


def _tie_account(registry: Registry, command: do.TieAccount, actor: Actor, at: datetime) -> Outcome:
    if command.person != actor.person:
        return Refusal("identity.not_yours", f"Only {command.person} ties an account elsewhere to theirs.")
    if registry.people[command.person].kind != HUMAN:
        return Refusal("identity.kind", "Service accounts sign in with a token, never with an account elsewhere.")
    data = {"person": command.person, "issuer": command.issuer, "subject": command.subject, "by": command.by}
    return [Entry("AccountTied", data)]


def _untie_account(registry: Registry, command: do.UntieAccount, actor: Actor, at: datetime) -> Outcome:
    data = {"person": command.person, "issuer": command.issuer, "subject": command.subject}
    return _known(registry, command.person) or [Entry("AccountUntied", data)]


def _reset_second_factor(registry: Registry, command: do.ResetSecondFactor, actor: Actor, at: datetime) -> Outcome:
    if command.person == actor.person:
        return Refusal(
            "identity.own", "Somebody else has to reset your second factor; with a code you can remove it yourself."
        )
    return _known(registry, command.person) or [Entry("SecondFactorReset", {"person": command.person})]


OWN = (do.Delegate, do.EndDelegation, do.AddKey, do.RevokeKey, do.NotePassword, do.TieAccount)
"""What takes no administrator: about oneself, which each checks."""

HANDLERS: Mapping[type[do.Command], Handler] = {
    do.AddPerson: _add_person,
    do.ChangePerson: _change_person,
    do.Deactivate: _deactivate,
    do.Reactivate: _reactivate,
    do.GrantRole: _grant_role,
    do.RevokeRole: _revoke_role,
    do.Delegate: _delegate,
    do.EndDelegation: _end_delegation,
    do.AddUnit: _add_unit,
    do.MoveUnit: _move_unit,
    do.SetOwner: _set_owner,
    do.SetExclusive: _set_exclusive,
    do.AddKey: _add_key,
    do.RevokeKey: _revoke_key,
    do.NotePassword: _note_password,
    do.TieAccount: _tie_account,
    do.UntieAccount: _untie_account,
    do.ResetSecondFactor: _reset_second_factor,
}
"""Who answers which command."""
