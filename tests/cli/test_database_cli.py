"""``--db``, of every command that takes it: what is no database is told in a sentence, and reading begins none."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime, timedelta

import pytest
import typer.main
from typer.testing import CliRunner

from fiscus.cli import app

SOON = (datetime.now(UTC) + timedelta(days=30)).strftime("%Y-%m-%d")
SIGNED = ("--as", "ann", "--hash", "0" * 64)
WHY = ("--as", "ann", "--why", "x")
ANN = ("--as", "ann")

READING = {
    "inbox": ANN,
    "show": ("p",),
    "people list": (),
    "policy show": (),
    "policy replay": ("matrix.yaml",),
    "round template": ("r", "asks.csv"),
    "round export": ("r", "plan", "asked"),
    "round show": ("r",),
    "funds show": (),
    "audit verify": (),
    "audit checkpoint": (),
    "audit export": ("log.jsonl",),
    "audit show": (),
    "notify list": (),
    "notify send": (),
    "notify retry": (),
    "notify webhook list": (),
    "notify webhook remove": ("w",),
}
CHANGING = {  # What is there; they begin nothing either.
    "edit": ("p", "items.csv", *ANN),
    "reallocate": ("q", "p", "items.csv", *WHY, "--title", "x"),
    "people units": ("plan", *ANN),
    "people password": ANN,
    "people token": ("ann", *ANN),
    "round answer": ("r", "city", *ANN),
    "round target": ("r", "city", "FY1", "1", *ANN),
    "round propose": ("r", "p", *ANN),
    "propose": ("run", *ANN),
    "draft": ("p", "items.csv", *ANN, "--title", "x"),
    "submit": ("p", *ANN),
    "approve": ("p", *SIGNED),
    "return": ("p", *WHY),
    "reject": ("p", *WHY),
    "recall": ("p", *WHY),
    "escalate": ("p", "head", *ANN),
    "break-glass": ("p", *SIGNED, "--why", "x"),
    "hold": ("p", *WHY),
    "resume": ("p", *WHY),
    "release": ("p", *ANN),
    "commit": ("p", *ANN, "--reference", "1"),
    "reverse": ("p", "1", *WHY),
    "reconcile": ("p", *ANN, "--reference", "1"),
    "close": ("p", *ANN),
    "expire": ("p", *ANN),
    "comment": ("p", "a word", *ANN),
    "delegate": ("hal", *ANN, "--until", SOON),
    "people grant": ("hal", "head", *ANN),
    "people revoke": ("hal", "head", *ANN),
    "people deactivate": ("hal", *ANN),
    "people unit": ("city", *ANN),
    "people owner": ("city", "hal", *ANN),
    "people move": ("works", "city", *ANN),
    "people key": ("ann.key", *ANN),
    "policy adopt": ("matrix.yaml", *ANN),
    "round plan": ("r", *ANN, "--fund", "FY1:general=1", "--unit", "city", "--deadline", SOON),
    "round open": ("r", *ANN),
    "round extend": ("r", *ANN, "--deadline", SOON),
    "round freeze": ("r", *WHY),
    "round reopen": ("r", *WHY),
    "round record": ("r", "run", *ANN),
    "round close": ("r", *ANN),
    "round cancel": ("r", *WHY),
    "funds set": ("city", "FY1", "--amount", "1", *ANN),
    "funds cash": ("FY1", "--amount", "1", *ANN),
    "actuals import": ("spent.csv", *ANN),
}
BEGINNING = {
    "people add": ("ann", *ANN),
    "notify run": (),
    "notify webhook add": ("w", "https://example.org"),
    "serve": (),
}
WORDS = READING | CHANGING | BEGINNING


def with_database(command, path=""):
    """Names of all commands below one that take ``--db``."""
    for name, below in getattr(command, "commands", {}).items():
        yield from with_database(below, f"{path} {name}".strip())
    if any("--db" in parameter.opts for parameter in command.params):
        yield path


@pytest.fixture(scope="module")
def solved(tmp_path_factory):
    """A plan and its run."""
    folder = tmp_path_factory.mktemp("solved")
    for words in (("init", "plan"), ("solve", "plan", "--out", "run")):
        done = CliRunner().invoke(app, [str(folder / word) if word in ("plan", "run") else word for word in words])
        assert done.exit_code == 0, done.output
    return folder


@pytest.fixture
def files(typed, prepared, solved, tmp_path):
    """A folder with all that commands read besides the database."""
    for name in ("matrix.yaml", "items.csv"):
        shutil.copy(prepared / name, tmp_path)
    for name in ("plan", "run"):
        shutil.copytree(solved / name, tmp_path / name)
    (tmp_path / "spent.csv").write_text("proposal,period,line,amount,reference\np,FY1,roads,1,x\n")
    return typed


def test_every_command_with_a_database_is_tried_here():
    assert set(with_database(typer.main.get_command(app))) == WORDS.keys()


@pytest.mark.parametrize("command", WORDS)
def test_what_is_no_database_is_told_in_a_sentence(files, command):
    words = (*command.split(), *WORDS[command])
    for database, sentence in (
        ("mysql://x", "mysql is not supported: use sqlite or postgresql"),
        ("/nonexistent/x.db", "the folder /nonexistent of the database does not exist"),
        ("matrix.yaml", "file is not a database"),
    ):
        told = files(*words, "--db", database, code=2)
        assert told.startswith("error: ")
        assert sentence in told


@pytest.mark.parametrize("command", READING | CHANGING)
def test_what_begins_no_database_asks_for_one(files, tmp_path, command):
    words = (*command.split(), *WORDS[command])
    before = {path.name for path in tmp_path.iterdir()}
    for database in ((), ("--db", "nothere.db")):
        told = files(*words, *database, code=2)
        name = database[-1] if database else "fiscus.db"
        assert f"there is no database {name}: fiscus people add NAME --as NAME begins one" in told
    assert {path.name for path in tmp_path.iterdir()} == before
    (tmp_path / "empty.db").touch()
    told = files(*words, "--db", "empty.db", code=2)
    assert "the database empty.db holds nothing of Fiscus: fiscus people add NAME --as NAME begins one" in told


def test_the_first_person_begins_a_database(typed):
    typed("people", "add", "root", "--as", "root", "--db", "new.db")
    assert "root" in typed("people", "list", "--db", "new.db")
    typed("notify", "webhook", "add", "w", "https://example.org/hook", "--db", "other.db")
    assert "error" not in typed("audit", "verify", "--db", "other.db")
