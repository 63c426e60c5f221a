"""Rows that ``result.json`` says bind, and their prices, against the rows and the certificate of the problem."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from fiscus.core.arrays import FloatArray
from fiscus.core.dynamics import marginal_value
from fiscus.core.problem import Problem
from fiscus.core.rows import Rows
from fiscus.optimise.binding import TOUCHING, YES_OR_NO, unpriced
from fiscus.optimise.certificate import Prover, RowKey
from fiscus.optimise.checks import Check, differs, figure, is_number, same
from fiscus.optimise.form import form
from fiscus.optimise.run_folder import MOST_BINDING
from fiscus.optimise.stated import DUALS_OF, Saved

SAME_PRICE = 1e-6
"""Relative difference within which two prices are one: slopes of curves differ that much between near amounts."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One row that the file says binds, with its fields as they should be."""

    key: RowKey
    bound: float
    price: float | None


def binding(saved: Saved) -> list[Check]:
    """Whether the rows exist and touch the bounds stated, and whether the prices are those that prove the bound."""
    asked = saved.asked()
    if asked is None:
        return []
    entries, fault = _entries(saved.document, asked.problem)
    fault = fault or _counted(saved.document, entries)
    if not fault:
        priced = any(entry.price is not None for entry in entries)
        duals = saved.document.get("duals_of")
        if priced and not asked.seeks_value:
            fault = "The method seeks something else than value, but result.json has prices."
        elif duals == DUALS_OF[2] and not _has_choices(asked.problem):
            fault = differs("duals_of", duals, "problem: nothing in the plan is yes or no")
        elif (priced and duals == "") or (entries and not priced and duals != ""):
            fault = differs("duals_of", duals, "empty where no row has a price, and only there")
        elif duals == "":
            fault = _all_that_bind(saved, saved.problem, entries)
        else:
            fault = _touch(asked.problem, saved.unrounded, entries)
    if fault:
        return [Check("binding", "failed", fault)]
    checks = [Check("binding", "proved", f"The {len(entries)} rows that are said to bind do so.")]
    return [*checks, *_prices(saved, entries)] if duals else checks


def _has_choices(problem: Problem) -> bool:
    """Whether the optimiser has to choose yes or no somewhere."""
    return bool(not problem.lines.curves.concave.all() or Prover(problem).model.integer.any())


def _entries(document: Mapping[str, Any], problem: Problem) -> tuple[list[Entry], str]:
    """The rows as they are written, and what is wrong with how."""
    written = document.get("binding")
    if not isinstance(written, list):
        return [], "result.json has no list of rows that bind."
    found = []
    for number, each in enumerate(written, start=1):
        row = each.get("row") if isinstance(each, dict) else None
        if not isinstance(row, list) or not row or not all(isinstance(part, str) for part in row):
            return [], f"Row {number} of those that bind in result.json names no row."
        if each.get("rule") != row[0]:
            return [], differs(f"the rule of row {number} that binds", each.get("rule"), row[0])
        if not is_number(each.get("bound")) or not (each.get("price") is None or is_number(each.get("price"))):
            return [], f"Row {' / '.join(row)} that binds has the bound {figure(each.get('bound'))} in result.json."
        price = each.get("price")
        key = str(each.get("kind")), tuple(row)
        found.append(Entry(key, float(each["bound"]), None if price is None else float(price)))
    if len({entry.key for entry in found}) < len(found):
        return [], "A row that binds stands twice in result.json."
    if document.get("duals_of") not in DUALS_OF:
        return [], f"result.json has prices of {figure(document.get('duals_of'))}, which are none."
    return found, ""


def _counted(document: Mapping[str, Any], entries: Sequence[Entry]) -> str:
    stated = document.get("binding_rows")
    if isinstance(stated, bool) or not isinstance(stated, int):
        return differs("binding_rows", stated, len(entries))
    right = stated == len(entries) if len(entries) < MOST_BINDING else stated >= len(entries) == MOST_BINDING
    return "" if right else differs("binding_rows", stated, len(entries))


def _all_that_bind(saved: Saved, problem: Problem, entries: Sequence[Entry]) -> str:
    """Without prices the list is that of all rows that bind, recomputed."""
    wanted = unpriced(problem, saved.unrounded)
    stated = {entry.key: entry.bound for entry in entries}
    for each in wanted[:MOST_BINDING]:
        if not same(stated.pop((each.kind, each.row), None), each.bound):
            return f"Row {' / '.join(each.row)} binds at {figure(each.bound)}, but result.json does not say so."
    if stated:
        return f"Row {' / '.join(next(iter(stated))[1])} does not bind, but result.json says so."
    if saved.document.get("binding_rows") != len(wanted):
        return differs("binding_rows", saved.document.get("binding_rows"), len(wanted))
    return ""


