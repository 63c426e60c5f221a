"""A database as a city's would be after some months: thousands of proposals, and people who have to read and sign them.

Everything is followed through the service, so the log is what it would be; only the clock is ours. The same seed gives the same
proposals. Lines are real projects of Baltimore; people and their decisions are invented.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

import fiscus
from fiscus.bootstrap import Office, open_office
from fiscus.integrate.proposing import content_of_run
from fiscus.integrate.public.baltimore import Outcome, read_baltimore
from fiscus.workflow.actor import Actor
from fiscus.workflow.authority.reading import matrix_from_text
from fiscus.workflow.funds.books import SetBudget
from fiscus.workflow.identity import commands as who
from fiscus.workflow.identity.passwords import hash_password
from fiscus.workflow.ports import UnitOfWork
from fiscus.workflow.proposal import commands as do
from fiscus.workflow.proposal.content import Content, Item
from fiscus.workflow.service import administer, adopt_policy, follow, reading, set_budget

PASSWORD = "four words and a horse"
LARGE = "all-projects"
"""The proposal with every project the City ever asked for."""

PROJECTS = 1379
HEADS, MONEY, COUNCIL = 17, 10, 6
"""Departments, each with two heads; members of the two boards: 50 approvers."""

DAYS, BATCH = 120, 250
CLERK, BUDGET, AUDITOR, TREASURER = "clerk", "budget-office", "inspector", "treasurer"

MATRIX = """
name: city
currency: USD
about: Heads of departments sign first, then the finance board and the council, the more the larger it is.
roles:
  head: {title: Head of department}
  finance: {title: Finance board}
  council: {title: Council}
  treasurer: {title: Treasurer}
  auditor: {title: Auditor}
rolling_days: 365
rules:
  - id: small
    when: {amount: {below: "2000000.00"}}
    path: [&head {stage: department, role: head, days: 90}]
    release: treasurer
    reconcile: auditor
  - id: middle
    when: {amount: {from: "2000000.00", below: "10000000.00"}}
    path: [*head, {stage: finance, role: finance, need: 2, of: 10, days: 60}]
    release: treasurer
    reconcile: auditor
  - id: large
    when: {amount: {from: "10000000.00", below: "200000000.00"}}
    path: [*head, {stage: finance, role: finance, need: 3, of: 10, days: 60}, {stage: council, role: council, need: 4, of: 6, days: 60}]
    release: treasurer
    reconcile: auditor
  - id: whole
    when: {amount: {from: "200000000.00"}}
    path: [together: [{stage: board, role: finance, need: 10, of: 10, days: 60}, {stage: council, role: council, need: 6, of: 6, days: 60}]]
    release: treasurer
    reconcile: auditor
budget: {control: hard}
"""

ENDS = {
    "draft": 0.08,
    "waiting": 0.56,
    "returned": 0.05,
    "rejected": 0.06,
    "recalled": 0.04,
    "approved": 0.08,
    "released": 0.11,
    "held": 0.02,
}
"""How far proposals got, as shares."""


@dataclass(frozen=True)
class Crowd:
    """Who is there.

    Attributes:
        approvers: 50 people who sign.
        proposals: How many there are.
        events: In the log.
    """

    approvers: tuple[str, ...]
    proposals: int
    events: int


@dataclass(frozen=True)
class City:
    """Units and projects."""

    departments: dict[str, str]
    bureaus: dict[str, tuple[str, str]]
    latest: tuple[Outcome, ...]
    before: dict[str, int]

    @property
    def funds(self) -> tuple[str, ...]:
        """Sources of money."""
        return tuple(sorted({each.ask.fund for each in self.latest}))


def city() -> City:
    """The City's units, and each project as it was asked for last, in the fund with the most of it."""
    latest: dict[str, Outcome] = {}
    adopted: dict[tuple[str, int], int] = {}
    for each in read_baltimore():
        project = each.ask.project
        adopted[project, each.year] = adopted.get((project, each.year), 0) + max(each.adopted, 0)
        known = latest.get(project)
        if known is None or (each.year, each.ask.requested) >= (known.year, known.ask.requested):
            latest[project] = each
    found = tuple(latest[project] for project in sorted(latest))
    names = sorted({each.ask.department for each in found})
    departments = {name: f"department-{number:02d}" for number, name in enumerate(names, start=1)}
    bureaus = {f"bureau-{each.ask.bureau}": (departments[each.ask.department], each.ask.bureau_name) for each in found}
    before = {each.ask.project: adopted.get((each.ask.project, each.year - 1), 0) for each in found}
    return City(departments, bureaus, found, before)


