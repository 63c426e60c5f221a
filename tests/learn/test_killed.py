"""A training that is killed by the system at random moments, and resumed until it is done."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

CONFIG = Path(__file__).parent.parent.parent / "configs" / "train" / "one_pot.yaml"
SMALL = [
    "setup.rounds=30",
    "setup.episodes=64",
    "judging.every=1",
    "judging.paths=50",
    "problem.pot={lines: 2, periods: 4, seed: 1, money: 120, knee: 20, cap: 120}",
]


def begun(out):
    words = ["train", str(CONFIG), *SMALL, "--out", str(out), "--track", "off", "--guard", "0"]
    return subprocess.Popen(
        [sys.executable, "-m", "fiscus.cli", *words], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )


@pytest.mark.slow
def test_a_run_killed_at_random_moments_ends_in_the_same_bits(tmp_path):
    assert begun(tmp_path / "whole").wait() == 0
    moments, kills = random.Random(0), 0
    while True:
        process = begun(tmp_path / "killed")
        try:
            # Longer each time: how long it takes to begin depends on the machine.
            assert process.wait(timeout=moments.uniform(6.0, 12.0) + 4.0 * kills) == 0
            break
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            kills += 1
            time.sleep(0.1)
    assert kills >= 2
    for name in ("weights.safetensors",):
        assert (tmp_path / "killed" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
