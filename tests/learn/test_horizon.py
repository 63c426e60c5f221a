"""Plans of the tree solver against HiGHS on the same periods, and perfect foresight against the front door."""

from __future__ import annotations

import numpy as np
import pytest
from games import MEASURED, jumping, money_problem, observed

import fiscus
from fiscus.core.process import LognormalAR1, ParameterPrior
from fiscus.env.game import game
from fiscus.errors import InvalidInput
from fiscus.learn.belief import belief
from fiscus.learn.foresight import _by_solver, foresight, path_rewards, plans
from fiscus.learn.horizon import Ahead, SolverHorizon, TreeHorizon, coupling, horizon
from fiscus.learn.play import dealt, paths


def worth(engine, plan, theta, period):
    """Expected value of plans of the periods to come."""
    problem = engine.game.problem
    gain = theta[:, period:] * problem.lines.curves.value(plan) * problem.lines.weight
    value = gain.sum(axis=2) @ problem.benefit_discount[period:]
    return value - problem.spend_weight * plan.sum(axis=2) @ problem.spend_discount[period:]


def started(played, count=6, periods=1, seed=0):
    ((_, engine),) = dealt(played, paths(seed, count), batch=count)
    rng = np.random.default_rng(seed)
    for _ in range(periods):
        engine.commit(engine.settle(rng.uniform(0, 12, (count, played.lines))))
    return engine


SETTINGS = {
    "plain": {},
    "discounted": {"discount_rate": 0.1, "spend_weight": 1},
    "reserve": {"reserve": 12},
    "no carry": {"opening_cash": None, "carry_over": 0.0},
    "floors": {"discount_rate": 0.05},
}


CASES = [(name, pot) for name in SETTINGS for pot in (False, True) if not (pot and name == "no carry")]


@pytest.mark.parametrize(("name", "pot"), CASES)
def test_plans_ahead_are_those_of_highs(name, pot):
    problem = money_problem(4, 4, pot=pot, **SETTINGS[name])
    played = game(problem, LognormalAR1(*problem.shape, 0.7, 0.4))
    engine = started(played)
    theta = belief(played).expected(engine.moment)
    ahead = Ahead.of(engine.moment, 1, np.arange(engine.size), theta)
    assert coupling(played) == ""
    tree = TreeHorizon(played).plan(ahead, first=False)
    solver = SolverHorizon(played, gap=1e-7).plan(ahead, first=False)
    assert worth(engine, tree, theta, 1) == pytest.approx(worth(engine, solver, theta, 1), rel=2e-6)
    whole = engine.spends.copy()
    whole[:, 1:] = tree
    for place in range(engine.size):
        assert fiscus.violations(problem, whole[place]) == []


def test_what_is_wanted_of_the_first_period_alone_is_the_same_where_money_lapses():
    problem = money_problem(4, 4, opening_cash=None, carry_over=0.0)
    engine = started(game(problem, LognormalAR1(*problem.shape, 0.7, 0.4)))
    ahead = Ahead.of(engine.moment, 1, np.arange(engine.size), belief(engine.game).expected(engine.moment))
    made = TreeHorizon(engine.game)
    assert made.plan(ahead)[:, 0] == pytest.approx(made.plan(ahead, first=False)[:, 0], abs=1e-9)


@pytest.mark.parametrize("process", ["seen", "jumps", "unknown"])
def test_perfect_foresight_is_the_optimisers(process):
    problem = money_problem(4, 4)
    played = {
        "seen": observed(lines=4),
        "jumps": jumping(lines=4),
        "unknown": game(problem, ParameterPrior(4, problem.lines.curves, 0.5, 0.4), MEASURED),
    }[process]
    seeds = paths(3, 8)
    ((_, engine),) = dealt(played, seeds, batch=8)
    assert foresight(played, seeds) == pytest.approx(_by_solver(engine, 1e-7), rel=2e-6)


def test_the_best_plan_of_a_path_earns_its_worth_period_by_period():
    played = observed()
    ((_, engine),) = dealt(played, paths(0, 5), batch=5)
    rewards, plan = path_rewards(engine), plans(engine)
    for place in range(5):
        given = played.problem.but(scenarios=fiscus.core.process.Scenarios.equally_likely(engine.theta[place][None]))
        assert rewards[place].sum() == pytest.approx(fiscus.evaluate(given, plan[place])[0])
    assert (engine.state.period == 0).all()


def test_couplings_are_named():
    sticky = money_problem(3, 3, carry_over=0.5)
    assert "shrinks" in coupling(game(sticky))
    with pytest.raises(InvalidInput, match="shrinks"):
        TreeHorizon(game(sticky))
    assert isinstance(horizon(game(sticky)), SolverHorizon)
