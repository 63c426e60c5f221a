"""Processes killed at every place where something is written, and processes that race: nothing acknowledged is lost, nothing doubled."""

from __future__ import annotations

import multiprocessing
import random
from collections import Counter

import pytest
from worker import content, give, lives, opened, prepare, race, shown, steps

from fiscus.errors import Refused
from fiscus.workflow.audit.replaying import replayed
from fiscus.workflow.ports import Filter
from fiscus.workflow.proposal import commands as do
from fiscus.workflow.proposal.transitions import STATES
from fiscus.workflow.service import reading
from fiscus.workflow.store.failpoints import PLACES
from fiscus.workflow.store.sql import SqlStore

PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(["fiscus.workflow.service", "fiscus.workflow.store.sql", "alembic.command", "psycopg"])
"""New processes that have imported everything already: a kill takes a tenth of a second."""


def killed_at(url, folder, prefix, failpoint):
    """What a process acknowledged that is killed there."""
    notes = folder / f"{prefix}.txt"
    process = PROCESSES.Process(target=lives, args=(url, prefix, failpoint, str(notes)))
    process.start()
    process.join(120)
    code = process.exitcode
    process.kill()
    assert code == -9, failpoint
    return [tuple(line.split()) for line in notes.read_text().splitlines()] if notes.exists() else []


def check(url, acknowledged):
    """Everything acknowledged is there once, and the store is whole."""
    store = SqlStore.open(url)
    with store.read() as reader:
        replayed(reader)
        sizes = {each["size"]: each["root"] for each in reader.checkpoints()}
        unsent = {number for number, _ in reader.notices()}
        for kind, *words in acknowledged:
            if kind == "command":
                key, stream, version = words
                answer = reader.answer(key)
                assert answer is not None, key
                assert (answer["stream"], answer["version"]) == (stream, int(version))
            elif kind == "sent":
                assert int(words[0]) not in unsent
            elif kind == "checkpoint":
                assert sizes[int(words[0])] == words[1]
            else:
                assert store.credential(words[0]) == f"hash-of-{words[0]}"
        events = [event for event in reader.events() if event.stamp.command]
        kinds = [(event.stamp.command, event.kind) for event in events]
        assert len(kinds) == len(set(kinds))
        given = {event.stamp.command for event in events}
        assert {words[0] for kind, *words in acknowledged if kind == "command"} <= given
        assert all(reader.answer(key) is not None for key in given)
        notices = [(notice.topic, str(notice.body)) for _, notice in reader.notices(unsent=False)]
        assert len(notices) == len(set(notices))
        assert all(amount >= 0 for each, amount in reader.balances().items() if each.bucket != "appropriated")
        assert sum(reader.balances().values()) == 0
        assert {record.index.status for record in reader.find(Filter(kind="proposal"))} <= set(STATES)
    store.close()


def given_again(url, prefix, acknowledged):
    """A process that lost its answers gives the same commands again: each is followed once in all."""
    store = SqlStore.open(url)
    done = {words[0] for kind, *words in acknowledged if kind == "command"}
    for key, step in steps(store, f"{prefix}1", 1):
        size = store_size(store)
        answer = step()
        assert answer.repeated or key not in done
        assert (store_size(store) == size) == answer.repeated
    store.close()


def store_size(store):
    with store.read() as reader:
        return reader.head().size


@pytest.mark.parametrize("time", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_processes_killed_wherever_something_is_written(url, tmp_path, time):
    """At every place, the first time that it is come by; the second time under ``./run slow``."""
    prepare(url, 10_000_000).close()
    everything = []
    for number, place in enumerate(PLACES):
        prefix = f"k{number}x{time}x"
        acknowledged = killed_at(url, tmp_path, prefix, f"{place}:{time}")
        everything += acknowledged
        given_again(url, prefix, acknowledged)
        if number % 6 == 5:
            check(url, everything)
    assert everything
    check(url, everything)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(10))
def test_a_thousand_processes_killed_anywhere(url, seed, tmp_path):
    """A hundred kills on one store after another, ten stores: a thousand for each kind of database."""
    source = random.Random(seed)
    prepare(url, 10_000_000).close()
    everything = []
    for number in range(100):
        everything += killed_at(url, tmp_path, f"s{number}x", f"any:{source.randint(1, 400)}")
        if number % 20 == 19:
            check(url, everything)
    check(url, everything)


