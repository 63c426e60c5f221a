"""Where a round stands, in rows and sentences."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from fiscus.core.money import currency as coin
from fiscus.core.money import format_amount, written
from fiscus.workflow.canonical import timestamp, until
from fiscus.workflow.identity.registry import Registry
from fiscus.workflow.rounds.state import Round


@dataclass(frozen=True, slots=True)
class UnitRow:
    """What a unit asks for.

    Attributes:
        unit: Its id.
        owner: Who answers for it.
        answered: When it answered; empty where it did not.
        asked: Minor units, all periods and funds.
        target: Minor units from above; None for none.
        lines: How many it asks for.
    """

    unit: str
    owner: str
    answered: str
    asked: int
    target: int | None
    lines: int


def rows(made: Round, registry: Registry) -> tuple[UnitRow, ...]:
    """One row a unit that is asked."""
    found = []
    for unit in made.units:
        answered = made.answers.get(unit)
        asks = answered.asks if answered else ()
        targets = [amount for (each, _), amount in made.targets.items() if each == unit]
        found.append(
            UnitRow(
                unit,
                registry.owners.get(unit, ""),
                answered.at if answered else "",
                sum(ask.amount for ask in asks),
                sum(targets) if targets else None,
                len(asks),
            )
        )
    return tuple(found)


def sentences(made: Round, registry: Registry, at: datetime) -> list[str]:
    """What there is to say about a round."""
    unit = coin(made.currency)
    there = sum(amount for funds in made.funds.values() for amount in funds.values())
    asked = sum(made.asked.values())
    told = [f"{made.title} is {made.status}: {len(made.answers)} of {len(made.units)} units answered."]
    if made.missing:
        late = timestamp(at) >= made.deadline
        names = ", ".join(f"{name} ({registry.owners.get(name, 'nobody')})" for name in made.missing)
        told.append(f"{'Overdue' if late else 'Still to answer'} (until {until(made.deadline)}): {names}.")
    times = f", {asked / there:.2f} times as much" if asked and there else ""
    told.append(
        f"{made.currency} {format_amount(asked, unit)} is asked for, and {format_amount(there, unit)} is there{times}."
    )
    for row in rows(made, registry):
        if row.target is not None and row.asked > row.target:
            more = format_amount(row.asked - row.target, unit)
            told.append(f"{row.unit} asks for {made.currency} {more} more than its target.")
    # The rows are of the units that are asked; a target above or below them would be seen nowhere else.
    others = [
        f"{name} in {period} {written(amount, made.currency)}"
        for (name, period), amount in sorted(made.targets.items())
        if name not in made.units
    ]
    if others:
        told.append(f"Targets of units that are not asked themselves: {', '.join(others)}.")
    return told
