"""Duties of one session: roles that nobody uses together while signed in once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from fiscus.workflow.refusal import Refusal


def clash(pairs: Sequence[tuple[str, str]], used: Iterable[str], role: str) -> Refusal | None:
    """Why a role may not be used, because of another that the session used.

    Args:
        pairs: Roles that exclude each other.
        used: By the session so far.
        role: Wanted now.
    """
    before = set(used)
    for first, second in pairs:
        other = second if role == first else first if role == second else ""
        if other and other in before:
            return Refusal(
                "duties.one_session",
                f"You acted as {other} since you signed in, which excludes {role} in one session: sign in again.",
            )
    return None
