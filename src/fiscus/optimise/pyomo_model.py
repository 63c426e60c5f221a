"""The same rows as a named, open Pyomo model. The only module that imports Pyomo.

A quant adds constraints of her own, solves with any Pyomo solver or with ours, and reads a result back. For ours the model is
compiled to arrays, rows that nobody touched at no cost, and handed to HiGHS as such: Pyomo's HiGHS interface spends many times
the solve in hand-over, and two threads in it deadlock.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pyomo.environ as pyo
import scipy.sparse as sp
from pyomo.common.gc_manager import PauseGC
from pyomo.core.base.constraint import ConstraintData
from pyomo.core.base.indexed_component import normalize_index
from pyomo.core.expr.numeric_expr import LinearExpression
from pyomo.repn import generate_standard_repn

from fiscus.core.arrays import BoolArray, FloatArray, IntArray
from fiscus.core.curves import SymbolicMath
from fiscus.core.facts import Facts
from fiscus.core.problem import Problem
from fiscus.errors import InvalidInput
from fiscus.optimise.form import form
from fiscus.optimise.layout import Arrays, Block, Form

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
    stated = form(problem, curves=curves)
    with PauseGC():
        model = _build(stated)[0]
    model.curves = curves
    return model


class _Stated:
    """What the rows of one form share: its arrays, and its columns as Pyomo knows them."""

    def __init__(self, model: Form, handles: Sequence[Any]) -> None:
        self.matrix, self.lower, self.upper = model.matrix, model.row_lower, model.row_upper
        self.handles = handles

    def relation(self, row: int) -> Any:
        """The row as a Pyomo relation."""
        place = slice(self.matrix.indptr[row], self.matrix.indptr[row + 1])
        columns, coefficients = self.matrix.indices[place].tolist(), self.matrix.data[place].tolist()
        terms = [(each, self.handles[column]) for column, each in zip(columns, coefficients, strict=True)]
        return _relation(_linear(terms), float(self.lower[row]), float(self.upper[row]))


class _RowData(ConstraintData):  # type: ignore[misc]
    """A constraint that writes its expression when somebody asks for it, as MatrixConstraint of Pyomo does.

    Most rows of a large model are only ever compiled, and the form has them as arrays already.
    """

    __slots__ = ("_row", "_stated", "_written")
    _row: int
    _stated: _Stated | None
    _written: Any

    def __init__(self, component: Any, stated: _Stated, row: int) -> None:
        super().__init__(component=component)
        self._stated, self._row = stated, row

    @property
    def _expr(self) -> Any:
        if self._written is None and self._stated is not None:
            self._written = self._stated.relation(self._row)
        return self._written

    @_expr.setter
    def _expr(self, value: Any) -> None:
        """A new expression, by ``set_value`` or in a clone: the row is no longer the form's."""
        self._written, self._stated = value, None


@dataclass(frozen=True, eq=False)
class Compiled:
    """A form's arrays after the way through the open model.

    Attributes:
        arrays: As compiled, columns as in the form.
        row: Row of the form that each of their rows states, shape (rows,).
    """

    arrays: Arrays
    row: IntArray


def through_pyomo(model: Form) -> Compiled:
    """Build the open model of a form, compile it, and say where its rows went."""
    with PauseGC():
        open_model, _ = _build(model)
        arrays, _, constraints = _compile(open_model)
    return Compiled(arrays, np.array([constraint._row for constraint in constraints], dtype=np.int64))


def compile_model(model: pyo.ConcreteModel) -> tuple[Arrays, list[Any]]:
    """Arrays of a linear Pyomo model, and its variables in column order; its objective may also have squares of variables.

    Rows that nobody changed since ``to_pyomo`` are taken over from the form; all others are read by Pyomo's ``generate_standard_repn``.

    Raises:
        InvalidInput: For a model that is not linear, or has other than one active objective.
    """
    with PauseGC():
        return _compile(model)[:2]


def objective_value(model: pyo.ConcreteModel) -> float:
    """The active objective at the values loaded, maximised."""
    (objective,) = model.component_data_objects(pyo.Objective, active=True)
    return float(pyo.value(objective)) * (1.0 if objective.sense == pyo.maximize else -1.0)


