"""What databases promise besides: they refuse by themselves, are opened again, and say what is wrong with them."""

from __future__ import annotations

import contextlib
import multiprocessing
import os

import psycopg
import pytest
import sqlalchemy as sa
from writing import AT, fund, note

from fiscus.errors import Conflict, FiscusError, InvalidInput
from fiscus.workflow.ports import Entry, Index, Stamp
from fiscus.workflow.store import connections
from fiscus.workflow.store.connections import engine_of
from fiscus.workflow.store.sql import SqlStore
from fiscus.workflow.store.tables import metadata


def test_a_reader_sees_one_moment(url):
    store = SqlStore.open(url)
    with store.read() as reader:
        assert reader.head().size == 0
        with store.begin() as uow:
            note(uow)
            uow.commit()
        assert reader.head().size == sum(1 for _ in reader.events()) == 0
    store.close()


@pytest.fixture
def full(url):
    store = SqlStore.open(url)
    with store.begin() as uow:
        (event,) = note(uow)
        fund(uow, 100, event.seq)
        uow.keep(b"{}")
        uow.remember("c", {})
        uow.checkpoint({"size": 1, "root": uow.head().root, "at": AT})
        uow.append("proposal/p2", 0, Stamp(AT, "ann", session="s"), [Entry("A", {"role": "r"})], {}, Index("proposal"))
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
        "UPDATE sessions SET role = 'x'",
        "DELETE FROM sessions",
        "DELETE FROM chain",
        "UPDATE chain SET size = 0",
        "UPDATE chain SET hash = 'x'",
        "UPDATE accounts SET balance = 'lots'",
        "INSERT INTO events (seq, stream, version, body, hash) VALUES (4, 's', 1, 'x', 'x')",
        "INSERT INTO events (seq, stream, version, body, hash) VALUES (3, 'proposal/p1', 1, 'x', 'x')",
        "INSERT INTO events (seq, stream, version, body, hash) VALUES (2, 's', 1, 'x', 'x')",
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
        assert reader.head().size == sum(1 for _ in reader.events()) == 2


@pytest.mark.parametrize(
    "statement",
    [
        "INTO events (seq, stream, version, body, hash) VALUES (1, 's', 1, 'x', 'x')",
        "INTO events (seq, stream, version, body, hash) VALUES (3, 'proposal/p1', 1, 'x', 'x')",
        "INTO contents SELECT digest, 'x' FROM contents",
        "INTO commands SELECT id, 'x' FROM commands",
        "INTO sessions SELECT session, role FROM sessions",
        "INTO checkpoints SELECT size, 'x' FROM checkpoints",
        "INTO chain SELECT id, 0, hash, frontier, at, booked FROM chain",
        "INTO transfers SELECT number, seq, source_book, source_period, source_fund, source_bucket, target_book, target_period, "
        "target_fund, target_bucket, 999, line, memo FROM transfers",
    ],
)
def test_replacing_is_no_way_around(sqlite_url, statement):
    """``OR REPLACE`` deletes without a word to triggers on DELETE; those on INSERT are asked first."""
    store = SqlStore.open(sqlite_url)
    with store.begin() as uow:
        (event,) = note(uow)
        fund(uow, 100, event.seq)
        uow.keep(b"{}")
        uow.remember("c", {})
        uow.checkpoint({"size": 1, "root": uow.head().root})
        uow.commit()

    def rows():
        with store.engine.connect() as connection:
            return [connection.execute(sa.select(metadata.tables[name])).fetchall() for name in sorted(metadata.tables)]

    before = rows()
    with store.engine.connect() as connection, contextlib.suppress(sa.exc.IntegrityError):
        connection.exec_driver_sql(f"INSERT OR REPLACE {statement}")
    assert rows() == before
    store.close()


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


