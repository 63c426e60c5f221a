"""The planning methods and what they may be told (§4, methods)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

Method = Literal["optimise", "top_down", "bottom_up", "hybrid", "incremental", "zero_based"]
METHODS: tuple[Method, ...] = get_args(Method)


@dataclass(frozen=True, slots=True)
class MethodOptions:
    """What the planning methods may be told; None lets them choose.

    Attributes:
        growth: Incremental: growth over last year a period, as a fraction; None scales last year to the budget.
        cut: Bottom-up: how asks are cut, by ``priority``, ``pro_rata`` or ``value``.
        target_weight: Hybrid: value lost per unit of money above a target.
        ask_weight: Hybrid: value lost per unit of money asked for and not given.
    """

    growth: float | None = None
    cut: Literal["priority", "pro_rata", "value"] = "priority"
    target_weight: float | None = None
    ask_weight: float | None = None
