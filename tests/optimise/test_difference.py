"""The parts of the difference between two results: they sum to the whole exactly, and they are named for what changed."""

from __future__ import annotations

import dataclasses
from fractions import Fraction

import numpy as np
import pytest
from random_problems import random_problem
from repetitions import slow_from
from small_plans import small_plan

from fiscus.core.arrays import frozen
from fiscus.core.curves import Curves
from fiscus.core.rules import Envelope, Freeze
from fiscus.errors import InvalidInput, NoAllocation
from fiscus.optimise.explain.changes import ORDER, blend
from fiscus.optimise.explain.difference import difference, spread
from fiscus.optimise.solve import solve

LINEAR = ("linear", "capped", "piecewise", "log")


def lines_of(problem, **changes):
    return problem.but(lines=dataclasses.replace(problem.lines, **changes))


def without_line(problem, line):
    """The problem as someone would have written it without one line, and without the rules that name it."""
    keep = np.array([i for i, name in enumerate(problem.lines.id) if name != line])
    changes = {}
    for item in dataclasses.fields(problem.lines):
        value = getattr(problem.lines, item.name)
        if isinstance(value, tuple):
            changes[item.name] = tuple(value[i] for i in keep)
        elif item.name == "curves":
            changes[item.name] = value.take(keep)
        elif item.name == "tags":
            changes[item.name] = {name: tuple(cells[i] for i in keep) for name, cells in value.items()}
        else:
            changes[item.name] = frozen(value[..., keep], value.dtype)
    rules = tuple(rule for rule in problem.rules if line not in str(rule.model_dump()))
    scenarios = dataclasses.replace(problem.scenarios, theta=frozen(problem.scenarios.theta[..., keep]))
    return lines_of(problem, **changes).but(rules=rules, scenarios=scenarios)


def changed(rng, problem):
    """The problem with some of its data and rules changed at random."""
    lines = problem.lines
    if rng.random() < 0.6:
        problem = problem.but(budget=frozen(np.round(problem.budget * rng.uniform(0.5, 1.5, problem.shape[0]), 2)))
    if rng.random() < 0.5:
        problem = lines_of(problem, weight=frozen(np.round(lines.weight * rng.uniform(0.5, 2.0, len(lines.id)), 3)))
    if rng.random() < 0.5:
        problem = lines_of(problem, cap=frozen(np.maximum(np.round(0.8 * problem.lines.cap, 2), problem.lines.floor)))
    if rng.random() < 0.4:
        problem = problem.but(rules=problem.rules[1:])
    if rng.random() < 0.4:
        problem = problem.but(rules=(*problem.rules, Envelope(id="new", lines=lines.id[:1], cap=7.0)))
    if rng.random() < 0.4 and len(lines.id) > 1:
        problem = without_line(problem, lines.id[-1])
    return problem


@pytest.mark.parametrize("seed", slow_from(20, 40))
def test_the_parts_sum_to_the_whole_to_the_cent(seed):
    rng = np.random.default_rng(seed)
    first, _ = random_problem(rng, curves=LINEAR, integers=bool(seed % 2), lines=(2, 5))
    second = changed(rng, first)
    if seed % 3 == 0:
        first, second = second, first
    one, other = solve(first), solve(second)
    if one.solution is None or other.solution is None:
        with pytest.raises(NoAllocation):
            difference(one, other)
        return
    found = difference(one, other)
    assert set(found.lines) == {*first.lines.id, *second.lines.id}
    for problem, result, sign in ((first, one, -1), (second, other, 1)):
        # Oracle: the total is what each result's own table says, a line that is not there counting as nothing.
        for line in found.lines:
            place = problem.line_position.get(line)
            mine = 0 if place is None else result.minor_units[:, place]
            again = spread(result, found.lines)[:, found.lines.index(line)]
            assert (again == mine).all(), (line, sign)
    assert (found.total == spread(other, found.lines) - spread(one, found.lines)).all()
    assert (sum((part.effect for part in found.parts), np.zeros_like(found.total)) == found.total).all()
    assert all(part.effect.dtype == np.int64 for part in found.parts)
    steps = [Fraction(part.value_after) - Fraction(part.value_before) for part in found.parts]
    assert sum(steps, Fraction(0)) == Fraction(other.exact_value) - Fraction(one.exact_value)
    back = difference(other, one)
    assert (back.total == -found.total).all()
    assert found.sentences()
    assert found.as_dict()["parts"] == [] or found.parts


