"""The one statement of a problem: all rows of all rules, standing ones included, over named columns (§1).

The referee evaluates it, the optimiser assembles it, the environment decodes onto it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp

from fiscus.core.arrays import BoolArray, FloatArray
from fiscus.core.facts import Facts
from fiscus.core.rows import (
    Columns,
    Contribution,
    Point,
    Rows,
    Selection,
    Side,
    shifted,
    silent,
    standard_columns,
    used,
)
from fiscus.core.rules.base import Rule, amount, unbounded
from fiscus.errors import InvalidRule


@dataclass(frozen=True, eq=False)
class Statement:
    """Rules as rows.

    Attributes:
        facts: What the rules speak of.
        columns: Every block of columns that exists, by name.
        rows: What must hold (hard) or is priced (soft).
        definitions: Rows that tie derived columns to the spend, true by construction at any point.
        indicated: Lines and periods whose ``funded`` column some row uses, shape (T, n).
    """

    facts: Facts
    columns: dict[str, Columns]
    rows: tuple[Rows, ...]
    definitions: tuple[Rows, ...]
    indicated: BoolArray

    def point(self, spend: FloatArray) -> Point:
        """Every column at one allocation of shape (T, n)."""
        return Point(self.facts, spend, self.columns)


def state(facts: Facts, rules: Sequence[Rule]) -> Statement:
    """Collect every row.

    Raises:
        InvalidRule: For a rule that cannot be stated on these facts; the message names it and every fault.
    """
    for rule in rules:
        faults = rule.faults(facts)
        if faults:
            raise InvalidRule(f"rule {rule.id!r}: " + "; ".join(f"{key}: {sentence}" for key, sentence in faults))
    contributions = [rule.state(facts) for rule in rules]
    rows = [each for contribution in contributions for each in contribution.rows]
    definitions = [each for contribution in contributions for each in contribution.definitions]
    columns = standard_columns(facts)
    for contribution in contributions:
        columns |= {block.name: block for block in contribution.columns}
    size = facts.shape[0] * facts.shape[1]
    indicated = (facts.lines.lumpy | (facts.lines.min_ticket > 0)).reshape(1, -1) | used(rows, "funded", size).reshape(
        facts.shape
    )
    standing = [money_rows(facts), *unit_rows(facts), *indicator_rows(facts, indicated)]
    return Statement(facts, columns, (*standing, *rows), (*definitions, *definition_rows(facts)), indicated)


def money_rows(facts: Facts) -> Rows:
    """The budget of each period, or with an account cash that never falls below its reserve or zero."""
    periods, lines = facts.shape
    every = Selection(facts, np.arange(periods))
    labels = [("budget", period) for period in facts.periods]
    if facts.account is None:
        terms = {"spend": every.total(np.arange(lines))}

        def describe(row: int, _side: Side) -> str:
            return f"Spending in {facts.periods[row]} exceeds the budget of {amount(facts.budget[row])}"

        return Rows("budget", labels, terms, -unbounded(periods), facts.budget, describe)
    # Two limits a period: cash proper cannot be negative, and closing cash keeps the reserve.
    eye, none = sp.eye_array(periods, format="csr"), sp.csr_array((periods, periods))
    both = {"account": sp.csr_array(sp.vstack([eye, eye])), "unspent": sp.csr_array(sp.vstack([none, eye]))}
    lower = np.concatenate([np.zeros(periods), facts.account.reserve])
    labels += [("reserve", period) for period in facts.periods]

    def short(row: int, _side: Side) -> str:
        period = facts.periods[row % periods]
        if row < periods:
            return f"Spending in {period} needs more cash than there is,"
        return f"Cash at the end of {period} misses the reserve of {amount(lower[row])}"

    return Rows("budget", labels, both, lower, unbounded(2 * periods), short)


def unit_rows(facts: Facts) -> list[Rows]:
    """Floors and caps of units, from the units table."""
    where, units = np.nonzero((facts.units.floor > 0) | np.isfinite(facts.units.cap))
    if not len(units):
        return []
    floor, cap = facts.units.floor[where, units], facts.units.cap[where, units]
    ids, names, periods = facts.tree.ids, facts.tree.names, facts.periods
    labels = [(f"unit {ids[u]}", periods[t]) for t, u in zip(where.tolist(), units.tolist(), strict=True)]

    def describe(row: int, side: Side) -> str:
        limit = (
            f"exceeds its cap of {amount(cap[row])}" if side == "above" else f"misses its floor of {amount(floor[row])}"
        )
        return f"{names[units[row]]} in {periods[where[row]]} {limit}"

    total = shifted(facts.membership[units], where, facts.shape)
    return [Rows("envelope", labels, {"spend": total}, np.where(floor > 0, floor, -np.inf), cap, describe)]


def indicator_rows(facts: Facts, indicated: BoolArray) -> list[Rows]:
    """All-or-nothing lines, minimum tickets, and what being funded means where a rule asks."""
    lumpy = np.broadcast_to(facts.lines.lumpy, facts.shape)
    lines = facts.lines
    blocks = []
    if (lumpy & ~np.isfinite(lines.cap)).any():
        line = lines.id[int(np.nonzero(lumpy & ~np.isfinite(lines.cap))[1][0])]
        raise InvalidRule(f"line {line!r} is all-or-nothing (lumpy) and so needs a cap")
    if (indicated & ~lumpy & ~np.isfinite(facts.reach)).any():
        line = lines.id[int(np.nonzero(indicated & ~lumpy & ~np.isfinite(facts.reach))[1][0])]
        raise InvalidRule(
            f"line {line!r} has a minimum ticket or a yes-or-no rule and so needs a cap or a budget above it"
        )
    all_or_nothing = _indicator(
        facts, "lumpy", indicated & lumpy, lines.cap, "is neither zero nor its cap, off", equal=True
    )
    ceiling = _indicator(facts, "funded", indicated & ~lumpy, facts.reach, "exceeds what it can get", equal=False)
    least = np.broadcast_to(np.maximum(lines.min_ticket, facts.minor_unit), facts.shape)
    ticket = _indicator(
        facts, "min_ticket", indicated & ~lumpy, least, "is funded below its minimum ticket", equal=False
    )
    blocks = [all_or_nothing, ceiling]
    # At least the ticket: the same columns, bounded from the other side.
    blocks.append(Rows(ticket.kind, ticket.labels, ticket.terms, ticket.upper, -ticket.lower, ticket.describe))
    return [rows for rows in blocks if len(rows)]


def _indicator(facts: Facts, kind: str, where: BoolArray, factor: FloatArray, phrase: str, *, equal: bool) -> Rows:
    """Rows ``spend - factor * funded`` that are at most zero, or equal to it."""
    periods, lines = np.nonzero(where)
    columns = periods * facts.shape[1] + lines
    rows, size = np.arange(len(columns)), facts.shape[0] * facts.shape[1]
    shape = (len(columns), size)
    ones = sp.csr_array((np.ones(len(columns)), (rows, columns)), shape=shape)
    scaled = sp.csr_array((-factor[periods, lines], (rows, columns)), shape=shape)
    labels = [
        (f"line {facts.lines.id[i]}", facts.periods[t]) for t, i in zip(periods.tolist(), lines.tolist(), strict=True)
    ]

    def describe(row: int, _side: Side) -> str:
        return f"{facts.lines.name[lines[row]]} in {facts.periods[periods[row]]} {phrase}"

    upper = np.zeros(len(columns))
    lower = upper if equal else -unbounded(len(columns))
    return Rows(kind, labels, {"spend": ones, "funded": scaled}, lower, upper, describe)


def definition_rows(facts: Facts) -> list[Rows]:
    """What ties movement, stock and cash to the spend."""
    definitions = [*_movement(facts)]
    if facts.lines.retention.any():
        definitions.append(_stock(facts))
    if facts.account is not None:
        definitions += _cash(facts)
    return definitions


def _movement(facts: Facts) -> list[Rows]:
    """``moved >= x[t] - x[t-1]`` and ``moved >= x[t-1] - x[t]``."""
    periods, lines = facts.shape
    skip = 1 if facts.ignore_prior else 0
    selection = Selection(facts, np.arange(skip, periods))
    now = selection.each(np.arange(lines))
    before, constant = selection.before(now)
    step = sp.csr_array(now - before)
    blocks = []
    for kind, sign in (("moved_up", 1.0), ("moved_down", -1.0)):
        labels = [(kind, facts.periods[t], line) for t in range(skip, periods) for line in facts.lines.id]
        terms = {"moved": now, "spend": sp.csr_array(-sign * step)}
        lower = -sign * constant
        rows = Rows(kind, labels, terms, lower, unbounded(len(labels)), silent, index=("rule", "period", "line"))
        blocks.append(rows)
    return blocks


def _stock(facts: Facts) -> Rows:
    """``k[t] - retention * k[t-1] - x[t] = 0``."""
    periods, lines = facts.shape
    selection = Selection(facts, np.arange(periods))
    now = selection.each(np.arange(lines))
    retention = np.tile(facts.lines.retention, periods)
    carried = sp.diags_array(retention[lines:], offsets=-lines, shape=now.shape, format="csr") if periods > 1 else None
    stock = now if carried is None else sp.csr_array(now - carried)
    start = np.zeros(periods * lines)
    start[:lines] = facts.lines.retention * facts.lines.initial_stock
    labels = [("stock", period, line) for period in facts.periods for line in facts.lines.id]
    terms = {"stock": stock, "spend": sp.csr_array(-now)}
    return Rows("stock", labels, terms, start, start, silent, index=("rule", "period", "line"))


def _cash(facts: Facts) -> list[Rows]:
    """Balances of the account (§4): what is drawn, what is left of the appropriation, and cash proper.

    Drawing the appropriation first is never worse (cash keeps at least what carry-over does), so ``drawn`` may be free below
    the spend and the closed form takes the larger of the two ways.
    """
    account = facts.account
    if account is None:
        return []
    periods, lines = facts.shape
    eye, below = sp.eye_array(periods, format="csr"), sp.eye_array(periods, k=-1, format="csr")
    total = Selection(facts, np.arange(periods)).total(np.arange(lines))
    opening = np.zeros(periods)
    opening[0] = account.opening * (1.0 + account.rate)
    left = {"unspent": sp.csr_array(eye - account.carry_over * below), "drawn": eye}
    held = {"account": sp.csr_array(eye - (1.0 + account.rate) * below), "spend": total, "drawn": sp.csr_array(-eye)}
    within = {"drawn": eye, "spend": sp.csr_array(-total)}

    def rows(kind: str, terms: dict[str, sp.csr_array], lower: FloatArray, upper: FloatArray) -> Rows:
        return Rows(kind, [(kind, period) for period in facts.periods], terms, lower, upper, silent)

    return [
        rows("appropriation", left, facts.budget, facts.budget),
        rows("cash", held, opening, opening),
        rows("drawn", within, -unbounded(periods), np.zeros(periods)),
    ]


__all__ = ["Contribution", "Statement", "state"]
