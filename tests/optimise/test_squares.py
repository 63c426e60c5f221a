"""Mean and variance with bent curves: envelopes, grids, a second solver, random plans, and what a saved run proves."""

from __future__ import annotations

import cvxpy as cp
import numpy as np
import pytest
from random_problems import random_problem

import fiscus
from fiscus.core.curves import Curves
from fiscus.core.feasibility import violations
from fiscus.core.objective import objective
from fiscus.core.problem import Problem
from fiscus.core.risk import Measure, RiskAversion
from fiscus.optimise.envelopes import above, below

FAMILIES = ("log", "power", "saturating", "hill", "capped", "linear")


def portfolio(rng, count, size, families, *, floor=0.0, aversion=1.0):
    """Lines with common and own uncertainty; some have floors; money for two fifths of the caps."""
    cap = rng.uniform(20, 100, count).round(2)
    family = rng.choice(families, count)
    common = rng.lognormal(0, 0.4, (size, 3)) @ rng.dirichlet(np.ones(3), count).T
    factors = common * rng.lognormal(0, 0.1, (size, count))
    scale = np.where(family == "linear", rng.uniform(0.5, 2, count), cap * rng.uniform(0.5, 2, count))
    exponent = np.where(family == "hill", rng.uniform(1.5, 4, count), np.where(family == "power", 0.5, np.nan))
    names = [f"a{i}" for i in range(count)]
    lines = {
        "id": names,
        "cap": cap,
        "curve": family,
        "a": scale,
        "h": cap * rng.uniform(0.2, 0.6, count),
        "p": exponent,
        "floor": (cap * floor * rng.integers(0, 2, count)).round(2),
    }
    table = {
        "scenario": np.repeat(np.arange(size), count).astype(str).tolist(),
        "probability": np.full(size * count, 1.0 / size),
        "line": names * size,
        "factor": factors.ravel(),
    }
    return Problem.from_frames(
        lines=lines,
        scenarios=table,
        budget=float(0.4 * cap.sum()),
        risk="meanvar",
        aversion=aversion * 2.0 / float(cap.sum()),
    )


@pytest.mark.parametrize("seed", range(20))
def test_envelopes_hold_curves_and_touch_them(seed):
    """Also over boxes that begin or end at a bend, or are points."""
    rng = np.random.default_rng(seed)
    for _ in range(25):
        family = rng.choice(FAMILIES, 8).tolist()
        exponent = np.where(np.array(family) == "hill", rng.uniform(0.5, 6, 8), rng.uniform(0.1, 1, 8))
        curves = Curves.make(family, a=rng.uniform(1, 50, 8), h=rng.uniform(1, 50, 8), p=exponent)
        bend, near = curves.inflection(), 1.0 + rng.choice([0.0, 1e-15, -1e-15, 1e-10, -1e-10], 8)
        low = np.where((rng.random(8) < 0.3) & (bend > 0), bend * near, rng.uniform(0.01, 60, 8))
        high = low + rng.choice([1.0, 1.0, 1e-6, 1e-9, 0.0], 8) * rng.uniform(0, 80, 8)
        high = np.where((rng.random(8) < 0.3) & (bend > low), bend * near, high)
        high = np.maximum(low, high)
        touch = low + (high - low) * rng.choice([0.0, 1.0, 0.5, 0.3], 8)
        stock = low + (high - low) * np.linspace(0, 1, 801)[:, None]
        value = curves.value(stock)
        slack = 1e-12 * value.max(axis=0)
        over, under = above(curves, low, high, touch), below(curves, low, high, touch)
        room = over[0] * stock + over[1] - value, value - under[0] * stock - under[1]
        for each in room:
            assert (each >= -slack).all()
            # An envelope's line touches the curve somewhere; the grid comes within a step of there.
            step = np.abs(np.diff(value, axis=0)).max(axis=0)
            assert (each.min(axis=0) <= step + slack).all()


@pytest.mark.parametrize("seed", range(16))
def test_no_plan_on_a_grid_beats_the_bound(seed):
    rng = np.random.default_rng([seed, 77])
    count = int(rng.integers(2, 4))
    families = ("hill",) if seed % 2 else ("hill", "log", "power", "saturating", "linear")
    problem = portfolio(
        rng,
        count,
        int(rng.integers(2, 6)),
        families,
        floor=0.3 * (seed % 3 == 0),
        aversion=float(rng.choice([1, 5, 20])),
    )
    axes = [
        np.linspace(low, high, 501 if count == 2 else 71)
        for low, high in zip(problem.lines.floor[0], problem.lines.cap[0], strict=True)
    ]
    grid = np.stack([each.ravel() for each in np.meshgrid(*axes, indexing="ij")], -1)
    grid = grid[grid.sum(axis=1) <= problem.budget[0]]
    effect = problem.lines.curves.value(grid) * problem.benefit_discount[0]
    values = effect @ problem.scenarios.theta[:, 0].T - problem.spend_weight * grid.sum(axis=1)[:, None]
    worth = values.mean(axis=1) - problem.risk.aversion * values.var(axis=1)
    best = float(worth.max())
    assert objective(problem, grid[[int(worth.argmax())]]) == pytest.approx(best, rel=1e-9)
    result = fiscus.solve(problem)
    assert result.status == "optimal"
    assert result.gap <= 1e-4
    assert not violations(problem, result.solution)
    assert best <= result.bound + 1e-9 * abs(best)
    assert result.value >= best - 1e-4 * abs(best)


