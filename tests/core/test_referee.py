"""The referee names exactly the rule that is broken and by how much; dynamics and risk agree with plain loops (§1, §4)."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from random_problems import KINDS, enumerate_best, grid_problem, random_problem
from small_plans import small_plan

from fiscus.core.dynamics import balances, evaluate, initial_state, step, stocks
from fiscus.core.facts import Account
from fiscus.core.feasibility import soft_penalties, violations
from fiscus.core.objective import objective
from fiscus.core.process import Scenarios
from fiscus.core.risk import Measure, cvar
from fiscus.core.rules import (
    Asks,
    AtLeast,
    AtMost,
    Change,
    Envelope,
    Freeze,
    Near,
    Requires,
    Reserve,
    Resource,
    Risk,
    Rule,
    Share,
    Staged,
    Targets,
    Turnover,
    Whole,
    kinds,
)
from fiscus.errors import InvalidAllocation, InvalidRule

seeds = st.integers(0, 2**32 - 1)
LAST_YEAR = [10.0, 20.0, 30.0]
SAME = [LAST_YEAR, LAST_YEAR]
TAGS = {"colour": ("green", "grey", "grey"), "staff": ("0.5", "", "1")}
TWO = Scenarios(np.stack([np.ones((2, 3)), np.full((2, 3), 0.5)]), np.array([0.5, 0.5]))

# rule, an allocation that keeps it, one that breaks it alone, distance, words of the sentence, changes to the plan
RULES: list[tuple[Rule, list, list, float, tuple[str, ...], dict[str, Any]]] = [
    (Envelope(id="e", node="north", cap=40), SAME, [[30, 20, 30], LAST_YEAR], 10, ("North", "FY1", "cap", "40.00"), {}),
    (Envelope(id="e", lines=("a", "c"), floor=35), SAME, [LAST_YEAR, [0, 20, 30]], 5, ("Line a, Line c", "FY2", "floor"), {}),
    (Envelope(id="e", node="city", floor=55, periods=("FY2",)), [[0, 0, 0], LAST_YEAR], [[0, 0, 0], [0, 20, 30]], 5,
     ("City", "FY2"), {}),
    (Share(id="s", tag={"colour": "green"}, cap=0.25), SAME, [[40, 20, 30], LAST_YEAR], 17.5,
     ("colour = green", "FY1", "0.25", "City"), {}),
    (Share(id="s", node="south", floor=0.4), SAME, [[10, 20, 10], LAST_YEAR], 6, ("South", "FY1", "0.4", "City"), {}),
    (Share(id="s", tag={"colour": "green"}, of="north", cap=0.5), SAME, [LAST_YEAR, [20, 10, 30]], 5,
     ("colour = green", "FY2", "North"), {}),
    (Change(id="c", lines=("a",), up=0.1), SAME, [[15, 20, 30], [15, 20, 30]], 4, ("a in FY1", "up", "0.1"), {}),
    (Change(id="c", node="north", down=5, relative=False), SAME, [LAST_YEAR, [10, 10, 30]], 5, ("north", "FY2", "down"), {}),
    (Freeze(id="f", lines=("b",)), SAME, [LAST_YEAR, [10, 25, 30]], 5, ("b in FY2", "above"), {}),
    (Freeze(id="f", node="south"), SAME, [[10, 20, 27], [10, 20, 27]], 3, ("c in FY1", "below"), {}),
    (Whole(id="h", lines=("b",)), SAME, [LAST_YEAR, [10, 0, 30]], 20, ("Line b", "FY2", "below"),
     {"line": {"cap": [[90, 20, 90]], "lumpy": [False, True, False]}}),
    (Requires(id="r", line="a", needs="c"), [[0, 20, 0], LAST_YEAR], [[10, 20, 0], LAST_YEAR], 10, ("a in FY1", "c"), {}),
    (AtMost(id="m", lines=("a", "b", "c"), count=2), [[0, 20, 30], [10, 20, 0]], [[0, 20, 30], LAST_YEAR], 1,
     ("Line a, Line b, Line c", "FY2", "2"), {}),
    (AtLeast(id="l", lines=("a", "b", "c"), count=3), SAME, [[10, 20, 0], LAST_YEAR], 1, ("Line a, Line b, Line c", "FY1", "3"), {}),
    (Staged(id="g", lines=("a", "b", "c")), [[10, 20, 0], [0, 20, 30]], [[0, 20, 0], LAST_YEAR], 20,
     ("Line b", "FY1", "Line a"), {}),
    (Resource(id="u", usage="staff", capacity=40), SAME, [LAST_YEAR, [10, 20, 40]], 5, ("staff", "FY2", "40"), {}),
    (Resource(id="u", usage="staff", capacity=1, per="project"), [[0, 20, 30], [10, 20, 0]], [LAST_YEAR, [10, 20, 0]],
     0.5, ("staff", "FY1"), {"line": {"min_ticket": [5, 0, 5]}}),
    (Turnover(id="t", cap=10), SAME, [[22, 20, 30], [22, 20, 30]], 2, ("FY1", "10.00"), {}),
    (Reserve(id="v", amount=40), SAME, [LAST_YEAR, [15, 20, 30]], 5, ("cash", "FY2", "40.00"), {}),
    (Reserve(id="v", amount=10), SAME, [[35, 20, 30], LAST_YEAR], 3, ("cash", "FY1", "10.00"),
     {"budget": [60, 70], "account": Account(32.0, np.zeros(2), carry_over=1.0)}),
    (Risk(id="k", measure="worst", limit=-60), SAME, [LAST_YEAR, [0, 20, 30]], 5, ("scenario 1", "-60.00"), {}),
    (Risk(id="k", measure="cvar:0.5", limit=-60), SAME, [LAST_YEAR, [10, 20, 20]], 5, ("risk", "cvar:0.5"), {}),
    (Risk(id="k", measure="chance:0.6", limit=-60), SAME, [LAST_YEAR, [10, 20, 20]], 0.1, ("probability", "0.4"), {}),
    (Targets(id="w"), SAME, [[20, 20, 30], LAST_YEAR], 5, ("north", "FY1", "35.00"),
     {"envelopes": {"target": [np.nan, 35, np.nan]}}),
    (Asks(id="q"), SAME, [[10, 12, 30], LAST_YEAR], 8, ("b in FY1", "20.00"), {"line": {"ask": [[np.inf, 20, 30]]}}),
    (Near(id="n", amounts=((10, 20, 30), (10, 20, 30))), SAME, [[10, 20, 30], [10, 20, 33]], 3, ("c in FY2", "30.00"), {}),
]  # fmt: skip

# rule id, an allocation that keeps the tables' own limits, one that breaks one, distance, words, changes to the plan
STANDING: list[tuple[str, list, list, float, tuple[str, ...], dict[str, Any]]] = [
    ("budget", SAME, [[70, 20, 30], LAST_YEAR], 20, ("FY1", "budget", "100.00"), {}),
    ("budget", SAME, [LAST_YEAR, [15, 20, 30]], 5, ("FY2", "cash"),
     {"budget": [50, 50], "account": Account(20.0, np.full(2, -100.0))}),
    ("reserve", SAME, [LAST_YEAR, [15, 20, 30]], 5, ("FY2", "reserve of 2.00"),
     {"budget": [60, 62], "account": Account(0.0, np.array([0.0, 2.0])), "skip": "budget"}),
    ("unit north", SAME, [LAST_YEAR, [25, 20, 30]], 5, ("North", "FY2", "cap of 40.00"),
     {"envelopes": {"cap": [np.inf, 40, np.inf]}}),
    ("unit south", SAME, [LAST_YEAR, [10, 20, 20]], 5, ("South", "FY2", "floor of 25.00"),
     {"envelopes": {"floor": [0, 0, 25]}}),
    ("line b", SAME, [[10, 28, 30], LAST_YEAR], 3, ("Line b", "FY1", "cap of 25.00"), {"line": {"cap": [[90, 25, 90]]}}),
    ("line c", SAME, [[10, 20, 8], LAST_YEAR], 2, ("Line c", "FY1", "floor of 10.00"), {"line": {"floor": [[0, 0, 10]]}}),
    ("line a", [[10, 0, 0], [0, 20, 30]], [[7, 0, 0], [0, 20, 30]], 3, ("Line a", "FY1", "neither zero nor its cap"),
     {"line": {"lumpy": [True, False, False], "cap": [[10, 90, 90]]}}),
    ("line c", [[10, 20, 0], LAST_YEAR], [[10, 20, 4], LAST_YEAR], 21, ("Line c", "FY1", "minimum ticket"),
     {"line": {"min_ticket": [0, 0, 25]}}),
]  # fmt: skip


def plan(rule: Rule | None, changes: dict[str, Any]) -> Any:
    """Three lines that last year got 10, 20 and 30, in two periods of 100 each."""
    changes = {name: value for name, value in changes.items() if name != "skip"}
    line = {"prior": LAST_YEAR, "tags": TAGS, **changes.pop("line", {})}
    rules = () if rule is None else (rule,)
    return small_plan(line=line, rules=rules, scenarios=TWO, **changes)


def checked(problem: Any, broken: list, rule: str, distance: float, words: tuple[str, ...], skip: str = "") -> None:
    found = [each for each in violations(problem, np.array(broken, float)) if each.rule != skip]
    assert [each.rule for each in found] == [rule]
    assert found[0].row[0] == rule
    assert found[0].distance == pytest.approx(distance, rel=0, abs=1e-9)
    assert found[0].as_dict()["sentence"] == found[0].sentence
    for word in words:
        assert word.lower() in found[0].sentence.lower()  # Sentences begin with a capital, ids included.


@pytest.mark.parametrize("case", RULES, ids=[f"{i}-{case[0].kind}" for i, case in enumerate(RULES)])
def test_a_rule_is_named_when_broken(case: Any) -> None:
    rule, kept, broken, distance, words, changes = case
    problem = plan(rule, changes)
    assert violations(problem, np.array(kept, float)) == []
    assert violations(plan(None, changes), np.array(broken, float)) == []  # It breaks this rule and nothing else.
    checked(problem, broken, rule.id, distance, words)


@pytest.mark.parametrize("case", STANDING, ids=[f"{i}-{case[0]}" for i, case in enumerate(STANDING)])
def test_the_tables_own_limits(case: Any) -> None:
    rule, kept, broken, distance, words, changes = case
    problem = plan(None, changes)
    assert violations(problem, np.array(kept, float)) == []
    checked(problem, broken, rule, distance, words, changes.get("skip", ""))


def test_every_kind_has_a_case() -> None:
    ours = {kind for kind, rule in kinds().items() if rule.__module__.startswith("fiscus.")}  # Other tests add kinds.
    assert {case[0].kind for case in RULES} == ours
    assert set(KINDS) <= set(kinds())


@pytest.mark.parametrize("case", RULES, ids=[f"{i}-{case[0].kind}" for i, case in enumerate(RULES)])
def test_soft_rules_cost_their_penalty_and_break_nothing(case: Any) -> None:
    rule, kept, broken, distance, _, changes = case
    soft = rule.model_copy(update={"hard": False, "penalty": 3.0})
    problem = plan(soft, changes)
    assert violations(problem, np.array(broken, float)) == []
    assert sum(soft_penalties(problem, np.array(kept, float)).values()) == pytest.approx(0.0, abs=1e-9)
    assert soft_penalties(problem, np.array(broken, float))[rule.id] == pytest.approx(3.0 * distance, abs=1e-9)


def test_bad_allocations_name_line_and_period() -> None:
    problem = plan(None, {})
    for bad in (np.nan, np.inf, -np.inf):
        amounts = np.array(SAME)
        amounts[1, 2] = bad
        with pytest.raises(InvalidAllocation, match="line 'c' in FY2"):
            violations(problem, amounts)
        with pytest.raises(InvalidAllocation, match="line 'c' in FY2"):
            evaluate(problem, amounts)
    with pytest.raises(InvalidAllocation, match="2 periods, 3 lines"):
        violations(problem, np.zeros((3, 2)))
    with pytest.raises(InvalidAllocation):
        violations(problem, np.zeros((4, 2, 3)))


def test_rules_that_cannot_be_stated_are_refused() -> None:
    with pytest.raises(InvalidRule, match="no line is called 'z'"):
        violations(plan(Freeze(id="f", lines=("z",)), {}), np.array(SAME))
    with pytest.raises(InvalidRule, match="FY9"):
        violations(plan(Turnover(id="t", cap=1, periods=("FY9",)), {}), np.array(SAME))


@given(seeds)
def test_witnesses_obey_every_rule(seed: int) -> None:
    problem, witness = random_problem(np.random.default_rng(seed))
    assert violations(problem, witness) == []
    assert np.isfinite(objective(problem, witness))


@given(seeds)
def test_the_same_seed_gives_the_same_problem(seed: int) -> None:
    first, again = (random_problem(np.random.default_rng(seed)) for _ in range(2))
    assert first[0].digest == again[0].digest
    assert np.array_equal(first[1], again[1])


@given(seeds)
def test_steps_sum_to_evaluate(seed: int) -> None:
    rng = np.random.default_rng(seed)
    problem, witness = random_problem(rng)
    spend = np.stack([witness, witness * rng.random(witness.shape), rng.random(witness.shape) * 50])
    value = evaluate(problem, spend)
    for scenario in range(problem.scenarios.size):
        state, total = initial_state(problem, (3,)), np.zeros(3)
        for period in range(problem.shape[0]):
            theta = problem.scenarios.theta[scenario, period]
            state, reward, _ = step(problem, state, spend[:, period], theta)
            total = total + reward
        scale = np.maximum(1.0, np.abs(spend).sum(axis=(1, 2)))
        assert (np.abs(total - value[:, scenario]) <= 1e-12 * np.maximum(scale, np.abs(value[:, scenario]))).all()
    if problem.account is not None:
        after = balances(problem, spend)
        assert np.allclose(state.account, after.account[:, -1], rtol=1e-12, atol=1e-10)
        assert np.allclose(state.unspent, after.unspent[:, -1], rtol=1e-12, atol=1e-10)


@given(seeds)
def test_value_is_the_sum_of_the_formula(seed: int) -> None:
    """V_s of §4, one term at a time."""
    problem, x = random_problem(np.random.default_rng(seed), lines=(1, 3), periods=(1, 3))
    lines, rate = problem.lines, problem.discount_rate
    stock = stocks(problem, x)
    for scenario in range(problem.scenarios.size):
        total = 0.0
        for t, i in itertools.product(range(problem.shape[0]), range(problem.shape[1])):
            benefit = problem.scenarios.theta[scenario, t, i] * lines.curves.value(stock)[t, i]
            before = x[t - 1, i] if t else (x[0, i] if problem.ignore_prior else lines.prior[i])
            cost = problem.spend_weight * x[t, i] + lines.change_cost[i] * abs(x[t, i] - before)
            total += lines.weight[i] * benefit * (1 + rate) ** -(t + 1) - cost * (1 + rate) ** -t
        assert evaluate(problem, x)[scenario] == pytest.approx(total, rel=1e-12, abs=1e-10)


@given(seeds)
def test_stocks_against_a_loop(seed: int) -> None:
    problem, witness = random_problem(np.random.default_rng(seed))
    stock = stocks(problem, witness)
    for line in range(problem.shape[1]):
        held = problem.lines.initial_stock[line]
        for period in range(problem.shape[0]):
            held = problem.lines.retention[line] * held + witness[period, line]
            assert stock[period, line] == pytest.approx(held, rel=1e-12, abs=1e-12)


@given(seeds)
def test_cash_against_a_ledger(seed: int) -> None:
    rng = np.random.default_rng(seed)
    problem, witness = random_problem(rng, account=True)
    spend = witness * rng.choice([0.0, 0.5, 1.0], witness.shape)
    found, account = balances(problem, spend), problem.account
    purse, bank = 0.0, account.opening
    for period in range(problem.shape[0]):
        purse = purse * account.carry_over + problem.budget[period]
        bank *= 1 + account.rate
        owed = spend[period].sum()
        from_purse = min(owed, purse)
        purse -= from_purse
        bank -= owed - from_purse
        assert found.drawn[period] == pytest.approx(from_purse, abs=1e-9)
        assert found.unspent[period] == pytest.approx(purse, abs=1e-9)
        assert found.account[period] == pytest.approx(bank, abs=1e-9)
        assert found.cash[period] == pytest.approx(purse + bank, abs=1e-9)


@given(seeds, st.floats(0.01, 0.99))
def test_cvar_against_sorting(seed: int, level: float) -> None:
    rng = np.random.default_rng(seed)
    size = int(rng.integers(1, 9))
    loss, probability = rng.normal(0, 10, size), rng.dirichlet(np.ones(size))
    left, total = 1.0 - level, 0.0
    for worst in np.argsort(-loss):
        taken = min(left, probability[worst])
        total += taken * loss[worst]
        left -= taken
    assert cvar(loss, probability, level) == pytest.approx(total / (1.0 - level), rel=1e-9, abs=1e-7)
    assert Measure.parse("worst").of_loss(loss, probability) == loss.max()


@settings(max_examples=40)
@given(seeds, st.booleans())
def test_enumeration_tries_every_choice(seed: int, feasible: bool) -> None:
    problem = grid_problem(np.random.default_rng(seed), feasible=feasible)
    worth, amounts = enumerate_best(problem)
    cells = problem.lines.cap.size
    choices = (np.arange(2**cells)[:, None] >> np.arange(cells)) & 1
    worths = [
        objective(problem, each)
        for each in (choices.reshape(-1, *problem.shape) * problem.lines.cap)
        if not violations(problem, each)
    ]
    assert worth == (max(worths) if worths else None)
    assert worth is not None or not feasible
    if amounts is not None:
        assert violations(problem, amounts) == []
        assert objective(problem, amounts) == worth
    half = np.where(problem.lines.cap > 0, problem.lines.cap / 2, 0.0)
    assert violations(problem, half)  # Nothing between zero and the cap is feasible.
