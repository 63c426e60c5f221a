"""Gaps and overlaps are found exactly: against counting by hand, over random matrices."""

from __future__ import annotations

import itertools
import time
from dataclasses import replace

import random_matrices as rm
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from fiscus.workflow.authority.checks import faults, proposal_words
from fiscus.workflow.authority.conditions import ELSEWHERE, ORIGINS, Condition, Span
from fiscus.workflow.authority.coverage import gaps, overlaps
from fiscus.workflow.authority.routing import Facts, route, takes


@given(rm.partitions(), st.lists(rm.proposals(), min_size=1, max_size=20))
@settings(deadline=None)
def test_an_accepted_matrix_has_exactly_one_rule_for_every_proposal(matrix, proposals):
    assert faults(matrix) == ()
    for facts in proposals:
        assert {route(matrix, facts, {}).rule} == rm.takers(matrix, facts)


@st.composite
def moved(draw):
    """A right matrix of which one rule takes less, or more, than it should; and which of both."""
    matrix = draw(rm.partitions())
    position = draw(st.integers(0, len(matrix.rules) - 1))
    rule = matrix.rules[position]
    shrink = draw(st.booleans())
    if draw(st.booleans()):
        span, bounds = rule.when.amount, range(max(rule.when.amount.start - 3, 0), rule.when.amount.start + 3)
    else:
        assume(rule.when.change is not None)
        span, bounds = rule.when.change, (-1.0, *rm.CHANGES)
    bound = draw(st.sampled_from(list(bounds)))
    assume(bound > span.start if shrink else bound < span.start)
    assume(span.below is None or bound < span.below)
    new = Span(bound, span.below)
    when = replace(rule.when, **({"amount": new} if span is rule.when.amount else {"change": new}))
    rules = [replace(rule, when=when) if each is rule else each for each in matrix.rules]
    return replace(matrix, rules=tuple(rules)), rule.id, shrink


@given(moved())
@settings(deadline=None)
def test_a_bound_that_moved_is_refused_with_a_true_example(made):
    matrix, moved_rule, shrunk = made
    told = " ".join(faults(matrix))
    assert told
    if shrunk:
        assert gaps(matrix)
        assert overlaps(matrix) == ()
        for gap in gaps(matrix):
            assert rm.takers(matrix, gap.example) == set()
            assert proposal_words(gap.example, matrix) in told
    else:
        assert gaps(matrix) == ()
        assert overlaps(matrix)
        for overlap in overlaps(matrix):
            assert rm.takers(matrix, overlap.example) == {overlap.first, overlap.second}
            assert moved_rule in (overlap.first, overlap.second)
            assert proposal_words(overlap.example, matrix) in told


def spans(bounds, least):
    pairs = st.lists(st.sampled_from(bounds), min_size=1, max_size=2, unique=True).map(sorted)
    return st.one_of(
        st.just(Span(least)), pairs.map(lambda pair: Span(*pair)), pairs.map(lambda pair: Span(least, pair[-1]))
    )


def subsets(names):
    return st.lists(st.sampled_from(names), max_size=len(names), unique=True).map(tuple)


conditions = st.builds(
    Condition,
    spans(rm.AMOUNTS, 0),
    st.one_of(st.none(), spans(rm.CHANGES, -1.0)),
    st.booleans(),
    subsets((*rm.UNITS, ELSEWHERE)),
    subsets(rm.RISKS),
    subsets(ORIGINS),
).filter(lambda when: when.new or when.change is not None)


def corners():
    """A proposal in each elementary piece."""
    every = (0, *rm.AMOUNTS), (None, -1.0, *rm.CHANGES), (*rm.UNITS, ELSEWHERE), rm.RISKS, ORIGINS
    return itertools.starmap(Facts, itertools.product(*every))


@given(st.lists(conditions, max_size=8).map(rm.matrix_of))
@settings(deadline=None, max_examples=60)
def test_any_rules_at_all_are_judged_as_by_counting(matrix):
    count = {facts: rm.takers(matrix, facts) for facts in corners()}
    pairs = {pair for found in count.values() for pair in itertools.combinations(sorted(found), 2)}
    found = gaps(matrix)
    assert bool(found) is any(not takers for takers in count.values())
    assert {(each.first, each.second) for each in overlaps(matrix)} == pairs
    for gap in found:
        assert takes(gap.region, gap.example, gap.example.unit)
    for facts, takers in count.items():
        assert sum(takes(gap.region, facts, facts.unit) for gap in found) == (not takers)
    for overlap in overlaps(matrix):
        assert {overlap.first, overlap.second} <= rm.takers(matrix, overlap.example)


def test_no_rules_leave_one_gap_that_is_everything():
    (gap,) = gaps(rm.matrix_of([]))
    assert gap.region == Condition()


def test_slices_that_are_alike_are_told_once():
    """Between 5 and 100 nothing is taken, whatever the risk, origin and unit: one gap, not one for each."""
    cut = [Condition(Span(0, 5)), Condition(Span(100, 5000)), Condition(Span(5000))]
    (gap,) = gaps(rm.matrix_of(cut))
    assert gap.region == Condition(Span(5, 100))


def test_gaps_that_lie_apart_are_told_each_and_those_side_by_side_as_one():
    """Other rules cut the gap from 5 to 100 at 50, where risk is low as well as where it is not."""
    taken = [Condition(Span(0, 5)), Condition(Span(100, 5000)), Condition(Span(6000))]
    cutting = [Condition(Span(50, 5000), origins=("manual",)), Condition(Span(0, 50), origins=("manual",))]
    found = [gap.region.amount for gap in gaps(rm.matrix_of([*taken, *cutting])) if "learned" in gap.region.origins]
    assert found == [Span(5, 100), Span(5000, 6000)]


def test_what_shrinks_most_is_a_proposal_too():
    (gap,) = gaps(rm.matrix_of([Condition(change=Span(0.0))]))
    assert gap.region == Condition(change=Span(-1.0, 0.0), new=False)
    (gap,) = gaps(rm.matrix_of([Condition(new=False)]))
    assert gap.region == Condition(change=None)


def test_a_gap_between_neighbouring_floats_is_one():
    rules = [Condition(change=Span(-1.0, 0.3)), Condition(change=Span(0.1 + 0.2), new=False)]
    (gap,) = gaps(rm.matrix_of(rules))
    assert gap.example.change == 0.3
    assert gap.region.change == Span(0.3, 0.30000000000000004)


def test_a_matrix_without_bands_asks_for_no_risk():
    assert faults(rm.matrix_of([Condition()], risk_bands=())) == ()
    (gap,) = gaps(rm.matrix_of([Condition(Span(5))], risk_bands=()))
    assert gap.example.risk == ""
    assert gap.region.risks == ()


def test_two_hundred_rules_take_about_a_second():
    units = tuple(f"u{number}" for number in range(4))
    steps = [-1.0, *(number / 7 for number in range(1, 7)), None]
    rows = [
        Condition(Span(1000 * row, 1000 * row + 1000 if row < 6 else None), Span(start, below), start == -1.0, (unit,))
        for unit in (*units, ELSEWHERE)
        for row in range(7)
        for start, below in itertools.pairwise(steps)
    ]
    matrix = rm.matrix_of(rows, units=units)
    assert len(matrix.rules) == 245
    began = time.process_time()
    assert faults(matrix) == ()
    assert len(faults(replace(matrix, rules=matrix.rules[:-1]))) == 1
    assert time.process_time() - began < 2
