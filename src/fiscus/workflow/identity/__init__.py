"""People, units, roles and delegations, and what proves who somebody is."""

from fiscus.workflow.identity.decide import decide
from fiscus.workflow.identity.evolve import evolve

__all__ = ["decide", "evolve"]
