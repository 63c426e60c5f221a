"""The tree solver: exact for separable concave benefits under nested envelopes (§4, solvers)."""

from fiscus.optimise.tree.program import Program, Split, obstacle, split
from fiscus.optimise.tree.solver import Answer, solve_tree

__all__ = ["Answer", "Program", "Split", "obstacle", "solve_tree", "split"]
