"""Which rule takes a proposal, and what is said about it."""

from __future__ import annotations

import json

import pytest
import random_matrices as rm
from hypothesis import given
from hypothesis import strategies as st

from fiscus.errors import InvalidInput, InvalidMatrix
from fiscus.workflow.authority.conditions import ELSEWHERE, Condition, Span
from fiscus.workflow.authority.matrix import Matrix, Path, Rule, Stage
from fiscus.workflow.authority.routing import Facts, common_unit, explain, place_of, relative_change, route
from fiscus.workflow.canonical import canonical, digest

PARENTS = {
    "city": "",
    "north": "city",
    "parks": "north",
    "trees": "parks",
    "south": "parks",
    "roads": "south",
    "police": "city",
}
BY_UNIT = rm.matrix_of([Condition(units=("north",)), Condition(units=("south",)), Condition(units=(ELSEWHERE,))])


def facts(amount=0, change=None, unit="city", risk="low", origin="manual"):
    return Facts(amount, change, unit, risk, origin)


@pytest.mark.parametrize(
    ("unit", "place"),
    [
        ("north", "north"),
        ("trees", "north"),
        ("south", "south"),
        ("roads", "south"),
        ("city", ELSEWHERE),
        ("police", ELSEWHERE),
        ("nowhere", ELSEWHERE),
        ("", ELSEWHERE),
    ],
)
def test_the_nearest_named_unit_above_decides(unit, place):
    assert place_of(BY_UNIT, unit, PARENTS) == place
    rules = {"north": "r0", "south": "r1", ELSEWHERE: "r2"}
    assert route(BY_UNIT, facts(unit=unit), PARENTS).rule == rules[place]


def test_a_path_wants_its_roles_in_the_unit_of_the_proposal():
    path = route(BY_UNIT, facts(unit="trees"), PARENTS)
    assert path == Path("r0", ((Stage("head", "head", "trees"),),), "treasurer", "controller")


def test_bounds_belong_to_the_range_that_they_begin():
    matrix = rm.matrix_of(
        [
            Condition(Span(0, 5000), Span(-1.0, 0.1), False),
            Condition(Span(0, 5000), Span(0.1), True),
            Condition(Span(5000)),
        ]
    )
    for amount, change, rule in [
        (4999, 0.0999, "r0"),
        (4999, 0.1, "r1"),
        (4999, None, "r1"),
        (4999, -1.0, "r0"),
        (5000, 0.0, "r2"),
    ]:
        assert route(matrix, facts(amount, change), {}).rule == rule


def test_ten_per_cent_more_is_a_tenth_and_no_hair_more():
    assert 110 / 100 - 1 != 0.1
    assert relative_change(110, 100) == 0.1
    assert relative_change(90, 100) == -0.1
    assert relative_change(0, 100) == -1.0
    assert relative_change(5, 0) is relative_change(5, None) is None


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (facts(amount=-1), "below nothing"),
        (facts(change=-1.5), "change of -1.5"),
        (facts(change=float("nan")), "change of nan"),
        (facts(change=float("inf")), "change of inf"),
        (facts(risk="none"), "risk 'none'"),
        (facts(origin="oracle"), "origin 'oracle'"),
    ],
)
def test_facts_that_no_proposal_has_are_refused(wrong, said):
    with pytest.raises(InvalidInput, match=said):
        route(BY_UNIT, wrong, PARENTS)


def test_an_unchecked_matrix_never_picks_one_of_two():
    with pytest.raises(InvalidMatrix, match="r0 and r1"):
        route(rm.matrix_of([Condition(), Condition()]), facts(), {})
    with pytest.raises(InvalidMatrix, match="no rule"):
        route(rm.matrix_of([]), facts(), {})


def test_any_risk_will_do_without_bands():
    assert route(rm.matrix_of([Condition()], risk_bands=()), facts(risk="odd"), {}).rule == "r0"


