"""Pieces of work that share a commit: none is kept before all are, none takes another with it, and the chain is one."""

from __future__ import annotations

import os
import threading
from collections import Counter

import pytest
import sqlalchemy as sa
from worker import content, give, prepare, shown
from writing import account, fund, note

from fiscus.errors import Conflict, FiscusError, InvalidInput, Overdrawn, Refused
from fiscus.workflow.audit.log import unbroken
from fiscus.workflow.audit.merkle import root_of
from fiscus.workflow.audit.replaying import replayed
from fiscus.workflow.ports import Filter, Index, Notice, Transfer
from fiscus.workflow.proposal import commands as do
from fiscus.workflow.service import follow
from fiscus.workflow.store import ending, turns
from fiscus.workflow.store.sql import SqlStore


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


@pytest.fixture
def sql(url):
    store = SqlStore.open(url)
    yield store
    store.close()


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


def commits(store):
    """Counts how often the log is written to from now on."""
    counted, finish = [], store._turns._transaction.finish

    def counting(shared):
        counted.append(shared.members)
        finish(shared)

    store._turns._transaction.finish = counting
    return counted


def adding(stream, version=0, **data):
    def work(uow):
        (event,) = note(uow, stream, version, **data)
        uow.send([Notice("a", {"stream": stream})])
        uow.remember(f"c.{stream}.{version}", {"seq": event.seq})
        return event.seq

    return work


def test_work_alone_is_kept(store):
    assert store.together(adding("proposal/a")) == 1
    with pytest.raises(Conflict):
        store.together(adding("proposal/a"))
    assert store.together(adding("proposal/a", 1)) == 2
    with store.read() as reader:
        assert reader.head().size == 2
        assert reader.answer("c.proposal/a.1") == {"seq": 2}


def test_many_share_one_commit(sql):
    counted = commits(sql)
    came = Crowd(sql).let(*((number, adding(f"proposal/{number}")) for number in range(20)))
    assert came == {number: number + 1 for number in range(20)}
    assert counted == [20]
    with sql.read() as reader:
        whole(reader)
        assert len(reader.notices()) == 20


def test_a_commit_is_of_so_many_at_most(sql, monkeypatch):
    monkeypatch.setattr(turns, "MOST", 3)
    counted = commits(sql)
    Crowd(sql).let(*((number, adding(f"proposal/{number}")) for number in range(7)))
    assert counted == [3, 3, 1]


def test_work_that_fails_takes_nobody_with_it(sql):
    with sql.begin() as uow:
        (event,) = note(uow, "proposal/0", waiting="none")
        fund(uow, 10, event.seq)
        uow.commit()

    def fails_at_once(uow):
        raise Refused("rule", "No.")

    def fails_after_writing(uow):
        (event,) = note(uow, "proposal/0", 1, index=Index("proposal", waiting=(("head", "city"),)))
        fund(uow, 5, event.seq)
        uow.keep(b'{"lost":1}')
        uow.run("INSERT INTO throttles (key, failures, until) VALUES ('x', 1, '')")
        raise Refused("rule", "No after all.")

    def overdraws(uow):
        (event,) = note(uow, "proposal/0", 1)
        uow.move([Transfer(account("available"), account("reserved"), 11)], event.seq)

    def caught(uow):
        (event,) = note(uow, "proposal/0", 1)
        with pytest.raises(Overdrawn):
            uow.move([Transfer(account("available"), account("reserved"), 11)], event.seq)

    def commits_itself(uow):
        uow.commit()

    def pays(uow):
        (event,) = note(uow, "proposal/0", 1)
        uow.move([Transfer(account("available"), account("reserved"), 10)], event.seq)
        return "paid"

    def late(uow):
        assert uow.load("proposal/0").version == 2
        assert uow.answer("c.proposal/1.0") is not None
        assert {record.stream for record in uow.find(Filter(kind="proposal"))} >= {"proposal/0", "proposal/1"}
        return uow.balances()[account("reserved")]

    counted = commits(sql)
    came = Crowd(sql).let(
        ("first", adding("proposal/1")),
        ("at once", fails_at_once),
        ("after", fails_after_writing),
        ("overdraws", overdraws),
        ("caught", caught),
        ("itself", commits_itself),
        ("pays", pays),
        ("again", pays),
        ("nul", adding("proposal/\0")),
        ("late", late),
        ("last", adding("proposal/2")),
    )
    assert counted == [4]
    assert (came["first"], came["pays"], came["late"], came["last"]) == (2, "paid", 10, 4)
    kinds = {name: type(error) for name, error in came.items() if isinstance(error, BaseException)}
    assert kinds == {
        "at once": Refused,
        "after": Refused,
        "overdraws": Overdrawn,
        "caught": FiscusError,
        "itself": FiscusError,
        "again": Conflict,
        "nul": InvalidInput,
    }
    with sql.read() as reader:
        whole(reader)
        assert reader.balances() == {account("appropriated"): -10, account("available"): 0, account("reserved"): 10}
        assert list(reader.contents()) == []
        assert reader.run("SELECT count(*) FROM throttles").fetchone()[0] == 0
        assert reader.run("SELECT count(*) FROM waiting").fetchone()[0] == 0
    with sql.begin() as uow:  # What is known of streams is what is there.
        assert uow.load("proposal/0").version == 2
        note(uow, "proposal/0", 2)
        uow.commit()
    with sql.read() as reader:
        whole(reader)


def test_the_first_may_fail_too(sql):
    def fails(uow):
        fund(uow, 5, 1)
        raise Refused("rule", "No.")

    came = Crowd(sql).let(("first", fails), ("second", adding("proposal/1")), ("third", fails))
    assert came["second"] == 1
    with sql.read() as reader:
        whole(reader)
        assert reader.balances() == {}


