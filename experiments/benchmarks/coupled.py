"""Twenty rules across a large tree: priced outside the tree solver, against HiGHS on the whole model."""

from __future__ import annotations

from common import Rows, across, median, once, row, tree_problem

import fiscus


def rows() -> list[dict[str, str]]:
    """1e4 lines, where the front door takes HiGHS, and 1e5, where it takes the tree; HiGHS on the whole once."""
    made = Rows()
    problem = across(tree_problem(100_000))
    problem.statement  # noqa: B018
    name = "tree LP, 100,000 lines x 5 segments, 20 rules across"
    result = fiscus.solve(problem)
    seconds = median(lambda: fiscus.solve(problem))
    whole, exact = once(lambda: fiscus.solve(problem, route="highs"))
    apart = abs(result.value - exact.value) / abs(exact.value)
    gap = f"gap {result.gap:.1e}, proved {result.proved_gap:.1e}, {apart:.1e} from HiGHS"
    made.append(row(name, f"tree, rules priced outside ({gap})", seconds))
    made.append(row(name, "HiGHS on the whole model (one run)", whole, whole / seconds, "tree", ">= 5"))
    return made
