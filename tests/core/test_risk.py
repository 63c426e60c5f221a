"""Risk measures against exact fractions, a grid of thresholds and what every coherent measure obeys.

Continuous draws are in ``test_tree.py`` and ``test_referee.py``; here losses tie, levels fall on atoms and some
scenarios are impossible.
"""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from fiscus.core.risk import Measure, cvar, value_at_risk
from fiscus.errors import InvalidInput

# (loss, weight) of each scenario, and levels: small whole numbers make ties, zeros and levels on atoms common.
atoms = st.lists(st.tuples(st.integers(-6, 6), st.integers(0, 5)), min_size=1, max_size=9).filter(
    lambda drawn: sum(weight for _, weight in drawn) > 0
)
levels = st.integers(1, 59).map(lambda numerator: Fraction(numerator, 60))
# Quarters add and scale exactly, so no property fails by a rounding.
quarters = st.lists(st.integers(-400, 400).map(lambda count: count / 4), min_size=8, max_size=8).map(np.array)


def arrays(drawn):
    loss, weight = np.array(drawn, dtype=np.float64).T
    return loss, weight / weight.sum()


def exact_quantile(drawn, level):
    total, below = sum(weight for _, weight in drawn), 0
    for loss, weight in sorted(drawn):
        below += weight
        if Fraction(below, total) >= level:
            return loss
    raise AssertionError("the weights of all scenarios reach every level below 1")


def exact_tail_mean(drawn, level):
    total, left, taken = sum(weight for _, weight in drawn), 1 - level, Fraction(0)
    for loss, weight in sorted(drawn, reverse=True):
        part = min(left, Fraction(weight, total))
        taken += part * loss
        left -= part
    return taken / (1 - level)


@given(atoms, levels)
@example([(1, 1), (2, 1), (3, 1)], Fraction(1, 3))
@example([(1, 1), (2, 1), (3, 1)], Fraction(2, 3))
@example([(5, 0), (1, 1), (-2, 0)], Fraction(1, 60))
def test_value_at_risk_is_the_exact_quantile(drawn, level):
    assert value_at_risk(*arrays(drawn), float(level)) == exact_quantile(drawn, level)


@given(atoms, levels)
@example([(1, 1), (1, 1), (1, 1)], Fraction(1, 2))
@example([(0, 19), (6, 1)], Fraction(9, 10))
def test_cvar_is_the_exact_mean_of_the_worst_part(drawn, level):
    assert cvar(*arrays(drawn), float(level)) == pytest.approx(float(exact_tail_mean(drawn, level)), rel=1e-9, abs=1e-9)


@given(atoms, levels)
def test_no_threshold_beats_the_value_at_risk(drawn, level):
    (loss, probability), level = arrays(drawn), float(level)
    steps = 24 * int(np.ptp(loss) + 4)  # Every whole number, so every corner of the bowl, is on the grid.
    thresholds = np.linspace(loss.min() - 2.0, loss.max() + 2.0, steps + 1)
    excess = np.maximum(loss - thresholds[:, None], 0.0) @ probability
    bowl = thresholds + excess / (1.0 - level)
    assert cvar(loss, probability, level) == pytest.approx(bowl.min(), rel=1e-9, abs=1e-9)


def test_a_hand_computed_distribution():
    loss, probability = np.array([100.0, -20.0, 10.0, 40.0]), np.array([0.04, 0.5, 0.3, 0.16])
    assert value_at_risk(loss, probability, 0.9) == 40.0
    assert cvar(loss, probability, 0.9) == pytest.approx((0.04 * 100 + 0.06 * 40) / 0.1)
    assert value_at_risk(loss, probability, 0.5) == -20.0
    assert cvar(loss, probability, 0.97) == pytest.approx(100.0)


@pytest.mark.parametrize("text", ["cvar:0.8", "chance:0.8", "worst"])
def test_leading_axes_are_measured_one_by_one(text):
    rng = np.random.default_rng(5)
    loss, probability = rng.normal(size=(3, 2, 7)), rng.dirichlet(np.ones(7))
    measure = Measure.parse(text)
    together = measure.of_loss(loss, probability)
    assert together.shape == (3, 2)
    for row in np.ndindex(3, 2):
        assert together[row] == pytest.approx(float(measure.of_loss(loss[row], probability)), rel=1e-14)


