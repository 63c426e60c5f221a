"""Every authority matrix that is shipped is read, and says what it is meant to."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
import yaml

from fiscus.workflow.authority.conditions import ELSEWHERE, ORIGINS
from fiscus.workflow.authority.grid import grid
from fiscus.workflow.authority.matrix import Matrix
from fiscus.workflow.authority.reading import read_matrix
from fiscus.workflow.authority.routing import Facts, explain, route

FOLDER = Path(__file__).parents[3] / "configs" / "authority"
FILES = sorted(FOLDER.rglob("*.yaml"))


def matrix(name):
    return read_matrix(FOLDER / f"{name}.yaml")


def test_there_are_three():
    assert [path.stem for path in FILES] == ["baltimore", "company", "simple"]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_matrix_is_read_and_routes(path):
    read = read_matrix(path)
    assert read.name == path.stem
    assert Matrix.from_json(read.to_json()) == read
    assert len(grid(read).rows) == len(read.rules)
    taken = set()
    amounts, changes = (0, 4_999_999, 5_000_000, 49_999_999, 50_000_000, 8_000_000_000), (None, -1.0, 0.0999, 0.1, 5.0)
    for facts in itertools.starmap(
        Facts, itertools.product(amounts, changes, [ELSEWHERE, *read.units], read.risk_bands or [""], ORIGINS)
    ):
        taken.add(route(read, facts, {}).rule)
        assert explain(read, facts, {}).endswith(".")
    assert taken == {rule.id for rule in read.rules}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_role_is_used_or_an_author(path):
    read = read_matrix(path)
    used = {role for rule in read.rules for stage in rule.stages for role in (stage.role, stage.escalate)}
    used |= {role for rule in read.rules for role in (rule.release, rule.reconcile)} | {read.duties.emergency}
    authors = set(read.roles) - used
    assert authors <= {role for pair in read.duties.exclusive for role in pair}


def test_baltimore_passes_its_four_real_stages():
    path = route(matrix("baltimore"), Facts(8_000_000_000, 0.0, "city", "", "optimiser"), {"city": ""})
    assert [[(stage.role, stage.need, stage.of) for stage in step] for step in path.steps] == [
        [("planning_commission", 5, 9)],
        [("board_of_finance", 3, 5)],
        [("board_of_estimates", 3, 5)],
        [("city_council", 8, 15)],
    ]
    assert (path.release_role, path.reconcile_role) == ("director_of_finance", "city_auditor")


def test_quorums_of_boards_are_majorities():
    for read in (matrix("baltimore"), matrix("company")):
        for stage in (stage for rule in read.rules for stage in rule.stages if stage.of > 1):
            assert stage.need == stage.of // 2 + 1


def test_a_companys_learned_policy_needs_one_signature_more():
    read = matrix("company")
    for amount, change, risk in itertools.product((1, 5_000_000, 50_000_000), (None, 0.0, 0.1), read.risk_bands):
        by_hand, learned = (
            {stage for step in route(read, Facts(amount, change, "x", risk, origin), {}).steps for stage in step}
            for origin in ("manual", "learned")
        )
        (more,) = learned - by_hand
        assert by_hand < learned
        assert more.role == "model_owner"
        assert more.signature


def test_more_money_never_needs_fewer_people_in_a_company():
    read = matrix("company")
    for change, risk, origin in itertools.product((None, 0.0, 0.1), read.risk_bands, ORIGINS):
        stages = [
            {stage.name for step in route(read, Facts(amount, change, "x", risk, origin), {}).steps for stage in step}
            for amount in (0, 5_000_000, 50_000_000)
        ]
        assert stages[0] <= stages[1] <= stages[2]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_matrix_without_one_of_its_rules_is_refused(path, tmp_path):
    whole = yaml.safe_load(path.read_text())
    for rule in whole["rules"]:
        (tmp_path / "cut.yaml").write_text(
            yaml.safe_dump(whole | {"rules": [each for each in whole["rules"] if each != rule]})
        )
        with pytest.raises(ValueError, match="there is a gap"):
            read_matrix(tmp_path / "cut.yaml")
