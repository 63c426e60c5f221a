"""``fiscus frontier``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import numpy as np
import typer

from fiscus.cli.output import NO_PLAN, aside, print_json, read_or_exit, screen, sentences, table, working
from fiscus.core.money import short
from fiscus.errors import NoAllocation

if TYPE_CHECKING:
    from fiscus.optimise.frontier.curve import Frontier, FrontierPoint, Over

MOST_ROWS = 12


def frontier(
    plan: Annotated[Path, typer.Argument(help="Plan folder, or its plan.yaml.")],
    over: Annotated[str, typer.Option(help="budget, risk or alignment.")] = "budget",
    points: Annotated[int, typer.Option(help="How many plans to make along the curve.")] = 50,
    period: Annotated[
        str | None, typer.Option(help="Over the budget: the period that varies; all when not given.")
    ] = None,
    measure: Annotated[
        str | None,
        typer.Option(help="Of risk: cvar:LEVEL, worst, chance:LEVEL or meanvar; the plan's own when not given."),
    ] = None,
    reference: Annotated[str | None, typer.Option(help="Of alignment: 'last year' or 'targets'.")] = None,
    amount: Annotated[float | None, typer.Option(help="Step of the budget whose value is reported.")] = None,
    out: Annotated[Path | None, typer.Option(help="Folder for frontier.csv, frontier.svg and frontier.png.")] = None,
    time_limit: Annotated[float | None, typer.Option(help="Seconds for each plan.")] = None,
    gap: Annotated[float | None, typer.Option(help="Relative gap at which a plan is called optimal.")] = None,
    seed: Annotated[int, typer.Option(help="Of the solver.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print the curve as JSON.")] = False,
) -> None:
    """Trace what more budget buys, what less risk costs, or what staying close to last year costs."""
    from fiscus.optimise.frontier.points import frontier as trace

    with sentences():
        problem = read_or_exit(plan, as_json=as_json)
        try:
            with working("tracing"):
                made = trace(
                    problem,
                    cast("Over", over),
                    points=points,
                    period=period,
                    measure=measure,
                    reference=reference,
                    amount=amount,
                    gap=gap,
                    time_limit=time_limit,
                    seed=seed,
                )
                if out is not None:
                    _write(made, out)
        except NoAllocation as error:
            aside.print(str(error), soft_wrap=True)
            raise typer.Exit(NO_PLAN) from error
        if as_json:
            print_json(made.as_dict())
            return
        _print_curve(made)
        for sentence in made.sentences():
            screen.print(sentence, soft_wrap=True)
        if out is not None:
            screen.print(f"wrote {out / 'frontier.csv'}, frontier.svg and frontier.png", soft_wrap=True)


def _write(made: Frontier, out: Path) -> None:
    out.mkdir(parents=True, exist_ok=True)
    made.table().to_csv(out / "frontier.csv", index=False, lineterminator="\n")
    figure = made.plot()
    figure.savefig(out / "frontier.svg")
    figure.savefig(out / "frontier.png", dpi=150)


def _print_curve(made: Frontier) -> None:
    """About a dozen of the points, both ends and the knee among them."""
    count = len(made.points)
    shown = set(np.linspace(0, count - 1, min(count, MOST_ROWS - 1)).round().astype(int).tolist())
    shown |= {place for place, point in enumerate(made.points) if point is made.knee}
    titles = {"budget": "budget", "risk": "risk", "alignment": "alignment"}
    price = {"budget": "value of one more", "risk": "risk of one more value", "alignment": "value of one more"}
    columns = (titles[made.over], "value", "spent", price[made.over], "gap", "")
    rows = table(*columns, numbers=columns[:-1])
    for place in sorted(shown):
        point = made.points[place]
        rows.add_row(*_cells(made, point), "knee" if point is made.knee else "")
    screen.print(rows)


def _cells(made: Frontier, point: FrontierPoint) -> tuple[str, ...]:
    from fiscus.optimise.frontier.curve import readable

    along = made.place(point)[0] if point.spend is not None else point.parameter
    across = {"budget": f"{along:,.2f}", "risk": readable(along), "alignment": f"{along:.4f}"}[made.over]
    if point.spend is None:
        return across, point.status.replace("_", " "), "", "", ""
    price = "" if np.isnan(point.price) else readable(float(f"{point.price:.4g}"))
    return across, readable(point.value), short(point.spent, made.problem.currency), price, f"{point.gap:.2%}"
