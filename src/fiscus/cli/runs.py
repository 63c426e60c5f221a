"""``fiscus solve`` and ``fiscus compare``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, cast

import typer

from fiscus.cli.output import NO_PLAN, print_json, read_or_exit, screen, sentences, table, working
from fiscus.core.problem import METHODS, Method

MOST_LINES = 15


def solve(
    plan: Annotated[Path, typer.Argument(help="Plan folder, or its plan.yaml.")],
    method: Annotated[
        str | None, typer.Option(help=f"One of {', '.join(METHODS)}; the plan's own when not given.")
    ] = None,
    route: Annotated[str, typer.Option(help="auto, tree, highs or pyomo.")] = "auto",
    out: Annotated[Path | None, typer.Option(help="Folder for result.json, allocation.csv and report.html.")] = None,
    time_limit: Annotated[float | None, typer.Option(help="Seconds; then the best plan so far, with its gap.")] = None,
    gap: Annotated[float | None, typer.Option(help="Relative gap at which a plan is called optimal.")] = None,
    seed: Annotated[int, typer.Option(help="Of the solver.")] = 0,
    full: Annotated[
        bool, typer.Option("--full/--plain", help="Whether the report has the frontier, ranges and flip points too.")
    ] = True,
    as_json: Annotated[bool, typer.Option("--json", help="Print result.json.")] = False,
) -> None:
    """Make a plan and write it out."""
    from fiscus.optimise.solve import Route
    from fiscus.optimise.solve import solve as run

    with sentences():
        problem = read_or_exit(plan, as_json=as_json)
        with working("solving"):
            result = run(
                problem,
                method=cast("Method | None", method),
                route=cast(Route, route),
                time_limit=time_limit,
                gap=gap,
                seed=seed,
            )
            if out is not None:
                result.save(out, full=full)
        if as_json:
            print_json(result.as_dict())
        else:
            screen.print(result.summary(), soft_wrap=True)
            for note in result.reasons if result.solution is not None else ():
                screen.print(note, soft_wrap=True)
            if result.solution is not None:
                _print_units(result)
            if out is not None:
                screen.print(f"wrote {out / 'result.json'}, allocation.csv and report.html", soft_wrap=True)
    if result.solution is None:
        raise typer.Exit(NO_PLAN)


def _print_units(result: object) -> None:
    from fiscus.optimise.result import Result
    from fiscus.optimise.show import unit_table

    units = unit_table(cast(Result, result))
    shown = table("unit", "last year", "request", "recommended", numbers=("last year", "request", "recommended"))
    for row in units.head(MOST_LINES).itertuples():
        shown.add_row(str(row.name), f"{row.prior:,.0f}", f"{row.ask:,.0f}", f"{row.amount:,.0f}")
    screen.print(shown)
    if len(units) > MOST_LINES:
        screen.print(f"and {len(units) - MOST_LINES} more units")


def compare(
    first: Annotated[Path, typer.Argument(help="Run folder.")],
    second: Annotated[Path, typer.Argument(help="Run folder.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print the comparison as JSON.")] = False,
) -> None:
    """Say where two runs differ."""
    from fiscus.optimise.run_folder import compare_runs, read

    with sentences():
        comparison = compare_runs(read(first), read(second))
        if as_json:
            print_json(comparison.as_dict())
            return
        for sentence in comparison.sentences():
            screen.print(sentence, soft_wrap=True)
        shown = table("period", "line", "first", "second", "difference", numbers=("first", "second", "difference"))
        for row in comparison.rows[:MOST_LINES]:
            shown.add_row(row.period, row.line, f"{row.first:,}", f"{row.second:,}", f"{row.difference:+,}")
        screen.print(shown)
        if len(comparison.rows) > MOST_LINES:
            screen.print(f"and {len(comparison.rows) - MOST_LINES} more lines differ")
