"""Up to review: drafts, versions, submission, and taking back what is not decided."""

from __future__ import annotations

from collections.abc import Sequence

from fiscus.core.money import written
from fiscus.workflow.actor import Actor
from fiscus.workflow.authority.routing import Facts, common_unit, route
from fiscus.workflow.canonical import timestamp
from fiscus.workflow.duties.history import barred
from fiscus.workflow.duties.staffing import staff
from fiscus.workflow.funds.flows import uncontrolled
from fiscus.workflow.ports import Entry
from fiscus.workflow.proposal import commands as do
from fiscus.workflow.proposal.content import Content, approval_hash
from fiscus.workflow.proposal.context import Context
from fiscus.workflow.proposal.money import adoption
from fiscus.workflow.proposal.slots import slots_of
from fiscus.workflow.proposal.state import Proposal
from fiscus.workflow.proposal.transitions import DRAFT, IN_REVIEW, RETURNED, WITH_MONEY, in_words
from fiscus.workflow.refusal import CONTROL, Refusal, illegible

Outcome = list[Entry] | Refusal

LONGEST_ID = 200
"""Characters of the id of a proposal."""


def draft(command: do.Draft, actor: Actor, context: Context) -> Outcome:
    """The first event of a proposal."""
    content, lineage = command.content, command.proposal
    if content.parent:
        return Refusal("content.parent", "A draft has no parent; a reallocation moves the money of another proposal.")
    if command.supersedes:
        refused = _may_replace(context.replaced, command.supersedes, actor)
        if refused:
            return refused
        lineage = context.replaced.lineage if context.replaced else lineage
    return _begun(command.proposal, content, lineage, "", actor, context)


def reallocate(command: do.Reallocate, actor: Actor, context: Context) -> Outcome:
    """The first event of a proposal that moves money of another."""
    parent, content = context.parent, command.content
    if parent is None or context.parent_content is None:
        return Refusal("content.parent", f"There is no proposal {content.parent!r} whose money could be moved.")
    refused = fits_parent(content, parent, context.parent_content)
    if refused:
        return refused
    return _begun(command.proposal, content, parent.lineage, parent.id, actor, context)


def fits_parent(content: Content, parent: Proposal, before: Content) -> Refusal | None:
    """Why a reallocation cannot be taken from its parent, as that stands."""
    if parent.status not in WITH_MONEY:
        return no_money(parent)
    if content.currency != parent.currency:
        return Refusal("content.currency", f"Proposal {parent.id} is in {parent.currency}, not in {content.currency}.")
    left, known = parent.left(before), parent.items(before)
    for item in content.items:
        there = known.get(item.cell)
        if there is not None and (there.unit, there.fund) != (item.unit, item.fund):
            return Refusal(
                "content.parent", f"{item.line} belongs to {there.unit} and fund {there.fund} in proposal {parent.id}."
            )
        if left.get(item.cell, 0) + item.amount < 0:
            return Refusal(
                "funds.not_reserved",
                f"{item.line} has {written(left.get(item.cell, 0), parent.currency)} left that is not released, so "
                f"{written(-item.amount, parent.currency)} cannot be taken from it.",
            )
    return None


def no_money(parent: Proposal) -> Refusal:
    """Where nothing of a parent can be moved, as it stands."""
    return Refusal(
        "content.parent", f"Proposal {parent.id} is {in_words(parent.status)}: there is no money of it to move."
    )


def _may_replace(replaced: Proposal | None, name: str, actor: Actor) -> Refusal | None:
    if replaced is None:
        return Refusal("content.superseded", f"There is no proposal {name!r} to take the place of.")
    if (actor.behalf or actor.person) != replaced.owner:
        return Refusal("proposal.not_owner", f"Only {replaced.owner} can put another in the place of {name}.")
    if replaced.status not in (DRAFT, RETURNED, IN_REVIEW):
        return Refusal(
            "transition", f"Proposal {name} is {in_words(replaced.status)}: it is decided, and nothing takes its place."
        )
    return None


def _begun(name: str, content: Content, lineage: str, parent: str, actor: Actor, context: Context) -> Outcome:
    if not name.strip():
        return Refusal("content.unnamed", "A proposal needs an id, by which everybody finds it: choose a short one.")
    refused = _badly_named(name) or _may_write(content, actor, context) or _unknown_risk(content, context)
    if refused:
        return refused
    data = _summary(content, context) | {
        "proposal": name,
        "lineage": lineage,
        "parent": parent,
        "currency": content.currency,
    }
    return [Entry("Drafted", data)]


def _badly_named(name: str) -> Refusal | None:
    """Ids stand in addresses of pages, where a slash or dots alone would lead elsewhere."""
    if len(name) <= LONGEST_ID and "/" not in name and name.strip(".") and not CONTROL.search(name):
        return None
    return Refusal(
        "content.badly_named",
        f"{name[:60]!r} is no id of a proposal: use letters, digits and such, at most {LONGEST_ID} of them, without slashes and line "
        "breaks.",
    )


