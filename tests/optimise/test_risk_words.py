"""Risk in a word: variance, chance, CVaR and worst case as aversion, against closed forms, SciPy, enumeration and published points."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pyomo.environ as pyo
import pytest
import scipy.sparse as sp
from random_problems import random_problem
from scipy.optimize import minimize

import fiscus
from fiscus.core.dynamics import evaluate
from fiscus.core.feasibility import violations
from fiscus.core.objective import objective
from fiscus.core.problem import Problem
from fiscus.core.risk import Measure, RiskAversion
from fiscus.errors import InvalidInput, InvalidPlan, NoAllocation, RouteUnavailable
from fiscus.optimise import highs
from fiscus.optimise.aversion import least_risk_form
from fiscus.optimise.form import form
from fiscus.optimise.layout import Arrays
from fiscus.optimise.open_model import solve_model
from fiscus.optimise.pyomo_model import load_allocation, objective_value
from fiscus.optimise.quadratic import interior, linearised
from fiscus.optimise.stochastic import value_of_information

FIXTURES = Path(__file__).parents[1] / "fixtures"
CONCAVE = ("linear", "capped", "log", "power", "saturating")


def table(factors, probability=None):
    """A scenarios table from factors of shape (S, n) for one period."""
    size, lines = factors.shape
    chance = np.full(size, 1.0 / size) if probability is None else np.asarray(probability)
    return {
        "scenario": [f"s{s}" for s in range(size) for _ in range(lines)],
        "probability": np.repeat(chance, lines),
        "line": [f"a{i}" for _ in range(size) for i in range(lines)],
        "factor": factors.ravel(),
    }


def assets(factors, probability=None, *, lines=None, **settings):
    """A plan of lines a0, a1, ... of linear benefit, with the given factors."""
    count = factors.shape[1]
    columns = {"id": [f"a{i}" for i in range(count)], "cap": np.full(count, 100.0)} | (lines or {})
    return Problem.from_frames(lines=columns, scenarios=table(factors, probability), **settings)


def moments(problem):
    gain = problem.scenarios.theta[:, 0] * problem.lines.weight * problem.lines.curves.a
    mean = problem.scenarios.probability @ gain
    apart = gain - mean
    return mean, apart.T @ (problem.scenarios.probability[:, None] * apart)


# --- the variance


@pytest.mark.parametrize("aversion", [0.02, 0.1, 0.5, 1e-6])
def test_two_assets_split_as_the_formula_says(aversion):
    problem = assets(np.array([[0.8, 1.3], [1.6, 0.9], [1.2, 1.0]]), budget=10, risk="meanvar", aversion=aversion)
    mean, cov = moments(problem)
    bend = cov[0, 0] + cov[1, 1] - 2 * cov[0, 1]
    # All 10 are spent where both means are worth it: x maximises m'x - aversion x'Cx on x0 + x1 = 10.
    first = ((mean[0] - mean[1]) / (2 * aversion) + 10 * (cov[1, 1] - cov[0, 1])) / bend
    first = np.clip(first, 0.0, 10.0)
    amounts = np.array([first, 10 - first])
    best = mean @ amounts - aversion * amounts @ cov @ amounts
    result = fiscus.solve(problem)
    left = mean - 2 * aversion * cov @ amounts
    if left.min() > 0:  # Else money is left over and the formula does not hold.
        assert result.value == pytest.approx(best, rel=1e-9)
        np.testing.assert_allclose(result.solution[0], amounts, atol=1e-5)
    assert result.status == "optimal"
    assert result.value >= best - 1e-9 * abs(best)
    assert result.bound == pytest.approx(result.value, rel=1e-6)


def test_without_any_limit_the_optimum_is_the_inverse_covariance_times_the_mean():
    rng = np.random.default_rng(4)
    factors = rng.uniform(0.2, 2.0, (40, 3))
    problem = assets(factors, lines={"cap": [None] * 3}, risk="meanvar", aversion=0.01)
    mean, cov = moments(problem)
    amounts = np.linalg.solve(cov, mean) / 0.02
    assert (amounts > 0).all()
    result = fiscus.solve(problem)
    assert result.status == "optimal"
    assert result.value == pytest.approx(mean @ amounts / 2, rel=1e-8)
    np.testing.assert_allclose(result.solution[0], amounts, rtol=1e-4)


def test_no_uncertainty_makes_an_endless_plan_unbounded():
    problem = assets(np.array([[1.0, 0.5], [1.0, 1.5]]), lines={"cap": [None, None]}, risk="meanvar", aversion=0.1)
    assert fiscus.solve(problem).status == "unbounded"


def test_infeasible_quadratic_problems_are_infeasible():
    rules = [{"id": "least", "kind": "envelope", "lines": ["a0", "a1"], "floor": 30}]
    problem = assets(np.array([[1.0, 0.5], [0.7, 1.5]]), budget=20, rules=rules, risk="meanvar", aversion=0.1)
    result = fiscus.solve(problem)
    assert result.status == "infeasible"
    assert result.reasons


@pytest.mark.parametrize("seed", range(30))
def test_scipy_finds_the_same_optimum(seed):
    rng = np.random.default_rng(seed)
    size, count = int(rng.integers(2, 30)), int(rng.integers(2, 7))
    factors = rng.uniform(0.3, 1.8, (size, count))
    chance = rng.integers(0 if size > 2 else 1, 5, size) + np.eye(size)[0]
    families = rng.choice(["linear", "log", "saturating"], count)
    scale = np.where(families == "linear", 1.0, 40.0)
    lines = {
        "curve": families,
        "a": np.round(scale * rng.uniform(0.6, 1.4, count), 2),
        "h": np.full(count, 30.0),
        "cap": np.full(count, 25.0),
    }
    problem = assets(
        factors,
        chance / chance.sum(),
        lines=lines,
        budget=float(count * 8),
        spend_weight=float(rng.choice([0.0, 0.5])),
        risk="meanvar",
        aversion=float(rng.choice([0.001, 0.005])),
    )
    result = fiscus.solve(problem, gap=1e-8)
    budget, best = count * 8.0, -np.inf
    for start in (np.full(count, 8.0), np.full(count, 2.0)):
        found = minimize(
            lambda x: -objective(problem, np.clip(x, 0, 25)[None]),
            start,
            method="SLSQP",
            bounds=[(0, 25)] * count,
            constraints=[{"type": "ineq", "fun": lambda x: budget - x.sum()}],
            options={"ftol": 1e-13, "maxiter": 500},
        )
        amounts = np.clip(found.x, 0, 25)[None]
        if not violations(problem, amounts):
            best = max(best, objective(problem, amounts))
    assert result.value == pytest.approx(best, rel=1e-6)
    assert result.bound >= best - 1e-9 * abs(best)
    assert result.status == "optimal"


@pytest.mark.parametrize("seed", range(40))
def test_no_allowed_plan_beats_the_bound(seed):
    """On any concave plan: several periods, stock, change costs, soft rules, limits on risk."""
    rng = np.random.default_rng([seed, 7])
    problem, witness = random_problem(rng, integers=False, curves=CONCAVE)
    word, aversion = [("meanvar", 0.002), ("meanvar", 0.05), ("chance:0.75", 0.5), ("cvar:0.5", 0.7), ("worst", 0.3)][
        seed % 5
    ]
    problem = problem.but(risk=RiskAversion(Measure.parse(word), aversion))
    result = fiscus.solve(problem)
    assert result.status in ("optimal", "feasible")
    worth = objective(problem, witness)
    slack = 1e-6 * max(1.0, abs(worth))
    assert worth <= result.bound + slack
    if result.status == "optimal":
        assert worth <= result.value + slack + 1e-6 * abs(result.bound)


@pytest.mark.parametrize("seed", range(40))
def test_bounds_of_columns_never_cut_off_an_allowed_plan(seed):
    rng = np.random.default_rng([seed, 8])
    problem, witness = random_problem(rng, kinds=["risk", "risk"], integers=False)
    problem = problem.but(
        risk=RiskAversion(Measure.parse(["cvar:0.6", "worst", "chance:0.5", "meanvar"][seed % 4]), 0.3)
    )
    model = form(problem)
    for share in (0.0, 0.3, 1.0):
        amounts = np.maximum(witness * share, problem.lines.floor)
        if violations(problem.but(rules=()), amounts):
            continue
        point = model.at(amounts)
        for name in model.blocks:
            if name == "value" or name.startswith(("aversion.", "risk-")):
                place = model.blocks[name].slice
                assert (point[place] >= model.lower[place]).all(), name
                assert (point[place] <= model.upper[place]).all(), name


@pytest.mark.parametrize("word", ["meanvar", "chance:0.7", "cvar:0.7", "worst"])
@pytest.mark.parametrize("seed", range(6))
def test_every_reader_sees_the_same_objective(word, seed):
    """Evaluator, arrays and open model agree at any allocation, and both routes find the same optimum."""
    rng = np.random.default_rng([seed, 9])
    problem, witness = random_problem(rng, integers=False, curves=("linear", "capped"), kinds=["envelope", "turnover"])
    problem = problem.but(risk=RiskAversion(Measure.parse(word), 0.01 if word == "meanvar" else 0.8))
    told = objective(problem, witness)
    loss = -evaluate(problem, witness)
    assert told == pytest.approx(
        objective(problem.but(risk=None), witness)
        - problem.risk.aversion * float(problem.risk.measure.of_loss(loss, problem.scenarios.probability)),
        rel=1e-12,
    )
    for curves in ("piecewise", "exact"):
        model = form(problem, curves=curves)
        assert model.worth(model.at(witness)) + model.constant == pytest.approx(told, rel=1e-9, abs=1e-9)
        open_model = fiscus.to_pyomo(problem, curves=curves)
        load_allocation(problem, open_model, witness)
        assert objective_value(open_model) == pytest.approx(told, rel=1e-9, abs=1e-9)
    first, second = fiscus.solve(problem, route="highs"), fiscus.solve(problem, route="pyomo")
    assert first.value == pytest.approx(second.value, rel=1e-9, abs=1e-7)
    assert first.status == second.status


def test_the_open_model_shows_squares_and_takes_additions():
    problem = assets(np.array([[0.8, 1.3], [1.6, 0.9], [1.2, 1.0]]), budget=10, risk="meanvar", aversion=0.1)
    model = fiscus.to_pyomo(problem)
    assert model.worth.expr.polynomial_degree() == 2
    model.extra = pyo.Constraint(expr=model.spend["now", "a0"] <= 1)
    result = solve_model(problem, model)
    mean, cov = moments(problem)
    grid = np.array([[x, y] for x in np.linspace(0, 1, 101) for y in np.linspace(0, 10 - x, 1001)])
    best = (grid @ mean - 0.1 * np.einsum("ki,ij,kj->k", grid, cov, grid)).max()
    assert best - 1e-9 <= result.value <= best + 1e-4
    assert result.status == "optimal"
    model.worth.set_value(model.worth.expr - model.spend["now", "a0"] * model.spend["now", "a1"])
    with pytest.raises(InvalidInput, match="multiplies"):
        solve_model(problem, model)


# --- the method that stands in for HiGHS's


@pytest.mark.parametrize("seed", range(12))
def test_the_interior_point_reaches_what_a_linear_program_proves(seed):
    rng = np.random.default_rng(seed)
    rows, columns = int(rng.integers(1, 12)), int(rng.integers(2, 25))
    inside = rng.uniform(0, 2, columns)
    matrix = rng.normal(size=(rows, columns)) * (rng.random((rows, columns)) < 0.6)
    activity = matrix @ inside
    equal = rng.random(rows) < 0.3
    arrays = Arrays(
        cost=rng.normal(size=columns),
        lower=np.where(rng.random(columns) < 0.2, inside, 0.0),
        upper=np.where(rng.random(columns) < 0.2, inside, inside + 1.0),
        integer=np.zeros(columns, dtype=bool),
        matrix=sp.csr_array(matrix),
        row_lower=np.where(equal, activity, -np.inf),
        row_upper=np.where(equal, activity, activity + 0.1),
        curvature=np.where(rng.random(columns) < 0.5, rng.uniform(0, 3, columns), 0.0),
    )
    found = interior(arrays)
    assert found is not None
    straight, constant = linearised(arrays, found)
    proved = highs.run(straight).bound + constant
    assert arrays.worth(found) == pytest.approx(proved, rel=1e-8, abs=1e-8)
    front = highs.run(arrays)
    assert front.status == "optimal"
    assert arrays.worth(front.solution) == pytest.approx(proved, rel=1e-7, abs=1e-7)
    assert front.bound >= arrays.worth(found) - 1e-9


# --- published: OR-Library port1


@pytest.fixture(scope="module")
def port1():
    """31 assets as a plan whose factors have exactly the given means and covariance (sigma points)."""
    words = (FIXTURES / "port1.txt").read_text().split()
    count = int(words[0])
    pairs = np.array(words[1 : 1 + 2 * count], dtype=float).reshape(count, 2)
    correlation = np.eye(count)
    for i, j, value in np.array(words[1 + 2 * count :], dtype=float).reshape(-1, 3):
        correlation[int(i) - 1, int(j) - 1] = correlation[int(j) - 1, int(i) - 1] = value
    covariance = pairs[:, 1:] * correlation * pairs[:, 1]
    root = np.sqrt(count) * np.linalg.cholesky(covariance).T
    factors = 1.0 + pairs[:, 0] + np.concatenate([root, -root])
    lines = {"id": [f"a{i}" for i in range(count)], "unit": ["fund"] * count}
    problem = Problem.from_frames(
        lines=lines, units={"id": ["fund"], "floor": [1.0]}, scenarios=table(factors), budget=1.0
    )
    mean, made = moments(problem)
    np.testing.assert_allclose(mean, 1.0 + pairs[:, 0], rtol=1e-12)
    np.testing.assert_allclose(made, covariance, rtol=1e-9, atol=1e-15)
    return problem, np.loadtxt(FIXTURES / "portef1.txt")


def test_fifty_published_points_of_the_frontier(port1):
    problem, published = port1
    least = least_risk_form(problem, Measure.parse("meanvar"))
    for gain, variance in published[np.linspace(0, len(published) - 1, 50).astype(int)]:
        model = least.at_least(1.0 + gain)
        outcome = highs.run(model)
        spend = model.spend(outcome.solution)
        value = evaluate(problem, spend)
        assert spend.sum() == pytest.approx(1.0, abs=1e-9)
        assert value.mean() >= 1.0 + gain - 1e-9  # The last points ask for less than the plan of least variance gives.
        assert np.var(value) == pytest.approx(variance, rel=1e-5)
        assert -outcome.bound == pytest.approx(variance, rel=1e-5)
        assert -outcome.bound <= np.var(value) * (1 + 1e-9)


def test_published_points_are_best_for_their_price_of_risk(port1):
    """The frontier's slope is the aversion at which its point is the best: the same point through the front door."""
    problem, published = port1
    for place in (300, 900, 1500):
        (high, most), (low, fewest) = published[place - 1], published[place + 1]
        averse = problem.but(risk=RiskAversion(Measure.parse("meanvar"), float((high - low) / (most - fewest))))
        result = fiscus.solve(averse)
        value = evaluate(problem, result.solution)
        assert result.status == "optimal"
        assert np.var(value) == pytest.approx(published[place, 1], rel=2e-3)
        best = 1.0 + published[place, 0] - averse.risk.aversion * published[place, 1]
        assert result.value == pytest.approx(best, rel=1e-7)


