"""Mean-CVaR of 2,000 scenarios by 200 lines: the front door's choice against HiGHS's own choices on arrays written by hand."""

from __future__ import annotations

from typing import Any

import highspy
import numpy as np
from common import Rows, median, row

import fiscus

SCENARIOS, LINES, LEVEL = 2_000, 200, 0.95
REPEATS = 9
CHOICES: dict[str, dict[str, Any]] = {
    "default": {},
    "dual simplex": {"solver": "simplex", "simplex_strategy": 1},
    "dual simplex, no presolve": {"solver": "simplex", "simplex_strategy": 1, "presolve": "off"},
    "interior point": {"solver": "ipm"},
}


def rows() -> list[dict[str, str]]:
    """Factor returns, and the raw choices side by side."""
    problem = factor_returns()
    gain = problem.scenarios.theta.reshape(SCENARIOS, -1) * (problem.lines.weight * problem.lines.curves.a)
    name = f"mean-CVaR, {SCENARIOS:,} scenarios x {LINES} lines"
    raw = {
        key: median(lambda choice=choice: by_hand(problem, gain, choice), REPEATS) for key, choice in CHOICES.items()
    }
    fastest = min(raw, key=lambda key: raw[key])
    made = Rows()
    for key, taken in raw.items():
        made.append(row(name, f"raw highspy, {key}", taken))
    seconds = median(lambda: fiscus.solve(problem), REPEATS)
    made.append(
        row(
            name,
            "front door, referee and certificate's prices included",
            seconds,
            seconds / raw[fastest],
            f"raw highspy, {fastest}",
            "<= 1.15",
        )
    )
    return made


def factor_returns(seed: int = 0) -> fiscus.Problem:
    """Gross returns from five common factors and noise."""
    rng = np.random.default_rng(seed)
    factors = rng.normal(size=(5, LINES)) * 0.02
    gross = (
        1.0
        + rng.normal(0.005, 0.01, LINES)
        + rng.normal(size=(SCENARIOS, 5)) @ factors
        + rng.normal(size=(SCENARIOS, LINES)) * 0.03
    )
    names = [f"a{line}" for line in range(LINES)]
    table = {
        "scenario": np.repeat(np.arange(SCENARIOS), LINES).astype(str).tolist(),
        "probability": np.full(SCENARIOS * LINES, 1.0 / SCENARIOS),
        "line": names * SCENARIOS,
        "factor": np.maximum(gross, 0.0).ravel(),
    }
    cap = rng.uniform(20, 200, LINES)
    lines = {"id": names, "cap": cap, "a": np.ones(LINES)}
    return fiscus.Problem.from_frames(
        lines=lines, scenarios=table, budget=float(0.2 * cap.sum()), risk=f"cvar:{LEVEL}", aversion=1.0
    )


def by_hand(problem: fiscus.Problem, gain: np.ndarray, choice: dict[str, Any]) -> float:
    """Amounts, threshold and excesses, with each scenario's value written out in its row."""
    count, lines = gain.shape
    probability, aversion = problem.scenarios.probability, 1.0
    solver = highspy.Highs()
    for option, setting in {"output_flag": False, "threads": 1, **choice}.items():
        solver.setOptionValue(option, setting)
    model = highspy.HighsLp()
    model.num_col_, model.num_row_ = lines + 1 + count, count + 1
    model.sense_ = highspy.ObjSense.kMaximize
    model.col_cost_ = np.r_[probability @ gain, -aversion, -aversion * probability / (1.0 - LEVEL)]
    model.col_lower_ = np.r_[np.zeros(lines), -np.inf, np.zeros(count)]
    model.col_upper_ = np.r_[problem.lines.cap[0], np.full(count + 1, np.inf)]
    model.row_lower_ = np.r_[np.zeros(count), -np.inf]
    model.row_upper_ = np.r_[np.full(count, np.inf), problem.budget[0]]
    index = np.empty((count, lines + 2), np.int32)
    index[:, : lines + 1], index[:, lines + 1] = np.arange(lines + 1), lines + 1 + np.arange(count)
    value = np.ones((count, lines + 2))
    value[:, :lines] = gain
    model.a_matrix_.format_ = highspy.MatrixFormat.kRowwise
    starts = np.r_[np.arange(count + 1) * (lines + 2), count * (lines + 2) + lines]
    model.a_matrix_.start_ = starts.astype(np.int32)
    model.a_matrix_.index_ = np.r_[index.ravel(), np.arange(lines, dtype=np.int32)]
    model.a_matrix_.value_ = np.r_[value.ravel(), np.ones(lines)]
    solver.passModel(model)
    solver.run()
    np.asarray(solver.getSolution().col_value)
    return float(solver.getInfo().objective_function_value)
