"""The command line as people and machines call it: output, exit codes, and never a traceback for bad input."""

from __future__ import annotations

import csv
import json
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from fiscus.cli import app
from fiscus.core.options import METHODS
from fiscus.integrate.shipped import shipped_plans

run = CliRunner()


@pytest.fixture
def plan(tmp_path):
    folder = tmp_path / "plan"
    assert run.invoke(app, ["init", str(folder)]).exit_code == 0
    return folder


def test_the_template_solves_as_it_stands(plan, tmp_path):
    checked = run.invoke(app, ["check", str(plan)])
    assert checked.exit_code == 0
    assert "Ready to solve" in checked.output
    solved = run.invoke(app, ["solve", str(plan), "--out", str(tmp_path / "run")])
    assert solved.exit_code == 0
    assert "optimal" in solved.output
    files = {"result.json", "allocation.csv", "report.html", "problem.json", "certificate.json"}
    assert {path.name for path in (tmp_path / "run").iterdir()} == files


@pytest.mark.parametrize("method", METHODS)
def test_every_method_spends_within_the_budget(plan, tmp_path, method):
    result = run.invoke(app, ["solve", str(plan), "--method", method, "--out", str(tmp_path / "run"), "--json"])
    assert result.exit_code == 0
    document = json.loads(result.output)
    assert document["method"] == method
    with (tmp_path / "run" / "allocation.csv").open(newline="") as file:
        spent = sum(float(row["amount"]) for row in csv.DictReader(file))
    assert spent <= 10_000_000
    assert float(document["allocated"]["FY2027"]) == pytest.approx(spent)


def test_findings_are_told_all_at_once_with_exit_code_2(plan):
    lines = (plan / "lines.csv").read_text().replace("2200000", "$2.2m", 1).replace("hill", "hil")
    (plan / "lines.csv").write_text(lines)
    result = run.invoke(app, ["check", str(plan)])
    assert result.exit_code == 2
    assert "lines.csv, row 2, ask" in result.output
    assert "did you mean 'hill'" in result.output
    machine = run.invoke(app, ["solve", str(plan), "--json"])
    assert machine.exit_code == 2
    findings = json.loads(machine.output)["findings"]
    assert {(each["table"], each["column"]) for each in findings} >= {("lines.csv", "ask"), ("lines.csv", "curve")}


def test_an_infeasible_plan_has_exit_code_1_and_a_reason(plan, tmp_path):
    (plan / "rules.yaml").write_text("- {id: most, kind: share, node: ops, cap: 0.0, text: Nothing for operations}\n")
    result = run.invoke(app, ["solve", str(plan), "--out", str(tmp_path / "run")])
    assert result.exit_code == 1
    assert "infeasible" in result.output
    assert "Nothing for operations" in result.output or "floor" in result.output


@pytest.mark.parametrize(
    "arguments",
    [
        ["check", "nowhere"],
        ["solve", "nowhere"],
        ["compare", "nowhere", "nowhere"],
        ["init", "PLAN"],
        ["init", "PLAN/plan.yaml"],
        ["init", "new", "--from", "nothing"],
        ["solve", "PLAN", "--method", "best"],
        ["solve", "PLAN", "--route", "gurobi"],
        ["solve", "PLAN", "--time-limit", "-1"],
        ["solve", "PLAN", "--gap", "2"],
        ["solve", "PLAN", "--out", "PLAN/plan.yaml"],
        ["solve"],
    ],
)
def test_bad_input_gets_a_sentence_and_exit_code_2(plan, arguments):
    result = run.invoke(app, [argument.replace("PLAN", str(plan)) for argument in arguments])
    assert result.exit_code == 2
    assert result.exception is None or isinstance(result.exception, SystemExit)
    assert "Traceback" not in result.output
    assert result.output.strip()


def test_compare_says_where_runs_differ(plan, tmp_path):
    for method in ("optimise", "bottom_up"):
        run.invoke(app, ["solve", str(plan), "--method", method, "--out", str(tmp_path / method)])
    result = run.invoke(app, ["compare", str(tmp_path / "optimise"), str(tmp_path / "bottom_up")])
    assert result.exit_code == 0
    assert "amounts differ" in result.output
    machine = run.invoke(app, ["compare", str(tmp_path / "optimise"), str(tmp_path / "optimise"), "--json"])
    assert json.loads(machine.output)["rows"] == []


@pytest.mark.parametrize("name", sorted(shipped_plans()))
def test_shipped_plans_check_copy_and_solve(name, tmp_path):
    assert run.invoke(app, ["init", str(tmp_path / "copy"), "--from", name]).exit_code == 0
    assert run.invoke(app, ["check", str(tmp_path / "copy")]).exit_code == 0
    result = run.invoke(app, ["solve", str(tmp_path / "copy"), "--json"])
    assert result.exit_code == 0
    assert json.loads(result.output)["status"] == "optimal"


def test_the_demo_compares_methods_with_what_people_did(tmp_path):
    result = run.invoke(app, ["demo", "--out", str(tmp_path), "--json"])
    assert result.exit_code == 0
    document = json.loads(result.output)
    rows = {row["name"]: row for row in document["standings"]}
    assert {"optimise", "hybrid", "top-down", "bottom-up", "last year", "pro rata", "what was adopted"} == set(rows)
    assert rows["what was adopted"]["agreements"]["what was adopted"] == 1.0
    assert all(row["share_of_bound"] <= 1 + 1e-9 for row in rows.values())
    assert rows["optimise"]["spent"] == pytest.approx(80_000_000)
    assert len(document["explanations"]) == 10
    assert any("no assessed benefit" in note for note in document["notes"])
    assert "icicle" in (tmp_path / "report.html").read_text().lower()


def test_what_a_solver_prints_past_every_setting_stays_out_of_the_output():
    """HiGHS 1.15 prints a debug line to file descriptor 1 in some searches; only Fiscus's own words may be there."""
    code = (
        "import os\nfrom fiscus.cli.output import print_json, working\n"
        "with working('solving'):\n    os.write(1, b'noise of a solver')\nprint_json({'clean': True})\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == {"clean": True}
    assert "noise" in done.stderr


def test_brackets_in_names_are_words_not_markup(tmp_path):
    folder = tmp_path / "odd [x] plan"
    folder.mkdir()
    (folder / "plan.yaml").write_text('name: "Odd [/x] plan"\nbudget: 5\n')
    (folder / "units.csv").write_text("id,parent,name\nall,,Whole\nteam,all,A [/bold] team\n")
    (folder / "lines.csv").write_text("id,unit,ask\ny [/],team,9\n")
    assert "Odd [/x] plan" in run.invoke(app, ["check", str(folder)]).output
    for name, limit in (("one", []), ("two", ["--method", "incremental"])):
        solved = run.invoke(app, ["solve", str(folder), "--out", str(tmp_path / f"[{name}]"), *limit])
        assert solved.exit_code == 0
        assert "A [/bold] team" in solved.output
    compared = run.invoke(app, ["compare", str(tmp_path / "[one]"), str(tmp_path / "[two]")])
    assert compared.exit_code == 0
    assert "y [/]" in compared.output
