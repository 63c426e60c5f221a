"""``fiscus funds`` and ``fiscus actuals``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fiscus.cli.office import AsJson, Behalf, Database, Person, acting, money, office
from fiscus.cli.output import print_json, screen, sentences, table
from fiscus.errors import InvalidInput

if TYPE_CHECKING:
    from fiscus.core.csv_rows import Rows

funds = typer.Typer(help="Budgets, cash, and where the money stands.", no_args_is_help=True)
actuals = typer.Typer(help="What was really spent.", no_args_is_help=True)

Amount = Annotated[str, typer.Option(help="In all, major units.")]
PAYMENT = ("proposal", "period", "line", "amount", "reference")
"""Columns of a table of payments."""

Period = Annotated[str, typer.Argument(help="Of the budget.")]


@funds.command("show")
def show(db: Database = "", as_json: AsJson = False) -> None:
    """Budget, available, reserved, released, committed and actual, by unit, period and fund."""
    from fiscus.workflow.ports import BUCKETS
    from fiscus.workflow.service import reading

    with sentences():
        with office(db).store.read() as reader:
            balances, currency = reader.balances(), reading.books(reader).currency
        rows: dict[tuple[str, str, str], dict[str, int]] = {}
        for account, amount in sorted(balances.items()):
            rows.setdefault((account.book, account.period, account.fund), {})[account.bucket] = amount
        if as_json:
            print_json([{"book": b, "period": p, "fund": f, **row} for (b, p, f), row in rows.items()])
            return
        names = ("budget", *BUCKETS[1:])
        shown = table("unit", "period", "fund", *names, numbers=names)
        for (book, period, fund), row in rows.items():
            amounts = [-row.get("appropriated", 0), *(row.get(bucket, 0) for bucket in BUCKETS[1:])]
            shown.add_row(book, period, fund, *(money(amount, currency) for amount in amounts))
        screen.print(shown)


@funds.command("set")
def set_(
    unit: Annotated[str, typer.Argument(help="Whose budget.")],
    period: Period,
    amount: Amount,
    person: Person,
    fund: Annotated[str, typer.Option(help="Source of money.")] = "general",
    currency: Annotated[str, typer.Option(help="ISO 4217 code.")] = "USD",
    hard: Annotated[bool, typer.Option("--hard/--soft", help="Whether it may not be overdrawn.")] = True,
    db: Database = "",
) -> None:
    """Give a unit money for a period, or change what it has."""
    from fiscus.core.money import currency as coin
    from fiscus.workflow.funds.books import SetBudget
    from fiscus.workflow.service import set_budget

    with sentences():
        minor = coin(currency).to_minor(amount)
        with acting(db, person) as (uow, actor, at, key):
            set_budget(SetBudget(unit, period, fund, minor, currency, hard), uow, actor=actor, at=at, key=key)
        screen.print(f"{unit} has {money(minor, currency)} in {period} ({fund}).", soft_wrap=True)


@funds.command("cash")
def cash(
    period: Period,
    amount: Amount,
    person: Person,
    reserve: Annotated[str, typer.Option(help="That has to stay, major units; as before when not given.")] = "",
    currency: Annotated[str, typer.Option(help="ISO 4217 code.")] = "USD",
    db: Database = "",
) -> None:
    """Say what cash comes in, and how much of it has to stay; releases are checked against it."""
    from fiscus.core.money import currency as coin
    from fiscus.workflow.funds.books import SetCash
    from fiscus.workflow.service import reading, set_cash

    with sentences():
        unit = coin(currency)
        minor = unit.to_minor(amount)
        with acting(db, person) as (uow, actor, at, key):
            given = unit.to_minor(reserve) if reserve else None
            set_cash(SetCash(period, minor, given, currency), uow, actor=actor, at=at, key=key)
            kept = reading.books(uow).reserve[period]
        screen.print(
            f"{money(minor, currency)} comes in in {period}; {money(kept, currency)} stays.",
            soft_wrap=True,
        )


@actuals.command("import")
def import_(
    file: Annotated[Path, typer.Argument(help="CSV: proposal, period, line, amount, reference.")],
    person: Person,
    behalf: Behalf = "",
    db: Database = "",
) -> None:
    """Record what was spent: every row, or none where one is wrong; what was recorded before is passed over."""
    from fiscus.core.money import currency as coin
    from fiscus.core.money import how_many
    from fiscus.errors import FiscusError
    from fiscus.workflow.proposal.commands import RecordActual
    from fiscus.workflow.service import follow, reading
    from fiscus.workflow.service.payments import Recorded

    with sentences():
        rows, again = _rows(file), []
        with acting(db, person, behalf) as (uow, actor, at, key):
            recorded = Recorded(uow)
            for number, row in rows:
                cell, reference = (row["period"], row["line"]), row["reference"]
                try:
                    proposal = reading.known_proposal(uow, row["proposal"])
                    amount = coin(proposal.currency).to_minor(row["amount"])
                    if recorded.before(proposal, cell, reference, amount):
                        again.append(number)
                        continue
                    command = RecordActual(row["proposal"], {cell: amount}, reference)
                    follow(command, uow, actor=actor, at=at, key=f"{key}.{number}")
                except FiscusError as error:
                    raise _nothing_recorded(f"{file}, row {number}: {error}") from error
        screen.print(f"{how_many(len(rows) - len(again), 'payment was', 'payments were')} recorded.")
        if again:
            screen.print(_passed_over(again, len(rows)), soft_wrap=True)


def _passed_over(again: list[int], of: int) -> str:
    which = f"{'row' if len(again) == 1 else 'rows'} {', '.join(map(str, again))}"
    return (
        f"{len(again)} of {of} payments were recorded already ({which}) and were passed over: same reference, line and "
        "amount. Another payment needs a reference of its own."
    )


def _rows(file: Path) -> Rows:
    from fiscus.core.csv_rows import rows_of_file

    try:
        rows = rows_of_file(file, PAYMENT)
    except InvalidInput as error:
        raise _nothing_recorded(str(error)) from error
    for number, row in rows:
        missing = [name for name in PAYMENT if not row[name]]
        if missing:
            raise _nothing_recorded(f"{file}, row {number}: {missing[0]} is empty")
    return rows


def _nothing_recorded(why: str) -> InvalidInput:
    return InvalidInput(f"{why.rstrip('.')}. Nothing was recorded.")
