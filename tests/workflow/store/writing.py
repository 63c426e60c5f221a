"""What tests of stores write."""

from __future__ import annotations

from fiscus.workflow.ports import Account, Entry, Index, Stamp, Transfer

AT = "2026-11-23T20:00:00.000000Z"


def account(bucket, book="city"):
    return Account(book, "p1", "general", bucket)


def note(uow, stream="proposal/p1", expected=0, kinds=("Noted",), index=None, at=AT, **data):
    entries = [Entry(kind, data) for kind in kinds]
    return uow.append(stream, expected, Stamp(at, "ann"), entries, {"last": kinds[-1]}, index or Index("proposal"))


def fund(uow, amount, seq):
    uow.move([Transfer(account("appropriated"), account("available"), amount)], seq)
