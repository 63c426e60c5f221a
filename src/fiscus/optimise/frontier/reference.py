"""Plans that other plans are compared with: last year's, targets, or any given one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from fiscus.core.arrays import FloatArray
from fiscus.core.problem import Problem
from fiscus.errors import InvalidInput


@dataclass(frozen=True, eq=False)
class Reference:
    """What plans are compared with.

    Attributes:
        name: For people.
        rows: Sparse totals of the spend that are compared, shape (m, T*n).
        amounts: What they are in the reference, major units, shape (m,).
        whole: The money by twice which the differences are divided, major units.
    """

    name: str
    rows: sp.csr_array
    amounts: FloatArray
    whole: float

    def apart(self, spend: FloatArray) -> FloatArray:
        """Absolute differences, shape (m,)."""
        return np.asarray(np.abs(self.rows @ spend.ravel() - self.amounts))

    def alignment(self, spend: FloatArray) -> float:
        """``1 - sum |x - reference| / (2 * budget)``; NaN where there is no budget to divide by."""
        if not (np.isfinite(self.whole) and self.whole > 0):
            return float(np.nan)
        return 1.0 - float(self.apart(spend).sum()) / (2.0 * self.whole)


def reference_plan(problem: Problem, given: npt.ArrayLike | str | None) -> Reference:
    """What alignment is measured with.

    Args:
        problem: The plan.
        given: Amounts of shape (T, n) or (n,), ``last year`` (the default) or ``targets``.

    Raises:
        InvalidInput: For a name that is neither, or targets where no unit has one.
        InvalidAllocation: For amounts of a wrong shape, NaN or infinity.
    """
    periods, lines = problem.shape
    whole = float(problem.budget.sum())
    every = sp.eye_array(periods * lines, format="csr")
    if given is None:
        return Reference("last year", every, np.tile(problem.lines.prior, periods), whole)
    if isinstance(given, str):
        if given == "last year":
            return reference_plan(problem, None)
        if given != "targets":
            raise InvalidInput(f"reference is an array of amounts, 'last year' or 'targets', got {given!r}")
        return _targets(problem, whole)
    amounts = np.asarray(given, dtype=np.float64)
    if amounts.shape == (lines,):
        amounts = np.broadcast_to(amounts, problem.shape)
    amounts = problem.checked(amounts)
    if amounts.ndim != 2:
        raise InvalidInput(f"a reference has shape {problem.shape}, got {amounts.shape}")
    return Reference("the reference plan", every, amounts.ravel(), whole)


def _targets(problem: Problem, whole: float) -> Reference:
    """Targets of the lowest units that have one: those above them would count the same money twice."""
    stated = np.isfinite(problem.units.target)
    covered = np.zeros_like(stated)
    for level in reversed(problem.tree.levels[1:]):
        parent = problem.tree.parent[level]
        for period in range(problem.shape[0]):
            np.logical_or.at(covered[period], parent, (stated | covered)[period, level])
    where, units = np.nonzero(stated & ~covered)
    if not len(units):
        raise InvalidInput("no unit of this plan has a target to be aligned with")
    entries = problem.membership[units].tocoo()
    row, line = entries.coords
    rows = sp.csr_array(
        (entries.data, (row, where[row] * problem.shape[1] + line)), shape=(len(units), int(np.prod(problem.shape)))
    )
    return Reference("the units' targets", rows, problem.units.target[where, units], whole)
