"""A value between bounds, and a path of stages."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fiscus.web.pictures import svg
from fiscus.web.pictures.bars import Words

DONE, NOW, LATE, LATER = "done", "now", "late", "later"
SAID = {DONE: "is passed", NOW: "waits now", LATE: "is overdue", LATER: "comes later"}
"""Standings in words."""


def band(low: float, expected: float, high: float, title: str, words: Words) -> str:
    """What may come: from the tenth to the ninetieth of a hundred futures, and what is expected.

    Args:
        low: Exceeded in nine of ten futures.
        expected: The mean.
        high: Exceeded in one of ten.
        title: What it is.
        words: For values.
    """
    lowest, highest = min(low, expected), max(high, expected)
    if highest <= lowest:
        return ""
    left, right = 70.0, svg.WIDTH - 70.0
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
        _within(at["mean"], 20, f"expected {words(expected)}", font_weight=600),
    ]
    for tick in axis:
        x = left + (tick - axis[0]) * scale
        drawn.append(svg.element("line", x1=x, x2=x, y1=52, y2=58, stroke=svg.GREY))
        drawn.append(_within(x, 74, words(tick), font_size=12, fill=svg.SOFT))
    told = f"In eight of ten futures between {words(low)} and {words(high)}; {words(expected)} on average."
    return svg.picture(title, told, 82, *drawn)


def _crowded(axis: Sequence[float], step: float, words: Words) -> bool:
    return max(svg.width(words(tick), 12) for tick in axis) + 8 > step


def _within(x: float, y: float, words: str, **attributes: Any) -> str:
    """Text in the middle of a place, moved inside the picture where it is near an edge."""
    half = svg.width(words) * svg.BOLDER / 2
    return svg.text(min(max(x, half), max(svg.WIDTH - half, half)), y, words, text_anchor="middle", **attributes)


def path(stages: Sequence[tuple[str, str, str]], title: str) -> str:
    """Stages from left to right.

    Args:
        stages: ``(name, words below it, standing)`` with ``done``, ``now``, ``late`` or ``later``.
        title: What it is.
    """
    if not stages:
        return ""
    step = svg.WIDTH / len(stages)
    drawn = []
    for position, (_, _, standing) in enumerate(stages[:-1]):
        x = step * (position + 0.5)
        dash = None if standing == DONE else "5 4"
        drawn.append(
            svg.element("line", x1=x, x2=x + step, y1=24, y2=24, stroke=svg.GREY, stroke_width=2, stroke_dasharray=dash)
        )
    for position, (name, words, standing) in enumerate(stages):
        x = step * (position + 0.5)
        fill, edge, mark, ink = {
            DONE: (svg.GREEN, svg.GREEN, "✓", svg.PAPER),
            NOW: (svg.PAPER, svg.BLUE, "●", svg.BLUE),
            LATE: (svg.PAPER, svg.RED, "!", svg.RED),
            LATER: (svg.PAPER, svg.GREY, "", svg.GREY),
        }[standing]
        told = svg.element("title", svg.clean(f"{name} {SAID[standing]}: {words}"))
        drawn.append(svg.element("circle", told, cx=x, cy=24, r=15, fill=fill, stroke=edge, stroke_width=3))
        drawn.append(svg.text(x, 29.5, mark, fill=ink, font_weight=700, font_size=15, text_anchor="middle"))
        drawn.append(svg.text(x, 60, name, step - 8, font_weight=600, text_anchor="middle"))
        drawn.append(svg.text(x, 77, words, step - 8, font_size=12, fill=svg.SOFT, text_anchor="middle"))
    done = sum(standing == DONE for _, _, standing in stages)
    waits = ", ".join(name for name, _, standing in stages if standing in (NOW, LATE)) or "nobody"
    each = "; ".join(f"{name} {SAID[standing]}, {words}" for name, words, standing in stages)
    return svg.picture(title, f"{done} of {len(stages)} stages are passed; it waits for {waits}. {each}.", 88, *drawn)
