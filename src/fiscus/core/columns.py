"""Reading whole columns of tables by the model's own metadata, collecting every finding (§3.9)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from fiscus.core.arrays import FloatArray
from fiscus.core.cells import LARGEST_NUMBER, is_empty, near, read_flag, read_number, read_points, text_of, to_the_cent
from fiscus.core.fields import Column
from fiscus.core.findings import Finding, Severity
from fiscus.core.money import LARGEST_MINOR, Currency

MOST_PER_COLUMN = 20
"""Findings of one severity in one column that are told one by one; the rest are counted."""
LONGEST_SENTENCE = 500
"""Characters of a sentence that are told; cells can hold whole books."""


@dataclass(frozen=True, slots=True)
class Table:
    """Raw cells.

    Attributes:
        name: File as the person knows it.
        columns: Cells by column name: text, numbers, flags or None.
        rows: Line number of each row in the file, the header being 1.
    """

    name: str
    columns: Mapping[str, Sequence[object]]
    rows: Sequence[int]

    def __len__(self) -> int:
        return len(self.rows)


@dataclass
class Collector:
    """Findings as they come up.

    Attributes:
        findings: In the order they were told.
        failures: How many are errors, those that are only counted included.
    """

    findings: list[Finding] = field(default_factory=list)
    failures: int = 0
    _bad: set[tuple[str, int | None, str | None]] = field(default_factory=set)
    _told: dict[tuple[Severity, str, str | None], int] = field(default_factory=dict)
    _more: dict[tuple[Severity, str, str | None], int] = field(default_factory=dict)

    def add(self, severity: Severity, table: str, row: int | None, column: str | None, sentence: str) -> None:
        """Note one thing."""
        if len(sentence) > LONGEST_SENTENCE:
            sentence = sentence[:LONGEST_SENTENCE] + "..."
        self.findings.append(Finding(severity, table, row, column, sentence))
        if severity == "error":
            self.failures += 1
            self._bad.add((table, row, column))

    def error(self, table: str, row: int | None, column: str | None, sentence: str) -> None:
        """Note one thing that stops the plan."""
        self.add("error", table, row, column, sentence)

    def cell(self, severity: Severity, table: str, row: int, column: str | None, sentence: str) -> None:
        """Note one thing about a cell; beyond :data:`MOST_PER_COLUMN` in its column it is only counted."""
        key = (severity, table, column)
        self._told[key] = self._told.get(key, 0) + 1
        if self._told[key] <= MOST_PER_COLUMN:
            self.add(severity, table, row, column, sentence)
            return
        more = f"and {self._told[key] - MOST_PER_COLUMN} more cells like these"
        place = self._more.setdefault(key, len(self.findings))
        self.findings[place : place + 1] = [Finding(severity, table, None, column, more)]
        if severity == "error":
            self.failures += 1
            self._bad.add((table, row, column))

    def full(self, table: str, column: str) -> bool:
        """Whether one more error in the column would only be counted, so that its hint need not be looked for."""
        return self._told.get(("error", table, column), 0) >= MOST_PER_COLUMN

    def is_bad(self, table: str, row: int, column: str) -> bool:
        """Whether a cell already has an error."""
        return (table, row, column) in self._bad

    @property
    def failed(self) -> bool:
        """Whether any finding stops the plan."""
        return self.failures > 0


@dataclass
class ColumnReader:
    """Reads the columns of one table.

    Attributes:
        table: Its cells.
        spec: What its columns mean, by name.
        periods: The plan's period names.
        currency: The plan's currency.
        collector: Where findings go.
    """

    table: Table
    spec: Mapping[str, Column]
    periods: Sequence[str]
    currency: Currency
    collector: Collector

    def check_header(self) -> None:
        """Names that look like a known column but are not, and ``@`` columns that mean nothing."""
        for name in self.table.columns:
            base, at, period = name.partition("@")
            if not at:
                hint = near(name.strip().lower(), self.spec) if name not in self.spec else ""
                if hint:
                    self.collector.add("warning", self.table.name, 1, name, f"kept as a tag{hint}")
                continue
            varying = [known for known, column in self.spec.items() if column.per_period]
            if base not in varying:
                self._header_error(name, f"{base!r} cannot vary by period; {', '.join(varying) or 'no column'} can")
            elif period not in self.periods:
                self._header_error(name, f"no period is called {period!r}; the periods are {', '.join(self.periods)}")

    def _header_error(self, name: str, sentence: str) -> None:
        self.collector.error(self.table.name, 1, name, sentence)

    def check_currency(self) -> None:
        """A currency column must name the plan's currency everywhere."""
        for row, cell in zip(self.table.rows, self.table.columns.get("currency", ()), strict=False):
            code = text_of(cell)
            if code and code.upper() != self.currency.code:
                sentence = f"this row is in {code}, the plan is in {self.currency.code}; convert it, currencies cannot be mixed"
                self.collector.cell("error", self.table.name, row, "currency", sentence)

    def tags(self) -> dict[str, tuple[str, ...]]:
        """Columns that are not the model's own, as text."""
        own = {name for name in self.table.columns if "@" not in name and name not in self.spec}
        return {name: tuple(self._as_text(name, cells)) for name, cells in self.table.columns.items() if name in own}

    def text(self, name: str) -> list[str]:
        """A text column; an absent one is empty."""
        cells = self.table.columns.get(name)
        return [""] * len(self.table) if cells is None else self._as_text(name, cells)

    def _as_text(self, name: str, cells: Sequence[object]) -> list[str]:
        """Cells as text; half characters, which no file can hold, are errors."""
        words = [text_of(cell) for cell in cells]
        try:
            "".join(words).encode()
        except UnicodeEncodeError:
            for row, word in zip(self.table.rows, words, strict=True):
                if any("\ud800" <= sign <= "\udfff" for sign in word) and not self.collector.is_bad(
                    self.table.name, row, name
                ):
                    sentence = "half a character (a lone surrogate) is not text; write the character itself"
                    self.collector.cell("error", self.table.name, row, name, sentence)
        return words

    def numbers(self, name: str, empty: float) -> FloatArray:
        """A column of numbers, shape (n,); what cannot be read is NaN and an error."""
        return self._numbers(name, self.spec[name], empty, np.full(len(self.table), empty))

    def numbers_by_period(self, name: str, empty: float) -> FloatArray:
        """A column of numbers with its per-period overrides, shape (T, n)."""
        column = self.spec[name]
        base = self._numbers(name, column, empty, np.full(len(self.table), empty))
        every = np.tile(base, (len(self.periods), 1))
        for position, period in enumerate(self.periods):
            every[position] = self._numbers(f"{name}@{period}", column, empty, every[position])
        return every

    def _numbers(self, header: str, column: Column, empty: float, default: FloatArray) -> FloatArray:
        cells = self.table.columns.get(header)
        if cells is None:
            return default
        values = default.copy()
        for position, (row, cell) in enumerate(zip(self.table.rows, cells, strict=True)):
            if is_empty(cell) or (isinstance(cell, float) and np.isnan(cell) and self._missing_is_nan):
                continue
            read = read_number(cell, self.currency, fraction=column.kind == "fraction")
            value, sentence = read.value, read.sentence
            severity: Severity | None = read.severity
            if value is not None and severity != "error":
                fault = self._fault(column, value)
                severity, sentence = ("error", fault) if fault else (severity, sentence)
            if value is not None and column.kind == "money" and severity != "error":
                value, changed = to_the_cent(value, self.currency)
                if changed and severity is None:
                    severity, sentence = (
                        "warning",
                        f"{text_of(cell)} was rounded to {value:.12g}, the decimals of {self.currency.code}",
                    )
            values[position] = np.nan if value is None or severity == "error" else value
            if severity is not None:
                self.collector.cell(severity, self.table.name, row, header, sentence)
        return values

    @property
    def _missing_is_nan(self) -> bool:
        """Data frames say NaN for an empty cell; files do not."""
        return "." not in self.table.name

    def _fault(self, column: Column, value: float) -> str:
        """What puts a number out of its column's range; empty for nothing."""
        most = LARGEST_MINOR / 10.0**self.currency.exponent if column.kind == "money" else LARGEST_NUMBER
        if column.minimum is not None and value < column.minimum:
            return f"{value:.12g} is below {column.minimum:g}, the least it can be"
        if abs(value) >= most:
            hint = (
                "; leave the cell empty where there is no limit"
                if column.kind == "money" and column.default == "none"
                else ""
            )
            return f"{value:.12g} is too large; the largest number is {most:.3g}{hint}"
        if column.below is not None and value >= column.below:
            hint = (
                f"; if {value:g} percent is meant, write {value / 100:.12g}"
                if column.kind == "fraction" and value > 1
                else ""
            )
            return f"{value:.12g} must be below {column.below:g}{hint}"
        return ""

    def flags(self, name: str) -> list[bool]:
        """A column of yes and no."""
        return [bool(each) for each in self._converted(name, read_flag, bool(self.spec[name].default), "true or false")]

    def points(self, name: str) -> list[tuple[tuple[float, float], ...] | None]:
        """A column of breakpoints; None where the cell is empty."""
        return self._converted(name, read_points, None, "points such as 0:0;100:80;200:120")

    def _converted(self, name: str, read: Any, empty: Any, expected: str) -> list[Any]:
        cells = self.table.columns.get(name)
        if cells is None:
            return [empty] * len(self.table)
        values = []
        for row, cell in zip(self.table.rows, cells, strict=True):
            value = empty if not text_of(cell) else read(cell)
            if value is None and text_of(cell):
                self.collector.cell("error", self.table.name, row, name, f"{text_of(cell)!r} is not {expected}")
                value = empty
            values.append(value)
        return values

    def choices(self, name: str) -> list[str]:
        """A column of words from a known list."""
        column = self.spec[name]
        values = []
        for row, word in zip(self.table.rows, self.text(name), strict=True):
            word = word.lower() or str(column.default)
            if word not in column.choices:
                hint = near(word, column.choices) or f"; it is one of {', '.join(column.choices)}"
                self.collector.cell("error", self.table.name, row, name, f"{word!r} is not a {name}{hint}")
                word = str(column.default)
            values.append(word)
        return values

    def ids(self, name: str = "id") -> list[str]:
        """The id column; missing and repeated ids are errors."""
        ids = self.text(name)
        first: dict[str, int] = {}
        for row, each in zip(self.table.rows, ids, strict=True):
            if not each:
                self.collector.cell("error", self.table.name, row, name, "the id is empty; give every row its own")
            elif each in first:
                sentence = f"{each!r} stands here and in row {first[each]}; ids must differ"
                self.collector.cell("error", self.table.name, row, name, sentence)
            first.setdefault(each, row)
        return ids
