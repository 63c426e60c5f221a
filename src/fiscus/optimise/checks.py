"""What the check of a saved run is made of: one thing looked at, and how figures are compared."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeGuard

Standing = Literal["proved", "reported", "failed"]

SAME = 1e-9
"""Relative difference within which a recomputed figure counts as the recorded one: sums may run in another order elsewhere."""

SAME_GAP = 1e-10
"""Absolute difference within which two relative gaps are one."""


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at.

    Attributes:
        name: Short name.
        standing: ``proved`` here, ``reported`` by the solver and not checked, or ``failed``.
        sentence: For people.
    """

    name: str
    standing: Standing
    sentence: str


def is_number(value: object) -> TypeGuard[int | float]:
    """Whether something read from a file is a finite number."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:  # A whole number beyond float64.
        return False


def same(stated: object, number: float) -> bool:
    """Whether a file states a recomputed number; null stands for what does not exist."""
    if not math.isfinite(number):
        return stated is None
    return is_number(stated) and abs(float(stated) - number) <= SAME * max(1.0, abs(number))


def same_gap(stated: object, gap: float) -> bool:
    """Whether a file states a recomputed relative gap; null stands for none."""
    if not math.isfinite(gap):
        return stated is None
    return is_number(stated) and abs(float(stated) - gap) <= SAME_GAP + SAME * gap


def figure(value: object) -> str:
    """A figure of a file as the sentences name it: whole, however many digits it has."""
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return "none"
    if is_number(value):
        return f"{float(value):,.15g}"
    text = str(value)
    return text if len(text) <= 80 else text[:77] + "..."


def differs(field: str, stated: object, recomputed: object) -> str:
    """The sentence on a field that states something else than what the files give."""
    return f"result.json says {field} is {figure(stated)}; recomputed, it is {figure(recomputed)}."


def mapping(value: object) -> Mapping[str, Any]:
    """A group of fields, empty where there is none."""
    return value if isinstance(value, Mapping) else {}
