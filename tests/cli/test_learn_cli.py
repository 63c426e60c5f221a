"""``fiscus train``, ``tune`` and ``tournament``, as a person types them."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import pytest
from typer.testing import CliRunner

from fiscus.cli import app
from fiscus.learn.learned import load_policy

CONFIGS = Path(__file__).parent.parent.parent / "configs"
SMALL = ["setup.rounds=2", "setup.episodes=8", "judging.every=1", "judging.paths=30"]
POT = "problem.pot={lines: 2, periods: 3, seed: 1, money: 90, knee: 20, cap: 90}"
LOST = [POT, "paths=5", "policies=[MPC]", "learned={a: nowhere}"]


def typed(*words):
    return CliRunner().invoke(app, [str(word) for word in words])


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "pot"
    done = typed(
        "train",
        CONFIGS / "train" / "one_pot.yaml",
        *SMALL,
        POT,
        "--out",
        folder,
        "--guard",
        50,
        "--log",
        folder / "log",
    )
    assert done.exit_code == 0, done.output
    return folder, done.output


def test_training_says_what_came_of_it(trained):
    folder, output = trained
    assert "against guide" in output
    assert "MPC plays: " in output or "ppo scaled plays: " in output
    assert load_policy(folder).about["seed"] == 0
    assert "train/loss" in (folder / "log" / "progress.csv").read_text()
    assert load_policy(folder).about["problem"]["pot"]["lines"] == 2


def test_training_is_tracked_with_its_lineage(trained):
    folder, _ = trained
    with sqlite3.connect(folder.parent / "mlflow.db") as store:
        tags = dict(store.execute("select key, value from tags"))
        parameters = dict(store.execute("select key, value from params"))
        values = store.execute("select count(*) from metrics where key = 'against'").fetchone()[0]
        status = store.execute("select status from runs").fetchall()
    assert tags["problem_digest"] == load_policy(folder).problem
    assert {"process", "fiscus", "seed"} <= set(tags)
    assert parameters["setup.episodes"] == "8"
    assert values == 3
    assert status == [("FINISHED",)]


def test_the_same_command_has_nothing_left_to_do(trained):
    folder, _ = trained
    before = (folder / "weights.safetensors").read_bytes()
    done = typed(
        "train",
        CONFIGS / "train" / "one_pot.yaml",
        *SMALL,
        POT,
        "--out",
        folder,
        "--guard",
        0,
        "--track",
        "off",
        "--json",
    )
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert told["frames"] == 2 * 8 * 3
    assert (folder / "weights.safetensors").read_bytes() == before


def test_a_tournament_has_a_table_pictures_and_a_verdict(trained, tmp_path):
    folder, _ = trained
    words = [POT, "paths=60", "policies=[pro rata, MPC]", f"learned={{agent: {folder}}}"]
    done = typed("tournament", CONFIGS / "tournament" / "one_pot.yaml", *words, "--out", tmp_path)
    assert done.exit_code == 0, done.output
    assert "perfect foresight" in done.output
    document = json.loads((tmp_path / "tournament.json").read_text())
    assert {each["name"] for each in document["standings"]} == {"pro rata", "MPC", "agent"}
    assert document["verdict"] in done.output
    assert (tmp_path / "tournament.png").stat().st_size > 5_000
    assert (tmp_path / "table.csv").read_text().startswith("policy,runs,mean")


def test_off_sample_the_same_policies_face_another_process(tmp_path):
    both = []
    for name in ("one_pot", "shifted"):
        done = typed("tournament", CONFIGS / "tournament" / f"{name}.yaml", "paths=200", "policies=[MPC]", "--json")
        assert done.exit_code == 0, done.output
        both.append(json.loads(done.stdout)["foresight"])
    assert both[1] < both[0]


def test_a_search_orders_its_trials(tmp_path):
    words = [POT, *SMALL, "--vary", "setup.learning_rate=1e-4:1e-2:log", "--trials", 2, "--json"]
    done = typed("tune", CONFIGS / "train" / "one_pot.yaml", *words)
    assert done.exit_code == 0, done.output
    trials = json.loads(done.stdout)["trials"]
    assert len(trials) == 2
    assert trials[0]["against"] >= trials[1]["against"]
    assert 1e-4 <= trials[0]["settings"]["setup.learning_rate"] <= 1e-2


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["train", "nowhere.yaml"], "there is no configuration"),
        (["train", CONFIGS / "train" / "one_pot.yaml", "setup.rouns=3"], "rouns"),
        (["train", CONFIGS / "train" / "one_pot.yaml", "setup.algorithm=dqn"], "algorithm is one of"),
        (["train", CONFIGS / "train" / "one_pot.yaml", "agent.mode=sideways"], "mode is one of"),
        (["train", CONFIGS / "train" / "one_pot.yaml", "problem.process.kind=weather"], "process kind is"),
        (["train", CONFIGS / "train" / "one_pot.yaml", "=3"], "cannot be composed"),
        (["tournament", CONFIGS / "tournament" / "one_pot.yaml", "policies=[chance]"], "no policy is called 'chance'"),
        (["tournament", CONFIGS / "tournament" / "one_pot.yaml", "referee=me"], "no key 'referee'"),
        (["tournament", CONFIGS / "tournament" / "one_pot.yaml", "paths=0"], "at least one"),
        (["tournament", CONFIGS / "tournament" / "one_pot.yaml", *LOST], "cannot be read"),
        (["tune", CONFIGS / "train" / "one_pot.yaml", "--vary", "setup.spread=1:0"], "LOW below HIGH"),
        (["tune", CONFIGS / "train" / "one_pot.yaml", "--trials", "0"], "at least 1"),
    ],
)
def test_what_is_wrong_is_said_in_a_sentence(words, sentence, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = typed(*words)
    assert done.exit_code == 2, done.output
    assert sentence in " ".join(done.output.split())
    assert "Traceback" not in done.output
