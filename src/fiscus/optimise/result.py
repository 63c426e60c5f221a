"""What a solve gives: never None, never a bare solver exception (§1, §7)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from fiscus.core.apportion import Apportionment, apportion
from fiscus.core.arrays import FloatArray, IntArray
from fiscus.core.money import compact, format_amount
from fiscus.core.objective import objective
from fiscus.core.problem import Method, Problem
from fiscus.core.rows import Label
from fiscus.errors import NoAllocation
from fiscus.optimise.certificate import Boxes, Certificate
from fiscus.optimise.pieces import Points

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

PROVED_GAP = 1e-6
"""Relative gap within which a bound counts as proved, rounding to minor units included."""

NEXT_TO_NOTHING = 1e-4

Status = Literal["optimal", "feasible", "infeasible", "unbounded", "no_solution"]


@dataclass(frozen=True, slots=True)
class Binding:
    """A row that holds with nothing to spare.

    Attributes:
        rule: Id of the rule; ``unit X`` and ``line X`` for the tables' own limits, ``budget`` for the money.
        row: What the row speaks of, rule id first.
        kind: Kind of the rule.
        bound: The limit that binds, in the rule's unit.
        price: Value of one more unit of the limit; for a MILP, of the problem with its yes-or-no choices fixed. None where the
            solver gave none.
    """

    rule: str
    row: Label
    kind: str
    bound: float
    price: float | None


def relative_gap(value: float, bound: float, stake: float = 0.0) -> float:
    """``(bound - value) / max(|value|, |bound|)``; inf where nothing is proven, NaN where there is no plan.

    Where the best is next to nothing, as when no project is worth its money, the gap is relative to what is at stake: the benefits
    and costs of all that could be bought.
    """
    if not np.isfinite(value):
        return np.nan
    if not np.isfinite(bound):
        return np.inf
    size = max(abs(value), abs(bound))
    if np.isfinite(stake) and size < NEXT_TO_NOTHING * stake:
        size = stake
    return 0.0 if bound <= value or size < 1e-12 else (bound - value) / size


@dataclass(frozen=True, eq=False)
class Result:
    """The answer to one problem.

    Attributes:
        problem: What was asked; its objective is ``value``.
        method: How the plan was made.
        route: What solved it.
        status: ``optimal`` (gap inside tolerance), ``feasible`` (a plan with a gap), ``infeasible``, ``unbounded`` or
            ``no_solution`` (a limit was reached with nothing in hand).
        value: True objective of the allocation by ``fiscus.core.objective``; NaN without one.
        bound: No plan is worth more than this; inf where nothing is proven.
        gap: ``(bound - value) / max(|value|, |bound|)``; NaN without an allocation.
        solution: Allocation, major units, shape (T, n), or None.
        binding: Rows that bind, dearest first.
        duals_of: What the prices are duals of: ``problem`` or ``problem with integers fixed``; empty when there are none.
        reasons: Sentences that say why there is no plan, or what to know about this one.
        versions: Of Fiscus and of the solver.
        seed: Of the solver.
        timings: Seconds by part.
        rounds: Times the model was solved, more than once where smooth curves were refined.
        boxes: Prices of rows that prove a bound; None where the search left none, as with yes-or-no choices.
        points: Where the last model touched smooth curves; None where there was none.
        tolerance: Relative gap at which the plan is called optimal.
    """

    problem: Problem
    method: Method
    route: str
    status: Status
    value: float
    bound: float
    gap: float
    solution: FloatArray | None
    binding: tuple[Binding, ...] = ()
    duals_of: str = ""
    reasons: tuple[str, ...] = ()
    versions: Mapping[str, str] = field(default_factory=dict)
    seed: int = 0
    timings: Mapping[str, float] = field(default_factory=dict)
    rounds: int = 1
    boxes: Boxes | None = None
    points: Points | None = None
    tolerance: float = PROVED_GAP

    @property
    def allocation(self) -> FloatArray:
        """Money committed, major units, shape (T, n), in the order of ``problem.lines``; read-only.

        Raises:
            NoAllocation: Where there is none; the message gives the reasons.
        """
        if self.solution is None:
            why = " ".join(self.reasons) or "the solve ended without one."
            raise NoAllocation(f"there is no allocation ({self.status}): {why}")
        return self.solution

    @cached_property
    def apportionment(self) -> Apportionment:
        """The allocation in minor units, adding up at every node to the cent (§3.1).

        Raises:
            NoAllocation: Where there is no allocation.
        """
        return apportion(self.problem, self.allocation)

    @property
    def minor_units(self) -> IntArray:
        """Exact amounts in minor units, shape (T, n).

        Raises:
            NoAllocation: Where there is no allocation.
        """
        return self.apportionment.minor

    @cached_property
    def certificate(self) -> Certificate:
        """Prices of rows and the bound they prove without a solver; where the search left none, of the linear relaxation."""
        from fiscus.optimise.prove import certificate

        return certificate(self)

    @property
    def proved_gap(self) -> float:
        """Relative gap between the exact amounts and the bound that is proved without a solver; NaN without an allocation."""
        return relative_gap(self.exact_value, self.certificate.bound)

    @property
    def proof_status(self) -> str:
        """``proved`` where the proved gap is within the gap asked for, ``reported`` where only the solver says so, else ``open``."""
        if self.solution is None:
            return "open"
        if self.proved_gap <= max(self.tolerance, PROVED_GAP):
            return "proved"
        return "reported" if self.status == "optimal" else "open"

    @cached_property
    def exact_value(self) -> float:
        """True objective of the exact amounts; NaN without an allocation."""
        return objective(self.problem, self.apportionment.amounts) if self.solution is not None else float(np.nan)

    def table(self) -> pd.DataFrame:
        """One row for each period and line: unit, request, last year, amount, share of the request.

        Raises:
            NoAllocation: Where there is no allocation.
        """
        from fiscus.optimise.show import allocation_table

        return allocation_table(self)

    def compare(self, other: Result) -> pd.DataFrame:
        """Amounts of two results side by side, largest difference first.

        Raises:
            NoAllocation: Where either has none.
        """
        from fiscus.optimise.show import comparison_table

        return comparison_table(self, other)

    def plot(self) -> Figure:
        """Request, last year and amount of each unit, as a matplotlib figure.

        Raises:
            NoAllocation: Where there is no allocation.
        """
        from fiscus.optimise.draw import overview

        return overview(self)

    def explain(self, line: str) -> str:
        """Why a line got what it got, in sentences.

        Raises:
            InvalidInput: For a line that does not exist.
            NoAllocation: Where there is no allocation.
        """
        from fiscus.optimise.explain.lines import explain_line

        return explain_line(self, line)

    def save(self, run: str | Path, *, full: bool = False) -> Path:
        """Write the run folder of §7: ``result.json``, ``allocation.csv``, ``report.html``, and what proves them.

        Args:
            run: Folder.
            full: Whether the report also shows the frontier of budgets, how far prices hold and what lines without money need;
                that takes some more solves.

        Returns:
            The folder.
        """
        from fiscus.optimise.run_folder import write

        return write(self, Path(run), full=full)

    def as_dict(self) -> dict[str, Any]:
        """What ``result.json`` holds, as plain data."""
        from fiscus.optimise.run_folder import result_document

        return result_document(self)

    def summary(self) -> str:
        """One line for people."""
        if self.solution is None:
            return f"{self.problem.name}: {self.status}. {' '.join(self.reasons)}"
        total = format_amount(int(self.minor_units.sum()), self.problem.currency)
        proof = f"bound {compact(self.bound, 3)}, gap {self.gap:.2%}" if np.isfinite(self.bound) else "no bound"
        return (
            f"{self.problem.name}: {self.status} by {self.method} ({self.route}); "
            f"{self.problem.currency.code} {total} allocated, value {compact(self.value, 3)}, {proof}"
        )

    def __repr__(self) -> str:
        return f"<Result {self.summary()}>"

    def _repr_html_(self) -> str:
        from fiscus.optimise.show import result_html

        return result_html(self)
