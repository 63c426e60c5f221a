"""Review: who signs, who sends back, and what happens when the last signature is there."""

from __future__ import annotations

from datetime import timedelta

from fiscus.workflow.actor import Actor
from fiscus.workflow.authority.matrix import Stage
from fiscus.workflow.canonical import minute, moment, timestamp
from fiscus.workflow.duties.history import Act, barred, humans
from fiscus.workflow.duties.sessions import clash
from fiscus.workflow.duties.staffing import lost_by
from fiscus.workflow.ports import Entry
from fiscus.workflow.proposal import commands as do
from fiscus.workflow.proposal.context import Context
from fiscus.workflow.proposal.drafting import Outcome, fits_parent, no_money
from fiscus.workflow.proposal.money import adoption, with_transfers
from fiscus.workflow.proposal.slots import slots_of
from fiscus.workflow.proposal.state import Approval, Proposal
from fiscus.workflow.proposal.transitions import FINAL
from fiscus.workflow.refusal import Refusal


def approve(proposal: Proposal, command: do.Approve, actor: Actor, context: Context) -> Outcome:
    """One signature; with the last one the money is reserved."""
    refused = _stale(proposal, command.hash) or _parent_ended(proposal, context)
    if refused:
        return refused
    found = _stage_for(proposal, command.stage, actor, context)
    if isinstance(found, Refusal):
        return found
    stage, role = found
    act = f"stage:{stage.name}"
    refused = (
        _signed_before(proposal, stage, actor, context)
        or barred(context.history, actor, act, context.registry)
        or _session(role, context)
        or _signature(stage, command, context)
    )
    if refused:
        return refused
    signed = proposal.but(
        approvals=(*proposal.approvals, Approval(stage.name, actor.person, actor.behalf, timestamp(context.at)))
    )
    refused = _leaves_nobody(proposal, signed, stage, actor, context)
    if refused:
        return refused
    data = {
        "stage": stage.name,
        "hash": proposal.hash,
        "act": act,
        "role": role,
    }
    data |= {key: value for key, value in (("signature", command.signature), ("comment", command.comment)) if value}
    entries = [Entry("Approved", data)]
    if signed.open_stages:
        return entries
    if proposal.step + 1 < len(proposal.path):
        return [*entries, Entry("StepOpened", {"step": proposal.step + 1})]
    adopted = _adopted(proposal, context)
    return adopted if isinstance(adopted, Refusal) else [*entries, adopted]


def _stale(proposal: Proposal, hash_: str) -> Refusal | None:
    if hash_ == proposal.hash:
        return None
    return Refusal(
        "content.stale",
        f"Proposal {proposal.id} is not the version you saw ({hash_[:12] or 'none'}): it is {proposal.hash[:12]} now. "
        "Look at it again, and decide on that.",
    )


def _parent_ended(proposal: Proposal, context: Context) -> Refusal | None:
    """Whoever signs first is told that nothing can come of it, and not whoever signs last."""
    parent = context.parent if proposal.parent else None
    return no_money(parent) if parent is not None and parent.status in FINAL else None


def _stage_for(proposal: Proposal, wanted: str, actor: Actor, context: Context) -> tuple[Stage, str] | Refusal:
    """The open stage that an actor may sign, and in which role; the one they have not signed yet where there are several."""
    there = [stage for stage in proposal.open_stages if wanted in ("", stage.name)]
    if not there:
        known = ", ".join(stage.name for stage in proposal.open_stages)
        return Refusal("authority.no_stage", f"No stage {wanted!r} waits for a signature; what waits is {known}.")
    mine = [(stage, role) for stage in there if (role := _role(proposal, stage, actor, context))]
    if not mine:
        roles = ", ".join(sorted({role for stage in there for role in proposal.roles_of(stage)}))
        who = f"{actor.person} for {actor.behalf}" if actor.behalf else actor.person
        return Refusal(
            "authority.not_entitled", f"{who} may not sign now: that takes the role {roles} for {proposal.unit}."
        )
    if len(mine) == 1:
        return mine[0]
    return next((each for each in mine if not _signed_before(proposal, each[0], actor, context)), mine[0])


def _role(proposal: Proposal, stage: Stage, actor: Actor, context: Context) -> str:
    """The role in which an actor may sign a stage; empty for none."""
    may = context.registry.may
    roles = proposal.roles_of(stage)
    return next((role for role in roles if may(actor.person, actor.behalf, role, proposal.unit, context.at)), "")


def _signed_before(proposal: Proposal, stage: Stage, actor: Actor, context: Context) -> Refusal | None:
    """One human is one signature, in whatever name."""
    given = proposal.given(stage.name)
    signing = humans(actor.person, actor.behalf, context.registry) if given else frozenset()
    for approval in given:
        if signing & humans(approval.person, approval.behalf, context.registry):
            return Refusal(
                "duties.signed_already", f"{approval.person} signed stage {stage.name} already; once counts."
            )
    return None


def _session(role: str, context: Context) -> Refusal | None:
    pairs = context.pinned.duties.session if context.pinned else ()
    return clash(pairs, context.session_roles, role)


def _signature(stage: Stage, command: do.Approve, context: Context) -> Refusal | None:
    if command.signature and not context.signed:
        return Refusal("identity.signature", "The signature is not one of your keys over what you approve.")
    if stage.signature and not command.signature:
        return Refusal("identity.signature", f"Stage {stage.name} wants a signature by your key.")
    return None


