"""Safe dual bounds: true for every price whatever, sharp for the right ones, and rounded outwards to the last digit."""

from __future__ import annotations

import decimal
import itertools
import math
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
from random_problems import enumerate_best, grid_problem, random_problem
from random_trees import random_tree_problem
from repetitions import slow_from

import fiscus
from fiscus.core.curves import STEP_TOLERANCE, Curves
from fiscus.core.dynamics import stocks
from fiscus.core.objective import objective
from fiscus.errors import InvalidRule
from fiscus.optimise import highs
from fiscus.optimise.cell_bounds import best_of_cells
from fiscus.optimise.certificate import Boxes, Certificate, Prover, multipliers_of, proved_bound
from fiscus.optimise.form import form
from fiscus.optimise.refine import search_form
from fiscus.optimise.search import Limits
from fiscus.optimise.tree import solve_tree, split
from fiscus.optimise.tree_route import why_not_tree

CONCAVE = ("linear", "capped", "piecewise", "log", "power", "saturating")


def keys_of(prover):
    return [(rows.kind, label) for rows in prover.model.rows for label in rows.labels]


def garbage(rng, keys):
    """Prices that no solver would give: any sign, any size, some of them missing."""
    size = 10.0 ** rng.uniform(-4, 5)
    price = rng.standard_normal(len(keys)) * size * rng.choice([0.0, 1e-3, 1.0, 10.0], len(keys))
    return dict(zip(keys, price.tolist(), strict=True))


def owed(prover, prices, spend):
    """What a plan may exceed a bound by, as it misses rows by float dust: |price| times the miss and the rounding of its sum."""
    model = prover.model
    at = model.at(spend)
    price = np.abs([prices.get(key, 0.0) for key in keys_of(prover)])
    activity = model.matrix @ at
    miss = np.maximum(np.maximum(activity - model.row_upper, model.row_lower - activity), 0.0)
    dust = 1e-13 * (abs(model.matrix) @ np.abs(at))
    return float(price @ (miss + dust))


def relaxed_duals(problem, points=None):
    """Prices and bound of the relaxation without integers, or None where there are none."""
    model = form(problem, points)
    outcome = highs.run(replace(model, integer=np.zeros(len(model.cost), dtype=bool)))
    if outcome.row_dual is None:
        return None
    return multipliers_of(model, outcome.row_dual), outcome.bound + model.constant


def holds(prover, prices, plans):
    bound = prover.bound(prices)
    for spend in plans:
        value = objective(prover.model.problem, spend)
        assert value <= bound + owed(prover, prices, spend) + 1e-12 * max(1.0, abs(value)), (value, bound)
    return bound


@pytest.mark.parametrize("block", slow_from(4, 10))
def test_no_prices_whatever_prove_less_than_a_plan_is_worth(block):
    """Weak duality on every kind of rule: any prices, good ones, good ones spoilt, and none."""
    proved = 0
    for seed in range(block * 30, block * 30 + 30):
        rng = np.random.default_rng(seed)
        problem, witness = random_problem(rng)
        try:
            prover = Prover(problem)
            found = relaxed_duals(problem)
        except InvalidRule:  # A step or a risk limit that nothing bounds.
            continue
        keys = keys_of(prover)
        holds(prover, {}, [witness])
        for _ in range(4):
            holds(prover, garbage(rng, keys), [witness])
        if found is None:
            continue
        proved += math.isfinite(holds(prover, found[0], [witness]))
        for noise in (1e-6, 0.1, 1.0):
            spoilt = {key: price * (1 + noise * rng.standard_normal()) for key, price in found[0].items()}
            holds(prover, spoilt, [witness])
        holds(prover, {key: -price for key, price in found[0].items()}, [witness])
    assert proved >= 20


@pytest.mark.parametrize("seed", range(60))
def test_the_best_of_all_choices_is_never_above_the_bound(seed):
    rng = np.random.default_rng(seed)
    problem = grid_problem(rng)
    best, amounts = enumerate_best(problem)
    if best is None:
        return
    prover = Prover(problem)
    for prices in ({}, garbage(rng, keys_of(prover)), garbage(rng, keys_of(prover))):
        holds(prover, prices, [amounts])
    found = relaxed_duals(problem)
    assert found is not None
    assert math.isfinite(holds(prover, found[0], [amounts]))


