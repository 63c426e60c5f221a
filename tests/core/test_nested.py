"""The nested split against bisection, closed forms, a quadratic program and the referee."""

from __future__ import annotations

import cvxpy
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from random_trees import random_tree_problem
from small_plans import small_plan

from fiscus.core.arrays import FloatArray
from fiscus.core.feasibility import violations
from fiscus.core.nested import Nest, nest, poured
from fiscus.core.problem import Problem
from fiscus.core.rules import Change, Envelope, Freeze, Reserve, Share
from fiscus.errors import InvalidInput

DUST = 1e-12
BATCH = 40
seeds = st.integers(0, 2**32 - 1)


def by_bisection(amount: float, room: FloatArray) -> FloatArray:
    """The level at which vessels hold an amount, halved until it no longer moves."""
    low, high = 0.0, amount + 1e-300
    for _ in range(2000):
        middle = 0.5 * (low + high)
        if middle in (low, high):
            break
        low, high = (middle, high) if np.minimum(middle, room).sum() < amount else (low, middle)
    return np.minimum(high, room)


def rooms(rng: np.random.Generator) -> FloatArray:
    """Rooms of very different sizes, some nothing, some equal, some without limit."""
    count = int(rng.integers(1, 9))
    room = rng.uniform(0, 1, count) * 10.0 ** rng.integers(-6, 7)
    room[rng.random(count) < 0.2] = 0.0
    if rng.random() < 0.3:
        room[:] = room[0]
    if rng.random() < 0.2:
        room[rng.integers(count)] = np.inf
    return room


@given(seeds)
def test_vessels_fill_to_one_level_as_by_bisection(seed: int) -> None:
    rng = np.random.default_rng(seed)
    room = rooms(rng)
    most = room[np.isfinite(room)].sum() + (100.0 if np.isinf(room).any() else 0.0)
    amount = float(rng.choice([0.0, 1.0, rng.random(), 1e-9])) * most
    found = poured(np.array([amount]), room[None])[0]
    if not room.any():
        assert (found == 0).all()
        return
    np.testing.assert_allclose(found, by_bisection(amount, room), rtol=1e-9, atol=DUST * max(1.0, most))
    assert abs(found.sum() - amount) <= 8 * np.finfo(float).eps * most
    assert (found >= 0).all()
    assert (found <= room).all()


def test_vessels_by_hand() -> None:
    room = np.array([1.0, 4.0, 10.0])
    for amount, expected in [
        (0.0, [0, 0, 0]),
        (3.0, [1, 1, 1]),
        (7.0, [1, 3, 3]),
        (11.0, [1, 4, 6]),
        (15.0, [1, 4, 10]),
    ]:
        assert poured(np.array([amount]), room[None])[0].tolist() == expected


def trees(seed: int) -> tuple[Problem, Nest, np.random.Generator]:
    """A random tree on which something can be allocated."""
    rng = np.random.default_rng(seed)
    while True:
        problem = random_tree_problem(rng)
        try:
            return problem, nest(problem)[0], rng
        except InvalidInput:
            continue


def totals(problem: Problem, made: Nest, rng: np.random.Generator, period: int) -> FloatArray:
    low, high = made.low[period, made.root], made.high[period, made.root]
    return low + rng.choice([0.0, 1.0, *rng.random(6)], BATCH) * (high - low)


def wishes(rng: np.random.Generator, lines: int, size: float) -> FloatArray:
    """Ordinary and hostile wishes: none, huge, tiny, denormal, negative, all equal, all for one line, alternating."""
    kinds = [
        rng.uniform(0, 2 * size, (BATCH, lines)),
        np.full((BATCH, lines), 1e300),
        np.full((BATCH, lines), -1e300),
        rng.choice([5e-324, 1e-310, 0.0], (BATCH, lines)),
        np.eye(lines)[rng.integers(0, lines, BATCH)] * 1e200,
        np.full((BATCH, lines), size),
        np.where((np.arange(lines) + np.arange(BATCH)[:, None]) % 2, 1e100, -1e100),
    ]
    return kinds[int(rng.integers(len(kinds)))]


def plan_of(problem: Problem, made: Nest, period: int, spend: FloatArray) -> FloatArray:
    """A whole plan with the amounts of one period; the others get what they must."""
    low, high = made.low, made.high
    rest = made.nearest(np.zeros(problem.shape), low[:, made.root], low, high)
    rest[period] = spend
    return rest


@given(seeds)
def test_every_split_obeys_the_referee_and_spends_the_total(seed: int) -> None:
    problem, made, rng = trees(seed)
    period = int(rng.integers(problem.shape[0]))
    total = totals(problem, made, rng, period)
    low, high = made.low[period], made.high[period]
    size = float(max(high[made.root], 1e-3))
    wish = wishes(rng, problem.shape[1], size)
    member = problem.membership.toarray()
    spend = made.nearest(wish, total, low, high)
    assert np.isfinite(spend).all()
    scale = DUST * max(1.0, size)
    assert np.abs(spend.sum(axis=1) - total).max() <= scale
    units = spend @ member.T
    assert (units <= made.cap[period, : made.units] + scale).all()
    assert (units >= made.floor[period, : made.units] - scale).all()
    assert (spend <= problem.lines.cap[period] + scale).all()
    assert (spend >= problem.lines.floor[period] - scale).all()
    assert violations(problem, plan_of(problem, made, period, spend[0])) == []


