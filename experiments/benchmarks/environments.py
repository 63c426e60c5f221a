"""Steps per second of the environments: batches against one environment, other toolkits, growth with lines, and training."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
from common import Rows

import fiscus
import fiscus.env
from fiscus.core.process import LognormalAR1
from fiscus.env.sb3 import StableBaselinesVecEnv
from fiscus.env.vector import AllocationVectorEnv

PERIODS = 12
BATCH = 256
SECONDS = 2.0
REPEATS = 5
RIVALS = ("or-gym", "finrl", "gym==0.26.2", "gym-notices")  # Their declared requirements no longer install together.
RIVALS_NEED = ("numpy<2", "scipy", "pandas", "matplotlib", "cloudpickle", "networkx", "gymnasium")


def problem(lines: int, periods: int = PERIODS) -> fiscus.Problem:
    """Three departments with floors and caps, log and Hill curves that carry over, and a cost of change."""
    rng = np.random.default_rng(0)
    units = {"id": ["root", "a", "b", "c"], "parent": ["", "root", "root", "root"]}
    units |= {"floor": [0, 2 * lines, lines, 0], "cap": ["", 20 * lines, 15 * lines, 12 * lines]}
    names = [f"p{period}" for period in range(periods)]
    table = {
        "id": [f"l{line}" for line in range(lines)],
        "unit": ["abc"[3 * line // lines] for line in range(lines)],
        "ask": rng.uniform(30, 100, lines).round(2).tolist(),
        "floor": [1.0] * lines,
        "curve": ["log" if line % 2 else "hill" for line in range(lines)],
        "a": rng.uniform(10, 30, lines).round(2).tolist(),
        "h": [40] * lines,
        "p": ["" if line % 2 else 1 for line in range(lines)],
        "retention": [0.3] * lines,
        "change_cost": [0.02] * lines,
    }
    return fiscus.Problem.from_frames(
        units=units, lines=table, periods=names, budget=dict.fromkeys(names, 30 * lines), spend_weight=0
    )


def speed(step: Any, episodes: int) -> float:
    """Largest number of environment steps per second of some runs: what others take away is not ours."""
    best = 0.0
    for _ in range(REPEATS):
        began, count = time.perf_counter(), 0
        while time.perf_counter() - began < SECONDS / REPEATS:
            step()
            count += episodes
        best = max(best, count / (time.perf_counter() - began))
    return best


def single(stated: fiscus.Problem, process: LognormalAR1) -> float:
    """One environment through ``gymnasium.make``."""
    env = gymnasium.make("fiscus/Allocation-v0", problem=stated, process=process)
    action = env.action_space.sample()
    env.reset(seed=0)

    def step() -> None:
        if env.step(action)[2]:
            env.reset()

    return speed(step, 1)


def batch(stated: fiscus.Problem, process: LognormalAR1, *, compiled: bool, size: int = BATCH) -> float:
    """A batch through ``gymnasium.make_vec``."""
    envs = gymnasium.make_vec(
        "fiscus/Allocation-v0",
        num_envs=size,
        vectorization_mode="vector_entry_point",
        problem=stated,
        process=process,
        compiled=compiled,
    )
    envs.reset(seed=0)
    actions = envs.action_space.sample()
    envs.step(actions)
    return speed(lambda: envs.step(actions), size)


def made(
    way: str, figure: float, ratio: float | None = None, of: str = "", bar: str = "", unit: str = "steps/s"
) -> dict[str, str]:
    """A row whose figure is a speed."""
    return {
        "workload": "environment, 10 lines x 12 periods",
        "way": f"{way}: {figure:,.4g} {unit}",
        "seconds": f"{1 / figure:.4g}" if unit.endswith("/s") else "",
        "ratio": "" if ratio is None else f"{ratio:.3g}",
        "ratio_of": of,
        "bar": bar,
    }


def rows() -> list[dict[str, str]]:
    """Everything the issue on the environment asks for."""
    found = Rows()
    stated = problem(10)
    process = LognormalAR1(PERIODS, 10, 0.8, 0.3)
    one = single(stated, process)
    found.append(made("one environment, gymnasium.make", one))
    numpy = batch(stated, process, compiled=False)
    found.append(made(f"native batch of {BATCH}, NumPy", numpy, numpy / one, "one environment", ">= 35"))
    numba = batch(stated, process, compiled=True)
    found.append(made(f"native batch of {BATCH}, numba", numba, numba / one, "one environment", ">= 100"))
    small = batch(problem(3, 10), LognormalAR1(10, 3, 0.8, 0.3), compiled=True, size=4 * BATCH)
    found.append(made(f"native batch of {4 * BATCH} x 3 lines x 10 periods, OR-Gym's size, numba", small))
    told = rivals()
    for name, told_speed in told.items():
        if isinstance(told_speed, str):
            found.append(made(f"{name} does not run here ({told_speed[:80]}), left out", np.nan))
    if not isinstance(or_gym := told["OR-Gym PortfolioOpt-v0"], str):
        name = "OR-Gym PortfolioOpt-v0, 3 assets x 10 periods"
        found.append(made(name, or_gym, small / or_gym, "batch of its size, numba, against it", ">= 50"))
        found.append(made(name, or_gym, numba / or_gym, "batch of 10 lines x 12 periods, numba, against it"))
    if not isinstance(finrl := told["FinRL StockPortfolioEnv"], str):
        found.append(
            made("FinRL StockPortfolioEnv, 10 stocks", finrl, numba / finrl, "batch, numba, against it", ">= 100")
        )
    first = 0.0
    for lines in (10, 100, 1_000):
        rate = batch(problem(lines), LognormalAR1(PERIODS, lines, 0.8, 0.3), compiled=True, size=2_560 // lines or 1)
        cost = 1e9 / (rate * lines)
        first = first or cost
        found.append(
            made(
                f"batch of {2_560 // lines or 1} x {lines} lines, numba",
                cost,
                cost / first,
                "at 10 lines",
                "flat",
                "ns a step and line",
            )
        )
    found += training(stated, process)
    return found


def rivals() -> dict[str, float | str]:
    """Steps per second of other toolkits' portfolio environments, or why there are none."""
    with tempfile.TemporaryDirectory() as folder:
        python = Path(folder) / "bin" / "python"
        try:
            subprocess.run([sys.executable, "-m", "venv", folder], check=True, capture_output=True)
            for options in (("--no-deps", *RIVALS), RIVALS_NEED):
                subprocess.run([str(python), "-m", "pip", "install", "-q", *options], check=True, capture_output=True)
            done = subprocess.run(
                [str(python), "-W", "ignore", str(Path(__file__).with_name("rivals.py"))],
                check=True,
                capture_output=True,
                text=True,
            )
            told: dict[str, float | str] = json.loads(done.stdout.strip().splitlines()[-1])
        except (subprocess.CalledProcessError, OSError, json.JSONDecodeError) as error:
            return dict.fromkeys(("OR-Gym PortfolioOpt-v0", "FinRL StockPortfolioEnv"), f"{type(error).__name__}")
        return told


