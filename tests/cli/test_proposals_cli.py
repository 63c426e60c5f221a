"""Proposals from saved runs and what people decide about them, from the command line."""

from __future__ import annotations

import json

import pytest

SOLO = """
name: small
currency: USD
periods: [FY1]
budget: {FY1: 1000}
spend_weight: 0
units: units.csv
lines: lines.csv
"""
UNITS = "id,parent,name\ncity,,City\nworks,city,Works\n"
LINES = "id,unit,name,prior,ask,cap,curve,a,h\nroads,works,Roads,300,800,800,log,100,100\ntrees,works,Trees,200,600,600,log,60,80\n"


@pytest.fixture
def solved(run, tmp_path):
    """A run in the folder ``run``."""
    plan = tmp_path / "plan"
    plan.mkdir()
    (plan / "plan.yaml").write_text(SOLO)
    (plan / "units.csv").write_text(UNITS)
    (plan / "lines.csv").write_text(LINES)
    run("solve", "plan", "--out", "run")
    return run


def test_a_run_becomes_a_proposal_with_all_that_a_decision_needs(solved, shown, told):
    solved("solve", "plan", "--method", "bottom_up", "--out", "other")
    said = solved("propose", "run", "--as", "ann", "--id", "p", "--alternative", "other")
    assert "p" in said
    seen = shown("p")
    evidence = seen["content"]["evidence"]
    assert seen["status"] == "in_review"
    assert seen["total"] == 100_000
    assert evidence["proof"]["status"] == "proved"
    assert {row[1]: row[4] for row in evidence["asked"]} == {"roads": 80_000, "trees": 60_000}
    assert evidence["reasons"]["roads"]
    assert evidence["without"]["roads"] > 0
    assert evidence["last_year"]["value"] < evidence["last_year"]["plan"]
    assert [each["run"] for each in evidence["alternatives"]] == ["other"]
    assert "hal" not in solved("inbox", "--as", "ann")
    assert "p" in solved("inbox", "--as", "hal")
    assert "Nothing waits" in solved("inbox", "--as", "pam") or "p" not in solved("inbox", "--as", "pam").split()
    assert "p" in solved("inbox", "--as", "pam", "--all")


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [("allocation.csv", "roads,works,", "roads,works,9"), ("result.json", '"value"', '"values"')],
)
def test_a_run_that_was_changed_is_not_proposed(solved, tmp_path, told, file, old, new):
    path = tmp_path / "run" / file
    text = path.read_text()
    assert old in text or file == "allocation.csv"
    path.write_text(text.replace(old, new, 1) if old in text else text.replace("roads", "roads2", 1))
    events = len(told("audit", "show"))
    assert "error" in solved("propose", "run", "--as", "ann", code=2)
    assert len(told("audit", "show")) == events


def test_nothing_is_proposed_from_a_folder_that_is_no_run(solved):
    assert "error" in solved("propose", "plan", "--as", "ann", code=2)
    assert "error" in solved("propose", "nowhere", "--as", "ann", code=2)


def test_a_proposal_is_returned_rejected_recalled_held_and_resumed(run, shown):
    for name in ("a", "b", "c"):
        run("draft", name, "items.csv", "--as", "ann", "--title", name)
        run("submit", name, "--as", "ann")
    assert "error" in run("return", "a", "--as", "pam", "--why", "not mine to return", code=2)
    run("return", "a", "--as", "hal", "--why", "say more")
    assert shown("a")["status"] == "returned"
    run("reject", "b", "--as", "hal", "--why", "no")
    assert "error" in run("approve", "b", "--as", "hal", "--hash", shown("b")["hash"] or "0" * 64, code=2)
    assert "error" in run("recall", "c", "--as", "hal", code=2)
    run("hold", "c", "--as", "hal", "--why", "wait")
    assert shown("c")["status"] == "held"
    assert "error" in run("approve", "c", "--as", "hal", "--hash", shown("c")["hash"], code=2)
    run("resume", "c", "--as", "hal", "--why", "go on")
    run("comment", "c", "a word", "--as", "ann")
    run("recall", "c", "--as", "ann")
    assert [shown(name)["status"] for name in "abc"] == ["returned", "rejected", "recalled"]


def test_nobody_signs_twice_or_their_own(run, shown):
    run("people", "grant", "ann", "head", "--as", "root")
    run("draft", "p", "items.csv", "--as", "ann", "--title", "Spring")
    run("submit", "p", "--as", "ann")
    assert "error" in run("approve", "p", "--as", "ann", "--hash", shown("p")["hash"], code=2)
    run("approve", "p", "--as", "hal", "--hash", shown("p")["hash"])
    assert "error" in run("approve", "p", "--as", "hal", "--hash", shown("p")["hash"], code=2)


