"""The same rows as a named, open Pyomo model. The only module that imports Pyomo.

A quant adds constraints of her own, solves with any Pyomo solver or with ours, and reads a result back. The model is compiled
to arrays by Pyomo's own standard-form compiler and handed to HiGHS as such: Pyomo's HiGHS interface spends many times the
solve in hand-over, and two threads in it deadlock.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import pyomo.environ as pyo
import scipy.sparse as sp
from pyomo.common.modeling import unique_component_name
from pyomo.core.expr.numeric_expr import LinearExpression
from pyomo.repn import generate_standard_repn
from pyomo.repn.plugins.standard_form import LinearStandardFormCompiler

from fiscus.core.arrays import FloatArray, IntArray
from fiscus.core.curves import SymbolicMath
from fiscus.core.facts import Facts
from fiscus.core.problem import Problem
from fiscus.errors import InvalidInput
from fiscus.optimise.form import form
from fiscus.optimise.layout import Arrays, Block, Form

QUADRATIC = 2
"""Degree of a polynomial with squares."""

_MATH = SymbolicMath(pyo.exp, pyo.log)


def to_pyomo(problem: Problem, *, curves: Literal["piecewise", "exact"] = "piecewise") -> pyo.ConcreteModel:
    """An open model of the problem.

    Components: ``spend[period, line]`` and, where used, ``funded``, ``moved``, ``stock``, ``fill`` and others; one indexed
    constraint for each kind of rule, such as ``envelope[rule, period]``; the objective ``worth``, maximised.

    Args:
        problem: What to state.
        curves: ``piecewise`` for linear solvers (smooth curves are over-estimated, so the optimum is a bound), ``exact`` for
            nonlinear solvers and for evaluation (curves made of linear pieces stay as they are).

    Raises:
        InvalidRule: For a rule that cannot be stated.
        RouteUnavailable: For scenarios whose curves themselves differ.
    """
    model = _build(form(problem, curves=curves))[0]
    model.curves = curves
    return model


@dataclass(frozen=True, eq=False)
class Compiled:
    """A form's arrays after the way through the open model.

    Attributes:
        arrays: As compiled.
        column: Position in them of each column of the form, shape (columns,).
        row: Row of the form that each of their rows states, shape (rows,).
    """

    arrays: Arrays
    column: IntArray
    row: IntArray


def through_pyomo(model: Form) -> Compiled:
    """Build the open model of a form, compile it, and say where its columns and rows went."""
    open_model, handles = _build(model)
    arrays, variables, constraints = _compile(open_model)
    number: dict[int, int] = {}
    for rows, start in zip(model.rows, model.offsets[:-1].tolist(), strict=True):
        component = open_model.component(_constraint_name(open_model, rows.kind))
        number |= {id(component[label]): start + row for row, label in enumerate(rows.labels) if label in component}
    position = {id(variable): index for index, variable in enumerate(variables)}
    missing = [handle for handle in handles if id(handle) not in position]
    if (
        missing
    ):  # A column that no row and no price touches, such as a line worth nothing: it stays where its bounds put it.
        arrays = _with_free(arrays, missing)
        position |= {id(handle): len(variables) + index for index, handle in enumerate(missing)}
    return Compiled(
        arrays,
        np.array([position[id(handle)] for handle in handles], dtype=np.int64),
        np.array([number[id(constraint)] for constraint in constraints], dtype=np.int64),
    )


def _with_free(arrays: Arrays, variables: Sequence[Any]) -> Arrays:
    extra = len(variables)
    lower = np.array([variable.lb if variable.lb is not None else -np.inf for variable in variables])
    upper = np.array([variable.ub if variable.ub is not None else np.inf for variable in variables])
    return Arrays(
        cost=np.concatenate([arrays.cost, np.zeros(extra)]),
        lower=np.concatenate([arrays.lower, lower]),
        upper=np.concatenate([arrays.upper, upper]),
        integer=np.concatenate([arrays.integer, np.zeros(extra, dtype=bool)]),
        matrix=sp.csr_array(sp.hstack([arrays.matrix, sp.csr_array((arrays.matrix.shape[0], extra))])),
        row_lower=arrays.row_lower,
        row_upper=arrays.row_upper,
        curvature=None if arrays.curvature is None else np.concatenate([arrays.curvature, np.zeros(extra)]),
    )


def compile_model(model: pyo.ConcreteModel) -> tuple[Arrays, list[Any]]:
    """Arrays of a linear Pyomo model, and its variables in column order; its objective may also have squares of variables.

    Raises:
        InvalidInput: For a model that is not linear, or has other than one active objective.
    """
    return _compile(model)[:2]


def objective_value(model: pyo.ConcreteModel) -> float:
    """The active objective at the values loaded, maximised."""
    (objective,) = model.component_data_objects(pyo.Objective, active=True)
    return float(pyo.value(objective)) * (1.0 if objective.sense == pyo.maximize else -1.0)


def _compile(model: pyo.ConcreteModel) -> tuple[Arrays, list[Any], list[Any]]:
    objectives = list(model.component_data_objects(pyo.Objective, active=True))
    if len(objectives) != 1:
        raise InvalidInput(f"the model needs exactly one active objective, it has {len(objectives)}")
    (objective,) = objectives
    bent, straight = _squares(objective)
    if bent:
        # The standard form is linear: it is written without the squares, which are put back below.
        objective.deactivate()
        stand_in = pyo.Objective(expr=straight, sense=objective.sense)
        model.add_component(unique_component_name(model, "straight"), stand_in)
    try:
        standard = LinearStandardFormCompiler().write(model, mixed_form=True)
    except Exception as error:  # Pyomo raises several kinds for what is not linear.
        raise InvalidInput(f"HiGHS takes linear models only; give this one to a nonlinear solver ({error})") from error
    finally:
        if bent:
            model.del_component(stand_in)
            objective.activate()
    variables = list(standard.columns)
    rhs = np.asarray(standard.rhs, dtype=np.float64)
    sense = np.array([entry.bound_type for entry in standard.rows])
    integer = np.array([not variable.is_continuous() for variable in variables], dtype=bool)
    lower = np.array([_bound(variable.lb, -np.inf) for variable in variables])
    upper = np.array([_bound(variable.ub, np.inf) for variable in variables])
    # HiGHS mishandles integer columns with fractional bounds.
    lower, upper = np.where(integer, np.ceil(lower - 1e-9), lower), np.where(integer, np.floor(upper + 1e-9), upper)
    cost = -np.asarray(standard.c.toarray(), dtype=np.float64).reshape(-1)  # The compiler states a minimisation.
    arrays = Arrays(
        cost=cost,
        lower=lower,
        upper=upper,
        integer=integer,
        matrix=sp.csr_array(standard.A),
        row_lower=np.where(sense == 1, -np.inf, rhs),
        row_upper=np.where(sense == -1, np.inf, rhs),
    )
    if bent:
        arrays, variables = _with_squares(arrays, variables, bent)
    return arrays, variables, [entry.constraint for entry in standard.rows]


def _squares(objective: Any) -> tuple[list[tuple[Any, float]], Any]:
    """Variables whose squares an objective has, with the curvature of each (maximised); and the objective without them.

    Raises:
        InvalidInput: For products of different variables, and squares that make the objective convex.
    """
    if objective.expr.polynomial_degree() != QUADRATIC:
        return [], objective.expr
    terms = generate_standard_repn(objective.expr, quadratic=True)
    sign = 1.0 if objective.sense == pyo.maximize else -1.0
    bent: dict[int, tuple[Any, float]] = {}
    for (first, second), coefficient in zip(terms.quadratic_vars, terms.quadratic_coefs, strict=True):
        if first is not second:
            raise InvalidInput(
                f"the objective multiplies {first.name} by {second.name}; HiGHS is handed squares only: give a variable of its own to "
                "what is squared, or give the model to another solver"
            )
        known = bent.get(id(first), (first, 0.0))[1]
        bent[id(first)] = (first, known - 2.0 * sign * float(coefficient))
    wrong = [variable.name for variable, curvature in bent.values() if curvature < 0]
    if wrong:
        raise InvalidInput(
            f"a square of {wrong[0]} makes larger amounts better and better; HiGHS solves concave objectives only"
        )
    straight = LinearExpression(
        constant=terms.constant, linear_coefs=list(terms.linear_coefs), linear_vars=list(terms.linear_vars)
    )
    return list(bent.values()), straight


def _with_squares(arrays: Arrays, variables: list[Any], bent: list[tuple[Any, float]]) -> tuple[Arrays, list[Any]]:
    """The arrays with the curvature of some variables, which may not be columns yet."""
    position = {id(variable): index for index, variable in enumerate(variables)}
    missing = [variable for variable, _ in bent if id(variable) not in position]
    if missing:
        arrays, variables = _with_free(arrays, missing), [*variables, *missing]
        position |= {id(variable): len(position) + index for index, variable in enumerate(missing)}
    curvature = np.zeros(len(variables))
    for variable, value in bent:
        curvature[position[id(variable)]] = value
    return replace(arrays, curvature=curvature), variables


def _bound(value: float | None, default: float) -> float:
    return default if value is None else float(value)


def read_spend(problem: Facts, model: pyo.ConcreteModel) -> FloatArray:
    """Amounts held by a solved model, major units, shape (T, n).

    Raises:
        InvalidInput: For a model without ``spend``, or with amounts missing.
    """
    spend = model.component("spend")
    if spend is None:
        raise InvalidInput("the model has no component 'spend'; pass one made by fiscus.to_pyomo")
    amounts = np.empty(problem.shape)
    for t, period in enumerate(problem.periods):
        for i, line in enumerate(problem.lines.id):
            value = spend[period, line].value
            if value is None:
                raise InvalidInput(f"spend[{period!r}, {line!r}] has no value; solve the model first")
            amounts[t, i] = value
    return amounts


def load_allocation(problem: Problem, model: pyo.ConcreteModel, allocation: FloatArray) -> None:
    """Set every variable of a model made by ``to_pyomo`` from an allocation, so that its objective can be evaluated.

    Args:
        problem: What the model was made from.
        model: Of either kind of curves.
        allocation: Major units, shape (T, n).

    Raises:
        InvalidAllocation: For a wrong shape, NaN or infinity.
    """
    stated = form(problem, curves=model.curves)
    solution = stated.at(problem.checked(allocation))
    for name, block in stated.blocks.items():
        if name == "effect":
            continue
        variable = model.component(_name(name))
        for key, value in zip(block.columns.keys(problem, block.active), solution[block.slice].tolist(), strict=True):
            variable[key].set_value(value, skip_validation=True)


def load(variables: Sequence[Any], solution: FloatArray) -> None:
    """Put a solution into a model's variables, whole numbers exactly whole."""
    for variable, value in zip(variables, solution.tolist(), strict=True):
        variable.set_value(value if variable.is_continuous() else round(value), skip_validation=True)


