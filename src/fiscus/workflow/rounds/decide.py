"""Whether a round may be led on, and what then happens."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Any

from fiscus.core.money import as_given, written
from fiscus.core.money import currency as coin
from fiscus.errors import InvalidMoney
from fiscus.workflow.actor import Actor
from fiscus.workflow.canonical import timestamp, until
from fiscus.workflow.funds.books import BUDGET_ROLE
from fiscus.workflow.identity.registry import Registry
from fiscus.workflow.ports import Entry
from fiscus.workflow.refusal import Refusal, illegible
from fiscus.workflow.rounds import commands as do
from fiscus.workflow.rounds.state import NEXT, Round, asks_digest

Outcome = list[Entry] | Refusal
Handler = Callable[[Round, Any, Actor, datetime, Registry], Outcome]

LARGEST = 2**53 - 1
"""Minor units that JSON carries exactly."""


def decide(made: Round | None, command: do.Command, actor: Actor, at: datetime, registry: Registry) -> Outcome:
    """What a command leads to.

    Args:
        made: The round as it stands; None before the first event.
        command: To follow.
        actor: Who asks.
        at: Now.
        registry: People, units and delegations.
    """
    name = type(command).__name__
    if not registry.is_active(actor.person):
        return Refusal("identity.unknown", f"There is no active person {actor.person!r}.")
    if actor.behalf and actor.behalf not in registry.capacities(actor.person, at):
        return Refusal("identity.no_delegation", f"{actor.behalf} has not delegated anything to {actor.person}.")
    if ((made.status if made else ""), name) not in NEXT:
        return _not_now(made, command, name)
    if not isinstance(command, do.Answer) and not registry.may(actor.person, actor.behalf, BUDGET_ROLE, "", at):
        return Refusal(
            "round.not_entitled", f"{actor.person} does not hold the role {BUDGET_ROLE!r}, which leads rounds."
        )
    if made is None:
        assert isinstance(command, do.Plan)
        return _plan(command, actor, at, registry)
    return HANDLERS[type(command)](made, command, actor, at, registry)


def _not_now(made: Round | None, command: do.Command, name: str) -> Refusal:
    if made is None:
        return Refusal("transition", f"There is no round {command.round!r}.")
    able = ", ".join(sorted(each for state, each in NEXT if state == made.status)) or "nothing any more"
    return Refusal("transition", f"Round {made.id} is {made.status}: {name} is not possible now. Possible: {able}.")


def _plan(command: do.Plan, actor: Actor, at: datetime, registry: Registry) -> Outcome:
    fault = next(_faults(command, at, registry), "")
    if fault:
        return Refusal("round.plan", fault)
    data = {
        "round": command.round,
        "title": command.title,
        "currency": command.currency,
        "funds": {period: dict(funds) for period, funds in command.funds.items()},
        "units": list(command.units),
        "deadline": timestamp(command.deadline),
    }
    return [Entry("Planned", data)]


def _faults(command: do.Plan, at: datetime, registry: Registry) -> Iterator[str]:
    try:
        coin(command.currency)
    except InvalidMoney as error:
        yield f"{error}."
    if not command.title.strip():
        yield "The round has no title."
    if not command.funds or not command.units:
        yield "A round needs funds for at least one period, and at least one unit that is asked."
    for period, funds in command.funds.items():
        for fund, amount in funds.items():
            yield from filter(None, (illegible(period), illegible(fund)))
            if not _amount(amount):
                yield f"{fund} in {period}: {as_given(amount, command.currency)} is no whole amount of zero or more."
    for unit in command.units:
        if unit not in registry.parents:
            yield f"There is no unit {unit!r}."
        elif unit not in registry.owners:
            yield f"Nobody answers for {unit}: set its owner first."
    if command.deadline <= at:
        yield "The deadline is over already: give a later moment."


def _amount(amount: object) -> bool:
    return type(amount) is int and 0 <= amount <= LARGEST


def _open(made: Round, command: do.Open, actor: Actor, at: datetime, registry: Registry) -> Outcome:
    if timestamp(at) >= made.deadline:
        return Refusal("round.deadline", f"The deadline {until(made.deadline)} is over: extend it first.")
    return [Entry("Opened", {})]


def _answer(made: Round, command: do.Answer, actor: Actor, at: datetime, registry: Registry) -> Outcome:
    owner = registry.owners.get(command.unit, "")
    if command.unit not in made.units:
        return Refusal(
            "round.not_asked", f"{command.unit} is not asked in this round; asked are {', '.join(made.units)}."
        )
    if (actor.behalf or actor.person) != owner:
        return Refusal("round.not_owner", f"{owner or 'Nobody'} answers for {command.unit}, or whoever acts for them.")
    if timestamp(at) >= made.deadline:
        return Refusal(
            "round.deadline", f"The deadline {until(made.deadline)} is over: ask {made.manager} to extend it."
        )
    fault = next(_ask_faults(made, command), "")
    return Refusal("round.ask", fault) if fault else [
        Entry("Answered", {"unit": command.unit, "asks": [asdict(ask) for ask in command.asks]})
    ]  # fmt: skip


def _ask_faults(made: Round, command: do.Answer) -> Iterator[str]:
    seen, funds = set(), dict[str, str]()
    elsewhere = {ask.line: unit for unit, each in made.answers.items() if unit != command.unit for ask in each.asks}
    for number, ask in enumerate(command.asks, start=1):
        where = f"Ask {number} ({ask.line or 'no line'}, {ask.period})"
        if not ask.line.strip():
            yield f"{where}: the line has no id."
        if fault := illegible(ask.line):
            yield f"Ask {number}, line: {fault}"
        if ask.period not in made.funds or ask.fund not in made.funds[ask.period]:
            yield f"{where}: the round has no fund {ask.fund!r} in that period."
        if not _amount(ask.amount):
            yield f"{where}: {as_given(ask.amount, made.currency)} is no whole amount of zero or more."
        elif ask.amount and not ask.justification.strip():
            yield f"{where}: say what it is for."
        if (ask.line, ask.period, ask.fund) in seen:
            yield f"{where}: it stands here twice."
        if ask.line in elsewhere:
            yield f"{where}: {elsewhere[ask.line]} asks for that line."
        if ask.amount and funds.setdefault(ask.line, ask.fund) != ask.fund:
            yield (
                f"{where}: it is asked of {ask.fund!r} here and {funds[ask.line]!r} above, and a line is paid from one fund; ask "
                "for a line of its own."
            )
        seen.add((ask.line, ask.period, ask.fund))


def _set_target(made: Round, command: do.SetTarget, actor: Actor, at: datetime, registry: Registry) -> Outcome:
    if command.unit not in registry.parents or command.period not in made.funds or not _amount(command.amount):
        return Refusal(
            "round.target", f"There is no unit {command.unit!r}, no period {command.period!r}, or no such amount."
        )
    if not any(_in_line(registry, command.unit, unit) for unit in made.units):
        return Refusal(
            "round.target",
            f"{command.unit} is not asked in this round, and neither is a unit above or below it, so a target for it would hold "
            f"nobody to anything; asked are {', '.join(made.units)}.",
        )
    there = sum(made.funds[command.period].values())
    if command.amount > there:
        return Refusal(
            "round.target",
            f"{written(command.amount, made.currency)} is more than the {written(there, made.currency)} there is.",
        )
    targets = {**made.targets, (command.unit, command.period): command.amount}
    for unit in (command.unit, registry.parents[command.unit]):
        whole = targets.get((unit, command.period))
        below = sum(
            amount
            for (each, period), amount in targets.items()
            if period == command.period and registry.parents.get(each) == unit
        )
        if whole is not None and below > whole:
            return Refusal(
                "round.target",
                f"Units below {unit} would have targets of {written(below, made.currency)}, and {unit} {written(whole, made.currency)}.",
            )
    data = {"unit": command.unit, "period": command.period, "amount": command.amount}
    return [Entry("TargetSet", data)]


def _in_line(registry: Registry, one: str, other: str) -> bool:
    """Whether two units are the same, or one is above the other."""
    return one in registry.upwards(other) or other in registry.upwards(one)


def _extend(made: Round, command: do.Extend, actor: Actor, at: datetime, registry: Registry) -> Outcome:
    later = timestamp(command.deadline)
    if later <= max(made.deadline, timestamp(at)):
        return Refusal("round.deadline", f"It is {until(made.deadline)} already: give a later moment.")
    return [Entry("Extended", {"deadline": later})]


def _freeze(made: Round, command: do.Freeze, actor: Actor, at: datetime, registry: Registry) -> Outcome:
    early = timestamp(at) < made.deadline
    if made.missing and early and not command.reason.strip():
        names = ", ".join(f"{unit} ({registry.owners.get(unit, 'nobody')})" for unit in made.missing)
        return Refusal(
            "round.missing", f"Not answered yet: {names}. Wait until {until(made.deadline)}, or give a reason."
        )
    return [Entry("Frozen", {"reason": command.reason, "asks": asks_digest(made.asked), "missing": list(made.missing)})]


def _reopen(made: Round, command: do.Reopen, actor: Actor, at: datetime, registry: Registry) -> Outcome:
    if not command.reason.strip():
        return Refusal("reason.missing", "Say why: units relied on the asks being frozen.")
    return [Entry("Reopened", {"reason": command.reason})]


def _record_run(made: Round, command: do.RecordRun, actor: Actor, at: datetime, registry: Registry) -> Outcome:
    if command.asks != asks_digest(made.asked):
        return Refusal(
            "round.other_asks", "This plan was not made from the frozen asks: export the round and solve what it gives."
        )
    if spent := list(_overspent(made, command.allocated)):
        return Refusal("round.overspent", f"{' '.join(spent)} Export the round and solve what it gives.")
    allocated = {period: dict(funds) for period, funds in command.allocated.items()}
    return [Entry("RunRecorded", {"problem": command.problem, "asks": command.asks, "allocated": allocated})]


def _overspent(made: Round, allocated: Mapping[str, Mapping[str, int]]) -> Iterator[str]:
    """A sentence for each period and fund of which a plan gives more than there is; funds that are not of the round have nothing."""
    for period, funds in allocated.items():
        there = made.funds.get(period, {})
        given, whole = sum(funds.values()), sum(there.values())
        if given > whole:
            yield f"In {period} this plan gives {_more(made, given, whole)}."
        for fund, amount in funds.items():
            if amount > there.get(fund, 0) and {fund} != there.keys():  # A fund that is alone is the whole period.
                yield f"Of the fund {fund!r} in {period} it gives {_more(made, amount, there.get(fund, 0))}."


def _more(made: Round, given: int, there: int) -> str:
    return (
        f"{written(given, made.currency)}, which is {written(given - there, made.currency)} more than the "
        f"{written(there, made.currency)} there is"
    )


def _propose(made: Round, command: do.Propose, actor: Actor, at: datetime, registry: Registry) -> Outcome:
    if command.problem != made.problem:
        return Refusal(
            "round.other_run", f"Proposal {command.proposal} is not of the plan that was recorded for this round."
        )
    return [Entry("Proposed", {"proposal": command.proposal})]


def _close(made: Round, command: do.Close, actor: Actor, at: datetime, registry: Registry) -> Outcome:
    return [Entry("Closed", {})]


def _cancel(made: Round, command: do.Cancel, actor: Actor, at: datetime, registry: Registry) -> Outcome:
    if not command.reason.strip():
        return Refusal("reason.missing", "Say why: people worked for it.")
    return [Entry("Cancelled", {"reason": command.reason})]


HANDLERS: Mapping[type[do.Command], Handler] = {
    do.Open: _open,
    do.Answer: _answer,
    do.SetTarget: _set_target,
    do.Extend: _extend,
    do.Freeze: _freeze,
    do.Reopen: _reopen,
    do.RecordRun: _record_run,
    do.Propose: _propose,
    do.Close: _close,
    do.Cancel: _cancel,
}
"""Who answers which command."""
