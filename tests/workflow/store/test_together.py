"""Pieces of work that share a commit: none is kept before all are, none takes another with it, and the chain is one."""

from __future__ import annotations

import multiprocessing
import os
import random
import threading
from collections import Counter

import psycopg
import pytest
import sqlalchemy as sa
from sharing import Crowd, adding, commits, outcome, told, whole
from worker import content, give, prepare, shown
from writing import account, fund, note

from fiscus.errors import Conflict, FiscusError, InvalidInput, Overdrawn, Refused
from fiscus.workflow.audit.log import hash_of
from fiscus.workflow.audit.replaying import replayed
from fiscus.workflow.ports import Entry, Filter, Index, Notice, Stamp, Transfer
from fiscus.workflow.proposal import commands as do
from fiscus.workflow.service import follow
from fiscus.workflow.store import ending, turns
from fiscus.workflow.store.memory import MemoryStore
from fiscus.workflow.store.sql import SqlStore


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
    assert [type(came[number]) for number in range(3)] == [OSError] * 3
    sql._turns._transaction.finish = finish
    with sql.read() as reader:
        assert reader.head().size == 0
    assert sql.together(adding("proposal/0")) == 1


def test_what_rests_on_work_that_was_not_kept_is_done_again(sql):
    """A refusal for the sake of somebody whose work the database then does not take would be a false one."""
    transaction, times = sql._turns._transaction, []
    finish = transaction.finish

    def once(shared):
        times.append(1)
        if len(times) < 3:  # Of both together, and of the first alone.
            raise OSError("the disk is full")
        finish(shared)

    transaction.finish = once
    came = Crowd(sql).let(("first", adding("proposal/0", who="first")), ("second", adding("proposal/0", who="second")))
    assert isinstance(came["first"], OSError)
    assert came["second"] == 1
    with sql.read() as reader:
        assert [event.data["who"] for event in reader.events()] == ["second"]


def test_whether_a_commit_was_carried_out_that_nobody_answered_is_not_known(sql):
    """The answer gets lost after the database did it: nobody is told that it was not kept, and the same key is answered."""
    transaction = sql._turns._transaction
    finish = transaction.finish

    def lost(shared):
        finish(shared)
        raise ConnectionError("the connection is gone")

    def refused(uow):
        raise Refused("rule", "No.")

    transaction.finish = lost
    came = Crowd(sql).let(("a", adding("proposal/0")), ("b", adding("proposal/1")), ("c", refused))
    assert all("nobody knows" in str(error) for error in came.values())
    with sql.begin() as uow:
        note(uow, "proposal/2")
        with pytest.raises(FiscusError, match="nobody knows"):
            uow.commit()
    transaction.finish = finish
    with sql.read() as reader:
        assert reader.head().size == 3
        assert reader.answer("c.proposal/1.0") == {"seq": 2}
    assert sql.together(adding("proposal/0", 1)) == 4


def test_a_transaction_that_the_database_gave_up_is_begun_anew_for_each(postgres_url):
    """What fails while reading spoils the transaction in PostgreSQL, whether or not it is caught; the others have theirs."""
    store = SqlStore.open(postgres_url)

    def spoils(uow):
        uow.run("SELECT 1 / 0")

    def catches(uow):
        note(uow, "proposal/2")
        with pytest.raises(psycopg.errors.DivisionByZero):
            uow._look("SELECT 1 / 0", ())

    came = Crowd(store).let(
        ("before", adding("proposal/0")), ("spoils", spoils), ("catches", catches), ("after", adding("proposal/1"))
    )
    assert (came["before"], came["after"]) == (1, 2)
    assert "division by zero" in str(came["spoils"])
    assert isinstance(came["catches"], FiscusError)
    with store.read() as reader:
        assert {record.stream for record in reader.find(Filter())} == {"proposal/0", "proposal/1"}
    store.close()


def test_a_transaction_that_sqlite_gave_up_is_nobodys(sqlite_url):
    store = SqlStore.open(sqlite_url)

    def gives_up(uow):
        note(uow, "proposal/2")
        uow.connection.execute("ROLLBACK")  # As SQLite does by itself where a disk fails.

    came = Crowd(store).let(("before", adding("proposal/0")), ("gives up", gives_up), ("after", adding("proposal/1")))
    assert (came["before"], came["after"]) == (1, 2)
    assert isinstance(came["gives up"], FiscusError)
    with store.read() as reader:
        whole(reader)
        assert {record.stream for record in reader.find(Filter())} == {"proposal/0", "proposal/1"}
    store.close()


