"""Why a command was not followed."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Refusal:
    """A command that a rule forbids.

    Attributes:
        rule: Its name, the same for the same reason, as ``duties.one_act``.
        reason: A sentence for the person: what is wrong, where, and what to do.
    """

    rule: str
    reason: str
