"""What the events of a proposal add up to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, NamedTuple

from fiscus.workflow.authority.matrix import Path, Stage
from fiscus.workflow.duties.history import Act
from fiscus.workflow.once import once
from fiscus.workflow.ports import Index
from fiscus.workflow.proposal.content import Cell, Content, Item
from fiscus.workflow.proposal.transitions import IN_REVIEW

PLACES = ("released", "committed", "actual")
"""Where money of a line can be once it left the reserve."""


class Approval(NamedTuple):
    """One signature.

    Attributes:
        stage: Name of the stage.
        person: Who signed.
        behalf: For whom, empty for themselves.
        at: When.
        emergency: Whether glass was broken for it.
    """

    stage: str
    person: str
    behalf: str
    at: str
    emergency: bool = False


@dataclass(frozen=True, slots=True)
class Booking:
    """A movement of a line's money that can be reversed.

    Attributes:
        version: Number of its event.
        kind: ``Released``, ``Committed`` or ``Spent``.
        moves: ``(period, line, from, to, amount)`` with places of the line.
        reversed: Whether it was.
    """

    version: int
    kind: str
    moves: tuple[tuple[str, str, str, str, int], ...]
    reversed: bool = False


@dataclass(frozen=True)
class Proposal:
    """One proposal.

    Attributes:
        id: Its name.
        status: One of the states.
        owner: Who drafted it.
        title: For people.
        unit: Lowest unit above all that it touches.
        lineage: Id of the first proposal of its family.
        parent: Id of the proposal whose money it moves; empty for none.
        versions: Digests of its contents, the current one last.
        total: Minor units of the current version.
        currency: ISO 4217 code.
        hash: What approvers sign; empty before it is submitted.
        policy: Digest of the authority matrix under which it was submitted.
        rule: Rule of the matrix that took it.
        amount: Minor units that the rule was chosen by: with what its owner proposed for the same lines before.
        submitted: When; empty before.
        expires: When it lapses; empty for never.
        path: Stages, step after step.
        release_role: Whose holders release.
        reconcile_role: Whose holders reconcile.
        step: Step of the path that is open.
        opened: When it was opened.
        approvals: Of the current version.
        escalated: Stages that were.
        broken: Who broke the glass first, and for whom; empty where nobody did.
        held: State to go back to; empty where it is not held.
        acts: Who had what part in it, for duties.
        adjusted: What reallocations added to lines, below zero for what they took.
        extra: Lines that reallocations brought in.
        places: Minor units of each line that are released, committed and actual.
        bookings: Movements of money, oldest first.
        reconciled: Whether the last reconciliation still holds.
    """

    id: str
    status: str
    owner: str
    title: str
    unit: str
    lineage: str
    parent: str
    versions: tuple[str, ...]
    total: int
    currency: str
    hash: str = ""
    policy: str = ""
    rule: str = ""
    amount: int = 0
    submitted: str = ""
    expires: str = ""
    path: tuple[tuple[Stage, ...], ...] = ()
    release_role: str = ""
    reconcile_role: str = ""
    step: int = 0
    opened: str = ""
    approvals: tuple[Approval, ...] = ()
    escalated: tuple[str, ...] = ()
    broken: tuple[str, ...] = ()
    held: str = ""
    acts: tuple[Act, ...] = ()
    adjusted: Mapping[Cell, int] = field(default_factory=dict)
    extra: tuple[Item, ...] = ()
    places: Mapping[Cell, tuple[int, int, int]] = field(default_factory=dict)
    bookings: tuple[Booking, ...] = ()
    reconciled: bool = False

    @property
    def stream(self) -> str:
        """Its name in the store."""
        return f"proposal/{self.id}"

    def items(self, content: Content) -> Mapping[Cell, Item]:
        """Its lines by period and id, those that reallocations brought in included.

        Args:
            content: Its current version.
        """
        return {item.cell: item for item in self.extra} | content.by_cell if self.extra else content.by_cell

    def left(self, content: Content) -> dict[Cell, int]:
        """Money of each line that is still reserved, minor units.

        Args:
            content: Its current version.
        """
        whole = {item.cell: item.amount for item in content.items}
        for cell, amount in self.adjusted.items():
            whole[cell] = whole.get(cell, 0) + amount
        return {cell: amount - sum(self.places.get(cell, (0, 0, 0))) for cell, amount in whole.items()}

    @property
    def content(self) -> str:
        """Digest of the current version."""
        return self.versions[-1]

    def given(self, stage: str) -> tuple[Approval, ...]:
        """Approvals of a stage."""
        return tuple(approval for approval in self.approvals if approval.stage == stage)

    @once
    def open_stages(self) -> tuple[Stage, ...]:
        """Stages that wait for somebody now."""
        if self.status != IN_REVIEW or self.step >= len(self.path):
            return ()
        return tuple(stage for stage in self.path[self.step] if len(self.given(stage.name)) < stage.need)

    @property
    def stages(self) -> tuple[Stage, ...]:
        """All stages, in order."""
        return tuple(stage for step in self.path for stage in step)

    def roles_of(self, stage: Stage) -> tuple[str, ...]:
        """Roles whose holders may sign a stage: more than one after it was escalated."""
        return (stage.role, stage.escalate) if stage.name in self.escalated and stage.escalate else (stage.role,)

    def but(self, **changes: Any) -> Proposal:
        """A copy with changes.

        Raises:
            TypeError: For one of something that it has not.
        """
        made = object.__new__(Proposal)
        values = made.__dict__
        values.update(
            self.__dict__
        )  # A tenth of the time of ``dataclasses.replace``, and four of them are in a decision.
        for name in _KEPT:
            values.pop(name, None)
        values.update(changes)
        if len(values) != len(_FIELDS):
            raise TypeError(f"a proposal has no {', '.join(sorted(set(changes) - set(_FIELDS)))}")
        return made


_FIELDS = tuple(each.name for each in fields(Proposal))
_KEPT = tuple(name for name, value in vars(Proposal).items() if isinstance(value, once))
"""What a proposal found out about itself; a copy finds it out anew."""


def index_of(proposal: Proposal, due: str) -> Index:
    """What a proposal is found by.

    Args:
        proposal: As it stands.
        due: Next deadline, empty for none.
    """
    waiting = {(role, proposal.unit) for stage in proposal.open_stages for role in proposal.roles_of(stage)}
    if proposal.status in ("approved", "part_released"):
        waiting.add((proposal.release_role, proposal.unit))
    return Index(
        kind="proposal",
        status=proposal.status,
        owner=proposal.owner,
        unit=proposal.unit,
        lineage=proposal.lineage,
        amount=proposal.total,
        due=due,
        waiting=tuple(sorted(waiting)),
        title=proposal.title,
    )


def to_json(proposal: Proposal) -> dict[str, Any]:
    """As a store keeps it."""
    now = proposal.__dict__
    return {name: now[name] for name in _PLAIN} | {
        "versions": proposal.versions,
        "path": [[stage.to_json() for stage in step] for step in proposal.path],
        "approvals": [list(approval) for approval in proposal.approvals],
        "escalated": proposal.escalated,
        "broken": proposal.broken,
        "acts": [list(act) for act in proposal.acts],
        "adjusted": [[*cell, amount] for cell, amount in proposal.adjusted.items()],
        "extra": [asdict(item) for item in proposal.extra],
        "places": [[*cell, *there] for cell, there in proposal.places.items()],
        "bookings": [[b.version, b.kind, [list(move) for move in b.moves], b.reversed] for b in proposal.bookings],
    }


LISTED = ("versions", "path", "approvals", "escalated", "broken", "acts", "adjusted", "extra", "places", "bookings")
"""Fields that JSON holds in another form."""

_PLAIN = tuple(name for name in _FIELDS if name not in LISTED)


def from_json(document: Mapping[str, Any]) -> Proposal:
    """What ``to_json`` wrote."""
    plain = {key: value for key, value in document.items() if key not in LISTED}
    return Proposal(
        **plain,
        versions=tuple(document["versions"]),
        path=tuple(tuple(Stage.from_json(stage) for stage in step) for step in document["path"]),
        approvals=tuple(Approval(*each) for each in document["approvals"]),
        escalated=tuple(document["escalated"]),
        broken=tuple(document["broken"]),
        acts=tuple(Act(*each) for each in document["acts"]),
        adjusted={(period, line): amount for period, line, amount in document["adjusted"]},
        extra=tuple(Item(**item) for item in document["extra"]),
        places={(period, line): (a, b, c) for period, line, a, b, c in document["places"]},
        bookings=tuple(
            Booking(version, kind, tuple((p, n, s, t, a) for p, n, s, t, a in moves), undone)
            for version, kind, moves, undone in document["bookings"]
        ),
    )


def path_of(document: Mapping[str, Any]) -> Path:
    """The path that an event of submission carries."""
    return Path.from_json(document)
