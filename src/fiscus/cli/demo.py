"""``fiscus demo``: the main job on a real city's capital budget."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from fiscus.cli.output import print_json, screen, sentences, table, working
from fiscus.core.money import compact


def demo(
    out: Annotated[Path, typer.Option(help="Folder for the runs and the report.")] = Path("runs/demo"),
    as_json: Annotated[bool, typer.Option("--json", help="Print the comparison as JSON.")] = False,
    pages: Annotated[
        bool,
        typer.Option("--pages", help="Leave the recommendation in review, and show it to its approvers in a browser."),
    ] = False,
    port: Annotated[int, typer.Option(help="Port of the pages.")] = 8000,
) -> None:
    """Plan Baltimore's FY2024 General Obligation bonds four ways, compare, and take the recommendation through approval."""
    from fiscus.bootstrap import open_office
    from fiscus.integrate.decision import decide_baltimore
    from fiscus.integrate.main_job import run_main_job

    if pages:
        _pages(out, port)
        return
    with sentences():
        with working("solving Baltimore's FY2024 bond programme"):
            job = run_main_job(out)
            database = out / "fiscus.db"
            for stale in out.glob("fiscus.db*"):
                stale.unlink()  # Every demo begins anew.
            office = open_office(str(database))
            decided = decide_baltimore(office.store, out / "optimise", office.clock())
            office.store.close()
        if as_json:
            print_json(job.as_dict() | {"decision": decided.view.to_json() | {"audit": list(decided.audit)}})
            return
        screen.print(job.introduction, soft_wrap=True)
        names = list(job.standings[0].agreements)
        numbers = ("spent", "value", "of the best", *(f"agrees with {name}" for name in names))
        shown = table("plan", *numbers, numbers=numbers)
        for row in job.standings:
            value = "" if row.value is None else compact(row.value, 2)
            share = "" if row.share_of_bound is None else f"{row.share_of_bound:.1%}"
            agreements = [f"{row.agreements[name]:.2f}" for name in names]
            shown.add_row(row.name, f"{row.spent:,.0f}", value, share, *agreements)
        screen.print(shown)
        for row in job.standings:
            if row.note:
                screen.print(f"{row.name}: {row.note}.", soft_wrap=True)
        for note in job.notes:
            screen.print(note, soft_wrap=True)
        screen.print("\nThe ten largest changes against last year:")
        for text in job.explanations:
            screen.print(f"- {text}", soft_wrap=True)
        screen.print(f"\nwrote {job.report}", soft_wrap=True)
        screen.print("\nThe recommendation as a proposal, through the City's own stages:")
        for text in (*decided.view.sentences[:1], *decided.steps, *decided.audit):
            screen.print(f"- {text}", soft_wrap=True)
        screen.print(
            f"\nwrote {database}: look at it with fiscus show, funds show and audit show, each with --db {database}",
            soft_wrap=True,
        )


def _pages(out: Path, port: int) -> None:
    """A server with the recommendation in review, and links with which a few of its people choose a password."""
    from fiscus.bootstrap import open_office
    from fiscus.integrate.decision import CLERK, PLANNER, baltimore_matrix, propose_baltimore, seats, sign_but_one
    from fiscus.integrate.main_job import run_main_job
    from fiscus.web.serve import serve
    from fiscus.web.settings import Settings
    from fiscus.workflow.identity.sessions import PASSWORD, new_link

    with sentences():
        with working("solving Baltimore's FY2024 bond programme"):
            run_main_job(out)
            for stale in out.glob("pages.db*"):
                stale.unlink()
            office = open_office(str(out / "pages.db"))
            last = sign_but_one(
                office.store, propose_baltimore(office.store, out / "optimise", office.clock()), office.clock()
            )
        settings, people = Settings(f"http://127.0.0.1:{port}"), seats(baltimore_matrix())
        screen.print("Choose a password by one of these links; each works once, for a day:")
        for person, about in (
            (last, "sign: theirs is the last signature of the Planning Commission"),
            (people["board_of_finance"][0], "sign after them, for the Board of Finance"),
            (people["director_of_finance"][0], "release the money once all have signed"),
            (PLANNER, "change it or take it back: they proposed it"),
            (CLERK, "give others a link, on the page People: they administer"),
        ):
            link = f"{settings.origin}/begin/{new_link(office.sign_ins, PASSWORD, person, office.clock())}"
            screen.print(f"{link}\n  {person} can {about}.", soft_wrap=True)
        screen.print(f"\nFiscus is at {settings.origin}; Ctrl-C ends it.", soft_wrap=True)
        serve(office, settings, "127.0.0.1", port, notify=False)
