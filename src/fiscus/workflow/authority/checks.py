"""Everything that keeps a matrix from saying for every proposal who decides."""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence

from fiscus.workflow.authority.conditions import ELSEWHERE, LARGEST_MINOR, LEAST_CHANGE, ORIGINS, Condition
from fiscus.workflow.authority.coverage import gaps, overlaps
from fiscus.workflow.authority.matrix import CONTROLS, Matrix, Rule, Stage
from fiscus.workflow.authority.routing import Facts
from fiscus.workflow.authority.wording import ANY, ORIGIN_WORDS, cells, listed, money, signed_percent

MOST_NAMED = 20
"""Gaps, and overlaps, above which the rest is only counted."""


def faults(matrix: Matrix, clear: bool = True) -> tuple[str, ...]:
    """Everything that is wrong with a matrix, a sentence each; empty for a good one.

    Args:
        matrix: To be looked at.
        clear: Whether its conditions say what they were meant to; else gaps and overlaps are not looked for.
    """
    unclear = [*_top_faults(matrix), *_condition_faults(matrix)]
    rest = [*_rule_faults(matrix), *_escalation_faults(matrix), *_duty_faults(matrix)]
    # Where conditions name what is not there, every gap and overlap found would be beside the point.
    return (*unclear, *rest, *(coverage_faults(matrix) if clear and not unclear else ()))


def unknown(name: str, what: str, known: Iterable[str]) -> str:
    """A sentence about a name that is none of those known, with the nearest."""
    names = list(known)
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.6)
    hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(names) or 'none'}."
    return f"{what} {name!r} is unknown; {hint}"


def _twice(names: Iterable[str]) -> list[str]:
    return [name for name, times in Counter(names).items() if name and times > 1]


def _top_faults(matrix: Matrix) -> Iterator[str]:
    for what, names in (("risk band", matrix.risk_bands), ("unit", matrix.units)):
        yield from (f"{what} {name!r} stands twice; keep one." for name in _twice(names))
    reserved = [name for name in matrix.units if name in (ELSEWHERE, "*")]
    yield from (f"unit {name!r}: this word stands for other units; name the unit otherwise." for name in reserved)
    if matrix.rolling_days < 0:
        yield f"rolling_days is {matrix.rolling_days}; it cannot be below 0."
    if matrix.control not in CONTROLS:
        yield f"budget: {unknown(matrix.control, 'control', CONTROLS)}"


def _condition_faults(matrix: Matrix) -> Iterator[str]:
    units, risks = (*matrix.units, ELSEWHERE), matrix.risk_bands
    for rule in matrix.rules:
        for what, names, known in (
            ("unit", rule.when.units, units),
            ("risk band", rule.when.risks, risks),
            ("origin", rule.when.origins, ORIGINS),
        ):
            yield from (f"rule {rule.id}: {unknown(name, what, known)}" for name in names if name and name not in known)
        yield from (f"rule {rule.id}: {fault}" for fault in _span_faults(rule.when))


def _span_faults(when: Condition) -> Iterator[str]:
    amount, change = when.amount, when.change
    if amount.start < 0:
        yield "amount begins below 0, and no proposal does; leave 'from' out."
    if max(amount.start, amount.below or 0) > LARGEST_MINOR:
        yield f"amount goes beyond {LARGEST_MINOR:,} minor units, which no file carries exactly; leave 'below' out."
    if amount.below is not None and amount.below <= amount.start:
        yield "amount takes nothing, because 'below' is not above 'from'."
    if change is not None:
        if change.start < LEAST_CHANGE:
            yield "change begins below -1, and nothing can shrink by more than all of it; leave 'from' out."
        if change.below is not None and not change.start < change.below:
            yield "change takes nothing, because 'below' is not above 'from'."
    elif not when.new:
        yield "it takes neither proposals with a last year nor without one."


def _rule_faults(matrix: Matrix) -> Iterator[str]:
    yield from (
        f"rule {name!r} stands twice; give every rule its own id." for name in _twice(r.id for r in matrix.rules)
    )
    for rule in matrix.rules:
        yield from (f"rule {rule.id}: {fault}" for fault in _path_faults(rule, matrix))


def _path_faults(rule: Rule, matrix: Matrix) -> Iterator[str]:
    if not rule.stages or not all(rule.steps):
        yield "its path has a step without stages, so nobody would decide; name at least one stage."
    for name in _twice(stage.name for stage in rule.stages):
        yield f"stage {name!r} stands twice in its path; give every stage its own name."
    for what, role in (("release", rule.release), ("reconcile", rule.reconcile)):
        if role and role not in matrix.roles:
            yield f"{what}: {unknown(role, 'role', matrix.roles)}"
    for stage in rule.stages:
        yield from (f"stage {stage.name}: {fault}" for fault in _stage_faults(stage, matrix.roles))


