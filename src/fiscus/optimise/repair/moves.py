"""A give of some limits as changes of the plan: the changed problem, and each change in words."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

import numpy as np

from fiscus.core.arrays import FloatArray, frozen
from fiscus.core.problem import Problem
from fiscus.core.rules import Change, Resource, Risk, Rule, Share, Targets
from fiscus.core.rules.base import DUST, amount, outward
from fiscus.optimise.repair.elastic import Elastic
from fiscus.optimise.repair.limits import Limit

PERIOD = "{period}"
WORDS = {"up": "largest rise", "down": "largest fall", "amount": "cash"}
"""What people call a rule's keys, where the key itself does not say it."""


@dataclass(frozen=True, slots=True)
class Move:
    """One limit changed.

    Attributes:
        limit: Id of the limit.
        period: Name of the period; ``all`` where the limit speaks of all its periods at once.
        before: The limit as it is; a number, a word, or None.
        after: The limit as changed; None where it is given up.
        give: By how much, in ``unit``.
        unit: The currency's code, or what is counted.
        template: For people, with :data:`PERIOD` where the period's name belongs.
    """

    limit: str
    period: str
    before: Any
    after: Any
    give: float
    unit: str
    template: str

    @property
    def sentence(self) -> str:
        """The change for people."""
        return self.template.replace(PERIOD, self.period)

    def as_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        plain = {
            name: getattr(self, name) for name in ("limit", "period", "before", "after", "give", "unit", "sentence")
        }
        return {name: list(value) if isinstance(value, tuple) else value for name, value in plain.items()}


@dataclass(frozen=True, eq=False)
class Give:
    """The cheapest give of some limits: the plan that needs it, by how much each entry gives, and what that costs."""

    model: Elastic
    plan: FloatArray
    give: FloatArray
    cost: float
    exact: bool

    @property
    def moved(self) -> frozenset[int]:
        """Positions of the limits that give more than dust."""
        beyond = self.give > DUST * self.model.slacks.size
        return frozenset(self.model.slacks.limit[beyond].tolist())


def applied(way: Give) -> tuple[Problem, list[Move]]:
    """The problem with every moved limit as far out as the plan needs, and the changes in words."""
    model, moved = way.model, sorted(way.moved)
    limits = [model.limits[position] for position in moved]
    edit = _Tables(model, way)
    moves = [move for position in moved if model.limits[position].rule is None for move in edit.move(position)]
    facts, repaired = edit.changed(model.base), edit.changed(model.asked)
    rules: dict[str, Rule | None] = {}
    for position, limit in zip(moved, limits, strict=True):
        if limit.rule is None:
            continue
        if isinstance(limit.rule, Targets):
            repaired, more = _eased_targets(repaired, model.base, way.plan)
            moves += more
            continue
        rules[limit.id] = limit.rule.eased(facts, way.plan)
        moves += _rule_moves(way, position, limit.rule, rules[limit.id])
    changed = [rules.get(rule.id, rule) for rule in repaired.rules]
    return repaired.but(rules=tuple(rule for rule in changed if rule is not None)), moves


class _Tables:
    """Changes of the limits of the tables."""

    def __init__(self, model: Elastic, way: Give) -> None:
        self.model, self.way = model, way
        base = model.base
        self.changes: dict[str, FloatArray] = {
            "line floor": np.array(base.lines.floor), "line cap": np.array(base.lines.cap),
            "unit floor": np.array(base.units.floor), "unit cap": np.array(base.units.cap), "budget": np.array(base.budget),
        }  # fmt: skip
        if base.account is not None:
            self.changes["reserve"] = np.array(base.account.reserve)
        self.touched: set[str] = set()

    def move(self, position: int) -> list[Move]:
        """Move one limit outward in each period in which it gives."""
        slacks, limit, base = self.model.slacks, self.model.limits[position], self.model.base
        chosen = (slacks.limit == position) & (self.way.give > DUST * slacks.size)
        table = f"{limit.id.split(' ')[0]} {limit.kind}" if limit.position is not None else limit.kind
        up = limit.kind in ("cap", "budget")
        moves = []
        for entry in np.flatnonzero(chosen).tolist():
            before, period = float(slacks.bound[entry]), slacks.label[entry][1]
            after = before + float(self.way.give[entry]) * (1.0 if up else -1.0)
            after = (
                outward(after, base.minor_unit, up=up) if up else max(0.0, outward(after, base.minor_unit, up=False))
            )
            row = base.periods.index(period)
            where = row if limit.position is None else (row, limit.position)
            self.changes[table][where] = after
            self.touched.add(table)
            moves.append(_table_move(limit, period, before, after, base.currency.code))
        return moves

    def changed(self, problem: Problem) -> Problem:
        """A problem with the limits that moved."""
        lines, units, account = problem.lines, problem.units, problem.account
        arrays = {name: frozen(self.changes[name]) for name in self.touched}
        if "line cap" in arrays:
            # A method may have cut caps to the asks: where one moved, the ask moves with it.
            raised = arrays["line cap"] > self.model.base.lines.cap
            cap = np.where(raised, np.maximum(arrays["line cap"], lines.cap), lines.cap)
            ask = np.where(
                raised & (self.model.base.lines.cap < lines.cap), np.maximum(arrays["line cap"], lines.ask), lines.ask
            )
            lines = dataclasses.replace(lines, cap=frozen(cap), ask=frozen(ask))
        if "line floor" in arrays:
            lines = dataclasses.replace(lines, floor=arrays["line floor"])
        units = dataclasses.replace(
            units, floor=arrays.get("unit floor", units.floor), cap=arrays.get("unit cap", units.cap)
        )
        if account is not None and "reserve" in arrays:
            account = dataclasses.replace(account, reserve=arrays["reserve"])
        return problem.but(lines=lines, units=units, account=account, budget=arrays.get("budget", problem.budget))


