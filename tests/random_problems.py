"""Small random problems over every kind of rule and every feature, for tests that hold on all of them.

Each comes with a witness: an allocation that was drawn first and around which all bounds were set, so the problem is feasible.
Amounts lie on a grid of half units or of cents. The same seed gives the same problem.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence

import numpy as np
from hypothesis import strategies as st

from fiscus.core.arrays import BoolArray, FloatArray, IntArray, frozen
from fiscus.core.curves import Curves
from fiscus.core.dynamics import balances, evaluate
from fiscus.core.facts import Account, Lines, Units
from fiscus.core.feasibility import violations
from fiscus.core.money import currency
from fiscus.core.objective import objective
from fiscus.core.problem import Problem
from fiscus.core.process import Scenarios
from fiscus.core.risk import Measure, RiskAversion
from fiscus.core.rules import (
    AtLeast,
    AtMost,
    Change,
    Envelope,
    Freeze,
    Requires,
    Reserve,
    Resource,
    Risk,
    Rule,
    Share,
    Staged,
    Turnover,
    Whole,
)
from fiscus.core.tree import Tree

CURVES = ("linear", "capped", "piecewise", "step", "log", "power", "saturating", "hill")
KINDS = (
    "envelope", "share", "change", "freeze", "requires", "at_most", "at_least", "staged", "resource", "turnover", "reserve", "whole",
    "risk",
)  # fmt: skip
YES_OR_NO = frozenset({"requires", "at_most", "at_least", "staged"})
LARGEST = 100.0

Range = int | tuple[int, int]
Drawn = tuple[Problem, FloatArray]


def random_problem(
    rng: np.random.Generator,
    *,
    lines: Range = (2, 6),
    periods: Range = (1, 3),
    kinds: Sequence[str] | None = None,
    curves: Sequence[str] = CURVES,
    integers: bool = True,
    feasible: bool = True,
    soft: bool = True,
    account: bool | None = None,
) -> Drawn:
    """A problem and its witness.

    Args:
        rng: Source of all randomness.
        lines: How many, or a range with both ends.
        periods: How many, or a range with both ends.
        kinds: Kinds of rules to draw from, each up to twice; all when None.
        curves: Families of curves to draw from.
        integers: Whether lines may be lumpy or have tickets, and rules may speak of what is funded.
        feasible: Whether every hard rule holds at the witness; else bounds may exclude it, and everything.
        soft: Whether some rules are soft.
        account: Whether there is a working-capital account; at random when None.

    Returns:
        The problem, and the witness in major units, shape (T, n).
    """
    size = _between(rng, periods), _between(rng, lines)
    grid = float(rng.choice([0.5, 0.5, 0.01]))
    structure = _lines(rng, size, grid, tuple(curves), integers=integers)
    witness = _witness(rng, structure, size, grid)
    problem = _facts(rng, structure, witness, grid, account)
    return _ruled(rng, problem, witness, kinds, integers=integers, feasible=feasible, soft=soft)


def problems(**settings: object) -> st.SearchStrategy[Drawn]:
    """Hypothesis strategy for :func:`random_problem`; shrinks the seed only."""
    return st.integers(0, 2**32 - 1).map(lambda seed: random_problem(np.random.default_rng(seed), **settings))  # type: ignore[arg-type]


def grid_problem(rng: np.random.Generator, *, kinds: Sequence[str] | None = None, feasible: bool = True) -> Problem:
    """A tiny problem in which every amount is zero or the line's cap, so that :func:`enumerate_best` sees every choice.

    Lines are lumpy, or have a ticket as large as the cap.
    """
    size = _between(rng, (1, 2)), _between(rng, (1, 3))
    structure = _lines(rng, size, 0.5, CURVES, integers=True)
    cap = rng.integers(2, 40, size[1]) * 0.5
    lumpy = rng.random(size[1]) < 0.6
    changes = {
        "floor": np.zeros(size), "cap": np.broadcast_to(cap, size), "lumpy": lumpy, "min_ticket": np.where(lumpy, 0.0, cap),
    }  # fmt: skip
    structure = Lines(**{**_fields(structure), **{name: frozen(array, array.dtype) for name, array in changes.items()}})
    witness = np.where(rng.random(size) < 0.5, structure.cap, 0.0)
    problem = _facts(rng, structure, witness, 0.5, None)
    return _ruled(rng, problem, witness, kinds, integers=True, feasible=feasible, soft=True)[0]


def enumerate_best(problem: Problem) -> tuple[float | None, FloatArray | None]:
    """The best of all allocations that give each line zero or its cap in each period, by trying them all.

    Returns:
        Objective and allocation of shape (T, n); None and None where no choice obeys the hard rules.
    """
    best: tuple[float | None, FloatArray | None] = (None, None)
    cells = problem.lines.cap.size
    for choice in itertools.product((False, True), repeat=cells):
        amounts = np.where(np.reshape(choice, problem.shape), problem.lines.cap, 0.0)
        if violations(problem, amounts):
            continue
        worth = objective(problem, amounts)
        if best[0] is None or worth > best[0]:
            best = worth, amounts
    return best


def _between(rng: np.random.Generator, bounds: Range) -> int:
    return bounds if isinstance(bounds, int) else int(rng.integers(bounds[0], bounds[1] + 1))


def _fields(lines: Lines) -> dict[str, object]:
    return {name: getattr(lines, name) for name in Lines.__dataclass_fields__}


def _on_grid(
    rng: np.random.Generator, grid: float, size: tuple[int, ...], least: float = 0.0, most: float = LARGEST
) -> FloatArray:
    return np.round(rng.integers(round(least / grid), round(most / grid) + 1, size) * grid, 2)


def _up(amount: FloatArray | float, grid: float) -> FloatArray:
    """Next multiple of the grid."""
    return np.round(np.ceil(np.asarray(amount) / grid - 1e-9) * grid, 2)


def _down(amount: FloatArray | float, grid: float) -> FloatArray:
    return np.round(np.floor(np.asarray(amount) / grid + 1e-9) * grid, 2)


def _lines(
    rng: np.random.Generator, size: tuple[int, int], grid: float, families: tuple[str, ...], *, integers: bool
) -> Lines:
    """Lines with caps, tickets and curves; floors come with the witness."""
    _, n = size
    ids = tuple(f"line{i}" for i in range(n))
    cap = _on_grid(rng, grid, (n,), 5.0)
    caps = np.broadcast_to(cap, size).copy()
    varied = rng.random(n) < 0.3
    caps[:, varied] = _on_grid(rng, grid, (size[0], int(varied.sum())), 5.0)
    lumpy = (rng.random(n) < 0.25) & integers
    ticket = np.where(
        (rng.random(n) < 0.25) & ~lumpy & integers, _down(caps.min(axis=0) * rng.random(n) * 0.6, grid), 0.0
    )
    caps[:, (rng.random(n) < 0.15) & ~lumpy & (ticket == 0)] = np.inf
    prior = np.where(rng.random(n) < 0.2, 0.0, _on_grid(rng, grid, (n,), 0.0, 60.0))
    ask = np.where(rng.random(size) < 0.2, np.inf, _on_grid(rng, grid, size))
    retention = np.where(rng.random(n) < 0.5, np.round(rng.random(n) * 0.9, 2), 0.0) * (rng.random() < 0.4)
    tags = {
        "colour": tuple(rng.choice(["green", "grey"], n).tolist()),
        "staff": tuple(str(number) if number else "" for number in (rng.integers(0, 5, n) * 0.5).tolist()),
    }
    return Lines(
        id=ids,
        unit=np.zeros(n, np.int64),
        name=tuple(f"Line {i}" for i in range(n)),
        prior=frozen(prior),
        ask=frozen(ask),
        floor=frozen(np.zeros(size)),
        cap=frozen(caps),
        weight=frozen(rng.integers(0, 9, n) * 0.25),
        priority=frozen(np.where(rng.random(n) < 0.3, np.nan, rng.integers(1, 4, n))),
        curves=_curves(rng, families, cap),
        lumpy=frozen(lumpy, np.bool_),
        min_ticket=frozen(ticket),
        retention=frozen(retention),
        change_cost=frozen(np.round(rng.random(n) * 0.2, 2) * (rng.random() < 0.4)),
        initial_stock=frozen(_on_grid(rng, grid, (n,), 0.0, 20.0) * (rng.random() < 0.4)),
        tags=tags,
    )


def _curves(rng: np.random.Generator, families: tuple[str, ...], cap: FloatArray) -> Curves:
    """One curve a line, of moderate size: a whole cap is worth about 1 to 300."""
    n = len(cap)
    family = [str(name) for name in rng.choice(families, n)]
    per_money = {"linear", "capped"}
    a = np.array(
        [round(float(rng.uniform(0.2, 3.0) if name in per_money else rng.uniform(5.0, 80.0)), 2) for name in family]
    )
    h = np.where([name == "step" for name in family], cap, np.round(cap * rng.uniform(0.2, 1.2, n), 1) + 0.5)
    exponents = {"power": (0.5, 0.75, 1.0), "hill": (0.8, 1.0, 2.0, 3.0)}
    p = np.array([rng.choice(exponents.get(name, (1.0,))) for name in family])
    points = []
    for line, name in enumerate(family):
        if name != "piecewise":
            points.append(None)
            continue
        a[line] = 1.0
        count = int(rng.integers(1, 4))
        money = np.cumsum(rng.integers(1, 10, count) * 5.0)
        slopes = rng.integers(0, 9, count) * 0.25
        if rng.random() < 0.7:
            slopes = np.sort(slopes)[::-1]
        benefit = np.cumsum(slopes * np.diff(np.r_[0.0, money]))
        points.append([(0.0, 0.0), *zip(money.tolist(), benefit.tolist(), strict=True)])
    return Curves.make(family, a=a, h=h, p=p, points=points)


def _witness(rng: np.random.Generator, lines: Lines, size: tuple[int, int], grid: float) -> FloatArray:
    most = np.minimum(lines.cap, LARGEST)
    least = np.maximum(np.broadcast_to(lines.min_ticket, size), grid)
    amounts = np.round(
        rng.integers(np.round(least / grid).astype(int), np.round(most / grid).astype(int) + 1) * grid, 2
    )
    amounts = np.where(rng.random(size) < 0.15, most, amounts)
    same = rng.random(size[1]) < 0.25  # Some lines keep their amount, as frozen ones do.
    start = np.where(lines.prior >= least[0], np.minimum(lines.prior, most.min(axis=0)), amounts[0])
    amounts[:, same] = np.maximum(np.broadcast_to(start, size), least)[:, same]
    amounts = np.where(lines.lumpy, lines.cap, np.minimum(amounts, most))
    return np.where(rng.random(size) < 0.3, 0.0, amounts)


def _facts(rng: np.random.Generator, lines: Lines, witness: FloatArray, grid: float, account: bool | None) -> Problem:
    """Everything but the rules, such that the witness fits."""
    periods, n = witness.shape
    count = int(rng.integers(1, 6))
    ids = tuple(f"unit{u}" for u in range(count))
    parents = ["", *(ids[int(rng.integers(0, u))] for u in range(1, count))]
    names = tuple(f"Unit {u}" for u in range(count))
    tree = Tree.make(ids, parents, names)
    unit = rng.integers(0, count, n)
    free = ~lines.lumpy & (witness > 0).all(axis=0) & (rng.random(n) < 0.3)
    floor = np.where(free, _down(witness * rng.random(witness.shape), grid), 0.0)
    lines = Lines(**{**_fields(lines), "unit": frozen(unit, np.int64), "floor": frozen(floor)})
    total = witness @ tree.membership(unit).toarray().T
    slack = np.where(rng.random(total.shape) < 0.3, 0.0, _on_grid(rng, grid, total.shape, 0.0, 40.0))
    unit_cap = np.where(rng.random(total.shape) < 0.35, np.round(total + slack, 2), np.inf)
    unit_floor = np.where(rng.random(total.shape) < 0.2, _down(total * rng.random(total.shape), grid), 0.0)
    target = np.where(rng.random(total.shape) < 0.4, _up(total, grid), np.nan)
    units = Units(ids, tuple(parents), names, frozen(unit_floor), frozen(unit_cap), frozen(target))
    spare = float(rng.choice([0.0, 0.5, 20.0, 100.0]))
    budget = np.round(total[:, 0] + spare, 2)
    if rng.random() < 0.1 and np.isfinite(lines.cap).all():
        budget[:] = np.inf
    problem = Problem(
        name="random",
        currency=currency("USD"),
        periods=tuple(f"FY{2025 + t}" for t in range(periods)),
        tree=tree,
        units=units,
        lines=lines,
        budget=frozen(budget),
        scenarios=_scenarios(rng, periods, n),
        spend_weight=float(rng.choice([0.0, 1.0])),
        discount_rate=float(rng.choice([0.0, 0.05])),
        ignore_prior=bool(rng.random() < 0.15),
        risk=_aversion(rng),
    )
    with_account = rng.random() < 0.3 if account is None else account
    return _with_account(rng, problem, witness, grid) if with_account else problem


def _scenarios(rng: np.random.Generator, periods: int, n: int) -> Scenarios:
    size = int(rng.choice([1, 2, 4]))
    if size == 1:
        return Scenarios.certain(periods, n)
    share = rng.integers(0 if size > 2 else 1, 6, size).astype(float) + np.eye(size)[0]
    return Scenarios(frozen(rng.integers(0, 16, (size, periods, n)) * 0.1), frozen(share / share.sum()))


def _aversion(rng: np.random.Generator) -> RiskAversion | None:
    measure = rng.choice(["none", "none", "cvar:0.75", "cvar:0.5", "worst"])
    return None if measure == "none" else RiskAversion(Measure.parse(str(measure)), float(rng.choice([0.25, 1.0])))


def _with_account(rng: np.random.Generator, problem: Problem, witness: FloatArray, grid: float) -> Problem:
    """Appropriations at random, and as much opening cash as the witness needs."""
    periods = problem.shape[0]
    budget = frozen(_up(witness.sum(axis=1) * rng.uniform(0.3, 1.3, periods), grid))
    terms = {"carry_over": float(rng.choice([0.0, 0.5, 1.0])), "rate": float(rng.choice([0.0, 0.02]))}
    reserve = frozen(_on_grid(rng, grid, (periods,), 0.0, 10.0) * (rng.random() < 0.5))
    empty = problem.but(budget=budget, account=Account(0.0, reserve, **terms))
    after = balances(empty, witness)
    short = max(0.0, float(-after.account.min()), float((reserve - after.cash).max()))
    opening = float(_up(short, grid)) + float(rng.choice([0.0, 10.0]))
    return empty.but(account=Account(opening, reserve, **terms))


def _ruled(
    rng: np.random.Generator,
    problem: Problem,
    witness: FloatArray,
    kinds: Sequence[str] | None,
    *,
    integers: bool,
    feasible: bool,
    soft: bool,
) -> Drawn:
    """Add rules that the witness obeys; a rule that cannot be stated on these facts is left out."""
    chosen = [kind for kind in (KINDS if kinds is None else kinds) if integers or kind not in YES_OR_NO]
    count = min(int(rng.integers(0, 6)), 2 * len(chosen)) if kinds is None else len(chosen)
    drawn = [str(kind) for kind in rng.choice(chosen, count)] if kinds is None and chosen else chosen
    rules: list[Rule] = []
    for number, kind in enumerate(drawn):
        gentle = soft and rng.random() < 0.25
        around = witness
        if gentle or (not feasible and rng.random() < 0.5):
            around = np.where(rng.random(witness.shape) < 0.5, witness, _on_grid(rng, 0.5, witness.shape, 0.0, 60.0))
        given = {"id": f"{kind}-{number}"}
        if rng.random() < 0.3 and kind != "risk":
            given["periods"] = (str(rng.choice(problem.periods)),)
        if gentle:
            given |= {"hard": False, "penalty": round(float(rng.uniform(0.1, 3.0)), 2)}
        rule = BUILDERS[kind](rng, problem, around, integers, given)
        if rule is None or rule.faults(problem):
            continue
        if not feasible or not violations(problem.but(rules=(rule,)), witness):
            rules.append(rule)
    ruled = problem.but(rules=tuple(rules))
    if feasible:
        broken = violations(ruled, witness)
        if broken:
            raise AssertionError(f"the witness breaks {broken}")
    return ruled, witness


Builder = Callable[[np.random.Generator, Problem, FloatArray, bool, dict], Rule | None]


def _some(rng: np.random.Generator, problem: Problem, least: int = 1) -> tuple[str, ...]:
    """Some lines' ids in random order."""
    n = problem.shape[1]
    count = int(rng.integers(min(least, n), n + 1))
    return tuple(problem.lines.id[i] for i in rng.permutation(n)[:count])


