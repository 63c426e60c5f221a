"""Rules on which lines are funded: dependence, counts, stages and resources (§4)."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import ClassVar, Literal

import numpy as np
from pydantic import Field

from fiscus.core.arrays import FloatArray
from fiscus.core.facts import Facts
from fiscus.core.rows import FUNDED_ABOVE, Contribution, Rows, Selection, Side
from fiscus.core.rules.base import (
    DUST,
    Fault,
    Rule,
    bounded_faults,
    line_faults,
    line_positions,
    outward,
    title,
    titles,
    unbounded,
)

USE_GRAIN = 1e-6
"""To which a capacity is rounded when it is eased."""


class Requires(Rule):
    """A line may be funded only in periods in which another one is."""

    kind: ClassVar[str] = "requires"

    line: str = Field(description="Line that depends.")
    needs: str = Field(description="Line it depends on.")

    def faults(self, facts: Facts) -> list[Fault]:
        both = (self.line, self.needs)
        faults = (
            super().faults(facts) + line_faults(facts, "line", [self.line]) + line_faults(facts, "needs", [self.needs])
        )
        if self.line == self.needs:
            faults.append(("needs", f"line {self.line!r} cannot require itself"))
        return faults + bounded_faults(facts, "line", both)

    def state(self, facts: Facts) -> Contribution:
        line, needs = line_positions(facts, [self.line, self.needs])
        selection = self.selection(facts)
        reach = facts.reach[self.positions(facts), line]
        only = np.array([needs])
        terms = {"spend": selection.each(np.array([line])), "funded": selection.each(only, -reach[:, None])}
        labels = self.labels(facts)

        def describe(row: int, _side: Side) -> str:
            return f"{title(facts, self.line)} in {labels[row][1]} is funded without {title(facts, self.needs)}, which it requires,"

        none = unbounded(len(labels))
        return Contribution(
            (Rows(self.kind, labels, terms, -none, np.zeros(len(labels)), describe, penalty=self.charge()),)
        )


class AtMost(Rule):
    """At most so many of the lines are funded in a period; a count of 1 makes them exclude each other."""

    kind: ClassVar[str] = "at_most"

    lines: tuple[str, ...] = Field(min_length=1, description="Lines counted.")
    count: int = Field(ge=0, description="Most that may be funded in one period.")

    def faults(self, facts: Facts) -> list[Fault]:
        faults = super().faults(facts) + line_faults(facts, "lines", self.lines)
        return faults + bounded_faults(facts, "lines", self.lines)

    def state(self, facts: Facts) -> Contribution:
        total = self.selection(facts).total(line_positions(facts, self.lines))
        labels = self.labels(facts)

        def describe(row: int, _side: Side) -> str:
            return f"The number of {titles(facts, self.lines)} funded in {labels[row][1]} exceeds {self.count}"

        none = unbounded(len(labels))
        upper = np.full(len(labels), float(self.count))
        return Contribution(
            (Rows(self.kind, labels, {"funded": total}, -none, upper, describe, "lines", self.charge()),)
        )

    def eased(self, facts: Facts, plan: FloatArray) -> Rule | None:
        return self.model_copy(
            update={"count": max(self.count, int(counts(self, facts, self.lines, plan).max(initial=0)))}
        )


class AtLeast(Rule):
    """At least so many of the lines are funded in a period, each with its minimum ticket or one minor unit."""

    kind: ClassVar[str] = "at_least"

    lines: tuple[str, ...] = Field(min_length=1, description="Lines counted.")
    count: int = Field(ge=0, description="Fewest that must be funded in one period.")

    def faults(self, facts: Facts) -> list[Fault]:
        faults = super().faults(facts) + line_faults(facts, "lines", self.lines)
        if self.count > len(self.lines):
            faults.append(("count", f"{self.count} lines cannot be funded out of {len(self.lines)}"))
        return faults + bounded_faults(facts, "lines", self.lines)

    def state(self, facts: Facts) -> Contribution:
        total = self.selection(facts).total(line_positions(facts, self.lines))
        labels = self.labels(facts)

        def describe(row: int, _side: Side) -> str:
            return f"The number of {titles(facts, self.lines)} funded in {labels[row][1]} falls short of {self.count}"

        lower = np.full(len(labels), float(self.count))
        none = unbounded(len(labels))
        return Contribution(
            (Rows(self.kind, labels, {"funded": total}, lower, none, describe, "lines", self.charge()),)
        )

    def eased(self, facts: Facts, plan: FloatArray) -> Rule | None:
        fewest = int(counts(self, facts, self.lines, plan).min(initial=self.count))
        return self.model_copy(update={"count": min(self.count, fewest)})


def counts(rule: Rule, facts: Facts, lines: Sequence[str], plan: FloatArray) -> FloatArray:
    """How many of some lines a plan funds in each period of a rule, shape (periods,)."""
    amounts = plan[np.ix_(rule.positions(facts), line_positions(facts, lines))]
    return np.asarray((amounts > FUNDED_ABOVE).sum(axis=1), dtype=np.float64)


class Staged(Rule):
    """Stages of one project: a later one may be funded only once the one before it has been, in the same period or earlier."""

    kind: ClassVar[str] = "staged"

    lines: tuple[str, ...] = Field(min_length=2, description="The stages in order.")

    def faults(self, facts: Facts) -> list[Fault]:
        faults = super().faults(facts) + line_faults(facts, "lines", self.lines)
        return faults + bounded_faults(facts, "lines", self.lines)

    def state(self, facts: Facts) -> Contribution:
        selection, positions = self.selection(facts), self.positions(facts)
        stages = line_positions(facts, self.lines)
        blocks = []
        for earlier, later in itertools.pairwise(stages):
            labels = self.labels(facts, facts.lines.id[later])
            reach = facts.reach[positions, later]
            terms = {
                "spend": selection.each(np.array([later])),
                "funded": -selection.so_far(int(earlier)).multiply(reach[:, None]).tocsr(),
            }

            def describe(
                row: int, _side: Side, labels: Sequence[tuple[str, ...]] = labels, before: str = facts.lines.id[earlier]
            ) -> str:
                return (
                    f"Stage {title(facts, labels[row][2])} in {labels[row][1]} is funded before {title(facts, before)}"
                )

            none = unbounded(len(labels))
            upper = np.zeros(len(labels))
            blocks.append(
                Rows(
                    self.kind,
                    labels,
                    terms,
                    -none,
                    upper,
                    describe,
                    penalty=self.charge(),
                    index=("rule", "period", "stage"),
                )
            )
        return Contribution(tuple(blocks))


class Whole(Rule):
    """Each all-or-nothing line is one decision over the periods: its cap in all of them, or nothing in any."""

    kind: ClassVar[str] = "whole"

    lines: tuple[str, ...] = Field(min_length=1, description="Lines committed as a whole.")

    def faults(self, facts: Facts) -> list[Fault]:
        faults = super().faults(facts) + line_faults(facts, "lines", self.lines)
        return faults + [
            ("lines", f"line {line!r} must be all-or-nothing (lumpy) to be committed as a whole")
            for line in self.lines
            if line in facts.line_position and not facts.lines.lumpy[facts.line_position[line]]
        ]

    def state(self, facts: Facts) -> Contribution:
        caps, blocks = facts.lines.cap, []
        for line in line_positions(facts, self.lines).tolist():
            counted = self.positions(facts)
            counted = counted[caps[counted, line] > 0]
            if len(counted) < 2:
                continue
            first, later = counted[:1], counted[1:]
            share = caps[first, line] / caps[later, line]
            only = np.array([line])
            start = Selection(facts, np.repeat(first, len(later))).each(only)
            terms = {"spend": Selection(facts, later).each(only, share[:, None]) - start}
            labels = [(self.id, facts.periods[period], facts.lines.id[line]) for period in later]

            def describe(row: int, side: Side, labels: Sequence[tuple[str, ...]] = labels) -> str:
                _, period, line = labels[row]
                return f"{title(facts, line)} in {period} lies {side} what it gets as a whole"

            zero = np.zeros(len(labels))
            axes = ("rule", "period", "line")
            blocks.append(Rows(self.kind, labels, terms, zero, zero, describe, penalty=self.charge(), index=axes))
        return Contribution(tuple(blocks))

    def eased(self, facts: Facts, plan: FloatArray) -> Rule | None:
        kept = tuple(line for line in self.lines if not self._split(facts, plan, line))
        return self if len(kept) == len(self.lines) else (self.model_copy(update={"lines": kept}) if kept else None)

    def _split(self, facts: Facts, plan: FloatArray, line: str) -> bool:
        position, periods = facts.line_position[line], self.positions(facts)
        caps = facts.lines.cap[periods, position]
        share = plan[periods, position][caps > 0] / caps[caps > 0]
        return bool(len(share) and np.ptp(share) > DUST)


class Resource(Rule):
    """What the lines use of people, floor space or any other resource stays within its capacity in each period."""

    kind: ClassVar[str] = "resource"

    usage: str = Field(description="Column of the lines table that holds the use.")
    capacity: float = Field(description="Capacity in each period, in the units of the usage column.")
    per: Literal["money", "project"] = Field("money", description="Use per unit of money, or per funded project.")

    def faults(self, facts: Facts) -> list[Fault]:
        faults = super().faults(facts)
        if self.usage not in facts.lines.tags:
            return [*faults, ("usage", f"the lines table has no column {self.usage!r} to read the use from")]
        for line, cell in zip(facts.lines.id, facts.lines.tags[self.usage], strict=True):
            try:
                good = np.isfinite(float(cell or 0.0))
            except ValueError:
                good = False
            if not good:
                faults.append(("usage", f"line {line!r} has {cell!r} in column {self.usage!r}, which is not a number"))
        if self.per == "project" and not any(key == "usage" for key, _ in faults):
            lines, use = facts.lines, self.use(facts)
            soft = np.flatnonzero((use != 0) & ~lines.lumpy & (lines.min_ticket <= 0))
            faults += [
                (
                    "per",
                    f"line {lines.id[line]!r} uses {self.usage} per project, so it must be lumpy or have a min_ticket",
                )
                for line in soft
            ]
        return faults

    def use(self, facts: Facts) -> FloatArray:
        """Use of each line, shape (n,); an empty cell is none."""
        return np.array([float(cell or 0.0) for cell in facts.lines.tags[self.usage]])

    def state(self, facts: Facts) -> Contribution:
        use = self.use(facts)
        users = np.flatnonzero(use)
        block = "spend" if self.per == "money" else "funded"
        total = self.selection(facts).total(users, use[users])
        labels = self.labels(facts)

        def describe(row: int, _side: Side) -> str:
            return f"The use of {self.usage} in {labels[row][1]} exceeds its capacity of {self.capacity:,.6g}"

        none = unbounded(len(labels))
        upper = np.full(len(labels), self.capacity)
        return Contribution(
            (Rows(self.kind, labels, {block: total}, -none, upper, describe, self.usage, self.charge()),)
        )

    def eased(self, facts: Facts, plan: FloatArray) -> Rule | None:
        amounts = plan[self.positions(facts)]
        used = (amounts if self.per == "money" else (amounts > FUNDED_ABOVE).astype(np.float64)) @ self.use(facts)
        most = outward(float(used.max()), USE_GRAIN, up=True) if len(used) else self.capacity
        return self.model_copy(update={"capacity": max(self.capacity, most)})
