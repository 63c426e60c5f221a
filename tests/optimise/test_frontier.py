"""Frontiers and what-ifs against cold solves, closed forms and enumeration."""

from __future__ import annotations

import dataclasses
import itertools
import json
from pathlib import Path

import numpy as np
import pytest
from random_problems import enumerate_best, grid_problem, random_problem
from repetitions import slow_from
from scipy.optimize import linprog
from small_plans import small_plan
from typer.testing import CliRunner

import fiscus
from fiscus.cli import app
from fiscus.core.arrays import frozen
from fiscus.core.curves import Curves
from fiscus.core.process import Scenarios
from fiscus.core.risk import Measure, RiskAversion
from fiscus.core.rules import AtMost, Envelope, Reserve, Resource, Share
from fiscus.errors import InvalidInput, NoAllocation
from fiscus.optimise import highs
from fiscus.optimise.form import form
from fiscus.optimise.frontier import sift
from fiscus.optimise.frontier.families import Budgets
from fiscus.optimise.frontier.points import frontier
from fiscus.optimise.frontier.whatif import compare_scenarios, variant

PORTFOLIOS = Path(__file__).resolve().parents[3] / "shared" / "data" / "orlib" / "port"
GAP = 2e-4
"""Twice the gap at which points of S-shaped plans are called optimal."""


def at_budget(problem, total):
    return problem.but(budget=frozen(problem.budget * (total / problem.budget.sum())))


def curves_plan(family="power", n=3, **settings):
    """Lines of smooth concave benefit on one budget."""
    curves = Curves.make([family] * n, a=np.arange(n, 0, -1.0), h=[20.0] * n, p=[0.5] * n)
    return small_plan(unit=("north",) * n, periods=1, line={"curves": curves, "cap": 1e4}, **settings)


def scenario_plan(rng, *, n=3, scenarios=5, **line):
    theta = rng.integers(0, 40, (scenarios, 1, n)) / 10.0
    return small_plan(
        unit=("north",) * n, periods=1, budget=10.0, line={"cap": 6.0} | line,
        scenarios=Scenarios.equally_likely(theta),
    )  # fmt: skip


# --- warm models -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(12))
def test_a_warm_model_answers_as_a_cold_one_whatever_moves(seed):
    rng = np.random.default_rng(seed)
    problem, _ = random_problem(rng, curves=("linear", "capped", "piecewise", "step"))
    arrays = form(problem)
    warm = highs.Warm(arrays)
    warm.solve()
    for _ in range(5):
        rows = rng.choice(len(arrays.row_lower), min(3, len(arrays.row_lower)), replace=False)
        # HiGHS mishandles integers with fractional bounds.
        columns = rng.choice(np.flatnonzero(~arrays.integer), 2, replace=False)
        loose = rng.uniform(0.0, 5.0, len(rows))
        upper, lower, cost = arrays.row_upper.copy(), arrays.lower.copy(), arrays.cost.copy()
        upper[rows] += loose
        lower[columns] = np.minimum(arrays.lower[columns] + rng.uniform(0, 0.5), arrays.upper[columns])
        cost[columns] *= rng.uniform(0.5, 2.0, len(columns))
        moved = dataclasses.replace(arrays, row_upper=upper, lower=lower, cost=cost)
        warm.change_rows(rows, arrays.row_lower[rows], upper[rows])
        warm.change_columns(columns, lower[columns], arrays.upper[columns])
        warm.change_costs(columns, cost[columns])
        ours, cold = warm.solve(), highs.run(moved)
        assert ours.status == cold.status
        if cold.status == "optimal":
            assert ours.bound == pytest.approx(cold.bound, rel=3e-6, abs=1e-7)
        warm.change_rows(rows, arrays.row_lower[rows], arrays.row_upper[rows])
        warm.change_columns(columns, arrays.lower[columns], arrays.upper[columns])
        warm.change_costs(columns, arrays.cost[columns])


def test_a_warm_model_recovers_from_an_infeasible_and_a_crossed_turn():
    problem = curves_plan("linear")
    arrays = form(problem)
    warm, row = highs.Warm(arrays), np.array([0])
    first = warm.solve()
    warm.change_rows(row, np.array([1e9]), np.array([1e9]))
    assert warm.solve().status == "infeasible"
    warm.change_rows(row, np.array([2.0]), np.array([1.0]))
    assert warm.solve().status == "infeasible"
    warm.change_rows(row, arrays.row_lower[row], arrays.row_upper[row])
    again = warm.solve()
    assert again.status == "optimal"
    assert again.bound == pytest.approx(first.bound, rel=1e-12)


