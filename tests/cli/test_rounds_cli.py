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
    for row, words in (
        ("trees,Trees,FY1,general,10,50,\n", "row 2: it has 7 cells for 6 columns"),
        (
            'trees,Trees,FY1,general,"10,50",\n',
            "row 2, amount: '10,50' is not an amount of USD: it could be 10.50 or 1050",
        ),
    ):
        (tmp_path / "parks.csv").write_text(COLUMNS + row)
        assert words in planned("round", "answer", "r", "parks", "--file", "parks.csv", "--as", "cal", code=2)
    (tmp_path / "parks.csv").write_text(COLUMNS.replace("title", "line"))
    assert "is missing" in planned("round", "answer", "r", "parks", "--file", "parks.csv", "--as", "cal", code=2)
    (tmp_path / "parks.csv").write_text(f"{COLUMNS.strip()},amount\n")
    assert "two columns 'amount'" in planned(
        "round", "answer", "r", "parks", "--file", "parks.csv", "--as", "cal", code=2
    )
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


PLAN2 = """\
# What the council adopted in May.
name: small
currency: USD
periods: [FY1]
budget: {FY1: 1000}  # Of last year.
spend_weight: 0
units: units.csv
lines: lines.csv
rules: rules.yaml
"""
RULES = "# Kept from May.\n- id: works-cap\n  kind: envelope\n  node: works\n  cap: 900\n"
BOTH = (
    "id,unit,name,prior,ask,cap,curve,a,h,fund\nroads,works,Roads,300,1,800,log,100,100,general\n"
    "trees,parks,Trees,200,1,600,log,60,80,general\nbridge,works,Bridge,,1,500,log,90,100,\n"
)


@pytest.fixture
def rounded(planned, tmp_path):
    """A way to lead a round of given funds and asks up to its export."""

    def lead(name, funds, asks, *, frozen=True, targets=()):
        planned(
            "round", "plan", name, "--as", "bud", *[word for fund in funds for word in ("--fund", fund)],
            "--unit", "parks", "--unit", "works", "--deadline", SOON,
        )  # fmt: skip
        planned("round", "open", name, "--as", "bud")
        for unit, person in (("parks", "cal"), ("works", "hal")):
            (tmp_path / "asks.csv").write_text(COLUMNS + asks.get(unit, ""))
            planned("round", "answer", name, unit, "--file", "asks.csv", "--as", person)
        for unit, amount in targets:
            planned("round", "target", name, unit, "FY1", amount, "--as", "bud")
        if frozen:
            planned("round", "freeze", name, "--as", "bud")
        return planned

    return lead


def spent(folder):
    """Minor units by line of a run."""
    rows = csv.DictReader((folder / "allocation.csv").open())
    return {row["line"]: round(100 * float(row["amount"])) for row in rows}


ASKS = {"parks": "trees,Trees,FY1,general,500,shade\n", "works": "roads,Roads,FY1,general,700,holes\n"}


def test_a_round_with_less_than_its_plan_is_solved_within_what_there_is(rounded, tmp_path):
    run = rounded("s", ["FY1:general=600.01"], ASKS)
    (tmp_path / "plan" / "plan.yaml").write_text(PLAN2)
    (tmp_path / "plan" / "rules.yaml").write_text(RULES)
    run("round", "export", "s", "plan", "asked")
    text = (tmp_path / "asked" / "plan.yaml").read_text()
    assert text == PLAN2.replace("{FY1: 1000}", "{FY1: 600.01}")  # Nothing else moved, comments included.
    assert (tmp_path / "asked" / "rules.yaml").read_text() == RULES
    run("solve", "asked", "--out", "run")
    assert sum(spent(tmp_path / "run").values()) == 60_001
    asked = tmp_path / "asked" / "plan.yaml"
    asked.write_text(PLAN2)
    run("solve", "asked", "--out", "more")
    said = run("round", "record", "s", "more", "--as", "bud", code=2)
    assert "In FY1 this plan gives USD 1,000.00, which is USD 399.99 more than the USD 600.01 there is" in said
    run("round", "record", "s", "run", "--as", "bud")
    run("propose", "run", "--as", "bud", "--id", "p")
    run("round", "propose", "s", "p", "--as", "bud")


def test_two_funds_are_each_held_to_their_own_total(rounded, tmp_path):
    asks = {**ASKS, "works": f"{ASKS['works']}bridge,Bridge,FY1,bonds,400,rust\n"}
    run = rounded("s", ["FY1:general=300", "FY1:bonds=350"], asks)
    (tmp_path / "plan" / "plan.yaml").write_text(PLAN2)
    (tmp_path / "plan" / "rules.yaml").write_text(RULES)
    (tmp_path / "plan" / "lines.csv").write_text(BOTH)
    run("round", "export", "s", "plan", "asked")
    text = (tmp_path / "asked" / "rules.yaml").read_text()
    assert text.startswith(RULES)
    assert "USD 350.00 in FY1" in text
    rows = {row["id"]: row for row in csv.DictReader((tmp_path / "asked" / "lines.csv").open())}
    assert {line: row["fund"] for line, row in rows.items()} == {
        "roads": "general",
        "trees": "general",
        "bridge": "bonds",
    }
    run("solve", "asked", "--out", "run")
    given = spent(tmp_path / "run")
    assert given["roads"] + given["trees"] == 30_000
    assert given["bridge"] == 35_000
    (tmp_path / "asked" / "rules.yaml").write_text(RULES)  # Within the budget of the period, and not within the funds.
    run("solve", "asked", "--out", "other")
    assert sum(spent(tmp_path / "other").values()) == 65_000
    said = run("round", "record", "s", "other", "--as", "bud", code=2)
    assert "Of the fund 'general' in FY1 it gives USD" in said
    assert "more than the USD 300.00 there is" in said
    run("round", "record", "s", "run", "--as", "bud")
    run("round", "export", "s", "asked", "third")
    run("round", "export", "s", "third", "fourth")  # From what was exported: the rules of the round stand there once.
    rules = (tmp_path / "fourth" / "rules.yaml").read_text()
    assert [rules.count(each) for each in ("works-cap", "round-fund-FY1-general", "round-fund-FY1-bonds")] == [1, 1, 1]


