"""The exact amounts sum at every node and violate no rule (§3.1): on 300 random problems, and under ./run slow on 1,000."""

from __future__ import annotations

import numpy as np
import pytest
from random_problems import random_problem
from repetitions import slow_from

import fiscus


@pytest.mark.parametrize("block", slow_from(3, 20))
def test_exact_amounts_sum_at_every_node_and_break_no_rule(block):
    for seed in range(50 * block, 50 * (block + 1)):
        problem, _ = random_problem(np.random.default_rng([seed, 7]))
        result = fiscus.solve(problem)
        given = result.apportionment
        assert given.unmet == ()
        assert fiscus.violations(problem, given.amounts) == []
        totals = problem.membership @ given.minor.T
        for unit in range(len(problem.tree)):
            own = given.minor[:, problem.lines.unit == unit].sum(axis=1)
            below = totals[problem.tree.children(unit)].sum(axis=0)
            assert (totals[unit] == own + below).all()
        if problem.account is None:
            limit = np.floor(problem.budget * 10**problem.currency.exponent + 1e-6)
            assert (given.minor.sum(axis=1) <= limit).all()
        cents = result.allocation * 10**problem.currency.exponent
        # A repaired rule may move single units further, but never by more than a few.
        assert np.abs(given.minor - cents).max(initial=0.0) <= 12
