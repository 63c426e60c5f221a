"""What is given before any rule is stated: units, lines, money, time and uncertainty (§4).

Rules are stated on :class:`Facts`; :class:`fiscus.core.problem.Problem` adds the rules and the objective to it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import scipy.sparse as sp

from fiscus.core.arrays import BoolArray, FloatArray, IntArray
from fiscus.core.curves import FAMILIES, Curves
from fiscus.core.fields import Column, column, described
from fiscus.core.money import Currency
from fiscus.core.periods import benefit_discount, spend_discount
from fiscus.core.process import Scenarios
from fiscus.core.tree import Tree
from fiscus.errors import InvalidAllocation

MONEY = "major units of the plan's currency"


@dataclass(frozen=True, eq=False)
class Units:
    """Envelopes of the units, arrays of shape (T, u) in the order of the tree.

    ``cap`` is infinite where there is none, ``target`` is NaN where there is none.
    """

    id: tuple[str, ...] = column("id", "Short name that lines and rules refer to; unique.")
    parent: tuple[str, ...] = column(
        "text", "Unit above this one; empty for the root, of which there is exactly one.", default=""
    )
    name: tuple[str, ...] = column("text", "What people call the unit; the id when empty.", default="")
    floor: FloatArray = column(
        "money", "Least the unit and all below it must get.", unit=MONEY, default=0.0, per_period=True, minimum=0
    )
    cap: FloatArray = column(
        "money", "Most the unit and all below it may get.", unit=MONEY, default="none", per_period=True, minimum=0
    )
    target: FloatArray = column(
        "money",
        "Amount wished for from above (top-down, hybrid).",
        unit=MONEY,
        default="none",
        per_period=True,
        minimum=0,
    )


@dataclass(frozen=True, eq=False)
class Lines:
    """What money can be committed to; arrays of shape (n,) or (T, n).

    ``ask`` and ``cap`` are infinite where there is none, ``priority`` is NaN where there is none.
    """

    id: tuple[str, ...] = column("id", "Short name that rules and results refer to; unique.")
    unit: IntArray = column("id", "Unit the line hangs on.")
    name: tuple[str, ...] = column("text", "What people call the line; the id when empty.", default="")
    prior: FloatArray = column("money", "Last year's amount.", unit=MONEY, default=0.0, minimum=0)
    ask: FloatArray = column("money", "Amount requested.", unit=MONEY, default="none", per_period=True, minimum=0)
    floor: FloatArray = column("money", "Least the line must get.", unit=MONEY, default=0.0, per_period=True, minimum=0)
    cap: FloatArray = column(
        "money", "Most the line may get; the ask when empty.", unit=MONEY, default="none", per_period=True, minimum=0
    )
    weight: FloatArray = column("number", "Strategic weight that multiplies the benefit.", default=1.0, minimum=0)
    priority: FloatArray = column("number", "Rank for cutting asks, 1 first; empty ranks last.", default="none")
    curves: Curves = described("Benefit of each line; columns curve, a, h, p and points.")
    lumpy: BoolArray = column("flag", "All or nothing: the line gets its cap or zero.", default=False)
    min_ticket: FloatArray = column(
        "money", "Smallest amount worth giving: the line gets this much or zero.", unit=MONEY, default=0.0, minimum=0
    )
    retention: FloatArray = column(
        "fraction", "Share of the effective stock kept from one period to the next.", unit="fraction per period", default=0.0,
        minimum=0, below=1,
    )  # fmt: skip
    change_cost: FloatArray = column(
        "number", "Cost of each unit of money by which the amount changes between periods.", unit="money per money",
        default=0.0, minimum=0,
    )  # fmt: skip
    initial_stock: FloatArray = column(
        "money", "Effective stock before the first period.", unit=MONEY, default=0.0, minimum=0
    )
    tags: dict[str, tuple[str, ...]] = described("Other columns of the table, as text.")


CURVE_COLUMNS: dict[str, Column] = {
    "curve": Column("choice", "Family of the benefit curve.", default="linear", choices=tuple(FAMILIES)),
    "a": Column(
        "number",
        "Scale of the benefit: per unit of money (linear, capped) or the curve's factor.",
        default=1.0,
        minimum=0,
    ),
    "h": Column(
        "number",
        "Money at the curve's knee (capped, log, saturating, hill); the cap for step.",
        unit=MONEY,
        default="none",
    ),
    "p": Column("number", "Exponent (power, hill).", default="none"),
    "points": Column(
        "points", "For piecewise: money:benefit;money:benefit;... increasing.", unit="money:benefit", default="none"
    ),
}


@dataclass(frozen=True, eq=False)
class Account:
    """Working-capital account (§4, cash).

    With an account the budget of a period is an appropriation paid in at its start, and spending is limited by cash.

    Attributes:
        opening: Cash before the first period, major units.
        reserve: Cash that must be left at the end of each period, shape (T,).
        carry_over: Fraction of unspent appropriation that survives the period's end, in [0, 1].
        rate: Interest on cash per period, as a fraction, >= 0, so that drawing the appropriation first is never worse.
    """

    opening: float
    reserve: FloatArray
    carry_over: float = 0.0
    rate: float = 0.0


@dataclass(frozen=True, eq=False, kw_only=True)
class Facts:
    """Everything a rule may speak of.

    Attributes:
        name: Title of the plan.
        currency: ISO 4217 currency of every amount.
        periods: Names, shape (T,).
        tree: The units.
        units: Their envelopes.
        lines: What money is committed to, shape (n,).
        budget: Money of each period, major units, shape (T,); infinite where there is no limit.
        scenarios: Probabilities and multipliers of the benefits.
        spend_weight: 1 values an amount net of the money spent, 0 values benefit alone.
        discount_rate: Per period, as a fraction.
        account: Working-capital account, or None: then each period's spend is at most its budget.
        ignore_prior: Zero-based: last year's amounts bind nothing and changes from them cost nothing.
    """

    name: str
    currency: Currency
    periods: tuple[str, ...]
    tree: Tree
    units: Units
    lines: Lines
    budget: FloatArray
    scenarios: Scenarios
    spend_weight: float = 0.0
    discount_rate: float = 0.0
    account: Account | None = None
    ignore_prior: bool = False

    @property
    def shape(self) -> tuple[int, int]:
        """(T, n)."""
        return len(self.periods), len(self.lines.id)

    @cached_property
    def line_position(self) -> dict[str, int]:
        """Line id to position."""
        return {line: index for index, line in enumerate(self.lines.id)}

    @cached_property
    def membership(self) -> sp.csr_array:
        """Sparse 0/1 matrix (u, n): line in the subtree of unit."""
        return self.tree.membership(self.lines.unit)

    @cached_property
    def minor_unit(self) -> float:
        """The smallest amount of money, in major units."""
        return float(10.0**-self.currency.exponent)

    @cached_property
    def money_available(self) -> FloatArray:
        """Most that could be spent in each period if nothing were spent before, major units, shape (T,)."""
        if self.account is None:
            return self.budget
        growth = 1.0 + self.account.rate
        available = np.empty(len(self.budget))
        cash = self.account.opening
        for period, appropriation in enumerate(self.budget):
            cash = available[period] = cash * growth + appropriation
        return available

    @cached_property
    def reach(self) -> FloatArray:
        """Most that each line could get by its own cap, the caps above it and the money there is, shape (T, n)."""
        limit = np.minimum(self.units.cap, self.money_available[:, None])
        for level in self.tree.levels[1:]:
            limit[:, level] = np.minimum(limit[:, level], limit[:, self.tree.parent[level]])
        return np.asarray(np.minimum(self.lines.cap, limit[:, self.lines.unit]))

    @cached_property
    def spend_discount(self) -> FloatArray:
        """Discount factors of spend, shape (T,)."""
        return spend_discount(self.discount_rate, len(self.periods))

    @cached_property
    def benefit_discount(self) -> FloatArray:
        """Discount factors of benefits, shape (T,)."""
        return benefit_discount(self.discount_rate, len(self.periods))

    def checked(self, allocation: FloatArray) -> FloatArray:
        """The allocation as float64 of shape (..., T, n).

        Raises:
            InvalidAllocation: For a wrong shape, NaN or infinity; the message names the first bad cell (§3.6).
        """
        amounts = np.asarray(allocation, dtype=np.float64)
        if amounts.shape[-2:] != self.shape:
            raise InvalidAllocation(
                f"an allocation has shape (..., {self.shape[0]} periods, {self.shape[1]} lines), got {amounts.shape}"
            )
        bad = np.argwhere(~np.isfinite(amounts))
        if len(bad):
            period, line = bad[0][-2:]
            raise InvalidAllocation(
                f"the amount of line {self.lines.id[line]!r} in {self.periods[period]} is {amounts[tuple(bad[0])]}; give a number"
            )
        return amounts
