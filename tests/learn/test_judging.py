"""Statistics against closed forms and SciPy, and verdicts that say no more than the paths do."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from fiscus.errors import InvalidInput
from fiscus.learn.evaluate import (
    Entry,
    Tournament,
    interquartile_mean,
    interval,
    profile,
    stratified_interval,
)


def held(count=400, runs=1, lift=0.0, noise=1.0, seed=0):
    """A reference, and a policy that is better by ``lift`` on average, on shared paths."""
    rng = np.random.default_rng(seed)
    world = rng.normal(100, 20, count)
    reference = world - 5
    other = reference + lift + noise * rng.standard_normal((runs, count)) + rng.normal(0, 0.01, (runs, 1))
    entries = (Entry("MPC", reference[None], 1e-5), Entry("learned", other, 2e-5))
    return Tournament(entries, world)


def test_an_interval_is_students():
    values = np.array([1.0, 2.0, 4.0, 9.0])
    mean, low, high = interval(values)
    assert (low, high) == pytest.approx(stats.t.interval(0.95, 3, loc=4.0, scale=stats.sem(values)))
    assert mean == 4.0
    with pytest.raises(InvalidInput):
        interval(values[:1])


def test_intervals_cover_as_often_as_they_say():
    rng = np.random.default_rng(0)
    inside = [low <= 0.0 <= high for _, low, high in (interval(rng.standard_normal(8)) for _ in range(2_000))]
    assert 0.935 <= np.mean(inside) <= 0.965


def test_the_interquartile_mean_leaves_a_quarter_at_each_end():
    assert interquartile_mean(np.array([-100.0, 1, 2, 3, 4, 5, 6, 1000])) == pytest.approx(3.5)


def test_runs_are_drawn_again_within_their_problem():
    one, two = np.array([1.0, 2, 3, 4]), np.array([11.0, 12, 13, 14])
    mean, low, high = stratified_interval([one, two], seed=1)
    assert low <= mean <= high
    # Were runs drawn across problems, means could leave the middle by far.
    assert high - low < 3.0
    constant = stratified_interval([np.full(5, 2.0)])
    assert constant == (2.0, 2.0, 2.0)
    with pytest.raises(InvalidInput):
        stratified_interval([np.array([])])


def test_a_profile_is_the_part_above():
    assert profile([np.array([1.0, 3.0]), np.array([2.0, 2.0])], np.array([0.0, 1.5, 2.5])) == pytest.approx(
        [1.0, 0.75, 0.25]
    )


def test_standings_are_what_they_are_called():
    made = held(lift=2.0)
    learned = next(each for each in made.standings() if each.name == "learned")
    first, reference, best = made.by_name["learned"].values[0], made.by_name["MPC"].values[0], made.foresight
    assert learned.mean == pytest.approx(first.mean())
    assert learned.error == pytest.approx(stats.sem(first))
    assert learned.difference == pytest.approx((first - reference).mean() / reference.mean())
    assert learned.worse == pytest.approx((first < reference).mean())
    assert learned.cvar == pytest.approx(np.sort(first)[:20].mean())
    assert learned.closed == pytest.approx((first - reference).mean() / (best - reference).mean())
    assert learned.regret == pytest.approx(1 - first.mean() / best.mean())
    assert made.information == pytest.approx(5.0)


def test_pairing_finds_what_means_alone_would_not():
    made = held(lift=0.5)
    values = made.by_name["learned"].values[0]
    assert stats.ttest_ind(values, made.by_name["MPC"].values[0]).pvalue > 0.2
    assert made.difference("learned")[1] > 0
    assert made.verdict().startswith("learned wins")


def test_no_winner_is_called_inside_the_interval():
    called = [held(lift=0.0, seed=seed).verdict().startswith("No winner") for seed in range(200)]
    # A two-sided 95% interval of no difference leaves zero outside in about one case of twenty, half of these on either side.
    assert np.mean(called) >= 0.9
    assert "do not tell" in held(lift=0.0, seed=1).verdict()


def test_differences_of_trained_policies_are_judged_over_runs():
    """One lucky run among ten proves nothing, however many paths it is played on."""
    rng = np.random.default_rng(0)
    world = rng.normal(100, 1, 5_000)
    runs = world - 5 + np.where(np.arange(10) == 3, 4.0, 0.0)[:, None] + 0.01 * rng.standard_normal((10, 5_000))
    made = Tournament((Entry("MPC", (world - 5)[None]), Entry("lucky", runs)), world)
    assert made.difference("lucky")[1] < 0
    assert made.verdict().startswith("No winner")
    lucky = next(each for each in made.standings() if each.name == "lucky")
    assert lucky.interquartile is not None
    assert abs(lucky.interquartile[0]) < 1e-3  # The middle half does not have it.


def test_what_cannot_be_compared_is_refused():
    with pytest.raises(InvalidInput, match="does not play"):
        Tournament((Entry("a", np.zeros((1, 3))),), np.zeros(3))
    with pytest.raises(InvalidInput, match="same paths"):
        Tournament((Entry("MPC", np.zeros((1, 2))),), np.zeros(3))
    with pytest.raises(InvalidInput, match="one name"):
        Tournament((Entry("MPC", np.zeros((1, 3))), Entry("MPC", np.zeros((1, 3)))), np.zeros(3))
