"""The run folder of §7: what a solve leaves behind for people, programs and the approver."""

from __future__ import annotations

import csv
import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from fiscus.core.document import canonical_text
from fiscus.errors import BrokenRun
from fiscus.optimise.result import Result

MOST_BINDING = 200
"""Binding rows kept in ``result.json``, dearest first; a plan of thousands of capped lines would drown the ones that matter."""


def result_document(result: Result) -> dict[str, Any]:
    """What ``result.json`` holds; numbers that do not exist are null."""
    problem = result.problem
    binding = [
        {
            "rule": each.rule,
            "row": list(each.row),
            "kind": each.kind,
            "bound": _number(each.bound),
            "price": _number(each.price),
        }
        for each in result.binding
    ]
    return {
        "plan": problem.name,
        "status": result.status,
        "method": result.method,
        "route": result.route,
        "value": _number(result.value),
        "bound": _number(result.bound),
        "gap": _number(result.gap),
        "tolerance": result.tolerance,
        "exact_value": _number(result.exact_value),
        "currency": problem.currency.code,
        "periods": list(problem.periods),
        "allocated": _total(result),
        "digests": {"problem": problem.digest, "rules": problem.rules_digest},
        "versions": dict(result.versions),
        "seed": result.seed,
        "timings": dict(result.timings),
        "rounds": result.rounds,
        "binding": binding[:MOST_BINDING],
        "binding_rows": len(binding),
        "duals_of": result.duals_of,
        "reasons": list(result.reasons),
        "proof": _proof(result),
    }


def _proof(result: Result) -> dict[str, Any]:
    """What is proved and what is only reported."""
    if result.solution is None:
        return {"status": "no allocation"}
    proved = result.certificate.bound
    return {
        "proved_bound": _number(proved),
        "proved_gap": _number(result.proved_gap),
        "reported_bound": _number(result.bound),
        "reported_by": REPORTED_BY.get(result.route, "the solver"),
        "status": result.proof_status,
        "cents": _cents(result),
    }


REPORTED_BY = {
    "tree": "the tree solver's own prices",
    "highs": "HiGHS, on a model that over-estimates every curve",
    "pyomo": "HiGHS, on a model that over-estimates every curve",
}
"""Whose word the bound in ``result.json`` is, by route."""


CENTS_HOLD = "every rule holds in exact amounts"
"""What a run says of its amounts where rounding breaks no rule."""


def _cents(result: Result) -> str:
    if result.solution is None:
        return "no allocation"
    unmet = result.apportionment.unmet
    return CENTS_HOLD if not unmet else " ".join(each.sentence for each in unmet)


def _total(result: Result) -> dict[str, str] | None:
    if result.solution is None:
        return None
    totals = result.minor_units.sum(axis=1).tolist()
    return {
        period: str(result.problem.currency.from_minor(total))
        for period, total in zip(result.problem.periods, totals, strict=True)
    }


def _number(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else float(value)


def write(result: Result, run: Path, *, full: bool = False) -> Path:
    """Write the run and return its folder.

    ``problem.json`` is the problem itself, whose SHA-256 the result names; ``certificate.json`` holds the prices that prove the
    bound and the plan before rounding, which proves the value: with them ``fiscus verify`` checks the run without a solver.
    ``result.json`` names the SHA-256 of the report.

    Args:
        result: What to write.
        run: Folder, made if it is not there.
        full: Whether the report also shows the frontier of budgets, how far prices hold and what lines without money need;
            that takes some more solves.
    """
    from fiscus.optimise.report import Context, report
    from fiscus.optimise.report_study import study

    further = Context(study=study(result)) if full and result.solution is not None else None
    page = report(result, further).encode("utf-8")
    plan = None if result.solution is None else result.solution.tolist()
    documents = {
        "result": result_document(result) | {"files": {"report.html": hashlib.sha256(page).hexdigest()}},
        "certificate": result.certificate.as_dict(result.problem) | {"unrounded": plan},
    }
    run.mkdir(parents=True, exist_ok=True)
    for name, content in documents.items():
        text = json.dumps(content, indent=2, ensure_ascii=False) + "\n"
        (run / f"{name}.json").write_text(text, encoding="utf-8")
    (run / "problem.json").write_text(canonical_text(result.problem), encoding="utf-8")
    write_allocation(result, run / "allocation.csv")
    (run / "report.html").write_bytes(page)
    return run


def write_allocation(result: Result, path: Path) -> None:
    """Write exact decimal amounts: period, line, unit, amount. Only the header where there is no allocation."""
    problem = result.problem
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["period", "line", "unit", "amount"])
        if result.solution is None:
            return
        units = [problem.tree.ids[unit] for unit in problem.lines.unit.tolist()]
        for period, amounts in zip(problem.periods, result.minor_units.tolist(), strict=True):
            for line, unit, minor in zip(problem.lines.id, units, amounts, strict=True):
                writer.writerow([period, line, unit, problem.currency.from_minor(minor)])


