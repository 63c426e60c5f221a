"""A store against its own log: everything it says is what the events add up to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from fiscus.core.money import how_many
from fiscus.errors import BrokenLog
from fiscus.workflow.audit.log import Chain, foreign, hash_of, parse
from fiscus.workflow.audit.merkle import Frontier
from fiscus.workflow.funds import books
from fiscus.workflow.funds.books import Books, from_data
from fiscus.workflow.identity import evolve as registry_after
from fiscus.workflow.identity.registry import Registry
from fiscus.workflow.ports import Account, Document, Entry, Reader, Transfer, Written
from fiscus.workflow.proposal import state
from fiscus.workflow.proposal.evolve import evolve as proposal_after
from fiscus.workflow.proposal.reviewing import next_due
from fiscus.workflow.proposal.state import Proposal, index_of
from fiscus.workflow.rounds import evolve as round_after
from fiscus.workflow.rounds import state as round_state


def replayed(reader: Reader, known: Sequence[Document] = ()) -> list[str]:
    """What was checked, in sentences.

    Args:
        reader: One moment of a store.
        known: Checkpoints noted elsewhere, ``{"size", "root"}``.

    Raises:
        BrokenLog: At the first thing that the log does not bear out.
    """
    chain, frontier = Chain(), Frontier()
    marks = [(int(each["size"]), str(each["root"])) for each in (*reader.checkpoints(), *known)]
    sizes, roots = {size for size, _ in marks}, {0: frontier.root().hex()}
    streams: dict[str, Any] = {}
    booked: list[tuple[int, Transfer]] = []
    digests = {digest for digest, body in reader.contents() if _is(digest, body)}
    for event in reader.events():
        if parse(event.body) != event:
            raise BrokenLog(f"event {event.seq} is stored with fields that its body does not have")
        chain.add(event)
        frontier.append(event.body)
        if event.seq in sizes:
            roots[event.seq] = frontier.root().hex()
        for name in ("content", "policy"):
            if name in event.data and event.data[name] not in digests:
                raise BrokenLog(f"event {event.seq} speaks of a document {event.data[name]} that is not there")
        booked += [(event.seq, transfer) for transfer in from_data(event.data.get("transfers", ()))]
        streams[event.stream] = _after(streams.get(event.stream), event)
    for size, root in marks:
        if roots.get(size) != root:
            raise foreign(size, chain.size)
    head = reader.head()
    if (head.size, head.hash, head.root) != (chain.size, chain.last, frontier.root().hex()):
        raise BrokenLog(f"the store says that its log has {head.size} events, and here are {chain.size}, or others")
    _same_states(reader, streams, chain)
    _same_lists(reader, streams)
    _same_money(reader, booked)
    told = [
        f"{chain.size:,} events follow on each other without a gap; the last is {chain.last[:12]}.",
        f"{len(streams):,} records are what their events add up to, and lists show them as such.",
        f"{len(booked):,} transfers stand in the ledger as in the events; all accounts add up to nothing.",
        f"{len(digests):,} documents are what their digests say.",
    ]
    return [*told, f"{how_many(len(marks), 'checkpoint is', 'checkpoints are')} part of this log."] if marks else told


def _is(digest: str, body: bytes) -> bool:
    if hash_of(body) != digest:
        raise BrokenLog(f"the document {digest} was changed")
    return True


def _policy_after(before: Any, event: Written) -> Any:
    known = [] if before is None else before["known"]
    digest = event.data["policy"]
    return {"current": digest, "known": [*known, *([] if digest in known else [digest])]}


def _registry(before: Any, event: Written) -> Any:
    return registry_after(before or Registry(), Entry(event.kind, event.data))


def _books(before: Any, event: Written) -> Any:
    return books.evolve(before or Books(), Entry(event.kind, event.data))


def _proposal(before: Any, event: Written) -> Any:
    return proposal_after(before, Entry(event.kind, event.data), event.stamp, event.version)


def _round(before: Any, event: Written) -> Any:
    return round_after(before, Entry(event.kind, event.data), event.stamp)


REPLAY: dict[str, tuple[Callable[[Any, Written], Any], Callable[[Any], Any]]] = {
    "registry": (_registry, lambda made: made.to_json()),
    "funds": (_books, lambda made: made.to_json()),
    "policy": (_policy_after, lambda made: made),
    "proposal": (_proposal, state.to_json),
    "round": (_round, round_state.to_json),
}
"""How each kind of stream is built from its events, and written."""


def _after(before: Any, event: Written) -> Any:
    kind = event.stream.partition("/")[0]
    if kind not in REPLAY:
        raise BrokenLog(f"event {event.seq} happened to {event.stream}, which is nothing that there is")
    return REPLAY[kind][0](before, event)


def _same_states(reader: Reader, streams: dict[str, Any], chain: Chain) -> None:
    for stream, made in streams.items():
        record = reader.load(stream)
        wanted = REPLAY[stream.partition("/")[0]][1](made)
        if record is None or record.version != chain.versions[stream] or _plain(record.state) != _plain(wanted):
            raise BrokenLog(f"{stream} is stored otherwise than its events say")


def _same_lists(reader: Reader, streams: dict[str, Any]) -> None:
    """What proposals are found by, and in whose inbox they are."""
    waiting = set()
    for stream, made in streams.items():
        record = reader.load(stream)
        if record is None:
            continue
        waiting |= {(role, unit, stream) for role, unit in record.index.waiting}
        if isinstance(made, Proposal) and record.index != index_of(made, next_due(made)):
            raise BrokenLog(f"{stream} is listed otherwise than its events say")
    shown = list(reader.places())
    if len(shown) != len(waiting) or set(shown) != waiting:
        role, unit, stream = min(set(shown) ^ waiting)
        raise BrokenLog(f"{stream} waits for {role} ({unit}) in a list or in its record, and not in both")


def _plain(document: Any) -> Any:
    """The same with lists for tuples, as JSON gives it back."""
    if isinstance(document, dict):
        return {key: _plain(value) for key, value in document.items()}
    return [_plain(each) for each in document] if isinstance(document, list | tuple) else document


def _same_money(reader: Reader, booked: list[tuple[int, Transfer]]) -> None:
    ledger = [(each.seq, each.transfer) for each in reader.booked()]
    if ledger != booked:
        place = next(
            (n for n, (a, b) in enumerate(zip(ledger, booked, strict=False), 1) if a != b),
            min(len(ledger), len(booked)) + 1,
        )
        raise BrokenLog(f"transfer {place} of the ledger is not the one of the events")
    total: Counter[Account] = Counter()
    for _, transfer in booked:
        total[transfer.source] -= transfer.amount
        total[transfer.target] += transfer.amount
    stored = {account: amount for account, amount in reader.balances().items() if amount}
    if stored != {account: amount for account, amount in total.items() if amount}:
        raise BrokenLog("the balances are not what the transfers add up to")
    if sum(stored.values()):
        raise BrokenLog("the accounts do not add up to nothing")
