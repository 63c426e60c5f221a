"""The objective of a problem at an allocation (§4): mean value, aversion to risk, penalties of soft rules."""

from __future__ import annotations

import numpy as np

from fiscus.core.arrays import FloatArray
from fiscus.core.dynamics import evaluate
from fiscus.core.feasibility import soft_penalties
from fiscus.core.problem import Problem


def objective(problem: Problem, allocation: FloatArray) -> float:
    """``mean_s V_s - aversion * measure(-V) - penalties``, units of value.

    Args:
        problem: With its rules and aversion.
        allocation: Major units, shape (T, n).

    Raises:
        InvalidAllocation: For a wrong shape, NaN or infinity.
    """
    penalties = float(np.sum(list(soft_penalties(problem, allocation).values())))
    if not problem.counts_value:
        return -penalties
    value = evaluate(problem, allocation)
    probability = problem.scenarios.probability
    worth = float(value @ probability)
    if problem.risk is not None:
        worth -= problem.risk.aversion * float(problem.risk.measure.of_loss(-value, probability))
    return worth - penalties
