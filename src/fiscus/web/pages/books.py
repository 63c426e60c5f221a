"""Funds: budgets and where their money stands, by unit, period and fund."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from fastapi import APIRouter
from starlette.responses import RedirectResponse, Response

from fiscus.core.money import currency
from fiscus.web import drawings
from fiscus.web.rendering import page
from fiscus.web.visits import Here, Sent
from fiscus.workflow.funds.books import BUDGET_ROLE, CASH, Key, SetBudget, SetCash
from fiscus.workflow.ports import Account
from fiscus.workflow.service import reading, set_budget, set_cash

router = APIRouter()


@dataclass(frozen=True, slots=True)
class BudgetRow:
    """A budget and where its money stands, minor units."""

    key: Key
    hard: bool
    depth: int
    budget: int
    available: int
    reserved: int
    released: int
    committed: int
    actual: int


@router.get("/funds")
def show(visit: Here, period: str = "", fund: str = "") -> Response:
    """The page."""
    with visit.read() as reader:
        books, balances = reading.books(reader), reader.balances()
    found = []
    for key, hard in books.hard.items():
        if (period and key.period != period) or (fund and key.fund != fund):
            continue
        found.append(_row(key, hard, balances, len(list(visit.registry.upwards(key.book))) - 1))
    found.sort(key=lambda row: (row.key.period, row.key.fund, [*visit.registry.upwards(row.key.book)][::-1]))
    cash = [(each, _row(Key(CASH, each, ""), True, balances, 0), books.reserve.get(each, 0)) for each in books.cash]
    return page(
        "funds.html",
        visit,
        books=books,
        rows=found,
        cash=cash,
        period=period,
        fund=fund,
        periods=sorted({key.period for key in books.hard}),
        funds=sorted({key.fund for key in books.hard}),
        bars=[
            drawings.of_budget(row, books.currency, f"{row.key.book}, {row.key.period}, {row.key.fund}")
            for row in found[:60]
        ],
        may_set=BUDGET_ROLE in visit.roles,
        units=tuple(visit.registry.parents),
    )


def _row(key: Key, hard: bool, balances: Mapping[Account, int], depth: int) -> BudgetRow:
    amounts = [
        balances.get(key.account(bucket), 0) for bucket in ("available", "reserved", "released", "committed", "actual")
    ]
    return BudgetRow(key, hard, depth, -balances.get(key.account("appropriated"), 0), *amounts)


@router.post("/funds/budget")
def budget(visit: Here, form: Sent) -> Response:
    """Set a budget."""
    code = form["currency"] or "USD"
    amount = currency(code).to_minor(form["amount"])
    command = SetBudget(
        form["unit"], form["period"], form["fund"] or "general", amount, code, form["control"] != "soft"
    )
    with visit.work() as (uow, actor, at, key):
        set_budget(command, uow, actor=actor, at=at, key=key)
    return RedirectResponse("/funds", 303)


@router.post("/funds/cash")
def cash(visit: Here, form: Sent) -> Response:
    """Set cash of a period."""
    code = form["currency"] or "USD"
    amount = currency(code).to_minor(form["amount"] or "0")
    reserve = currency(code).to_minor(form["reserve"]) if form["reserve"] else None
    with visit.work() as (uow, actor, at, key):
        set_cash(SetCash(form["period"], amount, reserve, code), uow, actor=actor, at=at, key=key)
    return RedirectResponse("/funds", 303)
