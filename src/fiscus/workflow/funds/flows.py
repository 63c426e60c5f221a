"""What the moves of a proposal's lines mean in the books."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from fiscus.core.money import written
from fiscus.workflow.funds.books import CASH, Books, Key, describe
from fiscus.workflow.ports import Account, Transfer, changes
from fiscus.workflow.proposal.content import Content, Item
from fiscus.workflow.refusal import Refusal

Move = tuple[str, str, str, str, int]
"""Money of one line: ``(period, line, from, to, amount)``, with buckets as places."""


def transfers_of(
    moves: Iterable[Move],
    items: Mapping[tuple[str, str], Item],
    books: Books,
    parents: Mapping[str, str],
    memo: str = "",
) -> list[Transfer]:
    """The same money in every budget above each line, and in cash.

    Cash is touched when money is released: it goes from what is available there, as nothing is reserved in it.

    Args:
        moves: Of lines.
        items: Lines by period and id.
        books: Budgets there are.
        parents: Unit above each unit.
        memo: Reference of the outside.
    """
    found: list[Transfer] = []
    over: dict[tuple[str, str, str], tuple[Key, ...]] = {}
    for period, line, source, target, amount in moves:
        if not amount:
            continue
        item = items[period, line]
        place = item.unit, period, item.fund
        if place not in over:
            over[place] = books.over(*place, parents)
        found += [Transfer(key.account(source), key.account(target), amount, line, memo) for key in over[place]]
        before, after = _in_cash(source), _in_cash(target)
        if before != after:
            found += [
                Transfer(key.account(before), key.account(after), amount, line, memo) for key in books.cash_from(period)
            ]
    return found


def _in_cash(bucket: str) -> str:
    return "available" if bucket == "reserved" else bucket


def uncontrolled(content: Content, books: Books, parents: Mapping[str, str]) -> Refusal | None:
    """The first money that no budget speaks of."""
    for item in content.items:
        if not books.over(item.unit, item.period, item.fund, parents):
            return Refusal(
                "funds.no_budget",
                f"No budget covers {item.line} ({item.unit}, {item.period}, fund {item.fund}): set one for the unit or "
                "one above it.",
            )
    return None


def short_of(
    transfers: Sequence[Transfer], books: Books, balances: Mapping[Account, int], currency: str
) -> Refusal | None:
    """The first account that would fall below nothing and must not."""
    for account, change in changes(transfers):
        if account.bucket == "appropriated" or not is_hard(account, books):
            continue
        there = balances.get(account, 0)
        if there + change < 0:
            key = Key(account.book, account.period, account.fund)
            rule = "funds.no_cash" if account.book == CASH else "funds.unavailable"
            return Refusal(
                rule,
                f"{describe(key, begins=True)} has {written(there, currency)} {account.bucket}, and {written(-change, currency)} "
                "is wanted.",
            )
    return None


def is_hard(account: Account, books: Books) -> bool:
    """Whether an account may not fall below nothing: soft budgets may be overdrawn in what is available alone."""
    if account.bucket != "available" or account.book == CASH:
        return True
    return books.hard.get(Key(account.book, account.period, account.fund), True)
