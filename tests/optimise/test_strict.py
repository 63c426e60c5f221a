"""Limits on risk hold in exact amounts, not only within the solver's tolerance."""

from __future__ import annotations

import tempfile

import pytest
from test_decompose_risk import CURVES, with_risk

import fiscus
from fiscus.core.rules import Risk
from fiscus.optimise import strict
from fiscus.optimise.solve import find

TIGHT = range(6, 25)
"""Seeds among which cents miss limits that are mended, for all curves, and limits that nothing keeps to the cent."""
SEEDS = range(40)


def tighter(problem, margin):
    """The problem with its limits on risk lower by a margin."""
    return problem.but(
        rules=tuple(
            rule.model_copy(update={"limit": rule.limit - margin}) if isinstance(rule, Risk) else rule
            for rule in problem.rules
        )
    )


@pytest.mark.parametrize("curves", CURVES)
@pytest.mark.parametrize(
    ("seeds", "least"), [(TIGHT, 1), pytest.param(SEEDS, 3, marks=pytest.mark.slow)], ids=["tight", "all"]
)
def test_exact_amounts_keep_limits_on_risk(curves, seeds, least):
    mended = 0
    for seed in seeds:
        problem = with_risk(seed, CURVES[curves])
        loose = find(problem, route="highs")
        result = fiscus.solve(problem, route="highs")
        if result.solution is None:
            assert result.status == loose.status, seed
            continue
        if result.status != loose.status:
            # Only where a cent is much: then it is said.
            assert loose.value < 1e4, seed
            assert strict.NOTE in result.reasons, seed
        with tempfile.TemporaryDirectory() as run:
            failed = [each for each in fiscus.verify(result.save(run)).checks if each.standing == "failed"]
        mended += bool(loose.apportionment.unmet) and not failed
        if failed:
            # Nothing keeps the limit to the cent: one that is lower by a few times that and what the referee allows is beyond every plan.
            missed = sum(each.distance for each in result.apportionment.unmet)
            missed += 1e-6 * max(max(1.0, abs(rule.limit)) for rule in problem.rules if isinstance(rule, Risk))
            assert [each.name for each in failed] == ["rules"], (seed, failed)
            assert find(tighter(problem, 4.0 * missed), route="highs").status == "infeasible", seed
        assert result.value >= loose.value - 3e-6 * max(abs(loose.value), loose.bound) - 0.04, seed
        assert result.bound >= loose.value - 1e-9 * abs(loose.value), seed
    assert mended >= least


def test_plans_that_keep_their_limits_are_left_alone():
    problem = with_risk(3, CURVES["polyhedral"])
    loose, result = find(problem, route="highs"), fiscus.solve(problem, route="highs")
    assert not loose.apportionment.unmet
    assert (loose.allocation == result.allocation).all()
    assert loose.rounds == result.rounds
