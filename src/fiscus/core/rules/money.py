"""Rules on amounts: envelopes, shares, change, freeze, turnover and the liquidity reserve (§4)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import numpy as np
import scipy.sparse as sp
from pydantic import Field, field_validator

from fiscus.core.arrays import FloatArray
from fiscus.core.dynamics import balances, previous
from fiscus.core.facts import Facts
from fiscus.core.rows import Contribution, Rows, Selection, Side
from fiscus.core.rules.base import (
    DUST,
    Fault,
    Rule,
    amount,
    line_faults,
    line_positions,
    node_faults,
    outward,
    tagged,
    title,
    titles,
    unbounded,
    under,
)

FRACTION_GRAIN = 1e-6
"""To which fractions are rounded when a rule is eased."""


class Envelope(Rule):
    """The total of a unit (and all below it) or of named lines lies between a floor and a cap."""

    kind: ClassVar[str] = "envelope"

    node: str | None = Field(None, description="Unit whose subtree is totalled.")
    lines: tuple[str, ...] | None = Field(None, description="Lines totalled, in place of a unit.")
    floor: float | None = Field(None, ge=0, description="Least total, major units.")
    cap: float | None = Field(None, ge=0, description="Most total, major units.")

    def faults(self, facts: Facts) -> list[Fault]:
        faults = super().faults(facts) + node_faults(facts, "node", self.node) + line_faults(facts, "lines", self.lines)
        if (self.node is None) == (not self.lines):
            faults.append(("node", "name either a node or lines"))
        if self.floor is None and self.cap is None:
            faults.append(("cap", "give a floor, a cap or both"))
        if self.floor is not None and self.cap is not None and self.floor > self.cap:
            faults.append(("floor", f"the floor {amount(self.floor)} is above the cap {amount(self.cap)}"))
        return faults

    def state(self, facts: Facts) -> Contribution:
        members = under(facts, self.node) if self.node is not None else line_positions(facts, self.lines or ())
        labels = self.labels(facts)
        what = (
            facts.tree.names[facts.tree.position[self.node]]
            if self.node is not None
            else "The total of " + titles(facts, self.lines or ())
        )

        def describe(row: int, side: Side) -> str:
            limit = (
                f"exceeds its cap of {amount(self.cap or 0)}"
                if side == "above"
                else f"misses its floor of {amount(self.floor or 0)}"
            )
            return f"{what} in {labels[row][1]} {limit}"

        rows = len(labels)
        lower = np.full(rows, -np.inf if self.floor is None else self.floor)
        upper = np.full(rows, np.inf if self.cap is None else self.cap)
        total = self.selection(facts).total(members)
        return Contribution((Rows(self.kind, labels, {"spend": total}, lower, upper, describe, penalty=self.charge()),))

    def eased(self, facts: Facts, plan: FloatArray) -> Rule | None:
        members = under(facts, self.node) if self.node is not None else line_positions(facts, self.lines or ())
        total = plan[np.ix_(self.positions(facts), members)].sum(axis=1)
        return self.model_copy(update=between(total, self.floor, self.cap, facts.minor_unit))


class Share(Rule):
    """The total of tagged lines, or of a unit, is between two fractions of a unit's total."""

    kind: ClassVar[str] = "share"

    tag: dict[str, str] | None = Field(None, description="Column and value that the lines carry.")
    node: str | None = Field(None, description="Unit whose subtree is totalled, in place of a tag.")
    of: str | None = Field(None, description="Unit whose total is the whole; the root when empty.")
    floor: float | None = Field(None, ge=0, le=1, description="Least fraction of the whole.")
    cap: float | None = Field(None, ge=0, le=1, description="Most fraction of the whole.")

    @field_validator("tag", mode="before")
    @classmethod
    def _text_values(cls, tag: object) -> object:
        # YAML reads `tag: {year: 2024}` and `{green: yes}` as number and flag; the table holds text.
        return {str(name): _as_text(value) for name, value in tag.items()} if isinstance(tag, dict) else tag

    def faults(self, facts: Facts) -> list[Fault]:
        faults = super().faults(facts) + node_faults(facts, "node", self.node) + node_faults(facts, "of", self.of)
        if (self.node is None) == (not self.tag):
            faults.append(("tag", "name either a tag (column: value) or a node"))
        for name, value in (self.tag or {}).items():
            if name not in facts.lines.tags:
                faults.append(
                    (
                        "tag",
                        f"the lines table has no column {name!r}; its tag columns are {', '.join(facts.lines.tags) or 'none'}",
                    )
                )
            elif value not in facts.lines.tags[name]:
                faults.append(("tag", f"no line has {value!r} in column {name!r}"))
        if self.floor is None and self.cap is None:
            faults.append(("cap", "give a floor, a cap or both, as fractions of the whole"))
        if self.floor is not None and self.cap is not None and self.floor > self.cap:
            faults.append(("floor", f"the floor {self.floor} is above the cap {self.cap}"))
        return faults

    def state(self, facts: Facts) -> Contribution:
        members = under(facts, self.node) if self.node is not None else np.flatnonzero(tagged(facts, self.tag or {}))
        whole = self.of or facts.tree.ids[facts.tree.root]
        name = facts.tree.names[facts.tree.position[whole]]
        part = (
            facts.tree.names[facts.tree.position[self.node]]
            if self.node
            else ", ".join(f"{k} = {v}" for k, v in (self.tag or {}).items())
        )
        selection = self.selection(facts)
        part_total, whole_total = selection.total(members), selection.total(under(facts, whole))
        blocks = []
        for side, fraction in (("cap", self.cap), ("floor", self.floor)):
            if fraction is None:
                continue
            labels = self.labels(facts, side)
            phrase = f"exceeds {fraction:.4g}" if side == "cap" else f"misses {fraction:.4g}"

            def describe(
                row: int, _side: Side, labels: Sequence[tuple[str, ...]] = labels, phrase: str = phrase
            ) -> str:
                return f"{part} in {labels[row][1]} {phrase} of {name}"

            zero, none = np.zeros(len(labels)), unbounded(len(labels))
            lower, upper = (-none, zero) if side == "cap" else (zero, none)
            terms = {"spend": part_total - fraction * whole_total}
            blocks.append(
                Rows(
                    self.kind,
                    labels,
                    terms,
                    lower,
                    upper,
                    describe,
                    penalty=self.charge(),
                    index=("rule", "period", "side"),
                )
            )
        return Contribution(tuple(blocks))

    def eased(self, facts: Facts, plan: FloatArray) -> Rule | None:
        members = under(facts, self.node) if self.node is not None else np.flatnonzero(tagged(facts, self.tag or {}))
        periods = self.positions(facts)
        part = plan[np.ix_(periods, members)].sum(axis=1)
        whole = plan[np.ix_(periods, under(facts, self.of or facts.tree.ids[facts.tree.root]))].sum(axis=1)
        if ((whole <= 0) & (part > 0)).any():
            return super().eased(facts, plan)  # A part of nothing is beyond any fraction.
        fraction = part[whole > 0] / whole[whole > 0]
        update = between(fraction, self.floor, self.cap, FRACTION_GRAIN)
        update = {side: min(value, 1.0) for side, value in update.items()}
        open_ = "cap" in update and bool((fraction > 1.0).any())
        return super().eased(facts, plan) if open_ else self.model_copy(update=update)