@pytest.mark.parametrize("fifty", slow_from(1, 3))
def test_the_relaxations_own_prices_prove_its_bound(fifty):
    """Without yes-or-no choices nothing is lost: the proved bound is the solver's to 1e-6, and above the best plan found."""
    compared = 0
    for seed in range(50 * fifty, 50 * fifty + 50):
        rng = np.random.default_rng(seed)
        problem, witness = random_problem(rng, integers=False, curves=CONCAVE)
        try:
            search = search_form(problem, "highs", Limits(1e-6, np.inf, 0))
        except InvalidRule:
            continue
        if search.best is None or search.last.integer.any() or search.outcome.row_dual is None:
            continue
        prices = multipliers_of(search.last, search.outcome.row_dual)
        bound = proved_bound(problem, prices)
        size = max(abs(search.bound), abs(search.value), 1e-4 * min(search.stake, 1e12), 1e-3)
        assert bound >= search.value - 1e-12 * size, seed
        assert bound <= search.outcome.bound + search.last.constant + 1e-6 * size, seed
        prover = Prover(problem)
        holds(prover, prices, [witness, search.best])
        holds(prover, garbage(rng, keys_of(prover)), [search.best])
        compared += 1
    assert compared >= 33


@pytest.mark.parametrize("seed", range(40))
def test_results_carry_a_bound_no_plan_beats(seed):
    """Every route's own certificate against the plan it comes with and the witness."""
    rng = np.random.default_rng(1000 + seed)
    problem, witness = random_problem(rng, lines=(2, 4), periods=(1, 2))
    result = fiscus.solve(problem, time_limit=5)
    if result.solution is None:
        return
    bound = result.certificate.bound
    dust = 1e-6 * max(1.0, abs(bound))  # The referee lets a row be missed by 1e-6.
    assert bound >= result.value - dust
    assert bound >= result.exact_value - dust
    assert bound >= objective(problem, witness) - dust


@pytest.mark.parametrize("changes", [False, True], ids=["free", "changes that cost"])
def test_the_trees_own_prices_prove_its_split(changes):
    """Without a solver: what the tree route saves closes the gap to 1e-6, costs of change included."""
    proved = 0
    for seed in range(120):
        problem = random_tree_problem(np.random.default_rng(seed))
        costly = bool(problem.lines.change_cost.any())
        if costly != changes or why_not_tree(problem) or solve_tree(split(problem).program) is None:
            continue
        result = fiscus.solve(problem, route="tree")
        bound = result.certificate.bound
        size = max(abs(bound), abs(result.value), 1e-9)
        assert -1e-9 * size <= bound - result.value <= 1e-6 * size, seed
        proved += 1
    assert proved >= 6


# --- Boxes -----------------------------------------------------------------------------------------------------------


def tree_problem(seed):
    rng = np.random.default_rng(seed)
    while True:
        problem = random_tree_problem(rng, lines=int(rng.integers(1, 7)))
        if not why_not_tree(problem) and (answer := solve_tree(split(problem).program)) is not None:
            return rng, problem, answer.amount.reshape(problem.shape)


def divided(rng, lower, upper, keys, depth):
    """Boxes at random with any prices, some divided outside their own bounds."""
    if depth and rng.random() < 0.8:
        cell = int(rng.integers(len(lower)))
        inside = rng.random() < 0.8 and lower[cell] <= upper[cell]
        at = float(rng.uniform(lower[cell], upper[cell]) if inside else rng.choice([-5.0, 1e9]))
        low, high = upper.copy(), lower.copy()
        low[cell], high[cell] = min(low[cell], at), max(high[cell], at)
        halves = (
            divided(rng, lower, low, keys, depth - 1),
            divided(rng, high, upper, keys, depth - 1),
        )
        return Boxes(None, cell, at, halves)
    return Boxes(garbage(rng, keys) if rng.random() < 0.8 else {})


def parts_of(boxes):
    return [part for half in boxes.halves for part in parts_of(half)] if boxes.halves else [boxes]


@pytest.mark.parametrize("seed", range(40))
def test_parts_together_bound_what_all_of_them_hold(seed):
    rng, problem, spend = tree_problem(seed)
    value = objective(problem, spend)
    leaves, prover = split(problem).program.leaves, Prover(problem)
    keys = keys_of(prover)
    for _ in range(6):
        boxes = divided(rng, leaves.lower, leaves.upper, keys, 3)
        dust = max(owed(prover, part.prices, spend) for part in parts_of(boxes))
        assert boxes.bound(problem) >= value - dust - 1e-12 * max(1.0, abs(value))
        again = Boxes.from_dict(boxes.as_dict(problem), problem)
        assert again.bound(problem) == boxes.bound(problem)


