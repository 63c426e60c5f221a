"""Response curves against differences, grids and searches; one formula for numbers and symbols."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fiscus.core.curves import FAMILIES, STEP_TOLERANCE, Curves, SymbolicMath
from fiscus.errors import InvalidCurve

SMOOTH = [name for name, family in FAMILIES.items() if family.smooth]
positive = st.floats(0.05, 50.0)
seeds = st.integers(0, 2**32 - 1)


def drawn(seed, families=tuple(FAMILIES)):
    """One curve of each family with random parameters; piecewise ones concave or not."""
    rng = np.random.default_rng(seed)
    points = []
    for name in families:
        x = np.cumsum(rng.uniform(1, 10, 4))
        y = np.cumsum(rng.uniform(0, 8, 4))
        points.append([(0.0, 0.0), *zip(x.tolist(), y.tolist(), strict=True)] if name == "piecewise" else None)
    size = len(families)
    p = np.where(np.array(families) == "power", rng.uniform(0.2, 1.0, size), rng.uniform(0.4, 4.0, size))
    return Curves.make(families, a=rng.uniform(0.1, 5, size), h=rng.uniform(1, 30, size), p=p, points=points)


@given(seeds)
def test_curves_start_at_zero_and_never_fall(seed):
    curves = drawn(seed)
    stock = np.linspace(0, 200, 2001)[:, None] * np.ones(len(curves))
    value = curves.value(stock)
    assert value[0].tolist() == [0.0] * len(curves)
    assert (np.diff(value, axis=0) >= -1e-12).all()


@given(seeds, positive)
def test_derivatives_equal_difference_quotients(seed, at):
    curves = drawn(seed, tuple(SMOOTH))
    step = 1e-6 * at
    quotient = (curves.value(np.full(len(curves), at + step)) - curves.value(np.full(len(curves), at - step))) / (
        2 * step
    )
    assert curves.derivative(np.full(len(curves), at)) == pytest.approx(quotient, rel=1e-4, abs=1e-9)


@given(seeds)
def test_right_derivatives_of_corners(seed):
    curves = drawn(seed, ("linear", "capped", "piecewise", "step"))
    for line in range(len(curves)):
        xs, _, _ = curves.breakpoints(line)
        one = curves.take(np.array([line]))
        for corner in [*xs, xs[-1] + 1.0]:
            step = 1e-7 * max(1.0, corner)
            if curves.family[line] == "step" and abs(corner - float(one.h[0])) <= 2 * step:
                continue  # A jump has no slope.
            quotient = (one.value(np.array([corner + step])) - one.value(np.array([corner]))) / step
            assert one.derivative(np.array([corner])) == pytest.approx(quotient, rel=1e-4, abs=1e-6)


@given(seeds, st.floats(0.01, 3.0))
def test_demand_is_the_best_stock_at_a_price(seed, price):
    families = ("capped", "log", "power", "saturating", "hill")
    rng = np.random.default_rng(seed)
    size = len(families)
    curves = Curves.make(
        families, a=rng.uniform(0.5, 5, size), h=rng.uniform(1, 30, size), p=rng.uniform(0.3, 0.9, size)
    )
    demand = curves.inverse_derivative(price)
    grid = np.concatenate([np.linspace(0, 1, 500), np.geomspace(1e-6, 1e5, 4000)])[:, None]
    gain = curves.value(grid * np.ones(size)) - price * grid
    best = curves.value(demand) - price * demand
    assert (best >= gain.max(axis=0) - 1e-9 * np.maximum(1.0, np.abs(best))).all()


@given(seeds)
def test_inverse_derivative_undoes_the_derivative(seed):
    rng = np.random.default_rng(seed)
    curves = Curves.make(
        ["log", "power", "saturating", "hill"],
        a=rng.uniform(0.5, 5, 4),
        h=rng.uniform(1, 30, 4),
        p=rng.uniform(0.3, 0.9, 4),
    )
    stock = rng.uniform(0.1, 60, 4)
    assert curves.inverse_derivative(curves.derivative(stock)) == pytest.approx(stock, rel=1e-8)


def test_demand_at_the_edges():
    curves = Curves.make(["linear", "log", "capped"], a=[2, 10, 3], h=[np.nan, 5, 7])
    assert curves.inverse_derivative(0.0).tolist() == [np.inf] * 3
    assert curves.inverse_derivative(2.0).tolist() == [np.inf, 0.0, 7.0]
    assert curves.inverse_derivative(2.5).tolist() == [0.0, 0.0, 7.0]
    with pytest.raises(InvalidCurve, match="line 1"):
        Curves.make(["linear", "step"], h=[np.nan, 5]).inverse_derivative(1.0)


@given(seeds)
def test_concave_flags_agree_with_second_differences(seed):
    curves = drawn(seed)
    stock = np.linspace(0, 150, 3001)[:, None] * np.ones(len(curves))
    bends = np.diff(curves.value(stock), n=2, axis=0).max(axis=0)
    for line, concave in enumerate(curves.concave):
        if concave:
            assert bends[line] <= 1e-9
        elif curves.family[line] in ("hill", "step"):
            assert bends[line] > 0 or curves.p[line] < 1.05


@given(seeds)
def test_breakpoints_reproduce_the_curve(seed):
    curves = drawn(seed, ("linear", "capped", "piecewise", "step"))
    grid = np.linspace(0, 60, 601)
    for line in range(len(curves)):
        xs, ys, slope = curves.breakpoints(line)
        own = curves.take(np.array([line])).value(grid[:, None])[:, 0]
        inside = (
            np.interp(grid, xs, ys)
            if curves.family[line] != "step"
            else np.where(grid >= xs[1] * (1 - STEP_TOLERANCE), ys[2], 0)
        )
        beyond = np.maximum(grid - xs[-1], 0) * slope
        assert own == pytest.approx(inside + beyond, rel=1e-9, abs=1e-9)


@given(seeds, positive)
def test_symbols_and_numbers_use_one_formula(seed, at):
    curves = drawn(seed, (*SMOOTH, "linear"))
    symbolic = SymbolicMath(math.exp, math.log)
    value = curves.value(np.full(len(curves), at))
    for line in range(len(curves)):
        assert curves.expression(line, at, symbolic) == pytest.approx(value[line], rel=1e-12)


def test_expressions_of_corners_are_refused():
    with pytest.raises(InvalidCurve, match="linear pieces"):
        Curves.make(["capped"], h=[2]).expression(0, 1.0, SymbolicMath(math.exp, math.log))
    with pytest.raises(InvalidCurve, match="smooth"):
        Curves.make(["log"], h=[2]).breakpoints(0)


@given(seeds)
def test_inflection_is_where_the_slope_is_steepest(seed):
    rng = np.random.default_rng(seed)
    curves = Curves.make(["hill"], a=rng.uniform(0.5, 5), h=rng.uniform(1, 30), p=rng.uniform(1.2, 6))
    grid = np.linspace(1e-6, 90, 200_001)
    steepest = grid[np.argmax(curves.derivative(grid[:, None])[:, 0])]
    assert curves.inflection()[0] == pytest.approx(steepest, abs=1e-3)


def test_a_step_forgives_float_dust():
    curves = Curves.make(["step"], a=[7], h=[100])
    assert curves.value(np.array([[99.99999999], [99.99], [100.0]]))[:, 0].tolist() == [7, 0, 7]


@pytest.mark.parametrize("p", [0.5, 1.0, 2.0, 80.0])
def test_hill_does_not_overflow(p):
    curves = Curves.make(["hill"], a=[3], h=[1e6], p=[p])
    value = curves.value(np.array([[0.0], [1e-300], [1e6], [1e300]]))[:, 0]
    assert np.isfinite(value).all()
    assert value[0] == 0.0
    assert value[2] == pytest.approx(1.5)
    assert value[3] == pytest.approx(3.0)
    assert not np.isnan(curves.derivative(np.array([[0.0], [1e-300], [1e300]]))).any()


def test_parameters_by_scenario_lead():
    curves = Curves.make(["log", "linear"], a=np.array([[[1.0, 2.0]], [[3.0, 4.0]]]), h=[5, np.nan])
    value = curves.value(np.array([[10.0, 10.0], [20.0, 20.0]]))
    assert value.shape == (2, 2, 2)
    assert value[1, 0].tolist() == pytest.approx([3 * math.log(3), 40])


@pytest.mark.parametrize(
    ("family", "parameters", "named"),
    [
        ("wave", {}, "curve"),
        ("linear", {"a": -1}, "a"),
        ("linear", {"a": np.nan}, "a"),
        ("log", {}, "h"),
        ("log", {"h": 0}, "h"),
        ("power", {"p": 1.5}, "p"),
        ("hill", {"h": 1}, "p"),
        ("piecewise", {}, "points"),
        ("piecewise", {"points": [[(0, 1)]]}, "points"),
        ("piecewise", {"points": [[(0, 0), (2, 3), (1, 4)]]}, "points"),
        ("piecewise", {"points": [[(0, 0), (2, 3), (4, 2)]]}, "points"),
        ("piecewise", {"points": [[(0, 0), (2, np.inf)]]}, "points"),
    ],
)
def test_bad_parameters_are_named(family, parameters, named):
    with pytest.raises(InvalidCurve, match=f"line 0: {named}"):
        Curves.make([family], **parameters)


@given(seeds)
def test_taken_curves_are_the_same_curves(seed):
    curves = drawn(seed)
    lines = np.array([3, 0, 3, len(curves) - 1])
    stock = np.linspace(0, 60, 20)[:, None]
    assert (
        curves.take(lines).value(stock * np.ones(4)).tolist()
        == curves.value(stock * np.ones(len(curves)))[:, lines].tolist()
    )


def test_parameters_for_other_numbers_of_lines_are_refused():
    with pytest.raises(InvalidCurve, match="2 values for 1 lines"):
        Curves.make(["linear"], a=[1, 2])
    with pytest.raises(InvalidCurve, match="line 1: h"):
        Curves.make(["linear", "log"], h=[1, -1])
