"""``fiscus draft``, ``edit``, ``reallocate`` and ``expire``: proposals that people write and change themselves."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fiscus.cli.office import Behalf, Database, Person, Proposal, Reason, acting, office
from fiscus.cli.output import screen, sentences
from fiscus.errors import InvalidInput

if TYPE_CHECKING:
    from fiscus.workflow.proposal.commands import Command
    from fiscus.workflow.proposal.content import Content

File = Annotated[
    Path, typer.Argument(help="CSV: period, line, unit, amount, and if you like fund, prior and title; major units.")
]
Source = Annotated[Path, typer.Argument(help="CSV as of fiscus draft, or a run folder.")]
Title = Annotated[str, typer.Option(help="What the money is for.")]
Risk = Annotated[str, typer.Option(help="Band, where the authority matrix has bands.")]


def draft(
    proposal: Proposal,
    file: File,
    person: Person,
    title: Title,
    why: Reason = "",
    currency: Annotated[str, typer.Option(help="ISO 4217 code.")] = "USD",
    risk: Risk = "",
    behalf: Behalf = "",
    db: Database = "",
) -> None:
    """Begin a proposal that people wrote; fiscus submit sends it into review."""
    from fiscus.integrate.items import content_of_table
    from fiscus.workflow.proposal.commands import Draft

    with sentences():
        content = content_of_table(file, currency, title=title, justification=why, risk=risk)
    _do(db, person, behalf, Draft(proposal, content))


def edit(
    proposal: Proposal,
    source: Source,
    person: Person,
    title: Annotated[str, typer.Option(help="What the money is for; as before when not given.")] = "",
    why: Annotated[str, typer.Option("--why", help="Justification; as before when not given.")] = "",
    behalf: Behalf = "",
    db: Database = "",
) -> None:
    """Write a new version; all approvals are void, and it has to be submitted again."""
    from fiscus.workflow.proposal.commands import Edit
    from fiscus.workflow.service import reading
    from fiscus.workflow.service.carrying import carried

    with sentences(), office(db).store.read() as reader:
        before = reading.content(reader, reading.known_proposal(reader, proposal).content)
        content = _content(source, before, title or before.title, why or before.justification)
        if not source.is_dir():
            content = carried(reader, proposal, content)
    _do(db, person, behalf, Edit(proposal, content))


def _content(source: Path, before: Content, title: str, why: str) -> Content:
    from fiscus.integrate.items import content_of_table
    from fiscus.integrate.proposing import content_of_run

    if not source.is_dir():
        return content_of_table(
            source, before.currency, title=title, justification=why, risk=before.risk, parent=before.parent
        )
    if before.parent:
        raise InvalidInput(f"{source}: a reallocation is changed by a table of changes, not by a run")
    bands = (before.risk,) if before.risk else ()
    return content_of_run(source, title=title, justification=why, origin=before.origin, risk_bands=bands)


def reallocate(
    proposal: Proposal,
    parent: Annotated[str, typer.Argument(help="Approved proposal whose money is moved.")],
    file: File,
    person: Person,
    title: Title,
    why: Reason,
    risk: Risk = "",
    behalf: Behalf = "",
    db: Database = "",
) -> None:
    """Begin a proposal that moves money between the lines of an approved one; amounts are changes."""
    from fiscus.integrate.items import content_of_table
    from fiscus.workflow.proposal.commands import Reallocate
    from fiscus.workflow.service import reading

    with sentences():
        with office(db).store.read() as reader:
            currency = reading.known_proposal(reader, parent).currency
        content = content_of_table(file, currency, title=title, justification=why, risk=risk, parent=parent)
    _do(db, person, behalf, Reallocate(proposal, content))


def expire(proposal: Proposal, person: Person, db: Database = "") -> None:
    """End what has lapsed; money that was reserved is available again."""
    from fiscus.workflow.proposal.commands import Expire

    _do(db, person, "", Expire(proposal))


def _do(db: str, person: str, behalf: str, command: Command) -> None:
    from fiscus.workflow.service import follow

    with sentences():
        with acting(db, person, behalf) as (uow, actor, at, key):
            answer = follow(command, uow, actor=actor, at=at, key=key)
        screen.print(f"{command.proposal}: it is {answer.status} now.", soft_wrap=True)
