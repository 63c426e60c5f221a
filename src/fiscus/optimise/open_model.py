"""Results from an open Pyomo model that someone extended or solved elsewhere."""

from __future__ import annotations

import time
from importlib.metadata import version
from typing import TYPE_CHECKING

import numpy as np

from fiscus.core.arrays import FloatArray, frozen
from fiscus.core.feasibility import violations
from fiscus.core.objective import objective
from fiscus.core.problem import Problem
from fiscus.optimise import highs
from fiscus.optimise.pyomo_model import compile_model, load, read_spend
from fiscus.optimise.refine import polished
from fiscus.optimise.result import Result, Status, relative_gap
from fiscus.optimise.search import Limits
from fiscus.optimise.solve import LINEAR_GAP

if TYPE_CHECKING:
    from pyomo.environ import ConcreteModel


def from_pyomo(problem: Problem, model: ConcreteModel) -> Result:
    """The result held by a model that some Pyomo solver has solved.

    The amounts are checked by the referee and valued on the true curves; no bound is claimed.

    Args:
        problem: What the model was made from.
        model: By ``fiscus.to_pyomo``, perhaps extended, with values loaded.

    Raises:
        InvalidInput: For a model without ``spend``, or without values.
    """
    return _result(problem, read_spend(problem, model), np.inf, LINEAR_GAP, "pyomo, solved elsewhere", {})


def solve_model(
    problem: Problem,
    model: ConcreteModel,
    *,
    time_limit: float | None = None,
    gap: float = LINEAR_GAP,
    seed: int = 0,
) -> Result:
    """Solve a model made by ``fiscus.to_pyomo`` and extended since, with HiGHS on its compiled arrays.

    The solution is loaded into the model's variables. The bound is that of the extended model, so it holds for plans that obey
    the additions too.

    Raises:
        InvalidInput: For a model that is not linear.
    """
    began = time.perf_counter()
    arrays, variables = compile_model(model)
    limits = Limits(gap, np.inf if time_limit is None else time.monotonic() + time_limit, seed)
    outcome = polished(arrays, limits)
    timings = {"solver": outcome.seconds, "total": time.perf_counter() - began}
    if outcome.solution is None:
        return _nothing(
            problem, outcome.status, f"The extended model is {outcome.status} ({outcome.message}).", timings
        )
    load(variables, outcome.solution)
    constant = _objective_constant(model, arrays.worth(outcome.solution))
    return _result(problem, read_spend(problem, model), outcome.bound + constant, gap, "pyomo, extended", timings)


def _objective_constant(model: ConcreteModel, linear: float) -> float:
    """What the objective adds to its linear part, read off at the loaded solution."""
    from fiscus.optimise.pyomo_model import objective_value

    return objective_value(model) - linear


def _result(
    problem: Problem, spend: FloatArray, bound: float, gap: float, route: str, timings: dict[str, float]
) -> Result:
    spend = np.clip(spend, problem.lines.floor, problem.lines.cap)
    broken = violations(problem, spend)
    if broken:
        why = " ".join(each.sentence for each in broken)
        return _nothing(problem, "no_solution", f"The model's amounts break rules of the plan: {why}", timings)
    value = objective(problem, spend)
    bound = max(bound, value)
    relative = relative_gap(value, bound)
    return Result(
        problem=problem,
        method="optimise",
        route=route,
        status="optimal" if relative <= gap else "feasible",
        value=value,
        bound=bound,
        gap=relative,
        solution=frozen(spend),
        versions={"fiscus": version("fiscus"), "highs": highs.version()},
        timings=timings,
    )


def _nothing(problem: Problem, status: Status, reason: str, timings: dict[str, float]) -> Result:
    return Result(
        problem=problem,
        method="optimise",
        route="pyomo",
        status=status,
        value=np.nan,
        bound=np.inf,
        gap=np.nan,
        solution=None,
        reasons=(reason,),
        versions={"fiscus": version("fiscus"), "highs": highs.version()},
        timings=timings,
    )
