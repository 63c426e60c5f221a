"""The allocation model as Gymnasium environments; importing this registers their ids (§5)."""

import gymnasium

from fiscus.env.game import Sight

ALLOCATION = "fiscus/Allocation-v0"
SELECTION = "fiscus/Selection-v0"


def register() -> None:
    """Make ``gymnasium.make`` and ``make_vec`` know the environments; once is enough."""
    for name, single in ((ALLOCATION, "AllocationEnv"), (SELECTION, "SelectionEnv")):
        if name not in gymnasium.registry:
            batch = single.replace("Env", "VectorEnv")
            gymnasium.register(
                id=name, entry_point=f"fiscus.env.single:{single}", vector_entry_point=f"fiscus.env.vector:{batch}"
            )


register()

__all__ = ["ALLOCATION", "SELECTION", "Sight", "register"]
