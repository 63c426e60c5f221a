"""A server on a port of this machine, and people who sign in to it."""

from __future__ import annotations

import html
import re
import socket
import subprocess
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import openid_provider
import uvicorn
from fastapi import FastAPI

from fiscus.bootstrap import Office, now, open_office
from fiscus.integrate.decision import CLERK
from fiscus.integrate.openid import Provider
from fiscus.web.app import make_app
from fiscus.web.settings import Settings
from fiscus.workflow.actor import Actor
from fiscus.workflow.identity import commands as who
from fiscus.workflow.identity import sessions
from fiscus.workflow.service import administer

PASSWORD = "four words and a horse"
PLAN = "baltimore-go-fy2024"
AUDITOR = "inspector"


@dataclass
class Clock:
    """Time that tests may let pass."""

    ahead: timedelta = field(default_factory=timedelta)

    def __call__(self) -> datetime:
        return now() + self.ahead


@dataclass
class Server:
    """A running server.

    Attributes:
        url: Where it is.
        office: Its store.
        clock: Its time.
        app: What answers.
    """

    url: str
    office: Office
    clock: Clock
    app: FastAPI

    def client(self, person: str = "", **options) -> httpx.Client:
        """A browser without eyes, signed in as somebody."""
        plain = {"verify": False}  # Plain HTTP: whom TLS trusts need not be read, which takes its time.
        made = httpx.Client(base_url=self.url, headers={"origin": self.url}, timeout=30, **plain | options)
        if person:
            answer = made.post("/sign-in", data={"person": person, "password": PASSWORD})
            assert answer.status_code == 303, answer.text
            made.csrf = made.get("/api/me").json()["csrf"]
        return made

    def inside(self, person: str) -> httpx.Client:
        """Somebody who signed in just now, without the password that takes its time."""
        made = self.client()
        secret, session = sessions.begin(self.office.sign_ins, person, self.office.clock())
        made.cookies.set("fiscus", secret)
        made.csrf = session.csrf
        made.secret = secret
        return made


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


@contextmanager
def serving(path: Path, settings=None, port: int = 0):
    """A server on a database until the block ends."""
    clock, port = Clock(), port or free_port()
    office = open_office(str(path), clock)
    url = f"http://127.0.0.1:{port}"
    made = settings(url) if settings else Settings(url)
    app = make_app(office, made)
    config = uvicorn.Config(app, host="127.0.0.1", port=port, log_level="warning", lifespan="off")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield Server(url, office, clock, app)
    server.should_exit = True
    thread.join(timeout=10)
    office.store.close()


@dataclass
class Elsewhere:
    """The OpenID provider of ``openid_provider``, and a port that its people are sent back to.

    Attributes:
        url: Where it is.
        port: That its redirect URI names.
        process: It.
    """

    url: str
    port: int
    process: subprocess.Popen

    @property
    def issuer(self) -> str:
        return f"{self.url}/o"

    def settings(self, url: str, **options) -> Settings:
        """A server that knows it."""
        return Settings(
            url, Provider(self.issuer, openid_provider.CLIENT, openid_provider.SECRET, "City login", **options)
        )


def known_by_email(office: Office, addresses: dict[str, str]) -> None:
    """Enter people's addresses."""
    with office.store.begin() as uow:
        for person, email in addresses.items():
            administer(who.ChangePerson(person, person.title(), email), uow, actor=Actor(CLERK), at=office.clock())
        uow.commit()


def later(days: int) -> str:
    """A day to come."""
    return (datetime.now(UTC) + timedelta(days=days)).strftime("%Y-%m-%d")


TOWN = """
name: town
currency: USD
about: The head signs, then the council; two wardens break the glass.
roles:
  head: {title: Head}
  council: {title: Council}
  treasurer: {title: Treasurer}
  auditor: {title: Auditor}
  warden: {title: Emergency warden}
rolling_days: 0
rules:
  - id: all
    path: [{stage: head, role: head, days: 9, escalate: council}, {stage: council, role: council, need: 2, of: 3}]
    release: treasurer
    reconcile: auditor
duties: {emergency: warden}
"""
"""A small matrix that knows an emergency."""
TOWNSFOLK = {
    "clerk": (), "author": (), "purse": ("budget",), "head": ("head",), "council-1": ("council",), "council-2": ("council",),
    "council-3": ("council",), "treasurer": ("treasurer",), "checker": ("auditor",), "warden-1": ("warden",),
    "warden-2": ("warden",),
}  # fmt: skip
"""People of the small town and their roles."""


def hidden(page: str, button: str = "") -> dict[str, str]:
    """Hidden fields of a page's form; of the one with a button where that is named."""
    forms = re.findall(r"<form.*?</form>", page, re.DOTALL)
    found = next(form for form in forms if button in form and 'name="csrf"' in form and "sign-out" not in form)
    return {k: html.unescape(v) for k, v in re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', found)}


def release(client: httpx.Client, name: str = "p") -> httpx.Response:
    """Press the button that releases the whole."""
    path = f"/proposals/{name}/release"
    return client.post(path, data=hidden(client.get(path).text, 'value="whole"'))
