"""Bars: requests beside recommendations, changes to both sides of nothing, and where a budget stands."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from fiscus.web.pictures import svg

Words = Callable[[float], str]
"""An amount as people read it."""

LABEL, RIGHT = 300.0, 120.0
"""Room for labels on the left, and for figures on the right."""

AXIS = 26.0


def compare_bars(rows: Sequence[tuple[str, float | None, float, float | None]], title: str, words: Words) -> str:
    """What was asked for, what is recommended and what there was last year, row by row.

    Args:
        rows: ``(label, asked, recommended, last year)``; None where nothing is known.
        title: What it is.
        words: For amounts.
    """
    highest = max((amount or 0 for row in rows for amount in row[1:]), default=0)
    if not rows or highest <= 0:
        return ""
    axis = svg.ticks(0, highest)
    scale = (svg.WIDTH - LABEL - RIGHT) / axis[-1]
    high, top = 54.0, 28.0
    drawn = [_legend((("url(#dots)", "requested"), (svg.BLUE, "recommended"), ("url(#hatch)", "last year")))]
    drawn += _axis(axis, scale, LABEL, top, top + high * len(rows), words)
    for position, (label, *amounts) in enumerate(rows):
        y = top + position * high + 4
        drawn.append(svg.text(0, y + 24, label, LABEL - 12))
        for place, (amount, fill, edge) in enumerate(
            zip(amounts, ("url(#dots)", svg.BLUE, "url(#hatch)"), (svg.GREY, svg.BLUE, svg.ORANGE), strict=True)
        ):
            if amount is not None:
                told = svg.element("title", svg.clean(f"{label}: {words(amount)}"))
                wide = max(amount * scale, 0.8)
                drawn.append(
                    svg.element("rect", told, x=LABEL, y=y + 15 * place, width=wide, height=12, fill=fill, stroke=edge)
                )
                drawn.append(svg.text(LABEL + wide + 6, y + 15 * place + 10.5, words(amount), font_size=11.5))
    first = rows[0]
    told = f"{len(rows)} rows. {first[0]}: {words(first[2])} recommended"
    told += f", {words(first[1])} requested" if first[1] is not None else ""
    told += f", {words(first[3])} last year." if first[3] is not None else "."
    return svg.picture(title, told, top + high * len(rows) + AXIS, *drawn, patterns=("dots", "hatch"))


def change_bars(rows: Sequence[tuple[str, float]], title: str, words: Words) -> str:
    """Changes against last year, to the right and to the left of nothing.

    Args:
        rows: ``(label, change)``.
        title: What it is.
        words: For amounts, with their signs.
    """
    changes = [change for _, change in rows]
    if not rows or not any(changes):
        return ""
    axis = svg.ticks(min(0, *changes), max(0, *changes))
    left, right = LABEL + 90, svg.WIDTH - RIGHT
    scale = (right - left) / (axis[-1] - axis[0])
    zero, high, top = left - axis[0] * scale, 27.0, 4.0
    drawn = _axis(axis, scale, zero, top, top + high * len(rows), words)
    for position, (label, change) in enumerate(rows):
        y = top + position * high
        fill, edge = (svg.BLUE, svg.BLUE) if change >= 0 else ("url(#hatch)", svg.ORANGE)
        wide = max(abs(change) * scale, 0.8)
        x = zero if change >= 0 else zero - wide
        told = svg.element("title", svg.clean(f"{label}: {words(change)}"))
        drawn.append(svg.text(0, y + 17, label, LABEL - 10))
        drawn.append(svg.element("rect", told, x=x, y=y + 5, width=wide, height=16, fill=fill, stroke=edge))
        mark = f"{'▲' if change > 0 else '▼' if change < 0 else '='} {words(change)}"
        anchor, at = ("start", x + wide + 6) if change >= 0 else ("end", x - 6)
        drawn.append(svg.text(at, y + 17, mark, font_size=12, text_anchor=anchor))
    drawn.append(svg.element("line", x1=zero, x2=zero, y1=top, y2=top + high * len(rows), stroke=svg.INK))
    up, down = sum(change > 0 for change in changes), sum(change < 0 for change in changes)
    told = f"{up} of {len(rows)} grow and {down} shrink. The largest: {rows[0][0]}, {words(rows[0][1])}."
    return svg.picture(title, told, top + high * len(rows) + AXIS, *drawn, patterns=("hatch",))


def budget_bar(parts: Sequence[tuple[str, float]], budget: float, title: str, words: Words) -> str:
    """A budget, and how far what was taken out of it fills it.

    Args:
        parts: ``(name, amount)`` from the left: actual, committed, released, reserved.
        budget: In all.
        title: What it is.
        words: For amounts.
    """
    taken = sum(amount for _, amount in parts)
    whole = max(budget, taken)
    if whole <= 0:
        return ""
    scale, x, drawn = svg.WIDTH / whole, 0.0, []
    fills = (svg.INK, "url(#hatch)", svg.BLUE, "url(#bars)")
    edges = (svg.INK, svg.ORANGE, svg.BLUE, svg.GREEN)
    drawn.append(svg.element("rect", x=0.5, y=26, width=svg.WIDTH - 1, height=22, fill=svg.PAPER, stroke=svg.GREY))
    for (name, amount), fill, edge in zip(parts, fills, edges, strict=True):
        if amount > 0:
            told = svg.element("title", svg.clean(f"{name}: {words(amount)}"))
            drawn.append(svg.element("rect", told, x=x, y=26, width=amount * scale, height=22, fill=fill, stroke=edge))
            x += amount * scale
    over = taken - budget
    if over > 0:
        at = budget * scale
        drawn.append(svg.element("line", x1=at, x2=at, y1=20, y2=54, stroke=svg.RED, stroke_width=3))
        drawn.append(
            svg.text(at - 6, 68, f"overdrawn by {words(over)}", fill=svg.RED, font_weight=700, text_anchor="end")
        )
    names = tuple((fill, f"{name} {words(amount)}") for (name, amount), fill in zip(parts, fills, strict=True))
    drawn.append(_legend((*names, (svg.PAPER, f"available {words(budget - taken)}"))))
    told = f"Of {words(budget)}: {', '.join(f'{name} {words(amount)}' for name, amount in parts)}; available {words(budget - taken)}."
    return svg.picture(title, told, 74 if over > 0 else 52, *drawn, patterns=("hatch", "bars"))


def _legend(items: Sequence[tuple[str, str]]) -> str:
    drawn, x = [], 0.0
    for fill, name in items:
        drawn.append(svg.element("rect", x=x + 0.5, y=3.5, width=13, height=12, fill=fill, stroke=svg.GREY))
        drawn.append(svg.text(x + 20, 14, name, font_size=12))
        x += 20 + svg.width(name, 12) + 22
    return "".join(drawn)


def _axis(axis: Sequence[float], scale: float, zero: float, top: float, bottom: float, words: Words) -> list[str]:
    drawn = []
    for tick in axis:
        x = zero + tick * scale
        drawn.append(svg.element("line", x1=x, x2=x, y1=top, y2=bottom, stroke=svg.LINE, stroke_width=0.5))
        drawn.append(svg.text(x, bottom + 16, words(tick), font_size=11.5, fill=svg.SOFT, text_anchor="middle"))
    return drawn
