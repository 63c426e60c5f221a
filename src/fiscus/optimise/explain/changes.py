"""What differs between two problems, as named changes, and the problems in between.

A problem in between has some of the changes made: for each table column, limit, scenario set or rule it takes the first problem's
or the second's. Lines and units are matched by id.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from fiscus.core.arrays import IntArray, frozen
from fiscus.core.curves import Curves
from fiscus.core.facts import Lines, Units
from fiscus.core.problem import Problem
from fiscus.core.process import Scenarios
from fiscus.core.rules import Rule
from fiscus.errors import InvalidInput
from fiscus.optimise.result import Result

UNIT_COLUMNS = ("floor", "cap", "target")
LINE_COLUMNS = (
    "floor", "cap", "ask", "prior", "weight", "curves", "unit", "lumpy", "min_ticket", "retention", "change_cost", "initial_stock",
    "priority", "tags",
)  # fmt: skip
SETTINGS = {
    "account": "the working-capital account",
    "spend_weight": "how spending counts against value",
    "discount_rate": "the discount rate",
    "risk": "the aversion to risk",
    "counts_value": "whether value counts",
}
ORDER = (
    "budget",
    *SETTINGS,
    "units",
    *(f"unit {name}" for name in UNIT_COLUMNS),
    *(f"line {name}" for name in LINE_COLUMNS),
    "lines removed",
    "lines added",
    "scenarios",
    "rule removed",
    "rule added",
    "rule changed",
    "method",
)
"""Kinds of changes in the order in which they are taken; within a kind the order of the tables."""

MOST_SHOWN = 3


@dataclass(frozen=True, slots=True)
class Change:
    """Something that differs between two problems.

    Attributes:
        key: Unique.
        kind: One of :data:`ORDER`, or ``solver``.
        name: For people.
        detail: What it was and is, for people; may be empty.
    """

    key: str
    kind: str
    name: str
    detail: str


def changes(start: Result, end: Result, order: Sequence[str] | None = None) -> list[Change]:
    """Everything that differs between the problems and methods of two results, in the order to take it.

    Raises:
        InvalidInput: For an order that names an unknown kind.
    """
    unknown = [kind for kind in order or () if kind not in ORDER]
    if unknown:
        raise InvalidInput(f"no kind of change is called {unknown[0]!r}; the kinds are {', '.join(ORDER)}")
    rank = {kind: place for place, kind in enumerate(dict.fromkeys([*(order or ()), *ORDER]))}
    one, other = start.problem, end.problem
    found = [
        *_settings(one, other),
        *_units(one, other),
        *_lines(one, other),
        *_scenarios(one, other),
        *_rules(one, other),
    ]
    if start.method != end.method or one.options != other.options or one.ignore_prior != other.ignore_prior:
        said = f"from {start.method} to {end.method}" if start.method != end.method else "its options differ"
        found.append(Change("method", "method", "the method", said))
    return sorted(found, key=lambda change: rank[change.kind])


def _settings(one: Problem, other: Problem) -> list[Change]:
    found = []
    if not np.array_equal(one.budget, other.budget):
        moved = np.flatnonzero(one.budget != other.budget).tolist()
        said = _shown([f"{one.periods[t]} from {_amount(one.budget[t])} to {_amount(other.budget[t])}" for t in moved])
        found.append(Change("budget", "budget", "the budget", said))
    for name, words in SETTINGS.items():
        if not _same(getattr(one, name), getattr(other, name)):
            found.append(Change(name, name, words, ""))
    return found


def _units(one: Problem, other: Problem) -> list[Change]:
    found = []
    if _parents(one) != _parents(other):
        gone = [unit for unit in one.tree.ids if unit not in other.tree.position]
        new = [unit for unit in other.tree.ids if unit not in one.tree.position]
        parts = [f"without {_shown(gone)}" if gone else "", f"with {_shown(new)}" if new else ""]
        found.append(Change("units", "units", "the tree of units", ", ".join(part for part in parts if part)))
    both = [unit for unit in one.tree.ids if unit in other.tree.position]
    here, there = ([problem.tree.position[unit] for unit in both] for problem in (one, other))
    for name in UNIT_COLUMNS:
        before, after = getattr(one.units, name)[:, here], getattr(other.units, name)[:, there]
        if not np.array_equal(before, after, equal_nan=True):
            said = _cells(before, after, both, one.periods)
            found.append(Change(f"unit {name}", f"unit {name}", f"{name}s of units", said))
    return found


def _lines(one: Problem, other: Problem) -> list[Change]:
    both = [line for line in one.lines.id if line in other.line_position]
    here, there = (np.array([p.line_position[line] for line in both], np.int64) for p in (one, other))
    found = []
    for name in LINE_COLUMNS:
        words = {
            "unit": "units that lines hang on",
            "prior": "last year's amounts",
            "curves": "benefit curves of lines",
        }
        said = _line_detail(one, other, name, both, here, there)
        if said is not None:
            label = words.get(name, f"{name.replace('_', ' ')}{'' if name in ('lumpy', 'tags') else 's'} of lines")
            found.append(Change(f"line {name}", f"line {name}", label, said))
    gone = [line for line in one.lines.id if line not in other.line_position]
    new = [line for line in other.lines.id if line not in one.line_position]
    if gone:
        found.append(Change("lines removed", "lines removed", "lines removed", _shown(gone)))
    if new:
        found.append(Change("lines added", "lines added", "lines added", _shown(new)))
    return found


def _line_detail(
    one: Problem, other: Problem, name: str, both: list[str], here: IntArray, there: IntArray
) -> str | None:
    """What differs in one column of the lines that both have; None where nothing does."""
    if name == "curves":
        moved = [
            line
            for line, i, j in zip(both, here.tolist(), there.tolist(), strict=True)
            if not _same(one.lines.curves.take(np.array([i])), other.lines.curves.take(np.array([j])))
        ]
        return _shown(moved) if moved else None
    if name == "tags":
        names = [*dict.fromkeys([*one.lines.tags, *other.lines.tags])]
        moved = [
            tag
            for tag in names
            if [_tag(one, tag, i) for i in here.tolist()] != [_tag(other, tag, i) for i in there.tolist()]
        ]
        return _shown(moved) if moved else None
    if name == "unit":
        homes = [[p.tree.ids[p.lines.unit[i]] for i in where.tolist()] for p, where in ((one, here), (other, there))]
        moved = [f"{line} from {a} to {b}" for line, a, b in zip(both, *homes, strict=True) if a != b]
        return _shown(moved) if moved else None
    before, after = getattr(one.lines, name)[..., here], getattr(other.lines, name)[..., there]
    if np.array_equal(before, after, equal_nan=before.dtype.kind == "f"):
        return None
    return _cells(before, after, both, one.periods)


def _scenarios(one: Problem, other: Problem) -> list[Change]:
    both = [line for line in one.lines.id if line in other.line_position]
    mine, its = one.scenarios, other.scenarios
    same = mine.theta.shape[0] == its.theta.shape[0] and np.array_equal(mine.probability, its.probability)
    if same:
        here, there = ([p.line_position[line] for line in both] for p in (one, other))
        same = np.array_equal(mine.theta[..., here], its.theta[..., there]) and _same(mine.curves, its.curves)
    said = f"{mine.size} to {its.size}" if mine.size != its.size else ""
    return [] if same else [Change("scenarios", "scenarios", "the scenarios", said)]


def _rules(one: Problem, other: Problem) -> list[Change]:
    before, after = ({rule.id: rule for rule in problem.rules} for problem in (one, other))
    found = []
    for name, rule in {**before, **after}.items():
        text = str(rule).rstrip(".")
        if name not in after:
            found.append(Change(f"rule {name}", "rule removed", f"rule {name} removed", text))
        elif name not in before:
            found.append(Change(f"rule {name}", "rule added", f"rule {name} added", text))
        elif not _same(before[name], after[name]):
            found.append(
                Change(f"rule {name}", "rule changed", f"rule {name} changed", _rule_detail(before[name], after[name]))
            )
    return found


def _rule_detail(before: Rule, after: Rule) -> str:
    if type(before) is not type(after):
        return f"from {before.kind} to {after.kind}"
    old, new = before.model_dump(), after.model_dump()
    words = [
        f"{key} from {old[key]} to {new[key]}"
        for key in new
        if old.get(key) != new[key] and key not in ("text", "owner")
    ]
    return _shown(words)


def blend(one: Problem, other: Problem, done: frozenset[str]) -> Problem:
    """The first problem with some of the changes to the second made.

    Args:
        one: First problem.
        other: Second problem.
        done: Keys of the changes made.

    Raises:
        InvalidInput: Where the changes made leave something without meaning, as a line whose unit is gone.
    """
    source = other if "units" in done else one
    ids = [line for line in one.lines.id if line in other.line_position or "lines removed" not in done]
    ids += [line for line in other.lines.id if line not in one.line_position and "lines added" in done]
    if not ids:
        raise InvalidInput("no line is left")
    if set(ids) == set(other.lines.id):
        ids = list(other.lines.id)
    fields: dict[str, Any] = {
        "tree": source.tree,
        "units": _blended_units(one, other, source, done),
        "lines": _blended_lines(one, other, source, ids, done),
        "budget": (other if "budget" in done else one).budget,
        "scenarios": _blended_scenarios(one, other, ids, done),
        "rules": _blended_rules(one, other, done),
    }
    for name in SETTINGS:
        fields[name] = getattr(other if name in done else one, name)
    way = other if "method" in done else one
    return one.but(**fields, method=way.method, options=way.options, ignore_prior=way.ignore_prior)


def _blended_units(one: Problem, other: Problem, source: Problem, done: frozenset[str]) -> Units:
    columns: dict[str, Any] = {}
    for name in UNIT_COLUMNS:
        wanted, spare = (other, one) if f"unit {name}" in done else (one, other)
        cells = []
        for unit in source.tree.ids:
            owner = wanted if unit in wanted.tree.position else spare
            cells.append(getattr(owner.units, name)[:, owner.tree.position[unit]])
        columns[name] = frozen(np.array(cells).T)
    return dataclasses.replace(source.units, **columns)


def _blended_lines(one: Problem, other: Problem, source: Problem, ids: list[str], done: frozenset[str]) -> Lines:
    columns: dict[str, Any] = {"id": tuple(ids)}
    for name in ("name", *LINE_COLUMNS):
        wanted, spare = (other, one) if f"line {name}" in done else (one, other)
        owners = [wanted if line in wanted.line_position else spare for line in ids]
        places = [owner.line_position[line] for owner, line in zip(owners, ids, strict=True)]
        pairs = list(zip(owners, places, strict=True))
        if name == "curves":
            columns[name] = _joined([owner.lines.curves.take(np.array([place])) for owner, place in pairs])
        elif name == "tags":
            names = [*dict.fromkeys([*wanted.lines.tags, *spare.lines.tags])]
            columns[name] = {tag: tuple(_tag(owner, tag, place) for owner, place in pairs) for tag in names}
        elif name == "unit":
            homes = [owner.tree.ids[owner.lines.unit[place]] for owner, place in pairs]
            lost = [home for home in homes if home not in source.tree.position]
            if lost:
                raise InvalidInput(f"lines hang on unit {lost[0]!r}, which is not in the tree")
            columns[name] = frozen([source.tree.position[home] for home in homes], np.int64)
        elif name == "name":
            columns[name] = tuple(owner.lines.name[place] for owner, place in pairs)
        else:
            cells = [getattr(owner.lines, name)[..., place] for owner, place in pairs]
            columns[name] = frozen(np.array(cells).T, np.asarray(cells[0]).dtype)
    return dataclasses.replace(one.lines, **columns)


def _joined(curves: list[Curves]) -> Curves:
    a, h, p = (frozen(np.concatenate([getattr(each, name) for each in curves], axis=-1)) for name in ("a", "h", "p"))
    return Curves(tuple(each.family[0] for each in curves), a, h, p, tuple(each.points[0] for each in curves))


def _blended_scenarios(one: Problem, other: Problem, ids: list[str], done: frozenset[str]) -> Scenarios:
    """The scenarios of one problem; a line that it does not have takes the other's, or their mean where the sets differ."""
    wanted, spare = (other, one) if "scenarios" in done else (one, other)
    mine, its = wanted.scenarios, spare.scenarios
    alike = np.array_equal(mine.probability, its.probability)
    theta = np.empty((mine.size, one.shape[0], len(ids)))
    for place, line in enumerate(ids):
        if line in wanted.line_position:
            theta[..., place] = mine.theta[..., wanted.line_position[line]]
        else:
            other_theta = its.theta if alike else its.expected()[None]
            theta[..., place] = other_theta[..., spare.line_position[line]]
    return Scenarios(frozen(theta), mine.probability, mine.curves)