@pytest.mark.parametrize(
    "poison",
    [
        lambda uow: uow.remember("k" * 6_000, {}),
        lambda uow: note(uow, "proposal/" + "p" * 6_000),
        lambda uow: note(uow, index=Index("proposal", amount=2**63)),
        lambda uow: note(uow, index=Index("proposal", owner=None)),
        lambda uow: note(uow, index=Index("proposal", title="half \ud800")),
        lambda uow: uow.keep(b"\0"),
        lambda uow: uow.send([Notice("a\0", {})]),
        lambda uow: uow.move([Transfer(account("appropriated"), account("available"), 0)], 1),
        lambda uow: uow.move([Transfer(account("appropriated"), account("available"), 5, "a\0")], 1),
        lambda uow: uow.move([Transfer(account("appropriated"), account("available"), 5)], 99),
    ],
)
def test_what_the_database_would_not_take_is_refused_before_it_is_anybody_elses(sql, poison):
    """And whoever catches that cannot commit the rest."""

    def caught(uow):
        note(uow, "proposal/9")
        with pytest.raises((InvalidInput, AttributeError)):
            poison(uow)

    counted = commits(sql)
    came = Crowd(sql).let(
        ("before", adding("proposal/0")), ("poison", poison), ("caught", caught), ("after", adding("proposal/1"))
    )
    assert counted == [2]
    assert (came["before"], came["after"]) == (1, 2)
    assert isinstance(came["poison"], InvalidInput)
    assert isinstance(came["caught"], FiscusError)
    with sql.read() as reader:
        whole(reader)
        assert reader.balances() == {}


def places(store):
    with store.engine.connect() as connection:
        found = connection.execute(sa.text("SELECT role, stream FROM waiting ORDER BY role, stream")).fetchall()
    return [tuple(row) for row in found]


@pytest.mark.parametrize("between", ["nothing", "money", "reading"])
@pytest.mark.parametrize("roles", [("board", "payer"), ("board", "board"), ("board", "head"), ("head", "board")])
@pytest.mark.parametrize("new", [False, True])
def test_a_stream_changed_twice_in_one_transaction(sql, between, roles, new):
    """By two pieces of work, whatever is written between them."""

    def index(role):
        return Index("proposal", owner=role, lineage=role, waiting=((role, "city"),))

    def change(number, role):
        def work(uow):
            (event,) = note(uow, "proposal/p", number, index=index(role))
            if number % 2 and between == "money":
                uow.move([Transfer(account("available"), account("reserved"), 1)], event.seq)
            if number % 2 and between == "reading":
                assert [each.stream for each in uow.find(Filter(owner=role))] == ["proposal/p"]
            return event.seq

        return work

    with sql.begin() as uow:
        (event,) = note(uow, "proposal/other")
        fund(uow, 10, event.seq)
        if not new:
            note(uow, "proposal/p", index=index("head"))
            note(uow, "proposal/p", 1, index=index("head"))
        uow.commit()
    begin, counted = 0 if new else 2, commits(sql)
    first, last = roles
    came = Crowd(sql).let(
        (0, change(begin, first)), (1, change(begin + 1, last)), ("other", adding("proposal/another"))
    )
    assert not [error for error in came.values() if isinstance(error, BaseException)]
    assert counted == [3]
    assert places(sql) == [(last, "proposal/p")]
    with sql.read() as reader:
        whole(reader)
        for wanted in (Filter(owner=last), Filter(lineage=last), Filter(waiting=((last, "city"),))):
            assert [record.stream for record in reader.find(wanted)] == ["proposal/p"]


def test_whoever_is_interrupted_while_waiting_keeps_nobody_waiting(sql, monkeypatch):
    """Ctrl-C in the main thread, whose turn then comes to nobody."""
    wait = turns.Ticket.wait

    def interrupted(ticket, seconds=-1):
        wait(ticket, seconds)
        raise KeyboardInterrupt

    came = Crowd(sql)
    with sql.begin():
        monkeypatch.setattr(turns.Ticket, "wait", interrupted)
        came.give("interrupted", adding("proposal/0"))
        monkeypatch.setattr(turns.Ticket, "wait", wait)
    came.threads[0].join(60)
    assert isinstance(came.came["interrupted"], KeyboardInterrupt)
    assert sql.together(adding("proposal/1")) == 1


