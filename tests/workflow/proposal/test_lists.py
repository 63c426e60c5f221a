"""Lists of proposals: who finds what in an inbox, page by page, and that no list reads more than it shows."""

from __future__ import annotations

from datetime import timedelta

import pytest
from small_world import MATRIX, Small, item

from fiscus.workflow.identity import commands as who
from fiscus.workflow.ports import Filter
from fiscus.workflow.service import reading
from fiscus.workflow.service.views import counted, inbox, listed, view
from fiscus.workflow.store.filters import conditions
from fiscus.workflow.store.sql import SqlStore

ROLES = {"hal": [], "hua": [], "dee": ["head"], "bea": ["board"], "ben": ["board"], "bob": ["board"]}
ROLES |= {"lee": ["legal"], "pam": ["payer"], "cal": ["checker"], "max": ["mayor"], "bud": ["budget"]}


@pytest.fixture
def city():
    """hal is head of works, hua of parks; five small proposals wait in each, the later ones first in a list."""
    made = Small(roles=ROLES, matrix=MATRIX.replace(", signature: true", ""))
    for person, unit in (("hal", "works"), ("hua", "parks")):
        made.administer(who.GrantRole(person, "head", unit))
    for number in range(5):
        for unit in ("works", "parks"):
            made.wait(minutes=1).submitted(f"{unit}{number}", item(unit=unit, amount=100))
    return made


def found(city, person, which="mine", **more):
    with city.store.read() as reader:
        page = listed(reader, reading.registry(reader), person, city.at, which, **more)
    return [row.id for row in page.rows], page.more


def places(city, person):
    with city.store.read() as reader:
        return reading.registry(reader).places(person, city.at)


def test_a_head_finds_what_waits_in_their_unit_alone(city):
    assert found(city, "hal") == (["works4", "works3", "works2", "works1", "works0"], False)
    assert found(city, "hua", limit=2) == (["parks4", "parks3"], True)
    assert found(city, "hua", limit=2, offset=4) == (["parks0"], False)
    assert found(city, "hua", limit=5) == (["parks4", "parks3", "parks2", "parks1", "parks0"], False)
    assert len(found(city, "dee")[0]) == 10
    assert found(city, "bea") == ([], False)
    assert found(city, "pam") == ([], False)
    assert len(found(city, "pam", "others", limit=7)[0]) == 7
    assert found(city, "hal", "others", limit=5) == ([f"parks{number}" for number in (4, 3, 2, 1, 0)], False)
    with city.store.read() as reader:
        registry = reading.registry(reader)
        assert counted(reader, registry, "hal", city.at, "mine") == 5
        assert counted(reader, registry, "hal", city.at, "all") == 10
        assert counted(reader, registry, "ann", city.at, "mine") == 0
        assert [row.id for row in inbox(reader, "hua", city.at)] == [f"parks{number}" for number in (4, 3, 2, 1, 0)]


def test_a_place_is_a_role_where_it_may_be_used(city):
    assert places(city, "hal") == {("head", "works")}
    assert places(city, "dee") == {("head", "")}
    city.administer(who.AddUnit("roads", "works"))
    assert places(city, "hal") == {("head", "works"), ("head", "roads")}
    city.administer(who.GrantRole("hal", "payer", "city"))
    assert places(city, "hal") == {("head", "works"), ("head", "roads"), ("payer", "")}, "the root is everywhere"
    city.administer(who.Delegate("hua", city.at, city.at + timedelta(days=1), ("head",)), "hal")
    assert places(city, "hua") == {("head", "parks"), ("head", "works"), ("head", "roads")}, (
        "nothing but what was given"
    )
    assert found(city, "hua")[0][:2] == ["parks4", "works4"]
    assert places(city.wait(days=2), "hua") == {("head", "parks")}


def test_what_one_signed_waits_for_others(city):
    names = [f"large{number}" for number in (3, 2, 1, 0)]
    for name in reversed(names):
        city.wait(minutes=1).submitted(name, item(line=name, amount=200_000))
        for person in ("hal", "lee"):
            city.sign(name, person)
    assert found(city, "bea", limit=3) == (names[:3], True)
    city.wait(minutes=1).sign("large1", "bea")
    assert found(city, "bea", limit=3) == (["large3", "large2", "large0"], False)
    assert found(city, "bea", "others", limit=1) == (["large1"], True)
    assert found(city, "ben", limit=1) == (["large1"], True), "two of three are asked for"


def test_every_list_is_read_off_an_index(tmp_path):
    store = SqlStore.open(f"sqlite:///{tmp_path / 'fiscus.db'}")

    def plan(**wanted):
        where, values = conditions(Filter(kind="proposal", **wanted), "sqlite")
        with store.read() as reader:
            statement = (
                f"EXPLAIN QUERY PLAN SELECT state FROM streams{where} ORDER BY updated DESC, stream DESC LIMIT 50"
            )
            return " ".join(row[3] for row in reader.run(statement, values).fetchall())

    for wanted in ({}, {"status": ("draft", "in_review")}, {"overdue": "2026"}, {"waiting": (("head", "works"),)}):
        assert "ix_streams_listed" in plan(**wanted)
        assert "TEMP B-TREE" not in plan(**wanted), "nothing is sorted"
    assert "ix_streams_lineage" in plan(lineage="p1"), "a decision reads its lineage: no more than that"
    assert "ix_streams_owner" in plan(owner="ann")
    store.close()


def test_what_counts_together_is_said(city):
    with city.store.read() as reader:
        first, later = (view(reader, name, city.at).steps[0] for name in ("works0", "works1"))
    assert first == "Rule small of the authority matrix decides (1.00)."
    assert later.endswith(
        "(3.00: 1.00 of this one, counted together with what ann proposed for the same lines in the last 30 days)."
    )
