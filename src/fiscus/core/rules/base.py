"""The shape every rule has; the kinds people may write are in its sister modules."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import ClassVar

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, field_validator

from fiscus.core.arrays import BoolArray, FloatArray, IntArray
from fiscus.core.facts import Facts
from fiscus.core.periods import period_positions
from fiscus.core.rows import Contribution, Label, Point, Selection, standard_columns
from fiscus.core.settings import refuse_too_large

Fault = tuple[str, str]
"""A rule's key and a sentence."""

DUST = 1e-9
"""Part of an amount that rounding may lose; what moves a limit by less does not move it."""


def amount(value: float) -> str:
    """An amount as people read it in sentences."""
    return f"{value:,.2f}"


class Rule(BaseModel):
    """One rule, stated once for the optimiser, the environment and the approver (§1).

    A new kind is one subclass: its fields are the keys people write, ``faults`` says what is wrong with them on given facts,
    and ``state`` gives the rows.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    kind: ClassVar[str] = ""
    uses_prior: ClassVar[bool] = False

    id: str = Field(min_length=1, description="Short name of the rule; unique in the plan.")
    text: str = Field("", description="The rule in people's words.")
    owner: str = Field("", description="Role that answers for the rule.")
    hard: bool = Field(True, description="Whether it must hold; a soft rule costs its penalty where it does not.")
    penalty: float | None = Field(
        None, ge=0, description="Soft rules: value lost for each unit by which the rule is missed."
    )
    mandatory: bool = Field(False, description="Whether a repair must leave it as it is.")
    periods: tuple[str, ...] | None = Field(None, description="Periods it speaks of; all when empty.")

    _size = field_validator("*", mode="after")(refuse_too_large)

    def faults(self, facts: Facts) -> list[Fault]:
        """Everything that keeps the rule from being stated on these facts."""
        faults = [
            ("periods", f"no period is called {name!r}; the periods are {', '.join(facts.periods)}")
            for name in self.periods or ()
            if name not in facts.periods
        ]
        if not self.hard and self.penalty is None:
            faults.append(
                ("penalty", "a soft rule (hard: false) needs a penalty: the value lost per unit it is missed by")
            )
        if self.hard and self.penalty is not None:
            faults.append(("penalty", "a hard rule has no penalty; set hard: false or remove the penalty"))
        return faults

    def state(self, facts: Facts) -> Contribution:
        """The rule as rows.

        Args:
            facts: Ones for which ``faults`` is empty.
        """
        raise TypeError(
            f"rule kind {self.kind!r} states no rows"
        )  # Every kind overrides this; Rule itself is abstract.

    def eased(self, facts: Facts, plan: FloatArray) -> Rule | None:
        """The mildest version of the rule that a plan obeys, for a repair; a kind with an amount or a count moves that.

        Args:
            facts: Ones for which ``faults`` is empty.
            plan: Major units, shape (T, n).

        Returns:
            The rule as it is where the plan obeys it; here, the rule without the periods in which the plan breaks it. None where
            it can only be given up.
        """
        names = [facts.periods[period] for period in self.positions(facts)]
        kept = tuple(name for name in names if self._obeyed(facts, plan, name))
        if len(kept) == len(names):
            return self
        return (
            self.model_copy(update={"periods": kept})
            if kept and not self.model_copy(update={"periods": kept}).faults(facts)
            else None
        )

    def _obeyed(self, facts: Facts, plan: FloatArray, period: str) -> bool:
        """Whether a plan obeys the rule in one period."""
        here = self.model_copy(update={"periods": (period,)})
        if here.faults(facts):
            return False
        stated = here.state(facts)
        columns = standard_columns(facts) | {block.name: block for block in stated.columns}
        point = Point(facts, plan, columns)
        for rows in stated.rows:
            activity = rows.activity(point)
            missed = np.maximum(rows.lower - activity, activity - rows.upper)
            if len(rows) and (missed > DUST * rows.scale(point)).any():
                return False
        return True

    def positions(self, facts: Facts) -> IntArray:
        """Positions of the periods the rule speaks of; without the first where it needs last year's and that is ignored."""
        positions = period_positions(facts.periods, self.periods)
        return positions[positions > 0] if self.uses_prior and facts.ignore_prior else positions

    def selection(self, facts: Facts) -> Selection:
        """Sparse rows over the rule's periods."""
        return Selection(facts, self.positions(facts))

    def charge(self) -> float | None:
        """Penalty per unit for a soft rule, None for a hard one."""
        return None if self.hard else self.penalty

    def labels(self, facts: Facts, *parts: str) -> list[Label]:
        """One label a period: rule, period and the given parts."""
        return [(self.id, facts.periods[period], *parts) for period in self.positions(facts)]

    def __str__(self) -> str:
        return self.text or f"{self.kind} {self.id}"


