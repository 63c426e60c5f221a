"""``fiscus verify``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from fiscus.cli.output import NO_PLAN, print_json, print_loud, sentences


def verify(
    run: Annotated[Path, typer.Argument(help="Run folder, as written by fiscus solve --out.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print the checks as JSON.")] = False,
) -> None:
    """Check a run again from its files alone, without a solver: amounts, rules, value and bound."""
    from fiscus.optimise.verify import verify as check

    with sentences():
        verification = check(run)
        if as_json:
            print_json(verification.as_dict())
        else:
            for each in verification.checks:
                print_loud(each.standing, " " * (9 - len(each.standing)) + each.sentence)
    if not verification.holds:
        raise typer.Exit(NO_PLAN)