def test_a_path_is_explained_in_one_sentence():
    stages = (
        (Stage("head", "head"),),
        (Stage("a", "treasurer", need=2, of=3), Stage("b", "controller")),
    )
    small = Rule(
        "small", Condition(Span(0, 5000000), Span(-1.0, 0.1), False, ("north",)), stages, "treasurer", "controller"
    )
    matrix = rm.matrix_of([], rules=(small,))
    assert explain(matrix, facts(3000000, 0.05, "trees"), PARENTS) == (
        "Rule small takes it, because the amount with other proposals within 365 days (USD 30,000.00) is below 50,000.00, "
        "the change on last year (+5%) is below +10% and the unit (trees, north) is north, "
        "so it goes to Head, then Treasurer (2 of 3) together with Controller; Treasurer releases and Controller reconciles."
    )
    every = rm.matrix_of([Condition()])
    assert explain(every, facts(), {}).startswith("Rule r0 takes every proposal, so it goes to Head;")


# --- units -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("units", "lowest"),
    [
        (["trees"], "trees"),
        (["trees", "roads"], "parks"),
        (["trees", "parks"], "parks"),
        (["roads", "police"], "city"),
        (["roads", "trees", "north"], "north"),
        (["trees", "nowhere"], ""),
    ],
)
def test_the_lowest_common_unit(units, lowest):
    assert common_unit(units, PARENTS) == lowest
    assert common_unit(reversed(units), PARENTS) == lowest


def test_no_units_have_none_in_common():
    with pytest.raises(InvalidInput, match="no units"):
        common_unit([], PARENTS)


@given(st.lists(st.integers(0, 10), min_size=12, max_size=12), st.sets(st.integers(0, 11), min_size=1, max_size=4))
def test_the_lowest_common_unit_is_the_deepest_of_all_common_ones(draws, chosen):
    parents = {str(unit): str(draws[unit] % unit) if unit else "" for unit in range(12)}

    def above(unit):
        return [unit, *above(parents[unit])] if unit else []

    common = set.intersection(*(set(above(str(unit))) for unit in chosen))
    assert common_unit([str(unit) for unit in chosen], parents) == max(common, key=lambda unit: len(above(unit)))


def test_units_in_a_circle_end_somewhere():
    circle = {"a": "b", "b": "a"}
    assert common_unit(["a", "b"], circle) == "a"
    assert place_of(BY_UNIT, "a", circle) == ELSEWHERE


# --- JSON ------------------------------------------------------------------------------------------------------------


@given(rm.partitions())
def test_a_matrix_comes_back_from_canonical_json_as_it_was(matrix):
    back = Matrix.from_json(json.loads(canonical(matrix.to_json())))
    assert back == matrix
    assert back.digest == matrix.digest == digest(matrix.to_json())


@given(rm.proposals())
def test_facts_come_back_from_canonical_json_as_they_were(proposal):
    back = Facts.from_json(json.loads(canonical(proposal.to_json())))
    assert back == proposal
    assert type(back.change) is type(proposal.change)


def test_a_path_comes_back_from_canonical_json_as_it_was():
    stages = ((Stage("a", "head", "city", 2, 3, 5, "treasurer", True), Stage("b", "head")), (Stage("c", "head"),))
    path = Path("rule", stages, "treasurer", "controller")
    assert Path.from_json(json.loads(canonical(path.to_json()))) == path


def test_every_part_of_a_matrix_counts_for_its_digest():
    stage = {"name": "s", "role": "t", "unit": "u", "need": 2, "of": 3, "days": 9, "escalate": "e", "signature": True}
    for key, value in stage.items():
        document = json.loads(canonical(BY_UNIT.to_json()))
        document["rules"][0]["steps"][0][0][key] = value
        assert Matrix.from_json(document).digest != BY_UNIT.digest


@pytest.mark.parametrize("document", [{}, [], {"name": "x"}, BY_UNIT.to_json() | {"rules": [1]}])
def test_other_json_is_no_matrix(document):
    with pytest.raises(InvalidMatrix, match="no authority matrix"):
        Matrix.from_json(document)
    with pytest.raises(InvalidMatrix, match="no path"):
        Path.from_json(document)
