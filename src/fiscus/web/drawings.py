"""Pictures of a page, from figures."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fiscus.web.figures import Figures
from fiscus.workflow.service.views import View


def of_proposal(seen: View, shown: Figures, unit: str) -> Mapping[str, str]:
    """All pictures of a proposal's page, as SVG; empty where there is nothing to show."""
    return {"path": "", "changes": "", "map": "", "compare": "", "risk": ""}


def of_budget(row: Any, code: str, name: str) -> str:
    """Where a budget's money stands, as SVG."""
    return ""
