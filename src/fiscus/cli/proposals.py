"""``fiscus propose``, ``inbox``, ``show`` and what people decide about proposals."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fiscus.cli.office import (
    Amounts,
    AsJson,
    Behalf,
    Database,
    Person,
    Proposal,
    Reason,
    acting,
    amounts_of,
    money,
    office,
    totals_of,
)
from fiscus.cli.output import print_json, screen, sentences, table, working
from fiscus.errors import InvalidInput

if TYPE_CHECKING:
    from fiscus.workflow.ports import Written
    from fiscus.workflow.proposal.commands import Command
    from fiscus.workflow.proposal.state import Proposal as State
    from fiscus.workflow.service.entitlement import Glass
    from fiscus.workflow.service.views import View

MOST_ITEMS = 20
"""Lines that ``fiscus show`` prints, the largest changes first."""


def propose(
    run: Annotated[Path, typer.Argument(help="Run folder of fiscus solve --out.")],
    person: Person,
    name: Annotated[str, typer.Option("--id", help="Of the proposal; the run folder's name when not given.")] = "",
    title: Annotated[str, typer.Option(help="What the money is for; the plan's name when not given.")] = "",
    why: Reason = "",
    origin: Annotated[str, typer.Option(help="optimiser or learned: who made the amounts.")] = "optimiser",
    alternative: Annotated[list[Path] | None, typer.Option(help="Another run that was considered.")] = None,
    supersedes: Annotated[str, typer.Option(help="Undecided proposal that it takes the place of.")] = "",
    submit: Annotated[bool, typer.Option("--submit/--draft", help="Send it into review at once.")] = True,
    behalf: Behalf = "",
    db: Database = "",
    as_json: AsJson = False,
) -> None:
    """Check a saved run again and propose what it recommends."""
    from fiscus.integrate.proposing import content_of_run
    from fiscus.workflow.proposal import commands as do
    from fiscus.workflow.service import follow, reading
    from fiscus.workflow.service.policies import current_policy

    with sentences():
        with office(db).store.read() as reader:
            bands = reading.matrix(reader, current_policy(reader)).risk_bands
        with working("checking the run"):
            content = content_of_run(
                run, title=title, justification=why, origin=origin, risk_bands=bands, alternatives=alternative or ()
            )
        chosen = name or run.resolve().name
        with acting(db, person, behalf) as (uow, actor, at, key):
            follow(do.Draft(chosen, content, supersedes), uow, actor=actor, at=at, key=key)
            if submit:
                follow(do.Submit(chosen), uow, actor=actor, at=at, key=f"{key}.submit")
        _print(db, chosen, as_json=as_json)


def inbox(
    person: Person,
    mine: Annotated[bool, typer.Option("--mine/--all", help="What waits for you alone, or all that is open.")] = True,
    db: Database = "",
    as_json: AsJson = False,
) -> None:
    """What waits for a decision."""
    from fiscus.workflow.service import registry
    from fiscus.workflow.service.views import inbox as look

    with sentences():
        here = office(db)
        with here.store.read() as reader:
            if person not in registry(reader).people:
                raise InvalidInput(f"there is nobody called {person!r}: fiscus people list tells who there is")
            rows = look(reader, person, here.clock(), mine=mine)
        if as_json:
            print_json([row.to_json() for row in rows])
            return
        if not rows:
            screen.print("Nothing waits for you." if mine else "Nothing is open.")
            return
        shown = table("proposal", "title", "amount", "status", "waits for", "due", numbers=("amount",))
        for row in rows:
            shown.add_row(row.id, row.title, money(row.amount, row.currency), row.status, row.waits_for, row.due_words)
        screen.print(shown)


def show(proposal: Proposal, db: Database = "", as_json: AsJson = False) -> None:
    """What a proposal says, how far it is, and what to sign."""
    with sentences():
        _print(db, proposal, as_json=as_json)


def _print(db: str, name: str, *, as_json: bool) -> None:
    from fiscus.workflow.service import reading
    from fiscus.workflow.service.entitlement import glass
    from fiscus.workflow.service.views import view

    here = office(db)
    with here.store.read() as reader:
        seen = view(reader, name, here.clock())
        log = () if as_json else tuple(reader.events(seen.proposal.stream))
        broken = glass(log, seen, reading.registry(reader))
    if as_json:
        print_json(seen.to_json())
        return
    for sentence in seen.sentences:
        screen.print(sentence, soft_wrap=True)
    if broken is not None:
        _print_glass(broken)
    shown = table(
        "period", "line", "unit", "last year", "proposed", "change", numbers=("last year", "proposed", "change")
    )
    for item in seen.largest[:MOST_ITEMS]:
        prior = "" if item.prior is None else money(item.prior, seen.currency)
        change = money(item.amount - (item.prior or 0), seen.currency)
        shown.add_row(item.period, item.title or item.line, item.unit, prior, money(item.amount, seen.currency), change)
    screen.print(shown)
    if len(seen.largest) > MOST_ITEMS:
        screen.print(f"and {len(seen.largest) - MOST_ITEMS} more lines")
    for sentence in seen.steps:
        screen.print(f"- {sentence}", soft_wrap=True)
    _print_money(seen, log)
    if seen.hash:
        screen.print(f"hash {seen.hash}", soft_wrap=True)


def _print_glass(broken: Glass) -> None:
    """What happened in an emergency, before anything that looks as if all had signed."""
    from fiscus.workflow.canonical import minute

    screen.print(f"BROKEN GLASS. {broken.heading} {broken.words}", soft_wrap=True, style="bold red")
    for each in broken.breakers:
        screen.print(f"- {each.name}, {minute(each.at)}: {each.reason}", soft_wrap=True)


def _print_money(seen: View, log: Sequence[Written]) -> None:
    """Where the money is since it was approved: what reallocations moved, how far it got, and lines that are not as they were."""
    from fiscus.workflow.canonical import minute
    from fiscus.workflow.service.standings import BUCKETS, holds_money, moved, standings

    code, rows = seen.currency, standings(seen.proposal, seen.content)
    for each in moved(log):
        changes = ", ".join(f"{line} in {period} {_signed(amount, code)}" for period, line, amount in each.changes)
        screen.print(f"Proposal {each.by} moved money of it on {minute(each.at)}: {changes}.", soft_wrap=True)
    paid = sum(row.actual for row in rows)
    if holds_money(seen.proposal):
        whole = money(sum(row.now for row in rows), code)
        parts = ", ".join(f"{money(sum(getattr(row, name) for row in rows), code)} {name}" for name in BUCKETS)
        screen.print(f"Its money is {code} {whole} now: {parts}.", soft_wrap=True)
    elif paid:
        words = f"{code} {money(paid, code)} was paid, and the rest is available again."
        screen.print(words, soft_wrap=True)
    changed = [row for row in rows if row.now != row.approved or row.released or row.committed or row.actual]
    if not changed:
        return
    changed.sort(key=lambda row: (-abs(row.now - row.approved), -row.now, row.line))
    numbers = ("approved", "now", *BUCKETS)
    shown = table("period", "line", *numbers, numbers=numbers)
    for row in changed[:MOST_ITEMS]:
        shown.add_row(row.period, row.title, *(money(getattr(row, name), code) for name in numbers))
    screen.print(shown)
    if len(changed) > MOST_ITEMS:
        screen.print(f"and {len(changed) - MOST_ITEMS} more lines whose money moved")


def _signed(minor: int, code: str) -> str:
    sign = "+" if minor > 0 else "\N{MINUS SIGN}"
    return sign + money(abs(minor), code)


def submit(proposal: Proposal, person: Person, behalf: Behalf = "", db: Database = "") -> None:
    """Send a draft into review."""
    from fiscus.workflow.proposal import commands as do

    _do(db, person, behalf, do.Submit(proposal))


def approve(
    proposal: Proposal,
    person: Person,
    hash_: Annotated[str, typer.Option("--hash", help="What fiscus show printed: you sign what you saw.")],
    stage: Annotated[str, typer.Option(help="Stage, where you could sign for several.")] = "",
    key_file: Annotated[Path | None, typer.Option("--key", help="Your private key, to sign with.")] = None,
    comment: Annotated[str, typer.Option(help="A word beside the signature.")] = "",
    behalf: Behalf = "",
    db: Database = "",
) -> None:
    """Sign what you saw."""
    from fiscus.workflow.proposal import commands as do

    with sentences():
        signature = "" if key_file is None else _signature(key_file, proposal, hash_, person, behalf)
    _do(db, person, behalf, do.Approve(proposal, hash_, stage, signature, comment))


def _signature(key_file: Path, proposal: str, hash_: str, person: str, behalf: str) -> str:
    from fiscus.workflow.identity.signatures import approval_message, sign

    return sign(key_file.read_text(encoding="utf-8"), approval_message(proposal, hash_, person, behalf))


def reject(proposal: Proposal, person: Person, why: Reason, behalf: Behalf = "", db: Database = "") -> None:
    """Decide against it, for good."""
    from fiscus.workflow.proposal import commands as do

    _do(db, person, behalf, do.Reject(proposal, why))


def give_back(proposal: Proposal, person: Person, why: Reason, behalf: Behalf = "", db: Database = "") -> None:
    """Send back to be changed."""
    from fiscus.workflow.proposal import commands as do

    _do(db, person, behalf, do.Return(proposal, why))


def recall(proposal: Proposal, person: Person, why: Reason = "", behalf: Behalf = "", db: Database = "") -> None:
    """Take back what is not decided yet."""
    from fiscus.workflow.proposal import commands as do

    _do(db, person, behalf, do.Recall(proposal, why))


def escalate(
    proposal: Proposal,
    stage: Annotated[str, typer.Argument(help="Stage that is overdue.")],
    person: Person,
    db: Database = "",
) -> None:
    """Let more people sign an overdue stage; nobody has signed by that."""
    from fiscus.workflow.proposal import commands as do

    _do(db, person, "", do.Escalate(proposal, stage))


def break_glass(
    proposal: Proposal,
    person: Person,
    hash_: Annotated[str, typer.Option("--hash", help="What fiscus show printed.")],
    why: Reason,
    behalf: Behalf = "",
    db: Database = "",
) -> None:
    """In an emergency: two people together take the place of the approvals that are missing."""
    from fiscus.workflow.proposal import commands as do

    _do(db, person, behalf, do.BreakGlass(proposal, hash_, why))


def hold(proposal: Proposal, person: Person, why: Reason, behalf: Behalf = "", db: Database = "") -> None:
    """Stop everything for now."""
    from fiscus.workflow.proposal import commands as do

    _do(db, person, behalf, do.Hold(proposal, why))


def resume(proposal: Proposal, person: Person, why: Reason = "", behalf: Behalf = "", db: Database = "") -> None:
    """Go on where it was held."""
    from fiscus.workflow.proposal import commands as do

    _do(db, person, behalf, do.Resume(proposal, why))


def release(proposal: Proposal, person: Person, amount: Amounts = None, behalf: Behalf = "", db: Database = "") -> None:
    """Make reserved money spendable: all that is left, or the amounts given."""
    from fiscus.workflow.proposal import commands as do

    _make(db, person, behalf, proposal, lambda state: do.Release(proposal, amounts_of(amount, state.currency)))


def commit(
    proposal: Proposal,
    person: Person,
    reference: Annotated[str, typer.Option(help="Of the order.")],
    amount: Amounts = None,
    behalf: Behalf = "",
    db: Database = "",
) -> None:
    """Record an order: released money is bound."""
    from fiscus.workflow.proposal import commands as do

    _make(
        db, person, behalf, proposal, lambda state: do.Commit(proposal, amounts_of(amount, state.currency), reference)
    )


def reverse(
    proposal: Proposal,
    event: Annotated[int, typer.Argument(help="Number of the event in the proposal (fiscus audit show).")],
    person: Person,
    why: Reason,
    behalf: Behalf = "",
    db: Database = "",
) -> None:
    """Undo a release, an order or a payment."""
    from fiscus.workflow.proposal import commands as do

    _do(db, person, behalf, do.Reverse(proposal, event, why))


def reconcile(
    proposal: Proposal,
    person: Person,
    reference: Annotated[str, typer.Option(help="Of the statement.")],
    total: Annotated[
        list[str] | None, typer.Option(help="PERIOD=AMOUNT spent by the statement; may be repeated.")
    ] = None,
    behalf: Behalf = "",
    db: Database = "",
) -> None:
    """Confirm that the books of the outside show the same."""
    from fiscus.workflow.proposal import commands as do

    _make(
        db,
        person,
        behalf,
        proposal,
        lambda state: do.Reconcile(proposal, totals_of(total, state.currency), reference),
    )


def close(proposal: Proposal, person: Person, why: Reason = "", behalf: Behalf = "", db: Database = "") -> None:
    """End it; money that was not spent is available again."""
    from fiscus.workflow.proposal import commands as do

    _do(db, person, behalf, do.Close(proposal, why))


def comment(
    proposal: Proposal,
    person: Person,
    text: Annotated[str, typer.Argument(help="What you want to say.")],
    db: Database = "",
) -> None:
    """Say something about it."""
    from fiscus.workflow.proposal import commands as do

    _do(db, person, "", do.Comment(proposal, text))


def _do(db: str, person: str, behalf: str, command: Command) -> None:
    """Follow a command and say what came of it."""
    _make(db, person, behalf, command.proposal, lambda state: command)


def _make(db: str, person: str, behalf: str, name: str, command: Callable[[State], Command]) -> None:
    """Follow a command that is made from the proposal as it stands."""
    from fiscus.workflow.service import follow, reading

    with sentences():
        with acting(db, person, behalf) as (uow, actor, at, key):
            answer = follow(command(reading.known_proposal(uow, name)), uow, actor=actor, at=at, key=key)
        told = ", ".join(_words(kind) for kind in answer.events)
        screen.print(f"{name}: {told}; it is {_words(answer.status)} now.", soft_wrap=True)


def _words(name: str) -> str:
    """``part_released`` and ``StepOpened`` as people write them."""
    spaced = "".join(f" {letter.lower()}" if letter.isupper() else letter for letter in name)
    return spaced.replace("_", " ").strip()
