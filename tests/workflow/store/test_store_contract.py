"""What every store promises: all or nothing, nothing twice, nothing of the past changed, no money that is not there."""

from __future__ import annotations

import hashlib
import json
import threading

import pytest
from writing import AT, account, fund, note

from fiscus.errors import Conflict, FiscusError, Overdrawn
from fiscus.workflow.audit.log import START
from fiscus.workflow.audit.merkle import root_of
from fiscus.workflow.ports import Entry, Filter, Index, Notice, Stamp, Transfer


def test_what_was_committed_is_there(store):
    with store.begin() as uow:
        first, second = note(uow, kinds=("Drafted", "Submitted"), title="Straße", share=0.1)
        digest = uow.keep(b'{"a":1}')
        fund(uow, 500, first.seq)
        uow.remember("c1", {"status": "draft"})
        uow.send([Notice("proposal.drafted", {"x": 1})])
        uow.checkpoint({"size": 2, "root": uow.head().root, "at": AT})
        uow.commit()
    with store.read() as reader:
        record = reader.load("proposal/p1")
        assert (record.version, dict(record.state), record.updated) == (2, {"last": "Submitted"}, AT)
        assert [event.hash for event in reader.events()] == [first.hash, second.hash]
        assert [event.data["title"] for event in reader.events("proposal/p1")] == ["Straße"] * 2
        assert reader.content(digest) == b'{"a":1}'
        assert list(reader.contents()) == [(digest, b'{"a":1}')]
        assert reader.balances() == {account("appropriated"): -500, account("available"): 500}
        assert [(b.number, b.seq, b.transfer.amount) for b in reader.booked()] == [(1, 1, 500)]
        assert reader.answer("c1") == {"status": "draft"}
        assert reader.answer("c2") is None
        assert [notice for _, notice in reader.notices()] == [Notice("proposal.drafted", {"x": 1})]
        assert [each["size"] for each in reader.checkpoints()] == [2]
        assert reader.load("proposal/p2") is None
        assert reader.content("0" * 64) is None


def half_way(store):
    """Everything that can be written, and then no commit."""
    with store.begin() as uow:
        note(uow, expected=1)
        note(uow, "proposal/p2", index=Index("proposal", waiting=(("head", "city"),)))
        fund(uow, 5, 2)
        uow.keep(b"{}")
        uow.remember("c", {})
        uow.control(account("available"), hard=False)
        uow.send([Notice("b", {})])
        uow.sent([uow.notices()[0][0]])
        uow.checkpoint({"size": 1, "root": "0", "at": AT})
        raise RuntimeError("half-way")


def test_what_was_not_committed_is_not(store):
    with store.begin() as uow:
        note(uow)
        uow.send([Notice("a", {})])
        uow.commit()
    with store.read() as reader:
        before = reader.head()
    with pytest.raises(RuntimeError, match="half-way"):
        half_way(store)
    with store.begin() as uow:
        note(uow, expected=1)  # And leave without a word.
    with store.read() as reader:
        assert reader.head() == before
        assert [record.stream for record in reader.find(Filter())] == ["proposal/p1"]
        assert reader.balances() == {}
        assert list(reader.booked()) == []
        assert list(reader.contents()) == []
        assert reader.answer("c") is None
        assert [notice.topic for _, notice in reader.notices()] == ["a"]
        assert not reader.checkpoints()
    with store.begin() as uow:
        fund(uow, 5, 1)
        with pytest.raises(Overdrawn):
            uow.move([Transfer(account("available"), account("reserved"), 6)], 1)


def test_the_chain_is_what_rfc_and_sha_say(store):
    for number in range(5):
        with store.begin() as uow:
            note(uow, expected=3 * number, kinds=("A", "B", "C"), number=number)
            uow.commit()
    with store.read() as reader:
        events = list(reader.events())
        previous = START
        for number, event in enumerate(events, start=1):
            body = json.loads(event.body)
            assert (event.seq, body["seq"], event.version, body["version"]) == (number,) * 4
            assert event.previous == body["previous"] == previous
            previous = hashlib.sha256(event.body).hexdigest()
            assert event.hash == previous
        assert reader.head().hash == previous
        assert reader.head().root == root_of(event.body for event in events).hex()
        assert [event.seq for event in reader.events(after=4, limit=3)] == [5, 6, 7]
        assert reader.latest() == AT


