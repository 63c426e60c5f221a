"""What stays the same from episode to episode: the problem, what is uncertain, what the agent sees, and what it may do."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np

from fiscus.core.activity import Activity
from fiscus.core.anchor import anchor
from fiscus.core.arrays import FloatArray, IntArray
from fiscus.core.cash import SpendLimit
from fiscus.core.futures import Requests
from fiscus.core.nested import Nest, nest
from fiscus.core.problem import Problem
from fiscus.core.process import Process, ScenarioTable
from fiscus.core.rows import Rows
from fiscus.core.safe import EXACT, Safe
from fiscus.errors import InvalidAllocation, InvalidInput


@dataclass(frozen=True)
class Sight:
    """What the agent sees of the uncertain part.

    Attributes:
        multipliers: ``now`` shows the multipliers of the period about to be decided, ``never`` shows none.
        measured: Whether benefits of earlier periods are measured and shown.
        delay: Periods that pass after a benefit has arrived before its measurement is shown.
        noise: Standard deviation of the log of a measurement's error, whose mean is 1.
    """

    multipliers: Literal["now", "never"] = "now"
    measured: bool = False
    delay: int = 0
    noise: float = 0.0

    def __post_init__(self) -> None:
        if self.multipliers not in ("now", "never"):
            raise InvalidInput(f"multipliers is 'now' or 'never', got {self.multipliers!r}")
        if self.delay < 0 or not 0 <= self.noise < np.inf:
            raise InvalidInput("delay and noise are not negative")


@dataclass(frozen=True, eq=False)
class Game:
    """A problem ready to be played; see :func:`game`.

    Attributes:
        problem: With its rules.
        process: What is uncertain.
        sight: What the agent sees of it.
        nest: Floors and caps of units and lines.
        limit: The most that cash allows.
        safe: The way back to safety, where there are rules besides envelopes and cash; None where there are none.
    """

    problem: Problem
    process: Process
    sight: Sight
    nest: Nest
    limit: SpendLimit
    safe: Safe | None

    @property
    def periods(self) -> int:
        """T."""
        return self.problem.shape[0]

    @property
    def lines(self) -> int:
        """n."""
        return self.problem.shape[1]

    @cached_property
    def reach(self) -> FloatArray:
        """Size of each line's amounts, major units, shape (n,): the most it can get in any period, or 1."""
        most = self.problem.reach.max(axis=0)
        return np.where(most > 0, most, 1.0)

    @cached_property
    def money(self) -> float:
        """Size of a period's money, major units: the most that can be spent in any period, or 1."""
        return float(max(self.nest.high[:, self.nest.root].max(), 1e-9)) or 1.0

    @cached_property
    def full_benefit(self) -> FloatArray:
        """Benefit of the most each line can get in a period, or 1, shape (n,)."""
        full = self.problem.lines.curves.value(self.reach)
        return np.where(full > 0, full, 1.0)

    @property
    def requests(self) -> bool:
        """Whether what is asked for differs from episode to episode."""
        return isinstance(self.process, Requests)

    @cached_property
    def expected(self) -> FloatArray:
        """Mean multipliers, shape (T, n)."""
        return np.asarray(self.process.mean())


def game(
    problem: Problem,
    process: Process | None = None,
    sight: Sight | None = None,
    plan: FloatArray | None = None,
) -> Game:
    """Check that a problem can be played and prepare it.

    Args:
        problem: What to allocate under which rules.
        process: What is uncertain; the problem's own scenarios when not given.
        sight: What the agent sees of it; multipliers of the period about to be decided when not given.
        plan: One that obeys every hard rule, major units, shape (T, n), to fall back on where rules go beyond envelopes and cash; found
            by a small program when not given.

    Raises:
        InvalidInput: Where amounts have no limit, nothing can be allocated, or the process does not fit the problem.
        InvalidAllocation: For a plan that breaks a rule.
    """
    _kinds(problem, process, sight)
    if plan is not None:
        plan = problem.checked(plan)
    if problem.scenarios.curves is not None and process is None:
        raise InvalidInput("these scenarios change the shape of curves; give a process, such as a ParameterPrior")
    if process is None:
        process = ScenarioTable(problem.scenarios.theta, problem.scenarios.probability)
    if (process.periods, process.lines) != problem.shape:
        raise InvalidInput(
            f"the process has {process.periods} periods and {process.lines} lines, the problem {problem.shape[0]} and {problem.shape[1]}"
        )
    if not np.isfinite(problem.reach).all():
        line = problem.lines.id[int(np.nonzero(~np.isfinite(problem.reach))[1][0])]
        raise InvalidInput(f"nothing limits the amount of line {line!r}; give it a cap, an ask, or the plan a budget")
    limits, others = nest(problem)
    reserve, others = _reserves(problem, others)
    limit = SpendLimit.of(problem, reserve, limits.low[:, limits.root])
    if others or problem.statement.indicated.any():
        return Game(problem, process, sight or Sight(), limits, limit, _safe(problem, plan))
    made = Game(problem, process, sight or Sight(), limits, limit, None)
    _payable(made)
    return made


