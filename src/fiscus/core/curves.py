"""Response curves: benefit as a function of the effective stock of money (§4).

Every family states its formula once, over a namespace of elementary functions, so that NumPy evaluates it and the open model
builds an expression from the same line of code. All curves start at ``f(0) = 0`` and never fall.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt

from fiscus.core.arrays import BoolArray, FloatArray, IntArray, frozen
from fiscus.core.cells import LARGEST_NUMBER
from fiscus.core.knots import Knots, PointList
from fiscus.errors import InvalidCurve

STEP_TOLERANCE = 1e-9
"""Relative shortfall at which a step still counts as reached, so that float dust cannot lose it."""


@dataclass(frozen=True, slots=True)
class SymbolicMath:
    """Elementary functions for symbolic numbers, such as Pyomo's; stands where NumPy does in the formulas."""

    exp: Callable[[Any], Any]
    log: Callable[[Any], Any]

    def log1p(self, x: Any) -> Any:
        """``log(1 + x)``."""
        return self.log(1.0 + x)

    def expm1(self, x: Any) -> Any:
        """``exp(x) - 1``."""
        return self.exp(x) - 1.0


@dataclass(frozen=True, slots=True)
class Family:
    """One family of curves; formulas take stock k and parameters a, h, p, all broadcast together.

    Attributes:
        needs: Parameters it uses besides ``a``.
        value: ``(k, a, h, p, math)`` to benefit.
        derivative: Right derivative, ``(k, a, h, p)``.
        inverse: Largest k at which the left derivative is still at least a price, ``(price, a, h, p)``; of concave curves.
        smooth: Whether it is not made of linear pieces.
    """

    needs: tuple[str, ...]
    value: Callable[..., Any]
    derivative: Callable[..., FloatArray]
    inverse: Callable[..., FloatArray]
    smooth: bool = True


def _hill_value(k: Any, a: Any, h: Any, p: Any, math: Any) -> Any:
    if isinstance(math, SymbolicMath):
        return a * k**p / (h**p + k**p)
    with np.errstate(divide="ignore", over="ignore"):
        # 1 / (1 + (h/k)^p) overflows to the right limits at both ends; the textbook quotient gives inf/inf.
        return a / (1.0 + (h / k) ** p)


def _hill_slope(k: FloatArray, a: FloatArray, h: FloatArray, p: FloatArray) -> FloatArray:
    with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
        ratio = (h / k) ** p  # 1 - share would lose every digit once the curve is nearly flat.
        slope = a * p / (1.0 + ratio) / (1.0 + 1.0 / ratio) / k
    at_zero = np.where(p < 1, np.inf, np.where(p == 1, a / h, 0.0))
    return np.asarray(np.where(k > 0, slope, np.where(a > 0, at_zero, 0.0)))


HILL_STEPS = 40
"""Most Halley steps on the slope of a Hill curve; three do nearly everywhere, more only close to the steepest point of an S."""

HILL_CLOSE = 1e-5
"""Size of a step after which the next, whose error is the cube of it, would be rounding."""


