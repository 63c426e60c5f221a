"""One statement, several readers (§1): referee, HiGHS arrays, open Pyomo model and enumeration must say the same."""

from __future__ import annotations

import threading

import numpy as np
import pyomo.environ as pyo
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from random_problems import CURVES, enumerate_best, grid_problem, random_problem

import fiscus
from fiscus.core.dynamics import stocks
from fiscus.core.feasibility import FEASIBILITY_TOLERANCE
from fiscus.core.rules import kinds
from fiscus.optimise.form import form
from fiscus.optimise.layout import Form
from fiscus.optimise.pieces import initial_points
from fiscus.optimise.pyomo_model import load_allocation

GUIDANCE = ("near", "targets", "asks")  # Written by the methods, not by people.
POLYHEDRAL = tuple(name for name in CURVES if name in ("linear", "capped", "piecewise", "step"))
WRITTEN = tuple(
    sorted(kind for kind, rule in kinds().items() if rule.__module__.startswith("fiscus.") and kind not in GUIDANCE)
)
seeds = st.integers(0, 2**32 - 1)
patient = settings(
    max_examples=60,
    phases=[Phase.explicit, Phase.generate],
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow],
)


def rows_hold(model: Form, spend: np.ndarray) -> bool:
    """Whether an allocation, completed by the columns' closed forms, satisfies the arrays handed to HiGHS."""
    columns = model.at(spend)
    activity = model.matrix @ columns
    terms = abs(model.matrix) @ np.abs(
        columns
    )  # An upper bound on the largest term of each row, for the scale of §3.7.
    row_scale = np.maximum(1.0, terms)
    inside = (activity <= model.row_upper + FEASIBILITY_TOLERANCE * row_scale) & (
        activity >= model.row_lower - FEASIBILITY_TOLERANCE * row_scale
    )
    scale = np.maximum(1.0, np.abs(columns))
    bounded = (columns <= model.upper + FEASIBILITY_TOLERANCE * scale) & (
        columns >= model.lower - FEASIBILITY_TOLERANCE * scale
    )
    return bool(inside.all() and bounded.all())


@patient
@given(seeds)
def test_referee_and_arrays_agree_on_what_is_allowed(seed):
    rng = np.random.default_rng(seed)
    problem, witness = random_problem(rng)
    model = form(problem)
    candidates = [witness, np.zeros(problem.shape), np.minimum(problem.reach, problem.lines.cap)]
    candidates += [
        np.where(rng.random(problem.shape) < 0.3, rng.uniform(0, 1.2) * problem.reach, witness) for _ in range(6)
    ]
    for spend in candidates:
        assert rows_hold(model, spend) == (fiscus.violations(problem, spend) == []), fiscus.violations(problem, spend)


@patient
@given(seeds)
def test_referee_and_open_model_agree_on_what_is_allowed(seed):
    rng = np.random.default_rng(seed)
    problem, witness = random_problem(rng, lines=(2, 4), periods=(1, 2))
    model = fiscus.to_pyomo(problem)
    for spend in (witness, np.where(rng.random(problem.shape) < 0.4, rng.uniform(0, 1.2) * problem.reach, witness)):
        load_allocation(problem, model, spend)
        misses = []
        for row in model.component_data_objects(pyo.Constraint, active=True):
            body, scale = pyo.value(row.body), 1.0 + sum(abs(pyo.value(part)) for part in row.body.args)
            misses += [
                (bound, sign * (body - pyo.value(bound)) / scale)
                for bound, sign in ((row.upper, 1), (row.lower, -1))
                if bound is not None
            ]
        outside = [
            variable
            for variable in model.component_data_objects(pyo.Var)
            if (
                variable.ub is not None
                and variable.value > variable.ub + FEASIBILITY_TOLERANCE * max(1, abs(variable.value))
            )
            or (
                variable.lb is not None
                and variable.value < variable.lb - FEASIBILITY_TOLERANCE * max(1, abs(variable.value))
            )
        ]
        allowed = all(miss <= FEASIBILITY_TOLERANCE for _, miss in misses) and not outside
        assert allowed == (fiscus.violations(problem, spend) == [])


@patient
@given(seeds)
def test_evaluator_and_objectives_agree_to_nine_digits(seed):
    problem, witness = random_problem(np.random.default_rng(seed))
    worth = fiscus.objective(problem, witness)
    exact = fiscus.to_pyomo(problem, curves="exact")
    load_allocation(problem, exact, witness)
    assert pyo.value(exact.worth) == pytest.approx(worth, rel=1e-9, abs=1e-9)
    model = form(problem)
    estimate = model.cost @ model.at(witness) + model.constant
    if problem.lines.curves.polyhedral.all():
        assert estimate == pytest.approx(worth, rel=1e-9, abs=1e-9)
    else:
        assert estimate >= worth - 1e-9 * max(1.0, abs(worth))