@pytest.mark.parametrize("seed", range(8))
def test_clarabel_finds_the_same_optimum_on_concave_curves(seed):
    """Benefits as variables below concave curves: the same problem, because money need not be spent."""
    rng = np.random.default_rng([seed, 5])
    problem = portfolio(
        rng, int(rng.integers(3, 9)), 12, ("log", "power", "saturating", "linear"), aversion=float(rng.choice([1, 4]))
    )
    curves, count = problem.lines.curves, problem.shape[1]
    x, benefit = cp.Variable(count), cp.Variable(count)
    below_curve = {
        "log": lambda i: curves.a[i] * cp.log(1 + x[i] / curves.h[i]),
        "power": lambda i: curves.a[i] * cp.power(x[i], curves.p[i]),
        "saturating": lambda i: curves.a[i] * (1 - cp.exp(-x[i] / curves.h[i])),
        "linear": lambda i: curves.a[i] * x[i],
    }
    rows = [benefit[i] <= below_curve[curves.family[i]](i) for i in range(count)]
    rows += [benefit >= 0, x >= 0, x <= problem.lines.cap[0], cp.sum(x) <= problem.budget[0]]
    gain = problem.scenarios.theta[:, 0] * problem.benefit_discount[0]
    apart = (gain - gain.mean(axis=0)) / np.sqrt(len(gain))
    aim = (
        gain.mean(axis=0) @ benefit
        - problem.spend_weight * cp.sum(x)
        - problem.risk.aversion * cp.sum_squares(apart @ benefit)
    )
    best = cp.Problem(cp.Maximize(aim), rows).solve(solver=cp.CLARABEL, tol_gap_rel=1e-10, tol_feas=1e-10)
    result = fiscus.solve(problem)
    assert result.status == "optimal"
    assert result.value == pytest.approx(best, rel=5e-6)
    assert result.bound >= result.value
    assert result.bound == pytest.approx(best, rel=5e-6)


@pytest.mark.parametrize(
    "curves", [("linear", "capped", "log", "power", "saturating"), ("linear", "log", "hill", "hill")]
)
@pytest.mark.parametrize("seed", range(20))
def test_every_random_plan_closes_its_gap(seed, curves):
    """Floors, shares, carry-over, change costs, soft rules, accounts: the gap closes, and no plan near by beats the bound."""
    rng = np.random.default_rng([seed, 11])
    problem, witness = random_problem(rng, integers=False, curves=curves)
    problem = problem.but(risk=RiskAversion(Measure.parse("meanvar"), float(rng.choice([0.002, 0.05, 1.0]))))
    result = fiscus.solve(problem)
    assert result.status == "optimal", result.gap
    for share in rng.uniform(-0.2, 1.2, 20):
        spend = np.clip(result.solution + share * (witness - result.solution), problem.lines.floor, problem.lines.cap)
        if not violations(problem, spend):
            worth = objective(problem, spend)
            assert worth <= result.bound + 1e-6 * max(1.0, abs(worth))
            assert worth <= result.value + 1.1 * result.tolerance * max(abs(result.bound), abs(worth)) + 1e-6


def test_prices_of_boxes_prove_the_bound_of_a_divided_plan():
    """The plan that needs dividing: last year's floor keeps money where the variance would rather not have the benefit."""
    rng = np.random.default_rng(3)
    found = 0
    for _ in range(12):
        problem = portfolio(rng, 6, 10, ("hill",), aversion=8.0)
        result = fiscus.solve(problem)
        assert result.status == "optimal"
        if result.boxes is not None and result.boxes.halves:
            found += 1
            assert result.certificate.bound >= result.value - 1e-9 * abs(result.value)
            assert np.isfinite(result.certificate.bound)
    assert found


def test_a_plan_that_floors_make_impossible_says_so():
    rules = [{"id": "least", "kind": "envelope", "lines": ["a0", "a1"], "floor": 200}]
    lines = {
        "id": ["a0", "a1"],
        "cap": [100.0, 90.0],
        "curve": ["hill", "log"],
        "a": [50, 60],
        "h": [20, 30],
        "p": [2, None],
    }
    table = {
        "scenario": ["s", "s", "t", "t"],
        "probability": [0.5] * 4,
        "line": ["a0", "a1"] * 2,
        "factor": [0.5, 1.2, 1.5, 0.8],
    }
    problem = Problem.from_frames(lines=lines, scenarios=table, budget=500, rules=rules, risk="meanvar", aversion=0.01)
    result = fiscus.solve(problem)
    assert result.status == "infeasible"
    assert result.reasons


def test_a_time_limit_leaves_a_plan_with_an_honest_gap():
    problem = portfolio(np.random.default_rng(1), 40, 30, ("hill",), aversion=5.0)
    result = fiscus.solve(problem, time_limit=0.05, gap=0.0)
    if result.solution is not None:
        assert result.bound >= result.value
        assert not violations(problem, result.solution)
    best = fiscus.solve(problem)
    assert best.status == "optimal"
    assert best.value <= result.bound + 1e-9 * abs(result.bound)