def test_the_bound_over_two_halves_is_the_larger_half_and_sharper_than_the_whole():
    """One S-curve alone: its best is known, and each half is proved by a price of its own."""
    lines = {"id": ["x"], "cap": [100], "curve": ["hill"], "a": [10], "h": [50], "p": [3]}
    problem = fiscus.Problem.from_frames(lines=lines, budget=60)
    best = 10 * 60**3 / (50**3 + 60**3)
    budget = next(key for key in keys_of(Prover(problem)) if key[0] != "spend")
    assert budget[1][0] == "budget"
    slope = 10 * 3 * 60**2 * 50**3 / (50**3 + 60**3) ** 2
    whole = Boxes({budget: slope}).bound(problem)
    halves = Boxes(None, 0, 40.0, (Boxes({}), Boxes({budget: slope}))).bound(problem)
    assert best <= halves <= whole
    assert halves == pytest.approx(best, rel=1e-9)


def test_a_part_that_is_falsely_called_empty_proves_nothing():
    lines = {"id": ["x", "y"], "cap": [100, 50], "floor": [20, 10], "curve": ["log", "log"], "a": [1, 1], "h": [5, 5]}
    problem = fiscus.Problem.from_frames(lines=lines, budget=60)
    value = fiscus.solve(problem).value
    forged = Boxes(None, 0, 30.0, (Boxes(None), Boxes({})))
    assert forged.bound(problem) == math.inf
    assert Boxes(None).bound(problem) == math.inf
    made = Certificate.make(problem, forged)
    assert value <= made.bound < math.inf  # Falls back to what no prices at all prove.
    # More than the budget less the other's floor cannot go to x: that part is empty indeed.
    honest = Boxes(None, 0, 55.0, (Boxes({}), Boxes(None)))
    assert value <= honest.bound(problem) < math.inf


# --- Cells -----------------------------------------------------------------------------------------------------------

FAMILIES = ("linear", "capped", "piecewise", "step", "log", "power", "saturating", "hill", "s-shaped", "steep")
CONTEXT = decimal.Context(prec=60, Emin=-(10**8), Emax=10**8)


def some_curves(rng, family, count):
    names = {"s-shaped": "hill", "steep": "hill"}
    a = np.round(10.0 ** rng.uniform(-2, 6, count), 4)
    h = np.round(10.0 ** rng.uniform(-1, 6, count), 2) + 0.01
    exponents = {"power": (0.05, 0.99), "hill": (0.2, 1.0), "s-shaped": (1.01, 8.0), "steep": (8.0, 60.0)}
    p = rng.uniform(*exponents.get(family, (1.0, 1.0)), count)
    points = [None] * count
    if family == "piecewise":
        money = np.cumsum(rng.uniform(0.1, 1.0, (count, 4)) * h[:, None], axis=1)
        benefit = np.cumsum(rng.uniform(0.0, 1.0, (count, 4)), axis=1)
        points = [list(zip(x.tolist(), y.tolist(), strict=True)) for x, y in zip(money, benefit, strict=True)]
    return Curves.make([names.get(family, family)] * count, a=a, h=h, p=p, points=points)


def some_boxes(rng, curves):
    """Gains, rates and boxes: prices around the curve's own slopes, boxes narrow and wide, some of no width."""
    count = len(curves)
    low = np.where(rng.random(count) < 0.4, 0.0, curves.h * 10.0 ** rng.uniform(-3, 1, count))
    high = low + np.where(rng.random(count) < 0.1, 0.0, curves.h * 10.0 ** rng.uniform(-3, 2, count))
    gain = 10.0 ** rng.uniform(-3, 3, count)
    chord = gain * curves.value(high) / np.maximum(high, 1e-300)
    rate = -chord * 10.0 ** rng.uniform(-1.5, 1.5, count)
    rate = np.where(rng.random(count) < 0.1, -0.3 * rate, rate)
    return gain, np.where(rng.random(count) < 0.05, 0.0, rate), low, high


