"""Conflicts and repairs of infeasible problems, checked by solving again, by the referee and by enumeration."""

from __future__ import annotations

import dataclasses
import itertools
import json
from collections import Counter
from typing import ClassVar

import numpy as np
import pytest
from random_problems import KINDS, grid_problem, random_problem
from repetitions import slow_from
from small_plans import small_plan

import fiscus
from fiscus.core.arrays import frozen
from fiscus.core.curves import Curves
from fiscus.core.facts import Account
from fiscus.core.rows import Contribution, Rows
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
from fiscus.core.rules.base import line_positions
from fiscus.optimise.repair.conflict import conflict
from fiscus.optimise.repair.repairs import explain_infeasible, repairs

SOLVED = ("optimal", "feasible")
SIMPLE = ("linear", "capped", "piecewise", "log")
MANY, SPARE = 100, 2


def opposed(rng, problem, kind):
    """Rules that contradict each other on most plans, one of them of the kind."""
    lines, periods, root = problem.lines, problem.periods, problem.tree.ids[0]
    one, other = (lines.id[i] for i in rng.permutation(len(lines.id))[:2])
    position = problem.line_position[one]
    prior, more = float(lines.prior[position]), float(rng.integers(1, 40)) * 0.5
    colour = lines.tags["colour"][position]
    rest = tuple(line for line, tag in zip(lines.id, lines.tags["colour"], strict=True) if tag != colour)
    least = float(problem.budget.min()) + (2 * problem.account.opening if problem.account else 0.0)
    word = str(rng.choice(["worst", "cvar:0.75", "chance:0.5"]))
    funded, not_funded = {"lines": (one,), "count": 1}, {"lines": (one,), "count": 0}
    if kind == "envelope":
        return [Envelope(id="low", lines=(one,), floor=20 + more), Envelope(id="high", lines=(one, other), cap=20.0)]
    if kind == "share" and rest:
        total = Envelope(id="all", node=root, cap=20 + more)
        return [Share(id="x", tag={"colour": colour}, floor=0.9), Envelope(id="e", lines=rest, floor=10 + more), total]
    floor = Envelope(id="e", lines=(one,), floor=prior + more)
    return {
        "share": [Share(id="x", tag={"colour": colour}, cap=0.5), Envelope(id="e", node=root, floor=more)],
        "change": [Change(id="x", lines=(one,), up=0.1), Envelope(id="e", lines=(one,), floor=1.5 * prior + more)],
        "freeze": [Freeze(id="x", lines=(one, other)), floor],
        "requires": [Requires(id="x", line=other, needs=one), AtLeast(id="l", lines=(other,), count=1), AtMost(id="m", **not_funded)],
        "at_most": [AtMost(id="x", lines=(one, other), count=0), Envelope(id="e", lines=(one,), floor=more)],
        "at_least": [AtLeast(id="x", lines=(one, other), count=2), Envelope(id="e", lines=(other,), cap=0.0)],
        "staged": [Staged(id="x", lines=(one, other)), AtLeast(id="l", lines=(other,), count=1), AtMost(id="m", **not_funded)],
        "resource": [
            Resource(id="x", usage="staff", capacity=1.0),
            *(Envelope(id=f"e{i}", lines=(line,), floor=3.0 + i) for i, line in enumerate(lines.id)),
        ],
        "turnover": [Turnover(id="x", cap=more / 2), floor],
        "reserve": [Reserve(id="x", amount=0.8 * least), Envelope(id="e", node=root, floor=0.3 * least)],
        "whole": [
            Whole(id="x", lines=(one,)),
            AtLeast(id="l", **funded, periods=periods[:1]),
            AtMost(id="m", **not_funded, periods=periods[-1:]),
        ],
        "risk": [Risk(id="x", measure=word, limit=-1e3 * (1 + more))],
    }[kind]  # fmt: skip


