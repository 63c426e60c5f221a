"""Newton's method behind ranges: the same values and slopes as solving the changed problem, and as linear pieces."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from random_problems import random_problem

import fiscus
from fiscus import Problem
from fiscus.core.arrays import frozen
from fiscus.optimise import highs
from fiscus.optimise.explain import value_function
from fiscus.optimise.explain.flips import flip
from fiscus.optimise.explain.newton import Newton
from fiscus.optimise.explain.overview import overview
from fiscus.optimise.explain.ranging import WITHIN, price_range
from fiscus.optimise.explain.value_function import ValueFunction

CONCAVE = ("log", "power", "saturating", "linear", "capped")


def tree_plan(rng, count, units, families):
    """Lines in a two-level tree, every third unit capped, a budget of two fifths of the caps."""
    cap = rng.uniform(1e4, 1e6, count).round(2)
    family, own = rng.choice(families, count), np.arange(count) % units
    names = [f"u{i}" for i in range(units)]
    tree = {"id": ["root", *names], "parent": ["", *["root"] * units]}
    tree["cap"] = [None, *[round(float(cap[own == i].sum() * 0.35), 2) if i % 3 == 0 else None for i in range(units)]]
    lines = {
        "id": [f"l{i}" for i in range(count)],
        "unit": [names[i] for i in own],
        "cap": cap,
        "ask": cap,
        "curve": family,
        "a": np.where(family == "power", 2.0 * np.sqrt(cap), cap * rng.uniform(0.3, 1.5, count)),
        "h": cap * rng.uniform(0.2, 0.6, count),
        "p": np.where(family == "hill", rng.uniform(1.5, 4, count), np.where(family == "power", 0.5, np.nan)),
    }
    return Problem.from_frames(units=tree, lines=lines, budget=round(float(0.4 * cap.sum()), 2))


def with_budget(problem, budget):
    return problem.but(budget=frozen(np.full(problem.shape[0], budget)))


@pytest.mark.parametrize("seed", range(6))
def test_values_and_slopes_are_those_of_the_changed_problem(seed):
    rng = np.random.default_rng(seed)
    problem = tree_plan(rng, int(rng.integers(10, 80)), 6, ("log", "power", "saturating"))
    result = fiscus.solve(problem)
    assert result.route == "tree"
    function = ValueFunction(result).of_row(("budget", problem.periods[0]))
    assert function.newton is not None
    for factor in (1.0, 0.7, 0.95, 1.001, 1.1, 1.6, 0.4):
        budget = factor * float(problem.budget[0])
        sample = function.at(budget)
        again = fiscus.solve(with_budget(problem, budget))
        assert sample.value == pytest.approx(again.value, rel=1e-9)
        price = {each.row: each.price for each in again.binding}.get(("budget", problem.periods[0]), 0.0)
        assert sample.slope == pytest.approx(price, rel=1e-6, abs=1e-9)


@pytest.mark.parametrize("families", [("log", "saturating"), ("hill", "log")])
@pytest.mark.parametrize("seed", range(4))
def test_a_range_ends_where_the_price_of_a_tree_has_changed(seed, families):
    """At both ends, solved anew; S-shaped lines keep the part of their curve that they are on where amounts move that little."""
    problem = tree_plan(np.random.default_rng([seed, 2]), 60, 5, families)
    result = fiscus.solve(problem, gap=1e-9)
    price = price_range(result, ("budget", problem.periods[0]))
    assert not price.cut_short
    assert price.lower < price.limit < price.upper
    for end, beside in ((price.lower, 1e-4), (price.upper, -1e-4)):
        function = ValueFunction(result).of_row(("budget", problem.periods[0]))
        inside, outside = function.at(end * (1.0 + beside)).slope, function.at(end * (1.0 - 20 * beside)).slope
        assert abs(inside - price.price) <= WITHIN * price.price * (1.0 + 1e-3)
        assert abs(outside - price.price) >= WITHIN * price.price * (1.0 - 1e-3)
        if "hill" in families:
            continue
        again = fiscus.solve(with_budget(problem, end * (1.0 + beside)))
        told = {each.row: each.price for each in again.binding}["budget", problem.periods[0]]
        assert told == pytest.approx(inside, rel=1e-5)


@pytest.mark.parametrize("seed", range(20))
def test_linear_pieces_say_the_same(seed, monkeypatch):
    """On any plan without choices: carry-over, change costs, soft rules, accounts."""
    rng = np.random.default_rng([seed, 21])
    problem, _ = random_problem(
        rng, integers=False, curves=CONCAVE, kinds=["envelope", "share", "turnover", "resource"]
    )
    result = fiscus.solve(problem, gap=1e-9)
    rows = [each for each in result.binding if each.price][:2]
    quick = [ValueFunction(result).of_row(each) for each in rows]
    looks = [
        (each, each.standing * factor + shift)
        for each in quick
        for factor, shift in ((1, 0), (1.05, 0.2), (0.97, -0.1))
    ]
    found = [(function, place, function._newton_sample(place)) for function, place in looks]
    monkeypatch.setattr(ValueFunction, "newton", None)
    for function, place, sample in found:
        if sample is None:
            continue
        slow = ValueFunction(result).of_row(rows[quick.index(function)]).at(place)
        assert sample.value == pytest.approx(slow.value, rel=1e-7, abs=1e-7)


def test_steps_that_do_not_settle_are_no_answer():
    problem = tree_plan(np.random.default_rng(0), 20, 3, ("log",))
    function = ValueFunction(fiscus.solve(problem)).of_row(("budget", problem.periods[0]))
    newton = function.newton
    assert isinstance(newton, Newton)
    model = newton.model
    nowhere = model.row_lower.copy()
    nowhere[function._row] = 2.0 * float(problem.lines.cap.sum())
    above = np.maximum(model.row_upper, nowhere)
    assert newton.solve(function._first, (model.lower, model.upper), (nowhere, above)) is None
    assert newton.solve(function._first, (model.upper, model.lower), (model.row_lower, model.row_upper)) is None
    assert function.at(-1.0).value == -np.inf


def test_a_large_plan_is_explained_without_a_linear_program_for_every_look(monkeypatch):
    problem = tree_plan(np.random.default_rng(4), 1379, 30, ("log", "power", "saturating"))
    result = fiscus.solve(problem)
    solved = []
    original = highs.Warm.solve
    monkeypatch.setattr(highs.Warm, "solve", lambda self, **given: solved.append(1) or original(self, **given))
    made = overview(result, 3)
    assert len(made.ranges) == 8
    assert all(each.lower < each.limit < each.upper for each in made.ranges)
    assert any("Left out" in note for note in made.notes)
    assert len(solved) <= 2 * len(made.ranges) + 6
    line = next(i for i in range(1379) if 1.0 < result.allocation[0, i] < 0.9 * problem.lines.cap[0, i])
    found = flip(result, problem.lines.id[line])
    weight = np.array(problem.lines.weight)
    for factor, enough in ((1.001, True), (0.999, False)):
        weight[line] = found.needed * factor
        again = fiscus.solve(problem.but(lines=dataclasses.replace(problem.lines, weight=frozen(weight.copy()))))
        assert (again.allocation[0, line] >= problem.lines.ask[0, line] * (1 - 1e-9)) == enough


def test_what_time_does_not_allow_is_said_to_be_left_out():
    problem = tree_plan(np.random.default_rng(1), 40, 4, ("log",))
    result = fiscus.solve(problem)
    made = overview(result, 2, seconds=0.0)
    assert made.ranges == ()
    assert made.unfunded == ()
    assert any("ranges" in note for note in made.notes)
    function = ValueFunction(result)
    function.deadline = 0.0
    short, whole = (
        price_range(result, ("budget", problem.periods[0]), function),
        price_range(result, ("budget", problem.periods[0])),
    )
    assert short.cut_short
    assert whole.lower <= short.lower <= short.limit <= short.upper <= whole.upper
    assert "at least" in short.sentence("Budget", "USD")
    assert value_function.MOST_MISSES > 0
