"""Events of a proposal as people say them, after the name of whoever did it."""

from __future__ import annotations

from collections.abc import Mapping

from fiscus.workflow.ports import Written

WORDS: Mapping[str, str] = {
    "Drafted": "drafted it",
    "Edited": "wrote a new version",
    "Submitted": "sent it into review",
    "Approved": "signed",
    "StepOpened": "gave the last signature of this step; the next step may sign now",
    "Adopted": "gave the last signature of all; it is approved, and its money is reserved",
    "GlassTouched": "touched the glass",
    "GlassBroken": "broke the glass",
    "Rejected": "rejected it for good",
    "Returned": "returned it for changes",
    "Recalled": "took it back",
    "Superseded": "replaced it by another",
    "Expired": "ended it, as its time was over",
    "Closed": "closed it",
    "Escalated": "asked more people, as it was overdue",
    "Held": "put it on hold",
    "Resumed": "resumed it",
    "Released": "released money",
    "Committed": "recorded an order",
    "Spent": "recorded a payment",
    "Reversed": "undid a movement of money",
    "Adjusted": "moved money of it by a proposal of its own",
    "Reconciled": "confirmed that the books outside say the same",
    "Commented": "commented",
}
"""By kind of event."""


def happened(event: Written) -> str:
    """What somebody did, with the stage that it was about."""
    stage = event.data.get("stage")
    about = f" for {str(stage).replace('_', ' ')}" if stage and event.kind == "Approved" else ""
    return WORDS.get(event.kind, event.kind) + about
