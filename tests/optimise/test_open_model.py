"""The open model as arrays: what the form already has is taken over, what a quant writes is read, and both say the same."""

import copy
import pickle

import numpy as np
import pyomo.environ as pyo
import pytest
from pyomo.repn.plugins.standard_form import LinearStandardFormCompiler
from random_problems import random_problem

import fiscus
from fiscus.errors import InvalidInput
from fiscus.optimise.pyomo_model import compile_model


def some_problem(seed: int = 3) -> fiscus.Problem:
    return random_problem(np.random.default_rng(seed), soft=True, periods=2)[0]


def by_pyomo(
    model: pyo.ConcreteModel,
) -> tuple[dict[str, float], list[tuple[tuple[tuple[str, float], ...], float, float]]]:
    """Costs by variable and rows as sorted terms with bounds, by Pyomo's own compiler."""
    standard = LinearStandardFormCompiler().write(model, mixed_form=True)
    names = [variable.name for variable in standard.columns]
    costs = dict(zip(names, (-standard.c.toarray()).ravel().tolist(), strict=True))
    matrix, merged = standard.A.tocsr(), {}
    for row, (entry, side) in enumerate(zip(standard.rows, standard.rhs, strict=True)):
        place = slice(matrix.indptr[row], matrix.indptr[row + 1])
        terms = tuple(
            sorted((names[c], v) for c, v in zip(matrix.indices[place], matrix.data[place], strict=True) if v)
        )
        low, high = merged.get(id(entry.constraint), (terms, -np.inf, np.inf))[1:]
        low = low if entry.bound_type == 1 else side
        high = high if entry.bound_type == -1 else side
        merged[id(entry.constraint)] = (terms, low, high)
    return costs, sorted(merged.values())


def by_us(
    model: pyo.ConcreteModel,
) -> tuple[dict[str, float], list[tuple[tuple[tuple[str, float], ...], float, float]]]:
    arrays, variables = compile_model(model)
    fixed = {variable.name for variable in variables if variable.fixed}
    names = [variable.name for variable in variables]
    costs = {name: cost for name, cost in zip(names, arrays.cost.tolist(), strict=True) if name not in fixed}
    rows, held = [], np.where([name in fixed for name in names], arrays.lower, 0.0)
    for row in range(arrays.matrix.shape[0]):
        place = slice(arrays.matrix.indptr[row], arrays.matrix.indptr[row + 1])
        pairs = list(zip(arrays.matrix.indices[place], arrays.matrix.data[place], strict=True))
        terms = tuple(sorted((names[column], value) for column, value in pairs if value and names[column] not in fixed))
        away = sum(value * held[column] for column, value in pairs)
        rows.append((terms, arrays.row_lower[row] - away, arrays.row_upper[row] - away))
    return costs, sorted(rows)


def same(model: pyo.ConcreteModel) -> None:
    """Both ways name the same costs, the same terms, the same bounds."""
    (theirs, their_rows), (ours, our_rows) = by_pyomo(model), by_us(model)
    assert {name: cost for name, cost in ours.items() if cost} == pytest.approx({n: c for n, c in theirs.items() if c})
    their_rows = [each for each in their_rows if each[0]]
    our_rows = [each for each in our_rows if each[0]]
    assert len(our_rows) == len(their_rows)
    for (mine, low, high), (other, floor, cap) in zip(our_rows, their_rows, strict=True):
        assert mine == other
        assert (low, high) == pytest.approx((floor, cap), abs=1e-9)


@pytest.mark.parametrize("seed", range(25))
def test_equals_pyomos_own_compiler(seed: int) -> None:
    same(fiscus.to_pyomo(some_problem(seed)))


def extended(problem: fiscus.Problem) -> pyo.ConcreteModel:
    """With rows added, changed, taken out and switched off, and an amount fixed."""
    model = fiscus.to_pyomo(problem)
    first, *_, last = model.spend
    model.pair = pyo.Constraint(expr=model.spend[first] + 2 * model.spend[last] - 1 <= 5)
    model.none = pyo.Constraint(expr=pyo.inequality(-1.0, 0 * model.spend[first] + 0.0, 1.0))
    model.spend[last].fix(0.25)
    component = next(each for each in model.component_objects(pyo.Constraint) if len(each) > 2)
    keys = list(component)
    component[keys[0]].set_value(component[keys[0]].body <= 77.0)
    component[keys[1]].deactivate()
    del component[keys[2]]
    return model


@pytest.mark.parametrize("seed", range(10))
def test_a_changed_model_is_compiled_as_it_stands(seed: int) -> None:
    same(extended(some_problem(seed)))


@pytest.mark.parametrize(
    "copied", [lambda model: model.clone(), copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))]
)
def test_copies_are_models_of_their_own(copied: object) -> None:
    model = extended(some_problem())
    twin = copied(model)  # type: ignore[operator]
    assert by_us(twin)[1] == by_us(model)[1]
    key = next(iter(twin.spend))
    twin.more = pyo.Constraint(expr=twin.spend[key] <= 0.5)
    same(twin)
    same(model)
    assert model.component("more") is None


def test_two_problems_in_one_model() -> None:
    master = pyo.ConcreteModel()
    for name, seed in (("left", 1), ("right", 2)):
        block = fiscus.to_pyomo(some_problem(seed))
        block.worth.deactivate()
        master.add_component(name, block)
    master.together = pyo.Constraint(
        expr=pyo.quicksum(master.left.spend.values()) + pyo.quicksum(master.right.spend.values()) <= 9
    )
    master.worth = pyo.Objective(expr=master.left.worth.expr + master.right.worth.expr, sense=pyo.maximize)
    same(master)


def test_a_row_reads_as_an_expression() -> None:
    problem = fiscus.Problem.from_frames(
        units={"id": ["all"], "parent": [""]}, lines={"id": ["a", "b"], "unit": ["all"] * 2, "ask": [3, 4]}, budget=5
    )
    model = fiscus.to_pyomo(problem)
    row = next(each for each in model.component_data_objects(pyo.Constraint) if each.ub == 5.0)
    fiscus.optimise.pyomo_model.load_allocation(problem, model, np.array([[1.0, 2.0]]))
    assert pyo.value(row.body) == 3.0
    assert row.slack() == 2.0
    assert row.lb is None
    assert not row.equality


def test_what_is_not_linear_is_named() -> None:
    model = fiscus.to_pyomo(some_problem())
    key = next(iter(model.spend))
    model.bent = pyo.Constraint(expr=model.spend[key] ** 2 <= 4)
    with pytest.raises(InvalidInput, match="bent"):
        compile_model(model)