def contradicted(seed):
    """A small random problem with rules that contradict each other, of every kind in turn; None where the kind cannot be stated."""
    rng, kind = np.random.default_rng(seed), KINDS[seed % len(KINDS)]
    curves = {} if seed % 4 == 0 else {"curves": SIMPLE}
    problem, _ = random_problem(rng, lines=(2, 4), periods=2 if kind == "whole" else (1, 2), **curves)
    problem = problem.but(budget=frozen(np.where(np.isfinite(problem.budget), problem.budget, 1e3)))
    if kind == "whole":
        lumpy = np.isfinite(problem.lines.cap).all(axis=0)
        changes = {"floor": np.zeros(problem.shape), "min_ticket": np.where(lumpy, 0.0, problem.lines.min_ticket)}
        changed = {name: frozen(array) for name, array in changes.items()}
        problem = problem.but(lines=dataclasses.replace(problem.lines, lumpy=frozen(lumpy, np.bool_), **changed))
    planted = [rule for rule in opposed(rng, problem, kind) if not rule.faults(problem)]
    must = rng.random(len(planted)) < 0.15
    planted = [rule.model_copy(update={"mandatory": bool(flag)}) for rule, flag in zip(planted, must, strict=True)]
    return problem.but(rules=(*problem.rules, *planted)) if kind in [rule.kind for rule in planted] else None


def check_conflict(problem, found=None):
    """The conflict is infeasible together, and feasible without any one of its limits, by the front door."""
    found = found or conflict(problem)
    assert found is not None
    assert found.minimal
    assert fiscus.solve(found.problem()).status == "infeasible"
    for limit in found.limits:
        assert fiscus.solve(found.problem(without=limit.id)).status in SOLVED, (limit.id, found.sentences)
    assert found.sentences
    json.dumps(found.as_dict(), allow_nan=False)
    return found


def check_repairs(problem, found, *, most=3):
    """Each repair works, leaves mandatory rules as they are, and they come cheapest first."""
    ways = repairs(problem, known=found, most=most)
    assert [way.cost for way in ways] == sorted(way.cost for way in ways)
    must = {rule.id: rule for rule in problem.rules if rule.mandatory}
    for way in ways:
        repaired = way.apply()
        assert fiscus.violations(repaired, way.allocation) == []
        assert way.moves
        assert must.keys().isdisjoint(move.limit for move in way.moves)
        kept = {rule.id: rule for rule in repaired.rules}
        assert all(kept[name] == rule for name, rule in must.items())
        json.dumps(way.as_dict(), allow_nan=False)
    moved = [frozenset(move.limit for move in way.moves) for way in ways]
    assert len(set(moved)) == len(moved)
    return ways


def check_many(seeds):
    """Every infeasible problem of the seeds: its conflict and its repairs. Returns how many, and the kinds in the conflicts."""
    count, kinds = 0, Counter()
    for seed in seeds:
        problem = contradicted(seed)
        found = None if problem is None else conflict(problem)
        if found is None:
            continue
        count += 1
        check_conflict(problem, found)
        kinds.update({limit.rule.kind for limit in found.limits if limit.rule is not None})
        ways = check_repairs(problem, found)
        assert ways or conflict(problem, mandatory_only=True) is not None, (seed, found.sentences)
    return count, kinds


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("hundred", slow_from(1, 3))
def test_100_random_contradictions_of_every_kind_are_explained_and_repaired(hundred, kind):
    """So many seeds for each kind of rule that 100 problems are infeasible in all; nearly all conflicts name that kind.

    300 with those of ``./run slow``.
    """
    wanted = int(np.ceil(MANY / len(KINDS)))
    first = KINDS.index(kind) + hundred * len(KINDS) * (wanted + SPARE)
    count, kinds = check_many(range(first, first + len(KINDS) * (wanted + SPARE), len(KINDS)))
    assert count >= wanted
    assert kinds[kind] >= wanted // 2


