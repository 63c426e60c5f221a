"""Places on a proposal's path that still want people."""

from __future__ import annotations

from fiscus.workflow.duties.history import humans
from fiscus.workflow.duties.staffing import Slot
from fiscus.workflow.identity.registry import Registry
from fiscus.workflow.proposal.state import Proposal


def slots_of(proposal: Proposal, registry: Registry) -> tuple[Slot, ...]:
    """Signatures that are missing, the release, and the reconciliation.

    Args:
        proposal: With its path.
        registry: Says who counts for whom.
    """
    found, unit = [], proposal.unit
    for stage in proposal.stages:
        given = proposal.given(stage.name)
        if len(given) < stage.need:
            signed = frozenset().union(*[humans(each.person, each.behalf, registry) for each in given])
            roles, missing = proposal.roles_of(stage), stage.need - len(given)
            found.append(Slot(f"stage:{stage.name}", roles, unit, missing, stage.of, signed))
    if not proposal.parent:  # The money of a reallocation is released and reconciled with its parent's.
        found.append(Slot("release", (proposal.release_role,), unit, 1))
        found.append(Slot("reconcile", (proposal.reconcile_role,), unit, 1))
    return tuple(found)