def large_content(place: City) -> Content:
    """Every project of all years in one plan, solved, checked from its files, and made a proposal as ``fiscus propose`` does."""
    wanted = [max(each.ask.requested, each.adopted, 10_000) for each in place.latest]
    units: dict[str, list[Any]] = {"id": ["city"], "parent": [""], "name": ["City of Baltimore"]}
    for name, unit in place.departments.items():
        _row(units, unit, "city", name)
    for unit, (above, name) in sorted(place.bureaus.items()):
        _row(units, unit, above, name)
    problem = fiscus.Problem.from_frames(
        name="Baltimore: all projects since FY2014",
        currency="USD",
        periods=["FY2024"],
        budget=0.6 * sum(wanted),
        units=units,
        lines={
            "id": [each.ask.project for each in place.latest],
            "unit": [f"bureau-{each.ask.bureau}" for each in place.latest],
            "name": [each.ask.title for each in place.latest],
            "prior": [place.before[each.ask.project] for each in place.latest],
            "ask": wanted,
            "curve": ["log"] * len(wanted),
            "a": wanted,
            "h": wanted,
            "fund": [each.ask.fund for each in place.latest],
        },
    )
    with tempfile.TemporaryDirectory() as folder:
        run = fiscus.solve(problem).save(Path(folder) / "run")
        return content_of_run(
            run, title="All projects", justification="Every project since FY2014 that the City asked for, side by side."
        )


def _row(table: dict[str, list[Any]], *cells: Any) -> None:
    for column, cell in zip(table.values(), cells, strict=True):
        column.append(cell)


