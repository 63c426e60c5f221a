"""``fiscus people`` and ``fiscus delegate``."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fiscus.cli.office import Database, Person, acting, office
from fiscus.cli.output import print_json, screen, sentences, table
from fiscus.errors import InvalidInput

if TYPE_CHECKING:
    from fiscus.workflow.identity.commands import Command

OWN_ROLES = (
    "one that Fiscus asks for itself: administrator (changes people, units and the authority matrix), auditor (reads the log), "
    "budget (sets budgets and leads rounds), bookkeeper (records orders and payments)"
)
"""In words, as nobody waits for what is behind ``service.roles.OWN`` to be imported."""

people = typer.Typer(help="People, roles, units and keys.", no_args_is_help=True)

Unit = Annotated[str, typer.Option(help="For this unit and all below it; for all units when not given.")]
Until = Annotated[str, typer.Option(help="Last day, YYYY-MM-DD; for good when not given.")]


def day(text: str) -> datetime:
    """The end of a day.

    Raises:
        InvalidInput: Where it is written otherwise than YYYY-MM-DD.
    """
    try:
        return datetime.strptime(text, "%Y-%m-%d").replace(hour=23, minute=59, second=59, tzinfo=UTC)
    except ValueError as error:
        raise InvalidInput(f"{text!r} is no day: write YYYY-MM-DD") from error


def whole_day(text: str) -> tuple[str, str]:
    """The first and the last moment of a day, UTC, as ``timestamp`` writes them.

    Raises:
        InvalidInput: Where it is written otherwise than YYYY-MM-DD.
    """
    from fiscus.workflow.canonical import timestamp

    end = day(text)
    return timestamp(end.replace(hour=0, minute=0, second=0)), timestamp(end.replace(microsecond=999_999))


def _do(db: str, person: str, *commands: Command, told: str, begin: bool = False) -> None:
    from fiscus.workflow.service import administer

    with sentences():
        with acting(db, person, begin=begin) as (uow, actor, at, key):
            for number, command in enumerate(commands):
                administer(command, uow, actor=actor, at=at, key=f"{key}.{number}")
        screen.print(told, soft_wrap=True)


@people.command("add")
def add(
    person: Annotated[str, typer.Argument(help="Short name.")],
    by: Person,
    name: Annotated[str, typer.Option(help="What people call them.")] = "",
    email: Annotated[str, typer.Option(help="Where they are told.")] = "",
    accountable: Annotated[str, typer.Option(help="Makes it a service account, for which this person answers.")] = "",
    db: Database = "",
) -> None:
    """Add somebody. The first of all adds themself and becomes administrator."""
    from fiscus.workflow.identity import commands as do

    kind = "service" if accountable else "person"
    command = do.AddPerson(person, name or person, email, kind, accountable)
    _do(db, by, command, told=f"{person} was added.", begin=True)


@people.command("grant")
def grant(
    person: Annotated[str, typer.Argument(help="Who.")],
    role: Annotated[str, typer.Argument(help=f"Role, as the authority matrix names it, or {OWN_ROLES}.")],
    by: Person,
    unit: Unit = "",
    until: Until = "",
    db: Database = "",
) -> None:
    """Give a role."""
    from fiscus.workflow.identity import commands as do

    with sentences():
        end = day(until) if until else None
    where = f" for {unit}" if unit else ""
    _do(db, by, do.GrantRole(person, role, unit, end), told=f"{person} holds the role {role}{where}.")
    _say_if_strange(db, person, role)


def _say_if_strange(db: str, person: str, role: str) -> None:
    """That nothing asks for a role, once there is a matrix that could: it may be a slip of the pen."""
    from fiscus.workflow.service.policies import STREAM
    from fiscus.workflow.service.roles import alike, known_roles

    with sentences(), office(db).store.read() as reader:
        known = known_roles(reader)
        if role in known or reader.load(STREAM) is None:
            return
    near = alike(role, known)
    hint = f" Did you mean {' or '.join(near)}?" if near else ""
    told = f"No authority matrix asks for {role}, so it lets {person} do nothing.{hint} fiscus people revoke takes it back."
    screen.print(told, soft_wrap=True)


@people.command("revoke")
def revoke(
    person: Annotated[str, typer.Argument(help="Who.")],
    role: Annotated[str, typer.Argument(help="Role.")],
    by: Person,
    unit: Unit = "",
    db: Database = "",
) -> None:
    """Take a role back."""
    from fiscus.workflow.identity import commands as do

    _do(db, by, do.RevokeRole(person, role, unit), told=f"{person} does not hold the role {role} any more.")


@people.command("deactivate")
def deactivate(person: Annotated[str, typer.Argument(help="Who.")], by: Person, db: Database = "") -> None:
    """They may no longer act; what they did stays."""
    from fiscus.workflow.identity import commands as do

    _do(db, by, do.Deactivate(person), told=f"{person} may no longer act.")


@people.command("unit")
def unit_(
    unit: Annotated[str, typer.Argument(help="Its id.")],
    by: Person,
    parent: Annotated[str, typer.Option(help="Unit above it; none for the root.")] = "",
    owner: Annotated[str, typer.Option(help="Person who answers for it.")] = "",
    db: Database = "",
) -> None:
    """Add a unit."""
    from fiscus.workflow.identity import commands as do

    _do(db, by, do.AddUnit(unit, parent, owner), told=f"{unit} was added.")


@people.command("owner")
def owner_(
    unit: Annotated[str, typer.Argument(help="Which unit.")],
    person: Annotated[str, typer.Argument(help="Who answers for it from now on.")],
    by: Person,
    db: Database = "",
) -> None:
    """Say who answers for a unit."""
    from fiscus.workflow.identity.commands import SetOwner

    _do(db, by, SetOwner(unit, person), told=f"{person} answers for {unit}.")


@people.command("move")
def move(
    unit: Annotated[str, typer.Argument(help="Which unit.")],
    parent: Annotated[str, typer.Argument(help="Unit that it hangs below from now on.")],
    by: Person,
    db: Database = "",
) -> None:
    """Hang a unit, and all below it, somewhere else."""
    from fiscus.workflow.identity.commands import MoveUnit

    _do(db, by, MoveUnit(unit, parent), told=f"{unit} is below {parent}.")


@people.command("units")
def units(
    plan: Annotated[Path, typer.Argument(help="Plan folder whose units are added.")], by: Person, db: Database = ""
) -> None:
    """Add the units of a plan."""
    from fiscus.cli.output import read_or_exit
    from fiscus.core.money import how_many
    from fiscus.integrate.proposing import units_of
    from fiscus.workflow.identity import commands as do
    from fiscus.workflow.service import registry

    with sentences():
        wanted = units_of(read_or_exit(plan, as_json=False))
        with office(db).store.read() as reader:
            known = registry(reader).parents
    fresh = [do.AddUnit(unit, parent) for unit, parent in wanted.items() if unit not in known]
    _do(db, by, *fresh, told=f"{how_many(len(fresh), 'unit was', 'units were')} added.")


@people.command("password")
def password(person: Person, db: Database = "") -> None:
    """Set one's password: the command line asks for it from then on."""
    from fiscus.cli.office import check_password
    from fiscus.workflow.identity import commands as do
    from fiscus.workflow.identity.passwords import hash_password

    with sentences():
        here = office(db)
        check_password(here, person)
        hashed = hash_password(typer.prompt("New password", hide_input=True, confirmation_prompt=True))
        from fiscus.workflow.service import administer

        with here.at_work(person) as (uow, actor, at, key):
            administer(do.NotePassword(person), uow, actor=actor, at=at, key=key)
        here.store.set_credential(person, hashed)
        screen.print(f"{person} has a new password.")


