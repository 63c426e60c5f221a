"""A value between bounds, and a path of stages."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fiscus.web.pictures import svg
from fiscus.web.pictures.bars import Words

DONE, NOW, LATE, LATER = "done", "now", "late", "later"
SAID = {DONE: "is passed", NOW: "waits now", LATE: "is overdue", LATER: "comes later"}
"""Standings in words."""


def band(low: float, expected: float, high: float, title: str, words: Words, *, wide: float = svg.WIDTH) -> str:
    """What may come: from the tenth to the ninetieth of a hundred futures, and what is expected.

    Args:
        low: Exceeded in nine of ten futures.
        expected: The mean.
        high: Exceeded in one of ten.
        title: What it is.
        words: For values.
        wide: Of the picture.
    """
    lowest, highest = min(low, expected), max(high, expected)
    if highest <= lowest:
        return ""
    left, right = 70.0, wide - 70.0
    axis, about = svg.ticks(lowest, highest), 5
    while about > 1 and _crowded(axis, (right - left) / (len(axis) - 1), words):
        about -= 1
        axis = svg.ticks(lowest, highest, about)
    scale = (right - left) / (axis[-1] - axis[0])
    at = {name: left + (value - axis[0]) * scale for name, value in (("low", low), ("mean", expected), ("high", high))}
    drawn = [
        svg.element("line", x1=left, x2=right, y1=52, y2=52, stroke=svg.LINE),
        svg.element(
            "rect",
            x=at["low"],
            y=34,
            width=max(at["high"] - at["low"], 1),
            height=18,
            fill=svg.BLUE_PALE,
            stroke=svg.BLUE,
        ),
        svg.element("line", x1=at["mean"], x2=at["mean"], y1=28, y2=58, stroke=svg.INK, stroke_width=3),
        _within(at["mean"], 20, f"expected {words(expected)}", wide, font_weight=600),
    ]
    for tick in axis:
        x = left + (tick - axis[0]) * scale
        drawn.append(svg.element("line", x1=x, x2=x, y1=52, y2=58, stroke=svg.GREY))
        drawn.append(_within(x, 74, words(tick), wide, font_size=12, fill=svg.SOFT))
    told = f"In eight of ten futures between {words(low)} and {words(high)}; {words(expected)} on average."
    return svg.picture(title, told, 82, *drawn, wide=wide)


def _crowded(axis: Sequence[float], step: float, words: Words) -> bool:
    return max(svg.width(words(tick), 12) for tick in axis) + 8 > step


def _within(x: float, y: float, words: str, wide: float, **attributes: Any) -> str:
    """Text in the middle of a place, moved inside the picture where it is near an edge."""
    half = svg.width(words) * svg.BOLDER / 2
    return svg.text(min(max(x, half), max(wide - half, half)), y, words, text_anchor="middle", **attributes)


STYLES = {
    DONE: (svg.GREEN, svg.GREEN, "✓", svg.PAPER),
    NOW: (svg.PAPER, svg.BLUE, "●", svg.BLUE),
    LATE: (svg.PAPER, svg.RED, "!", svg.RED),
    LATER: (svg.PAPER, svg.GREY, "", svg.GREY),
}
"""Fill, edge, mark and its ink, by standing."""


def path(stages: Sequence[tuple[str, str, str]], title: str, *, wide: float = svg.WIDTH) -> str:
    """Stages from left to right; one below the other where the picture is narrow.

    Args:
        stages: ``(name, words below it, standing)`` with ``done``, ``now``, ``late`` or ``later``.
        title: What it is.
        wide: Of the picture.
    """
    if not stages:
        return ""
    down = wide < svg.WIDTH
    step = 58.0 if down else wide / len(stages)
    places = [(20.0, 20 + step * at) if down else (step * (at + 0.5), 24.0) for at in range(len(stages))]
    drawn = []
    for (_, _, standing), (x, y), (x2, y2) in zip(stages, places, places[1:], strict=False):
        dash = None if standing == DONE else "5 4"
        drawn.append(
            svg.element("line", x1=x, x2=x2, y1=y, y2=y2, stroke=svg.GREY, stroke_width=2, stroke_dasharray=dash)
        )
    for (name, words, standing), (x, y) in zip(stages, places, strict=True):
        fill, edge, mark, ink = STYLES[standing]
        told = svg.element("title", svg.clean(f"{name} {SAID[standing]}: {words}"))
        drawn.append(svg.element("circle", told, cx=x, cy=y, r=15, fill=fill, stroke=edge, stroke_width=3))
        drawn.append(svg.text(x, y + 5.5, mark, fill=ink, font_weight=700, font_size=15, text_anchor="middle"))
        if down:
            drawn.append(svg.text(46, y - 2, name, wide - 46, font_weight=600))
            drawn.append(svg.text(46, y + 15, words, wide - 46, font_size=12, fill=svg.SOFT))
        else:
            drawn.append(svg.text(x, 60, name, step - 8, font_weight=600, text_anchor="middle"))
            drawn.append(svg.text(x, 77, words, step - 8, font_size=12, fill=svg.SOFT, text_anchor="middle"))
    done = sum(standing == DONE for _, _, standing in stages)
    waits = ", ".join(name for name, _, standing in stages if standing in (NOW, LATE)) or "nobody"
    each = "; ".join(f"{name} {SAID[standing]}, {words}" for name, words, standing in stages)
    told = f"{done} of {len(stages)} stages are passed; it waits for {waits}. {each}."
    return svg.picture(title, told, step * (len(stages) - 1) + 40 if down else 88, *drawn, wide=wide)