@given(seeds)
def test_an_allowed_allocation_comes_back_as_it_is(seed: int) -> None:
    problem, made, rng = trees(seed)
    period = int(rng.integers(problem.shape[0]))
    low, high = made.low[period], made.high[period]
    size = float(max(high[made.root], 1e-3))
    some = rng.uniform(0, 2 * size, (BATCH, problem.shape[1]))
    allowed = made.nearest(some, totals(problem, made, rng, period), low, high)
    again = made.as_wished(allowed, low, high)
    np.testing.assert_allclose(again, allowed, rtol=0, atol=DUST * size)


@given(seeds)
def test_among_the_children_of_one_unit_it_is_the_euclidean_projection(seed: int) -> None:
    rng = np.random.default_rng(seed)
    count = int(rng.integers(1, 7))
    cap = rng.uniform(0.5, 20, count)
    floor = cap * rng.random(count) * (rng.random(count) < 0.4)
    made, _ = nest(one_unit(floor, cap))
    wish = rng.uniform(-20, 40, count)
    total = floor.sum() + rng.random() * (cap.sum() - floor.sum())
    spend = made.nearest(wish[None], np.array([total]), made.low[0], made.high[0])[0]
    # A line's own floor and cap are applied first: the projection is that of what the line can have.
    x = cvxpy.Variable(count)
    program = cvxpy.Problem(
        cvxpy.Minimize(cvxpy.sum_squares(x - np.clip(wish, floor, cap))), [x >= floor, x <= cap, cvxpy.sum(x) == total]
    )
    program.solve(solver="CLARABEL", tol_gap_abs=1e-11, tol_gap_rel=1e-11, tol_feas=1e-11)
    np.testing.assert_allclose(spend, x.value, atol=1e-5)


def one_unit(floor: FloatArray, cap: FloatArray) -> Problem:
    units = (("city", ""),)
    return small_plan(
        unit=("city",) * len(cap), units=units, periods=1, budget=1000.0, line={"cap": cap, "floor": floor}
    )


def test_units_without_lines_hold_no_money() -> None:
    made, _ = nest(small_plan(units=(("city", ""), ("north", "city"), ("south", "city"), ("east", "city"))))
    assert (made.high[:, 3] == 0).all()


def test_limits_come_from_tables_rules_and_the_budget() -> None:
    rules = (
        Envelope(id="least", node="south", floor=12.0),
        Envelope(id="one", lines=("a",), cap=7.0, periods=("FY2",)),
        Envelope(id="pair", lines=("a", "b"), cap=30.0),  # The lines of north.
        Envelope(id="other", lines=("b", "c"), cap=50.0),  # Of no unit.
        Freeze(id="still", lines=("b",), periods=("FY1",)),
        Change(id="slow", lines=("c",), up=5.0, relative=False),
    )
    plan = small_plan(
        rules=rules,
        line={"prior": [1.0, 9.0, 20.0], "cap": 40.0},
        envelopes={"cap": [np.inf, 35.0, np.inf], "floor": [0.0, 10.0, 3.0]},
    )
    made, others = nest(plan)
    city, north, south, a, b, c = range(6)
    assert made.cap[:, city].tolist() == [100.0, 100.0]
    assert made.cap[:, north].tolist() == [30.0, 30.0]
    assert made.floor[:, north].tolist() == [10.0, 10.0]
    assert made.low[:, south].tolist() == [12.0, 12.0]
    assert made.cap[:, a].tolist() == [35.0, 7.0]  # Not more than its unit.
    assert (made.floor[0, b], made.cap[0, b], made.cap[1, b]) == (9.0, 9.0, 35.0)
    assert made.cap[:, c].tolist() == [
        25.0,
        40.0,
    ]  # Last year's 20 and 5 more; later it depends on what is given before.
    # Consistent: north can take 30 and south at most c's cap; the city must give what both must get.
    assert made.low[:, city].tolist() == [22.0, 22.0]
    assert made.high[:, city].tolist() == [55.0, 70.0]
    left = {(rows.labels[place][0], rows.labels[place][1]) for rows, places in others for place in places.tolist()}
    assert left == {("other", "FY1"), ("other", "FY2"), ("slow", "FY2")}


def test_a_reserve_without_an_account_caps_the_total() -> None:
    made, others = nest(small_plan(rules=(Reserve(id="spare", amount=25.0),)))
    left = [each for each in others if len(each[1])]
    capped = made.cap[:, made.root].tolist() == [75.0, 75.0]
    assert capped or left  # Either way of stating it must not be lost.
    assert capped


def test_shares_do_not_nest() -> None:
    _, others = nest(small_plan(rules=(Share(id="part", node="north", cap=0.5),)))
    assert [len(places) for _, places in others] == [2]


def test_contradictions_are_refused_with_a_sentence() -> None:
    plan = small_plan(
        rules=(Envelope(id="much", node="south", floor=60.0), Envelope(id="more", node="north", floor=60.0))
    )
    with pytest.raises(InvalidInput, match=r"City needs at least 120\.00 in FY1 but may get at most 100\.00"):
        nest(plan)
    empty = (("city", ""), ("north", "city"), ("south", "city"), ("east", "city"))
    nobody = small_plan(units=empty, envelopes={"floor": [0.0, 0.0, 0.0, 5.0]})
    with pytest.raises(InvalidInput, match=r"East in FY1 misses its floor of 5\.00 by 5\.00"):
        nest(nobody)
