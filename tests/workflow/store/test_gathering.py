"""Whoever leads after many were told together waits for them to come back, and for nobody who stays away."""

from __future__ import annotations

import threading

import pytest
from sharing import Crowd, adding, commits, whole

from fiscus.workflow.store import turns

FOR_EVER = 60
"""Seconds that a test does not wait: whoever waits so long was forgotten."""


@pytest.fixture(autouse=True)
def at_any_time(monkeypatch):
    """However slow the machine is, those who were told are not late."""
    monkeypatch.setattr(turns, "LATE", FOR_EVER)


def crowd_of(store, *names):
    """So many who were told together."""
    came = Crowd(store).let(*((name, adding(f"proposal/{name}")) for name in names))
    assert not [each for each in came.values() if isinstance(each, BaseException)]


def begun(store, name):
    """A thread that gives work, and what comes of it."""
    came = []

    def run():
        try:
            came.append(store.together(adding(f"proposal/{name}")))
        except BaseException as error:
            came.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    return thread, came


def back(*threads):
    """Wait until all are."""
    for thread in threads:
        thread.join(FOR_EVER / 2)
        assert not thread.is_alive()


def until(true):
    """Look again and again."""
    while not true():
        pass


def test_those_who_were_told_together_are_waited_for(sql, monkeypatch):
    monkeypatch.setattr(turns, "PAUSE", FOR_EVER)
    counted = commits(sql)
    crowd_of(sql, *"abc")
    first, came = begun(sql, "d")
    until(lambda: sql._turns._gathered is not None)
    second, _ = begun(sql, "e")
    until(lambda: len(sql._turns._waiting) == 1)
    assert came == []
    third, _ = begun(sql, "f")
    back(first, second, third)
    assert counted == [3, 3]
    with sql.read() as reader:
        whole(reader)


def test_nobody_is_waited_for_who_stays_away(sql, monkeypatch):
    counted = commits(sql)
    crowd_of(sql, *"abc")
    sql.together(adding("proposal/d"))  # Waits a moment, and sees that nobody comes.
    monkeypatch.setattr(turns, "PAUSE", FOR_EVER)
    thread, came = begun(sql, "e")
    back(thread)
    assert came == [5]
    assert counted == [3, 1, 1]


def test_those_who_are_late_are_not_waited_for(sql, monkeypatch):
    monkeypatch.setattr(turns, "PAUSE", FOR_EVER)
    monkeypatch.setattr(turns, "LATE", 0)
    crowd_of(sql, *"abc")
    thread, came = begun(sql, "d")
    back(thread)
    assert came == [4]


def test_as_long_as_somebody_comes_the_others_are_waited_for(sql, monkeypatch):
    """Of four who were told, three come back, one after the other; after a moment in which nobody came they are done."""
    wait, moments = turns.Ticket.wait, threading.Semaphore(0)

    def waiting(ticket, seconds=-1):
        return wait(ticket, seconds) if seconds != turns.PAUSE else not moments.acquire(timeout=FOR_EVER)

    counted = commits(sql)
    crowd_of(sql, *"abcd")
    monkeypatch.setattr(turns.Ticket, "wait", waiting)
    threads = [begun(sql, "e")[0]]
    until(lambda: sql._turns._gathered is not None)
    for number, name in enumerate("fg", start=1):
        threads.append(begun(sql, name)[0])
        until(lambda number=number: len(sql._turns._waiting) == number)
        moments.release()
    moments.release()
    back(*threads)
    assert counted == [4, 3]


def test_a_writer_of_their_own_is_waited_for_by_nobody(sql, monkeypatch):
    """Whoever comes first in the queue and shares with none is not kept until others are back."""
    monkeypatch.setattr(turns, "PAUSE", FOR_EVER)
    counted = commits(sql)
    crowd_of(sql, *"abc")
    first, came = begun(sql, "d")
    until(lambda: sql._turns._gathered is not None)

    def alone():
        with sql.begin() as uow:
            adding("proposal/e")(uow)
            uow.commit()

    second = threading.Thread(target=alone)
    second.start()
    back(first, second)
    assert came == [4]
    assert counted[:2] == [3, 1]
    with sql.read() as reader:
        whole(reader)


def test_a_pause_that_ends_while_somebody_comes_and_another_gives_up(sql, monkeypatch):
    """The one who leads was called when the pause was over already, and goes on waiting: the next call is another."""
    wait, moments = turns.Ticket.wait, threading.Semaphore(0)
    called, over = [], threading.Event()

    def waiting(ticket, seconds=-1):
        if seconds != turns.PAUSE:
            return wait(ticket, seconds)
        called.append(ticket)
        if len(called) == 1:
            moments.acquire(timeout=FOR_EVER)  # The pause is over; meanwhile somebody comes, and another goes.
            return False
        over.set()
        moments.acquire(timeout=FOR_EVER)
        return wait(ticket, FOR_EVER / 2)

    crowd_of(sql, *"abc")
    monkeypatch.setattr(turns.Ticket, "wait", waiting)
    leader, led = begun(sql, "d")
    until(lambda: len(called) == 1)
    second, _ = begun(sql, "e")
    until(lambda: len(sql._turns._waiting) == 1)
    third, _ = begun(sql, "f")
    until(lambda: sql._turns._gathered is None)
    gone = sql._turns._waiting[0]
    with sql._turns._lock:
        sql._turns._waiting.remove(gone)  # As one does whose time is over.
    moments.release()
    assert over.wait(FOR_EVER / 2)
    fourth, came = begun(sql, "g")
    until(lambda: sql._turns._gathered is None)
    moments.release()
    back(leader, third, fourth)
    assert not [each for each in (*led, *came) if isinstance(each, BaseException)]
    gone.error, gone.done = RuntimeError("gone"), True
    gone.wake()
    back(second)


def test_whoever_is_interrupted_before_they_are_in_the_queue_takes_nobodys_turn(sql):
    turns_of = sql._turns

    class Interrupted(type(turns_of._waiting)):
        def append(self, ticket):
            raise KeyboardInterrupt

    with sql.begin() as uow:
        there, turns_of._waiting = turns_of._waiting, Interrupted()
        thread, came = begun(sql, "a")
        back(thread)
        assert isinstance(came[0], KeyboardInterrupt)
        turns_of._waiting = there
        assert turns_of._busy
        adding("proposal/b")(uow)
        uow.commit()
    assert sql.together(adding("proposal/c")) == 2


def test_whoever_is_interrupted_while_they_wait_keeps_nobody_waiting(sql, monkeypatch):
    crowd_of(sql, *"abc")
    wait = turns.Ticket.wait

    def interrupted(ticket, seconds=-1):
        raise KeyboardInterrupt

    monkeypatch.setattr(turns.Ticket, "wait", interrupted)
    with pytest.raises(KeyboardInterrupt):
        sql.together(adding("proposal/d"))
    monkeypatch.setattr(turns.Ticket, "wait", wait)
    monkeypatch.setattr(turns, "PAUSE", FOR_EVER)
    thread, came = begun(sql, "d")
    back(thread)
    assert came == [4]