def _build(model: Form) -> tuple[pyo.ConcreteModel, list[Any]]:
    """The Pyomo model of a form, and its columns in the form's order."""
    problem = model.problem
    open_model = pyo.ConcreteModel(name=problem.name or "allocation")
    open_model.period = pyo.Set(initialize=list(problem.periods), ordered=True)
    open_model.line = pyo.Set(initialize=list(problem.lines.id), ordered=True)
    handles: list[Any] = []
    for name, block in model.blocks.items():
        if name == "effect":
            handles += _expressions(open_model, problem, block)
        else:
            handles += _variables(open_model, problem, block, model)
    _constraints(open_model, model, handles)
    priced = np.flatnonzero(model.cost)
    terms = [(float(model.cost[column]), handles[column]) for column in priced]
    worth = _linear(terms) + model.constant
    if model.curvature is not None:
        bent = np.flatnonzero(model.curvature)
        worth -= pyo.quicksum(0.5 * float(model.curvature[column]) * handles[column] ** 2 for column in bent)
    open_model.worth = pyo.Objective(expr=worth, sense=pyo.maximize)
    return open_model, handles


def _variables(open_model: pyo.ConcreteModel, problem: Facts, block: Block, model: Form) -> list[Any]:
    keys = block.columns.keys(problem, block.active)
    lower, upper = model.lower[block.slice], model.upper[block.slice]
    bounds = {
        key: (low if np.isfinite(low) else None, high if np.isfinite(high) else None)
        for key, low, high in zip(keys, lower.tolist(), upper.tolist(), strict=True)
    }
    domain = pyo.Binary if block.columns.integer else pyo.Reals
    variable = pyo.Var(keys, domain=domain, bounds=lambda _model, *key: bounds[key[0] if len(key) == 1 else key])
    open_model.add_component(_name(block.columns.name), variable)
    return [variable[key] for key in keys]


