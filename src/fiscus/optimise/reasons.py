"""Why value has no end: which lines take money for ever."""

from __future__ import annotations

import numpy as np

from fiscus.core.facts import Facts


def unbounded_reasons(problem: Facts) -> tuple[str, ...]:
    """Sentences naming the lines that nothing bounds and that are worth their money for ever."""
    far = np.full(problem.shape, 1e15)
    worth = problem.scenarios.expected() * problem.lines.weight * problem.lines.curves.derivative(far)
    endless = (~np.isfinite(problem.reach) & (worth > problem.spend_weight)).any(axis=0)
    named = [problem.lines.id[line] for line in np.flatnonzero(endless)]
    if not named:
        return ("Value can grow without end; give the lines caps or the plan a budget.",)
    shown = ", ".join(named[:5]) + (f" and {len(named) - 5} more" if len(named) > 5 else "")
    return (f"Nothing bounds the amount of {shown}, and more of it is always worth more; give a cap or a budget.",)
