"""A signature that would leave later places without people, against all assignments there are."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import permutations
from types import SimpleNamespace

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from fiscus.workflow.actor import Actor
from fiscus.workflow.authority.matrix import Stage
from fiscus.workflow.duties.history import Act
from fiscus.workflow.funds.books import Books
from fiscus.workflow.identity.people import Delegation, Grant, Person
from fiscus.workflow.identity.registry import Registry
from fiscus.workflow.proposal import commands as do
from fiscus.workflow.proposal.content import Content, Item
from fiscus.workflow.proposal.reviewing import approve
from fiscus.workflow.proposal.spending import BOOKKEEPER, commit
from fiscus.workflow.proposal.state import Approval, Proposal
from fiscus.workflow.refusal import Refusal

AT = datetime(2026, 1, 1, tzinfo=UTC)
BEFORE, AFTER = "2020-01-01T00:00:00.000000Z", "2030-01-01T00:00:00.000000Z"
NAMES = "abcdef"
ROLES = ("head", "board", "payer", "checker")
PLACES = ("stage:first", "stage:second", "release", "reconcile")


def filled(need, panels, holders, had, signed):
    """Whether different people may fill all places, each of whom had no other part."""
    if any(len(holders[role]) < panels.get(role, 1) for role, place in zip(ROLES, PLACES, strict=True) if need[place]):
        return False
    able = {
        place: {
            name
            for name in holders[role]
            if name not in signed[place] and not any(kind != place for human, kind in had if human == name)
        }
        for role, place in zip(ROLES, PLACES, strict=True)
    }
    places = [place for place in PLACES for _ in range(need[place])]
    return len(places) <= len(NAMES) and any(
        all(name in able[place] for name, place in zip(people, places, strict=True))
        for people in permutations(NAMES, len(places))
    )


@settings(max_examples=300, deadline=None)
@given(
    holders=st.fixed_dictionaries({role: st.sets(st.sampled_from(NAMES), min_size=1) for role in ROLES}),
    needs=st.tuples(st.integers(1, 3), st.integers(1, 2)),
    panel=st.integers(1, 3),
    author=st.sampled_from("gabc"),
    signers=st.lists(st.sampled_from(NAMES), max_size=1),
    actor=st.sampled_from(NAMES),
    giver=st.sampled_from(("", "", *NAMES)),
    child=st.booleans(),
)
def test_it_is_refused_exactly_where_it_takes_away_the_last(
    holders, needs, panel, author, signers, actor, giver, child
):
    assume(giver != actor)
    people = {name: Person(name, name) for name in (*NAMES, "g")}
    grants = tuple(Grant(name, role, "", BEFORE) for role, names in holders.items() for name in sorted(names))
    delegations = (Delegation("d", giver, actor, BEFORE, AFTER),) if giver else ()
    registry = Registry(people, {"city": ""}, grants=grants, delegations=delegations)
    path = ((Stage("first", "head", need=needs[0], of=1),), (Stage("second", "board", need=needs[1], of=panel),))
    acts = (Act(author, "", "author", "p"), *(Act(name, "", "stage:first", "p") for name in signers))
    proposal = Proposal(
        *("p", "in_review", author, "", "city", "p", "parent" if child else "", ("v",), 5, "USD"),
        hash="h",
        path=path,
        release_role="payer",
        reconcile_role="checker",
        approvals=tuple(Approval("first", name, "", BEFORE) for name in signers),
        acts=acts,
    )
    assume(proposal.open_stages)
    context = SimpleNamespace(
        at=AT, registry=registry, history=acts, pinned=None, parent=None, session_roles=frozenset()
    )
    found = approve(proposal, do.Approve("p", "h"), Actor(actor, giver), context)
    rule = found.rule if isinstance(found, Refusal) else ""
    assume(rule in ("", "duties.leaves_nobody"))  # Others come before it.

    ends = 0 if child else 1
    before = dict(zip(PLACES, (needs[0] - len(signers), needs[1], ends, ends), strict=True))
    after = before | {"stage:first": before["stage:first"] - 1}
    had = [(act.person, act.kind) for act in acts]
    signing = {actor, giver} - {""}
    nobody = dict.fromkeys(PLACES, frozenset())
    possible = filled(before, {"board": panel}, holders, had, nobody | {"stage:first": set(signers)})
    still = filled(
        after,
        {"board": panel},
        holders,
        [*had, *((name, "stage:first") for name in signing)],
        nobody | {"stage:first": signing | set(signers)},
    )
    assert rule == ("duties.leaves_nobody" if possible and not still else "")


def test_one_who_signs_for_another_takes_the_places_of_both():
    """Two are wanted and there are two: whoever signs for the other leaves the second place to nobody."""
    grants = tuple(
        Grant(name, role, "", BEFORE)
        for role, names in zip(ROLES, ("ab", "c", "d", "e"), strict=True)
        for name in names
    )
    registry = Registry(
        {name: Person(name, name) for name in NAMES},
        {"city": ""},
        grants=grants,
        delegations=(Delegation("d", "b", "a", BEFORE, AFTER),),
    )
    proposal = Proposal(
        *("p", "in_review", "f", "", "city", "p", "", ("v",), 5, "USD"),
        hash="h",
        path=((Stage("first", "head", need=2),),),
        release_role="payer",
        reconcile_role="checker",
    )
    context = SimpleNamespace(at=AT, registry=registry, history=(), pinned=None, parent=None, session_roles=frozenset())
    for behalf, rule in (("", None), ("b", "duties.leaves_nobody")):
        found = approve(proposal, do.Approve("p", "h"), Actor("a", behalf), context)
        assert getattr(found, "rule", None) == rule


@settings(max_examples=200, deadline=None)
@given(
    holders=st.fixed_dictionaries({role: st.sets(st.sampled_from(NAMES)) for role in ("payer", BOOKKEEPER, "checker")}),
    had=st.lists(st.tuples(st.sampled_from(NAMES), st.sampled_from(("author", "stage:one", "release", "reconcile")))),
    actor=st.sampled_from(NAMES),
    giver=st.sampled_from(("", "", *NAMES)),
)
def test_an_order_is_refused_exactly_where_it_takes_away_the_last_who_could_reconcile(holders, had, actor, giver):
    assume(giver != actor)
    grants = tuple(Grant(name, role, "", BEFORE) for role, names in holders.items() for name in sorted(names))
    delegations = (Delegation("d", giver, actor, BEFORE, AFTER),) if giver else ()
    registry = Registry(
        {name: Person(name, name) for name in NAMES}, {"city": ""}, grants=grants, delegations=delegations
    )
    cell = ("y1", "roads")
    proposal = Proposal(
        *("p", "released", "g", "", "city", "p", "", ("v",), 5, "USD"),
        release_role="payer",
        reconcile_role="checker",
        places={cell: (5, 0, 0)},
    )
    content = Content("Roads", "USD", (Item(*cell, "city", "general", 5, None),))
    history = tuple(Act(name, "", kind, "p") for name, kind in had)
    context = SimpleNamespace(at=AT, registry=registry, history=history, books=Books(), content=content)
    found = commit(proposal, do.Commit("p", {cell: 1}, "o"), Actor(actor, giver), context)
    rule = found.rule if isinstance(found, Refusal) else ""
    assume(rule in ("", "duties.leaves_nobody"))  # Others come before it.

    def able(parts):
        return {name for name in holders["checker"] if all(kind == "reconcile" for who, kind in parts if who == name)}

    after = able([*had, *((name, "release") for name in {actor, giver} - {""})])
    assert rule == ("duties.leaves_nobody" if able(had) and not after else "")
