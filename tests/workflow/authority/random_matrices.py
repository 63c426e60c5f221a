"""Authority matrices that cover every proposal exactly once, made by cutting; and a plain count of rules that take one."""

from __future__ import annotations

import math
from dataclasses import replace

from hypothesis import strategies as st

from fiscus.workflow.authority.conditions import ELSEWHERE, ORIGINS, Condition, Span
from fiscus.workflow.authority.matrix import Duties, Matrix, Rule, Stage
from fiscus.workflow.authority.routing import Facts

UNITS = ("north", "south")
RISKS = ("low", "middle", "high")
AMOUNTS = (1, 5, 100, 4999, 5000, 10**9)
CHANGES = (-0.5, -0.1, 0.0, 0.1, 0.30000000000000004, 2.5)
ROLES = {"head": "Head", "treasurer": "Treasurer", "controller": "Controller"}
WHOLE = Condition(units=(*UNITS, ELSEWHERE), risks=RISKS, origins=ORIGINS)


def matrix_of(conditions, **changes):
    rules = tuple(
        Rule(f"r{number}", when, ((Stage("head", "head"),),), "treasurer", "controller")
        for number, when in enumerate(conditions)
    )
    made = Matrix("random", "USD", "Made for a test.", ROLES, 365, RISKS, UNITS, rules, Duties())
    return replace(made, **changes)


def halves(when, dimension, draw):
    """The two parts of a condition, or None where it cannot be cut there."""
    if dimension == "amount":
        bounds = [bound for bound in AMOUNTS if when.amount.start < bound and (when.amount.below or math.inf) > bound]
        if not bounds:
            return None
        bound = draw(st.sampled_from(bounds))
        spans = Span(when.amount.start, bound), Span(bound, when.amount.below)
        return tuple(replace(when, amount=span) for span in spans)
    if dimension == "change":
        if when.change is None:
            return None
        below = math.inf if when.change.below is None else when.change.below
        bounds = [bound for bound in CHANGES if when.change.start < bound < below]
        if not bounds:
            return None
        bound = draw(st.sampled_from(bounds))
        first = draw(st.booleans()) and when.new
        return (
            replace(when, change=Span(when.change.start, bound), new=first),
            replace(when, change=Span(bound, when.change.below), new=when.new and not first),
        )
    if dimension == "new":
        if when.change is None or not when.new:
            return None
        return replace(when, change=None), replace(when, new=False)
    names = getattr(when, dimension)
    if len(names) < 2:
        return None
    size = draw(st.integers(1, len(names) - 1))
    return replace(when, **{dimension: names[:size]}), replace(when, **{dimension: names[size:]})


@st.composite
def partitions(draw, most=12):
    """A matrix that is right: the whole space, cut again and again."""
    parts = [WHOLE]
    for _ in range(draw(st.integers(0, most))):
        position = draw(st.integers(0, len(parts) - 1))
        dimension = draw(st.sampled_from(["amount", "change", "new", "units", "risks", "origins"]))
        cut = halves(parts[position], dimension, draw)
        if cut is not None:
            parts[position : position + 1] = cut
    return matrix_of(draw(st.permutations(parts)))


def amounts():
    near = sorted({bound + step for bound in (0, *AMOUNTS) for step in (-1, 0, 1)} - {-1})
    return st.one_of(st.sampled_from(near), st.integers(0, 2**53 - 1))


def changes():
    near = [step for bound in CHANGES for step in (math.nextafter(bound, -9), bound, math.nextafter(bound, 9))]
    return st.one_of(st.none(), st.sampled_from([-1.0, *near, 1e300]), st.floats(-1.0, 1e6))


def proposals():
    return st.builds(
        Facts,
        amounts(),
        changes(),
        st.sampled_from([*UNITS, ELSEWHERE]),
        st.sampled_from(RISKS),
        st.sampled_from(ORIGINS),
    )


def takers(matrix, facts):
    """Ids of the rules that take a proposal whose unit is a named one or elsewhere, written out as plainly as can be."""
    found = set()
    for rule in matrix.rules:
        when = rule.when
        if not when.amount.start <= facts.amount < (math.inf if when.amount.below is None else when.amount.below):
            continue
        if facts.change is None:
            if not when.new:
                continue
        elif when.change is None or not when.change.start <= facts.change < (
            math.inf if when.change.below is None else when.change.below
        ):
            continue
        if when.units and facts.unit not in when.units:
            continue
        if when.risks and facts.risk not in when.risks:
            continue
        if when.origins and facts.origin not in when.origins:
            continue
        found.add(rule.id)
    return found
