"""The main job: Baltimore's FY2024 General Obligation bonds, planned four ways and compared with what people did."""

from __future__ import annotations

import csv
import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from fiscus.core.arrays import FloatArray
from fiscus.core.feasibility import violations
from fiscus.core.methods import pro_rata
from fiscus.core.objective import objective
from fiscus.core.problem import Method, Problem
from fiscus.errors import InvalidPlan
from fiscus.integrate.shipped import shipped_plan
from fiscus.integrate.tables import read_plan
from fiscus.optimise.explain.lines import largest_changes
from fiscus.optimise.report import Context, Standing, report
from fiscus.optimise.report_study import study
from fiscus.optimise.result import Result
from fiscus.optimise.solve import solve

METHODS: tuple[Method, ...] = ("optimise", "hybrid", "top_down", "bottom_up")
PLAN = "baltimore-go-fy2024"
ADOPTED = "what was adopted"
LAST_YEAR = "last year"
NOTES = (
    "There is no assessed benefit in the City's data. Value here is dollars weighted by each bureau's approval rate over the "
    "five years before, with diminishing returns; replace the weights by your own scores.",
    "What was adopted is what people decided, not an optimum: agreement says how alike two decisions are (1 less half the "
    "absolute difference over the envelope), not which one is right. It was never shown to the optimiser. Dollars adopted for "
    "projects that had not asked cannot be matched by any plan made from the requests.",
)


@dataclass(frozen=True, eq=False)
class MainJob:
    """What the main job found.

    Attributes:
        problem: The plan as read.
        results: By method.
        standings: Methods and references side by side.
        notes: How to read them.
        explanations: Of the ten largest changes against last year.
        report: The report's file.
    """

    problem: Problem
    results: Mapping[str, Result]
    standings: Sequence[Standing]
    notes: Sequence[str]
    explanations: Sequence[str]
    report: Path

    @property
    def introduction(self) -> str:
        """What is planned, in a sentence."""
        problem = self.problem
        asked = float(problem.lines.ask.sum())
        return (
            f"{problem.name}: {problem.shape[1]} requests for {problem.currency.code} {asked:,.0f} "
            f"under an envelope of {float(problem.budget.sum()):,.0f}."
        )

    def as_dict(self) -> dict[str, Any]:
        """Plain data for ``--json``."""
        return {
            "plan": self.problem.name,
            "standings": [dataclasses.asdict(row) for row in self.standings],
            "notes": list(self.notes),
            "explanations": list(self.explanations),
            "report": str(self.report),
        }


def run_main_job(out: Path) -> MainJob:
    """Read, check, solve by each method, compare, explain, and write runs and report into a folder.

    Raises:
        InvalidPlan: If the shipped plan were broken.
    """
    folder = shipped_plan(PLAN)
    problem, findings = read_plan(folder)
    if problem is None:
        raise InvalidPlan(findings)
    results: dict[str, Result] = {method: solve(problem, method=method) for method in METHODS}
    adopted = read_outcome(folder / "adopted.csv")
    standings = compare(problem, results, adopted)
    for method, result in results.items():
        result.save(out / method)
    best = results["optimise"]
    context = Context(standings, adopted, "Adopted", NOTES, study(best))
    path = out / "report.html"
    path.write_text(report(best, context), encoding="utf-8")
    explanations = [text for _, _, _, text in largest_changes(best)]
    return MainJob(problem, results, standings, NOTES, explanations, path)


def read_outcome(path: Path) -> dict[str, float]:
    """What people decided, major units by line, from ``adopted.csv``."""
    with path.open(encoding="utf-8", newline="") as file:
        return {row["line"]: float(row["amount"]) for row in csv.DictReader(file)}


def compare(problem: Problem, results: Mapping[str, Result], adopted: Mapping[str, float]) -> list[Standing]:
    """Methods, last year, pro rata and what was adopted, side by side.

    The references are what they are: where they break a rule of the plan or fund what was not asked for, the note says so.
    """
    bound = results["optimise"].bound
    ids = problem.lines.id
    unasked = [amount for line, amount in adopted.items() if line not in problem.line_position]
    outside = sum(unasked)
    decided = np.array([adopted.get(line, 0.0) for line in ids])
    prior = problem.lines.prior
    envelope = float(problem.budget.sum())

    def agreements(amounts: FloatArray, beside: float = 0.0) -> dict[str, float]:
        apart = {
            ADOPTED: float(np.abs(amounts - decided).sum()) + (0.0 if beside else sum(abs(each) for each in unasked)),
            LAST_YEAR: float(np.abs(amounts - prior).sum()),
        }
        return {name: 1.0 - size / (2.0 * envelope) for name, size in apart.items()}

    rows = []
    for method, result in results.items():
        amounts = result.apportionment.amounts
        share = result.value / bound
        rows.append(
            Standing(
                method.replace("_", "-"), result.value, float(amounts.sum()), share, agreements(amounts.sum(axis=0))
            )
        )
    references = (("pro rata", pro_rata(problem)[0], 0.0), (LAST_YEAR, prior, 0.0), (ADOPTED, decided, outside))
    for name, amounts, beside in references:
        inside = np.minimum(amounts, problem.lines.cap[0])
        broken = violations(problem, amounts[None, :])
        notes = [f"breaks {len(broken)} rule row{'s' if len(broken) > 1 else ''} of the plan"] if broken else []
        if beside:
            given, back = sum(each for each in unasked if each > 0), -sum(each for each in unasked if each < 0)
            notes.append(
                f"{given:,.0f} went to projects that had not asked and {back:,.0f} came back from others; this plan values neither"
            )
        value = objective(problem, inside[None, :])
        note = "; ".join(notes)
        rows.append(
            Standing(name, value, float(amounts.sum()) + beside, value / bound, agreements(amounts, beside), note)
        )
    return rows
