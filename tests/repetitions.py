"""Which repetitions of a test run every time, and which under ``./run slow`` alone."""

from __future__ import annotations

import pytest


def slow_from(first: int, count: int) -> list:
    """Numbers below a count as parameters of a test; those from the first on run under ``./run slow``."""
    return [pytest.param(each, marks=pytest.mark.slow) if each >= first else each for each in range(count)]