def outward(value: float, grain: float, *, up: bool) -> float:
    """The next multiple of a grain at or beyond a value, rounding dust aside."""
    dust = max(1e-6, 1e-12 * abs(value) / grain)
    steps = np.ceil(value / grain - dust) if up else np.floor(value / grain + dust)
    return round(float(steps) * grain, 12)


def node_faults(facts: Facts, key: str, node: str | None) -> list[Fault]:
    """A fault when a named unit does not exist."""
    if node is None or node in facts.tree.position:
        return []
    return [(key, f"no unit is called {node!r} in the units table")]


def line_faults(facts: Facts, key: str, lines: Sequence[str] | None) -> list[Fault]:
    """A fault for each named line that does not exist or is named twice."""
    named = lines or ()
    faults = [
        (key, f"no line is called {line!r} in the lines table") for line in named if line not in facts.line_position
    ]
    repeated = sorted({line for line in named if list(named).count(line) > 1})
    return faults + [(key, f"line {line!r} is named twice") for line in repeated]


def bounded_faults(facts: Facts, key: str, lines: Sequence[str]) -> list[Fault]:
    """A fault for each line whose amount nothing bounds, where a yes-or-no rule needs a bound."""
    return [
        (key, f"line {line!r} needs a cap (its own, a unit's or the budget) for a rule of this kind")
        for line in lines
        if line in facts.line_position and not np.isfinite(facts.reach[:, facts.line_position[line]]).all()
    ]


def line_positions(facts: Facts, lines: Sequence[str]) -> IntArray:
    """Positions of named lines."""
    return np.array([facts.line_position[line] for line in lines], dtype=np.int64)


def under(facts: Facts, node: str) -> IntArray:
    """Positions of the lines in a unit's subtree."""
    unit = facts.tree.position[node]
    membership = facts.membership
    return np.asarray(membership.indices[membership.indptr[unit] : membership.indptr[unit + 1]], dtype=np.int64)


def title(facts: Facts, name: str) -> str:
    """What people call a line or a unit that is named by its id."""
    if name in facts.line_position:
        return facts.lines.name[facts.line_position[name]]
    return facts.tree.names[facts.tree.position[name]]


def titles(facts: Facts, lines: Sequence[str]) -> str:
    """What people call some lines."""
    return ", ".join(title(facts, line) for line in lines)


def tagged(facts: Facts, tag: Mapping[str, str]) -> BoolArray:
    """Which lines carry every given tag value, shape (n,)."""
    match = np.ones(facts.shape[1], dtype=bool)
    for name, value in tag.items():
        match &= np.array([cell == value for cell in facts.lines.tags[name]], dtype=bool)
    return match


def kinds() -> dict[str, type[Rule]]:
    """Every kind of rule that is defined, by the name people write."""

    def walk(parent: type[Rule]) -> Iterator[type[Rule]]:
        for child in parent.__subclasses__():
            yield child
            yield from walk(child)

    return {each.kind: each for each in walk(Rule) if each.kind}


def unbounded(rows: int) -> FloatArray:
    """Upper bounds of rows that have none."""
    return np.full(rows, np.inf)
