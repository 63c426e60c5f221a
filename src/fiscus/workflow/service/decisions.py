"""What was decided before, for matrices that are tried on the past."""

from __future__ import annotations

from fiscus.errors import Refused
from fiscus.workflow.authority.replay import Decision, Given
from fiscus.workflow.authority.routing import Facts
from fiscus.workflow.ports import Filter, Reader
from fiscus.workflow.service import reading


def past_decisions(reader: Reader, currency: str) -> tuple[Decision, ...]:
    """Proposals that were submitted, as they were last, with the approvals of the version decided on.

    Args:
        reader: Of the store.
        currency: Of the matrix that is tried on them.

    Raises:
        Refused: Where one is in another currency, so that its amount says nothing about the limits of the matrix.
    """
    found = []
    for record in reader.find(Filter(kind="proposal")):
        proposal = reading.proposal_of(record)
        submitted = [event for event in reader.events(record.stream) if event.kind == "Submitted"]
        if not submitted:
            continue
        if proposal.currency != currency:
            raise Refused(
                "policy.currency",
                f"Proposal {proposal.id} is in {proposal.currency}, and the limits of the matrix are in {currency}: nobody knows how "
                "it would pass them.",
            )
        last = submitted[-1]
        approvals = tuple(
            Given(event.data["stage"], event.data["role"], event.stamp.behalf or event.stamp.actor)
            for event in reader.events(record.stream)
            if event.kind == "Approved" and event.version > last.version
        )
        facts, rule = Facts.from_json(last.data["facts"]), last.data["path"]["rule"]
        found.append(Decision(proposal.id, facts, rule, proposal.status, approvals))
    return tuple(found)
