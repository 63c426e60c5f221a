"""After approval: release, commitments, actual amounts, reversals, reconciliation, and the end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from fiscus.core.money import as_given, written
from fiscus.workflow.actor import Actor
from fiscus.workflow.authority.routing import common_unit
from fiscus.workflow.canonical import minute, timestamp
from fiscus.workflow.duties.history import Act, barred, humans
from fiscus.workflow.duties.staffing import lost_by
from fiscus.workflow.funds.flows import Move
from fiscus.workflow.ports import Entry
from fiscus.workflow.proposal import commands as do
from fiscus.workflow.proposal.content import Cell
from fiscus.workflow.proposal.context import Context
from fiscus.workflow.proposal.drafting import Outcome
from fiscus.workflow.proposal.money import booked, freed, status_of, with_transfers
from fiscus.workflow.proposal.reviewing import reason_missing
from fiscus.workflow.proposal.slots import slots_of
from fiscus.workflow.proposal.state import PLACES, Proposal
from fiscus.workflow.proposal.transitions import WITH_MONEY, in_words
from fiscus.workflow.refusal import Refusal

BOOKKEEPER = "bookkeeper"
"""Role whose holders may record what was ordered and spent, besides those who release."""


def release(proposal: Proposal, command: do.Release, actor: Actor, context: Context) -> Outcome:
    """Reserved money becomes spendable, if the cash is there."""
    content = context.content
    assert content is not None
    left = proposal.left(content)
    amounts = dict(command.amounts) or {cell: amount for cell, amount in left.items() if amount > 0}
    refused = (
        _entitled(proposal, (proposal.release_role,), actor, context)
        or _spends(proposal, actor, context)
        or _amounts(amounts, left, "reserved", proposal.currency)
    )
    if refused:
        return refused
    moves: list[Move] = [(*cell, "reserved", "released", amount) for cell, amount in sorted(amounts.items())]
    return _move("Released", moves, proposal, context, "release")


def commit(proposal: Proposal, command: do.Commit, actor: Actor, context: Context) -> Outcome:
    """An order: released money is bound."""
    released = {cell: there[0] for cell, there in proposal.places.items()}
    refused = _may_record(proposal, command.reference, actor, context) or _amounts(
        command.amounts, released, "released", proposal.currency
    )
    if refused:
        return refused
    moves: list[Move] = [(*cell, "released", "committed", amount) for cell, amount in sorted(command.amounts.items())]
    return _move("Committed", moves, proposal, context, "release", command.reference)


def record_actual(proposal: Proposal, command: do.RecordActual, actor: Actor, context: Context) -> Outcome:
    """A payment: committed money first, then what is released."""
    there = {cell: places[0] + places[1] for cell, places in proposal.places.items()}
    refused = _may_record(proposal, command.reference, actor, context) or _amounts(
        command.amounts, there, "released or committed", proposal.currency
    )
    if refused:
        return refused
    moves: list[Move] = []
    for cell, amount in sorted(command.amounts.items()):
        committed = min(amount, proposal.places[cell][1])
        moves += [(*cell, "committed", "actual", committed)] if committed else []
        moves += [(*cell, "released", "actual", amount - committed)] if amount > committed else []
    return _move("Spent", moves, proposal, context, "release", command.reference)


def _move(kind: str, moves: list[Move], proposal: Proposal, context: Context, act: str, reference: str = "") -> Outcome:
    content = context.content
    assert content is not None
    money = booked(moves, proposal, content, context, reference)
    if isinstance(money, Refusal):
        return money
    after = _after(proposal, moves)
    data = with_transfers(
        money, moves=[list(move) for move in moves], status=status_of(after, after.left(content)), act=act
    )
    return [Entry(kind, data | {"reference": reference})]


def _after(proposal: Proposal, moves: list[Move]) -> Proposal:
    places = {cell: list(there) for cell, there in proposal.places.items()}
    for period, line, source, target, amount in moves:
        there = places.setdefault((period, line), [0, 0, 0])
        for place, sign in ((source, -1), (target, 1)):
            if place in PLACES:
                there[PLACES.index(place)] += sign * amount
    return proposal.but(places={cell: (a, b, c) for cell, (a, b, c) in places.items()})


def _entitled(proposal: Proposal, roles: tuple[str, ...], actor: Actor, context: Context) -> Refusal | None:
    may = context.registry.may
    if any(role and may(actor.person, actor.behalf, role, proposal.unit, context.at) for role in roles):
        return None
    wanted = " or ".join(repr(role) for role in roles if role)
    return Refusal("authority.not_entitled", f"{actor.person} does not hold the role {wanted} for {proposal.unit}.")


def _amounts(amounts: Mapping[Cell, int], there: Mapping[Cell, int], where: str, currency: str) -> Refusal | None:
    if not amounts:
        some = any(amount > 0 for amount in there.values())
        missing = "Say how much of which lines." if some else f"Nothing is {where} any more."
        return Refusal("funds.nothing", missing)
    for (period, line), amount in sorted(amounts.items()):
        if type(amount) is not int or amount <= 0:
            return Refusal(
                "funds.amount", f"{line} in {period}: {as_given(amount, currency)} is no whole amount above zero."
            )
        has = there.get((period, line), 0)
        if amount > has:
            return Refusal(
                f"funds.not_{where.split()[0]}",
                f"{line} in {period} has {written(has, currency)} {where}; {written(amount, currency)} is more.",
            )
    return None


def _may_record(proposal: Proposal, reference: str, actor: Actor, context: Context) -> Refusal | None:
    if not reference.strip():
        return Refusal("reference.missing", "Give the reference of the order or payment.")
    return _entitled(proposal, (proposal.release_role, BOOKKEEPER), actor, context) or _spends(proposal, actor, context)


def _spends(proposal: Proposal, actor: Actor, context: Context) -> Refusal | None:
    """Whether an actor may have the part of those who release money and record where it went."""
    return barred(context.history, actor, "release", context.registry) or _leaves_no_reconciler(
        proposal, actor, context
    )


def _leaves_no_reconciler(proposal: Proposal, actor: Actor, context: Context) -> Refusal | None:
    """Whoever is the last who could reconcile has no part in what is reconciled."""
    registry, at, unit = context.registry, context.at, proposal.unit
    if humans(actor.person, actor.behalf, registry).isdisjoint(
        registry.human_holders(proposal.reconcile_role, unit, at)
    ):
        return None
    slots = [slot for slot in slots_of(proposal, registry) if slot.kind == "reconcile"]
    act = Act(actor.person, actor.behalf, "release", proposal.id)
    lost = lost_by(act, slots, slots, context.history, registry, at)
    return lost and Refusal(
        "duties.leaves_nobody", f"If you do that, nobody can reconcile it: {lost.reason} Or let somebody else do it."
    )


def reverse(proposal: Proposal, command: do.Reverse, actor: Actor, context: Context) -> Outcome:
    """Undo one movement, once, while its money is still where it went."""
    content = context.content
    assert content is not None
    booking = next((each for each in proposal.bookings if each.version == command.version), None)
    if booking is None:
        known = ", ".join(str(each.version) for each in proposal.bookings if not each.reversed)
        return Refusal(
            "funds.no_booking", f"Event {command.version} moved no money; those that did are {known or 'none'}."
        )
    if booking.reversed:
        return Refusal("funds.reversed_already", f"Event {command.version} was reversed before.")
    refused = (
        reason_missing(command.reason)
        or _entitled(proposal, (proposal.release_role, BOOKKEEPER), actor, context)
        or _spends(proposal, actor, context)
    )
    if refused:
        return refused
    back: list[Move] = [
        (period, line, target, source, amount) for period, line, source, target, amount in booking.moves
    ]
    after = _after(proposal, back)
    for (period, line), places in after.places.items():
        if min(places) < 0:
            return Refusal(
                "funds.moved_on", f"Money of {line} in {period} has moved on: reverse what came later first."
            )
    money = booked(back, proposal, content, context, command.reason)
    if isinstance(money, Refusal):
        return money
    data = with_transfers(money, version=command.version, status=status_of(after, after.left(content)), act="release")
    return [Entry("Reversed", data | {"reason": command.reason})]


def reconcile(proposal: Proposal, command: do.Reconcile, actor: Actor, context: Context) -> Outcome:
    """The outside's books against ours."""
    refused = _entitled(proposal, (proposal.reconcile_role,), actor, context) or barred(
        context.history, actor, "reconcile", context.registry
    )
    if refused:
        return refused
    if not command.reference.strip():
        return Refusal("reference.missing", "Give the reference of the statement that shows the same.")
    ours: dict[str, int] = {}
    for (period, _), places in proposal.places.items():
        ours[period] = ours.get(period, 0) + places[2]
    for period in sorted({*ours, *command.totals}):
        mine, theirs = ours.get(period, 0), command.totals.get(period, 0)
        if mine != theirs:
            return Refusal(
                "funds.not_reconciled",
                f"{period}: {written(mine, proposal.currency)} was recorded as spent here, and {written(theirs, proposal.currency)} in "
                f"{command.reference}; they differ by {written(abs(mine - theirs), proposal.currency)}.",
            )
    data = {"totals": dict(command.totals), "reference": command.reference, "act": "reconcile"}
    return [Entry("Reconciled", data)]


