"""Squarified tree maps (M. Bruls, K. Huizing, J. van Wijk: Squarified Treemaps, 2000)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from fiscus.web.pictures import svg
from fiscus.web.pictures.bars import Words

LEAST = 0.006
"""Share below which cells are gathered."""

MOST, FEWEST = 60, 12
"""Cells that are shown by themselves; the fewest where all are small."""

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
    left = float(sum(amounts))
    if not amounts or left <= 0:
        return []
    found: list[Place] = []
    row: list[float] = []
    scale = place.width * place.height / left
    for amount in amounts:
        side = min(place.width, place.height)
        sized = [each * scale for each in row]
        if row and _worst([*sized, amount * scale], side) > _worst(sized, side):
            places, place = _laid(sized, place)
            found += places
            left -= sum(row)
            scale = place.width * place.height / max(left, amount)  # Of what is left, so that no error adds up.
            row = []
        row.append(amount)
    return found + _laid([each * scale for each in row], place)[0]


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


def gathered(cells: Sequence[Cell], words: Words) -> list[Cell]:
    """The largest first; those too small to be seen are one, wherever that has its place by its amount.

    Args:
        cells: Those without an amount are left out.
        words: For the amount of the rest.
    """
    there = sorted((cell for cell in cells if cell.amount > 0), key=lambda cell: (-cell.amount, cell.label))
    total = sum(cell.amount for cell in there)
    kept = sum(cell.amount >= LEAST * total for cell in there)
    kept = min(max(kept, FEWEST), MOST)
    rest = there[kept:]
    if len(rest) <= 1:
        return there
    amount = sum(cell.amount for cell in rest)
    shown = [*there[:kept], Cell(f"{len(rest)} others", amount, words(amount))]
    return sorted(shown, key=lambda cell: -cell.amount)


def tree_map(cells: Sequence[Cell], title: str, words: Words, *, height: float = 430) -> str:
    """A map of the parts of a whole; empty where no part has an amount above zero.

    Args:
        cells: In any order.
        title: What the whole is.
        words: For amounts of several cells together.
        height: In the picture's own units.
    """
    shown = gathered(cells, words)
    if not shown:
        return ""
    total = sum(cell.amount for cell in shown)
    places = squarified([cell.amount for cell in shown], Place(0, 0, svg.WIDTH, height))
    drawn = [_drawn(cell, place, cell.amount / total) for cell, place in zip(shown, places, strict=True)]
    parts = sum(cell.amount > 0 for cell in cells)
    largest = ", ".join(f"{cell.label} {cell.words} ({cell.amount / total:.0%})" for cell in shown[:3])
    told = f"{parts} {'part' if parts == 1 else 'parts'}, {words(total)} in all; areas are amounts. The largest: {largest}."
    without = len(cells) - parts
    if without:
        told += f" {without} without an amount {'is' if without == 1 else 'are'} not shown."
    return svg.picture(title, f"{told} The table below has all of them.", height, *drawn, patterns=())


def _drawn(cell: Cell, place: Place, share: float) -> str:
    up = cell.change is not None and cell.change > 0
    down = cell.change is not None and cell.change < 0
    fill, edge = (
        (svg.BLUE_PALE, svg.BLUE) if up else (svg.ORANGE_PALE, svg.ORANGE) if down else (svg.GREY_PALE, svg.GREY)
    )
    across, along = min(GAP / 2, place.width / 4), min(GAP / 2, place.height / 4)  # The thinnest stay inside too.
    x, y = place.x + across, place.y + along
    wide, high = place.width - 2 * across, place.height - 2 * along
    sign = (
        ""
        if cell.change is None
        else f"{'▲' if up else '▼' if down else '='} {cell.change:+.0%}".replace("-", "\N{MINUS SIGN}")
    )
    told = f"{cell.label}: {cell.words}, {share:.1%}" + (f", {sign} against last year" if sign else "")
    dashes = "5 3" if down else None  # Less than last year shows without colours, and where no sign has room.
    inside = (
        svg.element("title", svg.clean(told))
        + svg.element("rect", x=x, y=y, width=wide, height=high, fill=fill, stroke=edge, stroke_dasharray=dashes, rx=2)
        + _words(cell, sign, edge, Place(x, y, wide, high))
    )
    if cell.link:
        return svg.element("a", inside, href=cell.link, aria_label=told)
    return svg.element("g", inside, role="img", aria_label=told)


def _words(cell: Cell, sign: str, edge: str, place: Place) -> str:
    """Name, amount and change, as far as there is room: names may be cut, figures never; without a name there are none."""
    room, shown = place.width - 12, ""
    for line, weight, colour in ((cell.label, 600, svg.INK), (cell.words, 400, svg.INK), (sign, 400, edge)):
        y = place.y + 17 * (shown.count("<text") + 1)
        if not line or y + 6 > place.y + place.height or (shown and svg.width(line) > room):
            continue
        written = svg.text(place.x + 6, y, line, room, font_weight=weight, fill=colour)
        if not written and not shown:
            break
        shown += written
    return shown
