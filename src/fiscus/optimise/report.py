"""The self-contained report of a run: one HTML file with drawings, no script from elsewhere and no request to anywhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Any

import jinja2
import numpy as np

from fiscus.core.arrays import FloatArray
from fiscus.core.money import compact, format_amount, percent, short
from fiscus.optimise.explain.lines import largest_changes, rule_text
from fiscus.optimise.report_study import Study, picture
from fiscus.optimise.result import Result

WIDTH, ROW = 1040, 34
MOST_BINDING = 14


@dataclass(frozen=True, slots=True)
class Standing:
    """How one way of making the plan compares, a row of the report's table.

    Attributes:
        name: Of the method or reference.
        value: True objective, or None where it breaks rules or has none.
        spent: Major units.
        share_of_bound: Value over the proven bound.
        agreements: Agreement with each reference, by its name.
        note: What to know about it.
    """

    name: str
    value: float | None
    spent: float
    share_of_bound: float | None
    agreements: Mapping[str, float]
    note: str = ""


@dataclass(frozen=True, slots=True)
class Context:
    """What a report may show besides the result.

    Attributes:
        standings: Methods side by side.
        reference: Amount by line of something to draw beside the recommendation, such as what was adopted.
        reference_name: What that is called.
        notes: Paragraphs that say how to read the figures.
        study: Further looks at the result, such as the frontier of budgets.
    """

    standings: Sequence[Standing] = ()
    reference: Mapping[str, float] | None = None
    reference_name: str = ""
    notes: Sequence[str] = field(default=())
    study: Study | None = None


def report(result: Result, context: Context | None = None) -> str:
    """The report as HTML."""
    context = context or Context()
    return _template().render(_facts(result, context))


@cache
def _template() -> jinja2.Template:
    source = files("fiscus.optimise").joinpath("templates/report.html.j2").read_text(encoding="utf-8")
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["compact"] = compact
    return environment.from_string(source)


def _facts(result: Result, context: Context) -> dict[str, Any]:
    problem = result.problem
    shown: dict[str, Any] = {
        "result": result,
        "problem": problem,
        "code": problem.currency.code,
        "context": context,
        "summary": result.summary(),
        "reasons": result.reasons,
        "found": result.solution is not None,
    }
    if result.solution is None:
        return shown
    amounts = result.apportionment.amounts
    asked = np.where(np.isfinite(problem.lines.ask), problem.lines.ask, 0.0)
    priced = [each for each in result.binding if each.price is not None and abs(each.price) > 1e-12]
    money = [each for each in priced if each.rule == "budget"]
    shown |= {
        "tiles": _tiles(result, amounts, asked),
        "icicle": _icicle(result, amounts.sum(axis=0), asked.sum(axis=0)),
        "bars": _bars(result, context, amounts.sum(axis=0), asked.sum(axis=0)),
        "budget_prices": [(each.row[-1], each.price) for each in money],
        "binding": [
            {
                "text": rule_text(problem, each.rule),
                "rule": each.rule,
                "where": ", ".join(each.row[1:]),
                "bound": each.bound,
                "price": each.price,
            }
            for each in priced[:MOST_BINDING]
        ],
        "more_binding": max(0, len(priced) - MOST_BINDING),
        "changes": largest_changes(result),
        "rows": _rows(result, amounts, asked),
        "unmet": result.apportionment.unmet,
        "proof": _proof(result),
        "study": context.study,
        "curve": picture(context.study.frontier) if context.study and context.study.frontier else {},
        "digest": problem.digest,
    }
    return shown


PROOFS = {
    "proved": ("Proved", "checked without the solver"),
    "reported": ("Reported", "the solver's word for the last step"),
    "open": ("Open", "more value may be possible"),
}
"""What the proof status is called, and what it means."""


def _proof(result: Result) -> dict[str, Any]:
    """Value and both bounds, and how far each is from the value."""
    certificate = result.certificate
    return {
        "status": result.proof_status,
        "name": PROOFS[result.proof_status][0],
        "value": result.exact_value,
        "proved": certificate.bound if np.isfinite(certificate.bound) else None,
        "proved_gap": percent(result.proved_gap),
        "reported": result.bound if np.isfinite(result.bound) else None,
        "reported_gap": percent(result.gap),
    }


def _tiles(result: Result, amounts: FloatArray, asked: FloatArray) -> list[tuple[str, str, str]]:
    problem = result.problem
    unit = problem.currency
    funded = int((amounts.sum(axis=0) > 0).sum())
    budget = float(problem.budget.sum())
    prices = [each.price for each in result.binding if each.rule == "budget" and each.price]
    tiles = [
        (
            "Recommended",
            short(float(amounts.sum()), unit),
            f"of a budget of {short(budget, unit)}" if np.isfinite(budget) else "no budget limit",
        ),
        ("Requested", short(float(asked.sum()), unit), f"{problem.shape[1]:,} lines"),
        ("Funded", f"{funded:,}", f"of {problem.shape[1]:,} lines"),
        (
            "Value",
            compact(result.value, 2),
            f"at most {compact(result.bound, 2)} is possible" if np.isfinite(result.bound) else "no bound is proven",
        ),
    ]
    proof = PROOFS[result.proof_status]
    tiles.append(("Proof", proof[0], proof[1]))
    if prices:
        tiles.append(("One more unit of budget", f"{max(prices):.3g}", "value it would add"))
    return tiles


def _icicle(result: Result, amounts: FloatArray, asked: FloatArray) -> dict[str, Any]:
    """Rectangles of units by depth and of lines below them; widths are amounts, shades the share of the request met."""
    problem = result.problem
    tree, total = problem.tree, float(amounts.sum())
    if total <= 0:
        return {"boxes": [], "height": 0, "width": WIDTH}
    unit_total, unit_asked = problem.membership @ amounts, problem.membership @ asked
    depths = len(tree.levels)
    boxes: list[dict[str, Any]] = []

    def place(name: str, amount: float, request: float, x: float, width: float, depth: int) -> None:
        share = amount / request if request > 0 else 1.0
        boxes.append(
            {
                "x": round(x, 2), "y": depth * (ROW + 2), "width": round(max(width - 0.6, 0.3), 2), "height": ROW,
                "shade": _shade(share), "dark": share >= 0.55, "name": name, "show": width > 64, "clip": max(3, int(width / 6.6)),
                "amount": short(amount, problem.currency), "share": f"{share:.0%}",
            }
        )  # fmt: skip

    def walk(unit: int, x: float, depth: int) -> None:
        width = WIDTH * unit_total[unit] / total
        place(tree.names[unit], float(unit_total[unit]), float(unit_asked[unit]), x, width, depth)
        for child in sorted(tree.children(unit).tolist(), key=lambda each: -unit_total[each]):
            if unit_total[child] > 0:
                walk(child, x, depth + 1)
                x += WIDTH * unit_total[child] / total
        own = np.flatnonzero(problem.lines.unit == unit)
        for line in own[np.argsort(-amounts[own], kind="stable")].tolist():
            if amounts[line] > 0:
                width = WIDTH * amounts[line] / total
                place(problem.lines.name[line], float(amounts[line]), float(asked[line]), x, width, depths)
                x += width

    walk(tree.root, 0.0, 0)
    return {"boxes": boxes, "height": (depths + 1) * (ROW + 2), "width": WIDTH}


def _shade(share: float) -> str:
    """One hue, light to dark as more of the request is met."""
    low, high = np.array([222, 235, 247]), np.array([8, 69, 128])
    red, green, blue = (low + (high - low) * min(max(share, 0.0), 1.0)).astype(int).tolist()
    return f"rgb({red},{green},{blue})"


def _bars(result: Result, context: Context, amounts: FloatArray, asked: FloatArray) -> dict[str, Any]:
    """Request, last year, recommendation and the reference of each unit below the root."""
    problem = result.problem
    level = problem.tree.levels[min(1, len(problem.tree.levels) - 1)]
    series = [
        ("Request", asked, "#d5dbe3"),
        ("Last year", problem.lines.prior * problem.shape[0], "#93a4b7"),
        ("Recommended", amounts, "#1f5c99"),
    ]
    if context.reference is not None:
        adopted = np.array([context.reference.get(line, 0.0) for line in problem.lines.id])
        series.append((context.reference_name, adopted, "#d08a2e"))
    totals = problem.membership[level] @ np.column_stack([values for _, values, _ in series])
    order = np.argsort(-totals[:, 2], kind="stable")[:16]
    largest = max(float(totals.max()), 1e-300)
    left, thick = 250, 9
    groups = []
    for rank, row in enumerate(order.tolist()):
        top = rank * (len(series) * (thick + 1) + 12)
        bars = [
            {
                "y": top + index * (thick + 1), "width": round((WIDTH - left - 110) * float(totals[row, index]) / largest, 1),
                "colour": colour, "text": f"{name}: {short(float(totals[row, index]), problem.currency)}",
                "label": short(float(totals[row, index]), problem.currency),
            }
            for index, (name, _, colour) in enumerate(series)
        ]  # fmt: skip
        groups.append(
            {"name": problem.tree.names[level[row]], "middle": top + len(series) * (thick + 1) / 2, "bars": bars}
        )
    height = len(groups) * (len(series) * (thick + 1) + 12)
    return {
        "groups": groups,
        "height": height,
        "width": WIDTH,
        "left": left,
        "thick": thick,
        "legend": [(n, c) for n, _, c in series],
    }


def _rows(result: Result, amounts: FloatArray, asked: FloatArray) -> list[dict[str, Any]]:
    problem = result.problem
    lines, minor = problem.lines, result.minor_units
    return [
        {
            "period": period, "line": lines.id[i], "name": lines.name[i], "unit": problem.tree.names[lines.unit[i]],
            "prior": lines.prior[i], "ask": asked[t, i], "amount": format_amount(int(minor[t, i]), problem.currency),
            "share": f"{amounts[t, i] / asked[t, i]:.0%}" if asked[t, i] > 0 else "",
        }
        for t, period in enumerate(problem.periods)
        for i in np.argsort(-amounts[t], kind="stable").tolist()
    ]  # fmt: skip
