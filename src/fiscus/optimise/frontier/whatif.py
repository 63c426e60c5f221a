"""What if: variants of a plan solved and set beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from fiscus.core.arrays import FloatArray, frozen
from fiscus.core.facts import Lines, Units
from fiscus.core.problem import Problem
from fiscus.core.rules import Envelope, Rule
from fiscus.errors import InvalidInput
from fiscus.optimise.result import Result, Status
from fiscus.optimise.solve import Route, solve

if TYPE_CHECKING:
    import pandas as pd

BASE = "as planned"
SETTINGS = ("discount_rate", "spend_weight", "risk", "scenarios", "ignore_prior")

Variant = Problem | Mapping[str, Any]
Table = TypeVar("Table", Lines, Units)


@dataclass(frozen=True, slots=True)
class ScenarioRow:
    """One variant beside the plan as it stands.

    Attributes:
        name: Of the variant.
        status: As of :class:`fiscus.optimise.result.Result`.
        value: True objective of its plan by its own rules and weights; NaN without a plan.
        bound: No plan of the variant is worth more.
        gap: Relative gap between the two.
        spent: Major units over all periods; NaN without a plan.
        change: Value less that of the plan as it stands.
        raised: Money by which amounts are higher than as planned, major units.
        cut: Money by which amounts are lower than as planned, major units.
        gained: Lines that get money in some period and got none as planned.
        lost: Lines that get none and got some as planned.
        dearest: The binding rule with the highest price, in words; empty where none is priced.
        price: Value of one more unit of its limit; NaN where there is none.
    """

    name: str
    status: Status
    value: float
    bound: float
    gap: float
    spent: float
    change: float
    raised: float
    cut: float
    gained: tuple[str, ...]
    lost: tuple[str, ...]
    dearest: str
    price: float


@dataclass(frozen=True, eq=False)
class ScenarioTable:
    """Variants of a plan side by side.

    Attributes:
        rows: The plan as it stands first, then the variants in the order given.
        results: By name.
    """

    rows: tuple[ScenarioRow, ...]
    results: Mapping[str, Result]

    def table(self) -> pd.DataFrame:
        """One row a variant."""
        import pandas as pd

        return pd.DataFrame([asdict(row) for row in self.rows])

    def as_dict(self) -> dict[str, Any]:
        """Plain data; what is not known is None."""
        return {"scenarios": [{key: _plain(each) for key, each in asdict(row).items()} for row in self.rows]}

    def _repr_html_(self) -> str:
        html: str = self.table().to_html(index=False, border=0, na_rep="")
        return html


def compare_scenarios(
    problem: Problem,
    variants: Mapping[str, Variant],
    *,
    route: Route = "auto",
    gap: float | None = None,
    time_limit: float | None = None,
    seed: int = 0,
) -> ScenarioTable:
    """Solve variants of a plan and set them beside it.

    Args:
        problem: The plan as it stands; it is solved too, under the name "as planned".
        variants: By name, each a problem over the same lines and periods, or changes as :func:`variant` takes them.
        route: As of :func:`fiscus.solve`.
        gap: Relative gap at which a plan is called optimal.
        time_limit: Seconds for each.
        seed: Of the solver.

    Raises:
        InvalidInput: For changes that cannot be meant, a variant with other lines or periods, or one named as the plan itself.
    """
    if BASE in variants:
        raise InvalidInput(f"{BASE!r} is the plan itself; give the variant another name")
    made = {name: each if isinstance(each, Problem) else variant(problem, each) for name, each in variants.items()}
    for name, each in made.items():
        if each.lines.id != problem.lines.id or each.periods != problem.periods:
            raise InvalidInput(
                f"variant {name!r} has other lines or periods than the plan, so amounts cannot be compared"
            )
    results = {
        name: solve(each, route=route, gap=gap, time_limit=time_limit, seed=seed)
        for name, each in {BASE: problem, **made}.items()
    }
    base = results[BASE]
    return ScenarioTable(tuple(_row(name, result, base) for name, result in results.items()), results)


what_if = compare_scenarios
"""The name in ``fiscus``."""


def variant(problem: Problem, changes: Mapping[str, Any]) -> Problem:
    """A problem with changes said in words.

    ``{"budget": 0.9}`` takes nine tenths of every budget, ``{"budget": {"FY2024": 5e6}}`` sets a period's.
    ``{"drop": ["rule"]}`` removes rules by id, ``{"add": [rule]}`` adds them. ``{"cap": {"U": 5e6}}`` and ``{"floor": ...}``
    set the limit of a unit or line in every period, ``{"cap_by": {"U": 5e6}}`` and ``{"floor_by": ...}`` move it by an amount;
    a unit's limit is the one in the units table and that of every envelope rule on the unit. The settings ``discount_rate``,
    ``spend_weight``, ``risk``, ``scenarios`` and ``ignore_prior`` are taken as they are.

    Raises:
        InvalidInput: For a word, rule, unit, line or period that does not exist, or a limit that is not there to be moved.
    """
    for key, value in changes.items():
        if key == "budget":
            problem = problem.but(budget=frozen(_budget(problem, value)))
        elif key == "drop":
            problem = _without(problem, [value] if isinstance(value, str) else value)
        elif key == "add":
            problem = problem.but(rules=(*problem.rules, *([value] if isinstance(value, Rule) else value)))
        elif key in ("cap", "floor", "cap_by", "floor_by"):
            for name, amount in value.items():
                problem = _limit(problem, key.removesuffix("_by"), name, float(amount), by=key.endswith("_by"))
        elif key in SETTINGS:
            problem = problem.but(**{key: value})
        else:
            known = ", ".join(("budget", "drop", "add", "cap", "floor", "cap_by", "floor_by", *SETTINGS))
            raise InvalidInput(f"a variant changes one of {known}, got {key!r}")
    return problem


def _budget(problem: Problem, value: Any) -> FloatArray:
    budget = np.array(problem.budget, dtype=np.float64)
    if isinstance(value, Mapping):
        for period, amount in value.items():
            if period not in problem.periods:
                raise InvalidInput(f"no period is called {period!r}; the periods are {', '.join(problem.periods)}")
            budget[problem.periods.index(period)] = float(amount)
    else:
        budget = budget * float(value)
    if np.isnan(budget).any() or (budget < 0).any():
        raise InvalidInput(f"a budget is not negative, got {value!r}")
    return budget


def _without(problem: Problem, rules: Sequence[str]) -> Problem:
    known = [rule.id for rule in problem.rules]
    for name in rules:
        if name not in known:
            raise InvalidInput(f"no rule is called {name!r}; the rules are {', '.join(known) or 'none'}")
    return problem.but(rules=tuple(rule for rule in problem.rules if rule.id not in rules))


def _limit(problem: Problem, side: str, name: str, amount: float, *, by: bool) -> Problem:
    """Set or move the cap or floor of a line, or of a unit in its table and in its envelope rules."""
    if name in problem.line_position:
        limits = _moved(getattr(problem.lines, side), problem.line_position[name], amount, side, name, by=by)
        return problem.but(lines=_with(problem.lines, side, limits))
    if name not in problem.tree.position:
        raise InvalidInput(f"no unit or line is called {name!r}")
    limits, where = getattr(problem.units, side), problem.tree.position[name]
    rules = list(problem.rules)
    for place, rule in enumerate(rules):
        limit = getattr(rule, side) if isinstance(rule, Envelope) and rule.node == name else None
        if limit is not None:
            rules[place] = rule.model_copy(update={side: _within(limit + amount if by else amount, side, name)})
    ruled = tuple(rules) != problem.rules
    stated = bool((np.isfinite(limits[:, where]) & (limits[:, where] > 0)).any())
    if stated or not ruled:
        limits = _moved(limits, where, amount, side, name, by=by)
    return problem.but(units=_with(problem.units, side, limits), rules=tuple(rules))


def _with(table: Table, side: str, limits: FloatArray) -> Table:
    return replace(table, cap=limits) if side == "cap" else replace(table, floor=limits)


def _moved(limits: FloatArray, where: int, amount: float, side: str, name: str, *, by: bool) -> FloatArray:
    """One column of limits set or moved; where there is no cap there stays none."""
    changed = np.array(limits, dtype=np.float64)
    if by and not np.isfinite(changed[:, where]).any():
        raise InvalidInput(f"{name!r} has no {side} that could be moved; set one with {side!r}")
    changed[:, where] = changed[:, where] + amount if by else amount
    _within(float(changed[:, where].min()), side, name)
    moved: FloatArray = frozen(changed)
    return moved


def _within(amount: float, side: str, name: str) -> float:
    if np.isnan(amount) or amount < 0:
        raise InvalidInput(f"the {side} of {name!r} would be {amount:,.2f}; it cannot be negative")
    return float(amount)


def _row(name: str, result: Result, base: Result) -> ScenarioRow:
    problem, nothing = result.problem, float(np.nan)
    dearest, price = _dearest(result)
    row = ScenarioRow(
        name, result.status, result.value, result.bound, result.gap, nothing, nothing, nothing, nothing, (), (), dearest, price
    )  # fmt: skip
    if result.solution is None:
        return row
    row = replace(row, spent=float(result.solution.sum()))
    if base.solution is None:
        return row
    step, grain = result.solution - base.solution, problem.minor_unit / 2
    gets, got = (each.sum(axis=0) > grain for each in (result.solution, base.solution))
    ids = np.array(problem.lines.id)
    return replace(
        row,
        change=result.value - base.value,
        raised=float(step[step > 0].sum()),
        cut=float(-step[step < 0].sum()),
        gained=tuple(ids[gets & ~got].tolist()),
        lost=tuple(ids[got & ~gets].tolist()),
    )


def _dearest(result: Result) -> tuple[str, float]:
    """The binding rule with the highest price, as people name it."""
    priced = [each for each in result.binding if each.price is not None and abs(each.price) > 1e-12]
    if not priced:
        return "", float(np.nan)
    best = max(priced, key=lambda each: abs(each.price or 0.0))
    named = {rule.id: rule for rule in result.problem.rules}
    what = (named[best.rule].text or best.rule) if best.rule in named else best.rule
    where = f" in {best.row[1]}" if len(result.problem.periods) > 1 and len(best.row) > 1 else ""
    return f"{what}{where}", float(best.price or 0.0)


def _plain(value: Any) -> Any:
    if isinstance(value, float):
        return value if np.isfinite(value) else None
    return list(value) if isinstance(value, tuple) else value