# --- small models near an answer --------------------------------------------------------------------------------------


@pytest.fixture
def always_sift(monkeypatch):
    """Sift whatever can be, from very few columns on."""
    settings = {"LEAST_COLUMNS": 1, "LEAST_RATIO": 0.0, "FEWEST": 2, "SHARE": 0.0, "MOST_SHARE": 1.0}
    for name, value in settings.items():
        monkeypatch.setattr(sift, name, value)


def test_small_models_near_an_answer_find_what_a_cold_solve_finds(always_sift):
    asked = answered = 0
    for seed in range(120):
        problem, _ = random_problem(
            np.random.default_rng(seed), curves=("linear", "capped", "piecewise"), integers=False, lines=(3, 9)
        )
        total = float(problem.budget.sum())
        if not np.isfinite(total) or total == 0 or problem.risk is not None:
            continue
        budgets = Budgets(problem, None, 1.5 * total)
        if budgets.moving is None:
            continue
        family = budgets.family(budgets.points)
        sifter = sift.Sifter.of(family, gap=1e-6)
        start = highs.run(family.at(total))
        if sifter is None or start.row_dual is None:
            continue
        sifter.start(start.row_dual)
        for share in (1.0, 0.97, 0.8, 1.3, 0.4):
            arrays = family.at(share * total)
            cold, ours = highs.run(arrays), sifter.solve(share * total)
            asked, answered = asked + 1, answered + (ours is not None)
            if ours is None:
                continue
            assert cold.status == "optimal"
            size = max(1e-3, abs(cold.bound))
            assert arrays.worth(ours.solution) == pytest.approx(cold.bound, abs=1e-7 * size)
            assert cold.bound - 1e-7 * size <= ours.bound <= cold.bound + 1e-7 * size
            amounts = np.concatenate([ours.solution, arrays.matrix @ ours.solution])
            low = np.concatenate([arrays.lower, arrays.row_lower])
            high = np.concatenate([arrays.upper, arrays.row_upper])
            assert (amounts >= low - 1e-6).all()
            assert (amounts <= high + 1e-6).all()
    assert answered > 0.6 * asked > 60


def across_plan(rng, lines=1200):
    """Pieces on a tree with floors and caps, and rules across it, large enough to be sifted."""
    x = np.cumsum(rng.uniform(1, 20, (lines, 5)).round(2), axis=1)
    slopes = np.sort(rng.uniform(0.1, 2.0, (lines, 5)), axis=1)[:, ::-1]
    y = np.cumsum(np.diff(x, prepend=0.0, axis=1) * slopes, axis=1)
    points = [
        ";".join(f"{a!r}:{b!r}" for a, b in zip(*each, strict=True))
        for each in zip(x.tolist(), y.tolist(), strict=True)
    ]
    units = 30
    cap = np.where(rng.random(units) < 0.5, rng.uniform(0.3, 0.9, units) * x[:, -1].sum() / units, np.inf)
    table = {
        "id": [f"l{i}" for i in range(lines)],
        "unit": [f"u{i % units}" for i in range(lines)],
        "curve": ["piecewise"] * lines,
        "points": points,
        "ask": (x[:, -1] * rng.uniform(0.5, 1.2, lines)).tolist(),
        "floor": np.where(rng.random(lines) < 0.2, x[:, 0] * 0.7, 0.0).tolist(),
        "odd": ["yes" if mark else "no" for mark in rng.random(lines) < 0.3],
        "staff": rng.uniform(0.0, 2.0, lines).round(2).tolist(),
    }
    tree = {
        "id": ["root", *(f"u{i}" for i in range(units))],
        "parent": ["", *["root"] * units],
        "cap": [None, *(float(each) if np.isfinite(each) else None for each in cap)],
    }
    rules = (
        Share(id="odd-most", tag={"odd": "yes"}, cap=0.25),
        Resource(id="staff", usage="staff", capacity=float(0.4 * x[:, -1].sum())),
    )
    budget = float(x[:, -1].sum() / 2)
    return fiscus.Problem.from_frames(units=tree, lines=table, budget=budget).but(rules=rules)


