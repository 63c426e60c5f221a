"""Payments that come as a list, as from the books of somebody else, which may come twice."""

from __future__ import annotations

from fiscus.core.money import written
from fiscus.errors import Refused
from fiscus.workflow.ports import Reader
from fiscus.workflow.proposal.content import Cell
from fiscus.workflow.proposal.state import Proposal

Payment = tuple[str, str, str]
"""Period, line and reference."""


class Recorded:
    """Payments of proposals that were recorded and not reversed, by their references.

    Proposals themselves do not keep references: they are looked up in the log, once for each proposal.

    Args:
        reader: Of the log as it stands before anything of a list is recorded.
    """

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._known: dict[str, dict[Payment, list[int]]] = {}

    def before(self, proposal: Proposal, cell: Cell, reference: str, amount: int) -> bool:
        """Whether a payment was recorded before; where it was not, it counts as recorded from now on.

        Args:
            proposal: That pays.
            cell: For what.
            reference: Of the payment; one is used once for a line in a period.
            amount: Minor units.

        Raises:
            Refused: Where the reference was used for another amount.
        """
        known = self._of(proposal)
        amounts = known.setdefault((*cell, reference), [])
        if amount in amounts:
            return True
        if amounts:
            raise Refused(
                "actual.recorded_already",
                f"{reference} was recorded with {written(amounts[-1], proposal.currency)} for {cell[1]} in {cell[0]} before: if this is "
                "another payment, give it a reference of its own; if that one was wrong, reverse it first.",
            )
        amounts.append(amount)
        return False

    def _of(self, proposal: Proposal) -> dict[Payment, list[int]]:
        if proposal.id not in self._known:
            self._known[proposal.id] = self._logged(proposal)
        return self._known[proposal.id]

    def _logged(self, proposal: Proposal) -> dict[Payment, list[int]]:
        reversed_ = {booking.version for booking in proposal.bookings if booking.reversed}
        found: dict[Payment, list[int]] = {}
        for event in self._reader.events(proposal.stream):
            if event.kind != "Spent" or event.version in reversed_:
                continue
            paid: dict[Cell, int] = {}
            # What was ordered and what was not are moves of their own.
            for period, line, _, _, amount in event.data["moves"]:
                paid[period, line] = paid.get((period, line), 0) + amount
            for cell, amount in paid.items():
                found.setdefault((*cell, event.data["reference"].strip()), []).append(amount)
        return found