def close(proposal: Proposal, command: do.Close, actor: Actor, context: Context) -> Outcome:
    """The end: what was not spent is available again."""
    if (actor.behalf or actor.person) != proposal.owner:
        refused = _entitled(proposal, (proposal.release_role, proposal.reconcile_role), actor, context)
        if refused:
            return refused
    if context.children:
        return _children_first(proposal, context.children)
    open_orders = sum(places[1] for places in proposal.places.values())
    if open_orders:
        return Refusal(
            "funds.committed",
            f"{written(open_orders, proposal.currency)} is committed and not paid yet: record it or reverse it first.",
        )
    if any(places[2] for places in proposal.places.values()) and not proposal.reconciled:
        return Refusal("funds.not_reconciled", "Money was spent since the last reconciliation: reconcile first.")
    return _ended("Closed", proposal, context, command.reason)


def _children_first(proposal: Proposal, children: Sequence[Proposal]) -> Refusal:
    """A reallocation would go on through review, and there would be nothing left for it to move."""
    names = ", ".join(f"{each.id} ({in_words(each.status)}, of {each.owner})" for each in children)
    one = len(children) == 1
    return Refusal(
        "proposal.open_children",
        f"Proposal{'' if one else 's'} {names} would move money of {proposal.id}: {'it has' if one else 'they have'} to be "
        f"decided, or taken back (recall), before {proposal.id} is closed.",
    )


