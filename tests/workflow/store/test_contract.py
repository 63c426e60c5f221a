"""What every store promises: all or nothing, nothing twice, nothing of the past changed, no money that is not there."""

from __future__ import annotations

import hashlib
import json
import threading

import pytest
import sqlalchemy as sa

from fiscus.errors import Conflict, InvalidInput, Overdrawn
from fiscus.workflow.audit.log import START
from fiscus.workflow.audit.merkle import root_of
from fiscus.workflow.ports import Account, Entry, Filter, Index, Notice, Stamp, Transfer
from fiscus.workflow.store.sql import SqlStore
from fiscus.workflow.store.tables import metadata

AT = "2026-11-23T20:00:00.000000Z"


def account(bucket, book="city"):
    return Account(book, "p1", "general", bucket)


def note(uow, stream="proposal/p1", expected=0, kinds=("Noted",), index=None, at=AT, **data):
    entries = [Entry(kind, data) for kind in kinds]
    return uow.append(stream, expected, Stamp(at, "ann"), entries, {"last": kinds[-1]}, index or Index("proposal"))


def fund(uow, amount, seq):
    uow.move([Transfer(account("appropriated"), account("available"), amount)], seq)


def test_what_was_committed_is_there(store):
    with store.begin() as uow:
        first, second = note(uow, kinds=("Drafted", "Submitted"), title="Straße", share=0.1)
        digest = uow.keep(b'{"a":1}')
        fund(uow, 500, first.seq)
        uow.remember("c1", {"status": "draft"})
        uow.send([Notice("proposal.drafted", {"x": 1})])
        uow.checkpoint({"size": 2, "root": uow.head().root, "at": AT})
        uow.commit()
    with store.read() as reader:
        record = reader.load("proposal/p1")
        assert (record.version, dict(record.state), record.updated) == (2, {"last": "Submitted"}, AT)
        assert [event.hash for event in reader.events()] == [first.hash, second.hash]
        assert [event.data["title"] for event in reader.events("proposal/p1")] == ["Straße"] * 2
        assert reader.content(digest) == b'{"a":1}'
        assert list(reader.contents()) == [(digest, b'{"a":1}')]
        assert reader.balances() == {account("appropriated"): -500, account("available"): 500}
        assert [(b.number, b.seq, b.transfer.amount) for b in reader.booked()] == [(1, 1, 500)]
        assert reader.answer("c1") == {"status": "draft"}
        assert reader.answer("c2") is None
        assert [notice for _, notice in reader.notices()] == [Notice("proposal.drafted", {"x": 1})]
        assert [each["size"] for each in reader.checkpoints()] == [2]
        assert reader.load("proposal/p2") is None
        assert reader.content("0" * 64) is None


def half_way(store):
    """Everything that can be written, and then no commit."""
    with store.begin() as uow:
        note(uow, expected=1)
        note(uow, "proposal/p2", index=Index("proposal", waiting=(("head", "city"),)))
        fund(uow, 5, 2)
        uow.keep(b"{}")
        uow.remember("c", {})
        uow.control(account("available"), hard=False)
        uow.send([Notice("b", {})])
        uow.sent([uow.notices()[0][0]])
        uow.checkpoint({"size": 1, "root": "0", "at": AT})
        raise RuntimeError("half-way")


def test_what_was_not_committed_is_not(store):
    with store.begin() as uow:
        note(uow)
        uow.send([Notice("a", {})])
        uow.commit()
    with store.read() as reader:
        before = reader.head()
    with pytest.raises(RuntimeError, match="half-way"):
        half_way(store)
    with store.begin() as uow:
        note(uow, expected=1)  # And leave without a word.
    with store.read() as reader:
        assert reader.head() == before
        assert [record.stream for record in reader.find(Filter())] == ["proposal/p1"]
        assert reader.balances() == {}
        assert list(reader.booked()) == []
        assert list(reader.contents()) == []
        assert reader.answer("c") is None
        assert [notice.topic for _, notice in reader.notices()] == ["a"]
        assert not reader.checkpoints()
    with store.begin() as uow:
        fund(uow, 5, 1)
        with pytest.raises(Overdrawn):
            uow.move([Transfer(account("available"), account("reserved"), 6)], 1)


