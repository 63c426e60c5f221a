"""What a sceptical first user found, kept from coming back."""

from __future__ import annotations

import numpy as np
import pytest

import fiscus
from fiscus.errors import InvalidInput
from fiscus.optimise.run_folder import compare_runs, read


def plan(lines, **settings):
    return fiscus.Problem.from_frames(lines=lines, **settings)


def test_zero_based_names_the_rules_it_sets_aside():
    freeze = {"id": "debt-service", "kind": "freeze", "lines": ["debt"]}
    problem = plan({"id": ["debt", "b"], "ask": [9, 9], "prior": [4, 5], "a": [1, 2]}, budget=9, rules=[freeze])
    result = fiscus.solve(problem, method="zero_based")
    assert any("debt-service" in reason for reason in result.reasons)
    assert fiscus.solve(problem).reasons == ()


@pytest.mark.parametrize("method", ["optimise", "top_down", "bottom_up", "hybrid", "incremental"])
def test_every_method_names_the_rule_that_makes_a_plan_impossible(method):
    turnover = {"id": "slow", "kind": "turnover", "cap": 6, "text": "Move little"}
    problem = plan({"id": ["a", "b"], "ask": [9, 9], "prior": [9, 5], "a": [1, 2]}, budget=4, rules=[turnover])
    result = fiscus.solve(problem, method=method)
    assert result.status == "infeasible"
    assert any("Move little" in reason or "budget" in reason for reason in result.reasons)


@pytest.mark.parametrize(
    ("method", "priced"),
    [("optimise", True), ("top_down", True), ("bottom_up", False), ("hybrid", False), ("incremental", False)],
)
def test_only_methods_that_seek_value_have_prices(method, priced):
    lines = {"id": list("abc"), "ask": [8, 8, 8], "prior": [4, 5, 3], "a": [100, 50, 200], "priority": [2, 1, 3]}
    problem = plan(lines, budget=10, rules=[{"id": "e", "kind": "envelope", "lines": ["c"], "cap": 2}])
    result = fiscus.solve(problem, method=method)
    assert result.binding
    assert any(each.price is not None for each in result.binding) == priced
    assert bool(result.duals_of) == priced
    assert {each.kind for each in result.binding} <= {"budget", "envelope", "targets"}


def test_no_equality_is_claimed_that_does_not_hold():
    """One line is held at a minor unit by a rule, not by its price."""
    rule = {"id": "both", "kind": "at_least", "lines": ["a", "b"], "count": 2}
    problem = plan({"id": ["a", "b"], "ask": [9, 9], "a": [1, 2]}, budget=5, currency="JPY", rules=[rule])
    result = fiscus.solve(problem)
    assert "which is what money is worth elsewhere" not in result.explain("a")


def test_summary_and_exact_value_speak_of_what_is_paid():
    rule = {"id": "s", "kind": "share", "tag": {"g": "y"}, "floor": 0.333, "cap": 0.334}
    result = fiscus.solve(
        plan({"id": ["a", "b"], "ask": [10, 10], "g": ["y", "n"]}, currency="JPY", budget=10, rules=[rule])
    )
    assert f"JPY {result.minor_units.sum()} allocated" in result.summary()
    assert result.exact_value == pytest.approx(float(result.minor_units.sum()))


def test_doing_nothing_is_optimal_where_nothing_is_worth_its_money():
    lines = {"id": ["x"], "curve": ["power"], "a": [1], "p": [0.5], "ask": [3], "min_ticket": [2]}
    result = fiscus.solve(plan(lines, spend_weight=1, budget=3))
    assert result.allocation.tolist() == [[0.0]]
    assert result.status == "optimal"
    assert result.gap < 1e-6


def test_only_lines_worth_their_money_make_a_plan_endless():
    lines = {
        "id": ["x", "y", "z"],
        "curve": ["linear", "linear", "saturating"],
        "a": [0.5, 2, 0.1],
        "h": [None, None, 1],
    }
    result = fiscus.solve(plan(lines, spend_weight=1))
    assert "amount of y," in result.reasons[0]


def test_units_are_compared_over_the_same_periods():
    result = fiscus.solve(plan({"id": ["a", "b"], "ask": [6, 6], "prior": [5, 5]}, periods=["one", "two"], budget=11))
    from fiscus.optimise.show import unit_table

    assert unit_table(result, depth=0)["prior"].tolist() == [20.0]


