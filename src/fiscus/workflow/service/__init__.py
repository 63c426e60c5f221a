"""Use cases: what a command does to a store. Each runs inside one unit of work, which its caller commits.

with store.begin() as uow:
    answer = approve(Approve("p1", hash=seen), uow, actor=Actor("ann"), at=now)
    uow.commit()
"""

from fiscus.workflow.service.administering import administer
from fiscus.workflow.service.answers import Answer
from fiscus.workflow.service.funds import set_budget, set_cash
from fiscus.workflow.service.policies import adopt_policy, current_policy
from fiscus.workflow.service.proposals import (
    approve,
    break_glass,
    close,
    comment,
    commit,
    draft,
    edit,
    escalate,
    expire,
    follow,
    give_back,
    hold,
    reallocate,
    recall,
    reconcile,
    record_actual,
    reject,
    release,
    resume,
    reverse,
    submit,
)
from fiscus.workflow.service.reading import proposal, registry
from fiscus.workflow.service.rounds import lead, planning_round

__all__ = [
    "Answer",
    "administer",
    "adopt_policy",
    "approve",
    "break_glass",
    "close",
    "comment",
    "commit",
    "current_policy",
    "draft",
    "edit",
    "escalate",
    "expire",
    "follow",
    "give_back",
    "hold",
    "lead",
    "planning_round",
    "proposal",
    "reallocate",
    "recall",
    "reconcile",
    "record_actual",
    "registry",
    "reject",
    "release",
    "resume",
    "reverse",
    "set_budget",
    "set_cash",
    "submit",
]