@pytest.mark.parametrize("spend_weight", [0.0, 0.6])
def test_a_large_frontier_is_sifted_and_equals_cold_solves(monkeypatch, spend_weight):
    answers = []
    real = sift.Sifter.solve

    def counted(self, *args, **kwargs):
        answers.append(real(self, *args, **kwargs))
        return answers[-1]

    monkeypatch.setattr(sift.Sifter, "solve", counted)
    problem = across_plan(np.random.default_rng(4)).but(spend_weight=spend_weight)
    totals = np.linspace(0.3, 1.2, 40) * float(problem.budget[0])
    made = frontier(problem, values=totals)
    assert sum(each is not None for each in answers) >= 30
    for point in made.points[::6]:
        changed = at_budget(problem, point.parameter)
        cold = highs.run(form(changed))
        assert point.status == "optimal"
        assert point.value == pytest.approx(cold.bound, rel=1e-9)
        assert point.value <= point.bound <= cold.bound * (1 + 1e-8)
        assert fiscus.violations(changed, point.spend) == []
        # Value is concave in the budget: what a unit costs lies between the slopes on both sides.
        wide = 1e-3 * point.parameter
        up, down = (highs.run(form(at_budget(problem, point.parameter + step))).bound for step in (wide, -wide))
        assert (up - cold.bound) / wide - 1e-6 <= point.price <= (cold.bound - down) / wide + 1e-6


def test_over_risk_and_alignment_small_models_find_the_same(always_sift, monkeypatch):
    problem = scenario_plan(np.random.default_rng(7), n=4, scenarios=8)
    curves = {"over": "risk", "points": 9}, {"over": "alignment", "points": 9, "reference": [2.0, 5.0, 1.0, 0.0]}
    sifted = [frontier(problem, **settings) for settings in curves]
    monkeypatch.setattr(sift.Sifter, "of", classmethod(lambda *_, **__: None))
    for settings, ours in zip(curves, sifted, strict=True):
        for point, whole in zip(ours.points, frontier(problem, **settings).points, strict=True):
            assert point.status == whole.status
            assert (point.value, point.risk) == pytest.approx((whole.value, whole.risk), rel=1e-6, abs=1e-7)


def test_a_lean_form_has_a_row_less_for_each_sum_and_none_where_it_cannot_be():
    problem = curves_plan("capped", n=3)
    budgets = Budgets(problem, None, 1.5 * float(problem.budget[0]))
    family = budgets.family(budgets.points)
    lean = sift.Lean.of(family)
    assert len(lean.rows) == len(family.arrays.row_lower) - 3
    assert len(lean.cost) == len(family.arrays.cost) - 3
    whole = dataclasses.replace(family.arrays, integer=np.ones(len(family.arrays.cost), dtype=bool))
    assert sift.Lean.of(dataclasses.replace(family, arrays=whole)) is None


# --- budget ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", slow_from(12, 24))
def test_every_point_over_the_budget_is_what_a_cold_solve_finds(seed):
    problem, _ = random_problem(np.random.default_rng(seed))
    if not np.isfinite(problem.budget).all() or problem.budget.sum() == 0:
        with pytest.raises(InvalidInput):
            frontier(problem)
        return
    total = float(problem.budget.sum())
    made = frontier(problem, values=np.array([0.2, 0.6, 1.0, 1.4]) * total)
    for point in made.points:
        changed = at_budget(problem, point.parameter)
        cold = fiscus.solve(changed, method="optimise")
        assert (point.spend is None) == (cold.solution is None)
        if cold.solution is None:
            assert point.status == cold.status
            continue
        assert point.status == "optimal" or cold.status == "feasible"
        size = max(1.0, abs(cold.value))
        assert point.value == pytest.approx(cold.value, abs=GAP * size)
        assert point.value == pytest.approx(fiscus.objective(changed, point.spend), rel=1e-9, abs=1e-9)
        assert point.bound >= cold.value - 1e-6 * size
        assert fiscus.violations(changed, point.spend) == []


def with_a_budget(draw):
    """The first problem, of a seed and those a hundred, two hundred... later, whose budget is finite and above zero."""
    drawn = map(draw, itertools.count(0, 100))
    return next(each for each in drawn if np.isfinite(each.budget).all() and each.budget.sum() > 0)