def _kinds(problem: object, process: object, sight: object) -> None:
    """Refuse what is no problem, process or sight; environments are often made from words and numbers of a config.

    Raises:
        InvalidInput: With what to give.
    """
    if not isinstance(problem, Problem):
        raise InvalidInput(
            f"problem is a fiscus.Problem, got {problem!r:.60}; fiscus.read_plan(folder) reads one from a plan folder"
        )
    if process is not None and not all(
        hasattr(process, name) for name in ("periods", "lines", "noise", "path", "mean")
    ):
        raise InvalidInput(f"process is one of fiscus.core.process, such as LognormalAR1, got {process!r:.60}")
    if sight is not None and not isinstance(sight, Sight):
        raise InvalidInput(f"sight is a fiscus.env.Sight, such as Sight(multipliers='never'), got {sight!r:.60}")


def _reserves(problem: Problem, others: list[tuple[Rows, IntArray]]) -> tuple[FloatArray, list[tuple[Rows, IntArray]]]:
    """Cash to keep at the end of each period, shape (T,), and the rows that say anything else."""
    reserve = np.zeros(problem.shape[0])
    if problem.account is None:
        return reserve, others
    left = []
    for rows, places in others:
        kept = [place for place in places.tolist() if not _is_reserve(rows, place, reserve)]
        if kept:
            left.append((rows, np.array(kept, dtype=np.int64)))
    return reserve, left


def _is_reserve(rows: Rows, place: int, reserve: FloatArray) -> bool:
    """Whether a row bounds cash from below in one period; the largest such bound is kept."""
    if not set(rows.terms) <= {"account", "unspent"} or "account" not in rows.terms or np.isfinite(rows.upper[place]):
        return False
    account = rows.terms["account"][[place]].toarray()[0]
    unspent = rows.terms["unspent"][[place]].toarray()[0] if "unspent" in rows.terms else np.zeros_like(account)
    (periods,) = np.nonzero(account)
    if len(periods) != 1 or account[periods[0]] != 1.0:
        return False
    if np.array_equal(account, unspent):
        reserve[periods[0]] = max(reserve[periods[0]], rows.lower[place])
        return True
    return bool(not unspent.any() and rows.lower[place] <= 0.0)


def _safe(problem: Problem, plan: FloatArray | None) -> Safe:
    rows = [(each, np.arange(len(each))) for each in problem.statement.rows if each.penalty is None and len(each)]
    activity = Activity.of(problem, rows)
    known = anchor(problem) if plan is None else plan
    if known is None:
        raise InvalidInput(
            "no plan was found that obeys every rule; give one as plan=, such as fiscus.solve(problem).allocation, or see what is in the "
            "way with fiscus.repairs(problem)"
        )
    safe = Safe(problem, activity, known)
    if not safe.allowed(known[None])[0]:
        worst = float(activity.excess(known[None])[0])
        raise InvalidAllocation(
            f"the plan to start from misses a rule by {worst:.3g} of its bound; give one that keeps every rule to {EXACT:g}"
        )
    return safe


def _payable(made: Game) -> None:
    """Refuse a problem whose least spends cannot be paid.

    Raises:
        InvalidInput: With the first period short of money.
    """
    account = made.problem.account
    if account is None:
        return
    start = np.zeros(1, dtype=np.int64)
    most = float(made.limit.most(start, np.zeros(1), np.full(1, account.opening))[0])
    least = float(made.nest.low[0, made.nest.root])
    if most == -np.inf:
        raise InvalidInput(
            f"whatever is spent in {made.problem.periods[0]}, cash does not last for the floors and reserves of later periods; "
            "fiscus.repairs(problem) names what would help"
        )
    if most < least - EXACT * max(1.0, least):
        raise InvalidInput(
            f"cash does not pay for what must be spent: {made.problem.periods[0]} needs {least:,.2f} and may use {most:,.2f} if later "
            "floors and reserves are to be kept"
        )
