"""Arrays straight to HiGHS. The only module that imports highspy."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import Literal

import highspy
import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from fiscus.core.arrays import FloatArray, IntArray
from fiscus.errors import RouteUnavailable
from fiscus.optimise.layout import Arrays
from fiscus.optimise.quadratic import escape, interior, linearised, penalised

Status = Literal["optimal", "feasible", "infeasible", "unbounded", "no_solution"]

TOLERANCE = 1e-9
"""Primal and dual feasibility asked of HiGHS on the scaled model; the referee allows 1e-6 on the true one."""

NO_MIQP = (
    "HiGHS has no solver for a quadratic objective (risk meanvar) with yes-or-no decisions; use risk cvar:LEVEL or worst on the same "
    "plan, or give fiscus.to_pyomo(problem) to a solver such as SCIP or Gurobi"
)
LONG_ROW = 20
"""Entries from which a row counts as long; rows that make curves of pieces have about ten."""
PROOF = 1e-8
"""Relative gap at which a quadratic answer counts as optimal."""
QP_STEPS = 20
"""Steps of the active-set method per row and column; one that needs more is going round in circles."""
ESCAPES = 1e-7
"""Gain of a scaled direction above which it is no rounding."""

UPDATES = 100
"""Basis changes before a warm model factorises anew; over many solves HiGHS's own limit lets amounts drift by cents."""
DRIFT = 1e-7
"""Miss of a scaled row at which a warm solution is computed anew from its basis."""