@pytest.mark.parametrize("seed", range(15))
def test_points_of_yes_or_no_plans_are_what_enumeration_finds(seed):
    problem = with_a_budget(lambda more: grid_problem(np.random.default_rng(1000 + seed + more)))
    made = frontier(problem, values=np.array([0.5, 0.9, 1.3]) * float(problem.budget.sum()), gap=1e-7)
    for point in made.points:
        best, _ = enumerate_best(at_budget(problem, point.parameter))
        if best is None:
            assert point.status == "infeasible"
        else:
            assert point.value == pytest.approx(best, rel=1e-6, abs=1e-6)


@pytest.mark.parametrize("seed", range(8))
def test_concave_plans_have_concave_rising_frontiers_whose_prices_are_slopes(seed):
    rng = np.random.default_rng(seed)
    settings = {"integers": False, "soft": False, "kinds": ("envelope", "share", "resource"), "account": False}
    problem, witness = random_problem(rng, curves=("linear", "capped", "log", "saturating"), **settings)
    if not np.isfinite(problem.budget).all() or problem.spend_weight or problem.risk is not None:
        problem = problem.but(budget=frozen(witness.sum(axis=1) + 20.0), spend_weight=0.0, risk=None)
    made = frontier(problem, points=12, gap=1e-7)
    solved = [point for point in made.points if point.spend is not None]
    y = np.array([point.value for point in solved])
    noise = 1e-5 * max(1.0, np.abs(y).max())
    assert (np.diff(y) >= -noise).all()
    for left, middle, right in zip(solved, solved[1:], solved[2:], strict=False):
        share = (middle.parameter - left.parameter) / (right.parameter - left.parameter)
        assert middle.value >= (1 - share) * left.value + share * right.value - noise
        width = right.parameter - middle.parameter
        assert middle.price * width >= right.value - middle.value - noise
        assert right.price * width <= right.value - middle.value + noise


def test_the_range_starts_where_floors_are_met_and_ends_where_nothing_is_gained():
    curves = Curves.make(["capped"] * 3, a=[3.0, 2.0, 1.0], h=[10.0, 20.0, 30.0])
    problem = small_plan(periods=1, budget=50.0, line={"curves": curves, "floor": [1.0, 2.0, 4.0], "cap": 100.0})
    made = frontier(problem, points=11)
    assert made.points[0].parameter == pytest.approx(7.0, rel=1e-6)
    assert made.points[-1].parameter == pytest.approx(60.0, rel=1e-5)
    assert made.points[-1].value == pytest.approx(30 + 40 + 30, rel=1e-6)
    assert (made.amount, made.next_million, made.last_million) == (1.0, pytest.approx(1.0), pytest.approx(1.0))


def test_the_knee_of_a_square_root_is_where_its_slope_is_the_chords():
    problem = curves_plan("power", n=1, budget=100.0)
    low, high = 4.0, 144.0
    made = frontier(problem, values=np.linspace(low, high, 141))
    assert [point.value for point in made.points] == pytest.approx(
        (made.points[0].value / np.sqrt(low) * np.sqrt(np.linspace(low, high, 141))).tolist(), rel=1e-5
    )
    closed_form = ((np.sqrt(low) + np.sqrt(high)) / 2) ** 2
    assert made.knee.parameter == pytest.approx(closed_form, abs=1.0)


@pytest.mark.parametrize(("total", "amount"), [(50.0, 1.0), (5e8, 1e6), (9e9, 1e6), (1.14e12, 1e9)])
def test_the_step_of_the_budget_is_worth_its_slope_whatever_the_budget(total, amount):
    curves = Curves.make(["log"] * 3, a=[3.0 * total, 2.0 * total, total], h=[total] * 3)
    problem = small_plan(unit=("north",) * 3, periods=1, budget=total, line={"curves": curves, "cap": 2.0 * total})
    made = frontier(problem, points=3)
    assert made.amount == amount
    # In parts of the total 3 / (1 + x1) = 2 / (1 + x2) with x1 + x2 = 1 gives a slope of 5 / 3, above the third line's 1.
    slope = 5 / 3
    assert made.next_million == pytest.approx(slope * amount, rel=0.02)
    assert made.last_million == pytest.approx(slope * amount, rel=0.02)


def test_a_straight_curve_has_no_knee():
    made = frontier(curves_plan("linear", n=1), points=9)
    assert made.knee is None
    assert "no knee" in made.sentences()[0]