def _positions(problem: Problem, lines: Sequence[str]) -> IntArray:
    return np.array([problem.line_position[line] for line in lines])


def _slack(rng: np.random.Generator) -> float:
    return float(rng.choice([0.0, 0.0, 0.5, 5.0]))


def _part(rng: np.random.Generator, problem: Problem) -> tuple[dict, BoolArray]:
    """A unit or some lines, as a rule's keys and as a mask."""
    if rng.random() < 0.5:
        node = str(rng.choice(problem.tree.ids))
        return {"node": node}, problem.membership[[problem.tree.position[node]]].toarray()[0] > 0
    lines = _some(rng, problem)
    return {"lines": lines}, np.isin(problem.lines.id, lines)


def _envelope(rng: np.random.Generator, problem: Problem, around: FloatArray, _integers: bool, given: dict) -> Rule:
    part, mask = _part(rng, problem)
    total = around[:, mask].sum(axis=1)
    floor = max(0.0, round(float(total.min()) - _slack(rng), 2))
    cap = round(float(total.max()) + _slack(rng), 2)
    sides = {"floor": {"floor": floor}, "cap": {"cap": cap}, "both": {"floor": floor, "cap": cap}}
    return Envelope(**given, **part, **sides[str(rng.choice(["floor", "cap", "both"]))])


