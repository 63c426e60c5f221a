"""How many decisions a store makes durable in a second, against a bare transaction of SQLite on the same disk.

python tests/workflow/store/measure.py [FOLDER] [URL OF A POSTGRESQL DATABASE, %s FOR ONE OF TWO NAMES]

A unit of work is what a typical decision writes: three streams are read, two events, a state, who waits, a command, a notice, and
two transfers. The bare one writes four statements with as many bytes. Both take turns, so that what else the disk does hits both.
"""

from __future__ import annotations

import hashlib
import sqlite3
import statistics
import sys
import tempfile
import time
from operator import truediv
from pathlib import Path

from fiscus.workflow.ports import Account, Entry, Index, Notice, Stamp, Transfer
from fiscus.workflow.store.memory import MemoryStore
from fiscus.workflow.store.sql import SqlStore

AT = "2026-11-23T20:00:00.000000Z"
STATE = {"title": "A road", "slots": [{"stage": f"s{number}", "need": 2, "by": ["ann", "bob"]} for number in range(12)]}
DATA = {"role": "head", "unit": "city", "hash": hashlib.sha256(b"").hexdigest(), "reason": "It is needed where it is."}
WAITS = ((("head", "city"), ("budget", "city")), (("board", "city"),))
ROUNDS, BATCH = 20, 25


def account(bucket):
    return Account("city", "p1", "general", bucket)


def prepared(store):
    """A store with two streams that every decision reads, and money."""
    with store.begin() as uow:
        for stream in ("registry", "funds"):
            (event,) = uow.append(stream, 0, Stamp(AT, "ann"), [Entry("Made", DATA)], STATE, Index(stream))
        uow.move([Transfer(account("appropriated"), account("available"), 10**12)], event.seq)
        uow.commit()
    return store


def decision(store, stream, version, key, money=True):
    """One typical unit of work."""
    with store.begin() as uow:
        uow.answer(key)
        uow.latest()
        for name in ("registry", "funds", stream):
            uow.load(name)
        uow.balances(["city"])
        entries = [Entry("Approved", DATA), Entry("Adopted", DATA)]
        index = Index("proposal", "in_review", "ann", "city", stream, 100, AT, WAITS[version // 2 % 2], "A road")
        written = uow.append(stream, version, Stamp(AT, "ann", command=key), entries, STATE, index)
        if money:
            uow.move(
                [
                    Transfer(account("available"), account("reserved"), 2),
                    Transfer(account("reserved"), account("released"), 1),
                ],
                written[0].seq,
            )
        uow.remember(key, {"stream": stream, "version": version + 2, "status": "in_review", "kinds": ["Approved"]})
        uow.send([Notice("proposal.approved", {"proposal": stream, "seq": written[0].seq})])
        uow.commit()


class Bare:
    """SQLite with nothing around it."""

    def __init__(self, path):
        self.connection = sqlite3.connect(path, isolation_level=None)
        for statement in (
            "PRAGMA journal_mode = WAL",
            "PRAGMA synchronous = FULL",
            "CREATE TABLE events (seq INTEGER PRIMARY KEY, body TEXT)",
            "CREATE TABLE streams (stream TEXT PRIMARY KEY, version INTEGER, state TEXT)",
            "CREATE TABLE commands (id TEXT PRIMARY KEY, answer TEXT)",
            "CREATE TABLE accounts (id TEXT PRIMARY KEY, balance INTEGER)",
            "INSERT INTO accounts VALUES ('city', 0)",
        ):
            self.connection.execute(statement)

    def write(self, stream, key):
        run = self.connection.execute
        run("BEGIN IMMEDIATE")
        run("INSERT INTO events (body) VALUES (?)", ("x" * 800,))
        run(
            "INSERT INTO streams VALUES (?, 1, ?) ON CONFLICT (stream) DO UPDATE SET version = version + 1, state = excluded.state",
            (stream, "y" * 700),
        )
        run("INSERT INTO commands VALUES (?, ?)", (key, "z" * 100))
        run("UPDATE accounts SET balance = balance + 1 WHERE id = 'city'")
        run("COMMIT")


def turns(store, path, money=True):
    """Seconds per unit of work of both, in turns: ours, those of a bare transaction, and our own processor time."""
    bare, ours, theirs, processor = Bare(path), [], [], []
    for number in range(ROUNDS):
        before, cpu = time.perf_counter(), time.process_time()
        for each in range(BATCH):
            decision(store, f"proposal/p{number}", 2 * each, f"{number}.{each}", money)
        ours.append((time.perf_counter() - before) / BATCH)
        processor.append((time.process_time() - cpu) / BATCH)
        before = time.perf_counter()
        for each in range(BATCH):
            bare.write(f"proposal/p{number}", f"{number}.{each}")
        theirs.append((time.perf_counter() - before) / BATCH)
    return ours, theirs, processor


def show(name, ours, theirs, processor):
    mine, bare, ratio = (
        statistics.median(ours),
        statistics.median(theirs),
        statistics.median(map(truediv, theirs, ours)),
    )
    print(
        f"{name}: {1 / mine:,.0f} a second, {1e6 * mine:,.0f} us each, {1e6 * statistics.median(processor):,.0f} us of them "
        f"our processor time; bare SQLite {1 / bare:,.0f} a second; ratio {ratio:.2f}",
        flush=True,
    )


def main(folder, postgres=""):
    with tempfile.TemporaryDirectory(dir=folder) as name:
        for kind, url in (("SQLite", f"sqlite:///{name}/fiscus%s.db"), ("PostgreSQL", postgres), ("memory", "")):
            for money in (False, True):
                if url or kind == "memory":
                    store = MemoryStore() if kind == "memory" else SqlStore.open(url.replace("%s", str(money)))
                    label = f"{kind}, {'two transfers' if money else 'no money'}"
                    show(label, *turns(prepared(store), Path(name) / f"bare {label}.db", money))


if __name__ == "__main__":
    main(*(sys.argv[1:] or ["."]))
