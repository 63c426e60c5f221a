"""Past decisions under a new matrix, and matrices as grids."""

from __future__ import annotations

import itertools

import random_matrices as rm
from hypothesis import given
from hypothesis import strategies as st

from fiscus.workflow.authority.conditions import Condition, Span
from fiscus.workflow.authority.grid import grid
from fiscus.workflow.authority.matrix import Path, Rule, Stage
from fiscus.workflow.authority.replay import SUMMARY, Decision, Given, Lack, Replayed, lacking, replay, summary
from fiscus.workflow.authority.routing import Facts

HEAD = Stage("head", "head")
BOARD = Stage("board", "treasurer", need=2, of=3, days=9, escalate="controller", signature=True)
NEW = rm.matrix_of(
    [],
    rules=(
        Rule("small", Condition(Span(0, 1000)), ((HEAD,),), "treasurer", "controller"),
        Rule("large", Condition(Span(1000), None), ((HEAD,), (BOARD,)), "treasurer", "controller"),
        Rule("grown", Condition(Span(1000), new=False), ((HEAD, BOARD),), "treasurer", "controller"),
    ),
)


def decision(name, amount, approvals, outcome="approved", risk="low"):
    return Decision(name, Facts(amount, None, "north", risk, "manual"), "old", outcome, approvals)


ANN, BOB, CAT = (Given("head", "head", "ann"), Given("board", "treasurer", "bob"), Given("board", "treasurer", "cat"))
PAST = [
    decision("enough", 5000, (ANN, BOB, CAT), "released"),
    decision("short", 5000, (ANN, BOB)),
    decision("refused", 5000, (), "rejected"),
    decision("small", 5, (ANN,)),
    decision("odd", 5, (ANN,), risk="unheard"),
]


def test_each_past_decision_is_told_what_it_would_lack():
    enough, short, refused, small, odd = replay(NEW, PAST, {})
    assert enough.enough
    assert enough.rule == "large"
    assert enough.path == NEW.rules[1].path("north")
    assert short.lacking == (Lack("board", "treasurer", 2, 1),)
    assert refused.lacking == (Lack("head", "head", 1, 0), Lack("board", "treasurer", 2, 0))
    assert small.enough
    assert (odd.path, odd.rule, odd.enough) == (None, "", False)
    assert "unheard" in odd.trouble


def test_the_summary_counts_what_was_approved():
    rows = summary(replay(NEW, PAST, {}))
    assert all(len(row) == len(SUMMARY) for row in rows)
    assert rows == (
        ("old", "large", "3", "2", "1", "1"),
        ("old", "none", "1", "1", "0", "1"),
        ("old", "small", "1", "1", "1", "0"),
        ("all", "", "5", "4", "2", "2"),
    )
    assert summary([]) == (("all", "", "0", "0", "0", "0"),)


def path_of(*stages):
    return Path("rule", tuple((stage,) for stage in stages), "treasurer", "controller")


def test_a_person_counts_once_and_for_their_first_approval():
    path = path_of(HEAD, BOARD)
    assert lacking(path, [ANN, Given("board", "treasurer", "ann"), BOB]) == (Lack("board", "treasurer", 2, 1),)


def test_a_stage_by_another_name_takes_its_role():
    assert lacking(path_of(Stage("council", "treasurer", need=2, of=2)), [BOB, CAT]) == ()
    assert lacking(path_of(Stage("board", "controller", need=2, of=2)), [BOB, CAT]) == (
        Lack("board", "controller", 2, 0),
    )


def test_approvals_to_spare_help_another_stage_of_the_role():
    both = path_of(Stage("board", "treasurer"), Stage("second", "treasurer"))
    assert lacking(both, [BOB, CAT]) == ()
    assert lacking(both, [BOB]) == (Lack("second", "treasurer", 1, 0),)


def test_who_was_escalated_to_still_counts_there_and_nowhere_else():
    path = path_of(BOARD, Stage("other", "controller"))
    higher = Given("board", "controller", "eve")
    assert lacking(path, [BOB, higher]) == (Lack("other", "controller", 1, 0),)
    assert lacking(path_of(BOARD), [BOB, Given("x", "controller", "eve")]) == (Lack("board", "treasurer", 2, 1),)
    assert lacking(path_of(BOARD), [BOB, Given("board", "head", "ann")]) == (Lack("board", "treasurer", 2, 1),)


names = st.sampled_from(["a", "b", "c"])
roles = st.sampled_from(["head", "treasurer"])
some_stages = st.lists(
    st.builds(Stage, names, roles, need=st.integers(1, 2), of=st.just(2)), max_size=3, unique_by=lambda s: s.name
)
some_approvals = st.lists(
    st.builds(Given, names, roles, st.sampled_from("pqrst")), max_size=5, unique_by=lambda g: g.person
)


@given(some_stages, some_approvals)
def test_nobody_could_place_the_approvals_better(stages, approvals):
    """Without escalation: no way of giving each person a stage of their role leaves fewer people wanting."""
    short = sum(lack.need - lack.given for lack in lacking(path_of(*stages), approvals))
    choices = [[None, *(stage.name for stage in stages if stage.role == each.role)] for each in approvals]
    best = min(
        sum(max(0, stage.need - placed.count(stage.name)) for stage in stages) for placed in itertools.product(*choices)
    )
    assert short == best


def test_replayed_without_a_path_is_never_enough():
    assert not Replayed(PAST[0], None).enough


def test_a_grid_has_a_row_a_rule_and_every_word_of_it():
    shown = grid(NEW)
    assert shown.header == (
        "Rule",
        "Amount (USD)",
        "Change",
        "Unit",
        "Risk",
        "Origin",
        "Step 1",
        "Step 2",
        "Release",
        "Reconcile",
    )
    board = "Treasurer (2 of 3), 9 days, then Controller too, signed"
    ends = ("Treasurer", "Controller")
    assert shown.rows == (
        ("small", "below 10.00", "any", "any", "any", "any", "Head", "", *ends),
        ("large", "from 10.00", "new", "any", "any", "any", "Head", board, *ends),
        ("grown", "from 10.00", "not new", "any", "any", "any", f"Head + {board}", "", *ends),
    )


def test_a_grid_words_ranges_and_names():
    conditions = [
        Condition(
            Span(1000, 2000),
            Span(-0.5, 0.025),
            True,
            ("north", "elsewhere"),
            ("low",),
            ("optimiser", "learned", "manual"),
        ),
        Condition(change=Span(0.0), new=False),
        Condition(change=Span(-1.0, 0.1), new=False),
        Condition(change=Span(0.1), new=True),
    ]
    rows = grid(rm.matrix_of(conditions)).rows
    assert rows[0][1:6] == (
        "10.00 to below 20.00",
        "-50% to below +2.5%, or new",
        "north or elsewhere",
        "low",
        "optimiser, learned policy or by hand",
    )
    assert [row[2] for row in rows[1:]] == ["from 0%", "below +10%", "from +10%, or new"]


def test_an_empty_matrix_has_an_empty_grid():
    assert grid(rm.matrix_of([])).rows == ()
