"""What an event makes of a round."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from fiscus.workflow.ports import Entry, Stamp
from fiscus.workflow.rounds import state as to
from fiscus.workflow.rounds.commands import Ask
from fiscus.workflow.rounds.state import Answered, Round

Data = Mapping[str, Any]


def evolve(made: Round | None, entry: Entry, stamp: Stamp) -> Round:
    """The round after one event; None stands before the first."""
    data = entry.data
    if made is None:
        return Round(
            data["round"],
            to.PLANNED,
            stamp.behalf or stamp.actor,
            data["title"],
            data["currency"],
            data["funds"],
            tuple(data["units"]),
            data["deadline"],
        )
    return HANDLERS[entry.kind](made, data, stamp)


def _answered(made: Round, data: Data, stamp: Stamp) -> Round:
    answered = Answered(stamp.actor, stamp.at, tuple(Ask(**ask) for ask in data["asks"]))
    return made.but(answers={**made.answers, data["unit"]: answered})


def _target_set(made: Round, data: Data, stamp: Stamp) -> Round:
    return made.but(targets={**made.targets, (data["unit"], data["period"]): data["amount"]})


HANDLERS: Mapping[str, Callable[[Round, Data, Stamp], Round]] = {
    "Opened": lambda made, data, stamp: made.but(status=to.OPEN),
    "Answered": _answered,
    "TargetSet": _target_set,
    "Extended": lambda made, data, stamp: made.but(deadline=data["deadline"]),
    "Frozen": lambda made, data, stamp: made.but(status=to.FROZEN),
    "Reopened": lambda made, data, stamp: made.but(status=to.OPEN, problem=""),
    "RunRecorded": lambda made, data, stamp: made.but(status=to.SOLVED, problem=data["problem"]),
    "Proposed": lambda made, data, stamp: made.but(status=to.PROPOSED, proposal=data["proposal"]),
    "Closed": lambda made, data, stamp: made.but(status=to.CLOSED),
    "Cancelled": lambda made, data, stamp: made.but(status=to.CANCELLED),
}
"""What each kind of event does, the first of a round aside."""