def training(stated: fiscus.Problem, process: LognormalAR1) -> list[dict[str, str]]:
    """Frames per second of PPO, and the environment's share of its time."""
    import torch
    from stable_baselines3 import PPO
    from stable_baselines3.common.vec_env import DummyVecEnv

    torch.set_num_threads(1)
    found = Rows()

    def frames(envs: Any, steps: int, **settings: Any) -> float:
        model = PPO("MlpPolicy", envs, seed=0, device="cpu", **settings)
        model.learn(settings["n_steps"] * envs.num_envs)
        began = time.perf_counter()
        model.learn(steps, reset_num_timesteps=False)
        return steps / (time.perf_counter() - began)

    dummy = DummyVecEnv([lambda: gymnasium.make("fiscus/Allocation-v0", problem=stated, process=process)] * 8)
    slow = frames(dummy, 8 * 256 * 3, n_steps=256)
    envs = AllocationVectorEnv(stated, process, num_envs=BATCH, autoreset_mode="SameStep", compiled=True)
    adapter = StableBaselinesVecEnv(envs, seed=0)
    inside = 0.0
    wait = adapter.step_wait

    def timed() -> Any:
        nonlocal inside
        began = time.perf_counter()
        told = wait()
        inside += time.perf_counter() - began
        return told

    adapter.step_wait = timed  # type: ignore[method-assign]
    steps = BATCH * 2 * PERIODS * 10
    fast = frames(adapter, steps, n_steps=2 * PERIODS, batch_size=1_024, n_epochs=4)
    share = inside / ((steps + BATCH * 2 * PERIODS) / fast)
    found.append(made("PPO, DummyVecEnv(8)", slow, unit="frames/s"))
    found.append(
        made(
            f"PPO, native batch of {BATCH}, minibatches of 1,024 x 4",
            fast,
            fast / slow,
            "DummyVecEnv(8)",
            ">= 8",
            "frames/s",
        )
    )
    found.append(made("environment's share of that training", share, share, "of its time", "<= 0.2", "of 1"))
    return found
