"""``fiscus notify``: what goes out to people and programs."""

from __future__ import annotations

import time
from typing import Annotated

import typer

from fiscus.cli.office import AsJson, Database, office
from fiscus.cli.output import print_json, screen, sentences, table
from fiscus.errors import InvalidInput

notify = typer.Typer(
    help="Tell people by e-mail (FISCUS_SMTP_URL) and programs by webhooks what was decided.", no_args_is_help=True
)
webhook = typer.Typer(help="Programs elsewhere that are told.", no_args_is_help=True)
notify.add_typer(webhook, name="webhook")

Private = Annotated[bool, typer.Option("--allow-private", help="Webhooks may go to this machine and its network.")]


@notify.command("send")
def send(db: Database = "", allow_private: Private = False) -> None:
    """Send what is due, once; for a timer of the system."""
    from fiscus.integrate.notify import Settings, deliver

    with sentences():
        here = office(db)
        report = deliver(here.store, Settings.from_environment(allow_private=allow_private), here.clock())
        screen.print(f"{report.sent} sent, {report.failed} to be tried again, {report.dead} given up.")


@notify.command("run")
def run(
    every: Annotated[float, typer.Option(min=1, help="Seconds between looks at the outbox.")] = 5,
    db: Database = "",
    allow_private: Private = False,
) -> None:
    """Send what is due until it is stopped."""
    from fiscus.integrate.notify import Settings, deliver

    with sentences():
        here, settings = office(db, begin=True), Settings.from_environment(allow_private=allow_private)
        while True:
            deliver(here.store, settings, here.clock())
            time.sleep(every)


@notify.command("list")
def list_(
    state: Annotated[str, typer.Option(help="waiting, sent or dead; all when not given.")] = "",
    db: Database = "",
    as_json: AsJson = False,
) -> None:
    """Deliveries, and how far each is."""
    from fiscus.workflow.store.deliveries import Deliveries

    with sentences():
        if state not in ("", "waiting", "sent", "dead"):
            raise InvalidInput(f"--state {state!r}: it is waiting, sent or dead")
        found = Deliveries(office(db).store).all(state)
        if as_json:
            print_json(
                [
                    {
                        "notice": d.number,
                        "topic": d.topic,
                        "to": d.target,
                        "state": d.state,
                        "tries": d.tries,
                        "error": d.error,
                    }
                    for d in found
                ]
            )
            return
        shown = table("notice", "topic", "to", "state", "tries", "next try", "error", numbers=("notice", "tries"))
        for each in found:
            shown.add_row(
                str(each.number), each.topic, each.target, each.state, str(each.tries), each.due[:19], each.error
            )
        screen.print(shown)


@notify.command("retry")
def retry(db: Database = "") -> None:
    """Try everything again that was given up."""
    from fiscus.workflow.store.deliveries import Deliveries

    with sentences():
        here = office(db)
        screen.print(f"{Deliveries(here.store).retry(here.clock())} will be tried again.")


@webhook.command("add")
def add(
    name: Annotated[str, typer.Argument(help="What it is called here.")],
    url: Annotated[str, typer.Argument(help="Where it is told.")],
    topic: Annotated[list[str] | None, typer.Option(help="Only this, as proposal.adopted; may be repeated.")] = None,
    rotate: Annotated[bool, typer.Option("--rotate", help="Sign with a new secret beside the one before.")] = False,
    db: Database = "",
) -> None:
    """Tell a program from now on; prints the secret that it checks signatures with."""
    from fiscus.integrate.notify.webhook import checked_url, new_secret
    from fiscus.workflow.store.deliveries import Deliveries, Webhook

    with sentences():
        kept, secret = Deliveries(office(db, begin=True).store), new_secret()
        checked_url(url)
        before = next((each for each in kept.webhooks() if each.id == name), None)
        if before is not None and not rotate:
            raise InvalidInput(f"there is a webhook {name!r} already; --rotate gives it a new secret")
        earlier = before.secrets[:1] if before else ()
        kept.add_webhook(Webhook(name, url, (secret, *earlier), tuple(topic or (before.topics if before else ()))))
        screen.print(secret, soft_wrap=True)


@webhook.command("list")
def hooks(db: Database = "") -> None:
    """Programs that are told."""
    from fiscus.workflow.store.deliveries import Deliveries

    with sentences():
        shown = table("name", "url", "topics")
        for each in Deliveries(office(db).store).webhooks():
            shown.add_row(each.id, each.url, ", ".join(each.topics) or "all")
        screen.print(shown)


@webhook.command("remove")
def remove(name: Annotated[str, typer.Argument(help="Which.")], db: Database = "") -> None:
    """Tell it no more."""
    from fiscus.workflow.store.deliveries import Deliveries

    with sentences():
        if not Deliveries(office(db).store).remove_webhook(name):
            raise InvalidInput(f"there is no webhook {name!r}")
        screen.print(f"{name} is told no more.", soft_wrap=True)