@pytest.mark.parametrize("text", ["cvar:0.75", "chance:0.75", "worst"])
def test_a_certain_loss_is_its_own_risk(text):
    assert Measure.parse(text).of_loss(np.array([3.5]), np.ones(1)) == 3.5
    assert Measure.parse(text).of_loss(np.full(6, -2.0), np.full(6, 1 / 6)) == pytest.approx(-2.0)


@pytest.mark.parametrize(
    ("text", "value"), [("cvar:0.5", 2.0), ("chance:0.5", 1.0), ("chance:0.75", 2.0), ("worst", 2.0)]
)
def test_impossible_scenarios_count_for_nothing(text, value):
    loss, probability = np.array([9.0, 1.0, 2.0, -9.0]), np.array([0.0, 0.5, 0.5, 0.0])
    assert Measure.parse(text).of_loss(loss, probability) == pytest.approx(value)


@given(quarters, st.permutations(range(8)), levels)
def test_the_order_of_scenarios_does_not_matter(loss, order, level):
    probability = np.arange(1.0, 9.0) / 36.0
    for measure in (Measure("cvar", float(level)), Measure("chance", float(level)), Measure("worst", 1.0)):
        shuffled = measure.of_loss(loss[order], probability[order])
        assert shuffled == pytest.approx(float(measure.of_loss(loss, probability)), rel=1e-9, abs=1e-9)


@given(quarters, quarters, levels, st.integers(-9, 9), st.integers(1, 9))
def test_cvar_and_worst_case_are_coherent(loss, other, level, shift, scale):
    probability = np.arange(1.0, 9.0) / 36.0
    for measure in (Measure("cvar", float(level)), Measure("worst", 1.0)):
        risk, near = measure.of_loss(loss, probability), 1e-9 * (1 + np.abs(loss).max() + np.abs(other).max()) * scale
        assert abs(measure.of_loss(loss + shift, probability) - (risk + shift)) <= near
        assert abs(measure.of_loss(scale * loss, probability) - scale * risk) <= near
        assert measure.of_loss(loss + np.abs(other), probability) >= risk - near
        assert measure.of_loss(loss + other, probability) <= risk + measure.of_loss(other, probability) + near


@given(atoms, levels, levels)
def test_risks_stand_in_order(drawn, first, second):
    (loss, probability), low, high = arrays(drawn), float(min(first, second)), float(max(first, second))
    worst = float(Measure("worst", 1.0).of_loss(loss, probability))
    tail, dust = float(cvar(loss, probability, high)), 1e-9
    assert loss @ probability - dust <= cvar(loss, probability, low) <= tail + dust <= worst + 2 * dust
    assert value_at_risk(loss, probability, low) <= value_at_risk(loss, probability, high) <= tail + dust


@pytest.mark.parametrize(
    ("text", "kind", "level"),
    [
        ("cvar:0.95", "cvar", 0.95),
        (" chance : 9e-1 ", "chance", 0.9),
        ("cvar:+.5", "cvar", 0.5),
        ("cvar:0.9999999", "cvar", 0.9999999),
        (" worst\n", "worst", 1.0),
    ],
)
def test_a_measure_is_read(text, kind, level):
    assert Measure.parse(text) == Measure(kind, level)


@pytest.mark.parametrize(
    "text", ["CVaR:0.9", "cvar:90%", "cvar:0,9", "cvar 0.9", "worst:1", "cvar:0.9 chance:0.9", "worst worst"]
)
def test_what_is_no_measure_gets_the_spelling(text):
    with pytest.raises(InvalidInput, match=r"cvar:LEVEL, chance:LEVEL or worst.*got"):
        Measure.parse(text)


@pytest.mark.parametrize("kind", ["cvar", "chance"])
@pytest.mark.parametrize("level", ["0", "1", "1.5", "-0.1", "95", "1e999", "1e-999", "--1", "0.9.5", "e"])
def test_a_level_that_is_no_probability_is_named(kind, level):
    with pytest.raises(InvalidInput, match=f"level of {kind} is a probability between 0 and 1, got {level}"):
        Measure.parse(f"{kind}:{level}")


@given(st.sampled_from(["cvar", "chance"]), st.floats(0, 1, exclude_min=True, exclude_max=True))
@example("cvar", 0.9999999)
@example("chance", 5e-324)
def test_every_measure_reads_back_unchanged(kind, level):
    assert Measure.parse(str(Measure(kind, level))) == Measure(kind, level)
