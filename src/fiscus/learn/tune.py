"""Numbers tuned in simulation: the shares of the best fixed split, and how much the future should count in rolling re-optimisation.

Tuning paths are apart from those of training, judging and tournaments; every trial is judged on the same ones.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import optimize, special

from fiscus.core.arrays import FloatArray
from fiscus.env.game import Game
from fiscus.learn.mpc import MPC, tuned
from fiscus.learn.play import paths, play
from fiscus.learn.policy import Shares

FIRST_PATH = 3_000_000_000
"""Seed of the first tuning path."""

LEAST, MOST = 0.25, 4.0
"""Between what the factor of the future is looked for."""


def best_shares(game: Game, count: int = 200, first_path: int = FIRST_PATH) -> Shares:
    """The fixed shares that do best on tuning paths, by a quasi-Newton search from equal ones.

    Args:
        game: What is played.
        count: Tuning paths.
        first_path: Seed of the first.
    """
    seeds = paths(first_path, count)

    def lost(logits: FloatArray) -> float:
        return -float(play(game, Shares(_shares(logits)), seeds).value.mean())

    scale = abs(lost(np.zeros(game.lines + 1))) or 1.0
    search: Any = optimize.minimize  # Its stubs know no bounds of pairs.
    found = search(
        lambda logits: lost(logits) / scale,
        np.r_[np.zeros(game.lines), -3.0],
        method="L-BFGS-B",
        bounds=[(-6.0, 6.0)] * (game.lines + 1),
        options={"maxiter": 25, "eps": 1e-3},
    )
    return Shares(_shares(np.asarray(found.x)), "best fixed shares")


def _shares(logits: FloatArray) -> FloatArray:
    """Shares of the lines; the last logit is of what is not spent."""
    return np.asarray(special.softmax(logits)[:-1])


def tuned_future(game: Game, count: int = 1_000, first_path: int = FIRST_PATH) -> MPC:
    """Rolling re-optimisation with the factor of the future that does best on tuning paths, by a bounded search on its logarithm.

    Args:
        game: What is played.
        count: Tuning paths.
        first_path: Seed of the first.
    """
    seeds = paths(first_path, count)

    def lost(log: float) -> float:
        return -float(play(game, tuned(np.array([np.exp(log)])), seeds).value.mean())

    found = optimize.minimize_scalar(
        lost, bounds=(np.log(LEAST), np.log(MOST)), method="bounded", options={"xatol": 0.01}
    )
    # Never worse on these paths than not to tune at all.
    factor = float(np.exp(found.x)) if found.fun <= lost(0.0) else 1.0
    return tuned(np.array([round(factor, 4)]))