def _blended_rules(one: Problem, other: Problem, done: frozenset[str]) -> tuple[Rule, ...]:
    after = {rule.id: rule for rule in other.rules}
    before = {rule.id for rule in one.rules}
    kept = [after.get(rule.id) if f"rule {rule.id}" in done else rule for rule in one.rules]
    new = [rule for rule in other.rules if rule.id not in before and f"rule {rule.id}" in done]
    return (*(rule for rule in kept if rule is not None), *new)


def _parents(problem: Problem) -> dict[str, str]:
    tree = problem.tree
    return {
        unit: tree.ids[above] if above >= 0 else "" for unit, above in zip(tree.ids, tree.parent.tolist(), strict=True)
    }


def _tag(problem: Problem, tag: str, line: int) -> str:
    return problem.lines.tags[tag][line] if tag in problem.lines.tags else ""


def _same(one: Any, other: Any) -> bool:
    """Whether two plain values, arrays or dataclasses of them hold the same."""
    if type(one) is not type(other):
        return False
    if isinstance(one, Rule):
        return bool(one.model_dump() == other.model_dump())
    if isinstance(one, np.ndarray):
        return bool(np.array_equal(one, other, equal_nan=one.dtype.kind == "f"))
    if dataclasses.is_dataclass(one) and not isinstance(one, type):
        return all(_same(getattr(one, item.name), getattr(other, item.name)) for item in dataclasses.fields(one))
    return bool(one == other)


def _cells(before: Any, after: Any, names: Sequence[str], periods: Sequence[str]) -> str:
    """What differs, cell by cell, the largest changes first."""
    differs = ~((before == after) | ((before != before) & (after != after)))
    places = np.argwhere(differs).tolist()
    words = []
    for place in places:
        when = f" in {periods[place[0]]}" if len(place) > 1 and len(periods) > 1 else ""
        words.append(f"{names[place[-1]]}{when} from {_amount(before[tuple(place)])} to {_amount(after[tuple(place)])}")
    return _shown(words)


def _amount(value: Any) -> str:
    number = float(value)
    if np.isnan(number) or np.isinf(number):
        return "none"
    return f"{number:,.0f}" if number.is_integer() else f"{number:,.4g}" if abs(number) < 100 else f"{number:,.2f}"


def _shown(words: Sequence[str]) -> str:
    more = f" and {len(words) - MOST_SHOWN} more" if len(words) > MOST_SHOWN else ""
    return ", ".join(words[:MOST_SHOWN]) + more