@pytest.mark.parametrize("word", ["cvar:0.9", "worst", "chance:0.75", "meanvar"])
def test_least_risk_at_a_least_mean_against_a_grid(word):
    factors = np.array([[0.5, 1.2], [1.8, 0.9], [1.3, 1.1], [1.0, 1.0]])
    problem = assets(factors, budget=10, lines={"floor": [1.0, 1.0], "cap": [9.0, 9.0]})
    measure = Measure.parse(word)
    first = np.linspace(1, 9, 801)
    grid = np.array([[x, y] for x in first for y in np.linspace(1, 10 - x, 81)])
    values = grid @ factors.T
    least = least_risk_form(problem, measure)
    for mean in (4.0, 8.0, 10.0, 10.8):
        allowed = values.mean(axis=1) >= mean - 1e-12
        risk = measure.of_loss(-values[allowed], problem.scenarios.probability).min()
        model = least.at_least(mean)
        outcome = highs.run(model)
        ours = float(measure.of_loss(-evaluate(problem, model.spend(outcome.solution)), problem.scenarios.probability))
        assert ours <= risk + 1e-7
        assert ours >= risk - 0.15
        assert -outcome.bound == pytest.approx(ours, abs=1e-6)
        assert evaluate(problem, model.spend(outcome.solution)).mean() >= mean - 1e-7


