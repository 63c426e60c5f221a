"""Scenarios as people list them: scenario, probability, period, line, factor (§7)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from fiscus.core.arrays import frozen
from fiscus.core.cells import near
from fiscus.core.columns import Collector, ColumnReader, Table
from fiscus.core.fields import Column
from fiscus.core.money import Currency
from fiscus.core.process import Scenarios

SCENARIO_COLUMNS = {
    "scenario": Column("id", "Name of the scenario; its rows share one probability."),
    "probability": Column("fraction", "Probability of the scenario; all of them sum to 1.", minimum=0),
    "period": Column("text", "Period the factor applies to; all periods when empty.", default=""),
    "line": Column("text", "Line the factor applies to; all lines when empty.", default=""),
    "factor": Column("number", "What the benefit is multiplied by.", default=1.0, minimum=0),
}
DUST = 1e-6
"""How far listed probabilities may be from summing to 1 before it is an error; less is rounding and is scaled away."""


def read_scenarios(
    table: Table, periods: Sequence[str], lines: Sequence[str], currency: Currency, collector: Collector
) -> Scenarios | None:
    """Multipliers and probabilities; what no row speaks of has the factor 1, and a later row wins.

    Returns:
        The scenarios, or None, with findings, where the table cannot be used.
    """
    reader = ColumnReader(table, SCENARIO_COLUMNS, periods, currency, collector)
    before = collector.failures
    for name in ("scenario", "probability", "factor"):
        if name not in table.columns:
            collector.error(table.name, 1, name, f"the column {name!r} is missing{near(name, table.columns)}")
    for name in table.columns:
        if name not in SCENARIO_COLUMNS and near(name.lower(), SCENARIO_COLUMNS):
            sentence = f"the column is not used{near(name.lower(), SCENARIO_COLUMNS)}"
            collector.add("warning", table.name, 1, name, sentence)
    if not len(table):
        collector.error(table.name, None, None, "the table has no rows; remove it from plan.yaml or fill it")
    names, factors = reader.text("scenario"), reader.numbers("factor", 1.0)
    chances = reader.numbers("probability", np.nan)
    where = [_positions(reader, name, known) for name, known in (("period", periods), ("line", lines))]
    first: dict[str, int] = {}
    for position, (row, name) in enumerate(zip(table.rows, names, strict=True)):
        if not name:
            collector.cell("error", table.name, row, "scenario", "the scenario has no name")
        start = first.setdefault(name, position)
        if np.isnan(chances[position]):
            chances[position] = chances[start]
        if np.isnan(chances[position]):
            collector.cell("error", table.name, row, "probability", f"scenario {name!r} has no probability")
        elif chances[position] != chances[start]:
            sentence = f"scenario {name!r} has probability {chances[position]:g} here and {chances[start]:g} in row {table.rows[start]}"
            collector.cell("error", table.name, row, "probability", sentence)
    if collector.failures > before:
        return None
    probability = np.array([chances[position] for position in first.values()])
    if abs(probability.sum() - 1.0) > DUST:
        collector.error(table.name, None, "probability", f"the probabilities sum to {probability.sum():.9g}, not to 1")
        return None
    theta = np.ones((len(first), len(periods), len(lines)))
    rank = {name: index for index, name in enumerate(first)}
    for name, factor, period, line in zip(names, factors.tolist(), *where, strict=True):
        theta[rank[name], period, line] = factor
    _warn_of_repeats(reader, collector)
    return Scenarios(frozen(theta), frozen(probability / probability.sum()))


def _positions(reader: ColumnReader, name: str, known: Sequence[str]) -> list[int | slice]:
    """Position of each named period or line; all of them for an empty cell."""
    place = {each: index for index, each in enumerate(known)}
    positions: list[int | slice] = []
    for row, word in zip(reader.table.rows, reader.text(name), strict=True):
        if word and word not in place:
            hint = "" if reader.collector.full(reader.table.name, name) else near(word, known)
            reader.collector.cell("error", reader.table.name, row, name, f"no {name} is called {word!r}{hint}")
        positions.append(place.get(word, 0) if word else slice(None))
    return positions


def _warn_of_repeats(reader: ColumnReader, collector: Collector) -> None:
    """Rows that speak of the same scenario, period and line as one before them."""
    first: dict[tuple[str, ...], int] = {}
    keys = zip(*(reader.text(name) for name in ("scenario", "period", "line")), strict=True)
    for row, key in zip(reader.table.rows, keys, strict=True):
        if key in first:
            sentence = f"the row speaks of the same scenario, period and line as row {first[key]}; this one is used"
            collector.cell("warning", reader.table.name, row, "factor", sentence)
        first.setdefault(key, row)