@patient
@given(seeds)
def test_polyhedral_arrays_value_a_plan_exactly(seed):
    problem, witness = random_problem(np.random.default_rng(seed), curves=POLYHEDRAL)
    model = form(problem)
    assert model.cost @ model.at(witness) + model.constant == pytest.approx(
        fiscus.objective(problem, witness), rel=1e-9, abs=1e-9
    )


@patient
@given(seeds)
def test_both_routes_find_the_same_value_and_the_referee_nothing(seed):
    problem, witness = random_problem(np.random.default_rng(seed))
    results = [fiscus.solve(problem, route=route) for route in ("highs", "pyomo")]
    for result in results:
        assert fiscus.violations(problem, result.allocation) == []
        assert result.value == pytest.approx(fiscus.objective(problem, result.allocation), rel=1e-12)
        assert result.bound >= fiscus.objective(problem, witness) - 1e-6 * max(1.0, abs(result.bound))
        assert result.bound >= result.value
    slack = sum(result.bound - result.value for result in results) + 1e-6 * max(1.0, abs(results[0].value))
    assert abs(results[0].value - results[1].value) <= slack
    if problem.lines.curves.polyhedral.all():
        assert results[0].value == pytest.approx(results[1].value, rel=1e-6, abs=1e-6)


@settings(patient, max_examples=25)
@given(seeds)
def test_pyomos_own_highs_interface_finds_the_same_optimum(seed):
    problem, _ = random_problem(np.random.default_rng(seed), curves=POLYHEDRAL)
    ours = fiscus.solve(problem, gap=1e-8)
    model = fiscus.to_pyomo(problem)
    solver = pyo.SolverFactory("appsi_highs")
    solver.config.mip_gap = 1e-9
    solver.solve(model)
    assert pyo.value(model.worth) == pytest.approx(ours.value, rel=1e-6, abs=1e-6)
    back = fiscus.from_pyomo(problem, model)
    assert back.value == pytest.approx(ours.value, rel=1e-6, abs=1e-6)


@pytest.mark.parametrize("seed", range(80))
def test_enumeration_finds_the_same_optimum(seed):
    problem = grid_problem(np.random.default_rng(seed), feasible=bool(seed % 3))
    best, _ = enumerate_best(problem)
    for route in ("highs", "pyomo"):
        result = fiscus.solve(problem, route=route)
        if best is None:
            assert result.status == "infeasible"
            assert result.reasons
        else:
            assert result.value == pytest.approx(best, rel=1e-6, abs=1e-6)


@pytest.mark.parametrize("kind", WRITTEN)
def test_every_kind_of_rule_alone(kind):
    """Ten problems a kind against enumeration, so that no kind hides behind the others."""
    seen = 0
    for seed in range(40):
        problem = grid_problem(np.random.default_rng([seed, len(kind)]), kinds=[kind])
        if not problem.rules:
            continue
        best, _ = enumerate_best(problem)
        result = fiscus.solve(problem)
        assert (result.solution is None) == (best is None)
        if best is not None:
            assert result.value == pytest.approx(best, rel=1e-6, abs=1e-6)
        seen += 1
        if seen == 10:
            return
    assert seen, f"the generator drew no rule of kind {kind}"


@patient
@given(seeds)
def test_over_estimates_never_fall_below_the_curves(seed):
    rng = np.random.default_rng(seed)
    problem, _ = random_problem(
        rng, kinds=[], curves=("log", "power", "saturating", "hill"), integers=False, account=False
    )
    model = form(problem, initial_points(problem))
    spend = rng.random(problem.shape) * problem.reach
    true = problem.lines.curves.value(stocks(problem, spend))
    assert (model.estimated_effect(model.at(spend)) >= true - 1e-9 * np.maximum(1.0, true)).all()


def test_two_threads_through_the_open_model_both_finish():
    """Pyomo's own HiGHS interfaces deadlock here; ours hands over arrays."""
    problem, _ = random_problem(np.random.default_rng(3), lines=5, periods=2)
    results: list[fiscus.Result] = []
    threads = [
        threading.Thread(target=lambda: results.append(fiscus.solve(problem, route="pyomo")), daemon=True)
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert len(results) == 4
    assert len({result.value for result in results}) == 1
