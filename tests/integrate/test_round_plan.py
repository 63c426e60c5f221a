"""A round written into plans of every shape that people give them."""

from __future__ import annotations

import pytest
import yaml

import fiscus
from fiscus.errors import InvalidInput
from fiscus.integrate.round_plan import write_plan
from fiscus.workflow.rounds.commands import Ask
from fiscus.workflow.rounds.state import Answered, Round

HEAD = "name: n\ncurrency: USD\nspend_weight: 0\n"
LINES = "id,unit,curve,a,h,cap,fund\nroads,all,log,100,100,900,\ntrees,all,log,80,90,900,\n"


def made(funds, *asks, **changes):
    answers = {"all": Answered("ann", "2026-01-01", tuple(Ask(*each, "", "why") for each in asks))}
    return Round("r", "frozen", "bud", "R", "USD", funds, ("all",), "2026-02-01", answers).but(**changes)


def folder(tmp_path, settings, **files):
    plan = tmp_path / "plan"
    plan.mkdir()
    given = {"lines.csv": LINES, "units.csv": "id\nall\n"} | {
        name.replace("_", "."): text for name, text in files.items()
    }
    for name, text in {"plan.yaml": settings, **given}.items():
        (plan / name).write_text(text)
    return plan


def written(tmp_path, plan, round_):
    notes = write_plan(round_, plan, tmp_path / "out")
    problem, findings = fiscus.read_plan(tmp_path / "out")
    assert problem is not None, findings
    return problem, notes


ONE = made({"now": {"general": 12_345}}, ("roads", "now", "general", 9_000))


@pytest.mark.parametrize(
    "budget",
    [
        "",
        "budget: 900\n",
        "budget: null # none yet\n",
        "budget:\n  now: 900\n# below\n",
        "budget: {\n  now: 900}\n",
        '"budget": 900',
    ],
)
def test_the_budget_is_what_the_round_has_however_it_was_written(tmp_path, budget):
    problem, notes = written(tmp_path, folder(tmp_path, f"{HEAD}{budget}"), ONE)
    assert problem.budget.tolist() == [123.45]
    assert notes == []
    text = (tmp_path / "out" / "plan.yaml").read_text()
    assert yaml.safe_load(text) == {**yaml.safe_load(HEAD), "budget": {"now": 123.45}}
    assert text.startswith(HEAD)


def test_settings_in_brackets_are_written_anew(tmp_path):
    problem, _ = written(tmp_path, folder(tmp_path, "{name: n, spend_weight: 0}"), ONE)
    assert problem.budget.tolist() == [123.45]
    assert problem.name == "n"


@pytest.mark.parametrize("rules", ["", "[]", "[{id: few, kind: envelope, node: all, cap: 700}]", "# Nothing yet.\n"])
def test_funds_are_held_to_their_totals_whatever_rules_there_are(tmp_path, rules):
    settings = f"{HEAD}rules: rules.yaml\n" if rules else HEAD
    plan = folder(tmp_path, settings, **({"rules_yaml": rules} if rules else {}))
    funds = {"now": {"general": 10_000, "bonds": 5_050}}
    round_ = made(funds, ("roads", "now", "general", 90_000), ("trees", "now", "bonds", 90_000))
    problem, _ = written(tmp_path, plan, round_)
    ours = {rule.id: (rule.lines, rule.cap) for rule in problem.rules if rule.id != "few"}
    assert ours == {
        "round-fund-now-general": (("roads",), 100),
        "round-fund-now-bonds": (("trees",), 50.5),
    }
    assert ("few" in {rule.id for rule in problem.rules}) == ("few" in rules)
    given = fiscus.solve(problem).minor_units[0].tolist()
    assert dict(zip(problem.lines.id, given, strict=True)) == {"roads": 10_000, "trees": 5_050}


def test_with_an_account_each_period_is_held_to_its_own_funds(tmp_path):
    """Cash from before and what was not spent would come on top of the budget, and no round said that it is there."""
    settings = f"{HEAD}periods: [a, b]\nbudget: 900\nopening_cash: 500\ncarry_over: 1\n"
    funds = {"a": {"general": 10_000}, "b": {"general": 20_000}}
    round_ = made(funds, ("roads", "a", "general", 90_000), ("roads", "b", "general", 90_000))
    problem, _ = written(tmp_path, folder(tmp_path, settings), round_)
    assert fiscus.solve(problem).minor_units.sum(axis=1).tolist() == [10_000, 20_000]


def test_lines_without_a_fund_are_of_the_only_one_there_is(tmp_path):
    problem, notes = written(
        tmp_path, folder(tmp_path, HEAD), made({"now": {"capital": 10_000}}, ("roads", "now", "capital", 5_000))
    )
    assert problem.lines.tags["fund"] == ("capital", "capital")
    assert (problem.rules, notes) == ((), [])


def test_tables_that_are_no_csv_are_said_and_nothing_is_left_behind(tmp_path):
    import pandas as pd

    plan = folder(tmp_path, f"{HEAD}lines: lines.parquet\n")
    pd.read_csv(plan / "lines.csv").to_parquet(plan / "lines.parquet")
    with pytest.raises(InvalidInput, match=r"the lines of the plan are in lines\.parquet"):
        write_plan(ONE, plan, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_asks_that_a_line_cannot_live_with_are_said(tmp_path):
    lines = "id,unit,floor,curve,a,h\nroads,all,200,log,100,100\n"
    with pytest.raises(InvalidInput, match=r"with what round r asks for.*floor 200\.00 is above the cap 90\.00"):
        write_plan(ONE, folder(tmp_path, HEAD, lines_csv=lines), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_folder_that_is_there_is_left_as_it_is(tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine").write_text("x")
    with pytest.raises(FileExistsError):
        write_plan(ONE, folder(tmp_path, HEAD), tmp_path / "out")
    assert (tmp_path / "out" / "mine").read_text() == "x"
