"""Separable concave benefits: the tree solver against one pass over the curves, SciPy's SLSQP and cvxpy with Clarabel."""

from __future__ import annotations

import warnings

import cvxpy as cp
import numpy as np
from common import Rows, concave_program, median, once, row
from scipy.optimize import minimize

from fiscus.optimise.tree import Program, solve_tree
from fiscus.optimise.tree.leaves import HILL, LOG, POWER, SATURATING


def rows() -> list[dict[str, str]]:
    """One budget at three sizes, the tree at three sizes, and the two general solvers where they can follow."""
    made, base = Rows(), {}
    for lines in (1_000, 10_000, 1_000_000):
        program = concave_program(lines)
        answer = solve_tree(program, backend="numba")
        seconds = base[lines] = median(lambda program=program: solve_tree(program, backend="numba"))
        touch = 0.3 * program.leaves.upper
        single = median(
            lambda program=program, touch=touch: (program.leaves.value(touch), program.leaves.slopes(touch))
        )
        name = f"concave, one budget, {lines:,} lines"
        of = f"{answer.passes} passes of value and derivative ({single * 1e3:.3g} ms each)"
        bar = "<= 4" if lines == 1_000_000 else ""
        made.append(
            row(
                name,
                f"tree, numba, {seconds / lines * 1e9:.0f} ns a line",
                seconds,
                seconds / single / answer.passes,
                of,
                bar,
            )
        )
        plain = median(lambda program=program: solve_tree(program, backend="numpy"))
        made.append(row(name, "tree, NumPy", plain, plain / seconds, "tree, numba"))
        if lines == 1_000:
            taken, value = once(lambda program=program: slsqp(program))
            made.append(
                row(
                    name,
                    f"SciPy SLSQP (value {value / answer.value:.6f} of ours; one run)",
                    taken,
                    taken / seconds,
                    "tree, numba",
                    ">= 1000",
                )
            )
        if lines == 10_000:
            value = clarabel(program)
            taken = median(lambda program=program: clarabel(program))
            made.append(
                row(
                    name,
                    f"cvxpy with Clarabel (value {value / answer.value:.9f} of ours)",
                    taken,
                    taken / seconds,
                    "tree, numba",
                    ">= 1000",
                )
            )
    for lines in (10_000, 100_000, 1_000_000):
        program = concave_program(lines, fan_out=10)
        seconds = median(lambda program=program: solve_tree(program, backend="numba"))
        alone = base.get(lines) or median(lambda lines=lines: solve_tree(concave_program(lines), backend="numba"))
        name = f"concave, tree with floors and caps, {lines:,} lines"
        bar = "<= 5" if lines == 1_000_000 else ""
        made.append(
            row(
                name,
                f"tree, numba, {seconds / lines * 1e9:.0f} ns a line",
                seconds,
                seconds / alone,
                "one budget, same lines",
                bar,
            )
        )
    return made


def slsqp(program: Program) -> float:
    """The value that SLSQP finds from an equal split, with exact gradients."""
    leaves, budget = program.leaves, float(program.cap[0])
    start = np.clip(np.full(len(leaves), budget / len(leaves)), leaves.lower, leaves.upper)
    start *= min(1.0, budget / start.sum())
    found = minimize(
        lambda x: -float(leaves.value(np.maximum(x, 1e-9)).sum()),
        start,
        jac=lambda x: -leaves.slopes(np.maximum(x, 1e-9)),
        bounds=list(zip(leaves.lower, leaves.upper, strict=True)),
        method="SLSQP",
        options={"maxiter": 200},
        constraints={"type": "ineq", "fun": lambda x: budget - x.sum(), "jac": lambda x: -np.ones(len(x))},
    )
    return -float(found.fun)


def clarabel(program: Program) -> float:
    """The value that Clarabel finds, stated in cvxpy as vectors by family."""
    leaves = program.leaves
    x = cp.Variable(len(leaves))
    total = 0.0
    for kind in (LOG, POWER, SATURATING, HILL):
        at = np.flatnonzero(leaves.kind == kind)
        a, h, part = leaves.a[at], leaves.h[at], x[at]
        if kind == LOG:
            total += a @ cp.log(1 + cp.multiply(1 / h, part))
        elif kind == POWER:
            # One atom for each exponent that occurs; power cones of its own would be exact, but Clarabel fails on them here.
            for exponent in np.unique(leaves.p[at]):
                same = leaves.p[at] == exponent
                total += a[same] @ cp.power(part[same], exponent)
        elif kind == SATURATING:
            total += a @ (1 - cp.exp(-cp.multiply(1 / h, part)))
        else:
            total += a @ (1 - cp.inv_pos(1 + cp.multiply(1 / h, part)))
    limits = [x >= leaves.lower, x <= leaves.upper, cp.sum(x) <= float(program.cap[0])]
    problem = cp.Problem(cp.Maximize(total), limits)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        problem.solve(solver=cp.CLARABEL)
    return float(problem.value)
