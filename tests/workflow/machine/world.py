"""The world of the reference, set up in a store, and random commands that people in it give."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from reference import DAYS, DELEGATES, HEAD_UNIT, HUMAN, PARENT, ROLES, ROLLING, SMALL, Reference

from fiscus.errors import Refused
from fiscus.workflow.actor import Actor
from fiscus.workflow.authority.reading import matrix_from_text
from fiscus.workflow.funds.books import SetBudget, SetCash
from fiscus.workflow.identity import commands as who
from fiscus.workflow.proposal import commands as do
from fiscus.workflow.proposal.content import Content, Item
from fiscus.workflow.service import administer, adopt_policy, follow, set_budget, set_cash
from fiscus.workflow.service import proposal as load

START = datetime(2026, 1, 1, tzinfo=UTC)
BUDGETS = {("city", "p1"): 60_000, ("city", "p2"): 50_000, ("north", "p1"): 25_000, ("north", "p2"): 20_000}
SOFT = {("south", "p1"): 10_000, ("south", "p2"): 10_000}
CASH, RESERVE = {"p1": 40_000, "p2": 35_000}, {"p1": 2_000, "p2": 5_000}

MATRIX = f"""
name: machine
currency: USD
about: Two sizes.
roles:
  head: {{title: Head}}
  director: {{title: Director}}
  board: {{title: Board}}
  treasurer: {{title: Treasurer}}
  controller: {{title: Controller}}
  emergency: {{title: Emergency}}
rolling_days: {ROLLING}
rules:
  - id: small
    when: {{amount: {{from: 0, below: "{SMALL / 100:.2f}"}}}}
    path:
      - {{stage: head, role: head, need: 1, of: 1, days: {DAYS["head"]}, escalate: director}}
      - {{stage: director, role: director, need: 1, of: 1}}
    release: treasurer
    reconcile: controller
  - id: large
    when: {{amount: {{from: "{SMALL / 100:.2f}"}}}}
    path:
      - together:
          - {{stage: head, role: head, need: 1, of: 1, days: {DAYS["head"]}, escalate: director}}
          - {{stage: directors, role: director, need: 2, of: 2}}
      - {{stage: board, role: board, need: 2, of: 2}}
    release: treasurer
    reconcile: controller
