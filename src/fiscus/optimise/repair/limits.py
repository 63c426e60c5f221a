"""What people can move: the limits of a plan, and the problem in which only some of them stand.

A *limit* is a rule, a floor or cap of a unit or line, the budget, or the reserve of the account. What lines and curves are
(all-or-nothing, minimum tickets, the definitions of stock and cash) never gives. Lifting a limit of the tables means
:data:`ROOM` times the largest amount in the plan, so that yes-or-no rules, which need some bound, can still be stated.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from fiscus.core.arrays import BoolArray, FloatArray, frozen
from fiscus.core.curves import Curves
from fiscus.core.methods import plan
from fiscus.core.problem import Problem
from fiscus.core.rows import Label
from fiscus.core.rules import Rule
from fiscus.core.rules.base import amount

Kind = Literal["floor", "cap", "budget", "reserve", "rule"]

ROOM = 100.0


@dataclass(frozen=True, eq=False)
class Limit:
    """Something people set that can be lifted or moved.

    Attributes:
        id: Id of the rule, or ``unit X floor``, ``line X cap``, ``budget``, ``reserve``.
        kind: ``rule`` for a rule of the plan; else which limit of the tables.
        name: What people call it, with an article: ``the cap of Operations``.
        mandatory: Whether a repair must leave it as it is; rules only.
        amounts: Label of each row to its bound in the row's unit, such as ``{("FY2025",): 11e6}``; a row with two different bounds
            shows the lower one.
        rule: The rule, or None for a limit of the tables.
        position: Of the unit or line in its table; None where there is none.
    """

    id: str
    kind: Kind
    name: str
    mandatory: bool = False
    amounts: Mapping[Label, float] = field(default_factory=dict)
    rule: Rule | None = None
    position: int | None = None

    @property
    def sentence(self) -> str:
        """The limit for people, without its amounts per period unless there is one amount only."""
        if self.rule is not None:
            must = " (mandatory)" if self.mandatory else ""
            return f"{self.name}{must}"
        shown = sorted(set(self.amounts.values()))
        return f"{self.name} ({amount(shown[0])})" if len(shown) == 1 else self.name

    def as_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {
            "id": self.id,
            "kind": self.kind,
            "sentence": self.sentence,
            "mandatory": self.mandatory,
            "amounts": [{"row": list(row), "bound": bound} for row, bound in self.amounts.items()],
        }


def base_of(problem: Problem) -> tuple[Problem, bool]:
    """The problem that the method solves, without what cannot conflict; and whether a hard rule speaks of value."""
    asked = plan(problem, problem.method).problem
    blocks = [rule.state(asked).blocks for rule in asked.rules]
    # A soft rule on what is funded still makes "funded" mean at least a minor unit, so it stays.
    rules = tuple(
        rule
        for rule, used in zip(asked.rules, blocks, strict=True)
        if rule.hard or ("funded" in used and "value" not in used)
    )
    valued = any(rule.hard and "value" in used for rule, used in zip(asked.rules, blocks, strict=True))
    base = asked.but(rules=rules, risk=None, counts_value=False, method="optimise")
    if valued:
        return base, True
    simple = dataclasses.replace(base.lines, curves=Curves.make(["linear"] * base.shape[1]))
    return base.but(lines=simple), False


def roomy(problem: Problem) -> float:
    """The amount that stands for no limit: :data:`ROOM` times the largest amount the plan's tables and money rows name."""
    lines, units = problem.lines, problem.units
    named = [lines.floor, lines.cap, lines.prior, lines.min_ticket, units.floor, units.cap, problem.budget, np.ones(1)]
    named += [bound for rows in problem.statement.rows if not rows.unit for bound in (rows.lower, rows.upper)]
    sizes = np.abs(np.concatenate([np.ravel(each) for each in named]))
    return ROOM * float(sizes[np.isfinite(sizes)].max())


def keep(base: Problem, limits: Sequence[Limit], *, rules: bool = False) -> Problem:
    """The problem with every limit lifted but some.

    Args:
        base: With all limits.
        limits: Those that stand.
        rules: Whether all rules stand too.
    """
    most = roomy(base)
    units, lines, account = base.units, base.lines, base.account

    def standing(kind: Kind, table: str, size: int) -> BoolArray:
        chosen = [each.position for each in limits if each.kind == kind and each.id.startswith(f"{table} ")]
        return np.isin(np.arange(size), np.array(chosen, dtype=np.int64))

    def lifted(cap: FloatArray, stands: BoolArray) -> FloatArray:
        return frozen(np.where(stands | ~np.isfinite(cap), cap, most))

    n, u = base.shape[1], len(base.tree)
    ids = {each.id for each in limits if each.rule is not None}
    others = {each.kind for each in limits}
    line_cap = standing("cap", "line", n) | lines.lumpy  # What an all-or-nothing line costs is no limit.
    changes: dict[str, Any] = {
        "lines": dataclasses.replace(
            lines,
            floor=frozen(np.where(standing("floor", "line", n), lines.floor, 0.0)),
            cap=lifted(lines.cap, line_cap),
        ),
        "units": dataclasses.replace(
            units,
            floor=frozen(np.where(standing("floor", "unit", u), units.floor, 0.0)),
            cap=lifted(units.cap, standing("cap", "unit", u)),
        ),
        "budget": lifted(base.budget, np.full(len(base.budget), "budget" in others)),
    }
    if account is not None and "reserve" not in others:
        changes["account"] = dataclasses.replace(account, reserve=frozen(np.zeros(base.shape[0])))
    if not rules:
        changes["rules"] = tuple(rule for rule in base.rules if rule.id in ids or not rule.hard)
    return base.but(**changes)
