"""The authority matrix in force, and every one that ever was."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from fiscus.errors import Refused
from fiscus.workflow.actor import Actor
from fiscus.workflow.authority.matrix import Matrix
from fiscus.workflow.canonical import canonical
from fiscus.workflow.identity.registry import ADMINISTRATOR
from fiscus.workflow.ports import Entry, Index, Reader, UnitOfWork
from fiscus.workflow.service import reading
from fiscus.workflow.service.answers import Answer, remembered, stamp_of

STREAM = "policy"


def current_policy(reader: Reader) -> str:
    """Digest of the matrix in force.

    Raises:
        Refused: Before one was adopted.
    """
    record = reader.load(STREAM)
    if record is None:
        raise Refused("policy.none", "No authority matrix is in force yet: adopt one first (fiscus policy adopt FILE).")
    return reading.POLICIES.get(record.text, lambda: str(record.state["current"]))


def adopt_policy(matrix: Matrix, uow: UnitOfWork, *, actor: Actor, at: datetime, key: str = "") -> Answer:
    """Put a matrix in force for what is submitted from now on; what is in review keeps its own.

    Args:
        matrix: Checked already.
        uow: Open transaction; the caller commits it.
        actor: An administrator.
        at: Now.
        key: Id of the command.

    Raises:
        Refused: Where the actor is no administrator, someone holds roles that the matrix excludes each other, or its limits are in
            another currency than the books.
    """
    before = remembered(uow, key)
    if before is not None:
        return before
    registry = reading.registry(uow)
    if not registry.may(actor.person, actor.behalf, ADMINISTRATOR, "", at):
        raise Refused(
            "policy.not_entitled", f"{actor.person} is no administrator, who alone adopts an authority matrix."
        )
    books = reading.books(uow)
    if books.currency and matrix.currency != books.currency:  # Nothing could be submitted under it.
        raise Refused(
            "policy.currency",
            f"The books are kept in {books.currency}, and the limits of {matrix.name} are in {matrix.currency}: write them in "
            f"{books.currency}.",
        )
    digest = uow.keep(canonical(matrix.to_json()))
    record = uow.load(STREAM)
    known: Sequence[str] = [] if record is None else record.state["known"]
    state = {"current": digest, "known": [*known, *([] if digest in known else [digest])]}
    entry = Entry("PolicyAdopted", {"policy": digest, "name": matrix.name})
    version = 0 if record is None else record.version
    uow.append(STREAM, version, stamp_of(uow, actor, at, key), [entry], state, Index("policy", title=matrix.name))
    answer = Answer(STREAM, version + 1, "", (entry.kind,))
    if key:
        uow.remember(key, answer.to_json())
    return answer
