"""Fiscus splits money under rules, proves the split is a good one, and carries it through approval into the books.

Heavy libraries load on first use of what needs them (PEP 562).
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fiscus.core.dynamics import evaluate
    from fiscus.core.feasibility import violations
    from fiscus.core.objective import objective
    from fiscus.core.problem import Problem
    from fiscus.integrate.tables import read_plan
    from fiscus.optimise.explain.difference import difference
    from fiscus.optimise.frontier.points import frontier
    from fiscus.optimise.frontier.whatif import what_if
    from fiscus.optimise.open_model import from_pyomo, solve_model
    from fiscus.optimise.pyomo_model import to_pyomo
    from fiscus.optimise.repair.conflict import conflict
    from fiscus.optimise.repair.repairs import repairs
    from fiscus.optimise.result import Result
    from fiscus.optimise.solve import solve
    from fiscus.optimise.stochastic import value_of_information
    from fiscus.optimise.verify import verify

_HOME = {
    "Problem": "fiscus.core.problem",
    "Result": "fiscus.optimise.result",
    "conflict": "fiscus.optimise.repair.conflict",
    "difference": "fiscus.optimise.explain.difference",
    "evaluate": "fiscus.core.dynamics",
    "from_pyomo": "fiscus.optimise.open_model",
    "frontier": "fiscus.optimise.frontier.points",
    "objective": "fiscus.core.objective",
    "read_plan": "fiscus.integrate.tables",
    "repairs": "fiscus.optimise.repair.repairs",
    "solve": "fiscus.optimise.solve",
    "solve_model": "fiscus.optimise.open_model",
    "to_pyomo": "fiscus.optimise.pyomo_model",
    "value_of_information": "fiscus.optimise.stochastic",
    "verify": "fiscus.optimise.verify",
    "violations": "fiscus.core.feasibility",
    "what_if": "fiscus.optimise.frontier.whatif",
}

__all__ = [
    "Problem",
    "Result",
    "conflict",
    "difference",
    "evaluate",
    "from_pyomo",
    "frontier",
    "objective",
    "read_plan",
    "repairs",
    "solve",
    "solve_model",
    "to_pyomo",
    "value_of_information",
    "verify",
    "violations",
    "what_if",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'fiscus' has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