def price(problem, amounts):
    """Total relative violation of what may give, inf where something else is broken.

    Every row against the larger of 1 and its bound, as the plan states it.
    """
    lines, total = problem.lines, 0.0
    must = {rule.id for rule in problem.rules if rule.mandatory}
    point = problem.statement.point(amounts)
    for rows in problem.statement.rows:
        if rows.penalty is not None:
            continue
        activity = rows.activity(point)
        missed = np.maximum(np.maximum(activity - rows.upper, rows.lower - activity), 0.0)
        bound = np.where(activity > rows.upper, rows.upper, rows.lower)
        size = np.maximum(1.0, np.where(np.isfinite(bound), np.abs(bound), 1.0))
        for row in np.flatnonzero(missed > 1e-6 * rows.scale(point)).tolist():
            structural = rows.kind in ("lumpy", "funded", "min_ticket") or rows.labels[row][0] in must
            total += np.inf if structural else missed[row] / size[row]
    floor_missed = np.maximum(lines.floor - amounts, 0.0) / np.maximum(1.0, lines.floor)
    return total + float(floor_missed.sum())


def test_the_cheapest_repair_is_no_dearer_than_the_best_by_enumeration():
    compared = 0
    for seed in range(160):
        rng = np.random.default_rng(seed)
        problem = grid_problem(rng, kinds=[str(kind) for kind in rng.choice(KINDS, 4)], feasible=False)
        problem = problem.but(budget=frozen(np.where(np.isfinite(problem.budget), problem.budget, 1e3)))
        must = rng.random(len(problem.rules)) < 0.2
        rules = [
            rule.model_copy(update={"mandatory": bool(flag)}) for rule, flag in zip(problem.rules, must, strict=True)
        ]
        problem = problem.but(rules=tuple(rules))
        found = conflict(problem)
        choices = itertools.product((False, True), repeat=problem.lines.cap.size)
        every = [np.where(np.reshape(choice, problem.shape), problem.lines.cap, 0.0) for choice in choices]
        if found is None:
            continue
        assert all(fiscus.violations(problem, amounts) for amounts in every)
        least = min(price(problem, amounts) for amounts in every)
        ways = repairs(problem, known=found, most=1)
        if np.isfinite(least):
            compared += 1
            assert ways, (seed, found.sentences)
            assert ways[0].cost <= least + 1e-6, (seed, ways[0].sentence)
    assert compared >= 20


def envelopes_plan(**more):
    """Floors of R&D and Payroll above the cap of Operations, as in a budget office."""
    units = (("city", ""), ("operations", "city"), ("rd", "operations"), ("payroll", "operations"))
    cap = [np.inf, 11e6, np.inf, np.inf]
    return small_plan(
        unit=("rd", "payroll", "payroll"), units=units, periods=1, budget=3e7, line={"cap": 9e6},
        envelopes={"floor": [0.0, 0.0, 4e6, 7.5e6], "cap": cap}, **more,
    )  # fmt: skip


def test_floors_above_a_cap_are_told_in_amounts_and_repaired_at_the_least_cost():
    problem = envelopes_plan()
    found = check_conflict(problem)
    assert {limit.id for limit in found.limits} == {"unit rd floor", "unit payroll floor", "unit operations cap"}
    (sentence,) = found.sentences
    for part in ("Rd (4,000,000.00)", "Payroll (7,500,000.00)", "Operations (11,000,000.00)", "500,000.00 USD in FY1"):
        assert part in sentence
    ways = check_repairs(problem, found, most=5)
    # Half a million off 11, 7.5 or 4 million.
    assert [way.cost for way in ways] == pytest.approx([5 / 110, 5 / 75, 5 / 40])
    assert [move.after for way in ways for move in way.moves] == pytest.approx([11.5e6, 7e6, 3.5e6])
    assert "from 11,000,000.00 to 11,500,000.00 USD (4.55%)" in ways[0].sentence
    said = explain_infeasible(problem)
    assert said[0] == sentence
    assert said[2].startswith("1. Raise the cap of Operations")