def _table_move(limit: Limit, period: str, before: float, after: float, code: str) -> Move:
    verb = "Raise" if after > before else "Lower"
    part = f" ({abs(after - before) / abs(before):.2%})" if before else ""
    template = f"{verb} {limit.name} in {PERIOD} from {amount(before)} to {amount(after)} {code}{part}."
    return Move(limit.id, period, before, after, abs(after - before), code, template)


def _eased_targets(repaired: Problem, base: Problem, plan: FloatArray) -> tuple[Problem, list[Move]]:
    """Targets that flow from above, raised to what the plan gives where that is more."""
    total = plan @ base.membership.T
    target, code, moves = np.array(base.units.target), base.currency.code, []
    over = np.argwhere(total - target > DUST * np.maximum(1.0, target))
    for period, unit in over.tolist():
        name = f"the target of {base.tree.names[unit]}"
        limit = Limit(f"unit {base.tree.ids[unit]} target", "cap", name)
        before, after = float(target[period, unit]), outward(float(total[period, unit]), base.minor_unit, up=True)
        target[period, unit] = after
        moves.append(_table_move(limit, base.periods[period], before, after, code))
    return repaired.but(units=dataclasses.replace(repaired.units, target=frozen(target))), moves


def _rule_moves(way: Give, position: int, rule: Rule, eased: Rule | None) -> list[Move]:
    """A rule's change in words, one a key that changes."""
    slacks = way.model.slacks
    mine = slacks.limit == position
    give = float(way.give[mine].sum())
    code = way.model.base.currency.code
    unit = next(unit for unit, own in zip(slacks.unit, mine.tolist(), strict=True) if own) or code
    name = way.model.limits[position].name
    if eased is None:
        return [Move(rule.id, "all", str(rule), None, give, unit, f"Give up rule {name}.")]
    moves = []
    old, new = rule.model_dump(), eased.model_dump()
    for key in (key for key in old if old[key] != new[key]):
        before, after = old[key], new[key]
        said = _key_sentence(rule, name, key, before, after, code, way.model.base)
        if said:
            moves.append(Move(rule.id, "all", before, after, give, unit, said))
    return moves


def _key_sentence(rule: Rule, name: str, key: str, before: Any, after: Any, code: str, base: Problem) -> str:
    """One changed key of a rule for people; empty for a key that only follows another."""
    if key == "periods":
        return f"Apply rule {name} only in {', '.join(after)}."
    if key == "lines":
        if before is None:
            return f"Apply rule {name} only to {', '.join(after)}."
        out = [line for line in before if line not in after]
        return f"Take {', '.join(out)} out of rule {name}."
    if key == "node":
        return ""
    if isinstance(before, int | float) and isinstance(after, int | float):
        verb = "Raise" if after > before else "Lower"
        part = f" ({abs(after - before) / abs(before):.2%})" if before and not _fraction(rule) else ""
        shown = [_shown(rule, value) for value in (before, after)]
        unit = (
            f" {code}"
            if isinstance(before, float) and not _fraction(rule) and not isinstance(rule, Resource | Risk)
            else ""
        )
        return f"{verb} the {WORDS.get(key, key)} of rule {name} from {shown[0]} to {shown[1]}{unit}{part}."
    return f"Change the {WORDS.get(key, key)} of rule {name} from {before} to {after}."


def _fraction(rule: Rule) -> bool:
    return isinstance(rule, Share) or (isinstance(rule, Change) and rule.relative)


def _shown(rule: Rule, value: float) -> str:
    if _fraction(rule):
        return f"{100 * value + 0.0:.6g}%"
    if isinstance(value, int) or isinstance(rule, Resource):
        return f"{value:,.12g}"
    return amount(value)
