"""Every command to the registry: what it does where it is followed, and the rule where it is not."""

from __future__ import annotations

import itertools
import random
from datetime import UTC, datetime, timedelta

import pytest

from fiscus.errors import InvalidInput, Refused
from fiscus.workflow.actor import Actor
from fiscus.workflow.authority.reading import matrix_from_text
from fiscus.workflow.canonical import timestamp
from fiscus.workflow.identity import commands as do
from fiscus.workflow.identity import decide, evolve
from fiscus.workflow.identity.people import SERVICE, Delegation, Grant, Person
from fiscus.workflow.identity.registry import Registry
from fiscus.workflow.refusal import Refusal
from fiscus.workflow.service import administer, adopt_policy
from fiscus.workflow.store.memory import MemoryStore

AT = datetime(2026, 1, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)
PUBLIC, OTHER = "ab" * 32, "cd" * 32


class Office:
    """A registry that takes commands one after another."""

    def __init__(self) -> None:
        self.registry = Registry()

    def tell(self, command, person="root", behalf="", at=AT):
        outcome = decide(self.registry, command, Actor(person, behalf), at)
        assert not isinstance(outcome, Refusal), outcome
        for entry in outcome:
            self.registry = evolve(self.registry, entry)
        return [entry.kind for entry in outcome]

    def refuses(self, command, rule, person="root", behalf="", at=AT):
        outcome = decide(self.registry, command, Actor(person, behalf), at)
        assert isinstance(outcome, Refusal), outcome
        assert outcome.rule == rule, outcome
        return outcome.reason


@pytest.fixture
def office():
    """A root, three people, a service account of Ann, and a city with two districts."""
    made = Office()
    made.tell(do.AddPerson("root", "Root"))
    for name in ("ann", "ben", "cat"):
        made.tell(do.AddPerson(name, name.title(), f"{name}@example.org"))
    made.tell(do.AddPerson("bot", "Bot", kind="service", accountable="ann"))
    for unit, parent in (("city", ""), ("north", "city"), ("south", "city"), ("port", "south")):
        made.tell(do.AddUnit(unit, parent))
    return made


def test_the_first_person_is_administrator_and_nothing_else_comes_first():
    office = Office()
    office.refuses(do.AddUnit("city"), "identity.empty")
    office.refuses(do.AddPerson("no name", "X"), "identity.name", person="no name")
    office.refuses(do.AddPerson("ann", "Ann"), "identity.first", person="root")
    office.refuses(do.AddPerson("root", "Root"), "identity.first", behalf="ann")
    office.refuses(do.AddPerson("root", "Root", kind="service"), "identity.first")
    office.refuses(do.AddPerson("root", "Root", accountable="ann"), "identity.first")
    assert office.tell(do.AddPerson("root", "Root", "r@example.org")) == ["PersonAdded", "RoleGranted"]
    assert office.registry.people == {"root": Person("root", "Root", "r@example.org")}
    assert office.registry.grants == (Grant("root", "administrator", "", timestamp(AT)),)


def test_whoever_asks_is_active_in_their_own_name_and_administrator(office):
    office.refuses(do.AddUnit("west", "city"), "identity.behalf", behalf="ann")
    office.refuses(do.AddUnit("west", "city"), "identity.unknown", person="eve")
    office.refuses(do.AddUnit("west", "city"), "identity.not_administrator", person="ann")
    office.tell(do.GrantRole("ann", "administrator", "north"))
    office.refuses(do.AddUnit("west", "city"), "identity.not_administrator", person="ann")
    office.tell(do.GrantRole("ann", "administrator", "", AT + DAY))
    assert office.tell(do.AddUnit("west", "city"), person="ann") == ["UnitAdded"]
    office.refuses(do.AddUnit("east", "city"), "identity.not_administrator", person="ann", at=AT + DAY)
    office.tell(do.Deactivate("ann"))
    office.refuses(do.AddKey(PUBLIC), "identity.unknown", person="ann")


@pytest.mark.parametrize(
    "command",
    [
        do.AddPerson("dan", "Dan"),
        do.ChangePerson("ann", "Anna"),
        do.Deactivate("ben"),
        do.Reactivate("ben"),
        do.GrantRole("ben", "head"),
        do.RevokeRole("ben", "head"),
        do.AddUnit("west", "city"),
        do.MoveUnit("port", "north"),
        do.SetOwner("north", "ann"),
        do.SetExclusive(()),
    ],
)
def test_only_administrators_change_others(office, command):
    office.refuses(command, "identity.not_administrator", person="ann")


