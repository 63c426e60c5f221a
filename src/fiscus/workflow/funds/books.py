"""Which budgets there are, and how strictly they are kept."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from fiscus.core.money import as_given, currency, written
from fiscus.errors import InvalidMoney
from fiscus.workflow.actor import Actor
from fiscus.workflow.identity.registry import Registry
from fiscus.workflow.ports import Account, Entry, Transfer, changes
from fiscus.workflow.refusal import Refusal, illegible

CASH = "cash"
"""Name of the book of working capital."""

BUDGET_ROLE = "budget"
"""Role whose holders set budgets and cash."""

LARGEST = 2**53 - 1
"""Minor units that JSON carries exactly."""


class Key(NamedTuple):
    """One budget.

    Attributes:
        book: Unit, or ``cash``.
        period: Of the budget.
        fund: Source of money; empty for cash.
    """

    book: str
    period: str
    fund: str

    def account(self, bucket: str) -> Account:
        """One of its accounts."""
        return Account(self.book, self.period, self.fund, bucket)


@dataclass(frozen=True, slots=True)
class Books:
    """All budgets.

    Attributes:
        currency: ISO 4217 code; empty before the first budget.
        hard: Budgets, and whether each may not be overdrawn.
        periods: In the order in which money flows through them.
        cash: Cash that comes in, by period, minor units; empty where working capital is not controlled.
        reserve: Cash that has to stay, by period.
    """

    currency: str = ""
    hard: Mapping[Key, bool] = field(default_factory=dict)
    periods: tuple[str, ...] = ()
    cash: Mapping[str, int] = field(default_factory=dict)
    reserve: Mapping[str, int] = field(default_factory=dict)

    def over(self, unit: str, period: str, fund: str, parents: Mapping[str, str]) -> tuple[Key, ...]:
        """Budgets that a unit's money has to fit into: its own and those above it."""
        return tuple(key for node in upwards(unit, parents) if (key := Key(node, period, fund)) in self.hard)

    def cash_from(self, period: str) -> tuple[Key, ...]:
        """Cash of a period and of all that come after it: what is paid now is missing later."""
        if period not in self.cash:
            return ()
        begin = self.periods.index(period)
        return tuple(Key(CASH, each, "") for each in self.periods[begin:] if each in self.cash)

    def to_json(self) -> dict[str, Any]:
        """As a store keeps it."""
        return {
            "currency": self.currency,
            "hard": [[key.book, key.period, key.fund, hard] for key, hard in self.hard.items()],
            "periods": list(self.periods),
            "cash": dict(self.cash),
            "reserve": dict(self.reserve),
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Books:
        """What ``to_json`` wrote."""
        hard = {Key(book, period, fund): hard for book, period, fund, hard in document["hard"]}
        return cls(
            document["currency"], hard, tuple(document["periods"]), dict(document["cash"]), dict(document["reserve"])
        )


def upwards(unit: str, parents: Mapping[str, str]) -> Iterator[str]:
    """A unit and all above it."""
    while unit:
        yield unit
        unit = parents.get(unit, "")


class LineMoney(NamedTuple):
    """Money of an approved line, which a budget that is set later finds under it.

    Attributes:
        unit: Whose line it is.
        period: Of the line.
        fund: Source of money.
        buckets: Minor units by bucket: what is reserved, released, committed and actual.
    """

    unit: str
    period: str
    fund: str
    buckets: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class SetBudget:
    """Give a unit money for a period, or change what it has.

    Attributes:
        book: The unit.
        period: Of the budget.
        fund: Source of money.
        amount: In all, minor units.
        currency: ISO 4217 code.
        hard: Whether it may not be overdrawn.
    """

    book: str
    period: str
    fund: str
    amount: int
    currency: str
    hard: bool = True


@dataclass(frozen=True, slots=True)
class SetCash:
    """Say what cash comes in in a period and how much of it has to stay; periods are set in the order in which they come.

    Attributes:
        period: Of the budget.
        amount: That comes in, minor units.
        reserve: That has to be there at its end, all periods before it counted; None for as much as before.
        currency: ISO 4217 code.
    """

    period: str
    amount: int
    reserve: int | None
    currency: str


Command = SetBudget | SetCash


def decide(
    books: Books,
    command: Command,
    actor: Actor,
    registry: Registry,
    at: Any,
    balances: Mapping[Account, int],
    line_money: Callable[[], Iterable[LineMoney]] = tuple,
) -> list[Entry] | Refusal:
    """What a command does to the budgets.

    A budget or cash that is set when lines under it have money already begins with that money where it stands: it is released, paid
    and given back there as everywhere else.

    Args:
        books: As they stand.
        command: To follow.
        actor: Who asks.
        registry: Of people and units.
        at: When.
        balances: Money of the accounts that there are.
        line_money: Gives the lines of the command's period that have money; asked where a budget or cash is new.
    """
    if not registry.may(actor.person, actor.behalf, BUDGET_ROLE, "", at):
        return Refusal("funds.not_entitled", f"{actor.person} does not hold the role {BUDGET_ROLE!r} for all units.")
    if isinstance(command, SetCash) and command.reserve is None:
        command = replace(command, reserve=books.reserve.get(command.period, 0))
    refused = _unusable(books, command)
    if refused:
        return refused
    if isinstance(command, SetBudget):
        return _set_budget(books, command, registry, balances, line_money)
    return _set_cash(books, command, balances, line_money)


def _unusable(books: Books, command: Command) -> Refusal | None:
    """What is wrong with a command, whatever there is in the books."""
    amounts = (command.amount, command.reserve) if isinstance(command, SetCash) else (command.amount,)
    for amount in amounts:
        if type(amount) is not int or amount > LARGEST:
            given, most = (as_given(each, command.currency) for each in (amount, LARGEST))
            return Refusal("funds.amount", f"{given} is no whole amount up to {most}.")
        if amount < 0:
            return Refusal("funds.negative", "A budget is not below zero.")
    names = ("period",) if isinstance(command, SetCash) else ("period", "fund")
    for name in names:
        if not getattr(command, name):
            return Refusal("funds.unnamed", f"The {name} is empty: name it.")
        fault = illegible(getattr(command, name))
        if fault:
            return Refusal("funds.illegible", f"The {name}: {fault}")
    if books.currency and command.currency != books.currency:
        return Refusal("funds.currency", f"The books are kept in {books.currency}, not in {command.currency}.")
    try:
        currency(command.currency)
    except InvalidMoney as error:
        return Refusal("funds.currency", f"{error}.")
    return None


def _set_budget(
    books: Books,
    command: SetBudget,
    registry: Registry,
    balances: Mapping[Account, int],
    line_money: Callable[[], Iterable[LineMoney]],
) -> list[Entry] | Refusal:
    if command.book not in registry.parents:
        return Refusal("funds.unknown_unit", f"There is no unit {command.book!r}; add it first.")
    key = Key(command.book, command.period, command.fund)
    taken = {} if key in books.hard else _under(key, line_money(), registry.parents)
    more = command.amount + balances.get(key.account("appropriated"), 0)
    spare = balances.get(key.account("available"), 0)
    if sum(taken.values()) > command.amount and command.hard:
        return Refusal("funds.unavailable", _begins_short(key, sum(taken.values()), command.amount, command.currency))
    if more + spare < 0 and command.hard:
        return Refusal("funds.unavailable", _too_little(key, command, more, spare))
    data = {"book": key.book, "period": key.period, "fund": key.fund, "amount": command.amount, "hard": command.hard}
    transfers = both_ways(key.account("appropriated"), key.account("available"), more)
    transfers += _begun(key, taken)
    return [Entry("BudgetSet", data | {"currency": command.currency, "transfers": as_data(transfers)})]


def _under(key: Key, line_money: Iterable[LineMoney], parents: Mapping[str, str]) -> Mapping[str, int]:
    """Money of a budget's period and fund that lies in its unit and below it, by bucket."""
    found: Counter[str] = Counter()
    for each in line_money:
        if (each.period, each.fund) == (key.period, key.fund) and key.book in upwards(each.unit, parents):
            found.update(each.buckets)
    return found


def _begun(key: Key, taken: Mapping[str, int]) -> list[Transfer]:
    """Money that a budget begins with where it stands already."""
    available = key.account("available")
    return [each for bucket, amount in taken.items() for each in both_ways(available, key.account(bucket), amount)]


def _begins_short(key: Key, taken: int, there: int, currency: str) -> str:
    """Why a budget or cash cannot begin with this little."""
    return (
        f"{describe(key, begins=True)} would begin with {written(taken - there, currency)} too little: "
        f"{written(taken, currency)} of it has been decided already, and {written(there, currency)} would be there for it."
    )


def _too_little(key: Key, command: SetBudget, more: int, spare: int) -> str:
    """Why a budget cannot be this small; one that was overdrawn while it was soft may want more than is given."""
    name = describe(key, begins=True)
    if spare < 0:
        missing = written(-more - spare, command.currency)
        return f"{name} is overdrawn and would still lack {missing}: give it that much more, or keep it soft."
    return (
        f"{name} cannot be cut by {written(-more, command.currency)}: only "
        f"{written(spare, command.currency)} of it is not reserved or spent yet."
    )


def _set_cash(
    books: Books, command: SetCash, balances: Mapping[Account, int], line_money: Callable[[], Iterable[LineMoney]]
) -> list[Entry] | Refusal:
    more = command.amount - books.cash.get(command.period, 0)
    kept = (command.reserve or 0) - books.reserve.get(command.period, 0)
    changed = evolve(books, Entry("CashSet", _cash_data(command)))
    key = Key(CASH, command.period, "")
    transfers: list[Transfer] = []
    taken: Mapping[str, int] = {}
    if command.period not in books.cash:
        transfers += _carried_in(changed, key, balances)
        taken = _left_cash(command.period, line_money())
    for each in changed.cash_from(command.period):
        transfers += both_ways(each.account("appropriated"), each.account("available"), more)
        transfers += _begun(each, taken)
    transfers += both_ways(key.account("available"), key.account("reserved"), kept)
    gained = dict(changes(transfers))
    for each in changed.cash_from(command.period) if taken else ():
        account = each.account("available")
        short = balances.get(account, 0) + gained.get(account, 0)
        if short < 0:
            whole = sum(taken.values())
            return Refusal("funds.no_cash", _begins_short(each, whole, whole + short, command.currency))
    return [Entry("CashSet", _cash_data(command) | {"transfers": as_data(transfers)})]


def _left_cash(period: str, line_money: Iterable[LineMoney]) -> Mapping[str, int]:
    """Money of a period that has gone out of cash, by bucket: what is only reserved is still there."""
    found: Counter[str] = Counter()
    for each in line_money:
        if each.period == period:
            found.update({bucket: amount for bucket, amount in each.buckets.items() if bucket != "reserved"})
    return found


def _carried_in(books: Books, key: Key, balances: Mapping[Account, int]) -> list[Transfer]:
    """A period that joins has what the one before it has, and what was paid until then."""
    earlier = [period for period in books.periods[: books.periods.index(key.period)] if period in books.cash]
    if not earlier:
        return []
    before = Key(CASH, earlier[-1], "")
    found: list[Transfer] = []
    for bucket in ("available", "reserved", "released", "committed", "actual"):
        target = "available" if bucket == "reserved" else bucket
        amount = balances.get(before.account(bucket), 0)
        found += both_ways(key.account("appropriated"), key.account(target), amount)
    return found


def _cash_data(command: SetCash) -> dict[str, Any]:
    return {
        "period": command.period,
        "amount": command.amount,
        "reserve": command.reserve,
        "currency": command.currency,
    }


def evolve(books: Books, entry: Entry) -> Books:
    """The budgets after one event."""
    data = entry.data
    period = str(data["period"])
    periods = books.periods if period in books.periods else (*books.periods, period)
    changed = replace(books, currency=str(data["currency"]), periods=periods)
    if entry.kind == "BudgetSet":
        key = Key(str(data["book"]), period, str(data["fund"]))
        return replace(changed, hard={**books.hard, key: bool(data["hard"])})
    return replace(
        changed,
        cash={**books.cash, period: int(data["amount"])},
        reserve={**books.reserve, period: int(data["reserve"])},
    )


def describe(key: Key, *, begins: bool = False) -> str:
    """A budget in words; ``begins`` where they begin a sentence."""
    the = "The" if begins else "the"
    return (
        f"{the} cash of {key.period}"
        if key.book == CASH
        else f"{the} budget of {key.book} in {key.period} ({key.fund})"
    )


def both_ways(source: Account, target: Account, amount: int, line: str = "", memo: str = "") -> list[Transfer]:
    """An amount from one account to the other, backwards where it is below zero; nothing for nothing."""
    if amount == 0:
        return []
    if amount < 0:
        source, target, amount = target, source, -amount
    return [Transfer(source, target, amount, line, memo)]


def as_data(transfers: Sequence[Transfer]) -> list[dict[str, Any]]:
    """Transfers as an event carries them."""
    return [
        {
            "source": list(each.source),
            "target": list(each.target),
            "amount": each.amount,
            "line": each.line,
            "memo": each.memo,
        }
        for each in transfers
    ]


def from_data(documents: Sequence[Mapping[str, Any]]) -> list[Transfer]:
    """What ``as_data`` wrote."""
    return [
        Transfer(Account(*each["source"]), Account(*each["target"]), each["amount"], each["line"], each["memo"])
        for each in documents
    ]
