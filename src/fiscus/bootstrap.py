"""The only place where store, clock and identity are wired together."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

from fiscus.workflow.actor import Actor
from fiscus.workflow.identity.sessions import SignIns
from fiscus.workflow.ports import UnitOfWork
from fiscus.workflow.proposal.commands import Command
from fiscus.workflow.service import Answer, follow
from fiscus.workflow.store.signins import SqlSignIns
from fiscus.workflow.store.sql import SqlStore

DATABASE = "FISCUS_DATABASE_URL"
"""Environment variable that names the database."""

FILE = "fiscus.db"
"""SQLite file in the working folder, where nothing else is said."""


@dataclass(frozen=True)
class Office:
    """A store and a clock.

    Attributes:
        store: Where everything is kept.
        clock: Says what time it is.
        sign_ins: Who is signed in, beside the log.
    """

    store: SqlStore
    clock: Callable[[], datetime]
    sign_ins: SignIns

    @contextmanager
    def at_work(
        self, person: str, behalf: str = "", session: str = ""
    ) -> Iterator[tuple[UnitOfWork, Actor, datetime, str]]:
        """A unit of work for one person, committed where nothing went wrong: it, the actor, the time and the command's id."""
        with self.store.begin() as uow:
            yield uow, Actor(person, behalf, session), self.clock(), uuid4().hex
            uow.commit()

    def follow(
        self, make: Callable[[UnitOfWork], Command], person: str, behalf: str = "", session: str = "", key: str = ""
    ) -> Answer:
        """Follow a command to a proposal, perhaps in one transaction with those of others who decide at the same time.

        Args:
            make: Makes the command, given the transaction.
            person: Who asks.
            behalf: For whom; empty for themselves.
            session: Of their sign-in.
            key: Id of the command; a new one where it is empty.

        Raises:
            Refused: Where a rule forbids it.
        """

        key = key or uuid4().hex

        def work(uow: UnitOfWork) -> Answer:
            return follow(make(uow), uow, actor=Actor(person, behalf, session), at=self.clock(), key=key)

        return self.store.together(work, key)


def now() -> datetime:
    """The time, UTC."""
    return datetime.now(UTC)


def database_url(given: str = "") -> str:
    """What is asked for, else ``FISCUS_DATABASE_URL``, else a file in the working folder; a path means an SQLite file."""
    named = given or os.environ.get(DATABASE, "") or FILE
    return named if "://" in named else f"sqlite:///{Path(named)}"


def open_office(url: str = "", clock: Callable[[], datetime] = now, *, begin: bool = True) -> Office:
    """The store at a URL or path, made or brought up to date where it must be.

    Args:
        url: As of ``database_url``.
        clock: Says what time it is.
        begin: Whether it is made where there is none.

    Raises:
        InvalidInput: For what is no database, or none of ours, or where there is none and none is begun.
    """
    store = SqlStore.open(database_url(url), begin=begin)
    return Office(store, clock, SqlSignIns(store))
