"""The problem: facts, rules and what is to be maximised, as immutable data (§1)."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from fiscus.core.assemble import RuleEntry, assemble
from fiscus.core.cells import short_repr
from fiscus.core.columns import Table
from fiscus.core.facts import Facts
from fiscus.core.findings import Finding
from fiscus.core.options import METHODS, Method, MethodOptions
from fiscus.core.risk import RiskAversion
from fiscus.core.rules import Rule
from fiscus.core.statement import Statement, state
from fiscus.errors import InvalidPlan


@dataclass(frozen=True, eq=False, kw_only=True)
class Problem(Facts):
    """One allocation problem.

    Attributes:
        rules: What people wrote; the caps and floors of the tables are stated besides.
        method: How the plan is to be made (§4, methods).
        risk: Aversion to risk; None values the mean.
        options: Of the methods.
        counts_value: Whether the objective counts value; else only the penalties of soft rules, which is how a method finds
            the plan nearest to its own.
    """

    rules: tuple[Rule, ...] = ()
    method: Method = "optimise"
    risk: RiskAversion | None = None
    options: MethodOptions = MethodOptions()
    counts_value: bool = True

    @classmethod
    def from_frames(
        cls,
        *,
        lines: Any,
        units: Any = None,
        rules: Sequence[Rule | Mapping[str, Any]] = (),
        scenarios: Any = None,
        **settings: Any,
    ) -> Problem:
        """Build from data frames, or any mappings of column name to cells.

        Args:
            lines: Columns as in ``lines.csv`` (§7); other columns are kept as tags.
            units: Columns as in ``units.csv``; without them every line hangs on one root unit, and needs no ``unit``.
            rules: Rules, or mappings with the keys of ``rules.yaml``.
            scenarios: Columns scenario, probability, period, line, factor.
            **settings: Keys of ``plan.yaml``: budget, periods, currency, method and so on.

        Raises:
            InvalidPlan: With a finding for everything that is wrong; rows count from 1.
        """
        tables = {
            name: _table(name, frame) for name, frame in (("units", units), ("lines", lines), ("scenarios", scenarios))
        }
        entries = [RuleEntry(rule, number) for number, rule in enumerate(rules, start=1)]
        line_table = tables["lines"] if tables["lines"] is not None else Table("lines", {}, [])
        fields, findings = assemble(
            settings, tables["units"], line_table, entries, tables["scenarios"], rules_name="rules"
        )  # fmt: skip
        if fields is None:
            raise InvalidPlan([each for each in findings if each.severity == "error"])
        return cls(**fields)

    @cached_property
    def statement(self) -> Statement:
        """All rules as rows.

        Raises:
            InvalidRule: For a rule that cannot be stated.
        """
        return state(self, self.rules)

    def __getstate__(self) -> dict[str, Any]:
        """Everything but the stated rows, whose phrases are functions: a copy states them anew."""
        return {name: value for name, value in self.__dict__.items() if name != "statement"}

    def but(self, **changes: Any) -> Problem:
        """The same problem with some fields changed."""
        return dataclasses.replace(self, **changes)

    @cached_property
    def digest(self) -> str:
        """SHA-256 of everything that makes the problem, as hex: of the canonical text of ``core.document``."""
        from fiscus.core.document import problem_digest  # It reads problems back, so it needs this module first.

        return problem_digest(self)

    @cached_property
    def rules_digest(self) -> str:
        """SHA-256 of the rules alone, as hex."""
        from fiscus.core.document import rules_digest

        return rules_digest(self)


def _table(name: str, frame: Any) -> Table | None:
    """A frame's cells; None for no frame."""
    if frame is None:
        return None
    names = [str(column) for column in frame]
    twice = sorted({each for each in names if names.count(each) > 1})
    if twice:
        raise InvalidPlan(
            [Finding("error", name, None, each, "two columns have this name; keep one") for each in twice]
        )
    cells = {str(column): _cells(name, str(column), frame[column]) for column in frame}
    sizes = {len(values) for values in cells.values()}
    if len(sizes) > 1:
        raise InvalidPlan([Finding("error", name, None, None, f"its columns have different lengths: {sorted(sizes)}")])
    return Table(name, cells, range(1, max(sizes, default=0) + 1))


def _cells(table: str, name: str, column: Any) -> list[object]:
    """A column's cells as Python's own values where it is an array of numbers."""
    if isinstance(column, np.ndarray) and column.dtype.kind in "fiub":
        return list(column.ravel().tolist())
    if isinstance(column, str) or not hasattr(column, "__iter__"):
        raise InvalidPlan(
            [Finding("error", table, None, name, f"{short_repr(column)} is not a list of cells, one a row")]
        )
    return list(column)


__all__ = ["METHODS", "Method", "MethodOptions", "Problem"]
