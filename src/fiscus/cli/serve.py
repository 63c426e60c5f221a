"""``fiscus serve``: the approver's pages."""

from __future__ import annotations

from typing import Annotated

import typer

from fiscus.cli.office import Database, office
from fiscus.cli.output import screen, sentences


def serve(
    host: Annotated[str, typer.Option(help="Address to listen at; others than this machine's need TLS in front.")] = (
        "127.0.0.1"
    ),
    port: Annotated[int, typer.Option(help="Port to listen at.")] = 8000,
    base_url: Annotated[str, typer.Option(help="Where people reach it; http://HOST:PORT when not given.")] = "",
    proxy: Annotated[
        list[str] | None, typer.Option(help="Address of a proxy whose X-Forwarded-For is believed; may be repeated.")
    ] = None,
    no_notify: Annotated[bool, typer.Option("--no-notify", help="Leave notices to fiscus notify.")] = False,
    db: Database = "",
) -> None:
    """Show proposals, approvals, budgets and the log in a browser."""
    from fiscus.web.serve import first_link
    from fiscus.web.serve import serve as run
    from fiscus.web.settings import Settings

    with sentences():
        settings = Settings(base_url or f"http://{host}:{port}", proxies=frozenset(proxy or ()))
        here = office(db)
        link = first_link(here, settings)
        screen.print(f"Fiscus is at {settings.origin}", soft_wrap=True, markup=False)
        if link:
            screen.print(
                f"Nobody is here yet. Begin with this link; it works once, for a day:\n{link}",
                soft_wrap=True,
                markup=False,
            )
        run(here, settings, host, port, notify=not no_notify)