# --- a chance


@pytest.mark.parametrize("seed", range(25))
def test_aversion_to_a_chance_against_enumeration(seed):
    rng = np.random.default_rng([seed, 3])
    count, size = int(rng.integers(2, 6)), int(rng.integers(2, 9))
    cap = rng.integers(1, 10, count) * 1.0
    problem = assets(
        np.round(rng.uniform(0, 2, (size, count)), 2),
        lines={"cap": cap, "lumpy": [True] * count},
        budget=float(np.round(cap.sum() * 0.6)),
        spend_weight=float(rng.choice([0.0, 1.0])),
        risk=f"chance:{rng.choice([0.5, 0.6, 0.8, 0.9])}",
        aversion=float(rng.choice([0.3, 1.0, 4.0])),
    )
    best = -np.inf
    for choice in itertools.product((0.0, 1.0), repeat=count):
        amounts = (np.array(choice) * cap)[None]
        if not violations(problem, amounts):
            best = max(best, objective(problem, amounts))
    for route in ("highs", "pyomo"):
        result = fiscus.solve(problem, route=route)
        assert result.status == "optimal"
        assert result.value == pytest.approx(best, rel=1e-6, abs=1e-7)


# --- what cannot be done, and what can instead


LUMPY = {"lumpy": [True, False]}
BENT = {"curve": ["hill", "linear"], "h": [20, None], "p": [2, None], "a": [50, 1]}