class _Columns:
    """Variables in the order in which a model shows them."""

    def __init__(self) -> None:
        self.variables: list[Any] = []
        self._position: dict[int, int] = {}

    def place(self, variables: Iterable[Any]) -> list[int]:
        """Positions of some variables, new ones at the end."""
        position, known = self._position, self.variables
        places = []
        for variable in variables:
            place = position.setdefault(id(variable), len(known))
            if place == len(known):
                known.append(variable)
            places.append(place)
        return places


def _compile(model: pyo.ConcreteModel) -> tuple[Arrays, list[Any], list[Any]]:
    objectives = list(model.component_data_objects(pyo.Objective, active=True))
    if len(objectives) != 1:
        raise InvalidInput(f"the model needs exactly one active objective, it has {len(objectives)}")
    constraints = list(model.component_data_objects(pyo.Constraint, active=True, descend_into=True))
    ours = [each for each in constraints if each.__class__ is _RowData and each._stated is not None]
    others = [each for each in constraints if each.__class__ is not _RowData or each._stated is None]
    columns = _Columns()
    blocks = [_taken_over(group, columns) for group in _by_form(ours)]
    if others:
        rows, others = _read(others, columns)
        blocks.append(rows)
    costs, bent = _priced(objectives[0], columns)
    width = len(columns.variables)
    cost, curvature = np.zeros(width), np.zeros(width)
    np.add.at(cost, costs[0], costs[1])
    curvature[list(bent)] = list(bent.values())
    lower, upper, integer = _column_bounds(columns.variables)
    matrices = [sp.csr_array((m.data, m.indices, m.indptr), shape=(m.shape[0], width)) for m, _, _ in blocks]
    arrays = Arrays(
        cost=cost,
        lower=lower,
        upper=upper,
        integer=integer,
        matrix=sp.csr_array(sp.vstack(matrices)) if matrices else sp.csr_array((0, width)),
        row_lower=np.concatenate([low for _, low, _ in blocks] or [np.zeros(0)]),
        row_upper=np.concatenate([high for _, _, high in blocks] or [np.zeros(0)]),
        curvature=curvature if bent else None,
    )
    return arrays, columns.variables, [*ours, *others]


_Rows = tuple[sp.csr_array, FloatArray, FloatArray]
"""Coefficients, lower and upper bounds of some rows; a matrix may still lack columns that come later."""


def _by_form(ours: list[Any]) -> list[list[Any]]:
    """Rows of each form together, as a model may hold several as blocks."""
    groups: dict[int, list[Any]] = {}
    for each in ours:
        groups.setdefault(id(each._stated), []).append(each)
    ours[:] = [each for group in groups.values() for each in group]
    return list(groups.values())


def _taken_over(constraints: list[Any], columns: _Columns) -> _Rows:
    """Rows as their form has them; every column of the form is shown, so one that no row touches stays where its bounds put it."""
    stated = constraints[0]._stated
    places = np.array(columns.place(stated.handles), dtype=np.int64)
    rows = np.array([each._row for each in constraints], dtype=np.int64)
    matrix = stated.matrix if np.array_equal(rows, np.arange(stated.matrix.shape[0])) else stated.matrix[rows]
    matrix = sp.csr_array(
        (matrix.data, places[matrix.indices], matrix.indptr), shape=(len(rows), len(columns.variables))
    )
    return matrix, stated.lower[rows], stated.upper[rows]


