"""A database with people, a matrix and a budget, and commands on it."""

from __future__ import annotations

import json
import shutil
import sqlite3
from contextlib import closing

import pytest
from typer.testing import CliRunner

from fiscus.cli import app

CLI = CliRunner()
ITEMS = "period,line,unit,amount,prior\nFY1,roads,works,1200.50,1000\nFY1,trees,works,300,\n"


def typing(*words, code=0, answers=None):
    """What a command prints, in one line."""
    result = CLI.invoke(app, [str(word) for word in words], input=answers)
    assert result.exit_code == code, result.output
    assert result.exception is None or isinstance(result.exception, SystemExit)
    return " ".join(result.output.split())


@pytest.fixture
def typed(tmp_path, monkeypatch):
    """A command typed in an empty folder: what it printed, in one line."""
    monkeypatch.chdir(tmp_path)
    for name in ("FISCUS_DATABASE_URL", "FISCUS_PASSWORD"):
        monkeypatch.delenv(name, raising=False)
    return typing


@pytest.fixture(scope="session")
def prepared(tmp_path_factory):
    """A folder with a database with people, a matrix and a budget, made by commands once."""
    folder = tmp_path_factory.mktemp("prepared")
    (folder / "matrix.yaml").write_text(
        "name: m\ncurrency: USD\nabout: One.\nrolling_days: 0\n"
        "roles: {head: {title: Head}, payer: {title: Payer}, checker: {title: Checker}}\n"
        "rules: [{id: all, path: [{stage: head, role: head}], release: payer, reconcile: checker}]\n"
    )
    (folder / "items.csv").write_text(ITEMS)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for name in ("FISCUS_DATABASE_URL", "FISCUS_PASSWORD"):
            patch.delenv(name, raising=False)
        typing("people", "add", "root", "--as", "root")
        for person in ("ann", "hal", "pam", "cal", "bud"):
            typing("people", "add", person, "--as", "root")
        typing("people", "unit", "city", "--as", "root")
        typing("people", "unit", "works", "--parent", "city", "--as", "root")
        typing("policy", "adopt", "matrix.yaml", "--as", "root")
        for person, role in (("hal", "head"), ("pam", "payer"), ("cal", "checker"), ("bud", "budget")):
            typing("people", "grant", person, role, "--as", "root")
        typing("funds", "set", "city", "FY1", "--amount", "5000", "--as", "bud")
    return folder


@pytest.fixture
def run(typed, prepared, tmp_path):
    """Commands on a database of one's own with people, a matrix and a budget."""
    for name in ("matrix.yaml", "items.csv"):
        shutil.copy(prepared / name, tmp_path)
    with (
        closing(sqlite3.connect(prepared / "fiscus.db")) as made,
        closing(sqlite3.connect(tmp_path / "fiscus.db")) as mine,
    ):
        made.backup(mine)
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