def test_whoever_leads_and_is_interrupted_tells_the_others(sql):
    def interrupt(uow):
        raise KeyboardInterrupt

    came = Crowd(sql).let(("a", adding("proposal/0")), ("b", interrupt), ("c", adding("proposal/1")))
    assert isinstance(came["a"], KeyboardInterrupt)  # It was the first, and did the work of all.
    for name in "bc":
        assert isinstance(came[name], FiscusError)
        assert "try again" in str(came[name])
    assert sql.together(adding("proposal/1")) == 1


def test_lists_within_a_transaction_are_those_of_memory(sql):
    """The same pieces of work, in groups, on a database and in memory: the same answers, refusals, lists and books."""
    source = random.Random(20261129)
    memory = MemoryStore()
    for _ in range(12):
        works = [script(source) for _ in range(source.randrange(1, 7))]
        expected = {number: outcome(memory.together, work) for number, work in enumerate(works)}
        came = Crowd(sql).let(*enumerate(works))
        assert {number: told(each) for number, each in came.items()} == expected
        with sql.read() as one, memory.read() as other:
            assert everything(one) == everything(other)


def everything(reader):
    waiting = [[each.stream for each in reader.find(Filter(waiting=((role, ""),)))] for role in "abcd"]
    booked = [(each.number, each.seq, each.transfer) for each in reader.booked()]
    notices = [notice for _, notice in reader.notices()]
    roles = [sorted(reader.session_roles(f"s{number}")) for number in range(4)]
    return (
        reader.head(),
        list(reader.find(Filter())),
        reader.balances(),
        list(reader.contents()),
        booked,
        notices,
        roles,
        waiting,
    )


def script(source):
    """A piece of work of a few random steps."""
    kinds = (
        *["append"] * 4,
        "keep",
        "move",
        "remember",
        "send",
        "read",
        "find",
        "family",
        "answer",
        "books",
        "log",
        "fail",
    )
    steps = [(source.choice(kinds), source.randrange(4), source.randrange(4), source.randrange(1, 6)) for _ in range(5)]

    def work(uow):
        said, seq = [], 0
        for kind, a, b, c in steps:
            stream, digest = f"proposal/{a}", hash_of(b'{"k":%d}' % b)
            if kind == "append":
                places = tuple((role, "city") for role in "abcd"[:b] if (c >> "abcd".index(role) % 3) & 1)
                index = Index(
                    "proposal", f"s{c}", f"o{b}", "", f"l{a % 2}", c, "2026" if c % 2 else "", places, f"T{b}"
                )
                record = uow.load(stream)
                stamp = Stamp("2026-11-23T20:00:00.000000Z", "ann", session=f"s{b}" if c % 2 else "")
                entries = [Entry("Noted", {"role": f"r{c}"})] * (1 + b % 2)
                made = uow.append(stream, record.version if record else 0, stamp, entries, {"v": "x" * c}, index)
                seq = made[-1].seq
                said.append([event.hash for event in made])
            elif kind == "move" and seq:
                sides = ("appropriated", "available") if a % 2 else ("available", "reserved")
                uow.move([Transfer(*map(account, sides), c)], seq)
            elif kind == "find":
                wanted = (Filter(owner=f"o{b}"), Filter(status=(f"s{c}",)), Filter(waiting=(("a", ""), ("b", "city"))),
                          Filter(text=f"t{b}"), Filter(overdue="2027", limit=2), Filter(limit=2, offset=1))[(a + b + c) % 6]  # fmt: skip
                said.append((list(uow.find(wanted)), uow.count(wanted)))
            elif kind == "fail" and c == 1:
                raise Refused("rule", "No.")
            else:
                said.append(asked(uow, kind, stream, digest, a, b, c))
        return said

    return work


