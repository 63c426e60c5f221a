"""Random problems that the tree solver serves: concave curves under envelopes on a tree, degenerate ones included."""

from __future__ import annotations

import numpy as np

from fiscus.core.arrays import FloatArray
from fiscus.core.problem import Problem
from fiscus.errors import InvalidPlan

CONCAVE = ("linear", "capped", "piecewise", "log", "power", "saturating", "hill")


def random_tree_problem(
    rng: np.random.Generator,
    *,
    lines: int | None = None,
    periods: int | None = None,
    curves: tuple[str, ...] = CONCAVE,
    conic: bool = False,
) -> Problem:
    """A problem on a tree of up to four levels.

    Some have equal slopes, bounds of no width, no budget to spend, more budget than all caps, floors that cannot all be met,
    money that costs, or changes that cost. Conic ones have only curves that second-order and exponential cones hold.
    """
    count = lines or int(rng.integers(1, 15))
    spans = periods or int(rng.integers(1, 4))
    units = int(rng.integers(1, 9))
    parents = [-1, *(int(rng.integers(0, max(1, unit))) for unit in range(1, units))]
    size = 10.0 ** rng.integers(-1, 7)
    cap = (rng.uniform(0.5, 20, count) * size).round(2)
    if rng.random() < 0.2:
        cap[rng.random(count) < 0.4] = 0.0
    floor = np.where(rng.random(count) < 0.2, (cap * rng.random(count)).round(2), 0.0)
    if rng.random() < 0.2:
        floor = np.where(rng.random(count) < 0.3, cap, floor)
    kind = [str(rng.choice(curves)) for _ in range(count)]
    table = {
        "id": [f"l{i}" for i in range(count)],
        "unit": [f"u{int(rng.integers(0, units))}" for _ in range(count)],
        "cap": cap.tolist(),
        "floor": floor.tolist(),
        "curve": kind,
        "weight": rng.choice([1.0, 1.0, 0.5, 2.0, 0.0], count).tolist(),
    }
    table |= _parameters(rng, kind, cap, size, conic)
    settings: dict[str, object] = {"periods": [f"p{t}" for t in range(spans)]}
    if rng.random() < 0.3:
        settings |= {"spend_weight": float(rng.choice([0.3, 1.0])), "discount_rate": 0.1}
    if spans == 1 and rng.random() < 0.4:
        table |= {"prior": (cap * rng.random(count)).round(2).tolist()}
        table["change_cost"] = rng.choice([0.0, 0.2, 0.6], count).tolist()
    budget = round(float(cap.sum() * rng.choice([0.0, 0.2, 0.5, 0.8, 2.0])), 2)
    tree = {"id": [f"u{i}" for i in range(units)], "parent": ["" if each < 0 else f"u{each}" for each in parents]}
    tree |= _envelopes(rng, units, cap, floor, budget)
    try:
        return Problem.from_frames(units=tree, lines=table, budget=budget, **settings)
    except InvalidPlan:  # A reader refuses floors that plainly exceed what is above them.
        return random_tree_problem(rng, lines=lines, periods=periods, curves=curves, conic=conic)


def _parameters(
    rng: np.random.Generator, kind: list[str], cap: FloatArray, size: float, conic: bool
) -> dict[str, list[object]]:
    a, h, p, points = [], [], [], []
    equal = rng.random() < 0.3  # Slopes that tie.
    for name, most in zip(kind, cap, strict=True):
        reach = max(float(most), size)
        slope = float(rng.choice([0.5, 1.0])) if equal else float(rng.uniform(0.05, 2.0))
        a.append(slope if name in ("linear", "capped", "piecewise") else slope * reach)
        h.append(
            round(reach * float(rng.uniform(0.1, 1.0)), 2) if name not in ("linear", "power", "piecewise") else None
        )
        exponents = {"power": 0.5, "hill": 1.0}
        if not conic:
            exponents = {"power": float(rng.choice([0.3, 0.5, 0.9])), "hill": float(rng.choice([0.4, 0.9, 1.0]))}
        p.append(exponents.get(name))
        if name == "power":
            a[-1] = slope * reach ** (1.0 - (p[-1] or 0.5))
        if name == "piecewise":
            widths = rng.integers(1, 6, 3) * reach / 9.0
            slopes = np.sort(rng.choice([0.2, 0.5, 1.0], 3) if equal else rng.uniform(0.0, 2.0, 3))[::-1]
            corners = zip(widths.cumsum().tolist(), (widths * slopes).cumsum().tolist(), strict=True)
            points.append(";".join(f"{x!r}:{y!r}" for x, y in corners))
        else:
            points.append(None)
    return {"a": a, "h": h, "p": p, "points": points}


def _envelopes(
    rng: np.random.Generator, units: int, cap: FloatArray, floor: FloatArray, budget: float
) -> dict[str, list[float | None]]:
    caps: list[float | None] = []
    floors: list[float] = []
    for _ in range(units):
        top = round(float(cap.sum() * rng.uniform(0.1, 0.9)), 2)
        caps.append(top if rng.random() < 0.5 else None)
        low = round(min(top, budget) * float(rng.uniform(0, 0.4)), 2) if rng.random() < 0.4 else 0.0
        floors.append(low)
    return {"cap": caps, "floor": floors}