@dataclass(frozen=True, slots=True)
class SavedRun:
    """A run read back.

    Attributes:
        path: Its folder.
        document: ``result.json``.
        amounts: Exact amount by (period, line).
        units: Unit by line.
    """

    path: Path
    document: Mapping[str, Any]
    amounts: Mapping[tuple[str, str], Decimal]
    units: Mapping[str, str]


def read(run: str | Path) -> SavedRun:
    """Read a run folder.

    Raises:
        BrokenRun: For a missing, unreadable or malformed file; the message names file and row.
    """
    folder = Path(run)
    try:
        document = json.loads((folder / "result.json").read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise BrokenRun(
            f"{folder / 'result.json'} cannot be read ({error}); is this a folder that fiscus solve --out wrote?"
        ) from error
    if not isinstance(document, dict):
        raise BrokenRun(f"{folder / 'result.json'} does not hold a result")
    path = folder / "allocation.csv"
    amounts: dict[tuple[str, str], Decimal] = {}
    units: dict[str, str] = {}
    try:
        with path.open(encoding="utf-8", newline="") as file:
            table = csv.DictReader(file)
            if table.fieldnames is not None and set(table.fieldnames) != {"period", "line", "unit", "amount"}:
                raise BrokenRun(f"{path} has other columns than period, line, unit and amount")
            for number, row in enumerate(table, start=2):
                try:
                    if None in row:
                        raise BrokenRun(f"{path}, row {number}: it has more cells than columns")
                    amount = Decimal(row["amount"])
                    if not amount.is_finite():
                        raise InvalidOperation
                    if (row["period"], row["line"]) in amounts:
                        raise BrokenRun(f"{path}, row {number}: {row['line']} in {row['period']} stands here twice")
                    amounts[row["period"], row["line"]] = amount
                    if units.setdefault(row["line"], row["unit"]) != row["unit"]:
                        raise BrokenRun(f"{path}, row {number}: {row['line']} hangs on another unit than above")
                except (KeyError, TypeError, InvalidOperation) as error:
                    raise BrokenRun(f"{path}, row {number}: expected period, line, unit and amount") from error
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise BrokenRun(f"{path} cannot be read ({error})") from error
    return SavedRun(folder, document, amounts, units)


@dataclass(frozen=True, slots=True)
class Difference:
    """One amount in two runs, exact."""

    period: str
    line: str
    first: Decimal
    second: Decimal

    @property
    def difference(self) -> Decimal:
        """Second less first."""
        return self.second - self.first


@dataclass(frozen=True, slots=True)
class Comparison:
    """Where two runs differ.

    Attributes:
        first: A run.
        second: Another.
        rows: Amounts that differ, largest difference first; a line missing from one run counts as nothing.
    """

    first: SavedRun
    second: SavedRun
    rows: tuple[Difference, ...]

    def sentences(self) -> list[str]:
        """What people want to know first."""
        more = sum((row.difference for row in self.rows if row.difference > 0), Decimal(0))
        less = sum((-row.difference for row in self.rows if row.difference < 0), Decimal(0))
        said = [_run_sentence(run) for run in (self.first, self.second)]
        said.append(
            f"{len(self.rows)} amounts differ: {min(more, less):,} is moved between lines, {more - less:+,} in all."
        )
        if self.first.document.get("digests") != self.second.document.get("digests"):
            said.append("The two runs do not answer the same problem: data or rules differ.")
        return said

    def as_dict(self) -> dict[str, Any]:
        """Plain data, amounts as exact decimal text."""
        return {
            "first": {"path": str(self.first.path), "value": self.first.document.get("value")},
            "second": {"path": str(self.second.path), "value": self.second.document.get("value")},
            "same_problem": self.first.document.get("digests") == self.second.document.get("digests"),
            "rows": [
                {"period": row.period, "line": row.line, "first": str(row.first), "second": str(row.second)}
                for row in self.rows
            ],
        }


def _run_sentence(run: SavedRun) -> str:
    document = run.document
    value = document.get("value")
    worth = f"value {value:,.6g}" if isinstance(value, int | float) else "no value"
    return f"{run.path}: {document.get('plan')}, {document.get('method')}, {document.get('status')}, {worth}"


def compare_runs(first: SavedRun, second: SavedRun) -> Comparison:
    """Amounts that differ between two runs, largest difference first.

    Raises:
        BrokenRun: For runs in different currencies.
    """
    codes = [run.document.get("currency") for run in (first, second)]
    if codes[0] != codes[1]:
        raise BrokenRun(f"{first.path} is in {codes[0]} and {second.path} in {codes[1]}; amounts cannot be compared")
    zero = Decimal(0)
    keys = dict.fromkeys([*first.amounts, *second.amounts])
    rows = [Difference(*key, first.amounts.get(key, zero), second.amounts.get(key, zero)) for key in keys]
    apart = [row for row in rows if row.difference]
    return Comparison(first, second, tuple(sorted(apart, key=lambda row: -abs(row.difference))))
