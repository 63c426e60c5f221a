"""A few rules across a tree: priced outside and split inside, against HiGHS on the whole model."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from random_trees import random_tree_problem

import fiscus
from fiscus.core.feasibility import violations
from fiscus.core.objective import objective
from fiscus.core.rules import Change, Freeze, Resource, Share, Turnover
from fiscus.errors import RouteUnavailable
from fiscus.optimise import tree_route
from fiscus.optimise.decompose import Side, decompose
from fiscus.optimise.tree import obstacle, solve_tree, split
from fiscus.optimise.tree_route import few_side_rows

POLYHEDRAL = ("linear", "capped", "piecewise")
SMOOTH = ("log", "power", "saturating", "hill")
MIXED = POLYHEDRAL + SMOOTH
GAP = 1e-6


def side_rules(rng, problem, amounts, *, tight=True):
    """Rules across the tree that the best split without them breaks, or nearly: shares, resources, changes and freezes.

    Returns:
        The problem with the rules, and its lines' new columns.
    """
    n, names = problem.shape[1], problem.lines.id
    tags, rules = dict(problem.lines.tags), []
    total = float(amounts.sum(axis=1).max())
    for number in range(int(rng.integers(1, 4))):
        kind = str(rng.choice(["resource", "share", "change", "freeze"] if problem.shape[0] > 1 else ["resource", "share"]))
        some = tuple(names[line] for line in rng.permutation(n)[: int(rng.integers(1, n + 1))])
        inside = np.isin(names, some)
        if kind == "resource":
            use = np.where(rng.random(n) < 0.7, rng.uniform(0.1, 2.0, n), 0.0).round(3)
            tags[f"use{number}"] = tuple(repr(each) for each in use.tolist())
            most = float((amounts @ use).max()) * float(rng.uniform(0.5, 1.02) if tight else 1.1)
            rules.append(Resource(id=f"r{number}", usage=f"use{number}", capacity=round(most, 4)))
        elif kind == "share" and total > 0:
            tags[f"tag{number}"] = tuple("yes" if each else "no" for each in inside)
            now = float(np.clip(amounts[:, inside].sum() / amounts.sum(), 0.02, 0.98))
            side = {"cap": round(now * 0.9, 4)} if rng.random() < 0.5 else {"floor": round(min(now * 1.1, 1.0), 4)}
            rules.append(Share(id=f"r{number}", tag={f"tag{number}": "yes"}, **side))
        elif kind == "change":
            step = round(total / n * float(rng.uniform(0.02, 0.5)), 2)
            rules.append(Change(id=f"r{number}", lines=some, relative=False, up=step, down=step, periods=problem.periods[1:]))
        elif kind == "freeze":
            rules.append(Freeze(id=f"r{number}", lines=some[:2], periods=problem.periods[1:]))
    return problem.but(lines=dataclasses.replace(problem.lines, tags=tags), rules=tuple(rules))


def drawn(seed, curves):
    """A small tree with rules across it, its parts, and how HiGHS does on the whole of it."""
    rng = np.random.default_rng(seed)
    while True:
        problem = random_tree_problem(rng, lines=int(rng.integers(3, 15)), curves=curves)
        answer = solve_tree(split(problem).program)
        if answer is None or answer.value <= 0 or problem.lines.weight.max() == 0:
            continue
        problem = side_rules(rng, problem, answer.amount.reshape(problem.shape))
        parts = split(problem)
        side = Side.of(parts.side) if parts.side else None
        if side is not None and not obstacle(problem):
            return problem, parts.program, side, fiscus.solve(problem, route="highs", gap=1e-7)


def check(problem, program, side, whole, seed):
    """One instance; whether there was a plan."""
    found = decompose(program, side, gap=GAP)
    if whole.status == "infeasible":
        assert found is None or found.amount is None, seed
        return False
    assert whole.status == "optimal", (seed, whole)
    assert found is not None, seed
    size = max(abs(whole.value), abs(whole.bound))
    # A bound is a bound, whether or not the search got there.
    assert found.bound >= whole.value - 1e-7 * size, seed
    assert found.amount is not None, (seed, found.bound, whole.value)
    spend = np.clip(found.amount.reshape(problem.shape), problem.lines.floor, problem.lines.cap)
    assert violations(problem, spend) == [], seed
    assert objective(problem, spend) == pytest.approx(found.value, rel=1e-9, abs=1e-9 * size), seed
    assert found.value <= whole.bound + 1e-7 * size, seed
    assert found.bound - found.value <= 1.01 * GAP * size, (seed, found.value, found.bound)
    assert abs(found.value - whole.value) <= 1.2e-6 * size, (seed, found.value, whole.value)
    return True
