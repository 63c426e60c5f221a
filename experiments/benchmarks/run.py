"""Benchmarks: ratios measured in one run, medians of five unless a row says otherwise; writes table.csv beside this file.

./run bench runs all of them (about half an hour, most of it HiGHS and SLSQP on what we are compared with); ./run bench NAME... some.
"""

from __future__ import annotations

import csv
import os
import platform
import sys
from importlib.metadata import version
from pathlib import Path

import concave
import coupled
import environments
import handover
import risk
import sweeps

HERE = Path(__file__).resolve().parent
WORKLOADS = {
    "handover": handover,
    "concave": concave,
    "coupled": coupled,
    "sweeps": sweeps,
    "risk": risk,
    "environments": environments,
}
PACKAGES = ("pyomo", "highspy", "numpy", "scipy", "numba", "cvxpy", "clarabel", "gymnasium", "stable_baselines3")


def main(names: list[str]) -> None:
    """Run the workloads named, print their rows, and write the table when all were run."""
    unknown = [name for name in names if name not in WORKLOADS]
    if unknown:
        sys.exit(f"no benchmark is called {', '.join(unknown)}; they are {', '.join(WORKLOADS)}")
    versions = ", ".join(f"{package} {version(package)}" for package in PACKAGES)
    machine = f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, {versions}"
    print(machine)
    made: list[dict[str, str]] = []
    for name in names or WORKLOADS:
        made += WORKLOADS[name].rows()
    if names:
        return
    with (HERE / "table.csv").open("w", encoding="utf-8", newline="") as file:
        file.write(f"# {machine}\n")
        writer = csv.DictWriter(file, list(made[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(made)


if __name__ == "__main__":
    main(sys.argv[1:])
