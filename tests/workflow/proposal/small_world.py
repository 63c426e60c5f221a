"""A city of two units, an authority matrix with everything in it, and people for every place; in memory."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from fiscus.errors import Refused
from fiscus.workflow.actor import Actor
from fiscus.workflow.authority.reading import matrix_from_text
from fiscus.workflow.funds.books import SetBudget, SetCash
from fiscus.workflow.identity import commands as who
from fiscus.workflow.proposal import commands as do
from fiscus.workflow.proposal.content import Content, Item
from fiscus.workflow.service import administer, adopt_policy, follow, reading, set_budget, set_cash
from fiscus.workflow.store.memory import MemoryStore

START = datetime(2026, 1, 1, tzinfo=UTC)

MATRIX = """
name: small
currency: USD
about: Everything once.
rolling_days: 30
risk_bands: [low, high]
roles:
  head: {title: Head}
  director: {title: Director}
  legal: {title: Legal}
  board: {title: Board}
  payer: {title: Payer}
  checker: {title: Checker}
  mayor: {title: Mayor}
rules:
  - id: small
    when: {amount: {from: 0, below: "1000.00"}}
    path:
      - {stage: head, role: head, days: 5, escalate: director}
    release: payer
    reconcile: checker
  - id: large
    when: {amount: {from: "1000.00"}}
    path:
      - together:
          - {stage: head, role: head, days: 5, escalate: director}
          - {stage: legal, role: legal, signature: true}
      - {stage: board, role: board, need: 2, of: 3, days: 10}
    release: payer
    reconcile: checker
duties: {emergency: mayor, session: [[board, head]]}
"""

ROLES = {
    "hal": ["head"],
    "hua": ["head"],
    "dee": ["director"],
    "lee": ["legal"],
    "bea": ["board"],
    "ben": ["board"],
    "bob": ["board"],
    "pam": ["payer"],
    "pat": ["payer"],
    "cal": ["checker"],
    "cat": ["checker"],
    "max": ["mayor"],
    "may": ["mayor"],
    "bud": ["budget"],
}


class Small:
    """The city, its books and its people."""

    def __init__(self, budget: int = 1_000_000, roles: dict | None = None, matrix: str = MATRIX) -> None:
        self.store, self.at = MemoryStore(), START
        self.administer(who.AddPerson("root", "Root"))
        held = ROLES if roles is None else roles
        for person in ("ann", "abe", *held):
            self.administer(who.AddPerson(person, person.title()))
        self.administer(who.AddPerson("bot", "Bot", kind="service", accountable="ann"))
        for unit, parent in (("city", ""), ("works", "city"), ("parks", "city")):
            self.administer(who.AddUnit(unit, parent))
        with self.store.begin() as uow:
            adopt_policy(matrix_from_text(matrix, "small"), uow, actor=Actor("root"), at=self.at)
            uow.commit()
        for person, names in held.items():
            for role in names:
                self.administer(who.GrantRole(person, role))
        if budget:
            self.budget("city", "y1", budget)

    def administer(self, command, person: str = "root") -> None:
        """Follow a command about people."""
        with self.store.begin() as uow:
            administer(command, uow, actor=Actor(person), at=self.at)
            uow.commit()

    def budget(self, unit: str, period: str, amount: int, hard: bool = True, fund: str = "general") -> None:
        """Set a budget."""
        with self.store.begin() as uow:
            command = SetBudget(unit, period, fund, amount, "USD", hard)
            set_budget(command, uow, actor=Actor("bud"), at=self.at)
            uow.commit()

    def cash(self, period: str, amount: int, reserve: int | None = 0) -> None:
        """Set cash."""
        with self.store.begin() as uow:
            set_cash(SetCash(period, amount, reserve, "USD"), uow, actor=Actor("bud"), at=self.at)
            uow.commit()

    def give(self, command, person: str, behalf: str = "", session: str = ""):
        """Follow a command."""
        with self.store.begin() as uow:
            answer = follow(command, uow, actor=Actor(person, behalf, session), at=self.at)
            uow.commit()
        return answer

    def refused(self, command, person: str, behalf: str = "", session: str = "") -> tuple[str, str]:
        """Rule and reason of a refusal, after which nothing has changed."""
        with self.store.read() as reader:
            before = reader.head()
        try:
            answer = self.give(command, person, behalf, session)
        except Refused as refusal:
            with self.store.read() as reader:
                assert reader.head() == before
            return refusal.rule, refusal.reason
        raise AssertionError(f"it was followed: {answer}")

    def wait(self, **time: float) -> Small:
        """Let time pass."""
        self.at += timedelta(**time)
        return self

    def state(self, name: str = "p"):
        """A proposal as it stands."""
        with self.store.read() as reader:
            return reading.known_proposal(reader, name)

    def last(self, name: str = "p"):
        """The last event of a proposal."""
        with self.store.read() as reader:
            return list(reader.events(f"proposal/{name}"))[-1]

    def balance(self, bucket: str, unit: str = "city", period: str = "y1") -> int:
        """Money of a bucket, minor units."""
        with self.store.read() as reader:
            found = reader.balances([unit])
        return sum(amount for account, amount in found.items() if (account.bucket, account.period) == (bucket, period))

    def drafted(self, name: str = "p", *items: Item, **more) -> Small:
        """Begin a proposal of ann's."""
        self.give(do.Draft(name, content(*items, **more)), "ann")
        return self

    def submitted(self, name: str = "p", *items: Item, **more) -> Small:
        """And send it into review."""
        self.drafted(name, *items, **more)
        self.give(do.Submit(name), "ann")
        return self

    def approved(self, name: str = "p", *items: Item, **more) -> Small:
        """And have hal sign it."""
        self.submitted(name, *items, **more)
        self.sign(name, "hal")
        return self

    def released(self, name: str = "p") -> Small:
        """And have pam release all of it."""
        self.approved(name)
        self.give(do.Release(name), "pam")
        return self

    def sign(self, name: str, person: str, **more):
        """Approve what is there."""
        return self.give(do.Approve(name, self.state(name).hash, **more), person)


def item(line: str = "roads", amount: int = 50_000, unit: str = "works", period: str = "y1", **more) -> Item:
    """A line."""
    return Item(period, line, unit, more.pop("fund", "general"), amount, **more)


def content(*items: Item, **more) -> Content:
    """A version."""
    return Content(
        more.pop("title", "Roads"),
        more.pop("currency", "USD"),
        items or (item(),),
        risk=more.pop("risk", "low"),
        **more,
    )
