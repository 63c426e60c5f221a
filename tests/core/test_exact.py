"""The exact referee: fractions against hand computations, and agreement with the float referee and with apportionment."""

from __future__ import annotations

import dataclasses
import json
import time
from decimal import Decimal
from fractions import Fraction
from typing import Any, ClassVar

import numpy as np
import pytest
import scipy.sparse as sp
from random_problems import CURVES, random_problem
from repetitions import slow_from
from small_plans import small_plan

import fiscus
from fiscus.core.apportion import apportion
from fiscus.core.arrays import FloatArray, frozen
from fiscus.core.curves import Curves
from fiscus.core.dynamics import evaluate
from fiscus.core.exact import curve_value, exact_check, exact_value
from fiscus.core.facts import Account
from fiscus.core.feasibility import violations
from fiscus.core.objective import objective
from fiscus.core.problem import Problem
from fiscus.core.process import ParameterPrior, Scenarios, scenarios
from fiscus.core.risk import Measure, RiskAversion
from fiscus.core.rows import Columns, Contribution, Rows
from fiscus.core.rules import AtMost, Change, Envelope, Freeze, Reserve, Resource, Risk, Rule, Share, Turnover
from fiscus.core.rules.base import unbounded
from fiscus.errors import InvalidAllocation


def cents(problem: Problem, amounts: Any) -> np.ndarray:
    return problem.currency.to_minor_array(np.broadcast_to(np.asarray(amounts, float), problem.shape))


def broken(problem: Problem, amounts: Any) -> set[tuple[str, ...]]:
    return {each.row for each in exact_check(problem, cents(problem, amounts)).violations}


@pytest.mark.parametrize("seed", range(150))
def test_it_agrees_with_the_float_referee_away_from_the_tolerance(seed: int) -> None:
    """At the witness, and at shifts of whole cents: rows of this size are broken by far more than a tolerance, or not."""
    rng = np.random.default_rng(seed)
    problem, witness = random_problem(rng)
    minor = problem.currency.to_minor_array(witness)
    check = exact_check(problem, minor)
    assert check.holds
    hard = sum(len(rows) for rows in problem.statement.rows if rows.penalty is None)
    assert check.rows == hard + witness.size == check.exact + check.decimal
    shifted = np.maximum(minor + rng.integers(-300, 300, minor.shape) * (rng.random(minor.shape) < 0.5), 0)
    exact = exact_check(problem, shifted)
    floating = violations(problem, problem.currency.to_major_array(shifted))
    # Two rows may have one label: a line's cap, and its ticket.
    one, other = (sorted((each.row, each.distance) for each in found) for found in (exact.violations, floating))
    assert [row for row, _ in one] == [row for row, _ in other]
    assert [far for _, far in one] == pytest.approx([far for _, far in other], rel=1e-9, abs=1e-9)
    assert float(exact.largest) >= max([0.0, *(each.distance for each in exact.violations)])


@pytest.mark.parametrize("fifty", slow_from(1, 4))
def test_it_holds_exactly_where_apportionment_met_every_rule(fifty: int) -> None:
    both = 0
    for seed in range(50 * fifty, 50 * fifty + 50):
        problem, _ = random_problem(np.random.default_rng(3000 + seed))
        result = fiscus.solve(problem)
        if result.solution is None:
            continue
        check = exact_check(result.problem, result.apportionment.minor)
        assert check.holds == (result.apportionment.unmet == ()), check.sentence
        both += 1
    assert both > 37


def test_rules_that_no_cents_meet_are_unmet_in_both() -> None:
    for rules in (
        (Envelope(id="e", lines=("a",), floor=10.002, cap=10.008),),
        (Share(id="s", node="south", floor=0.5), Share(id="t", node="south", cap=0.5), Envelope(id="e", node="city", floor=0.01, cap=0.01)),
    ):  # fmt: skip
        problem = small_plan(periods=1, rules=rules)
        amounts = [[10.005, 0.0, 0.0]] if len(rules) == 1 else [[0.005, 0.0, 0.005]]
        apportioned = apportion(problem, np.array(amounts))
        assert apportioned.unmet
        assert not exact_check(problem, apportioned.minor).holds