def _expressions(open_model: pyo.ConcreteModel, problem: Facts, block: Block) -> list[Any]:
    """``effect[period, line]`` as the curve's own expression in the stock."""
    keys = block.columns.keys(problem, block.active)
    stock = open_model.component("stock")
    expressions = {}
    for key, cell in zip(keys, block.active.tolist(), strict=True):
        line = cell % problem.shape[1]
        held = stock[key] if problem.lines.retention[line] > 0 and stock is not None else open_model.spend[key]
        expressions[key] = problem.lines.curves.expression(line, held, _MATH)
    open_model.effect = pyo.Expression(keys, initialize=expressions)
    return [open_model.effect[key] for key in keys]


def _constraints(open_model: pyo.ConcreteModel, model: Form, handles: list[Any]) -> None:
    matrix = model.matrix
    for rows, start in zip(model.rows, model.offsets[:-1].tolist(), strict=True):
        name = _constraint_name(open_model, rows.kind)
        if open_model.component(name) is None:
            open_model.add_component(name, pyo.Constraint(pyo.Any))
        constraint = open_model.component(name)
        for row, label in enumerate(rows.labels):
            place = slice(matrix.indptr[start + row], matrix.indptr[start + row + 1])
            terms = [
                (coefficient, handles[column])
                for column, coefficient in zip(matrix.indices[place].tolist(), matrix.data[place].tolist(), strict=True)
            ]
            low, high = float(rows.lower[row]), float(rows.upper[row])
            if terms:
                constraint.add(label, _relation(_linear(terms), low, high))
            elif low > 0 or high < 0:
                constraint.add(label, pyo.Constraint.Infeasible)


def _constraint_name(open_model: pyo.ConcreteModel, kind: str) -> str:
    """Name of the constraint for a kind of rows: the kind, unless columns have that name."""
    name = _name(kind)
    taken = isinstance(open_model.component(name), pyo.Var | pyo.Expression | pyo.Set)
    return f"{name}_definition" if taken else name


def _linear(terms: list[tuple[float, Any]]) -> Any:
    if all(handle.is_variable_type() for _, handle in terms):
        coefficients, variables = zip(*terms, strict=True) if terms else ((), ())
        return LinearExpression(constant=0, linear_coefs=list(coefficients), linear_vars=list(variables))
    return pyo.quicksum(coefficient * handle for coefficient, handle in terms)


def _relation(body: Any, low: float, high: float) -> Any:
    if low == high:
        return body == low
    if np.isfinite(low) and np.isfinite(high):
        return pyo.inequality(low, body, high)
    return body >= low if np.isfinite(low) else body <= high


def _name(name: str) -> str:
    """A component's name: one that Python can spell."""
    return "".join(letter if letter.isidentifier() or letter.isdigit() else "_" for letter in name)
