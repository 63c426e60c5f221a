"""Writers of one process in turns, and many decisions to a commit.

Whoever comes while another writes waits. Pieces of work that wait are all done by the first whose turn it is, one after another in one
transaction, and nobody is told that theirs is kept before the commit that keeps them all. One that fails is undone, to a savepoint
where it has written already, and takes nobody with it. A writer who is alone commits at once, as without all this; only just after many
were told together one lets the others come back first.
"""

from __future__ import annotations

import os
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from fiscus.errors import FiscusError
from fiscus.workflow.store.connections import WAIT_SECONDS, Connections
from fiscus.workflow.store.ending import End
from fiscus.workflow.store.pending import Pending

MOST = 64
"""Pieces of work that one commit makes durable, at most: the first of them waits for the last."""

PAUSE = 0.0005
"""Seconds without anybody new after which nobody else is waited for."""

LATE = 0.01
"""Seconds after which those who were told together are not waited for at all."""

BUSY = f"others have been writing for {WAIT_SECONDS} seconds: try again later"
NESTED = "a unit of work is open in this thread already: end it before another begins"
NOT_KEPT = "the database could not keep this, nor what others gave it at the same time: try again"
IN_DOUBT = (
    "the database did not answer the commit, so nobody knows whether this was kept: send it again with the same key"
)


@dataclass(eq=False, slots=True)
class Shared:
    """An open transaction.

    Attributes:
        connection: Of the driver.
        end: Of the log, as the transaction leaves it.
        pending: What is to be written with the commit.
        answers: What the database has as answers to commands, those that were asked about; None for one that was not followed.
        torn: Whether writing what was pending failed half-way: nothing of the transaction can be kept.
        committing: Whether the database was asked to commit.
    """

    connection: Any
    end: End
    pending: Pending = field(default_factory=Pending)
    answers: dict[str, str | None] = field(default_factory=dict)
    torn: bool = False
    committing: bool = False

    def protect(self) -> None:
        """Begin a savepoint inside those before it, so that what others did stays when what comes now is undone."""
        self.connection.execute("SAVEPOINT unit")


class Transaction(Protocol):
    """What a transaction of a database is."""

    def opened(self, known: End | None) -> Shared:
        """A new one, given what was known of the end of the log."""

    def finish(self, shared: Shared) -> None:
        """Write what is pending and the end of the log, and commit."""

    def expect(self, shared: Shared, commands: Sequence[str]) -> None:
        """Look up at once what was answered to commands that are about to be followed."""

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
        command: Id of the one that it follows; empty for none.
    """

    __slots__ = ("_lock", "command", "done", "error", "queued", "result", "settled", "taken", "work")

    def __init__(self, work: Callable[[Any], Any] | None = None, command: str = "") -> None:
        self._lock = threading.Lock()
        self._lock.acquire()
        self.work, self.command = work, command
        self.queued = self.taken = False  # By somebody who does it.
        self.settled = self.done = False  # And told.
        self.result: Any = None
        self.error: BaseException | None = None

    def wait(self, seconds: float = -1) -> bool:
        """Until somebody wakes it; False where nobody did in time."""
        return self._lock.acquire(timeout=seconds)

    def wake(self) -> None:
        """Its turn has come, or its work is done."""
        self._lock.release()

    def clear(self) -> None:
        """As if its work had not been done."""
        self.result, self.error = None, None

    def settle(self, error: BaseException | None = None) -> None:
        """What came of it is known, or that it is not."""
        self.settled = True
        if error is not None:
            self.error = error


_turns: weakref.WeakSet[Turns] = weakref.WeakSet()


def _after_fork() -> None:
    """In a child of a fork, which begins with one thread: turns, and locks that others held, are the parent's."""
    for each in _turns:
        each.forget()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