@dataclass(frozen=True, eq=False)
class Outcome:
    """What HiGHS says; nobody above believes it unchecked.

    Attributes:
        status: Of the model as handed over.
        solution: Columns, or None.
        bound: Proven upper bound on the objective: the dual bound of a MILP, the dual objective of an LP; of a concave quadratic
            objective that of the LP that touches it at the solution; inf if there is none.
        row_dual: Change of the objective per unit of each row's binding bound, none for a MILP, shape (m,).
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
    return Warm(arrays, gap=gap, seed=seed).solve(time_limit=time_limit, start=start)


class Warm:
    """One persistent model whose bounds and costs may move; each solve starts where the last one ended.

    An LP starts from the last basis with the dual simplex, which stays feasible in the dual when only bounds move; a MILP starts
    from the last plan. The scaling is that of the arrays as first given.
    """

    def __init__(self, arrays: Arrays, *, gap: float = 1e-6, seed: int = 0) -> None:
        """Hand the model over; see :func:`run` for the arguments.

        Raises:
            RouteUnavailable: For a quadratic objective with integers.
        """
        began = time.perf_counter()
        if arrays.curvature is not None and arrays.integer.any():
            raise RouteUnavailable(NO_MIQP)
        self._arrays = replace(
            arrays,
            cost=arrays.cost.copy(),
            lower=arrays.lower.copy(),
            upper=arrays.upper.copy(),
            row_lower=arrays.row_lower.copy(),
            row_upper=arrays.row_upper.copy(),
        )
        column, objective = _scales(arrays)
        self._solver = _solver(gap, seed)
        if not arrays.integer.any() and (_dense(arrays) or _signs_only(arrays)):
            self._solver.setOptionValue("presolve", "off")
        self._scaling = _Scaling(column, _pass(self._solver, arrays, column, objective), objective)
        if arrays.curvature is not None:
            _pass_hessian(self._solver, arrays.curvature * column**2 / objective)
        self._gap, self._seed = gap, seed
        self._last: FloatArray | None = None
        self._solves = 0
        self._building = time.perf_counter() - began

    @property
    def arrays(self) -> Arrays:
        """The model as it stands, to be left as it is."""
        return self._arrays

    def change_rows(self, rows: IntArray, lower: FloatArray, upper: FloatArray) -> None:
        """New bounds of some rows, all arrays of shape (k,)."""
        self._arrays.row_lower[rows], self._arrays.row_upper[rows] = lower, upper
        scale = self._scaling.row[rows]
        for row, low, high in zip(rows.tolist(), (lower / scale).tolist(), (upper / scale).tolist(), strict=True):
            self._solver.changeRowBounds(row, low, high)

    def change_columns(self, columns: IntArray, lower: FloatArray, upper: FloatArray) -> None:
        """New bounds of some columns, all arrays of shape (k,)."""
        self._arrays.lower[columns], self._arrays.upper[columns] = lower, upper
        scale = self._scaling.column[columns]
        self._solver.changeColsBounds(len(columns), _positions(columns), lower / scale, upper / scale)

    def change_costs(self, columns: IntArray, cost: FloatArray) -> None:
        """New objective coefficients of some columns, shape (k,)."""
        self._arrays.cost[columns] = cost
        scaled = cost * self._scaling.column[columns] / self._scaling.objective
        self._solver.changeColsCost(len(columns), _positions(columns), scaled)

    def solve(self, *, time_limit: float | None = None, start: FloatArray | None = None) -> Outcome:
        """Solve the model as it stands.

        Args:
            time_limit: Seconds for this solve.
            start: A plan to start a MILP from; the last one found when not given.
        """
        began = time.perf_counter() - (self._building if self._solves == 0 else 0.0)
        arrays, solver = self._arrays, self._solver
        if (arrays.lower > arrays.upper).any() or (arrays.row_lower > arrays.row_upper).any():
            return Outcome("infeasible", None, -np.inf, None, None, 0.0, "crossed bounds")
        # HiGHS counts the seconds of every solve of an instance together.
        solver.setOptionValue("time_limit", np.inf if time_limit is None else solver.getRunTime() + time_limit)
        if arrays.curvature is not None:
            self._solves += 1
            return self._solve_curved(began, np.inf if time_limit is None else time_limit)
        mip = bool(arrays.integer.any())
        warm = self._solves > 0 and not mip
        if warm:
            solver.setOptionValue("presolve", "off")  # Presolve would throw the basis away.
            solver.setOptionValue("simplex_update_limit", UPDATES)
        known = start if start is not None else self._last
        if known is not None and (mip or start is not None):
            solution = highspy.HighsSolution()
            solution.col_value = (known / self._scaling.column).tolist()
            solver.setSolution(solution)
        solver.run()
        self._solves += 1
        if solver.getModelStatus() in (
            highspy.HighsModelStatus.kUnboundedOrInfeasible,
            highspy.HighsModelStatus.kUnknown,
        ):
            # Presolve cannot tell which of the two it is; the simplex can. A basis may also have led it astray.
            solver.setOptionValue("presolve", "off")
            solver.clearSolver()
            solver.run()
            if mip:
                solver.setOptionValue("presolve", "choose")
        outcome = _outcome(solver, arrays, self._scaling, time.perf_counter() - began)
        if warm and outcome.solution is not None and self._drifted(outcome.solution):
            solver.setBasis(solver.getBasis())  # The same basis, factorised anew.
            solver.run()
            outcome = _outcome(solver, arrays, self._scaling, time.perf_counter() - began)
        if outcome.solution is not None:
            self._last = outcome.solution
        return outcome

    def _drifted(self, solution: FloatArray) -> bool:
        """Whether rows are missed by more than HiGHS says: many updates of one factorisation add up their rounding."""
        activity = self._arrays.matrix @ solution
        missed = np.maximum(activity - self._arrays.row_upper, self._arrays.row_lower - activity) / self._scaling.row
        return bool((missed > DRIFT).any())

    def _solve_curved(self, began: float, time_limit: float) -> Outcome:
        """A concave quadratic objective: HiGHS's active-set method on a short leash, ours where that fails (see ``quadratic``)."""
        arrays, solver = self._arrays, self._solver
        solver.setOptionValue("qp_iteration_limit", QP_STEPS * sum(arrays.matrix.shape))
        solver.run()
        found = None
        if solver.getModelStatus() == highspy.HighsModelStatus.kOptimal:
            found = self._touched(np.asarray(solver.getSolution().col_value) * self._scaling.column, time_limit)
            if found.status == "optimal":
                return replace(found, seconds=time.perf_counter() - began)
        nothing = replace(arrays, cost=np.zeros(len(arrays.cost)), curvature=None)
        feasible = run(nothing, gap=self._gap, time_limit=_left(began, time_limit), seed=self._seed)
        if feasible.solution is None:
            return replace(feasible, bound=-np.inf if feasible.status == "infeasible" else np.inf)
        scaled = _scaled(arrays, self._scaling)
        if run(escape(scaled), seed=self._seed).bound > ESCAPES:
            return Outcome("unbounded", None, np.inf, None, None, time.perf_counter() - began, "Unbounded")
        answer = interior(scaled)
        if answer is not None:
            ours = self._touched(answer * self._scaling.column, time_limit)
            if found is None or self._open(ours) < self._open(found):
                found = ours
        if found is None:
            return Outcome(
                "no_solution", None, np.inf, None, None, time.perf_counter() - began, "no quadratic solution"
            )
        return replace(found, seconds=time.perf_counter() - began)

    def _open(self, outcome: Outcome) -> float:
        """What lies between a quadratic answer and its bound."""
        return np.inf if outcome.solution is None else outcome.bound - self._arrays.worth(outcome.solution)

    def _touched(self, solution: FloatArray, time_limit: float) -> Outcome:
        """What the linear objective that touches the concave one at a solution proves of it, and its prices."""
        arrays = self._arrays
        limit = None if np.isinf(time_limit) else time_limit
        straight, constant = linearised(arrays, solution)
        above = run(straight, gap=self._gap, time_limit=limit, seed=self._seed)
        worth = arrays.worth(solution)
        size = float(np.abs(arrays.cost) @ np.abs(solution)) + abs(worth)
        if above.status == "unbounded":
            straight, constant = penalised(arrays, solution, PROOF / 2 * max(size, 1e-12))
            above = run(straight, gap=self._gap, time_limit=limit, seed=self._seed)
        bound = above.bound + constant if above.status == "optimal" else np.inf
        status: Status = "optimal" if bound - worth <= PROOF * size else "feasible"
        rows, columns = arrays.matrix.shape
        prices = None if above.row_dual is None else above.row_dual[:rows]
        reduced = None if above.column_dual is None else above.column_dual[:columns]
        return Outcome(status, solution, max(bound, worth), prices, reduced, 0.0, status.title())


