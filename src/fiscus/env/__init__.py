"""The allocation model as Gymnasium environments; importing this registers their ids (§5)."""

import gymnasium

from fiscus.env.game import Sight

ALLOCATION = "fiscus/Allocation-v0"


def register() -> None:
    """Make ``gymnasium.make`` and ``make_vec`` know the environments; once is enough."""
    if ALLOCATION not in gymnasium.registry:
        gymnasium.register(
            id=ALLOCATION,
            entry_point="fiscus.env.single:AllocationEnv",
            vector_entry_point="fiscus.env.vector:AllocationVectorEnv",
        )


register()

__all__ = ["ALLOCATION", "Sight", "register"]
