"""The oldest HiGHS that is allowed gives the same answers as the newest; 1.14 is excluded in pyproject."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
OLDEST = "1.13.1"


def test_the_version_that_is_silently_wrong_is_excluded():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert any(each.startswith("highspy") and "!=1.14.*" in each and OLDEST in each for each in project["dependencies"])


@pytest.mark.slow
def test_the_oldest_allowed_version_passes_the_equivalence_tests(tmp_path):
    place = tmp_path / "oldest"
    command = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target", str(place), f"highspy=={OLDEST}"]
    subprocess.run(command, check=True)
    environment = {**os.environ, "PYTHONPATH": str(place)}
    said = subprocess.run(
        [sys.executable, "-c", "import highspy; print(highspy.Highs().version())"],
        env=environment,
        capture_output=True,
        text=True,
    )
    assert said.stdout.strip() == OLDEST
    tests = ["tests/equivalence", "-q", "-p", "no:cacheprovider"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *tests], cwd=ROOT, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout[-3000:]
