"""Guards that are changed a little are noticed: mutmut on what decides, against refusals, stories and seeded runs."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
KILLED = 0.95


@pytest.mark.slow
def test_mutants_of_the_guards_are_killed(tmp_path):
    """About six minutes on two cores."""
    for name in ("src", "tests", "configs"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, tmp_path / name)
    mutmut = str(Path(sys.executable).with_name("mutmut"))
    subprocess.run([mutmut, "run"], cwd=tmp_path, check=True, stdout=subprocess.DEVNULL)
    subprocess.run([mutmut, "export-cicd-stats"], cwd=tmp_path, check=True, stdout=subprocess.DEVNULL)
    stats = json.loads((tmp_path / "mutants" / "mutmut-cicd-stats.json").read_text(encoding="utf-8"))
    killed = stats["killed"] + stats["timeout"] + stats["suspicious"]
    assert stats["total"] > 1_000
    assert killed >= KILLED * (stats["total"] - stats["skipped"]), stats
