"""Solver routes over the one statement of a problem (§4, solvers)."""