def _hill_inverse(price: FloatArray, a: FloatArray, h: FloatArray, p: FloatArray) -> FloatArray:
    """No closed form but for p = 1: Halley's method on t = log(k/h), to the right of the steepest point.

    The log of the slope, ``log(ap/h) + (p-1) t - 2 log(1 + e^(pt))``, is concave there and below its two asymptotes, so the steps
    fall onto the root from where the nearer of them meets the price. The closed form of p = 1 starts closer where p is about 1,
    and the parabola at the steepest point of an S where the price is about the steepest slope.
    """
    if (p == 1).all():
        with np.errstate(divide="ignore"):
            return np.asarray(h * np.maximum(np.sqrt(a / (h * price)) - 1.0, 0.0))
    with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
        level = np.log(price * h / (a * p))
        t = np.where(p < 1, np.minimum(level / (p - 1.0), -level / (1.0 + p)), -level / (1.0 + p))
        top = np.log(_steepest(p))
        peak = (p - 1.0) * top - 2.0 * np.logaddexp(0.0, p * top)
        parabola = top + 2.0 * np.sqrt(np.maximum(peak - level, 0.0) / (p * p - 1.0))
        straight = np.log(np.expm1(-0.5 * level)) / p + np.where(p < 1, 1.0, 0.0)
        t = np.where(p > 1, np.minimum(t, parabola), t)
        t = np.where((level < 0) & (straight < t) & (straight > top), straight, t)
        for _ in range(HILL_STEPS):
            power = np.exp(-np.abs(p * t))
            share = np.where(t >= 0, 1.0, power) / (1.0 + power)
            gap = (p - 1.0) * t - 2.0 * (np.maximum(p * t, 0.0) + np.log1p(power)) - level
            open_ = (p != 1) & (np.abs(gap) > 1e-15 * np.maximum(1.0, np.abs(level)))
            slope = p - 1.0 - 2.0 * p * share
            bend = -2.0 * p * p * share * (1.0 - share)
            move = np.where(open_, gap * slope / (slope * slope - 0.5 * gap * bend), 0.0)
            move = np.where(np.isfinite(move), move, 0.0)
            t = np.maximum(t - move, top)
            if not (np.abs(move) > HILL_CLOSE * np.minimum(1.0, np.abs(slope / bend))).any():
                break
        stock = h * np.where(p == 1, np.sqrt(a / (h * price)) - 1.0, np.exp(t))
    never = _hill_slope(h * _steepest(p), a, h, p) < price * (1.0 - 1e-15)
    return np.asarray(np.where(never, 0.0, np.where(np.isnan(stock), h * _steepest(p), stock)))


def _steepest(p: FloatArray) -> FloatArray:
    """Where a Hill curve is steepest, in units of h: ``((p-1)/(p+1))^(1/p)`` for p > 1, else zero."""
    bent = np.maximum(p, 1.0)
    return np.asarray(((bent - 1.0) / (bent + 1.0)) ** (1.0 / bent))


def _power_slope(k: FloatArray, a: FloatArray, _h: FloatArray, p: FloatArray) -> FloatArray:
    with np.errstate(divide="ignore", invalid="ignore"):  # A vertical slope at zero, times a scale of zero.
        slope = a * p * k ** (p - 1.0)
    return np.asarray(np.where(a > 0, slope, 0.0))


def _power_inverse(price: FloatArray, a: FloatArray, _h: FloatArray, p: FloatArray) -> FloatArray:
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        stock = (a * p / price) ** (1.0 / (1.0 - p))
    linear = np.where(a >= price, np.inf, 0.0)
    return np.asarray(np.where(p == 1.0, linear, stock))


FAMILIES: Mapping[str, Family] = MappingProxyType(
    {
        "linear": Family(
            needs=(),
            value=lambda k, a, h, p, math: a * k,
            derivative=lambda k, a, h, p: a + 0.0 * k,
            inverse=lambda price, a, h, p: np.where(a >= price, np.inf, 0.0),
            smooth=False,
        ),
        "capped": Family(
            needs=("h",),
            value=lambda k, a, h, p, math: a * np.minimum(k, h),
            derivative=lambda k, a, h, p: np.where(k < h, a, 0.0),
            inverse=lambda price, a, h, p: np.where(a >= price, h, 0.0),
            smooth=False,
        ),
        "log": Family(
            needs=("h",),
            value=lambda k, a, h, p, math: a * math.log1p(k / h),
            derivative=lambda k, a, h, p: a / (h + k),
            inverse=lambda price, a, h, p: np.maximum(a / price - h, 0.0),
        ),
        "power": Family(
            needs=("p",),
            value=lambda k, a, h, p, math: a * k**p,
            derivative=_power_slope,
            inverse=_power_inverse,
        ),
        "saturating": Family(
            needs=("h",),
            value=lambda k, a, h, p, math: -a * math.expm1(-k / h),
            derivative=lambda k, a, h, p: a / h * np.exp(-k / h),
            inverse=lambda price, a, h, p: h * np.log(np.maximum(a / (h * price), 1.0)),
        ),
        "hill": Family(needs=("h", "p"), value=_hill_value, derivative=_hill_slope, inverse=_hill_inverse),
        "step": Family(
            needs=("h",),
            value=lambda k, a, h, p, math: np.where(k >= h * (1.0 - STEP_TOLERANCE), a, 0.0),
            derivative=lambda k, a, h, p: 0.0 * k,
            inverse=lambda price, a, h, p: np.zeros(price.shape),
            smooth=False,
        ),
        "piecewise": Family(
            needs=("points",),
            value=lambda k, a, h, p, math: 0.0 * k,  # Evaluated line by line: see Curves.value.
            derivative=lambda k, a, h, p: 0.0 * k,
            inverse=lambda price, a, h, p: np.zeros(price.shape),
            smooth=False,
        ),
    }
)


