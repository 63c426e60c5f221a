"""What is wrong with data that people sent, said to people (§3.9)."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

Severity = Literal["error", "warning"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing to mend in a table or settings file.

    Attributes:
        severity: ``error`` stops the plan from being used, ``warning`` says what was assumed.
        table: File name as the person knows it, such as ``lines.csv``.
        row: Line number in the file as a text editor or spreadsheet shows it (the header is 1); None for the whole file.
        column: Column or key; None for the whole row.
        sentence: What is wrong and what to do.
    """

    severity: Severity
    table: str
    row: int | None
    column: str | None
    sentence: str

    def __str__(self) -> str:
        where = self.table
        if self.row is not None:
            where += f", row {self.row}"
        if self.column is not None:
            where += f", {self.column}"
        return f"{self.severity}: {where}: {self.sentence}"

    def as_dict(self) -> dict[str, Any]:
        """Plain data for ``--json``."""
        return asdict(self)
