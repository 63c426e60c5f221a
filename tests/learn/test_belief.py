"""Beliefs against closed forms and against the process itself, sampled."""

from __future__ import annotations

import numpy as np
import pytest
from games import MEASURED, money_problem

from fiscus.core.process import Jumps, LognormalAR1, ParameterPrior, Product, RegimeSwitching, ScenarioTable
from fiscus.env.game import Sight, game
from fiscus.errors import InvalidInput
from fiscus.learn.belief import belief
from fiscus.learn.play import dealt, paths

PROBLEM = money_problem()
T, N = PROBLEM.shape
CHAIN = RegimeSwitching(
    T, N, np.array([[0.8, 0.2], [0.3, 0.7]]), np.array([[1.6, 0.5, 1.0], [0.4, 1.5, 1.0]]), volatility=0.2
)
PROCESSES = {
    "autoregression": LognormalAR1(T, N, 0.7, 0.4),
    "started": LognormalAR1(T, N, 0.7, 0.4, start=0.5),
    "persistent jumps": Jumps(T, N, 0.2, 0.3, 0.2),
    "passing jumps": Jumps(T, N, 0.2, 0.3, 0.2, persistent=False),
    "regimes": CHAIN,
    "unknown": ParameterPrior(T, PROBLEM.lines.curves, 0.5),
}


def advanced(process, sight, count, periods, spend=6.0, seed=0):
    """Episodes that spent the same in each of some periods."""
    ((_, engine),) = dealt(game(PROBLEM, process, sight), paths(seed, count), batch=count)
    for _ in range(periods):
        engine.commit(engine.settle(np.full((count, N), spend)))
    return engine


def true_factor(engine):
    """Multipliers that count, drawn scales included."""
    if engine.curves is None:
        return engine.theta
    return engine.theta * (engine.curves.a / PROBLEM.lines.curves.a)[:, None]


SIGHTS = [Sight(), MEASURED, Sight("never", measured=True, delay=1, noise=0.2), Sight("never")]
# Where regimes are seen in the present alone, the past would tell more than the belief takes in.
CASES = [(name, sight) for name in PROCESSES for sight in SIGHTS if name != "regimes" or sight.multipliers == "never"]


@pytest.mark.parametrize(("name", "sight"), CASES)
def test_what_is_expected_is_right_on_average(name, sight):
    count = 20_000
    engine = advanced(PROCESSES[name], sight, count, 2)
    expected = belief(engine.game).expected(engine.moment)[:, 2:]
    apart = true_factor(engine)[:, 2:] - expected
    error = apart.std(axis=0) / np.sqrt(count)
    assert (np.abs(apart.mean(axis=0)) <= 4.5 * error + 1e-12).all()
    # And not only on average: what is expected explains nothing of what is still missed.
    centred = expected - expected.mean(axis=0)
    slope = (centred * apart).mean(axis=0)
    noise = (centred * apart).std(axis=0) / np.sqrt(count)
    assert (np.abs(slope) <= 4.5 * noise + 1e-9).all()


@pytest.mark.parametrize("name", PROCESSES)
@pytest.mark.parametrize("sight", [Sight(), MEASURED])
def test_draws_have_the_mean_that_is_expected(name, sight):
    engine = advanced(PROCESSES[name], sight, 3, 2)
    believed = belief(engine.game)
    drawn = believed.sampled(engine.moment, np.random.default_rng(1), 20_000)[:, :, 2:]
    error = drawn.std(axis=1) / np.sqrt(20_000)
    apart = np.abs(drawn.mean(axis=1) - believed.expected(engine.moment)[:, 2:])
    assert (apart <= 5.0 * error + 1e-9).all()


def test_the_filter_of_a_delayed_autoregression_by_hand():
    sight = Sight("never", measured=True, delay=1, noise=0.2)
    process = LognormalAR1(T, N, 0.7, 0.4)
    engine = advanced(process, sight, 5, 2)
    variance = process.stationary_variance[0]
    # One measurement, of the first period, is known in the third.
    ratio = engine.moment.measurements[:, 0] / PROBLEM.lines.curves.value(engine.spends)[:, 0]
    log = np.log(ratio) + variance / 2 + 0.2**2 / 2
    gain = variance / (variance + 0.2**2)
    mean, left = gain * log, (1 - gain) * variance
    spread = 0.7**4 * left + (1 - 0.7**4) * variance
    assert belief(engine.game).expected(engine.moment)[:, 2] == pytest.approx(
        np.exp(0.49 * mean + spread / 2 - variance / 2)
    )


def test_a_table_of_futures_knows_its_branch():
    theta = np.ones((3, T, N))
    theta[1:, 1:] = 2.0
    theta[2, 2:] = 5.0
    process = ScenarioTable(theta, np.array([0.5, 0.3, 0.2]))
    engine = advanced(process, Sight(), 50, 1)
    expected = belief(engine.game).expected(engine.moment)
    up = engine.theta[:, 1, 0] == 2.0
    assert expected[up, 2, 0] == pytest.approx(0.6 * 2 + 0.4 * 5)
    assert expected[~up, 2, 0] == pytest.approx(1.0)


def test_without_sight_of_anything_the_mean_is_all_there_is():
    engine = advanced(CHAIN, Sight("never"), 4, 2)
    assert belief(engine.game).expected(engine.moment) == pytest.approx(np.broadcast_to(CHAIN.mean(), (4, T, N)))


def test_a_product_says_what_to_give():
    product = Product([CHAIN, ParameterPrior(T, PROBLEM.lines.curves, 0.5)])
    with pytest.raises(InvalidInput, match="no belief of its own"):
        belief(game(PROBLEM, product, MEASURED))


def test_dust_buys_no_measurement():
    engine = advanced(PROCESSES["unknown"], MEASURED, 4, 2, spend=1e-9)
    assert belief(engine.game).expected(engine.moment) == pytest.approx(1.0)
