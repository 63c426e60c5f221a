"""How aversion to risk enters the arrays: ``mean V - aversion * measure(-V)`` (§4).

CVaR, the worst case and the value at risk (``chance:LEVEL``) never reward a loss of value, so their ``value`` columns may lie
below what the curves give. The variance does reward it, so for ``meanvar`` mean and spread are stated on the benefits themselves,
as equations.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np
import scipy.sparse as sp

from fiscus.core.arrays import BoolArray, FloatArray
from fiscus.core.problem import Problem
from fiscus.core.risk import Measure, RiskAversion, value_at_risk
from fiscus.core.rows import Columns, Point, Rows, silent
from fiscus.core.rules.base import unbounded
from fiscus.core.rules.risk import ROOM, cvar_terms, value_range
from fiscus.errors import RouteUnavailable
from fiscus.optimise.layout import Form
from fiscus.optimise.pieces import Points, stock_reach

NEGLIGIBLE = 1e-13
"""Share of the largest spread below which a direction in which values spread is rounding."""

MEAN = "mean"
"""Kind of the row that holds the mean value where risk is what is minimised."""


@dataclass(frozen=True, eq=False)
class Priced:
    """What a measure of the loss adds to a form.

    Attributes:
        columns: Blocks of its own.
        rows: What defines them.
        cost: Block to prices that sum to the measure, before the aversion.
        curvature: Block to q >= 0: the measure also has ``sum q z^2 / 2``.
    """

    columns: tuple[Columns, ...] = ()
    rows: tuple[Rows, ...] = ()
    cost: Mapping[str, FloatArray] = field(default_factory=dict)
    curvature: Mapping[str, FloatArray] = field(default_factory=dict)


def priced(problem: Problem, measure: Measure) -> Priced:
    """A measure of the loss that is stated on the ``value`` columns.

    Args:
        problem: Its scenarios.
        measure: ``cvar``, ``worst`` or ``chance``.

    Raises:
        RouteUnavailable: For a chance where nothing bounds what can be gained or lost.
    """
    if measure.kind == "cvar":
        columns, definitions, row = cvar_terms(problem, "aversion", measure.level)
        return Priced(columns, definitions, {name: matrix.toarray().ravel() for name, matrix in row.items()})
    return _chance(problem, measure) if measure.kind == "chance" else _worst(problem)


def _worst(problem: Problem) -> Priced:
    likely = np.flatnonzero(problem.scenarios.probability > 0)
    low, high = value_range(problem)
    name = "aversion.worst"
    column = Columns(
        name, ("all",), (1,), lambda point: np.array([-point["value"][likely].min()]), -high[likely].min(), -low.min()
    )
    terms = {
        "value": sp.csr_array(sp.eye_array(problem.scenarios.size, format="csr")[likely]),
        name: sp.csr_array(np.ones((len(likely), 1))),
    }
    labels = [(name, f"scenario {scenario}") for scenario in likely]
    axes = ("rule", "scenario")
    rows = Rows(name, labels, terms, np.zeros(len(likely)), unbounded(len(likely)), silent, "value", index=axes)
    return Priced((column,), (rows,), {name: np.ones(1)})


def _chance(problem: Problem, measure: Measure) -> Priced:
    """The value at risk: a threshold that the loss may exceed in scenarios of probability ``1 - level`` at most."""
    probability, size = problem.scenarios.probability, problem.scenarios.size
    low, high = value_range(problem)
    if not (np.isfinite(low).all() and np.isfinite(high).all()):
        raise RouteUnavailable(
            f"risk {measure} needs a budget or caps that bound what can be gained and lost; set them, or use risk cvar:{measure.level}"
        )
    # No loss is smaller than -high, so neither is its quantile: the tightest lower end that the facts alone give.
    least, most = float(value_at_risk(-high, probability, measure.level)), float(-low.min())
    name, missed = "aversion.threshold", "aversion.missed"

    def threshold(point: Point) -> FloatArray:
        return np.atleast_1d(value_at_risk(-point["value"], probability, measure.level))

    def above(point: Point) -> FloatArray:
        reached = point[name][0]
        return np.asarray(-point["value"] > reached + 1e-9 * max(1.0, abs(reached)), dtype=np.float64)

    columns = (
        Columns(name, ("all",), (1,), threshold, least, most),
        Columns(missed, ("scenario",), (size,), above, 0.0, 1.0, integer=True),
    )
    eye = sp.eye_array(size, format="csr")
    excess = np.maximum(-low - least, 0.0)
    axes = ("rule", "scenario")
    define = Rows(
        name,
        [(name, f"scenario {scenario}") for scenario in range(size)],
        {"value": eye, name: sp.csr_array(np.ones((size, 1))), missed: sp.csr_array(sp.diags_array(excess))},
        np.zeros(size),
        unbounded(size),
        silent,
        "value",
        index=axes,
    )
    allowed = np.array([1.0 - measure.level + 1e-12])  # Sums of probabilities carry rounding dust.
    share = Rows(
        missed,
        [(missed, "all")],
        {missed: sp.csr_array(probability[None, :])},
        -unbounded(1),
        allowed,
        silent,
        "probability",
        index=("rule", "all"),
    )
    return Priced(columns, (define, share), {name: np.ones(1)})


def spread(
    problem: Problem, effect: Mapping[str, sp.csr_array], constant: FloatArray, *, exact: bool
) -> tuple[Priced, dict[str, sp.csr_array]]:
    """The variance of the value as squares of a few columns, each a sum of the benefits.

    What is spent is the same in every scenario, so only benefits spread: with ``G[s,c]`` the discounted weight of cell c in
    scenario s, the variance is ``|A e|^2``, where e are the cells' effects and ``A = sqrt(p) (G - mean G)``. A is replaced by the
    triangle of its QR decomposition where there are more scenarios than uncertain cells, which is smaller and gives the same squares.

    Where a smooth curve is over-estimated, the over-estimate's spread may exceed the true one; the model may then give up some of
    the effect, down to a concave curve's chord and to nothing of an S-shaped one, so that it still contains every true plan and its
    optimum is a bound.

    Args:
        problem: Its scenarios and curves.
        effect: Block to map giving each cell's effect, shape (T*n, block size).
        constant: Its constant part, shape (T*n,).
        exact: Whether the effect is the curves' own.

    Returns:
        What to add, and the map of the effect with what may be given up.
    """
    scenarios, size = problem.scenarios, problem.shape[0] * problem.shape[1]
    gain = (scenarios.theta * (problem.lines.weight * problem.benefit_discount[:, None])).reshape(-1, size)
    root = np.sqrt(scenarios.probability)[:, None] * (gain - scenarios.probability @ gain)
    uncertain = np.ptp(gain[scenarios.probability > 0], axis=0) > 0
    factors = _factors(root[np.ix_(scenarios.probability > 0, uncertain)])
    direction, place = np.nonzero(factors)
    where = (direction, np.flatnonzero(uncertain)[place])
    squares = sp.csr_array((factors[direction, place], where), shape=(len(factors), size))
    effect = dict(effect)
    columns, rows = [], []
    if not exact:
        given_up, keep = _given_up(problem, effect, constant, uncertain)
        columns += given_up
        rows += keep
        for block in given_up:
            cells = np.flatnonzero(_smooth(problem) & uncertain)
            shape = (size, len(cells))
            effect[block.name] = sp.csr_array((-np.ones(len(cells)), (cells, np.arange(len(cells)))), shape=shape)
    name, count = "aversion.spread", len(factors)
    reach = abs(squares) @ np.where(uncertain, _most_effect(problem), 0.0)

    def spreads(point: Point) -> FloatArray:
        return np.asarray(squares @ point.facts.lines.curves.value(point["stock"]).ravel())

    columns.append(Columns(name, ("direction",), (count,), spreads, -reach, reach))
    terms = {block: sp.csr_array(-(squares @ matrix)) for block, matrix in effect.items()}
    terms[name] = sp.eye_array(count, format="csr")
    side = np.asarray(squares @ constant)
    labels = [(name, str(direction)) for direction in range(count)]
    rows.append(Rows(name, labels, terms, side, side, silent, "value", index=("rule", "direction")))
    return Priced(tuple(columns), tuple(rows), curvature={name: np.full(count, 2.0)}), effect


def _factors(root: FloatArray) -> FloatArray:
    """The fewest rows whose squares sum to those of the given matrix times any vector."""
    if root.shape[0] > root.shape[1]:
        root = np.asarray(np.linalg.qr(root, mode="r"), dtype=np.float64)
    size = np.abs(root).max(axis=1, initial=0.0)
    return np.asarray(root[size > NEGLIGIBLE * size.max(initial=0.0)])


def _smooth(problem: Problem) -> BoolArray:
    return np.broadcast_to(~problem.lines.curves.polyhedral, problem.shape).ravel()


def _most_effect(problem: Problem) -> FloatArray:
    """Each cell's effect at all the stock it can have, and some room, shape (T*n,); inf where nothing bounds it."""
    with np.errstate(invalid="ignore", over="ignore"):
        most = problem.lines.curves.value(stock_reach(problem)).ravel()
    return np.where(np.isnan(most), np.inf, most * (1.0 + ROOM))