def test_nobody_is_told_before_the_commit_and_all_hear_where_it_fails(sql):
    finish = sql._turns._transaction.finish

    def broken(shared):
        assert crowd.came == {}
        raise OSError("the disk is full")

    crowd = Crowd(sql)
    sql._turns._transaction.finish = broken
    came = crowd.let(*((number, adding(f"proposal/{number}")) for number in range(3)))
    assert [type(came[number]) for number in range(3)] == [OSError, FiscusError, FiscusError]
    sql._turns._transaction.finish = finish
    with sql.read() as reader:
        assert reader.head().size == 0
    assert sql.together(adding("proposal/0")) == 1


def test_a_transaction_that_the_database_gave_up_is_nobodys(postgres_url):
    """What fails while reading spoils the transaction in PostgreSQL; whoever catches it cannot go on, and nor can the others."""
    store = SqlStore.open(postgres_url)

    def spoils(uow):
        uow.run("SELECT 1 / 0")

    came = Crowd(store).let(("before", adding("proposal/0")), ("spoils", spoils), ("after", adding("proposal/1")))
    assert isinstance(came["before"], FiscusError)
    assert "division by zero" in str(came["spoils"])
    assert came["after"] == 1
    with store.read() as reader:
        assert [record.stream for record in reader.find(Filter())] == ["proposal/1"]
    store.close()


def test_a_unit_of_work_inside_another_is_refused_at_once(sql):
    with sql.begin(), pytest.raises(FiscusError, match="already"), sql.begin():
        pass
    with pytest.raises(FiscusError, match="already"):
        sql.together(lambda uow: sql.together(adding("proposal/0")))
    assert sql.together(adding("proposal/0")) == 1


def test_whoever_waits_too_long_is_told(sql, monkeypatch):
    monkeypatch.setattr(turns, "WAIT_SECONDS", 0.05)
    came = Crowd(sql)
    with sql.begin() as uow:
        came.give("late", adding("proposal/0"))
        came.threads[0].join(60)
        assert "try again later" in str(came.came["late"])
        note(uow)
        uow.commit()
    assert sql.together(adding("proposal/1")) == 2


def test_streams_are_found_though_nothing_more_is_kept_of_them(sql, monkeypatch):
    """What is to be written is looked at before the database, whatever fell out of memory."""
    monkeypatch.setattr(ending, "MOST_TEXT", -1)
    Crowd(sql).let(*((number, adding("proposal/0", number)) for number in range(5)), ("b", adding("proposal/1")))
    with sql.begin() as uow:
        note(uow, "proposal/0", 5)
        note(uow, "proposal/1", 1)
        assert uow.load("proposal/0").version == 6
        uow.commit()
    with sql.read() as reader:
        whole(reader)


def test_what_another_process_wrote_is_seen(url):
    """Streams are known as they were left only while nobody else has written."""
    here, there = SqlStore.open(url), SqlStore.open(url)
    for number in range(4):
        for store in (here, there):
            with store.begin() as uow:
                record = uow.load("proposal/p")
                note(uow, "proposal/p", record.version if record else 0, number=number)
                uow.commit()
    with here.read() as reader:
        whole(reader)
        assert reader.load("proposal/p").version == 8
    here.close()
    there.close()


def test_threads_race_for_the_last_money(url):
    """Signatures of many at once: as many as there is money for, each of them once, and one chain."""
    store = prepare(url, 8)
    names = [f"r{number}" for number in range(24)]
    for name in names:
        give(store, do.Draft(name, content(name, 1)), "ann", f"{name}.d")
        give(store, do.Submit(name), "ann", f"{name}.s")
    seen = {name: shown(store, name) for name in names}

    def sign(name):
        from worker import AT, Actor, timedelta

        command = do.Approve(name, seen[name])
        at = AT + timedelta(days=1)
        return store.together(lambda uow: follow(command, uow, actor=Actor("bob"), at=at, key=f"{name}.a")).status

    came = Crowd(store)
    threads = []
    for name in names:

        def run(name=name):
            try:
                came.came[name] = sign(name)
            except Refused as error:
                came.came[name] = error.rule

        threads.append(threading.Thread(target=run))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert Counter(came.came.values()) == {"approved": 8, "funds.unavailable": 16}
    with store.read() as reader:
        replayed(reader)
        assert reader.balances()[account("available")] == 0
    store.close()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_child_of_a_fork_has_turns_of_its_own(url):
    import multiprocessing

    store = SqlStore.open(url)
    with store.begin() as uow:
        child = multiprocessing.get_context("fork").Process(target=store.together, args=(adding("proposal/child"),))
        if store.dialect == "sqlite":
            note(uow)
            uow.commit()
        child.start()
        if store.dialect == "postgresql":
            uow.commit()
    child.join(60)
    assert child.exitcode == 0
    with store.read() as reader:
        assert reader.load("proposal/child").version == 1
    store.close()


def test_what_waits_is_found_once_it_is_written(sql):
    """Rows of ``waiting`` follow streams that change twice within one transaction."""

    def wait(stream, version, *places):
        return lambda uow: note(uow, stream, version, index=Index("proposal", waiting=places))

    Crowd(sql).let(
        (1, wait("proposal/0", 0, ("head", "city"), ("board", "city"))),
        (2, wait("proposal/0", 1, ("board", "city"))),
        (3, wait("proposal/0", 2, ("board", "city"), ("mayor", "city"))),
        (4, wait("proposal/1", 0, ("head", "city"))),
        (5, wait("proposal/1", 1)),
    )
    with sql.engine.connect() as connection:
        found = connection.execute(sa.text("SELECT role, stream FROM waiting ORDER BY role")).fetchall()
    assert [tuple(row) for row in found] == [("board", "proposal/0"), ("mayor", "proposal/0")]
