"""Bars: requests beside recommendations, changes to both sides of nothing, and where a budget stands."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from fiscus.web.pictures import svg

Words = Callable[[float], str]
"""An amount as people read it."""

LABEL, RIGHT = 300.0, 130.0
"""Room for labels on the left, and at least that much for figures on the right."""

AXIS = 26.0

SMALL = 12.0
"""Size of figures beside bars."""

NAMES = ("requested", "recommended", "last year")
_DOTS, _HATCH, _BARS = svg.pattern("dots"), svg.pattern("hatch"), svg.pattern("bars")


@dataclass(frozen=True, slots=True)
class Scale:
    """Amounts as places from left to right.

    Attributes:
        ticks: Round amounts.
        zero: Where nothing is.
        unit: Length of one.
    """

    ticks: Sequence[float]
    zero: float
    unit: float

    @classmethod
    def of(cls, low: float, high: float, words: Words, room: float, wide: float = svg.WIDTH) -> Scale:
        """From the lowest to the highest, both ends with ``room`` for the figures beside their bars; at least nothing is in it."""
        low, high = min(low, 0.0), max(high, 0.0)
        narrow = wide < svg.WIDTH
        left = (svg.width(words(0), SMALL) / 2 if narrow else LABEL) + (room if low < 0 else 0)
        right = wide - (room if narrow else max(RIGHT, room))
        about = 6
        while True:  # Fewer ticks until their words do not touch.
            ticks = svg.ticks(low, high, about)
            unit = (right - left) / (ticks[-1] - ticks[0])
            widest = max(svg.width(words(tick), SMALL) for tick in ticks)
            if about == 1 or widest + 8 <= (ticks[1] - ticks[0]) * unit:
                return cls(ticks, left - ticks[0] * unit, unit)
            about -= 1

    def at(self, amount: float) -> float:
        """Where an amount ends."""
        return self.zero + amount * self.unit

    def bar(self, amount: float, y: float, high: float, told: str, fill: str, edge: str) -> str:
        """From nothing to an amount, to its side of nothing."""
        wide = max(abs(amount) * self.unit, 0.8)
        x = self.zero if amount >= 0 else self.zero - wide
        title = svg.element("title", svg.clean(told))
        return svg.element("rect", title, x=x, y=y, width=wide, height=high, fill=fill, stroke=edge)

    def beside(self, amount: float, y: float, words: str) -> str:
        """Words at the end of a bar."""
        end, anchor = (self.at(amount) + 6, "start") if amount >= 0 else (self.at(amount) - 6, "end")
        return svg.text(end, y, words, font_size=SMALL, text_anchor=anchor)

    def axis(self, top: float, bottom: float, words: Words) -> list[str]:
        """Lines at round amounts, with their words below; nothing's come first where there is no room for all."""
        drawn: list[str] = []
        taken: list[tuple[float, float]] = []
        for tick in sorted(self.ticks, key=abs):
            x, half = self.at(tick), svg.width(words(tick), SMALL) / 2
            drawn.append(svg.element("line", x1=x, x2=x, y1=top, y2=bottom, stroke=svg.LINE, stroke_width=0.5))
            if any(x - half < right and left < x + half for left, right in taken):
                continue
            taken.append((x - half, x + half))
            drawn.append(svg.text(x, bottom + 16, words(tick), font_size=SMALL, fill=svg.SOFT, text_anchor="middle"))
        drawn.append(svg.element("line", x1=self.zero, x2=self.zero, y1=top, y2=bottom, stroke=svg.INK))
        return drawn


def compare_bars(
    rows: Sequence[tuple[str, float | None, float, float | None]],
    title: str,
    words: Words,
    *,
    wide: float = svg.WIDTH,
) -> str:
    """What was asked for, what is recommended and what there was last year, row by row.

    Args:
        rows: ``(label, asked, recommended, last year)``; None where nothing is known.
        title: What it is.
        words: For amounts.
        wide: Of the picture; below ``svg.WIDTH`` labels stand above their bars.
    """
    known = [amount for row in rows for amount in row[1:] if amount is not None]
    if not any(known):
        return ""
    room = max(svg.width(words(amount), SMALL) for amount in known) + 14
    scale = Scale.of(min(known), max(known), words, room, wide)
    above, labels = (18.0, wide) if wide < svg.WIDTH else (0.0, LABEL - 12)
    high = 54.0 + above
    legend, top = _legend(tuple(zip((_DOTS, svg.BLUE, _HATCH), NAMES, strict=True)), wide)
    top += 2
    drawn = [legend]
    drawn += scale.axis(top, top + high * len(rows), words)
    for position, (label, *amounts) in enumerate(rows):
        y = top + position * high + 4
        drawn.append(svg.text(0, y + (12 if above else 24), label, labels))
        styles = zip(amounts, NAMES, (_DOTS, svg.BLUE, _HATCH), (svg.GREY, svg.BLUE, svg.ORANGE), strict=True)
        for place, (amount, name, fill, edge) in enumerate(styles):
            if amount is not None:
                at = y + above + 15 * place
                drawn.append(scale.bar(amount, at, 12, f"{label}, {name}: {words(amount)}", fill, edge))
                drawn.append(scale.beside(amount, at + 10.5, words(amount)))
    told = [
        f"{label}: " + ", ".join(f"{words(a)} {name}" for a, name in zip(amounts, NAMES, strict=True) if a is not None)
        for label, *amounts in rows
    ]
    bottom = top + high * len(rows) + AXIS
    return svg.picture(title, f"{'; '.join(told)}.", bottom, *drawn, patterns=("dots", "hatch"), wide=wide)


