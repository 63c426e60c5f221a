"""The front door: what it promises whatever it is given."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import pytest
from pydantic import Field
from random_problems import random_problem
from repetitions import slow_from
from scipy.optimize import minimize_scalar

import fiscus
from fiscus.core.rows import Contribution, Rows
from fiscus.core.rules.base import Rule, amount, line_positions
from fiscus.errors import InvalidInput, NoAllocation, RouteUnavailable
from fiscus.optimise.result import relative_gap


def plan(**changes):
    settings = {
        "lines": {
            "id": ["roads", "schools", "parks"],
            "ask": [60, 50, 40],
            "prior": [30, 30, 20],
            "curve": ["log", "saturating", "linear"],
            "a": [80, 60, 0.4],
            "h": [40, 25, None],
        },
        "budget": 100,
    }
    return fiscus.Problem.from_frames(**{**settings, **changes})


def test_smooth_concave_optimum_meets_the_conditions_of_karush_kuhn_and_tucker():
    result = fiscus.solve(plan(budget=120), gap=1e-9)
    assert result.status == "optimal"
    price = next(each.price for each in result.binding if each.rule == "budget")
    # Parks take what is left at a slope of 0.4; roads are still steeper at their cap; schools stop where theirs is 0.4.
    schools = 25 * np.log(60 / 25 / 0.4)
    assert result.allocation[0] == pytest.approx([60, schools, 60 - schools], rel=1e-3)
    assert price == pytest.approx(0.4, rel=1e-3)


@pytest.mark.parametrize("seed", range(20))
def test_s_curves_against_a_fine_grid(seed):
    """Two S-shaped lines share a budget: the proven interval holds the best of 200,001 splits."""
    rng = np.random.default_rng(seed)
    a, h, p = rng.uniform(1, 5, 2), rng.uniform(10, 60, 2), rng.uniform(1.5, 5, 2)
    lines = {
        "id": ["x", "y"],
        "cap": [100, 100],
        "curve": ["hill"] * 2,
        "a": a.tolist(),
        "h": h.tolist(),
        "p": p.tolist(),
    }
    result = fiscus.solve(fiscus.Problem.from_frames(lines=lines, budget=100))
    split = np.linspace(0, 100, 200_001)
    best = sum(a[i] * k ** p[i] / (h[i] ** p[i] + k ** p[i]) for i, k in enumerate((split, 100 - split))).max()
    assert result.status == "optimal"
    assert result.value <= best * (1 + 1e-9)
    assert result.bound >= best * (1 - 1e-9)
    assert result.gap <= 1e-4


def test_power_curve_against_the_closed_form():
    """max sum a_i x_i^p on a budget: shares in proportion to a_i^(1/(1-p))."""
    a, p = np.array([3.0, 2.0, 1.0]), 0.6
    lines = {"id": list("abc"), "curve": ["power"] * 3, "a": a.tolist(), "p": [p] * 3}
    result = fiscus.solve(fiscus.Problem.from_frames(lines=lines, budget=1000), gap=1e-8)
    share = a ** (1 / (1 - p)) / (a ** (1 / (1 - p))).sum()
    assert result.value == pytest.approx(float(a @ (1000 * share) ** p), rel=1e-7)
    assert result.allocation[0] == pytest.approx(1000 * share, rel=2e-3)


def test_carry_over_of_effect_against_one_dimensional_search():
    """Half of the stock stays, so money of the first period works twice; one free split, searched by SciPy."""
    lines = {"id": ["x"], "curve": ["log"], "a": [10], "h": [5], "retention": [0.5]}
    settings = {"periods": ["one", "two"], "budget": {"one": 30, "two": 0}, "opening_cash": 0, "carry_over": 1.0}
    problem = fiscus.Problem.from_frames(lines=lines, discount_rate=0.1, **settings)
    result = fiscus.solve(problem, gap=1e-8)

    def loss(first):
        return -float(fiscus.evaluate(problem, np.array([[first], [30 - first]]))[0])

    best = minimize_scalar(loss, bounds=(0, 30), method="bounded", options={"xatol": 1e-9})
    assert result.value == pytest.approx(-best.fun, rel=1e-7)


def test_infeasible_is_a_result_that_names_the_rules():
    rules = [
        {"id": "low", "kind": "envelope", "lines": ["roads"], "floor": 55, "text": "Roads keep 55"},
        {"id": "high", "kind": "share", "node": "all", "of": "all", "cap": 0.0, "text": "Nothing may be spent"},
    ]
    result = fiscus.solve(plan(rules=rules))
    assert result.status == "infeasible"
    assert any("Roads keep 55" in reason or "Nothing may be spent" in reason for reason in result.reasons)
    assert np.isnan(result.value)
    with pytest.raises(NoAllocation, match="no allocation"):
        _ = result.allocation
    assert "infeasible" in result._repr_html_()
    assert result.as_dict()["value"] is None


def test_unbounded_is_a_result_that_names_the_lines():
    result = fiscus.solve(fiscus.Problem.from_frames(lines={"id": ["endless"], "a": [2]}, spend_weight=1))
    assert result.status == "unbounded"
    assert "endless" in result.reasons[0]


def test_a_time_limit_returns_what_there_is():
    rng = np.random.default_rng(1)
    count = 150
    lines = {
        "id": [f"p{i}" for i in range(count)],
        "cap": [1] * count,
        "lumpy": [True] * count,
        "a": rng.integers(10, 99, count).tolist(),
    }
    usage = {f"r{k}": [str(value) for value in rng.integers(5, 90, count)] for k in range(8)}
    rules = [
        {"id": f"r{k}", "kind": "resource", "usage": f"r{k}", "capacity": 1500, "per": "project"} for k in range(8)
    ]
    result = fiscus.solve(fiscus.Problem.from_frames(lines=lines | usage, rules=rules), time_limit=1.0, gap=0.0)
    assert result.status in ("feasible", "optimal")
    assert result.bound >= result.value > 0
    assert fiscus.violations(result.problem, result.allocation) == []


def test_unknown_words_are_refused_with_the_known_ones():
    with pytest.raises(InvalidInput, match="optimise"):
        fiscus.solve(plan(), method="best")  # type: ignore[arg-type]
    with pytest.raises(InvalidInput, match="highs"):
        fiscus.solve(plan(), route="gurobi")  # type: ignore[arg-type]
    with pytest.raises(InvalidInput, match="time_limit"):
        fiscus.solve(plan(), time_limit=0)


def test_scenarios_that_change_the_shape_of_curves_name_another_way():
    from fiscus.core.process import ParameterPrior, scenarios

    problem = plan()
    prior = ParameterPrior(1, problem.lines.curves, 0.2, 0.2)
    with pytest.raises(RouteUnavailable, match="evaluate"):
        fiscus.solve(problem.but(scenarios=scenarios(prior, np.random.default_rng(0), 5)))


def test_the_same_input_gives_the_same_bits():
    problem, _ = random_problem(np.random.default_rng(8))
    first, second = fiscus.solve(problem), fiscus.solve(problem)
    assert first.allocation.tobytes() == second.allocation.tobytes()
    assert first.problem.digest == second.problem.digest


def test_digests_notice_every_change():
    problem = plan()
    digests = {problem.digest, plan(budget=101).digest, plan(rules=[{"id": "r", "kind": "turnover", "cap": 5}]).digest}
    assert len(digests) == 3


def test_risk_limits_hold_on_smooth_curves():
    """Over-estimated curves may tempt the model past a risk limit; the true curves must keep it."""
    factors = [0.5, 0.8, 1.0, 1.3]
    scenarios = {"scenario": list("abcd"), "probability": [0.25] * 4, "line": ["roads"] * 4, "factor": factors}
    free = fiscus.solve(plan(scenarios=scenarios, spend_weight=1))
    loss = -fiscus.evaluate(free.problem, free.allocation).min()
    rule = {"id": "worst", "kind": "risk", "measure": "worst", "limit": loss - 0.5}
    result = fiscus.solve(plan(scenarios=scenarios, spend_weight=1, rules=[rule]))
    assert result.solution is not None
    assert fiscus.violations(result.problem, result.allocation) == []
    assert -fiscus.evaluate(result.problem, result.allocation).min() <= loss - 0.5 + 1e-5
    assert result.value <= free.bound


class Twins(Rule):
    """Two lines get the same amount: a kind that only this test knows."""

    kind: ClassVar[str] = "twins"

    lines: tuple[str, str] = Field(description="The two lines.")

    def state(self, facts):
        selection, labels = self.selection(facts), self.labels(facts)
        first, second = line_positions(facts, self.lines)
        terms = {"spend": selection.each(np.array([first])) - selection.each(np.array([second]))}
        zero = np.zeros(len(labels))

        def describe(row, _side):
            return f"the twins differ in {labels[row][1]} from {amount(0.0)}"

        return Contribution((Rows(self.kind, labels, terms, zero, zero, describe, penalty=self.charge()),))


def test_a_new_rule_is_one_class_that_every_reader_obeys():
    rule = {"id": "equal", "kind": "twins", "lines": ["roads", "parks"]}
    problem = plan(rules=[rule])
    for route in ("highs", "pyomo"):
        result = fiscus.solve(problem, route=route)
        assert result.allocation[0, 0] == pytest.approx(result.allocation[0, 2], abs=1e-6)
        assert "equal" in {each.rule for each in result.binding}
    assert [each.rule for each in fiscus.violations(problem, np.array([[10.0, 0.0, 20.0]]))] == ["equal"]
    assert fiscus.to_pyomo(problem).component("twins") is not None
    assert result.apportionment.unmet == ()


def test_an_extended_open_model_is_solved_and_read_back():
    import pyomo.environ as pyo

    problem = plan()
    model = fiscus.to_pyomo(problem)
    model.mine = pyo.Constraint(expr=model.spend["now", "roads"] <= model.spend["now", "parks"])
    result = fiscus.solve_model(problem, model)
    assert result.allocation[0, 0] <= result.allocation[0, 2] + 1e-6
    assert result.value <= fiscus.solve(problem).bound
    assert fiscus.from_pyomo(problem, model).value == pytest.approx(result.value)
    model.curved = pyo.Constraint(expr=model.spend["now", "roads"] ** 2 <= 4)
    with pytest.raises(InvalidInput, match="nonlinear"):
        fiscus.solve_model(problem, model)


@pytest.mark.parametrize("ten", slow_from(1, 3))
def test_methods_obey_every_rule_and_never_beat_the_bound(ten):
    seen = 0
    for seed in range(10 * ten, 10 * ten + 10):
        problem, _ = random_problem(np.random.default_rng(seed), account=False)
        best = fiscus.solve(problem)
        for method in ("top_down", "bottom_up", "hybrid", "incremental"):
            result = fiscus.solve(problem, method=method)
            if result.solution is None:  # Targets may exclude every plan that the rules allow.
                assert method == "top_down"
                continue
            assert fiscus.violations(problem, result.allocation) == []
            assert result.value <= best.bound + 1e-6 * max(1.0, abs(best.bound))
            seen += 1
    assert seen > 30


def test_bottom_up_by_priority_serves_the_first_rank_first():
    lines = {"id": list("abc"), "ask": [50, 50, 50], "priority": [2, 1, 3]}
    result = fiscus.solve(fiscus.Problem.from_frames(lines=lines, budget=80), method="bottom_up")
    assert result.allocation[0].tolist() == [30, 50, 0]


def test_bottom_up_pro_rata_cuts_all_by_the_same_fraction():
    lines = {"id": list("abc"), "ask": [50, 100, 50], "unit": ["x", "x", "y"]}
    units = {"id": ["all", "x", "y"], "parent": ["", "all", "all"], "cap": [None, 75, None]}
    problem = fiscus.Problem.from_frames(lines=lines, units=units, budget=100, cut="pro_rata")
    assert fiscus.solve(problem, method="bottom_up").allocation[0] == pytest.approx([20, 40, 40])


def test_top_down_stays_inside_targets_that_flow_from_the_root():
    units = {"id": ["all", "x", "y"], "parent": ["", "all", "all"], "target": [None, 30, None]}
    lines = {"id": list("abc"), "ask": [90, 90, 90], "unit": ["x", "y", "y"], "a": [9, 1, 2]}
    result = fiscus.solve(fiscus.Problem.from_frames(lines=lines, units=units, budget=100), method="top_down")
    assert result.allocation[0].tolist() == [30, 0, 70]


def test_incremental_scales_last_year_to_the_budget():
    result = fiscus.solve(plan(), method="incremental")
    assert result.allocation[0] == pytest.approx([37.5, 37.5, 25])
    grown = fiscus.solve(plan(growth=0.1), method="incremental")
    assert grown.allocation[0] == pytest.approx([33, 33, 22])


def test_zero_based_ignores_last_year():
    rules = [{"id": "slow", "kind": "change", "lines": ["roads", "schools", "parks"], "up": 0.0, "down": 0.0}]
    problem = plan(rules=rules)
    assert fiscus.solve(problem).allocation[0] == pytest.approx([30, 30, 20])
    assert fiscus.solve(problem, method="zero_based").value > fiscus.solve(problem).value * 1.01


def test_relative_gap():
    assert relative_gap(90.0, 100.0) == pytest.approx(0.1)
    assert relative_gap(-100.0, -90.0) == pytest.approx(0.1)
    assert relative_gap(5.0, 5.0) == 0.0
    assert np.isinf(relative_gap(1.0, np.inf))
    assert np.isnan(relative_gap(np.nan, 1.0))


def test_prices_predict_the_value_of_one_more_unit():
    before, after = fiscus.solve(plan(), gap=1e-9), fiscus.solve(plan(budget=101), gap=1e-9)
    price = next(each.price for each in before.binding if each.rule == "budget")
    assert after.value - before.value == pytest.approx(price, rel=0.02)


def test_a_project_committed_as_a_whole_is_one_decision():
    """Outlays of 5 and 7 over two years, or 4 and 1: each year's budget holds one of them, and half a project is none."""
    lines = {"id": ["a", "b"], "cap": [5, 4], "cap@two": [7, 1], "lumpy": [True, True], "a": [3, 1]}
    settings = {"periods": ["one", "two"], "budget": {"one": 6, "two": 6}}
    free = fiscus.solve(fiscus.Problem.from_frames(lines=lines, **settings))
    assert free.allocation.tolist() == [[5, 0], [0, 1]]
    rule = {"id": "projects", "kind": "whole", "lines": ["a", "b"]}
    result = fiscus.solve(fiscus.Problem.from_frames(lines=lines, rules=[rule], **settings))
    assert result.allocation.tolist() == [[0, 4], [0, 1]]
