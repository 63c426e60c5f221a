"""What waits for somebody besides a signature: proposals that came back to them, and asks of rounds that nobody sent yet."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from fiscus.workflow.identity.registry import Registry
from fiscus.workflow.ports import Filter, Reader
from fiscus.workflow.proposal.transitions import RETURNED
from fiscus.workflow.rounds.state import OPEN, from_json
from fiscus.workflow.service import reading

MOST = 50
"""Proposals, and rounds, that are looked at."""

PROPOSAL, ROUND = "proposal", "round"


@dataclass(frozen=True, slots=True)
class Task:
    """Something to change or to answer.

    Attributes:
        kind: ``proposal`` that came back, or ``round`` that asks.
        id: Of it.
        title: For people.
        unit: That is asked; empty for proposals.
        behalf: Whose it is, where that is somebody who delegated; empty for one's own.
        due: When an answer is due; empty for proposals.
    """

    kind: str
    id: str
    title: str
    unit: str
    behalf: str
    due: str


def tasks(reader: Reader, registry: Registry, person: str, at: datetime, text: str = "") -> tuple[Task, ...]:
    """Of a person and of those who delegated to them: what came back first, then asks by when they are due.

    Args:
        reader: Of the store.
        registry: Of people.
        person: Who looks.
        at: Now.
        text: Part of a title or id.
    """
    found: list[Task] = []
    for who in registry.capacities(person, at):
        behalf = "" if who == person else who
        for record in reader.find(Filter(kind="proposal", owner=who, status=(RETURNED,), text=text, limit=MOST)):
            proposal = reading.proposal_of(record)
            found.append(Task(PROPOSAL, proposal.id, proposal.title, "", behalf, ""))
    return (*found, *_asks(reader, registry, person, at, text))


def _asks(reader: Reader, registry: Registry, person: str, at: datetime, text: str) -> list[Task]:
    capacities = registry.capacities(person, at)
    units = {unit: owner for unit, owner in registry.owners.items() if owner in capacities}
    if not units:  # Rounds hold all their asks: nobody reads them for nothing.
        return []
    found = []
    for record in reader.find(Filter(kind="round", status=(OPEN,), text=text, limit=MOST)):
        made = from_json(record.state)
        for unit in made.missing:
            if unit in units:
                behalf = "" if units[unit] == person else units[unit]
                found.append(Task(ROUND, made.id, made.title, unit, behalf, made.deadline))
    return sorted(found, key=lambda each: (each.due, each.title, each.unit))
