"""What an event makes of a proposal. Events are facts: nothing is refused here, and nothing is asked of anyone."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from fiscus.workflow.duties.history import Act
from fiscus.workflow.ports import Entry, Stamp
from fiscus.workflow.proposal import transitions as to
from fiscus.workflow.proposal.content import Cell, Item
from fiscus.workflow.proposal.state import PLACES, Approval, Booking, Proposal, path_of

Data = Mapping[str, Any]
Changes = dict[str, Any]
"""Fields of a proposal that an event gives other values."""

Handler = Callable[[Proposal, Data, Stamp, int], Changes]


def evolve(proposal: Proposal | None, entry: Entry, stamp: Stamp, version: int) -> Proposal:
    """The proposal after one event.

    Args:
        proposal: Before it; None for the first.
        entry: What happened.
        stamp: When and by whom.
        version: Number of the event in the proposal, from 1.
    """
    if proposal is None:
        return _drafted(entry.data, stamp)
    changes = HANDLERS[entry.kind](proposal, entry.data, stamp, version)
    kind = entry.data.get("act")
    if kind:
        changes["acts"] = (*proposal.acts, Act(stamp.actor, stamp.behalf, str(kind), proposal.id))
    return proposal.but(**changes) if changes else proposal


def _drafted(data: Data, stamp: Stamp) -> Proposal:
    return Proposal(
        id=data["proposal"],
        status=to.DRAFT,
        owner=stamp.behalf or stamp.actor,
        title=data["title"],
        unit=data["unit"],
        lineage=data["lineage"],
        parent=data["parent"],
        versions=(data["content"],),
        total=data["total"],
        currency=data["currency"],
        acts=(Act(stamp.actor, stamp.behalf, "author", data["proposal"]),),
    )


def _edited(proposal: Proposal, data: Data, stamp: Stamp, version: int) -> Changes:
    return {
        "status": to.DRAFT,
        "versions": (*proposal.versions, data["content"]),
        "title": data["title"],
        "unit": data["unit"],
        "total": data["total"],
        "approvals": (),
        "escalated": (),
        "broken": (),
        "hash": "",
        "path": (),
        "step": 0,
        "opened": "",
    }


def _submitted(proposal: Proposal, data: Data, stamp: Stamp, version: int) -> Changes:
    path = path_of(data["path"])
    return {
        "status": to.IN_REVIEW,
        "hash": data["hash"],
        "policy": data["policy"],
        "rule": path.rule,
        "amount": data["amount"],
        "submitted": stamp.at,
        "expires": data["expires"],
        "path": path.steps,
        "release_role": path.release_role,
        "reconcile_role": path.reconcile_role,
        "step": 0,
        "opened": stamp.at,
        "approvals": (),
        "escalated": (),
        "broken": (),
    }


def _approved(proposal: Proposal, data: Data, stamp: Stamp, version: int) -> Changes:
    approval = Approval(data["stage"], stamp.actor, stamp.behalf, stamp.at)
    return {"approvals": (*proposal.approvals, approval)}


def _step_opened(proposal: Proposal, data: Data, stamp: Stamp, version: int) -> Changes:
    return {"step": data["step"], "opened": stamp.at}


def _adopted(proposal: Proposal, data: Data, stamp: Stamp, version: int) -> Changes:
    """Money is reserved; a reallocation is over, as its money is its parent's from now on."""
    return {"status": to.CLOSED if proposal.parent else to.APPROVED, "step": len(proposal.path)}


def _glass_touched(proposal: Proposal, data: Data, stamp: Stamp, version: int) -> Changes:
    return {"broken": (stamp.actor, stamp.behalf)}


def _glass_broken(proposal: Proposal, data: Data, stamp: Stamp, version: int) -> Changes:
    """The stages that were missing count as signed by the two."""
    missing = tuple(
        Approval(stage.name, stamp.actor, stamp.behalf, stamp.at, emergency=True)
        for stage in proposal.stages
        for _ in range(stage.need - len(proposal.given(stage.name)))
    )
    return {"approvals": proposal.approvals + missing}


