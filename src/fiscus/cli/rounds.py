"""``fiscus round``: funds, asks from below, targets from above, one plan that answers them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fiscus.cli.office import AsJson, Behalf, Database, Person, Reason, acting, money, office
from fiscus.cli.output import print_json, screen, sentences, spare, table
from fiscus.errors import InvalidInput

if TYPE_CHECKING:
    from fiscus.workflow.rounds.commands import Command

rounds = typer.Typer(help="Planning rounds: collect asks, set targets, freeze, solve, propose.", no_args_is_help=True)

Round = Annotated[str, typer.Argument(help="Id of the round.")]


def _do(db: str, person: str, command: Command, behalf: str = "") -> None:
    from fiscus.workflow.service import lead

    with sentences():
        with acting(db, person, behalf) as (uow, actor, at, key):
            answer = lead(command, uow, actor=actor, at=at, key=key)
        screen.print(f"{command.round}: it is {answer.status} now.", soft_wrap=True)


@rounds.command("plan")
def plan(
    round_: Round,
    person: Person,
    fund: Annotated[list[str], typer.Option(help="PERIOD:FUND=AMOUNT that there is; may be repeated.")],
    unit: Annotated[list[str], typer.Option(help="Unit that is asked; may be repeated.")],
    deadline: Annotated[str, typer.Option(help="Last day to answer, YYYY-MM-DD.")],
    title: Annotated[str, typer.Option(help="Of the round.")] = "",
    currency: Annotated[str, typer.Option(help="ISO 4217 code.")] = "USD",
    db: Database = "",
) -> None:
    """Begin a round: what there is to give, which units are asked, and until when."""
    from fiscus.cli.office import amounts_of, each_once
    from fiscus.cli.people import day
    from fiscus.workflow.rounds import commands as do

    with sentences():
        funds: dict[str, dict[str, int]] = {}
        for (period, name), amount in amounts_of(fund, currency, "--fund").items():
            funds.setdefault(period, {})[name] = amount
        command = do.Plan(round_, title or round_, currency, funds, each_once(unit, "--unit"), day(deadline))
    _do(db, person, command)


@rounds.command("open")
def open_(round_: Round, person: Person, db: Database = "") -> None:
    """Let units ask."""
    from fiscus.workflow.rounds import commands as do

    _do(db, person, do.Open(round_))


@rounds.command("template")
def template(
    round_: Round, out: Annotated[Path, typer.Argument(help="CSV to write; it must not be there.")], db: Database = ""
) -> None:
    """Write an empty table of asks."""
    from fiscus.workflow.rounds.exchange import template as empty
    from fiscus.workflow.service import planning_round

    with sentences():
        with office(db).store.read() as reader:
            text = empty(planning_round(reader, round_))
        spare(out).write_text(text, encoding="utf-8")
        screen.print(f"wrote {out}", soft_wrap=True)


@rounds.command("answer")
def answer(
    round_: Round,
    unit: Annotated[str, typer.Argument(help="For which unit.")],
    person: Person,
    file: Annotated[Path | None, typer.Option(help="CSV of asks; an answer without any when not given.")] = None,
    behalf: Behalf = "",
    db: Database = "",
) -> None:
    """Say what a unit asks for, in place of what it asked for before."""
    from fiscus.workflow.rounds import commands as do
    from fiscus.workflow.rounds.exchange import read_asks
    from fiscus.workflow.service import planning_round

    with sentences():
        with office(db).store.read() as reader:
            currency = planning_round(reader, round_).currency
        try:
            asks = () if file is None else read_asks(file.read_text(encoding="utf-8-sig"), currency, str(file))
        except UnicodeDecodeError as error:
            raise InvalidInput(f"{file} is no text in UTF-8") from error
    _do(db, person, do.Answer(round_, unit, asks), behalf)


@rounds.command("target")
def target(
    round_: Round,
    unit: Annotated[str, typer.Argument(help="For which unit.")],
    period: Annotated[str, typer.Argument(help="Of the round.")],
    amount: Annotated[str, typer.Argument(help="Major units.")],
    person: Person,
    db: Database = "",
) -> None:
    """Set what a unit should keep to, from above."""
    from fiscus.core.money import currency as coin
    from fiscus.workflow.rounds import commands as do
    from fiscus.workflow.service import planning_round

    with sentences(), office(db).store.read() as reader:
        minor = coin(planning_round(reader, round_).currency).to_minor(amount)
    _do(db, person, do.SetTarget(round_, unit, period, minor))


@rounds.command("extend")
def extend(
    round_: Round,
    person: Person,
    deadline: Annotated[str, typer.Option(help="Last day to answer, YYYY-MM-DD.")],
    db: Database = "",
) -> None:
    """Give more time."""
    from fiscus.cli.people import day
    from fiscus.workflow.rounds import commands as do

    with sentences():
        command = do.Extend(round_, day(deadline))
    _do(db, person, command)


@rounds.command("freeze")
def freeze(round_: Round, person: Person, why: Reason = "", db: Database = "") -> None:
    """No more answers."""
    from fiscus.workflow.rounds import commands as do

    _do(db, person, do.Freeze(round_, why))


@rounds.command("reopen")
def reopen(round_: Round, person: Person, why: Reason, db: Database = "") -> None:
    """Let units answer again."""
    from fiscus.workflow.rounds import commands as do

    _do(db, person, do.Reopen(round_, why))


@rounds.command("export")
def export(
    round_: Round,
    plan_: Annotated[Path, typer.Argument(metavar="PLAN", help="Plan folder whose lines are asked for.")],
    out: Annotated[Path, typer.Argument(help="Folder for the plan with the asks of the round; it must not be there.")],
    db: Database = "",
) -> None:
    """Write the asks, the funds as budget and the targets into a plan, ready for fiscus solve; a draft before the round is frozen."""
    from fiscus.integrate.round_plan import write_plan
    from fiscus.workflow.rounds.state import OPEN, PLANNED
    from fiscus.workflow.service import planning_round

    with sentences():
        with office(db).store.read() as reader:
            made = planning_round(reader, round_)
        notes = write_plan(made, plan_, out)
        then = "" if made.status in (PLANNED, OPEN) else f", then fiscus round record {round_} RUN"
        screen.print(f"wrote {out}: fiscus solve {out} --out RUN{then}", soft_wrap=True)
        for note in notes:
            screen.print(note, soft_wrap=True)


@rounds.command("record")
def record(
    round_: Round,
    run: Annotated[Path, typer.Argument(help="Run folder that answers the frozen asks.")],
    person: Person,
    db: Database = "",
) -> None:
    """Note which plan answers the frozen asks; one that gives more than the round has is refused."""
    from fiscus.integrate.round_plan import recording
    from fiscus.workflow.service import planning_round

    with sentences():
        with office(db).store.read() as reader:
            made = planning_round(reader, round_)
        command = recording(made, run)
    _do(db, person, command)


@rounds.command("propose")
def propose(
    round_: Round,
    proposal: Annotated[str, typer.Argument(help="Proposal that was made of the recorded run (fiscus propose).")],
    person: Person,
    db: Database = "",
) -> None:
    """Note which proposal came of it."""
    from fiscus.workflow.rounds import commands as do
    from fiscus.workflow.service import reading

    with sentences():
        with office(db).store.read() as reader:
            content = reading.content(reader, reading.known_proposal(reader, proposal).content)
        digests = content.evidence.get("digests") or {}
        command = do.Propose(round_, proposal, str(digests.get("problem", "")))
    _do(db, person, command)


@rounds.command("close")
def close(round_: Round, person: Person, db: Database = "") -> None:
    """It is over."""
    from fiscus.workflow.rounds import commands as do

    _do(db, person, do.Close(round_))


@rounds.command("cancel")
def cancel(round_: Round, person: Person, why: Reason, db: Database = "") -> None:
    """It leads nowhere."""
    from fiscus.workflow.rounds import commands as do

    _do(db, person, do.Cancel(round_, why))


@rounds.command("show")
def show(round_: Round, db: Database = "", as_json: AsJson = False) -> None:
    """Who answered, who has not, and how much is asked for."""
    from fiscus.workflow.rounds.state import to_json
    from fiscus.workflow.rounds.summary import rows
    from fiscus.workflow.rounds.summary import sentences as told
    from fiscus.workflow.service import planning_round, registry

    with sentences():
        here = office(db)
        with here.store.read() as reader:
            made, people = planning_round(reader, round_), registry(reader)
        if as_json:
            print_json(to_json(made))
            return
        for sentence in told(made, people, here.clock()):
            screen.print(sentence, soft_wrap=True)
        shown = table("unit", "owner", "answered", "lines", "asked", "target", numbers=("lines", "asked", "target"))
        for row in rows(made, people):
            target_ = "" if row.target is None else money(row.target, made.currency)
            when = row.answered[:10] or "not yet"
            shown.add_row(row.unit, row.owner, when, str(row.lines), money(row.asked, made.currency), target_)
        screen.print(shown)
