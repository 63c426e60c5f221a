"""A store in SQLite or PostgreSQL.

SQLAlchemy makes connections and tables; statements of a decision go to the driver as they are, as its layers above would cost more
than the disk does. Writers come one after another: in SQLite by ``BEGIN IMMEDIATE``, in PostgreSQL by a lock on the one row of
``chain``. ``synchronous = FULL`` and PostgreSQL's default make a commit survive the loss of power.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from fiscus.errors import InvalidInput
from fiscus.workflow.store.migrating import migrate
from fiscus.workflow.store.unit import SqlReader, SqlUnit

WAIT_SECONDS = 60
"""How long a writer waits for others."""


class SqlStore:
    """A store behind a database URL.

    Args:
        engine: Of SQLAlchemy; its database is up to date.
    """

    def __init__(self, engine: sa.Engine) -> None:
        self.engine = engine
        self.dialect = engine.dialect.name

    @classmethod
    def open(cls, url: str) -> SqlStore:
        """A store, made or brought up to date where it must be.

        Args:
            url: ``sqlite:///file`` or ``postgresql://user@host/database``.

        Raises:
            InvalidInput: For another database, one that cannot be reached, or one newer than this program.
        """
        engine = _engine(url)
        try:
            migrate(engine)
        except sa.exc.OperationalError as error:
            raise InvalidInput(f"the database {engine.url.render_as_string()} cannot be used: {error.orig}") from error
        return cls(engine)

    @contextmanager
    def begin(self) -> Iterator[SqlUnit]:
        """A transaction that writes; waits for others to end theirs."""
        with self._connection() as connection:
            lock = "BEGIN IMMEDIATE" if self.dialect == "sqlite" else "BEGIN"
            unit = SqlUnit(connection, self.dialect)
            unit.run(lock)
            try:
                unit.lock()
                yield unit
            finally:
                if not unit.ended:
                    unit.run("ROLLBACK")

    @contextmanager
    def read(self) -> Iterator[SqlReader]:
        """A moment to read from."""
        with self._connection() as connection:
            reader = SqlReader(connection, self.dialect)
            reader.run("BEGIN" if self.dialect == "sqlite" else "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
            try:
                yield reader
            finally:
                reader.run("ROLLBACK")

    def credential(self, person: str) -> str | None:
        """Hash of a password; None where none was set."""
        with self.read() as reader:
            row = reader.run("SELECT hash FROM credentials WHERE person = :person", {"person": person}).fetchone()
        return None if row is None else str(row[0])

    def set_credential(self, person: str, hash_: str) -> None:
        """Keep the hash of a password."""
        with self.begin() as unit:
            unit.run(
                "INSERT INTO credentials (person, hash) VALUES (:person, :hash) "
                "ON CONFLICT (person) DO UPDATE SET hash = excluded.hash",
                {"person": person, "hash": hash_},
            )
            unit.commit()

    def close(self) -> None:
        """Let go of all connections."""
        self.engine.dispose()

    @contextmanager
    def _connection(self) -> Iterator[Any]:
        pooled = self.engine.raw_connection()
        try:
            yield pooled.driver_connection
        except BaseException:
            pooled.invalidate()  # Whatever state it is in, nobody else gets it.
            raise
        finally:
            pooled.close()


def _engine(url: str) -> sa.Engine:
    try:
        parsed = sa.make_url(url)
    except sa.exc.ArgumentError as error:
        raise InvalidInput(f"{url!r} is no database URL such as sqlite:///fiscus.db") from error
    kind = parsed.get_backend_name()
    if kind == "sqlite":
        return _sqlite(parsed)
    if kind == "postgresql":
        parsed = parsed.set(drivername="postgresql+psycopg")
        engine = sa.create_engine(parsed, pool_size=8, max_overflow=56, pool_reset_on_return=None)
        sa.event.listen(engine, "connect", lambda connection, record: setattr(connection, "autocommit", True))
        return engine
    raise InvalidInput(f"{kind} is not supported: use sqlite or postgresql")


def _sqlite(url: sa.URL) -> sa.Engine:
    path = Path(url.database or "")
    if not url.database or url.database == ":memory:":
        raise InvalidInput("an SQLite store is a file: a database in memory would be another one for every connection")
    if not path.exists():
        if not path.parent.exists():
            raise InvalidInput(f"the folder {path.parent} of the database does not exist")
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
    engine = sa.create_engine(
        url,
        poolclass=sa.QueuePool,
        pool_size=8,
        max_overflow=56,
        pool_reset_on_return=None,
        connect_args={"check_same_thread": False},
    )
    sa.event.listen(engine, "connect", _prepare)
    return engine


def _prepare(connection: Any, record: Any) -> None:
    connection.isolation_level = None  # Transactions begin where we say so.
    for pragma in (
        f"busy_timeout = {1000 * WAIT_SECONDS}",
        "journal_mode = WAL",
        "synchronous = FULL",
        "foreign_keys = ON",
    ):
        connection.execute(f"PRAGMA {pragma}")
