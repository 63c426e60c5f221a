"""A problem written down and read back is the same problem, and a damaged document says where it is damaged."""

from __future__ import annotations

import copy
import dataclasses
import hashlib
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from random_problems import random_problem
from small_plans import small_plan

from fiscus.core.arrays import frozen
from fiscus.core.curves import Curves
from fiscus.core.document import canonical_text, from_document, to_document
from fiscus.core.facts import Account
from fiscus.core.feasibility import violations
from fiscus.core.objective import objective
from fiscus.core.options import MethodOptions
from fiscus.core.problem import Problem
from fiscus.core.process import ParameterPrior, scenarios
from fiscus.core.risk import Measure, RiskAversion
from fiscus.core.rules import Envelope, Near, Rule, Share
from fiscus.errors import FiscusError, InvalidPlan, InvalidRule


def read_back(problem: Problem) -> Problem:
    return from_document(json.loads(canonical_text(problem)))


def same_rows(first: Problem, second: Problem) -> bool:
    """The same statement: labels, bounds, coefficients and phrases."""
    for one, other in zip(first.statement.rows, second.statement.rows, strict=True):
        assert (one.kind, list(one.labels), one.penalty, one.unit) == (
            other.kind,
            list(other.labels),
            other.penalty,
            other.unit,
        )
        assert np.array_equal(one.lower, other.lower)
        assert np.array_equal(one.upper, other.upper)
        assert one.terms.keys() == other.terms.keys()
        assert all((one.terms[name] != other.terms[name]).nnz == 0 for name in one.terms)
        assert [one.describe(row, "above") for row in range(len(one))] == [
            other.describe(row, "above") for row in range(len(other))
        ]
    return True


def same_bits(first: Any, second: Any) -> bool:
    """Bit for bit, types of arrays included."""
    if dataclasses.is_dataclass(first) and not isinstance(first, type):
        return type(first) is type(second) and all(
            same_bits(getattr(first, item.name), getattr(second, item.name)) for item in dataclasses.fields(first)
        )
    if isinstance(first, np.ndarray):
        return (first.shape, first.dtype, first.tobytes()) == (second.shape, second.dtype, second.tobytes())
    if isinstance(first, tuple | list):
        return len(first) == len(second) and all(map(same_bits, first, second))
    if isinstance(first, float):
        return repr(first) == repr(second)
    return bool(first == second)


@pytest.mark.parametrize("seed", range(60))
def test_random_problems_read_back_bit_for_bit(seed: int) -> None:
    problem, witness = random_problem(np.random.default_rng(seed))
    again = read_back(problem)
    assert again.digest == problem.digest == hashlib.sha256(canonical_text(problem).encode()).hexdigest()
    assert again.rules_digest == problem.rules_digest
    assert same_bits(problem, again)
    assert same_rows(problem, again)
    assert objective(problem, witness) == objective(again, witness)
    shifted = witness * 1.3 + 1.0
    assert violations(problem, shifted) == violations(again, shifted)


def test_every_field_of_a_problem_is_written() -> None:
    written = to_document(small_plan())
    assert set(written) == {"format", *(item.name for item in dataclasses.fields(Problem))}
    assert json.loads(canonical_text(small_plan())) == written


def odd_plan() -> Problem:
    """Awkward floats, infinities, drawn curves, an account, and every optional part."""
    awkward = [0.1 + 0.2, 5e-324, 1e15 + 0.3]
    problem = small_plan(
        line={"prior": awkward, "weight": [-0.0, 1 / 3, 2.0], "cap": [np.inf, 1e300, 7.0]},
        envelopes={"cap": [np.inf, 50.0, 60.0], "target": [np.nan, 10.0, np.nan]},
        account=Account(10.5, frozen([1.0, 2.0]), 0.25, 0.03),
        risk=RiskAversion(Measure.parse("cvar:0.9"), 0.7),
        options=MethodOptions(growth=0.02, cut="value", target_weight=1.5),
        method="hybrid",
        discount_rate=0.05,
        rules=(
            Share(id="s", node="north", cap=0.7, text='Höchstens "70%" \ud800'),
            Near(id="n", amounts=((1.0, 0.1, 2.0), (1.0, 1 / 3, 2.0)), hard=False, penalty=0.5),
        ),
    )
    curves = Curves.make(
        ["log", "piecewise", "hill"],
        a=[1.1, 1.0, 2.0],
        h=[3.0, np.nan, 4.0],
        p=[np.nan, np.nan, 2.5],
        points=[None, [(5.0, 1.0), (9.0, 1.5)], None],
    )
    drawn = scenarios(ParameterPrior(2, curves, 0.2, 0.1), np.random.default_rng(1), 4)
    return problem.but(lines=dataclasses.replace(problem.lines, curves=curves), scenarios=drawn)


