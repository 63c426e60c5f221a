"""The path of a proposal: the one rule that takes it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from fiscus.errors import InvalidInput, InvalidMatrix
from fiscus.workflow.authority.conditions import ELSEWHERE, LEAST_CHANGE, ORIGINS, Condition
from fiscus.workflow.authority.matrix import Matrix, Path, Rule
from fiscus.workflow.authority.wording import ANY, ORIGIN_WORDS, cells, listed, money, signed_percent, stage_words


@dataclass(frozen=True, slots=True)
class Facts:
    """What a proposal is routed by.

    Attributes:
        amount: Minor units, with what the same owner proposed for the same lines before.
        change: Relative to last year, as :func:`relative_change` gives it; None without a last year.
        unit: Lowest that is above all it touches.
        risk: Band; does not matter where the matrix has none.
        origin: One of ``ORIGINS``.
    """

    amount: int
    change: float | None
    unit: str
    risk: str
    origin: str

    def to_json(self) -> dict[str, Any]:
        """As JSON."""
        return {name: getattr(self, name) for name in self.__slots__}

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Facts:
        """What ``to_json`` wrote."""
        change = document["change"]
        facts = {name: document[name] for name in cls.__slots__}
        # JSON writes 1.0 as 1: it is a float here all the same.
        return cls(**facts | {"change": None if change is None else float(change)})


def relative_change(total: int, prior: int | None) -> float | None:
    """Change against last year, as a fraction; None where last year had nothing.

    The difference is taken before the division: 110 after 100 is 0.1 and no hair more, so that it stands where a bound of ten
    per cent says.

    Args:
        total: Minor units proposed.
        prior: Minor units of last year; None or 0 for nothing.
    """
    return (total - prior) / prior if prior else None


def takes(condition: Condition, facts: Facts, place: str) -> bool:
    """Whether a condition holds.

    Args:
        condition: Of a rule.
        facts: Of a proposal.
        place: The named unit that it counts to, or ``ELSEWHERE``.
    """
    if facts.change is None:
        in_change = condition.new
    else:
        in_change = condition.change is not None and condition.change.holds(facts.change)
    return (
        in_change
        and condition.amount.holds(facts.amount)
        and (not condition.units or place in condition.units)
        and (not condition.risks or facts.risk in condition.risks)
        and (not condition.origins or facts.origin in condition.origins)
    )


def place_of(matrix: Matrix, unit: str, parents: Mapping[str, str]) -> str:
    """The nearest unit at or above one that the matrix names; ``ELSEWHERE`` where there is none.

    Args:
        matrix: Names units.
        unit: Where to start.
        parents: Parent by unit, empty for a root.
    """
    return next((above for above in _upwards(unit, parents) if above in matrix.units), ELSEWHERE)


def route(matrix: Matrix, facts: Facts, parents: Mapping[str, str]) -> Path:
    """What a proposal must pass.

    Args:
        matrix: Checked for gaps and overlaps.
        facts: Of the proposal.
        parents: Parent by unit, empty for a root.

    Raises:
        InvalidInput: For facts that no proposal has, or that the matrix has no name for.
        InvalidMatrix: Where not exactly one rule takes it, which a checked matrix rules out.
    """
    return _rule_of(matrix, facts, parents).path(facts.unit)


def explain(matrix: Matrix, facts: Facts, parents: Mapping[str, str]) -> str:
    """Why a proposal takes its path, in one sentence.

    Args:
        matrix: Checked for gaps and overlaps.
        facts: Of the proposal.
        parents: Parent by unit, empty for a root.

    Raises:
        InvalidInput: As ``route``.
        InvalidMatrix: As ``route``.
    """
    rule = _rule_of(matrix, facts, parents)
    because = [
        f"{what} ({is_}) is {wanted}"
        for (what, is_), wanted in zip(_told(matrix, facts, parents), cells(rule.when, matrix.currency), strict=True)
        if wanted != ANY
    ]
    reason = f"takes it, because {listed(because)}" if because else "takes every proposal"
    steps = ", then ".join(" together with ".join(stage_words(stage, matrix) for stage in step) for step in rule.steps)
    release, reconcile = matrix.roles[rule.release], matrix.roles[rule.reconcile]
    return f"Rule {rule.id} {reason}, so it goes to {steps}; {release} releases and {reconcile} reconciles."


def _told(matrix: Matrix, facts: Facts, parents: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """What each cell of a condition is about, and how this proposal stands there."""
    together = f" with other proposals within {matrix.rolling_days} days" if matrix.rolling_days else ""
    yield f"the amount{together}", f"{matrix.currency} {money(facts.amount, matrix.currency)}"
    yield "the change on last year", "new" if facts.change is None else signed_percent(facts.change)
    place = place_of(matrix, facts.unit, parents)
    yield "the unit", facts.unit if facts.unit == place else f"{facts.unit or 'all'}, {place}"
    yield "the risk", facts.risk
    yield "the origin", ORIGIN_WORDS[facts.origin]


def _rule_of(matrix: Matrix, facts: Facts, parents: Mapping[str, str]) -> Rule:
    _check_facts(matrix, facts)
    place = place_of(matrix, facts.unit, parents)
    found = [rule for rule in matrix.rules if takes(rule.when, facts, place)]
    if len(found) != 1:
        names = listed([rule.id for rule in found]) or "no rule"
        raise InvalidMatrix([f"{matrix.name}: {names} would take this proposal, and exactly one must: {facts}."])
    return found[0]


def _check_facts(matrix: Matrix, facts: Facts) -> None:
    if facts.amount < 0:
        raise InvalidInput(f"an amount of {facts.amount} minor units is below nothing; no rule speaks of it")
    if facts.change is not None and not LEAST_CHANGE <= facts.change < float("inf"):  # Also rejects NaN.
        raise InvalidInput(f"a change of {facts.change} is none: it is at least {LEAST_CHANGE:g} and finite")
    if matrix.risk_bands and facts.risk not in matrix.risk_bands:
        raise InvalidInput(f"risk {facts.risk!r} is none of {', '.join(matrix.risk_bands)} of matrix {matrix.name}")
    if facts.origin not in ORIGINS:
        raise InvalidInput(f"origin {facts.origin!r} is none of {', '.join(ORIGINS)}")


def common_unit(units: Iterable[str], parents: Mapping[str, str]) -> str:
    """The lowest unit at or above all of some; empty where they have none in common.

    Args:
        units: At least one.
        parents: Parent by unit, empty for a root.

    Raises:
        InvalidInput: Without units.
    """
    chains = [list(_upwards(unit, parents)) for unit in units]
    if not chains:
        raise InvalidInput("there are no units to find the lowest common one of")
    others = [set(chain) for chain in chains[1:]]
    return next((unit for unit in chains[0] if all(unit in other for other in others)), "")


def _upwards(unit: str, parents: Mapping[str, str]) -> Iterator[str]:
    """A unit and all above it, each once."""
    seen: set[str] = set()
    while unit and unit not in seen:
        yield unit
        seen.add(unit)
        unit = parents.get(unit, "")