duties: {{emergency: emergency}}
"""


class World:
    """A store and the reference beside it.

    Args:
        store: Empty.
    """

    def __init__(self, store) -> None:
        self.store, self.at, self.step = store, START, 0
        self.reference = Reference(BUDGETS, CASH, RESERVE)
        self._people()
        self._money()

    def _people(self) -> None:
        self.administer(who.AddPerson("root", "Root"))
        for name, human in HUMAN.items():
            kind = {} if name == human else {"kind": "service", "accountable": human}
            self.administer(who.AddPerson(name, name.title(), **kind))
        for unit, parent in PARENT.items():
            self.administer(who.AddUnit(unit, parent))
        for name, roles in ROLES.items():
            for role in sorted(roles):
                unit = HEAD_UNIT.get(name, "") if role == "head" else ""
                self.administer(who.GrantRole(name, role, unit))
        self.administer(who.AddPerson("bud", "Bud"))
        self.administer(who.GrantRole("bud", "budget"))
        self._delegate()
        with self.store.begin() as uow:
            adopt_policy(matrix_from_text(MATRIX, "machine"), uow, actor=Actor("root"), at=self.at)
            uow.commit()

    def _delegate(self) -> None:
        """Delegations end within a year; these are given anew."""
        self.delegated = self.at + timedelta(days=365)
        for taker, givers in DELEGATES.items():
            for giver in sorted(givers):
                with self.store.begin() as uow:
                    administer(who.Delegate(taker, self.at, self.delegated), uow, actor=Actor(giver), at=self.at)
                    uow.commit()

    def administer(self, command) -> None:
        with self.store.begin() as uow:
            administer(command, uow, actor=Actor("root"), at=self.at)
            uow.commit()

    def _money(self) -> None:
        with self.store.begin() as uow:
            actor = Actor("bud")
            for amounts, hard in ((BUDGETS, True), (SOFT, False)):
                for (unit, period), amount in amounts.items():
                    set_budget(SetBudget(unit, period, "general", amount, "USD", hard), uow, actor=actor, at=self.at)
            for period, amount in CASH.items():
                set_cash(SetCash(period, amount, RESERVE[period], "USD"), uow, actor=actor, at=self.at)
            uow.commit()

    def pass_days(self, days: int) -> None:
        self.reference.day += days
        self.at += timedelta(days=days)
        if self.at >= self.delegated:
            self._delegate()

    def follow(self, kind: str, name: str, actor: str, behalf: str, **given) -> tuple[bool, str]:
        """Give one command to both; says whether the store followed it, and its reason where not."""
        self.step += 1
        command = self._command(kind, name, given)
        try:
            with self.store.begin() as uow:
                follow(command, uow, actor=Actor(actor, behalf), at=self.at)
                uow.commit()
        except Refused as refusal:
            return False, f"{refusal.rule}: {refusal.reason}"
        return True, ""

    def expected(self, kind: str, name: str, actor: str, behalf: str, **given) -> bool:
        return bool(self.reference.follow(kind, name, actor, behalf, **given))

    def _command(self, kind: str, name: str, given: dict):
        if kind in ("Draft", "Reallocate", "Edit"):
            content = content_of(given["amounts"], given["unit_of"], self._parent(kind, name, given))
            extra = {"supersedes": given["supersedes"]} if "supersedes" in given else {}
            return getattr(do, kind)(name, content, **extra)
        if kind == "Submit":
            days = given.get("expires", -1)
            return do.Submit(name, None if days < 0 else START + timedelta(days=days))
        if kind in ("Approve", "BreakGlass"):
            shown = self._hash(name, given["version"])
            return do.Approve(name, shown) if kind == "Approve" else do.BreakGlass(name, shown, "it burns")
        if kind in ("Commit", "RecordActual"):
            return getattr(do, kind)(name, given["amounts"], "ref")
        if kind == "Release":
            return do.Release(name, given["amounts"])
        if kind == "Reverse":
            return do.Reverse(name, given["event"], "wrong")
        if kind == "Reconcile":
            return do.Reconcile(name, given["totals"], "statement")
        if kind == "Escalate":
            return do.Escalate(name, given["stage"])
        if kind == "Comment":
            return do.Comment(name, "hm")
        if kind == "Expire":
            return do.Expire(name)
        return getattr(do, kind)(name, "because")

    def _parent(self, kind: str, name: str, given: dict) -> str:
        if kind == "Reallocate":
            return given["parent"]
        draft = self.reference.drafts.get(name)
        return draft.parent if kind == "Edit" and draft else ""

    def _hash(self, name: str, version: int) -> str:
        """What the page showed to somebody who saw this version of the reference's count."""
        draft = self.reference.drafts.get(name)
        with self.store.read() as reader:
            proposal = load(reader, name)
        if draft is None or proposal is None or draft.seen != version or draft.seen == ():
            return "0" * 64
        return proposal.hash or "0" * 64

    def check(self, names=None) -> None:
        """States, money and duties agree with the reference's."""
        reference = self.reference
        with self.store.read() as reader:
            for name in names if names is not None else reference.drafts:
                mine, theirs = load(reader, name), reference.drafts[name]
                assert mine is not None
                assert mine.status == theirs.status, (name, mine.status, theirs.status)
                places = {cell: there for cell, there in mine.places.items() if any(there)}
                wanted = {
                    cell: (theirs.released.get(cell, 0), theirs.committed.get(cell, 0), theirs.actual.get(cell, 0))
                    for cell in theirs.whole()
                }
                assert places == {cell: there for cell, there in wanted.items() if any(there)}
            balances = reader.balances()
        assert sum(balances.values()) == 0
        for unit, period in BUDGETS:
            there = {
                each.bucket: amount for each, amount in balances.items() if (each.book, each.period) == (unit, period)
            }
            assert there["available"] == reference.available(unit, period)
            assert all(amount >= 0 for bucket, amount in there.items() if bucket != "appropriated")
        for period in CASH:
            left = next(
                a
                for each, a in balances.items()
                if (each.book, each.period, each.bucket) == ("cash", period, "available")
            )
            assert left == reference.cash_left(period) >= 0


def content_of(amounts: dict, unit_of: dict, parent: str) -> Content:
    items = tuple(
        Item(period, line, unit_of[period, line], "general", amount, None)
        for (period, line), amount in sorted(amounts.items())
    )
    return Content("money", "USD", items, parent=parent)
