"""Rows of a CSV that people or other programs wrote, with nothing in them passed over."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import TypeAlias

from fiscus.errors import InvalidInput

Rows: TypeAlias = list[tuple[int, dict[str, str]]]
"""Cells by column, each row with the number of the line it begins in."""


def rows_of_file(path: Path, needed: Sequence[str], optional: Sequence[str] | None = None) -> Rows:
    """Rows of a file in UTF-8; arguments and faults as of ``read_rows``."""
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidInput(f"{path} cannot be read: {error}") from error
    return read_rows(text, str(path), needed, optional)


def read_rows(text: str, name: str, needed: Sequence[str], optional: Sequence[str] | None = None) -> Rows:
    """Rows of a table; cells are stripped, and those that are missing at the end of a row are empty.

    Args:
        text: CSV whose first row names the columns; empty rows are passed over.
        name: What faults call it.
        needed: Columns that it has to have.
        optional: Columns that it may have besides; None for any.

    Raises:
        InvalidInput: For a column that is missing, unknown or stands twice; and with every row that has more cells than the header, as
            one with a decimal comma has.
    """
    try:
        lines = _lines(text)
    except csv.Error as error:
        raise InvalidInput(f"{name} cannot be read: {error}") from error
    header = lines[0][1] if lines else []
    columns = list(header)
    while columns and not columns[-1]:  # Spreadsheets leave empty cells behind: in every row as many as in the header.
        columns.pop()
    _check(columns, name, needed, optional)
    faults = [
        f"{name}, row {number}: it has {len(cells)} cells for {len(columns)} columns; put text with commas in quotation marks, and "
        "write decimals with a point."
        for number, cells in lines[1:]
        if len(cells) > len(header) or any(cells[len(columns) :])
    ]
    if faults:
        raise InvalidInput(" ".join(faults))
    return [(number, _row(columns, cells)) for number, cells in lines[1:]]


def _lines(text: str) -> list[tuple[int, list[str]]]:
    """Rows that say something; in quotation marks, one may go over several lines."""
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    found: list[tuple[int, list[str]]] = []
    began = 1
    for cells in reader:
        stripped = [cell.strip() for cell in cells]
        if any(stripped):
            found.append((began, stripped))
        began = reader.line_num + 1
    return found


def _check(columns: list[str], name: str, needed: Sequence[str], optional: Sequence[str] | None) -> None:
    missing = [column for column in needed if column not in columns]
    strange = [] if optional is None else [column for column in columns if column not in (*needed, *optional)]
    if missing or strange:
        what = f"the column {missing[0]!r} is missing" if missing else f"there is no column {strange[0]!r}"
        raise InvalidInput(f"{name}: {what}; columns are {', '.join((*needed, *(optional or ())))}")
    twice = [column for place, column in enumerate(columns) if column and column in columns[:place]]
    if twice:
        raise InvalidInput(f"{name}: there are two columns {twice[0]!r}; keep one")


def _row(columns: list[str], cells: list[str]) -> dict[str, str]:
    return dict(zip(columns, [*cells, *[""] * (len(columns) - len(cells))], strict=False))
