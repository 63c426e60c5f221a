"""What holds after any commands to the registry, whoever gives them and in whatever order."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from fiscus.workflow.actor import Actor
from fiscus.workflow.canonical import canonical, timestamp
from fiscus.workflow.identity import commands as do
from fiscus.workflow.identity import decide, evolve
from fiscus.workflow.identity.registry import Registry
from fiscus.workflow.refusal import Refusal

START = datetime(2026, 1, 1, tzinfo=UTC)
HUMANS, PROGRAMS = ("root", "ann", "ben", "cat"), {"annbot": "ann", "catbot": "cat"}
ROLES = ("administrator", "payer", "checker", "head")
UNITS = ("city", "north", "south", "port")
PAIRS = ((("payer", "checker"),), (("payer", "checker"), ("head", "administrator")), ())

humans = st.sampled_from(HUMANS)
people = st.sampled_from((*HUMANS, *PROGRAMS))
roles = st.sampled_from(ROLES)
units = st.sampled_from(("", *UNITS))
days = st.integers(0, 12)
moments = st.one_of(st.none(), days.map(lambda day: START + timedelta(days=day)))
administration = st.one_of(
    st.builds(do.GrantRole, people, roles, units, moments),
    st.builds(do.GrantRole, people, st.sampled_from(["payer", "checker"])),
    st.builds(do.GrantRole, humans, st.just("administrator")),
    st.builds(do.RevokeRole, people, roles, units),
    st.builds(do.Deactivate, people),
    st.builds(do.Reactivate, people),
    st.builds(do.AddUnit, st.sampled_from(UNITS), units, st.sampled_from(["", "ann", "eve"])),
    st.builds(do.MoveUnit, st.sampled_from(UNITS), units),
    st.builds(do.SetOwner, st.sampled_from(UNITS), st.sampled_from(["", "ann", "ben"])),
    st.builds(do.UntieAccount, people, st.just("https://login.example.org"), people),
    st.builds(do.SetExclusive, st.sampled_from(PAIRS)),
    st.builds(do.ChangePerson, people, st.just("Somebody")),
)
delegations = st.builds(
    lambda taker, since, length, wanted: do.Delegate(
        taker, START + timedelta(days=since), START + timedelta(days=since + length), wanted
    ),
    humans,
    days,
    days,
    st.lists(roles, max_size=2, unique=True).map(tuple),
)
own = st.one_of(
    delegations,
    delegations,
    st.builds(do.EndDelegation, st.sampled_from(["d1", "d2", "d3"])),
    st.builds(do.AddKey, st.sampled_from(["ab" * 32, "cd" * 32])),
    st.builds(do.RevokeKey, st.sampled_from(["ab" * 32, "cd" * 32])),
    st.builds(do.NotePassword, people),
    st.builds(do.TieAccount, people, st.just("https://login.example.org"), people, st.just("own sign-in")),
)
later = st.sampled_from([0, 0, 0, 1])
steps = st.lists(
    st.one_of(
        st.tuples(administration, st.just("root"), later),
        st.tuples(administration, people, later),
        st.tuples(own, people, later),
    ),
    min_size=10,
    max_size=30,
)
OPENING = (
    *(do.AddPerson(name, name) for name in HUMANS),
    *(do.AddPerson(name, name, kind="service", accountable=human) for name, human in PROGRAMS.items()),
    do.SetExclusive(PAIRS[0]),
    do.AddUnit("city"),
    *(do.GrantRole(name, "head") for name in HUMANS[1:]),
)


def in_reach(document, human, moment):
    """Roles a human can use at a moment by any way, from the stored document alone."""
    accounts = {each["id"]: each["accountable"] or each["id"] for each in document["people"]}

    def own(person):
        return {
            (role, unit)
            for holder, role, unit, since, until in document["grants"]
            if holder == person and since <= moment and (not until or moment < until)
        }

    found = {role for account, answers in accounts.items() if answers == human for role, _ in own(account)}
    for _, giver, taker, since, until, passed in document["delegations"]:
        if taker == human and since <= moment < until:
            found |= {role for role, _ in own(giver) if (not passed or role in passed)}
    return found


def check_tree(parents):
    if parents:
        assert list(parents.values()).count("") == 1
    for unit in parents:
        node, seen = unit, set()
        while node:
            assert node not in seen, "a cycle"
            assert node in parents
            seen.add(node)
            node = parents[node]


def check_duties(document, at):
    """Today and on every later day, as delegations may begin then."""
    for ahead in range(0, 26, 2):
        moment = timestamp(at + timedelta(days=ahead))
        for human in HUMANS:
            held = in_reach(document, human, moment)
            for first, second in document["exclusive"]:
                assert not {first, second} <= held, (human, ahead, held)


def check_administrator(registry, at):
    """One who can act, now and for good."""
    for ahead in (0, 100_000):
        holders = registry.holders("administrator", "", at + timedelta(days=ahead))
        assert any(name in HUMANS for name in holders)


def check_delegation(registry, at):
    """Whoever acts for another does what that one holds themselves, by one delegation of theirs."""
    for taker in HUMANS:
        for giver in HUMANS:
            direct = [
                each
                for each in registry.delegations
                if (each.giver, each.taker) == (giver, taker) and each.since <= timestamp(at) < each.until
            ]
            assert (giver in registry.capacities(taker, at)) == (
                giver == taker or bool(direct and registry.is_active(giver))
            )
            for role in ROLES:
                for unit in registry.parents:
                    may = registry.may(taker, giver, role, unit, at)
                    if giver != taker:
                        passed = any(not each.roles or role in each.roles for each in direct)
                        assert may == (
                            passed
                            and role != "administrator"
                            and registry.is_active(taker)
                            and registry.holds(giver, role, unit, at)
                        )
                    else:
                        assert may == (taker in registry.holders(role, unit, at))


@settings(max_examples=400, deadline=None)
@given(steps)
def test_any_commands_leave_a_sound_registry(given_steps):
    registry, events, at = Registry(), [], START
    for number, (command, person, later) in enumerate([*((each, "root", 0) for each in OPENING), *given_steps]):
        at += timedelta(days=later)
        outcome = decide(registry, command, Actor(person), at)
        if isinstance(outcome, Refusal):
            assert number >= len(OPENING), outcome
            assert outcome.reason.endswith(".")
            continue
        for entry in outcome:
            events.append(entry)
            registry = evolve(registry, entry)
        document = registry.to_json()
        check_tree(registry.parents)
        check_duties(document, at)
        check_administrator(registry, at)
        check_delegation(registry, at)
    document = registry.to_json()
    stored = json.loads(canonical(document))
    again = Registry.from_json(stored)
    assert again.to_json() == document
    assert (again.grants, again.delegations, again.keys) == (registry.grants, registry.delegations, registry.keys)
    assert again.exclusive == registry.exclusive
    replayed = Registry()
    for entry in events:
        replayed = evolve(replayed, type(entry)(entry.kind, json.loads(canonical(entry.data))))
    assert replayed.to_json() == document


@settings(max_examples=60, deadline=None)
@given(steps)
def test_the_past_does_not_change(given_steps):
    """Who held what on a past day is the same, whatever is granted or revoked later."""
    registry, at = Registry(), START
    for command in OPENING:
        outcome = decide(registry, command, Actor("root"), at)
        assert not isinstance(outcome, Refusal)
        for entry in outcome:
            registry = evolve(registry, entry)
    then = {}
    for command, person, _ in given_steps:
        at += timedelta(hours=1)
        outcome = decide(registry, command, Actor(person), at)
        if not isinstance(outcome, Refusal):
            for entry in outcome:
                registry = evolve(registry, entry)
        then[at] = {name: (registry.roles_of(name, at), registry.keys_of(name, at)) for name in (*HUMANS, *PROGRAMS)}
    for moment, held in then.items():
        assert held == {name: (registry.roles_of(name, moment), registry.keys_of(name, moment)) for name in held}
