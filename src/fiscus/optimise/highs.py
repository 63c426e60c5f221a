"""Arrays straight to HiGHS. The only module that imports highspy."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Literal

import highspy
import numpy as np
import scipy.sparse as sp

from fiscus.core.arrays import FloatArray
from fiscus.optimise.layout import Arrays

Status = Literal["optimal", "feasible", "infeasible", "unbounded", "no_solution"]

TOLERANCE = 1e-9
"""Primal and dual feasibility asked of HiGHS on the scaled model; the referee allows 1e-6 on the true one."""


@dataclass(frozen=True, eq=False)
class Outcome:
    """What HiGHS says; nobody above believes it unchecked.

    Attributes:
        status: Of the model as handed over.
        solution: Columns, or None.
        bound: Proven upper bound on the objective: the dual bound of a MILP, the dual objective of an LP; inf if there is none.
        row_dual: Change of the objective per unit of each row's binding bound, LP only, shape (m,).
        column_dual: Likewise for column bounds, shape (columns,).
        seconds: In HiGHS itself.
        message: HiGHS's own word for the status.
    """

    status: Status
    solution: FloatArray | None
    bound: float
    row_dual: FloatArray | None
    column_dual: FloatArray | None
    seconds: float
    message: str


@dataclass(frozen=True, eq=False)
class _Scaling:
    """What columns and rows were divided by, and the objective."""

    column: FloatArray
    row: FloatArray
    objective: float


def version() -> str:
    """HiGHS's version."""
    return str(_instance().version())


def run(
    arrays: Arrays,
    *,
    gap: float = 1e-6,
    time_limit: float | None = None,
    seed: int = 0,
    start: FloatArray | None = None,
) -> Outcome:
    """Solve.

    Columns that stand for money are scaled by a power of two, exactly, so that HiGHS's absolute tolerances mean the same for a
    plan in dollars and one in billions.

    Args:
        arrays: The model.
        gap: Relative gap at which a MILP stops.
        time_limit: Seconds.
        seed: HiGHS's random seed; one thread, so the same arrays and seed give the same answer.
        start: A feasible solution to start a MILP from.
    """
    began = time.perf_counter()
    if (arrays.lower > arrays.upper).any() or (arrays.row_lower > arrays.row_upper).any():
        return Outcome("infeasible", None, -np.inf, None, None, 0.0, "crossed bounds")
    scale, objective_scale = _scales(arrays)
    solver = _solver(gap, time_limit, seed)
    model, row_scale = _model(arrays, scale, objective_scale)
    solver.passModel(model)
    if start is not None:
        known = highspy.HighsSolution()
        known.col_value = (start / scale).tolist()
        solver.setSolution(known)
    solver.run()
    if solver.getModelStatus() in (highspy.HighsModelStatus.kUnboundedOrInfeasible, highspy.HighsModelStatus.kUnknown):
        # Presolve cannot tell which of the two it is; the simplex can.
        solver.setOptionValue("presolve", "off")
        solver.clearSolver()
        solver.run()
    scaling = _Scaling(scale, row_scale, objective_scale)
    return _outcome(solver, arrays, scaling, time.perf_counter() - began)


def _scales(arrays: Arrays) -> tuple[FloatArray, float]:
    """Powers of two: one for all columns that take no integers, one for the objective."""
    bounds = np.concatenate([arrays.row_lower, arrays.row_upper, arrays.upper[~arrays.integer]])
    sizes = np.abs(bounds[np.isfinite(bounds) & (bounds != 0)])
    money = _power_of_two(float(np.median(sizes))) if len(sizes) else 1.0
    scale = np.where(arrays.integer, 1.0, money)
    costs = np.abs(arrays.cost * scale)
    costs = costs[costs > 0]
    return scale, _power_of_two(float(costs.max())) if len(costs) else 1.0


def _power_of_two(size: float) -> float:
    return float(2.0 ** np.round(np.log2(size))) if size > 0 else 1.0


def _instance() -> highspy.Highs:
    return highspy.Highs()  # type: ignore[no-untyped-call]


