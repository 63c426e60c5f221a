"""Figures of a result. Imports matplotlib, so nothing imports this before it is asked."""

from __future__ import annotations

from matplotlib.figure import Figure

from fiscus.core.money import short
from fiscus.optimise.result import Result
from fiscus.optimise.show import unit_table

COLOURS = {"ask": "#c9d3df", "prior": "#8fa3b8", "amount": "#1f5c99"}
LABELS = {"ask": "Request", "prior": "Last year", "amount": "Recommended"}
MOST_UNITS = 15


def overview(result: Result) -> Figure:
    """Request, last year and recommended amount of the units below the root, as horizontal bars.

    Raises:
        NoAllocation: Where there is no allocation.
    """
    table = unit_table(result).head(MOST_UNITS).iloc[::-1]
    figure = Figure(figsize=(9, 0.9 + 0.55 * len(table)), layout="constrained")
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
