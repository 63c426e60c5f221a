"""A planning round: funds for a time, asks from below, targets from above, then one plan that answers the frozen asks."""

from fiscus.workflow.rounds.decide import decide
from fiscus.workflow.rounds.evolve import evolve

__all__ = ["decide", "evolve"]
