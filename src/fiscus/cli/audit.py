"""``fiscus audit``: the log that nobody can change unseen."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fiscus.cli.office import AsJson, Database, office
from fiscus.cli.output import print_json, screen, sentences, spare, table
from fiscus.errors import InvalidInput

if TYPE_CHECKING:
    from fiscus.workflow.ports import Written

audit = typer.Typer(help="The log: what happened, who did it, and that it is all there.", no_args_is_help=True)


@audit.command("verify")
def verify(
    file: Annotated[Path | None, typer.Argument(help="Export; the database itself when not given.")] = None,
    checkpoint: Annotated[
        list[str] | None, typer.Option(help="SIZE:ROOT that you noted earlier; the log must have passed through it.")
    ] = None,
    db: Database = "",
) -> None:
    """Find any event that was changed, lost, added or moved. An export needs no database."""
    with sentences():
        known = [_noted(each) for each in checkpoint or ()]
        if file is not None:
            from fiscus.workflow.audit.export import verify_export

            told = list(verify_export(file, known).sentences)
        else:
            from fiscus.workflow.audit.replaying import replayed

            with office(db).store.read() as reader:
                told = replayed(reader, known)
        for sentence in told:
            screen.print(sentence, soft_wrap=True)


def _noted(text: str) -> dict[str, Any]:
    size, colon, root = text.partition(":")
    if not colon or not size.isdigit():
        raise InvalidInput(f"--checkpoint {text!r}: write SIZE:ROOT, as fiscus audit checkpoint printed it")
    return {"size": int(size), "root": root}


@audit.command("checkpoint")
def checkpoint(db: Database = "") -> None:
    """Keep the Merkle root of the log as it is, and print it: note it elsewhere, and nobody can rewrite what was before."""
    from fiscus.workflow.canonical import timestamp

    with sentences():
        here = office(db)
        with here.store.begin() as uow:
            head = uow.head()
            if not any(each["size"] == head.size for each in uow.checkpoints()):
                uow.checkpoint({"size": head.size, "root": head.root, "at": timestamp(here.clock())})
            uow.commit()
        screen.print(f"{head.size}:{head.root}", soft_wrap=True)


@audit.command("export")
def export(
    out: Annotated[Path, typer.Argument(help="File to write; it must not be there.")],
    db: Database = "",
) -> None:
    """Write the whole log into one file that a second machine verifies."""
    from fiscus.core.money import how_many
    from fiscus.workflow.audit.export import write_export
    from fiscus.workflow.canonical import timestamp

    with sentences():
        here = office(db)
        with here.store.read() as reader, spare(out).open("wb") as file:
            count = write_export(reader, file, timestamp(here.clock()))
        screen.print(f"wrote {how_many(count, 'event')} to {out}", soft_wrap=True)


@audit.command("show")
def show(
    proposal: Annotated[str, typer.Argument(help="Id of a proposal; everything when not given.")] = "",
    last: Annotated[int | None, typer.Option(min=1, help="Events, the latest; all when not given.")] = None,
    db: Database = "",
    as_json: AsJson = False,
) -> None:
    """What happened, and who did it."""
    with sentences():
        with office(db).store.read() as reader:
            events = list(reader.events(f"proposal/{proposal}" if proposal else ""))
        if proposal and not events:
            raise InvalidInput(f"there is no proposal {proposal!r}")
        events = events[-last:] if last else events
        if as_json:
            print_json([json.loads(event.body) for event in events])
            return
        shown = table("event", "when", "what", "number", "who", "happened", "loud", "why", numbers=("event", "number"))
        for event in events:
            who = event.stamp.actor + (f" for {event.stamp.behalf}" if event.stamp.behalf else "")
            loud = "BROKEN GLASS" if event.data.get("loud") else ""
            shown.add_row(
                *(str(event.seq), event.stamp.at[:19], event.stream, str(event.version), who, event.kind, loud),
                _said(event),
            )
        screen.print(shown)


def _said(event: Written) -> str:
    """What whoever did it said about it: a reason, or a comment."""
    return str(event.data.get("reason") or event.data.get("text") or event.data.get("comment") or "")
