"""A run checked again from its files alone: no solver is loaded, nothing the solver said is believed."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, TypeGuard

import numpy as np

from fiscus.core.arrays import IntArray
from fiscus.core.document import from_document
from fiscus.core.exact import exact_check
from fiscus.core.money import percent
from fiscus.core.objective import objective
from fiscus.core.problem import Problem
from fiscus.core.rounding import LARGEST
from fiscus.errors import BrokenRun, FiscusError, InvalidMoney
from fiscus.optimise.certificate import Certificate
from fiscus.optimise.result import PROVED_GAP, relative_gap
from fiscus.optimise.run_folder import SavedRun, read

Standing = Literal["proved", "reported", "failed"]

SAME = 1e-9
"""Relative difference within which a recomputed figure counts as the recorded one: sums may run in another order elsewhere."""


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at.

    Attributes:
        name: Short name.
        standing: ``proved`` here, ``reported`` by the solver and not checked, or ``failed``.
        sentence: For people.
    """

    name: str
    standing: Standing
    sentence: str


@dataclass(frozen=True, slots=True)
class Verification:
    """What a run stands on.

    Attributes:
        checks: In the order they were made.
        value: Objective of the exact amounts, recomputed; NaN without an allocation.
        bound: Bound proved here; inf where nothing is.
        gap: Relative gap between the two.
    """

    checks: tuple[Check, ...]
    value: float
    bound: float
    gap: float

    @property
    def holds(self) -> bool:
        """Nothing failed."""
        return all(check.standing != "failed" for check in self.checks)

    def as_dict(self) -> dict[str, Any]:
        """Plain data for ``--json``; numbers that do not exist are null."""
        figures = {"value": self.value, "proved_bound": self.bound, "proved_gap": self.gap}
        return {
            "holds": self.holds,
            **{name: number if math.isfinite(number) else None for name, number in figures.items()},
            "checks": [asdict(check) for check in self.checks],
        }


def verify(run: str | Path) -> Verification:
    """Check a run folder again.

    Raises:
        BrokenRun: For files that are missing or cannot be read; the message names the file.
    """
    saved = read(run)
    problem, digest = _problem(saved)
    checks = [digest]
    if not saved.amounts and saved.document.get("allocated"):
        checks.append(
            Check("allocation", "failed", "allocation.csv is empty, but result.json says what was allocated.")
        )
        return Verification(tuple(checks), math.nan, math.inf, math.nan)
    if not saved.amounts:
        checks.append(Check("allocation", "reported", f"The run holds no allocation ({saved.document.get('status')})."))
        return Verification(tuple(checks), math.nan, math.inf, math.nan)
    minor, complete = _amounts(saved, problem)
    checks.append(complete)
    if minor is None:
        return Verification(tuple(checks), math.nan, math.inf, math.nan)
    checks.append(_rules(problem, minor))
    value = objective(problem, problem.currency.to_major_array(minor))
    checks.append(_value(saved.document, value))
    bound, proof = _bound(saved, problem, value)
    checks += proof
    return Verification(tuple(checks), value, bound, relative_gap(value, bound))


def _problem(saved: SavedRun) -> tuple[Problem, Check]:
    path = saved.path / "problem.json"
    try:
        text = path.read_text(encoding="utf-8")
        problem = from_document(json.loads(text))
    except (OSError, ValueError, RecursionError, FiscusError) as error:
        raise BrokenRun(f"{path} cannot be read ({error}); runs written by fiscus solve --out hold it") from error
    digest = hashlib.sha256(text.encode("utf-8")).hexdigest()
    named = saved.document.get("digests", {})
    if isinstance(named, Mapping) and named.get("problem") == digest == problem.digest:
        return problem, Check(
            "problem", "proved", f"problem.json is the problem that the result names ({digest[:12]})."
        )
    return problem, Check(
        "problem", "failed", "problem.json is not the problem that result.json names: one was changed."
    )


