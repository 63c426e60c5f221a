"""The states of a proposal, and which command may lead from which to which. What is not here cannot happen."""

from __future__ import annotations

from collections.abc import Mapping

DRAFT, IN_REVIEW, RETURNED, APPROVED = "draft", "in_review", "returned", "approved"
PART_RELEASED, RELEASED, CLOSED, HELD = "part_released", "released", "closed", "held"
REJECTED, RECALLED, EXPIRED, SUPERSEDED = "rejected", "recalled", "expired", "superseded"

STATES = (
    *(DRAFT, IN_REVIEW, RETURNED, APPROVED, PART_RELEASED, RELEASED, CLOSED, HELD),
    *(REJECTED, RECALLED, EXPIRED, SUPERSEDED),
)
FINAL = (CLOSED, REJECTED, RECALLED, EXPIRED, SUPERSEDED)
"""States that nothing leads out of."""

OPEN = tuple(state for state in STATES if state not in FINAL)
"""All others."""

LIVE = (IN_REVIEW, APPROVED, PART_RELEASED, RELEASED, CLOSED, HELD)
"""States in which a proposal's money counts against the threshold of its owner and lines."""

WITH_MONEY = (APPROVED, PART_RELEASED, RELEASED)
"""States in which money is reserved or beyond."""

_UNDECIDED = (DRAFT, RETURNED, IN_REVIEW)
_ANY_MONEY = frozenset(WITH_MONEY)

NEXT: Mapping[tuple[str, str], frozenset[str]] = {
    ("", "Draft"): frozenset({DRAFT}),
    ("", "Reallocate"): frozenset({DRAFT}),
    **{(state, "Edit"): frozenset({DRAFT}) for state in _UNDECIDED},
    (DRAFT, "Submit"): frozenset({IN_REVIEW}),
    (IN_REVIEW, "Approve"): frozenset({IN_REVIEW, APPROVED, CLOSED}),
    (IN_REVIEW, "BreakGlass"): frozenset({IN_REVIEW, APPROVED, CLOSED}),
    (IN_REVIEW, "Reject"): frozenset({REJECTED}),
    (IN_REVIEW, "Return"): frozenset({RETURNED}),
    (IN_REVIEW, "Escalate"): frozenset({IN_REVIEW}),
    **{(state, "Recall"): frozenset({RECALLED}) for state in _UNDECIDED},
    **{(state, "Supersede"): frozenset({SUPERSEDED}) for state in _UNDECIDED},
    **{(state, "Expire"): frozenset({EXPIRED}) for state in (*_UNDECIDED, APPROVED)},
    **{(state, "Hold"): frozenset({HELD}) for state in (IN_REVIEW, *WITH_MONEY)},
    (HELD, "Resume"): frozenset({IN_REVIEW, *WITH_MONEY}),
    **{(state, "Release"): frozenset({PART_RELEASED, RELEASED}) for state in (APPROVED, PART_RELEASED)},
    **{(state, "Commit"): frozenset({state}) for state in (PART_RELEASED, RELEASED)},
    **{(state, "RecordActual"): frozenset({state}) for state in (PART_RELEASED, RELEASED)},
    **{(state, "Reverse"): _ANY_MONEY for state in (PART_RELEASED, RELEASED)},
    **{(state, "Reconcile"): frozenset({state}) for state in (PART_RELEASED, RELEASED)},
    **{(state, "Adjust"): _ANY_MONEY for state in WITH_MONEY},
    **{(state, "Close"): frozenset({CLOSED}) for state in WITH_MONEY},
    **{(state, "Comment"): frozenset({state}) for state in STATES},
}
"""``(state, command) -> states``; the state before the first event is empty. ``Adjust`` is what an approved reallocation does to
its parent: no person can command it."""


def in_words(status: str) -> str:
    """A state inside a sentence."""
    return status.replace("_", " ")


_NOWHERE = frozenset[str]()


def allowed(status: str, command: str) -> frozenset[str]:
    """States that a command may lead to; none where it cannot be followed."""
    return NEXT.get((status, command), _NOWHERE)
