"""Proposals that people write by hand, from the command line."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from fiscus.cli import app

CLI = CliRunner()
ITEMS = "period,line,unit,amount,prior\nFY1,roads,works,1200.50,1000\nFY1,trees,works,300,\n"


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Commands on a database with people, a matrix and a budget."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("FISCUS_DATABASE_URL", raising=False)

    def typed(*words, code=0):
        result = CLI.invoke(app, [str(word) for word in words])
        assert result.exit_code == code, result.output
        assert result.exception is None or isinstance(result.exception, SystemExit)
        return " ".join(result.output.split())

    (tmp_path / "matrix.yaml").write_text(
        "name: m\ncurrency: USD\nabout: One.\nrolling_days: 0\n"
        "roles: {head: {title: Head}, payer: {title: Payer}, checker: {title: Checker}}\n"
        "rules: [{id: all, path: [{stage: head, role: head}], release: payer, reconcile: checker}]\n"
    )
    (tmp_path / "items.csv").write_text(ITEMS)
    typed("people", "add", "root", "--as", "root")
    for person in ("ann", "hal", "pam", "cal", "bud"):
        typed("people", "add", person, "--as", "root")
    typed("people", "unit", "city", "--as", "root")
    typed("people", "unit", "works", "--parent", "city", "--as", "root")
    typed("policy", "adopt", "matrix.yaml", "--as", "root")
    for person, role in (("hal", "head"), ("pam", "payer"), ("cal", "checker"), ("bud", "budget")):
        typed("people", "grant", person, role, "--as", "root")
    typed("funds", "set", "city", "FY1", "--amount", "5000", "--as", "bud")
    return typed


def shown(run, name):
    result = CLI.invoke(app, ["show", name, "--json"])
    return json.loads(result.output)


def test_a_draft_is_edited_approved_and_its_money_moved(run, tmp_path):
    assert "it is draft now" in run("draft", "p", "items.csv", "--as", "ann", "--title", "Spring")
    run("submit", "p", "--as", "ann")
    first = shown(run, "p")["hash"]
    run("return", "p", "--as", "hal", "--why", "more roads")
    (tmp_path / "items.csv").write_text(ITEMS.replace("1200.50", "1500"))
    run("edit", "p", "items.csv", "--as", "ann")
    assert shown(run, "p")["content"]["title"] == "Spring"
    run("submit", "p", "--as", "ann")
    assert "not the version you saw" in run("approve", "p", "--as", "hal", "--hash", first, code=2)
    run("approve", "p", "--as", "hal", "--hash", shown(run, "p")["hash"])
    (tmp_path / "moves.csv").write_text("period,line,unit,amount\nFY1,roads,works,-500\nFY1,pools,works,400\n")
    run("reallocate", "c", "p", "moves.csv", "--as", "ann", "--title", "Pools", "--why", "a warm summer")
    run("submit", "c", "--as", "ann")
    run("approve", "c", "--as", "hal", "--hash", shown(run, "c")["hash"])
    assert shown(run, "c")["status"] == "closed"
    run("release", "p", "--as", "pam", "--amount", "FY1:pools=400", "--amount", "FY1:roads=1,000.00")
    assert shown(run, "p")["places"] == [["FY1", "pools", 40_000, 0, 0], ["FY1", "roads", 100_000, 0, 0]]
    assert shown(run, "p")["total"] == 170_000
    assert "are part" not in run("audit", "verify")


def test_what_is_wrong_with_a_table_is_said_with_its_row(run, tmp_path):
    (tmp_path / "bad.csv").write_text("period,line,unit,amount\nFY1,roads,works,much\nFY1,trees,works,1.234\n")
    told = run("draft", "p", "bad.csv", "--as", "ann", "--title", "x", code=2)
    assert "row 2" in told
    assert "row 3" in told
    (tmp_path / "bad.csv").write_text("period,line,amount\n")
    assert "'unit' is missing" in run("draft", "p", "bad.csv", "--as", "ann", "--title", "x", code=2)
    (tmp_path / "bad.csv").write_text("period,line,unit,amount,colour\n")
    assert "no column 'colour'" in run("draft", "p", "bad.csv", "--as", "ann", "--title", "x", code=2)
    (tmp_path / "bad.csv").write_text("period,line,unit,amount\nFY1,roads,nowhere,5\n")
    assert "no unit 'nowhere'" in run("draft", "p", "bad.csv", "--as", "ann", "--title", "x", code=2)
    assert "error" in run("draft", "p", "none.csv", "--as", "ann", "--title", "x", code=2)


def test_what_has_not_lapsed_does_not_expire(run):
    run("draft", "p", "items.csv", "--as", "ann", "--title", "Spring")
    assert "It expires never" in run("expire", "p", "--as", "ann", code=2)


def test_nobody_else_edits(run, tmp_path):
    run("draft", "p", "items.csv", "--as", "ann", "--title", "Spring")
    (tmp_path / "items.csv").write_text(ITEMS.replace("300", "400"))
    assert "Only ann" in run("edit", "p", "items.csv", "--as", "hal", code=2)
