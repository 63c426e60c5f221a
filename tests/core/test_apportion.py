"""Minor units add up at every node, keep every bound, and obey every hard rule (§3.1)."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from random_problems import random_problem
from small_plans import small_plan

from fiscus.core.apportion import apportion, largest_remainder
from fiscus.core.arrays import FloatArray
from fiscus.core.cents import EXACT, hard_rows, to_the_cent
from fiscus.core.facts import Account
from fiscus.core.feasibility import violations
from fiscus.core.problem import Problem
from fiscus.core.process import Scenarios
from fiscus.core.rounding import Forest, Limits, round_tree
from fiscus.core.rules import Change, Envelope, Freeze, Requires, Risk, Share, Turnover
from fiscus.errors import InvalidAllocation, InvalidInput, InvalidMoney

seeds = st.integers(0, 2**32 - 1)


@pytest.mark.parametrize(
    ("total", "weights", "expected"),
    [
        # IFRS 15 / ASC 606 transaction prices over stand-alone selling prices.
        (100_000, [75_000, 14_000, 20_000], [68_807, 12_844, 18_349]),  # whosread.com/26922/711249
        (80, [20, 30, 40], [18, 27, 35]),  # KPMG handbook example 5: a discount of 10; naive rounding gives 81.
        (190_000, [90_000, 44_000, 66_000], [85_500, 41_800, 62_700]),
        (100_000, [95_000, 30_000], [76_000, 24_000]),
        (100, [50, 25, 75], [33, 17, 50]),  # IFRS 15 example 33, recalled.
        (60, [55, 45], [33, 27]),  # IFRS 15 example 34 case A, the two that carry the discount, recalled.
        (100_000, [100_000, 9_500], [91_324, 8_676]),  # Customer points, recalled.
    ],
)
def test_published_allocations(total: int, weights: list[float], expected: list[int]) -> None:
    assert largest_remainder(total, np.array(weights, float)).tolist() == expected


def test_bounds_of_largest_remainder() -> None:
    weights = np.array([1.0, 1.0, 8.0])
    assert largest_remainder(10, weights, cap=np.array([9, 9, 4])).tolist() == [3, 3, 4]
    assert largest_remainder(10, weights, floor=np.array([3, 0, 0])).tolist() == [3, 1, 6]
    assert largest_remainder(5, np.array([0.0, 1.0]), cap=np.array([9, 2])).tolist() == [3, 2]
    assert largest_remainder(7, np.zeros(3)).tolist() == [3, 2, 2]
    assert largest_remainder(0, np.zeros(0)).tolist() == []


@pytest.mark.parametrize(
    ("total", "weights", "bounds"),
    [
        (10, [1.0, np.nan], {}),
        (10, [1.0, -1.0], {}),
        (-1, [1.0], {}),
        (1, [], {}),
        (10, [1.0, 1.0], {"cap": np.array([4, 5])}),
        (10, [1.0, 1.0], {"floor": np.array([6, 5])}),
        (10, [1.0, 1.0], {"floor": np.array([6, 0]), "cap": np.array([5, 9])}),
        (10, [1.0, 1.0], {"floor": np.array([1])}),
        (2**60, [1.0, 1.0], {}),
    ],
)
def test_impossible_splits_are_refused(total: int, weights: list[float], bounds: dict) -> None:
    with pytest.raises(InvalidInput):
        largest_remainder(total, np.array(weights), **bounds)


@given(
    total=st.integers(0, 10**12),
    weights=st.lists(st.floats(0, 1e6), min_size=1, max_size=20).filter(lambda values: sum(values) > 1e-3),
)
def test_largest_remainder_sums_and_stays_within_one_of_the_share(total: int, weights: list[float]) -> None:
    given_weights = np.array(weights)
    parts = largest_remainder(total, given_weights)
    assert parts.sum() == total
    assert (np.abs(parts - total * (given_weights / given_weights.sum())) < 1 + 1e-15 * total).all()


@given(seeds)
def test_largest_remainder_keeps_bounds_and_proportion(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n = int(rng.integers(1, 12))
    floor = rng.integers(0, 50, n)
    cap = floor + rng.integers(0, 80, n)
    weights = rng.random(n) * (rng.random(n) < 0.8)
    total = int(rng.integers(floor.sum(), cap.sum() + 1))
    parts = largest_remainder(total, weights, floor=floor, cap=cap)
    assert parts.sum() == total
    assert ((floor <= parts) & (parts <= cap)).all()
    free = (parts > floor) & (parts < cap) & (weights > 0)
    if free.sum() > 1:  # One scale for all that no bound holds, to within the rounding.
        scale = parts[free].sum() / weights[free].sum()
        assert (np.abs(parts[free] - scale * weights[free]) <= n).all()


@pytest.mark.parametrize(("code", "exponent"), [("JPY", 0), ("USD", 2), ("KWD", 3)])
def test_ten_by_three(code: str, exponent: int) -> None:
    problem = small_plan(periods=1, code=code, budget=10.0)
    result = apportion(problem, np.full((1, 3), 10 / 3))
    assert result.minor.sum() == 10 * 10**exponent
    assert result.unmet == ()
    assert np.array_equal(result.amounts, result.minor / 10**exponent)
    assert result.minor.dtype == np.int64


def test_dust_is_no_money() -> None:
    problem = small_plan(periods=1, budget=30.0)
    result = apportion(problem, np.array([[9.999999999, 10.0000000004, 1e-9]]))
    assert result.minor.tolist() == [[1000, 1000, 0]]


@given(seeds, st.sampled_from(["JPY", "USD", "KWD"]))
def test_controlled_rounding_on_pure_trees(seed: int, code: str) -> None:
    rng = np.random.default_rng(seed)
    units = tuple((f"u{i}", f"u{rng.integers(0, i)}" if i else "") for i in range(int(rng.integers(1, 8))))
    owner = tuple(str(rng.choice([name for name, _ in units])) for _ in range(int(rng.integers(1, 12))))
    amounts = rng.random((2, len(owner))) * float(rng.choice([0.05, 10.0, 99.0])) * (rng.random((2, len(owner))) < 0.8)
    problem = small_plan(unit=owner, units=units, code=code, budget=(amounts.sum(axis=1) + 1e-9).tolist())
    scale = 10.0**problem.currency.exponent
    result = apportion(problem, amounts)
    assert (np.abs(result.minor - amounts * scale) < 1 + 1e-4).all()
    totals, exact = problem.membership @ result.minor.T, problem.membership @ amounts.T * scale
    assert (np.abs(totals - exact) < 1 + 1e-4).all()
    assert (result.minor.sum(axis=1) <= np.floor(problem.budget * scale + 1e-6)).all()
    assert (result.minor[amounts == 0] == 0).all()
    assert result.unmet == ()


def fractional_point(rng: np.random.Generator, problem: Problem, witness: FloatArray) -> FloatArray:
    """A feasible point with cents to round: from the witness to the edge of the rules in a few random directions."""
    lumpy = np.broadcast_to(problem.lines.lumpy, witness.shape)
    spend = witness.copy()
    for _ in range(5):
        movable = (witness > 0) & ~lumpy & (rng.random(witness.shape) < 0.6)
        direction = np.where(movable, rng.normal(0, 1, witness.shape), 0.0)
        if movable.sum() > 1 and rng.random() < 0.5:
            direction = np.where(movable, direction - direction.sum() / movable.sum(), 0.0)
        for step in 32.0 / 2.0 ** np.arange(16):
            trial = spend + step * direction
            if (trial[witness > 0] >= problem.minor_unit).all() and not violations(problem, trial):
                spend = trial
    return spend


@settings(max_examples=60)
@given(seeds)
def test_every_rule_holds_after_rounding(seed: int) -> None:
    rng = np.random.default_rng(seed)
    problem, witness = random_problem(rng)
    spend = fractional_point(rng, problem, witness)
    result = apportion(problem, spend)
    if result.unmet:  # Rare, and said; then no rule may be broken by more than a few minor units can do.
        assert max(each.distance for each in result.unmet if each.unit == "USD") < 0.1
    else:
        assert violations(problem, result.amounts) == []
        point = problem.statement.point(result.amounts)
        for rows in hard_rows(problem):
            activity = rows.activity(point)
            slack = EXACT * rows.scale(point) + to_the_cent(problem, rows, point["funded"])
            assert (np.maximum(activity - rows.upper, rows.lower - activity) <= slack).all()
    assert (result.minor[spend == 0] == 0).all()
    lumpy = np.broadcast_to(problem.lines.lumpy, spend.shape) & (spend > 0)
    assert (result.amounts[lumpy] == problem.lines.cap[lumpy]).all()
    ticket = (problem.lines.min_ticket > 0) & (spend > 0)
    assert (result.amounts >= np.where(ticket, problem.lines.min_ticket, 0.0)).all()


@settings(max_examples=60)
@given(seeds)
def test_amounts_on_the_grid_stay(seed: int) -> None:
    problem, witness = random_problem(np.random.default_rng(seed))
    result = apportion(problem, witness)
    assert np.array_equal(result.minor, np.rint(witness * 100))
    assert result.unmet == ()


def test_envelopes_between_cents_are_kept() -> None:
    problem = small_plan(
        periods=1, envelopes={"cap": [np.inf, 10.009, np.inf], "floor": [20.001, 0, 0]}, line={"cap": [[5.006, 9, 20]]}
    )
    result = apportion(problem, np.array([[5.006, 5.003, 9.992]]))
    assert result.unmet == ()
    assert result.minor[0, 0] <= 500
    assert result.minor[0, :2].sum() <= 1000
    assert result.minor.sum() >= 2001


def test_shares_are_kept_by_moving_a_cent() -> None:
    tags = {"colour": ("green", "grey", "grey")}
    rule = Share(id="half", tag={"colour": "green"}, cap=0.5)
    problem = small_plan(periods=1, line={"tags": tags}, rules=(rule,), budget=20.01)
    result = apportion(problem, np.array([[10.005, 5.0025, 5.0025]]))
    assert result.minor[0].tolist() == [1000, 500, 501] or result.minor[0].tolist() == [1000, 501, 500]
    assert result.unmet == ()


def test_movement_is_kept() -> None:
    problem = small_plan(periods=1, line={"prior": [10.0, 10.0, 10.0]}, rules=(Turnover(id="calm", cap=4.0),))
    result = apportion(problem, np.array([[10.666, 10.666, 7.332]]))
    assert result.unmet == ()
    assert np.abs(result.minor - 1000).sum() <= 400


def test_cash_with_interest_is_kept() -> None:
    account = Account(opening=10.0, reserve=np.zeros(2), carry_over=0.5, rate=0.013)
    problem = small_plan(budget=[5.0, 5.0], account=account, unit=("north", "south"))
    cash = (10.0 * 1.013 - 2.0) * 1.013  # The first period draws 2 from cash, the second all that is left.
    result = apportion(problem, np.array([[3.5, 3.5], [(5.0 + cash) / 2, (5.0 + cash) / 2]]))
    assert result.unmet == ()
    assert result.minor[1].sum() == np.floor((5.0 + cash) * 100)


def test_risk_limits_are_kept() -> None:
    scenarios = Scenarios(np.array([[[1.0, 0.5, 2.0]], [[2.0, 1.0, 0.1]]]), np.array([0.5, 0.5]))
    spend = np.array([[10.006, 5.004, 5.0]])
    limit = -float((spend * scenarios.theta[1]).sum())
    problem = small_plan(periods=1, scenarios=scenarios, rules=(Risk(id="floor", measure="worst", limit=limit),))
    result = apportion(problem, spend)
    assert result.unmet == ()
    assert float((result.amounts * scenarios.theta[1]).sum()) >= -limit - 1e-9


def test_equalities_between_cents_are_met_at_a_neighbour() -> None:
    problem = small_plan(line={"prior": [10.005, 0, 0]}, rules=(Freeze(id="still", lines=("a",)),))
    result = apportion(problem, np.array([[10.005, 1, 1], [10.005, 1, 1]]))
    assert result.unmet == ()
    assert result.minor[0, 0] in (1000, 1001)
    assert result.minor[0, 0] == result.minor[1, 0]


def test_what_cannot_hold_is_named() -> None:
    rule = Change(id="still", lines=("a",), up=0, down=0, relative=False)
    problem = small_plan(periods=1, line={"prior": [10.005, 0, 0]}, rules=(rule,))
    result = apportion(problem, np.array([[10.005, 1, 1]]))
    assert [each.rule for each in result.unmet] == ["still"]
    assert result.unmet[0].distance == pytest.approx(0.005)
    assert "after rounding" in result.unmet[0].sentence

    narrow = small_plan(periods=1, rules=(Envelope(id="narrow", lines=("a", "c"), floor=10.001, cap=10.009),))
    result = apportion(narrow, np.array([[5.0, 1.0, 5.005]]))
    assert {each.rule for each in result.unmet} == {"narrow"}


def test_the_budget_is_never_exceeded() -> None:
    problem = small_plan(periods=1, budget=10.0, line={"floor": 10 / 3})
    result = apportion(problem, np.full((1, 3), 10 / 3))
    assert result.minor.sum() == 1000
    assert {each.rule for each in result.unmet} <= {"line a", "line b", "line c"}
    assert result.unmet


def test_what_is_funded_stays_funded() -> None:
    rule = Requires(id="first", line="a", needs="c")
    problem = small_plan(periods=1, rules=(rule,))
    result = apportion(problem, np.array([[5.0, 0.0, 0.0101]]))
    assert result.minor.tolist() == [[500, 0, 1]]
    assert result.unmet == ()


def test_large_trees_add_up() -> None:
    rng = np.random.default_rng(7)
    n, count = 50_000, 2_000
    units = tuple((f"u{i}", f"u{(i - 1) // 7}" if i else "") for i in range(count))
    amounts = rng.random((1, n)) * 1e4
    tree = small_plan(unit=("u0",), units=units, periods=1)
    owner = rng.integers(0, count, n)
    forest = Forest.make(tree.tree, owner, 1)
    most = Limits(*(np.full(size, bound, np.int64) for size, bound in ((n, 0), (n, 2**53), (count, 0), (count, 2**53))))
    minor = round_tree(forest, amounts.ravel() * 100, most)
    membership = tree.tree.membership(owner)
    assert (np.abs(membership @ minor - membership @ amounts.ravel() * 100) < 1 + 1e-4).all()
    assert (np.abs(minor - amounts.ravel() * 100) < 1).all()


def test_wrong_allocations_are_refused() -> None:
    problem = small_plan(periods=1)
    with pytest.raises(InvalidAllocation):
        apportion(problem, np.zeros((1, 2)))
    with pytest.raises(InvalidAllocation):
        apportion(problem, np.zeros((4, 1, 3)))
    with pytest.raises(InvalidAllocation, match="'b' in FY1"):
        apportion(problem, np.array([[0.0, np.nan, 0.0]]))
    with pytest.raises(InvalidMoney):
        apportion(problem, np.full((1, 3), 1e16))
