"""Roles that mean something here: those of authority matrices, and those that the program itself asks for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from difflib import get_close_matches

from fiscus.workflow.funds.books import BUDGET_ROLE
from fiscus.workflow.identity.registry import ADMINISTRATOR, AUDITOR
from fiscus.workflow.ports import Reader
from fiscus.workflow.proposal.spending import BOOKKEEPER
from fiscus.workflow.service import reading

OWN: Mapping[str, str] = {
    ADMINISTRATOR: "changes people, units and the authority matrix",
    AUDITOR: "reads the log",
    BOOKKEEPER: "records orders and payments",
    BUDGET_ROLE: "sets budgets and leads rounds",
}
"""Roles that the program asks for, whatever the matrix says."""


def known_roles(reader: Reader) -> Mapping[str, str]:
    """By name, what each is for; of the matrix in force, and of earlier ones that proposals may still be under.

    Args:
        reader: Of the store.
    """
    record, found = reader.load("policy"), dict(OWN)
    for digest in record.state["known"] if record else ():
        found |= dict(reading.matrix(reader, digest).roles)
    return found


def alike(role: str, known: Mapping[str, str]) -> Sequence[str]:
    """Known roles that are written nearly as one that is not."""
    return get_close_matches(role.strip().lower().replace(" ", "_").replace("-", "_"), list(known), n=3)