def test_awkward_numbers_and_every_optional_part_read_back() -> None:
    problem = odd_plan()
    again = read_back(problem)
    assert same_bits(problem, again)
    assert problem.digest == again.digest
    assert canonical_text(problem).isascii()
    amounts = np.full(problem.shape, 3.7)
    assert objective(problem, amounts) == objective(again, amounts)


def test_whole_numbers_where_floats_are_declared_are_the_same_problem() -> None:
    assert small_plan(spend_weight=1).digest == small_plan(spend_weight=1.0).digest
    assert read_back(small_plan(spend_weight=1)).digest == small_plan(spend_weight=1).digest


def test_the_digest_notices_every_single_change() -> None:
    problem = odd_plan()
    seen = {problem.digest}
    for change in (
        {"name": "other"}, {"budget": frozen([100.0, np.nextafter(100.0, 200.0)])}, {"spend_weight": 0.5},
        {"discount_rate": 0.06}, {"account": None}, {"ignore_prior": True}, {"rules": ()}, {"method": "optimise"},
        {"risk": None}, {"options": MethodOptions()}, {"counts_value": False},
        {"scenarios": dataclasses.replace(problem.scenarios, curves=None)},
        {"lines": dataclasses.replace(problem.lines, weight=frozen([0.0, 1 / 3, 2.0]))},
        {"lines": dataclasses.replace(problem.lines, tags={"new": ("", "", "")})},
    ):  # fmt: skip
        seen.add(problem.but(**change).digest)
    assert len(seen) == 15


def test_a_second_process_reads_it_without_a_solver_or_data_frames(tmp_path: Path) -> None:
    problem, witness = random_problem(np.random.default_rng(7))
    path = tmp_path / "problem.json"
    path.write_text(canonical_text(problem), encoding="utf-8")
    program = (
        "import json, sys\n"
        "from fiscus.core.document import from_document\n"
        "from fiscus.core.objective import objective\n"
        "import numpy as np\n"
        f"problem = from_document(json.load(open({str(path)!r})))\n"
        f"print(problem.digest, objective(problem, np.array({witness.tolist()})).hex())\n"
        "print(sorted({'pandas', 'pyomo', 'highspy'} & set(sys.modules)))\n"
    )
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    digest, worth, loaded = said.stdout.split(maxsplit=2)
    assert (digest, worth) == (problem.digest, objective(problem, witness).hex())
    assert loaded.strip() == "[]"


def damaged(path: str, value: Any) -> dict[str, Any]:
    """The odd plan's document with one place changed; Ellipsis removes it."""
    document = copy.deepcopy(to_document(odd_plan()))
    *way, last = path.split(".")
    place = document
    for step in way:
        place = place[int(step) if isinstance(place, list) else step]
    key: Any = int(last) if isinstance(place, list) else last
    if value is ...:
        del place[key]
    else:
        place[key] = value
    return document


@pytest.mark.parametrize(
    ("path", "value", "field"),
    [
        ("format", "other", "format"),
        ("format", ..., "format"),
        ("budget", ..., "budget"),
        ("budget.values", ["12", 3.0], "budget.values"),
        ("budget.values", [1.0, 2.0, 3.0], "budget.values"),
        ("budget.values", [[1.0], [2.0]], "budget.values"),
        ("budget.values", [None, True], "budget.values"),
        ("budget.shape", [3], "budget.shape"),
        ("budget.shape", "x", "budget.shape"),
        ("spend_weight", "much", "spend_weight"),
        ("spend_weight", True, "spend_weight"),
        ("discount_rate", -1.5, "discount_rate"),
        ("ignore_prior", 1, "ignore_prior"),
        ("method", "guess", "method"),
        ("method", ["optimise"], "method"),
        ("periods", ["FY1", "FY1"], "periods"),
        ("periods", [], "periods"),
        ("currency.exponent", 99, "currency.exponent"),
        ("currency.exponent", 2.5, "currency.exponent"),
        ("tree.parent.values", [-1, -1, 0], "tree"),
        ("tree.parent.values", [-1, 0, 9], "tree.parent"),
        ("tree.parent.values", [-1, 0, 2**70], "tree.parent.values"),
        ("tree", [], "tree"),
        ("units.cap.shape", [2, 9], "units.cap.shape"),
        ("units.extra", 1, "units.extra"),
        ("lines.unit.values", [0, 1, 3], "lines.unit"),
        ("lines.unit.values", [0, 1, 1.5], "lines.unit.values"),
        ("lines.id", ["a", "a", "b"], "lines.id"),
        ("lines.name", ["a"], "lines.name"),
        ("lines.lumpy.values", [0, 1, 0], "lines.lumpy.values"),
        ("lines.tags", [1], "lines.tags"),
        ("lines.tags", {"colour": ["red"]}, "lines.tags.colour"),
        ("lines.curves.family", ["log", "piecewise", "magic"], "lines.curves.family"),
        ("lines.curves.points.0", [[0.0, 1.0]], "lines.curves.points[0]"),
        ("lines.curves.points.1", [[5.0, 1.0], [5.0, 1.0]], "lines.curves.points[1]"),
        ("lines.curves.points.1", [5.0], "lines.curves.points[1]"),
        ("lines.curves.a.shape", [4], "lines.curves.a.shape"),
        ("scenarios.theta.values", [[["nan", 1.0, 1.0]]], "scenarios"),
        ("scenarios.probability", {"shape": [0], "values": []}, "scenarios.probability"),
        ("scenarios.probability.values", [0.9], "scenarios"),
        ("scenarios.curves.h.shape", [5, 1, 3], "scenarios.curves.h.shape"),
        ("account.reserve", 5, "account.reserve"),
        ("account.opening", ..., "account.opening"),
        ("risk.measure.kind", "hope", "risk.measure"),
        ("options.cut", "half", "options.cut"),
        ("rules", {}, "rules"),
        ("rules.0.kind", "nonsense", "rules[0].kind"),
        ("rules.0.kind", ..., "rules[0].kind"),
        ("rules.0.cap", "most", "rules[0].cap"),
        ("rules.0.wrong", 1, "rules[0].wrong"),
        ("rules.1.amounts", 3, "rules[1].amounts"),
        ("surprise", 1, "surprise"),
    ],
)  # fmt: skip
def test_a_damaged_document_names_the_field(path: str, value: Any, field: str) -> None:
    with pytest.raises(InvalidPlan) as caught:
        from_document(damaged(path, value))
    assert [finding.column for finding in caught.value.findings] == [field]
    assert caught.value.findings[0].sentence


