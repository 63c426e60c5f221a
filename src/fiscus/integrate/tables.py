"""Plan folders (§7) as CSV, XLSX or Parquet to ``(Problem, findings)``."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fiscus.core.assemble import PLAN, RuleEntry, assemble
from fiscus.core.cells import is_empty, near, short_repr
from fiscus.core.columns import Collector, Table
from fiscus.core.findings import Finding
from fiscus.core.problem import Problem
from fiscus.core.settings import PlanSettings
from fiscus.integrate.yaml_text import YamlFault, read_yaml

LARGEST_FILE = 512 * 1024 * 1024
"""Bytes above which a table is refused rather than read into memory."""
HEADER = 100_000
"""Characters of a file in which its header is looked for."""


def read_plan(path: str | Path) -> tuple[Problem | None, list[Finding]]:
    """Read a plan.

    Args:
        path: The plan's folder, or its ``plan.yaml``.

    Returns:
        The problem, None where any finding is an error; and every finding, with file, row and column.
    """
    given = Path(path)
    try:
        given.stat()
    except FileNotFoundError:
        pass  # Told below, with what to do.
    except (OSError, ValueError) as error:
        why = (error.strerror if isinstance(error, OSError) else None) or str(error)
        return None, [Finding("error", short_repr(str(given)), None, None, f"there is no such plan folder: {why}")]
    return _PlanReader(
        given.parent if given.suffix in (".yaml", ".yml") and not given.is_dir() else given, given
    ).read()


@dataclass
class _PlanReader:
    """Reads one plan folder, and nothing outside it."""

    folder: Path
    given: Path
    collector: Collector = field(default_factory=Collector)

    def read(self) -> tuple[Problem | None, list[Finding]]:
        settings = self._settings()
        if settings is None:
            return None, self.collector.findings
        tables = {key: self._table(settings, key) for key in ("units", "lines", "scenarios")}
        rules = self._rules(settings)
        lines = tables["lines"]
        if lines is None and not self.collector.failed:
            self._error(PLAN, None, "lines", "a plan needs a table of lines")
        if lines is None or self.collector.failed:
            return None, self.collector.findings
        name = settings.get("rules") or "rules.yaml"
        fields, findings = assemble(settings, tables["units"], lines, rules, tables["scenarios"], rules_name=str(name))
        findings = [*self.collector.findings, *findings]
        return (None if fields is None else Problem(**fields)), findings

    def _settings(self) -> dict[str, Any] | None:
        if self.given.suffix in (".yaml", ".yml") and not self.given.is_dir():
            file = self.given
        else:
            file = self.folder / PLAN
            if not self.folder.is_dir():
                self._error(str(self.given), None, None, "there is no such plan folder; fiscus init makes one")
                return None
        text = self._text(file, PLAN)
        node = None if text is None else self._yaml(text, PLAN)[0]
        if text is None or (node is None and self.collector.failed):
            return None
        if not isinstance(node, Mapping):
            self._error(PLAN, 1, None, "a plan is a list of keys such as name, budget and lines")
            return None
        settings = {str(key): value for key, value in node.items()}
        settings.setdefault("name", self.folder.resolve().name)
        self._unnamed(settings)
        return settings

    def _path(self, settings: Mapping[str, Any], key: str) -> Path | None:
        """The file a key names, inside the folder."""
        default = PlanSettings.model_fields[key].default
        name = settings.get(key, default)
        if name is None:
            return None
        if not isinstance(name, str) or not name or "\0" in name:
            self._error(PLAN, None, key, f"{short_repr(name)} is not the name of a file")
            return None
        path = self.folder / name
        try:
            inside = not Path(name).is_absolute() and path.resolve().is_relative_to(self.folder.resolve())
            found = path.is_file()
        except (OSError, ValueError, RuntimeError):  # Too long, not encodable, or a link to itself.
            self._error(PLAN, None, key, f"{short_repr(name)} cannot be the name of a file")
            return None
        if not inside:
            self._error(PLAN, None, key, f"{short_repr(name)} lies outside the plan's folder; copy it in")
            return None
        if not found:
            known = [each.name for each in self.folder.iterdir() if each.is_file()] if self.folder.is_dir() else []
            self._error(PLAN, None, key, f"there is no file {name!r} in the plan's folder{near(name, known)}")
            return None
        return path

    def _unnamed(self, settings: Mapping[str, Any]) -> None:
        """Rules or scenarios that lie in the folder and are not used."""
        for key, default in (("rules", "rules.yaml"), ("scenarios", "scenarios.csv")):
            if key not in settings and (self.folder / default).is_file():
                sentence = (
                    f"the folder holds {default}, which the plan does not use; write {key}: {default}, or {key}: null"
                )
                self.collector.add("warning", PLAN, None, key, sentence)

    def _table(self, settings: Mapping[str, Any], key: str) -> Table | None:
        path = self._path(settings, key)
        if path is None:
            return None
        readers: dict[str, Callable[[Path], Table | None]] = {
            ".csv": self._csv,
            ".xlsx": self._xlsx,
            ".parquet": self._parquet,
        }
        if path.suffix.lower() not in readers:
            self._error(PLAN, None, key, f"{path.name} must be a .csv, .xlsx or .parquet file")
            return None
        if path.stat().st_size > LARGEST_FILE:
            self._error(
                path.name,
                None,
                None,
                f"the file is larger than {LARGEST_FILE // 2**20} MiB; use from_frames for data of that size",
            )
            return None
        return readers[path.suffix.lower()](path)

    def _csv(self, path: Path) -> Table | None:
        text = self._text(path, path.name)
        if text is None:
            return None
        separator = self._separator(text, path.name)
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
        rows: list[tuple[int, list[str]]] = []
        began = 1
        try:
            for cells in reader:
                if any(cell.strip() for cell in cells):
                    rows.append((began, cells))
                    if len(cells) < len(rows[0][1]):
                        short = f"the row has {len(cells)} cells for {len(rows[0][1])} columns; the others were read as empty"
                        self.collector.cell("warning", path.name, began, None, short)
                    elif not any(cell.strip() for cell in cells[len(rows[0][1]) :]) and len(cells) > len(rows[0][1]):
                        long = (  # A decimal comma moves all cells after it by one, an empty last one out of the table.
                            f"the row has {len(cells)} cells for {len(rows[0][1])} columns, the last of them empty; "
                            "put text with commas in quotation marks, and write decimals with a point"
                        )
                        self._error(path.name, began, None, long)
                began = reader.line_num + 1
        except csv.Error as error:
            self._error(path.name, began, None, f"the row cannot be read ({error}); check its quotation marks")
            return None
        return self._from_rows(path.name, rows)

    def _separator(self, text: str, name: str) -> str:
        """What the columns are separated by; it is told where that is no comma."""
        best = separator_of(text)
        if best != ",":
            words = {";": "semicolons", "\t": "tabs"}[best]
            self.collector.add("warning", name, 1, None, f"the columns are separated by {words} and were read so")
        return best

    def _from_rows(self, name: str, rows: list[tuple[int, list[Any]]]) -> Table | None:
        """A table from rows of cells with their line numbers, the first being the header."""
        if not rows:
            self._error(name, None, None, "the file is empty; its first row names the columns")
            return None
        line, header = rows[0][0], ["" if cell is None else str(cell).strip() for cell in rows[0][1]]
        while header and not header[-1]:
            header.pop()
        for position, column in enumerate(header):
            if not column:
                self._error(name, line, None, f"column {position + 1} has no name")
            elif column in header[:position]:
                self._error(name, line, column, f"there are two columns {column!r}; keep one")
        good: list[tuple[int, list[Any]]] = []
        for number, cells in rows[1:]:
            extra = [cell for cell in cells[len(header) :] if not is_empty(cell)]
            if extra:
                sentence = (
                    f"the row has {len(cells)} cells for {len(header)} columns; put text with commas in quotation marks"
                )
                self._error(name, number, None, sentence)
            good.append((number, [*cells[: len(header)], *[None] * (len(header) - len(cells))]))
        columns = {column: [cells[index] for _, cells in good] for index, column in enumerate(header) if column}
        return Table(name, columns, [number for number, _ in good])

    def _xlsx(self, path: Path) -> Table | None:
        try:
            rows, hollow = _sheet(path)
        except Exception as error:  # A damaged workbook can fail anywhere in its archive or its XML.
            self._error(path.name, None, None, f"the workbook cannot be read ({error}); save it again as .xlsx")
            return None
        filled = [(number, cells) for number, cells in rows if any(not is_empty(cell) for cell in cells)]
        header = filled[0][1] if filled else []
        for number, position in hollow:
            column = str(header[position]).strip() if position < len(header) and header[position] is not None else None
            sentence = "the formula has no stored result; open the workbook in a spreadsheet, save it, and try again"
            self.collector.cell("error", path.name, number, column, sentence)
        return self._from_rows(path.name, filled)

    def _parquet(self, path: Path) -> Table | None:
        import pyarrow.parquet as parquet

        try:
            content = parquet.ParquetFile(path).read()
            columns = dict(zip(content.column_names, (column.to_pylist() for column in content.columns), strict=True))
        except Exception as error:  # A damaged file can fail anywhere in its footer, schema or pages.
            self._error(path.name, None, None, f"the file cannot be read as Parquet ({error})")
            return None
        if len(columns) < len(content.column_names):
            self._error(path.name, None, None, "two columns have the same name; keep one")
            return None
        return Table(path.name, columns, range(2, content.num_rows + 2))

    def _rules(self, settings: Mapping[str, Any]) -> list[RuleEntry]:
        path = self._path(settings, "rules")
        text = None if path is None else self._text(path, path.name)
        if path is None or text is None:
            return []
        node, rows = self._yaml(text, path.name)
        if node is None:
            return []
        if not isinstance(node, list):
            self._error(path.name, 1, None, "rules are a list: start each with a dash")
            return []
        return [RuleEntry(content, row) for content, row in zip(node, rows, strict=True)]

    def _yaml(self, text: str, name: str) -> tuple[Any, list[int]]:
        """What a file says, None where it cannot be read, and where the items of its list start."""
        try:
            return read_yaml(text)
        except YamlFault as fault:
            self._error(name, fault.row, None, str(fault))
            return None, []

    def _text(self, path: Path, name: str) -> str | None:
        """A file's text; UTF-8, with or without a byte-order mark."""
        try:
            data = path.read_bytes()
        except OSError as error:
            self._error(name, None, None, f"the file cannot be read: {error.strerror or error}")
            return None
        try:
            text = data.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            row = data[: error.start].count(b"\n") + 1
            self._error(name, row, None, f"byte {error.start} is not UTF-8; save the file as UTF-8")
            return None
        if "\0" in text:
            row = text[: text.index("\0")].count("\n") + 1
            self._error(
                name,
                row,
                None,
                "the file holds a NUL character; it is not text, or was saved as UTF-16; save it as UTF-8",
            )
            return None
        return text

    def _error(self, table: str, row: int | None, column: str | None, sentence: str) -> None:
        self.collector.error(table, row, column, sentence)


