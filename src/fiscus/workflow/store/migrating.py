"""The database made, or brought up to date, by Alembic."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from fiscus.errors import InvalidInput
from fiscus.workflow.store.connections import BEGIN
from fiscus.workflow.store.tables import metadata

SCRIPTS = Path(__file__).parent / "migrations"

LOCK = 5263745
"""Number of the lock under which PostgreSQL is migrated; any will do that nobody else takes."""


def migrate(engine: sa.Engine, *, begin: bool = True) -> None:
    """Bring a database to the schema of this program; several processes may try at once.

    Args:
        engine: Of the database.
        begin: Whether a database without anything of Fiscus becomes one.

    Raises:
        InvalidInput: Where the database is newer than the program, or somebody else's, or nothing is begun and nothing is there.
    """
    config = Config()
    config.set_main_option("script_location", str(SCRIPTS).replace("%", "%%"))
    scripts = ScriptDirectory.from_config(config)
    with engine.connect() as connection:
        there = _revision(connection)
        if there == scripts.get_current_head():
            return
        if there is None and not begin:
            where = engine.url.database if engine.dialect.name == "sqlite" else engine.url.render_as_string()
            raise InvalidInput(f"the database {where} holds nothing of Fiscus: {BEGIN}")
    with engine.connect() as connection:
        sqlite = engine.dialect.name == "sqlite"
        connection.exec_driver_sql("BEGIN IMMEDIATE" if sqlite else "BEGIN")
        try:
            if not sqlite:
                connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({LOCK})")
            _known(connection, {script.revision for script in scripts.walk_revisions()})
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
        except BaseException:
            connection.exec_driver_sql("ROLLBACK")
            raise
        connection.exec_driver_sql("COMMIT")


def _known(connection: sa.Connection, revisions: set[str]) -> None:
    """Refuse what this program cannot take further."""
    there = _revision(connection)  # Another process may have been faster.
    if there is not None and there not in revisions:
        raise InvalidInput(f"the database is at {there}, newer than this program knows: update fiscus")
    others = sorted(set(sa.inspect(connection).get_table_names()) & set(metadata.tables)) if there is None else ()
    if others:
        raise InvalidInput(
            f"the database has tables of another program ({', '.join(others)}): give fiscus one of its own"
        )


def _revision(connection: sa.Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()