def _share(rng: np.random.Generator, problem: Problem, around: FloatArray, _integers: bool, given: dict) -> Rule | None:
    if rng.random() < 0.5:
        colour = str(rng.choice(problem.lines.tags["colour"]))
        part: dict = {"tag": {"colour": colour}}
        mask = np.array(problem.lines.tags["colour"]) == colour
    else:
        node = str(rng.choice(problem.tree.ids))
        part, mask = {"node": node}, problem.membership[[problem.tree.position[node]]].toarray()[0] > 0
    whole = around.sum(axis=1)
    if (whole <= 0).any():
        return None
    fraction = around[:, mask].sum(axis=1) / whole
    cap, floor = min(1.0, float(_up(fraction.max(), 0.05))), max(0.0, float(_down(fraction.min(), 0.05)))
    return Share(**given, **part, **({"cap": cap} if rng.random() < 0.5 else {"floor": floor}))


def _change(
    rng: np.random.Generator, problem: Problem, around: FloatArray, _integers: bool, given: dict
) -> Rule | None:
    part, mask = _part(rng, problem)
    before = np.vstack([problem.lines.prior, around[:-1]])[:, mask]
    now = around[:, mask]
    if "node" in part:
        before, now = before.sum(axis=1, keepdims=True), now.sum(axis=1, keepdims=True)
    relative = bool(rng.random() < 0.5)
    with np.errstate(divide="ignore", invalid="ignore"):
        move = (now - before) / (before if relative else 1.0)
    move = move[np.isfinite(move)]
    if not move.size:
        return None
    grid = 0.05 if relative else 0.5
    up, down = float(_up(max(move.max(), 0.0), grid)), float(_up(max(-move.min(), 0.0), grid))
    sides = {"up": {"up": up}, "down": {"down": down}, "both": {"up": up, "down": down}}
    return Change(**given, **part, relative=relative, **sides[str(rng.choice(["up", "down", "both"]))])


