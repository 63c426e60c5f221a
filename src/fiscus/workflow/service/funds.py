"""Commands to the books themselves."""

from __future__ import annotations

from datetime import datetime

from fiscus.errors import Overdrawn
from fiscus.workflow.actor import Actor
from fiscus.workflow.funds import books as core
from fiscus.workflow.funds.books import CASH, Key, LineMoney, SetBudget, SetCash, from_data
from fiscus.workflow.ports import Filter, Index, Reader, UnitOfWork
from fiscus.workflow.proposal.transitions import CLOSED, HELD, WITH_MONEY
from fiscus.workflow.service import reading
from fiscus.workflow.service.answers import Answer, accepted, remembered, stamp_of, unavailable
from fiscus.workflow.service.standings import BUCKETS, standings

STREAM = "funds"


def set_budget(command: SetBudget, uow: UnitOfWork, *, actor: Actor, at: datetime, key: str = "") -> Answer:
    """Give a unit money for a period; arguments as of ``follow``."""
    return _follow(command, uow, actor, at, key)


def set_cash(command: SetCash, uow: UnitOfWork, *, actor: Actor, at: datetime, key: str = "") -> Answer:
    """Say what cash there is in a period; arguments as of ``follow``."""
    return _follow(command, uow, actor, at, key)


def _follow(command: core.Command, uow: UnitOfWork, actor: Actor, at: datetime, key: str) -> Answer:
    before = remembered(uow, key)
    if before is not None:
        return before
    record = uow.load(STREAM)
    books, version = reading.books(uow), 0 if record is None else record.version
    touched = [command.book] if isinstance(command, SetBudget) else [CASH]
    entries = accepted(
        core.decide(
            books,
            command,
            actor,
            reading.registry(uow),
            at,
            uow.balances(touched),
            lambda: _line_money(uow, command.period),
        )
    )
    for entry in entries:
        books = core.evolve(books, entry)
    index = Index("funds")
    written = uow.append(STREAM, version, stamp_of(uow, actor, at, key), entries, books.to_json(), index)
    account = (
        Key(command.book, command.period, command.fund).account("available") if isinstance(command, SetBudget) else None
    )
    hard = isinstance(command, SetBudget) and command.hard
    try:
        if account is not None and not hard:
            uow.control(account, hard)
        for event in written:
            uow.move(from_data(event.data["transfers"]), event.seq)
        if account is not None and hard:  # Only once what was overdrawn is covered.
            uow.control(account, hard)
    except Overdrawn as error:
        raise unavailable(error, command.currency) from error
    answer = Answer(STREAM, version + len(entries), "", tuple(entry.kind for entry in entries))
    if key:
        uow.remember(key, answer.to_json())
    return answer


def _line_money(reader: Reader, period: str) -> list[LineMoney]:
    """Lines of a period that have money by now."""
    accounts = reader.balances().items()
    if not any(amount and a.period == period and a.book != CASH and a.bucket in BUCKETS for a, amount in accounts):
        return []
    found: list[LineMoney] = []
    for record in reader.find(Filter(kind="proposal", status=(*WITH_MONEY, HELD, CLOSED))):
        proposal = reading.proposal_of(record)  # One that moved money of another has none: it is its parent's.
        content = reading.content(reader, proposal.content)
        items = proposal.items(content)
        for line in standings(proposal, content):
            if line.period == period:
                item = items[line.period, line.line]
                found.append(LineMoney(item.unit, period, item.fund, {name: getattr(line, name) for name in BUCKETS}))
    return found
