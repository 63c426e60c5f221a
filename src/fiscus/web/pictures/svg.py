"""SVG written so that nothing in it can be taken for anything but text."""

from __future__ import annotations

import hashlib
import math
import unicodedata
from collections.abc import Sequence
from xml.sax.saxutils import escape, quoteattr

INK, SOFT, LINE, PAPER = "#1a2430", "#4f5d6b", "#8594a2", "#ffffff"
BLUE, BLUE_PALE = "#0b5a8a", "#d6e8f5"
ORANGE, ORANGE_PALE = "#a34a00", "#fbe6d3"
GREEN, GREEN_PALE = "#1b6b3a", "#dcefe2"
GREY, GREY_PALE = "#5b6874", "#eceff2"
RED = "#a3231c"
"""Told apart by people who do not see some colours (after Okabe and Ito), and never by colour alone."""

SIZE = 13
"""Of text, in units of the picture."""

BOLDER = 1.12
"""How much wider bold text is."""

WIDTH = 960
"""Of pictures, in their own units."""

_WIDE, _NARROW = set("MW@%mw—"), set("ilIj.,:;|!'()[]ft ")

_PLACE = "\0"
"""Stands for a picture's own name in references to its patterns; no text holds it."""

_TURNING = {*range(0x202A, 0x202F), *range(0x2066, 0x206A)}
"""Signs that turn the direction of what follows: a title must not be able to turn the figures beside it."""


def pattern(name: str) -> str:
    """A fill by one of ``PATTERNS``; the picture that it is in names it."""
    return f"url(#{_PLACE}{name})"


def element(name: str, *inside: str, **attributes: str | float | None) -> str:
    """An element; ``class_`` is written ``class``, other underscores as dashes, and None is left out.

    Args:
        name: Of the element.
        inside: Markup, already safe.
        attributes: Escaped here.
    """
    written = "".join(
        f" {key.rstrip('_').replace('_', '-')}={_attribute(value)}"
        for key, value in attributes.items()
        if value is not None
    )
    body = "".join(inside)
    return f"<{name}{written}>{body}</{name}>" if body else f"<{name}{written}/>"


def number(value: str | float) -> str:
    """A length as short as it can be said."""
    return value if isinstance(value, str) else f"{value:.1f}".removesuffix(".0")


def _attribute(value: str | float) -> str:
    written = number(value)
    return f'"{written}"' if written in _FILLS else quoteattr(_held(written))


def clean(text: str) -> str:
    """Text without signs that XML cannot hold or that turn what follows, escaped."""
    return escape(_held(text))


def _held(text: str) -> str:
    return "".join(sign if _holds(sign) else "\N{REPLACEMENT CHARACTER}" for sign in text)


def _holds(sign: str) -> bool:
    code = ord(sign)
    if code in _TURNING:
        return False
    return sign in "\t\n\r" or (0x20 <= code < 0xD800) or (0xE000 <= code < 0xFFFE) or code > 0xFFFF


def text(x: float, y: float, words: str, room: float = math.inf, **attributes: str | float | None) -> str:
    """A line of text; what has no room is cut, with an ellipsis."""
    size = attributes.get("font_size", SIZE)
    assert isinstance(size, int | float)
    bold = str(attributes.get("font_weight", 400)) >= "600"
    shown = shortened(words, room / BOLDER if bold else room, size)
    return element("text", clean(shown), x=x, y=y, **{"fill": INK, "font_size": SIZE, **attributes}) if shown else ""


def shortened(words: str, room: float, size: float = SIZE) -> str:
    """As much of a text as there is room for; nothing where that is not even three signs."""
    if width(words, size) <= room:
        return words
    kept, wide = 0, width("…", size)
    for sign in words:
        wide += width(sign, size)
        if wide > room:
            break
        kept += 1
    return f"{words[:kept].rstrip()}…" if kept > 2 else ""


def width(words: str, size: float = SIZE) -> float:
    """About how wide a text is, rather too much than too little."""
    return size * sum(map(_wide, words))


def _wide(sign: str) -> float:
    """Of the size; checked against a browser in the tests."""
    if sign in _WIDE:
        return 1.0
    if sign in _NARROW:
        return 0.41
    if sign < "\x7f":
        return 0.74 if sign.isupper() else 0.64
    if unicodedata.combining(sign):
        return 0.0
    return 1.4 if unicodedata.east_asian_width(sign) in "WF" else 0.85


def picture(title: str, description: str, height: float, *inside: str, patterns: Sequence[str] = ()) -> str:
    """A whole picture that fills its place.

    Args:
        title: What it is.
        description: What it shows, in sentences with figures.
        height: In its own units.
        inside: Markup.
        patterns: Of ``PATTERNS`` that it uses.
    """
    body = "".join(inside)
    name = "p" + hashlib.sha256(clean(f"{title}{description}{body}").encode()).hexdigest()[:10]
    definitions = "".join(PATTERNS[each].replace("NAME", f"{name}-{each}") for each in patterns)
    body = body.replace(f"url(#{_PLACE}", f"url(#{name}-")
    return element(
        "svg",
        element("title", clean(title), id=f"{name}-t"),
        element("desc", clean(description), id=f"{name}-d"),
        element("defs", definitions) if definitions else "",
        body,
        xmlns="http://www.w3.org/2000/svg",
        role="group" if "<a " in body else "img",  # What is an image holds nothing that could be followed.
        aria_labelledby=f"{name}-t {name}-d",
        viewBox=f"0 0 {WIDTH} {number(height)}",
        width=WIDTH,
        height=number(height),
        font_family="system-ui, Segoe UI, Roboto, DejaVu Sans, sans-serif",
    )


PATTERNS = {
    "hatch": (
        '<pattern id="NAME" width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">'
        f'<rect width="6" height="6" fill="{ORANGE_PALE}"/><rect width="2.4" height="6" fill="{ORANGE}"/></pattern>'
    ),
    "dots": (
        '<pattern id="NAME" width="6" height="6" patternUnits="userSpaceOnUse">'
        f'<rect width="6" height="6" fill="{GREY_PALE}"/><circle cx="3" cy="3" r="1.5" fill="{GREY}"/></pattern>'
    ),
    "bars": (
        '<pattern id="NAME" width="5" height="5" patternUnits="userSpaceOnUse">'
        f'<rect width="5" height="5" fill="{GREEN_PALE}"/><rect width="5" height="1.6" fill="{GREEN}"/></pattern>'
    ),
}
"""Fills that differ in grey too."""

_FILLS = frozenset(pattern(each) for each in PATTERNS)


def ticks(low: float, high: float, about: int = 5) -> list[float]:
    """Round numbers from at most the lowest to at least the highest: steps of 1, 2 or 5 times a power of ten."""
    span = high - low
    if not span > 0 or not math.isfinite(span):
        return [low]
    rough = span / about
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(each * power for each in (1, 2, 5, 10) if each * power >= rough * (1 - 1e-9))
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [position * step for position in range(first, last + 1)]
