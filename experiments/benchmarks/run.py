"""Benchmarks: ratios measured in one run, medians of five, versions printed; writes table.csv beside this file."""

from __future__ import annotations

import csv
import platform
import statistics
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pyomo.environ as pyo

import fiscus

HERE = Path(__file__).resolve().parent
REPEATS = 5


def tree_problem(lines: int, segments: int = 5, fan_out: int = 10, seed: int = 0) -> fiscus.Problem:
    """Concave piecewise-linear lines on a tree of units with caps, a budget of half the asks."""
    rng = np.random.default_rng(seed)
    units = max(1, lines // fan_out)
    names = ["root", *(f"u{i}" for i in range(units))]
    parents = ["", *("root" if i < fan_out else f"u{i // fan_out - 1}" for i in range(units))]
    widths = rng.uniform(5, 20, (lines, segments)).round(2)
    slopes = np.sort(rng.uniform(0.1, 2.0, (lines, segments)), axis=1)[:, ::-1]
    x, y = np.cumsum(widths, axis=1), np.cumsum(widths * slopes, axis=1)
    points = [
        ";".join(f"{a!r}:{b!r}" for a, b in zip(xs, ys, strict=True))
        for xs, ys in zip(x.tolist(), y.tolist(), strict=True)
    ]
    table = {
        "id": [f"l{i}" for i in range(lines)],
        "unit": [f"u{i // fan_out}" for i in range(lines)],
        "curve": ["piecewise"] * lines,
    }
    table |= {"points": points, "ask": x[:, -1].round(2).tolist()}
    # Half of the units are capped, at 40% to 90% of what is asked for below them.
    asked = np.zeros(units + 1)
    np.add.at(asked, np.arange(lines) // fan_out + 1, x[:, -1])
    above = [-1, *(0 if i < fan_out else i // fan_out for i in range(units))]
    for unit in range(units, 0, -1):
        asked[above[unit]] += asked[unit]
    share, limited = rng.uniform(0.4, 0.9, units + 1), rng.random(units + 1) < 0.5
    caps = [round(float(asked[unit] * share[unit]), 2) if limited[unit] and unit else None for unit in range(units + 1)]
    tree = {"id": names, "parent": parents, "cap": caps}
    return fiscus.Problem.from_frames(units=tree, lines=table, budget=float(np.floor(x[:, -1].sum() / 2)))


def stock_pyomo(problem: fiscus.Problem) -> float:
    """Pyomo with its own HiGHS interface."""
    model = fiscus.to_pyomo(problem)
    pyo.SolverFactory("appsi_highs").solve(model)
    return float(pyo.value(model.worth))


def median(run: Callable[[], object]) -> float:
    """Median seconds."""
    seconds = []
    for _ in range(REPEATS):
        began = time.perf_counter()
        run()
        seconds.append(time.perf_counter() - began)
    return statistics.median(seconds)


def measure(lines: int) -> list[dict[str, object]]:
    """Routes on one tree problem, as ratios to the array route."""
    problem = tree_problem(lines)
    problem.statement  # noqa: B018 - stated once, outside the clock of every route.
    result = fiscus.solve(problem)
    ways = {
        "arrays (route highs)": lambda: fiscus.solve(problem),
        "open model through arrays (route pyomo)": lambda: fiscus.solve(problem, route="pyomo"),
        "Pyomo with its own HiGHS interface": lambda: stock_pyomo(problem),
    }
    seconds = {name: median(run) for name, run in ways.items()}
    base = seconds["arrays (route highs)"]
    share = 1.0 - result.timings["solver"] / result.timings["total"]
    return [
        {
            "workload": f"tree of {lines} lines x 5 segments",
            "way": name,
            "seconds": f"{taken:.3f}",
            "ratio_to_arrays": f"{taken / base:.2f}",
            "outside_solver": f"{share:.0%}" if name.startswith("arrays") else "",
        }
        for name, taken in seconds.items()
    ]


if __name__ == "__main__":
    named = ", ".join(f"{package} {version(package)}" for package in ("pyomo", "highspy", "numpy", "scipy"))
    print(f"{platform.machine()}, Python {platform.python_version()}, {named}")
    rows = [row for lines in (1_000, 10_000) for row in measure(lines)]
    with (HERE / "table.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    print((HERE / "table.csv").read_text(encoding="utf-8"))