def test_tables_of_another_program_are_left_alone(empty_url):
    store = SqlStore(engine_of(empty_url))
    with store.engine.connect() as connection:
        connection.exec_driver_sql("CREATE TABLE events (name TEXT)")
    with pytest.raises(InvalidInput, match="another program \\(events\\)"):
        SqlStore.open(empty_url)
    with store.engine.connect() as connection:
        assert sa.inspect(connection).get_table_names() == ["events"]
    store.close()


def test_what_is_no_database_is_said(tmp_path):
    path = tmp_path / "fiscus.db"
    path.write_bytes(b"Dear diary, " * 100)
    with pytest.raises(InvalidInput, match="cannot be used: file is not a database"):
        SqlStore.open(f"sqlite:///{path}")


def test_others_that_write_for_too_long(url, monkeypatch):
    monkeypatch.setattr(connections, "_PRAGMAS", ("busy_timeout = 50", *connections._PRAGMAS[1:]))
    monkeypatch.setattr(connections, "_SETTINGS", ("SET lock_timeout = '50ms'",))
    store, other = SqlStore.open(url), SqlStore.open(url)
    with store.begin() as first:
        note(first)
        with pytest.raises(FiscusError, match="try again later"), other.begin():
            pass
        with pytest.raises(FiscusError, match="try again later"):
            other.together(note)
        first.commit()
    with store.read() as reader:
        assert reader.head().size == 1
    store.close()
    other.close()


def test_a_refusal_leaves_the_connection_open(url):
    store = SqlStore.open(url)
    seen = set()
    for _ in range(5):
        with contextlib.suppress(Conflict), store.begin() as uow:
            seen.add(id(uow.connection))
            note(uow, expected=3)
    assert len(seen) == 1
    store.close()


def test_a_server_that_was_away_is_asked_again(postgres_url):
    store = SqlStore.open(postgres_url)
    with store.begin() as uow:
        note(uow)
        uow.commit()
    with store.engine.connect() as connection:
        connection.exec_driver_sql(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
    with store.begin() as uow:
        note(uow, expected=1)
        uow.commit()
    with store.read() as reader:
        assert reader.head().size == 2
    store.close()


def test_postgres_undoes_nothing_in_silence(postgres_url):
    """Where nothing but what was remembered is to be committed, COMMIT is the first to notice; it undoes without an error."""
    store = SqlStore.open(postgres_url)
    with store.begin() as uow:
        uow.remember("c", {})
        with pytest.raises(psycopg.errors.DivisionByZero):
            uow.run("SELECT 1 / 0")
        with pytest.raises(FiscusError, match="begin another"):
            uow.commit()
    with store.read() as reader:
        assert reader.answer("c") is None
    store.close()


def test_postgres_says_where_it_undid_instead_of_committing(postgres_url):
    """A statement that fails while reading spoils the transaction too; PostgreSQL's COMMIT then undoes it, without an error."""
    store = SqlStore.open(postgres_url)
    with store.begin() as uow:
        note(uow)
        with pytest.raises(psycopg.errors.DivisionByZero):
            uow.run("SELECT 1 / 0")
        with pytest.raises((FiscusError, psycopg.errors.InFailedSqlTransaction)):
            uow.commit()
    with store.read() as reader:
        assert reader.head().size == 0
    store.close()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_child_process_opens_its_own_connections(url):
    store = SqlStore.open(url)
    with store.begin() as uow:
        note(uow)
        uow.commit()
    child = multiprocessing.get_context("fork").Process(target=_one_more, args=(store,))
    child.start()
    child.join(60)
    assert child.exitcode == 0
    with store.begin() as uow:
        note(uow, expected=2)
        uow.commit()
    with store.read() as reader:
        assert reader.head().size == 3
    store.close()


def _one_more(store):
    with store.begin() as uow:
        note(uow, expected=1)
        uow.commit()


def test_a_newer_database_is_refused(full, url):
    with full.engine.connect() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(InvalidInput, match="newer than this program"):
        SqlStore.open(url)


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