def test_an_account_a_reserve_and_one_period_move_the_right_rows():
    rng = np.random.default_rng(3)
    problem, _ = random_problem(rng, periods=3, account=True, integers=False)
    problem = problem.but(budget=frozen([40.0, 20.0, 30.0]), risk=None, rules=(Reserve(id="r", amount=2.0),))
    made = frontier(problem, period=problem.periods[1], values=[5.0, 20.0, 33.0])
    for point in made.points:
        cold = fiscus.solve(problem.but(budget=frozen([40.0, point.parameter, 30.0])), method="optimise")
        assert point.status == cold.status
        assert point.value == pytest.approx(cold.value, rel=GAP)
    open_budget = problem.but(account=None)
    made = frontier(open_budget, values=[45.0, 90.0])
    for point in made.points:
        assert point.value == pytest.approx(fiscus.solve(at_budget(open_budget, point.parameter)).value, rel=GAP)


def test_budgets_are_answered_by_one_warm_model(monkeypatch):
    built = []
    real = highs.Warm.__init__

    def counted(self, *args, **kwargs):
        built.append(1)
        real(self, *args, **kwargs)

    monkeypatch.setattr(highs.Warm, "__init__", counted)
    problem = curves_plan("capped", n=3)
    frontier(problem, values=np.linspace(5.0, 45.0, 100).tolist())
    assert len(built) < 5


# --- risk ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("measure", ["cvar:0.6", "worst"])
@pytest.mark.parametrize("seed", range(4))
def test_least_risk_of_three_lines_is_what_a_fine_grid_finds(measure, seed):
    problem = scenario_plan(np.random.default_rng(seed))
    made = frontier(problem, "risk", measure=measure, points=5)
    steps = np.linspace(0.0, 6.0, 25)
    grid = np.array([each for each in itertools.product(steps, repeat=3) if sum(each) <= 10.0])
    value = fiscus.evaluate(problem, grid[:, None, :])
    mean, risk = (
        value @ problem.scenarios.probability,
        Measure.parse(measure).of_loss(-value, problem.scenarios.probability),
    )
    best_mean, least_risk = mean_and_risk_programs(problem, measure)
    assert made.points[-1].value == pytest.approx(best_mean(), rel=1e-6)
    assert made.points[0].risk == pytest.approx(least_risk(-np.inf), rel=1e-6, abs=1e-6)
    for point in made.points:
        assert point.status == "optimal"
        assert point.value >= point.parameter - 1e-6 * abs(point.parameter)
        assert point.risk <= risk[mean >= point.parameter].min(initial=np.inf) + 1e-6
        assert point.risk == pytest.approx(least_risk(point.parameter), rel=1e-5, abs=1e-5)
        assert point.bound == pytest.approx(point.risk, rel=1e-6, abs=1e-6)


def mean_and_risk_programs(problem, measure):
    """Best mean, and least CVaR or worst loss at a mean, as linear programs written by hand: x, threshold, excess."""
    theta, chance = problem.scenarios.theta[:, 0, :], problem.scenarios.probability
    count, lines = theta.shape
    share = 1.0 - Measure.parse(measure).level if measure != "worst" else 1.0
    box = [(0.0, 6.0)] * lines

    def best_mean():
        return -linprog(-(chance @ theta), A_ub=np.ones((1, lines)), b_ub=[10.0], bounds=box).fun

    def least_risk(mean):
        top = 0.0 if measure == "worst" else np.inf  # Without excess the threshold is the worst loss.
        cost = np.r_[np.zeros(lines), 1.0, chance / share]
        rows = [np.r_[np.ones(lines), 0.0, np.zeros(count)]]
        limits = [10.0]
        if np.isfinite(mean):
            rows.append(np.r_[-(chance @ theta), 0.0, np.zeros(count)])
            limits.append(-mean)
        tail = np.hstack([-theta, -np.ones((count, 1)), -np.eye(count)])
        bounds = [*box, (None, None), *[(0.0, top)] * count]
        return linprog(cost, A_ub=np.vstack([*rows, tail]), b_ub=np.r_[limits, np.zeros(count)], bounds=bounds).fun

    return best_mean, least_risk