def test_people_are_added_once_and_service_accounts_with_a_human(office):
    office.refuses(do.AddPerson("ann", "Another"), "identity.known")
    office.refuses(do.AddPerson("dan", "Dan", kind="robot"), "identity.kind")
    office.refuses(do.AddPerson("dan", "Dan", accountable="ann"), "identity.accountable")
    for human in ("", "eve", "bot"):
        office.refuses(do.AddPerson("b2", "B", kind="service", accountable=human), "identity.accountable")
    office.tell(do.Deactivate("ben"))
    office.refuses(do.AddPerson("b2", "B", kind="service", accountable="ben"), "identity.accountable")
    for name in ("", "-a", "a b", "a/b", "ä", "a\n", "a" * 65):
        office.refuses(do.AddPerson(name, "X"), "identity.name")
    for name in ("a", "1.b_c@d-e", "a" * 64):
        assert office.tell(do.AddPerson(name, "X")) == ["PersonAdded"]
    assert office.registry.accountable("bot") == "ann"
    assert office.registry.accountable("ben") == "ben"


def test_a_changed_person_stays_who_they_are(office):
    office.refuses(do.ChangePerson("eve", "Eve"), "identity.unknown")
    office.tell(do.ChangePerson("bot", "Robot", "b@example.org"))
    assert office.registry.people["bot"] == Person("bot", "Robot", "b@example.org", "service", "ann")


def test_people_go_and_come_back_but_not_the_last_administrator(office):
    office.refuses(do.Deactivate("eve"), "identity.unknown")
    office.refuses(do.Reactivate("eve"), "identity.unknown")
    office.refuses(do.Reactivate("ann"), "identity.active")
    office.tell(do.Deactivate("ann"))
    assert not office.registry.is_active("ann")
    assert not office.registry.is_active("bot"), "a service account acts only while its human may"
    office.refuses(do.Deactivate("ann"), "identity.inactive")
    office.tell(do.Reactivate("ann"))
    assert office.registry.is_active("bot")
    office.refuses(do.Deactivate("root"), "identity.last_administrator")
    office.tell(do.GrantRole("bot", "administrator"))
    office.tell(do.GrantRole("ben", "administrator", "", AT + DAY))
    office.refuses(do.Deactivate("root"), "identity.last_administrator")  # Neither program nor a day is enough.
    office.tell(do.GrantRole("cat", "administrator"))
    assert office.tell(do.Deactivate("root")) == ["Deactivated"]
    office.refuses(do.Deactivate("cat"), "identity.last_administrator", person="cat")
    office.refuses(do.RevokeRole("cat", "administrator"), "identity.last_administrator", person="cat")


def test_roles_are_given_by_others_once_and_where_units_are(office):
    office.refuses(do.GrantRole("eve", "head"), "identity.unknown")
    office.refuses(do.GrantRole("ann", "the head"), "identity.name")
    office.refuses(do.GrantRole("ann", "head", "west"), "identity.unknown_unit")
    office.refuses(do.GrantRole("root", "head"), "identity.own_role")
    office.tell(do.AddPerson("rootbot", "Bot", kind="service", accountable="root"))
    office.refuses(do.GrantRole("rootbot", "head"), "identity.own_role")
    office.tell(do.GrantRole("bot", "administrator"))
    office.refuses(do.GrantRole("ann", "head"), "identity.own_role", person="bot")
    office.refuses(do.GrantRole("ann", "head", "", AT), "identity.dates")
    office.tell(do.GrantRole("ann", "head", "south", AT + DAY))
    office.refuses(do.GrantRole("ann", "head", "south"), "identity.held")
    assert office.tell(do.GrantRole("ann", "head", "north")) == ["RoleGranted"]
    assert office.tell(do.GrantRole("ann", "head", "south"), at=AT + DAY) == ["RoleGranted"]