def test_the_chain_is_what_rfc_and_sha_say(store):
    for number in range(5):
        with store.begin() as uow:
            note(uow, expected=3 * number, kinds=("A", "B", "C"), number=number)
            uow.commit()
    with store.read() as reader:
        events = list(reader.events())
        previous = START
        for number, event in enumerate(events, start=1):
            body = json.loads(event.body)
            assert (event.seq, body["seq"], event.version, body["version"]) == (number,) * 4
            assert event.previous == body["previous"] == previous
            previous = hashlib.sha256(event.body).hexdigest()
            assert event.hash == previous
        assert reader.head().hash == previous
        assert reader.head().root == root_of(event.body for event in events).hex()
        assert [event.seq for event in reader.events(after=4, limit=3)] == [5, 6, 7]
        assert reader.latest() == AT


def test_a_stream_that_moved_on_is_a_conflict(store):
    with store.begin() as uow:
        note(uow)
        uow.commit()
    for expected in (0, 2):
        with store.begin() as uow, pytest.raises(Conflict, match="look again"):
            note(uow, expected=expected)


def test_a_command_is_followed_once(store):
    with store.begin() as uow:
        uow.remember("c", {"n": 1})
        uow.commit()
    with store.begin() as uow, pytest.raises(Conflict):
        uow.remember("c", {"n": 2})


def test_money_that_is_not_there_is_refused_by_the_store(store):
    with store.begin() as uow:
        note(uow)
        fund(uow, 100, 1)
        uow.commit()
    with store.begin() as uow, pytest.raises(Overdrawn, match="The budget of city"):
        uow.move([Transfer(account("available"), account("reserved"), 101)], 1)
    with store.begin() as uow:
        uow.control(account("available"), hard=False)
        uow.move([Transfer(account("available"), account("reserved"), 101)], 1)
        uow.commit()
    with store.read() as reader:
        assert reader.balances(["city"])[account("available")] == -1
        assert reader.balances(["other"]) == {}
        assert sum(reader.balances().values()) == 0


def test_records_are_found(store):
    places = (("head", "north"), ("board", "city"))
    with store.begin() as uow:
        for number in range(6):
            index = Index(
                "proposal" if number else "round",
                status="in_review" if number % 2 else "draft",
                owner="ann" if number < 3 else "bob",
                lineage=f"l{number // 2}",
                due=f"2026-11-2{number}T00:00:00.000000Z" if number else "",
                waiting=places[: number % 3],
                title=f"Road 100%_{number}",
            )
            note(uow, f"proposal/p{number}", index=index, at=f"2026-11-23T20:00:0{number}.000000Z")
        uow.commit()

    def found(**wanted):
        with store.read() as reader:
            assert reader.count(Filter(**wanted)) == len(reader.find(Filter(**{**wanted, "limit": 0, "offset": 0})))
            return [record.stream[-1] for record in reader.find(Filter(**wanted))]

    assert found() == list("543210")
    assert found(kind="proposal", limit=2, offset=1) == list("43")
    assert found(offset=4) == list("10")
    assert found(status=("draft",)) == list("420")
    assert found(owner="ann", status=("draft", "in_review")) == list("210")
    assert found(lineage="l1") == list("32")
    assert found(overdue="2026-11-23T00:00:00.000000Z") == list("21")
    assert found(text="0%_3") == list("3")
    assert found(text="ROAD 100%_4") == list("4")
    assert found(text="p5") == list("5")
    assert found(text="_x") == []
    assert found(waiting=(("head", ""),)) == list("5421")
    assert found(waiting=(("board", "city"),)) == list("52")
    assert found(waiting=(("board", "north"), ("none", ""))) == []
    with store.begin() as uow:
        note(uow, "proposal/p5", expected=1, index=Index("proposal", waiting=(("mayor", "city"),)))
        uow.commit()
    assert found(waiting=(("head", ""), ("board", ""))) == list("421")
    assert found(waiting=(("mayor", ""),)) == list("5")


def test_the_outbox_is_emptied_in_order(store):
    with store.begin() as uow:
        uow.send([Notice("a", {}), Notice("b", {})])
        uow.send([Notice("c", {})])
        uow.commit()
    with store.begin() as uow:
        first = uow.notices()[0]
        uow.sent([first[0]])
        uow.commit()
    with store.read() as reader:
        assert [notice.topic for _, notice in reader.notices()] == ["b", "c"]
        assert [notice.topic for _, notice in reader.notices(unsent=False)] == ["a", "b", "c"]


