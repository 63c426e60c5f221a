"""What the events of a round add up to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from fiscus.workflow.canonical import digest
from fiscus.workflow.ports import Index
from fiscus.workflow.rounds.commands import Ask

PLANNED, OPEN, FROZEN, SOLVED, PROPOSED, CLOSED, CANCELLED = (
    *("planned", "open", "frozen", "solved", "proposed"),
    *("closed", "cancelled"),
)

NEXT: Mapping[tuple[str, str], str] = {
    ("", "Plan"): PLANNED,
    (PLANNED, "Open"): OPEN,
    (OPEN, "Answer"): OPEN,
    **{(state, "SetTarget"): state for state in (PLANNED, OPEN)},
    **{(state, "Extend"): state for state in (PLANNED, OPEN)},
    (OPEN, "Freeze"): FROZEN,
    **{(state, "Reopen"): OPEN for state in (FROZEN, SOLVED)},
    **{(state, "RecordRun"): SOLVED for state in (FROZEN, SOLVED)},
    (SOLVED, "Propose"): PROPOSED,
    (PROPOSED, "Close"): CLOSED,
    **{(state, "Cancel"): CANCELLED for state in (PLANNED, OPEN, FROZEN, SOLVED, PROPOSED)},
}
"""``(state, command) -> state``: what is not here cannot happen."""


@dataclass(frozen=True, slots=True)
class Answered:
    """What a unit asks for.

    Attributes:
        by: Who answered.
        at: When.
        asks: All of them; none is an answer too.
    """

    by: str
    at: str
    asks: tuple[Ask, ...]


@dataclass(frozen=True, slots=True)
class Round:
    """One round.

    Attributes:
        id: Its name.
        status: One of the states.
        manager: Who planned it.
        title: For people.
        currency: ISO 4217 code.
        funds: Minor units there are, by period and fund.
        units: That are asked.
        deadline: Until when they may answer.
        answers: By unit.
        targets: Minor units by unit and period.
        problem: Digest of the problem whose plan answers the asks; empty before.
        proposal: Id of the proposal that came of it; empty before.
    """

    id: str
    status: str
    manager: str
    title: str
    currency: str
    funds: Mapping[str, Mapping[str, int]]
    units: tuple[str, ...]
    deadline: str
    answers: Mapping[str, Answered] = field(default_factory=dict)
    targets: Mapping[tuple[str, str], int] = field(default_factory=dict)
    problem: str = ""
    proposal: str = ""

    @property
    def stream(self) -> str:
        """Its name in the store."""
        return f"round/{self.id}"

    @property
    def missing(self) -> tuple[str, ...]:
        """Units that have not answered."""
        return tuple(unit for unit in self.units if unit not in self.answers)

    @property
    def asked(self) -> Mapping[tuple[str, str], int]:
        """Minor units by period and line, all funds together."""
        found: dict[tuple[str, str], int] = {}
        for answered in self.answers.values():
            for ask in answered.asks:
                found[ask.period, ask.line] = found.get((ask.period, ask.line), 0) + ask.amount
        return found

    def but(self, **changes: Any) -> Round:
        """A copy with changes."""
        return replace(self, **changes)


def asks_digest(asked: Mapping[tuple[str, str], int]) -> str:
    """What a plan must answer: every amount above nothing, minor units by period and line."""
    return digest([[*cell, amount] for cell, amount in sorted(asked.items()) if amount])


def index_of(made: Round) -> Index:
    """What a round is found by."""
    total = sum(amount for funds in made.funds.values() for amount in funds.values())
    due = made.deadline if made.status == OPEN else ""
    return Index("round", made.status, made.manager, "", made.id, total, due, (), made.title)


def to_json(made: Round) -> dict[str, Any]:
    """As a store keeps it."""
    plain = ("id", "status", "manager", "title", "currency", "deadline", "problem", "proposal")
    return {name: getattr(made, name) for name in plain} | {
        "funds": {period: dict(funds) for period, funds in made.funds.items()},
        "units": list(made.units),
        "answers": {
            unit: {"by": each.by, "at": each.at, "asks": [asdict(ask) for ask in each.asks]}
            for unit, each in made.answers.items()
        },
        "targets": [[*place, amount] for place, amount in made.targets.items()],
    }


def from_json(document: Mapping[str, Any]) -> Round:
    """What ``to_json`` wrote."""
    plain = ("id", "status", "manager", "title", "currency", "deadline", "problem", "proposal", "funds")
    return Round(
        **{name: document[name] for name in plain},
        units=tuple(document["units"]),
        answers={
            unit: Answered(each["by"], each["at"], tuple(Ask(**ask) for ask in each["asks"]))
            for unit, each in document["answers"].items()
        },
        targets={(unit, period): amount for unit, period, amount in document["targets"]},
    )
