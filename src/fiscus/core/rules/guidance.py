"""Rules that the planning methods add: targets from above and asks from below (§4, methods)."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from pydantic import Field

from fiscus.core.facts import Facts
from fiscus.core.rows import Contribution, Rows, Side, shifted
from fiscus.core.rules.base import Fault, Rule, amount, title, unbounded


class Targets(Rule):
    """No unit gets more than its target. Hard in the top-down method, priced in the hybrid one."""

    kind: ClassVar[str] = "targets"

    def state(self, facts: Facts) -> Contribution:
        positions = self.positions(facts)
        target = facts.units.target[positions]
        where, units = np.nonzero(np.isfinite(target))
        membership = facts.membership
        labels = [(self.id, facts.periods[positions[t]], facts.tree.ids[u]) for t, u in zip(where, units, strict=True)]
        upper = target[where, units]

        def describe(row: int, _side: Side) -> str:
            return f"{title(facts, labels[row][2])} in {labels[row][1]} exceeds its target of {amount(upper[row])}"

        total = shifted(membership[units], positions[where], facts.shape)
        rows = Rows(
            self.kind, labels, {"spend": total}, -unbounded(len(labels)), upper, describe, penalty=self.charge(),
            index=("rule", "period", "unit"),
        )  # fmt: skip
        return Contribution((rows,))


class Asks(Rule):
    """Every line gets what it asks for, where it asks. Priced in the hybrid method."""

    kind: ClassVar[str] = "asks"

    def state(self, facts: Facts) -> Contribution:
        positions = self.positions(facts)
        asked = np.flatnonzero(np.isfinite(facts.lines.ask[positions]).any(axis=0))
        ask = facts.lines.ask[np.ix_(positions, asked)].ravel()
        keep = np.flatnonzero(np.isfinite(ask))
        every = [(self.id, facts.periods[t], facts.lines.id[i]) for t in positions for i in asked]
        labels = [every[row] for row in keep]
        lower = ask[keep]

        def describe(row: int, _side: Side) -> str:
            return f"{title(facts, labels[row][2])} in {labels[row][1]} gets less than it asks ({amount(lower[row])})"

        terms = {"spend": self.selection(facts).each(asked)[keep]}
        rows = Rows(
            self.kind, labels, terms, lower, unbounded(len(labels)), describe, penalty=self.charge(),
            index=("rule", "period", "line"),
        )  # fmt: skip
        return Contribution((rows,))


class Near(Rule):
    """Every amount equals that of a reference plan. Priced: what a method's own plan is moved by to obey the rules."""

    kind: ClassVar[str] = "near"

    amounts: tuple[tuple[float, ...], ...] = Field(description="Reference plan, a row a period.")

    def faults(self, facts: Facts) -> list[Fault]:
        faults = super().faults(facts)
        if len(self.amounts) != facts.shape[0] or any(len(row) != facts.shape[1] for row in self.amounts):
            faults.append(("amounts", f"give {facts.shape[0]} rows of {facts.shape[1]} amounts"))
        return faults

    def state(self, facts: Facts) -> Contribution:
        positions = self.positions(facts)
        every = np.arange(facts.shape[1])
        reference = np.array(self.amounts)[positions].ravel()
        labels = [(self.id, facts.periods[t], line) for t in positions for line in facts.lines.id]

        def describe(row: int, side: Side) -> str:
            return f"{title(facts, labels[row][2])} in {labels[row][1]} lies {side} the reference plan's {amount(reference[row])}"

        terms = {"spend": self.selection(facts).each(every)}
        rows = Rows(
            self.kind, labels, terms, reference, reference, describe, penalty=self.charge(),
            index=("rule", "period", "line"),
        )  # fmt: skip
        return Contribution((rows,))
