"""Why there is no plan: a smallest set of limits that cannot all hold, found by the solver and checked limit by limit.

Smallest means that none can be left out: together they are infeasible, and without any one of them a plan exists that obeys the
others. An infeasible plan may hold several such sets; this finds one.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from fiscus.core.arrays import BoolArray, IntArray
from fiscus.core.problem import Problem
from fiscus.core.rules.base import amount
from fiscus.errors import InvalidInput
from fiscus.optimise import highs
from fiscus.optimise.refine import search_form
from fiscus.optimise.repair.elastic import Elastic, elastic
from fiscus.optimise.repair.limits import Limit
from fiscus.optimise.search import Limits

SECONDS = 60.0
LARGEST_FOR_IIS = 5000
"""Rows above which HiGHS's own search for an irreducible subsystem costs more than it saves."""


@dataclass(frozen=True, eq=False)
class Conflict:
    """Limits that cannot all hold, none of which can be left out.

    Attributes:
        limits: The limits.
        minimal: Whether every one was proven to be needed inside the time limit.
        sentences: For people.
        elastic: The plan with every limit able to give.
    """

    limits: tuple[Limit, ...]
    minimal: bool
    sentences: tuple[str, ...]
    elastic: Elastic

    def problem(self, *, without: str = "") -> Problem:
        """The problem in which only these limits stand, less one.

        Args:
            without: Id of a limit of the conflict to lift as well; none when empty.

        Raises:
            InvalidInput: For an id that is not in the conflict.
        """
        ids = [limit.id for limit in self.limits]
        if without and without not in ids:
            raise InvalidInput(f"the conflict has no limit {without!r}; its limits are {', '.join(ids)}")
        kept = np.array([limit in self.limits and limit.id != without for limit in self.elastic.limits], dtype=bool)
        return self.elastic.only(kept)

    def as_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {
            "limits": [limit.as_dict() for limit in self.limits],
            "minimal": self.minimal,
            "sentences": list(self.sentences),
        }


def conflict(problem: Problem, *, time_limit: float = SECONDS, mandatory_only: bool = False) -> Conflict | None:
    """A smallest set of limits that cannot all hold.

    Args:
        problem: Under its own method.
        time_limit: Seconds.
        mandatory_only: Whether to look among the mandatory rules alone.

    Returns:
        The conflict; None where a plan exists, or where the time limit came before a proof that none does.

    Raises:
        InvalidRule: For a rule that cannot be stated.
        RouteUnavailable: For scenarios whose curves themselves differ.
    """
    return conflict_of(elastic(problem), time.monotonic() + time_limit, mandatory_only=mandatory_only)


def conflict_of(model: Elastic, deadline: float, *, mandatory_only: bool = False) -> Conflict | None:
    """A smallest conflict of an elastic model; see :func:`conflict`.

    Args:
        model: The plan with every limit elastic.
        deadline: On the monotonic clock.
        mandatory_only: Whether to look among the mandatory rules alone.
    """
    oracle = Oracle(model, deadline)
    every = model.mandatory.copy() if mandatory_only else np.ones(len(model.limits), dtype=bool)
    if oracle.feasible(every) is not False:
        return None
    candidates = _by_weight(model, _narrowed(model, oracle, every))
    found = _smallest(oracle, candidates)
    mask = oracle.mask(found)
    minimal = oracle.feasible(mask) is False
    for limit in found:
        rest = mask.copy()
        rest[limit] = False
        minimal &= oracle.feasible(rest) is True
    limits = tuple(model.limits[limit] for limit in sorted(found))
    return Conflict(limits, minimal, sentences(model, mask), model)


class Oracle:
    """Can some of the limits hold together? Answers are remembered; None is an answer that time did not allow."""

    def __init__(self, model: Elastic, deadline: float) -> None:
        self.model, self.deadline = model, deadline
        self.known: dict[bytes, bool | None] = {}
        self.slacks = model.columns + np.arange(len(model.slacks.limit))
        free = np.zeros(len(model.arrays.cost))
        self.solver = None if model.valued else highs.Warm(replace(model.arrays, cost=free))

    def mask(self, limits: Sequence[int]) -> BoolArray:
        """Limits by position as a mask."""
        return np.isin(np.arange(len(self.model.limits)), np.array(limits, dtype=np.int64))

    def feasible(self, kept: BoolArray) -> bool | None:
        """Whether a plan obeys the limits that are kept, all others lifted."""
        key = kept.tobytes()
        if key not in self.known:
            self.known[key] = self._answer(kept)
        return self.known[key]

    def _answer(self, kept: BoolArray) -> bool | None:
        if time.monotonic() > self.deadline:
            return None
        if self.solver is None:
            # Curves are over-estimated in the arrays; the search looks at the true ones.
            search = search_form(self.model.only(kept), "highs", Limits(1e-6, self.deadline, 0))
            if search.best is not None:
                return True
            return False if search.outcome is not None and search.outcome.status == "infeasible" else None
        self.solver.change_columns(self.slacks, np.zeros(len(self.slacks)), self.model.room(~kept))
        outcome = self.solver.solve(time_limit=max(self.deadline - time.monotonic(), 0.01))
        return True if outcome.solution is not None else (False if outcome.status == "infeasible" else None)


