"""Policies against closed forms, dynamic programs and each other."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from games import jumping, observed

import fiscus
from fiscus.core.process import LognormalAR1, RegimeSwitching
from fiscus.env.game import game
from fiscus.errors import InvalidInput
from fiscus.integrate.configs import load_config
from fiscus.integrate.suite import bench
from fiscus.learn.foresight import foresight
from fiscus.learn.mpc import MPC, Posterior, ScenarioMPC, tuned
from fiscus.learn.oracle import Chain, GridOracle, MoneyOracle
from fiscus.learn.play import dealt, paths, play
from fiscus.learn.policy import LastYear, Myopic, Policy, ProRata, Same, Shares
from fiscus.learn.relaxed import RelaxedMPC, relaxed
from fiscus.learn.tune import best_shares, tuned_future

CONFIGS = Path(__file__).parent.parent.parent / "configs"
SIMPLE = [
    LastYear(),
    LastYear(0.02),
    ProRata(),
    Shares(np.full(3, 0.3)),
    Myopic(),
    Myopic(even=True),
    MPC(),
    ScenarioMPC(4),
    Posterior(),
]


@pytest.mark.parametrize("policy", SIMPLE, ids=lambda policy: policy.name)
@pytest.mark.parametrize("made", [observed, jumping])
def test_no_policy_beats_perfect_foresight_on_any_path(policy, made):
    played, seeds = made(), paths(0, 60)
    assert isinstance(policy, Policy)
    result = play(played, policy, seeds, keep=True)
    best = foresight(played, seeds)
    assert (result.value <= best + 1e-7 * np.abs(best)).all()
    for spend in result.spend[:10]:
        assert fiscus.violations(played.problem, spend) == []


@pytest.mark.parametrize("policy", [MPC(), Myopic(), Shares(np.full(3, 0.3))], ids=lambda policy: policy.name)
def test_batches_do_not_matter_and_paths_are_those_of_gymnasium(policy):
    played, seeds = observed(), paths(11, 30)
    whole, parts = play(played, policy, seeds, batch=30), play(played, policy, seeds, batch=7)
    assert whole.value == pytest.approx(parts.value, rel=1e-12)
    from fiscus.env.single import AllocationEnv

    env = AllocationEnv(played.problem, played.process)
    env.reset(seed=11)
    ((_, engine),) = dealt(played, paths(11, 1))
    assert (env.engine.theta == engine.theta).all()


def test_a_fixed_plan_is_worth_what_evaluate_says():
    played = observed()
    plan = np.full(played.problem.shape, 4.0)
    ((_, engine),) = dealt(played, paths(0, 4))
    given = played.problem.but(scenarios=fiscus.core.process.Scenarios.equally_likely(engine.theta))
    assert play(played, Same(plan), paths(0, 4)).value == pytest.approx(fiscus.evaluate(given, plan))
    with pytest.raises(InvalidInput, match="shape"):
        play(played, Same(plan[:1]), paths(0, 4))


def test_logarithmic_utility_is_consumed_in_closed_form():
    """Merton and Samuelson (1969): with log utility the part consumed is the present's weight in all expected weights, whatever
    comes; here ln(1 + x/h) of x = c - h, so the pot is the money and one h a period."""
    periods, pot, knee = 6, 100.0, 0.5
    names = [f"p{number}" for number in range(periods)]
    lines = {"id": ["consumption"], "curve": ["log"], "a": [1.0], "h": [knee], "ask": [pot]}
    budget = {name: pot if name == "p0" else 0.0 for name in names}
    problem = fiscus.Problem.from_frames(
        lines=lines, periods=names, budget=budget, opening_cash=0, carry_over=1.0, discount_rate=0.04
    )
    played = game(problem, LognormalAR1(periods, 1, 0.0, 0.3))
    ((_, engine),) = dealt(played, paths(0, 200))
    memory, policy = MPC().reset(played, 200, np.random.default_rng(0)), MPC()
    for period in range(periods):
        wish, memory = policy.act(engine.moment, memory)
        discount = problem.benefit_discount[period:]
        weight = np.outer(engine.theta[:, period, 0], discount[:1])[:, 0]
        held = engine.state.account + engine.state.unspent + budget[f"p{period}"] + knee * (periods - period)
        closed = held * weight / (weight + discount[1:].sum()) - knee
        assert wish[:, 0] == pytest.approx(closed, rel=1e-9)
        engine.commit(engine.settle(wish))
    # Re-optimisation that plans for the mean is the best policy here, so the dynamic program is worth the same.
    seeds = paths(10_000, 1_000)
    best = play(played, MoneyOracle(points=201), seeds).value.mean()
    assert play(played, MPC(), seeds).value.mean() == pytest.approx(best, rel=0.01)


def chain_game(periods=3, unit=1.0):
    """Two lines, three states, a pot of six."""
    theta = np.array([[1.0, 1.0], [3.0, 0.5], [0.5, 2.0]])
    move = np.array([[0.6, 0.2, 0.2], [0.5, 0.4, 0.1], [0.3, 0.1, 0.6]])
    first = np.array([0.5, 0.25, 0.25])
    names = [f"p{number}" for number in range(periods)]
    lines = {
        "id": ["a", "b"],
        "curve": ["log", "saturating"],
        "a": [4.0, 5.0],
        "h": [2.0, 3.0],
        "ask": [5 * unit, 4 * unit],
    }
    budget = {name: (4.0 if place == 0 else 1.0) * unit for place, name in enumerate(names)}
    problem = fiscus.Problem.from_frames(
        lines=lines, periods=names, budget=budget, opening_cash=2 * unit, carry_over=1.0
    )
    process = RegimeSwitching(periods, 2, move, theta, initial=first)
    return game(problem, process), Chain(theta, move, first)


def enumerated(played, chain, unit):
    """The best expected value by trying everything, state by state."""
    problem, theta = played.problem, chain.theta

    def best(period, state, held):
        if period == played.periods:
            return 0.0
        tried = []
        for first in range(int(problem.lines.cap[period, 0] / unit) + 1):
            for second in range(int(problem.lines.cap[period, 1] / unit) + 1):
                if first + second > held:
                    continue
                spend = np.array([first, second]) * unit
                reward = problem.benefit_discount[period] * (theta[state] * problem.lines.curves.value(spend)).sum()
                left = held - first - second
                income = 0 if period + 1 == played.periods else round(problem.budget[period + 1] / unit)
                follow = sum(chain.transition[state, then] * best(period + 1, then, left + income) for then in range(3))
                tried.append(reward + follow)
        return max(tried)

    return sum(chain.initial[state] * best(0, state, 6) for state in range(3))


def test_the_dynamic_program_is_enumeration_on_tiny_problems():
    played, chain = chain_game()
    oracle = GridOracle(chain, 1.0)
    exact = enumerated(played, chain, 1.0)
    assert oracle.worth(played) == pytest.approx(exact, rel=1e-12)
    value = play(played, oracle, paths(0, 6_000)).value
    assert abs(value.mean() - exact) <= 4.5 * value.std() / np.sqrt(len(value))


def test_finer_grids_are_worth_more_and_re_optimisation_less_than_the_finest():
    played, chain = chain_game()
    coarse, fine = GridOracle(chain, 1.0).worth(played), GridOracle(chain, 0.25).worth(played)
    assert fine > coarse
    value = play(played, MPC(), paths(0, 4_000)).value
    assert value.mean() <= fine * 1.002 + 4 * value.std() / np.sqrt(len(value))


def test_oracles_refuse_what_they_do_not_know():
    with pytest.raises(InvalidInput, match="independent between periods"):
        MoneyOracle().reset(observed(), 1, np.random.default_rng(0))
    played, chain = chain_game()
    with pytest.raises(InvalidInput, match="coarser"):
        GridOracle(chain, 0.001).worth(played)


def test_the_value_of_money_beats_planning_for_the_mean():
    played, seeds = jumping(lines=2, periods=5), paths(0, 1_500)
    best, plain = play(played, MoneyOracle(), seeds).value, play(played, MPC(), seeds).value
    apart = best - plain
    assert apart.mean() > 3 * apart.std() / np.sqrt(len(apart))


def test_tuning_is_never_worse_on_its_own_paths():
    played = jumping(lines=2, periods=5)
    made, seeds = tuned_future(played, 300), paths(3_000_000_000, 300)
    assert play(played, made, seeds).value.mean() >= play(played, tuned([1.0]), seeds).value.mean() - 1e-9
    shares = best_shares(played, 50)
    alike = Shares(np.full(2, 0.5))
    seeds = paths(3_000_000_000, 50)
    assert play(played, shares, seeds).value.mean() >= play(played, alike, seeds).value.mean() * (1 - 1e-9)


def test_re_optimisation_is_within_half_a_percent_of_perfect_foresight_where_all_is_seen():
    played = bench(load_config(CONFIGS, "problem/bench/observed_ar1")).game
    seeds = paths(0, 300)
    best = foresight(played, seeds).mean()
    assert 0.995 * best <= play(played, MPC(), seeds).value.mean() <= best


def test_learning_pays_where_curves_or_regimes_are_hidden():
    for name in ("unknown_curves", "hidden_regimes"):
        played = bench(load_config(CONFIGS, f"problem/bench/{name}")).game
        seeds = paths(0, 300)
        blind, learns = play(played, MPC(learning=False), seeds).value.mean(), play(played, MPC(), seeds).value.mean()
        assert learns >= 1.05 * blind, name


def test_envelopes_lie_above_and_touch():
    problem = bench(load_config(CONFIGS, "problem/bench/setup_costs")).game.problem
    smooth, tangent = relaxed(problem)
    grid = np.linspace(0, 1, 200)[:, None] * problem.reach.max(axis=0)
    allowed = (grid == 0) | (grid >= problem.lines.min_ticket)
    above = smooth.lines.curves.value(grid) - problem.lines.curves.value(grid)
    assert (above[allowed] >= -1e-9).all()
    assert smooth.lines.curves.concave.all()
    assert smooth.lines.curves.value(tangent) == pytest.approx(problem.lines.curves.value(tangent))
    assert (tangent >= problem.lines.min_ticket - 1e-9).all()


def test_plans_over_envelopes_are_within_one_percent_of_integer_programs():
    played = bench(load_config(CONFIGS, "problem/bench/setup_costs")).game
    seeds = paths(0, 12)
    fast, exact = play(played, RelaxedMPC(), seeds), play(played, MPC(), seeds)
    assert fast.value.mean() >= 0.99 * exact.value.mean()