@pytest.mark.parametrize(("route", "lines"), [("auto", LUMPY), ("highs", LUMPY), ("pyomo", LUMPY), ("pyomo", BENT)])
def test_squares_with_yes_or_no_decisions_are_refused_before_solving(route, lines):
    problem = assets(np.array([[0.5, 1.2], [1.8, 0.9]]), budget=60, lines=lines, risk="meanvar", aversion=0.01)
    with pytest.raises(RouteUnavailable, match=r"cvar:LEVEL or worst.*to_pyomo"):
        fiscus.solve(problem, route=route)
    assert fiscus.to_pyomo(problem).worth.expr.polynomial_degree() == 2
    instead = problem.but(risk=RiskAversion(Measure.parse("cvar:0.9"), 0.5))
    assert fiscus.solve(instead).status == "optimal"


def test_a_limit_on_the_variance_says_what_to_write_instead():
    rules = [{"id": "calm", "kind": "risk", "measure": "meanvar", "limit": 4}]
    with pytest.raises(InvalidPlan, match=r"variance.*aversion.*frontier"):
        assets(np.ones((2, 2)), budget=10, rules=rules)


def test_a_chance_without_any_bound_on_losses_is_refused():
    problem = assets(np.array([[0.5, 1.2], [1.8, 0.9]]), lines={"cap": [None, None]}, risk="chance:0.9", aversion=1)
    with pytest.raises(RouteUnavailable, match=r"chance:0\.9 needs a budget or caps"):
        fiscus.solve(problem)


