"""Processes against their closed-form moments, within five standard errors of a fixed seed."""

from __future__ import annotations

import numpy as np
import pytest

from fiscus.core.curves import Curves
from fiscus.core.process import (
    Constant,
    Jumps,
    LognormalAR1,
    ParameterPrior,
    Product,
    RegimeSwitching,
    Scenarios,
    ScenarioTable,
    scenarios,
)
from fiscus.errors import InvalidProcess

SIZE = 20_000
CHAIN = np.array([[0.9, 0.1], [0.3, 0.7]])
PROCESSES = {
    "constant": Constant(4, 3, [1.0, 2.0, 0.5]),
    "table": ScenarioTable(np.arange(24.0).reshape(2, 4, 3), np.array([0.25, 0.75])),
    "stationary": LognormalAR1(4, 3, 0.8, [0.1, 0.2, 0.3]),
    "started": LognormalAR1(4, 3, 0.8, 0.2, start=[0.5, -0.5, 0.0]),
    "regimes": RegimeSwitching(4, 3, CHAIN, np.array([1.2, 0.4]), volatility=0.1),
    "regimes from one": RegimeSwitching(
        4, 3, CHAIN, np.array([[1.2, 1, 1], [0.4, 1, 2]]), initial=np.array([1.0, 0.0])
    ),
    "lasting jumps": Jumps(4, 3, 0.2, 0.1, 0.3),
    "passing jumps": Jumps(4, 3, 0.2, -0.5, 0.3, persistent=False),
    "product": Product([Constant(4, 3, 2.0), Jumps(4, 3, 0.5, 0.2)]),
}


@pytest.mark.parametrize("name", PROCESSES)
def test_means(name):
    process = PROCESSES[name]
    draws = process.sample(np.random.default_rng(1), SIZE)
    assert draws.shape == (SIZE, 4, 3)
    assert (draws >= 0).all()
    error = draws.std(axis=0) / np.sqrt(SIZE)
    assert (np.abs(draws.mean(axis=0) - process.mean()) <= 5 * error + 1e-12).all()


@pytest.mark.parametrize("name", PROCESSES)
def test_the_same_seed_gives_the_same_bits(name):
    first, second, other = (PROCESSES[name].sample(np.random.default_rng(seed), 50) for seed in (3, 3, 4))
    assert first.tobytes() == second.tobytes()
    if name != "constant":
        assert first.tobytes() != other.tobytes()


def test_lognormal_variance_and_memory():
    process = LognormalAR1(6, 1, 0.7, 0.25)
    level = np.log(process.sample(np.random.default_rng(2), SIZE))[:, :, 0]
    variance = 0.25**2 / (1 - 0.7**2)
    assert level.var(axis=0) == pytest.approx([variance] * 6, rel=0.05)
    for lag in (1, 2, 3):
        assert np.corrcoef(level[:, 0], level[:, lag])[0, 1] == pytest.approx(0.7**lag, abs=0.03)


def test_regimes_visit_their_long_run_shares_and_move_by_the_chain():
    process = RegimeSwitching(12, 2, CHAIN, np.array([1.0, 0.5]))
    assert process.stationary == pytest.approx([0.75, 0.25])
    _, regimes = process.path_with_regimes(process.noise(np.random.default_rng(5), SIZE))
    assert (regimes == 1).mean(axis=0) == pytest.approx([0.25] * 12, abs=0.02)
    moves = regimes[:, 1:][regimes[:, :-1] == 0]
    assert moves.mean() == pytest.approx(0.1, abs=0.005)


def test_priors_draw_parameters_around_the_plans_own():
    curves = Curves.make(["log", "hill"], a=[2, 3], h=[10, 20], p=[np.nan, 2])
    drawn = scenarios(ParameterPrior(3, curves, 0.3, 0.2), np.random.default_rng(6), SIZE)
    assert drawn.theta.shape == (SIZE, 3, 2)
    assert drawn.curves.a.shape == (SIZE, 1, 2)
    assert drawn.curves.a.mean(axis=0)[0] == pytest.approx([2, 3], rel=0.02)
    assert drawn.curves.h.mean(axis=0)[0] == pytest.approx([10, 20], rel=0.02)
    assert np.log(drawn.curves.a[:, 0, 0]).std() == pytest.approx(0.3, rel=0.03)
    assert drawn.curves.value(np.ones((3, 2))).shape == (SIZE, 3, 2)


def test_scenarios_know_their_mean():
    theta = np.array([[[1.0, 2.0]], [[3.0, 0.0]]])
    made = Scenarios(theta, np.array([0.25, 0.75]))
    assert made.expected().tolist() == [[2.5, 0.5]]
    assert Scenarios.certain(2, 3).expected().tolist() == [[1.0] * 3] * 2


@pytest.mark.parametrize(
    "make",
    [
        lambda: Scenarios(np.ones((2, 1, 1)), np.array([0.5, 0.6])),
        lambda: Scenarios(-np.ones((1, 1, 1)), np.array([1.0])),
        lambda: Scenarios(np.ones((2, 1)), np.array([0.5, 0.5])),
        lambda: Scenarios(np.full((1, 1, 1), np.nan), np.array([1.0])),
        lambda: Constant(1, 1, -1),
        lambda: LognormalAR1(1, 1, 1.0, 0.1),
        lambda: LognormalAR1(1, 1, 0.5, -0.1),
        lambda: RegimeSwitching(1, 1, np.array([[0.5, 0.4], [0.3, 0.7]]), np.array([1, 1])),
        lambda: RegimeSwitching(1, 1, CHAIN, np.array([1.0])),
        lambda: RegimeSwitching(1, 1, CHAIN, np.array([1.0, 1.0]), initial=np.array([0.5, 0.4])),
        lambda: LognormalAR1(1, 1, 0.5, 0.1, start=np.nan),
        lambda: RegimeSwitching(1, 1, CHAIN, np.array([1.0, np.inf])),
        lambda: RegimeSwitching(1, 1, CHAIN, np.array([1.0, 1.0]), volatility=np.inf),
        lambda: Jumps(1, 1, 0.5, 0.0, np.inf),
        lambda: ParameterPrior(1, Curves.make(["linear"]), np.inf),
        lambda: Jumps(1, 1, 1.5, 0.0),
        lambda: Jumps(1, 1, 0.5, 0.0, -1.0),
        lambda: ParameterPrior(1, Curves.make(["linear"]), -0.1),
        lambda: Product([]),
        lambda: Product([Constant(1, 1), Constant(2, 1)]),
    ],
)
def test_bad_parameters_are_refused(make):
    with pytest.raises(InvalidProcess):
        make()
