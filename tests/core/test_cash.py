"""The most that may be spent, against trying every amount with the least spends after it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_plans import small_plan

from fiscus.core.arrays import FloatArray, frozen
from fiscus.core.cash import SpendLimit
from fiscus.core.dynamics import balances
from fiscus.core.facts import Account
from fiscus.core.problem import Problem

EXACT = 1e-9
DUST = 1e-11
"""What float64 leaves of money that was spent to the last."""

seeds = st.integers(0, 2**32 - 1)


def case(seed: int) -> tuple[Problem, FloatArray, FloatArray, np.random.Generator]:
    """One line with an account, and the reserves and least spends of each period."""
    rng = np.random.default_rng(seed)
    periods = int(rng.integers(1, 6))
    budget = rng.uniform(0, 100, periods).round(2) * (rng.random(periods) < 0.85)
    reserve = rng.uniform(0, 60, periods).round(2) * (rng.random(periods) < 0.6)
    least = rng.uniform(0, 60, periods).round(2) * (rng.random(periods) < 0.6)
    account = Account(
        float(rng.choice([0.0, 30.0, 120.0, 300.0])),
        frozen(reserve),
        float(rng.choice([0.0, 0.3, 1.0, rng.random()])),
        float(rng.choice([0.0, 0.02, 0.1])),
    )
    facts = small_plan(unit=("city",), units=(("city", ""),), periods=periods, budget=budget.tolist(), account=account)
    return facts, reserve, least, rng


def short(facts: Problem, reserve: FloatArray, totals: FloatArray, first: int) -> float:
    """By how much money is missing in some period from a given one on."""
    after = balances(facts, totals[:, None])
    return float(max((reserve - after.cash)[first:].max(), (-after.account)[first:].max()))


def most_by_trying(facts: Problem, reserve: FloatArray, least: FloatArray, past: FloatArray) -> float:
    """The largest amount after some past with which the least spends can follow, by bisection; -inf where none can."""
    now = len(past)

    def works(amount: float) -> bool:
        return short(facts, reserve, np.r_[past, amount, least[now + 1 :]], now) <= DUST

    low, high = -1e4, 1e5
    if not works(low):
        return -np.inf
    for _ in range(200):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if works(middle) else (low, middle)
    return low


def test_nothing_is_little_enough_where_no_money_survives() -> None:
    """What is left of the first period's 50 lapses, and the second has 20 of cash for its least spend of 30."""
    account = Account(20.0, frozen([0.0, 0.0]), 0.0, 0.0)
    facts = small_plan(unit=("city",), units=(("city", ""),), budget=[50.0, 0.0], account=account)
    limit = SpendLimit.of(facts, np.zeros(2), np.array([0.0, 30.0]))
    assert limit.most(np.array([0]), np.zeros(1), np.array([20.0])).tolist() == [-np.inf]


@given(seeds)
def test_the_most_is_what_trying_finds_and_leaves_a_way_on(seed: int) -> None:
    facts, reserve, least, rng = case(seed)
    limit = SpendLimit.of(facts, reserve, least)
    past = np.zeros(0)
    for period in range(len(reserve)):
        # The state comes from the evaluator of whole plans, not from a step.
        before = balances(facts, np.r_[past, np.zeros(len(reserve) - period)][:, None])
        unspent = before.unspent[period - 1] if period else 0.0
        account = before.account[period - 1] if period else facts.account.opening
        found = float(limit.most(np.array([period]), np.array([unspent]), np.array([account]))[0])
        tried = most_by_trying(facts, reserve, least, past)
        assert max(found, -1.0) == pytest.approx(max(tried, -1.0), rel=EXACT, abs=EXACT)
        if found < least[period] - EXACT:
            assert period == 0, "what was allowed before must leave a way on"
            return
        part = rng.choice([0.0, 1.0, rng.random()])
        past = np.r_[past, least[period] + part * max(found - least[period], 0.0)]
    assert short(facts, reserve, past, 0) <= EXACT


@given(seeds)
def test_a_batch_is_its_members(seed: int) -> None:
    facts, reserve, least, rng = case(seed)
    limit = SpendLimit.of(facts, reserve, least)
    period = rng.integers(0, len(reserve), 20)
    unspent, account = rng.uniform(0, 100, 20), rng.uniform(0, 200, 20)
    whole = limit.most(period, unspent, account)
    for place in range(20):
        here = slice(place, place + 1)
        assert limit.most(period[here], unspent[here], account[here])[0] == whole[place]


def test_without_an_account_it_is_the_budget() -> None:
    facts = small_plan(budget=[30.0, np.inf])
    limit = SpendLimit.of(facts, np.zeros(2), np.zeros(2))
    assert limit.most(np.array([0, 1]), np.zeros(2), np.zeros(2)).tolist() == [30.0, np.inf]


def test_two_periods_by_hand() -> None:
    """100 a period, half of what is left survives, and the second period must spend 130 and keep 10.

    Spending s draws the appropriation first. With s > 100 nothing of it is left, and the second period's 100 and the cash that is
    left, 200 - s, must pay 130 and keep 10: s = 160.
    """
    account = Account(100.0, frozen([0.0, 10.0]), 0.5, 0.0)
    facts = small_plan(unit=("city",), units=(("city", ""),), budget=100.0, account=account)
    limit = SpendLimit.of(facts, np.array([0.0, 10.0]), np.array([0.0, 130.0]))
    assert limit.most(np.array([0]), np.array([0.0]), np.array([100.0])).tolist() == [160.0]
    # In the second: 0 left over and 40 of cash pay 130 and leave 10.
    assert limit.most(np.array([1]), np.array([0.0]), np.array([40.0])).tolist() == [130.0]
