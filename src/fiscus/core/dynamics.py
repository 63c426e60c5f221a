"""What an allocation does over time: stocks, cash, benefits and value (§4). Pure, batched on the leading axes.

``evaluate`` is the one evaluator of an allocation's worth by scenario; ``step`` is the same arithmetic a period at a time,
so that undiscounted sums of its rewards equal ``evaluate`` (§5).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from fiscus.core.arrays import FloatArray, IntArray
from fiscus.core.curves import Curves
from fiscus.core.facts import Facts


def previous(facts: Facts, spend: FloatArray) -> FloatArray:
    """Amounts of the period before, with last year's before the first, shape (..., T, n).

    In a zero-based plan the first period counts as its own predecessor, so nothing changes from last year.
    """
    first = spend[..., :1, :] if facts.ignore_prior else np.broadcast_to(facts.lines.prior, spend[..., :1, :].shape)
    return np.concatenate([first, spend[..., :-1, :]], axis=-2)


def stocks(facts: Facts, spend: FloatArray) -> FloatArray:
    """Effective stock ``k[t] = retention * k[t-1] + x[t]`` (§4).

    Args:
        facts: The plan's facts.
        spend: Major units, shape (..., T, n).

    Returns:
        Major units, shape (..., T, n).
    """
    retention = facts.lines.retention
    if not retention.any():
        return spend
    stock = np.empty_like(spend)
    carried = facts.lines.initial_stock
    for period in range(spend.shape[-2]):
        carried = retention * carried + spend[..., period, :]
        stock[..., period, :] = carried
    return stock


@dataclass(frozen=True, slots=True)
class Balances:
    """The working-capital account at the end of each period, major units, shape (..., T).

    Attributes:
        drawn: Spend met from the period's appropriation (drawn before cash, which never lapses).
        unspent: Appropriation left over, of which ``carry_over`` survives.
        account: Cash proper.
    """

    drawn: FloatArray
    unspent: FloatArray
    account: FloatArray

    @property
    def cash(self) -> FloatArray:
        """Closing cash: what the reserve is measured against."""
        return self.account + self.unspent


def balances(facts: Facts, spend: FloatArray) -> Balances:
    """Cash after the spend of each period (§4).

    Without an account the appropriation of a period is its budget, and nothing is carried over.

    Args:
        facts: The plan's facts.
        spend: Major units, shape (..., T, n).
    """
    total = spend.sum(axis=-1)
    account = facts.account
    drawn, unspent, cash = np.empty_like(total), np.empty_like(total), np.empty_like(total)
    carry, growth = (account.carry_over, 1.0 + account.rate) if account else (0.0, 1.0)
    left = np.zeros(total.shape[:-1])
    held = np.full(total.shape[:-1], account.opening if account else 0.0)
    for period, appropriation in enumerate(facts.budget):
        available = appropriation + (carry * left if carry else 0.0)  # 0 * inf is nan where no budget limits.
        use = total[..., period] if account is None else np.minimum(total[..., period], available)
        left = available - use
        held = held * growth - (total[..., period] - use)
        drawn[..., period], unspent[..., period], cash[..., period] = use, left, held
    return Balances(drawn, unspent, cash)


def benefits(facts: Facts, stock: FloatArray) -> FloatArray:
    """Benefit in each scenario ``theta[s,t,i] * f_i(k[t,i])`` (§4), unweighted and undiscounted.

    Args:
        facts: The plan's facts.
        stock: Major units, shape (..., T, n).

    Returns:
        Units of benefit, shape (..., S, T, n).
    """
    curves = facts.scenarios.curves or facts.lines.curves
    return facts.scenarios.theta * curves.value(stock[..., None, :, :])


def evaluate(facts: Facts, spend: FloatArray) -> FloatArray:
    """Value of an allocation in each scenario, ``V_s(x)`` of §4.

    Args:
        facts: The plan's facts.
        spend: Major units, shape (..., T, n).

    Returns:
        Units of value, shape (..., S).

    Raises:
        InvalidAllocation: For a wrong shape, NaN or infinity.
    """
    spend = facts.checked(spend)
    benefit = np.einsum(
        "...sti,i,t->...s",
        benefits(facts, stocks(facts, spend)),
        facts.lines.weight,
        facts.benefit_discount,
        optimize=True,
    )
    return np.asarray(benefit - (costs(facts, spend) @ facts.spend_discount)[..., None])


def costs(facts: Facts, spend: FloatArray) -> FloatArray:
    """Spend that counts against value and the cost of change, undiscounted, shape (..., T)."""
    cost = facts.spend_weight * spend.sum(axis=-1)
    if facts.lines.change_cost.any():
        cost = cost + np.abs(spend - previous(facts, spend)) @ facts.lines.change_cost
    return np.asarray(cost)


@dataclass(frozen=True, slots=True)
class State:
    """Where a plan stands at the start of a period; arrays carry the batch axes in front.

    Attributes:
        period: Position of the period about to be decided, 0..T, shape (...).
        spend: Amounts of the period before, shape (..., n).
        stock: Effective stock before this period's spend, shape (..., n).
        unspent: Appropriation left over from the period before, shape (...).
        account: Cash proper, shape (...).
    """

    period: IntArray
    spend: FloatArray
    stock: FloatArray
    unspent: FloatArray
    account: FloatArray


class Transition(NamedTuple):
    """What one period brought.

    Attributes:
        state: At the start of the next period.
        reward: Discounted value of the period, shape (...); summed over periods it is ``evaluate``.
        benefit: Of each line, unweighted and undiscounted, shape (..., n).
    """

    state: State
    reward: FloatArray
    benefit: FloatArray


def initial_state(facts: Facts, batch: tuple[int, ...] = ()) -> State:
    """The state before the first period."""
    lines = (*batch, facts.shape[1])
    opening = facts.account.opening if facts.account else 0.0
    return State(
        period=np.zeros(batch, dtype=np.int64),
        spend=np.broadcast_to(facts.lines.prior, lines).copy(),
        stock=np.broadcast_to(facts.lines.initial_stock, lines).copy(),
        unspent=np.zeros(batch),
        account=np.full(batch, opening),
    )


def step(facts: Facts, state: State, spend: FloatArray, theta: FloatArray, curves: Curves | None = None) -> Transition:
    """Commit one period's amounts.

    Every sum runs over the last axis alone, so that a plan's numbers are the same bits in a batch of any size.

    Args:
        facts: The plan's facts.
        state: At the start of the period; not changed.
        spend: Major units, shape (..., n).
        theta: Multipliers of this period's benefits, shape (..., n).
        curves: In place of the plan's own, with parameters of shape (..., n).
    """
    lines, period, account = facts.lines, state.period, facts.account
    stock = lines.retention * state.stock + spend
    before = state.spend
    if facts.ignore_prior:
        before = np.where((np.asarray(period) == 0)[..., None], spend, before)
    benefit = theta * (curves or lines.curves).value(stock)
    total = np.add.reduce(spend, axis=-1)
    cost = facts.spend_weight * total + np.add.reduce(np.abs(spend - before) * lines.change_cost, axis=-1)
    worth = np.add.reduce(benefit * lines.weight, axis=-1)
    reward = facts.benefit_discount[period] * worth - facts.spend_discount[period] * cost
    available = facts.budget[period] + (account.carry_over * state.unspent if account and account.carry_over else 0.0)
    drawn = np.minimum(total, available) if account else total
    growth = 1.0 + account.rate if account else 1.0
    after = State(
        period=np.asarray(period + 1),
        spend=spend,
        stock=stock,
        unspent=np.asarray(available - drawn),
        account=np.asarray(state.account * growth - (total - drawn)),
    )
    return Transition(after, np.asarray(reward), np.asarray(benefit))


def marginal_value(facts: Facts, spend: FloatArray) -> FloatArray:
    """Expected value of one more unit of money on each line, effects on later periods included.

    The right derivative of the mean of ``evaluate`` without the cost of change: with stock carried over, money of period t
    still works in period u at ``retention^(u-t)``.

    Args:
        facts: The plan's facts.
        spend: Major units, shape (..., T, n).

    Returns:
        Value per major unit, shape (..., T, n).
    """
    slope = facts.lines.curves.derivative(stocks(facts, spend))
    factor = np.broadcast_to(
        facts.scenarios.expected() * facts.lines.weight * facts.benefit_discount[:, None], slope.shape
    )
    # A vertical slope that counts for nothing, or of which nothing is kept, is nothing, and not 0 * inf.
    total = np.multiply(factor, slope, out=np.zeros(slope.shape), where=factor > 0)
    kept = facts.lines.retention
    for period in range(facts.shape[0] - 2, -1, -1):
        later = total[..., period + 1, :]
        total[..., period, :] += np.multiply(kept, later, out=np.zeros(later.shape), where=kept > 0)
    return np.asarray(total - facts.spend_weight * facts.spend_discount[:, None])
