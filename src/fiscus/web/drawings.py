"""Pictures of a page, from figures; made once for each version and unit."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from fiscus.core.money import currency, short
from fiscus.web.figures import Figures, Row
from fiscus.web.pictures import Cell, band, budget_bar, change_bars, compare_bars, path, svg, tree_map
from fiscus.web.pictures.lines import DONE, LATE, LATER, NOW
from fiscus.web.rendering import MINUS, query
from fiscus.workflow.canonical import timestamp
from fiscus.workflow.proposal.reviewing import due_of
from fiscus.workflow.proposal.transitions import IN_REVIEW, WITH_MONEY
from fiscus.workflow.service.reading import Parsed
from fiscus.workflow.service.views import View

if TYPE_CHECKING:
    from fiscus.web.pages.books import BudgetRow

KEPT = Parsed(256)

MOST = 10
"""Rows of bars."""


class Money:
    """Minor units as people read them in a picture.

    Args:
        code: ISO 4217 code.
    """

    def __init__(self, code: str) -> None:
        self.unit = currency(code)

    def __call__(self, minor: float) -> str:
        return short(float(minor) / 10**self.unit.exponent, self.unit).replace("-", MINUS)

    def signed(self, minor: float) -> str:
        """With its sign."""
        return ("+" if minor > 0 else "") + self(minor)


def both(draw: Callable[[float], str]) -> str:
    """A picture for wide screens and its variant for narrow ones; the style sheet shows one of them.

    Args:
        draw: It, by its width.
    """
    broad = draw(svg.WIDTH)
    return broad and f'<div class="broad">{broad}</div><div class="slim">{draw(svg.NARROW)}</div>'


def of_proposal(seen: View, shown: Figures, unit: str) -> Mapping[str, str]:
    """All pictures of a proposal's page, as SVG; empty where there is nothing to show."""
    key = f"{seen.proposal.content} {unit} {seen.proposal.id}"
    drawn: dict[str, str] = KEPT.get(key, lambda: _of_content(seen, shown, unit))
    return {**drawn, "path": _path(seen)}


def _of_content(seen: View, shown: Figures, unit: str) -> dict[str, str]:
    words = Money(seen.currency)
    base = f"/proposals/{seen.proposal.id}"
    children = shown.children(unit)
    units = [_cell(row, words, f"{base}{query(unit=row.id)}#map") for row in children]
    lines = [_cell(row, words, "") for row in shown.lines_of(unit)]
    name = shown.titles.get(unit, unit) or "all units"
    changed = [row for row in shown.changes[:MOST] if row.change]
    spread = shown.evidence("spread")
    return {
        "map": both(lambda wide: tree_map([*units, *lines], f"Where the money of {name} goes", words, wide=wide)),
        "changes": both(
            lambda wide: change_bars(
                [(row.title, row.change) for row in changed],
                "The largest changes against last year",
                words.signed,
                wide=wide,
            )
        ),
        "compare": both(
            lambda wide: compare_bars(
                [(row.title, row.asked, row.amount, row.prior) for row in (children or shown.lines_of(unit))[:MOST]],
                f"Requested, recommended and last year: {name}",
                words,
                wide=wide,
            )
        ),
        "risk": both(lambda wide: _risk(spread, wide)) if spread else "",
    }


def _risk(spread: Mapping[str, float], wide: float) -> str:
    return band(spread["low"], spread["expected"], spread["high"], "What the plan may be worth", _plain, wide=wide)


def _plain(value: float) -> str:
    return f"{value:,.0f}".replace("-", MINUS)


def _cell(row: Row, words: Money, link: str) -> Cell:
    return Cell(row.title, row.amount, words(row.amount), row.rate, link, row.prior == 0)


def _path(seen: View) -> str:
    proposal, now = seen.proposal, timestamp(seen.at)
    stages = []
    for position, step in enumerate(proposal.path):
        for stage in step:
            given = proposal.given(stage.name)
            standing = LATER
            if len(given) >= stage.need or proposal.status in WITH_MONEY:
                standing = DONE
            elif proposal.status == IN_REVIEW and position == proposal.step:
                due = due_of(proposal, stage)
                standing = LATE if due and due < now else NOW
            title = seen.matrix.roles.get(stage.role, stage.name) if seen.matrix else stage.name
            stages.append((title, f"{len(given)} of {stage.need} signed", standing))
    return both(lambda wide: path(stages, "The path of approval", wide=wide))


def of_budget(row: BudgetRow, code: str, title: str) -> str:
    """Where a budget's money stands, as SVG."""
    parts = [
        ("actual", row.actual), ("committed", row.committed), ("released", row.released), ("reserved", row.reserved)
    ]  # fmt: skip
    return both(lambda wide: budget_bar(parts, row.budget, title, Money(code), wide=wide))
