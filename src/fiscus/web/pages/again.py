"""Saying again who one is: what signs or moves money needs a sign-in that is not long ago."""

from __future__ import annotations

from typing import Any

from fastapi import Request

from fiscus.errors import Refused
from fiscus.web.pages.sign_in import prove
from fiscus.web.visits import Form, Visit
from fiscus.workflow.identity.accounts import tied
from fiscus.workflow.identity.sessions import prove as proved


def say_again(visit: Visit, form: Form, request: Request, to: str) -> None:
    """Refuse where the sign-in is some time ago, and no right password came with the form.

    Args:
        visit: Of whoever asks.
        form: That was sent.
        request: It came with, whose address counts for waits.
        to: What it is needed for, as in ``to decide``.

    Raises:
        Refused: See above.
    """
    if visit.recent:
        return
    if visit.office.sign_ins.credential(visit.person) is None:
        raise Refused("identity.recent", f"Your sign-in is some time ago: confirm that it is you, then {to}.")
    if not form["password"]:
        raise Refused("identity.recent", f"Your sign-in is some time ago: enter your password to {to}.")
    prove(request, visit.person, form, visit.at)
    proved(visit.office.sign_ins, visit.session, visit.at)


def ways(visit: Visit) -> dict[str, Any]:
    """How somebody may say again who they are: for the templates that ask it."""
    provider = visit.settings.provider
    known = provider is not None and tied(visit.office.sign_ins, provider.issuer, visit.person)
    return {
        "provider": provider.name if provider and known else "",
        "has_code": visit.office.sign_ins.has_second_factor(visit.person),
        "has_password": visit.office.sign_ins.credential(visit.person) is not None,
    }
