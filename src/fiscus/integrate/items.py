"""Lines of a proposal that people wrote themselves, from CSV."""

from __future__ import annotations

from pathlib import Path

from fiscus.core.csv_rows import rows_of_file
from fiscus.core.money import Currency, currency
from fiscus.errors import InvalidInput
from fiscus.integrate.proposing import GENERAL
from fiscus.workflow.proposal.content import Content, Item, checked

NEEDED = ("period", "line", "unit", "amount")
OPTIONAL = ("fund", "prior", "title")


def content_of_table(
    path: Path, code: str, *, title: str, justification: str = "", risk: str = "", parent: str = ""
) -> Content:
    """A proposal made by hand.

    Args:
        path: CSV with the columns period, line, unit and amount, and if one likes fund, prior and title; amounts in major units. Of a
            reallocation amounts are changes, below zero where money is taken away.
        code: ISO 4217 code of the currency.
        title: What the money is for.
        justification: Why.
        risk: Band, where the authority matrix has bands.
        parent: Proposal whose money is moved; empty for a proposal of its own.

    Raises:
        InvalidInput: With every fault, each naming row and column.
    """
    unit = currency(code)
    faults: list[str] = []
    items: list[Item] = []
    for number, row in rows_of_file(path, NEEDED, OPTIONAL):
        try:
            items.append(_item(row, unit))
        except InvalidInput as error:
            faults.append(f"{path}, row {number}: {error}.")
    if faults:
        raise InvalidInput(" ".join(faults))
    return checked(Content(title, code, tuple(items), "manual", risk, justification, parent))


def _item(row: dict[str, str], unit: Currency) -> Item:
    prior = row.get("prior", "")
    return Item(
        row["period"],
        row["line"],
        row["unit"],
        row.get("fund") or GENERAL,
        unit.to_minor(row["amount"]),
        unit.to_minor(prior) if prior else None,
        row.get("title", ""),
    )