def _read(constraints: list[Any], columns: _Columns) -> tuple[_Rows, list[Any]]:
    """Rows that somebody wrote, without those that hold whatever the plan.

    Raises:
        InvalidInput: For a constraint that is not linear.
    """
    kept, indices, data, starts, lower, upper = [], [], [], [0], [], []
    for constraint in constraints:
        low, body, high = constraint.to_bounded_expression(evaluate_bounds=True)
        terms = generate_standard_repn(body, quadratic=False)
        if terms.nonlinear_expr is not None:
            raise InvalidInput(
                f"HiGHS takes linear models only, and constraint {constraint.name} is not linear; give this one to a nonlinear solver"
            )
        low, high = (
            (-np.inf if low is None else low - terms.constant),
            (np.inf if high is None else high - terms.constant),
        )
        if not terms.linear_vars and low <= 0 <= high:
            continue
        kept.append(constraint)
        indices += columns.place(terms.linear_vars)
        data += [float(each) for each in terms.linear_coefs]
        starts.append(len(data))
        lower.append(low)
        upper.append(high)
    shape = (len(kept), len(columns.variables))
    matrix = sp.csr_array(
        (np.array(data, dtype=np.float64), np.array(indices, dtype=np.int64), np.array(starts)), shape=shape
    )
    matrix.sum_duplicates()
    return (matrix, np.array(lower, dtype=np.float64), np.array(upper, dtype=np.float64)), kept


def _priced(objective: Any, columns: _Columns) -> tuple[tuple[list[int], list[float]], dict[int, float]]:
    """Positions and coefficients of an objective's linear part, and the curvature of variables it squares (maximised).

    Raises:
        InvalidInput: For an objective that is not concave, or multiplies different variables.
    """
    terms = generate_standard_repn(objective.expr, quadratic=True)
    if terms.nonlinear_expr is not None:
        raise InvalidInput(
            "HiGHS takes linear models only; give this one to a nonlinear solver, for its objective is not linear"
        )
    sign = 1.0 if objective.sense == pyo.maximize else -1.0
    bent: dict[int, float] = {}
    for (first, second), coefficient in zip(terms.quadratic_vars, terms.quadratic_coefs, strict=True):
        if first is not second:
            raise InvalidInput(
                f"the objective multiplies {first.name} by {second.name}; HiGHS is handed squares only: give a variable of its own to "
                "what is squared, or give the model to another solver"
            )
        (place,) = columns.place([first])
        bent[place] = bent.get(place, 0.0) - 2.0 * sign * float(coefficient)
    wrong = [columns.variables[place].name for place, curvature in bent.items() if curvature < 0]
    if wrong:
        raise InvalidInput(
            f"a square of {wrong[0]} makes larger amounts better and better; HiGHS solves concave objectives only"
        )
    return (columns.place(terms.linear_vars), [sign * float(each) for each in terms.linear_coefs]), bent


def _column_bounds(variables: list[Any]) -> tuple[FloatArray, FloatArray, BoolArray]:
    """Lower and upper bounds, and which variables are whole numbers; a fixed one lies where it was fixed."""
    bounds = [(each.value, each.value) if each.fixed else each.bounds for each in variables]
    lower = np.array([-np.inf if low is None else low for low, _ in bounds], dtype=np.float64)
    upper = np.array([np.inf if high is None else high for _, high in bounds], dtype=np.float64)
    integer = np.array([not each.is_continuous() for each in variables], dtype=bool)
    # HiGHS mishandles integer columns with fractional bounds.
    lower, upper = np.where(integer, np.ceil(lower - 1e-9), lower), np.where(integer, np.floor(upper + 1e-9), upper)
    return lower, upper, integer


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
    variable = pyo.Var(keys, domain=domain, bounds=bounds)
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
    stated = _Stated(model, handles)
    matrix = model.matrix
    variable = np.array([handle.is_variable_type() for handle in handles], dtype=bool)
    touched = np.diff(matrix.indptr) > 0
    # A row with a curve's own expression in it is nobody's arrays.
    written = np.asarray(matrix.astype(bool) @ ~variable).astype(bool)
    for rows, start in zip(model.rows, model.offsets[:-1].tolist(), strict=True):
        name = _constraint_name(open_model, rows.kind)
        if open_model.component(name) is None:
            open_model.add_component(name, pyo.Constraint(pyo.Any))
        constraint = open_model.component(name)
        for row, label in enumerate(rows.labels, start):
            if written[row]:
                constraint.add(label, stated.relation(row))
            elif touched[row]:
                data = _RowData(constraint, stated, row)
                data._index = normalize_index(label)
                constraint._data[data._index] = data
            elif model.row_lower[row] > 0 or model.row_upper[row] < 0:
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
