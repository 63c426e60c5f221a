"""The staffing proof against all assignments there are, and its refusals to the word."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import permutations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fiscus.workflow.actor import Actor
from fiscus.workflow.duties.history import Act, barred, humans, in_words, parts
from fiscus.workflow.duties.sessions import clash
from fiscus.workflow.duties.staffing import Slot, staff
from fiscus.workflow.identity.people import Grant, Person
from fiscus.workflow.identity.registry import Registry
from fiscus.workflow.refusal import Refusal

AT = datetime(2026, 1, 1, tzinfo=UTC)
LONG_AGO = "2020-01-01T00:00:00.000000Z"
NAMES = "abcdef"
KINDS = ("stage:one", "stage:two", "release", "reconcile")


def registry(holders: dict[str, str], robots: str = "") -> Registry:
    """People ``a`` to ``f``; ``holders`` gives role by role the letters of those who hold it, ``robots`` are of ``a``."""
    people = {name: Person(name, name) for name in NAMES}
    people |= {name: Person(name, name, kind="service", accountable="a") for name in robots}
    grants = tuple(Grant(name, role, "", LONG_AGO) for role, names in holders.items() for name in names)
    return Registry(people=people, parents={"city": ""}, grants=grants)


def slot(kind: str, role: str, need: int = 1, panel: int = 1, signed: str = "") -> Slot:
    return Slot(kind, (role,), "city", need, panel, frozenset(signed))


slots_given = st.lists(
    st.tuples(st.sets(st.sampled_from(NAMES)), st.integers(0, 3), st.sets(st.sampled_from(NAMES), max_size=2)),
    min_size=1,
    max_size=4,
)
histories = st.lists(st.tuples(st.sampled_from(NAMES), st.sampled_from(("author", *KINDS))), max_size=5)


def by_enumeration(slots, able):
    """Whether any assignment of different people fills all places."""
    places = [position for position, each in enumerate(slots) for _ in range(each.need)]
    return len(places) <= len(NAMES) and any(
        all(person in able[position] for person, position in zip(people, places, strict=True))
        for people in permutations(NAMES, len(places))
    )


@settings(max_examples=400, deadline=None)
@given(slots_given, histories)
def test_people_are_found_exactly_where_there_are_some(given_slots, history):
    holders = {f"r{number}": "".join(sorted(names)) for number, (names, _, _) in enumerate(given_slots)}
    slots = [
        slot(KINDS[number], f"r{number}", need, 0, "".join(signed))
        for number, (_, need, signed) in enumerate(given_slots)
    ]
    acts = [Act(person, "", kind, "p") for person, kind in history]
    able = [
        {
            person
            for person in holders[each.roles[0]]
            if person not in each.signed and all(kind == each.kind for name, kind in history if name == person)
        }
        for each in slots
    ]
    found = staff(slots, acts, registry(holders), AT)
    assert isinstance(found, Refusal) != by_enumeration(slots, able)
    if not isinstance(found, Refusal):
        everybody = [person for people in found.values() for person in people]
        assert len(everybody) == len(set(everybody)) == sum(each.need for each in slots)
        for each, people in zip(slots, able, strict=True):
            assert len(found.get(each.kind, ())) == each.need
            assert set(found.get(each.kind, ())) <= people


def refused(slots, holders, history=(), robots=""):
    found = staff(slots, history, registry(holders, robots), AT)
    assert isinstance(found, Refusal)
    return found.rule, found.reason


def test_nobody_at_all():
    assert refused([slot("release", "payer", panel=0)], {}) == (
        "duties.nobody",
        "The release needs 1 different person, and nobody may: give the role payer to more people.",
    )


def test_a_panel_counts_its_holders():
    assert refused([slot("stage:one", "board", need=1, panel=2)], {"board": "a"}) == (
        "duties.panel",
        "Stage one is a panel of 2, and the role board has 1 active holder for city: appoint more.",
    )
    assert refused([slot("reconcile", "board", need=1, panel=3)], {"board": "ab"}) == (
        "duties.panel",
        "The reconciliation is a panel of 3, and the role board has 2 active holders for city: appoint more.",
    )
    assert staff([slot("stage:one", "board", need=1, panel=2)], (), registry({"board": "ab"}), AT) == {
        "stage:one": ("a",)
    }


def test_those_who_had_a_part_are_named():
    history = [Act("a", "", "author", "p"), Act("b", "", "stage:one", "p"), Act("e", "", "reconcile", "p")]
    slots = [slot("stage:two", "board", need=2, panel=0), slot("release", "payer", panel=0)]
    assert refused(slots, {"board": "abc", "payer": "cd"}, history) == (
        "duties.one_part",
        "Stage two needs 2 different people, and only c may (a was author; b was approver in stage one): give the role "
        "board to more people.",
    )


def test_only_slots_that_matter_are_named():
    slots = [slot("stage:one", "head"), slot("stage:two", "board"), slot("release", "payer")]
    assert refused(slots, {"head": "ab", "board": "f", "payer": "f"}) == (
        "duties.one_part",
        "Stage two and the release need 2 different people, and only f may: give the role board or payer to more people.",
    )


def test_robots_fill_no_place():
    assert refused([slot("release", "payer")], {"payer": "b"}, robots="b")[0] == "duties.panel"


def test_an_end_of_a_role_is_seen():
    known = registry({"payer": "a"})
    over = Registry(people=known.people, parents=known.parents, grants=(Grant("a", "payer", "", LONG_AGO, LONG_AGO),))
    assert isinstance(staff([slot("release", "payer")], (), over, AT), Refusal)


def test_nothing_to_fill_needs_nobody():
    assert staff([], (), registry({}), AT) == {}
    assert staff([slot("release", "payer", need=0, panel=0)], (), registry({}), AT) == {}


def test_any_of_several_roles_fills_a_place():
    both = Slot("stage:one", ("head", "director"), "city", 2)
    assert staff([both], (), registry({"head": "a", "director": "b"}), AT) == {"stage:one": ("a", "b")}
    assert "the role head or director" in refused([both], {"head": "a"})[1]


@pytest.mark.parametrize(
    ("kind", "was", "words"),
    [
        ("author", True, "was author"),
        ("author", False, "author"),
        ("release", True, "was releaser or recorder of orders and payments"),
        ("reconcile", False, "reconciler"),
        ("emergency", True, "was one of the two who break glass"),
        ("stage:one", True, "was approver in stage one"),
        ("stage:one", False, "approver in stage one"),
    ],
)
def test_parts_in_words(kind, was, words):
    assert in_words(kind, was) == words


def test_a_delegate_counts_as_both_and_a_robot_as_who_answers():
    known = registry({}, robots="f")
    assert humans("b", "c", known) == {"b", "c"}
    assert humans("f", "", known) == {"a"}
    assert humans("b", "f", known) == {"a", "b"}
    had = parts([Act("b", "c", "author", "p"), Act("b", "", "author", "q"), Act("f", "", "release", "p")], known)
    assert {name: {kind: act.proposal for kind, act in kinds.items()} for name, kinds in had.items()} == {
        "b": {"author": "p"}, "c": {"author": "p"}, "a": {"release": "p"},
    }  # fmt: skip


def test_the_same_part_twice_is_no_conflict_and_another_is():
    known = registry({})
    history = [Act("b", "", "stage:one", "p"), Act("c", "b", "release", "q")]
    assert barred([history[0]], Actor("b"), "stage:one", known) is None
    assert barred(history, Actor("d"), "release", known) is None
    found = barred(history, Actor("d", "c"), "stage:one", known)
    assert found == Refusal(
        "duties.one_part",
        "c was releaser or recorder of orders and payments of q and cannot be approver in stage one of the same money too: "
        "somebody else has to.",
    )
    assert "b was approver" in barred([Act("c", "b", "stage:one", "p")], Actor("c", "b"), "author", known).reason


def test_roles_of_one_session():
    pairs = [("head", "board"), ("payer", "checker")]
    assert clash(pairs, ["payer"], "head") is None
    assert clash(pairs, [], "head") is None
    assert clash([], ["board"], "head") is None
    assert clash(pairs, ["head"], "head") is None
    for used, role in (("head", "board"), ("board", "head"), ("checker", "payer"), ("payer", "checker")):
        assert clash(pairs, ["other", used], role) == Refusal(
            "duties.one_session",
            f"You acted as {used} since you signed in, which excludes {role} in one session: sign in again.",
        )