def _left(began: float, time_limit: float) -> float | None:
    return None if np.isinf(time_limit) else max(time_limit - (time.perf_counter() - began), 0.01)


def _pass_hessian(solver: highspy.Highs, curvature: FloatArray) -> None:
    """The curved part of the objective; HiGHS adds half the quadratic form."""
    bent = np.flatnonzero(curvature)
    start = _positions(np.searchsorted(bent, np.arange(len(curvature) + 1)))
    form = int(highspy.HessianFormat.kTriangular)
    solver.passHessian(len(curvature), len(bent), form, start, _positions(bent), -curvature[bent])


def _scaled(arrays: Arrays, scaling: _Scaling) -> Arrays:
    """The arrays as HiGHS was given them."""
    matrix = sp.diags_array(1.0 / scaling.row) @ arrays.matrix @ sp.diags_array(scaling.column)
    curvature = None if arrays.curvature is None else arrays.curvature * scaling.column**2 / scaling.objective
    return Arrays(
        cost=arrays.cost * scaling.column / scaling.objective,
        lower=arrays.lower / scaling.column,
        upper=arrays.upper / scaling.column,
        integer=arrays.integer,
        matrix=sp.csr_array(matrix),
        row_lower=arrays.row_lower / scaling.row,
        row_upper=arrays.row_upper / scaling.row,
        curvature=curvature,
    )


def _positions(chosen: IntArray) -> npt.NDArray[np.int32]:
    return np.ascontiguousarray(chosen, dtype=np.int32)


def _dense(arrays: Arrays) -> bool:
    """Whether most rows are long, as one row a scenario over all lines is.

    HiGHS's presolve finds nothing in such rows and takes longer than the dual simplex itself. Mean-CVaR of 2,000 scenarios x 200
    lines, seconds (highspy 1.15.1, one thread, two kinds of draws): dual simplex 0.06 and 0.22, after presolve 0.13 and 0.36 (HiGHS's
    own choice); primal simplex 0.06 and 0.23; interior point 0.7 and 0.9; HiPO 0.20 and 0.27; PDLP 2.8. From 100 x 20 to 5,000 x
    100 and 1,000 x 1,000 presolve made it 1.1 to 3.7 times slower.
    """
    lengths = np.diff(arrays.matrix.indptr)
    return bool(len(lengths)) and float(np.median(lengths)) >= LONG_ROW


def _signs_only(arrays: Arrays) -> bool:
    """Whether every coefficient is 1 or -1, as in envelopes of amounts made of segments.

    The dual simplex walks through such rows in about a step a line, and HiGHS's presolve may take a hundred times as long to find
    the same: 20.4 s against 0.26 on 10,000 lines x 5 segments in a tree with half of its units capped, 1.14 against 0.18 with all of
    them capped tightly (highspy 1.15.1, one thread). With cash, change and twelve periods 0.19 against 0.10. Rules with coefficients
    of their own, and effects that carry over, make presolve worth its time or nearly so.
    """
    return bool((np.abs(arrays.matrix.data) == 1.0).all())