def test_roles_reach_down_the_tree_and_no_further(office):
    office.tell(do.GrantRole("ann", "head", "south"))
    office.tell(do.GrantRole("ben", "head", "city"))
    office.tell(do.GrantRole("cat", "head"))
    holders = {unit: office.registry.holders("head", unit, AT) for unit in ("", "city", "north", "south", "port")}
    everywhere = frozenset({"ben", "cat"})
    assert holders == {
        "": everywhere,
        "city": everywhere,
        "north": everywhere,
        "south": everywhere | {"ann"},
        "port": everywhere | {"ann"},
    }
    office.tell(do.MoveUnit("port", "north"))
    assert office.registry.holders("head", "port", AT) == everywhere


def test_roles_as_of_a_past_date(office):
    office.tell(do.GrantRole("ann", "head", "south", AT + 9 * DAY))
    office.refuses(do.RevokeRole("ann", "head"), "identity.not_held")
    office.refuses(do.RevokeRole("ben", "head", "south"), "identity.not_held")
    office.tell(do.RevokeRole("ann", "head", "south"), at=AT + 5 * DAY)
    office.refuses(do.RevokeRole("ann", "head", "south"), "identity.not_held", at=AT + 5 * DAY)
    office.tell(do.GrantRole("ann", "head", "south"), at=AT + 7 * DAY)
    held = [bool(office.registry.holders("head", "port", AT + n * DAY)) for n in range(-1, 9)]
    assert held == [False, True, True, True, True, True, False, False, True, True]
    assert held == [office.registry.holds("ann", "head", "port", AT + n * DAY) for n in range(-1, 9)]
    assert held == ["head" in office.registry.roles_of("ann", AT + n * DAY) for n in range(-1, 9)]
    assert held == [office.registry.may("ann", "", "head", "south", AT + n * DAY) for n in range(-1, 9)]


def test_an_earlier_end_of_a_role_is_not_put_off_when_it_is_revoked_later(office):
    office.tell(do.GrantRole("ann", "head", "", AT + DAY))
    office.tell(do.GrantRole("ann", "head"), at=AT + 3 * DAY)
    office.tell(do.RevokeRole("ann", "head"), at=AT + 5 * DAY)
    assert [office.registry.holds("ann", "head", "", AT + n * DAY) for n in range(6)] == [1, 0, 0, 1, 1, 0]


def test_delegations(office):
    office.tell(do.GrantRole("ann", "head", "south"))
    office.tell(do.GrantRole("ann", "clerk"))
    until = AT + 10 * DAY
    office.refuses(do.Delegate("ben", AT, until), "identity.delegate", person="bot")
    for taker in ("eve", "bot", "ann"):
        office.refuses(do.Delegate(taker, AT, until), "identity.delegate", person="ann")
    office.refuses(do.Delegate("ben", AT + DAY, AT + DAY), "identity.dates", person="ann")
    office.refuses(do.Delegate("ben", AT - 2 * DAY, AT), "identity.dates", person="ann")
    office.refuses(do.Delegate("ben", AT, AT + 366 * DAY + timedelta(seconds=1)), "identity.dates", person="ann")
    office.refuses(do.Delegate("ann", AT, until), "identity.no_chain", person="ben")
    office.refuses(do.Delegate("ben", AT, until, ("head", "board")), "identity.no_chain", person="ann")
    office.refuses(do.Delegate("ben", AT, until), "identity.delegate", person="root")
    office.tell(do.Delegate("ben", AT + 2 * DAY, until, ("head",)), person="ann")
    assert office.registry.delegations == (
        Delegation("d1", "ann", "ben", timestamp(AT + 2 * DAY), timestamp(until), ("head",)),
    )
    office.refuses(do.Delegate("ben", AT, AT + 3 * DAY), "identity.delegated", person="ann")
    may = [office.registry.may("ben", "ann", "head", "port", AT + n * DAY) for n in range(12)]
    assert may == [2 <= n < 10 for n in range(12)]
    assert [office.registry.capacities("ben", AT + n * DAY) == ("ben", "ann") for n in range(12)] == may
    assert not office.registry.may("ben", "ann", "head", "north", AT + 3 * DAY)
    assert not office.registry.may("ben", "ann", "clerk", "port", AT + 3 * DAY)
    assert not office.registry.may("ben", "", "head", "port", AT + 3 * DAY)
    assert not office.registry.holds("ben", "head", "port", AT + 3 * DAY)
    assert not office.registry.may("ann", "ben", "head", "port", AT + 3 * DAY)
    assert not office.registry.may("cat", "ann", "head", "port", AT + 3 * DAY)
    office.tell(do.GrantRole("ben", "clerk"))
    office.refuses(do.Delegate("cat", AT, until, ("head",)), "identity.no_chain", person="ben", at=AT + 3 * DAY)
    office.tell(do.Delegate("cat", AT, until), person="ben", at=AT + 3 * DAY)
    assert not office.registry.may("cat", "ann", "head", "port", AT + 4 * DAY)
    assert not office.registry.may("cat", "ben", "head", "port", AT + 4 * DAY)
    assert office.registry.may("cat", "ben", "clerk", "port", AT + 4 * DAY)
    for gone in ("ann", "ben"):
        office.tell(do.Deactivate(gone))
        assert not office.registry.may("ben", "ann", "head", "port", AT + 4 * DAY)
        office.tell(do.Reactivate(gone))