def test_over_risk_a_frontier_is_convex_and_contains_the_plans_own_optimum():
    problem = scenario_plan(np.random.default_rng(7), n=4, scenarios=8)
    averse = problem.but(risk=RiskAversion(Measure("cvar", 0.75), 0.8))
    made = frontier(averse, "risk", points=15)
    assert made.measure == "cvar:0.75"
    x, y = np.array([(point.parameter, point.risk) for point in made.points]).T
    assert (np.diff(y) >= -1e-7).all()
    assert (np.diff(y, 2) >= -1e-6 * max(1.0, np.abs(y).max())).all()
    own = made.current
    exact = frontier(averse, "risk", values=[own.value])
    assert exact.points[0].risk == pytest.approx(own.risk, rel=1e-6, abs=1e-6)
    slopes = np.diff(y) / np.diff(x)
    assert all(
        low - 1e-6 <= made.points[k].price <= high + 1e-6 for k, (low, high) in enumerate(itertools.pairwise(slopes), 1)
    )


def test_over_risk_smooth_and_yes_or_no_plans_hold_their_mean():
    rng = np.random.default_rng(5)
    theta = rng.integers(0, 40, (4, 1, 3)) / 10.0
    curves = Curves.make(["log", "hill", "power"], a=[9.0, 12.0, 3.0], h=[4.0, 3.0, 4.0], p=[1.0, 2.0, 0.5])
    problem = small_plan(
        unit=("north",) * 3, periods=1, budget=10.0, line={"cap": 6.0, "curves": curves},
        scenarios=Scenarios.equally_likely(theta), rules=(AtMost(id="two", lines=("a", "b", "c"), count=2),),
    )  # fmt: skip
    made = frontier(problem, "risk", measure="cvar:0.5", points=5)
    steps = np.linspace(0.0, 6.0, 61)
    grid = np.array(
        [e for e in itertools.product(steps, repeat=3) if sum(e) <= 10.0 + 1e-9 and sum(x > 0 for x in e) <= 2]
    )
    value = fiscus.evaluate(problem, grid[:, None, :])
    mean, risk = value.mean(axis=1), Measure("cvar", 0.5).of_loss(-value, problem.scenarios.probability)
    for point in made.points:
        assert fiscus.violations(problem, point.spend) == []
        assert point.value >= point.parameter - 2e-4 * abs(point.parameter)
        assert point.risk <= risk[mean >= point.parameter].min(initial=np.inf) + 3e-4 * max(1.0, abs(point.risk))


@pytest.mark.skipif(not PORTFOLIOS.is_dir(), reason="OR-Library's portfolio files are not beside this checkout")
def test_the_published_mean_variance_frontier_is_reproduced():
    numbers = np.array((PORTFOLIOS / "port1.txt").read_text().split(), dtype=float)
    assets = int(numbers[0])
    mean, deviation = numbers[1 : 1 + 2 * assets].reshape(assets, 2).T
    correlation = np.eye(assets)
    for row, column, each in numbers[1 + 2 * assets :].reshape(-1, 3):
        correlation[int(row) - 1, int(column) - 1] = correlation[int(column) - 1, int(row) - 1] = each
    # Twice as many futures as assets, one factor up or down in each, have exactly this mean and covariance.
    step = np.sqrt(assets) * np.linalg.cholesky(correlation * np.outer(deviation, deviation)).T
    theta = 1.0 + mean + np.concatenate([step, -step])
    names = [f"asset{number}" for number in range(assets)]
    whole = Envelope(id="all of it", lines=tuple(names), floor=1.0)
    problem = fiscus.Problem.from_frames(lines={"id": names}, budget=1.0, rules=[whole])
    problem = problem.but(scenarios=Scenarios.equally_likely(theta[:, None, :]))
    published = np.array((PORTFOLIOS / "portef1.txt").read_text().split(), dtype=float).reshape(-1, 2)
    chosen = published[np.linspace(0, len(published) - 1, 50).round().astype(int)]
    chosen = chosen[np.argsort(chosen[:, 0])]
    made = frontier(problem, "risk", measure="meanvar", values=1.0 + chosen[:, 0])
    assert [point.risk for point in made.points] == pytest.approx(chosen[:, 1].tolist(), rel=1e-5)


