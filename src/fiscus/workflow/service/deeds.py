"""What somebody did to a proposal, read from its log and from nothing else."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from fiscus.workflow.ports import Written

WRITING = ("Drafted", "Edited")
"""Events that each begin a version."""


@dataclass(frozen=True, slots=True)
class Deed:
    """An event of somebody's.

    Attributes:
        kind: Of the event, as ``Approved``.
        version: Number of the proposal's version that it was about, from 1.
        behalf: For whom; empty for themselves.
        at: When.
    """

    kind: str
    version: int
    behalf: str
    at: str


def deeds(log: Iterable[Written], person: str) -> Sequence[Deed]:
    """Everything somebody did to a proposal, the oldest first.

    Args:
        log: Of the proposal, from its first event.
        person: Who did it, in whoever's name.
    """
    found, version = [], 0
    for event in log:
        version += event.kind in WRITING
        if event.stamp.actor == person:
            found.append(Deed(event.kind, max(version, 1), event.stamp.behalf, event.stamp.at))
    return found


def last(done: Sequence[Deed], kind: str) -> Deed | None:
    """The latest of a kind; None for none."""
    return next((each for each in reversed(done) if each.kind == kind), None)
