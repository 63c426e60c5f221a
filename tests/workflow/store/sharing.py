"""Threads whose work is done in one transaction, and what must hold of a store after it."""

from __future__ import annotations

import threading
from collections import Counter

from writing import note

from fiscus.errors import FiscusError
from fiscus.workflow.audit.log import unbroken
from fiscus.workflow.audit.merkle import root_of
from fiscus.workflow.ports import Filter, Notice


class Crowd:
    """Threads that give work while somebody else writes, so that all of it is done in one transaction."""

    def __init__(self, store):
        self.store, self.came, self.threads = store, {}, []

    def give(self, name, work):
        def run():
            try:
                self.came[name] = self.store.together(work)
            except BaseException as error:
                self.came[name] = error

        waiting = len(self.store._turns._waiting)
        thread = threading.Thread(target=run)
        self.threads.append(thread)
        thread.start()
        while len(self.store._turns._waiting) == waiting:  # In the order in which it is given.
            pass

    def let(self, *given):
        """What came of each, by name."""
        with self.store.begin():
            for name, work in given:
                self.give(name, work)
        for thread in self.threads:
            thread.join(60)
        return self.came


def whole(reader):
    """One chain, streams as long as their events, and a ledger of events that are there."""
    events = list(unbroken(reader.events()))
    head = reader.head()
    assert (head.size, head.hash) == (len(events), events[-1].hash)
    assert head.root == root_of(event.body for event in events).hex()
    assert {record.stream: record.version for record in reader.find(Filter())} == Counter(e.stream for e in events)
    booked = list(reader.booked())
    assert [each.number for each in booked] == list(range(1, len(booked) + 1))
    assert all(each.seq <= head.size for each in booked)
    assert sum(reader.balances().values()) == 0


def told(came):
    """What came of a piece of work, to be compared."""
    return (type(came).__name__, str(came)) if isinstance(came, BaseException) else came


def outcome(together, work):
    """The same, of one that is done now."""
    try:
        return together(work)
    except FiscusError as error:
        return told(error)


def commits(store):
    """Of how many pieces of work each commit is from now on."""
    counted, kept, transaction = [], [], store._turns._transaction
    opened, run, finish = transaction.opened, transaction.run, transaction.finish

    def opening(known):
        kept.clear()
        return opened(known)

    def running(shared, work):
        made = run(shared, work)
        kept.append(work)
        return made

    def finishing(shared):
        finish(shared)
        counted.append(len(kept))

    transaction.opened, transaction.run, transaction.finish = opening, running, finishing
    return counted


def adding(stream, version=0, **data):
    def work(uow):
        (event,) = note(uow, stream, version, **data)
        uow.send([Notice("a", {"stream": stream})])
        uow.remember(f"c.{stream}.{version}", {"seq": event.seq})
        return event.seq

    return work
