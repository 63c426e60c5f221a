"""What a decision looks at, looked up in the store when it is asked for, and once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from fiscus.workflow.actor import Actor
from fiscus.workflow.authority.matrix import Matrix
from fiscus.workflow.canonical import timestamp
from fiscus.workflow.duties.history import Act
from fiscus.workflow.funds.books import Books
from fiscus.workflow.identity.registry import Registry
from fiscus.workflow.identity.signatures import approval_message, verify
from fiscus.workflow.once import once
from fiscus.workflow.ports import Account, Filter, UnitOfWork
from fiscus.workflow.proposal import commands as do
from fiscus.workflow.proposal.content import Content
from fiscus.workflow.proposal.state import Proposal
from fiscus.workflow.proposal.transitions import HELD, IN_REVIEW, LIVE
from fiscus.workflow.service import reading
from fiscus.workflow.service.policies import current_policy


class Office:
    """What is the same for all proposals that one command touches.

    Args:
        uow: Open transaction.

    Raises:
        Refused: Before an authority matrix was adopted.
    """

    def __init__(self, uow: UnitOfWork) -> None:
        self.registry: Registry = reading.registry(uow)
        self.policy = current_policy(uow)
        self.books: Books = reading.books(uow)


class Moment:
    """A :class:`~fiscus.workflow.proposal.context.Context`: the store's lock keeps true what was not looked up yet.

    Args:
        uow: Open transaction.
        office: People, policy and budgets.
        proposal: As it stands; None before its first event.
        command: To follow.
        actor: Who asks.
        at: Now.
    """

    def __init__(
        self,
        uow: UnitOfWork,
        office: Office,
        proposal: Proposal | None,
        command: do.Command,
        actor: Actor,
        at: datetime,
    ) -> None:
        self._uow, self._proposal, self._command, self._actor = uow, proposal, command, actor
        self.at, self.registry, self.policy, self.books = at, office.registry, office.policy, office.books

    @once
    def matrix(self) -> Matrix:
        return reading.matrix(self._uow, self.policy)

    @once
    def pinned(self) -> Matrix | None:
        return reading.matrix(self._uow, self._proposal.policy) if self._proposal and self._proposal.policy else None

    @once
    def content(self) -> Content | None:
        return reading.content(self._uow, self._proposal.content) if self._proposal else None

    @once
    def history(self) -> tuple[Act, ...]:
        relative = self._proposal or self.parent or self.replaced
        return reading.lineage_acts(self._uow, relative.lineage) if relative is not None and relative.lineage else ()

    @once
    def rolling(self) -> int:
        """What the owner has in the works or got for the same lines, within so many days."""
        days, proposal, content = self.matrix.rolling_days, self._proposal, self.content
        if proposal is None or content is None or not days:
            return 0
        since = timestamp(self.at - timedelta(days=days))
        lines = {item.line for item in content.items}
        amount = 0
        for record in self._uow.find(Filter(kind="proposal", owner=proposal.owner, status=LIVE)):
            other = reading.proposal_of(record)
            if other.id == proposal.id or other.submitted < since:
                continue
            items = reading.content(self._uow, other.content).items
            amount += sum(max(item.amount, 0) for item in items if item.line in lines)
        return amount

    def balances(self, books: Sequence[str]) -> Mapping[Account, int]:
        return self._uow.balances(books)

    @once
    def parent(self) -> Proposal | None:
        name = self._proposal.parent if self._proposal else ""
        if self._proposal is None and isinstance(self._command, do.Reallocate):
            name = self._command.content.parent
        return reading.proposal(self._uow, name) if name else None

    @once
    def parent_content(self) -> Content | None:
        return reading.content(self._uow, self.parent.content) if self.parent else None

    @once
    def children(self) -> tuple[Proposal, ...]:
        mine = self._proposal
        if mine is None:
            return ()
        family = self._uow.find(Filter(kind="proposal", lineage=mine.lineage, status=(IN_REVIEW, HELD)))
        found = (reading.proposal_of(record) for record in family)
        return tuple(sorted((each for each in found if each.parent == mine.id), key=lambda each: each.id))

    @once
    def replaced(self) -> Proposal | None:
        if self._proposal is not None or not isinstance(self._command, do.Draft) or not self._command.supersedes:
            return None
        return reading.proposal(self._uow, self._command.supersedes)

    @once
    def session_roles(self) -> frozenset[str]:
        return self._uow.session_roles(self._actor.session) if self._actor.session else frozenset()

    @once
    def signed(self) -> bool:
        command, actor = self._command, self._actor
        if self._proposal is None or not isinstance(command, do.Approve) or not command.signature:
            return False
        message = approval_message(self._proposal.id, command.hash, actor.person, actor.behalf)
        return any(verify(key, message, command.signature) for key in self.registry.keys_of(actor.person, self.at))
