"""Who signed and by what right, and who may sign next."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from fiscus.workflow.identity.registry import Registry
from fiscus.workflow.proposal.state import Proposal
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
            right = f"{right}, who delegated to them until {given[0].until[:10]}" if given else ""
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
    """Names of those who could sign each open stage, delegates aside; duties are looked at when they do."""
    found = {}
    for stage in proposal.open_stages:
        holders = {person for role in proposal.roles_of(stage) for person in registry.holders(role, proposal.unit, at)}
        signed = {approval.behalf or approval.person for approval in proposal.given(stage.name)}
        authors = {registry.accountable(proposal.owner)}
        found[stage.name] = tuple(
            sorted(registry.people[person].name for person in holders - signed - authors if person in registry.people)
        )
    return found
