"""The plans that come with Fiscus."""

from __future__ import annotations

from pathlib import Path

from fiscus.errors import InvalidInput

PLANS = Path(__file__).resolve().parent.parent / "plans"
SOURCES = PLANS / "sources"


def shipped_plans() -> dict[str, Path]:
    """Folder of each shipped plan, by name."""
    return {path.parent.name: path.parent for path in sorted(PLANS.glob("*/plan.yaml"))}


def shipped_plan(name: str) -> Path:
    """Folder of one shipped plan.

    Raises:
        InvalidInput: For a name that is none; the message lists them.
    """
    known = shipped_plans()
    if name not in known:
        raise InvalidInput(f"no shipped plan is called {name!r}; there are {', '.join(known)}")
    return known[name]