def between(values: FloatArray, floor: float | None, cap: float | None, grain: float) -> dict[str, float]:
    """The floor and the cap that are given, moved outward so far that all values lie between them."""
    update = {}
    if floor is not None and len(values):
        update["floor"] = max(0.0, min(floor, outward(float(values.min()), grain, up=False)))
    if cap is not None and len(values):
        update["cap"] = max(cap, outward(float(values.max()), grain, up=True))
    return update


def _as_text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


class Change(Rule):
    """Amounts move by at most so much from the period before (last year's amount before the first).

    A relative limit is a fraction of the earlier amount, so a line that had nothing stays at nothing.
    """

    kind: ClassVar[str] = "change"
    uses_prior: ClassVar[bool] = True

    node: str | None = Field(None, description="Unit whose total is limited.")
    lines: tuple[str, ...] | None = Field(None, description="Lines limited one by one, in place of a unit.")
    down: float | None = Field(None, ge=0, description="Largest fall, a fraction (relative) or major units.")
    up: float | None = Field(None, ge=0, description="Largest rise, a fraction (relative) or major units.")
    relative: bool = Field(True, description="Whether the limits are fractions of the earlier amount.")

    def faults(self, facts: Facts) -> list[Fault]:
        faults = super().faults(facts) + node_faults(facts, "node", self.node) + line_faults(facts, "lines", self.lines)
        if (self.node is None) == (not self.lines):
            faults.append(("node", "name either a node or lines"))
        if self.down is None and self.up is None:
            faults.append(("up", "give down, up or both"))
        if self.relative and self.down is not None and self.down > 1:
            faults.append(("down", f"a relative fall is a fraction up to 1, got {self.down}; 20% is written 0.2"))
        return faults

    def state(self, facts: Facts) -> Contribution:
        selection = self.selection(facts)
        now, names = moving(facts, selection, self.node, self.lines)
        before, constant = selection.before(now)
        blocks = []
        for side, limit, sign in (("up", self.up, 1.0), ("down", self.down, -1.0)):
            if limit is None:
                continue
            factor = 1.0 + sign * limit if self.relative else 1.0
            edge = factor * constant + (0.0 if self.relative else sign * limit)
            labels = [
                (self.id, facts.periods[period], name, side) for period in self.positions(facts) for name in names
            ]
            terms = {"spend": now - factor * before}
            size = f"{limit:.4g} of the period before" if self.relative else amount(limit)

            def describe(row: int, _side: Side, labels: Sequence[tuple[str, ...]] = labels, size: str = size) -> str:
                _, period, name, side = labels[row]
                return f"{title(facts, name)} in {period} moves {side} by more than {size}, beyond it"

            none = unbounded(len(labels))
            lower, upper = (-none, edge) if side == "up" else (edge, none)
            index = ("rule", "period", "element", "side")
            blocks.append(Rows(self.kind, labels, terms, lower, upper, describe, penalty=self.charge(), index=index))
        return Contribution(tuple(blocks))

    def eased(self, facts: Facts, plan: FloatArray) -> Rule | None:
        selection = self.selection(facts)
        now, _ = moving(facts, selection, self.node, self.lines)
        earlier, constant = selection.before(now)
        after, before = now @ plan.ravel(), earlier @ plan.ravel() + constant
        base = before if self.relative else np.ones_like(before)
        still = np.abs(after - before) <= DUST * np.maximum(1.0, np.abs(before))
        if self.up is not None and ((base <= 0) & ~still).any():
            return super().eased(facts, plan)  # No fraction of nothing is anything.
        move = np.where(still, 0.0, after - before) / np.where(base > 0, base, 1.0)
        grain = FRACTION_GRAIN if self.relative else facts.minor_unit
        update = {}
        for side, limit, size in (("up", self.up, move), ("down", self.down, -move)):
            if limit is not None and len(size):
                most = outward(float(size.max()), grain, up=True)
                update[side] = max(limit, min(most, 1.0) if side == "down" and self.relative else most)
        return self.model_copy(update=update)


