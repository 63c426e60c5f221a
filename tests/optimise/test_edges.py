"""Odd but legal plans: every method answers each of them with a checked result and no warning."""

from __future__ import annotations

import json
import warnings

import numpy as np
import pytest

import fiscus
from fiscus.core.options import METHODS

TWO = {"id": ["a", "b"]}
LOGS = TWO | {"curve": ["log", "log"], "a": [9, 8], "h": [9, 8]}
PLANS = {
    "no money": {"lines": TWO | {"ask": [5, 6], "curve": ["log", "hill"], "h": [2, 2], "p": [None, 2]}, "budget": 0},
    "no budget, value net of spending": {"lines": LOGS | {"a": [100, 90]}, "spend_weight": 1},
    "no room": {"lines": TWO | {"cap": [0, 0], "curve": ["power", "hill"], "h": [2, 2], "p": [0.5, 2]}, "budget": 5},
    "no benefit": {"lines": TWO | {"cap": [3, 4], "curve": ["power", "hill"], "a": [0, 0], "h": [2, 2], "p": [0.5, 2]}, "budget": 5},
    "no weight": {"lines": LOGS | {"cap": [3, 4], "weight": [0, 0]}, "budget": 5},
    "trillions": {"lines": LOGS | {"cap": [9e12, 8e12], "a": [9e12, 8e12], "h": [9e12, 8e12]}, "budget": 1e13},
    "cents": {"lines": LOGS | {"cap": [0.05, 0.08], "h": [0.01, 0.02]}, "budget": 0.07},
    "yen": {"lines": LOGS | {"cap": [900, 800]}, "budget": 1001, "currency": "JPY"},
    "dinars": {"lines": LOGS | {"cap": [90.125, 80.375]}, "budget": 100.001, "currency": "KWD"},
    "almost straight": {
        "lines": {"id": ["a", "b", "c"], "cap": [50, 80, 30], "curve": ["power", "power", "hill"], "h": [1, 1, 10], "p": [0.999, 0.01, 1.01]},  # noqa: E501
        "budget": 70,
    },
    "steps with tickets": {"lines": TWO | {"cap": [50, 80], "curve": ["step", "step"], "min_ticket": [20, 80]}, "budget": 100},
    "lumps that vary": {
        "lines": TWO | {"cap": [50, 80], "cap@q2": [20, 0], "lumpy": [True, True]}, "budget": 90, "periods": ["q1", "q2"],
    },
    "stock that stays": {
        "lines": LOGS | {"cap": [50, 80], "retention": [0.9, 0.5], "initial_stock": [100, 20], "change_cost": [0.1, 0]},
        "periods": ["q1", "q2", "q3"], "budget": 60, "discount_rate": 0.05, "spend_weight": 0.1,
    },
    "account": {
        "lines": LOGS, "periods": ["q1", "q2", "q3"], "budget": {"q1": 100, "q2": 0, "q3": 5}, "opening_cash": 10,
        "reserve": {"q1": 5, "q2": 5, "q3": 20}, "carry_over": 0.5, "cash_rate": 0.1,
    },
    "soft freeze": {
        "lines": TWO | {"ask": [50, 60], "prior": [7, 9]}, "budget": 40,
        "rules": [{"id": "f", "kind": "freeze", "lines": ["a"], "hard": False, "penalty": 3}],
    },
    "a scenario that cannot happen": {
        "lines": TWO | {"ask": [50, 60]}, "budget": 40, "risk": "cvar:0.9", "aversion": 0.2,
        "scenarios": {"scenario": ["x", "y"], "probability": [1, 0], "factor": [1, 0]},
        "rules": [{"id": "w", "kind": "risk", "measure": "worst", "limit": -5}],
    },
    "one line": {"lines": {"id": ["a"]}, "budget": 40},
    "ids of all kinds": {"lines": {"id": ["a b", "ü/ö", "c.d[1]"], "ask": [1, 2, 3]}, "budget": 4},
}  # fmt: skip


@pytest.mark.parametrize("name", PLANS)
@pytest.mark.parametrize("method", METHODS)
def test_every_method_answers_every_plan(name, method):
    problem = fiscus.Problem.from_frames(**PLANS[name])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        result = fiscus.solve(problem, method=method)
        assert result.status in ("optimal", "feasible")
        json.dumps(result.as_dict(), allow_nan=False)
    judged = problem.but(ignore_prior=True) if method == "zero_based" else problem
    assert fiscus.violations(judged, result.allocation) == []
    assert result.apportionment.unmet == ()
    assert result.bound >= result.value
    assert np.isfinite(result.value)


@pytest.mark.parametrize("name", PLANS)
def test_the_open_model_answers_every_plan_alike(name):
    problem = fiscus.Problem.from_frames(**PLANS[name])
    values = [fiscus.solve(problem, route=route, gap=1e-5).value for route in ("highs", "pyomo")]
    assert values[0] == pytest.approx(values[1], rel=3e-5, abs=1e-9)
