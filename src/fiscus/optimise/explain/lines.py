"""Why lines and units got what they got, in sentences and as data (§4)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from fiscus.core.dynamics import stocks
from fiscus.core.money import format_amount
from fiscus.core.problem import Problem
from fiscus.core.rows import FUNDED_ABOVE
from fiscus.errors import InvalidInput
from fiscus.optimise.explain.data import (
    Alternative,
    LineExplanation,
    PeriodExplanation,
    RuleShare,
    UnitExplanation,
    UnitPeriod,
)
from fiscus.optimise.explain.picture import (
    CHOICES,
    KEEPING,
    SAME,
    Picture,
    Why,
    binding_of,
    place_of,
    rule_text,
    share_of,
    why,
)
from fiscus.optimise.result import Binding, Result

__all__ = [
    "Picture",
    "binding_of",
    "explain_line",
    "explanation",
    "largest_changes",
    "rule_text",
    "unit_explanation",
    "why",
]


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
    whole = reason.place == "cap" and reason.marginal < price and _comes_whole(problem, line)
    where = place_of(problem, reason.rules)
    average = _average(result, period, line) if whole else None
    parts.append(_place_sentence(reason, price, problem.currency.word, where, average))
    named = [_rule_name(problem, each) for each, coefficient in reason.rules if each.price or not coefficient]
    if named:
        parts.append(f"It takes part in what binds: {'; '.join(dict.fromkeys(named))}.")
    return " ".join(parts)


def _plain(problem: Problem, amount: float) -> str:
    """An amount with the currency's decimals, or none where it is whole."""
    return f"{amount:,.0f}" if float(amount).is_integer() else f"{amount:,.{problem.currency.exponent}f}"


def _comes_whole(problem: Problem, line: int) -> bool:
    """Whether a line pays off as a whole or not at all, so that its last unit alone says little."""
    lines = problem.lines
    return bool((lines.lumpy[line] or not lines.curves.concave[line]) and lines.retention[line] == 0)


def _average(result: Result, period: int, line: int) -> float:
    """What each unit of a line's money brings on average, discounted and expected."""
    problem = result.problem
    worth = problem.scenarios.expected()[period, line] * problem.lines.weight[line] * problem.benefit_discount[period]
    effect = problem.lines.curves.value(stocks(problem, result.allocation))[period, line]
    return float(worth * effect / max(result.allocation[period, line], FUNDED_ABOVE))


def _place_sentence(reason: Why, price: float, one: str, where: str, average: float | None = None) -> str:
    worth = "without limit" if math.isinf(reason.marginal) else f"{reason.marginal:.4g}"
    if not price:
        return f"One more {one} for it would be worth {worth}."
    if average is not None:
        comes = f"each {one} brings {average:.4g} on average, the last one alone {worth}"
        return f"It has all it can get, and is worth it as a whole: {comes}. Money costs {price:.4g} elsewhere{where}."
    if reason.place == "cap":
        last = f"its last {one} still brings {worth}"
        return f"It has all it can get: {last}, and money costs {price:.4g} elsewhere{where}."
    if reason.place == "zero":
        return f"Its first {one} would bring {worth}, and the rules price money at {price:.4g} here."
    if reason.place == "floor":
        held = f"one more {one} would bring {worth}"
        return f"It is held at its floor: {held}, and money is worth {price:.4g} elsewhere{where}."
    if _same(reason.marginal, price):
        return f"It stops where one more {one} brings {price:.4g}, which is what money is worth elsewhere{where}."
    return f"One more {one} for it would bring {worth}, and the rules price money at {price:.4g} here."


def _same(one: float, other: float) -> bool:
    return abs(one - other) <= SAME * max(abs(one), abs(other))


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


MOST_NEXT = 3


def explanation(result: Result, line: str, picture: Picture | None = None) -> LineExplanation:
    """Why a line got what it got, as data and sentences.

    Args:
        result: With an allocation.
        line: Its id.
        picture: Shared by many explanations of one result.

    Raises:
        InvalidInput: For a line that does not exist.
        NoAllocation: Where there is no allocation.
    """
    problem = result.problem
    if line not in problem.line_position:
        raise InvalidInput(f"no line is called {line!r}")
    index, picture = problem.line_position[line], picture or Picture(result)
    periods = tuple(_period(picture, period, index) for period in range(problem.shape[0]))
    return LineExplanation(line, problem.lines.name[index], problem.tree.ids[problem.lines.unit[index]], periods)


