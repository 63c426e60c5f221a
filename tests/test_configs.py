"""Every configuration is built (style 13), and the committed experiment table is what the code gives."""

from __future__ import annotations

import csv
import importlib.util
from pathlib import Path

import numpy as np
import pytest
import yaml

import fiscus
from fiscus.core.options import METHODS
from fiscus.env.single import AllocationEnv
from fiscus.errors import InvalidInput
from fiscus.integrate.configs import load_config
from fiscus.integrate.learning import config_at, run_of, tournament
from fiscus.integrate.public import baltimore_rounds
from fiscus.integrate.shipped import shipped_plan
from fiscus.integrate.suite import bench
from fiscus.learn.foresight import foresight
from fiscus.learn.play import paths, play

ROOT = Path(__file__).parent.parent
CONFIGS = ROOT / "configs"
EXPERIMENT = ROOT / "experiments" / "00_what_do_methods_cost"


def files(group):
    return sorted(path.stem for path in (CONFIGS / group).glob("*.yaml"))


def test_no_file_is_left_out():
    assert {path.relative_to(CONFIGS).parts[0] for path in CONFIGS.rglob("*.yaml")} == {
        "problem",
        "solve",
        "env",
        "experiment",
        "train",
        "tournament",
        "authority",  # Each is built in tests/workflow/authority.
    }


@pytest.mark.parametrize("name", files("problem/bench"))
def test_every_registered_problem_is_built_and_played(name):
    played = bench(load_config(CONFIGS, f"problem/bench/{name}"))
    seeds = paths(0, 2)
    value = play(played.game, played.guide.policy(played.game), seeds).value
    assert (value <= foresight(played.game, seeds) * (1 + 1e-6)).all()


def test_there_are_nine_registered_problems():
    assert len(files("problem/bench")) == 9


@pytest.mark.parametrize("name", files("train"))
def test_every_training_run_is_built_and_begun(name):
    small = ["setup.episodes=4", "setup.rounds=1", "judging.paths=4", "judging.every=1"]
    run = run_of(config_at(CONFIGS / "train" / name, small))
    assert len(run.play().history) == 2


@pytest.mark.parametrize("name", files("tournament"))
def test_every_tournament_is_played(name):
    judged = tournament(config_at(CONFIGS / "tournament" / name, ["paths=3", "policies=[MPC]"]))
    assert judged.tournament.verdict()


@pytest.mark.parametrize("name", files("problem"))
def test_every_problem_is_read(name):
    problem, findings = fiscus.read_plan(shipped_plan(load_config(CONFIGS, f"problem/{name}")["plan"]))
    assert problem is not None
    assert findings == []


@pytest.mark.parametrize("name", files("solve"))
def test_every_solve_configuration_solves(name):
    problem = fiscus.Problem.from_frames(lines={"id": ["a"], "ask": [5]}, budget=3)
    assert fiscus.solve(problem, **load_config(CONFIGS, f"solve/{name}")).value == pytest.approx(3)


@pytest.mark.parametrize("name", files("env"))
def test_every_environment_is_built_and_stepped_once(name):
    config = load_config(CONFIGS, f"env/{name}")
    problem, process = baltimore_rounds(config.pop("rounds"))
    env = AllocationEnv(problem, process, **config)
    env.reset(seed=0)
    assert np.isfinite(env.step(env.action_space.sample())[1])


@pytest.mark.parametrize("name", files("experiment"))
def test_every_experiment_composes(name):
    config = load_config(CONFIGS, f"experiment/{name}")
    assert set(config["methods"]) <= set(METHODS)
    assert set(config["solve"]) == set(yaml.safe_load((CONFIGS / "solve" / "exact.yaml").read_text()))


def test_an_unknown_key_or_file_is_an_error():
    with pytest.raises(InvalidInput, match="cannot be composed"):
        load_config(CONFIGS, "experiment/nothing")
    with pytest.raises(InvalidInput, match="cannot be composed"):
        load_config(CONFIGS, "solve/exact", ["solve.speed=9"])


def test_the_committed_table_is_what_the_experiment_gives():
    spec = importlib.util.spec_from_file_location("methods_experiment", EXPERIMENT / "run.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    with (EXPERIMENT / "table.csv").open(newline="") as file:
        committed = [row for row in csv.DictReader(file) if row["plan"] == "baltimore-go-fy2024"]
    again = module.rows("baltimore_go_fy2024")
    assert [row["method"] for row in again] == [row["method"] for row in committed]
    for row, known in zip(again, committed, strict=True):
        assert float(row["share_of_bound"]) == pytest.approx(float(known["share_of_bound"]), abs=2e-4)