def test_a_delegation_of_the_past_begins_now(office):
    office.tell(do.GrantRole("ann", "head"))
    office.tell(do.Delegate("ben", AT - 5 * DAY, AT + DAY), person="ann")
    assert office.registry.capacities("ben", AT - DAY) == ("ben",)
    assert office.registry.capacities("ben", AT) == ("ben", "ann")


@pytest.mark.parametrize("who", ["ann", "ben", "root"])
def test_both_sides_and_administrators_end_a_delegation(office, who):
    office.tell(do.GrantRole("ann", "head"))
    office.tell(do.Delegate("ben", AT, AT + 10 * DAY), person="ann")
    office.refuses(do.EndDelegation("d2"), "identity.no_delegation", person=who)
    office.refuses(do.EndDelegation("d1"), "identity.not_yours", person="cat")
    office.refuses(do.EndDelegation("d1"), "identity.no_delegation", person=who, at=AT + 10 * DAY)
    office.tell(do.EndDelegation("d1"), person=who, at=AT + 2 * DAY)
    office.refuses(do.EndDelegation("d1"), "identity.no_delegation", person=who, at=AT + 2 * DAY)
    assert [office.registry.may("ben", "ann", "head", "", AT + n * DAY) for n in range(3)] == [True, True, False]
    office.tell(do.Delegate("ben", AT, AT + 10 * DAY), person="ann", at=AT + 2 * DAY)
    assert [each.id for each in office.registry.delegations] == ["d1", "d2"]


def test_whoever_becomes_administrator_later_has_not_delegated_that(office):
    """Administration is refused at the delegation; the role that comes after it must not slip in."""
    office.tell(do.GrantRole("ann", "head"))
    office.tell(do.Delegate("ben", AT, AT + 10 * DAY), person="ann")
    office.tell(do.GrantRole("ann", "administrator"))
    assert office.registry.may("ben", "ann", "head", "", AT)
    assert not office.registry.may("ben", "ann", "administrator", "", AT)


def test_a_delegate_adopts_no_policy():
    store = MemoryStore()
    with store.begin() as uow:
        for command, person in (
            (do.AddPerson("root", "Root"), "root"),
            (do.AddPerson("ann", "Ann"), "root"),
            (do.AddPerson("ben", "Ben"), "root"),
            (do.GrantRole("ann", "head"), "root"),
            (do.Delegate("ben", AT, AT + 10 * DAY), "ann"),
            (do.GrantRole("ann", "administrator"), "root"),
        ):
            administer(command, uow, actor=Actor(person), at=AT)
        uow.commit()
    text = """
name: small
currency: USD
about: One rule.
rolling_days: 365
roles: {head: {title: Head}, treasurer: {title: Treasurer}, controller: {title: Controller}}
rules:
  - id: all
    when: {}
    path: [{stage: head, role: head, need: 1, of: 1}]
    release: treasurer
    reconcile: controller
"""
    matrix = matrix_from_text(text, "small")
    with pytest.raises(Refused), store.begin() as uow:
        adopt_policy(matrix, uow, actor=Actor("ben", "ann"), at=AT)
    with store.begin() as uow:
        adopt_policy(matrix, uow, actor=Actor("ann"), at=AT)
        uow.commit()