class Turns:
    """Who writes now, and who comes next.

    Args:
        connections: To the database.
        transaction: How one is made and ended.
    """

    def __init__(self, connections: Connections, transaction: Transaction) -> None:
        self._connections, self._transaction = connections, transaction
        self.forget()
        _turns.add(self)

    def forget(self) -> None:
        """Begin anew: nobody writes, and nobody waits."""
        self._lock = threading.Lock()
        self._waiting: deque[Ticket] = deque()
        self._busy = False
        self._thread = 0  # Whose turn it is.
        self._known: End | None = None
        self._expected, self._told = 1, 0.0  # As many as were told together the last time, and when.
        self._gathered: Ticket | None = None  # Of one who waits for them.

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
        """Make it durable.

        Raises:
            FiscusError: Where nobody knows whether it is.
        """
        self._known = None
        try:
            self._transaction.finish(shared)
        except Exception as error:
            if shared.committing:
                raise FiscusError(IN_DOUBT) from error
            raise
        self._known = shared.end

    def leave(self, shared: Shared) -> None:
        """End a turn; what was not committed is undone."""
        try:
            self._connections.back(shared.connection)
        finally:
            self._pass_on()

    def together(self, work: Callable[[Any], Any], command: str = "") -> Any:
        """Do a piece of work, perhaps with that of others in the same transaction; gives what it gives, once that is durable.

        Raises:
            Exception: What the work raised, or the database where it could not be kept.
        """
        ticket = Ticket(work, command)
        self._queue(ticket)
        if not ticket.done:
            self._lead(ticket)
        if ticket.error is not None:
            raise ticket.error
        return ticket.result

    def _queue(self, ticket: Ticket) -> None:
        """Wait until it is a ticket's turn, or its work is done."""
        me = threading.get_ident()
        try:
            with self._lock:
                if not self._busy:
                    self._busy, self._thread = True, me
                    return
                if self._thread == me:
                    raise FiscusError(NESTED)
                self._waiting.append(ticket)
                ticket.queued = True
                if self._gathered is not None and self._enough():
                    gathered, self._gathered = self._gathered, None
                    gathered.wake()
            if not ticket.wait(WAIT_SECONDS):
                with self._lock:
                    if ticket in self._waiting:
                        self._waiting.remove(ticket)
                        raise FiscusError(BUSY)
                ticket.wait()  # It came at the last moment, or is being done just now.
        except FiscusError:
            raise
        except BaseException:  # As Ctrl-C: nobody may be left waiting for a turn that was given to us.
            self._give_up(ticket)
            raise
        if not ticket.done:
            self._thread = me

    def _give_up(self, ticket: Ticket) -> None:
        with self._lock:
            waits = ticket in self._waiting
            if waits:
                self._waiting.remove(ticket)
        if ticket.queued and not waits and not ticket.taken:
            self._pass_on()

    def _lead(self, ticket: Ticket) -> None:
        """Do the work of everybody who waits, commit, and tell them."""
        tickets = [ticket]
        try:
            self._gather()
            try:
                self._attempt(tickets)
            except Exception:
                if len(tickets) == 1:
                    raise
                for each in tickets:
                    each.clear()
                for each in tickets:  # Whosever it was that the database did not take: it takes the others one by one.
                    self._alone(each)
        except BaseException as error:
            for each in tickets:
                if not each.settled:
                    each.settle(_own(error) if each is ticket else FiscusError(NOT_KEPT))
            if not isinstance(error, Exception):
                raise
        finally:
            self._expected, self._told = len(tickets), time.monotonic()
            for each in tickets[1:]:
                each.done = True
                each.wake()
            self._pass_on()

    def _gather(self) -> None:
        """Let those come back who were told together: one who writes while they come stumbles over each of them, again and again."""
        if self._expected == 1 or time.monotonic() - self._told > LATE:
            return
        before = -1
        while True:
            call = Ticket()
            with self._lock:
                self._gathered = None
                there = len(self._waiting)
                if there == before or self._enough():
                    return
                self._gathered, before = call, there
            if call.wait(PAUSE):
                return

    def _enough(self) -> bool:
        """Whether the next commit need wait for nobody: all are back, or whoever is first in the queue shares with none."""
        return len(self._waiting) + 1 >= self._expected or (bool(self._waiting) and self._waiting[0].work is None)

    def _alone(self, ticket: Ticket) -> None:
        """Do one piece of work in a transaction of its own."""
        try:
            self._attempt([ticket], grow=False)
        except Exception as error:
            ticket.settle(_own(error))

    def _attempt(self, tickets: list[Ticket], *, grow: bool = True) -> None:
        """One transaction.

        Args:
            tickets: Whose work is done; with that of those who wait, where it may grow.
            grow: Whether it may.

        Raises:
            Exception: Where nothing of it is kept.
        """
        shared = self._transaction.opened(self._known)
        try:
            self._known = None
            done = self._do(shared, tickets, grow)
            if done:
                self._transaction.finish(shared)
            self._known = shared.end
            for each in tickets:
                each.settle()
        except BaseException as error:
            if not shared.committing:
                raise
            for each in tickets:  # A refusal may rest on what is in doubt.
                doubt = FiscusError(IN_DOUBT)
                doubt.__cause__ = error
                each.settle(doubt)
            if not isinstance(error, Exception):
                raise
        finally:
            self._connections.back(shared.connection)

    def _do(self, shared: Shared, tickets: list[Ticket], grow: bool) -> int:
        """How many pieces of work are to be kept."""
        done = asked = 0
        if grow:
            self._take(tickets)
        for number, ticket in enumerate(tickets):  # It grows.
            if number == asked:
                commands = [each.command for each in tickets[asked:] if each.command]
                if commands:
                    self._transaction.expect(shared, commands)
                asked = len(tickets)
            try:
                assert ticket.work is not None
                ticket.result = self._transaction.run(shared, ticket.work)
                done += 1
            except Spoilt:
                raise
            except (Exception, SystemExit) as error:
                ticket.error = error
            if grow and number + 1 == len(tickets):
                self._take(tickets)
        return done

    def _take(self, tickets: list[Ticket]) -> None:
        """Those who wait, as long as nobody among them wants a transaction of their own."""
        with self._lock:
            while len(tickets) < MOST and self._waiting and self._waiting[0].work is not None:
                self._waiting[0].taken = True
                tickets.append(self._waiting.popleft())

    def _pass_on(self) -> None:
        """The next one's turn, if anybody waits."""
        with self._lock:
            self._thread = 0
            if self._waiting:
                self._waiting.popleft().wake()
            else:
                self._busy = False


def _own(error: BaseException) -> BaseException:
    """What a piece of work raised itself, where it could not be undone either."""
    return error.__cause__ if isinstance(error, Spoilt) and error.__cause__ is not None else error