def test_a_stream_that_moved_on_is_a_conflict(store):
    with store.begin() as uow:
        note(uow)
        uow.commit()
    for expected in (0, 2):
        with store.begin() as uow, pytest.raises(Conflict, match="look again"):
            note(uow, expected=expected)


def test_a_command_is_followed_once(store):
    with store.begin() as uow:
        uow.remember("c", {"n": 1})
        uow.commit()
    with store.begin() as uow, pytest.raises(Conflict):
        uow.remember("c", {"n": 2})


def test_money_that_is_not_there_is_refused_by_the_store(store):
    with store.begin() as uow:
        note(uow)
        fund(uow, 100, 1)
        uow.commit()
    with store.begin() as uow, pytest.raises(Overdrawn, match="The budget of city"):
        uow.move([Transfer(account("available"), account("reserved"), 101)], 1)
    with store.begin() as uow:
        uow.control(account("available"), hard=False)
        uow.move([Transfer(account("available"), account("reserved"), 101)], 1)
        uow.commit()
    with store.read() as reader:
        assert reader.balances(["city"])[account("available")] == -1
        assert reader.balances(["other"]) == {}
        assert reader.balances(["city"], "available") == {account("available"): -1} == reader.balances((), "available")
        assert reader.balances(["city"], "actual") == {}
        assert sum(reader.balances().values()) == 0


def test_records_are_found(store):
    places = (("head", "north"), ("board", "city"))
    with store.begin() as uow:
        for number in range(6):
            index = Index(
                "proposal" if number else "round",
                status="in_review" if number % 2 else "draft",
                owner="ann" if number < 3 else "bob",
                lineage=f"l{number // 2}",
                due=f"2026-11-2{number}T00:00:00.000000Z" if number else "",
                waiting=places[: number % 3],
                title=f"Road 100%_{number}",
            )
            note(uow, f"proposal/p{number}", index=index, at=f"2026-11-23T20:00:0{number}.000000Z")
        uow.commit()

    def found(**wanted):
        with store.read() as reader:
            assert reader.count(Filter(**wanted)) == len(reader.find(Filter(**{**wanted, "limit": 0, "offset": 0})))
            return [record.stream[-1] for record in reader.find(Filter(**wanted))]

    assert found() == list("543210")
    assert found(kind="proposal", limit=2, offset=1) == list("43")
    assert found(offset=4) == list("10")
    assert found(status=("draft",)) == list("420")
    assert found(owner="ann", status=("draft", "in_review")) == list("210")
    assert found(lineage="l1") == list("32")
    assert found(overdue="2026-11-23T00:00:00.000000Z") == list("21")
    assert found(text="0%_3") == list("3")
    assert found(text="ROAD 100%_4") == list("4")
    assert found(text="p5") == list("5")
    assert found(text="_x") == []
    assert found(waiting=(("head", ""),)) == list("5421")
    assert found(waiting=(("board", "city"),)) == list("52")
    assert found(waiting=(("board", "north"), ("none", ""))) == []
    with store.begin() as uow:
        note(uow, "proposal/p5", expected=1, index=Index("proposal", waiting=(("mayor", "city"),)))
        uow.commit()
    assert found(waiting=(("head", ""), ("board", ""))) == list("421")
    assert found(waiting=(("mayor", ""),)) == list("5")


def test_the_outbox_is_emptied_in_order(store):
    with store.begin() as uow:
        uow.send([Notice("a", {}), Notice("b", {})])
        uow.send([Notice("c", {})])
        uow.commit()
    with store.begin() as uow:
        first = uow.notices()[0]
        uow.sent([first[0]])
        uow.commit()
    with store.read() as reader:
        assert [notice.topic for _, notice in reader.notices()] == ["b", "c"]
        assert [notice.topic for _, notice in reader.notices(unsent=False)] == ["a", "b", "c"]