@pytest.mark.parametrize("size", [1e6, 3e8, 5e10])
def test_one_minor_unit_beyond_a_tight_cap_is_caught_at_any_size(size: float) -> None:
    """Budget, a unit's cap, an envelope, a line's cap: the float referee's tolerance is a millionth of the amount."""
    problem = small_plan(
        periods=1, budget=3 * size, line={"cap": size}, envelopes={"cap": [np.inf, 2 * size, np.inf]},
        rules=(Envelope(id="pair", lines=("b", "c"), cap=2 * size), Turnover(id="moves", cap=3 * size)),
    )  # fmt: skip
    tight = cents(problem, size)
    assert exact_check(problem, tight).holds
    assert exact_check(problem, tight).largest == 0
    over = tight + np.array([[0, 1, 0]])
    check = exact_check(problem, over)
    assert {each.rule for each in check.violations} == {"line b", "unit north", "pair", "budget", "moves"}
    assert check.largest == Fraction(1, 100)
    assert violations(problem, problem.currency.to_major_array(over)) == []


def test_fractions_against_hand_computations() -> None:
    """Shares, changes, cash with interest: every distance is a short decimal that can be reckoned on paper."""
    account = Account(10.0, frozen([0.0, 0.0]), carry_over=0.5, rate=0.1)
    problem = small_plan(
        budget=[5.0, 3.0], account=account, line={"prior": [2.0, 0.0, 1.0], "retention": 0.3},
        rules=(Reserve(id="cash", amount=4.0),),
    )  # fmt: skip
    # FY1: spends 4 of 5, 1 left, cash 10 * 1.1 = 11. FY2: there is 3 + 0.5 = 3.5; 13 needs 9.5 of 12.1, which leaves 2.6.
    check = exact_check(problem, cents(problem, [[4.0, 0.0, 0.0], [13.0, 0.0, 0.0]]))
    assert check.largest == Fraction(14, 10)
    assert check.largest_row == ("cash", "FY2")
    assert [each.distance for each in check.violations] == [1.4]

    third = small_plan(periods=1, rules=(Share(id="s", node="south", cap=0.3),))
    check = exact_check(third, cents(third, [[3.0, 4.0, 3.01]]))
    assert check.largest == Fraction(301, 100) - Fraction(3, 10) * Fraction(1001, 100)
    assert not check.holds
    assert exact_check(third, cents(third, [[3.0, 4.0, 3.0]])).holds

    rise = small_plan(periods=1, line={"prior": [3.33, 0, 0]}, rules=(Change(id="c", lines=("a",), up=0.15),))
    check = exact_check(rise, cents(rise, [[3.84, 0.0, 0.0]]))
    # 3.33 * 1.15 = 3.8295; the bound is computed in floats and carries their dust.
    assert float(check.largest) == pytest.approx(0.0105, abs=1e-14)
    assert exact_check(rise, cents(rise, [[3.82, 0.0, 0.0]])).holds


def test_moves_and_counts_are_reckoned_exactly() -> None:
    problem = small_plan(
        line={"prior": [1.005, 2.0, 0.0]},
        rules=(Turnover(id="moves", cap=3.0), AtMost(id="two", lines=("a", "b", "c"), count=2)),
    )
    check = exact_check(problem, cents(problem, [[1.0, 3.0, 2.0], [0.0, 1.0, 2.0]]))
    # FY1 moves 0.005 + 1 + 2, FY2 moves 1 + 2 + 0.
    assert {each.row: each.distance for each in check.violations} == {("moves", "FY1"): 0.005, ("two", "FY1"): 1.0}
    assert check.largest == 1
    assert {each.row: each.unit for each in check.violations}[("two", "FY1")] == "lines"


