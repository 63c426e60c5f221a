"""Small games for the learners' tests."""

from __future__ import annotations

import numpy as np

import fiscus
from fiscus.core.process import Jumps, LognormalAR1
from fiscus.env.game import Sight, game

SEEN = Sight()
MEASURED = Sight("never", measured=True, delay=0, noise=0.3)


def money_problem(lines=3, periods=4, *, pot=False, income=30.0, seed=0, **settings):
    """Concave lines under two units, money that is kept."""
    rng = np.random.default_rng(seed)
    names = [f"p{number}" for number in range(periods)]
    curve = [("log", "saturating", "hill", "power")[line % 4] for line in range(lines)]
    table = {
        "id": [f"l{line}" for line in range(lines)],
        "unit": ["left" if line % 2 else "right" for line in range(lines)],
        "curve": curve,
        "a": rng.uniform(5, 30, lines).round(2),
        "h": rng.uniform(4, 15, lines).round(2),
        "p": [{"hill": 1.0, "power": 0.5}.get(each) for each in curve],
        "ask": [25.0] * lines,
        "prior": [5.0] * lines,
    }
    units = {"id": ["all", "left", "right"], "parent": ["", "all", "all"], "cap": ["", 30, 30]}
    budget = {name: income * (periods if pot and place == 0 else 1 - pot) for place, name in enumerate(names)}
    given = {"periods": names, "budget": budget, "opening_cash": 0, "carry_over": 1.0} | settings
    return fiscus.Problem.from_frames(lines=table, units=units, **given)


def observed(**given):
    """Autoregressive multipliers that are seen."""
    problem = money_problem(**given)
    return game(problem, LognormalAR1(*problem.shape, 0.7, 0.4))


def jumping(**given):
    """One pot and opportunities that pass."""
    problem = money_problem(pot=True, **given)
    return game(problem, Jumps(*problem.shape, 0.1, float(np.log(4.0)), 0.2, persistent=False))


def choices():
    """All-or-nothing projects, of which one excludes another."""
    lines = {"id": ["bridge", "tunnel", "depot"], "ask": [40, 55, 20], "a": [1.2, 1.5, 0.9], "lumpy": [True] * 3}
    rule = {"id": "one crossing", "kind": "at_most", "lines": ["bridge", "tunnel"], "count": 1}
    return fiscus.Problem.from_frames(lines=lines, rules=[rule], periods=["y1", "y2"], budget={"y1": 70, "y2": 60})