def _freeze(
    rng: np.random.Generator, problem: Problem, around: FloatArray, _integers: bool, given: dict
) -> Rule | None:
    before = np.vstack([problem.lines.prior, around[:-1]])
    periods = [problem.periods.index(name) for name in given.get("periods", problem.periods)]
    if problem.ignore_prior:
        periods = [t for t in periods if t > 0]
    still = np.flatnonzero((around == before)[periods].all(axis=0))
    if not len(still):
        return None
    return Freeze(**given, lines=tuple(problem.lines.id[i] for i in still[: int(rng.integers(1, len(still) + 1))]))


def _requires(
    rng: np.random.Generator, problem: Problem, around: FloatArray, _integers: bool, given: dict
) -> Rule | None:
    funded = around > 0
    pairs = [
        (i, j)
        for i, j in itertools.permutations(range(problem.shape[1]), 2)
        if (funded[:, j] >= funded[:, i]).all() and (funded[:, i].any() or rng.random() < 0.3)
    ]
    if not pairs:
        return None
    line, needs = pairs[int(rng.integers(len(pairs)))]
    return Requires(**given, line=problem.lines.id[line], needs=problem.lines.id[needs])


def _whole(rng: np.random.Generator, problem: Problem, around: FloatArray, _integers: bool, given: dict) -> Rule | None:
    cap = problem.lines.cap
    if len(cap) < 2 or not np.isfinite(cap).all():
        return None
    share = np.divide(around, cap, out=np.zeros_like(around), where=cap > 0)
    same = np.flatnonzero((share == share[0]).all(axis=0) & problem.lines.lumpy)
    return Whole(**given, lines=(problem.lines.id[int(rng.choice(same))],)) if len(same) else None


