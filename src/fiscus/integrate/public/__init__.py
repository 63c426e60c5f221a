"""Public budget data, shipped with the package, turned into the plan folders under ``fiscus/plans``."""

from pathlib import Path

from fiscus.integrate.public.baltimore import baltimore_all_funds_plan, baltimore_go_plan
from fiscus.integrate.public.federal import omb_plan
from fiscus.integrate.public.rounds import ROUND_SETS, baltimore_rounds

__all__ = [
    "ROUND_SETS",
    "baltimore_all_funds_plan",
    "baltimore_go_plan",
    "baltimore_rounds",
    "omb_plan",
    "write_shipped_plans",
]


def write_shipped_plans(folder: Path) -> None:
    """Make every shipped plan anew from the raw data, each in its own folder below this one.

    Their README files and authority matrices are written by hand.
    """
    baltimore_go_plan(folder / "baltimore-go-fy2024")
    baltimore_all_funds_plan(folder / "baltimore-all-funds-fy2024")
    omb_plan(folder / "us-federal-fy2016")
