"""The compiled split and step equal the NumPy ones."""

import numpy as np
import pytest
from random_problems import CURVES, random_problem

from fiscus.core.compiled import Kernel
from fiscus.core.dynamics import State, step
from fiscus.core.nested import nest
from fiscus.errors import InvalidInput

BATCH = 50


@pytest.mark.parametrize("seed", range(60))
def test_compiled_equals_numpy(seed: int) -> None:
    rng = np.random.default_rng(seed)
    problem, _ = random_problem(rng, lines=(1, 40), kinds=("envelope",), integers=False, curves=CURVES)
    try:
        limits, _ = nest(problem)
    except InvalidInput:
        return
    kernel, lines = Kernel.of(problem, limits), problem.shape[1]
    period = rng.integers(0, problem.shape[0], BATCH)
    low, high = limits.low[period], limits.high[period]
    size = rng.choice([0.0, 1.0, 100.0, 1e300, 5e-324], (BATCH, 1))
    wish = low[:, limits.line_nodes] + rng.uniform(-0.5, 1.5, (BATCH, lines)) * size
    total = limits.gathered(wish, low, high)[:, limits.root]
    expected = limits.nearest(wish, total, low, high)
    assert kernel.nearest(wish, low, high) == pytest.approx(expected, rel=1e-12, abs=1e-12)
    state = State(
        period, rng.uniform(0, 50, (BATCH, lines)), rng.uniform(0, 50, (BATCH, lines)), rng.uniform(0, 9, BATCH), rng.uniform(0, 99, BATCH)
    )  # fmt: skip
    theta, curves = rng.uniform(0, 2, (BATCH, lines)), problem.lines.curves
    slow, fast = step(problem, state, expected, theta, curves), kernel.step(state, expected, theta, curves)
    assert fast[1] == pytest.approx(slow.reward, rel=1e-12, abs=1e-12)
    assert fast[2] == pytest.approx(slow.benefit, rel=1e-12, abs=1e-12)
    for name in ("period", "spend", "stock", "unspent", "account"):
        assert getattr(fast[0], name) == pytest.approx(getattr(slow.state, name), rel=1e-12, abs=1e-12)
