"""``fiscus serve``: the approver's pages."""

from __future__ import annotations

from typing import Annotated

import typer

from fiscus.cli.office import Database, office
from fiscus.cli.output import aside, print_loud, screen, sentences


def serve(
    host: Annotated[str, typer.Option(help="Address to listen at; others than this machine's need TLS in front.")] = (
        "127.0.0.1"
    ),
    port: Annotated[int, typer.Option(help="Port to listen at.")] = 8000,
    base_url: Annotated[str, typer.Option(help="Where people reach it; http://HOST:PORT when not given.")] = "",
    proxy: Annotated[
        list[str] | None, typer.Option(help="Address of a proxy whose X-Forwarded-For is believed; may be repeated.")
    ] = None,
    oidc_issuer: Annotated[
        str, typer.Option(help="OpenID provider that people may sign in with, as https://login.example.org.")
    ] = "",
    oidc_client_id: Annotated[
        str, typer.Option(help="What the provider calls this server; its secret is in FISCUS_OIDC_CLIENT_SECRET.")
    ] = "",
    oidc_name: Annotated[str, typer.Option(help="What people call the provider; stands on the button.")] = "",
    oidc_no_email: Annotated[
        bool,
        typer.Option(
            "--oidc-no-email", help="Tie no account by its verified e-mail address; people tie theirs themselves."
        ),
    ] = False,
    no_notify: Annotated[bool, typer.Option("--no-notify", help="Leave notices to fiscus notify.")] = False,
    db: Database = "",
) -> None:
    """Show proposals, approvals, budgets and the log in a browser."""
    import os

    from fiscus.integrate.openid import provider_from
    from fiscus.web.serve import first_link, provider_trouble
    from fiscus.web.serve import serve as run
    from fiscus.web.settings import Settings

    with sentences():
        provider = provider_from(oidc_issuer, oidc_client_id, os.environ, name=oidc_name, by_email=not oidc_no_email)
        settings = Settings(base_url or f"http://{host}:{port}", provider, frozenset(proxy or ()))
        trouble = provider_trouble(settings)
        here = office(db, begin=True)
        link = first_link(here, settings)
        screen.print(f"Fiscus is at {settings.origin}", soft_wrap=True)
        if provider:
            known = f"{provider.name} has to know this redirect URI: {settings.callback}"
            screen.print(known, soft_wrap=True)
        if trouble:
            print_loud("warning", f": {trouble}", aside)
        if link:
            screen.print(
                f"Nobody is here yet. Begin with this link; it works once, for a day:\n{link}",
                soft_wrap=True,
            )
        run(here, settings, host, port, notify=not no_notify)