@people.command("token")
def token(
    person: Annotated[str, typer.Argument(help="Service account, or person, whose program it is.")],
    by: Person,
    days: Annotated[int, typer.Option(min=1, max=366, help="How long it lasts.")] = 90,
    db: Database = "",
) -> None:
    """Make a token that a program shows to the server; it is told once. Earlier ones of the same account end."""
    from datetime import timedelta

    from fiscus.cli.office import check_password
    from fiscus.errors import InvalidInput, Refused
    from fiscus.workflow.identity import sessions
    from fiscus.workflow.identity.registry import ADMINISTRATOR
    from fiscus.workflow.service import registry

    with sentences():
        here = office(db)
        check_password(here, by)
        with here.store.read() as reader:
            known = registry(reader)
        if not known.is_active(person):
            raise InvalidInput(f"there is nobody called {person!r} who may act")
        if by != known.accountable(person) and not known.holds(by, ADMINISTRATOR, "", here.clock()):
            raise Refused(
                "identity.not_yours", f"Only {known.accountable(person)} or an administrator makes this token."
            )
        here.sign_ins.end_sessions(person)
        secret, session = sessions.begin(here.sign_ins, person, here.clock(), sessions.TOKEN, timedelta(days=days))
        screen.print(f"{secret}\n(until {session.until[:10]}; it is told only here)", soft_wrap=True)


