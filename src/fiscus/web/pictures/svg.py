"""SVG written so that nothing in it can be taken for anything but text."""

from __future__ import annotations

import hashlib
import math
import re
import unicodedata
from collections.abc import Sequence
from functools import cache, lru_cache
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

NARROW = 350
"""Of their variants for narrow screens: text there is as large as the page's, and labels stand above what they name."""

_WIDE, _NARROW = set("MW@%mw—"), set("ilIj.,:;|!'()[]ft ")
_WIDES, _NARROWS = re.compile("[MW@%mw]"), re.compile(r"[ilIj.,:;|!'()\[\]ft ]")
_CAPITALS = re.compile("[A-HJ-LN-VX-Z]")
_UNHELD = re.compile("[^\t\n\r\x20-\u2029\u202f-\u2065\u206a-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What XML cannot hold, and signs that turn the direction of what follows: a title must not be able to turn the figures beside it."""

_SPECIAL = re.compile("[&<>\"'\t\n\r]")

_PLACE = "\0"
"""Stands for a picture's own name in references to its patterns; no text holds it."""


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
    written = "".join([f" {_name(key)}={_quoted(value)}" for key, value in attributes.items() if value is not None])
    body = "".join(inside)
    return f"<{name}{written}>{body}</{name}>" if body else f"<{name}{written}/>"


@cache
def _name(key: str) -> str:
    return key.rstrip("_").replace("_", "-")


def _quoted(value: str | float) -> str:
    if not isinstance(value, str) or value in _FILLS:
        return f'"{number(value)}"'
    held = _held(value)
    return quoteattr(held) if _SPECIAL.search(held) else f'"{held}"'


def number(value: str | float) -> str:
    """A length as short as it can be said."""
    return value if isinstance(value, str) else f"{value:.1f}".removesuffix(".0")


def clean(text: str) -> str:
    """Text without signs that XML cannot hold or that turn what follows, escaped."""
    return escape(_held(text))


def _held(text: str) -> str:
    return _UNHELD.sub("\N{REPLACEMENT CHARACTER}", text)


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
    left, kept = room - width("…", size), 0
    for sign in words:
        left -= width(sign, size)
        if left < 0:
            break
        kept += 1
    return f"{words[:kept].rstrip()}…" if kept > 2 else ""


@lru_cache(maxsize=4096)
def width(words: str, size: float = SIZE) -> float:
    """About how wide a text is, rather too much than too little."""
    if not words.isascii():
        return size * sum(map(_wide, words))
    wide, narrow, capital = (len(kind.findall(words)) for kind in (_WIDES, _NARROWS, _CAPITALS))
    return size * (wide + 0.41 * narrow + 0.74 * capital + 0.64 * (len(words) - wide - narrow - capital))


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


def picture(
    title: str, description: str, height: float, *inside: str, patterns: Sequence[str] = (), wide: float = WIDTH
) -> str:
    """A whole picture that fills its place.

    Args:
        title: What it is.
        description: What it shows, in sentences with figures.
        height: In its own units.
        inside: Markup.
        patterns: Of ``PATTERNS`` that it uses.
        wide: Its width, in its own units.
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
        viewBox=f"0 0 {number(wide)} {number(height)}",
        width=number(wide),
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
