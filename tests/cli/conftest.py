"""A database with people, a matrix and a budget, and commands on it."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from fiscus.cli import app

CLI = CliRunner()
ITEMS = "period,line,unit,amount,prior\nFY1,roads,works,1200.50,1000\nFY1,trees,works,300,\n"


@pytest.fixture
def typed(tmp_path, monkeypatch):
    """A command typed in an empty folder: what it printed, in one line."""
    monkeypatch.chdir(tmp_path)
    for name in ("FISCUS_DATABASE_URL", "FISCUS_PASSWORD"):
        monkeypatch.delenv(name, raising=False)

    def type_(*words, code=0, answers=None):
        result = CLI.invoke(app, [str(word) for word in words], input=answers)
        assert result.exit_code == code, result.output
        assert result.exception is None or isinstance(result.exception, SystemExit)
        return " ".join(result.output.split())

    return type_


@pytest.fixture
def run(typed, tmp_path):
    """Commands on a database with people, a matrix and a budget."""
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


@pytest.fixture
def told():
    """What a command prints with --json."""

    def ask(*words):
        result = CLI.invoke(app, [*words, "--json"])
        assert result.exit_code == 0, result.output
        return json.loads(result.output)

    return ask


@pytest.fixture
def shown(told):
    """A proposal as JSON."""
    return lambda name: told("show", name)


@pytest.fixture
def approved(run, shown):
    """A proposal ``p`` that was approved."""
    run("draft", "p", "items.csv", "--as", "ann", "--title", "Spring")
    run("submit", "p", "--as", "ann")
    run("approve", "p", "--as", "hal", "--hash", shown("p")["hash"])
    return run