def test_exclusive_roles_of_one_person(office):
    office.tell(do.SetExclusive((("payer", "checker"),)))
    office.tell(do.GrantRole("ann", "payer", "north"))
    office.refuses(do.GrantRole("ann", "checker", "south"), "duties.exclusive")
    office.refuses(do.GrantRole("bot", "checker"), "duties.exclusive")
    office.tell(do.GrantRole("bot", "payer"))
    office.tell(do.RevokeRole("ann", "payer", "north"), at=AT + DAY)
    office.refuses(do.GrantRole("ann", "checker"), "duties.exclusive", at=AT + DAY)
    office.tell(do.RevokeRole("bot", "payer"), at=AT + DAY)
    assert office.tell(do.GrantRole("ann", "checker"), at=AT + DAY) == ["RoleGranted"]
    office.tell(do.GrantRole("ben", "payer"))
    office.refuses(
        do.SetExclusive((("payer", "board"), ("head", "checker"), ("administrator",) * 2)), "duties.exclusive"
    )


def test_exclusive_roles_are_found_when_pairs_are_set(office):
    office.tell(do.GrantRole("ann", "payer"))
    office.tell(do.GrantRole("bot", "checker"))
    assert "ann" in office.refuses(do.SetExclusive((("checker", "payer"),)), "duties.exclusive")
    office.tell(do.GrantRole("ben", "head"))
    office.tell(do.GrantRole("cat", "board"))
    office.tell(do.Delegate("ben", AT + DAY, AT + 3 * DAY), person="cat")
    office.refuses(do.SetExclusive((("head", "board"),)), "duties.exclusive")
    assert office.tell(do.SetExclusive((("head", "board"),)), at=AT + 3 * DAY) == ["ExclusiveSet"]
    assert office.registry.exclusive == (("head", "board"),)


def test_exclusive_roles_through_one_delegation(office):
    office.tell(do.SetExclusive((("payer", "checker"),)))
    office.tell(do.GrantRole("ann", "payer"))
    office.tell(do.GrantRole("ann", "head"))
    office.tell(do.GrantRole("ben", "checker"))
    until = AT + 10 * DAY
    office.refuses(do.Delegate("ben", AT, until), "duties.exclusive", person="ann")
    office.tell(do.Delegate("ben", AT, until, ("head",)), person="ann")
    office.tell(do.Delegate("cat", AT + DAY, until), person="ann")
    office.refuses(do.GrantRole("cat", "checker"), "duties.exclusive")
    office.tell(do.RevokeRole("ann", "payer"))
    office.tell(do.GrantRole("cat", "checker"))
    office.refuses(do.GrantRole("ann", "payer"), "duties.exclusive")


def test_exclusive_roles_through_two_delegations(office):
    """Ann delegates one role to Cat; Ben may not delegate the other, nor come to hold it while Cat acts for him."""
    office.tell(do.SetExclusive((("payer", "checker"),)))
    office.tell(do.GrantRole("ann", "payer"))
    office.tell(do.Delegate("cat", AT, AT + 10 * DAY), person="ann")
    office.tell(do.GrantRole("ben", "checker"))
    office.refuses(do.Delegate("cat", AT, AT + 10 * DAY), "duties.exclusive", person="ben")
    office.tell(do.RevokeRole("ben", "checker"), at=AT + DAY)
    office.tell(do.GrantRole("ben", "head"), at=AT + DAY)
    office.tell(do.Delegate("cat", AT, AT + 10 * DAY), person="ben", at=AT + DAY)
    office.refuses(do.GrantRole("ben", "checker"), "duties.exclusive", at=AT + DAY)
    assert office.tell(do.GrantRole("ben", "checker"), at=AT + 10 * DAY) == ["RoleGranted"]


def test_exclusive_roles_through_a_service_account_of_the_delegate(office):
    office.tell(do.SetExclusive((("payer", "checker"),)))
    office.tell(do.GrantRole("bot", "payer"))
    office.tell(do.GrantRole("ben", "checker"))
    office.refuses(do.Delegate("ann", AT, AT + DAY), "duties.exclusive", person="ben")
    office.tell(do.GrantRole("ben", "head"))
    office.tell(do.Delegate("ann", AT, AT + DAY, ("head",)), person="ben")
    office.refuses(do.GrantRole("bot", "checker"), "duties.exclusive")