def fill(path: Path, proposals: int = 5_000, seed: int = 0, large: bool = True) -> Crowd:
    """Make the database.

    Args:
        path: Of an SQLite file that is not there.
        proposals: How many.
        seed: Of what is drawn.
        large: Whether the one with 1,379 lines is among them.
    """
    rng = np.random.default_rng(seed)
    office, place = open_office(str(path)), city()
    end = office.clock() - timedelta(minutes=5)
    begin = end - timedelta(days=DAYS)
    owners = [f"planner-{number:03d}" for number in range(1, max(proposals // 20, 17) + 1)]
    approvers = _people(office, place, owners, begin)
    hashed = hash_password(PASSWORD)
    for person in (*approvers, CLERK, BUDGET, AUDITOR, TREASURER, owners[0]):
        office.sign_ins.set_credential(person, hashed)
    by_department: dict[str, list[Outcome]] = {}
    for each in place.latest:
        by_department.setdefault(place.departments[each.ask.department], []).append(each)
    many = sorted(unit for unit, projects in by_department.items() if len(projects) >= 5)
    small = proposals - 1 if large else proposals
    for start in range(0, small, BATCH):
        with office.store.begin() as uow:
            for number in range(start, min(start + BATCH, small)):
                unit = many[int(rng.integers(len(many)))]
                at = begin + timedelta(days=DAYS * number / small)
                content = _content(number, by_department[unit], place, rng)
                _live(uow, f"{unit}-{number:04d}", content, owners[number % len(owners)], at, rng)
            uow.commit()
    if large:
        with office.store.begin() as uow:
            follow(do.Draft(LARGE, large_content(place)), uow, actor=Actor(owners[0]), at=end)
            follow(do.Submit(LARGE), uow, actor=Actor(owners[0]), at=end)
            uow.commit()
    with office.store.read() as reader:
        events = reader.head().size
    office.store.close()
    return Crowd(approvers, proposals, events)


def _people(office: Office, place: City, owners: Sequence[str], at: datetime) -> tuple[str, ...]:
    heads = {unit: (f"{unit}-head-1", f"{unit}-head-2") for unit in place.departments.values()}
    boards = {
        "finance": tuple(f"finance-{number}" for number in range(1, MONEY + 1)),
        "council": tuple(f"council-{number}" for number in range(1, COUNCIL + 1)),
    }
    approvers = (*(person for pair in heads.values() for person in pair), *boards["finance"], *boards["council"])
    clerk = Actor(CLERK)
    with office.store.begin() as uow:
        for person in (CLERK, BUDGET, AUDITOR, TREASURER, *owners, *approvers):
            administer(who.AddPerson(person, person.replace("-", " ").title()), uow, actor=clerk, at=at)
        administer(who.AddUnit("city", owner=owners[0]), uow, actor=clerk, at=at)
        for unit in place.departments.values():
            administer(who.AddUnit(unit, "city"), uow, actor=clerk, at=at)
        for unit, (above, _) in sorted(place.bureaus.items()):
            administer(who.AddUnit(unit, above), uow, actor=clerk, at=at)
        adopt_policy(matrix_from_text(MATRIX, "city"), uow, actor=clerk, at=at)
        grants = [(person, "head", unit) for unit, pair in heads.items() for person in pair]
        grants += [(person, role, "") for role, members in boards.items() for person in members]
        grants += [(TREASURER, "treasurer", ""), (AUDITOR, "auditor", ""), (BUDGET, "budget", "")]
        for person, role, unit in grants:
            administer(who.GrantRole(person, role, unit), uow, actor=clerk, at=at)
        for fund in place.funds:
            set_budget(SetBudget("city", "FY2024", fund, 10**14, "USD"), uow, actor=Actor(BUDGET), at=at)
        for unit in place.departments.values():
            set_budget(SetBudget(unit, "FY2024", "100", 10**13, "USD"), uow, actor=Actor(BUDGET), at=at)
        uow.commit()
    return approvers


def _content(number: int, projects: Sequence[Outcome], place: City, rng: np.random.Generator) -> Content:
    """Some projects of one department, 10 to 60 of them where it has so many, for amounts near those that were asked for."""
    count = min(int(rng.integers(10, 61)), len(projects))
    chosen = [projects[int(each)] for each in rng.choice(len(projects), count, replace=False)]
    size = float(rng.lognormal(-1.5, 1.0))
    items = []
    for each in chosen:
        amount = max(int(size * max(each.ask.requested, 20_000) * rng.uniform(0.5, 1.2)), 100)
        ask, prior = each.ask, place.before[each.ask.project]
        unit = f"bureau-{ask.bureau}"
        items.append(Item("FY2024", ask.project, unit, ask.fund, 100 * min(amount, 5_000_000), 100 * prior, ask.title))
    title = f"{chosen[0].ask.bureau_name}: {chosen[0].ask.title} and {count - 1} more"
    return Content(title[:120], "USD", tuple(items), justification=f"Package {number} of the capital programme.")


def _live(uow: UnitOfWork, name: str, content: Content, owner: str, at: datetime, rng: np.random.Generator) -> None:
    """One proposal, as far as it gets."""
    end = str(rng.choice(list(ENDS), p=list(ENDS.values())))
    follow(do.Draft(name, content), uow, actor=Actor(owner), at=at)
    if end == "draft":
        return
    follow(do.Submit(name), uow, actor=Actor(owner), at=at)
    if rng.random() < 0.2:
        follow(do.Comment(name, "Please see the agency's letter of last month."), uow, actor=Actor(owner), at=at)
    signed = _signed(uow, name, at, rng, whole=end in ("approved", "released"))
    if end == "released" and signed:
        follow(do.Release(name), uow, actor=Actor(TREASURER), at=at)
        if rng.random() < 0.5:
            follow(do.Close(name, "All of it is paid out."), uow, actor=Actor(owner), at=at)
    elif end in ("returned", "rejected") and not signed:
        command = do.Return if end == "returned" else do.Reject
        follow(command(name, "Amounts do not match the programme."), uow, actor=Actor(_next(uow, name, at, rng)), at=at)
    elif end == "recalled" and not signed:
        follow(do.Recall(name, "A new one follows."), uow, actor=Actor(owner), at=at)
    elif end == "held":
        follow(do.Hold(name, "The site is being surveyed."), uow, actor=Actor(TREASURER), at=at)


def _next(uow: UnitOfWork, name: str, at: datetime, rng: np.random.Generator) -> str:
    """Somebody who may sign the open stage now."""
    proposal, registry = reading.known_proposal(uow, name), reading.registry(uow)
    stage = proposal.open_stages[0]
    given = {each.person for each in proposal.approvals}
    able = sorted(registry.holders(stage.role, proposal.unit, at) - given)
    return able[int(rng.integers(len(able)))]


def _signed(uow: UnitOfWork, name: str, at: datetime, rng: np.random.Generator, whole: bool) -> bool:
    """Signatures, all or some; gives whether it is approved."""
    while True:
        proposal = reading.known_proposal(uow, name)
        if not proposal.open_stages:
            return True
        if not whole and rng.random() < 0.45:
            return False
        if not whole and proposal.step == len(proposal.path) - 1:
            last = proposal.open_stages[0]
            if len(proposal.given(last.name)) == last.need - 1:
                return False
        follow(do.Approve(name, proposal.hash), uow, actor=Actor(_next(uow, name, at, rng)), at=at)