def _scales(arrays: Arrays) -> tuple[FloatArray, float]:
    """Powers of two: one for all columns that take no integers, one for the objective."""
    bounds = np.concatenate([arrays.row_lower, arrays.row_upper, arrays.upper[~arrays.integer]])
    sizes = np.abs(bounds[np.isfinite(bounds) & (bounds != 0)])
    typical = arrays.typical or (float(np.median(sizes)) if len(sizes) else 1.0)
    money = _power_of_two(typical)
    scale = np.where(arrays.integer, 1.0, money)
    costs = np.abs(arrays.cost * scale)
    costs = costs[costs > 0]
    objective = _power_of_two(float(costs.max())) if len(costs) else 1.0
    if arrays.curvature is None or not arrays.curvature.any():
        return scale, objective
    if not len(costs):
        objective = _power_of_two(float((arrays.curvature * scale**2).max()))
    # Squares weigh one each: otherwise a small aversion vanishes in HiGHS's tolerances.
    bent = arrays.curvature > 0
    scale[bent] = [_power_of_two(size) for size in np.sqrt(objective / arrays.curvature[bent]).tolist()]
    return scale, objective


def _power_of_two(size: float) -> float:
    return float(2.0 ** np.round(np.log2(size))) if size > 0 else 1.0


def _instance() -> highspy.Highs:
    return highspy.Highs()  # type: ignore[no-untyped-call]


def _solver(gap: float, seed: int) -> highspy.Highs:
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
    for name, value in options.items():
        solver.setOptionValue(name, value)
    return solver


def _pass(solver: highspy.Highs, arrays: Arrays, scale: FloatArray, objective_scale: float) -> FloatArray:
    """Hand the scaled model over; returns what each row was divided by.

    The numbers go over as arrays: attributes of ``HighsLp`` are copied one by one, which takes as long as many a solve.
    """
    rows, columns = arrays.matrix.shape
    # Each row is divided by the power of two of its largest entry, so that money rows and count rows weigh alike.
    given = arrays.matrix
    values, counts = given.data * scale[given.indices], np.diff(given.indptr)
    largest = np.ones(rows)
    starts = np.flatnonzero(counts)
    if len(starts):
        peak = np.maximum.reduceat(np.abs(values), given.indptr[starts])
        largest[starts] = 2.0 ** np.round(np.log2(np.where(peak > 0, peak, 1.0)))
    values /= np.repeat(largest, counts)
    solver.passModel(
        columns,
        rows,
        len(values),
        int(highspy.MatrixFormat.kRowwise),
        int(highspy.ObjSense.kMaximize),
        0.0,
        arrays.cost * scale / objective_scale,
        arrays.lower / scale,
        arrays.upper / scale,
        arrays.row_lower / largest,
        arrays.row_upper / largest,
        given.indptr.astype(np.int32),
        given.indices.astype(np.int32),
        values,
        arrays.integer.astype(np.int32),
    )
    return largest


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


def conflicting_rows(arrays: Arrays, *, time_limit: float | None = None) -> tuple[IntArray, IntArray] | None:
    """Rows and columns whose bounds cannot all hold, by HiGHS's irreducible infeasible subsystem of the model without integers.

    Args:
        arrays: An infeasible model; integers are taken as any number between their bounds.
        time_limit: Seconds.

    Returns:
        Positions of rows and of columns, unchecked; None where HiGHS names none. Crossed bounds are named directly.
    """
    rows = np.flatnonzero(arrays.row_lower > arrays.row_upper)
    columns = np.flatnonzero(arrays.lower > arrays.upper)
    if len(rows) or len(columns):
        return rows[:1], columns[: 1 - len(rows[:1])]
    column, objective = _scales(arrays)
    solver = _solver(0.0, 0)
    _pass(solver, replace(arrays, integer=np.zeros_like(arrays.integer)), column, objective)
    strategies = highspy.IisStrategy
    solver.setOptionValue("iis_strategy", int(strategies.kIisStrategyFromLp) | int(strategies.kIisStrategyIrreducible))
    if time_limit is not None:
        solver.setOptionValue("iis_time_limit", time_limit)
        solver.setOptionValue("time_limit", time_limit)
    status, found = solver.getIis()
    if status == highspy.HighsStatus.kError or not found.valid_:
        return None
    return np.array(found.row_index_, dtype=np.int64), np.array(found.col_index_, dtype=np.int64)