def refused_move(uow):
    uow.move([Transfer(account("available"), account("reserved"), 101)], 1)


def refused_version(uow):
    note(uow, "proposal/p1", expected=7)


def refused_command(uow):
    uow.remember("c", {})


def refused_checkpoint(uow):
    uow.checkpoint({"size": 1, "root": "0"})


def refused_control(uow):
    uow.control(account("available", "soft"), hard=True)


@pytest.mark.parametrize(
    ("refused", "kind"),
    [
        (refused_move, Overdrawn),
        (refused_version, Conflict),
        (refused_command, Conflict),
        (refused_checkpoint, Conflict),
        (refused_control, Overdrawn),
    ],
)
def test_half_of_a_decision_is_none(store, refused, kind):
    """Whoever catches a refusal of the store cannot commit what came before it."""
    with store.begin() as uow:
        note(uow)
        fund(uow, 100, 1)
        uow.control(account("available", "soft"), hard=False)
        uow.move([Transfer(account("available", "soft"), account("reserved", "soft"), 5)], 1)
        uow.remember("c", {})
        uow.checkpoint({"size": 1, "root": uow.head().root})
        uow.commit()
    with store.begin() as uow:
        note(uow, "proposal/other")
        with pytest.raises(kind):
            refused(uow)
        with pytest.raises(FiscusError, match="begin another"):
            uow.send([Notice("a", {})])
        with pytest.raises(FiscusError, match="begin another"):
            uow.commit()
    with store.read() as reader:
        assert reader.load("proposal/other") is None
        assert reader.head().size == 1
        assert reader.balances(["city"])[account("available")] == 100
    with store.begin() as uow:  # And the store works on.
        note(uow, expected=1)
        uow.commit()


def test_what_is_missing_is_said(store):
    with store.begin() as uow:
        note(uow)
        fund(uow, 1_000, 1)
        uow.commit()
    with store.begin() as uow, pytest.raises(Overdrawn) as there:
        uow.move([Transfer(account("available"), account("reserved"), 2_234)], 1)
    with store.begin() as uow, pytest.raises(Overdrawn) as new:
        uow.move([Transfer(account("available", "cash"), account("reserved", "cash"), 7)], 1)
    assert str(there.value) == "The budget of city (fund general) in p1 has 1,234 too little available (minor units)."
    assert str(new.value) == "The cash in p1 has 7 too little available (minor units)."


def test_a_unit_of_work_is_over_once_it_is_committed_or_left(store):
    with store.begin() as uow:
        note(uow)
        uow.commit()
        for late in (lambda: note(uow, "proposal/late"), uow.commit):
            with pytest.raises(FiscusError, match="begin another"):
                late()
    for late in (lambda: note(uow, "proposal/late"), lambda: uow.keep(b"{}"), uow.commit):
        with pytest.raises(FiscusError, match="begin another"):
            late()
    with store.read() as reader:
        assert reader.head().size == sum(1 for _ in reader.events()) == 1
        assert not hasattr(reader, "append")


def test_several_appends_in_one_unit_of_work(store):
    """Streams that are new, that were loaded, and that were not, with who they wait for, whatever order that comes in."""
    head, board = ("head", "city"), ("board", "city")
    with store.begin() as uow:
        note(uow, index=Index("proposal", status="draft", waiting=(head, board, head)))
        note(
            uow,
            expected=1,
            kinds=("A", "B"),
            index=Index("proposal", status="in_review", owner="bob", waiting=(board,)),
        )
        note(uow, "proposal/p2")
        uow.commit()
    with store.begin() as uow:
        assert uow.load("proposal/p1").version == 3
        note(
            uow, expected=3, index=Index("proposal", status="approved", owner="bob", lineage="l", waiting=(board, head))
        )
        note(uow, "proposal/p2", expected=1, index=Index("round", title="Two"))
        uow.commit()
    with store.read() as reader:
        assert [event.version for event in reader.events("proposal/p1")] == [1, 2, 3, 4]
        assert reader.load("proposal/p1").index == Index(
            "proposal", status="approved", owner="bob", lineage="l", waiting=(board, head)
        )
        for wanted, names in (
            (Filter(waiting=(head,)), ["proposal/p1"]),
            (Filter(status=("in_review", "draft")), []),
            (Filter(owner="bob", lineage="l", kind="proposal"), ["proposal/p1"]),
            (Filter(kind="round"), ["proposal/p2"]),
            (Filter(), ["proposal/p2", "proposal/p1"]),
        ):
            assert [record.stream for record in reader.find(wanted)] == names


