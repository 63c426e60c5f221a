"""A few rules across a tree: priced outside and split inside, against HiGHS on the whole model."""

from __future__ import annotations

import dataclasses
import time

import numpy as np
import pytest
from random_trees import random_tree_problem

import fiscus
from fiscus.core.feasibility import violations
from fiscus.core.objective import objective
from fiscus.core.rules import Change, Envelope, Freeze, Resource, Share
from fiscus.errors import RouteUnavailable
from fiscus.optimise import tree_route
from fiscus.optimise.decompose import decompose
from fiscus.optimise.side import Side
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
        kind = str(
            rng.choice(["resource", "share", "change", "freeze"] if problem.shape[0] > 1 else ["resource", "share"])
        )
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
            rules.append(
                Change(id=f"r{number}", lines=some, relative=False, up=step, down=step, periods=problem.periods[1:])
            )
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
        side = Side.of(parts.side, problem.shape[1]) if parts.side else None
        if side is not None and not obstacle(problem):
            return problem, parts.program, side, fiscus.solve(problem, route="highs", gap=1e-7)


def check(problem, program, side, whole, seed):
    """One instance; whether there was a plan."""
    found = decompose(program, side, gap=GAP, deadline=time.monotonic() + 2.0)
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


@pytest.mark.parametrize("curves", [POLYHEDRAL, SMOOTH, MIXED], ids=["polyhedral", "smooth", "mixed"])
@pytest.mark.parametrize("block", range(4))
def test_the_same_best_as_highs_on_the_whole(block, curves):
    """60 instances, a third of each sort; those that no plan obeys claim none."""
    plans = sum(check(*drawn(seed, curves), seed) for seed in range(block * 5, block * 5 + 5))
    assert plans >= 1


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("curves", [POLYHEDRAL, SMOOTH], ids=["polyhedral", "smooth"])
def test_frozen_lines_stay_to_the_digit(seed, curves):
    """Equalities between periods, in which no mixture may be a little inside."""
    rng = np.random.default_rng(500 + seed)
    while True:
        problem = random_tree_problem(rng, lines=8, periods=3, curves=curves)
        some = tuple(problem.lines.id[line] for line in rng.permutation(8)[:3])
        problem = problem.but(rules=(Freeze(id="still", lines=some, periods=problem.periods[1:]),))
        parts = split(problem)
        whole = fiscus.solve(problem, route="highs", gap=1e-7)
        if not obstacle(problem) and parts.side and whole.status == "optimal" and whole.value > 0:
            break
    side = Side.of(parts.side, problem.shape[1])
    assert (side.lower == side.upper).sum() >= 6
    assert check(problem, parts.program, side, whole, seed)


