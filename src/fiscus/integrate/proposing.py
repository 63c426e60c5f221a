"""A saved run as what people decide on: everything that a decision needs of a solve travels in it as data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np

from fiscus.core.problem import Problem
from fiscus.errors import BrokenRun
from fiscus.integrate.evidence import evidence_of
from fiscus.optimise.explain.lines import largest_changes
from fiscus.optimise.explain.overview import saved_result
from fiscus.optimise.run_folder import SavedRun, read
from fiscus.optimise.verify import Verification, stored_problem, verify
from fiscus.workflow.proposal.content import Content, Item, checked

GENERAL = "general"
"""Fund of lines that name none in a column ``fund``."""

MOST_ROWS = 20
"""Rows that bind, dearest first, that a proposal carries."""

KEPT = ("plan", "method", "route", "status", "seed", "versions", "digests", "duals_of")
"""Fields of ``result.json`` that a proposal carries as they are."""


def content_of_run(
    run: Path,
    *,
    title: str = "",
    justification: str = "",
    origin: str = "optimiser",
    risk_bands: Sequence[str] = (),
    alternatives: Sequence[Path] = (),
) -> Content:
    """What a run recommends, checked again from its files alone before anyone is asked to sign it.

    Args:
        run: Folder that ``fiscus solve --out`` wrote.
        title: Of the proposal; the plan's name when empty.
        justification: Why.
        origin: ``optimiser``, or ``learned`` for a policy's plan.
        risk_bands: Of the authority matrix, lowest first: a plan whose optimality is proved gets the lowest, others the highest.
        alternatives: Other runs that were considered.

    Raises:
        BrokenRun: Where the run holds no allocation, or a check of it fails; the message names the check.
    """
    verification = verified(run)
    saved = read(run)
    problem = stored_problem(run)
    if not saved.amounts:
        raise BrokenRun(f"{run} has no allocation to propose ({saved.document.get('status')})")
    result = saved_result(saved, problem)
    proof = dict(saved.document.get("proof") or {})
    proved = proof.get("status") == "proved"
    evidence = {
        **{name: saved.document.get(name) for name in KEPT},
        **{name: saved.document.get(name) for name in ("value", "bound", "gap", "exact_value", "allocated")},
        "proof": proof,
        "checks": [[check.name, check.standing, check.sentence] for check in verification.checks],
        "binding": list(saved.document.get("binding", ()))[:MOST_ROWS],
        "binding_rows": saved.document.get("binding_rows", 0),
        "changes": [text for _, _, _, text in largest_changes(result)],
        "requests": requests(problem),
        **evidence_of(result),
        "alternatives": [_alternative(other, saved) for other in alternatives],
        "run": run.name,
    }
    return checked(
        Content(
            title=title or problem.name,
            currency=problem.currency.code,
            items=items_of(saved, problem),
            origin=origin,
            risk="" if not risk_bands else risk_bands[0] if proved else risk_bands[-1],
            justification=justification,
            evidence=evidence,
        )
    )


def verified(run: Path) -> Verification:
    """A run that its own files bear out.

    Raises:
        BrokenRun: Where a check fails.
    """
    verification = verify(run)
    failed = [check for check in verification.checks if check.standing == "failed"]
    if failed:
        raise BrokenRun(f"{run} does not hold ({failed[0].name}): {failed[0].sentence} Nothing was proposed.")
    return verification


def items_of(saved: SavedRun, problem: Problem) -> tuple[Item, ...]:
    """Lines that get money, or had some last year."""
    funds, currency, found = funds_of(problem), problem.currency, []
    priors = currency.to_minor_array(problem.lines.prior)
    for position, line in enumerate(problem.lines.id):
        prior = int(priors[position])
        for period in problem.periods:
            amount = currency.to_minor(saved.amounts[period, line])
            if amount or prior:
                fund, name = funds[position], problem.lines.name[position]
                found.append(Item(period, line, saved.units[line], fund, amount, prior, name))
    return tuple(found)


def funds_of(problem: Problem) -> tuple[str, ...]:
    """Fund of each line."""
    return tuple(fund or GENERAL for fund in problem.lines.tags.get("fund", ("",) * len(problem.lines.id)))


def requests(problem: Problem) -> dict[str, Any]:
    """What was asked for, minor units by period."""
    ask = np.nan_to_num(np.broadcast_to(problem.lines.ask, problem.shape))
    totals = problem.currency.to_minor_array(ask).sum(axis=1).tolist()
    return dict(zip(problem.periods, totals, strict=True))


def units_of(problem: Problem) -> dict[str, str]:
    """Unit above each unit of a plan, in an order in which each comes after the one above it; empty for the root."""
    tree = problem.tree
    return {
        name: tree.ids[parent] if parent >= 0 else ""
        for name, parent in zip(tree.ids, tree.parent.tolist(), strict=True)
    }


def _alternative(run: Path, chosen: SavedRun) -> Mapping[str, Any]:
    other = read(run)
    moved = sum(
        (
            abs(other.amounts.get(cell, Decimal()) - chosen.amounts.get(cell, Decimal()))
            for cell in {*other.amounts, *chosen.amounts}
        ),
        Decimal(),
    )
    names = ("method", "status", "value", "allocated")
    return {**{name: other.document.get(name) for name in names}, "moved": str(moved / 2), "run": run.name}


def asked_of(problem: Problem) -> dict[tuple[str, str], int]:
    """What a plan says is asked for, minor units by period and line; lines without a request are left out."""
    ask = np.nan_to_num(np.broadcast_to(problem.lines.ask, problem.shape), posinf=0.0)
    minor = problem.currency.to_minor_array(ask)
    return {
        (period, line): int(minor[t, n])
        for t, period in enumerate(problem.periods)
        for n, line in enumerate(problem.lines.id)
        if minor[t, n]
    }


def allocated_of(saved: SavedRun, problem: Problem) -> dict[str, dict[str, int]]:
    """What a run gives, minor units by period and fund, as its proposal would book it."""
    found: dict[str, dict[str, int]] = {period: {} for period in problem.periods}
    for item in items_of(saved, problem):
        funds = found[item.period]
        funds[item.fund] = funds.get(item.fund, 0) + item.amount
    return found