def _period(picture: Picture, period: int, line: int) -> PeriodExplanation:
    result, lines = picture.result, picture.result.problem.lines
    reason = why(result, period, line, picture.binding)
    shares = picture.shares(period, line)
    price = sum(share.cost for share in shares)
    decided, by = _decision(result, period, line, reason, shares)
    other = picture.alternative(period, line, shares)
    ask, cap = float(lines.ask[period, line]), float(lines.cap[period, line])
    told = [_paragraph(result, period, line, reason), _decided_sentence(result, period, line, decided, by, shares)]
    if other is not None:
        told.append(_alternative_sentence(result, other, price))
    return PeriodExplanation(
        period=result.problem.periods[period],
        amount=int(result.minor_units[period, line]),
        ask=ask if math.isfinite(ask) else None,
        prior=float(lines.prior[line]),
        floor=float(lines.floor[period, line]),
        cap=cap if math.isfinite(cap) else None,
        marginal=reason.marginal,
        price=price,
        place=reason.place,
        decided=decided,
        decided_by=by.rule if by is not None else None,
        rules=shares,
        alternative=other,
        sentences=tuple(sentence for sentence in told if sentence),
    )


def _decision(
    result: Result, period: int, line: int, reason: Why, shares: Sequence[RuleShare]
) -> tuple[str, RuleShare | None]:
    """What decides one amount, and the rule that does where one does."""
    lines, dearest = result.problem.lines, shares[0] if shares and shares[0].cost else None
    frozen = next((share for share in shares if share.kind in KEEPING), None)
    if frozen is not None and (frozen.kind == "freeze" or frozen == dearest):
        return "kept", frozen
    if dearest is not None and dearest.cost < 0 and reason.place != "floor":
        return "held up", dearest
    if reason.place == "cap" and lines.cap[period, line] > 0:
        return ("ask" if lines.ask[period, line] == lines.cap[period, line] else "cap"), None
    if reason.place == "floor":
        return "floor", dearest
    if lines.cap[period, line] <= FUNDED_ABOVE:
        return "cap", None
    if reason.place == "between" and reason.marginal <= 0:
        return "enough", None
    if dearest is not None and dearest.cost > 0:
        return "price", dearest
    choice = next((share for share in shares if share.kind in CHOICES), None)
    if choice is not None or lines.lumpy[line] or lines.min_ticket[line] > 0:
        return "choice", choice
    return "enough" if reason.marginal <= 0 else "open", None


def _decided_sentence(
    result: Result, period: int, line: int, decided: str, by: RuleShare | None, shares: Sequence[RuleShare]
) -> str:
    one = result.problem.currency.word
    dear = [f"{share.text}: each {one} of it is worth {share.cost:.4g} to others" for share in shares if share.cost > 0]
    rule = by.text if by is not None else ""
    whole = result.problem.lines.lumpy[line]
    cut = "It is all or nothing" if whole else "It gets or goes below its smallest worthwhile amount"
    said = {
        "kept": f"What decides is {rule}, which keeps it near what it had before.",
        "held up": f"What decides is {rule}: without it, it would get less.",
        "ask": "What decides is its own request, which is met.",
        "cap": "What decides is its own cap.",
        "floor": "What decides is its own floor; money would work better elsewhere.",
        "price": f"What decides is {'; and '.join(dear)}.",
        "choice": f"What decides is {rule}." if rule else f"{cut}, and the best plan chooses so.",
        "enough": "More money would bring nothing here.",
    }
    return said.get(decided, "")


def _alternative_sentence(result: Result, other: Alternative, price: float) -> str:
    name, one = result.problem.lines.name[result.problem.line_position[other.line]], result.problem.currency.word
    name = name if name == other.line else f"{name} ({other.line})"
    if other.gets:
        brings = "as much" if _same(other.worth, price) else f"{other.worth:.4g}"
        return f"One {one} less here would go to {name}, where it would bring {brings}."
    return f"One {one} for it would have to come from {name}, where it brings {other.worth:.4g}."


