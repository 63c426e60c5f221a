"""Certificates of results: prices that the search left, or those of a linear relaxation solved for the purpose."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from fiscus.errors import InvalidRule, RouteUnavailable
from fiscus.optimise import highs
from fiscus.optimise.certificate import Boxes, Certificate, multipliers_of
from fiscus.optimise.form import form

if TYPE_CHECKING:
    from fiscus.optimise.result import Result

SECONDS = 60.0


def certificate(result: Result) -> Certificate:
    """Prices of rows and the bound they prove.

    With yes-or-no choices the bound is that of the linear relaxation, on the true curves; the solver's own bound may be closer,
    and is only reported.
    """
    problem = result.problem
    if result.boxes is not None:
        return Certificate.make(problem, result.boxes)
    try:
        model = form(problem, result.points)
    except (InvalidRule, RouteUnavailable):
        return Certificate(Boxes({}), np.inf)
    relaxed = replace(model, integer=np.zeros(len(model.cost), dtype=bool))
    outcome = highs.run(relaxed, time_limit=SECONDS, seed=result.seed)
    duals = outcome.row_dual
    return Certificate.make(problem, Boxes({} if duals is None else multipliers_of(model, duals)))