def exact_worth(curves, line, gain, rate, stock):
    """``gain f(k) + rate k`` to 50 digits, from the textbook formulas."""
    family = curves.family[line]
    a, h, p, k = (Decimal(float(each)) for each in (curves.a[line], curves.h[line], curves.p[line], stock))
    with decimal.localcontext(CONTEXT):
        if family == "linear":
            effect = a * k
        elif family == "capped":
            effect = a * min(k, h)
        elif family == "step":
            effect = a if k >= h else Decimal(0)
        elif family == "log":
            effect = a * (1 + k / h).ln()
        elif family == "power":
            effect = a * k**p if k else Decimal(0)
        elif family == "saturating":
            effect = a * (1 - (-k / h).exp())
        elif family == "hill":
            effect = a * k**p / (h**p + k**p) if k else Decimal(0)
        else:
            corners = [(Decimal(x), Decimal(y)) for x, y in curves.points[line]]
            effect = a * corners[-1][1]
            for (x0, y0), (x1, y1) in itertools.pairwise(corners):
                if k <= x1:
                    effect = a * (y0 + (y1 - y0) * (k - x0) / (x1 - x0))
                    break
        return Decimal(float(gain)) * effect + Decimal(float(rate)) * k


def candidates(curves, line, gain, rate, low, high):
    """Stocks near the best one: a dense grid, corners, and the best stretch of the grid again, three times."""
    one = curves.take(np.array([line]))
    grid = np.r_[
        np.linspace(low, high, 2001), np.geomspace(max(low, 1e-9 * max(high, 1e-300)), max(high, 1e-300), 2001)
    ]
    if curves.polyhedral[line]:
        grid = np.r_[grid, one.breakpoints(0)[0]]
    grid = np.unique(np.clip(grid, low, high))
    for _ in range(4):
        worth = gain * one.value(grid[:, None])[:, 0] + rate * grid
        best = int(np.argmax(worth))
        around = grid[max(best - 1, 0)], grid[min(best + 1, len(grid) - 1)]
        finer = np.unique(np.r_[grid[best], np.linspace(*around, 201)])
        yield worth.max(), grid[best]
        grid = finer


@pytest.mark.parametrize("family", FAMILIES)
def test_the_best_of_a_cell_against_a_dense_grid_and_fifty_digits(family):
    """Never below the best of the grid, not even in the fiftieth digit; above it by 1e-9 of the figures at most."""
    rng = np.random.default_rng(FAMILIES.index(family))
    curves = some_curves(rng, family, 60)
    gain, rate, low, high = some_boxes(rng, curves)
    bound = best_of_cells(curves, gain, rate, low, high)
    for line in range(len(curves)):
        terms = curves, line, gain[line], rate[line]
        found = list(candidates(*terms, low[line], high[line]))
        exact = max(exact_worth(*terms, stock) for _, stock in found)
        assert bound[line] >= max(worth for worth, _ in found)
        assert Decimal(float(bound[line])) >= exact, (line, bound[line], exact)
        stock = found[-1][1]
        size = gain[line] * curves.value(np.full(len(curves), stock))[line] + abs(rate[line]) * stock
        # The tangent's slope is trusted to 1e-12, which counts over the whole box.
        allowed = 1e-9 * size + 4e-12 * abs(rate[line]) * high[line] + 1e-300
        assert bound[line] - float(exact) <= allowed, (line, bound[line], exact)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_cell_whose_benefit_counts_against_is_bounded_too(family):
    """As under garbage prices: gains below zero."""
    rng = np.random.default_rng(100 + FAMILIES.index(family))
    curves = some_curves(rng, family, 40)
    gain, rate, low, high = some_boxes(rng, curves)
    for g, r in ((-gain, rate), (-gain, -rate), (0.0 * gain, rate), (gain, -rate)):
        bound = best_of_cells(curves, g, r, low, high)
        stock = np.linspace(low, high, 101)
        assert (bound >= (g * curves.value(stock) + r * stock).max(axis=0)).all()
        for line in range(0, len(curves), 5):
            exact = max(exact_worth(curves, line, g[line], r[line], each) for each in stock[::20, line])
            assert Decimal(float(bound[line])) >= exact


# --- Exact arithmetic ------------------------------------------------------------------------------------------------


