"""Writers of one process in turns, many decisions to a commit.

A unit of work that is ready while others wait hands the open transaction on to the next. Whoever is the last writes and commits for
all, and nobody is told that their work is kept before that. One that fails is undone, to a savepoint where it has written already,
and takes nobody with it. A writer who is alone commits at once, as without all this.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from fiscus.errors import FiscusError
from fiscus.workflow.store.connections import WAIT_SECONDS, Connections
from fiscus.workflow.store.ending import End
from fiscus.workflow.store.pending import Pending
from fiscus.workflow.store.rows import FAILED

MOST = 64
"""Units of work that one commit makes durable, at most: the first of them waits for the last."""

BUSY = f"others have been writing for {WAIT_SECONDS} seconds: try again later"


class Ticket:
    """A place in the queue; its lock is let go when its turn comes, and again when its work is durable."""

    __slots__ = ("_lock", "error")

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._lock.acquire()
        self.error: BaseException | None = None

    def wait(self, seconds: float = -1) -> bool:
        """Until somebody wakes it; False where nobody did in time."""
        return self._lock.acquire(timeout=seconds)

    def wake(self, error: BaseException | None = None) -> None:
        """Let it go on."""
        self.error = error
        self._lock.release()


@dataclass(eq=False, slots=True)
class Shared:
    """An open transaction.

    Attributes:
        connection: Of the driver.
        end: Of the log, as the transaction leaves it.
        pending: What they want written with the commit.
        members: Those whose work is in it and who wait for the commit.
        protected: Whether there is a savepoint.
    """

    connection: Any
    end: End
    pending: Pending = field(default_factory=Pending)
    members: list[Ticket] = field(default_factory=list)
    protected: bool = False


class Turns:
    """Who writes now, and who comes next.

    Args:
        connections: To the database.
        begin: Statement that begins a transaction that writes.
        open_end: Reads the end of the log inside a new transaction, given what was known of it.
        close_end: Writes what is pending and the end of the log, and commits.
    """

    def __init__(
        self,
        connections: Connections,
        begin: str,
        open_end: Callable[[Any, End | None], End],
        close_end: Callable[[Shared], None],
    ) -> None:
        self._connections, self._begin = connections, begin
        self._open_end, self._close_end = open_end, close_end
        self._forget()

    def _forget(self) -> None:
        self._process = os.getpid()
        self._lock = threading.Lock()
        self._waiting: deque[Ticket] = deque()
        self._busy = False
        self._shared: Shared | None = None
        self._known: End | None = None

    def enter(self) -> Shared:
        """Wait for a turn: a new transaction, or one that others have their work in already.

        Raises:
            FiscusError: Where it does not come in time.
        """
        if self._process != os.getpid():
            self._forget()  # A child of a fork: turns are its parent's.
        self._take_turn()
        try:
            if self._shared is None:
                self._shared = self._opened()
        except BaseException:
            self._pass_on()
            raise
        return self._shared

    def protect(self, shared: Shared) -> None:
        """Begin a savepoint, so that what others did stays when this turn is undone."""
        if shared.protected:
            shared.connection.execute("RELEASE SAVEPOINT unit")
        shared.connection.execute("SAVEPOINT unit")
        shared.protected = True

    def _take_turn(self) -> None:
        with self._lock:
            if not self._busy:
                self._busy = True
                return
            ticket = Ticket()
            self._waiting.append(ticket)
        if ticket.wait(WAIT_SECONDS):
            return
        with self._lock:
            if ticket in self._waiting:
                self._waiting.remove(ticket)
                raise FiscusError(BUSY)
        # It came at the last moment.

    def _opened(self) -> Shared:
        connection = self._connections.begun(self._begin)
        try:
            return Shared(connection, self._open_end(connection, self._known))
        except BaseException:
            self._connections.back(connection)
            raise

    def commit(self, shared: Shared) -> None:
        """Have the work of this turn made durable, and end the turn.

        Raises:
            Exception: What the database says where it cannot; then nothing of the transaction is kept.
        """
        follower = self._follower() if len(shared.members) < MOST - 1 else None
        if follower is None:
            try:
                self._finish(shared)
            finally:
                self._pass_on()
            return
        ticket = Ticket()
        shared.members.append(ticket)
        follower.wake()
        ticket.wait()
        if ticket.error is not None:
            raise FiscusError(FAILED) from ticket.error

    def undo(self, shared: Shared, wrote: bool) -> None:
        """End a turn whose work is not kept.

        Args:
            shared: The transaction, its end as it was before.
            wrote: Whether anything is in the database already.
        """
        if not shared.members:
            self._close(shared)
            self._pass_on()
            return
        try:
            if wrote:
                shared.connection.execute("ROLLBACK TO SAVEPOINT unit")
        except Exception as error:  # As where the connection is gone: those who wait are told, this one knows already.
            self._fail(shared, error)
            self._pass_on()
            return
        follower = self._follower()
        if follower is not None:
            follower.wake()
            return
        try:
            self._finish(shared)
        except Exception:  # Told to those whose work it was.
            pass
        finally:
            self._pass_on()

    def _follower(self) -> Ticket | None:
        """The next one's turn, who is not woken yet; None where nobody waits."""
        with self._lock:
            return self._waiting.popleft() if self._waiting else None

    def _finish(self, shared: Shared) -> None:
        """Commit, and tell all whose work is in it."""
        try:
            self._close_end(shared)
        except BaseException as error:
            self._fail(shared, error)
            raise
        self._known = shared.end
        self._close(shared)
        for member in shared.members:
            member.wake()

    def _fail(self, shared: Shared, error: BaseException) -> None:
        """Nothing of a transaction is kept; all whose work is in it hear of it."""
        self._known = None
        self._close(shared)
        for member in shared.members:
            member.wake(error)

    def _close(self, shared: Shared) -> None:
        self._shared = None
        self._connections.back(shared.connection)

    def _pass_on(self) -> None:
        """The next one's turn, if anybody waits."""
        with self._lock:
            if self._waiting:
                self._waiting.popleft().wake()
            else:
                self._busy = False
