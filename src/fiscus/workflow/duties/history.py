"""Duties over a whole lineage: one human has one part in it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from fiscus.workflow.actor import Actor
from fiscus.workflow.identity.registry import Registry
from fiscus.workflow.refusal import Refusal


class Act(NamedTuple):
    """A part that somebody had.

    Attributes:
        person: Who acted.
        behalf: For whom, empty for themselves.
        kind: ``author``, ``stage:<name>``, ``release``, ``reconcile`` or ``emergency``.
        proposal: In which proposal of the lineage.
    """

    person: str
    behalf: str
    kind: str
    proposal: str


def humans(person: str, behalf: str, registry: Registry) -> frozenset[str]:
    """Whom an act counts for: who acted and for whom, each as the human who answers for them."""
    one = registry.accountable(person)
    return frozenset((one,)) if behalf in ("", person) else frozenset((one, registry.accountable(behalf)))


def parts(history: Iterable[Act], registry: Registry) -> dict[str, dict[str, Act]]:
    """The parts that each human had, with one act of each."""
    found: dict[str, dict[str, Act]] = {}
    for act in history:
        for human in humans(act.person, act.behalf, registry):
            found.setdefault(human, {}).setdefault(act.kind, act)
    return found


def barred(history: Iterable[Act], actor: Actor, kind: str, registry: Registry) -> Refusal | None:
    """Why somebody may not have a part, because they had another in the same lineage.

    Args:
        history: Of the lineage: all versions, splits and children.
        actor: Who asks; a delegate counts as both people.
        kind: Of the part.
        registry: Says who answers for service accounts.
    """
    involved = humans(actor.person, actor.behalf, registry)
    for act in history:
        if act.kind == kind:
            continue
        both = involved & humans(act.person, act.behalf, registry)
        if both:
            who = sorted(both)[0]
            return Refusal(
                "duties.one_part",
                f"{who} {in_words(act.kind)} of {act.proposal} and cannot be {in_words(kind, was=False)} of the same "
                "money too: somebody else has to.",
            )
    return None


def in_words(kind: str, was: bool = True) -> str:
    """A part as people say it."""
    words = {
        "author": "author",
        "release": "releaser or recorder of orders and payments",  # One part, and the log does not say which half of it.
        "reconcile": "reconciler",
        "emergency": "one of the two who break glass",
    }
    name = words.get(kind) or f"approver in stage {kind.removeprefix('stage:')}"
    return f"was {name}" if was else name
