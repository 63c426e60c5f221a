"""Steps per second of OR-Gym's and FinRL's portfolio environments: run by ``environments.py`` in a virtual environment of their own.

Both are made from their classes: OR-Gym's registration needs a gym that no longer builds, FinRL's package imports brokers' clients.
"""

import contextlib
import importlib.util
import io
import json
import pathlib
import sys
import time
import types

import numpy as np

SECONDS = 3.0


def steps_per_second(reset, step, over) -> float:
    reset()
    began, count = time.perf_counter(), 0
    while time.perf_counter() - began < SECONDS:
        count += 1
        if over(step()):
            reset()
    return count / (time.perf_counter() - began)


def or_gym() -> float:
    from or_gym.envs.finance.portfolio_opt import PortfolioOptEnv  # What PortfolioOpt-v0 makes.

    env = PortfolioOptEnv()
    actions = [env.action_space.sample() for _ in range(1_000)]
    turn = iter(range(10**9))
    return steps_per_second(env.reset, lambda: env.step(actions[next(turn) % 1_000]), lambda told: told[2])


def finrl(lines: int = 10, days: int = 300) -> float:
    import pandas as pd

    place = pathlib.Path(importlib.util.find_spec("finrl").submodule_search_locations[0])
    # The module imports a wrapper from stable-baselines3 that its steps do not use.
    for name in ("stable_baselines3", "stable_baselines3.common", "stable_baselines3.common.vec_env"):
        sys.modules[name] = types.ModuleType(name)
    sys.modules["stable_baselines3.common.vec_env"].DummyVecEnv = None
    spec = importlib.util.spec_from_file_location(
        "env_portfolio", place / "meta" / "env_portfolio_allocation" / "env_portfolio.py"
    )
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    rng = np.random.default_rng(0)
    price = 100 * np.exp(np.cumsum(rng.normal(0, 0.01, (days, lines)), axis=0))
    cov = np.cov(rng.normal(0, 0.01, (lines, days)))
    table = pd.DataFrame(
        {
            "date": np.repeat([f"day {day}" for day in range(days)], lines),
            "tic": [f"t{line}" for line in range(lines)] * days,
            "close": price.ravel(),
            "macd": rng.normal(size=days * lines),
            "cov_list": [cov] * (days * lines),
        },
        index=np.repeat(np.arange(days), lines),
    )
    env = module.StockPortfolioEnv(
        df=table, stock_dim=lines, hmax=100, initial_amount=1e6, transaction_cost_pct=0, reward_scaling=1e-1,
        state_space=lines, action_space=lines, tech_indicator_list=["macd"],
    )  # fmt: skip
    action = np.full(lines, 0.5)

    def step():
        if env.day >= days - 2:  # Its last step draws and writes pictures, which is not what is timed.
            return True
        env.step(action)
        return False

    with contextlib.redirect_stdout(io.StringIO()):
        return steps_per_second(env.reset, step, lambda over: over)


if __name__ == "__main__":
    found = {}
    for name, measure in (("OR-Gym PortfolioOpt-v0", or_gym), ("FinRL StockPortfolioEnv", finrl)):
        try:
            found[name] = measure()
        except Exception as error:  # Whatever keeps one from running is the reason that is shown.
            found[name] = f"{type(error).__name__}: {error}"
    print(json.dumps(found))
