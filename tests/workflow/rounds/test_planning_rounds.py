"""Planning rounds: who may ask for what and until when, and that one plan answers exactly what was frozen."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

import pytest

import fiscus
from fiscus.errors import InvalidInput, Refused
from fiscus.integrate.proposing import asked_of
from fiscus.workflow.actor import Actor
from fiscus.workflow.audit.replaying import replayed
from fiscus.workflow.identity import commands as who
from fiscus.workflow.rounds import commands as do
from fiscus.workflow.rounds.exchange import read_asks, template, with_asks, with_targets
from fiscus.workflow.rounds.state import NEXT, Answered, asks_digest, from_json, to_json
from fiscus.workflow.rounds.summary import rows, sentences
from fiscus.workflow.service import administer, lead, planning_round, registry
from fiscus.workflow.store.memory import MemoryStore

AT = datetime(2026, 1, 1, tzinfo=UTC)
DEADLINE = AT + timedelta(days=10)
PLAN = do.Plan("r", "FY27", "USD", {"p1": {"general": 1_000, "bonds": 500}}, ("north", "south"), DEADLINE)
NORTH = (do.Ask("roads", "p1", "general", 400, "Roads", "holes"), do.Ask("bridge", "p1", "bonds", 100, "", "rust"))
SOUTH = (do.Ask("ports", "p1", "general", 900, "Ports", "silt"),)

GIVEN = {"p1": {"general": 1_000, "bonds": 500}}
"""What a plan gives that spends all there is."""


@pytest.fixture
def store():
    made = MemoryStore()
    with made.begin() as uow:
        root = Actor("root")

        def administers(command, actor=root):
            administer(command, uow, actor=actor, at=AT)

        administers(who.AddPerson("root", "Root"))
        for name in ("nora", "saul", "bud", "del"):
            administers(who.AddPerson(name, name.title()))
        administers(who.AddUnit("city"))
        administers(who.AddUnit("north", "city", "nora"))
        administers(who.AddUnit("south", "city", "saul"))
        administers(who.GrantRole("bud", "budget"))
        administers(who.GrantRole("saul", "head"))
        administers(who.Delegate("del", AT, AT + timedelta(days=30)), Actor("saul"))
        uow.commit()
    return made


def give(store, command, person="bud", behalf="", days=0):
    with store.begin() as uow:
        answer = lead(command, uow, actor=Actor(person, behalf), at=AT + timedelta(days=days))
        uow.commit()
    return answer.status


def refused(store, rule, *given, **more):
    with pytest.raises(Refused) as refusal:
        give(store, *given, **more)
    assert refusal.value.rule == rule
    return refusal.value.reason


def opened(store):
    give(store, PLAN)
    give(store, do.Open("r"))


def frozen(store):
    opened(store)
    give(store, do.Answer("r", "north", NORTH), "nora")
    give(store, do.Answer("r", "south", SOUTH), "del", "saul")
    assert give(store, do.Freeze("r")) == "frozen"


def seen(store):
    with store.read() as reader:
        return planning_round(reader, "r")


def test_a_round_from_end_to_end(store):
    frozen(store)
    made = seen(store)
    assert made.asked == {("p1", "roads"): 400, ("p1", "bridge"): 100, ("p1", "ports"): 900}
    assert made.missing == ()
    digest = asks_digest(made.asked)
    refused(store, "round.other_asks", do.RecordRun("r", "problem", "0" * 64, GIVEN))
    assert give(store, do.RecordRun("r", "problem", digest, GIVEN)) == "solved"
    refused(store, "round.other_run", do.Propose("r", "p", "another"))
    assert give(store, do.Propose("r", "p", "problem")) == "proposed"
    assert give(store, do.Close("r")) == "closed"
    assert from_json(to_json(seen(store))) == seen(store)
    with store.read() as reader:
        assert replayed(reader)


def test_what_units_may_not_do(store):
    opened(store)
    refused(store, "round.not_owner", do.Answer("r", "north", NORTH), "saul")
    refused(store, "identity.no_delegation", do.Answer("r", "north", NORTH), "del", "nora")
    refused(store, "round.not_asked", do.Answer("r", "city", ()), "nora")
    assert "The deadline 2026-01-10 is over" in refused(
        store, "round.deadline", do.Answer("r", "north", NORTH), "nora", days=10
    )
    for ask, words in (
        (do.Ask("roads", "p9", "general", 1, "", "x"), "no fund"),
        (do.Ask("roads", "p1", "gold", 1, "", "x"), "no fund"),
        (do.Ask("roads", "p1", "general", -1, "", "x"), "no whole amount"),
        (do.Ask("roads", "p1", "general", 1.5, "", "x"), "no whole amount"),
        (do.Ask("roads", "p1", "general", 1, "", " "), "what it is for"),
        (do.Ask(" ", "p1", "general", 1, "", "x"), "no id"),
        (do.Ask("ro\nads", "p1", "general", 1, "", "x"), "Ask 1, line: 'ro\\nads' holds a character that is not shown"),
    ):
        assert words in refused(store, "round.ask", do.Answer("r", "north", (ask,)), "nora")
    assert "twice" in refused(store, "round.ask", do.Answer("r", "north", (NORTH[0], NORTH[0])), "nora")
    give(store, do.Answer("r", "south", SOUTH), "saul")
    assert "south asks" in refused(store, "round.ask", do.Answer("r", "north", SOUTH), "nora")
    refused(store, "round.not_entitled", do.Freeze("r", "now"), "nora")


def test_freezing_waits_for_everyone_or_says_why(store):
    opened(store)
    give(store, do.Answer("r", "north", NORTH), "nora")
    assert "south (saul)" in refused(store, "round.missing", do.Freeze("r"))
    assert give(store, do.Freeze("r", "the council meets today")) == "frozen"
    refused(store, "reason.missing", do.Reopen("r", " "))
    assert give(store, do.Reopen("r", "saul is back")) == "open"
    assert give(store, do.Answer("r", "south", ()), "saul") == "open"
    assert give(store, do.Freeze("r")) == "frozen"


def test_after_the_deadline_it_may_be_frozen_or_extended(store):
    opened(store)
    refused(store, "round.deadline", do.Extend("r", DEADLINE))
    assert give(store, do.Extend("r", DEADLINE + timedelta(days=5)), days=11) == "open"
    assert give(store, do.Answer("r", "north", NORTH), "nora", days=12) == "open"
    assert give(store, do.Freeze("r"), days=16) == "frozen"


def test_a_run_that_was_recorded_counts_no_more_after_reopening(store):
    frozen(store)
    give(store, do.RecordRun("r", "problem", asks_digest(seen(store).asked), GIVEN))
    give(store, do.Reopen("r", "more asks"))
    assert seen(store).problem == ""


def test_targets_fit_into_each_other(store):
    opened(store)
    assert "15.00" in refused(store, "round.target", do.SetTarget("r", "city", "p1", 1_501))
    give(store, do.SetTarget("r", "city", "p1", 1_000))
    give(store, do.SetTarget("r", "north", "p1", 600))
    refused(store, "round.target", do.SetTarget("r", "south", "p1", 401))
    give(store, do.SetTarget("r", "south", "p1", 400))
    refused(store, "round.target", do.SetTarget("r", "city", "p1", 999))
    refused(store, "round.target", do.SetTarget("r", "nowhere", "p1", 1))
    with store.read() as reader:
        there = {row.unit: row for row in rows(planning_round(reader, "r"), registry(reader))}
    assert (there["north"].target, there["north"].answered) == (600, "")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"currency": "XXQ"}, "currency"),
        ({"title": " "}, "title"),
        ({"funds": {}}, "needs funds"),
        ({"funds": {"p1": {"general": -1}}}, "no whole amount"),
        ({"funds": {"p\t1": {"general": 1}}}, "not shown"),
        ({"funds": {"p1": {"gen\x00eral": 1}}}, "not shown"),
        ({"units": ("nowhere",)}, "no unit"),
        ({"units": ("city",)}, "Nobody answers"),
        ({"deadline": AT}, "over already"),
    ],
)
def test_a_round_that_cannot_be_planned(store, changes, words):
    given = {name: getattr(PLAN, name) for name in ("title", "currency", "funds", "units", "deadline")}
    assert words in refused(store, "round.plan", do.Plan("r", **given | changes))


COMMANDS = {
    "Plan": (PLAN, "bud"),
    "Open": (do.Open("r"), "bud"),
    "Answer": (do.Answer("r", "north", NORTH), "nora"),
    "SetTarget": (do.SetTarget("r", "north", "p1", 5), "bud"),
    "Extend": (None, "bud"),
    "Freeze": (do.Freeze("r", "now"), "bud"),
    "Reopen": (do.Reopen("r", "more"), "bud"),
    "RecordRun": (None, "bud"),
    "Propose": (do.Propose("r", "p", "problem"), "bud"),
    "Close": (do.Close("r"), "bud"),
    "Cancel": (do.Cancel("r", "no"), "bud"),
}


@pytest.mark.parametrize("seed", range(30))
def test_random_commands_keep_to_the_table(store, seed):
    """Commands that are right in themselves: followed exactly where the table has a place for them."""
    source, status, deadline = random.Random(seed), "", DEADLINE
    reached = set()
    for _ in range(60):
        name = source.choice(list(COMMANDS))
        command, person = COMMANDS[name]
        if name == "Extend":
            deadline += timedelta(days=1)
            command = do.Extend("r", deadline)
        if name == "RecordRun":
            command = do.RecordRun("r", "problem", asks_digest(seen(store).asked if status else {}), GIVEN)
        wanted = NEXT.get((status, name))
        if wanted is None:
            refused(store, "transition", command, person)
        else:
            status = give(store, command, person)
            assert status == wanted
            reached.add(name)
    assert "Plan" in reached


def test_what_is_said_about_a_round(store):
    opened(store)
    give(store, do.Answer("r", "north", NORTH), "nora")
    with store.read() as reader:
        made, people = planning_round(reader, "r"), registry(reader)
    told = " ".join(sentences(made, people, AT))
    assert "1 of 2 units answered" in told
    assert "Still to answer (until 2026-01-10): south (saul)" in told
    assert "USD 5.00 is asked for, and 15.00 is there, 0.33 times" in told
    assert "Overdue" in " ".join(sentences(made, people, DEADLINE))


def test_tables_of_asks_are_read_with_every_fault():
    text = 'line,title,period,fund,amount,justification\nroads,Roads,p1,general,"1,200.50",holes\nports,,p1,general,,\n'
    assert read_asks(text, "USD") == (
        do.Ask("roads", "p1", "general", 120_050, "Roads", "holes"),
        do.Ask("ports", "p1", "general", 0),
    )
    with pytest.raises(InvalidInput, match=r"row 2, amount.*row 3, amount"):
        read_asks("line,title,period,fund,amount,justification\na,,p,f,much,x\nb,,p,f,1.234,x\n", "USD")
    with pytest.raises(InvalidInput, match="'justification' is missing"):
        read_asks("line,title,period,fund,amount\n", "USD")


def test_asks_go_into_a_plan_and_come_back_from_its_run(store, tmp_path):
    frozen(store)
    made = seen(store)
    assert "p1,bonds" in template(made)
    lines = (
        "id,unit,ask,curve,a,h\nroads,north,1,log,20,3\nbridge,north,1,log,20,3\n\nports,south,2,log,30,4\n"
        "quays,south,3,log,10,4\n"
    )
    text = with_asks(lines, made)
    assert text.splitlines() == [
        "id,unit,ask,curve,a,h,fund",
        "roads,north,4.00,log,20,3,general",
        "bridge,north,1.00,log,20,3,bonds",
        "ports,south,9.00,log,30,4,general",
        "quays,south,0.00,log,10,4,",
    ]
    assert with_asks(lines.replace(",", ";"), made, ";") == text.replace(",", ";")
    (tmp_path / "lines.csv").write_text(text)
    (tmp_path / "units.csv").write_text("id,parent\ncity,\nnorth,city\nsouth,city\n")
    (tmp_path / "plan.yaml").write_text("name: r\ncurrency: USD\nperiods: [p1]\nbudget: {p1: 10}\n")
    problem, findings = fiscus.read_plan(tmp_path)
    assert problem is not None, findings
    assert asks_digest(asked_of(problem)) == asks_digest(made.asked)
    with pytest.raises(InvalidInput) as fault:
        with_asks("id,unit,ask\nroads,north,1\n", made)
    assert "no line 'bridge' (north, answered by nora), 'ports' (south, answered by del)" in str(fault.value)
    assert "after fiscus round reopen r" in str(fault.value)


def test_several_periods_have_columns_of_their_own(store):
    plan = do.Plan("r", "two", "USD", {"p1": {"general": 10}, "p2": {"general": 10}}, ("north",), DEADLINE)
    give(store, plan)
    give(store, do.Open("r"))
    asks = (do.Ask("roads", "p1", "general", 100, "", "x"), do.Ask("roads", "p2", "general", 300, "", "x"))
    give(store, do.Answer("r", "north", asks), "nora")
    made = seen(store)
    assert with_asks("id,unit,ask\nroads,north,9\n", made) == (
        "id,unit,ask,ask@p1,ask@p2,fund\nroads,north,9,1.00,3.00,general\n"
    )
    give(store, do.SetTarget("r", "north", "p2", 7))
    assert with_targets("id,parent\ncity,\nnorth,city\n", seen(store)) == (
        "id,parent,target@p2\ncity,,\nnorth,city,0.07\n"
    )
    assert with_targets("id\nnorth\n", made) == "id\nnorth\n"  # No targets: nothing is touched.


def test_a_column_of_the_period_is_written_where_it_would_overrule_the_plain_one(store):
    opened(store)
    give(store, do.Answer("r", "north", NORTH), "nora")
    give(store, do.SetTarget("r", "north", "p1", 600))
    made = seen(store)
    text = with_asks("id,ask,ask@p1,fund\nroads,9,8,bonds\nbridge,9,8,\n", made)
    assert text == "id,ask,ask@p1,fund\nroads,9,4.00,general\nbridge,9,1.00,bonds\n"
    units = "id,parent,target,target@p1\ncity,,30,20\nnorth,city,4,4\n"
    assert with_targets(units, made) == "id,parent,target,target@p1\ncity,,30,20\nnorth,city,4,6.00\n"
    assert with_targets("id,parent,target\ncity,,30\nnorth,city,4\n", made) == (
        "id,parent,target\ncity,,30\nnorth,city,6.00\n"
    )
    with pytest.raises(InvalidInput, match="not in the plan: north"):
        with_targets("id,parent\ncity,\n", made)


def test_a_line_is_asked_of_one_fund(store):
    opened(store)
    torn = (do.Ask("roads", "p1", "general", 400, "", "x"), do.Ask("roads", "p1", "bonds", 100, "", "x"))
    assert "'bonds' here and 'general' above" in refused(store, "round.ask", do.Answer("r", "north", torn), "nora")
    nothing = (torn[0], do.Ask("roads", "p1", "bonds", 0))
    give(store, do.Answer("r", "north", nothing), "nora")
    made = seen(store)
    before = made.but(answers={"north": Answered("nora", "", torn)})  # As rounds took it until now.
    with pytest.raises(InvalidInput, match=r"more than one is asked for 'roads' \(north, answered by nora\)"):
        with_asks("id\nroads\n", before)


@pytest.mark.parametrize(
    ("allocated", "words"),
    [
        ({"p1": {"general": 1_000, "bonds": 501}}, ["In p1 this plan gives USD 15.01, which is USD 0.01 more than the USD 15.00",
                                                    "Of the fund 'bonds' in p1 it gives USD 5.01"]),
        ({"p1": {"general": 1_100, "bonds": 0}}, ["Of the fund 'general' in p1 it gives USD 11.00, which is USD 1.00 more"]),
        ({"p1": {"general": 5, "water": 1}}, ["Of the fund 'water' in p1 it gives USD 0.01", "the USD 0.00 there is"]),
        ({"p1": {}, "p2": {"general": 1}}, ["In p2 this plan gives USD 0.01"]),
    ],
)  # fmt: skip
def test_a_plan_that_gives_more_than_there_is_answers_no_round(store, allocated, words):
    frozen(store)
    said = refused(store, "round.overspent", do.RecordRun("r", "problem", asks_digest(seen(store).asked), allocated))
    for each in words:
        assert each in said
    assert seen(store).status == "frozen"


def test_a_target_is_for_units_that_are_asked_and_what_is_above_or_below_them(store):
    with store.begin() as uow:
        for unit, above in (("docks", "south"), ("west", "city"), ("hill", "west")):
            administer(who.AddUnit(unit, above), uow, actor=Actor("root"), at=AT)
        uow.commit()
    opened(store)
    for unit in ("west", "hill"):
        assert "neither is a unit above or below it" in refused(store, "round.target", do.SetTarget("r", unit, "p1", 5))
    give(store, do.SetTarget("r", "city", "p1", 1_200))
    give(store, do.SetTarget("r", "docks", "p1", 300))
    give(store, do.SetTarget("r", "north", "p1", 400))
    with store.read() as reader:
        told = " ".join(sentences(planning_round(reader, "r"), registry(reader), AT))
    assert "not asked themselves: city in p1 USD 12.00, docks in p1 USD 3.00." in told
