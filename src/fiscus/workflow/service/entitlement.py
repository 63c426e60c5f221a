"""Who signed and by what right, who may sign next, and who could break the glass."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from fiscus.workflow.actor import Actor
from fiscus.workflow.canonical import last_day
from fiscus.workflow.duties.history import Act, barred, humans
from fiscus.workflow.identity.registry import Registry
from fiscus.workflow.ports import Written
from fiscus.workflow.proposal.state import Proposal
from fiscus.workflow.proposal.transitions import IN_REVIEW
from fiscus.workflow.service.views import View


@dataclass(frozen=True, slots=True)
class Signature:
    """An approval, and the right it was given by.

    Attributes:
        stage: Name of the stage.
        person: Who signed.
        name: What people call them.
        behalf: For whom; empty for themselves.
        at: When.
        right: A sentence: the role, where and since when, and the delegation where there was one.
        held: Whether the registry shows that right at that moment.
        emergency: Whether glass was broken for it.
    """

    stage: str
    person: str
    name: str
    behalf: str
    at: str
    right: str
    held: bool
    emergency: bool


def signatures(seen: View, registry: Registry) -> tuple[Signature, ...]:
    """Approvals of the current version, in order, each looked up again in the registry as it was at that moment."""
    proposal, found = seen.proposal, []
    stages = {stage.name: stage for stage in proposal.stages}
    for approval in proposal.approvals:
        stage = stages.get(approval.stage)
        roles = proposal.roles_of(stage) if stage else ()
        if approval.emergency and seen.matrix:
            roles = (*roles, seen.matrix.duties.emergency)
        holder = approval.behalf or approval.person
        right = _right(registry, holder, roles, proposal.unit, approval.at, seen)
        if right and approval.behalf:
            given = [
                each
                for each in registry.delegations
                if (each.giver, each.taker) == (approval.behalf, approval.person) and each.in_force(approval.at)
            ]
            right = f"{right}, who delegated to them until {last_day(given[0].until)}" if given else ""
        person = registry.people.get(approval.person)
        found.append(
            Signature(
                approval.stage,
                approval.person,
                person.name if person else approval.person,
                approval.behalf,
                approval.at,
                right or "The registry shows no right to this signature.",
                bool(right),
                approval.emergency,
            )
        )
    return tuple(found)


def _right(registry: Registry, holder: str, roles: tuple[str, ...], unit: str, at: str, seen: View) -> str:
    above = set(registry.upwards(unit))
    for grant in registry.grants:
        covers = not grant.unit or grant.unit in above or registry.parents.get(grant.unit) == ""
        if grant.person == holder and grant.role in roles and covers and grant.in_force(at):
            title = seen.matrix.roles.get(grant.role, grant.role) if seen.matrix else grant.role
            return f"{title} for {grant.unit or 'all units'} since {grant.since[:10]}: {holder}"
    return ""


def waiting_people(proposal: Proposal, registry: Registry, at: datetime) -> dict[str, tuple[str, ...]]:
    """Names of those who could sign each open stage and have no other part in it, delegates aside."""
    found = {}
    for stage in proposal.open_stages:
        holders = {person for role in proposal.roles_of(stage) for person in registry.holders(role, proposal.unit, at)}
        signed = {human for each in proposal.given(stage.name) for human in humans(each.person, each.behalf, registry)}
        kind = f"stage:{stage.name}"
        found[stage.name] = tuple(
            sorted(
                registry.people[person].name
                for person in holders
                if person in registry.people
                and registry.accountable(person) not in signed
                and barred(proposal.acts, Actor(person), kind, registry) is None
            )
        )
    return found


def capacities_in(roles: tuple[str, ...], unit: str, registry: Registry, person: str, at: datetime) -> tuple[str, ...]:
    """For whom somebody could act in any of some roles for a unit now; empty for themselves."""
    named = ("" if who == person else who for who in registry.capacities(person, at))
    return tuple(who for who in named if any(role and registry.may(person, who, role, unit, at) for role in roles))


def glass_capacities(
    seen: View, registry: Registry, person: str, at: datetime, history: Sequence[Act]
) -> tuple[str, ...]:
    """For whom somebody could break the glass of a proposal now, having no other part in its lineage."""
    role = seen.matrix.duties.emergency if seen.matrix else ""
    if not role or seen.proposal.status != IN_REVIEW:
        return ()
    return tuple(
        who
        for who in capacities_in((role,), seen.proposal.unit, registry, person, at)
        if barred(history, Actor(person, who), "emergency", registry) is None
    )


@dataclass(frozen=True, slots=True)
class Breaker:
    """Somebody who laid hands on the glass.

    Attributes:
        name: What people call them, and for whom they acted.
        at: When.
        reason: That they gave.
    """

    name: str
    at: str
    reason: str


@dataclass(frozen=True, slots=True)
class Glass:
    """How the glass of a proposal's current version stands.

    Attributes:
        broken: Whether a second person broke it; else it was only touched.
        open: Whether a second person still could.
        role: What people call the emergency role.
        breakers: One or two, the first first.
        missing: How many signatures were passed over.
    """

    broken: bool
    open: bool
    role: str
    breakers: tuple[Breaker, ...]
    missing: int

    @property
    def heading(self) -> str:
        """What happened, as loud and as short as it can be said."""
        if self.broken:
            return "The glass was broken."
        return "The glass is half broken." if self.open else "The glass was touched, and not broken."

    @property
    def words(self) -> str:
        """What that means."""
        if self.broken:
            missing = f"{self.missing} missing signature{'' if self.missing == 1 else 's'}"
            return (
                f"Two people with the role {self.role} took the place of {missing}. The log is marked for it, and the "
                "auditors are told."
            )
        if self.open:
            return (
                f"One of two people with the role {self.role} touched it. Nothing is decided by that: a second person has "
                "to break it, or the stages go on as before."
            )
        return "It was decided otherwise."


def glass(log: Iterable[Written], seen: View, registry: Registry) -> Glass | None:
    """How it stands; None where nobody touched it.

    Args:
        log: Of the proposal, from its first event.
        seen: The proposal.
        registry: Of people.
    """
    proposal = seen.proposal
    missing = sum(approval.emergency for approval in proposal.approvals)
    if not proposal.broken and not missing:
        return None
    found: list[Breaker] = []
    for event in log:
        if event.kind == "Submitted":  # What was touched before belongs to an earlier version.
            found = []
        if event.kind in ("GlassTouched", "GlassBroken"):
            person = registry.people.get(event.stamp.actor)
            name = person.name if person else event.stamp.actor
            behalf = f" for {event.stamp.behalf}" if event.stamp.behalf else ""
            found.append(Breaker(name + behalf, event.stamp.at, str(event.data.get("reason", ""))))
    role = seen.matrix.duties.emergency if seen.matrix else ""
    title = seen.matrix.roles.get(role, role) if seen.matrix else role
    return Glass(bool(missing), proposal.status == IN_REVIEW, title, tuple(found), missing)