def falling(n=6, floor=None, **line):
    """Two units, one budget, and a rule that amounts of tag x cannot obey together with the floors."""
    lines = {
        "id": [f"l{each}" for each in range(n)],
        "unit": ["a", "b"] * (n // 2),
        "cap": [100.0] * n,
        "floor": floor or [20.0] * n,
        "x": ["yes"] * (n // 2) + ["no"] * (n - n // 2),
        "use": ["1"] * n,
        **line,
    }
    units = {"id": ["all", "a", "b"], "parent": ["", "all", "all"], "cap": [None, 250, None]}
    return fiscus.Problem.from_frames(lines=lines, units=units, budget=300)


@pytest.mark.parametrize("curve", ["linear", "log"])
def test_rules_that_no_plan_obeys_claim_none_and_are_seen_soon(curve):
    """Floors of 20 on each of six lines use 120; 100 is allowed. The bound falls below what any plan is worth."""
    problem = falling(curve=[curve] * 6, a=[6, 5, 4, 3, 2, 1], h=[10.0] * 6 if curve == "log" else [None] * 6)
    rules = (Resource(id="r", usage="use", capacity=100.0), Share(id="s", tag={"x": "yes"}, cap=0.6))
    problem = problem.but(lines=dataclasses.replace(problem.lines, tags=problem.lines.tags | {
        "use": tuple(str(1.0 + 0.01 * each) for each in range(6))
    }), rules=rules)  # fmt: skip
    assert fiscus.solve(problem, route="highs").status == "infeasible"
    parts = split(problem)
    assert len(parts.side) == 2
    began = time.perf_counter()
    found = decompose(parts.program, Side.of(parts.side, problem.shape[1]), gap=GAP, deadline=time.monotonic() + 10.0)
    assert found is None or found.amount is None
    assert found is None or found.rounds <= 400
    assert time.perf_counter() - began < 5.0


def test_floors_that_cross_under_a_rule_give_no_split():
    """The tree alone has no split: that is said, not stumbled over."""
    problem = falling(curve=["log"] * 6, a=[6, 5, 4, 3, 2, 1], h=[10.0] * 6)
    parts = split(problem.but(rules=(Share(id="s", tag={"x": "yes"}, cap=0.6),)))
    low = dataclasses.replace(parts.program, cap=np.minimum(parts.program.cap, 30.0))
    assert solve_tree(low) is None
    assert decompose(low, Side.of(parts.side, problem.shape[1]), gap=GAP) is None


def test_an_amount_that_gains_nothing_may_make_room_for_others():
    """Money on a line past its knee is worth nothing by itself, but lets the tagged lines have more of the whole."""
    problem = falling(
        4, floor=[0.0] * 4, curve=["linear", "linear", "capped", "capped"], a=[5, 4, 0.5, 0.5], h=[None, None, 10, 10]
    )
    problem = problem.but(rules=(Share(id="s", tag={"x": "yes"}, cap=0.4),))
    whole = fiscus.solve(problem, route="highs")
    parts = split(problem)
    assert check(problem, parts.program, Side.of(parts.side, problem.shape[1]), whole, 0)
    # All 300 is spent, 40% of it on the two tagged lines; the first of them full at 100.
    assert whole.value == pytest.approx(5 * 100 + 4 * 20 + 0.5 * 20)


def test_a_deadline_that_has_passed_still_gives_a_bound():
    _, program, side, whole = next(
        each for seed in range(20) if (each := drawn(seed, POLYHEDRAL))[3].status == "optimal"
    )
    found = decompose(program, side, gap=GAP, deadline=time.monotonic())
    assert found is not None
    assert found.amount is None or found.value <= whole.bound * (1 + 1e-9)
    assert found.bound >= whole.value * (1 - 1e-9)


# --- Through the front door ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("curves", [POLYHEDRAL, SMOOTH], ids=["polyhedral", "smooth"])
def test_the_front_door_prices_a_few_rules_outside_and_proves_it(monkeypatch, curves):
    """The same small problems as if they were large: value, certificate, referee, and what is said."""
    monkeypatch.setattr(tree_route, "FEWEST_CELLS", 1)
    priced = 0
    for seed in range(15):
        problem, _, side, whole = drawn(seed, curves)
        if whole.status != "optimal":
            continue
        assert few_side_rows(problem) is not None
        result = fiscus.solve(problem)
        size = max(abs(whole.value), abs(whole.bound))
        assert result.status == "optimal", seed
        assert abs(result.value - whole.value) <= 2e-6 * size, seed
        assert violations(problem, result.allocation) == [], seed
        if result.route != "tree":
            continue
        priced += 1
        assert any(f"{len(side.rows)} rules across the tree" in reason for reason in result.reasons)
        bound = result.certificate.bound
        assert whole.value - 1e-7 * size <= bound <= result.value + 2e-6 * size, seed
    assert priced >= 6


@pytest.mark.parametrize("smooth", [False, True], ids=["polyhedral", "smooth"])
def test_a_large_tree_with_a_few_rules_takes_this_route(smooth):
    rng = np.random.default_rng(7)
    n, units = tree_route.FEWEST_CELLS, 120
    cap = rng.uniform(10, 100, n).round(2)
    knee = (cap * rng.uniform(0.2, 0.9, n)).round(2)
    lines = {
        "id": [f"l{each}" for each in range(n)],
        "unit": [f"u{each}" for each in rng.integers(20, units, n).tolist()],
        "cap": cap.tolist(),
        "curve": rng.choice(["log", "saturating"] if smooth else ["linear", "capped"], n).tolist(),
        "a": rng.uniform(0.5, 2.0, n).round(4).tolist(),
        "h": knee.tolist(),
        "green": np.where(rng.random(n) < 0.3, "yes", "no").tolist(),
        "staff": rng.uniform(0.1, 2.0, n).round(3).astype(str).tolist(),
    }
    parents = ["", *("u0" for _ in range(1, 20)), *(f"u{1 + each % 19}" for each in range(20, units))]
    tree = {"id": [f"u{each}" for each in range(units)], "parent": parents}
    budget = round(float(cap.sum()) * 0.4, 2)
    problem = fiscus.Problem.from_frames(lines=lines, units=tree, budget=budget)
    free = fiscus.solve(problem).allocation[0]
    green, use = np.array(lines["green"]) == "yes", np.array(lines["staff"], float)
    share = round(float(free[green].sum() / free.sum()) * 1.1, 4)
    rules = (
        Share(id="green", tag={"green": "yes"}, floor=share),
        Resource(id="staff", usage="staff", capacity=round(float(use @ free) * 0.95, 2)),
        Envelope(id="spread", lines=tuple(lines["id"][::7]), cap=round(float(free[::7].sum()) * 0.9, 2)),
    )
    small = problem.but(rules=rules)
    assert few_side_rows(problem) is None  # No rule across the tree.
    assert few_side_rows(small) is not None
    result = fiscus.solve(small)
    assert result.status == "optimal"
    assert result.route == "tree"
    assert any("3 rules across the tree were priced outside it" in reason for reason in result.reasons)
    assert violations(small, result.allocation) == []
    bound = result.certificate.bound
    assert 0 <= bound - result.value <= 1e-6 * bound
    # What the rules cost: less than without them, and their prices say which bind.
    assert result.value < objective(problem, free[None])
    assert {"green", "staff", "spread"} & {each.rule for each in result.binding if each.price}
    if not smooth:
        whole = fiscus.solve(small, route="highs")
        assert result.value == pytest.approx(whole.value, rel=1e-6)


def test_too_many_rules_or_rules_of_another_sort_go_elsewhere(monkeypatch):
    monkeypatch.setattr(tree_route, "FEWEST_CELLS", 1)
    problem = falling(curve=["log"] * 6, a=[6, 5, 4, 3, 2, 1], h=[10.0] * 6)
    assert few_side_rows(problem) is None
    later = fiscus.Problem.from_frames(
        lines={"id": ["a", "b"], "cap": [60.0, 60.0], "curve": ["log", "log"], "a": [6.0, 5.0], "h": [10.0, 10.0]},
        periods=["one", "two"],
        budget={"one": 80.0, "two": 80.0},
        rules=[{"id": "t", "kind": "turnover", "cap": 100.0}],
    )
    assert few_side_rows(later) is None  # What moves in the second period is no matter of single amounts.
    with pytest.raises(RouteUnavailable, match="t is no limit"):
        fiscus.solve(later, route="tree")
    monkeypatch.setattr(tree_route, "MOST_SIDE_ROWS", 1)
    two = tuple(Share(id=f"s{cap}", tag={"x": "yes"}, cap=cap) for cap in (0.6, 0.7))
    assert few_side_rows(problem.but(rules=two[:1])) is not None
    assert few_side_rows(problem.but(rules=two)) is None
    assert fiscus.solve(problem.but(rules=two)).route == "highs"
