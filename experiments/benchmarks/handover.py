"""What it costs to hand a tree LP to HiGHS: our arrays and the open model against arrays written by hand and stock Pyomo."""

from __future__ import annotations

import highspy
import numpy as np
import pyomo.environ as pyo
from common import Rows, median, once, row, tree_problem

import fiscus
from fiscus.optimise.form import form
from fiscus.optimise.highs import Warm
from fiscus.optimise.open_model import solve_model


def rows() -> list[dict[str, str]]:
    """1e4 lines in full; at 1e5 lines the hand-over alone, five times, and HiGHS's own time once."""
    made = Rows()
    problem = tree_problem(10_000, tight=True)
    problem.statement  # noqa: B018 - stated once, outside the clock of every way.
    name = "tree LP, 10,000 lines x 5 segments"
    raw = median(lambda: by_hand(problem, solve=True))
    made.append(row(name, "raw highspy, arrays by hand", raw))
    ours = median(lambda: arrays(problem, solve=True))
    made.append(row(name, "arrays: build, pass, HiGHS, extract", ours, ours / raw, "raw highspy", "<= 1.15"))
    open_model = median(lambda: solve_model(problem, fiscus.to_pyomo(problem)))
    stock = median(lambda: stock_pyomo(problem))
    made.append(row(name, "open model: build, arrays, HiGHS, load, referee", open_model))
    made.append(row(name, "stock Pyomo, own HiGHS interface", stock, stock / open_model, "open model", ">= 4"))
    tree = median(lambda: fiscus.solve(problem))
    made.append(row(name, "front door (route tree)", tree, raw / tree, "as many times faster than raw highspy"))
    problem = tree_problem(100_000, tight=True)
    problem.statement  # noqa: B018
    name = "tree LP, 100,000 lines x 5 segments"
    solver = once(lambda: by_hand(problem, solve=True))[0]
    raw, ours = median(lambda: by_hand(problem, solve=False)), median(lambda: arrays(problem, solve=False))
    made.append(row(name, "raw highspy, arrays by hand (HiGHS once)", solver))
    whole = (solver - raw + ours) / solver
    made.append(
        row(
            name,
            f"arrays: hand-over alone {ours:.3g} s, by hand {raw:.3g} s",
            ours,
            whole,
            "raw highspy, all in",
            "<= 1.15",
        )
    )
    tree = median(lambda: fiscus.solve(problem))
    made.append(row(name, "front door (route tree)", tree, solver / tree, "as many times faster than raw highspy"))
    return made


def arrays(problem: fiscus.Problem, *, solve: bool) -> float:
    """The array route without the referee: build, pass, perhaps HiGHS, extract."""
    model = Warm(form(problem))
    return model.solve().bound if solve else 0.0


def by_hand(problem: fiscus.Problem, *, solve: bool) -> float:
    """The same program as somebody would write it: the amount of each line, its segments, the units' rows."""
    knots = problem.lines.curves.knots[0]
    lines, segments = len(knots.line), int(knots.segments.sum(axis=1).max())
    columns = lines + lines * segments
    member = problem.membership[np.flatnonzero(np.isfinite(problem.units.cap[0]))]
    units = member.shape[0]
    model = highspy.HighsLp()
    model.num_col_, model.num_row_ = columns, 1 + units + lines
    model.sense_ = highspy.ObjSense.kMaximize
    model.col_cost_ = np.r_[np.zeros(lines), knots.slope[:, :segments].ravel()]
    model.col_lower_ = np.zeros(columns)
    widths = np.diff(knots.money[:, : segments + 1], axis=1).ravel()
    model.col_upper_ = np.r_[problem.lines.cap[0], widths]
    caps = problem.units.cap[0][np.isfinite(problem.units.cap[0])]
    model.row_lower_ = np.r_[np.full(1 + units, -np.inf), np.zeros(lines)]
    model.row_upper_ = np.r_[problem.budget[0], caps, np.zeros(lines)]
    filled = np.empty((lines, segments + 1), np.int32)
    filled[:, 0], filled[:, 1:] = np.arange(lines), lines + np.arange(lines * segments).reshape(lines, segments)
    value = np.ones((lines, segments + 1))
    value[:, 0] = -1.0
    counts = np.r_[lines, np.diff(member.indptr), np.full(lines, segments + 1)]
    model.a_matrix_.format_ = highspy.MatrixFormat.kRowwise
    model.a_matrix_.start_ = np.r_[0, np.cumsum(counts)].astype(np.int32)
    model.a_matrix_.index_ = np.concatenate([np.arange(lines), member.indices, filled.ravel()]).astype(np.int32)
    model.a_matrix_.value_ = np.concatenate([np.ones(lines + member.nnz), value.ravel()])
    solver = highspy.Highs()
    solver.setOptionValue("output_flag", False)
    solver.setOptionValue("threads", 1)
    solver.passModel(model)
    if not solve:
        return 0.0
    solver.run()
    np.asarray(solver.getSolution().col_value)
    return float(solver.getInfo().objective_function_value)


def stock_pyomo(problem: fiscus.Problem) -> float:
    """Pyomo with its own HiGHS interface."""
    model = fiscus.to_pyomo(problem)
    pyo.SolverFactory("appsi_highs").solve(model)
    return float(pyo.value(model.worth))