def _solver(gap: float, time_limit: float | None, seed: int) -> highspy.Highs:
    solver = _instance()
    options = {
        "output_flag": False,
        "threads": 1,
        "random_seed": seed,
        "mip_rel_gap": gap,
        "mip_abs_gap": 0.0,
        "primal_feasibility_tolerance": TOLERANCE,
        "dual_feasibility_tolerance": TOLERANCE,
        "mip_feasibility_tolerance": TOLERANCE,
    }
    if time_limit is not None:
        options["time_limit"] = time_limit
    for name, value in options.items():
        solver.setOptionValue(name, value)
    return solver


def _model(arrays: Arrays, scale: FloatArray, objective_scale: float) -> tuple[highspy.HighsLp, FloatArray]:
    """The scaled model, and what each row was divided by."""
    model = highspy.HighsLp()
    rows, columns = arrays.matrix.shape
    # Each row is divided by the power of two of its largest entry, so that money rows and count rows weigh alike.
    matrix = sp.csr_array(arrays.matrix @ sp.diags_array(scale))
    largest = np.ones(rows)
    starts = np.flatnonzero(np.diff(matrix.indptr))
    if len(starts):
        peak = np.maximum.reduceat(np.abs(matrix.data), matrix.indptr[starts])
        largest[starts] = 2.0 ** np.round(np.log2(np.where(peak > 0, peak, 1.0)))
    matrix.data = matrix.data / np.repeat(largest, np.diff(matrix.indptr))
    model.num_col_, model.num_row_ = columns, rows
    model.sense_ = highspy.ObjSense.kMaximize
    model.col_cost_ = arrays.cost * scale / objective_scale
    model.col_lower_, model.col_upper_ = arrays.lower / scale, arrays.upper / scale
    model.row_lower_, model.row_upper_ = arrays.row_lower / largest, arrays.row_upper / largest
    model.a_matrix_.format_ = highspy.MatrixFormat.kRowwise
    model.a_matrix_.start_ = matrix.indptr
    model.a_matrix_.index_ = matrix.indices
    model.a_matrix_.value_ = matrix.data
    if arrays.integer.any():
        kinds = (highspy.HighsVarType.kContinuous, highspy.HighsVarType.kInteger)
        model.integrality_ = [kinds[flag] for flag in arrays.integer.astype(int).tolist()]
    return model, largest


def _outcome(solver: highspy.Highs, arrays: Arrays, scaling: _Scaling, seconds: float) -> Outcome:
    status, info = solver.getModelStatus(), solver.getInfo()
    message = solver.modelStatusToString(status)
    found = info.primal_solution_status == highspy.SolutionStatus.kSolutionStatusFeasible
    named: dict[object, Status] = {
        highspy.HighsModelStatus.kOptimal: "optimal",
        highspy.HighsModelStatus.kInfeasible: "infeasible",
        highspy.HighsModelStatus.kUnbounded: "unbounded",
    }
    word = named.get(status, "feasible" if found else "no_solution")
    if status == highspy.HighsModelStatus.kModelEmpty:
        return _empty(arrays, seconds, message)
    answer = solver.getSolution()
    solution = np.asarray(answer.col_value) * scaling.column if found and word in ("optimal", "feasible") else None
    mip = bool(arrays.integer.any())
    if mip:
        return Outcome(word, solution, float(info.mip_dual_bound) * scaling.objective, None, None, seconds, message)
    if word != "optimal":
        return Outcome(word, solution, np.inf, None, None, seconds, message)
    column_dual = np.asarray(answer.col_dual) * scaling.objective / scaling.column
    row_dual = np.asarray(answer.row_dual) * scaling.objective / scaling.row
    return Outcome(
        word,
        solution,
        float(info.objective_function_value) * scaling.objective,
        row_dual,
        column_dual,
        seconds,
        message,
    )


def _empty(arrays: Arrays, seconds: float, message: str) -> Outcome:
    """A model with no columns: nothing to decide."""
    nothing = np.zeros(len(arrays.cost))
    return Outcome("optimal", nothing, 0.0, np.zeros(arrays.matrix.shape[0]), nothing, seconds, message)