def asked(uow, kind, stream, digest, a, b, c):
    """What a step answers that needs no more words."""
    return {
        "keep": lambda: uow.keep(b'{"k":%d}' % b),
        "remember": lambda: uow.remember(f"c{a}{b}", {"a": c}),
        "send": lambda: uow.send([Notice(f"t{c}", {"b": b})]),
        "read": lambda: (uow.load(stream), uow.content(digest)),
        "family": lambda: [record.stream for record in uow.find(Filter(kind="proposal", lineage=f"l{a % 2}"))],
        "answer": lambda: uow.answer(f"c{a}{b}"),
        "books": lambda: dict(uow.balances()),
        "log": lambda: (
            [event.hash for event in (*uow.events(), *uow.backwards(stream))],
            list(uow.contents()),
            [each.transfer for each in uow.booked()],
            sorted(uow.session_roles(f"s{b}")),
            (uow.head(), uow.latest()),
            [notice for _, notice in uow.notices()],
        ),
    }.get(kind, lambda: None)()


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
    """With many threads; even where its parent was writing at that moment, but for SQLite, whose locks a fork would carry over."""
    store = SqlStore.open(url)
    forked = multiprocessing.get_context("fork")
    with store.begin() as uow:
        note(uow)
        child = forked.Process(target=crowded, args=(store,))
        if store.dialect == "sqlite":
            uow.commit()
        child.start()
        if store.dialect == "postgresql":
            uow.commit()
    child.join(60)
    assert child.exitcode == 0
    with store.read() as reader:
        whole(reader)
        assert all(reader.load(f"proposal/child {number}").version == 1 for number in range(6))
    store.close()


def crowded(store):
    threads = [
        threading.Thread(target=store.together, args=(adding(f"proposal/child {number}"),)) for number in range(6)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)


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


def test_a_command_that_nobody_can_look_for_is_its_own_trouble(sql):
    counted = commits(sql)
    keyed = {"poison": "c.\0", "half": "c.\ud800", "other": "c.other"}
    together = sql.together

    def follows(uow):
        (event,) = note(uow, f"proposal/{threading.get_ident()}")
        return event.seq

    def remembers(key):
        def work(uow):
            uow.remember(key, {"seq": follows(uow)})

        return work

    sql.together = lambda work: together(work, work.key)
    works = []
    for name, key in keyed.items():
        work = remembers(key)
        work.key = key
        works.append((name, work))
    came = Crowd(sql).let(*works)
    assert came.pop("other") is None
    assert {type(error) for error in came.values()} == {InvalidInput}
    assert counted == [1]


def test_what_was_answered_to_commands_is_asked_for_all_at_once(sql):
    """Those followed before are answered as then, whoever follows them in the meantime, and however often."""
    sql.together(adding("proposal/old"))

    def follows(stream, then=None):
        def work(uow):
            key = f"c.{stream}.0"
            before = uow.answer(key)
            if before is not None:
                return f"again {before['seq']}"
            made = adding(stream)(uow)
            if then is not None:
                then(uow)
            assert uow.answer(key) == {"seq": made}
            return made

        return work

    def fails(uow):
        uow.run("SELECT 1")  # Written, and undone.
        raise Refused("rule", "No.")

    def looks(uow):
        uow.run("SELECT 1")  # All that was pending is in the database now.

    asked, crowd = [], Crowd(sql)
    expect = sql._turns._transaction.expect
    sql._turns._transaction.expect = lambda shared, commands: (asked.append(len(commands)), expect(shared, commands))
    together = sql.together
    keys = iter(("c.proposal/old.0", *["c.proposal/a.0"] * 2, *["c.proposal/b.0"] * 3, *["c.proposal/c.0"] * 2))
    given = threading.Lock()

    def keyed(work):
        with given:
            key = next(keys)
        return together(work, key)

    sql.together = keyed
    came = crowd.let(
        ("old", follows("proposal/old")),
        ("a", follows("proposal/a")),
        ("a again", follows("proposal/a")),
        ("b fails", follows("proposal/b", fails)),
        ("b", follows("proposal/b", looks)),
        ("b again", follows("proposal/b")),
        ("c", follows("proposal/c")),
        ("c again", follows("proposal/c")),
    )
    assert asked == [8]
    assert isinstance(came.pop("b fails"), Refused)
    assert came == {
        "old": "again 1",
        "a": 2,
        "a again": "again 2",
        "b": 3,
        "b again": "again 3",
        "c": 4,
        "c again": "again 4",
    }
    with sql.read() as reader:
        whole(reader)