def _amounts(saved: SavedRun, problem: Problem) -> tuple[IntArray | None, Check]:
    """The amounts in minor units, if each line has exactly one in each period."""
    minor = np.zeros(problem.shape, np.int64)
    wanted = {(period, line) for period in problem.periods for line in problem.lines.id}
    if set(saved.amounts) != wanted:
        stray = sorted(wanted ^ set(saved.amounts))[0]
        what = "is missing from" if stray in wanted else "does not belong in"
        return None, Check("allocation", "failed", f"The amount of {stray[1]} in {stray[0]} {what} allocation.csv.")
    whole = 0
    for (period, line), amount in saved.amounts.items():
        place = problem.line_position[line]
        if saved.units.get(line) != problem.tree.ids[problem.lines.unit[place]]:
            return None, Check("allocation", "failed", f"Line {line} does not hang on unit {saved.units.get(line)}.")
        try:
            cell = problem.currency.to_minor(amount)
        except InvalidMoney as error:
            return None, Check("allocation", "failed", f"The amount of {line} in {period}: {error}.")
        whole += abs(cell)
        if whole >= LARGEST:
            return None, Check("allocation", "failed", f"The amount of {line} in {period} is too large to be one.")
        minor[problem.periods.index(period), place] = cell
    total = problem.currency.from_minor(int(minor.sum()))
    sentence = f"allocation.csv holds every line in every period, {problem.currency.code} {total:,} in all."
    return minor, Check("allocation", "proved", sentence)


def _rules(problem: Problem, minor: IntArray) -> Check:
    check = exact_check(problem, minor)
    return Check("rules", "proved" if check.holds else "failed", check.sentence)


def _value(document: Mapping[str, Any], value: float) -> Check:
    recorded = document.get("exact_value")
    if isinstance(recorded, int | float) and abs(recorded - value) <= SAME * max(1.0, abs(value)):
        return Check("value", "proved", f"The amounts are worth {value:,.2f} on the true curves, as recorded.")
    return Check("value", "failed", f"The amounts are worth {value:,.2f}, but result.json says {recorded}.")


def _bound(saved: SavedRun, problem: Problem, value: float) -> tuple[float, list[Check]]:
    """The bound that the saved prices prove, and what the solver reported besides."""
    bound = _certificate(saved, problem).bound
    proof = saved.document.get("proof")
    proof = proof if isinstance(proof, Mapping) else {}
    return bound, [_proved(bound, proof.get("proved_bound"), value), *_reported(saved, proof, bound, value)]


def _proved(bound: float, recorded: object, value: float) -> Check:
    slack = SAME * max(1.0, abs(bound))
    if math.isinf(bound) and recorded is None:
        return Check("bound", "reported", "The saved prices prove no bound; the solver's word is all there is.")
    if not _is_number(recorded) or not abs(float(recorded) - bound) <= slack:
        return Check("bound", "failed", f"The prices prove {at_least(bound)}, but result.json says {recorded}.")
    if value > bound + slack:
        return Check(
            "bound", "failed", f"The amounts are worth more than the proved bound {at_least(bound)}: one is wrong."
        )
    within = percent(relative_gap(value, bound))
    return Check(
        "bound", "proved", f"No allowed plan is worth more than {at_least(bound)}; this one is within {within} of that."
    )


def _reported(saved: SavedRun, proof: Mapping[str, Any], bound: float, value: float) -> list[Check]:
    reported = saved.document.get("bound")
    if reported is None:
        return []
    if not _is_number(reported):
        return [Check("solver's bound", "failed", f"result.json has {reported!r} for the solver's bound.")]
    limit = float(reported)
    # The solver speaks of amounts before rounding to minor units, which may cost or gain a little.
    slack = PROVED_GAP * max(1.0, abs(value))
    if limit < value - slack:
        return [
            Check(
                "solver's bound", "failed", f"The amounts are worth more than the solver's bound of {at_least(limit)}."
            )
        ]
    own = relative_gap(value, limit)
    if relative_gap(value, bound) <= max(PROVED_GAP, own):
        return []
    by = str(proof.get("reported_by", "the solver"))
    sentence = f"{by[:1].upper()}{by[1:]} reports a bound of {at_least(limit)}, within {percent(own)}. That is not checked here."
    return [Check("solver's bound", "reported", sentence)]


def at_least(bound: float) -> str:
    """A bound as people read it: two decimals, rounded up so that it stays one."""
    return f"{math.ceil(bound * 100.0) / 100.0:,.2f}" if math.isfinite(bound) else "no end"


def _is_number(value: object) -> TypeGuard[int | float]:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _certificate(saved: SavedRun, problem: Problem) -> Certificate:
    path = saved.path / "certificate.json"
    try:
        return Certificate.from_dict(json.loads(path.read_text(encoding="utf-8")), problem)
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise BrokenRun(f"{path} cannot be read ({error}); runs written by fiscus solve --out hold it") from error
