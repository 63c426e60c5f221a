"""Conditions and stages in words, for grids, explanations and faults."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from fiscus.core.money import currency, format_amount
from fiscus.workflow.authority.conditions import EVERY_AMOUNT, EVERY_CHANGE, Condition, Span
from fiscus.workflow.authority.matrix import Matrix, Stage

ANY = "any"
ORIGIN_WORDS = {"optimiser": "optimiser", "learned": "learned policy", "manual": "by hand"}
"""Origins as people call them."""


def money(minor: int, code: str) -> str:
    """An exact amount: ``50,000.00``."""
    return format_amount(minor, currency(code))


def signed_percent(change: float) -> str:
    """A change exactly as it is kept: ``+10%``, ``-2.5%``, ``0%``."""
    exact = Decimal(repr(float(change))).scaleb(2)
    return f"{exact.normalize():+f}%" if exact else "0%"


def amount_words(span: Span[int], code: str) -> str:
    """Amounts: ``50,000.00 to below 80,000.00``."""
    if span == EVERY_AMOUNT:
        return ANY
    if span.below is None:
        return f"from {money(span.start, code)}"
    if span.start == 0:
        return f"below {money(span.below, code)}"
    return f"{money(span.start, code)} to below {money(span.below, code)}"


def change_words(condition: Condition) -> str:
    """Changes against last year: ``from +10%, or new``."""
    if condition.change is None:
        return "new"
    had = _span_words(condition.change)
    if not condition.new:
        return "not new" if had == ANY else had
    return had if had == ANY else f"{had}, or new"


def _span_words(span: Span[float]) -> str:
    if span == EVERY_CHANGE:
        return ANY
    if span.below is None:
        return f"from {signed_percent(span.start)}"
    if span.start == EVERY_CHANGE.start:
        return f"below {signed_percent(span.below)}"
    return f"{signed_percent(span.start)} to below {signed_percent(span.below)}"


def any_of(names: Sequence[str]) -> str:
    """Names as alternatives: ``low or high``."""
    return listed(names, "or") if names else ANY


def listed(names: Sequence[str], last: str = "and") -> str:
    """Names in a row: ``a, b and c``."""
    return f"{', '.join(names[:-1])} {last} {names[-1]}" if len(names) > 1 else "".join(names)


def cells(condition: Condition, code: str) -> tuple[str, str, str, str, str]:
    """A condition as amount, change, unit, risk and origin; ``any`` where it does not matter."""
    origins = [ORIGIN_WORDS[origin] for origin in condition.origins]
    return (
        amount_words(condition.amount, code),
        change_words(condition),
        any_of(condition.units),
        any_of(condition.risks),
        any_of(origins),
    )


def stage_words(stage: Stage, matrix: Matrix) -> str:
    """A stage: ``Board of Finance (3 of 5)``."""
    title = matrix.roles[stage.role]
    return title if stage.need == stage.of == 1 else f"{title} ({stage.need} of {stage.of})"
