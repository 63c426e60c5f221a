"""Who asks."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Actor:
    """Whoever gives a command.

    Attributes:
        person: Their id.
        behalf: Whom they act for under a delegation; empty for themselves.
        session: Of sign-in, for rules about one session; empty where there is none.
    """

    person: str
    behalf: str = ""
    session: str = ""
