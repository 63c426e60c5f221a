"""Who is told of what."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from fiscus.workflow.identity.registry import ADMINISTRATOR, AUDITOR, Registry
from fiscus.workflow.ports import Notice
from fiscus.workflow.store.deliveries import Webhook

WAITS = ("proposal.submitted", "proposal.stepopened", "proposal.escalated", "proposal.adopted", "proposal.resumed")
"""After these somebody else has to act."""

OWNERS = (
    *("proposal.returned", "proposal.rejected", "proposal.adopted", "proposal.released", "proposal.expired"),
    *("proposal.held", "proposal.closed"),
)
"""Of these whoever drafted the proposal is told."""

AUDITORS = (AUDITOR, ADMINISTRATOR)
"""Roles that are told of what is loud."""

ROUND_OPEN = ("round.opened", "round.reopened", "round.extended")


def people_for(notice: Notice, registry: Registry, at: datetime) -> tuple[str, ...]:
    """People who are told of a notice, delegates included, each once; those without an address are left out."""
    body: dict[str, Any] = dict(notice.body)
    found: set[str] = set()
    if notice.topic in WAITS:
        for role, unit in body.get("waiting", ()):
            found |= _with_delegates(registry.holders(role, unit, at), role, registry, at)
    if notice.topic in OWNERS:
        found.add(str(body.get("owner", "")))
    if body.get("loud"):
        for role in AUDITORS:
            found |= registry.holders(role, "", at)
    if notice.topic in ROUND_OPEN:
        found |= {registry.owners.get(unit, "") for unit in body.get("missing", ())}
    return tuple(sorted(name for name in found if registry.is_active(name) and registry.people[name].email))


def _with_delegates(holders: frozenset[str], role: str, registry: Registry, at: datetime) -> set[str]:
    takers = {
        each.taker
        for each in registry.delegations
        if each.giver in holders and registry.may(each.taker, each.giver, role, "", at)
    }
    return set(holders) | takers


def targets(
    notice: Notice, registry: Registry, hooks: Sequence[Webhook], at: datetime, *, mail: bool = True
) -> tuple[str, ...]:
    """``mail:PERSON`` and ``hook:ID`` for everyone who is told."""
    people = people_for(notice, registry, at) if mail else ()
    told = [hook.id for hook in hooks if not hook.topics or notice.topic in hook.topics]
    return (*(f"mail:{name}" for name in people), *(f"hook:{name}" for name in told))
