"""What the benchmarks share: problems, medians, and the shape of a row of the table."""

from __future__ import annotations

import dataclasses
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np

import fiscus
from fiscus.core.rules import Resource, Share
from fiscus.optimise.tree.leaves import HILL, LOG, POWER, SATURATING, Leaves
from fiscus.optimise.tree.program import Program

REPEATS = 5


def median(run: Callable[[], object], repeats: int = REPEATS) -> float:
    """Median seconds of some runs after one that warms up."""
    run()
    seconds = []
    for _ in range(repeats):
        began = time.perf_counter()
        run()
        seconds.append(time.perf_counter() - began)
    return statistics.median(seconds)


def once(run: Callable[[], Any]) -> tuple[float, Any]:
    """Seconds of one run, and what it gives: for what takes minutes."""
    began = time.perf_counter()
    given = run()
    return time.perf_counter() - began, given


def row(
    workload: str, way: str, seconds: float, ratio: float | None = None, of: str = "", bar: str = ""
) -> dict[str, str]:
    """One line of the table: seconds, and how they compare with another way where there is one."""
    return {
        "workload": workload,
        "way": way,
        "seconds": f"{seconds:.4g}",
        "ratio": "" if ratio is None else f"{ratio:.3g}",
        "ratio_of": of,
        "bar": bar,
    }


class Rows(list[dict[str, str]]):
    """Rows of the table, printed as they come: some take minutes."""

    def append(self, made: dict[str, str]) -> None:
        """Print a row and keep it."""
        print(" | ".join(made.values()), flush=True)
        super().append(made)


def tree_problem(
    lines: int, segments: int = 5, fan_out: int = 10, seed: int = 0, *, tight: bool = False
) -> fiscus.Problem:
    """Concave piecewise-linear lines on a tree, half of its units capped, a budget of half the asks.

    Tight ones have every unit capped at a few hundred, whatever its size: HiGHS solves them in seconds, so that what is beside the
    solve shows.
    """
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
    if tight:
        caps = [None, *rng.uniform(300, 800, units).round(2).tolist()]
    tree = {"id": names, "parent": parents, "cap": caps}
    return fiscus.Problem.from_frames(units=tree, lines=table, budget=float(np.floor(x[:, -1].sum() / 2)))


def across(problem: fiscus.Problem, count: int = 20, seed: int = 5) -> fiscus.Problem:
    """The problem with rules across its tree, half resources and half shares of tags, all biting at its best plan."""
    rng, lines = np.random.default_rng(seed), problem.shape[1]
    best = fiscus.solve(problem).allocation[0]
    tags, rules = dict(problem.lines.tags), []
    for number in range(count // 2):
        use = np.where(rng.random(lines) < 0.3, rng.uniform(0.1, 2, lines).round(3), 0.0)
        tags[f"use{number}"] = tuple(repr(each) for each in use.tolist())
        capacity = round(float(use @ best * rng.uniform(0.8, 0.98)), 2)
        rules.append(Resource(id=f"resource{number}", usage=f"use{number}", capacity=capacity))
    for number in range(count - count // 2):
        marked = rng.random(lines) < 0.15
        tags[f"tag{number}"] = tuple("yes" if each else "no" for each in marked.tolist())
        share = float(best[marked].sum() / best.sum())
        side = {"cap": round(share * 0.9, 4)} if number % 2 else {"floor": round(share * 1.1, 4)}
        rules.append(Share(id=f"share{number}", tag={f"tag{number}": "yes"}, **side))
    return problem.but(lines=dataclasses.replace(problem.lines, tags=tags), rules=tuple(rules))


def concave_program(lines: int, fan_out: int | None = None, seed: int = 0) -> Program:
    """Hill (p = 1, so that cones can hold it), log, power and saturating lines; one budget, or a tree with floors and caps."""
    rng = np.random.default_rng(seed)
    kind = rng.choice([LOG, POWER, SATURATING, HILL], lines)
    upper = rng.uniform(50, 500, lines)
    lower = np.where(rng.random(lines) < 0.2, 0.1 * upper, 0.0)
    zero = np.zeros(lines)
    leaves = Leaves(
        kind=kind,
        a=rng.uniform(10, 1000, lines),
        h=rng.uniform(10, 200, lines),
        p=np.where(kind == POWER, rng.uniform(0.2, 0.8, lines).round(2), 1.0),
        shift=zero,
        lower=lower,
        upper=upper,
        first=np.arange(lines + 1),
        slope=zero,
        width=zero,
        chord=zero,
        touch=zero,
        cost=zero,
        prior=zero,
        charge=zero,
    )
    if fan_out is None:
        one, budget = np.zeros(1, np.int64), np.array([0.3 * upper.sum()])
        return Program(leaves, np.zeros(lines, np.int64), one - 1, (one,), np.zeros(1), budget, np.zeros(1))
    return _in_tree(leaves, fan_out, rng)


def _in_tree(leaves: Leaves, fan_out: int, rng: np.random.Generator) -> Program:
    sizes = [max(1, len(leaves) // fan_out)]
    while sizes[-1] > 1:
        sizes.append(max(1, sizes[-1] // fan_out))
    sizes = sizes[::-1]
    start = np.cumsum([0, *sizes])
    levels = tuple(begin + np.arange(size) for begin, size in zip(start[:-1].tolist(), sizes, strict=True))
    parent = np.full(start[-1], -1)
    for depth in range(1, len(sizes)):
        parent[levels[depth]] = start[depth - 1] + np.minimum(np.arange(sizes[depth]) // fan_out, sizes[depth - 1] - 1)
    owner = levels[-1][np.minimum(np.arange(len(leaves)) // fan_out, sizes[-1] - 1)]
    most, least = (np.bincount(owner, each, minlength=start[-1]) for each in (leaves.upper, leaves.lower))
    for level in levels[:0:-1]:
        np.add.at(most, parent[level], most[level])
        np.add.at(least, parent[level], least[level])
    floor = np.where(rng.random(start[-1]) < 0.3, most * rng.uniform(0.08, 0.25, start[-1]), 0.0)
    cap = np.where(rng.random(start[-1]) < 0.3, most * rng.uniform(0.25, 0.6, start[-1]), np.inf)
    for level in levels[:0:-1]:  # Floors below never exceed what is above them.
        floor[level] = np.maximum(floor[level], least[level])
        below = np.zeros(start[-1])
        np.add.at(below, parent[level], floor[level])
        floor = np.where(below > 0, np.maximum(floor, below), floor)
    cap = np.maximum(cap, floor)
    floor[0], cap[0] = 0.0, 0.3 * most[0]
    return Program(leaves, owner, parent, levels, floor, cap, np.zeros(start[-1]))
