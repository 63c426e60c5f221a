"""What a decision would do to the budgets above its lines."""

from __future__ import annotations

from dataclasses import dataclass

from fiscus.workflow.funds.books import Key
from fiscus.workflow.ports import Reader
from fiscus.workflow.proposal.content import Content
from fiscus.workflow.proposal.state import Proposal
from fiscus.workflow.proposal.transitions import FINAL, WITH_MONEY
from fiscus.workflow.service import reading


@dataclass(frozen=True, slots=True)
class Commitment:
    """A budget that the proposal's money comes out of.

    Attributes:
        unit: Whose.
        period: Of the budget.
        fund: Source of money.
        available: Now, minor units.
        amount: That the proposal takes of it.
        hard: Whether it may not be overdrawn.
        reserved: Whether that has happened: then what is available is so after it.
    """

    unit: str
    period: str
    fund: str
    available: int
    amount: int
    hard: bool
    reserved: bool

    @property
    def after(self) -> int:
        """Left once it is approved, minor units."""
        return self.available if self.reserved else self.available - self.amount

    @property
    def enough(self) -> bool:
        """Whether there is enough, or it is allowed that there is not."""
        return self.after >= 0 or not self.hard


def commitments(reader: Reader, proposal: Proposal, content: Content) -> tuple[Commitment, ...]:
    """Every budget above any of its lines; none for what is over."""
    if proposal.status in FINAL:
        return ()
    books, registry = reading.books(reader), reading.registry(reader)
    sums: dict[Key, int] = {}
    for (unit, period, fund), amount in content.by_source.items():
        for key in books.over(unit, period, fund, registry.parents):
            sums[key] = sums.get(key, 0) + amount
    balances = reader.balances(sorted({key.book for key in sums}), "available") if sums else {}
    done = proposal.status in WITH_MONEY or proposal.held in WITH_MONEY
    return tuple(
        Commitment(
            key.book, key.period, key.fund, balances.get(key.account("available"), 0), amount, books.hard[key], done
        )
        for key, amount in sums.items()
    )
