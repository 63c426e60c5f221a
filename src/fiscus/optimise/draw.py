"""Figures of a result. Imports matplotlib, so nothing imports this before it is asked."""

from __future__ import annotations

import io

from matplotlib.figure import Figure

from fiscus.core.money import compact, short
from fiscus.optimise.frontier.curve import Frontier
from fiscus.optimise.result import Result
from fiscus.optimise.show import unit_table

COLOURS = {"ask": "#c9d3df", "prior": "#8fa3b8", "amount": "#1f5c99"}
LABELS = {"ask": "Request", "prior": "Last year", "amount": "Recommended"}
MOST_UNITS = 15


class Drawing(Figure):
    """A figure that a notebook shows by itself: plain ones wait for somebody to import pyplot."""

    def _repr_png_(self) -> bytes:
        picture = io.BytesIO()
        self.savefig(picture, format="png", dpi=100)
        return picture.getvalue()


def overview(result: Result) -> Figure:
    """Request, last year and recommended amount of the units below the root, as horizontal bars.

    Raises:
        NoAllocation: Where there is no allocation.
    """
    table = unit_table(result).head(MOST_UNITS).iloc[::-1]
    figure = Drawing(figsize=(9, 0.9 + 0.55 * len(table)), layout="constrained")
    axes = figure.subplots()
    height = 0.27
    for offset, column in zip((height, 0.0, -height), COLOURS, strict=True):
        positions = [row + offset for row in range(len(table))]
        axes.barh(positions, table[column], height=height * 0.92, color=COLOURS[column], label=LABELS[column])
    axes.set_yticks(range(len(table)), table["name"])
    axes.xaxis.set_major_formatter(lambda amount, _position: short(amount, result.problem.currency))
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="x", color="#e6e9ed")
    axes.set_axisbelow(True)
    axes.legend(loc="lower right", frameon=True, edgecolor="none")
    axes.set_title(result.problem.name, loc="left")
    return figure


def curve(frontier: Frontier) -> Figure:
    """Value against budget, risk or alignment, with the knee and the current plan marked."""
    problem, solved = frontier.problem, [point for point in frontier.points if point.spend is not None]
    across, up = [frontier.place(point)[0] for point in solved], [point.value for point in solved]
    figure = Drawing(figsize=(7.5, 4.5), layout="constrained")
    axes = figure.subplots()
    axes.plot(across, up, color=COLOURS["amount"], linewidth=2, marker="o", markersize=3 if len(solved) > 15 else 4.5)
    marks = (("Knee", frontier.knee, "D", "#c4641a"), ("Current plan", frontier.current, "o", "#111827"))
    for label, point, marker, colour in marks:
        if point is not None:
            axes.plot(*frontier.place(point), marker, color=colour, markersize=8, label=label, zorder=3)
    period = f" in {frontier.period}" if frontier.period else ""
    names = {
        "budget": f"Budget{period}, {problem.currency.code}",
        "risk": f"Risk: {frontier.risk_name}, {'squared ' if frontier.measure == 'meanvar' else ''}units of value",
        "alignment": f"Alignment with {frontier.reference} (1: the same amounts)",
    }
    axes.set_xlabel(names[frontier.over])
    axes.set_ylabel("Value, units of value" if problem.scenarios.size == 1 else "Mean value, units of value")
    if frontier.over != "alignment":
        axes.xaxis.set_major_formatter(lambda amount, _position: compact(amount))
    axes.yaxis.set_major_formatter(lambda amount, _position: compact(amount))
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(color="#e6e9ed")
    axes.set_axisbelow(True)
    if axes.get_legend_handles_labels()[0]:
        axes.legend(loc="best", frameon=True, edgecolor="none")
    axes.set_title(problem.name, loc="left")
    return figure