def moving(
    facts: Facts, selection: Selection, node: str | None, lines: Sequence[str] | None
) -> tuple[sp.csr_array, list[str]]:
    """Rows of what is limited, a unit's total or each named line, and the names that labels use for them."""
    if node is not None:
        return selection.total(under(facts, node)), [node]
    return selection.each(line_positions(facts, lines or ())), list(lines or ())


class Freeze(Rule):
    """Every line of a unit, or every named line, keeps the amount of the period before (last year's before the first)."""

    kind: ClassVar[str] = "freeze"
    uses_prior: ClassVar[bool] = True

    node: str | None = Field(None, description="Unit whose lines are frozen.")
    lines: tuple[str, ...] | None = Field(None, description="Lines frozen, in place of a unit.")

    def faults(self, facts: Facts) -> list[Fault]:
        faults = super().faults(facts) + node_faults(facts, "node", self.node) + line_faults(facts, "lines", self.lines)
        if (self.node is None) == (not self.lines):
            faults.append(("node", "name either a node or lines"))
        return faults

    def state(self, facts: Facts) -> Contribution:
        members = under(facts, self.node) if self.node is not None else line_positions(facts, self.lines or ())
        selection = self.selection(facts)
        now = selection.each(members)
        before, constant = selection.before(now)
        labels = [
            (self.id, facts.periods[period], facts.lines.id[line])
            for period in self.positions(facts)
            for line in members
        ]

        def describe(row: int, side: Side) -> str:
            _, period, line = labels[row]
            return f"{title(facts, line)} in {period} is frozen and lies {side} the amount of the period before"

        rows = Rows(
            self.kind, labels, {"spend": now - before}, constant, constant, describe, penalty=self.charge(),
            index=("rule", "period", "line"),
        )  # fmt: skip
        return Contribution((rows,))

    def eased(self, facts: Facts, plan: FloatArray) -> Rule | None:
        members = under(facts, self.node) if self.node is not None else line_positions(facts, self.lines or ())
        selection = self.selection(facts)
        now = selection.each(members)
        earlier, constant = selection.before(now)
        after, before = now @ plan.ravel(), earlier @ plan.ravel() + constant
        moved = (np.abs(after - before) > DUST * np.maximum(1.0, np.abs(before))).reshape(-1, len(members)).any(axis=0)
        if not moved.any():
            return self
        kept = tuple(facts.lines.id[line] for line in members[~moved])
        return self.model_copy(update={"node": None, "lines": kept}) if kept else None


