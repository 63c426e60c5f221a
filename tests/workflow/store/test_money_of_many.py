"""Money that several pieces of work move in one transaction: what each sees and is refused, and what the database has in the end."""

from __future__ import annotations

import random

import pytest
from sharing import Crowd, outcome, told, whole
from writing import account, fund, note

from fiscus.errors import InvalidInput, Overdrawn, Refused
from fiscus.workflow.ports import Account, Transfer
from fiscus.workflow.store import ending
from fiscus.workflow.store.memory import MemoryStore
from fiscus.workflow.store.sql import SqlStore

PLACES = [
    account(bucket, book) for book in ("city", "works", "cash") for bucket in ("appropriated", "available", "actual")
]


@pytest.mark.parametrize("most", [ending.MOST_TEXT, 150])
def test_they_are_those_of_memory_one_after_another(sql, most, monkeypatch):
    """Random moves, controls, looks and failures, in groups on a database and one by one in memory."""
    monkeypatch.setattr(ending, "MOST_TEXT", most)  # With little room, what is known is forgotten within a transaction.
    source = random.Random(20261129)
    memory, refused = MemoryStore(), 0
    for store in (sql, memory):
        budgeted(store, 50)
    for _ in range(40):
        works = [script(source) for _ in range(source.randrange(1, 7))]
        expected = {number: outcome(memory.together, work) for number, work in enumerate(works)}
        came = Crowd(sql).let(*enumerate(works))
        assert {number: told(each) for number, each in came.items()} == expected
        refused += sum(each[0] == "Overdrawn" for each in expected.values())
        with sql.read() as one, memory.read() as other:
            whole(one)
            assert one.balances() == other.balances()
            assert [each.transfer for each in one.booked()] == [each.transfer for each in other.booked()]
    assert refused > 20


def script(source):
    """A piece of work of a few random steps."""
    kinds = ["move"] * 5 + ["control", "books", "all", "bucket", "select", "fail"]
    steps = [
        (source.choice(kinds), source.sample(PLACES, 2), source.randrange(1, 40)) for _ in range(source.randrange(1, 7))
    ]

    def work(uow):
        record = uow.load("proposal/p")
        (event,) = note(uow, "proposal/p", record.version if record else 0)
        return [step(uow, event.seq, *each) for each in steps]

    return work


def step(uow, seq, kind, places, amount):
    source, target = places
    if kind == "move":
        return uow.move([Transfer(source, target, amount), Transfer(target, source, amount // 3 + 1)], seq)
    if kind == "control":
        return uow.control(source, hard=amount % 2 == 0)
    if kind == "fail" and amount < 10:
        raise Refused("rule", "No.")
    looks = {
        "books": lambda: dict(uow.balances(sorted({source.book, target.book}))),
        "bucket": lambda: dict(uow.balances([source.book], "available")),
        "all": lambda: dict(uow.balances()),
        "select": lambda: uow.head().size,
    }
    if kind == "select" and hasattr(uow, "run"):
        uow.run("SELECT 1")  # What is pending is written first.
    return looks.get(kind, lambda: None)()


def budgeted(store, amount):
    with store.begin() as uow:
        (event,) = note(uow)
        fund(uow, amount, event.seq)
        uow.commit()


def pays(amount):
    def work(uow):
        (event,) = note(uow, expected=uow.load("proposal/p1").version)
        uow.move([Transfer(account("available"), account("reserved"), amount)], event.seq)
        return uow.balances(["city"], "available")[account("available")]

    return work


def test_what_others_reserve_in_the_same_transaction_is_gone(sql):
    budgeted(sql, 10)
    came = Crowd(sql).let(("first", pays(6)), ("too much", pays(5)), ("second", pays(4)), ("nothing left", pays(1)))
    assert (came["first"], came["second"]) == (4, 0)
    assert str(came["too much"]).startswith("The budget of city (fund general) in p1 has 1 too little available")
    assert isinstance(came["nothing left"], Overdrawn)
    with sql.read() as reader:
        whole(reader)
        assert reader.balances(["city"], "reserved") == {account("reserved"): 10}


def test_what_is_undone_after_it_was_written_is_there_again(sql):
    budgeted(sql, 10)

    def written_and_undone(uow):
        assert pays(10)(uow) == 0
        uow.run("SELECT 1")
        assert uow.balances(["city"])[account("available")] == 0
        raise Refused("rule", "No.")

    came = Crowd(sql).let(("undone", written_and_undone), ("paid", pays(10)))
    assert came["paid"] == 0
    with sql.begin() as uow, pytest.raises(Overdrawn):
        pays(1)(uow)
    with sql.read() as reader:
        assert reader.balances(["city"])[account("available")] == 0


def test_what_another_process_moved_is_seen(url):
    """Two stores on one database, as two processes have."""
    one, other = SqlStore.open(url), SqlStore.open(url)
    budgeted(one, 10)
    assert one.together(pays(1)) == 9
    assert other.together(pays(2)) == 7
    assert one.together(pays(3)) == 4
    with pytest.raises(Overdrawn):
        other.together(pays(5))
    for store in (one, other):
        store.close()


def test_the_database_has_the_last_word(sql):
    """Somebody took the money with SQL of their own, behind the log: it is not given a second time."""
    budgeted(sql, 10)
    assert sql.together(pays(1)) == 9
    known = sql._turns._known
    with sql.begin() as uow:
        uow.run("UPDATE accounts SET balance = 0 WHERE bucket = 'available'")
        uow.commit()
    stale = {account("available"): ending.Held(9, True), account("reserved"): ending.Held(1, True)}
    assert sql._turns._known is known
    known.books = {"city": dict(stale)}
    with pytest.raises(Overdrawn, match="audit verify"):
        sql.together(pays(9))
    with sql.begin() as uow:
        assert uow.balances(["city"], "available") == {account("available"): 0}
        uow._end.books = {"city": dict(stale)}
        uow.commit()
    assert sql._turns._known.books == {"city": stale}
    came = Crowd(sql).let(("paid", pays(9)), ("innocent", lambda uow: note(uow, "proposal/other")[0].version))
    assert came["innocent"] == 1
    assert isinstance(came["paid"], Overdrawn)
    with sql.read() as reader:
        assert reader.balances(["city"], "available") == {account("available"): 0}


@pytest.mark.parametrize(
    "poison",
    [
        [Transfer(account("appropriated"), Account("x" * 501, "p1", "general", "available"), 1)],
        [Transfer(account("appropriated"), account("actual"), 2**62)] * 3,
    ],
)
def test_what_no_account_can_keep_is_refused_before_it_is_anybody_elses(sql, poison):
    counted = []
    finish = sql._turns._transaction.finish
    sql._turns._transaction.finish = lambda shared: (counted.append(1), finish(shared))

    def poisons(uow):
        (event,) = note(uow, "proposal/poison")
        uow.move(poison, event.seq)

    came = Crowd(sql).let(("poison", poisons), ("other", lambda uow: note(uow, "proposal/other")[0].version))
    assert isinstance(came["poison"], InvalidInput)
    assert came["other"] == 1
    assert counted == [1]