def expire(proposal: Proposal, command: do.Expire, actor: Actor, context: Context) -> Outcome:
    """Its time is over; money that was reserved is available again."""
    if not proposal.expires:
        return Refusal("proposal.expiry", "It never expires.")
    if timestamp(context.at) <= proposal.expires:
        return Refusal("proposal.expiry", f"It expires {minute(proposal.expires)}, which is not over.")
    return _ended("Expired", proposal, context, "")


def _ended(kind: str, proposal: Proposal, context: Context, reason: str) -> Outcome:
    if proposal.status not in WITH_MONEY:
        return [Entry(kind, {"reason": reason})]
    content = context.content
    assert content is not None
    money = freed(proposal, content, context)
    return money if isinstance(money, Refusal) else [Entry(kind, with_transfers(money, reason=reason))]


def hold(proposal: Proposal, command: do.Hold, actor: Actor, context: Context) -> Outcome:
    """Stop for now."""
    return (
        reason_missing(command.reason)
        or _entitled(proposal, _guards(proposal), actor, context)
        or [Entry("Held", {"reason": command.reason})]
    )


def resume(proposal: Proposal, command: do.Resume, actor: Actor, context: Context) -> Outcome:
    """Go on."""
    return _entitled(proposal, _guards(proposal), actor, context) or [Entry("Resumed", {"reason": command.reason})]


def _guards(proposal: Proposal) -> tuple[str, ...]:
    """Roles that may stop a proposal: all that have a part in it."""
    return tuple(
        dict.fromkeys([*(stage.role for stage in proposal.stages), proposal.release_role, proposal.reconcile_role])
    )


def adjust(parent: Proposal, child: Proposal, context: Context) -> Entry:
    """What an approved reallocation does to its parent.

    Args:
        parent: Whose money it is.
        child: The reallocation.
        context: Of the child's approval, with both contents.
    """
    content, before = context.content, context.parent_content
    assert content is not None
    assert before is not None
    added = [[item.period, item.line, item.amount] for item in content.items]
    known = parent.items(before)
    fresh = [item for item in content.items if item.cell not in known]
    left = parent.left(before)
    for item in content.items:
        left[item.cell] = left.get(item.cell, 0) + item.amount
    documents = [
        {
            "period": i.period,
            "line": i.line,
            "unit": i.unit,
            "fund": i.fund,
            "amount": 0,
            "prior": i.prior,
            "title": i.title,
        }
        for i in fresh
    ]
    return Entry(
        "Adjusted",
        {
            "by": child.id,
            "added": added,
            "items": documents,
            "more": sum(item.amount for item in content.items),
            "unit": common_unit({item.unit for item in (*known.values(), *fresh)}, context.registry.parents),
            "status": status_of(parent, left),
        },
    )