@pytest.mark.parametrize("title", ["Größe ÄÖÜ", "Ελλάδα", "ИЖЕВСК", "100% _!'\"\\"])
def test_text_is_found_in_any_case_of_letters(store, title):
    with store.begin() as uow:
        note(uow, index=Index("proposal", title=title))
        note(uow, "proposal/p2", index=Index("proposal", title="another"))
        uow.commit()
    with store.read() as reader:
        for text in (title, title.lower(), title.upper(), title[1:-1]):
            assert [record.index.title for record in reader.find(Filter(text=text))] == [title]


def test_names_are_in_the_order_of_their_letters(store):
    names = ["proposal/B", "proposal/a", "proposal/é", "proposal/a-b", "proposal/aB"]
    with store.begin() as uow:
        for name in names:
            note(uow, name)
        uow.commit()
    with store.read() as reader:
        assert [record.stream for record in reader.find(Filter())] == sorted(names, reverse=True)


def test_many_of_everything(store):
    """More rows than go into one statement, more places than SQLite nests, names longer than most."""
    places = tuple((f"r{number}", f"u{number}") for number in range(3_000))
    title = "x" * 5_000
    with store.begin() as uow:
        note(uow, kinds=[f"K{number}" for number in range(2_500)], index=Index("p", title=title, waiting=places[:50]))
        fund(uow, 10_000, 1)
        uow.move([Transfer(account("available"), account("reserved"), 1)] * 1_500, 1)
        uow.send([Notice("n", {"number": number}) for number in range(40)])
        for number in range(1_200):
            uow.keep(b"[%d]" % number)
        uow.commit()
    with store.read() as reader:
        assert [event.seq for event in reader.events()] == list(range(1, 2_501))
        assert [event.seq for event in reader.events(after=999, limit=1_200)] == list(range(1_000, 2_200))
        assert [each.number for each in reader.booked()] == list(range(1, 1_502))
        assert [each.number for each in reader.booked(after=400, limit=1_001)] == list(range(401, 1_402))
        digests = [digest for digest, _ in reader.contents()]
        assert digests == sorted(hashlib.sha256(b"[%d]" % number).hexdigest() for number in range(1_200))
        assert [notice.body["number"] for _, notice in reader.notices()] == list(range(40))
        assert reader.count(Filter(waiting=places[49:])) == reader.count(Filter(waiting=(*places, ("r1", "")))) == 1
        assert reader.count(Filter(waiting=places[50:])) == 0


def test_passwords_are_kept_apart(store):
    assert store.credential("ann") is None
    store.set_credential("ann", "one")
    store.set_credential("ann", "two")
    assert store.credential("ann") == "two"
    with store.read() as reader:
        assert reader.head().size == 0


def test_roles_of_a_session_are_remembered(store):
    with store.begin() as uow:
        stamp = Stamp(AT, "ann", session="s1")
        uow.append("proposal/p1", 0, stamp, [Entry("Approved", {"role": "head"})], {}, Index("proposal"))
        uow.append("proposal/p2", 0, stamp, [Entry("Approved", {"role": "head"})], {}, Index("proposal"))
        uow.commit()
    with store.read() as reader:
        assert reader.session_roles("s1") == {"head"}
        assert reader.session_roles("s2") == frozenset()


def test_writers_come_one_after_another(store):
    """Threads that all add one to the same stream: no number is lost, none is doubled."""
    with store.begin() as uow:
        note(uow)
        uow.commit()

    def add():
        for _ in range(10):
            with store.begin() as uow:
                note(uow, expected=uow.load("proposal/p1").version)
                uow.commit()

    threads = [threading.Thread(target=add) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with store.read() as reader:
        assert reader.head().size == reader.load("proposal/p1").version == 41