def test_written_decimals_add_up_where_floats_do_not() -> None:
    """0.1 + 0.2 is 0.3: use of a resource that just fits, ten thousand times over."""
    n = 10_000
    names = [f"l{i}" for i in range(n)]
    lines = {"id": names, "cap": [1.0] * n, "staff": [0.1, 0.2] * (n // 2)}
    capacity = 1500.0
    rules = [{"id": "r", "kind": "resource", "usage": "staff", "capacity": capacity}]
    problem = Problem.from_frames(lines=lines, rules=rules)
    minor = np.full((1, n), 100, np.int64)
    assert sum([0.1, 0.2] * (n // 2)) != capacity
    assert exact_check(problem, minor).largest == 0
    tighter = problem.but(rules=(Resource(id="r", usage="staff", capacity=1499.9),))
    assert exact_check(tighter, minor).largest == Fraction(1, 10)


def test_equalities_between_two_cents_are_met_at_either_neighbour() -> None:
    problem = small_plan(periods=1, line={"prior": [10.005, 5.0, 0.0]}, rules=(Freeze(id="f", lines=("a", "b")),))
    assert exact_check(problem, cents(problem, [[10.00, 5.0, 0.0]])).holds
    assert exact_check(problem, cents(problem, [[10.01, 5.0, 0.0]])).holds
    assert exact_check(problem, cents(problem, [[10.01, 5.0, 0.0]])).largest == Fraction(5, 1000)
    assert broken(problem, [[10.02, 5.0, 0.0]]) == {("f", "FY1", "a")}
    assert broken(problem, [[10.0, 5.01, 0.0]]) == {("f", "FY1", "b")}  # 5.00 can be met, so it must be.
    fixed = small_plan(periods=1, line={"floor": 3.335, "cap": 3.335})
    assert exact_check(fixed, cents(fixed, 3.33)).holds
    assert broken(fixed, 3.32) == {(f"line {name}", "FY1") for name in "abc"}
    yen = small_plan(periods=1, code="JPY", budget=10.0)
    assert exact_check(yen, np.array([[5, 5, 0]])).holds
    assert not exact_check(yen, np.array([[5, 5, 1]])).holds


def test_sums_beyond_64_bits_are_left_to_fractions() -> None:
    large = 8e16
    problem = small_plan(
        periods=1, line={"cap": large}, budget=3 * large, rules=(Share(id="s", node="south", cap=0.4),)
    )
    minor = np.full((1, 3), int(large) * 100, np.int64)
    assert exact_check(problem, minor).holds
    check = exact_check(problem, minor + np.array([[0, 1, 1]]))
    assert check.largest == Fraction(2, 100)
    assert {each.rule for each in check.violations} == {"line b", "line c", "budget"}


@pytest.mark.parametrize("family", CURVES)
def test_decimal_curves_against_floats(family: str) -> None:
    rng = np.random.default_rng(CURVES.index(family))
    for _ in range(40):
        a, h = float(rng.uniform(0.1, 90)), float(rng.uniform(0.5, 60))
        p = float(rng.uniform(0.2, 1.0) if family == "power" else rng.uniform(0.3, 4.0))
        points = [(0.0, 0.0), (h, a), (2.5 * h, 1.7 * a)] if family == "piecewise" else None
        curves = Curves.make([family], a=[a], h=[h], p=[p], points=[points])
        for stock in (0.0, 0.01, h, 3.0 * h, float(np.round(rng.uniform(0, 200), 2))):
            value = float(curves.value(np.array([stock]))[0])
            assert float(curve_value(curves, (0,), Decimal(repr(stock)))) == pytest.approx(value, rel=1e-14, abs=1e-14)


def test_decimal_curves_against_series_in_fractions() -> None:
    """Forty digits of a logarithm and an exponential, from their Taylor series in exact fractions."""
    z = Fraction(1, 8)
    log = sum((Fraction((-1) ** (k + 1), k) * z**k for k in range(1, 60)), Fraction(0))
    exp, term = Fraction(0), Fraction(1)
    for k in range(1, 50):
        exp, term = exp + term, term * -z / k
    curves = Curves.make(["log", "saturating", "power", "hill"], a=2.0, h=8.0, p=[np.nan, np.nan, 0.5, 2.0])
    close = Fraction(1, 10**45)
    assert abs(Fraction(curve_value(curves, (0,), Decimal(1))) - 2 * log) < close
    assert abs(Fraction(curve_value(curves, (1,), Decimal(1))) - 2 * (1 - exp)) < close
    assert abs(Fraction(curve_value(curves, (2,), Decimal(2))) ** 2 - 8) < close
    assert abs(Fraction(curve_value(curves, (3,), Decimal(2))) - Fraction(2 * 4, 64 + 4)) < close


@pytest.mark.parametrize("seed", range(40))
def test_exact_values_are_the_objective(seed: int) -> None:
    problem, witness = random_problem(np.random.default_rng(500 + seed), soft=False)
    minor = problem.currency.to_minor_array(witness)
    if problem.risk is not None:
        assert exact_value(problem, minor) is None
    plain = problem.but(risk=None)
    value = exact_value(plain, minor)
    assert value is not None
    expected = objective(plain, problem.currency.to_major_array(minor))
    assert float(value) == pytest.approx(expected, rel=1e-12, abs=1e-10)


def test_a_value_that_can_be_reckoned_on_paper() -> None:
    problem = small_plan(
        discount_rate=0.25, spend_weight=1.0,
        line={"weight": [0.1, 0.2, 0.3], "retention": 0.5, "initial_stock": 2.0, "change_cost": 0.01, "prior": 1.0},
    )  # fmt: skip
    # Stocks: FY1 1 + 3 each, FY2 2 + 0 each; weights sum to 0.6; benefits at 0.8 and 0.64, spend at 1 and 0.8.
    value = exact_value(problem, cents(problem, [[3.0] * 3, [0.0] * 3]))
    gain = Fraction(8, 10) * Fraction(24, 10) + Fraction(64, 100) * Fraction(12, 10)
    cost = 9 + Fraction(1, 100) * (6 + Fraction(8, 10) * 9)
    assert value is not None
    assert Fraction(value) == gain - cost
    assert exact_value(problem.but(risk=RiskAversion(Measure.parse("worst"), 1.0)), cents(problem, 0.0)) is None
    soft = Turnover(id="t", cap=1.0, hard=False, penalty=1.0)
    assert exact_value(problem.but(rules=(soft,)), cents(problem, 0.0)) is None
    assert exact_value(problem.but(counts_value=False), cents(problem, 0.0)) == 0


def drawn(problem: Problem, seed: int, size: int = 5) -> Problem:
    """With curves drawn by scenario."""
    curves = Curves.make(["log", "hill", "saturating"], a=[3.0, 20.0, 9.0], h=[5.0, 4.0, 6.0], p=[np.nan, 2.0, np.nan])
    prior = ParameterPrior(problem.shape[0], curves, 0.3, 0.2)
    futures = scenarios(prior, np.random.default_rng(seed), size)
    return problem.but(lines=dataclasses.replace(problem.lines, curves=curves), scenarios=futures)


def test_drawn_curves_are_valued_scenario_by_scenario() -> None:
    problem = drawn(small_plan(discount_rate=0.04), 3)
    minor = cents(problem, [[3.0, 0.0, 9.5], [1.25, 7.0, 2.0]])
    value = exact_value(problem, minor)
    assert value is not None
    assert float(value) == pytest.approx(objective(problem, problem.currency.to_major_array(minor)), rel=1e-14)


@pytest.mark.parametrize("measure", ["worst", "cvar:0.6", "chance:0.7"])
def test_limits_on_risk_are_reckoned_in_decimals(measure: str) -> None:
    """Just inside and just outside the limit, by a hundred-millionth of it."""
    problem = drawn(small_plan(spend_weight=1.0), 4)
    minor = cents(problem, [[3.0, 5.0, 9.5], [1.25, 7.0, 2.0]])
    loss = -evaluate(problem, problem.currency.to_major_array(minor))
    risk = float(Measure.parse(measure).of_loss(loss, problem.scenarios.probability))
    for slack, holds in ((1e-7, True), (-1e-7, False)):
        rule = Risk(id="r", measure=measure, limit=risk + slack)
        check = exact_check(problem.but(rules=(rule,)), minor)
        assert check.holds == holds
        assert check.decimal == len(Risk.state(rule, problem).rows[0])
        if measure != "chance:0.7" and not holds:
            assert check.violations[0].distance == pytest.approx(1e-7, rel=1e-4)


class Apart(Rule):
    """Two lines differ by at most so much: a kind with a column of its own that only this test knows."""

    kind: ClassVar[str] = "apart"

    most: float

    def state(self, facts: Any) -> Contribution:
        def apart(point: Any) -> FloatArray:
            return np.abs(point["spend"][:, 0] - point["spend"][:, 1])

        periods = facts.shape[0]
        block = Columns("gap", ("period",), (periods,), apart)
        upper = np.full(periods, self.most)
        terms = {"gap": sp.csr_array(sp.eye_array(periods, format="csr"))}
        rows = Rows("apart", self.labels(facts), terms, -unbounded(periods), upper, lambda row, side: "They differ")
        return Contribution((rows,), (block,))


def test_columns_of_rules_made_elsewhere_are_counted_as_floating() -> None:
    problem = small_plan(rules=(Apart(id="x", most=2.0),))
    check = exact_check(problem, cents(problem, [[1.0, 3.0, 0.0], [1.0, 3.01, 0.0]]))
    assert check.floating == 2
    assert [each.row for each in check.violations] == [("x", "FY2")]


def test_soft_rules_are_not_limits() -> None:
    problem = small_plan(rules=(Turnover(id="t", cap=0.0, hard=False, penalty=1.0),))
    assert exact_check(problem, cents(problem, 5.0)).holds


def test_what_it_says_is_plain() -> None:
    problem = small_plan(periods=1)
    good, bad = exact_check(problem, cents(problem, 1.0)), exact_check(problem, cents(problem, 50.0))
    assert good.sentence == "All 4 limits hold in exact amounts (4 in whole numbers and fractions)."
    assert bad.sentence.startswith("1 of 4 limits do not hold in exact amounts. Spending in FY1 exceeds the budget")
    plain = json.loads(json.dumps(bad.as_dict()))
    assert (plain["largest"], plain["largest_distance"], plain["holds"]) == ("50", 50.0, False)
    assert plain["violations"][0]["rule"] == "budget"


@pytest.mark.parametrize("minor", [np.zeros((2, 3)), np.zeros((3, 3), int), np.zeros(3, int), np.zeros((1, 2, 3), int)])
def test_amounts_must_be_whole_and_of_the_right_shape(minor: np.ndarray) -> None:
    with pytest.raises(InvalidAllocation):
        exact_check(small_plan(), minor)
    with pytest.raises(InvalidAllocation):
        exact_value(small_plan(), minor)


def test_a_hundred_thousand_lines_take_seconds() -> None:
    n, units = 100_000, 400
    rng = np.random.default_rng(0)
    tree = (("root", ""), *((f"r{i}", "root") for i in range(20)), *((f"u{i}", f"r{i % 20}") for i in range(units)))
    small = small_plan(units=tree, unit=("u0",), periods=1, budget=1e12, envelopes={"cap": 1e12})
    names = tuple(str(i) for i in range(n))
    cap = frozen(np.round(rng.random((1, n)) * 1e4, 2))
    wide = {
        name: frozen(np.broadcast_to(array, (1, n) if array.ndim == 2 else n))
        for name, array in vars(small.lines).items()
        if isinstance(array, np.ndarray) and array.dtype == np.float64
    }
    lines = dataclasses.replace(
        small.lines, id=names, name=names, unit=frozen(21 + rng.integers(0, units, n), np.int64), lumpy=frozen(np.zeros(n), np.bool_),
        curves=small.lines.curves.take(np.zeros(n, np.int64)), tags={}, **(wide | {"cap": cap}),
    )  # fmt: skip
    problem = small.but(
        lines=lines,
        scenarios=Scenarios.certain(1, n),
        rules=(Share(id="s", node="r0", cap=0.9), Turnover(id="t", cap=1e12)),
    )
    problem.statement  # noqa: B018 - stated before the clock starts
    minor = problem.currency.to_minor_array(cap)
    start = time.perf_counter()
    check = exact_check(problem, minor)
    assert time.perf_counter() - start < 6.0  # Well below a second on a quiet machine.
    assert check.holds
    assert check.largest == 0
    minor[0, 17] += 1
    assert [each.row for each in exact_check(problem, minor).violations] == [("line 17", "FY1")]
