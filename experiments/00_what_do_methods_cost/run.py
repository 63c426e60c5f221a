"""What each planning method costs on the shipped plans; writes table.csv beside this file."""

from __future__ import annotations

import csv
import sys
from pathlib import Path

import fiscus
from fiscus.integrate.configs import load_config
from fiscus.integrate.shipped import shipped_plan

HERE = Path(__file__).resolve().parent
PLANS = ("baltimore_go_fy2024", "baltimore_all_funds_fy2024", "us_federal_fy2016")


def rows(plan: str) -> list[dict[str, object]]:
    """One row a method: money spent, and value as a share of the best that any plan could have."""
    config = load_config(HERE.parent.parent / "configs", "experiment/methods", [f"problem@experiment.problem={plan}"])
    problem, findings = fiscus.read_plan(shipped_plan(config["problem"]["plan"]))
    if problem is None:
        sys.exit("\n".join(map(str, findings)))
    made = []
    for method in config["methods"]:
        result = fiscus.solve(problem, method=method, **config["solve"])
        made.append(
            {
                "plan": config["problem"]["plan"],
                "method": method,
                "status": result.status,
                "spent": f"{result.allocation.sum():.0f}",
                "share_of_bound": f"{result.value / result.bound:.4f}",
            }
        )
    return made


def table() -> list[dict[str, object]]:
    """All plans and methods."""
    return [row for plan in PLANS for row in rows(plan)]


if __name__ == "__main__":
    made = table()
    with (HERE / "table.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(made[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(made)
    print((HERE / "table.csv").read_text(encoding="utf-8"))
