"""Trees, periods and risk measures."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fiscus.core.periods import benefit_discount, period_positions, spend_discount
from fiscus.core.risk import Measure, cvar, value_at_risk
from fiscus.core.tree import Tree, tree_faults
from fiscus.errors import InvalidInput, InvalidPeriods, InvalidRate, InvalidTree


@pytest.mark.parametrize(
    ("ids", "parents", "position", "field", "part"),
    [
        (["a", "b", "b"], ["", "a", "a"], 2, "id", "second time"),
        (["a", ""], ["", "a"], 1, "id", "no id"),
        (["a", "b"], ["", ""], 1, "parent", "second root"),
        (["a", "b"], ["b", "a"], 0, "parent", "no unit has an empty parent"),
        (["a", "b"], ["", "c"], 1, "parent", "'c'"),
        (["r", "a", "b", "c"], ["", "c", "a", "b"], 1, "parent", "a > c > b > a"),
        (["r", "a"], ["", "a"], 1, "parent", "a > a"),
    ],
)
def test_each_fault_is_found_at_its_place(ids, parents, position, field, part):
    assert any(each[:2] == (position, field) and part in each[2] for each in tree_faults(ids, parents))
    with pytest.raises(InvalidTree):
        Tree.make(ids, parents)


def test_every_cycle_is_told_once():
    faults = tree_faults(["r", "a", "b", "x", "y"], ["", "b", "a", "y", "x"])
    assert [part for _, _, part in faults if "cycle" in part] == [
        "units form a cycle: a > b > a; one must name another parent",
        "units form a cycle: x > y > x; one must name another parent",
    ]


def test_a_cycle_is_told_at_its_first_unit():
    assert [place for place, _, part in tree_faults(["r", "t", "a", "b"], ["", "b", "b", "a"]) if "cycle" in part] == [
        2
    ]


@given(st.integers(0, 2**32 - 1))
def test_membership_depth_and_levels_against_a_walk(seed):
    rng = np.random.default_rng(seed)
    count = int(rng.integers(1, 12))
    order = rng.permutation(count)  # Children may stand before their parents.
    ids = [f"u{i}" for i in range(count)]
    parents = [""] * count
    for rank in range(1, count):
        parents[order[rank]] = ids[order[rng.integers(rank)]]
    tree = Tree.make(ids, parents)
    unit_of = rng.integers(0, count, 9)
    for line, unit in enumerate(unit_of):
        path, at = [], int(unit)
        while at >= 0:
            path.append(at)
            at = int(tree.parent[at])
        assert sorted(path) == np.flatnonzero(tree.membership(unit_of).toarray()[:, line]).tolist()
        assert len(path) - 1 == tree.depth[unit]
    assert sorted(np.concatenate(tree.levels).tolist()) == list(range(count))
    assert all((tree.depth[level] == rank).all() for rank, level in enumerate(tree.levels))


def test_discounting():
    assert spend_discount(0.1, 3) == pytest.approx([1, 1 / 1.1, 1 / 1.21])
    assert benefit_discount(0.1, 3) == pytest.approx([1 / 1.1, 1 / 1.21, 1 / 1.331])
    for rate in (-1.0, -2.0, np.nan, np.inf):
        with pytest.raises(InvalidRate):
            spend_discount(rate, 2)


def test_named_periods():
    assert period_positions(["a", "b", "c"], None).tolist() == [0, 1, 2]
    assert period_positions(["a", "b", "c"], ["c", "a"]).tolist() == [0, 2]
    with pytest.raises(InvalidPeriods, match="a, b"):
        period_positions(["a", "b"], ["z"])


@given(st.integers(0, 2**32 - 1), st.sampled_from([0.5, 0.8, 0.9, 0.95]))
def test_cvar_is_the_least_of_rockafellar_and_uryasevs_function(seed, level):
    rng = np.random.default_rng(seed)
    size = int(rng.integers(1, 12))
    loss, probability = rng.normal(0, 5, size), rng.dirichlet(np.ones(size))
    thresholds = loss  # The minimum of a convex piecewise-linear function lies at one of its corners.
    bowl = [z + np.maximum(loss - z, 0) @ probability / (1 - level) for z in thresholds]
    assert cvar(loss, probability, level) == pytest.approx(min(bowl), rel=1e-12, abs=1e-12)
    quantile = min(z for z in loss if probability[loss <= z].sum() >= level - 1e-12)
    assert value_at_risk(loss, probability, level) == quantile
    assert Measure("worst", 1.0).of_loss(loss, probability) == loss.max()


def test_cvar_of_equal_chances_is_the_mean_of_the_worst():
    loss = np.arange(20.0)
    assert cvar(loss, np.full(20, 0.05), 0.9) == pytest.approx(18.5)


@pytest.mark.parametrize(
    "text", ["cvar", "cvar:1", "cvar:0", "cvar:x", "chance:2", "var:0.9", "", "worst:0.9", "cvar:nan"]
)
def test_a_measure_that_is_none_is_refused(text):
    with pytest.raises(InvalidInput):
        Measure.parse(text)


@pytest.mark.parametrize("text", ["cvar:0.95", "chance:0.9", "worst"])
def test_measures_read_back(text):
    assert str(Measure.parse(f" {text} ")) == text
