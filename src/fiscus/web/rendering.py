"""Templates, and what they may call."""

from __future__ import annotations

import hashlib
import re
from functools import cache
from itertools import zip_longest
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from starlette.responses import HTMLResponse

from fiscus.core.money import compact, format_amount, percent
from fiscus.core.money import currency as unit
from fiscus.web.visits import Visit
from fiscus.web.wording import HELP, meaning
from fiscus.workflow.canonical import until

HERE = Path(__file__).parent
STATIC = HERE / "static"

STATES = {
    "draft": "Draft",
    "in_review": "In review",
    "returned": "Returned for changes",
    "approved": "Approved",
    "part_released": "Partly released",
    "released": "Released",
    "closed": "Closed",
    "held": "On hold",
    "rejected": "Rejected",
    "recalled": "Taken back",
    "expired": "Expired",
    "superseded": "Replaced",
}

MINUS = "\N{MINUS SIGN}"


def money(minor: int | None, code: str) -> str:
    """An amount with a minus sign that is one; a dash for none."""
    if minor is None:
        return "\N{EN DASH}"
    return format_amount(minor, unit(code)).replace("-", MINUS) if code else f"{minor:,}"


def signed(minor: int | None, code: str) -> str:
    """A change, always with its sign."""
    if minor is None:
        return "\N{EN DASH}"
    return ("+" if minor > 0 else "") + money(minor, code)


def change(minor: int, code: str) -> Markup:
    """A change with an arrow beside its colour; no macro, as tables have one in every row."""
    name, arrow = ("up", "▲") if minor > 0 else ("down", "▼") if minor < 0 else ("level", "=")
    return Markup(f'<span class="{name}">{arrow}&nbsp;{signed(minor, code)}</span>')


def rate(share: float | None) -> str:
    """A change as a share, with its sign; a dash for none."""
    return "\N{EN DASH}" if share is None else f"{share:+.1%}".replace("-", MINUS)


def share(part: float | None) -> str:
    """A part of a whole in whole percent, as far as that tells it from all and nothing; a dash for none."""
    if part is None:
        return "\N{EN DASH}"
    return f"{part:.0%}" if part in (0.0, 1.0) or 0.005 <= part <= 0.995 or part > 1 else f"{part:.1%}"


def day(moment: str) -> str:
    """``2026-11-24T09:00...`` as ``24 Nov 2026``."""
    if not moment:
        return "\N{EN DASH}"
    months = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
    year, month, date = moment[:10].split("-")
    return f"{int(date)} {months[int(month) - 1]} {year}"


def ends(moment: str) -> str:
    """The last day of what ends at a moment, and the time where that day is not wholly included."""
    last = until(moment)
    return day(last) + last[10:] if last else "\N{EN DASH}"


def minute(moment: str) -> str:
    """The day, and the time in UTC."""
    return f"{day(moment)}, {moment[11:16]} UTC" if moment else "\N{EN DASH}"


def state(name: str) -> str:
    """A state as people call it."""
    return STATES.get(name, name.replace("_", " ").capitalize())


def plain(name: str) -> str:
    """A short name as words: ``planning_commission`` as ``planning commission``."""
    return name.replace("_", " ")


def query(**parts: Any) -> str:
    """The end of a URL; what is empty is left out."""
    given = {name: value for name, value in parts.items() if value not in ("", None, 0)}
    return f"?{urlencode(given)}" if given else "?"


@cache
def static(name: str) -> str:
    """Where a file is found; another content is another place, so that browsers may keep it for good."""
    digest = hashlib.sha256((STATIC / name).read_bytes()).hexdigest()[:12]
    return f"/static/{digest}/{name}"


@cache
def templates() -> Environment:
    """All templates; everything is escaped, and nothing that is missing goes unseen."""
    made = Environment(
        loader=FileSystemLoader(HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    made.filters |= {
        "money": money,
        "signed": signed,
        "change": change,
        "rate": rate,
        "percent": percent,
        "compact": compact,
        "share": share,
        "day": day,
        "minute": minute,
        "ends": ends,
        "state": state,
        "svg": Markup,
        "plain": plain,
    }
    made.globals |= {"static": static, "query": query, "meaning": meaning, "HELP": HELP}
    return made


def warm() -> None:
    """Have every template ready before the first visitor comes."""
    for name in templates().list_templates():
        templates().get_template(name)


def page(template: str, visit: Visit | None, /, *, status: int = 200, **context: Any) -> HTMLResponse:
    """A page.

    Args:
        template: Its file.
        visit: Who looks at it; None where nobody is signed in.
        status: Of HTTP.
        context: What the template shows.
    """
    csrf = visit.session.csrf if visit else ""
    return HTMLResponse(labelled(templates().get_template(template).render(visit=visit, csrf=csrf, **context)), status)


_OPENING = re.compile(r"<table(?: class=\"([^\"]*)\")?>")
_HEADING = re.compile(r"<th[ >].*?</th>", re.DOTALL)
_MARKUP = re.compile(r"<span aria-hidden.*?</span>|<[^>]*>", re.DOTALL)
_CELL = re.compile(r"<(td|th)(?=[ >])")
_HEAD, _TABLE = "</thead>", "</table>"


def labelled(html: str) -> str:
    """A page whose cells name their columns, so that rows can stand as cards where a screen is too narrow for a table.

    Args:
        html: Of our templates: text of people is escaped, so that every ``<td`` is a cell.
    """
    parts, at = [], 0
    while (begin := html.find("<table", at)) >= 0:
        end = html.find(_TABLE, begin)
        parts += [html[at:begin], _cards(html[begin:end])]
        at = end
    return "".join([*parts, html[at:]])


def _cards(table: str) -> str:
    """A table up to its end; one without column headings stays as it is."""
    opening, head = _OPENING.match(table), table.find(_HEAD)
    if opening is None or head < 0:
        return table
    labels = [_MARKUP.sub("", each).strip().replace('"', "&#34;") for each in _HEADING.findall(table[:head])]
    before, *rows = table[head:].split("<tr")
    made = [f'<table class="{opening[1]} cards">' if opening[1] else '<table class="cards">']
    made += [table[opening.end() : head], before]
    for row in rows:
        start, *cells = _CELL.split(row)
        made += ["<tr", start]
        for kind, rest, label in zip_longest(cells[::2], cells[1::2], labels[: len(cells) // 2], fillvalue=""):
            made.append(f'<td data-label="{label}"{rest}' if kind == "td" else f"<th{rest}")
    return "".join(made)