def _narrowed(model: Elastic, oracle: Oracle, every: BoolArray) -> BoolArray:
    """Fewer limits that still conflict: those that carry a dual of the cheapest give, then HiGHS's irreducible subsystem."""
    arrays = replace(
        model.arrays,
        integer=np.zeros_like(model.arrays.integer),
        upper=np.concatenate([model.arrays.upper[: model.columns], model.room(every)]),
    )
    seconds = max(oracle.deadline - time.monotonic(), 0.01)
    outcome = highs.run(arrays, time_limit=seconds)
    best = every
    if not -outcome.bound > 1e-9:
        return best  # Only the yes-or-no choices make the limits conflict, of which the linear model knows nothing.
    if outcome.column_dual is not None:
        # A limit whose slacks cost their full price at the optimum has rows of dual zero: it is in no proof of this give.
        priced = outcome.column_dual[model.columns :] - model.arrays.cost[model.columns :]
        carrying = np.unique(model.slacks.limit[np.abs(priced) > 1e-9 / model.slacks.size])
        best = _if_conflicting(oracle, best, carrying)
    if arrays.matrix.shape[0] > LARGEST_FOR_IIS:
        return best
    fixed = np.concatenate([model.arrays.upper[: model.columns], model.room(~best)])
    named = highs.conflicting_rows(replace(arrays, upper=fixed), time_limit=min(seconds, 10.0))
    if named is None:
        return best
    rows, columns = named
    first = arrays.matrix.shape[0] - int((model.slacks.sign != 0).sum())
    entries = np.concatenate([rows[rows >= first] - first, columns[columns >= model.columns] - model.columns])
    return _if_conflicting(oracle, best, np.unique(model.slacks.limit[entries]))


def _if_conflicting(oracle: Oracle, known: BoolArray, limits: IntArray) -> BoolArray:
    """Some limits in place of known ones, if they are fewer and still conflict."""
    mask = oracle.mask(limits.tolist()) & known
    return mask if 0 < mask.sum() < known.sum() and oracle.feasible(mask) is False else known


def _by_weight(model: Elastic, kept: BoolArray) -> list[int]:
    """Positions of limits, those first that say more to people: rules, then units and money, then single lines."""

    def weight(position: int) -> int:
        limit = model.limits[position]
        return 0 if limit.rule is not None else (2 if limit.id.startswith("line ") else 1)

    return sorted(np.flatnonzero(kept).tolist(), key=weight)


def _smallest(oracle: Oracle, limits: list[int]) -> list[int]:
    """Divide and conquer over limits that conflict: about ``k log(n / k)`` questions for k of n (QuickXplain, Junker 2004)."""

    def search(background: list[int], fresh: bool, part: list[int]) -> list[int]:
        if fresh and oracle.feasible(oracle.mask(background)) is False:
            return []
        if len(part) == 1:
            return part
        half = len(part) // 2
        first, second = part[:half], part[half:]
        needed = search(background + first, True, second)
        return search(background + needed, bool(needed), first) + needed

    return search([], True, limits) if limits else []


MOST_SUMS = 3
MOST_NAMES = 6
BUDGET = "the budget"


@dataclass(frozen=True, eq=False)
class _Side:
    """Entries of one side in one period: plain totals of amounts.

    Attributes:
        titles: What each total is called.
        bounds: Its bound.
        limits: Limits they belong to.
        cells: How many of the totals count each amount, shape (columns,).
        total: Sum of the bounds.
    """

    titles: tuple[str, ...]
    bounds: tuple[float, ...]
    limits: frozenset[int]
    cells: IntArray
    total: float


