"""What processes do that tests start: give commands until they are killed, or all at once."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta

from fiscus.errors import FiscusError
from fiscus.workflow.actor import Actor
from fiscus.workflow.authority.reading import matrix_from_text
from fiscus.workflow.funds.books import SetBudget
from fiscus.workflow.identity import commands as who
from fiscus.workflow.proposal import commands as do
from fiscus.workflow.proposal.content import Content, Item
from fiscus.workflow.service import administer, adopt_policy, follow, reading, set_budget
from fiscus.workflow.store import failpoints
from fiscus.workflow.store.sql import SqlStore

AT = datetime(2026, 1, 1, tzinfo=UTC)
MATRIX = """
name: small
currency: USD
about: One approver.
roles: {approver: {title: Approver}, releaser: {title: Releaser}, reconciler: {title: Reconciler}}
rolling_days: 0
rules:
  - {id: all, path: [{stage: approval, role: approver}], release: releaser, reconcile: reconciler}
"""


def prepare(url, budget):
    """A store with people, a matrix and a budget."""
    store = SqlStore.open(url)
    with store.begin() as uow:
        root = Actor("root")
        administer(who.AddPerson("root", "Root"), uow, actor=root, at=AT)
        administer(who.AddUnit("city"), uow, actor=root, at=AT)
        for person, role in (
            ("ann", ""),
            ("bob", "approver"),
            ("cyd", "releaser"),
            ("dan", "reconciler"),
            ("bud", "budget"),
        ):
            administer(who.AddPerson(person, person.title()), uow, actor=root, at=AT)
            if role:
                administer(who.GrantRole(person, role), uow, actor=root, at=AT)
        adopt_policy(matrix_from_text(MATRIX, "small"), uow, actor=root, at=AT)
        set_budget(SetBudget("city", "p1", "general", budget, "USD"), uow, actor=Actor("bud"), at=AT)
        uow.commit()
    return store


def give(store, command, person, key, session=""):
    with store.begin() as uow:
        answer = follow(command, uow, actor=Actor(person, session=session), at=AT + timedelta(days=1), key=key)
        uow.commit()
    return answer


def content(title, amount):
    return Content(title, "USD", (Item("p1", "roads", "city", "general", amount),))


def steps(store, name, amount):
    """The whole life of a proposal; of every step its key, and what gives it."""

    def step(kind, command, person):
        key = f"{name}.{kind}"
        return key, lambda: give(store, command(), person, key, session=f"{name}.{person}")

    return (
        step("draft", lambda: do.Draft(name, content(name, amount)), "ann"),
        step("submit", lambda: do.Submit(name), "ann"),
        step("approve", lambda: do.Approve(name, shown(store, name)), "bob"),
        step("release", lambda: do.Release(name), "cyd"),
    )


def budget(store, name):
    """One more in the budget."""
    key = f"{name}.budget"
    with store.begin() as uow:
        amount = 10_000_000 + uow.head().size
        command = SetBudget("city", "p1", "general", amount, "USD")
        answer = set_budget(command, uow, actor=Actor("bud"), at=AT + timedelta(days=1), key=key)
        uow.commit()
    return answer


def chores(store, name, note):
    """What an office does besides: notices are sent, a checkpoint is kept, a password is set."""
    with store.begin() as uow:
        numbers = [number for number, _ in uow.notices()]
        uow.sent(numbers[:2])
        uow.commit()
    for number in numbers[:2]:
        note("sent", number)
    with store.begin() as uow:
        head = uow.head()
        uow.checkpoint({"size": head.size, "root": head.root})
        uow.commit()
    note("checkpoint", head.size, head.root)
    store.set_credential(name, f"hash-of-{name}")
    note("credential", name)


def shown(store, name):
    with store.read() as reader:
        return reading.known_proposal(reader, name).hash


def lives(url, prefix, failpoint, acknowledged):
    """Work until killed.

    Args:
        url: Of the store.
        prefix: Of everything that this process makes.
        failpoint: Where it is killed.
        acknowledged: File that a line is written to for everything acknowledged, before anything else is done.
    """
    notes = os.open(acknowledged, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def note(*words):
        os.write(notes, (" ".join(map(str, words)) + "\n").encode())

    store = SqlStore.open(url)
    failpoints.arm(failpoint)
    for number in range(1, 1_000):
        name = f"{prefix}{number}"
        for key, step in (*steps(store, name, 1), (f"{name}.budget", lambda name=name: budget(store, name))):
            answer = step()
            note("command", key, answer.stream, answer.version)
        chores(store, name, note)


def opened(url):
    """Open a store that others open at the same moment, and write to it once."""
    store = SqlStore.open(url)
    with store.begin() as uow:
        uow.remember(f"process {os.getpid()}", {})
        uow.commit()
    store.close()


def race(url, name, kind, ready, told):
    """One command on one proposal, as fast as may be.

    Args:
        url: Of the store.
        name: Of the proposal.
        kind: Of the command.
        ready: Barrier at which all wait for each other.
        told: Queue for what came of it.
    """
    store = SqlStore.open(url)
    person = {"approve": "bob", "release": "cyd", "edit": "ann"}[kind]
    command = {
        "approve": do.Approve(name, shown(store, name)),
        "release": do.Release(name),
        "edit": do.Edit(name, content("another", 2)),
    }[kind]
    ready.wait(60)
    try:
        came = f"done {give(store, command, person, f'{name}.{kind}').status}"
    except FiscusError as error:
        came = f"refused {getattr(error, 'rule', type(error).__name__)}"
    told.put((name, kind, came))
