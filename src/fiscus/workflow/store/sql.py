"""A store in SQLite or PostgreSQL.

SQLAlchemy makes connections and tables; statements of a decision go to the driver as they are, as its layers above would cost more
than the disk does. Writers come one after another: in SQLite by ``BEGIN IMMEDIATE``, in PostgreSQL by a lock on the one row of
``chain``. ``synchronous = FULL`` and PostgreSQL's ``synchronous_commit`` make a commit survive the loss of power.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, TypeVar

import sqlalchemy as sa

from fiscus.errors import FiscusError, InvalidInput, Overdrawn
from fiscus.workflow.store import rows
from fiscus.workflow.store.connections import Connections, engine_of
from fiscus.workflow.store.ending import End
from fiscus.workflow.store.migrating import migrate
from fiscus.workflow.store.pending import storable
from fiscus.workflow.store.reading import SqlReader
from fiscus.workflow.store.turns import BUSY, Shared, Spoilt, Turns
from fiscus.workflow.store.unit import SqlUnit
from fiscus.workflow.store.writing import in_one_go, sound, write_all, write_one

T = TypeVar("T")

_WRITE = {"sqlite": "BEGIN IMMEDIATE", "postgresql": "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE"}
_READ = {"sqlite": "BEGIN", "postgresql": "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"}


UNEXPECTED = (
    "The database does not let an account fall below nothing, and its accounts are not as Fiscus left them: "
    "somebody else wrote to them; fiscus audit verify says what is wrong."
)


class SqlTransaction:
    """How a transaction that writes is begun and ended.

    Args:
        connections: To the database.
        dialect: ``sqlite`` or ``postgresql``.
    """

    def __init__(self, connections: Connections, dialect: str) -> None:
        self.connections, self.dialect = connections, dialect

    def opened(self, known: End | None) -> Shared:
        connection = self.connections.begun(_WRITE[self.dialect])
        try:
            chain = rows.CHAIN if self.dialect == "sqlite" else f"{rows.CHAIN} FOR UPDATE"
            return Shared(connection, End.of_row(connection.execute(chain).fetchone(), known))
        except BaseException:
            self.connections.back(connection)
            raise

    def finish(self, shared: Shared) -> None:
        connection, end = shared.connection, shared.end
        if not sound(connection, self.dialect):
            raise FiscusError(rows.FAILED)
        with in_one_go(connection, self.dialect):
            shared.pending.flush(partial(write_all, connection, self.dialect))
            if end.changed:
                write_one(connection, self.dialect, "chain", rows.END, end.row())
                end.changed = False
        shared.committing = True
        try:
            done = write_one(connection, self.dialect, "commit", "COMMIT")
        except Exception:
            shared.committing = self.dialect == "postgresql" or not connection.in_transaction
            raise
        if self.dialect == "postgresql" and done.statusmessage != "COMMIT":
            shared.committing = False  # Where a statement failed, PostgreSQL undoes and says so.
            raise FiscusError(rows.FAILED)

    def expect(self, shared: Shared, commands: Sequence[str]) -> None:
        asked = [command for command in commands if storable(command)]  # Of others, whoever follows them hears it.
        if asked:
            found = shared.connection.execute(rows.answers_to(self.dialect, len(asked)), asked).fetchall()
            shared.answers.update(dict.fromkeys(asked) | dict(found))

    def run(self, shared: Shared, work: Callable[[SqlUnit], T]) -> T:
        unit = SqlUnit(shared, self.dialect)
        try:
            result = work(unit)
            unit.add()
        except BaseException as error:
            try:
                unit.leave()
            except Spoilt:
                raise Spoilt from error
            raise
        return result


class SqlStore:
    """A store behind a database URL. Threads may share it; each unit of work is one thread's.

    Args:
        engine: Of SQLAlchemy; its database is up to date.
    """

    def __init__(self, engine: sa.Engine) -> None:
        self.engine = engine
        self.dialect = engine.dialect.name
        self._driver: Any = engine.dialect.loaded_dbapi
        self._connections = Connections(engine)
        self._turns = Turns(self._connections, SqlTransaction(self._connections, self.dialect))

    @classmethod
    def open(cls, url: str, *, begin: bool = True) -> SqlStore:
        """A store, made or brought up to date where it must be.

        Args:
            url: ``sqlite:///file`` or ``postgresql://user@host/database``.
            begin: Whether one is made where there is none.

        Raises:
            InvalidInput: For another database, one that cannot be reached, one newer than this program, or none where none is
                begun.
        """
        engine = engine_of(url, begin=begin)
        try:
            migrate(engine, begin=begin)
        except sa.exc.DBAPIError as error:
            raise InvalidInput(f"the database {engine.url.render_as_string()} cannot be used: {error.orig}") from error
        return cls(engine)

    @contextmanager
    def begin(self) -> Iterator[SqlUnit]:
        """A transaction that writes; waits for others to end theirs."""
        try:
            shared = self._turns.enter()
            try:
                unit = SqlUnit(shared, self.dialect, self._turns.commit)
                try:
                    yield unit
                finally:
                    unit.leave()
            finally:
                self._turns.leave(shared)
        except self._driver.Error as error:
            raise self._told(error) from error

    def together(self, work: Callable[[SqlUnit], T], command: str = "") -> T:
        """Do a piece of work in a transaction that it may share with that of others, and come back when it is durable."""
        try:
            result: T = self._turns.together(work, command)
        except self._driver.Error as error:
            raise self._told(error) from error
        return result

    @contextmanager
    def read(self) -> Iterator[SqlReader]:
        """A moment to read from."""
        connection = None
        try:
            connection = self._connections.begun(_READ[self.dialect])
            yield SqlReader(connection, self.dialect)
        except self._driver.Error as error:
            raise self._told(error) from error
        finally:
            if connection is not None:
                self._connections.back(connection)

    def credential(self, person: str) -> str | None:
        """Hash of a password; None where none was set."""
        with self.read() as reader:
            row = reader.run("SELECT hash FROM credentials WHERE person = ?", (person,)).fetchone()
        return None if row is None else str(row[0])

    def set_credential(self, person: str, hash_: str) -> None:
        """Keep the hash of a password."""
        with self.begin() as unit:
            unit.set_credential(person, hash_)
            unit.commit()

    def close(self) -> None:
        """Let go of all connections."""
        self._connections.close()

    def _told(self, error: Exception) -> Exception:
        """What a driver says, in words where a person can do something about it."""
        if getattr(error, "sqlite_errorname", "") == "SQLITE_BUSY" or getattr(error, "sqlstate", "") == "55P03":
            return FiscusError(BUSY)
        if "ck_accounts_covered" in str(error):
            return Overdrawn(UNEXPECTED)
        if isinstance(error, self._driver.DataError):
            return InvalidInput(f"the store cannot keep this: {error}")
        return error
