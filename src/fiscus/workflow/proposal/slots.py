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
    stages = tuple(
        Slot(
            f"stage:{stage.name}",
            proposal.roles_of(stage),
            proposal.unit,
            missing,
            stage.of,
            frozenset(h for each in given for h in humans(each.person, each.behalf, registry)),
        )
        for stage in proposal.stages
        if (missing := stage.need - len(given := proposal.given(stage.name))) > 0
    )
    if proposal.parent:
        return stages  # The money of a reallocation is released and reconciled with its parent's.
    ends = (("release", proposal.release_role), ("reconcile", proposal.reconcile_role))
    return (*stages, *(Slot(kind, (role,), proposal.unit, 1) for kind, role in ends))