def test_a_feasible_plan_has_no_conflict_and_needs_no_repair():
    problem = small_plan()
    assert conflict(problem) is None
    assert repairs(problem) == ()
    assert explain_infeasible(problem) == ()


def test_soft_rules_never_conflict():
    soft = Envelope(id="wish", node="city", floor=500.0, hard=False, penalty=1.0)
    assert conflict(small_plan(rules=(soft,))) is None
    hard = Envelope(id="must", node="city", floor=150.0)
    found = check_conflict(small_plan(rules=(soft, hard)))
    assert {limit.id for limit in found.limits} == {"must", "budget"}


def test_mandatory_rules_stay_and_are_named_when_they_contradict_each_other():
    low = Envelope(id="low", node="north", floor=60.0, mandatory=True)
    high = Envelope(id="high", node="north", cap=50.0)
    problem = small_plan(rules=(low, high))
    found = check_conflict(problem)
    (only,) = check_repairs(problem, found)
    assert [move.limit for move in only.moves] == ["high"]
    assert only.moves[0].after == pytest.approx(60.0)
    both = problem.but(rules=(low, high.model_copy(update={"mandatory": True})))
    assert repairs(both) == ()
    last = explain_infeasible(both)[-1]
    assert "low" in last
    assert "high" in last
    assert "mandate" in last


@pytest.mark.parametrize("table", ["lines", "units"])
def test_a_floor_above_its_own_cap(table):
    problem = small_plan(periods=1)
    changed = dataclasses.replace(
        getattr(problem, table), floor=frozen([[0.0, 30.0, 0.0]]), cap=frozen([[100.0, 20.0, 100.0]])
    )
    problem = problem.but(**{table: changed})
    found = check_conflict(problem)
    assert [limit.kind for limit in found.limits] == ["floor", "cap"]
    ways = check_repairs(problem, found)
    assert [way.cost for way in ways] == pytest.approx([10 / 30, 10 / 20])


def test_the_account_lacks_cash_or_keeps_too_much():
    account = Account(5.0, frozen([0.0, 20.0]), carry_over=1.0)
    floor = Envelope(id="payroll", node="north", floor=50.0, mandatory=True)
    problem = small_plan(budget=[50.0, 50.0], account=account, rules=(floor,))
    found = check_conflict(problem)
    assert {limit.id for limit in found.limits} == {"budget", "reserve", "payroll"}
    ways = check_repairs(problem, found)
    # 5 of opening cash are left at the end: 15 more appropriated out of 50, or 15 less kept out of 20.
    assert [way.cost for way in ways] == pytest.approx([15 / 50, 15 / 20])


def test_a_reserve_of_the_budget_is_met_by_more_budget_alone():
    rules = (Reserve(id="keep", amount=30.0), Envelope(id="need", node="city", floor=80.0, mandatory=True))
    problem = small_plan(periods=1, rules=rules)
    ways = check_repairs(problem, check_conflict(problem))
    # 10 more budget out of 100, or 10 more of the 70 that the reserve leaves to spend.
    assert [way.cost for way in ways] == pytest.approx([10 / 100, 10 / 70])
    assert [move.after for way in ways for move in way.moves] == pytest.approx([110.0, 20.0])


def test_choices_alone_contradict_each_other():
    lines = {"lumpy": [True, True, True], "cap": [40.0, 45.0, 50.0]}
    problem = small_plan(periods=1, line=lines, rules=(AtLeast(id="two", lines=("a", "b", "c"), count=2),), budget=80.0)
    ways = check_repairs(problem, check_conflict(problem))
    # The two smallest cost 85 of a budget of 80; else one project instead of two.
    assert [way.cost for way in ways] == pytest.approx([5 / 80, 1 / 2])