def _leaves_nobody(
    proposal: Proposal, signed: Proposal, stage: Stage, actor: Actor, context: Context
) -> Refusal | None:
    """A signature that would leave a later stage without people, where without it there are enough."""
    registry, at, unit = context.registry, context.at, proposal.unit
    signing = humans(actor.person, actor.behalf, registry)
    besides = _roles_besides(proposal, stage)
    if len(signing) == 1 and all(signing.isdisjoint(registry.human_holders(role, unit, at)) for role in besides):
        return None  # One place less, and one less who could fill it and no other.
    act = Act(actor.person, actor.behalf, f"stage:{stage.name}", proposal.id)
    lost = lost_by(act, slots_of(proposal, registry), slots_of(signed, registry), context.history, registry, at)
    return lost and Refusal(
        "duties.leaves_nobody", f"If you sign, others cannot: {lost.reason} Let somebody else sign {stage.name}."
    )


def _roles_besides(proposal: Proposal, stage: Stage) -> list[str]:
    """Roles that a proposal needs people of, those of one stage aside."""
    others = [
        role for step in proposal.path for each in step if each.name != stage.name for role in proposal.roles_of(each)
    ]
    return others if proposal.parent else [*others, proposal.release_role, proposal.reconcile_role]


def _adopted(proposal: Proposal, context: Context) -> Entry | Refusal:
    content = context.content
    assert content is not None
    if proposal.parent and context.parent and context.parent_content:
        refused = fits_parent(content, context.parent, context.parent_content)
        if refused:
            return refused
    money = adoption(proposal, content, context)
    return money if isinstance(money, Refusal) else Entry("Adopted", with_transfers(money, hash=proposal.hash))


def break_glass(proposal: Proposal, command: do.BreakGlass, actor: Actor, context: Context) -> Outcome:
    """The first of two touches the glass, the second breaks it."""
    role = context.pinned.duties.emergency if context.pinned else ""
    refused = _stale(proposal, command.hash) or _parent_ended(proposal, context) or reason_missing(command.reason)
    if refused:
        return refused
    if not role:
        return Refusal("emergency.none", "The authority matrix of this proposal knows no emergency.")
    if not context.registry.may(actor.person, actor.behalf, role, proposal.unit, context.at):
        return Refusal("authority.not_entitled", f"{actor.person} does not hold the role {role!r} for {proposal.unit}.")
    refused = barred(context.history, actor, "emergency", context.registry)
    if refused:
        return refused
    data = {"reason": command.reason, "hash": proposal.hash, "act": "emergency", "loud": True}
    if not proposal.broken:
        return [Entry("GlassTouched", data)]
    first, behalf = proposal.broken
    if humans(first, behalf, context.registry) & humans(actor.person, actor.behalf, context.registry):
        return Refusal("emergency.two_people", f"{first} touched the glass first; it takes somebody else to break it.")
    adopted = _adopted(proposal, context)
    return adopted if isinstance(adopted, Refusal) else [Entry("GlassBroken", data), adopted]


def reason_missing(reason: str) -> Refusal | None:
    """Refuses an empty reason."""
    return None if reason.strip() else Refusal("reason.missing", "Say why: others have to understand it later.")


def reject(proposal: Proposal, command: do.Reject, actor: Actor, context: Context) -> Outcome:
    """Against it, for good."""
    return _against(proposal, "Rejected", command.reason, actor, context)


def give_back(proposal: Proposal, command: do.Return, actor: Actor, context: Context) -> Outcome:
    """Back to the author."""
    return _against(proposal, "Returned", command.reason, actor, context)


def _against(proposal: Proposal, kind: str, reason: str, actor: Actor, context: Context) -> Outcome:
    found = _stage_for(proposal, "", actor, context)
    if isinstance(found, Refusal):
        return found
    stage, _ = found
    act = f"stage:{stage.name}"
    refused = reason_missing(reason) or barred(context.history, actor, act, context.registry)
    return refused or [Entry(kind, {"reason": reason, "stage": stage.name, "act": act, "hash": proposal.hash})]


def escalate(proposal: Proposal, command: do.Escalate, actor: Actor, context: Context) -> Outcome:
    """More people may sign an overdue stage."""
    stage = next((each for each in proposal.open_stages if each.name == command.stage), None)
    if stage is None:
        return Refusal("authority.no_stage", f"Stage {command.stage!r} does not wait for a signature.")
    if not stage.escalate or stage.name in proposal.escalated:
        return Refusal("authority.no_escalation", f"Stage {stage.name} has nobody more to ask.")
    due = due_of(proposal, stage)
    if not due:
        return Refusal(
            "authority.not_overdue", f"Stage {stage.name} is never overdue: it has no time by which to sign."
        )
    if timestamp(context.at) <= due:
        return Refusal("authority.not_overdue", f"Stage {stage.name} is due {minute(due)}, which is not over.")
    return [Entry("Escalated", {"stage": stage.name, "role": stage.escalate})]


def due_of(proposal: Proposal, stage: Stage) -> str:
    """When an open stage should have been signed; empty where it has no deadline."""
    if not stage.days or not proposal.opened:
        return ""
    return timestamp(moment(proposal.opened) + timedelta(days=stage.days))


def next_due(proposal: Proposal) -> str:
    """The first deadline of what waits, empty for none."""
    return min((due for stage in proposal.open_stages if (due := due_of(proposal, stage))), default="")