def _given_up(
    problem: Problem, effect: Mapping[str, sp.csr_array], constant: FloatArray, uncertain: BoolArray
) -> tuple[list[Columns], list[Rows]]:
    """Effect that over-estimated cells may give up: of a concave curve what is left lies on or above its longest chord."""
    cells = np.flatnonzero(_smooth(problem) & uncertain)
    if not len(cells):
        return [], []
    name = "aversion.given_up"
    concave = np.broadcast_to(problem.lines.curves.concave, problem.shape).ravel()[cells]
    stock = stock_reach(problem).ravel()[cells]
    most = problem.lines.curves.value(stock_reach(problem)).ravel()[cells]
    with np.errstate(invalid="ignore", divide="ignore"):
        slope = np.where(np.isfinite(stock) & (stock > 0) & concave, most / stock, 0.0) * (1.0 - 1e-9)
    terms = {block: sp.csr_array(matrix[cells]) for block, matrix in effect.items()}
    stocked = np.broadcast_to(problem.lines.retention > 0, problem.shape).ravel()[cells]
    size = problem.shape[0] * problem.shape[1]
    for block, where in (("spend", ~stocked), ("stock", stocked)):
        chosen = np.flatnonzero(where)
        line = sp.csr_array((-slope[chosen], (chosen, cells[chosen])), shape=(len(cells), size))
        terms[block] = sp.csr_array(terms[block] + line) if block in terms else line
    terms[name] = sp.csr_array(-sp.eye_array(len(cells), format="csr"))
    lines = problem.shape[1]
    labels = [(name, problem.periods[cell // lines], problem.lines.id[cell % lines]) for cell in cells.tolist()]
    column = Columns(
        name, ("cell",), (len(cells),), lambda _point: np.zeros(len(cells)), labels=[label[1:] for label in labels]
    )
    none = unbounded(len(cells))
    axes = ("rule", "period", "line")
    return [column], [Rows(name, labels, terms, -constant[cells], none, silent, "value", index=axes)]


class LeastRisk(NamedTuple):
    """Arrays that minimise risk, and where to ask for a least mean value.

    Attributes:
        model: Maximises minus the measure; nothing is to be added to its objective.
        row: Position of the row whose lower bound is the least mean value less ``constant``.
        constant: Part of the mean value that no column moves.
    """

    model: Form
    row: int
    constant: float

    def at_least(self, mean: float) -> Form:
        """The form with a least mean value, units of value."""
        row_lower = self.model.row_lower.copy()
        row_lower[self.row] = mean - self.constant
        return replace(self.model, row_lower=row_lower)


def least_risk_form(problem: Problem, measure: Measure, points: Points | None = None) -> LeastRisk:
    """Minimise a measure of the loss among plans whose mean value is at least so much.

    The worth to be maximised is minus the measure. One row is the mean value net of the penalties of soft rules; nothing bounds it
    yet.

    Args:
        problem: Its own aversion is not looked at.
        measure: Any.
        points: Where smooth curves are touched; a first grid when not given.

    Raises:
        InvalidRule: For a rule that cannot be stated.
        RouteUnavailable: As :func:`fiscus.optimise.form.form`.
    """
    from fiscus.optimise.form import form

    model = form(problem.but(risk=RiskAversion(measure, 1.0)), points, aim="safety")
    row = next(int(start) for rows, start in zip(model.rows, model.offsets[:-1], strict=True) if rows.kind == MEAN)
    return LeastRisk(replace(model, constant=0.0), row, model.constant)