def test_lines_of_a_fund_that_the_round_does_not_have_get_nothing(rounded, tmp_path):
    run = rounded("s", ["FY1:general=5000"], ASKS)
    (tmp_path / "plan" / "lines.csv").write_text(BOTH.replace("500,log,90,100,", "500,log,90,100,water"))
    said = run("round", "export", "s", "plan", "asked")
    assert "Lines of funds that are not of the round (water) get nothing" in said
    assert "rules: rules.yaml" in (tmp_path / "asked" / "plan.yaml").read_text()
    run("solve", "asked", "--out", "run")
    assert spent(tmp_path / "run").get("bridge", 0) == 0
    run("round", "record", "s", "run", "--as", "bud")


def test_targets_of_a_round_are_in_the_plan_it_gives(rounded, tmp_path):
    run = rounded("s", ["FY1:general=900"], ASKS, targets=[("works", "250"), ("city", "800")])
    (tmp_path / "plan" / "units.csv").write_text(
        "id,parent,name,target\ncity,,City,\nworks,city,Works,700\nparks,city,Parks,\n"
    )
    assert "city in FY1 USD 800.00" in run("round", "show", "s")
    said = run("round", "export", "s", "plan", "asked")
    assert "method, optimise, does not look at targets" in said
    rows = {row["id"]: row["target"] for row in csv.DictReader((tmp_path / "asked" / "units.csv").open())}
    assert rows == {"city": "800.00", "works": "250.00", "parks": ""}
    settings = tmp_path / "plan" / "plan.yaml"
    settings.write_text(f"{settings.read_text()}method: top_down\n")
    assert "does not look" not in run("round", "export", "s", "plan", "down")
    run("solve", "down", "--out", "run")
    given = spent(tmp_path / "run")
    assert given["roads"] <= 25_000
    assert given["roads"] + given["trees"] <= 80_000


def test_a_target_outside_the_round_is_refused(planned):
    planned("people", "unit", "lakes", "--parent", "city", "--as", "root")
    said = planned("round", "target", "r", "lakes", "FY1", "5", "--as", "bud", code=2)
    assert "lakes is not asked in this round" in said


def test_an_export_before_the_freeze_is_a_draft_and_names_every_line_that_is_not_there(rounded, tmp_path):
    asks = {
        "parks": "lawns,Lawns,FY1,general,5,x\nponds,Ponds,FY1,general,5,x\n",
        "works": "quays,Quays,FY1,general,5,x\n",
    }
    run = rounded("s", ["FY1:general=900"], asks, frozen=False)
    said = run("round", "export", "s", "plan", "asked", code=2)
    assert (
        "'lawns' (parks, answered by cal), 'ponds' (parks, answered by cal), 'quays' (works, answered by hal)" in said
    )
    assert "answering again" in said
    assert not (tmp_path / "asked").exists()
    run("round", "freeze", "s", "--as", "bud")
    assert "fiscus round reopen s --why WHY" in run("round", "export", "s", "plan", "asked", code=2)
    said = run("round", "export", "r", "plan", "draft")
    assert "This is a draft: round r is open" in said
    assert "record r" not in said


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"periods: [FY1]": "periods: [FY1, FY2]", "{FY1: 1000}": "{FY1: 1000, FY2: 9}"}, "The plan is also over FY2"),
        ({"FY1": "FY9"}, "has funds for FY1, and the plan's periods are FY9"),
        ({"USD": "EUR"}, "the plan is in EUR and round r in USD"),
        ({"spend_weight: 0": "spend_weight: lots"}, "spend_weight"),
    ],
)
def test_a_plan_that_does_not_fit_the_round_is_said(planned, tmp_path, changes, words):
    text = PLAN
    for old, new in changes.items():
        text = text.replace(old, new)
    (tmp_path / "plan" / "plan.yaml").write_text(text)
    assert words.lower() in planned("round", "export", "r", "plan", "asked", code=2).lower()
    assert not (tmp_path / "asked").exists()


def test_a_fund_or_a_unit_that_is_named_twice_is_refused(planned, told):
    plan = ("round", "plan", "x", "--as", "bud", "--deadline", SOON, "--fund", "FY1:general=1", "--unit", "parks")
    assert "--fund: FY1:general stands there twice" in planned(*plan, "--fund", "FY1:general=2", code=2)
    assert "--unit: parks stands there twice" in planned(*plan, "--unit", "works", "--unit", "parks", code=2)
    assert "--fund 'FY2': write PERIOD:FUND=AMOUNT" in planned(*plan, "--fund", "FY2=1", code=2)
    planned(*plan, "--fund", "FY2:general=2", "--unit", "works")
    assert told("round", "show", "x")["funds"] == {"FY1": {"general": 100}, "FY2": {"general": 200}}
