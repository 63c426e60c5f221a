"""Asks as tables: from the people who ask, and into the plan that is solved."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping

from fiscus.core.csv_rows import read_rows
from fiscus.core.money import currency as coin
from fiscus.errors import InvalidInput
from fiscus.workflow.rounds.commands import Ask
from fiscus.workflow.rounds.state import Round

COLUMNS = ("line", "title", "period", "fund", "amount", "justification")


def read_asks(text: str, currency: str, name: str = "asks.csv") -> tuple[Ask, ...]:
    """Asks from CSV.

    Args:
        text: With the columns ``COLUMNS``; amounts in major units.
        currency: ISO 4217 code.
        name: What faults call it.

    Raises:
        InvalidInput: With every fault, each naming row and column.
    """
    faults, found, unit = [], [], coin(currency)
    for number, values in read_rows(text, name, COLUMNS):
        try:
            amount = unit.to_minor(values["amount"] or "0")
        except InvalidInput as error:
            faults.append(f"{name}, row {number}, amount: {error}.")
            continue
        found.append(
            Ask(values["line"], values["period"], values["fund"], amount, values["title"], values["justification"])
        )
    if faults:
        raise InvalidInput(" ".join(faults))
    return tuple(found)


def template(made: Round) -> str:
    """An empty table of asks, with one row for each period and fund as an example of how they are called."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    for period, funds in made.funds.items():
        for fund in funds:
            writer.writerow(["", "", period, fund, "0", ""])
    return out.getvalue()


def with_asks(lines: str, made: Round) -> str:
    """A plan's ``lines.csv`` with the asks of a round: in ``ask``, or in ``ask@PERIOD`` where there are several periods.

    Raises:
        InvalidInput: For asks of lines that the plan does not have.
    """
    rows = list(csv.reader(io.StringIO(lines)))
    header, body = rows[0], rows[1:]
    asked, unit = made.asked, coin(made.currency)
    known = {row[header.index("id")] for row in body}
    strange = sorted({line for _, line in asked} - known)
    if strange:
        raise InvalidInput(f"the plan has no line {strange[0]!r}: add it to lines.csv with its benefit curve")
    columns = _columns(made)
    header = [*header, *(column for column in columns.values() if column not in header)]
    for row in body:
        row += [""] * (len(header) - len(row))
        for period, column in columns.items():
            amount = asked.get((period, row[header.index("id")]), 0)
            row[header.index(column)] = str(unit.from_minor(amount))
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows([header, *body])
    return out.getvalue()


def _columns(made: Round) -> Mapping[str, str]:
    periods = list(made.funds)
    return {periods[0]: "ask"} if len(periods) == 1 else {period: f"ask@{period}" for period in periods}
