"""Funding rounds: requests arrive period by period, from the history or drawn from it."""

import numpy as np
import pytest

import fiscus
from fiscus.core.futures import futures
from fiscus.core.rounds import FundingRounds
from fiscus.env.fields import slices
from fiscus.env.vector import AllocationVectorEnv, SelectionVectorEnv
from fiscus.errors import InvalidInput, InvalidProcess
from fiscus.integrate.public import ROUND_SETS, baltimore_rounds
from fiscus.integrate.public.baltimore import GENERAL_OBLIGATION, read_baltimore


@pytest.mark.parametrize("name", ["train", "test"])
def test_the_history_is_every_request_of_its_years(name: str) -> None:
    problem, process = baltimore_rounds(name)
    years = ROUND_SETS[name][0]
    asks = [each for each in read_baltimore() if each.ask.fund == GENERAL_OBLIGATION and each.ask.requested > 0]
    for period, year in enumerate(years):
        expected = sorted(each.ask.requested for each in asks if each.year == year)
        assert sorted(amount for amount in process.requested[period] if amount > 0) == expected
    assert problem.periods == tuple(f"FY{year}" for year in years)
    assert (process.worth[process.requested > 0] > 0).all()
    if name == "test":
        assert problem.budget.tolist() == [80_000_000] * 3
        assert (process.requested[2] > 0).sum() == 118  # The figures of the data's own description.
        assert process.requested[2].sum() == 210_125_000
    first, again = (futures(process, [np.random.default_rng(seed)]) for seed in (1, 2))
    assert np.array_equal(first.asked, again.asked)


def test_synthetic_rounds_draw_the_requests_of_their_year_and_department() -> None:
    _, history = baltimore_rounds("train")
    _, process = baltimore_rounds("train-synthetic")
    drawn = futures(process, [np.random.default_rng(seed) for seed in range(300)])
    for period in range(process.periods):
        for group in range(int(process.group.max()) + 1):
            places = np.flatnonzero(process.group == group)
            known = {
                pair
                for pair in zip(history.requested[period, places], history.worth[period, places], strict=True)
                if pair[0] > 0
            }
            seen = zip(drawn.asked[:, period, places].ravel(), drawn.theta[:, period, places].ravel(), strict=True)
            assert {pair for pair in seen if pair[0] > 0} == known
            count = (history.requested[period, places] > 0).sum()
            assert ((drawn.asked[:, period, places] > 0).sum(axis=1) == count).all()
    assert drawn.theta.mean(axis=0) == pytest.approx(np.where(process.requested > 0, process.mean(), 0.0), abs=0.12)


def test_no_more_is_given_than_was_requested_and_there_is() -> None:
    problem, process = baltimore_rounds("train-synthetic")
    batch = AllocationVectorEnv(problem, process, num_envs=64, mode="softmax")
    observations, _ = batch.reset(seed=0)
    rng = np.random.default_rng(0)
    for period in range(problem.shape[0]):
        shown = observations[:, slices(batch.engine.table)["asked"]] * batch.game.reach
        asked = batch.engine.asked[:, period]
        observations, _, _, _, infos = batch.step(rng.uniform(-1, 1, batch.action_space.shape).astype(np.float32))
        given = infos["allocation"]
        assert (given <= asked * (1 + 1e-12)).all()
        assert (given <= shown * (1 + 1e-6) + 1e-6).all()
    plans = batch.engine.spends
    assert all(fiscus.violations(problem, plan) == [] for plan in plans)


def test_projects_are_chosen_among_the_requests_of_the_round() -> None:
    problem, process = baltimore_rounds("test")
    batch = SelectionVectorEnv(problem, process, num_envs=2)
    batch.reset(seed=0)
    open_ = batch.action_masks()
    assert not open_[:, :-1][batch.engine.asked[:, 0] == 0].any()
    line = int(np.flatnonzero(open_[0])[0])
    batch.step(np.array([line, problem.shape[1]]))
    assert batch.engine.now[0, line] == pytest.approx(process.requested[0, line])
    assert batch.engine.state.period.tolist() == [0, 1]


def test_what_is_no_set_of_rounds_is_refused() -> None:
    with pytest.raises(InvalidInput, match="the sets of rounds are train"):
        baltimore_rounds("all")
    with pytest.raises(InvalidProcess, match="from the first on"):
        FundingRounds(np.array([[0.0, 5.0]]), np.ones((1, 2)), np.zeros(2, dtype=np.int64))
    with pytest.raises(InvalidProcess, match="not negative"):
        FundingRounds(np.array([[-1.0, 5.0]]), np.ones((1, 2)), np.zeros(2, dtype=np.int64))
