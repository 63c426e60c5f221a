"""How past decisions would pass another matrix."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from fiscus.errors import InvalidInput
from fiscus.workflow.authority.matrix import Matrix, Path, Stage
from fiscus.workflow.authority.routing import Facts, route

APPROVED = ("approved", "part_released", "released", "closed")
"""Outcomes of proposals that were approved."""


@dataclass(frozen=True, slots=True)
class Given:
    """An approval that was given.

    Attributes:
        stage: Name of the stage under the old matrix.
        role: In which the person approved.
        person: Who.
    """

    stage: str
    role: str
    person: str


@dataclass(frozen=True, slots=True)
class Decision:
    """A past decision.

    Attributes:
        proposal: Its id.
        facts: That it was routed by.
        rule: Of the old matrix.
        outcome: Status that it came to, as ``approved`` or ``rejected``.
        approvals: That were given for the version decided on.
    """

    proposal: str
    facts: Facts
    rule: str
    outcome: str
    approvals: tuple[Given, ...] = ()


@dataclass(frozen=True, slots=True)
class Lack:
    """A stage of the new path without enough approvals.

    Attributes:
        stage: Its name.
        role: Whose holders would have to approve.
        need: People.
        given: People whose approvals count for it.
    """

    stage: str
    role: str
    need: int
    given: int


@dataclass(frozen=True, slots=True)
class Replayed:
    """A past decision under the new matrix.

    Attributes:
        decision: As it was.
        path: That it would need; None where the new matrix has no names for its facts.
        lacking: Stages without enough approvals, in order.
        trouble: Why there is no path; empty where there is one.
    """

    decision: Decision
    path: Path | None
    lacking: tuple[Lack, ...] = ()
    trouble: str = ""

    @property
    def enough(self) -> bool:
        """Whether the approvals given would have done."""
        return self.path is not None and not self.lacking

    @property
    def rule(self) -> str:
        """Of the new matrix; empty where there is no path."""
        return self.path.rule if self.path else ""


def replay(matrix: Matrix, decisions: Iterable[Decision], parents: Mapping[str, str]) -> tuple[Replayed, ...]:
    """Each past decision under a new matrix.

    Args:
        matrix: The new one.
        decisions: Past ones.
        parents: Parent by unit, empty for a root.
    """
    return tuple(_replayed(matrix, decision, parents) for decision in decisions)


def _replayed(matrix: Matrix, decision: Decision, parents: Mapping[str, str]) -> Replayed:
    try:
        path = route(matrix, decision.facts, parents)
    except InvalidInput as error:
        return Replayed(decision, None, trouble=str(error))
    return Replayed(decision, path, lacking(path, decision.approvals))


def lacking(path: Path, approvals: Sequence[Given]) -> tuple[Lack, ...]:
    """Stages of a path that approvals do not fill.

    A person counts once, for their first approval: for the stage of the same name if they held its role (or the one that it
    escalates to), else for another stage of the same role that is short of people.
    """
    stages = [stage for step in path.steps for stage in step]
    count = Counter[str]()
    left = []
    for given in {each.person: each for each in reversed(approvals)}.values():
        same = next((stage for stage in stages if stage.name == given.stage and _fits(stage, given)), None)
        if same is not None and count[same.name] < same.need:
            count[same.name] += 1
        else:
            left.append(given)
    for given in left:
        other = next((each for each in stages if each.role == given.role and count[each.name] < each.need), None)
        if other is not None:
            count[other.name] += 1
    short = [stage for stage in stages if count[stage.name] < stage.need]
    return tuple(Lack(stage.name, stage.role, stage.need, count[stage.name]) for stage in short)


def _fits(stage: Stage, given: Given) -> bool:
    return given.role == stage.role or (bool(stage.escalate) and given.role == stage.escalate)


SUMMARY = ("Old rule", "New rule", "Decisions", "Approved", "Of these still enough", "Of these short")
"""Columns of :func:`summary`."""


def summary(replayed: Sequence[Replayed]) -> tuple[tuple[str, ...], ...]:
    """A row for each old and new rule that meet, as ``SUMMARY`` names its columns, and a last one for all."""
    groups: dict[tuple[str, str], list[Replayed]] = {}
    for each in replayed:
        groups.setdefault((each.decision.rule, each.rule or "none"), []).append(each)
    rows = [(*names, *_counts(group)) for names, group in sorted(groups.items())]
    return (*rows, ("all", "", *_counts(replayed)))


def _counts(group: Sequence[Replayed]) -> tuple[str, ...]:
    approved = [each for each in group if each.decision.outcome in APPROVED]
    enough = sum(each.enough for each in approved)
    return tuple(str(number) for number in (len(group), len(approved), enough, len(approved) - enough))