def _stage_faults(stage: Stage, roles: Mapping[str, str]) -> Iterator[str]:
    for role in filter(None, (stage.role, stage.escalate)):
        if role not in roles:
            yield unknown(role, "role", roles)
    if stage.need < 1:
        yield f"need is {stage.need}; at least 1 person must approve."
    if stage.need > stage.of:
        yield f"{stage.need} of {stage.of} can never approve; need is at most of."
    if stage.days < 0:
        yield f"days is {stage.days}; it cannot be below 0, and 0 is for as long as it takes."
    if stage.escalate and stage.days == 0:
        yield "it escalates, but has no days after which; give it days."


def _escalation_faults(matrix: Matrix) -> Iterator[str]:
    """Circles of roles that escalate to each other: a late stage would go round and reach nobody higher."""
    above: dict[str, set[str]] = {}
    for rule in matrix.rules:
        for stage in rule.stages:
            if stage.escalate:
                above.setdefault(stage.role, set()).add(stage.escalate)
    told: set[str] = set()
    for role in sorted(above):
        circle = _way_back(role, above)
        if circle and role not in told:
            told.update(circle)
            yield f"roles escalate in a circle: {' to '.join([*circle, role])}; the highest must escalate to nobody."


def _way_back(role: str, above: Mapping[str, set[str]]) -> list[str]:
    """The shortest way from a role up to itself, without its end; empty where there is none."""
    reached = {role: [role]}
    waiting = [role]
    for here in waiting:
        for higher in sorted(above.get(here, ())):
            if higher == role:
                return reached[here]
            if higher not in reached:
                reached[higher] = [*reached[here], higher]
                waiting.append(higher)
    return []


def _duty_faults(matrix: Matrix) -> Iterator[str]:
    duties = matrix.duties
    for what, pairs in (("exclusive", duties.exclusive), ("session", duties.session)):
        yield from (
            f"duties, {what}: {unknown(role, 'role', matrix.roles)}"
            for role in dict.fromkeys(role for pair in pairs for role in pair)
            if role and role not in matrix.roles
        )
        yield from (
            f"duties, {what}: {first} stands against itself, so that nobody could ever act in it; name two roles."
            for first, second in pairs
            if first == second
        )
        doubled = [pair for pair, times in Counter(pairs).items() if times > 1]
        yield from (f"duties, {what}: {first} and {second} stand there twice; keep one." for first, second in doubled)
    if duties.emergency and duties.emergency not in matrix.roles:
        yield f"duties, emergency: {unknown(duties.emergency, 'role', matrix.roles)}"


def coverage_faults(matrix: Matrix) -> Iterator[str]:
    """Gaps and overlaps, each with a proposal as an example; names in conditions must be known."""
    sentences = []
    for gap in gaps(matrix):
        region = [
            f"{what} {words}"
            for what, words in zip(_DIMENSIONS, cells(gap.region, matrix.currency), strict=True)
            if words != ANY
        ]
        where = f" where {listed(region)}" if region else ""
        sentences.append(f"there is a gap{where}: no rule takes {proposal_words(gap.example, matrix)}.")
    yield from _first(sentences, "gaps")
    yield from _first(
        [
            f"rules {each.first} and {each.second} overlap: both take {proposal_words(each.example, matrix)}."
            for each in overlaps(matrix)
        ],
        "overlaps",
    )


_DIMENSIONS = ("the amount is", "the change is", "the unit is", "the risk is", "the origin is")


def _first(sentences: Sequence[str], what: str) -> Iterator[str]:
    yield from sentences[:MOST_NAMED]
    if len(sentences) > MOST_NAMED:
        yield f"there are {len(sentences) - MOST_NAMED} more {what}; these come to light once the first are mended."


def proposal_words(facts: Facts, matrix: Matrix) -> str:
    """A proposal as an example."""
    change = "new" if facts.change is None else f"{signed_percent(facts.change)} on last year"
    unit = "a unit elsewhere" if facts.unit == ELSEWHERE else f"unit {facts.unit}"
    risk = f", risk {facts.risk}" if facts.risk else ""
    amount = f"{matrix.currency} {money(facts.amount, matrix.currency)}"
    return f"a proposal of {amount}, {change}, {unit}{risk}, origin {ORIGIN_WORDS[facts.origin]}"
