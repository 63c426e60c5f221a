"""Baltimore's recommendation from a saved run through all four stages to its release, on every store."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from typer.testing import CliRunner

from fiscus.cli import app
from fiscus.errors import Refused
from fiscus.integrate.decision import PROPOSAL, decide_baltimore
from fiscus.integrate.main_job import run_main_job
from fiscus.workflow.audit.export import verify_lines, write_export
from fiscus.workflow.store.memory import MemoryStore

AT = datetime(2026, 11, 23, 12, tzinfo=UTC)
CLI = CliRunner()


@pytest.fixture(scope="module")
def job(tmp_path_factory):
    """Runs of Baltimore's plan."""
    folder = tmp_path_factory.mktemp("job")
    run_main_job(folder)
    return folder


@pytest.fixture(scope="module")
def in_memory(job):
    """The chain on the store that is the contract and nothing else."""
    store = MemoryStore()
    return store, decide_baltimore(store, job / "optimise", AT)


def test_every_store_writes_the_same_log(store, job, in_memory):
    decided = decide_baltimore(store, job / "optimise", AT)
    assert (decided.size, decided.root) == (in_memory[1].size, in_memory[1].root)
    with store.read() as reader, in_memory[0].read() as other:
        assert [event.body for event in reader.events()] == [event.body for event in other.events()]
        assert reader.balances() == other.balances()


def test_the_stages_are_the_citys_and_each_panel_signed(in_memory):
    view = in_memory[1].view
    assert [stage.name for step in view.proposal.path for stage in step] == [
        "planning",
        "finance",
        "estimates",
        "ordinance",
    ]
    for stage in view.proposal.stages:
        assert len(view.proposal.given(stage.name)) == stage.need
    assert view.proposal.status == "released"
    assert len({approval.person for approval in view.proposal.approvals}) == len(view.proposal.approvals)


def test_the_money_is_all_released_and_adds_up(in_memory):
    with in_memory[0].read() as reader:
        balances = reader.balances()
    assert sum(balances.values()) == 0
    assert {account.bucket: amount for account, amount in balances.items() if amount} == {
        "appropriated": -8_000_000_000,
        "released": 8_000_000_000,
    }


def test_it_happens_once(job, in_memory):
    with pytest.raises(Refused):
        decide_baltimore(in_memory[0], job / "optimise", AT)


def test_its_export_verifies_alone(in_memory, tmp_path):
    with in_memory[0].read() as reader, (tmp_path / "log").open("wb") as file:
        count = write_export(reader, file, "2026-11-24T00:00:00.000000Z")
    with (tmp_path / "log").open("rb") as file:
        assert verify_lines(file).size == count == in_memory[1].size


def test_the_command_line_works_on_postgres(postgres_url, job, monkeypatch, tmp_path):
    monkeypatch.setenv("FISCUS_DATABASE_URL", postgres_url)
    monkeypatch.chdir(tmp_path)
    for words in (
        ["people", "add", "root", "--as", "root"],
        ["people", "unit", "city", "--as", "root"],
        ["audit", "verify"],
    ):
        result = CLI.invoke(app, words)
        assert result.exit_code == 0, result.output
    result = CLI.invoke(app, ["show", PROPOSAL])
    assert result.exit_code == 2
    assert "no proposal" in result.output
    assert list(tmp_path.iterdir()) == []
