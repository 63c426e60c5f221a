"""What a decision looks at besides the proposal itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from fiscus.workflow.authority.matrix import Matrix
from fiscus.workflow.duties.history import Act
from fiscus.workflow.funds.books import Books
from fiscus.workflow.identity.registry import Registry
from fiscus.workflow.ports import Account
from fiscus.workflow.proposal.content import Content
from fiscus.workflow.proposal.state import Proposal


@dataclass(frozen=True, eq=False)
class Context:
    """Everything at one moment; a store's lock keeps it true until the decision is written.

    Attributes:
        at: Now.
        registry: People, roles, units, delegations.
        matrix: In force now, for what is submitted; what is in review keeps its own.
        policy: Its digest.
        pinned: Matrix under which the proposal was submitted; None before.
        content: Current version; for ``Draft`` and ``Edit`` the new one is in the command.
        history: Parts that people had in the whole lineage, parents' and children's families included.
        rolling: What the owner proposed for the same lines elsewhere, within the matrix's days, minor units.
        books: Budgets.
        balances: Money of the accounts that there are.
        parent: Proposal whose money it moves.
        parent_content: Its current version.
        replaced: Proposal that a draft supersedes.
        session_roles: Roles that the session acted in before.
        signed: Whether the signature in the command is the actor's, over what they approve.
    """

    at: datetime
    registry: Registry
    matrix: Matrix
    policy: str
    pinned: Matrix | None = None
    content: Content | None = None
    history: tuple[Act, ...] = ()
    rolling: int = 0
    books: Books = field(default_factory=Books)
    balances: Mapping[Account, int] = field(default_factory=dict)
    parent: Proposal | None = None
    parent_content: Content | None = None
    replaced: Proposal | None = None
    session_roles: frozenset[str] = frozenset()
    signed: bool = False
