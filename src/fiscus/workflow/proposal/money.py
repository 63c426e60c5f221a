"""Money that a decision moves, and whether it is there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fiscus.workflow.funds.books import as_data
from fiscus.workflow.funds.flows import Move, short_of, transfers_of
from fiscus.workflow.ports import Transfer
from fiscus.workflow.proposal import transitions as to
from fiscus.workflow.proposal.content import Cell, Content
from fiscus.workflow.proposal.context import Context
from fiscus.workflow.proposal.state import Proposal
from fiscus.workflow.refusal import Refusal


def adoption(proposal: Proposal, content: Content, context: Context) -> list[Transfer] | Refusal:
    """What approval reserves, and what a reallocation frees; refused where it is not there."""
    moves: list[Move] = [
        (*item.cell, "available", "reserved", item.amount)
        if item.amount > 0
        else (*item.cell, "reserved", "available", -item.amount)
        for item in content.items
    ]
    return booked(moves, proposal, content, context)


def booked(
    moves: list[Move], proposal: Proposal, content: Content, context: Context, memo: str = ""
) -> list[Transfer] | Refusal:
    """Moves of lines as transfers in the books, or which account has too little."""
    transfers = transfers_of(moves, proposal.items(content), context.books, context.registry.parents, memo)
    if not transfers:
        return transfers
    balances = context.balances(sorted({account.book for each in transfers for account in (each.source, each.target)}))
    return short_of(transfers, context.books, balances, proposal.currency) or transfers


def freed(proposal: Proposal, content: Content, context: Context) -> list[Transfer] | Refusal:
    """Money that was not spent, back to what is available."""
    moves: list[Move] = [
        (*cell, "reserved", "available", amount) for cell, amount in proposal.left(content).items() if amount > 0
    ]
    moves += [(*cell, "released", "available", there[0]) for cell, there in proposal.places.items() if there[0] > 0]
    return booked(moves, proposal, content, context)


def status_of(proposal: Proposal, left: Mapping[Cell, int]) -> str:
    """How far a proposal is released."""
    if not any(sum(there) for there in proposal.places.values()):
        return to.APPROVED
    return to.PART_RELEASED if any(left.values()) else to.RELEASED


def with_transfers(transfers: list[Transfer], **data: Any) -> dict[str, Any]:
    """Data of an event that moves money."""
    return {**data, "transfers": as_data(transfers)}
