"""What a search for the best plan may take and what it has found so far; every route fills the same record."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

import numpy as np

from fiscus.core.arrays import FloatArray
from fiscus.core.problem import Problem
from fiscus.optimise.highs import Outcome
from fiscus.optimise.layout import Form
from fiscus.optimise.pieces import stock_reach
from fiscus.optimise.result import Binding
from fiscus.optimise.tree.program import Origin

NEXT_TO_NOTHING = 1e-4


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
        prices: Of rows that limit nodes and leaves, by the tree route.
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
    prices: tuple[tuple[Origin, FloatArray], ...] = ()
    notes: tuple[str, ...] = ()
    seconds: dict[str, float] = field(default_factory=lambda: {"form": 0.0, "solver": 0.0, "referee": 0.0})

    @property
    def gap(self) -> float:
        """Relative gap between the best plan and the bound."""
        return relative_gap(self.value, self.bound, self.stake)


def relative_gap(value: float, bound: float, stake: float = 0.0) -> float:
    """``(bound - value) / max(|value|, |bound|)``; inf where nothing is proven, NaN where there is no plan.

    Where the best is next to nothing, as when no project is worth its money, the gap is relative to what is at stake: the benefits
    and costs of all that could be bought.
    """
    if not np.isfinite(value):
        return np.nan
    if not np.isfinite(bound):
        return np.inf
    size = max(abs(value), abs(bound))
    if np.isfinite(stake) and size < NEXT_TO_NOTHING * stake:
        size = stake
    return 0.0 if bound <= value or size < 1e-12 else (bound - value) / size


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
