"""The safe step: every rule holds whatever is wished for, and it is seldom farther from the wish than a solver finds possible."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
from random_problems import KINDS, random_problem
from scipy.optimize import Bounds, LinearConstraint, milp

from fiscus.core.arrays import FloatArray
from fiscus.core.feasibility import violations
from fiscus.core.problem import Problem
from fiscus.core.relaxed import Relaxed
from fiscus.core.safe import Safe
from fiscus.env.game import Game, game
from fiscus.errors import InvalidInput

WITH_CHOICES = ("requires", "at_most", "at_least", "staged", "whole")


def played(kind: str, seed: int) -> tuple[Game, Safe, np.random.Generator] | None:
    """A random problem with rules of one kind that need the safe step; None where none came up."""
    rng = np.random.default_rng(100 * seed + KINDS.index(kind))
    problem, _ = random_problem(
        rng, lines=(3, 6), periods=(1, 3), kinds=[kind], soft=False, integers=kind in WITH_CHOICES
    )
    try:
        made = game(problem)
    except InvalidInput:
        return None
    return None if made.safe is None else (made, made.safe, rng)


def wish_for(made: Game, rng: np.random.Generator, period: int) -> FloatArray:
    """What an action asks for after the envelopes: anywhere between floors and caps, brought within the units' limits."""
    nest = made.nest
    low, high = nest.low[period][None], np.minimum(nest.high[period], 1e6)[None]
    wish = rng.uniform(low[:, nest.line_nodes], high[:, nest.line_nodes])
    return nest.as_wished(wish, low, high)[0]


def least_distance(problem: Problem, plan: FloatArray, period: int, wish: FloatArray) -> float | None:
    """Money between a wish and the nearest amounts for which some continuation obeys every rule, by an integer program."""
    relaxed, lines = Relaxed.of(problem), problem.shape[1]
    size, first = len(relaxed.low), relaxed.places["spend"].start
    empty = sp.csr_array((relaxed.matrix.shape[0], lines))
    own = sp.csr_array(
        (np.ones(lines), (np.arange(lines), first + period * lines + np.arange(lines))), shape=(lines, size)
    )
    eye = sp.eye_array(lines, format="csr")
    low, high = np.r_[relaxed.low, np.zeros(lines)], np.r_[relaxed.high, np.full(lines, np.inf)]
    past = slice(first, first + period * lines)
    low[past], high[past] = plan[:period].ravel() - 1e-7, plan[:period].ravel() + 1e-7
    answer = milp(
        np.r_[np.zeros(size), np.ones(lines)],
        integrality=np.r_[relaxed.integer.astype(int), np.zeros(lines, int)],
        bounds=Bounds(low, high),
        constraints=[
            LinearConstraint(sp.csr_array(sp.hstack([relaxed.matrix, empty])), relaxed.lower, relaxed.upper),
            LinearConstraint(sp.csr_array(sp.hstack([own, -eye])), -np.inf, wish),
            LinearConstraint(sp.csr_array(sp.hstack([own, eye])), wish, np.inf),
        ],
    )
    return None if answer.x is None else float(answer.fun)


def test_it_is_seldom_farther_from_a_wish_than_must_be() -> None:
    """Of the way that could be gone, what is left: nothing in most cases. The rest is what a step line by line misses."""
    left = []
    for kind in KINDS:
        for seed in range(8):
            found = played(kind, seed)
            if found is None:
                continue
            made, safe, rng = found
            plan = safe.anchor.copy()
            for period in range(made.periods):
                wish = wish_for(made, rng, period)
                stay = float(np.abs(plan[period] - wish).sum())
                new = safe.advanced(plan[None], np.array([period]), wish[None])[0]
                assert violations(made.problem, new) == []
                nearest = least_distance(made.problem, plan, period, wish)
                if nearest is not None and stay - nearest > 1e-6:
                    left.append((float(np.abs(new[period] - wish).sum()) - nearest) / (stay - nearest))
                plan = new
    assert len(left) >= 100
    assert np.median(left) <= 1e-6
    assert np.quantile(left, 0.75) <= 0.1
    assert np.mean(np.array(left) > 0.99) <= 0.05  # Stuck where it could have moved.


@pytest.mark.parametrize("kind", KINDS)
def test_hostile_wishes_are_kept_within_every_rule(kind: str) -> None:
    for seed in range(4):
        found = played(kind, seed)
        if found is None:
            continue
        made, safe, rng = found
        lines = made.lines
        wishes = np.array(
            [
                np.zeros(lines),
                np.full(lines, 1e300),
                np.full(lines, 5e-324),
                np.eye(lines)[seed % lines] * 1e12,
                rng.uniform(0, 100, lines),
            ]
        )
        plans = np.broadcast_to(safe.anchor, (len(wishes), *made.problem.shape)).copy()
        for period in range(made.periods):
            plans = safe.advanced(plans, np.full(len(wishes), period), wishes)
        for plan in plans:
            assert np.isfinite(plan).all()
            assert violations(made.problem, plan) == []


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_allowed_stays_as_it_is(kind: str) -> None:
    """A wish that the plan itself holds is granted, and periods before it are never touched."""
    for seed in range(6):
        found = played(kind, seed)
        if found is None:
            continue
        made, safe, rng = found
        plan = safe.anchor[None]
        for period in range(made.periods):
            moved = safe.advanced(plan, np.array([period]), wish_for(made, rng, period)[None])
            assert (moved[:, :period] == plan[:, :period]).all()
            again = safe.advanced(moved, np.array([period]), moved[:, period])
            np.testing.assert_array_equal(again[:, period], moved[:, period])
            plan = moved
