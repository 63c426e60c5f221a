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

LINE = 17.0
"""From one line of text to the next."""

KNOWN = 13
"""Signs that are left of a name that is cut: fewer tell nobody what it is."""


@dataclass(frozen=True, slots=True)
class Cell:
    """A part of a whole.

    Attributes:
        label: What it is.
        amount: Minor units, above zero.
        words: The amount as people read it.
        change: Against last year, as a fraction; None where nothing is known.
        link: Where one sees more; empty for nowhere.
        new: Whether there was nothing of it last year, and that is known.
    """

    label: str
    amount: int
    words: str
    change: float | None = None
    link: str = ""
    new: bool = False


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


def tree_map(cells: Sequence[Cell], title: str, words: Words, *, height: float = 430, wide: float = svg.WIDTH) -> str:
    """A map of the parts of a whole; empty where no part has an amount above zero.

    Args:
        cells: In any order.
        title: What the whole is.
        words: For amounts of several cells together.
        height: Of the map, in the picture's own units; below it stands what had no room in it.
        wide: Of the picture.
    """
    shown = gathered(cells, words)
    if not shown:
        return ""
    total = sum(cell.amount for cell in shown)
    places = squarified([cell.amount for cell in shown], Place(0, 0, wide, height))
    drawn, small = [], []
    for cell, place in zip(shown, places, strict=True):
        inner = _inside(place)
        name, lines = "", _label(cell.label, inner)
        if not lines and cell.label.strip():
            small.append(cell)
            name = str(len(small))
        drawn.append(_drawn(cell, inner, cell.amount / total, lines or [name]))
    below, bottom = _named(small, height + 8, wide)
    parts = sum(cell.amount > 0 for cell in cells)
    largest = ", ".join(f"{cell.label} {cell.words} ({cell.amount / total:.0%})" for cell in shown[:3])
    told = f"{parts} {'part' if parts == 1 else 'parts'}, {words(total)} in all; areas are amounts. The largest: {largest}."
    without = len(cells) - parts
    if without:
        told += f" {without} without an amount {'is' if without == 1 else 'are'} not shown."
    return svg.picture(title, f"{told} The table below has all of them.", bottom, *drawn, *below, wide=wide)


def _inside(place: Place) -> Place:
    """With a gap to what is beside it; the thinnest stay inside too."""
    across, along = min(GAP / 2, place.width / 4), min(GAP / 2, place.height / 4)
    return Place(place.x + across, place.y + along, place.width - 2 * across, place.height - 2 * along)


def _sign(cell: Cell) -> str:
    if cell.new:
        return "▲ new"
    if cell.change is None:
        return ""
    arrow = "▲" if cell.change > 0 else "▼" if cell.change < 0 else "="
    return f"{arrow} {cell.change:+.0%}".replace("-", "\N{MINUS SIGN}")


def _drawn(cell: Cell, place: Place, share: float, label: Sequence[str]) -> str:
    up = cell.new or (cell.change is not None and cell.change > 0)
    down = not up and cell.change is not None and cell.change < 0
    fill, edge = (
        (svg.BLUE_PALE, svg.BLUE) if up else (svg.ORANGE_PALE, svg.ORANGE) if down else (svg.GREY_PALE, svg.GREY)
    )
    x, y, wide, high = place.x, place.y, place.width, place.height
    sign = _sign(cell)
    told = f"{cell.label}: {cell.words}, {share:.1%}" + (f", {sign} against last year" if sign else "")
    dashes = "5 3" if down else None  # Less than last year shows without colours, and where no sign has room.
    inside = (
        svg.element("title", svg.clean(told))
        + svg.element("rect", x=x, y=y, width=wide, height=high, fill=fill, stroke=edge, stroke_dasharray=dashes, rx=2)
        + _words(cell, sign, edge, place, label)
    )
    if cell.link:
        return svg.element("a", inside, href=cell.link, aria_label=told)
    return svg.element("g", inside, role="img", aria_label=told)


def _label(label: str, place: Place) -> list[str]:
    """A name in lines that have room in a cell; cut where enough of it is left to be known by, else none."""
    room, lines = (place.width - 12) / svg.BOLDER, [""]
    for word in label.split():
        longer = f"{lines[-1]} {word}".strip()
        if svg.width(longer) <= room:
            lines[-1] = longer
        else:
            lines.append(word)
    lines = [line for line in lines if line]
    if lines and LINE * len(lines) + 6 <= place.height and all(svg.width(line) <= room for line in lines):
        return lines
    cut = svg.shortened(label, room)
    return [cut] if len(cut) >= KNOWN and place.height >= LINE + 6 else []


def _words(cell: Cell, sign: str, edge: str, place: Place, label: Sequence[str]) -> str:
    """Name or number, amount and change, as far as there is room: figures are never cut."""
    pad = 6.0 if place.width > 24 else 2.0
    room, shown, y = place.width - 2 * pad, "", place.y
    names = [(line, 600, svg.INK) for line in label]
    for line, weight, colour in (*names, (cell.words, 400, svg.INK), (sign, 400, edge)):
        bold = svg.BOLDER if weight == 600 else 1
        fits = svg.width(line) * bold <= room and y + LINE + 4 <= place.y + place.height
        if line and fits:
            y += LINE
            shown += svg.text(place.x + pad, y, line, font_weight=weight, fill=colour)
        elif weight == 600:
            return shown
    return shown


def _named(small: Sequence[Cell], top: float, wide: float) -> tuple[list[str], float]:
    """Cells too small for their names, by the numbers that stand in those with room for one; and where that ends."""
    columns = 2 if wide >= svg.WIDTH else 1
    room, drawn = wide / columns, []
    for place, cell in enumerate(small):
        x, y = room * (place % columns), top + 18 * (place // columns) + 12
        figures = f"{cell.words}  {_sign(cell)}".strip()
        number = f"{place + 1}"
        left = room - 46 - svg.width(figures, 12)
        drawn.append(svg.text(x, y, number, font_size=12, font_weight=600))
        drawn.append(svg.text(x + 26, y, cell.label, left, font_size=12))
        if left > 0:
            drawn.append(svg.text(x + room - 12, y, figures, font_size=12, text_anchor="end"))
    rows = -(-len(small) // columns)
    return drawn, top - 8 + (18 * rows + 14 if rows else 0)