def exact_lagrangian(prover, prices):
    """The same bound in fractions: every float stands for itself, nothing is rounded; curves made of linear pieces only."""
    model = prover.model
    price = [Fraction(prices.get(key, 0.0)) for key in keys_of(prover)]
    total = Fraction(model.constant)
    for row, each in enumerate(price):
        edge = model.row_upper[row] if each > 0 else model.row_lower[row]
        if each and math.isfinite(edge):
            total += each * Fraction(float(edge))
        else:
            price[row] = Fraction(0)  # No bound on that side: dust.
    reduced = [Fraction(float(cost)) for cost in model.cost]
    matrix = model.matrix.tocoo()
    for row, column, factor in zip(matrix.row.tolist(), matrix.col.tolist(), matrix.data.tolist(), strict=True):
        reduced[column] -= price[row] * Fraction(factor)
    taken = set()
    if "effect" in model.blocks:
        block, lines = model.blocks["effect"], model.problem.shape[1]
        for at, cell in enumerate(block.active.tolist()):
            name = "stock" if model.problem.lines.retention[cell % lines] > 0 else "spend"
            own = model.blocks[name]
            place = own.offset + own.active.tolist().index(cell)
            taken |= {block.offset + at, place}
            total += exact_cell(prover, reduced[block.offset + at], reduced[place], cell % lines, place)
    for column, rate in enumerate(reduced):
        if column not in taken and rate:
            edge = prover.upper[column] if rate > 0 else prover.lower[column]
            if not math.isfinite(edge):
                return None
            total += rate * Fraction(float(edge))
    return total


def exact_cell(prover, gain, rate, line, place):
    curves = prover.model.problem.lines.curves
    low, high = Fraction(max(float(prover.lower[place]), 0.0)), Fraction(float(prover.upper[place]))
    a, h = Fraction(float(curves.a[line])), Fraction(float(curves.h[line]))
    family, points = curves.family[line], curves.points[line]

    def effect(stock):
        if family == "linear":
            return a * stock
        if family == "capped":
            return a * min(stock, h)
        if family == "step":
            return a if stock >= h * Fraction(1.0 - STEP_TOLERANCE) else Fraction(0)
        corners = [(Fraction(x), Fraction(y)) for x, y in points]
        for (x0, y0), (x1, y1) in itertools.pairwise(corners):
            if stock <= x1:
                return a * (y0 + (y1 - y0) * (stock - x0) / (x1 - x0))
        return a * corners[-1][1]

    bends = {
        "linear": [], "capped": [h], "step": [h * Fraction(1.0 - STEP_TOLERANCE)],
        "piecewise": [Fraction(x) for x, _ in points or ()],
    }[family]  # fmt: skip
    if gain < 0:  # What the bound promises there: the least effect and the better end.
        return gain * effect(low) + max(rate * low, rate * high)
    return max(gain * effect(each) + rate * each for each in [low, high, *(b for b in bends if low <= b <= high)])


@pytest.mark.parametrize("seed", range(60))
def test_the_float_bound_is_above_the_same_bound_in_fractions(seed):
    """Outward rounding is outward: on linear pieces the Lagrangian is rational, and the float bound is never below it."""
    rng = np.random.default_rng(seed)
    problem, _ = random_problem(rng, curves=("linear", "capped", "piecewise", "step"), lines=(2, 4), periods=(1, 2))
    if problem.risk is not None and problem.risk.measure.kind == "meanvar":
        return
    prover = Prover(problem)
    try:
        found = relaxed_duals(problem)
    except InvalidRule:
        found = None
    tried = [{}, garbage(rng, keys_of(prover)), garbage(rng, keys_of(prover)), *([found[0]] if found else [])]
    for prices in tried:
        bound = prover.bound(prices)
        if math.isinf(bound) or not np.isfinite(prover.upper[prover.model.blocks["spend"].slice]).all():
            continue
        exact = exact_lagrangian(prover, prices)
        if exact is not None:
            assert Fraction(bound) >= exact
            assert (
                float(Fraction(bound) - exact) <= 1e-9 * max(1.0, *(abs(p) for p in prices.values()), abs(bound)) * 1e3
            )


@pytest.mark.parametrize("seed", range(40))
def test_every_column_of_a_plan_lies_in_its_box(seed):
    """The boxes that the bound is taken over hold the witness: stocks, movements, cash and misses of soft rules."""
    problem, witness = random_problem(np.random.default_rng(seed))
    prover = Prover(problem)
    at = prover.model.at(witness)
    grain = 1e-9 * np.maximum(1.0, np.abs(at))
    assert (at >= prover.lower - grain).all()
    assert (at <= prover.upper + grain).all()
    assert (stocks(problem, witness) >= 0).all()
