"""A server that runs until it is stopped."""

from __future__ import annotations

import sys

import uvicorn

from fiscus.bootstrap import Office
from fiscus.web.app import make_app
from fiscus.web.settings import Settings
from fiscus.workflow.identity.sessions import FIRST, new_link
from fiscus.workflow.service import registry

SWITCH = 0.002
"""Seconds for which a thread may keep the interpreter from others. Every row of the database gives it away and waits to have it
back; at Python's own 5 milliseconds a page would mostly wait."""


def first_link(office: Office, settings: Settings) -> str:
    """A one-time link for the first administrator; empty where somebody is there already."""
    with office.store.read() as reader:
        if registry(reader).people:
            return ""
    return f"{settings.origin}/begin/{new_link(office.sign_ins, FIRST, '', office.clock())}"


def serve(office: Office, settings: Settings, host: str, port: int) -> None:
    """Answer requests until somebody stops it.

    Args:
        office: Store and clock.
        settings: Of the server.
        host: Address to listen at.
        port: Port to listen at.
    """
    sys.setswitchinterval(SWITCH)
    uvicorn.run(
        make_app(office, settings), host=host, port=port, log_level="warning", access_log=False, server_header=False
    )
