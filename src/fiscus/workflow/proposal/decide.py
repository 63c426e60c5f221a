"""Whether a command may be followed, and what then happens: the one door to everything that changes a proposal."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from fiscus.workflow.actor import Actor
from fiscus.workflow.ports import Entry
from fiscus.workflow.proposal import commands as do
from fiscus.workflow.proposal import drafting, reviewing, spending
from fiscus.workflow.proposal.context import Context
from fiscus.workflow.proposal.drafting import Outcome
from fiscus.workflow.proposal.state import Proposal
from fiscus.workflow.proposal.transitions import NEXT, allowed, in_words
from fiscus.workflow.refusal import Refusal

Handler = Callable[[Proposal, Any, Actor, Context], Outcome]


def decide(proposal: Proposal | None, command: do.Command, actor: Actor, context: Context) -> list[Entry] | Refusal:
    """What a command leads to.

    Args:
        proposal: As it stands; None before the first event.
        command: To follow.
        actor: Who asks.
        context: Everything else that matters.
    """
    name = type(command).__name__
    status = proposal.status if proposal is not None else ""
    refused = _known(actor, context)
    if refused:
        return refused
    if not allowed(status, name) or name == "Adjust":
        return _not_now(proposal, command, name)
    if proposal is None:
        if isinstance(command, do.Draft):
            return drafting.draft(command, actor, context)
        assert isinstance(command, do.Reallocate)
        return drafting.reallocate(command, actor, context)
    return HANDLERS[type(command)](proposal, command, actor, context)


def _known(actor: Actor, context: Context) -> Refusal | None:
    registry = context.registry
    if not registry.is_active(actor.person):
        return Refusal("identity.unknown", f"There is no active person {actor.person!r}.")
    if actor.behalf and actor.behalf not in registry.capacities(actor.person, context.at):
        return Refusal(
            "identity.no_delegation", f"{actor.behalf} has not delegated anything to {actor.person} that is in force."
        )
    return None


def _not_now(proposal: Proposal | None, command: do.Command, name: str) -> Refusal:
    if proposal is None:
        return Refusal("transition", f"There is no proposal {command.proposal!r}.")
    if isinstance(command, do.Draft | do.Reallocate):
        return Refusal("transition", f"There is a proposal {command.proposal!r} already; choose another name.")
    able = sorted(each for state, each in NEXT if state == proposal.status and each not in ("Adjust", "Supersede"))
    return Refusal(
        "transition",
        f"Proposal {proposal.id} is {in_words(proposal.status)}: {name} is not possible now. Possible: "
        f"{', '.join(able)}.",
    )


def comment(proposal: Proposal, command: do.Comment, actor: Actor, context: Context) -> Outcome:
    """Something said."""
    if not command.text.strip():
        return Refusal("reason.missing", "The comment is empty.")
    return [Entry("Commented", {"text": command.text})]


HANDLERS: Mapping[type[do.Command], Handler] = {
    do.Edit: drafting.edit,
    do.Submit: drafting.submit,
    do.Recall: drafting.recall,
    do.Supersede: drafting.supersede,
    do.Approve: reviewing.approve,
    do.BreakGlass: reviewing.break_glass,
    do.Reject: reviewing.reject,
    do.Return: reviewing.give_back,
    do.Escalate: reviewing.escalate,
    do.Hold: spending.hold,
    do.Resume: spending.resume,
    do.Release: spending.release,
    do.Commit: spending.commit,
    do.RecordActual: spending.record_actual,
    do.Reverse: spending.reverse,
    do.Reconcile: spending.reconcile,
    do.Close: spending.close,
    do.Expire: spending.expire,
    do.Comment: comment,
}
"""Who answers which command."""