def test_a_service_account_of_the_giver_is_not_delegated_with_them(office):
    office.tell(do.SetExclusive((("payer", "checker"),)))
    office.tell(do.GrantRole("ann", "head"))
    office.tell(do.GrantRole("ben", "checker"))
    office.tell(do.Delegate("ben", AT, AT + DAY), person="ann")
    assert office.tell(do.GrantRole("bot", "payer")) == ["RoleGranted"]
    assert not office.registry.may("ben", "ann", "payer", "", AT)
    assert not office.registry.may("ben", "bot", "payer", "", AT)


def test_units_hang_on_one_root(office):
    office.refuses(do.AddUnit("no unit", "city"), "identity.name")
    office.refuses(do.AddUnit("cash", "city"), "identity.name")
    office.refuses(do.AddUnit("north", "city"), "identity.known_unit")
    office.refuses(do.AddUnit("west", "city", "eve"), "identity.unknown")
    for parent in ("", "east", "west"):
        office.refuses(do.AddUnit("west", parent), "identity.unknown_unit")
    office.tell(do.AddUnit("west", "north", "ann"))
    assert office.registry.parents["west"] == "north"
    assert office.registry.owners == {"west": "ann"}
    bare = Office()
    bare.tell(do.AddPerson("root", "Root"))
    bare.refuses(do.AddUnit("city", "state"), "identity.unknown_unit")
    bare.refuses(do.AddUnit("cash"), "identity.name")


def test_units_move_without_cycles(office):
    office.refuses(do.MoveUnit("west", "city"), "identity.unknown_unit")
    office.refuses(do.MoveUnit("north", "west"), "identity.unknown_unit")
    office.refuses(do.MoveUnit("north", ""), "identity.unknown_unit")
    office.refuses(do.MoveUnit("city", "north"), "identity.root")
    for below in ("south", "port"):
        office.refuses(do.MoveUnit("south", below), "identity.cycle")
    office.tell(do.MoveUnit("south", "north"))
    assert list(office.registry.upwards("port")) == ["port", "south", "north", "city"]


def test_owners_come_and_go(office):
    office.refuses(do.SetOwner("west", "ann"), "identity.unknown_unit")
    office.refuses(do.SetOwner("north", "eve"), "identity.unknown")
    office.tell(do.SetOwner("north", "ann"))
    office.tell(do.SetOwner("south", "ben"))
    assert office.registry.owners == {"north": "ann", "south": "ben"}
    office.tell(do.SetOwner("north", ""))
    assert office.registry.owners == {"south": "ben"}


def test_keys(office):
    for public in ("", "AB" * 32, "ab" * 31, "ab" * 33, PUBLIC + "\n", "xy" * 32):
        office.refuses(do.AddKey(public), "identity.key", person="ann")
    office.refuses(do.RevokeKey(PUBLIC), "identity.key")
    office.tell(do.AddKey(PUBLIC), person="ann")
    office.tell(do.AddKey(OTHER), person="ann", at=AT + DAY)
    office.refuses(do.AddKey(PUBLIC), "identity.key", person="ben")
    office.refuses(do.RevokeKey(PUBLIC), "identity.not_yours", person="ben")
    office.tell(do.RevokeKey(PUBLIC), person="ann", at=AT + 2 * DAY)
    office.refuses(do.RevokeKey(PUBLIC), "identity.key", person="ann", at=AT + 2 * DAY)
    office.refuses(do.AddKey(PUBLIC), "identity.key", person="ann", at=AT + 2 * DAY)
    keys = [office.registry.keys_of("ann", AT + n * DAY) for n in range(-1, 3)]
    assert keys == [(), (PUBLIC,), (PUBLIC, OTHER), (OTHER,)]
    assert office.registry.keys_of("ben", AT + DAY) == ()
    assert office.tell(do.RevokeKey(OTHER), at=AT + 3 * DAY) == ["KeyRevoked"]


def test_that_a_password_was_set_is_noted_by_its_person_or_an_administrator(office):
    before = office.registry
    office.refuses(do.NotePassword("ann"), "identity.not_yours", person="ben")
    office.refuses(do.NotePassword("eve"), "identity.unknown")
    assert office.tell(do.NotePassword("ann"), person="ann") == ["PasswordSet"]
    assert office.tell(do.NotePassword("ann")) == ["PasswordSet"]
    assert office.registry.to_json() == before.to_json()