# --- alignment -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(12))
def test_full_alignment_with_a_feasible_plan_is_that_plan(seed):
    drawn = {}

    def draw(more):
        problem, drawn["witness"] = random_problem(np.random.default_rng(seed + more), soft=False)
        return problem

    problem, witness = with_a_budget(draw), drawn["witness"]
    made = frontier(problem, "alignment", reference=witness, points=4)
    last = made.points[-1]
    assert last.alignment == pytest.approx(1.0, abs=1e-6)
    assert last.spend == pytest.approx(witness, abs=2e-6 * problem.budget.sum() + 1e-6)
    assert made.points[0].value == pytest.approx(fiscus.solve(problem, method="optimise").value, rel=GAP, abs=GAP)
    values = [point.value for point in made.points]
    assert all(left >= right - GAP * max(1.0, abs(left)) for left, right in itertools.pairwise(values))
    for point in made.points:
        apart = np.abs(point.spend - witness).sum()
        assert point.alignment == pytest.approx(1 - apart / (2 * problem.budget.sum()))
        assert point.alignment >= point.parameter - 1e-6


def test_alignment_of_two_lines_has_a_closed_form():
    curves = Curves.make(["linear", "linear"], a=[3.0, 1.0])
    line = {"curves": curves, "prior": [2.0, 8.0], "cap": 10.0}
    problem = small_plan(unit=("north", "south"), periods=1, budget=10.0, line=line)
    made = frontier(problem, "alignment", values=[0.2, 0.5, 0.75, 1.0])
    # Each unit moved from b to a is worth 2 and takes 2 of sum |x - ref|, that is 0.1 of alignment.
    assert [point.value for point in made.points] == pytest.approx([30.0, 14 + 2 * 5.0, 14 + 2 * 2.5, 14.0])
    assert [point.price for point in made.points][1:3] == pytest.approx([-20.0, -20.0])


def test_targets_are_compared_at_the_lowest_units_that_have_one():
    target = [10.0, 7.0, np.nan]
    problem = small_plan(periods=1, budget=10.0, envelopes={"target": target}, line={"cap": 10.0})
    made = frontier(problem, "alignment", reference="targets", points=3)
    spend = made.points[-1].spend
    assert spend[0, :2].sum() == pytest.approx(7.0, abs=1e-6)
    assert made.points[-1].alignment == pytest.approx(1.0, abs=1e-6)
    with pytest.raises(InvalidInput, match="no unit of this plan has a target"):
        frontier(small_plan(), "alignment", reference="targets")


# --- errors and outputs ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"over": "beauty"}, "one of budget, risk, alignment"),
        ({"points": 1}, "from 2 to"),
        ({"values": [np.nan]}, "finite numbers"),
        ({"values": [-1.0]}, "not negative"),
        ({"over": "alignment", "values": [1.5]}, "at most 1"),
        ({"period": "FY9"}, "one of FY1, FY2"),
        ({"over": "risk"}, "needs scenarios"),
        ({"amount": 0.0}, "above zero"),
        ({"over": "alignment", "reference": "dream"}, "'last year' or 'targets'"),
    ],
)
def test_what_cannot_be_meant_is_refused_in_a_sentence(settings, words):
    with pytest.raises(InvalidInput, match=words):
        frontier(small_plan(), **settings)


def test_without_any_plan_there_is_no_frontier():
    problem = small_plan(rules=(Envelope(id="a", node="city", floor=90.0), Envelope(id="b", node="city", cap=80.0)))
    for over in ("budget", "alignment"):
        with pytest.raises(NoAllocation):
            frontier(problem, over)


def test_table_dictionary_and_picture_agree():
    made = frontier(curves_plan("log"), points=8)
    table = made.table()
    assert table["value"].tolist() == [point.value for point in made.points]
    assert table["knee"].sum() == 1
    document = json.loads(json.dumps(made.as_dict(), allow_nan=False))
    assert len(document["points"]) == 8
    assert document["knee"]["parameter"] == made.knee.parameter
    axes = made.plot().axes[0]
    assert axes.get_xlabel() == "Budget, USD"
    assert axes.lines[0].get_ydata() == pytest.approx(table["value"].tolist())
    assert {text.get_text() for text in axes.get_legend().get_texts()} == {"Knee", "Current plan"}


PLAN = {
    "plan.yaml": "name: Small\ncurrency: USD\nbudget: 100\nunits: units.csv\nlines: lines.csv\n",
    "units.csv": "id,parent\ncity,\n",
    "lines.csv": "id,unit,name,ask,curve,a,h\nroads,city,Roads,60,log,9,10\nparks,city,Parks,80,log,5,10\n",
}


@pytest.fixture
def folder(tmp_path):
    for name, text in PLAN.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    return tmp_path


