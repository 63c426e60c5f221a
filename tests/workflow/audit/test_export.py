"""An exported log: honest ones verify, and every change is found, down to the single bit."""

from __future__ import annotations

import io
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from repetitions import slow_from

from fiscus.errors import BrokenLog
from fiscus.workflow.audit.export import Verifier, verify_export, verify_lines, write_export
from fiscus.workflow.audit.log import START, hash_of, parse, written
from fiscus.workflow.canonical import canonical
from fiscus.workflow.ports import Account, Entry, Index, Stamp
from fiscus.workflow.store.memory import MemoryStore

EVENTS, PARTS = 200, 3
AT = "2026-11-23T20:00:00.000000Z"


def log(events):
    """A store with so many events: documents, money, a checkpoint half-way, names beyond ASCII."""
    store = MemoryStore()
    with store.begin() as uow:
        digest = uow.keep(canonical({"title": "Straße", "amount": 1.5}))
        for number in range(1, events + 1):
            stream = f"proposal/p{number % 7}"
            record = uow.load(stream)
            data = {"note": "Straße" if number % 50 == 0 else "a"}
            if number % 40 == 1:
                data["content"] = digest
            if number % 25 == 2:
                places = [["city", "p1", "general", bucket] for bucket in ("available", "reserved")]
                moved = {"source": places[0], "target": places[1], "amount": number, "line": "roads", "memo": ""}
                data["transfers"] = [moved]
            stamp = Stamp(f"2026-11-23T20:{number // 60:02}:{number % 60:02}.000000Z", "ann")
            uow.append(stream, record.version if record else 0, stamp, [Entry("Noted", data)], {}, Index("proposal"))
            if number == events // 2:
                uow.checkpoint({"size": number, "root": uow.head().root, "at": stamp.at})
        uow.commit()
    return store


def exported(store):
    file = io.BytesIO()
    with store.read() as reader:
        write_export(reader, file, AT)
    return file.getvalue().splitlines(keepends=True)


@pytest.fixture(scope="module")
def lines():
    return exported(log(EVENTS))


def refused(lines, known=()):
    try:
        verify_lines(lines, known)
    except BrokenLog:
        return True
    return False


def test_an_honest_log_verifies(lines, tmp_path):
    path = tmp_path / "log.jsonl"
    path.write_bytes(b"".join(lines))
    found = verify_export(path)
    assert (found.size, found.documents) == (EVENTS, 1)
    assert found.first_at < found.last_at
    assert sum(found.balances.values()) == 0
    assert found.balances[Account("city", "p1", "general", "reserved")] == sum(
        n for n in range(1, EVENTS + 1) if n % 25 == 2
    )
    assert found.root == json.loads(lines[-1])["root"]


def flips_of(lines, position):
    """How many single-bit flips of a line are not found; states before it are those of the honest file."""
    before = Verifier()
    for line in lines[:position]:
        before.take(line)
    line, missed = lines[position], 0
    for byte in range(len(line)):
        for bit in range(8):
            flipped = line[:byte] + bytes([line[byte] ^ (1 << bit)]) + line[byte + 1 :]
            verifier = before.copy()
            try:
                # A flip may make two lines of one, or one of two.
                rest = flipped + b"".join(lines[position + 1 : position + 2])
                for each in rest.split(b"\n")[:-1]:
                    verifier.take(each + b"\n")
                if not rest.endswith(b"\n"):
                    verifier.take(rest.rpartition(b"\n")[2])
                for each in lines[position + 2 :]:
                    verifier.take(each)
                verifier.end()
            except BrokenLog:
                continue
            missed += 1
    return missed


def test_every_bit_of_a_short_log():
    short = exported(log(12))
    assert sum(flips_of(short, position) for position in range(len(short))) == 0


@pytest.mark.parametrize("part", slow_from(1, PARTS))
def test_every_bit_of_a_long_log(lines, part):
    """Of every third line, and of the others under ``./run slow``; a short log above has lines of all kinds."""
    assert sum(flips_of(lines, position) for position in range(part, len(lines), PARTS)) == 0


