"""``fiscus policy``: the authority matrix."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fiscus.cli.office import AsJson, Database, Person, acting, office
from fiscus.cli.output import WRONG_INPUT, aside, print_json, screen, sentences, table
from fiscus.errors import InvalidMatrix

if TYPE_CHECKING:
    from fiscus.workflow.authority.matrix import Matrix

policy = typer.Typer(help="Who has to approve what.", no_args_is_help=True)

File = Annotated[Path, typer.Argument(help="Authority matrix, YAML.")]


def _read(path: Path) -> Matrix:
    """A matrix; every fault is printed where there are any."""
    from fiscus.workflow.authority.reading import read_matrix

    try:
        return read_matrix(path)
    except InvalidMatrix as error:
        for fault in error.faults:
            aside.print(fault, soft_wrap=True)
        raise typer.Exit(WRONG_INPUT) from error


def _print(matrix: Matrix) -> None:
    from fiscus.workflow.authority.grid import grid

    cells = grid(matrix)
    shown = table(*cells.header)
    for row in cells.rows:
        shown.add_row(*row)
    screen.print(shown)


@policy.command("check")
def check(file: File) -> None:
    """Look for gaps, overlaps and names that nobody knows."""
    with sentences():
        matrix = _read(file)
        _print(matrix)
        screen.print(f"{file} holds: exactly one rule takes every proposal.", soft_wrap=True)


@policy.command("adopt")
def adopt(file: File, person: Person, db: Database = "") -> None:
    """Put a matrix in force for what is submitted from now on, and its exclusive roles with it."""
    from fiscus.workflow.identity.commands import SetExclusive
    from fiscus.workflow.service import administer, adopt_policy

    with sentences():
        matrix = _read(file)
        with acting(db, person) as (uow, actor, at, key):
            administer(SetExclusive(matrix.duties.exclusive), uow, actor=actor, at=at, key=f"{key}.exclusive")
            adopt_policy(matrix, uow, actor=actor, at=at, key=key)
        screen.print(f"{matrix.name} is in force ({matrix.digest[:12]}).", soft_wrap=True)


@policy.command("show")
def show(db: Database = "", as_json: AsJson = False) -> None:
    """The matrix in force."""
    from fiscus.workflow.service import current_policy, reading

    with sentences():
        with office(db).store.read() as reader:
            matrix = reading.matrix(reader, current_policy(reader))
        if as_json:
            print_json(matrix.to_json())
            return
        _print(matrix)


@policy.command("replay")
def replay(file: File, db: Database = "", as_json: AsJson = False) -> None:
    """How past decisions would pass another matrix."""
    from fiscus.workflow.authority.replay import SUMMARY, summary
    from fiscus.workflow.authority.replay import replay as again
    from fiscus.workflow.service import registry
    from fiscus.workflow.service.decisions import past_decisions

    with sentences():
        matrix = _read(file)
        with office(db).store.read() as reader:
            replayed = again(matrix, past_decisions(reader, matrix.currency), registry(reader).parents)
        if as_json:
            print_json(
                [
                    {"proposal": r.decision.proposal, "was": r.decision.rule, "rule": r.rule, "enough": r.enough}
                    for r in replayed
                ]
            )
            return
        shown = table(*SUMMARY)
        for row in summary(replayed):
            shown.add_row(*row)
        screen.print(shown)