def _touch(problem: Problem, spend: FloatArray, entries: Sequence[Entry]) -> str:
    """Why a row that is said to bind does not; empty where all do."""
    point = problem.statement.point(spend)
    places = _places(problem, entries)
    for entry in entries:
        if entry.key not in places:
            return f"result.json says {' / '.join(entry.key[1])} ({entry.key[0]}) binds: the problem has no such row."
        rows, row = places[entry.key]
        lower, upper = float(rows.lower[row]), float(rows.upper[row])
        near = lower if abs(lower - entry.bound) < abs(upper - entry.bound) else upper
        if not same(entry.bound, near):
            return differs(f"the bound of {' / '.join(entry.key[1])}", entry.bound, near)
        activity = sum(float((rows.terms[name][[row]] @ point[name].ravel())[0]) for name in rows.terms)
        missed = (
            rows.penalty is not None and not lower <= activity <= upper
        )  # What a soft rule that is missed is worth.
        if abs(activity - near) > TOUCHING * max(1.0, abs(near)) and not missed:
            return f"{' / '.join(entry.key[1])} stands at {figure(activity)} and does not bind at {figure(near)}."
    return ""


def _places(problem: Problem, entries: Sequence[Entry]) -> dict[RowKey, tuple[Rows, int]]:
    """Where the named rows stand among those of the problem."""
    wanted = {entry.key for entry in entries}
    return {
        (rows.kind, label): (rows, row)
        for rows in problem.statement.rows
        if rows.kind not in YES_OR_NO
        for row, label in enumerate(rows.labels)
        if (rows.kind, label) in wanted
    }


def _prices(saved: Saved, entries: Sequence[Entry]) -> list[Check]:
    """Prices against the certificate's: those that prove the bound; on rows of one line, what that line would add."""
    prices = saved.boxes.prices
    asked = saved.asked()
    choices = saved.document.get("duals_of") != "problem"
    if prices is None or choices or asked is None or asked.problem is not saved.problem:
        why = (
            "with the yes-or-no choices fixed" if choices
            else "of the part of a divided proof with the best plan" if prices is None
            else "under what the method asks besides the rules"
        )  # fmt: skip
        return [Check("prices", "reported", f"The prices are the solver's, {why}; nothing here proves them.")]
    # Where risk has a price, what a line adds at the margin depends on all scenarios' prices; those of its own rows are reported.
    risky = _prices_risk(saved.problem, prices)
    left_out = _left_out(saved, prices, entries, risky)
    if left_out:
        return [Check("prices", "failed", left_out)]
    if risky:
        entries = [entry for entry in entries if entry.key in prices]
    single = _single(saved, entries)
    for entry in entries:
        wanted = prices.get(entry.key, single.get(entry.key, 0.0))
        if entry.price is None or abs(entry.price - wanted) > SAME_PRICE * max(abs(wanted), abs(entry.price)) + 1e-12:
            name = " / ".join(entry.key[1])
            return [Check("prices", "failed", differs(f"the price of {name}", entry.price, wanted))]
    return [Check("prices", "proved", f"The prices of {len(entries)} rows are those that prove the bound.")]


def _prices_risk(problem: Problem, prices: Mapping[RowKey, float]) -> bool:
    """Whether the certificate has prices of rows that say what the plan is worth in a scenario."""
    if not any(kind == "value" for kind, _ in prices):
        return False
    return any(
        (rows.kind, label) in prices
        for rows in form(problem, curves="cells").rows
        if rows.kind == "value"
        for label in rows.labels
    )


def _left_out(saved: Saved, prices: Mapping[RowKey, float], entries: Sequence[Entry], risky: bool) -> str:
    """Which row that the plan touches has a price that counts, and is not said to bind; empty where none is."""
    if len(entries) >= MOST_BINDING:
        return ""
    stated = {entry.key for entry in entries}
    missing = [
        Entry((each.kind, each.row), each.bound, None)
        for each in unpriced(saved.problem, saved.unrounded)
        if (each.kind, each.row) not in stated
    ]
    worth = {**({} if risky else _single(saved, missing)), **prices}
    largest = max((abs(price) for price in [*prices.values(), *worth.values()]), default=0.0)
    for entry in missing:
        if abs(worth.get(entry.key, 0.0)) > SAME_PRICE * largest + 1e-12:
            return (
                f"{' / '.join(entry.key[1])} binds, and one more unit is worth {figure(worth[entry.key])}: "
                "result.json does not say so."
            )
    return ""


def _single(saved: Saved, entries: Sequence[Entry]) -> dict[RowKey, float]:
    """Prices of rows on one amount alone, which the tree leaves to the bounds of lines: what the line gains at the margin."""
    prices, problem = saved.boxes.prices or {}, saved.problem
    left = {entry.key for entry in entries} - set(prices)
    places = {key: place for key, place in _places(problem, entries).items() if key in left}
    if not places or saved.document.get("route") != "tree":
        return {}
    margin = (marginal_value(problem, saved.unrounded) - Prover(problem).charges(prices)).ravel()
    found = {}
    for key, (rows, row) in places.items():
        if set(rows.terms) != {"spend"}:
            continue
        matrix = rows.terms["spend"]
        inside = slice(matrix.indptr[row], matrix.indptr[row + 1])
        cells, factors = matrix.indices[inside], matrix.data[inside]
        if len(cells) == 1 and np.isfinite(margin[cells[0]]):
            price = float(margin[cells[0]] / factors[0])
            at_cap = bool(saved.unrounded.ravel()[cells[0]] * factors[0] >= rows.upper[row] - 1e-9)
            found[key] = max(price, 0.0) if at_cap else min(price, 0.0)
    return found
