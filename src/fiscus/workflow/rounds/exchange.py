"""Asks as tables: from the people who ask, and into the plan that is solved."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from fiscus.core.csv_rows import read_rows
from fiscus.core.money import currency as coin
from fiscus.errors import InvalidInput
from fiscus.workflow.rounds.commands import Ask
from fiscus.workflow.rounds.state import FROZEN, SOLVED, Round

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


def with_asks(lines: str, made: Round, separator: str = ",") -> str:
    """A plan's table of lines with the asks of a round: in ``ask``, or in ``ask@PERIOD`` where there are several periods.

    The column ``fund`` names the fund that each line is asked of; of a round with one fund, also for lines that name none.

    Args:
        lines: CSV.
        made: The round.
        separator: Of the columns.

    Raises:
        InvalidInput: For asks of lines that the plan does not have, and lines that are asked of several funds.
    """
    sheet = _Sheet.of(lines, separator)
    _check_lines(made, set(sheet.ids))
    asked, unit, columns = made.asked, coin(made.currency), _columns(made, "ask", sheet.header)
    funds = {line: fund for line, (fund, *_) in _funds(made).items()}
    only = {fund for each in made.funds.values() for fund in each}
    alone = next(iter(only)) if len(only) == 1 else ""
    for line, row in sheet.rows():
        for period, column in columns.items():
            sheet.put(row, column, str(unit.from_minor(asked.get((period, line), 0))))
        sheet.put(row, "fund", funds.get(line) or sheet.cell(row, "fund") or alone)
    return sheet.text()


def with_targets(units: str, made: Round, separator: str = ",") -> str:
    """A plan's table of units with the targets of a round; where the round sets none, the plan's own stay.

    Args:
        units: CSV.
        made: The round.
        separator: Of the columns.

    Raises:
        InvalidInput: For targets of units that the plan does not have.
    """
    if not made.targets:
        return units
    sheet, unit = _Sheet.of(units, separator), coin(made.currency)
    strange = sorted({name for name, _ in made.targets} - set(sheet.ids))
    if strange:
        raise InvalidInput(
            f"the round has targets for units that are not in the plan: {', '.join(strange)}; add them to the plan's table of "
            "units, or take a plan that has them"
        )
    columns = _columns(made, "target", sheet.header)
    for name, row in sheet.rows():
        for period, column in columns.items():
            if (name, period) in made.targets:
                sheet.put(row, column, str(unit.from_minor(made.targets[name, period])))
    return sheet.text()


def _columns(made: Round, name: str, header: Sequence[str]) -> Mapping[str, str]:
    """Column of each period; one of its own that is there already would overrule the plain one."""
    plain = len(made.funds) == 1
    own = {period: f"{name}@{period}" for period in made.funds}
    return {period: name if plain and column not in header else column for period, column in own.items()}


def _funds(made: Round) -> Mapping[str, list[str]]:
    """Funds that each line is asked of, in order, where it asks for anything."""
    found: dict[str, set[str]] = {}
    for answered in made.answers.values():
        for ask in answered.asks:
            if ask.amount:
                found.setdefault(ask.line, set()).add(ask.fund)
    return {line: sorted(funds) for line, funds in found.items()}


def _check_lines(made: Round, known: set[str]) -> None:
    """Every line must be in the plan, and have one fund, as a plan and its proposal book a line in one."""
    by = {ask.line: (unit, each.by) for unit, each in made.answers.items() for ask in each.asks}
    again = (
        f"after fiscus round reopen {made.id} --why WHY" if made.status in (FROZEN, SOLVED) else "by answering again"
    )

    def told(lines: Sequence[str]) -> str:
        return ", ".join(f"{line!r} ({by[line][0]}, answered by {by[line][1]})" for line in lines)

    strange = [line for line in sorted(by) if line not in known]
    if strange:
        raise InvalidInput(
            f"the plan has no line {told(strange)}: add what is missing to its table of lines with a benefit curve, or let the "
            f"units ask for lines of the plan ({again})"
        )
    torn = [line for line, funds in sorted(_funds(made).items()) if len(funds) > 1]
    if torn:
        raise InvalidInput(
            f"a line is paid from one fund, and more than one is asked for {told(torn)}: give each fund a line of its own in the "
            f"plan, and let the units ask for these ({again})"
        )


@dataclass
class _Sheet:
    """A table whose cells are set by the name of their column."""

    header: list[str]
    body: list[list[str]]
    separator: str

    @classmethod
    def of(cls, text: str, separator: str) -> _Sheet:
        rows = [
            row for row in csv.reader(io.StringIO(text, newline=""), delimiter=separator) if any(map(str.strip, row))
        ]
        return cls([name.strip() for name in rows[0]], rows[1:], separator)

    @property
    def ids(self) -> list[str]:
        return [line for line, _ in self.rows()]

    def rows(self) -> Iterator[tuple[str, list[str]]]:
        for row in self.body:
            yield self.cell(row, "id"), row

    def cell(self, row: list[str], name: str) -> str:
        place = self.header.index(name) if name in self.header else len(row)
        return row[place].strip() if place < len(row) else ""

    def put(self, row: list[str], name: str, value: str) -> None:
        if name not in self.header:
            self.header.append(name)
        row += [""] * (len(self.header) - len(row))
        row[self.header.index(name)] = value

    def text(self) -> str:
        out = io.StringIO()
        full = [[*row, *[""] * (len(self.header) - len(row))] for row in self.body]
        csv.writer(out, delimiter=self.separator, lineterminator="\n").writerows([self.header, *full])
        return out.getvalue()
