"""Every figure that ``result.json`` states, recomputed from the problem, the amounts and the prices beside it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from fiscus.core.arrays import FloatArray, IntArray
from fiscus.core.feasibility import violations
from fiscus.core.methods import Plan, plan
from fiscus.core.money import percent
from fiscus.core.objective import objective
from fiscus.core.options import METHODS
from fiscus.core.problem import Problem
from fiscus.errors import FiscusError
from fiscus.optimise.certificate import Boxes
from fiscus.optimise.checks import Check, differs, figure, is_number, mapping, same, same_gap
from fiscus.optimise.result import PROVED_GAP, relative_gap
from fiscus.optimise.run_folder import CENTS_HOLD, REPORTED_BY
from fiscus.optimise.search import at_stake

DUALS_OF = ("", "problem", "problem with integers fixed")
"""What prices may be those of."""

NO_CLAIM = ("versions", "seed", "timings", "rounds", "reasons", "tolerance")
"""Fields of ``result.json`` that nothing in the folder can confirm: how the plan was found, what was asked, words for people."""

FIELDS = {
    *("plan", "status", "method", "route", "value", "bound", "gap", "exact_value", "currency", "periods", "allocated"),
    *("digests", "files", "binding", "binding_rows", "duals_of", "proof", *NO_CLAIM),
}
"""All fields that a run writes."""

MOST_MOVED = 101
"""Minor units by which rounding may move an amount: 100 tried at most by ``core.apportion``, and the rounding itself."""


@dataclass(frozen=True, eq=False)
class Saved:
    """A run whose amounts could be read.

    Attributes:
        document: ``result.json``.
        problem: What the run answers.
        minor: Exact amounts, minor units, shape (T, n).
        unrounded: The plan before rounding, major units, shape (T, n).
        exact: Whether every rule holds in exact amounts.
        exact_value: Objective of the exact amounts.
        boxes: Prices of rows.
        bound: What they prove.
    """

    document: Mapping[str, Any]
    problem: Problem
    minor: IntArray
    unrounded: FloatArray
    exact: bool
    exact_value: float
    boxes: Boxes
    bound: float

    @property
    def value(self) -> float:
        """Objective of the plan before rounding."""
        return objective(self.problem, self.unrounded)

    def asked(self) -> Plan | None:
        """What the stated method asks of the optimiser; None where there is no such method."""
        return _plan(self.problem, self.document.get("method"))


def _plan(problem: Problem, method: object) -> Plan | None:
    for known in METHODS:
        if known == method:
            try:
                return plan(problem, known)
            except FiscusError:
                return None
    return None


def names(document: Mapping[str, Any], problem: Problem) -> list[Check]:
    """Whatever else names the problem: one failed check for each field that names another, or one that all agree."""
    digests = mapping(document.get("digests"))
    expected = {
        "plan": (document.get("plan"), problem.name),
        "currency": (document.get("currency"), problem.currency.code),
        "periods": (document.get("periods"), list(problem.periods)),
        "digest of the rules": (digests.get("rules"), problem.rules_digest),
    }
    found = [
        Check(name, "failed", differs(name, stated, wanted))
        for name, (stated, wanted) in expected.items()
        if stated != wanted or type(stated) is not type(wanted)
    ]
    if document.get("route") not in REPORTED_BY:
        known = ", ".join(REPORTED_BY)
        found.append(
            Check("route", "failed", f"result.json says route {figure(document.get('route'))}: none of {known}.")
        )
    if document.get("method") not in METHODS:
        known = ", ".join(METHODS)
        found.append(
            Check("method", "failed", f"result.json says method {figure(document.get('method'))}: none of {known}.")
        )
    stray = sorted(str(name) for name in set(document) - FIELDS)
    if stray:
        found.append(Check("fields", "failed", f"result.json states {stray[0]!r}, which no run does."))
    return found or [Check("names", "proved", "Plan, currency, periods and rules are those of problem.json.")]


def figures(saved: Saved) -> list[Check]:
    """Allocated totals, the plan before rounding, value, gap, status, method and proof."""
    return [
        _allocated(saved),
        _unrounded(saved),
        _value(saved),
        _gap(saved),
        _status(saved),
        *_method(saved),
        _proof(saved),
    ]


def _allocated(saved: Saved) -> Check:
    currency, totals = saved.problem.currency, saved.minor.sum(axis=1).tolist()
    wanted = {
        period: str(currency.from_minor(total)) for period, total in zip(saved.problem.periods, totals, strict=True)
    }
    stated = mapping(saved.document.get("allocated"))
    for period in [*wanted, *(stray for stray in stated if stray not in wanted)]:
        if stated.get(period) != wanted.get(period):
            field = f"the amount allocated in {period}"
            return Check("allocated", "failed", differs(field, stated.get(period), wanted.get(period)))
    return Check("allocated", "proved", "The totals that result.json states are those of allocation.csv.")


def _unrounded(saved: Saved) -> Check:
    """The plan before rounding is a plan, and the one that was rounded."""
    broken = violations(saved.problem, saved.unrounded)
    if broken:
        return Check(
            "plan before rounding", "failed", f"The plan in certificate.json breaks a rule. {broken[0].sentence}"
        )
    moved = np.abs(saved.problem.currency.to_major_array(saved.minor) - saved.unrounded)
    allowed = MOST_MOVED * saved.problem.minor_unit + 1e-9 * saved.unrounded
    if (moved > allowed).any():
        period, line = np.unravel_index(int(np.argmax(moved - allowed)), moved.shape)
        name, when = saved.problem.lines.id[line], saved.problem.periods[period]
        sentence = (
            f"allocation.csv and the plan in certificate.json differ by {moved[period, line]:,.2f} at {name} in {when}, "
            "more than rounding moves."
        )
        return Check("plan before rounding", "failed", sentence)
    return Check("plan before rounding", "proved", "The plan before rounding obeys every rule and is the one rounded.")


def _value(saved: Saved) -> Check:
    stated = saved.document.get("value")
    if same(stated, saved.value):
        return Check("stated value", "proved", f"Before rounding the plan is worth {saved.value:,.2f}, as stated.")
    return Check("stated value", "failed", differs("value", stated, saved.value))


def _limit(saved: Saved) -> float:
    """The bound that ``result.json`` states, inf for none; whose word that is, ``proof`` says."""
    stated = saved.document.get("bound")
    return float(stated) if is_number(stated) else math.inf


def _recomputed_gap(saved: Saved) -> float:
    return relative_gap(saved.value, _limit(saved), at_stake(saved.problem))


def _gap(saved: Saved) -> Check:
    stated, gap = saved.document.get("gap"), _recomputed_gap(saved)
    if same_gap(stated, gap):
        within = percent(gap) if math.isfinite(gap) else "no known distance"
        return Check("gap", "proved", f"Value and stated bound are within {within}, as stated.")
    return Check("gap", "failed", differs("gap", stated, gap))


def _status(saved: Saved) -> Check:
    """``optimal`` follows from the gap and the tolerance; it is proved where the proved bound says so too."""
    stated, tolerance = saved.document.get("status"), saved.document.get("tolerance")
    if not is_number(tolerance) or not 0 <= tolerance < 1:
        return Check("status", "failed", f"result.json says a tolerance of {figure(tolerance)}, which is no gap.")
    gap = _recomputed_gap(saved)
    wanted = "optimal" if gap <= tolerance else "feasible"
    if stated != wanted:
        sentence = differs("status", stated, wanted)
        return Check("status", "failed", f"{sentence} The gap is {percent(gap)}, the tolerance {percent(tolerance)}.")
    if wanted == "feasible":
        return Check(
            "status", "proved", f"The plan is feasible; its gap is not within the {percent(tolerance)} asked for."
        )
    proved = _proof_status(saved) == "proved"
    how = "and that is proved." if proved else "by the solver's bound."
    sentence = f"The gap is within the {percent(tolerance)} asked for, so the plan is called optimal, {how}"
    return Check("status", "proved" if proved else "reported", sentence)


def _method(saved: Saved) -> list[Check]:
    """The plan obeys the rules that its method adds, and a plan that ignores last year says so."""
    method, asked = saved.document.get("method"), saved.asked()
    if asked is None:
        return []  # Named already.
    broken = violations(asked.problem, saved.unrounded)
    if broken:
        return [Check("method", "failed", f"The plan is none made {method}. {broken[0].sentence}")]
    if method == "zero_based" and not saved.problem.ignore_prior:
        return [Check("method", "failed", "result.json says zero_based; recomputed, the plan counts from last year.")]
    return [Check("method", "proved", f"The plan obeys what the method {method} asks besides the rules.")]


def _proof_status(saved: Saved) -> str:
    tolerance = saved.document.get("tolerance")
    allowed = max(float(tolerance) if is_number(tolerance) else 0.0, PROVED_GAP)
    if relative_gap(saved.exact_value, saved.bound) <= allowed:
        return "proved"
    return "reported" if saved.document.get("status") == "optimal" else "open"


def _proof(saved: Saved) -> Check:
    """What ``proof`` repeats of the figures; the proved bound itself has a check of its own."""
    proof = mapping(saved.document.get("proof"))
    gap = relative_gap(saved.exact_value, saved.bound)
    if not same_gap(proof.get("proved_gap"), gap):
        return Check("proof", "failed", differs("the proved gap", proof.get("proved_gap"), gap))
    expected = {
        "reported_bound": saved.document.get("bound"),
        "reported_by": REPORTED_BY.get(str(saved.document.get("route"))),
        "status": _proof_status(saved),
    }
    for field, wanted in expected.items():
        if proof.get(field) != wanted:
            return Check("proof", "failed", differs(f"the proof's {field}", proof.get(field), wanted))
    if (proof.get("cents") == CENTS_HOLD) != saved.exact:
        wanted = CENTS_HOLD if saved.exact else "that not every rule does"
        return Check("proof", "failed", differs("the proof's word on exact amounts", proof.get("cents"), wanted))
    return Check("proof", "proved", f"What is called proved, reported or open is so ({_proof_status(saved)}).")


def without_plan(document: Mapping[str, Any], problem: Problem, bound: float) -> list[Check]:
    """A run that holds no allocation states no figure of one, and calls nothing impossible that is not.

    Args:
        document: ``result.json``.
        problem: What the run answers.
        bound: What the saved prices prove.
    """
    for field in ("value", "gap", "exact_value", "allocated"):
        if document.get(field) is not None:
            return [Check(field, "failed", differs(field, document.get(field), None))]
    if document.get("binding") != [] or document.get("binding_rows") != 0 or document.get("duals_of") not in DUALS_OF:
        return [Check("binding", "failed", "result.json says what binds, but the run holds no allocation.")]
    if document.get("proof") != {"status": "no allocation"}:
        return [Check("proof", "failed", "result.json has a proof, but the run holds no allocation.")]
    status = document.get("status")
    against = _refuted(status, document.get("method"), problem, bound)
    if against:
        return [Check("status", "failed", f"result.json says status is {figure(status)}. {against}")]
    stated = document.get("bound")
    if stated is not None and (status != "no_solution" or not is_number(stated)):
        return [Check("bound", "failed", f"result.json says bound is {figure(stated)} for a run that is {status}.")]
    return [Check("status", "reported", f"That the problem is {str(status).replace('_', ' ')} is the solver's word.")]


def _refuted(status: object, method: object, problem: Problem, bound: float) -> str:
    """Why a run without a plan cannot have this status; empty where it may."""
    if status not in ("infeasible", "unbounded", "no_solution"):
        return "But the run holds no allocation."
    if status == "unbounded" and math.isfinite(bound):
        return f"But the saved prices prove that no plan is worth more than {bound:,.2f}."
    last_year = np.clip(np.broadcast_to(problem.lines.prior, problem.shape), problem.lines.floor, problem.lines.cap)
    asked = _plan(problem, method)
    for name, spend in (("the floors alone", problem.lines.floor), ("last year's plan", last_year)):
        if status == "infeasible" and asked is not None and not violations(asked.problem, spend):
            return f"But {name} obey every rule."
    return ""
