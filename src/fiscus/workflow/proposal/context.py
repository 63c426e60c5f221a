"""What a decision looks at besides the proposal itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol

from fiscus.workflow.authority.matrix import Matrix
from fiscus.workflow.duties.history import Act
from fiscus.workflow.funds.books import Books
from fiscus.workflow.identity.registry import Registry
from fiscus.workflow.ports import Account
from fiscus.workflow.proposal.content import Content
from fiscus.workflow.proposal.state import Proposal


class Context(Protocol):
    """Everything at one moment; a store's lock keeps it true until the decision is written, so it may be looked up when it is asked for."""

    @property
    def at(self) -> datetime:
        """Now."""

    @property
    def registry(self) -> Registry:
        """People, roles, units, delegations."""

    @property
    def matrix(self) -> Matrix:
        """In force now, for what is submitted; what is in review keeps its own."""

    @property
    def policy(self) -> str:
        """Its digest."""

    @property
    def pinned(self) -> Matrix | None:
        """Matrix under which the proposal was submitted; None before."""

    @property
    def content(self) -> Content | None:
        """Current version; for ``Draft`` and ``Edit`` the new one is in the command."""

    @property
    def history(self) -> tuple[Act, ...]:
        """Parts that people had in the whole lineage, parents' and children's families included."""

    @property
    def rolling(self) -> int:
        """What the owner proposed for the same lines elsewhere, within the matrix's days, minor units."""

    @property
    def books(self) -> Books:
        """Budgets."""

    def balances(self, books: Sequence[str]) -> Mapping[Account, int]:
        """Money of the accounts that there are in some books, minor units."""

    @property
    def parent(self) -> Proposal | None:
        """Proposal whose money it moves."""

    @property
    def parent_content(self) -> Content | None:
        """Its current version."""

    @property
    def children(self) -> tuple[Proposal, ...]:
        """Proposals in review, or held there, that would move its money, by id; anybody may draft one."""

    @property
    def replaced(self) -> Proposal | None:
        """Proposal that a draft supersedes."""

    @property
    def session_roles(self) -> frozenset[str]:
        """Roles that the session acted in before."""

    @property
    def signed(self) -> bool:
        """Whether the signature in the command is the actor's, over what they approve."""
