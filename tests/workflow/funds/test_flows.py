"""Moves of lines as transfers, and the first account that has too little."""

from __future__ import annotations

from fiscus.workflow.funds.books import Books, Key
from fiscus.workflow.funds.flows import is_hard, short_of, transfers_of, uncontrolled
from fiscus.workflow.ports import Account, Transfer
from fiscus.workflow.proposal.content import Content, Item
from fiscus.workflow.refusal import Refusal

PARENTS = {"city": "", "works": "city", "roads": "works"}
ROADS, OTHER = Item("y1", "r", "roads", "f", 5), Item("y2", "o", "city", "g", 5)
ITEMS = {ROADS.cell: ROADS, OTHER.cell: OTHER}
BOOKS = Books(
    currency="USD",
    hard={Key("city", "y1", "f"): True, Key("roads", "y1", "f"): False, Key("works", "y1", "g"): True},
    periods=("y1", "y2", "y3"),
    cash={"y1": 10, "y3": 10},
)


def at(book, bucket, period="y1", fund="f"):
    return Account(book, period, fund, bucket)


def cash(period, bucket):
    return Account("cash", period, "", bucket)


def test_money_moves_in_every_budget_above_a_line_of_its_fund_and_period():
    found = transfers_of([("y1", "r", "available", "reserved", 5)], ITEMS, BOOKS, PARENTS, "memo")
    assert found == [
        Transfer(at("roads", "available"), at("roads", "reserved"), 5, "r", "memo"),
        Transfer(at("city", "available"), at("city", "reserved"), 5, "r", "memo"),
    ]
    assert transfers_of([("y2", "o", "available", "reserved", 5)], ITEMS, BOOKS, PARENTS) == []
    assert transfers_of([("y1", "r", "available", "reserved", 0)], ITEMS, BOOKS, PARENTS) == []
    assert transfers_of([("y1", "r", "available", "reserved", 1)], ITEMS, BOOKS, PARENTS)[0].memo == ""


def test_cash_is_touched_by_what_leaves_the_reserve_in_its_period_and_all_after():
    found = transfers_of([("y1", "r", "reserved", "released", 5)], ITEMS, BOOKS, PARENTS, "m")
    assert found[2:] == [
        Transfer(cash("y1", "available"), cash("y1", "released"), 5, "r", "m"),
        Transfer(cash("y3", "available"), cash("y3", "released"), 5, "r", "m"),
    ]
    back = transfers_of([("y1", "r", "released", "reserved", 5)], ITEMS, BOOKS, PARENTS)
    assert [(each.source, each.target) for each in back[2:]] == [
        (cash("y1", "released"), cash("y1", "available")),
        (cash("y3", "released"), cash("y3", "available")),
    ]
    spent = transfers_of([("y1", "r", "released", "actual", 5)], ITEMS, BOOKS, PARENTS)
    assert spent[2].source == cash("y1", "released")


def test_several_moves_are_all_made():
    moves = [
        ("y1", "r", "reserved", "available", 0),
        ("y1", "r", "available", "reserved", 2),
        ("y1", "r", "available", "reserved", 3),
    ]
    assert [each.amount for each in transfers_of(moves, ITEMS, BOOKS, PARENTS)] == [2, 2, 3, 3]


def test_what_no_budget_covers_is_named():
    assert uncontrolled(Content("t", "USD", (ROADS,)), BOOKS, PARENTS) is None
    assert uncontrolled(Content("t", "USD", (ROADS, OTHER)), BOOKS, PARENTS) == Refusal(
        "funds.no_budget",
        "No budget covers o (city, y2, fund g): set one for the unit or one above it.",
    )


def test_an_account_may_be_emptied_and_not_more():
    transfer = Transfer(at("city", "available"), at("city", "reserved"), 5)
    assert short_of([transfer], BOOKS, {at("city", "available"): 5}, "USD") is None
    assert short_of([transfer], BOOKS, {at("city", "available"): 4}, "USD") == Refusal(
        "funds.unavailable", "The budget of city in y1 (f) has USD 0.04 available, and USD 0.05 is wanted."
    )
    assert short_of([transfer], BOOKS, {}, "USD").reason.startswith(
        "The budget of city in y1 (f) has USD 0.00 available"
    )


def test_transfers_of_one_account_count_together():
    there, away = at("city", "available"), at("city", "reserved")
    out, back = Transfer(there, away, 5), Transfer(away, there, 2)
    assert short_of([out, back], BOOKS, {there: 3}, "USD") is None
    assert short_of([out, out], BOOKS, {there: 9}, "USD").reason.endswith(
        "has USD 0.09 available, and USD 0.10 is wanted."
    )


def test_cash_has_a_rule_of_its_own_and_its_account_is_named():
    transfer = Transfer(cash("y3", "available"), cash("y3", "released"), 7)
    assert short_of([transfer], BOOKS, {cash("y3", "available"): 6}, "USD") == Refusal(
        "funds.no_cash", "The cash of y3 has USD 0.06 available, and USD 0.07 is wanted."
    )


def test_what_is_appropriated_and_what_is_soft_is_passed_over():
    owed = Transfer(at("city", "appropriated"), at("city", "available"), 5)
    soft = Transfer(at("roads", "available"), at("roads", "reserved"), 5)
    hard = Transfer(at("works", "available", fund="g"), at("works", "reserved", fund="g"), 1)
    assert short_of([owed, soft], BOOKS, {}, "USD") is None
    assert short_of([owed, soft, hard], BOOKS, {}, "USD").reason.startswith("The budget of works in y1 (g)")
    assert short_of([Transfer(at("roads", "reserved"), at("roads", "released"), 5)], BOOKS, {}, "USD") is not None


def test_what_is_hard():
    assert is_hard(at("city", "available"), BOOKS)
    assert not is_hard(at("roads", "available"), BOOKS)
    assert is_hard(at("roads", "reserved"), BOOKS)
    assert is_hard(cash("y1", "available"), BOOKS)
    assert is_hard(at("unknown", "available"), BOOKS)
    soft_cash = Books(hard={Key("cash", "y1", ""): False})
    assert is_hard(cash("y1", "available"), soft_cash)