def _counts(problem: Problem, around: FloatArray, lines: Sequence[str]) -> IntArray:
    return np.asarray((around[:, _positions(problem, lines)] > 0).sum(axis=1))


def _at_most(rng: np.random.Generator, problem: Problem, around: FloatArray, _integers: bool, given: dict) -> Rule:
    lines = _some(rng, problem)
    return AtMost(**given, lines=lines, count=int(_counts(problem, around, lines).max()))


def _at_least(rng: np.random.Generator, problem: Problem, around: FloatArray, _integers: bool, given: dict) -> Rule:
    lines = _some(rng, problem)
    return AtLeast(**given, lines=lines, count=int(_counts(problem, around, lines).min()))


def _staged(
    rng: np.random.Generator, problem: Problem, around: FloatArray, _integers: bool, given: dict
) -> Rule | None:
    if problem.shape[1] < 2:
        return None
    first = np.where((around > 0).any(axis=0), np.argmax(around > 0, axis=0), problem.shape[0])
    lines = _positions(problem, _some(rng, problem, 2))
    return Staged(**given, lines=tuple(problem.lines.id[i] for i in lines[np.argsort(first[lines], kind="stable")]))


def _resource(rng: np.random.Generator, problem: Problem, around: FloatArray, integers: bool, given: dict) -> Rule:
    use = np.array([float(cell or 0.0) for cell in problem.lines.tags["staff"]])
    fits = integers and bool((problem.lines.lumpy | (problem.lines.min_ticket > 0) | (use == 0)).all())
    per = "project" if fits and rng.random() < 0.7 else "money"
    used = (around > 0) @ use if per == "project" else around @ use
    return Resource(**given, usage="staff", capacity=round(float(used.max()) + _slack(rng), 3), per=per)


