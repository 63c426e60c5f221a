"""A server that runs until it is stopped."""

from __future__ import annotations

import gc
import sys
from contextlib import nullcontext

import uvicorn

from fiscus.bootstrap import Office
from fiscus.errors import ProviderAway
from fiscus.integrate.openid import Client
from fiscus.web.app import make_app
from fiscus.web.notifying import Sender, settings_for
from fiscus.web.settings import Settings
from fiscus.workflow.identity.sealing import Unreadable
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


def provider_trouble(settings: Settings) -> str:
    """Why nobody can sign in with the OpenID provider just now; empty where they can, or there is none.

    One that is away does not keep a server from starting, since people with a password can sign in; it is asked again
    whenever somebody comes.

    Raises:
        ProviderWrong: Where what it says about itself cannot be used: that does not pass by waiting.
    """
    if settings.provider is None:
        return ""
    try:
        Client(settings.provider, settings.callback).endpoints()
    except ProviderAway as error:
        return str(error)
    return ""


COLLECT = (50_000, 10, 20)
"""Objects that come before the youngest are looked through, and how often that is for each time the older ones are."""


def serve(office: Office, settings: Settings, host: str, port: int, *, notify: bool = True) -> None:
    """Answer requests until somebody stops it.

    Args:
        office: Store and clock.
        settings: Of the server.
        host: Address to listen at.
        port: Port to listen at.
        notify: Whether it sends notices too.

    Raises:
        InvalidInput: Where the environment's settings of notifications cannot be.
    """
    sys.setswitchinterval(SWITCH)
    _seal(office)
    sender = Sender(office, settings_for(settings.origin)) if notify else nullcontext()
    app = make_app(office, settings)
    collect_seldom()
    with sender:
        uvicorn.run(app, host=host, port=port, log_level="warning", access_log=False, server_header=False)


def collect_seldom() -> None:
    """Have Python look for garbage in cycles seldom: it stops everybody for a tenth of a second to look through all that is kept.

    What is there now is not looked through again.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*COLLECT)


def _seal(office: Office) -> None:
    """Seal what an earlier version kept in the clear, or an older key sealed; the pages go on without, and nobody gets past a code."""
    try:
        office.sign_ins.reseal()
    except Unreadable as error:
        print(f"fiscus: {error}", file=sys.stderr, flush=True)  # noqa: T201 - the server's own stream
