"""Why a line got what it got, in sentences (§4)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from fiscus.core.dynamics import marginal_value
from fiscus.core.money import format_amount
from fiscus.core.problem import Problem
from fiscus.core.rows import FUNDED_ABOVE
from fiscus.errors import InvalidInput
from fiscus.optimise.result import Binding, Result

SAME = 0.01
"""Relative difference within which a marginal value and a price are told as equal: tangents find them to the root of the gap."""


@dataclass(frozen=True, eq=False)
class Why:
    """What decides one line's amount in one period.

    Attributes:
        marginal: Value of one more unit of money on the line.
        rules: Binding rows that the line takes part in, with its coefficient in each, dearest first.
        place: ``zero``, ``floor``, ``cap`` or ``between``.
    """

    marginal: float
    rules: tuple[tuple[Binding, float], ...]
    place: str


def binding_of(result: Result) -> dict[tuple[int, int], list[tuple[Binding, float]]]:
    """Binding rows of each cell (period, line) and the cell's coefficient in them."""
    by_row = {each.row: each for each in result.binding}
    lines = result.problem.shape[1]
    found: dict[tuple[int, int], list[tuple[Binding, float]]] = {}
    for rows in result.problem.statement.rows:
        for row, label in enumerate(rows.labels):
            if label not in by_row:
                continue
            if "account" in rows.terms:  # Cash is touched by every amount up to its period.
                until = rows.labels[row][-1]
                for cell in range((result.problem.periods.index(until) + 1) * lines):
                    found.setdefault((cell // lines, cell % lines), []).append((by_row[label], 0.0))
            for block in ("spend", "funded"):
                matrix = rows.terms.get(block)
                if matrix is None:
                    continue
                place = slice(matrix.indptr[row], matrix.indptr[row + 1])
                # A choice has a coefficient in its rule but money has none there, so it prices no money.
                factor = 1.0 if block == "spend" else 0.0
                for cell, coefficient in zip(matrix.indices[place].tolist(), matrix.data[place].tolist(), strict=True):
                    found.setdefault((cell // lines, cell % lines), []).append((by_row[label], factor * coefficient))
    return found


def why(result: Result, period: int, line: int, binding: dict[tuple[int, int], list[tuple[Binding, float]]]) -> Why:
    """What decides one amount.

    Raises:
        NoAllocation: Where there is no allocation.
    """
    lines, amount = result.problem.lines, float(result.allocation[period, line])
    cap, floor = float(lines.cap[period, line]), float(lines.floor[period, line])
    grain = 1e-6 * max(1.0, amount)
    if math.isfinite(cap) and amount >= cap - grain:
        place = "cap"
    elif amount <= FUNDED_ABOVE:
        place = "zero"
    else:
        place = "floor" if floor > 0 and amount <= floor + grain else "between"
    rules = sorted(binding.get((period, line), []), key=lambda pair: -abs(pair[0].price or 0.0))
    return Why(float(marginal_value(result.problem, result.allocation)[period, line]), tuple(rules), place)


def explain_line(result: Result, line: str) -> str:
    """Sentences on one line, a paragraph a period.

    Raises:
        InvalidInput: For a line that does not exist.
        NoAllocation: Where there is no allocation.
    """
    problem = result.problem
    if line not in problem.line_position:
        raise InvalidInput(f"no line is called {line!r}")
    index = problem.line_position[line]
    binding = binding_of(result)
    return "\n".join(
        _paragraph(result, period, index, why(result, period, index, binding)) for period in range(problem.shape[0])
    )


def _paragraph(result: Result, period: int, line: int, reason: Why) -> str:
    problem = result.problem
    code = problem.currency.code
    given = format_amount(int(result.minor_units[period, line]), problem.currency)
    ask, prior = float(problem.lines.ask[period, line]), float(problem.lines.prior[line])
    asked = f" of the {_plain(problem, ask)} it asks for" if math.isfinite(ask) and ask > 0 else ""
    title, when = problem.lines.name[line], problem.periods[period]
    name = title if title == problem.lines.id[line] else f"{title} ({problem.lines.id[line]})"
    parts = [f"{name} gets {code} {given}{asked} in {when}; last year it had {_plain(problem, prior)}."]
    price = sum(coefficient * (each.price or 0.0) for each, coefficient in reason.rules)
    parts.append(_place_sentence(reason, price))
    named = [_rule_name(problem, each) for each, coefficient in reason.rules if each.price or not coefficient]
    if named:
        parts.append(f"It takes part in what binds: {'; '.join(dict.fromkeys(named))}.")
    return " ".join(parts)


def _plain(problem: Problem, amount: float) -> str:
    """An amount with the currency's decimals, or none where it is whole."""
    return f"{amount:,.0f}" if float(amount).is_integer() else f"{amount:,.{problem.currency.exponent}f}"


def _place_sentence(reason: Why, price: float) -> str:
    worth = "without limit" if math.isinf(reason.marginal) else f"{reason.marginal:.4g}"
    if not price:
        return f"One more unit of money on it would be worth {worth}."
    if reason.place == "cap":
        return f"It has all it can get: its last unit of money still brings {worth}, and money costs {price:.4g} elsewhere."
    if reason.place == "zero":
        return f"Its first unit of money would bring {worth}, and the rules price money at {price:.4g} here."
    if reason.place == "floor":
        return f"It is held at its floor: one more unit would bring {worth}, and money is worth {price:.4g} elsewhere."
    if abs(reason.marginal - price) <= SAME * max(abs(reason.marginal), abs(price)):
        return f"It stops where one more unit brings {worth}, which is what money is worth elsewhere ({price:.4g})."
    return f"One more unit of money on it would bring {worth}, and the rules price money at {price:.4g} here."


def rule_text(problem: Problem, rule: str) -> str:
    """What people call a rule: its own text, or the limit of the table it comes from."""
    text = next((str(each) for each in problem.rules if each.id == rule), "")
    if text:
        return text.rstrip(".")
    kind, _, name = rule.partition(" ")
    if kind == "unit" and name in problem.tree.position:
        return f"Limit of {problem.tree.names[problem.tree.position[name]]}"
    return "Budget" if rule == "budget" else rule


def _rule_name(problem: Problem, binding: Binding) -> str:
    return f"{rule_text(problem, binding.rule)} ({', '.join(binding.row[1:])})"


def largest_changes(
    result: Result, reference: dict[str, float] | None = None, count: int = 10
) -> list[tuple[str, float, float, str]]:
    """The lines whose total differs most from a reference (last year when not given), each with its explanation.

    Returns:
        ``(line, amount, reference amount, explanation)``, largest difference first.

    Raises:
        NoAllocation: Where there is no allocation.
    """
    lines = result.problem.lines
    amounts = result.apportionment.amounts.sum(axis=0)
    before = (
        lines.prior * result.problem.shape[0]
        if reference is None
        else np.array([reference.get(line, 0.0) for line in lines.id])
    )
    order = np.argsort(-np.abs(amounts - before), kind="stable")[:count]
    return [
        (lines.id[i], float(amounts[i]), float(before[i]), explain_line(result, lines.id[i])) for i in order.tolist()
    ]
