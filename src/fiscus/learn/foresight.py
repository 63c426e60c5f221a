"""Perfect foresight: the best plan of each sample path if all of it had been known, a bound on every policy (§4, bracket)."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from fiscus.core.arrays import FloatArray, IntArray
from fiscus.core.dynamics import evaluate
from fiscus.core.process import Scenarios
from fiscus.env.engine import Engine
from fiscus.env.game import Game
from fiscus.errors import InvalidInput
from fiscus.learn.horizon import Ahead, TreeHorizon, coupling
from fiscus.learn.play import BATCH, dealt
from fiscus.optimise.solve import find


def foresight(game: Game, seeds: IntArray, *, batch: int = BATCH, gap: float = 1e-4) -> FloatArray:
    """What the best plan of each path is worth: no policy can get more.

    By the tree solver where it can plan ahead, exactly; else path by path through the front door, whose proved or reported bound is
    what counts.

    Args:
        game: What is played.
        seeds: Of the paths, shape (N,).
        batch: Paths that are planned together.
        gap: Relative gap at which the front door stops.

    Returns:
        Discounted value, shape (N,).
    """
    bound = np.empty(len(seeds))
    # Requests that arrive from period to period bound each path's own amounts.
    by_tree = not coupling(game) and not game.requests
    for part, engine in dealt(game, seeds, batch):
        bound[part] = _by_tree(engine) if by_tree else _by_solver(engine, gap)
    return bound


def plans(engine: Engine) -> FloatArray:
    """The best plans of an engine's episodes, by the tree solver, major units, shape (B, T, n)."""
    moment, count = engine.moment, np.arange(engine.size)
    ahead = Ahead.of(moment, 0, count, engine.theta)
    return TreeHorizon(engine.game).plan(ahead, engine.curves, first=False)


def path_rewards(engine: Engine) -> FloatArray:
    """What the best plan of each of an engine's episodes gets by period, discounted, shape (B, T); the engine stays as it is."""
    played = Engine(engine.game, engine.decoder, engine.table, engine.size)
    played.theta, played.curves = engine.theta.copy(), engine.curves
    plan, rewards = plans(engine), np.empty((engine.size, engine.game.periods))
    for period in range(engine.game.periods):
        rewards[:, period] = played.commit(plan[:, period])[0]
    return rewards


def _by_tree(engine: Engine) -> FloatArray:
    return np.asarray(path_rewards(engine).sum(axis=1))


def _by_solver(engine: Engine, gap: float) -> FloatArray:
    return np.array([_one(engine, place, gap) for place in range(engine.size)])


def _one(engine: Engine, place: int, gap: float) -> float:
    problem, own = engine.game.problem, engine.curves
    lines = problem.lines
    if own is not None:
        lines = replace(lines, curves=replace(own, a=own.a[place], h=own.h[place], p=own.p[place]))
    if engine.asked is not None:
        lines = replace(lines, cap=np.maximum(np.minimum(lines.cap, engine.asked[place]), lines.floor))
    given = problem.but(lines=lines, scenarios=Scenarios.equally_likely(engine.theta[place][None]))
    result = find(given, method="optimise", gap=gap)
    if result.solution is None:
        raise InvalidInput(f"no plan was found for a path: {'; '.join(result.reasons)}")
    return float(max(result.bound, evaluate(given, result.solution)[0]))