def _turnover(rng: np.random.Generator, problem: Problem, around: FloatArray, _integers: bool, given: dict) -> Rule:
    before = np.vstack([around[:1] if problem.ignore_prior else problem.lines.prior[None, :], around[:-1]])
    return Turnover(**given, cap=round(float(np.abs(around - before).sum(axis=1).max()) + _slack(rng), 2))


def _reserve(
    rng: np.random.Generator, problem: Problem, around: FloatArray, _integers: bool, given: dict
) -> Rule | None:
    if not np.isfinite(problem.budget).all():
        return None
    left = float(balances(problem, around).cash.min())
    if left < 0:
        return None
    return Reserve(**given, amount=float(_down(left * rng.choice([1.0, 0.5]), 0.01)))


def _risk(rng: np.random.Generator, problem: Problem, around: FloatArray, integers: bool, given: dict) -> Rule:
    word = str(rng.choice(["cvar:0.75", "cvar:0.5", "worst", *(["chance:0.5", "chance:0.75"] if integers else [])]))
    loss = float(Measure.parse(word).of_loss(-evaluate(problem, around), problem.scenarios.probability))
    return Risk(**given, measure=word, limit=float(_up(loss + _slack(rng), 0.01)))


BUILDERS: dict[str, Builder] = {
    "envelope": _envelope,
    "share": _share,
    "change": _change,
    "freeze": _freeze,
    "requires": _requires,
    "whole": _whole,
    "at_most": _at_most,
    "at_least": _at_least,
    "staged": _staged,
    "resource": _resource,
    "turnover": _turnover,
    "reserve": _reserve,
    "risk": _risk,
}