def test_every_lost_doubled_or_swapped_line_is_found(lines):
    for position in range(len(lines)):
        assert refused(lines[:position] + lines[position + 1 :])
        assert refused([*lines[: position + 1], *lines[position:]])
        if position:
            swapped = [*lines[: position - 1], lines[position], lines[position - 1], *lines[position + 1 :]]
            assert refused(swapped)


def ends_refused(verifier, line):
    try:
        if line:
            verifier.take(line)
        verifier.end()
    except BrokenLog:
        return True
    return False


def test_every_truncation_is_found(lines):
    whole = b"".join(lines)
    before, start = Verifier(), 0
    for line in lines:
        for cut in range(len(line)):
            verifier = before.copy()
            assert ends_refused(verifier, line[:cut])
        before.take(line)
        start += len(line)
    assert start == len(whole)


def forged(lines, events):
    """A log cut after some events by somebody who writes a footer that fits."""
    store = log(EVENTS)
    with store.begin() as uow:
        kept = list(uow.events())[:events]
        digest = next(iter(uow.contents()))
    head = Verifier()
    made = [lines[0]]
    head.take(lines[0])
    for event in kept:
        made.append(event.body + b"\n")
        head.take(made[-1])
    made.append(canonical({"digest": digest[0], "document": digest[1].decode()}) + b"\n")
    head.take(made[-1])
    footer = {
        "checkpoints": 0,
        "documents": 1,
        "events": events,
        "last": head.chain.last,
        "root": head.frontier.root().hex(),
        "sha256": head.total.hexdigest(),
    }
    return [*made, canonical(footer) + b"\n"]


def test_a_forged_end_is_found_by_whoever_noted_a_checkpoint(lines):
    cut = forged(lines, 120)
    assert not refused(cut)
    noted = {"size": EVENTS, "root": json.loads(lines[-1])["root"]}
    assert refused(cut, [noted])
    assert not refused(lines, [noted])
    honest = {"size": 100, "root": json.loads(lines[1])["checkpoint"]["root"]}
    assert not refused(cut, [honest])
    assert refused(lines, [{"size": 100, "root": "0" * 64}])


def test_documents_that_nobody_speaks_of_are_refused(lines):
    extra = {"digest": hash_of(b"[]"), "document": "[]"}
    assert refused([*lines[:-1], canonical(extra) + b"\n", lines[-1]])


FLOATS = st.floats(allow_nan=False, allow_infinity=False)


@given(
    data=st.dictionaries(
        st.text(max_size=5),
        st.recursive(
            st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | FLOATS | st.text(max_size=8),
            lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
            max_leaves=6,
        ),
        max_size=4,
    )
)  # fmt: skip
@settings(max_examples=200, deadline=None)
def test_an_event_is_read_as_it_was_written(data):
    try:
        event = written(1, "proposal/p", 1, "Noted", Stamp(AT, "ann", "bob", "s", "c"), data, START)
    except Exception:
        return  # Lone surrogates, which no JSON text can hold.
    assert parse(event.body).hash == event.hash == hash_of(event.body)


@pytest.mark.parametrize(
    "body",
    [
        b"{}",
        b"[]",
        b"\xff",
        b'{"a":1}',
        canonical({"seq": 1}),
        b'{"actor":"ann", "at":""}',
        b"[" * 100_000,
    ],
)
def test_what_is_no_event_is_refused(body):
    with pytest.raises(BrokenLog):
        parse(body)


def test_other_ways_to_write_the_same_event_are_refused():
    event = written(1, "proposal/p", 1, "Noted", Stamp(AT, "ann"), {"a": 1.5, "b": "é"}, START)
    text = event.body.decode()
    for other in (
        text.replace("1.5", "1.50"),
        text.replace("é", "\\u00e9"),
        text.replace(":1,", ": 1,"),
        text.replace('"a":1.5', '"a":15e-1'),
    ):
        if other != text:
            with pytest.raises(BrokenLog):
                parse(other.encode())
