"""Why two results differ: the way from one problem to the other, one change at a time, solved at every step.

The parts of the difference are the differences between neighbouring solves, so they add up to the whole exactly: to the minor unit
for every line, and in value. The order of the changes is documented (:data:`ORDER`) and can be chosen; another order may share the
difference out in another way, as with any walk between two problems. A step whose problem has no plan is taken together with the
next one, and that is said. What is left at the end, when the problems agree and the plans do not (another method, another seed,
several equally good plans), is a part of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from fiscus.core.arrays import IntArray, frozen
from fiscus.core.money import format_amount
from fiscus.core.problem import Method, Problem
from fiscus.errors import FiscusError, InvalidInput, NoAllocation
from fiscus.optimise.explain.changes import Change, blend, changes
from fiscus.optimise.explain.data import worth
from fiscus.optimise.result import Result
from fiscus.optimise.solve import solve

MOST_NAMED = 3


@dataclass(frozen=True, eq=False)
class Part:
    """One part of a difference.

    Attributes:
        changes: What changed, one or more that had to be taken together.
        effect: Minor units by which each amount moved, shape (T, lines of both problems).
        value_before: Objective of the exact amounts before the part.
        value_after: After it.
        note: Why several changes are one part; empty where there is one.
    """

    changes: tuple[Change, ...]
    effect: IntArray
    value_before: float
    value_after: float
    note: str = ""

    @property
    def name(self) -> str:
        """What changed."""
        return " and ".join(change.name for change in self.changes)

    @property
    def value(self) -> float:
        """What the part adds to the value."""
        return self.value_after - self.value_before


@dataclass(frozen=True, eq=False)
class Difference:
    """Why a second result differs from a first one.

    Attributes:
        first: Result.
        second: Result.
        lines: Ids of the lines of both problems; one that a problem does not have gets nothing there.
        total: Minor units, second less first, shape (T, lines).
        parts: Whose effects sum to the total, in the order of the walk.
    """

    first: Result
    second: Result
    lines: tuple[str, ...]
    total: IntArray
    parts: tuple[Part, ...]

    @property
    def value(self) -> float:
        """Value of the second's exact amounts less that of the first's."""
        return self.second.exact_value - self.first.exact_value

    def as_dict(self) -> dict[str, Any]:
        """Plain data; amounts in minor units, only those that moved."""
        return {
            "currency": self.first.problem.currency.code,
            "value": {"first": self.first.exact_value, "second": self.second.exact_value},
            "total": self._moved(self.total),
            "parts": [
                {
                    "changes": [{"kind": each.kind, "name": each.name, "detail": each.detail} for each in part.changes],
                    "note": part.note,
                    "value_before": part.value_before,
                    "value_after": part.value_after,
                    "money": int(part.effect.sum()),
                    "effect": self._moved(part.effect),
                }
                for part in self.parts
            ],
        }

    def _moved(self, effect: IntArray) -> list[dict[str, Any]]:
        periods = self.second.problem.periods
        return [
            {"period": periods[period], "line": self.lines[line], "minor_units": int(effect[period, line])}
            for period, line in np.argwhere(effect).tolist()
        ]

    def sentences(self) -> list[str]:
        """For people: the whole, then its parts in order."""
        code = self.first.problem.currency.code
        moved = int(np.abs(self.total).sum())
        said = [
            f"The second plan spends {code} {self._money(int(self.total.sum()))} against the first, moves {code} "
            f"{self._money(moved, signed=False)} on single lines in all, and its value differs by {worth(self.value, signed=True)}."
        ]
        for part in self.parts:
            detail = "; ".join(change.detail for change in part.changes if change.detail)
            text = f"{part.name}{f' ({detail})' if detail else ''}: "
            if part.effect.any():
                text += f"{code} {self._money(int(part.effect.sum()))} in all, {self._largest(part.effect)}; "
            else:
                text += "no amount moves; "
            said.append(text + f"value {worth(part.value, signed=True)}.{f' {part.note}' if part.note else ''}")
        if not self.parts:
            said.append("Nothing differs.")
        return said

    def _largest(self, effect: IntArray) -> str:
        by_line = effect.sum(axis=0)
        order = np.argsort(-np.abs(by_line), kind="stable")
        order = order[by_line[order] != 0]
        named = [f"{self.lines[line]} {self._money(int(by_line[line]))}" for line in order[:MOST_NAMED].tolist()]
        more = f" and {len(order) - MOST_NAMED} more" if len(order) > MOST_NAMED else ""
        return f"most on {', '.join(named)}{more}" if named else "only between periods"

    def _money(self, minor: int, *, signed: bool = True) -> str:
        text = format_amount(minor, self.first.problem.currency)
        return f"+{text}" if signed and minor > 0 else text


def difference(first: Problem | Result, second: Problem | Result, order: Sequence[str] | None = None) -> Difference:
    """Why a second result differs from a first one.

    Args:
        first: A result, or a problem to be solved by its own method.
        second: Likewise.
        order: Kinds of changes (see :data:`ORDER`) in the order to take them; kinds not named follow in the usual order.

    Raises:
        InvalidInput: For problems in different currencies or periods, or an unknown kind of change.
        NoAllocation: Where either has no plan.
    """
    start, end = _result(first), _result(second)
    one, other = start.problem, end.problem
    if one.currency != other.currency:
        raise InvalidInput(
            f"one plan is in {one.currency} and the other in {other.currency}; amounts cannot be compared"
        )
    if one.periods != other.periods:
        raise InvalidInput(
            f"the plans speak of different periods ({', '.join(one.periods)}; {', '.join(other.periods)}), "
            "so there is no way between them one change at a time"
        )
    for each in (start, end):
        if each.solution is None:
            raise NoAllocation(f"{each.problem.name} has no allocation ({each.status}), so there is nothing to compare")
    lines = tuple(dict.fromkeys([*one.lines.id, *other.lines.id]))
    parts = _walk(start, end, lines, changes(start, end, order))
    return Difference(start, end, lines, spread(end, lines) - spread(start, lines), parts)


def _walk(start: Result, end: Result, lines: tuple[str, ...], steps: list[Change]) -> tuple[Part, ...]:
    """Solve after every step; the parts are what lies between."""
    parts: list[Part] = []
    here, done, waiting, note = start, frozenset[str](), list[Change](), ""
    for step in steps:
        done |= {step.key}
        waiting.append(step)
        try:
            there = _solved(blend(start.problem, end.problem, done), start, end, done)
        except FiscusError as error:
            note = f"Taken together, for after the first alone there is no plan: {error}"
            continue
        if there.solution is None:
            note = f"Taken together, for after the first alone there is no plan: {' '.join(there.reasons)}"
            continue
        parts.append(_part(tuple(waiting), here, there, lines, note))
        here, waiting, note = there, [], ""
    if waiting:  # The end has a plan, so what could not be solved on the way is solved with it.
        parts.append(_part(tuple(waiting), here, end, lines, note))
        return tuple(parts)
    rest = _part((_remainder(start, end),), here, end, lines, "")
    if rest.effect.any() or rest.value:
        parts.append(rest)
    return tuple(parts)


def _remainder(start: Result, end: Result) -> Change:
    if start.seed != end.seed:
        return Change("solver", "solver", "the solver's seed", f"from {start.seed} to {end.seed}")
    if start.method != end.method:
        return Change("method", "method", "the method", f"from {start.method} to {end.method}")
    return Change("solver", "solver", "the plan chosen among plans as good within the solver's gap", "")


def _part(steps: tuple[Change, ...], here: Result, there: Result, lines: tuple[str, ...], note: str) -> Part:
    effect = frozen(spread(there, lines) - spread(here, lines), np.int64)
    return Part(steps, effect, here.exact_value, there.exact_value, note if len(steps) > 1 else "")


def _result(given: Problem | Result) -> Result:
    return given if isinstance(given, Result) else solve(given)


def _solved(problem: Problem, start: Result, end: Result, done: frozenset[str]) -> Result:
    method: Method = end.method if "method" in done else start.method
    return solve(problem, method=method, seed=start.seed)


def spread(result: Result, lines: Sequence[str]) -> IntArray:
    """Minor units of a result on some lines, nothing on those it does not have, shape (T, lines)."""
    place = {line: index for index, line in enumerate(lines)}
    amounts = np.zeros((result.problem.shape[0], len(lines)), dtype=np.int64)
    amounts[:, [place[line] for line in result.problem.lines.id]] = result.minor_units
    return amounts
