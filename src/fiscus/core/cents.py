"""What the hard rules mean in whole minor units (§3.1).

An equality whose bound lies between two minor units cannot be met exactly, so it counts as met when it is off by less
than one minor unit times the row's largest coefficient on money. Inequalities must hold.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp

from fiscus.core.arrays import BoolArray, FloatArray, IntArray
from fiscus.core.problem import Problem
from fiscus.core.rounding import LARGEST, Forest, Limits, snapped
from fiscus.core.rows import FUNDED_ABOVE, Rows

EXACT = 1e-9
"""Distance beyond a bound, relative to the row's scale, that float arithmetic may leave behind in a rule that holds."""


@dataclass(frozen=True, eq=False)
class Miss:
    """Rows of one block that exact amounts break, and by how much, in the rows' unit."""

    rows: Rows
    row: IntArray
    distance: FloatArray


def hard_rows(problem: Problem) -> Iterator[Rows]:
    """Every block of rows that must hold."""
    return (rows for rows in problem.statement.rows if rows.penalty is None and len(rows))


def misses(problem: Problem, minor: IntArray) -> list[Miss]:
    """Hard rows that exact amounts break: the referee's question, asked without its tolerance.

    Args:
        problem: With its rules.
        minor: Minor units, shape (T, n).
    """
    point = problem.statement.point(problem.currency.to_major_array(minor))
    found = []
    for rows in hard_rows(problem):
        activity = rows.activity(point)
        distance = np.maximum(activity - rows.upper, rows.lower - activity)
        whole, counted = _counted(problem, rows, minor)
        distance[whole] = counted
        if not (distance > 0).any():
            continue
        dust = EXACT * rows.scale(point)
        dust[whole] = 0.0
        slack = to_the_cent(problem, rows, point["funded"]) * (1.0 - 1e-6)
        broken = np.flatnonzero(distance > np.maximum(dust, slack))
        if len(broken):
            found.append(Miss(rows, broken, distance[broken]))
    return found


def _counted(problem: Problem, rows: Rows, minor: IntArray) -> tuple[IntArray, FloatArray]:
    """Rows that only count whole minor units, and by how much each lies beyond its bounds: no rounding, whatever the amounts."""
    counts = _whole_columns(problem, minor)
    used = {name: matrix for name, matrix in rows.terms.items() if matrix.nnz}
    if not used or not set(used) <= set(counts):
        return np.zeros(0, np.int64), np.zeros(0)
    whole = np.flatnonzero(np.logical_and.reduce([whole_rows(matrix) for matrix in used.values()]))
    total = np.zeros(len(whole), np.int64)
    for name, matrix in used.items():
        total += sp.csr_array(matrix[whole].rint().astype(np.int64)) @ counts[name].ravel()
    with np.errstate(invalid="ignore"):
        low, high = (snapped(bound[whole] / problem.minor_unit) for bound in (rows.lower, rows.upper))
    return whole, np.asarray(np.maximum(total - high, low - total) * problem.minor_unit)


def _whole_columns(problem: Problem, minor: IntArray) -> dict[str, IntArray]:
    """Amounts, and movements where last year's amounts are whole minor units too."""
    prior = snapped(problem.lines.prior / problem.minor_unit)
    if (prior != np.rint(prior)).any() and not problem.ignore_prior:
        return {"spend": minor}
    first = minor[:1] if problem.ignore_prior else np.rint(prior).astype(np.int64)[None, :]
    return {"spend": minor, "moved": np.abs(minor - np.concatenate([first, minor[:-1]]))}


def to_the_cent(problem: Problem, rows: Rows, funded: FloatArray) -> FloatArray:
    """Major units by which each row may be off: zero, but for equalities that no whole minor units meet, shape (m,)."""
    equal = np.flatnonzero(rows.lower == rows.upper)
    slack = np.zeros(len(rows))
    if not len(equal) or "spend" not in rows.terms or not set(rows.terms) <= {"spend", "funded"}:
        return slack  # Other columns, such as cash, are not counted in minor units and take up what is left.
    spend = rows.terms["spend"][equal]
    bound = (rows.upper[equal] - constant_part(rows, funded)[equal]) / problem.minor_unit
    meets = whole_rows(spend) & (snapped(bound) == np.rint(bound))
    largest = abs(spend).max(axis=1).toarray().ravel()
    slack[equal] = np.where(meets, 0.0, largest * problem.minor_unit)
    return slack


