"""Registered problems for policies: from the keys of ``configs/problem/bench`` to a game and what is known about planning in it.

Nine of them, each with its bracket in ``experiments/01_when_does_learning_pay``, so that others can compare. Those that are not real
are drawn from the seed in the file and are synthetic.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from fiscus.core.problem import Problem
from fiscus.core.process import Constant, Jumps, LognormalAR1, ParameterPrior, Process, RegimeSwitching
from fiscus.env.game import Game, Sight, game
from fiscus.errors import InvalidInput
from fiscus.integrate.public.rounds import baltimore_rounds
from fiscus.learn.agent import GuideSpec

KEYS = {"portfolio", "pot", "setup", "rounds", "plan", "process", "sight", "mistaken"}


@dataclass(frozen=True, eq=False)
class Bench:
    """A problem to play.

    Attributes:
        game: What is played.
        guide: The planner that goes with it: plain, mistaken about the curves, or over envelopes.
        config: The keys it was made from, plain data.
    """

    game: Game
    guide: GuideSpec
    config: Mapping[str, Any]


def bench(config: Mapping[str, Any]) -> Bench:
    """Build a problem from its keys.

    Args:
        config: One of ``portfolio``, ``pot``, ``setup``, ``rounds`` (words of Baltimore's rounds) and ``plan`` (a folder); ``process``
            with its ``kind``; ``sight``; ``mistaken``.

    Raises:
        InvalidInput: For keys that are unknown, missing or do not fit.
    """
    unknown = set(config) - KEYS
    if unknown:
        raise InvalidInput(f"a problem has no key {sorted(unknown)[0]!r}; known are {', '.join(sorted(KEYS))}")
    made = [key for key in ("portfolio", "pot", "setup", "rounds", "plan") if key in config]
    if len(made) != 1:
        raise InvalidInput(
            f"a problem has one of portfolio, pot, setup, rounds and plan, got {', '.join(made) or 'none'}"
        )
    try:
        if made == ["rounds"]:
            problem, process = baltimore_rounds(config["rounds"])
            return Bench(game(problem, process), GuideSpec(), dict(config))
        problem = _read(str(config["plan"])) if made == ["plan"] else MAKERS[made[0]](**config[made[0]])
        drawn = process_of(problem, config.get("process") or {"kind": "certain"})
        played = game(problem, drawn, Sight(**config.get("sight", {})))
    except TypeError as error:
        raise InvalidInput(f"the problem's keys do not fit: {error}") from error
    return Bench(played, _guide(problem, made[0], config), dict(config))


def _read(folder: str) -> Problem:
    from fiscus.integrate.tables import read_plan

    problem, findings = read_plan(folder)
    if problem is None:
        raise InvalidInput(f"plan {folder} cannot be read: {'; '.join(str(each) for each in findings)}")
    return problem


def _guide(problem: Problem, made: str, config: Mapping[str, Any]) -> GuideSpec:
    if made == "setup":
        return GuideSpec(kind="relaxed")
    if "mistaken" in config:
        return mistaken(problem, **config["mistaken"])
    return GuideSpec()


def mistaken(problem: Problem, log_sd: float, seed: int) -> GuideSpec:
    """A planner that takes each line's scale and knee for others, lognormal around the true ones."""
    rng, curves = np.random.default_rng(seed), problem.lines.curves
    a, h = (values * np.exp(log_sd * rng.standard_normal(len(values))) for values in (curves.a, curves.h))
    return GuideSpec(curves={name: tuple(map(float, values)) for name, values in (("a", a), ("h", h), ("p", curves.p))})


def _settings(periods: int, income: float, *, pot: bool) -> dict[str, Any]:
    names = [f"p{number + 1}" for number in range(periods)]
    first = {name: income if place == 0 or not pot else 0.0 for place, name in enumerate(names)}
    return {"periods": names, "budget": first, "opening_cash": 0, "carry_over": 1.0}


def portfolio(lines: int, periods: int, seed: int, income: float, department_cap: float) -> Problem:
    """Concave lines of four families in two capped departments; money comes in every period and is kept."""
    rng = np.random.default_rng(seed)
    curve = [("log", "saturating", "hill", "power")[line % 4] for line in range(lines)]
    knee = rng.uniform(6, 20, lines).round(2)
    scale = np.where(np.array(curve) == "power", rng.uniform(4, 9, lines), rng.uniform(25, 60, lines)).round(2)
    table = {
        "id": [f"line{line + 1:02d}" for line in range(lines)],
        "unit": [("north", "south")[line % 2] for line in range(lines)],
        "curve": curve,
        "a": scale,
        "h": knee,
        "p": [{"hill": 1.0, "power": 0.5}.get(name) for name in curve],
        "ask": [30.0] * lines,
        "prior": [income / lines] * lines,
    }
    units = {"id": ["all", "north", "south"], "parent": ["", "all", "all"], "cap": ["", department_cap, department_cap]}
    return Problem.from_frames(
        lines=table, units=units, name="synthetic portfolio", **_settings(periods, income, pot=False)
    )


def pot(lines: int, periods: int, seed: int, money: float, knee: float, cap: float) -> Problem:
    """Logarithmic lines on one pot for all periods."""
    rng = np.random.default_rng(seed)
    width, scale = (rng.uniform(low, high, lines).round(4) * knee for low, high in ((0.7, 1.3), (0.8, 1.2)))
    table = {
        "id": [f"line{line + 1}" for line in range(lines)],
        "curve": ["log"] * lines,
        "a": scale,
        "h": width,
        "ask": [cap] * lines,
        "prior": [money / lines / periods] * lines,
    }
    return Problem.from_frames(lines=table, name="synthetic pot", **_settings(periods, money, pot=True))


def setup(lines: int, periods: int, seed: int, income: float, ticket: float) -> Problem:
    """Lines with a set-up cost, then falling slopes, and a minimum ticket; money comes in every period and is kept."""
    rng = np.random.default_rng(seed)
    cost, width, slope = (rng.uniform(low, high, lines).round(1) for low, high in ((1, 3), (6, 12), (3, 6)))
    points = []
    for line in range(lines):
        c, w, s = cost[line], width[line], slope[line]
        corners = [(0, 0), (c, 0), (c + w / 2, s * w / 2), (c + w, 0.8 * s * w), (c + 2 * w, 1.1 * s * w)]
        points.append(";".join(f"{x:.2f}:{y:.2f}" for x, y in corners))
    table = {
        "id": [f"line{line + 1:02d}" for line in range(lines)],
        "curve": ["piecewise"] * lines,
        "points": points,
        "ask": (cost + 2 * width).round(1),
        "min_ticket": [ticket] * lines,
        "prior": [income / lines] * lines,
    }
    return Problem.from_frames(lines=table, name="synthetic set-up costs", **_settings(periods, income, pot=False))


MAKERS: dict[str, Callable[..., Problem]] = {"portfolio": portfolio, "pot": pot, "setup": setup}


def process_of(problem: Problem, config: Mapping[str, Any]) -> Process:
    """What is uncertain, from its ``kind`` and numbers.

    Raises:
        InvalidInput: For an unknown kind, or numbers that do not fit it.
    """
    given = dict(config)
    kind = given.pop("kind", None)
    periods, lines = problem.shape
    try:
        if kind == "certain":
            return Constant(periods, lines, **given)
        if kind == "autoregression":
            return LognormalAR1(periods, lines, **given)
        if kind == "jumps":
            return Jumps(periods, lines, **given)
        if kind == "unknown_scale":
            return ParameterPrior(periods, problem.lines.curves, given.pop("log_sd"), **given)
        if kind == "regimes":
            return _regimes(periods, lines, **given)
    except (TypeError, KeyError) as error:
        raise InvalidInput(f"the numbers of process {kind!r} do not fit: {error}") from error
    raise InvalidInput(f"process kind is certain, autoregression, jumps, unknown_scale or regimes, got {kind!r}")


def _regimes(
    periods: int, lines: int, *, regimes: int, stay: float, log_sd: float, volatility: float, seed: int
) -> RegimeSwitching:
    """Regimes whose levels are drawn line by line."""
    move = (1.0 - stay) / max(regimes - 1, 1)
    chain = np.full((regimes, regimes), move) + np.eye(regimes) * (stay - move)
    level = np.random.default_rng(seed).lognormal(-(log_sd**2) / 2.0, log_sd, (regimes, lines))
    return RegimeSwitching(periods, lines, chain, level, volatility=volatility)
