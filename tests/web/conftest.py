"""A server with Baltimore's recommendation in review, on a port of this machine, and people who sign in to it."""

from __future__ import annotations

import html
import re
import shutil
import socket
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import openid_provider
import pytest
import uvicorn
from fastapi import FastAPI

from fiscus.bootstrap import Office, now, open_office
from fiscus.integrate.decision import BUDGET, CLERK, PLANNER, PROPOSAL, _prepare, seats
from fiscus.integrate.main_job import run_main_job
from fiscus.integrate.openid import Provider
from fiscus.integrate.proposing import content_of_run
from fiscus.integrate.shipped import shipped_plan
from fiscus.optimise.verify import stored_problem
from fiscus.web.app import make_app
from fiscus.web.settings import CALLBACK, Settings
from fiscus.workflow.actor import Actor
from fiscus.workflow.authority.reading import read_matrix
from fiscus.workflow.identity import commands as who
from fiscus.workflow.identity import sessions
from fiscus.workflow.identity.passwords import hash_password
from fiscus.workflow.proposal import commands as do
from fiscus.workflow.service import administer, follow

PASSWORD = "four words and a horse"
PLAN = "baltimore-go-fy2024"
AUDITOR = "inspector"


@pytest.fixture(scope="session")
def hashed():
    """The password of everybody, hashed once: that it is slow is tested elsewhere."""
    return hash_password(PASSWORD)


@pytest.fixture(scope="session")
def run_folder(tmp_path_factory):
    """The main job's run of Baltimore's plan."""
    folder = tmp_path_factory.mktemp("web-run")
    run_main_job(folder)
    return folder / "optimise"


@pytest.fixture(scope="session")
def filled(tmp_path_factory, run_folder, hashed):
    """A database with people, budgets, the matrix, an auditor, and a proposal in review; to be copied."""
    path = tmp_path_factory.mktemp("web-db") / "filled.db"
    office = open_office(str(path))
    matrix, problem = read_matrix(shipped_plan(PLAN) / "authority.yaml"), stored_problem(run_folder)
    people = seats(matrix)
    content = content_of_run(run_folder, title="FY2024 General Obligation bonds", risk_bands=matrix.risk_bands)
    (fund,) = {item.fund for item in content.items}
    at = office.clock()
    with office.store.begin() as uow:
        _prepare(uow, matrix, problem, people, fund, at)
        administer(who.AddPerson(AUDITOR, "Inspector"), uow, actor=Actor(CLERK), at=at)
        administer(who.GrantRole(AUDITOR, "auditor"), uow, actor=Actor(CLERK), at=at)
        follow(do.Draft(PROPOSAL, content), uow, actor=Actor(PLANNER), at=at)
        follow(do.Submit(PROPOSAL), uow, actor=Actor(PLANNER), at=at)
        uow.commit()
    for name in (CLERK, PLANNER, BUDGET, AUDITOR, *(person for holders in people.values() for person in holders)):
        office.sign_ins.set_credential(name, hashed)
    office.store.close()
    return path


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


@pytest.fixture
def server(tmp_path, filled):
    """A server of one's own."""
    shutil.copy(filled, tmp_path / "fiscus.db")
    with serving(tmp_path / "fiscus.db") as made:
        yield made


@pytest.fixture(scope="module")
def shared(tmp_path_factory, filled):
    """A server for tests that change nothing that others look at."""
    path = tmp_path_factory.mktemp("shared") / "fiscus.db"
    shutil.copy(filled, path)
    with serving(path) as made:
        yield made


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


@pytest.fixture(scope="session")
def elsewhere(tmp_path_factory):
    """An OpenID provider that is not ours, in a process of its own."""
    port, here = free_port(), free_port()
    redirect = f"http://127.0.0.1:{here}{CALLBACK}"
    command = [sys.executable, openid_provider.__file__, str(port), str(tmp_path_factory.mktemp("provider")), redirect]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "ready\n"
        yield Elsewhere(f"http://127.0.0.1:{port}", here, process)
        process.terminate()


def known_by_email(office: Office, addresses: dict[str, str]) -> None:
    """Enter people's addresses."""
    with office.store.begin() as uow:
        for person, email in addresses.items():
            administer(who.ChangePerson(person, person.title(), email), uow, actor=Actor(CLERK), at=office.clock())
        uow.commit()


@pytest.fixture
def federated(tmp_path, filled, elsewhere):
    """A server of one's own whose people may sign in at the provider."""
    shutil.copy(filled, tmp_path / "fiscus.db")
    with serving(tmp_path / "fiscus.db", elsewhere.settings, elsewhere.port) as made:
        known_by_email(made.office, {"planning-commission-1": "Commission-One@city.example"})
        yield made


@pytest.fixture
def empty(tmp_path):
    """A server where nobody is yet."""
    with serving(tmp_path / "fiscus.db") as made:
        yield made


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


@pytest.fixture
def town(tmp_path, hashed):
    """A small town's server: two lines of one proposal in review, made by hand."""
    from fiscus.workflow.authority.reading import matrix_from_text
    from fiscus.workflow.funds.books import SetBudget
    from fiscus.workflow.proposal.content import Content, Item
    from fiscus.workflow.service import adopt_policy, set_budget

    with serving(tmp_path / "town.db") as made:
        office, clerk = made.office, Actor("clerk")
        at = office.clock()
        with office.store.begin() as uow:
            for name in TOWNSFOLK:
                administer(who.AddPerson(name, name.title()), uow, actor=clerk, at=at)
            administer(who.AddUnit("town", "", "author"), uow, actor=clerk, at=at)
            for name, roles in TOWNSFOLK.items():
                for role in roles:
                    administer(who.GrantRole(name, role), uow, actor=clerk, at=at)
            adopt_policy(matrix_from_text(TOWN, "town.yaml"), uow, actor=clerk, at=at)
            set_budget(SetBudget("town", "2027", "general", 100_000, "USD", True), uow, actor=Actor("purse"), at=at)
            items = (
                Item("2027", "bridge", "town", "general", 60_000, 50_000, "The bridge"),
                Item("2027", "pump", "town", "general", 20_000, 30_000, "The pump"),
            )
            content = Content("Bridge & pump", "USD", items, justification="The bridge is old")
            follow(do.Draft("p", content), uow, actor=Actor("author"), at=at)
            follow(do.Submit("p"), uow, actor=Actor("author"), at=at)
            uow.commit()
        for name in TOWNSFOLK:
            office.sign_ins.set_credential(name, hashed)
        yield made


def hidden(page: str, button: str = "") -> dict[str, str]:
    """Hidden fields of a page's form; of the one with a button where that is named."""
    forms = re.findall(r"<form.*?</form>", page, re.DOTALL)
    found = next(form for form in forms if button in form and 'name="csrf"' in form and "sign-out" not in form)
    return {k: html.unescape(v) for k, v in re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', found)}