@pytest.mark.parametrize("document", [None, 3, [], "text", {}, {"format": "fiscus problem 1"}])
def test_what_is_no_document_is_refused(document: Any) -> None:
    with pytest.raises(InvalidPlan):
        from_document(document)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place in a document."""
    keys = value.keys() if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    return [path, *(place for key in keys for place in places(value[key], (*path, key)))]


def test_any_value_anywhere_is_read_or_refused_in_a_sentence() -> None:
    """Every place of a document holds every sort of JSON value in turn; nothing but a FiscusError comes out."""
    original = to_document(odd_plan())
    values = (None, True, -1, 10**30, 0.5, "inf", "", [], [[]], {}, {"shape": [1], "values": [1.0]})
    refused = 0
    for place in places(original)[1:]:
        for value in values:
            document = json.loads(json.dumps(original))
            inner = document
            for key in place[:-1]:
                inner = inner[key]
            inner[place[-1]] = value
            try:
                from_document(document)
            except FiscusError:
                refused += 1
    assert refused > 1000


def test_a_rule_without_a_kind_cannot_be_written() -> None:
    class Nameless(Rule):
        """A rule that no plan can name."""

    with pytest.raises(InvalidRule, match="mine"):
        to_document(small_plan(rules=(Nameless(id="mine"),)))


def test_what_repeats_is_stored_once() -> None:
    many = small_plan(periods=40, budget=[100.0] * 40)
    document = to_document(many)
    assert document["budget"] == {"shape": [40], "values": [100.0]}
    assert document["lines"]["cap"] == {"shape": [40, 3], "values": [[100.0]]}
    assert document["scenarios"]["theta"] == {"shape": [1, 40, 3], "values": [[[1.0]]]}
    assert len(canonical_text(many)) < 2 * len(canonical_text(small_plan(periods=2)))


def test_a_hundred_thousand_lines_take_seconds() -> None:
    n = 100_000
    amounts = np.random.default_rng(0).random(n)
    small = small_plan(periods=3, unit=("north",), rules=(Envelope(id="e", node="north", cap=5.0),))
    lines = small.lines
    wide = {
        name: frozen(np.broadcast_to(amounts, (3, n)) if array.ndim == 2 else amounts)
        for name, array in vars(lines).items()
        if isinstance(array, np.ndarray) and array.dtype == np.float64
    }
    names = tuple(f"line {i}" for i in range(n))
    problem = small.but(
        lines=dataclasses.replace(
            lines, id=names, name=names, unit=frozen(np.ones(n), np.int64), lumpy=frozen(np.zeros(n), np.bool_),
            curves=Curves.make(["log"] * 1, a=1.5, h=2.0).take(np.zeros(n, np.int64)), tags={"t": names}, **wide,
        ),
        scenarios=dataclasses.replace(small.scenarios, theta=frozen(np.ones((1, 3, n)))),
    )  # fmt: skip
    start = time.perf_counter()
    text = canonical_text(problem)
    again = from_document(json.loads(text))
    assert time.perf_counter() - start < 8.0  # About one second; the machine is shared.
    assert again.digest == problem.digest
    assert same_bits(problem.lines, again.lines)