def test_the_command_prints_a_dozen_rows_and_writes_table_and_pictures(folder):
    run = CliRunner().invoke(app, ["frontier", str(folder), "--points", "40", "--out", str(folder / "out")])
    assert run.exit_code == 0, run.output
    problem, _ = fiscus.read_plan(folder)
    made = frontier(problem, points=40)
    assert f"{made.knee.parameter:,.2f}" in run.output
    assert "next USD 10 of budget" in run.output
    assert len([row for row in run.output.splitlines() if "%" in row]) <= 12
    assert sorted(path.name for path in (folder / "out").iterdir()) == ["frontier.csv", "frontier.png", "frontier.svg"]
    assert len((folder / "out" / "frontier.csv").read_text().splitlines()) == 41


def test_the_command_speaks_json_and_refuses_in_a_sentence(folder):
    run = CliRunner().invoke(app, ["frontier", str(folder), "--over", "alignment", "--points", "5", "--json"])
    assert run.exit_code == 0
    assert len(json.loads(run.stdout)["points"]) == 5
    for wrong in (["--over", "beauty"], ["--over", "risk"], ["--points", "0"]):
        run = CliRunner().invoke(app, ["frontier", str(folder), *wrong])
        assert run.exit_code == 2
        assert "error" in run.stderr


# --- what if ---------------------------------------------------------------------------------------------------------


def ruled_plan():
    curves = Curves.make(["linear"] * 3, a=[3.0, 2.0, 1.0])
    rules = (
        Envelope(id="north-cap", node="north", cap=50.0),
        Share(id="south-share", node="south", floor=0.3),
    )
    return small_plan(periods=1, line={"curves": curves, "cap": 40.0}, rules=rules)


def test_variants_are_set_beside_the_plan():
    problem = ruled_plan()
    made = compare_scenarios(
        problem,
        {
            "budget -10%": {"budget": 0.9},
            "without the share": {"drop": "south-share"},
            "north +5": {"cap_by": {"north": 5.0}},
            "no a": {"cap": {"a": 0.0}},
            "impossible": {"floor": {"south": 60.0}},
        },
    )
    rows = {row.name: row for row in made.rows}
    assert next(iter(rows)) == "as planned"
    # North takes 40 of a and 10 of b, south its 40 of c.
    assert rows["as planned"].value == pytest.approx(120 + 20 + 40)
    assert rows["as planned"].dearest == "line a" or rows["as planned"].price == pytest.approx(2.0)
    assert rows["budget -10%"].value == pytest.approx(120 + 20 + 40)
    assert rows["north +5"].change == pytest.approx(2.0 * 5)
    assert (rows["north +5"].raised, rows["north +5"].cut) == (pytest.approx(5.0), pytest.approx(0.0))
    assert rows["no a"].lost == ("a",)
    assert rows["no a"].raised == pytest.approx(30.0)
    assert rows["no a"].cut == pytest.approx(40.0)
    assert rows["impossible"].status == "infeasible"
    assert np.isnan(rows["impossible"].value)
    for name, result in made.results.items():
        assert rows[name].status == result.status
    json.dumps(made.as_dict(), allow_nan=False)
    assert made.table()["name"].tolist() == list(rows)


def test_words_make_the_problems_they_say():
    problem = ruled_plan()
    assert variant(problem, {"budget": {"FY1": 7.0}}).budget.tolist() == [7.0]
    assert [rule.id for rule in variant(problem, {"drop": ["north-cap"]}).rules] == ["south-share"]
    assert variant(problem, {"cap_by": {"north": 5.0}}).rules[0].cap == 55.0
    assert variant(problem, {"cap": {"south": 9.0}}).units.cap[0].tolist() == [np.inf, np.inf, 9.0]
    assert variant(problem, {"floor_by": {"c": 2.0}}).lines.floor[0].tolist() == [0.0, 0.0, 2.0]
    assert variant(problem, {"discount_rate": 0.1}).discount_rate == 0.1
    for wrong in (
        {"drop": ["nothing"]}, {"cap_by": {"south": 1.0}}, {"cap": {"nobody": 1.0}}, {"budget": -1.0}, {"colour": 1},
        {"floor_by": {"c": -1.0}}, {"budget": {"FY9": 1.0}},
    ):  # fmt: skip
        with pytest.raises(InvalidInput):
            variant(problem, wrong)
    with pytest.raises(InvalidInput, match="other lines or periods"):
        compare_scenarios(problem, {"other": small_plan(periods=2)})