@dataclass(frozen=True, eq=False)
class Curves:
    """Curves of n lines.

    Attributes:
        family: Name of each line's family, n names.
        a: Scale, shape (..., n); leading axes where parameters are drawn by scenario.
        h: Money at the knee, major units, shape (..., n); 1 where the family has none.
        p: Exponent, shape (..., n); 1 where the family has none.
        points: ``(money, benefit)`` breakpoints of piecewise curves, first (0, 0); None for other families.
    """

    family: tuple[str, ...]
    a: FloatArray
    h: FloatArray
    p: FloatArray
    points: tuple[PointList | None, ...]

    @classmethod
    def make(
        cls,
        family: Sequence[str],
        *,
        a: npt.ArrayLike = 1.0,
        h: npt.ArrayLike = np.nan,
        p: npt.ArrayLike = np.nan,
        points: Sequence[Sequence[tuple[float, float]] | None] | None = None,
    ) -> Curves:
        """Build and check.

        Args:
            family: Names, n of them.
            a: Scale, broadcastable to (..., n), >= 0.
            h: Money at the knee, > 0 where used.
            p: Exponent, > 0 where used; at most 1 for power.
            points: Breakpoints where the family is piecewise: money rising, benefit not falling; flat after the last.

        Raises:
            InvalidCurve: Naming the line's position and the parameter.
        """
        names = tuple(family)
        given = points if points is not None else [None] * len(names)
        if len(given) != len(names):
            raise InvalidCurve(f"points has {len(given)} entries for {len(names)} lines")
        filled = {}
        for name, values in (("a", a), ("h", h), ("p", p)):
            array = np.asarray(values, dtype=np.float64)
            if array.ndim and array.shape[-1] not in (1, len(names)):
                raise InvalidCurve(f"{name} has {array.shape[-1]} values for {len(names)} lines")
            filled[name] = np.array(np.broadcast_to(array, np.broadcast_shapes(array.shape, (len(names),))))
        knots = []
        for line, (each, own) in enumerate(zip(names, given, strict=True)):
            fault = parameter_fault(each, {key: filled[key][..., line] for key in filled}, own)
            if fault:
                raise InvalidCurve(f"line {line}: {fault[0]}: {fault[1]}")
            for key in ("h", "p"):
                if key not in FAMILIES[each].needs:
                    filled[key][..., line] = 1.0
            knots.append(_from_origin(own) if each == "piecewise" and own is not None else None)
        return cls(names, frozen(filled["a"]), frozen(filled["h"]), frozen(filled["p"]), tuple(knots))

    def __getstate__(self) -> dict[str, Any]:
        """Everything but the families by line, which hold functions: a copy finds them anew."""
        return {name: value for name, value in self.__dict__.items() if name != "_groups"}

    def __len__(self) -> int:
        return len(self.family)

    @cached_property
    def _groups(self) -> tuple[tuple[Family, IntArray], ...]:
        """Positions of each family but piecewise."""
        names = np.array(self.family)
        found = [name for name in FAMILIES if name != "piecewise"]
        return tuple((FAMILIES[name], where) for name in found if len(where := np.flatnonzero(names == name)))

    @cached_property
    def knots(self) -> tuple[Knots, ...]:
        """The piecewise curves, in groups."""
        return Knots.groups(self.points)

    def _parameters(self, where: IntArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        return self.a[..., where], self.h[..., where], self.p[..., where]

    def value(self, stock: FloatArray) -> FloatArray:
        """Benefit.

        Args:
            stock: Major units, >= 0, shape (..., n).

        Returns:
            Units of benefit, shape (..., n).
        """
        stock = np.asarray(stock, dtype=np.float64)
        result = np.zeros(np.broadcast_shapes(stock.shape, self.a.shape))
        for family, where in self._groups:
            if len(self._groups) == 1 and not self.knots:
                return np.asarray(family.value(stock, self.a, self.h, self.p, np))
            result[..., where] = family.value(stock[..., where], *self._parameters(where), np)
        for knots in self.knots:
            # ``a`` scales a piecewise curve too, so that strategic and drawn scales mean the same for every family.
            result[..., knots.line] = self.a[..., knots.line] * knots.value(stock[..., knots.line])
        return result

    def derivative(self, stock: FloatArray) -> FloatArray:
        """Right derivative; inf at zero for power and Hill curves of exponent below 1.

        Args:
            stock: Major units, >= 0, shape (..., n).

        Returns:
            Benefit per major unit, shape (..., n).
        """
        stock = np.asarray(stock, dtype=np.float64)
        result = np.zeros(np.broadcast_shapes(stock.shape, self.a.shape))
        for family, where in self._groups:
            result[..., where] = family.derivative(stock[..., where], *self._parameters(where))
        for knots in self.knots:
            result[..., knots.line] = self.a[..., knots.line] * knots.derivative(stock[..., knots.line])
        return result

    def inverse_derivative(self, price: npt.ArrayLike) -> FloatArray:
        """Demand at a price: the largest stock at which one unit less would have lost at least the price.

        Args:
            price: Benefit per major unit, broadcastable to (..., n).

        Returns:
            Major units, shape (..., n): 0 where even the first unit gains less, inf where the slope never falls below it.

        Raises:
            InvalidCurve: For a line whose curve is not concave.
        """
        if not self.concave.all():
            line = int(np.flatnonzero(~self.concave)[0])
            raise InvalidCurve(f"line {line}: a {self.family[line]} curve that is not concave has no demand at a price")
        given = np.asarray(price, dtype=np.float64)
        price = np.broadcast_to(given, np.broadcast_shapes(given.shape, self.a.shape))
        result = np.zeros(price.shape)
        with np.errstate(divide="ignore", invalid="ignore"):
            for family, where in self._groups:
                result[..., where] = family.inverse(price[..., where], *self._parameters(where))
        for knots in self.knots:
            scale = np.broadcast_to(self.a, price.shape)[..., knots.line]
            result[..., knots.line] = knots.demand(price[..., knots.line], scale)
        return np.asarray(np.where(price <= 0, np.inf, result))

    @cached_property
    def concave(self) -> BoolArray:
        """Whether each curve is concave, shape (n,); a step is not, an S-shaped Hill is not."""
        exponent = self.p.reshape(-1, len(self)).max(axis=0) if len(self) else np.zeros(0)
        straight = {"linear", "capped", "log", "power", "saturating"}
        flags = np.array(
            [name in straight or (name == "hill" and exponent[i] <= 1) for i, name in enumerate(self.family)],
            dtype=bool,
        )
        for knots in self.knots:
            flags[knots.line] = knots.concave()
        return frozen(flags, np.bool_)

    @cached_property
    def polyhedral(self) -> BoolArray:
        """Whether each curve is made of linear pieces, shape (n,)."""
        return frozen([not FAMILIES[name].smooth for name in self.family], np.bool_)

    def inflection(self) -> FloatArray:
        """Where an S-shaped curve turns concave: ``h ((p-1)/(p+1))^(1/p)`` for Hill with p > 1, else 0, shape (..., n)."""
        return np.asarray(np.where(np.array(self.family) == "hill", self.h * _steepest(self.p), 0.0))

    def take(self, lines: IntArray) -> Curves:
        """The curves of some lines, in the order given, repeats allowed."""
        index = np.asarray(lines, dtype=np.int64)
        chosen = index.tolist()
        return Curves(
            tuple(self.family[line] for line in chosen),
            frozen(self.a[..., index]),
            frozen(self.h[..., index]),
            frozen(self.p[..., index]),
            tuple(self.points[line] for line in chosen),
        )

    def breakpoints(self, line: int) -> tuple[tuple[float, ...], tuple[float, ...], float]:
        """Corners of a curve that is made of linear pieces.

        Returns:
            Money and benefit at the corners, first (0, 0), a repeated money being a jump; and the slope after the last.

        Raises:
            InvalidCurve: For a smooth curve.
        """
        name, a, h = self.family[line], float(self.a[..., line]), float(self.h[..., line])
        points = self.points[line]
        if name == "linear":
            return (0.0,), (0.0,), a
        if name == "capped":
            return (0.0, h), (0.0, a * h), 0.0
        if name == "step":
            return (0.0, h, h), (0.0, 0.0, a), 0.0
        if points is not None:
            return tuple(x for x, _ in points), tuple(a * y for _, y in points), 0.0
        raise InvalidCurve(f"line {line}: a {name} curve is smooth and has no breakpoints")

    def expression(self, line: int, stock: Any, math: Any) -> Any:
        """The benefit of one line as a symbolic expression.

        Args:
            line: Position.
            stock: A symbolic or plain number.
            math: Namespace with exp, log, expm1 and log1p.

        Raises:
            InvalidCurve: For a curve with corners, which has no single formula.
        """
        name = self.family[line]
        if not FAMILIES[name].smooth and name != "linear":
            raise InvalidCurve(f"line {line}: a {name} curve has corners; use its linear pieces")
        a, h, p = (float(values[..., line]) for values in (self.a, self.h, self.p))
        return FAMILIES[name].value(stock, a, h, p, math)


def _from_origin(points: Sequence[tuple[float, float]]) -> PointList:
    """Breakpoints with the origin first."""
    pairs = tuple((float(x), float(y)) for x, y in points)
    return pairs if pairs[0][0] == 0.0 else ((0.0, 0.0), *pairs)


def parameter_fault(
    family: str, parameters: Mapping[str, Any], points: Sequence[tuple[float, float]] | None
) -> tuple[str, str] | None:
    """The first thing wrong with one line's parameters: its name and a sentence; None when all is well."""
    if family not in FAMILIES:
        return "curve", f"no curve is called {family!r}; the curves are {', '.join(FAMILIES)}"
    needs = FAMILIES[family].needs
    a, h, p = (np.asarray(parameters[key], dtype=np.float64) for key in ("a", "h", "p"))
    if not (np.isfinite(a) & (a >= 0)).all():
        return "a", "the scale must be a number that is not negative"
    if "h" in needs and not (np.isfinite(h) & (h > 0)).all():
        return "h", f"a {family} curve needs h, an amount of money above zero"
    if "p" in needs and not (np.isfinite(p) & (p > 0)).all():
        return "p", f"a {family} curve needs p, an exponent above zero"
    if family == "power" and (p > 1).any():
        return "p", "a power curve needs an exponent up to 1; for an S-shape use hill"
    if "points" in needs:
        return _points_fault(points)
    return None


def _points_fault(points: Sequence[tuple[float, float]] | None) -> tuple[str, str] | None:
    if not points:
        return "points", "a piecewise curve needs points, such as 0:0;100:80;200:120"
    pairs = np.asarray(points, dtype=np.float64)
    if pairs.ndim != 2 or pairs.shape[1] != 2 or not np.isfinite(pairs).all():
        return "points", "points are pairs of numbers, money:benefit"
    if pairs[0, 0] < 0 or (pairs[0, 0] == 0 and pairs[0, 1] != 0):
        return "points", "a curve starts at 0:0, no money and no benefit"
    if pairs[0, 1] < 0 or (np.diff(pairs[:, 0]) <= 0).any() or (np.diff(pairs[:, 1]) < 0).any():
        return "points", "money must rise from point to point and the benefit must not fall"
    if (np.abs(pairs) >= LARGEST_NUMBER).any() or (np.diff(pairs[:, 0]) < 1e-6).any():
        return "points", f"numbers stay below {LARGEST_NUMBER:.3g}, and points lie at least 0.000001 of money apart"
    return None