def test_that_an_account_elsewhere_was_tied_is_noted_by_its_human_and_untied_by_an_administrator(office):
    before, there = office.registry, ("https://login.example.org", "s-1")
    office.refuses(do.TieAccount("ann", *there, "own sign-in"), "identity.not_yours", person="ben")
    office.refuses(do.TieAccount("ann", *there, "own sign-in"), "identity.not_yours")  # Not even an administrator.
    office.refuses(do.TieAccount("ann", *there, "own sign-in"), "identity.behalf", person="ben", behalf="ann")
    office.refuses(do.TieAccount("bot", *there, "own sign-in"), "identity.kind", person="bot")
    office.refuses(do.UntieAccount("ann", *there), "identity.not_administrator", person="ann")
    office.refuses(do.UntieAccount("eve", *there), "identity.unknown")
    assert office.tell(do.TieAccount("ann", *there, "own sign-in"), person="ann") == ["AccountTied"]
    assert office.tell(do.UntieAccount("ann", *there)) == ["AccountUntied"]
    assert office.registry.to_json() == before.to_json()
    office.tell(do.Deactivate("ann"))
    office.refuses(do.TieAccount("ann", *there, "own sign-in"), "identity.unknown", person="ann")


def test_a_second_factor_is_reset_by_another_who_is_an_administrator(office):
    before = office.registry
    office.refuses(do.ResetSecondFactor("ann"), "identity.not_administrator", person="ben")
    office.refuses(do.ResetSecondFactor("root"), "identity.own")
    office.refuses(do.ResetSecondFactor("eve"), "identity.unknown")
    assert office.tell(do.ResetSecondFactor("ann")) == ["SecondFactorReset"]
    assert office.registry.to_json() == before.to_json()


def test_moments_have_time_zones(office):
    with pytest.raises(InvalidInput):
        decide(office.registry, do.GrantRole("ann", "head"), Actor("root"), AT.replace(tzinfo=None))


def test_who_holds_a_role_is_what_each_grant_says():
    """Looked for by role and unit, kept, and the same as grant by grant; of made-up units nothing is kept."""
    source = random.Random(20261129)
    people = {name: Person(name, name, active=source.random() < 0.8) for name in "abcdef"}
    people["bot"] = Person("bot", "Bot", kind=SERVICE, accountable="a")
    parents = {"city": "", "works": "city", "roads": "works", "parks": "city"}
    moments = [f"2026-01-0{day}T00:00:00.000000Z" for day in range(1, 6)]
    grants = tuple(
        Grant(
            source.choice([*people, "gone"]),
            source.choice("xy"),
            source.choice(["", *parents]),
            source.choice(moments[:3]),
            source.choice(["", *moments[2:]]),
        )
        for _ in range(40)
    )
    registry = Registry(people, parents, grants=grants)
    for _ in range(2):
        for role, unit, day in itertools.product("xyz", ("", "made up", *parents), range(1, 6)):
            at = datetime(2026, 1, day, tzinfo=UTC)
            above = set(registry.upwards(unit))
            entitled = {
                each.person
                for each in grants
                if each.role == role
                and each.since <= moments[day - 1]
                and (not each.until or moments[day - 1] < each.until)
                and (each.unit in ("", "city") or each.unit in above)
                and registry.is_active(each.person)
            }
            assert registry.holders(role, unit, at) == entitled
            assert registry.human_holders(role, unit, at) == entitled - {"bot"}
            assert {name for name in (*people, "gone") if registry.holds(name, role, unit, at)} == entitled
    assert set(registry._known_entitled) == set(itertools.product("xy", ("", *parents)))
    assert set(registry._known_humans) == set(registry._known_entitled)


def test_humans_are_looked_for_anew_whenever_a_grant_begins_or_ends():
    grants = (Grant("a", "x", "", "2026-01-02T00:00:00.000000Z", "2026-01-04T00:00:00.000000Z"),)
    registry = Registry({"a": Person("a", "a")}, {"city": ""}, grants=grants)
    source = random.Random(20261129)
    begin, end = datetime(2026, 1, 2, tzinfo=UTC), datetime(2026, 1, 4, tzinfo=UTC)
    edges = [edge + timedelta(microseconds=more) for edge in (begin, end) for more in (-1, 0, 1)]
    for _ in range(200):
        at = source.choice([*edges, begin + (end - begin) * source.uniform(-2, 3)])
        assert registry.human_holders("x", "city", at) == ({"a"} if begin <= at < end else set())