def _unknown_risk(content: Content, context: Context) -> Refusal | None:
    """A band that the matrix does not have; one that is missing still may be chosen before it is submitted."""
    bands = context.matrix.risk_bands
    if not content.risk or not bands or content.risk in bands:
        return None
    return _no_band(content.risk, bands)


def _no_band(risk: str, bands: Sequence[str]) -> Refusal:
    return Refusal("content.risk", f"The risk band {risk!r} is none of the authority matrix: {', '.join(bands)}.")


def _summary(content: Content, context: Context) -> dict[str, object]:
    return {
        "content": content.digest,
        "title": content.title,
        "unit": common_unit(content.units, context.registry.parents),
        "total": content.total,
    }


def _may_write(content: Content, actor: Actor, context: Context) -> Refusal | None:
    """Whether an actor may write a version that says this."""
    unknown = [unit for unit in content.units if unit not in context.registry.parents]
    if unknown:
        return Refusal("content.unknown_unit", f"There is no unit {unknown[0]!r}; add it, or write the one it is.")
    return _illegible(content) or barred(context.history, actor, "author", context.registry)


def _illegible(content: Content) -> Refusal | None:
    """The first name that nobody could read or type."""
    for number, item in enumerate(content.items, start=1):
        for field in ("period", "line", "fund"):  # Units are known, and have names of their own rules.
            fault = illegible(getattr(item, field))
            if fault:
                return Refusal("content.illegible", f"Item {number}, {field}: {fault}")
    return None


def edit(proposal: Proposal, command: do.Edit, actor: Actor, context: Context) -> Outcome:
    """A new version."""
    content = command.content
    refused = not_owner(proposal, actor, "edits it") or _may_write(content, actor, context)
    if refused:
        return refused
    if content.parent != proposal.parent or content.currency != proposal.currency:
        return Refusal("content.changed", "A new version keeps its currency, and whose money it moves.")
    if content.digest == proposal.content:
        return Refusal("content.same", "This version says the same as the one before.")
    if proposal.parent and context.parent and context.parent_content:
        refused = fits_parent(content, context.parent, context.parent_content)
        if refused:
            return refused
    return [Entry("Edited", _summary(content, context) | {"act": "author"})]


def submit(proposal: Proposal, command: do.Submit, actor: Actor, context: Context) -> Outcome:
    """Into review, if somebody can decide, and the money is there."""
    content, matrix = context.content, context.matrix
    assert content is not None
    refused = not_owner(proposal, actor, "submits it") or _in_currency(proposal, context)
    refused = refused or uncontrolled(content, context.books, context.registry.parents)
    if refused:
        return refused
    if proposal.parent and context.parent and context.parent_content:
        refused = fits_parent(content, context.parent, context.parent_content)
        if refused:
            return refused
    if command.expires is not None and command.expires <= context.at:
        return Refusal("proposal.expiry", "It would have expired already: give a later moment.")
    if matrix.risk_bands and content.risk not in matrix.risk_bands:
        return _no_band(content.risk, matrix.risk_bands)
    money = adoption(proposal, content, context)
    if isinstance(money, Refusal):
        return money
    amount = content.total + context.rolling
    facts = Facts(amount, content.change, proposal.unit, content.risk, content.origin)
    path = route(matrix, facts, context.registry.parents)
    planned = proposal.but(
        path=path.steps,
        approvals=(),
        escalated=(),
        release_role=path.release_role,
        reconcile_role=path.reconcile_role,
    )
    staffing = staff(slots_of(planned, context.registry), context.history, context.registry, context.at)
    if isinstance(staffing, Refusal):
        return staffing
    data = {
        "content": proposal.content,
        "policy": context.policy,
        "hash": approval_hash(proposal.content, context.policy),
        "path": path.to_json(),
        "amount": amount,
        "rolling": context.rolling,
        "facts": facts.to_json(),
        "expires": timestamp(command.expires) if command.expires else "",
        "act": "author",
    }
    return [Entry("Submitted", data)]


def _in_currency(proposal: Proposal, context: Context) -> Refusal | None:
    for what, currency in (("authority matrix", context.matrix.currency), ("books", context.books.currency)):
        if currency and currency != proposal.currency:
            return Refusal("content.currency", f"The proposal is in {proposal.currency}, and the {what} in {currency}.")
    return None


def not_owner(proposal: Proposal, actor: Actor, does: str) -> Refusal | None:
    """Refuses whoever does not own a proposal."""
    if (actor.behalf or actor.person) == proposal.owner:
        return None
    return Refusal("proposal.not_owner", f"Only {proposal.owner}, who drafted {proposal.id}, {does}.")


def recall(proposal: Proposal, command: do.Recall, actor: Actor, context: Context) -> Outcome:
    """Take it back."""
    return not_owner(proposal, actor, "takes it back") or [Entry("Recalled", {"reason": command.reason})]


def supersede(proposal: Proposal, command: do.Supersede, actor: Actor, context: Context) -> Outcome:
    """Another takes its place."""
    return _may_replace(proposal, proposal.id, actor) or [Entry("Superseded", {"by": command.by})]
