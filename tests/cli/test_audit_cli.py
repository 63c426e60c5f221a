"""The log, from the command line: shown, exported, verified, and found out where it was changed."""

from __future__ import annotations

import shutil
import sqlite3

import pytest


def test_an_export_is_verified_without_a_database(approved, tmp_path):
    root = approved("audit", "checkpoint")
    assert root == approved("audit", "checkpoint")
    assert "wrote" in approved("audit", "export", "log.jsonl")
    shutil.move(tmp_path / "fiscus.db", tmp_path / "elsewhere.db")
    approved("audit", "verify", "log.jsonl", "--checkpoint", root)
    assert not (tmp_path / "fiscus.db").exists()
    size, _, digest = root.partition(":")
    other = f"{size}:{'0' * 64}"
    assert digest
    assert "error" in approved("audit", "verify", "log.jsonl", "--checkpoint", other, code=2)
    assert "write SIZE:ROOT" in approved("audit", "verify", "log.jsonl", "--checkpoint", "here", code=2)


def test_a_checkpoint_says_what_is_wrong_with_it(approved, told):
    size, root = len(told("audit", "show")), "0" * 64
    approved("audit", "export", "log.jsonl")
    noted = approved("audit", "checkpoint")
    assert "1 checkpoint noted elsewhere is part of this log." in approved(
        "audit", "verify", "log.jsonl", "--checkpoint", noted
    )
    assert "2 checkpoints are part of this log." in approved("audit", "verify", "--checkpoint", noted)
    for file in ((), ("log.jsonl",)):
        later = approved("audit", "verify", *file, "--checkpoint", f"{size + 1}:{root}", code=2)
        assert f"the checkpoint at {size + 1} events is later than the end of this log, which has {size}" in later
        assert "its past was changed" not in later
        other = approved("audit", "verify", *file, "--checkpoint", f"{size}:{root}", code=2)
        assert f"the checkpoint at {size} events is not one of this log: its past was changed" in other


def test_an_export_is_written_over_nothing(approved, tmp_path):
    (tmp_path / "log.jsonl").touch()  # As mktemp makes it; there is nothing to lose.
    approved("audit", "export", "log.jsonl")
    before = (tmp_path / "log.jsonl").read_bytes()
    approved("comment", "p", "a word", "--as", "ann")
    told = approved("audit", "export", "log.jsonl", code=2)
    assert "log.jsonl is there already, and nothing is written over it: name another file" in told
    assert (tmp_path / "log.jsonl").read_bytes() == before
    approved("audit", "export", "later.jsonl")
    approved("audit", "verify", "later.jsonl")


def test_a_changed_export_is_found(approved, tmp_path):
    approved("audit", "export", "log.jsonl")
    text = (tmp_path / "log.jsonl").read_text()
    (tmp_path / "log.jsonl").write_text(text.replace('"actor":"hal"', '"actor":"hol"', 1))
    assert "error" in approved("audit", "verify", "log.jsonl", code=2)
    (tmp_path / "log.jsonl").write_text(text.rsplit("\n", 3)[0])
    assert "error" in approved("audit", "verify", "log.jsonl", code=2)
    (tmp_path / "log.jsonl").write_text("")
    assert "error" in approved("audit", "verify", "log.jsonl", code=2)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE streams SET state = replace(state, 'approved', 'released') WHERE stream = 'proposal/p'",
        "UPDATE accounts SET balance = balance + 100 WHERE bucket = 'available'",
        "UPDATE contents SET body = replace(body, '120050', '120051')",
        "DELETE FROM streams WHERE stream = 'policy'",
    ],
)
def test_a_database_that_was_written_to_past_the_program_is_found(approved, tmp_path, statement):
    assert "error" not in approved("audit", "verify")
    connection = sqlite3.connect(tmp_path / "fiscus.db")
    connection.execute("PRAGMA foreign_keys = OFF")
    triggers = connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall()
    for (name,) in triggers:
        connection.execute(f"DROP TRIGGER {name}")
    assert connection.execute(statement).rowcount >= 1
    connection.commit()
    connection.close()
    assert "error" in approved("audit", "verify", code=2)


def test_what_happened_is_shown(approved, told):
    shown = approved("audit", "show", "p")
    assert "hal" in shown
    assert "Approved" in shown
    events = told("audit", "show")
    assert told("audit", "show", "--last", "2") == events[-2:]
    assert told("audit", "show", "--last", "1000") == events
    for last in ("0", "-3"):
        assert "--last" in approved("audit", "show", "--last", last, code=2)
    assert "no proposal 'q'" in approved("audit", "show", "q", code=2)


def test_reasons_that_people_gave_stand_beside_what_they_did(approved, shown):
    approved("hold", "p", "--as", "hal", "--why", "a [bold]")
    approved("comment", "p", "well said", "--as", "ann")
    said = approved("audit", "show", "p")
    assert said.split("Held")[1].split()[:2] == ["a", "[bold]"]
    assert said.split("Commented")[1].split()[:2] == ["well", "said"]
