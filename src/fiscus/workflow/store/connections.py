"""Connections to SQLite and PostgreSQL: made by SQLAlchemy, kept open, and given to one unit of work at a time."""

from __future__ import annotations

import os
from collections import deque
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from fiscus.errors import InvalidInput

WAIT_SECONDS = 30
"""How long a writer waits for others."""

BEGIN = "fiscus people add NAME --as NAME begins one; --db or FISCUS_DATABASE_URL names another"
"""What to do where a database should be and is not."""

_PRAGMAS = (
    f"busy_timeout = {1_000 * WAIT_SECONDS}",
    "journal_mode = WAL",
    "synchronous = FULL",
    "foreign_keys = ON",
    "wal_autocheckpoint = 8000",
)

_SETTINGS = (
    f"SET lock_timeout = '{WAIT_SECONDS}s'",
    "SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'",
)
"""A commit survives the loss of power even where a server's settings say that it need not."""

_inherited: list[Any] = []
"""Connections of a parent process: neither used nor closed here, as both would meddle with what the parent does."""


class Connections:
    """Open connections that wait for work; as many as are ever at work at once.

    Args:
        engine: Makes them.
    """

    def __init__(self, engine: sa.Engine) -> None:
        self.engine = engine
        self._sqlite = engine.dialect.name == "sqlite"
        self._free: deque[Any] = deque()  # Its ends are safe between threads.
        self._process, self._closed = os.getpid(), False

    def begun(self, statement: str) -> Any:
        """A connection of the driver inside a transaction.

        Args:
            statement: Begins it.
        """
        if self._process != os.getpid():
            _inherited.append(self._free)
            self._free, self._process = deque(), os.getpid()
        while True:
            try:
                connection, used = self._free.pop(), True
            except IndexError:
                connection, used = self._made(), False
            try:
                connection.execute(statement)
            except BaseException:
                gone = used and getattr(connection, "broken", False)  # The server went away while it lay here.
                connection.close()
                if not gone:
                    raise
            else:
                return connection

    def back(self, connection: Any) -> None:
        """Take it again, its transaction undone where it is open still."""
        try:
            if connection.in_transaction if self._sqlite else connection.info.transaction_status:
                connection.execute("ROLLBACK")
        except Exception:  # Whatever state it is in, nobody else gets it; the database undoes what it had begun.
            connection.close()
            return
        if self._closed:
            connection.close()
        else:
            self._free.append(connection)

    def close(self) -> None:
        """Close them; those at work when they come back."""
        self._closed = True
        while self._free:
            self._free.pop().close()
        self.engine.dispose()

    def _made(self) -> Any:
        pooled = self.engine.raw_connection()
        connection = pooled.driver_connection
        pooled.detach()
        return connection


def engine_of(url: str, *, begin: bool = True) -> sa.Engine:
    """An engine for a database URL; an SQLite file is made where there is none and one may be begun.

    Raises:
        InvalidInput: For anything but an SQLite file or PostgreSQL, or a file that is not there.
    """
    try:
        parsed = sa.make_url(url)
    except sa.exc.ArgumentError as error:
        raise InvalidInput(f"{url!r} is no database URL such as sqlite:///fiscus.db") from error
    kind = parsed.get_backend_name()
    if kind == "sqlite":
        _file(parsed, begin=begin)
        given: dict[str, Any] = {"check_same_thread": False, "cached_statements": 256}
    elif kind == "postgresql":
        parsed, given = parsed.set(drivername="postgresql+psycopg"), {}
    else:
        raise InvalidInput(f"{kind} is not supported: use sqlite or postgresql")
    engine = sa.create_engine(parsed, poolclass=sa.QueuePool, pool_reset_on_return=None, connect_args=given)
    sa.event.listen(engine, "connect", _prepare_sqlite if kind == "sqlite" else _prepare_postgres)
    return engine


def _file(url: sa.URL, *, begin: bool) -> None:
    path = Path(url.database or "")
    if not url.database or url.database == ":memory:":
        raise InvalidInput("an SQLite store is a file: a database in memory would be another one for every connection")
    if not path.exists():
        if not path.parent.exists():
            raise InvalidInput(f"the folder {path.parent} of the database does not exist")
        if not begin:
            raise InvalidInput(f"there is no database {path}: {BEGIN}")
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))


def _prepare_sqlite(connection: Any, record: Any) -> None:
    connection.isolation_level = None  # Transactions begin where we say so.
    for pragma in _PRAGMAS:
        connection.execute(f"PRAGMA {pragma}")


def _prepare_postgres(connection: Any, record: Any) -> None:
    connection.autocommit = True  # Transactions begin where we say so.
    for statement in _SETTINGS:
        connection.execute(statement)