def test_binding_cash_is_named():
    problem = plan(
        {"id": ["a"], "curve": ["log"], "a": [30], "h": [10]},
        periods=["q1", "q2"],
        budget=10,
        opening_cash=5,
        reserve=4,
        carry_over=1.0,
    )
    assert "reserve" in fiscus.solve(problem).explain("a").lower()


@pytest.mark.parametrize("seed", [-1, 2**31, 99999999999999])
def test_seeds_outside_the_solvers_range_are_refused(seed):
    with pytest.raises(InvalidInput, match="seed"):
        fiscus.solve(plan({"id": ["a"], "ask": [1]}, budget=1), seed=seed)


def test_comparison_tells_moved_money_from_less_money(tmp_path):
    for name, budget in (("one", 9.0), ("two", 4.8)):
        fiscus.solve(plan({"id": ["x"], "ask": [9]}, budget=budget)).save(tmp_path / name)
    said = " ".join(compare_runs(read(tmp_path / "one"), read(tmp_path / "two")).sentences())
    assert "0 is moved between lines, -4.20 in all" in said


def test_a_risk_measure_without_weight_is_warned_of(tmp_path):
    (tmp_path / "plan.yaml").write_text("budget: 5\nrisk: cvar:0.9\n")
    (tmp_path / "units.csv").write_text("id,parent\nall,\n")
    (tmp_path / "lines.csv").write_text("id,unit,ask\na,all,9\n")
    problem, findings = fiscus.read_plan(tmp_path)
    assert problem is not None
    assert [(each.severity, each.column) for each in findings] == [("warning", "risk")]


def test_a_bad_setting_hides_no_fault_of_the_tables(tmp_path):
    (tmp_path / "plan.yaml").write_text("budget: x\nrules: rules.yaml\nperiods: []\n")
    (tmp_path / "units.csv").write_text("id,parent,cap\nall,,-1\n")
    (tmp_path / "lines.csv").write_text("id,unit,ask\na,all,$9\n")
    (tmp_path / "rules.yaml").write_text("- {id: r, kind: turnover, cap: -1}\n- {id: r, kind: nothing}\n")
    _, findings = fiscus.read_plan(tmp_path)
    assert {(each.table, each.column) for each in findings} >= {
        ("plan.yaml", "budget"), ("plan.yaml", "periods"), ("units.csv", "cap"), ("lines.csv", "ask"),
        ("rules.yaml", "cap"), ("rules.yaml", "kind"),
    }  # fmt: skip
    assert sum(each.column == "budget" for each in findings) == 1
    assert not any("valid dictionary" in each.sentence or "tuple" in each.sentence for each in findings)


def test_one_bad_rule_hides_no_other(tmp_path):
    (tmp_path / "plan.yaml").write_text("budget: 5\nrules: rules.yaml\n")
    (tmp_path / "units.csv").write_text("id,parent\nall,\n")
    (tmp_path / "lines.csv").write_text("id,unit,ask\na,all,9\n")
    rules = (
        "- {id: r, kind: turnover, cap: -1}\n- {id: s, kind: freeze, node: west}\n"
        "- {id: s, kind: envelope, node: all, floor: 3, cap: 2}\n"
    )
    (tmp_path / "rules.yaml").write_text(rules)
    _, findings = fiscus.read_plan(tmp_path)
    assert {(each.row, each.column) for each in findings} >= {(1, "cap"), (2, "node"), (3, "id"), (3, "floor")}


def test_values_of_reference_plans_are_the_problems_own():
    problem = plan({"id": ["a", "b"], "ask": [9, 9], "prior": [4, 5], "a": [1, 2]}, budget=9)
    result = fiscus.solve(problem, method="incremental")
    assert result.value == pytest.approx(fiscus.objective(problem, result.allocation))
    assert result.bound == pytest.approx(18)
    assert not np.isnan(result.gap)


@pytest.mark.parametrize("settings", [{"budget": True}, {"budget": {"now": True}}, {"discount_rate": False}])
def test_a_yes_is_no_amount(settings):
    with pytest.raises(fiscus.errors.InvalidPlan, match="yes or no"):
        plan({"id": ["a"], "ask": [1]}, **settings)
