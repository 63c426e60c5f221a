"""Response curves and numbers in exact arithmetic: fractions where that is possible, decimals of 60 digits elsewhere."""

from __future__ import annotations

import decimal
from collections.abc import Callable, Mapping
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache

from fiscus.core.curves import STEP_TOLERANCE, Curves
from fiscus.core.knots import PointList

DIGITS = 60
"""Of the decimals in which values are reckoned; cancellation in a logarithm or a power loses some of the last."""


SURE_DIGITS = 40
"""Digits of a value that count as exact."""


LARGEST_DECIMAL = 1e15


CONTEXT = decimal.Context(
    prec=DIGITS,
    Emax=decimal.MAX_EMAX,
    Emin=decimal.MIN_EMIN,
    traps=[decimal.InvalidOperation, decimal.DivisionByZero],
)


def curve_value(curves: Curves, at: tuple[int, ...], stock: Decimal) -> Decimal:
    """Benefit of one line in decimals of 60 digits, by the formulas of :mod:`fiscus.core.curves`.

    Args:
        curves: With parameters of shape (..., n).
        at: Position in the parameters' arrays; its last entry is the line.
        stock: Major units, >= 0.
    """
    a, h, p = (decimal_of(float(values[at])) for values in (curves.a, curves.h, curves.p))
    with decimal.localcontext(CONTEXT):
        points = curves.points[at[-1]]
        if points is not None:
            return a * _interpolated(points, stock)
        return _FORMULAS[curves.family[at[-1]]](stock, a, h, p)


def _hill(k: Decimal, a: Decimal, h: Decimal, p: Decimal) -> Decimal:
    return a / (1 + (h / k) ** p) if k else Decimal(0)


def _power(k: Decimal, a: Decimal, _h: Decimal, p: Decimal) -> Decimal:
    return a * k**p if k else Decimal(0)


def _step(k: Decimal, a: Decimal, h: Decimal, _p: Decimal) -> Decimal:
    return a if k >= h * (1 - decimal_of(STEP_TOLERANCE)) else Decimal(0)


_FORMULAS: Mapping[str, Callable[[Decimal, Decimal, Decimal, Decimal], Decimal]] = {
    "linear": lambda k, a, h, p: a * k,
    "capped": lambda k, a, h, p: a * min(k, h),
    "log": lambda k, a, h, p: a * (1 + k / h).ln(),
    "power": _power,
    "saturating": lambda k, a, h, p: a * (1 - (-k / h).exp()),
    "hill": _hill,
    "step": _step,
}


def _interpolated(points: PointList, stock: Decimal) -> Decimal:
    before = Decimal(0), Decimal(0)
    for money, benefit in points:
        here = decimal_of(money), decimal_of(benefit)
        if stock < here[0]:
            return before[1] + (here[1] - before[1]) * (stock - before[0]) / (here[0] - before[0])
        before = here
    return before[1]


@lru_cache(maxsize=1 << 16)
def fraction_of(number: float) -> Fraction:
    """The decimal that a float shows, exactly."""
    return Fraction(repr(float(number)))


@lru_cache(maxsize=1 << 16)
def decimal_of(number: float) -> Decimal:
    """The decimal that a float shows."""
    return Decimal(repr(float(number)))


def as_decimal(number: Fraction) -> Decimal:
    return CONTEXT.divide(Decimal(number.numerator), Decimal(number.denominator))