def change_bars(rows: Sequence[tuple[str, float]], title: str, words: Words, *, wide: float = svg.WIDTH) -> str:
    """Changes against last year, to the right and to the left of nothing.

    Args:
        rows: ``(label, change)``.
        title: What it is.
        words: For amounts, with their signs.
        wide: Of the picture; below ``svg.WIDTH`` labels stand above their bars.
    """
    changes = [change for _, change in rows]
    if not any(changes):
        return ""
    marks = [f"{'▲' if change > 0 else '▼' if change < 0 else '='} {words(change)}" for change in changes]
    scale = Scale.of(min(changes), max(changes), words, max(svg.width(mark, SMALL) for mark in marks) + 14, wide)
    above, room = (16.0, wide) if wide < svg.WIDTH else (0.0, LABEL - 10)
    high, top = 27.0 + above, 4.0
    drawn = scale.axis(top, top + high * len(rows), words)
    for position, ((label, change), mark) in enumerate(zip(rows, marks, strict=True)):
        y = top + position * high
        fill, edge = (svg.BLUE, svg.BLUE) if change >= 0 else (_HATCH, svg.ORANGE)
        drawn.append(svg.text(0, y + (14 if above else 17), label, room))
        drawn.append(scale.bar(change, y + above + 5, 16, f"{label}: {words(change)}", fill, edge))
        drawn.append(scale.beside(change, y + above + 17, mark))
    up, down = sum(change > 0 for change in changes), sum(change < 0 for change in changes)
    each = "; ".join(f"{label} {words(change)}" for label, change in rows)
    told = f"Of {len(rows)} shown, {up} grow and {down} shrink: {each}."
    return svg.picture(title, told, top + high * len(rows) + AXIS, *drawn, patterns=("hatch",), wide=wide)


def budget_bar(
    parts: Sequence[tuple[str, float]], budget: float, title: str, words: Words, *, wide: float = svg.WIDTH
) -> str:
    """A budget, and how far what was taken out of it fills it.

    Args:
        parts: ``(name, amount)`` from the left: actual, committed, released, reserved.
        budget: In all.
        title: What it is.
        words: For amounts.
        wide: Of the picture.
    """
    taken = sum(amount for _, amount in parts)
    whole = max(budget, taken)
    if whole <= 0:
        return ""
    fills, edges = (svg.INK, _HATCH, svg.BLUE, _BARS), (svg.INK, svg.ORANGE, svg.BLUE, svg.GREEN)
    names = tuple((fill, f"{name} {words(amount)}") for (name, amount), fill in zip(parts, fills, strict=True))
    legend, top = _legend((*names, (svg.PAPER, f"available {words(budget - taken)}")), wide)
    scale, x = wide / whole, 0.0
    drawn = [legend, svg.element("rect", x=0.5, y=top, width=wide - 1, height=22, fill=svg.PAPER, stroke=svg.GREY)]
    for (name, amount), fill, edge in zip(parts, fills, edges, strict=True):
        if amount > 0:
            told = svg.element("title", svg.clean(f"{name}: {words(amount)}"))
            drawn.append(svg.element("rect", told, x=x, y=top, width=amount * scale, height=22, fill=fill, stroke=edge))
            x += amount * scale
    over, bottom = taken - budget, top + 26
    if over > 0:
        at, said = max(budget, 0) * scale, f"overdrawn by {words(over)}"
        room = svg.width(said) * svg.BOLDER
        left = at - 6 - room < 0  # No room before the line: behind it, as far as there is room.
        anchor, begin = ("start", max(min(at + 6, wide - room), 0)) if left else ("end", at - 6)
        drawn.append(svg.element("line", x1=at, x2=at, y1=top - 6, y2=top + 28, stroke=svg.RED, stroke_width=3))
        drawn.append(svg.text(begin, top + 42, said, fill=svg.RED, font_weight=700, text_anchor=anchor))
        bottom = top + 48
    told = f"Of {words(budget)}: {', '.join(f'{name} {words(amount)}' for name, amount in parts)}; available {words(budget - taken)}."
    return svg.picture(title, told, bottom, *drawn, patterns=("hatch", "bars"), wide=wide)


def _legend(items: Sequence[tuple[str, str]], whole: float = svg.WIDTH) -> tuple[str, float]:
    """Fills and what they mean, in as many rows as they need; and where what follows may begin."""
    drawn, x, y = [], 0.0, 3.5
    for fill, name in items:
        wide = 20 + svg.width(name, SMALL)
        if x and x + wide > whole:
            x, y = 0.0, y + 19
        drawn.append(svg.element("rect", x=x + 0.5, y=y, width=13, height=12, fill=fill, stroke=svg.GREY))
        drawn.append(svg.text(x + 20, y + 10.5, name, whole - x - 20, font_size=SMALL))
        x += wide + 18
    return "".join(drawn), y + 22.5