class Turnover(Rule):
    """The sum of all movements, up or down, from the period before is limited."""

    kind: ClassVar[str] = "turnover"
    uses_prior: ClassVar[bool] = True

    cap: float = Field(ge=0, description="Most that may move in one period, major units.")

    def state(self, facts: Facts) -> Contribution:
        labels = self.labels(facts)
        total = self.selection(facts).total(np.arange(facts.shape[1]))

        def describe(row: int, _side: Side) -> str:
            return f"What moves between lines in {labels[row][1]} exceeds {amount(self.cap)}"

        none = unbounded(len(labels))
        upper = np.full(len(labels), self.cap)
        return Contribution((Rows(self.kind, labels, {"moved": total}, -none, upper, describe, penalty=self.charge()),))

    def eased(self, facts: Facts, plan: FloatArray) -> Rule | None:
        moved = np.abs(plan - previous(facts, plan))[self.positions(facts)].sum(axis=1)
        return self.model_copy(update=between(moved, None, self.cap, facts.minor_unit))


class Reserve(Rule):
    """Cash left at the end of each period: of the working-capital account, or of the period's budget where there is none."""

    kind: ClassVar[str] = "reserve"

    amount: float = Field(ge=0, description="Least cash at the end of each period, major units.")

    def faults(self, facts: Facts) -> list[Fault]:
        faults = super().faults(facts)
        if facts.account is None and not np.isfinite(facts.budget).all():
            faults.append(("amount", "a reserve needs a budget in every period, or a working-capital account"))
        return faults

    def state(self, facts: Facts) -> Contribution:
        labels, positions = self.labels(facts), self.positions(facts)
        none = unbounded(len(labels))
        lower = np.full(len(labels), self.amount)
        if facts.account is None:
            terms = {"spend": -self.selection(facts).total(np.arange(facts.shape[1]))}
            lower = lower - facts.budget[positions]
        else:
            pick = sp.csr_array(np.eye(facts.shape[0])[positions])
            terms = {"account": pick, "unspent": pick}

        def describe(row: int, _side: Side) -> str:
            return f"Cash at the end of {labels[row][1]} misses the reserve of {amount(self.amount)}"

        return Contribution((Rows(self.kind, labels, terms, lower, none, describe, penalty=self.charge()),))

    def eased(self, facts: Facts, plan: FloatArray) -> Rule | None:
        cash = balances(facts, plan).cash[self.positions(facts)]
        return self.model_copy(
            update={"amount": between(cash, self.amount, None, facts.minor_unit).get("floor", self.amount)}
        )
