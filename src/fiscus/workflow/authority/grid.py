"""A matrix as a grid that people read."""

from __future__ import annotations

from dataclasses import dataclass

from fiscus.workflow.authority.matrix import Matrix, Rule, Stage
from fiscus.workflow.authority.wording import cells, stage_words


@dataclass(frozen=True, slots=True)
class Grid:
    """Plain cells.

    Attributes:
        header: Of each column.
        rows: One a rule, as wide as the header.
    """

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def grid(matrix: Matrix) -> Grid:
    """Conditions on the left, stages from left to right as they are passed, then release and reconciliation."""
    longest = max((len(rule.steps) for rule in matrix.rules), default=0)
    steps = tuple(f"Step {number}" for number in range(1, longest + 1))
    amount = f"Amount ({matrix.currency})"
    header = ("Rule", amount, "Change", "Unit", "Risk", "Origin", *steps, "Release", "Reconcile")
    return Grid(header, tuple(_row(rule, longest, matrix) for rule in matrix.rules))


def _row(rule: Rule, longest: int, matrix: Matrix) -> tuple[str, ...]:
    steps = [" + ".join(_cell(stage, matrix) for stage in step) for step in rule.steps]
    missing = [""] * (longest - len(steps))
    ends = (matrix.roles[rule.release], matrix.roles[rule.reconcile])
    return (rule.id, *cells(rule.when, matrix.currency), *steps, *missing, *ends)


def _cell(stage: Stage, matrix: Matrix) -> str:
    """A stage with everything that belongs to it: ``Board of Finance (3 of 5), 21 days, then Mayor too``."""
    parts = [stage_words(stage, matrix)]
    if stage.days:
        parts.append("1 day" if stage.days == 1 else f"{stage.days} days")
    if stage.escalate:
        parts.append(f"then {matrix.roles[stage.escalate]} too")
    if stage.signature:
        parts.append("signed")
    return ", ".join(parts)
