"""A frontier as data: its points, its knee, the value of the next amount of money."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np

from fiscus.core.arrays import FloatArray
from fiscus.core.problem import Problem
from fiscus.optimise.result import Status

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

Over = Literal["budget", "risk", "alignment"]
OVERS: tuple[Over, ...] = get_args(Over)

STRAIGHT = 1e-3
"""Largest distance from the chord of the normalised curve at which it counts as straight, with no knee to speak of."""


@dataclass(frozen=True, eq=False)
class FrontierPoint:
    """One plan of a frontier.

    Attributes:
        parameter: Total budget, least mean value or least alignment.
        status: ``optimal``, ``feasible``, ``infeasible``, ``unbounded`` or ``no_solution``, as in a result.
        value: True objective of the plan; over risk, its true mean value (less penalties of soft rules); NaN without a plan.
        bound: No plan is worth more; over risk, no plan of this mean value has less risk.
        spend: Major units, shape (T, n), read-only; None without a plan.
        spent: Total of the plan over all periods, major units.
        risk: The frontier's measure of the loss, units of value; NaN where there is one scenario only.
        alignment: With the frontier's reference; NaN where no finite budget is there to divide by.
        price: Value of one more unit of the parameter; over risk, the risk that one more unit of mean value costs. Of a plan
            with yes-or-no choices, with these fixed. NaN where the solver gives none.
        gap: Relative gap between what was optimised and its bound.
    """

    parameter: float
    status: Status
    value: float
    bound: float
    spend: FloatArray | None
    spent: float
    risk: float
    alignment: float
    price: float
    gap: float

    def as_dict(self) -> dict[str, Any]:
        """Plain data without the amounts; what is not known is None."""
        plain = {name: getattr(self, name) for name in self.__dataclass_fields__ if name != "spend"}
        return {name: _number(each) if isinstance(each, float) else each for name, each in plain.items()}


@dataclass(frozen=True, eq=False)
class Frontier:
    """A curve of best plans.

    Attributes:
        problem: The plan.
        over: What varies along the curve.
        points: In the order of the parameter.
        current: The plan as it stands: at its own budget; over risk and alignment, its own best plan. None where it has none.
        measure: Risk measure of the points, empty where there is one scenario only.
        reference: Name of the plan that alignment is measured with.
        period: The period whose budget varies; None for all together.
        amount: Money of the step up and down from the current budget, major units; 0 where none was tried.
        richer: The plan with that much more budget; None where there is none.
        poorer: The plan with that much less; None where there is none.
    """

    problem: Problem
    over: Over
    points: tuple[FrontierPoint, ...]
    current: FrontierPoint | None
    measure: str
    reference: str
    period: str | None = None
    amount: float = 0.0
    richer: FrontierPoint | None = None
    poorer: FrontierPoint | None = None

    @property
    def next_million(self) -> float:
        """True value of the next ``amount`` of budget (a million unless the plan is small or huge); NaN over anything else."""
        return _difference(self.richer, self.current)

    @property
    def last_million(self) -> float:
        """True value of the last ``amount`` of the budget there is; NaN over anything else."""
        return _difference(self.current, self.poorer)

    @cached_property
    def knee(self) -> FrontierPoint | None:
        """The point of diminishing returns: farthest above the chord of the normalised curve; None where it is straight.

        Satopaa et al. 2011, "Finding a Kneedle in a Haystack", without smoothing: the curve is exact.
        """
        solved = [point for point in self.points if point.spend is not None]
        if len(solved) < 3:
            return None
        x, y = np.array([self.place(point) for point in solved]).T
        if np.ptp(x) <= 0 or np.ptp(y) <= 0:
            return None
        x, y = (x - x[0]) / np.ptp(x), (y - y[0]) / np.ptp(y)
        above = y - y[-1] * x / x[-1] if x[-1] != 0 else np.zeros(len(x))
        best = int(np.argmax(above))
        return solved[best] if above[best] > STRAIGHT else None

    @property
    def risk_name(self) -> str:
        """The measure of risk in people's words."""
        kind, _, level = self.measure.partition(":")
        if kind == "cvar":
            return f"mean loss of the worst {1.0 - float(level):.4g} of cases"
        if kind == "chance":
            return f"loss not exceeded with probability {float(level):.4g}"
        return "variance of the value" if kind == "meanvar" else "loss in the worst case"

    def place(self, point: FrontierPoint) -> tuple[float, float]:
        """Where a point lies on the picture: budget, risk or alignment along, value up."""
        across = {"budget": point.parameter, "risk": point.risk, "alignment": point.alignment}
        return across[self.over], point.value

    def table(self) -> pd.DataFrame:
        """One row a point, without the amounts; the knee is marked."""
        import pandas as pd

        names = [name for name in FrontierPoint.__dataclass_fields__ if name != "spend"]
        frame = pd.DataFrame([[getattr(point, name) for name in names] for point in self.points], columns=names)
        frame["knee"] = [point is self.knee for point in self.points]
        return frame

    def plot(self) -> Figure:
        """The curve with its knee and the current plan, as a matplotlib figure."""
        from fiscus.optimise.draw import curve

        return curve(self)

    def as_dict(self) -> dict[str, Any]:
        """Plain data: points, knee, current plan and the value of the next and last amount of money."""
        return {
            "plan": self.problem.name,
            "over": self.over,
            "currency": self.problem.currency.code,
            "measure": self.measure or None,
            "reference": self.reference,
            "period": self.period,
            "points": [point.as_dict() for point in self.points],
            "knee": None if self.knee is None else self.knee.as_dict(),
            "current": None if self.current is None else self.current.as_dict(),
            "amount": self.amount or None,
            "next_amount_value": _number(self.next_million),
            "last_amount_value": _number(self.last_million),
        }

    def sentences(self) -> list[str]:
        """Knee and value of the next amount of money, for people."""
        said = []
        if self.knee is None:
            said.append("The curve has no knee: it is straight, or nearly so.")
        else:
            across, value = self.place(self.knee)
            unit = self.problem.currency
            where = {
                "budget": f"a budget of {unit.code} {across:,.0f}",
                "risk": f"a {self.risk_name} of {readable(across)}",
                "alignment": f"an alignment of {across:.3f} with {self.reference}",
            }[self.over]
            said.append(
                f"The knee is at {where}, with a value of {readable(value)}: beyond it less is gained for what is given."
            )
        steps = (("next", "adds", self.next_million), ("last", "added", self.last_million))
        for which, verb, worth in steps:
            if self.amount and np.isfinite(worth):
                said.append(
                    f"The {which} {self.problem.currency.code} {self.amount:,.0f} of budget {verb} {readable(worth)} of value."
                )
        return said

    def __repr__(self) -> str:
        return f"<Frontier of {self.problem.name!r} over {self.over}, {len(self.points)} points>"


def readable(number: float) -> str:
    """A number for tables and sentences: no decimals where it is large, six digits else."""
    return f"{number:,.0f}" if abs(number) >= 1e5 else f"{number:,.6g}"


def _difference(more: FrontierPoint | None, less: FrontierPoint | None) -> float:
    return float(np.nan) if more is None or less is None else more.value - less.value


def _number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
