"""What commands of the workflow share: the database, who acts, and how amounts are read and shown."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from fiscus.errors import InvalidInput, Refused

if TYPE_CHECKING:
    from datetime import datetime

    from fiscus.bootstrap import Office
    from fiscus.workflow.actor import Actor
    from fiscus.workflow.ports import UnitOfWork
    from fiscus.workflow.proposal.content import Cell

PASSWORD = "FISCUS_PASSWORD"

Database = Annotated[
    str, typer.Option("--db", help="Database URL or SQLite file; FISCUS_DATABASE_URL, else fiscus.db.")
]
Person = Annotated[str, typer.Option("--as", help="Who you are.")]
Behalf = Annotated[str, typer.Option("--for", help="Whom you act for, under a delegation of theirs.")]
Proposal = Annotated[str, typer.Argument(help="Id of the proposal.")]
Reason = Annotated[str, typer.Option("--why", help="Say why: others have to understand it later.")]
Amounts = Annotated[
    list[str] | None, typer.Option("--amount", help="PERIOD:LINE=AMOUNT in major units; may be repeated.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print as JSON.")]


def office(db: str, *, begin: bool = False) -> Office:
    """The store of a command.

    Args:
        db: URL or file.
        begin: Whether it is made where there is none; what only reads makes none, or it would say that all is well in it.

    Raises:
        InvalidInput: For what is no database, or where there is none and none is begun.
    """
    from fiscus.bootstrap import open_office

    return open_office(db, begin=begin)


@contextmanager
def acting(db: str, person: str, behalf: str = "") -> Iterator[tuple[UnitOfWork, Actor, datetime, str]]:
    """A unit of work of a person who is who they say, committed at the end.

    Raises:
        Refused: For a wrong password.
    """
    here = office(db, begin=True)
    check_password(here, person)
    with here.at_work(person, behalf) as work:
        yield work


def check_password(here: Office, person: str) -> None:
    """Ask for the password of a person who has one; ``FISCUS_PASSWORD`` answers where nobody sits.

    Raises:
        Refused: Where it is not theirs.
    """
    from fiscus.workflow.identity.passwords import check_password as matches

    stored = here.store.credential(person)
    if stored is None:
        return
    given = os.environ.get(PASSWORD) or typer.prompt(f"Password of {person}", hide_input=True)
    if not matches(stored, given):
        raise Refused("identity.password", f"That is not the password of {person}.")


def amounts_of(given: Sequence[str] | None, currency: str) -> dict[Cell, int]:
    """``PERIOD:LINE=AMOUNT`` in minor units.

    Raises:
        InvalidInput: Where one is written otherwise.
    """
    from fiscus.core.money import currency as unit

    found: dict[Cell, int] = {}
    for each in given or ():
        name, equals, amount = each.rpartition("=")
        period, colon, line = name.partition(":")
        if not equals or not colon:
            raise InvalidInput(f"--amount {each!r}: write PERIOD:LINE=AMOUNT, as FY2024:roads=1200.50")
        found[period, line] = unit(currency).to_minor(amount.replace(",", ""))
    return found


def money(minor: int, currency: str) -> str:
    """An amount as people read it."""
    from fiscus.core.money import currency as unit
    from fiscus.core.money import format_amount

    return format_amount(minor, unit(currency)) if currency else f"{minor:,}"
