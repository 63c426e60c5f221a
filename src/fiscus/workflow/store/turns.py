"""Writers of one process in turns, and many decisions to a commit.

Whoever comes while another writes waits. Pieces of work that wait are all done by the first whose turn it is, one after another in one
transaction, and nobody is told that theirs is kept before the commit that keeps them all. One that fails is undone, to a savepoint
where it has written already, and takes nobody with it. A writer who is alone commits at once, as without all this.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

from fiscus.errors import FiscusError
from fiscus.workflow.store.connections import WAIT_SECONDS, Connections
from fiscus.workflow.store.ending import End
from fiscus.workflow.store.pending import Pending
from fiscus.workflow.store.rows import FAILED

MOST = 64
"""Pieces of work that one commit makes durable, at most: the first of them waits for the last."""

BUSY = f"others have been writing for {WAIT_SECONDS} seconds: try again later"
NESTED = "a unit of work is open in this thread already: end it before another begins"


@dataclass(eq=False, slots=True)
class Shared:
    """An open transaction.

    Attributes:
        connection: Of the driver.
        end: Of the log, as the transaction leaves it.
        pending: What is to be written with the commit.
        members: How many pieces of work are in it already.
    """

    connection: Any
    end: End
    pending: Pending = field(default_factory=Pending)
    members: int = 0

    def protect(self) -> None:
        """Begin a savepoint inside those before it, so that what others did stays when what comes now is undone."""
        self.connection.execute("SAVEPOINT unit")


class Transaction(Protocol):
    """What a transaction of a database is."""

    def opened(self, known: End | None) -> Shared:
        """A new one, given what was known of the end of the log."""

    def finish(self, shared: Shared) -> None:
        """Write what is pending and the end of the log, and commit."""

    def run(self, shared: Shared, work: Callable[[Any], Any]) -> Any:
        """Do a piece of work inside it; nothing of one that fails is left.

        Raises:
            Exception: What the work raised.
            Spoilt: Where it could not be undone: then nothing of the transaction can be kept.
        """


class Spoilt(Exception):
    """A transaction that cannot be committed any more."""


class Ticket:
    """A place in the queue.

    Args:
        work: To be done; None for somebody who wants a transaction of their own.
    """

    __slots__ = ("_lock", "done", "error", "result", "work")

    def __init__(self, work: Callable[[Any], Any] | None = None) -> None:
        self._lock = threading.Lock()
        self._lock.acquire()
        self.work = work
        self.done = False
        self.result: Any = None
        self.error: BaseException | None = None

    def wait(self, seconds: float = -1) -> bool:
        """Until somebody wakes it; False where nobody did in time."""
        return self._lock.acquire(timeout=seconds)

    def wake(self) -> None:
        """Its turn has come, or its work is done."""
        self._lock.release()


class Turns:
    """Who writes now, and who comes next.

    Args:
        connections: To the database.
        transaction: How one is made and ended.
    """

    def __init__(self, connections: Connections, transaction: Transaction) -> None:
        self._connections, self._transaction = connections, transaction
        self._forget()

    def _forget(self) -> None:
        self._process = os.getpid()
        self._lock = threading.Lock()
        self._waiting: deque[Ticket] = deque()
        self._busy = False
        self._thread = 0  # Whose turn it is.
        self._known: End | None = None

    def enter(self) -> Shared:
        """Wait for a turn, and begin a transaction; ``leave`` ends both.

        Raises:
            FiscusError: Where it does not come in time.
        """
        self._queue(Ticket())
        try:
            return self._transaction.opened(self._known)
        except BaseException:
            self._pass_on()
            raise

    def commit(self, shared: Shared) -> None:
        """Make it durable."""
        self._known = None
        self._transaction.finish(shared)
        self._known = shared.end

    def leave(self, shared: Shared) -> None:
        """End a turn; what was not committed is undone."""
        try:
            self._connections.back(shared.connection)
        finally:
            self._pass_on()

    def together(self, work: Callable[[Any], Any]) -> Any:
        """Do a piece of work, perhaps with that of others in the same transaction; gives what it gives, once that is durable.

        Raises:
            Exception: What the work raised, or the database where it could not be kept.
        """
        ticket = Ticket(work)
        self._queue(ticket)
        if not ticket.done:
            self._lead(ticket)
        if ticket.error is not None:
            raise ticket.error
        return ticket.result

    def _queue(self, ticket: Ticket) -> None:
        """Wait until it is a ticket's turn, or its work is done."""
        if self._process != os.getpid():
            self._forget()  # A child of a fork: turns are its parent's.
        me = threading.get_ident()
        with self._lock:
            if not self._busy:
                self._busy, self._thread = True, me
                return
            if self._thread == me:
                raise FiscusError(NESTED)
            self._waiting.append(ticket)
        if ticket.wait(WAIT_SECONDS):
            if not ticket.done:
                self._thread = me
            return
        with self._lock:
            if ticket in self._waiting:
                self._waiting.remove(ticket)
                raise FiscusError(BUSY)
        ticket.wait()  # It came at the last moment, or is being done just now.
        if not ticket.done:
            self._thread = me

    def _lead(self, ticket: Ticket) -> None:
        """Do the work of everybody who waits, commit, and tell them."""
        tickets = [ticket]
        try:
            shared = self._transaction.opened(self._known)
            try:
                self._known = None
                self._do(shared, tickets)
                if shared.members:
                    self._transaction.finish(shared)
                self._known = shared.end
            finally:
                self._connections.back(shared.connection)
        except BaseException as error:
            for each in tickets:
                if each.error is None:
                    mine = each is ticket and not isinstance(error, Spoilt)
                    each.error = error if mine else FiscusError(FAILED)
            if not isinstance(error, Exception):
                raise
        finally:
            self._pass_on()
            for each in tickets[1:]:
                each.done = True
                each.wake()

    def _do(self, shared: Shared, tickets: list[Ticket]) -> None:
        for ticket in tickets:  # It grows.
            try:
                assert ticket.work is not None
                ticket.result = self._transaction.run(shared, ticket.work)
                shared.members += 1
            except Spoilt as spoilt:
                ticket.error = spoilt.__context__
                raise
            except Exception as error:
                ticket.error = error
            if len(tickets) < MOST:
                with self._lock:
                    if self._waiting and self._waiting[0].work is not None:
                        tickets.append(self._waiting.popleft())

    def _pass_on(self) -> None:
        """The next one's turn, if anybody waits."""
        with self._lock:
            self._thread = 0
            if self._waiting:
                self._waiting.popleft().wake()
            else:
                self._busy = False