def test_roles_of_a_session_are_remembered(store):
    with store.begin() as uow:
        stamp = Stamp(AT, "ann", session="s1")
        uow.append("proposal/p1", 0, stamp, [Entry("Approved", {"role": "head"})], {}, Index("proposal"))
        uow.append("proposal/p2", 0, stamp, [Entry("Approved", {"role": "head"})], {}, Index("proposal"))
        uow.commit()
    with store.read() as reader:
        assert reader.session_roles("s1") == {"head"}
        assert reader.session_roles("s2") == frozenset()


def test_writers_come_one_after_another(store):
    """Threads that all add one to the same stream: no number is lost, none is doubled."""
    with store.begin() as uow:
        note(uow)
        uow.commit()

    def add():
        for _ in range(10):
            with store.begin() as uow:
                note(uow, expected=uow.load("proposal/p1").version)
                uow.commit()

    threads = [threading.Thread(target=add) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with store.read() as reader:
        assert reader.head().size == reader.load("proposal/p1").version == 41


# What follows is about databases alone.


@pytest.fixture
def full(url):
    store = SqlStore.open(url)
    with store.begin() as uow:
        (event,) = note(uow)
        fund(uow, 100, event.seq)
        uow.keep(b"{}")
        uow.remember("c", {})
        uow.checkpoint({"size": 1, "root": uow.head().root, "at": AT})
        uow.commit()
    yield store
    store.close()


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE events SET body = 'x'",
        "DELETE FROM events",
        "UPDATE contents SET body = 'x'",
        "DELETE FROM contents",
        "UPDATE transfers SET amount = 1",
        "DELETE FROM transfers",
        "UPDATE commands SET answer = 'x'",
        "DELETE FROM commands",
        "UPDATE checkpoints SET document = 'x'",
        "DELETE FROM checkpoints",
        "INSERT INTO events (seq, stream, version, body, hash) VALUES (3, 's', 1, 'x', 'x')",
        "INSERT INTO events (seq, stream, version, body, hash) VALUES (2, 'proposal/p1', 1, 'x', 'x')",
        "UPDATE accounts SET balance = -1 WHERE bucket = 'available'",
        "INSERT INTO chain (id, size, hash, frontier, at, booked) VALUES (2, 0, '', '', '', 0)",
        "INSERT INTO transfers SELECT 2, seq, source_book, source_period, source_fund, source_bucket, target_book, target_period, "
        "target_fund, target_bucket, 0, line, memo FROM transfers",
    ],
)
def test_the_database_itself_refuses_to_forget(full, statement):
    with full.engine.connect() as connection, pytest.raises(sa.exc.DBAPIError):
        connection.exec_driver_sql(statement)
    with full.read() as reader:
        assert reader.head().size == sum(1 for _ in reader.events()) == 1


def test_postgres_refuses_to_truncate(postgres_url):
    store = SqlStore.open(postgres_url)
    with store.engine.connect() as connection, pytest.raises(sa.exc.DBAPIError, match="append-only"):
        connection.exec_driver_sql("TRUNCATE transfers, events")
    store.close()


def test_the_schema_is_the_one_the_program_knows(full):
    from alembic.autogenerate import compare_metadata
    from alembic.runtime.migration import MigrationContext

    with full.engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []


def test_a_store_is_opened_again(url):
    for number in range(3):
        store = SqlStore.open(url)
        with store.begin() as uow:
            note(uow, expected=number)
            uow.commit()
        store.close()
    store = SqlStore.open(url)
    with store.read() as reader:
        assert reader.head().size == 3
    store.close()


def test_a_newer_database_is_refused(full, url):
    with full.engine.connect() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(InvalidInput, match="newer than this program"):
        SqlStore.open(url)


def test_passwords_are_kept_apart(full):
    assert full.credential("ann") is None
    full.set_credential("ann", "one")
    full.set_credential("ann", "two")
    assert full.credential("ann") == "two"
    with full.read() as reader:
        assert "two" not in "".join(event.body.decode() for event in reader.events())


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("nonsense", "no database URL"),
        ("mysql://x/y", "not supported"),
        ("sqlite://", "a file"),
        ("sqlite:////no/such/folder/x.db", "does not exist"),
        ("postgresql://nobody@127.0.0.1:1/none", "cannot be used"),
    ],
)
def test_what_cannot_be_opened_is_said(url, words):
    with pytest.raises(InvalidInput, match=words):
        SqlStore.open(url)


def test_a_new_file_is_nobody_elses(tmp_path):
    path = tmp_path / "fiscus.db"
    SqlStore.open(f"sqlite:///{path}").close()
    assert path.stat().st_mode & 0o077 == 0