def test_processes_that_open_a_new_database_at_once(empty_url):
    processes = [PROCESSES.Process(target=opened, args=(empty_url,)) for _ in range(4)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    assert [process.exitcode for process in processes] == [0] * 4
    store = SqlStore.open(empty_url)
    with store.read() as reader:
        assert all(reader.answer(f"process {process.pid}") == {} for process in processes)
    store.close()


def all_at_once(url, *given):
    """Processes that are given ``(name, kind)`` each, let go together; what came of each."""
    ready, told = PROCESSES.Barrier(len(given)), PROCESSES.Queue()
    processes = [PROCESSES.Process(target=race, args=(url, *each, ready, told)) for each in given]
    for process in processes:
        process.start()
    came = [told.get(timeout=120) for _ in given]
    for process in processes:
        process.join(60)
    return came


def raced(url, count, money):
    """So many proposals of one unit of money each, where there is money for fewer."""
    store = prepare(url, money)
    names = [f"r{number}" for number in range(count)]
    for name in names:
        give(store, do.Draft(name, content(name, 1)), "ann", f"{name}.draft")
        give(store, do.Submit(name), "ann", f"{name}.submit")
    told = {name: what for name, _, what in all_at_once(url, *((name, "approve") for name in names))}
    assert Counter(told.values()) == {"done approved": money, "refused funds.unavailable": count - money}
    # The same proposal released by everyone at once is released once.
    done = next(name for name, what in told.items() if what == "done approved")
    released = all_at_once(url, *[(done, "release")] * count)
    assert {what for _, _, what in released} == {"done released"}  # The same key: all are answered as the first.
    with store.read() as reader:
        replayed(reader)
        balances = {each.bucket: amount for each, amount in reader.balances().items()}
        assert (balances["available"], balances["released"], balances["reserved"]) == (0, 1, money - 1)
        assert sum(1 for event in reader.events() if event.kind == "Released") == 1
    store.close()


def test_a_race_for_the_last_money(url):
    raced(url, 4, 1)


@pytest.mark.slow
def test_thirty_two_processes_race_for_the_last_money(url):
    raced(url, 32, 1)


def raced_edits(url, count):
    """Edits against approvals of what was shown before: one of the two is refused, and nothing is approved unseen."""
    store = prepare(url, 1_000)
    names = [f"e{number}" for number in range(count)]
    for name in names:
        give(store, do.Draft(name, content(name, 1)), "ann", f"{name}.draft")
        give(store, do.Submit(name), "ann", f"{name}.submit")
    seen = {name: shown(store, name) for name in names}
    came = all_at_once(url, *((name, kind) for name in names for kind in ("approve", "edit")))
    told = {(name, kind): what for name, kind, what in came}
    for name in names:
        approved, edited = told[name, "approve"], told[name, "edit"]
        assert (approved, edited) in {("done approved", "refused transition"), ("refused transition", "done draft")}
        with store.read() as reader:
            proposal = reading.known_proposal(reader, name)
            adopted = [event.data["hash"] for event in reader.events(proposal.stream) if event.kind == "Adopted"]
        assert adopted == ([seen[name]] if approved == "done approved" else [])
    store.close()


def test_edits_race_approvals(url):
    raced_edits(url, 2)


@pytest.mark.slow
def test_many_edits_race_approvals(url):
    raced_edits(url, 16)


def test_an_edit_in_between_makes_the_approval_stale(url):
    """However edit and approval interleave: what is approved is what was shown."""
    store = prepare(url, 100)
    give(store, do.Draft("e", content("first", 1)), "ann", "d")
    give(store, do.Submit("e"), "ann", "s")
    seen = shown(store, "e")
    give(store, do.Edit("e", content("second", 2)), "ann", "e")
    give(store, do.Submit("e"), "ann", "s2")
    with pytest.raises(Refused, match="not the version you saw") as refusal:
        give(store, do.Approve("e", seen), "bob", "a")
    assert refusal.value.rule == "content.stale"
    assert give(store, do.Approve("e", shown(store, "e")), "bob", "a2").status == "approved"
    store.close()
