"""A server with Baltimore's recommendation in review, a small town, and an OpenID provider, as fixtures."""

from __future__ import annotations

import shutil
import subprocess
import sys

import openid_provider
import pytest
from places import (
    AUDITOR,
    PASSWORD,
    TOWN,
    TOWNSFOLK,
    Elsewhere,
    free_port,
    known_by_email,
    serving,
)

from fiscus.bootstrap import open_office
from fiscus.integrate.decision import BUDGET, CLERK, PLANNER, baltimore_matrix, propose_baltimore, seats
from fiscus.integrate.main_job import run_main_job
from fiscus.web.settings import CALLBACK
from fiscus.workflow.actor import Actor
from fiscus.workflow.identity import commands as who
from fiscus.workflow.identity.passwords import hash_password
from fiscus.workflow.proposal import commands as do
from fiscus.workflow.service import administer, follow


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
    at, people = office.clock(), seats(baltimore_matrix())
    propose_baltimore(office.store, run_folder, at)
    with office.store.begin() as uow:
        administer(who.AddPerson(AUDITOR, "Inspector"), uow, actor=Actor(CLERK), at=at)
        administer(who.GrantRole(AUDITOR, "auditor"), uow, actor=Actor(CLERK), at=at)
        uow.commit()
    for name in (CLERK, PLANNER, BUDGET, AUDITOR, *(person for holders in people.values() for person in holders)):
        office.sign_ins.set_credential(name, hashed)
    office.store.close()
    return path


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
