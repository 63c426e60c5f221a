"""A process that gives commands until it is told to stop, or is killed; it prints a line for every one that was acknowledged.

python worker.py URL NAME MODE [ARGUMENT...]
"""

from __future__ import annotations

import sys
from datetime import UTC, datetime, timedelta

from fiscus.errors import FiscusError
from fiscus.workflow.actor import Actor
from fiscus.workflow.authority.reading import matrix_from_text
from fiscus.workflow.funds.books import SetBudget
from fiscus.workflow.identity import commands as who
from fiscus.workflow.proposal import commands as do
from fiscus.workflow.proposal.content import Content, Item
from fiscus.workflow.service import administer, adopt_policy, follow, reading, set_budget
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


def give(store, command, person, key):
    with store.begin() as uow:
        answer = follow(command, uow, actor=Actor(person), at=AT + timedelta(days=1), key=key)
        uow.commit()
    return answer


def content(title, amount):
    return Content(title, "USD", (Item("p1", "roads", "city", "general", amount),))


def through(store, name, amount):
    """Whole lives of proposals; every acknowledged step is printed before the next begins."""
    steps = (
        ("draft", lambda: do.Draft(name, content(name, amount)), "ann"),
        ("submit", lambda: do.Submit(name), "ann"),
        ("approve", lambda: do.Approve(name, shown(store, name)), "bob"),
        ("release", lambda: do.Release(name), "cyd"),
    )
    for step, command, person in steps:
        answer = give(store, command(), person, f"{name}.{step}")
        print(f"{name}.{step} {answer.stream} {answer.version}", flush=True)


def shown(store, name):
    with store.read() as reader:
        return reading.known_proposal(reader, name).hash


def lives(store, prefix):
    number = 0
    while True:
        number += 1
        through(store, f"{prefix}{number}", 1)


def race(store, name, kind):
    """One command on one proposal, as fast as may be; says what came of it."""
    person = {"approve": "bob", "release": "cyd", "edit": "ann"}[kind]
    command = {
        "approve": do.Approve(name, shown(store, name)),
        "release": do.Release(name),
        "edit": do.Edit(name, content("another", 2)),
    }[kind]
    print("ready", flush=True)
    sys.stdin.readline()
    try:
        answer = give(store, command, person, f"{name}.{kind}")
        print(f"done {answer.status}", flush=True)
    except FiscusError as error:
        print(f"refused {getattr(error, 'rule', type(error).__name__)}", flush=True)


if __name__ == "__main__":
    url, mode, *rest = sys.argv[1:]
    opened = SqlStore.open(url)
    {"lives": lives, "race": race}[mode](opened, *rest)
