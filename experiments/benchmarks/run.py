"""Benchmarks: ratios measured in one run, medians of five unless a row says otherwise; writes table.csv beside this file.

./run bench runs all of them (about half an hour, most of it HiGHS and SLSQP on what we are compared with); ./run bench NAME... runs
some, whose rows take the place of theirs: every ratio is within one workload, so of one run.
"""

from __future__ import annotations

import csv
import os
import platform
import sys
from importlib.metadata import version
from pathlib import Path

import audit
import concave
import coupled
import decisions
import environments
import handover
import pages
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
    "decisions": decisions,
    "audit": audit,
    "pages": pages,
}
PACKAGES = ("pyomo", "highspy", "numpy", "scipy", "numba", "cvxpy", "clarabel", "gymnasium", "stable_baselines3")


def main(names: list[str]) -> None:
    """Run the workloads named, print their rows, and write them into the table."""
    unknown = [name for name in names if name not in WORKLOADS]
    if unknown:
        sys.exit(f"no benchmark is called {', '.join(unknown)}; they are {', '.join(WORKLOADS)}")
    versions = ", ".join(f"{package} {version(package)}" for package in PACKAGES)
    machine = f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, {versions}"
    print(machine)
    made: list[dict[str, str]] = []
    for name in names or WORKLOADS:
        made += WORKLOADS[name].rows()
    rows = merged(made) if names else made
    with (HERE / "table.csv").open("w", encoding="utf-8", newline="") as file:
        file.write(f"# {machine}\n")
        writer = csv.DictWriter(file, list(made[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def merged(made: list[dict[str, str]]) -> list[dict[str, str]]:
    """The table as it stands with the rows of some workloads replaced, in their place."""
    with (HERE / "table.csv").open(encoding="utf-8", newline="") as file:
        next(file)
        kept = list(csv.DictReader(file))
    new = {row["workload"]: [each for each in made if each["workload"] == row["workload"]] for row in made}
    rows: list[dict[str, str]] = []
    for row in kept:
        rows += new.pop(row["workload"], []) if row["workload"] in {each["workload"] for each in made} else [row]
    return [*rows, *(row for left in new.values() for row in left)]


if __name__ == "__main__":
    main(sys.argv[1:])
