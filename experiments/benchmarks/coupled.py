"""A few rules across a large tree: priced outside the tree solver, against HiGHS on the whole model."""

from __future__ import annotations

import dataclasses

import numpy as np
from common import Rows, across, median, once, row, tree_problem

import fiscus
from fiscus.core.dynamics import evaluate
from fiscus.core.process import Scenarios
from fiscus.core.risk import Measure, RiskAversion
from fiscus.core.rules import Risk, Turnover

SCENARIOS, LEVEL = 50, 0.9


def rows() -> list[dict[str, str]]:
    """Twenty rules on amounts; a limit on what moves; a limit on CVaR. HiGHS on the whole once."""
    made = Rows()
    for name, problem, bar in (
        ("tree LP, 100,000 lines x 5 segments, 20 rules across", across(tree_problem(100_000)), ">= 5"),
        ("tree LP, 20,000 lines x 5 segments, turnover", turnover(20_000), ""),
        (f"tree LP, 20,000 lines x 5 segments, CVaR of {SCENARIOS} scenarios limited", risk(20_000), ""),
        ("1,000 smooth lines x 100 scenarios, aversion to CVaR", averse(1_000, 100), ""),
    ):
        problem.statement  # noqa: B018
        result = fiscus.solve(problem)
        seconds = median(lambda problem=problem: fiscus.solve(problem))
        whole, exact = once(lambda problem=problem: fiscus.solve(problem, route="highs"))
        apart = abs(result.value - exact.value) / abs(exact.value)
        gap = f"gap {result.gap:.1e}, proved {result.proved_gap:.1e}, {apart:.1e} from HiGHS"
        made.append(row(name, f"{result.route}, priced outside ({gap})", seconds))
        made.append(row(name, "HiGHS on the whole model (one run)", whole, whole / seconds, "tree", bar))
    return made


def turnover(lines: int) -> fiscus.Problem:
    """Half of what the best plan would move from a random last year may move."""
    problem = tree_problem(lines)
    prior = (problem.lines.ask[0] * np.random.default_rng(1).uniform(0, 1, lines)).round(2)
    problem = problem.but(lines=dataclasses.replace(problem.lines, prior=prior))
    best = fiscus.solve(problem).allocation[0]
    cap = round(0.5 * float(np.abs(best - prior).sum()), 2)
    return problem.but(rules=(Turnover(id="turn", cap=cap),))


def risk(lines: int) -> fiscus.Problem:
    """Returns from four common factors and noise; the mean loss of the worst tenth a thousandth better than the best plan's."""
    problem, rng = tree_problem(lines), np.random.default_rng(2)
    common = rng.normal(size=(SCENARIOS, 4)) @ rng.normal(size=(4, lines)) * 0.15
    theta = np.exp(common + rng.normal(size=(SCENARIOS, lines)) * 0.1)
    problem = problem.but(scenarios=Scenarios.equally_likely((theta / theta.mean(axis=0))[:, None, :]))
    losses = np.sort(-evaluate(problem, fiscus.solve(problem).allocation))
    tail = float(losses[-round(SCENARIOS * (1 - LEVEL)) :].mean())
    return problem.but(rules=(Risk(id="tail", measure=f"cvar:{LEVEL}", limit=round(tail - 1e-3 * abs(tail), 2)),))


def averse(lines: int, scenarios: int) -> fiscus.Problem:
    """Logarithmic and saturating lines under one budget, mean less CVaR."""
    rng = np.random.default_rng(1)
    cap = rng.uniform(10, 100, lines).round(2)
    table = {"id": [f"l{line}" for line in range(lines)], "cap": cap, "curve": rng.choice(["log", "saturating"], lines)}
    table |= {"a": rng.uniform(5, 20, lines), "h": 0.4 * cap}
    problem = fiscus.Problem.from_frames(lines=table, budget=round(0.4 * float(cap.sum()), 2))
    common = rng.normal(size=(scenarios, 4)) @ rng.normal(size=(4, lines)) * 0.15
    theta = np.exp(common + rng.normal(size=(scenarios, lines)) * 0.1)
    problem = problem.but(scenarios=Scenarios.equally_likely((theta / theta.mean(axis=0))[:, None, :]))
    return problem.but(risk=RiskAversion(Measure.parse(f"cvar:{LEVEL}"), 1.0))
