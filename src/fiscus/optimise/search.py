"""What a search for the best plan may take and what it has found so far; every route fills the same record."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from fiscus.core.arrays import FloatArray
from fiscus.core.problem import Problem
from fiscus.optimise.certificate import Boxes
from fiscus.optimise.layout import Form
from fiscus.optimise.pieces import Points, stock_reach
from fiscus.optimise.result import Binding, relative_gap

if TYPE_CHECKING:  # A saved run is checked with this module, and no solver is loaded for that.
    from fiscus.optimise.highs import Outcome


@dataclass(frozen=True, slots=True)
class Limits:
    """What a solve may take.

    Attributes:
        gap: Relative gap at which the answer is called optimal.
        deadline: On the monotonic clock, inf for none.
        seed: Of the solver.
    """

    gap: float
    deadline: float
    seed: int

    @property
    def seconds(self) -> float | None:
        """What is left, None for no limit."""
        return None if np.isinf(self.deadline) else max(self.deadline - time.monotonic(), 0.01)


@dataclass
class Search:
    """State of the refinement: the best checked plan and the best proven bound so far.

    Attributes:
        route: What searches.
        best: Best allocation that the referee passes, shape (T, n), or None.
        value: Its true objective.
        bound: Least upper bound proven by any round.
        last: The last form solved.
        outcome: What the solver said of it.
        broken: Sentences of the referee about the last plan it refused.
        reason: Why nothing could be solved.
        rounds: Models solved.
        stake: What all that could be bought is worth; see :func:`at_stake`.
        binding: Rows that bind with their prices, where the route gives them itself.
        boxes: Prices of rows that prove a bound, where a round gave some.
        points: Where the last model touched smooth curves.
        notes: What to know about how the plan was found.
        seconds: By part.
    """

    route: str
    best: FloatArray | None = None
    value: float = -np.inf
    bound: float = np.inf
    last: Form | None = None
    outcome: Outcome | None = None
    broken: tuple[str, ...] = ()
    reason: str = ""
    rounds: int = 0
    stake: float = 0.0
    binding: tuple[Binding, ...] | None = None
    boxes: Boxes | None = None
    points: Points | None = None
    notes: tuple[str, ...] = ()
    seconds: dict[str, float] = field(default_factory=lambda: {"form": 0.0, "solver": 0.0, "referee": 0.0})

    @property
    def gap(self) -> float:
        """Relative gap between the best plan and the bound."""
        return relative_gap(self.value, self.bound, self.stake)


def at_stake(problem: Problem) -> float:
    """Benefits and costs of buying all that each line can get, units of value; inf where nothing bounds that."""
    stock = stock_reach(problem)
    if not np.isfinite(stock).all():
        return np.inf
    benefit = problem.scenarios.expected() * problem.lines.weight * problem.lines.curves.value(stock)
    return float(benefit.sum() + problem.spend_weight * problem.reach.sum())


class timed:  # noqa: N801 - reads as a statement.
    """Adds the seconds of a block to a search's timings."""

    def __init__(self, search: Search, part: str) -> None:
        self.search, self.part = search, part

    def __enter__(self) -> None:
        self.began = time.perf_counter()

    def __exit__(self, *_: object) -> None:
        self.search.seconds[self.part] += time.perf_counter() - self.began


def better(first: Search, second: Search) -> Search:
    """The search with the better plan, with the lower bound and the time of both."""
    kept, other = (first, second) if first.value >= second.value else (second, first)
    kept.bound = max(min(first.bound, second.bound), kept.value)
    kept.rounds = first.rounds + second.rounds
    kept.seconds = {part: first.seconds[part] + second.seconds[part] for part in kept.seconds}
    if kept.boxes is None:
        kept.boxes = other.boxes
    return kept
