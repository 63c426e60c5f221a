"""Trees whose limits leave no room, or just as much as a sum in another order comes to: prices stay those of the next unit."""

from __future__ import annotations

import numpy as np
import pytest

import fiscus
from fiscus import Problem
from fiscus.optimise.tree import solve_tree, split


def plan(units: dict[str, list], lines: dict[str, list], budget: float) -> Problem:
    return Problem.from_frames(units=units, lines=lines, budget=budget)


def solved(problem: Problem, backend: str = "numpy"):
    answer = solve_tree(split(problem).program, backend=backend)
    assert answer is not None
    return answer


@pytest.mark.parametrize("backend", ["numpy", "numba"])
def test_a_cap_that_leaves_no_room_is_worth_what_the_first_unit_of_it_would_bring(backend):
    """Floors 0.1 and 0.2 use up the cap 0.3: a unit more would go to the steeper line, 3 / (2 + 0.1)."""
    problem = plan(
        {"id": ["all", "x", "y"], "parent": ["", "all", "all"], "cap": [None, 0.3, None]},
        {"id": ["a", "b", "c"], "unit": ["x", "x", "y"], "floor": [0.1, 0.2, 0], "cap": [9] * 3, "curve": ["log"] * 3,
         "a": [3] * 3, "h": [2] * 3},
        5,
    )  # fmt: skip
    answer = solved(problem, backend)
    assert answer.price[1] == pytest.approx(3 / 2.1, rel=1e-12)
    assert answer.amount == pytest.approx([0.1, 0.2, 4.7], abs=1e-12)
    assert answer.gap < 1e-12


def test_a_floor_that_leaves_no_room_costs_what_its_last_unit_brings():
    """All of x is wanted by its floor: a unit less would leave the flattest line there, and go where it brings 1."""
    problem = plan(
        {"id": ["all", "x", "y"], "parent": ["", "all", "all"], "floor": [None, 30, None]},
        {
            "id": ["a", "b", "c"],
            "unit": ["x", "x", "y"],
            "cap": [10, 20, 100],
            "curve": ["linear"] * 3,
            "a": [0.4, 0.2, 1],
        },
        80,
    )
    result = fiscus.solve(problem)
    prices = {each.row[0]: each.price for each in result.binding}
    assert prices["budget"] == pytest.approx(1.0)
    assert prices["unit x"] == pytest.approx(0.2 - 1.0)


@pytest.mark.parametrize("seed", range(40))
def test_floors_that_add_up_to_the_cap_get_the_price_of_the_steepest_line(seed):
    rng = np.random.default_rng(seed)
    count = int(rng.integers(2, 13))
    floors = rng.uniform(1e3, 1e5, count).round(2)
    total = round(float(floors.sum()), 2)
    problem = plan(
        {"id": ["all", "x", "y"], "parent": ["", "all", "all"], "cap": [None, total, None]},
        {"id": [f"l{i}" for i in range(count + 1)], "unit": ["x"] * count + ["y"], "floor": [*floors.tolist(), 0.0],
         "cap": [5e5] * (count + 1), "curve": ["log"] * (count + 1), "a": [1e5] * (count + 1), "h": [2e4] * (count + 1)},
        2 * total,
    )  # fmt: skip
    answer = solved(problem)
    assert answer.price[1] == pytest.approx(1e5 / (2e4 + floors.min()), rel=1e-9)
    assert answer.gap < 1e-9


def test_caps_that_could_never_bind_have_no_price_whatever_the_order_of_sums():
    """A unit whose cap is the sum of its lines' caps, under a budget of twice that: nothing is scarce."""
    caps = np.linspace(0.1, 9.7, 12).round(2)
    problem = plan(
        {"id": ["all", "x"], "parent": ["", "all"], "cap": [None, float(caps.sum())]},
        {"id": [f"l{i}" for i in range(12)], "unit": ["x"] * 12, "cap": caps.tolist(), "curve": ["log", "linear"] * 6,
         "a": [3] * 12, "h": [2, None] * 6},
        round(2 * float(caps.sum()), 2),
    )  # fmt: skip
    for backend in ("numpy", "numba"):
        answer = solved(problem, backend)
        assert (answer.price == 0).all()
        assert answer.gap < 1e-12


def test_a_total_so_small_that_its_ratio_underflows_is_no_failure():
    problem = plan(
        {"id": ["all", "x", "y"], "parent": ["", "all", "all"], "cap": [None, 878.89, None]},
        {"id": ["a", "b", "c"], "unit": ["x", "x", "y"], "curve": ["power"] * 3, "a": [57.21, 57.21, 19.07], "p": [0.99] * 3,
         "cap": [22341.19, 44682.38, 22341.19]},
        46000.71,
    )  # fmt: skip
    answer = solved(problem)
    assert answer.amount == pytest.approx([439.445, 439.445, 22341.19])
    assert answer.gap < 1e-12


def test_a_floor_met_by_a_mixture_of_prices_keeps_its_own_price(tmp_path):
    problem = plan(
        {"id": ["all", "x", "y"], "parent": ["", "all", "all"], "floor": [None, 18.7, None]},
        {"id": ["a", "b", "c"], "unit": ["y", "y", "x"], "curve": ["linear"] * 3, "a": [1, 1, 0.25], "cap": [100] * 3},
        66.58,
    )
    result = fiscus.solve(problem)
    prices = {each.row[0]: each.price for each in result.binding}
    assert prices["unit x"] == pytest.approx(-0.75)
    assert fiscus.verify(result.save(tmp_path)).holds
