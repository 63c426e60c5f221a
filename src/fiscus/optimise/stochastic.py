"""What it is worth to plan for all futures at once, and what it would be worth to know the future (§4).

Birge & Louveaux, *Introduction to Stochastic Programming*, chapter 4: RP is the best plan for all scenarios together, EEV what the
plan made for the average future is worth in them, WS the mean of the best that could be had with each future known beforehand.
``EEV <= RP <= WS``; the value of the stochastic solution is ``RP - EEV``, the expected value of perfect information ``WS - RP``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from fiscus.core.arrays import FloatArray, frozen
from fiscus.core.feasibility import violations
from fiscus.core.objective import objective
from fiscus.core.problem import Problem
from fiscus.core.process import Scenarios
from fiscus.errors import InvalidInput, NoAllocation, RouteUnavailable
from fiscus.optimise.result import Result
from fiscus.optimise.solve import Route, solve

AVERSE = ("Aversion to risk is left out of these numbers: they are about average value.",)
SAME = (
    "Benefits grow in step with the scenarios' factors and no rule speaks of risk, so the plan for the average future is the best "
    "plan for all of them: planning for each future gains nothing."
)
FREE = "With the future known nothing is uncertain, so the rules on risk are left out there."


@dataclass(frozen=True, slots=True)
class Between:
    """A number known to lie between two others: solvers stop at a gap.

    Attributes:
        low: Lower end, units of value.
        high: Upper end; inf where nothing is proved.
    """

    low: float
    high: float

    def less(self, other: Between) -> Between:
        """This minus the other, where it is known not to be negative."""
        return Between(max(self.low - other.high, 0.0), max(self.high - other.low, 0.0))

    @property
    def sharp(self) -> bool:
        """Whether both ends are the same but for rounding."""
        return self.high - self.low <= 1e-6 * max(1.0, abs(self.low), abs(self.high))

    def __str__(self) -> str:
        if self.sharp:
            return f"{self.low:,.2f}"
        if np.isinf(self.high):
            return f"at least {self.low:,.2f}"
        return f"between {self.low:,.2f} and {self.high:,.2f}"

    def as_dict(self) -> dict[str, float | None]:
        """Both ends; None for none."""
        return {"low": self.low, "high": self.high if np.isfinite(self.high) else None}


@dataclass(frozen=True, eq=False)
class ValueOfInformation:
    """What planning under uncertainty gains, and what certainty would.

    Aversion to risk is left out: all values are means, less penalties of soft rules.

    Attributes:
        scenarios: How many futures are possible.
        together: RP, the best plan for all futures.
        average: EEV, what the plan for the average future is worth in them; None where that plan breaks a rule or there is none.
        known: WS, the mean of the best with each future known; rules on risk do not count then, because nothing is uncertain.
        gain: ``RP - EEV``, the value of the stochastic solution; None where ``average`` is.
        information: ``WS - RP``, the expected value of perfect information.
        notes: What the numbers do not say, in sentences.
    """

    scenarios: int
    together: Between
    average: float | None
    known: Between
    gain: Between | None
    information: Between
    notes: tuple[str, ...] = ()

    def sentences(self) -> tuple[str, ...]:
        """For people."""
        said = [f"The best plan for all {self.scenarios} futures is worth {self.together} on average."]
        if self.average is not None and self.gain is not None and SAME not in self.notes:
            said.append(f"The plan made for the average future is worth {self.average:,.2f}: {self.gain} less.")
        said += self.notes
        said.append(
            f"If the future were known before money is committed, plans would be worth {self.known} on average; so at most "
            f"{self.information} should be paid for a forecast."
        )
        return tuple(said)

    def as_dict(self) -> dict[str, Any]:
        """Plain data, by the names of the literature."""
        return {
            "scenarios": self.scenarios,
            "rp": self.together.as_dict(),
            "eev": self.average,
            "ws": self.known.as_dict(),
            "vss": None if self.gain is None else self.gain.as_dict(),
            "evpi": self.information.as_dict(),
            "notes": list(self.notes),
        }


def value_of_information(
    problem: Problem,
    *,
    route: Route = "auto",
    time_limit: float | None = None,
    gap: float | None = None,
    seed: int = 0,
) -> ValueOfInformation:
    """Value of the stochastic solution and expected value of perfect information.

    Solves the problem once, once for the average future where that can differ, and once for each scenario.

    Args:
        problem: With at least two scenarios that can happen; its aversion to risk is left out.
        route: As of :func:`fiscus.optimise.solve.solve`.
        time_limit: Seconds for each of the solves.
        gap: Relative gap of each; what they leave open is carried into the ends of the intervals.
        seed: Of the solver.

    Raises:
        InvalidInput: For fewer than two scenarios.
        NoAllocation: Where no plan obeys the rules, or nothing bounds how much can be gained.
        RouteUnavailable: For scenarios whose curves themselves differ, and as ``solve``.
    """
    scenarios = problem.scenarios
    if scenarios.curves is not None:
        raise RouteUnavailable(
            "the optimiser's scenarios may scale a curve but not change its shape; use fiscus.evaluate for these scenarios"
        )
    likely = np.flatnonzero(scenarios.probability > 0)
    if len(likely) < 2:
        raise InvalidInput("the value of information needs at least two scenarios that can happen; this plan has one")
    neutral = problem.but(risk=None, method="optimise", counts_value=True)
    answer = partial(solve, route=route, time_limit=time_limit, gap=gap, seed=seed)
    together = _best(answer(neutral), "The problem")
    risky = tuple(rule for rule in problem.rules if "value" in rule.state(problem).blocks)
    notes = list(AVERSE if problem.risk is not None else ())
    average: float | None = together.low
    if risky:
        average, why = _average(neutral, answer)
        notes += why
        if average is not None:
            together = Between(max(together.low, average), max(together.high, average))
    else:
        notes.append(SAME)
    free = neutral.but(rules=tuple(rule for rule in problem.rules if rule not in risky))
    if risky:
        notes.append(FREE)
    ends = [
        _best(answer(free.but(scenarios=_certain(scenarios.theta[scenario]))), f"Scenario {scenario}")
        for scenario in likely.tolist()
    ]
    weights = scenarios.probability[likely]
    known = Between(float(weights @ [each.low for each in ends]), float(weights @ [each.high for each in ends]))
    gain = Between(0.0, 0.0) if not risky else None
    if risky and average is not None:
        gain = together.less(Between(average, average))
    return ValueOfInformation(len(likely), together, average, known, gain, known.less(together), tuple(notes))


def _best(result: Result, what: str) -> Between:
    """Value and bound of a solve.

    Raises:
        NoAllocation: Where it gave no plan.
    """
    if result.solution is None:
        raise NoAllocation(f"{what} has no plan ({result.status}): {' '.join(result.reasons)}")
    return Between(result.value, max(result.bound, result.value))


def _certain(theta: FloatArray) -> Scenarios:
    """One future with these multipliers, shape (T, n)."""
    return Scenarios(frozen(theta[None]), frozen([1.0]))


def _average(neutral: Problem, answer: Callable[[Problem], Result]) -> tuple[float | None, tuple[str, ...]]:
    """What the plan for the average future is worth in all of them, or why there is none."""
    result = answer(neutral.but(scenarios=_certain(neutral.scenarios.expected())))
    if result.solution is None:
        return None, ("For the average future alone there is no plan that keeps every rule.",)
    broken = violations(neutral, result.solution)
    if broken:
        rules = ", ".join(sorted({each.rule for each in broken}))
        return None, (
            f"The plan made for the average future breaks {rules} once every future counts, so it is no plan.",
        )
    return objective(neutral, result.solution), ()