def test_words_read_back():
    assert Measure.parse(" meanvar ") == Measure("meanvar", 1.0)
    assert str(Measure.parse("meanvar")) == "meanvar"
    loss = np.array([1.0, 5.0, 3.0])
    assert Measure.parse("meanvar").of_loss(loss, np.array([0.5, 0.25, 0.25])) == pytest.approx(2.75)


# --- the value of information


@pytest.mark.parametrize("limited", [False, True])
@pytest.mark.parametrize("seed", range(8))
def test_value_of_information_against_enumeration(seed, limited):
    """All-or-nothing lines, so that every plan there is can be tried."""
    rng = np.random.default_rng([seed, 5])
    count, size = int(rng.integers(3, 6)), int(rng.integers(2, 5))
    cap = rng.integers(1, 9, count) * 1.0
    chance = rng.integers(1, 5, size)
    factors, budget = np.round(rng.uniform(0, 2.5, (size, count)), 2), float(np.round(cap.sum() * 0.5))
    plans = np.array(list(itertools.product((0.0, 1.0), repeat=count))) * cap
    plans = plans[plans.sum(axis=1) <= budget]
    values = plans @ factors.T
    probability = chance / chance.sum()
    limit = -0.95 * values.min(axis=1).max()
    rules = [{"id": "calm", "kind": "risk", "measure": "worst", "limit": limit}] if limited else []
    problem = assets(factors, probability, lines={"cap": cap, "lumpy": [True] * count}, budget=budget, rules=rules)
    found = value_of_information(problem)
    allowed = values.min(axis=1) >= -limit - 1e-9 if limited else np.full(len(plans), True)
    mean = values @ probability
    together, known = mean[allowed].max(), float(values.max(axis=0) @ probability)
    assert found.together.low == pytest.approx(together, rel=1e-6)
    assert found.known.low == pytest.approx(known, rel=1e-6)
    assert found.information.low <= known - together + 1e-5
    assert found.information.high >= known - together - 1e-5
    average = mean.copy()
    average[mean < -limit - 1e-9] = -np.inf  # The limit as it stands where only the average future counts.
    first = int(np.argmax(average if limited else mean))
    if allowed[first]:
        assert found.average == pytest.approx(mean[first], rel=1e-6)
        assert found.gain.high == pytest.approx(together - mean[first], abs=1e-4)
    else:
        assert found.average is None
        assert found.gain is None
        assert any("calm" in sentence for sentence in found.sentences())
    assert all(isinstance(sentence, str) and sentence.endswith(".") for sentence in found.sentences())
    assert found.as_dict()["scenarios"] == size