def test_unknown_proposals_and_people_are_named(run):
    for words in (("show", "q"), ("submit", "q", "--as", "ann"), ("approve", "q", "--as", "hal", "--hash", "0")):
        assert "no proposal 'q'" in run(*words, code=2)
    run("draft", "p", "items.csv", "--as", "ann", "--title", "Spring")
    assert "error" in run("submit", "p", "--as", "stranger", code=2)
    assert "error" in run("escalate", "p", "head", "--as", "hal", code=2)
    assert "error" in run("break-glass", "p", "--as", "hal", "--hash", "0", "--why", "x", code=2)


def test_an_inbox_is_somebodys(run):
    assert "Nothing waits for you." in run("inbox", "--as", "ann")
    for which in ("--mine", "--all"):
        assert "there is nobody called 'anne'" in run("inbox", "--as", "anne", which, code=2)


def test_one_is_singular_and_what_has_no_end_never_expires(run, tmp_path):
    (tmp_path / "one.csv").write_text("period,line,unit,amount\nFY1,roads,works,100\n")
    run("draft", "p", "one.csv", "--as", "ann", "--title", "x")
    assert "; 1 line of 1 unit. It is draft" in run("show", "p")
    assert "error: It never expires." in run("expire", "p", "--as", "ann", code=2)


def test_what_is_shown_names_the_hash_to_sign(approved, shown):
    said = approved("show", "p")
    assert shown("p")["hash"] in said
    assert "Head" in said
    assert json.dumps(shown("p"))


@pytest.mark.parametrize("odd", ["Odd [/x] y", "[red]x[/red]", "a :smile: b", "[bold"])
def test_what_people_write_is_shown_as_they_wrote_it(run, tmp_path, odd):
    (tmp_path / "odd.csv").write_text(f"period,line,unit,amount,title\nFY1,roads,works,100,{odd}\n")
    run("people", "add", "eve", "--as", "root", "--name", odd)
    run("funds", "set", "city", odd, "--amount", "1", "--as", "bud")
    run("draft", "p", "odd.csv", "--as", "ann", "--title", odd)
    run("submit", "p", "--as", "ann")
    run("notify", "webhook", "add", odd, "https://example.org/hook")
    for words in (
        ("inbox", "--as", "hal"),
        ("show", "p"),
        ("people", "list"),
        ("funds", "show"),
        ("notify", "webhook", "list"),
    ):
        assert odd in run(*words)
    assert f"no proposal {odd!r}" in run("show", odd, code=2)
    assert f"no proposal {odd!r}" in run("audit", "show", odd, code=2)
    run("audit", "show")


@pytest.fixture
def watched(run, tmp_path):
    """A proposal ``p`` in review under a matrix with an emergency, and two people who may break the glass."""
    text = (tmp_path / "matrix.yaml").read_text()
    emergency = text.replace("roles: {", "roles: {guard: {title: Guard}, ") + "duties: {emergency: guard}\n"
    (tmp_path / "emergency.yaml").write_text(emergency)
    run("policy", "adopt", "emergency.yaml", "--as", "root")
    for person in ("ian", "max"):
        run("people", "add", person, "--as", "root")
        run("people", "grant", person, "guard", "--as", "root")
    run("draft", "p", "items.csv", "--as", "ann", "--title", "Spring")
    run("submit", "p", "--as", "ann")
    return run


def test_broken_glass_is_told_as_what_it_was(watched, shown):
    hash_ = shown("p")["hash"]
    assert "glass" not in watched("show", "p").lower()
    watched("break-glass", "p", "--as", "max", "--hash", hash_, "--why", "the [river] rises")
    half = watched("show", "p")
    assert "BROKEN GLASS. The glass is half broken. One of two people with the role Guard touched it." in half
    assert "the [river] rises" in half
    assert "head (Head), 1 of 1: nobody signed; waits now." in half
    watched("break-glass", "p", "--as", "ian", "--hash", hash_, "--why", "the river is here")
    said = watched("show", "p")
    assert "BROKEN GLASS. The glass was broken. Two people with the role Guard took the place of 1 missing" in said
    assert said.index("- max, ") < said.index("the [river] rises") < said.index("- ian, ") < said.index("river is here")
    assert "head (Head), 1 of 1: nobody signed; passed by an emergency and not by its role: max and ian broke" in said
    assert "signed by" not in said
    assert "The glass was touched, and not broken" not in said


def test_glass_that_was_only_touched_is_told_so(watched, shown):
    hash_ = shown("p")["hash"]
    watched("break-glass", "p", "--as", "max", "--hash", hash_, "--why", "the river rises")
    watched("approve", "p", "--as", "hal", "--hash", hash_)
    said = watched("show", "p")
    assert "The glass was touched, and not broken. It was decided otherwise." in said
    assert "head (Head), 1 of 1: signed by hal." in said
