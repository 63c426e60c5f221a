"""What people ask of a proposal. Money is in minor units; ``amounts`` go by ``(period, line)``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from fiscus.workflow.proposal.content import Cell, Content


@dataclass(frozen=True, slots=True)
class Command:
    """Of one proposal.

    Attributes:
        proposal: Its id.
    """

    proposal: str


@dataclass(frozen=True, slots=True)
class Draft(Command):
    """Begin one; with ``supersedes`` in place of another that is not decided yet, in whose lineage it stays."""

    content: Content
    supersedes: str = ""


@dataclass(frozen=True, slots=True)
class Reallocate(Command):
    """Begin one that moves money of an approved parent between its lines, or adds to it; ``content.parent`` names the parent's id."""

    content: Content


@dataclass(frozen=True, slots=True)
class Edit(Command):
    """A new version: all approvals are void, and it has to be submitted again."""

    content: Content


@dataclass(frozen=True, slots=True)
class Submit(Command):
    """Send into review, under the authority matrix in force; ``expires`` is when it lapses if undecided or unreleased."""

    expires: datetime | None = None


@dataclass(frozen=True, slots=True)
class Approve(Command):
    """Sign what one saw: ``hash`` as the page showed it; ``stage`` where one could sign for several."""

    hash: str
    stage: str = ""
    signature: str = ""
    comment: str = ""


@dataclass(frozen=True, slots=True)
class BreakGlass(Command):
    """Two people with the emergency role together take the place of the approvals that are missing."""

    hash: str
    reason: str


@dataclass(frozen=True, slots=True)
class Reject(Command):
    """Decide against it, for good."""

    reason: str


@dataclass(frozen=True, slots=True)
class Return(Command):
    """Send back to be changed."""

    reason: str


@dataclass(frozen=True, slots=True)
class Recall(Command):
    """Take back what is not decided yet."""

    reason: str = ""


@dataclass(frozen=True, slots=True)
class Supersede(Command):
    """Another takes its place; follows from ``Draft(supersedes=...)``."""

    by: str


@dataclass(frozen=True, slots=True)
class Escalate(Command):
    """An overdue stage: more people may sign, and nobody has signed by that."""

    stage: str


@dataclass(frozen=True, slots=True)
class Hold(Command):
    """Stop everything for now."""

    reason: str


@dataclass(frozen=True, slots=True)
class Resume(Command):
    """Go on where it was held."""

    reason: str = ""


@dataclass(frozen=True, slots=True)
class Release(Command):
    """Make reserved money spendable; all that is left where no amounts are given."""

    amounts: Mapping[Cell, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Commit(Command):
    """An order was placed: released money is committed."""

    amounts: Mapping[Cell, int]
    reference: str


@dataclass(frozen=True, slots=True)
class RecordActual(Command):
    """Money was spent: it leaves what is committed, then what is released."""

    amounts: Mapping[Cell, int]
    reference: str


@dataclass(frozen=True, slots=True)
class Reverse(Command):
    """Undo a release, a commitment or an actual, named by the number of its event in the proposal."""

    version: int
    reason: str


@dataclass(frozen=True, slots=True)
class Reconcile(Command):
    """Confirm that the books of the outside show the same actual amounts, by period."""

    totals: Mapping[str, int]
    reference: str


@dataclass(frozen=True, slots=True)
class Close(Command):
    """End it; money that was not spent is available again."""

    reason: str = ""


@dataclass(frozen=True, slots=True)
class Expire(Command):
    """Its time is over."""


@dataclass(frozen=True, slots=True)
class Comment(Command):
    """Say something."""

    text: str