def separator_of(text: str) -> str:
    """What stands between the columns of a table: a comma, or what its header uses in place of that."""
    header = next((line for line in re.split(r"[\r\n]+", text[:HEADER]) if line.strip()), "")
    counts = {sign: header.count(sign) for sign in (",", ";", "\t")}
    return max(counts, key=lambda sign: counts[sign])


def _sheet(path: Path) -> tuple[list[tuple[int, list[Any]]], list[tuple[int, int]]]:
    """Filled rows of a workbook's first sheet by their number; and row and place of each formula without a stored result."""
    import openpyxl

    def rows(*, results: bool) -> dict[int, list[Any]]:
        book = openpyxl.load_workbook(path, read_only=True, data_only=results)
        try:
            sheet = book.worksheets[0]
            sheet.reset_dimensions()  # Some programs write a wrong extent, which would cut rows off or pad them.
            numbered = enumerate(sheet.iter_rows(), start=1)
            return {
                number: list(cells)
                for number, cells in numbered
                if any(cell.data_type == "f" or not is_empty(cell.value) for cell in cells)
            }
        finally:
            book.close()

    shown = rows(results=False)
    formulas = [
        (row, place) for row, cells in shown.items() for place, cell in enumerate(cells) if cell.data_type == "f"
    ]
    hollow = []
    if formulas:  # Only then is a second pass, for their results, worth its time.
        results = rows(results=True)
        for row, place in formulas:
            computed = results.get(row, [])
            result = computed[place] if place < len(computed) else None
            # A formula whose stored result is empty text, as IF often gives, says so by its type, "str".
            if result is None or (result.value is None and result.data_type == "n"):
                hollow.append((row, place))
            shown[row][place] = result
    values = [(number, [None if cell is None else cell.value for cell in cells]) for number, cells in shown.items()]
    return values, hollow
