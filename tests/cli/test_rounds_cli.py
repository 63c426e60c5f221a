"""A planning round from its funds to a proposal, from the command line, through files."""

from __future__ import annotations

import csv
from datetime import UTC, datetime, timedelta

import pytest

SOON = (datetime.now(UTC) + timedelta(days=30)).strftime("%Y-%m-%d")
PLAN = """
name: small
currency: USD
periods: [FY1]
budget: {FY1: 1000}
spend_weight: 0
units: units.csv
lines: lines.csv
"""
UNITS = "id,parent,name\ncity,,City\nworks,city,Works\nparks,city,Parks\n"
LINES = (
    "id,unit,name,prior,ask,cap,curve,a,h,fund\nroads,works,Roads,300,1,800,log,100,100,general\n"
    "trees,parks,Trees,200,1,600,log,60,80,general\n"
)
COLUMNS = "line,title,period,fund,amount,justification\n"


@pytest.fixture
def planned(run, tmp_path):
    """A round that is open for two units."""
    run("people", "unit", "parks", "--parent", "city", "--owner", "cal", "--as", "root")
    assert "no unit" in run("people", "owner", "lakes", "hal", "--as", "root", code=2)
    run("people", "owner", "works", "hal", "--as", "root")
    plan = tmp_path / "plan"
    plan.mkdir()
    for name, text in (("plan.yaml", PLAN), ("units.csv", UNITS), ("lines.csv", LINES)):
        (plan / name).write_text(text)
    run(
        "round", "plan", "r", "--as", "bud", "--fund", "FY1:general=1000", "--unit", "parks", "--unit", "works",
        "--deadline", SOON, "--title", "Spring round",
    )  # fmt: skip
    run("round", "open", "r", "--as", "bud")
    return run


def test_a_round_collects_asks_freezes_is_solved_and_proposed(planned, told, tmp_path):
    planned("round", "template", "r", "asks.csv")
    assert next(csv.reader((tmp_path / "asks.csv").open())) == COLUMNS.strip().split(",")
    (tmp_path / "parks.csv").write_text(f"{COLUMNS}trees,Trees,FY1,general,500,shade\n")
    planned("round", "answer", "r", "parks", "--file", "parks.csv", "--as", "cal")
    said = planned("round", "show", "r")
    assert "Still to answer" in said
    assert "works" in said
    assert "error" in planned("round", "freeze", "r", "--as", "bud", code=2)  # The deadline is not over, and no reason.
    planned("round", "target", "r", "parks", "FY1", "450", "--as", "bud")
    planned("round", "freeze", "r", "--as", "bud", "--why", "works has nothing to ask for")
    planned("round", "export", "r", "plan", "asked")
    assert "error" in planned("round", "export", "r", "plan", "asked", code=2)
    rows = {row["id"]: row for row in csv.DictReader((tmp_path / "asked" / "lines.csv").open())}
    assert float(rows["trees"]["ask"]) == 500
    planned("solve", "asked", "--out", "run")
    planned("solve", "plan", "--out", "other")
    assert "error" in planned("round", "record", "r", "other", "--as", "bud", code=2)  # It answers other asks.
    planned("round", "record", "r", "run", "--as", "bud")
    planned("propose", "run", "--as", "bud", "--id", "p")
    planned("round", "propose", "r", "p", "--as", "bud")
    planned("round", "close", "r", "--as", "bud")
    assert told("round", "show", "r")["status"] == "closed"
    planned("audit", "verify")


def test_asks_that_were_filled_in_are_not_written_over(planned, tmp_path):
    planned("round", "template", "r", "asks.csv")
    filled = f"{COLUMNS}trees,Trees,FY1,general,500,shade\n"
    (tmp_path / "asks.csv").write_text(filled)
    assert "asks.csv is there already" in planned("round", "template", "r", "asks.csv", code=2)
    assert (tmp_path / "asks.csv").read_text() == filled


def test_a_bad_row_of_asks_is_named_and_nothing_is_taken(planned, told, tmp_path):
    (tmp_path / "parks.csv").write_text(f"{COLUMNS}trees,Trees,FY1,general,500,\nlawns,Lawns,FY1,general,lots,\n")
    said = planned("round", "answer", "r", "parks", "--file", "parks.csv", "--as", "cal", code=2)
    assert "row 3, amount" in said
    assert told("round", "show", "r")["answers"] == {}
    (tmp_path / "parks.csv").write_text(f"{COLUMNS}trees,Trees,FY9,general,500,\n")
    assert "error" in planned("round", "answer", "r", "parks", "--file", "parks.csv", "--as", "cal", code=2)


def test_only_the_owner_answers_and_only_the_budget_office_leads(planned):
    assert "error" in planned("round", "answer", "r", "parks", "--as", "pam", code=2)
    assert "error" in planned("round", "freeze", "r", "--as", "cal", "--why", "x", code=2)
    assert "error" in planned("round", "target", "r", "parks", "FY1", "450", "--as", "cal", code=2)
    assert "no round 'q'" in planned("round", "show", "q", code=2)


def test_a_round_is_extended_reopened_and_cancelled(planned, told):
    later = (datetime.now(UTC) + timedelta(days=60)).strftime("%Y-%m-%d")
    planned("round", "extend", "r", "--as", "bud", "--deadline", later)
    planned("round", "answer", "r", "parks", "--as", "cal")
    planned("round", "freeze", "r", "--as", "bud", "--why", "now")
    assert "error" in planned("round", "answer", "r", "parks", "--as", "cal", code=2)
    planned("round", "reopen", "r", "--as", "bud", "--why", "one was forgotten")
    planned("round", "answer", "r", "parks", "--as", "cal")
    planned("round", "cancel", "r", "--as", "bud", "--why", "there is no money")
    assert told("round", "show", "r")["status"] == "cancelled"
    assert "error" in planned("round", "open", "r", "--as", "bud", code=2)
