"""Explanations hold what they say: ranges at both ends, flip points by solving again, prices against neighbouring problems."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
from random_problems import random_problem
from repetitions import slow_from
from small_plans import small_plan
from typer.testing import CliRunner

from fiscus.cli import app
from fiscus.core.arrays import frozen
from fiscus.core.curves import Curves
from fiscus.core.dynamics import evaluate
from fiscus.core.problem import Problem
from fiscus.core.rules import AtMost, Change, Envelope, Freeze, Requires, Reserve, Resource, Turnover
from fiscus.errors import InvalidInput
from fiscus.optimise.explain.flip_search import stretched
from fiscus.optimise.explain.flips import flip
from fiscus.optimise.explain.lines import explain_line, explanation, unit_explanation
from fiscus.optimise.explain.overview import overview
from fiscus.optimise.explain.ranging import price_range
from fiscus.optimise.solve import solve

LINEAR = ("linear", "capped", "piecewise")
SMOOTH = ("log", "saturating", "linear")
MOVABLE = {
    Envelope: ("floor", "cap"),
    Turnover: ("cap", "cap"),
    Resource: ("capacity", "capacity"),
    Reserve: ("amount", "amount"),
}


def moved(problem, price, limit):
    """The problem with the limit of a range moved in its data, or None for rows that are no single number of the data."""
    rule, period = price.row[0], problem.periods.index(price.row[1])
    if rule == "budget" and problem.account is None:
        budget = np.array(problem.budget)
        budget[period] = limit
        return problem.but(budget=frozen(budget))
    if rule.startswith("unit "):
        unit = problem.tree.position[rule.removeprefix("unit ")]
        column = "cap" if price.side != "floor" else "floor"
        values = np.array(getattr(problem.units, column))
        values[period, unit] = limit
        return problem.but(units=dataclasses.replace(problem.units, **{column: frozen(values)}))
    found = next((each for each in problem.rules if each.id == rule), None)
    if type(found) not in MOVABLE or len(found.periods or problem.periods) > 1 or price.side == "equal":
        return None
    floor, cap = MOVABLE[type(found)]
    if isinstance(found, Reserve) and problem.account is None:
        limit = limit + problem.budget[period]  # The row speaks of spending.
    changed = found.model_copy(update={floor if price.side == "floor" else cap: float(limit)})
    return problem.but(rules=tuple(changed if each is found else each for each in problem.rules))


def value_at(problem, price, limit):
    """Best value with the limit moved, -inf where nothing is feasible; None where the data cannot say it."""
    other = moved(problem, price, limit)
    if other is None:
        return None
    if limit < 0 and price.row[0] in ("budget",):
        return -np.inf
    result = solve(other, gap=1e-9)
    return result.value if result.solution is not None else -np.inf


def weighted(problem, line, weight):
    weights = np.array(problem.lines.weight)
    weights[line] = weight
    return problem.but(lines=dataclasses.replace(problem.lines, weight=frozen(weights)))


@pytest.mark.parametrize("seed", range(25))
def test_a_price_holds_inside_its_range_and_nowhere_just_outside(seed):
    problem, _ = random_problem(
        np.random.default_rng(seed), curves=LINEAR, integers=False, lines=(2, 4), periods=(1, 2)
    )
    result = solve(problem, gap=1e-9)
    for binding in result.binding[:3]:
        price = price_range(result, binding)
        if moved(problem, price, price.limit) is None or not np.isfinite(price.price) or price.choices_fixed:
            continue
        base = value_at(problem, price, price.limit)
        assert base == pytest.approx(result.value, rel=1e-7, abs=1e-7)
        for end, side in ((price.lower, -1.0), (price.upper, 1.0)):
            edge = end if np.isfinite(end) else price.limit + side * 50.0
            if binding.rule.startswith(("unit", "budget")) or binding.kind == "envelope":
                edge = max(edge, 0.0)
            inside = price.limit + 0.999999 * (edge - price.limit)
            tangent = base + price.price * (inside - price.limit)
            assert value_at(problem, price, inside) == pytest.approx(tangent, rel=1e-6, abs=1e-5), price
            outside = end + side * 0.5
            if np.isfinite(end) and outside >= 0:
                beyond = base + price.price * (outside - price.limit)
                assert value_at(problem, price, outside) < beyond - 1e-6, price


@pytest.mark.parametrize("seed", range(8))
def test_on_smooth_curves_the_slope_stays_within_one_percent(seed):
    problem, _ = random_problem(
        np.random.default_rng(seed),
        curves=("log", "saturating"),
        integers=False,
        kinds=(),
        lines=(2, 4),
        periods=1,
        account=False,
    )
    result = solve(problem, gap=1e-9)
    for binding in [each for each in result.binding if each.rule == "budget"][:1]:
        price = price_range(result, binding)
        assert price.within == 0.01

        def slope(limit, price=price):
            step = 1e-3 * max(1.0, limit)
            return (value_at(problem, price, limit + step) - value_at(problem, price, limit - step)) / (2 * step)

        for end in (price.lower, price.upper):
            away = end - price.limit
            if not np.isfinite(end) or abs(away) < 0.02 or end < 0.01:
                continue
            assert slope(price.limit + 0.9 * away) == pytest.approx(price.price, rel=0.0105)
            assert abs(slope(price.limit + 1.1 * away + np.sign(away) * 0.01) / price.price - 1) > 0.0095


def test_a_range_by_hand():
    """Lines worth 3, 2, 1 up to 60 each, 100 to spend: a unit is worth 2 while the second line is neither empty nor full."""
    result = solve(small_plan(periods=1, line={"weight": [3.0, 2.0, 1.0], "cap": 60.0}))
    price = price_range(result, ("budget", "FY1"))
    assert (price.price, price.lower, price.upper) == pytest.approx((2.0, 60.0, 120.0))
    assert not price.choices_fixed
    assert price.price_below == pytest.approx(2.0)
    assert "from 60.00 to 120.00" in price.sentence("The budget", "USD")
    corner = price_range(
        solve(small_plan(periods=1, budget=120.0, line={"weight": [3.0, 2.0, 1.0], "cap": 60.0})), ("budget", "FY1")
    )
    assert (corner.price, corner.price_below) == pytest.approx((1.0, 2.0))
    assert (corner.lower, corner.upper) == pytest.approx((120.0, 180.0))
    with pytest.raises(InvalidInput, match="no rule has a limit"):
        price_range(result, ("weather", "FY1"))


def test_ranges_of_a_plan_with_choices_keep_them_and_say_so():
    """An all-or-nothing line of 60 is in: what is left, 40, goes to a line worth 2 up to 60."""
    plan = small_plan(periods=1, line={"weight": [3.0, 2.0, 1.0], "cap": 60.0, "lumpy": [True, False, False]})
    price = price_range(solve(plan), ("budget", "FY1"))
    assert price.choices_fixed
    assert (price.price, price.lower, price.upper) == pytest.approx((2.0, 60.0, 120.0))
    assert "choices kept" in price.sentence("The budget", "USD")


def test_methods_that_do_not_seek_value_have_no_prices():
    result = solve(small_plan(periods=1, line={"prior": 30.0}), method="incremental")
    with pytest.raises(InvalidInput, match="incremental"):
        price_range(result, ("budget", "FY1"))
    with pytest.raises(InvalidInput, match="incremental"):
        flip(result, "a")
    assert overview(result).notes


def unfunded_lines(result):
    return [line for line in range(result.problem.shape[1]) if result.allocation[:, line].max() <= 1e-6]


@pytest.mark.parametrize("seed", slow_from(30, 60))
def test_a_line_is_funded_just_above_its_flip_weight_and_not_just_below(seed):
    integers, smooth = seed % 3 == 1, seed % 3 == 2
    curves = SMOOTH if smooth else (*LINEAR, "step") if integers else LINEAR
    rng = np.random.default_rng(1000 + seed)
    problem, _ = random_problem(
        rng, curves=curves, integers=integers, soft=False, lines=(3, 4), periods=(1, 2), account=False
    )
    result = solve(problem, gap=1e-9)
    for line in unfunded_lines(result)[:1]:
        found = flip(result, problem.lines.id[line], cost=False)
        if found.status == "forbidden":
            assert found.reasons
            heavy = solve(weighted(problem, line, 1e3 * (1.0 + problem.lines.weight[line])))
            assert heavy.allocation[:, line].max() <= 1e-4
        if found.status != "flips":
            continue
        above = found.needed * 1.001 if found.needed > 1e-3 else 1e-2
        assert solve(weighted(problem, line, above), gap=1e-9).allocation[:, line].max() > 1e-6, found
        if found.needed > 1e-3:
            below = solve(weighted(problem, line, found.needed * 0.999), gap=1e-9)
            assert below.allocation[:, line].max() <= 1e-6, found


@pytest.mark.parametrize("seed", range(15))
def test_an_all_or_nothing_line_is_funded_just_below_its_flip_cost_and_not_just_above(seed):
    rng = np.random.default_rng(seed)
    cap = rng.integers(20, 90, 5) * 1.0
    plan = small_plan(
        unit=("north", "north", "south", "south", "city"), periods=1, budget=float(rng.integers(60, 160)),
        line={"weight": rng.integers(1, 9, 5) * 0.5, "cap": cap, "lumpy": rng.random(5) < 0.7},
    )  # fmt: skip
    result = solve(plan, gap=1e-9)
    for line in [each for each in unfunded_lines(result) if plan.lines.lumpy[each]][:1]:
        found = flip(result, plan.lines.id[line])
        if found.needed_cost is None:
            continue
        assert found.needed_cost < found.cost == round(cap[line] * 100)

        def funded(cost, line=line, found=found):
            other = plan.but(lines=stretched(plan.lines, line, cost / found.cost))
            return solve(other, gap=1e-9).allocation[0, line] > 1e-6

        assert funded(0.999 * found.needed_cost), found
        assert not funded(1.001 * found.needed_cost + 1), found


@pytest.mark.parametrize("family", ["linear", "capped", "log", "power", "saturating", "hill", "step", "piecewise"])
def test_a_stretched_line_has_the_same_benefit_for_other_money(family):
    points = [[(0, 0), (10, 5), (30, 8)]] if family == "piecewise" else None
    curves = Curves.make([family], a=2.0, h=7.0, p=0.7, points=points)
    plan = small_plan(unit=("north",), periods=1, line={"curves": curves, "cap": 40.0})
    for ratio in (0.3, 1.0, 2.5):
        other = stretched(plan.lines, 0, ratio)
        assert other.cap[0, 0] == pytest.approx(40.0 * ratio)
        for money in (3.0, 7.0, 25.0):
            wanted = plan.lines.curves.value(np.array([money]))
            assert other.curves.value(np.array([money * ratio])) == pytest.approx(wanted)


def test_flips_by_hand():
    """A unit costs 2 of value; the third line brings 1 a unit, so its weight must double. All-or-nothing for 60: V=260, V_in=240."""
    result = solve(small_plan(periods=1, line={"weight": [3.0, 2.0, 1.0], "cap": 60.0}))
    found = flip(result, "c")
    assert (found.needed, found.factor, found.loss) == pytest.approx((2.0, 2.0, 1.0))
    assert found.target == "first unit"
    lumpy = solve(small_plan(periods=1, line={"weight": [3.0, 2.0, 1.0], "cap": 60.0, "lumpy": [False, False, True]}))
    whole = flip(lumpy, "c")
    # With c in: 60 to c and 40 to a: 180. Without: 260. The weight rises by 80/60.
    assert (whole.loss, whole.needed) == pytest.approx((80.0, 1.0 + 80.0 / 60.0))
    assert flip(result, "a").status == "funded"
    partly = flip(result, "b")  # It gets 40 of 60 at weight 2; its last unit must beat a's 3.
    assert partly.target == "ask"
    assert partly.needed == pytest.approx(3.0)
    with pytest.raises(InvalidInput, match="no line"):
        flip(result, "z")
    with pytest.raises(InvalidInput, match="no period"):
        flip(result, "a", "FY9")


def test_a_line_that_rules_forbid_is_said_to_be_forbidden_by_them():
    rule = Envelope(id="closed", text="Line c is closed", lines=("c",), cap=0.0)
    plan = small_plan(
        periods=1, line={"weight": [3.0, 2.0, 1.0], "cap": 60.0, "lumpy": [False, False, True]}, rules=(rule,)
    )
    found = flip(solve(plan), "c")
    assert found.status == "forbidden"
    assert "closed" in " ".join(found.reasons)
    assert "forbid" in found.sentences(plan)[0]


@pytest.mark.parametrize("seed", range(20))
def test_marginal_values_and_prices_of_an_explanation_match_neighbouring_problems(seed):
    problem, _ = random_problem(
        np.random.default_rng(seed), curves=("log", "saturating", "power"), integers=False, kinds=("envelope",), soft=False,
        periods=1, account=False,
    )  # fmt: skip
    result = solve(problem, gap=1e-9)
    amounts = np.array(result.allocation)
    # Marginal values leave the cost of change aside.
    still = problem.but(lines=dataclasses.replace(problem.lines, change_cost=frozen(np.zeros(problem.shape[1]))))
    for index, line in enumerate(problem.lines.id):
        (told,) = explanation(result, line).periods
        assert told.amount == result.minor_units[0, index]
        more = amounts.copy()
        step = 1e-5 * max(1.0, amounts[0, index])
        more[0, index] += step
        gain = float((evaluate(still, more) - evaluate(still, amounts)) @ problem.scenarios.probability) / step
        if np.isfinite(told.marginal) and amounts[0, index] > 0.1:
            assert told.marginal == pytest.approx(gain, rel=1e-3, abs=1e-4)
        if (
            told.place == "between"
            and not problem.lines.change_cost.any()
            and not problem.risk
            and not problem.lines.retention.any()
        ):
            assert told.marginal == pytest.approx(told.price, rel=0.02, abs=0.02), told
        if told.alternative is not None:
            assert told.alternative.line != line
        json.dumps(explanation(result, line).as_dict(), allow_nan=False)
    for unit in problem.tree.ids:
        made = unit_explanation(result, unit)
        members = problem.membership[[problem.tree.position[unit]]].indices
        assert made.periods[0].amount == result.minor_units[0, members].sum()
        assert {name for name, _ in made.periods[0].next} <= {problem.lines.id[i] for i in members}
        json.dumps(made.as_dict(), allow_nan=False)


def test_what_decides_is_named():
    plan = small_plan(
        periods=1,
        budget=100.0,
        unit=("north", "north", "south", "south", "south", "north"),
        line={"weight": [3.0, 2.0, 1.0, 5.0, 0.5, 9.0], "cap": [60.0, 60.0, 60.0, 20.0, 60.0, 10.0],
              "ask": [60.0, 60.0, 60.0, 40.0, 60.0, 10.0],
              "prior": [0.0, 0.0, 7.0, 0.0, 0.0, 0.0], "floor": [0.0, 0.0, 0.0, 0.0, 5.0, 0.0]},
        rules=(Freeze(id="still", lines=("c",)),),
    )  # fmt: skip
    result = solve(plan)
    told = {line: explanation(result, line).periods[0] for line in plan.lines.id}
    assert told["a"].decided == "price"
    assert told["a"].decided_by == "budget"
    assert told["a"].amount == 5800
    assert told["b"].decided == "price"
    assert told["b"].alternative is not None
    assert (told["b"].alternative.line, told["b"].alternative.gets) == ("a", False)
    assert (told["a"].alternative.line, told["a"].alternative.gets) == ("b", True)
    assert (told["c"].decided, told["c"].decided_by) == ("kept", "still")
    assert told["d"].decided == "cap"
    assert told["e"].decided == "floor"
    assert told["f"].decided == "ask"
    assert "What decides is Budget" in " ".join(told["b"].sentences)
    city = unit_explanation(result, "city").periods[0]
    assert city.price == pytest.approx(3.0)
    assert city.next[0][0] == "a"
    assert "last year it had 7" in city.sentences[0]
    assert explain_line(result, "a").startswith("Line a (a) gets USD 58.00")


@pytest.mark.parametrize("seed", range(12))
def test_the_line_that_would_get_a_unit_less_here_is_the_best_one(seed):
    """Solved again with a hundredth less on a line, the plan loses what that was worth here, less what it is said to bring there."""
    rng = np.random.default_rng(seed)
    plan = small_plan(
        periods=1,
        budget=120.0,
        unit=tuple(rng.choice(["north", "south"], 8)),
        line={
            "weight": rng.uniform(1.0, 3.0, 8).round(3),
            "cap": np.where(rng.random(8) < 0.5, rng.uniform(10.0, 60.0, 8).round(1), 70.0),
            "prior": np.zeros(8),
            "floor": np.where(rng.random(8) < 0.3, 5.0, 0.0),
        },
        rules=(Envelope(id="little", node="north", cap=50.0), Envelope(id="much", node="south", floor=60.0)),
    )
    before = solve(plan)
    worth = np.asarray(plan.lines.weight)
    told = 0
    for index, line in enumerate(plan.lines.id):
        other = explanation(before, line).periods[0].alternative
        if other is None or not other.gets:
            continue
        cap = plan.lines.cap.copy()
        cap[0, index] = before.allocation[0, index] - 0.01
        after = solve(plan.but(lines=dataclasses.replace(plan.lines, cap=frozen(cap))))
        assert before.value - after.value == pytest.approx(0.01 * (worth[index] - other.worth), abs=1e-6)
        told += 1
    assert told


def test_prices_of_movement_and_choices_are_told():
    plan = small_plan(
        periods=1,
        budget=100.0,
        line={"weight": [3.0, 2.0, 1.0], "cap": 60.0, "prior": 20.0},
        rules=(Turnover(id="slow", cap=10.0),),
    )
    told = explanation(solve(plan), "a").periods[0]
    share = {each.rule: each for each in told.rules}["slow"]
    assert abs(share.coefficient) == pytest.approx(1.0, abs=1e-6)
    choice = small_plan(
        periods=1,
        line={"cap": 20.0, "lumpy": True},
        rules=(AtMost(id="one", lines=("a", "b"), count=1), Requires(id="r", line="c", needs="b")),
    )
    result = solve(choice)
    out = next(line for line in ("a", "b") if result.allocation[0, choice.line_position[line]] == 0)
    assert explanation(result, out).periods[0].decided == "choice"


def test_a_change_rule_that_binds_keeps_a_line():
    plan = small_plan(
        periods=1,
        budget=100.0,
        line={"weight": [3.0, 2.0, 1.0], "cap": 60.0, "prior": 20.0},
        rules=(Change(id="slow", lines=("a",), up=0.5),),
    )
    told = explanation(solve(plan), "a").periods[0]
    assert (told.amount, told.decided, told.decided_by) == (3000, "kept", "slow")


@pytest.fixture
def runs(tmp_path):
    """Two saved runs that differ in their budget."""
    first = small_plan(periods=1, budget=100.0, line={"weight": [3.0, 2.0, 1.0], "cap": 60.0, "ask": 60.0})
    second = first.but(budget=frozen([130.0]))
    for name, plan in (("one", first), ("two", second)):
        solve(plan).save(tmp_path / name)
    return tmp_path


def test_explain_from_the_command_line(runs):
    run = CliRunner()
    whole = run.invoke(app, ["explain", str(runs / "one")])
    assert whole.exit_code == 0, whole.output
    assert "from 60.00 to 120.00" in whole.output
    assert "at a weight above 2" in whole.output
    machine = json.loads(run.invoke(app, ["explain", str(runs / "one"), "--json"]).output)
    assert machine["binding"][0]["price"] == pytest.approx(2.0)
    assert [each["line"] for each in machine["unfunded"]] == ["c"]
    line = run.invoke(app, ["explain", str(runs / "one"), "c"])
    assert line.exit_code == 0
    assert "Line c (c) gets USD 0.00" in line.output
    assert json.loads(run.invoke(app, ["explain", str(runs / "one"), "c", "--json"]).output)["flip"][
        "needed"
    ] == pytest.approx(2.0)
    against = run.invoke(app, ["explain", str(runs / "two"), "--against", str(runs / "one")])
    assert against.exit_code == 0
    assert "the budget (FY1 from 100 to 130)" in against.output
    parts = json.loads(
        run.invoke(app, ["explain", str(runs / "two"), "--against", str(runs / "one"), "--json"]).output
    )["parts"]
    assert [part["money"] for part in parts] == [3000]


def test_the_saved_allocation_is_explained_not_a_new_one(runs):
    """Someone moved 10 from the second line to the third and saved it: that is what is spoken of."""
    path = runs / "one" / "allocation.csv"
    path.write_text(path.read_text().replace("b,north,40.00", "b,north,30.00").replace("c,south,0.00", "c,south,10.00"))
    output = CliRunner().invoke(app, ["explain", str(runs / "one"), "c"]).output
    assert "Line c (c) gets USD 10.00" in output


@pytest.mark.parametrize(
    "arguments",
    [
        ["explain", "nowhere"],
        ["explain", "RUN/one", "z"],
        ["explain", "RUN/one", "a", "--against", "RUN/two"],
        ["explain", "RUN/one", "--flips", "-1"],
    ],
)
def test_bad_input_gets_a_sentence_and_exit_code_2(runs, arguments):
    result = CliRunner().invoke(app, [argument.replace("RUN", str(runs)) for argument in arguments])
    assert result.exit_code == 2
    assert "Traceback" not in result.output
    assert result.output.strip()


def test_a_problem_that_is_not_the_runs_is_refused(runs):
    (runs / "one" / "problem.json").write_text((runs / "two" / "problem.json").read_text())
    result = CliRunner().invoke(app, ["explain", str(runs / "one")])
    assert result.exit_code == 2
    assert "not the one" in result.output
    (runs / "one" / "problem.json").unlink()
    missing = CliRunner().invoke(app, ["explain", str(runs / "one")])
    assert missing.exit_code == 2
    assert "problem.json" in missing.output


def test_amounts_that_are_not_the_runs_are_refused(runs):
    path = runs / "one" / "allocation.csv"
    path.write_text(path.read_text().replace("b,north,40.00", "b,north,400.00"))
    result = CliRunner().invoke(app, ["explain", str(runs / "one")])
    assert result.exit_code == 2
    assert "breaks a rule" in result.output


def test_a_line_that_pays_as_a_whole_is_explained_by_its_average():
    lines = {"id": ["a", "b"], "unit": ["r"] * 2, "curve": ["step", "linear"], "a": [50.0, 1.2], "h": [20.0, 1.0]}
    problem = Problem.from_frames(
        units={"id": ["r"], "parent": [""]}, lines={**lines, "cap": [20.0, 100.0]}, budget=100.0
    )
    said = explain_line(solve(problem), "a")
    assert "as a whole: each dollar brings 2.5 on average, the last one alone 0. Money costs 1.2 elsewhere." in said