def sentences(model: Elastic, kept: BoolArray) -> tuple[str, ...]:
    """A conflict for people: as arithmetic where floors exceed caps, else by name."""
    limits = [limit for limit, stands in zip(model.limits, kept.tolist(), strict=True) if stands]
    if not limits:
        return ("No plan exists even with every limit lifted: the lines and the account contradict each other.",)
    periods: dict[str, list[str]] = {}
    for period in model.base.periods:
        if said := _arithmetic(model, kept, period):
            periods.setdefault(said, []).append(period)
    if periods:
        more = len(periods) - MOST_SUMS
        shown = [f"{said} in {listed(names)}." for said, names in periods.items()][:MOST_SUMS]
        return (*shown, *((f"Likewise, with other amounts, in {more} more periods.",) if more > 0 else ()))
    named = "; ".join(limit.sentence for limit in limits[:MOST_NAMES])
    if len(limits) > MOST_NAMES:
        named += f"; and {len(limits) - MOST_NAMES} more"
    if len(limits) == 1:
        return (f"This limit cannot hold with what the lines themselves allow: {named}.",)
    return (f"These limits cannot all hold: {named}.",)


def _arithmetic(model: Elastic, kept: BoolArray, period: str) -> str:
    """The conflict as floors that exceed caps in one period; empty where it is not that simple."""
    slacks = model.slacks
    here = [slacks.label[entry][1:] == (period,) for entry in range(len(slacks.limit))]
    chosen = np.flatnonzero(np.array(here, dtype=bool) & kept[slacks.limit])
    floors = _side(model, chosen[slacks.sign[chosen] > 0], period)
    caps = _side(model, chosen[slacks.sign[chosen] <= 0], period)
    if floors is None or caps is None or floors.limits | caps.limits != set(np.flatnonzero(kept).tolist()):
        return ""
    excess = floors.total - caps.total
    inside = (floors.cells <= caps.cells).all() and max(floors.cells.max(), caps.cells.max()) == 1
    if not (inside and excess > 0):
        return ""
    one, many = ("The floor of", "exceeds"), ("Floors of", "exceed")
    start, verb = one if len(floors.titles) == 1 else many
    code = model.base.currency.code
    return f"{start} {listed(_first(floors.titles, floors.bounds))} {verb} {_caps(caps)} by {amount(excess)} {code}"


def _side(model: Elastic, entries: IntArray, period: str) -> _Side | None:
    """Entries as plain totals of amounts; None where one is not."""
    spend = model.model.blocks["spend"].slice
    counted = np.zeros(spend.stop - spend.start, dtype=np.int64)
    titles = []
    for entry in entries.tolist():
        limit = model.limits[model.slacks.limit[entry]]
        row = model.members[[entry]]
        cells = row.indices[row.data != 0]
        if limit.kind == "budget":
            if model.base.account is not None:
                return None
            start = model.base.periods.index(period) * model.base.shape[1]
            cells = spend.start + start + np.arange(model.base.shape[1])
        elif limit.kind == "reserve" or (row.data != 1).any() or ((cells < spend.start) | (cells >= spend.stop)).any():
            return None
        counted[cells - spend.start] += 1
        titles.append(_title(model, limit))
    if not titles:
        return None
    owners = frozenset(model.slacks.limit[entries].tolist())
    bounds = model.slacks.bound[entries]
    return _Side(tuple(titles), tuple(bounds.tolist()), owners, counted, float(bounds.sum()))


def _title(model: Elastic, limit: Limit) -> str:
    """What the limit is put on: a unit, a line, the lines a rule totals."""
    if limit.rule is None:
        return limit.name.removeprefix(f"the {limit.kind} of ")
    node = getattr(limit.rule, "node", None)
    if node in model.base.tree.position:
        return f"{model.base.tree.names[model.base.tree.position[node]]} by rule {limit.id}"
    return f"rule {limit.id}"


def _caps(side: _Side) -> str:
    pairs = list(zip(side.titles, side.bounds, strict=True))
    money = [f"{title} ({amount(bound)})" for title, bound in pairs if title == BUDGET]
    others = [pair for pair in pairs if pair[0] != BUDGET]
    if not others:
        return listed(money)
    shown = listed(_first([title for title, _ in others], [bound for _, bound in others]))
    return " and ".join([f"the {'cap' if len(others) == 1 else 'caps'} of {shown}", *money])


def _first(titles: Sequence[str], bounds: Sequence[float]) -> list[str]:
    """Titles with their bounds, the largest ones first where they are many."""
    shown = [f"{title} ({amount(bound)})" for title, bound in zip(titles, bounds, strict=True)]
    if len(shown) <= MOST_NAMES:
        return shown
    order = np.argsort(-np.array(bounds), kind="stable")
    rest = order[MOST_NAMES:]
    return [
        *(shown[place] for place in order[:MOST_NAMES]),
        f"{len(rest)} more ({amount(float(np.array(bounds)[rest].sum()))} in all)",
    ]


def listed(words: Sequence[str]) -> str:
    """Words as people list them: ``a, b and c``."""
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