def test_targets_of_the_top_down_method_conflict_and_are_raised():
    targets = {"target": [[100.0, 40.0, 60.0]]}
    rule = Envelope(id="need", node="north", floor=55.0, mandatory=True)
    problem = small_plan(periods=1, envelopes=targets, rules=(rule,), method="top_down")
    assert fiscus.solve(problem).status == "infeasible"
    found = check_conflict(problem)
    assert {limit.id for limit in found.limits} == {"targets", "need"}
    (way,) = check_repairs(problem, found)
    assert way.cost == pytest.approx(15 / 40)
    assert fiscus.solve(way.apply()).status == "optimal"


class Together(Rule):
    """Two lines differ by at most a gap: a kind that nothing outside this test knows."""

    kind: ClassVar[str] = "test_together"

    lines: tuple[str, str]
    gap: float

    def state(self, facts):
        first, second = line_positions(facts, self.lines)
        selection = self.selection(facts)
        terms = {"spend": selection.each(np.array([first])) - selection.each(np.array([second]))}
        labels = self.labels(facts)
        edge = np.full(len(labels), self.gap)
        describe = lambda row, side: f"{self.lines} differ"  # noqa: E731
        return Contribution((Rows(self.kind, labels, terms, -edge, edge, describe, penalty=self.charge()),))


def test_a_kind_defined_elsewhere_is_taken_out_of_the_periods_it_cannot_hold_in():
    low = Envelope(id="low", lines=("a",), floor=50.0, periods=("FY1",), mandatory=True)
    high = Envelope(id="high", lines=("b",), cap=10.0, mandatory=True)
    problem = small_plan(rules=(low, high, Together(id="same", lines=("a", "b"), gap=5.0)))
    found = check_conflict(problem)
    (way,) = check_repairs(problem, found)
    (kept,) = [rule for rule in way.apply().rules if rule.id == "same"]
    assert kept.periods == ("FY2",)
    alone = problem.but(rules=(low, high, Together(id="same", lines=("a", "b"), gap=5.0, periods=("FY1",))))
    (way,) = check_repairs(alone, check_conflict(alone))
    assert [rule.id for rule in way.apply().rules] == ["low", "high"]
    assert "Give up rule" in way.sentence


def test_a_risk_limit_is_eased_to_what_the_true_curves_reach():
    line = {"cap": 50.0, "curves": Curves.make(["log"], a=[10.0], h=[10.0])}
    limit = Risk(id="enough", measure="worst", limit=-40.0)
    problem = small_plan(unit=("city",), units=(("city", ""),), periods=1, budget=40.0, line=line, rules=(limit,))
    found = check_conflict(problem)
    ways = check_repairs(problem, found)
    best = 10.0 * np.log(1 + 40.0 / 10.0)
    eased = next(way for way in ways if {move.limit for move in way.moves} == {"enough"})
    assert eased.moves[0].after == pytest.approx(-best, abs=0.011)
    assert eased.cost == pytest.approx((40.0 - best) / 40.0, abs=1e-6)


def test_easing_is_no_milder_than_the_plan_obeys():
    rng = np.random.default_rng(7)
    eased_kinds = set()
    for seed in range(60):
        problem, witness = random_problem(np.random.default_rng(seed), lines=(2, 4), periods=(1, 2))
        other = np.where(rng.random(witness.shape) < 0.5, witness, np.round(witness * rng.uniform(0.2, 1.5), 2))
        for rule in problem.rules:
            eased = rule.eased(problem, other)
            if eased is None:
                continue
            eased_kinds.add(rule.kind)
            assert eased.faults(problem) == []
            mine = [each for each in fiscus.violations(problem.but(rules=(eased,)), other) if each.rule == rule.id]
            assert not eased.hard or mine == [], (seed, rule, eased)
            before = [each for each in fiscus.violations(problem.but(rules=(rule,)), other) if each.rule == rule.id]
            assert before or not rule.hard or eased == rule, (seed, rule, eased)
    assert len(eased_kinds) >= 10
