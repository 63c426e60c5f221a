"""``fiscus init`` and ``fiscus check``."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated

import typer

from fiscus.cli.output import print_json, read_or_exit, screen, sentences
from fiscus.core.problem import Problem


def init(
    directory: Annotated[Path, typer.Argument(help="Folder to make; it must not hold a plan yet.")],
    plan: Annotated[str, typer.Option("--from", help="A shipped plan to copy: its name, or 'template'.")] = "template",
) -> None:
    """Write a commented plan folder that solves as it stands."""
    from fiscus.integrate.template import write_plan

    with sentences():
        for path in write_plan(directory, plan):
            screen.print(f"wrote {path}", soft_wrap=True)
        screen.print(f"Next: fiscus check {directory}, then fiscus solve {directory} --out run", soft_wrap=True)


def check(
    plan: Annotated[Path, typer.Argument(help="Plan folder, or its plan.yaml.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print findings as JSON.")] = False,
) -> None:
    """Say everything that is wrong with a plan, or that nothing is."""
    from fiscus.integrate.tables import read_plan

    with sentences():
        problem = read_or_exit(plan, as_json=as_json)
        if as_json:
            _, findings = read_plan(plan)
            document = {"plan": str(plan), "findings": [each.as_dict() for each in findings], "digest": problem.digest}
            print_json(document)
            return
        periods, lines = problem.shape
        screen.print(
            f"{problem.name}: {lines} lines on {len(problem.tree)} units, {periods} period{'s' if periods > 1 else ''}, "
            f"{len(problem.rules)} rules, {_budget(problem)}. Ready to solve.",
            soft_wrap=True,
        )


def _budget(problem: Problem) -> str:
    total = float(problem.budget.sum())
    return f"budget {problem.currency.code} {total:,.2f}" if math.isfinite(total) else "no limit on the budget"
