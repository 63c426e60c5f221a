"""The worked episode, the table of fields and the ways to read an action are what the program does."""

from __future__ import annotations

import contextlib
import io
import math
import re
from pathlib import Path

import gymnasium
import numpy as np
import pytest

import fiscus
import fiscus.env

README = (Path(fiscus.env.__file__).parent / "README.md").read_text(encoding="utf-8")
CODE, SHOWN = re.findall(r"```python\n(.*?)```\n\n```output\n(.*?)\n```", README, re.DOTALL)[0]


@pytest.fixture(scope="module")
def played():
    """Names of the README's episode, and what it printed."""
    space, printed = {}, io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(CODE, "README.md", "exec"), space)
    return space, printed.getvalue().strip()


def test_the_worked_episode_prints_what_is_shown(played):
    assert played[1] == SHOWN


def test_the_worked_episode_is_what_a_hand_computes(played):
    """Every figure of the text, from the statement of the problem alone."""
    env = played[0]["env"]
    wishes = [64 * (0.4375 + 1) / 2, 20 + 40 * (1 + 1) / 2, 32 * (0.5 + 1) / 2]
    assert sum(wishes) == 130
    first = [wish - (130 - 100) / 3 for wish in wishes]
    brought = 20 * math.sqrt(first[0]) + 1.5 * first[1] + 2 * first[2]
    stock = 0.5 * first[0] + 46
    later = 20 * math.sqrt(stock) + 1.5 * 20 + 2 * 32
    env.reset(seed=1)
    _, reward, over, cut, info = env.step(np.array([0.4375, 1.0, 0.5]))
    assert info["allocation"] == pytest.approx(first, abs=1e-9)
    assert (reward, info["distance"]) == (pytest.approx(brought / 1.25), pytest.approx(30.0))
    assert not over
    assert not cut
    _, reward_later, over, cut, info = env.step(np.array([0.4375, -1.0, 1.0]))
    assert info["allocation"] == pytest.approx([46, 20, 32], abs=1e-9)
    assert (reward_later, info["distance"]) == (pytest.approx(later / 1.25**2), pytest.approx(0.0, abs=1e-9))
    assert over
    assert not cut
    plan = np.array([first, [46.0, 20.0, 32.0]])
    assert reward + reward_later == pytest.approx(340.96)
    assert fiscus.evaluate(played[0]["problem"], plan)[0] == pytest.approx(340.96)


def test_the_table_of_fields_is_the_one_of_the_environment(played):
    assert played[0]["env"].unwrapped.field_table in README


@pytest.mark.parametrize("mode", ["project", "softmax", "spend", "residual"])
def test_zeros_and_ones_do_what_the_table_of_modes_says(played, mode):
    """Half way, equal shares, half the money at equal margins, the reference."""
    problem = played[0]["problem"]
    reference = np.array([10.0, 30.0, 20.0])
    options = (
        {"reference": lambda moment: np.broadcast_to(reference, moment.line_low.shape)} if mode == "residual" else {}
    )
    env = gymnasium.make("fiscus/Allocation-v0", problem=problem, mode=mode, **options).unwrapped
    size = env.action_space.shape[0]
    assert size == {"project": 3, "softmax": 4, "spend": 4, "residual": 3}[mode]
    env.reset(seed=0)
    zeros = env.step(np.zeros(size))[4]["allocation"]
    env.reset(seed=0)
    ones = env.step(np.ones(size))[4]["allocation"]
    if mode == "project":
        assert zeros == pytest.approx(np.array([32.0, 40.0, 16.0]))
    elif mode == "softmax":
        assert zeros == pytest.approx(
            np.array([20.0, 40.0, 20.0])
        )  # A quarter of the 80 above floors each; one is kept.
        assert ones == pytest.approx(zeros)
    elif mode == "spend":
        # 60 in all: roads until a unit brings 2 (20 / (2 sqrt(k)) = 2 at 25), then parks; schools keep their floor.
        assert zeros == pytest.approx(np.array([25.0, 20.0, 15.0]), abs=1e-6)
        # 100 in all: parks are full at 32; what a unit brings falls to 1.5 where roads are at 44.4, and schools take the rest.
        assert ones == pytest.approx(np.array([400 / 9, 100 - 32 - 400 / 9, 32.0]), abs=1e-5)
    else:
        assert zeros == pytest.approx(reference)
    if mode in ("project", "residual"):
        # Caps of 64, 60 and 32 are 56 too much: a common shift.
        assert ones == pytest.approx(np.array([64.0, 60.0, 32.0]) - 56 / 3)