def unit_explanation(result: Result, unit: str, picture: Picture | None = None) -> UnitExplanation:
    """Why a unit got what it got, as data and sentences.

    Args:
        result: With an allocation.
        unit: Its id.
        picture: Shared by many explanations of one result.

    Raises:
        InvalidInput: For a unit that does not exist.
        NoAllocation: Where there is no allocation.
    """
    problem = result.problem
    if unit not in problem.tree.position:
        raise InvalidInput(f"no unit is called {unit!r}")
    picture = picture or Picture(result)
    place = problem.tree.position[unit]
    periods = tuple(_unit_period(picture, period, place) for period in range(problem.shape[0]))
    return UnitExplanation(unit, problem.tree.names[place], periods)


def _unit_period(picture: Picture, period: int, unit: int) -> UnitPeriod:
    result = picture.result
    problem, members = result.problem, result.problem.membership[[unit]].indices
    around, inside, inner = _unit_rules(picture, period, members)
    price = sum(share.cost for share in around)
    lines, spend = problem.lines, result.allocation[period]
    room = picture.free(period) & (
        spend < np.minimum(lines.cap[period], problem.reach[period]) - 1e-6 * np.maximum(1.0, spend)
    )
    able = [line for line in members.tolist() if room[line]]
    ranked = sorted(((line, float(picture.gains[period, line]) - inner.get(line, 0.0)) for line in able), key=_last)
    floor, cap = float(problem.units.floor[period, unit]), float(problem.units.cap[period, unit])
    ask = lines.ask[period, members]
    made = UnitPeriod(
        period=problem.periods[period],
        amount=int(result.minor_units[period, members].sum()),
        ask=float(ask[np.isfinite(ask)].sum()),
        prior=float(lines.prior[members].sum()),
        floor=floor,
        cap=cap if math.isfinite(cap) else None,
        price=price,
        rules=around,
        inside=inside,
        next=tuple((lines.id[line], worth) for line, worth in ranked[:MOST_NEXT] if worth > 0),
        sentences=(),
    )
    return replace(made, sentences=_unit_sentences(problem, problem.tree.names[unit], made))


def _last(pair: tuple[int, float]) -> float:
    return -pair[1]


def _unit_rules(
    picture: Picture, period: int, members: Any
) -> tuple[tuple[RuleShare, ...], tuple[RuleShare, ...], dict[int, float]]:
    """Binding rows that hold all of a unit's lines alike, those that hold some, and what the latter price each line at."""
    problem = picture.result.problem
    held: dict[Binding, dict[int, float]] = {}
    for line in members.tolist():
        for each, coefficient in picture.binding.get((period, line), []):
            held.setdefault(each, {})[line] = coefficient
    around: list[RuleShare] = []
    inside: list[RuleShare] = []
    inner: dict[int, float] = {}
    for each, coefficients in held.items():
        alike = len(coefficients) == len(members) and len(set(coefficients.values())) == 1
        (around if alike else inside).append(share_of(problem, each, next(iter(coefficients.values()))))
        if not alike:
            for line, coefficient in coefficients.items():
                inner[line] = inner.get(line, 0.0) + coefficient * (each.price or 0.0)
    order = [tuple(sorted(shares, key=lambda share: -abs(share.cost))) for shares in (around, inside)]
    return order[0], order[1], inner


def _unit_sentences(problem: Problem, name: str, made: UnitPeriod) -> tuple[str, ...]:
    code = problem.currency.code
    asked = f" of the {_plain(problem, made.ask)} its lines ask for" if made.ask > 0 else ""
    given = format_amount(made.amount, problem.currency)
    said = [f"{name} gets {code} {given}{asked} in {made.period}; last year it had {_plain(problem, made.prior)}."]
    binding = [share for share in made.rules if share.price]
    if binding:
        named = "; ".join(f"{share.text} ({share.cost:.4g})" for share in binding)
        said.append(f"One more {problem.currency.word} for it is worth {made.price:.4g}: {named}.")
    elif made.rules:
        said.append(f"It takes part in what binds: {'; '.join(dict.fromkeys(share.text for share in made.rules))}.")
    else:
        said.append("No limit on its total binds.")
    if made.next:
        names = [f"{line} ({worth:.4g})" for line, worth in made.next]
        said.append(f"Inside it the next {problem.currency.word} would go to {names[0]}{_then(names[1:])}.")
    return tuple(said)


def _then(names: Sequence[str]) -> str:
    return f", then {', '.join(names)}" if names else ""