def _into(status: str) -> Handler:
    return lambda proposal, data, stamp, version: {"status": status, "held": ""}


def _escalated(proposal: Proposal, data: Data, stamp: Stamp, version: int) -> Changes:
    return {"escalated": (*proposal.escalated, data["stage"])}


def _held(proposal: Proposal, data: Data, stamp: Stamp, version: int) -> Changes:
    return {"status": to.HELD, "held": proposal.status}


def _resumed(proposal: Proposal, data: Data, stamp: Stamp, version: int) -> Changes:
    return {"status": proposal.held, "held": ""}


def _booked(kind: str) -> Handler:
    def handler(proposal: Proposal, data: Data, stamp: Stamp, version: int) -> Changes:
        moves = tuple((p, line, source, target, amount) for p, line, source, target, amount in data["moves"])
        booking = Booking(version, kind, moves)
        return {
            "places": _moved(proposal, moves),
            "status": data["status"],
            "bookings": (*proposal.bookings, booking),
            "reconciled": False,
        }

    return handler


def _reversed(proposal: Proposal, data: Data, stamp: Stamp, version: int) -> Changes:
    undone = next(each for each in proposal.bookings if each.version == data["version"])
    moves = tuple((p, line, target, source, amount) for p, line, source, target, amount in undone.moves)
    bookings = tuple(replace(each, reversed=True) if each is undone else each for each in proposal.bookings)
    return {"places": _moved(proposal, moves), "status": data["status"], "bookings": bookings, "reconciled": False}


def _moved(proposal: Proposal, moves: tuple[tuple[str, str, str, str, int], ...]) -> dict[Cell, tuple[int, int, int]]:
    places: dict[Cell, list[int]] = {cell: list(there) for cell, there in proposal.places.items()}
    for period, line, source, target, amount in moves:
        there = places.setdefault((period, line), [0, 0, 0])
        for place, sign in ((source, -1), (target, 1)):
            if place in PLACES:
                there[PLACES.index(place)] += sign * amount
    return {cell: (a, b, c) for cell, (a, b, c) in places.items()}


def _adjusted(proposal: Proposal, data: Data, stamp: Stamp, version: int) -> Changes:
    adjusted = dict(proposal.adjusted)
    for period, line, amount in data["added"]:
        adjusted[period, line] = adjusted.get((period, line), 0) + amount
    extra = tuple(Item(**item) for item in data["items"])
    return {
        "adjusted": adjusted,
        "extra": (*proposal.extra, *extra),
        "unit": data["unit"],
        "status": data["status"],
        "total": proposal.total + data["more"],
    }


def _reconciled(proposal: Proposal, data: Data, stamp: Stamp, version: int) -> Changes:
    return {"reconciled": True}


def _same(proposal: Proposal, data: Data, stamp: Stamp, version: int) -> Changes:
    return {}


HANDLERS: Mapping[str, Handler] = {
    "Edited": _edited,
    "Submitted": _submitted,
    "Approved": _approved,
    "StepOpened": _step_opened,
    "Adopted": _adopted,
    "GlassTouched": _glass_touched,
    "GlassBroken": _glass_broken,
    "Rejected": _into(to.REJECTED),
    "Returned": _into(to.RETURNED),
    "Recalled": _into(to.RECALLED),
    "Superseded": _into(to.SUPERSEDED),
    "Expired": _into(to.EXPIRED),
    "Closed": _into(to.CLOSED),
    "Escalated": _escalated,
    "Held": _held,
    "Resumed": _resumed,
    "Released": _booked("Released"),
    "Committed": _booked("Committed"),
    "Spent": _booked("Spent"),
    "Reversed": _reversed,
    "Adjusted": _adjusted,
    "Reconciled": _reconciled,
    "Commented": _same,
}
"""What each kind of event does, the first of a proposal aside."""
