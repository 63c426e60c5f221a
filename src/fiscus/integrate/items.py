"""Lines of a proposal that people wrote themselves, from CSV."""

from __future__ import annotations

import csv
from pathlib import Path

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
    for number, row in _rows(path):
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
        unit.to_minor(row["amount"].replace(",", "")),
        unit.to_minor(prior.replace(",", "")) if prior else None,
        row.get("title", ""),
    )


def _rows(path: Path) -> list[tuple[int, dict[str, str]]]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            columns = list(reader.fieldnames or ())
            missing = [name for name in NEEDED if name not in columns]
            strange = [name for name in columns if name not in (*NEEDED, *OPTIONAL)]
            if missing or strange:
                what = f"the column {missing[0]!r} is missing" if missing else f"there is no column {strange[0]!r}"
                raise InvalidInput(f"{path}: {what}; columns are {', '.join((*NEEDED, *OPTIONAL))}")
            return [
                (number, {name: (value or "").strip() for name, value in row.items() if name is not None})
                for number, row in enumerate(reader, start=2)
            ]
    except (UnicodeDecodeError, csv.Error) as error:
        raise InvalidInput(f"{path} cannot be read: {error}") from error