def test_planning_for_the_average_can_cost():
    """A soft limit on the worst case: the average future meets it, single ones do not."""
    factors = np.array([[0.0, 1.0], [2.4, 1.0]])
    rules = [{"id": "calm", "kind": "risk", "measure": "worst", "limit": -8, "hard": False, "penalty": 5}]
    problem = assets(factors, budget=10, lines={"cap": [10.0, 10.0]}, rules=rules)
    found = value_of_information(problem)
    # The average future puts all 10 on a0 (1.2 each): mean 12, in the bad scenario 8 short, in the good one none.
    assert found.average == pytest.approx(12 - 5 * 8)
    # x on a0: 10 + 0.2 x less 5 max(0, 8 - (10 - x)): best at x = 2.
    assert found.together.low == pytest.approx(10.4)
    assert found.gain.low == pytest.approx(10.4 + 28)
    assert found.known.low == pytest.approx((10 + 24) / 2)
    assert found.information.low == pytest.approx(17 - 10.4)


def test_information_on_an_s_curve_is_an_interval_around_a_grid():
    factors = np.array([[0.4, 1.5], [1.7, 0.6], [1.0, 1.0]])
    lines = {"curve": ["hill", "hill"], "a": [60.0, 50.0], "h": [30.0, 20.0], "p": [2.0, 3.0], "cap": [60.0, 60.0]}
    problem = assets(factors, budget=50, lines=lines)
    found = value_of_information(problem)
    first = np.linspace(0, 50, 50001)
    effect = problem.lines.curves.value(np.stack([first, 50 - first], axis=-1))
    values = effect @ factors.T
    together, known = values.mean(axis=1).max(), values.max(axis=0).mean()
    assert found.together.low - 1e-6 <= together <= found.together.high + 1e-6
    assert found.known.low - 1e-6 <= known <= found.known.high + 1e-6
    assert found.information.low - 1e-6 <= known - together <= found.information.high + 1e-6
    assert found.gain.high == 0.0


def test_who_cannot_be_told_the_value_of_information():
    with pytest.raises(InvalidInput, match="at least two scenarios"):
        value_of_information(assets(np.ones((2, 2)), [1.0, 0.0], budget=5))
    rules = [{"id": "least", "kind": "envelope", "lines": ["a0", "a1"], "floor": 30}]
    with pytest.raises(NoAllocation, match="no plan"):
        value_of_information(assets(np.array([[1.0, 0.5], [0.7, 1.5]]), budget=20, rules=rules))
    drawn = assets(np.array([[1.0, 0.5], [0.7, 1.5]]), budget=20)
    prior = fiscus.core.process.Scenarios(drawn.scenarios.theta, drawn.scenarios.probability, drawn.lines.curves)
    with pytest.raises(RouteUnavailable, match=r"fiscus\.evaluate"):
        value_of_information(drawn.but(scenarios=prior))