@pytest.mark.parametrize("seed", range(6))
def test_with_every_change_made_the_blend_is_the_second_problem(seed):
    rng = np.random.default_rng(seed)
    first, _ = random_problem(rng, curves=LINEAR)
    second = changed(rng, first)
    found = difference(first, second) if solve(second).solution is not None else None
    if found is None:
        return
    keys = frozenset(change.key for part in found.parts for change in part.changes)
    assert blend(first, second, keys).digest == second.but(name=first.name).digest
    assert blend(first, second, frozenset()).digest == first.digest


def test_each_part_is_named_for_what_changed():
    first = small_plan(periods=1, budget=100.0, line={"weight": [3.0, 2.0, 1.0], "cap": 60.0})
    second = lines_of(first, weight=frozen([1.0, 2.0, 3.0])).but(
        budget=frozen([130.0]), rules=(Envelope(id="limit", lines=("b",), cap=20.0),)
    )
    found = difference(first, second)
    assert [part.name for part in found.parts] == ["the budget", "weights of lines", "rule limit added"]
    # By hand: 60/40/0; with 130: 60/60/10; with new weights: 10/60/60; with b at most 20: 50/20/60.
    assert [part.effect.tolist() for part in found.parts] == [
        [[0, 2000, 1000]], [[-5000, 0, 5000]], [[4000, -4000, 0]],
    ]  # fmt: skip
    assert [part.value for part in found.parts] == pytest.approx([50.0, 310.0 - 310.0, 270.0 - 310.0])
    assert "from 100 to 130" in found.sentences()[1]


def test_the_order_can_be_chosen_and_unknown_kinds_are_refused():
    first = small_plan(periods=1, budget=100.0, line={"weight": [3.0, 2.0, 1.0], "cap": 60.0})
    second = lines_of(first, cap=frozen([[80.0, 60.0, 60.0]])).but(budget=frozen([130.0]))
    assert [part.changes[0].kind for part in difference(first, second).parts] == ["budget", "line cap"]
    turned = difference(first, second, order=["line cap"])
    assert [part.changes[0].kind for part in turned.parts] == ["line cap", "budget"]
    assert turned.parts[0].effect.tolist() == [[2000, -2000, 0]]
    with pytest.raises(InvalidInput, match="no kind of change"):
        difference(first, second, order=["weather"])
    assert len(ORDER) == len(set(ORDER))


def test_a_step_without_a_plan_is_taken_with_the_next_one():
    first = small_plan(periods=1, budget=100.0, envelopes={"floor": [0.0, 80.0, 0.0]})
    second = small_plan(periods=1, budget=50.0, envelopes={"floor": [0.0, 10.0, 0.0]})
    found = difference(first, second)
    (part,) = found.parts
    assert [change.kind for change in part.changes] == ["budget", "unit floor"]
    assert "no plan" in part.note
    assert int(part.effect.sum()) == -5000


def test_the_same_problem_by_another_method_is_one_part():
    plan = small_plan(periods=1, budget=100.0, line={"weight": [3.0, 2.0, 1.0], "cap": 60.0, "prior": 30.0})
    found = difference(solve(plan), solve(plan, method="incremental"))
    assert [part.changes[0].kind for part in found.parts] == ["method"]
    assert (found.parts[0].effect == found.total).all()
    assert "from optimise to incremental" in found.sentences()[1]
    assert difference(plan, plan).parts == ()
    assert difference(plan, plan).sentences()[-1] == "Nothing differs."


def test_rules_that_name_lines_of_one_problem_only_find_their_step():
    first = small_plan(periods=1, budget=100.0, line={"prior": 30.0}, rules=(Freeze(id="still", lines=("c",)),))
    second = without_line(first, "c")
    found = difference(first, second)
    assert found.lines == ("a", "b", "c")
    names = {change.kind for part in found.parts for change in part.changes}
    assert names == {"lines removed", "rule removed"}
    assert found.total[0, 2] == -3000
    back = difference(second, first)
    assert back.total[0, 2] == 3000


def test_curves_units_and_periods():
    first = small_plan(periods=1)
    second = lines_of(first, curves=Curves.make(["linear", "log", "linear"], h=5.0), unit=frozen([1, 1, 1], np.int64))
    kinds = [change.kind for part in difference(first, second).parts for change in part.changes]
    assert kinds == ["line curves", "line unit"]
    with pytest.raises(InvalidInput, match="different periods"):
        difference(first, small_plan(periods=2))
    with pytest.raises(InvalidInput, match="USD"):
        difference(first, small_plan(periods=1, code="EUR"))
