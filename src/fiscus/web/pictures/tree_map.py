"""Squarified tree maps (M. Bruls, K. Huizing, J. van Wijk: Squarified Treemaps, 2000)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from fiscus.web.pictures import svg

LEAST = 0.006
"""Share below which cells are gathered."""

MOST = 60
"""Cells."""

GAP = 2.0


@dataclass(frozen=True, slots=True)
class Cell:
    """A part of a whole.

    Attributes:
        label: What it is.
        amount: Minor units, above zero.
        words: The amount as people read it.
        change: Against last year, as a fraction; None where nothing is known.
        link: Where one sees more; empty for nowhere.
    """

    label: str
    amount: int
    words: str
    change: float | None = None
    link: str = ""


@dataclass(frozen=True, slots=True)
class Place:
    """A rectangle."""

    x: float
    y: float
    width: float
    height: float


def squarified(amounts: Sequence[float], place: Place) -> list[Place]:
    """Rectangles with areas in proportion to amounts, each as square as the next allows.

    Args:
        amounts: Above zero, the largest first.
        place: To be filled.
    """
    total = sum(amounts)
    if not amounts or total <= 0:
        return []
    scale = place.width * place.height / total
    areas = [amount * scale for amount in amounts]
    found: list[Place] = []
    row: list[float] = []
    for area in areas:
        side = min(place.width, place.height)
        if row and _worst([*row, area], side) > _worst(row, side):
            places, place = _laid(row, place)
            found += places
            row = []
        row.append(area)
    return found + _laid(row, place)[0]


def _worst(row: Sequence[float], side: float) -> float:
    """The least square rectangle of a row along a side."""
    whole = sum(row)
    return max(max(side**2 * area / whole**2, whole**2 / (side**2 * area)) for area in row)


def _laid(row: Sequence[float], place: Place) -> tuple[list[Place], Place]:
    """A row along the shorter side, and what is left."""
    whole = sum(row)
    found, offset = [], 0.0
    if place.width >= place.height:
        thick = whole / place.height
        for area in row:
            found.append(Place(place.x, place.y + offset, thick, area / thick))
            offset += area / thick
        return found, Place(place.x + thick, place.y, max(place.width - thick, 1e-9), place.height)
    thick = whole / place.width
    for area in row:
        found.append(Place(place.x + offset, place.y, area / thick, thick))
        offset += area / thick
    return found, Place(place.x, place.y + thick, place.width, max(place.height - thick, 1e-9))


def gathered(cells: Sequence[Cell], words: str) -> list[Cell]:
    """The largest first; those too small to be seen are one.

    Args:
        cells: Those without an amount are left out.
        words: Template for the amount of the rest, with ``{}`` for its minor units.
    """
    there = sorted((cell for cell in cells if cell.amount > 0), key=lambda cell: (-cell.amount, cell.label))
    total = sum(cell.amount for cell in there)
    large = [cell for cell in there if cell.amount >= LEAST * total][:MOST]
    rest = there[len(large) :]
    if len(rest) <= 1:
        return there[: len(large) + 1]
    amount = sum(cell.amount for cell in rest)
    return [*large, Cell(f"{len(rest)} others", amount, words.format(amount))]


def tree_map(cells: Sequence[Cell], title: str, *, others: str = "{}", height: float = 430) -> str:
    """A map of the parts of a whole.

    Args:
        cells: In any order.
        title: What the whole is.
        others: Template for the amount of those gathered.
        height: In the picture's own units.
    """
    shown = gathered(cells, others)
    if not shown:
        return ""
    total = sum(cell.amount for cell in shown)
    places = squarified(
        [cell.amount for cell in sorted(shown, key=lambda cell: -cell.amount)], Place(0, 0, svg.WIDTH, height)
    )
    ordered = sorted(shown, key=lambda cell: -cell.amount)
    drawn = [_drawn(cell, place, cell.amount / total) for cell, place in zip(ordered, places, strict=True)]
    largest = ", ".join(f"{cell.label} {cell.words} ({cell.amount / total:.0%})" for cell in ordered[:3])
    told = f"{len(cells)} parts; areas are amounts. The largest: {largest}. The table below has all of them."
    return svg.picture(title, told, height, *drawn, patterns=())


def _drawn(cell: Cell, place: Place, share: float) -> str:
    up = cell.change is not None and cell.change > 0
    down = cell.change is not None and cell.change < 0
    fill, edge = (
        (svg.BLUE_PALE, svg.BLUE) if up else (svg.ORANGE_PALE, svg.ORANGE) if down else (svg.GREY_PALE, svg.GREY)
    )
    x, y = place.x + GAP / 2, place.y + GAP / 2
    wide, high = max(place.width - GAP, 0.5), max(place.height - GAP, 0.5)
    sign = (
        ""
        if cell.change is None
        else f"{'▲' if up else '▼' if down else '='} {cell.change:+.0%}".replace("-", "\N{MINUS SIGN}")
    )
    told = f"{cell.label}: {cell.words}, {share:.1%}" + (f", {sign} against last year" if sign else "")
    lines = [(cell.label, 600, svg.INK), (cell.words, 400, svg.INK), (sign, 400, edge)]
    room, words = wide - 12, []
    for position, (line, weight, colour) in enumerate(lines):
        whole = position == 0 or svg.width(line) <= room  # Names may be cut, figures never.
        if line and whole and (position + 1) * 17 + 6 <= high:
            words.append(svg.text(x + 6, y + 17 + 17 * position, line, room, font_weight=weight, fill=colour))
    inside = (
        svg.element("title", svg.clean(told))
        + svg.element("rect", x=x, y=y, width=wide, height=high, fill=fill, stroke=edge, rx=2)
        + "".join(words)
    )
    if cell.link:
        return svg.element("a", inside, href=cell.link, aria_label=told)
    return svg.element("g", inside, role="img", aria_label=told)