@people.command("key")
def key_(
    person: Person,
    out: Annotated[Path, typer.Argument(help="File for the private key, which nobody else may have.")],
    db: Database = "",
) -> None:
    """Make a key to sign approvals with."""
    import os

    from fiscus.workflow.identity import commands as do
    from fiscus.workflow.identity.signatures import new_key
    from fiscus.workflow.service import administer

    with sentences():
        private, public = new_key()
        with acting(db, person) as (uow, actor, at, key):
            administer(do.AddKey(public), uow, actor=actor, at=at, key=key)
            # Before the commit: neither a key on file that nobody knows, nor a known one that is nowhere.
            with os.fdopen(os.open(out, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w", encoding="utf-8") as file:
                file.write(private)
        told = f"{person} signs with {public[:12]} from now on; the private key is in {out}."
        screen.print(told, soft_wrap=True)


@people.command("list")
def list_(
    on: Annotated[
        str, typer.Option("--as-of", help="Roles at any time of this day (UTC), YYYY-MM-DD; now when not given.")
    ] = "",
    db: Database = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print as JSON.")] = False,
) -> None:
    """Who there is, and who holds which role; or who was there on a day, and held which role at any time of it."""
    from fiscus.workflow.canonical import timestamp
    from fiscus.workflow.service import reading

    with sentences():
        here = office(db)
        first = last = timestamp(here.clock())
        if on:
            first, last = whole_day(on)
        with here.store.read() as reader:
            found = reading.registry_at(reader, last) if on else reading.registry(reader)
        rows: list[dict[str, Any]] = []
        for person in found.people.values():
            held = [g for g in found.grants if g.person == person.id and g.within(first, last)]
            given = [d for d in found.delegations if d.taker == person.id and d.within(first, last)]
            acts = sorted({d.giver for d in given if found.is_active(d.giver)})
            roles = sorted({g.role + (f" ({g.unit})" if g.unit else "") for g in held})
            rows.append(
                {"person": person.id, "name": person.name, "active": person.active, "roles": roles, "acts for": acts}
            )
        if as_json:
            print_json(rows)
            return
        shown = table("person", "name", "roles", "acts for")
        for row in rows:
            name = f"{row['name']}{'' if row['active'] else ' (inactive)'}"
            shown.add_row(str(row["person"]), name, ", ".join(row["roles"]), ", ".join(row["acts for"]))
        screen.print(shown)


def delegate(
    taker: Annotated[str, typer.Argument(help="Who acts for you.")],
    person: Person,
    until: Annotated[str, typer.Option(help="Last day, YYYY-MM-DD; at most a year.")],
    role: Annotated[
        list[str] | None, typer.Option(help="Only this role; may be repeated. All of yours when not given.")
    ] = None,
    db: Database = "",
) -> None:
    """Let somebody act for you for a while; what they then do counts for both of you."""
    from fiscus.bootstrap import now
    from fiscus.workflow.identity import commands as do

    with sentences():
        command = do.Delegate(taker, now(), day(until), tuple(role or ()))
    _do(db, person, command, told=f"{taker} may act for {person} until {until}.")
