"""Why a command was not followed."""

from __future__ import annotations

import re
from dataclasses import dataclass

CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
"""Characters that are not shown: names with them look like others, or break a line of a report."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """A command that a rule forbids.

    Attributes:
        rule: Its name, the same for the same reason, as ``duties.one_act``.
        reason: A sentence for the person: what is wrong, where, and what to do.
    """

    rule: str
    reason: str


def illegible(name: str) -> str:
    """Why nobody could read or type a name; empty where they can."""
    if CONTROL.search(name):
        return f"{name[:60]!r} holds a character that is not shown, such as a line break: leave it out."
    return ""
