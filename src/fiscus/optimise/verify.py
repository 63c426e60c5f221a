"""A run checked again from its files alone: no solver is loaded, nothing the solver said is believed."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from fiscus.core.arrays import FloatArray, IntArray
from fiscus.core.document import from_document
from fiscus.core.exact import exact_check
from fiscus.core.money import percent
from fiscus.core.objective import objective
from fiscus.core.problem import Problem
from fiscus.core.rounding import LARGEST
from fiscus.errors import BrokenRun, FiscusError, InvalidMoney
from fiscus.optimise.certificate import Certificate
from fiscus.optimise.checks import SAME, Check, figure, is_number, mapping, same
from fiscus.optimise.result import PROVED_GAP, relative_gap
from fiscus.optimise.run_folder import SavedRun, read
from fiscus.optimise.stated import Saved, figures, names, without_plan
from fiscus.optimise.stated_rows import binding


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

    def and_(self, *checks: Check) -> Verification:
        """With more checks."""
        return replace(self, checks=(*self.checks, *checks))

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
    """Check a run folder again: every figure of ``result.json`` that a reader relies on is recomputed and compared.

    The fields in :data:`fiscus.optimise.stated.NO_CLAIM` carry no claim that the folder could confirm, and may say anything:
    ``versions``, ``seed``, ``timings`` and ``rounds`` say how the plan was found, ``tolerance`` what gap was asked for, and
    ``reasons`` is words for people. Reported and not proved are, and each check says which: ``bound`` beyond what the
    certificate proves (it must be no less than the value); that there is no plan, where a run holds none; prices with
    yes-or-no choices fixed, of divided proofs and under a method's own limits; ``binding_rows`` beyond those that are listed.
    ``method`` is checked as far as it asks something of the plan, ``route`` only against the proof's ``reported_by``.
    ``report.html`` is compared by its digest. In ``certificate.json`` prices and amounts may be any that prove what is stated.

    Raises:
        BrokenRun: For files that are missing or cannot be read; the message names the file.
    """
    saved = read(run)
    problem, digest = _problem(saved)
    boxes, certificate, unrounded = _certificate(saved, problem)
    checks = [digest, *names(saved.document, problem), _report(saved), _certified(certificate, boxes)]
    nothing = Verification(tuple(checks), math.nan, math.inf, math.nan)
    if not saved.amounts:
        if saved.document.get("allocated"):
            sentence = "allocation.csv is empty, but result.json says what was allocated."
            return nothing.and_(Check("allocation", "failed", sentence))
        sentence = f"The run holds no allocation ({saved.document.get('status')})."
        absent = without_plan(saved.document, problem, boxes.bound)
        return nothing.and_(Check("allocation", "reported", sentence), *absent)
    minor, complete = _amounts(saved, problem)
    if minor is None or unrounded is None:
        lost = Check("plan before rounding", "failed", "certificate.json holds no plan, but allocation.csv does.")
        return nothing.and_(complete, *([lost] if unrounded is None else []))
    exact = exact_check(problem, minor)
    value = objective(problem, problem.currency.to_major_array(minor))
    read_back = Saved(saved.document, problem, minor, unrounded, exact.holds, value, boxes.boxes, boxes.bound)
    checks += [complete, Check("rules", "proved" if exact.holds else "failed", exact.sentence)]
    checks += [
        _value(saved.document, value),
        *_bound(saved, boxes.bound, value),
        *figures(read_back),
        *binding(read_back),
    ]
    return Verification(tuple(checks), value, boxes.bound, relative_gap(value, boxes.bound))


def stored_problem(run: str | Path) -> Problem:
    """The problem that a run folder answers, as stored with it.

    Raises:
        BrokenRun: Where it is missing or cannot be read.
    """
    return _stored(Path(run) / "problem.json")[0]


def _stored(path: Path) -> tuple[Problem, str]:
    try:
        text = path.read_text(encoding="utf-8")
        return from_document(json.loads(text)), text
    except (OSError, ValueError, RecursionError, FiscusError) as error:
        raise BrokenRun(f"{path} cannot be read ({error}); runs written by fiscus solve --out hold it") from error


def _problem(saved: SavedRun) -> tuple[Problem, Check]:
    problem, text = _stored(saved.path / "problem.json")
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


def _value(document: Mapping[str, Any], value: float) -> Check:
    recorded = document.get("exact_value")
    if same(recorded, value):
        return Check("value", "proved", f"The amounts are worth {value:,.2f} on the true curves, as recorded.")
    return Check("value", "failed", f"The amounts are worth {value:,.2f}, but result.json says {recorded}.")


def _bound(saved: SavedRun, bound: float, value: float) -> list[Check]:
    """The bound that the saved prices prove, and what the solver reported besides."""
    proof = mapping(saved.document.get("proof"))
    return [_proved(bound, proof.get("proved_bound"), value), *_reported(saved, proof, bound, value)]


def _proved(bound: float, recorded: object, value: float) -> Check:
    slack = SAME * max(1.0, abs(bound))
    if math.isinf(bound) and recorded is None:
        return Check("bound", "reported", "The saved prices prove no bound; the solver's word is all there is.")
    if not is_number(recorded) or not abs(float(recorded) - bound) <= slack:
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
    if not is_number(reported):
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


def _report(saved: SavedRun) -> Check:
    """Whether the page for people is the one that the run wrote, with the figures that are checked here."""
    path = saved.path / "report.html"
    named = mapping(saved.document.get("files")).get("report.html")
    if not path.is_file():
        return Check("report", "reported", "There is no report.html beside the run.")
    try:
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise BrokenRun(f"{path} cannot be read ({error})") from error
    if named == digest:
        return Check("report", "proved", "report.html is the page that the result names.")
    sentence = f"report.html is not the page that result.json names: {digest[:12]} instead of {figure(named)[:12]}."
    return Check("report", "failed", sentence)


def _certified(certificate: Mapping[str, Any], boxes: Certificate) -> Check:
    stated = certificate.get("proved_bound")
    if same(stated, boxes.bound):
        return Check("certificate", "proved", "The saved prices prove the bound that stands beside them.")
    wanted = boxes.bound if math.isfinite(boxes.bound) else "none"
    sentence = f"certificate.json says its prices prove {figure(stated)}; recomputed, they prove {figure(wanted)}."
    return Check("certificate", "failed", sentence)


def _certificate(saved: SavedRun, problem: Problem) -> tuple[Certificate, Mapping[str, Any], FloatArray | None]:
    """The certificate with its bound proved anew, as it is written, and the plan before rounding beside it."""
    path = saved.path / "certificate.json"
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        boxes = Certificate.from_dict(document, problem)
        plan = document["unrounded"]
        unrounded = None if plan is None else problem.checked(np.array(plan, dtype=np.float64))
        if unrounded is not None and unrounded.shape != problem.shape:
            raise ValueError("unrounded: it does not hold one amount for each line in each period")
        return boxes, document, unrounded
    except (OSError, ValueError, KeyError, TypeError, RecursionError, OverflowError, FiscusError) as error:
        raise BrokenRun(f"{path} cannot be read ({error}); runs written by fiscus solve --out hold it") from error