def constant_part(rows: Rows, funded: FloatArray) -> FloatArray:
    """What the row's yes-or-no columns contribute, shape (m,)."""
    return np.asarray(rows.terms["funded"] @ funded.ravel()) if "funded" in rows.terms else np.zeros(len(rows))


def whole_rows(matrix: sp.csr_array) -> BoolArray:
    """Which rows have whole coefficients alone, shape (m,)."""
    return np.asarray(abs(matrix - matrix.rint()).max(axis=1).toarray().ravel() <= 1e-12)


def limits(problem: Problem, allocation: FloatArray, forest: Forest) -> Limits:
    """Every hard rule on one amount or one unit's total, in whole minor units.

    What is funded stays funded and what is not gets nothing, so that yes-or-no columns are constants here.

    Args:
        problem: With its rules.
        allocation: Major units, shape (T, n).
        forest: The tree in each period.
    """
    scale = 1.0 / problem.minor_unit
    lines, support = problem.lines, (allocation > FUNDED_ABOVE).ravel()
    cells, nodes = support.size, len(forest.parent)
    floor, cap = _whole_bounds(lines.floor.ravel() * scale, lines.cap.ravel() * scale)
    lower, upper = np.zeros(cells + nodes, np.int64), np.full(cells + nodes, LARGEST)
    lower[:cells], upper[:cells] = floor, np.where(support | (floor > 0), cap, 0)
    keys, order = _keys(forest, cells)
    marks = keys[:cells]
    for rows in hard_rows(problem):
        if "spend" not in rows.terms or not set(rows.terms) <= {"spend", "funded"}:
            continue
        matrix = _clean(rows.terms["spend"])
        row, coefficient = _uniform(matrix)
        ones = sp.csr_array((np.ones(matrix.nnz, np.int64), matrix.indices, matrix.indptr), shape=matrix.shape)
        mark = np.asarray(ones @ marks)[row]
        place = order[np.minimum(np.searchsorted(keys[order], mark), len(order) - 1)]
        same = keys[place] == mark
        row, place, coefficient = row[same], place[same], coefficient[same]
        constant = constant_part(rows, support.astype(np.float64))[row]
        sides = np.stack([rows.lower[row] - constant, rows.upper[row] - constant]) / coefficient * scale
        low, high = _whole_bounds(sides.min(axis=0), sides.max(axis=0))
        np.maximum.at(lower, place, low)
        np.minimum.at(upper, place, high)
    lower = np.minimum(lower, upper)  # Where both cannot hold the upper one does; the check after rounding tells.
    return Limits(lower[:cells], upper[:cells], lower[cells:], upper[cells:])


def _whole_bounds(lower: FloatArray, upper: FloatArray) -> tuple[IntArray, IntArray]:
    """Whole numbers between two bounds; both neighbours of a bound that is an equality."""
    equal = (lower == upper) & np.isfinite(lower)
    low, high = np.clip(snapped(lower), 0.0, LARGEST), np.clip(snapped(upper), 0.0, LARGEST)
    floor, ceiling = np.floor(np.stack([low, high])), np.ceil(np.stack([low, high]))
    return np.where(equal, floor[0], ceiling[0]).astype(np.int64), np.where(equal, ceiling[1], floor[1]).astype(
        np.int64
    )


def _keys(forest: Forest, cells: int) -> tuple[IntArray, IntArray]:
    """A random mark for each set of cells that is one cell or all below one node, and the marks' order."""
    mark = np.random.default_rng(0).integers(1, 2**62, cells)
    node = np.zeros(len(forest.parent), np.int64)
    np.add.at(node, forest.owner, mark)  # Wraps around, alike in every sum.
    for level in forest.levels[:0:-1]:
        np.add.at(node, forest.parent[level], node[level])
    keys = np.concatenate([mark, node])
    return keys, np.argsort(keys, kind="stable")


def _clean(matrix: sp.csr_array) -> sp.csr_array:
    """Without entries that are stored but zero, or stored twice."""
    clean = sp.csr_array(matrix, copy=True)
    clean.sum_duplicates()
    clean.eliminate_zeros()
    return clean


def _uniform(matrix: sp.csr_array) -> tuple[IntArray, FloatArray]:
    """Rows whose coefficients are all the same, and what they are."""
    filled = np.flatnonzero(np.diff(matrix.indptr))
    if not len(filled):
        return filled, np.zeros(0)
    starts = matrix.indptr[filled]
    least, most = np.minimum.reduceat(matrix.data, starts), np.maximum.reduceat(matrix.data, starts)
    same = least == most
    return filled[same], least[same]
