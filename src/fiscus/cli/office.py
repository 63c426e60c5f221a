"""What commands of the workflow share: the database, who acts, and how amounts are read and shown."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from fiscus.errors import InvalidInput, InvalidMoney, Refused

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
FORMS = {
    "--amount": "PERIOD:LINE=AMOUNT, as FY2024:roads=1200.50",
    "--fund": "PERIOD:FUND=AMOUNT, as FY2024:general=1200.50",
    "--total": "PERIOD=AMOUNT, as FY2024=1200.50",
}
"""How options with amounts are written."""

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
def acting(
    db: str, person: str, behalf: str = "", *, begin: bool = False
) -> Iterator[tuple[UnitOfWork, Actor, datetime, str]]:
    """A unit of work of a person who is who they say, committed at the end; ``begin`` as of ``office``.

    Raises:
        Refused: For a wrong password.
    """
    here = office(db, begin=begin)
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


def amounts_of(given: Sequence[str] | None, currency: str, option: str = "--amount") -> dict[Cell, int]:
    """``PERIOD:LINE=AMOUNT`` in minor units.

    Args:
        given: As typed.
        currency: ISO 4217 code.
        option: What faults call it.

    Raises:
        InvalidInput: Where one is written otherwise, or stands for a place that was given already.
    """
    found: dict[Cell, int] = {}
    for name, amount in _assigned(given, currency, option).items():
        period, _, line = name.partition(":")
        if not period or not line:
            raise InvalidInput(f"{option} {name!r}: write {FORMS[option]}")
        found[period, line] = amount
    return found


def totals_of(given: Sequence[str] | None, currency: str) -> dict[str, int]:
    """``--total PERIOD=AMOUNT`` in minor units; faults as of ``amounts_of``."""
    return _assigned(given, currency, "--total")


def _assigned(given: Sequence[str] | None, currency: str, option: str) -> dict[str, int]:
    from fiscus.core.money import currency as unit

    found: dict[str, int] = {}
    for each in given or ():
        name, equals, amount = each.rpartition("=")
        if not equals or not name:
            raise InvalidInput(f"{option} {each!r}: write {FORMS[option]}")
        if name in found:
            raise InvalidInput(f"{option}: {name} stands there twice; give it once, with its whole amount")
        try:
            found[name] = unit(currency).to_minor(amount)
        except InvalidMoney as error:
            raise InvalidInput(f"{option} {each!r}: {error}") from error
    return found


def each_once(given: Sequence[str], option: str) -> tuple[str, ...]:
    """Names that may be repeated, but not the same one.

    Raises:
        InvalidInput: For one that stands there twice.
    """
    for place, name in enumerate(given):
        if name in given[:place]:
            raise InvalidInput(f"{option}: {name} stands there twice; name it once")
    return tuple(given)


def money(minor: int, currency: str) -> str:
    """An amount as people read it."""
    from fiscus.core.money import currency as unit
    from fiscus.core.money import format_amount

    return format_amount(minor, unit(currency)) if currency else f"{minor:,}"
