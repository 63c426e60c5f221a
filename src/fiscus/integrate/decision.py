"""The demo's second half: Baltimore's recommendation becomes a proposal, passes the four stages, is released, and is audited.

Members of boards are named by their seats; no real person is meant.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from fiscus.core.problem import Problem
from fiscus.integrate.proposing import content_of_run, units_of
from fiscus.integrate.shipped import shipped_plan
from fiscus.optimise.verify import stored_problem
from fiscus.workflow.actor import Actor
from fiscus.workflow.audit.replaying import replayed
from fiscus.workflow.authority.matrix import Matrix
from fiscus.workflow.authority.reading import read_matrix
from fiscus.workflow.funds.books import BUDGET_ROLE, SetBudget
from fiscus.workflow.identity import commands as who
from fiscus.workflow.identity.registry import AUDITOR
from fiscus.workflow.ports import Store, UnitOfWork
from fiscus.workflow.proposal import commands as do
from fiscus.workflow.service import administer, adopt_policy, follow, reading, set_budget
from fiscus.workflow.service.views import View, view

PLAN = "baltimore-go-fy2024"
PROPOSAL = "fy2024-bonds"
CLERK, PLANNER, BUDGET = "city-clerk", "planning-staff", "budget-bureau"
"""Who keeps people and roles, who drafts, who enters the budget."""


@dataclass(frozen=True, eq=False)
class Decided:
    """What came of it.

    Attributes:
        view: The proposal at the end.
        steps: What happened, in sentences.
        audit: What was verified, in sentences.
        size: Events in the log.
        root: Its Merkle root.
    """

    view: View
    steps: tuple[str, ...]
    audit: tuple[str, ...]
    size: int
    root: str


def _called(person: str) -> str:
    """``board-of-finance-1`` as ``Board of Finance 1``."""
    return " ".join(word if word in ("of", "and") else word.capitalize() for word in person.split("-"))


def seats(matrix: Matrix) -> dict[str, list[str]]:
    """People by role: as many as a panel has, and one for every other role."""
    wanted = {stage.role: stage.of for rule in matrix.rules for stage in rule.stages}
    found = {}
    for role in matrix.roles:
        count, stem = wanted.get(role, 1), role.replace("_", "-")
        found[role] = [stem] if count == 1 else [f"{stem}-{number}" for number in range(1, count + 1)]
    return found


def decide_baltimore(store: Store, run: Path, at: datetime) -> Decided:
    """Take a saved run of Baltimore's plan through the City's stages.

    Args:
        store: Empty.
        run: Folder of the run.
        at: Now.

    Raises:
        Refused: Where a rule forbids a step, as in a store that is not empty.
    """
    hash_ = propose_baltimore(store, run, at)
    matrix = baltimore_matrix()
    steps = [f"{PLANNER} proposed it; what is signed is {hash_[:16]}."]
    steps += _review(store, matrix, hash_, at)
    steps += _release(store, seats(matrix), at)
    with store.read() as reader:
        audit, head = replayed(reader), reader.head()
        seen = view(reader, PROPOSAL, at)
    return Decided(seen, tuple(steps), tuple(audit), head.size, head.root)


def baltimore_matrix() -> Matrix:
    """The City's stages as an authority matrix."""
    return read_matrix(shipped_plan(PLAN) / "authority.yaml")


def propose_baltimore(store: Store, run: Path, at: datetime) -> str:
    """People, budgets and the matrix, and a saved run as a proposal in review; gives what its approvers sign.

    Args:
        store: Empty.
        run: Folder of the run; those beside it are the alternatives that were considered.
        at: Now.

    Raises:
        Refused: In a store that is not empty.
    """
    matrix, problem = baltimore_matrix(), stored_problem(run)
    others = sorted(each.parent for each in run.parent.glob("*/result.json") if each.parent != run)
    content = content_of_run(
        run, title="FY2024 General Obligation bonds", risk_bands=matrix.risk_bands, alternatives=others
    )
    (fund,) = {item.fund for item in content.items}  # The bonds are one.
    with store.begin() as uow:
        _prepare(uow, matrix, problem, seats(matrix), fund, at)
        uow.commit()
    with store.begin() as uow:
        follow(do.Draft(PROPOSAL, content), uow, actor=Actor(PLANNER), at=at)
        follow(do.Submit(PROPOSAL), uow, actor=Actor(PLANNER), at=at)
        hash_ = reading.known_proposal(uow, PROPOSAL).hash
        uow.commit()
    return hash_


def sign_but_one(store: Store, hash_: str, at: datetime) -> str:
    """All signatures of the first stage but the last; gives whose that is."""
    matrix = baltimore_matrix()
    stage = matrix.rules[0].stages[0]
    *others, last = seats(matrix)[stage.role][: stage.need]
    for person in others:
        with store.begin() as uow:
            follow(do.Approve(PROPOSAL, hash_), uow, actor=Actor(person), at=at)
            uow.commit()
    return last


def _prepare(
    uow: UnitOfWork, matrix: Matrix, problem: Problem, people: Mapping[str, list[str]], fund: str, at: datetime
) -> None:
    clerk = Actor(CLERK)
    administer(who.AddPerson(CLERK, "City Clerk"), uow, actor=clerk, at=at)
    for name in (PLANNER, BUDGET, *(person for holders in people.values() for person in holders)):
        administer(who.AddPerson(name, _called(name)), uow, actor=clerk, at=at)
    for unit, parent in units_of(problem).items():
        administer(who.AddUnit(unit, parent), uow, actor=clerk, at=at)
    administer(who.SetExclusive(matrix.duties.exclusive), uow, actor=clerk, at=at)
    adopt_policy(matrix, uow, actor=clerk, at=at)
    grants = [(person, role) for role, holders in people.items() for person in holders]
    looks = [(person, AUDITOR) for person in people.get("city_auditor", ())]  # The log has a role of its own.
    for person, role in [*grants, *looks, (BUDGET, BUDGET_ROLE)]:
        administer(who.GrantRole(person, role), uow, actor=clerk, at=at)
    root = next(iter(units_of(problem)))
    for period, amount in zip(problem.periods, problem.currency.to_minor_array(problem.budget).tolist(), strict=True):
        budget = SetBudget(root, period, fund, amount, problem.currency.code, matrix.control == "hard")
        set_budget(budget, uow, actor=Actor(BUDGET), at=at)


def _review(store: Store, matrix: Matrix, hash_: str, at: datetime) -> list[str]:
    """Every stage by as many of its members as it needs."""
    told, people = [], seats(matrix)
    for stage in matrix.rules[0].stages:
        status = ""
        for person in people[stage.role][: stage.need]:
            with store.begin() as uow:
                command = do.Approve(PROPOSAL, hash_)
                status = follow(command, uow, actor=Actor(person), at=at).status
                uow.commit()
        title = matrix.roles[stage.role]
        told.append(f"{title}: {stage.need} of {stage.of} signed; it is {status.replace('_', ' ')}.")
    return told


def _release(store: Store, people: Mapping[str, list[str]], at: datetime) -> list[str]:
    with store.begin() as uow:
        status = follow(do.Release(PROPOSAL), uow, actor=Actor(people["director_of_finance"][0]), at=at).status
        uow.commit()
    return [f"The Director of Finance released the money; it is {status}."]
