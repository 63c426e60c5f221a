"""The tables' columns as pandera schemas, so that a data pipeline can check its frames before Fiscus sees them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from fiscus.core.assemble import LINE_COLUMNS, UNIT_COLUMNS
from fiscus.core.cells import read_flag
from fiscus.core.fields import Column
from fiscus.errors import InvalidInput

if TYPE_CHECKING:
    from pandera.pandas import DataFrameSchema

_TABLES = {"units": UNIT_COLUMNS, "lines": LINE_COLUMNS}


def schema(table: Literal["units", "lines"]) -> DataFrameSchema:
    """A schema made from the model's own metadata: types, ranges, choices, unique ids. Other columns are allowed: they are tags.

    Raises:
        InvalidInput: For a table that is none of the two.
    """
    import pandera.pandas as pa

    if table not in _TABLES:
        raise InvalidInput(f"there are schemas for {', '.join(_TABLES)}, not for {table!r}")
    columns = {name: _column(pa, name, column) for name, column in _TABLES[table].items()}
    columns |= {
        f"^{name}@.+$": _column(pa, name, column, by_period=True)
        for name, column in _TABLES[table].items()
        if column.per_period
    }
    return pa.DataFrameSchema(columns, coerce=True, strict=False, name=table)


def _column(pa: Any, name: str, column: Column, *, by_period: bool = False) -> Any:
    checks = []
    if column.minimum is not None:
        checks.append(pa.Check.ge(column.minimum))
    if column.below is not None:
        checks.append(pa.Check.lt(column.below))
    if column.choices:
        checks.append(pa.Check.isin(column.choices))
    number = column.kind in ("money", "number", "fraction", "whole")
    required = column.default is None
    flag = column.kind == "flag"
    if flag:  # Left as they are: to coerce an empty cell, or the word false, to a flag would make it true.
        checks.append(pa.Check(lambda cell: read_flag(cell) is not None, element_wise=True, error="true or false"))
    kind = float if number else None if flag else str
    return pa.Column(
        kind, checks, nullable=not required, unique=name == "id", required=required and not by_period,
        regex=by_period, description=column.help,
    )  # fmt: skip
