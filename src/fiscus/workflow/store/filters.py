"""What streams are looked for by, as SQL."""

from __future__ import annotations

from typing import Any

from fiscus.workflow.ports import Filter

_ASIDE = {"sqlite": "+kind", "postgresql": "kind"}
"""Where an owner or a lineage leaves few, SQLite is kept from walking the whole index of lists only because that is sorted."""

_CONTAINS = {"sqlite": "instr(search, ?) > 0", "postgresql": "strpos(search, ?) > 0"}


def conditions(wanted: Filter, dialect: str) -> tuple[str, list[Any]]:
    """A WHERE clause and its parameters; empty where nothing matters.

    Args:
        wanted: What to look for.
        dialect: ``sqlite`` or ``postgresql``.
    """
    parts: list[str] = []
    values: list[Any] = []
    few = bool(wanted.owner or wanted.lineage)
    for name in ("kind", "owner", "lineage"):
        if getattr(wanted, name):
            parts.append(f"{_ASIDE[dialect] if few and name == 'kind' else name} = ?")
            values.append(getattr(wanted, name))
    if wanted.status:
        parts.append(f"status IN ({_marks(len(wanted.status))})")
        values += wanted.status
    if wanted.overdue:
        parts.append("due <> '' AND due < ?")
        values.append(wanted.overdue)
    if wanted.text:
        parts.append(_CONTAINS[dialect])
        values.append(wanted.text.casefold())
    if wanted.waiting:
        parts.append(_waiting(wanted, values))
    return (f" WHERE {' AND '.join(parts)}" if parts else ""), values


def _waiting(wanted: Filter, values: list[Any]) -> str:
    """Rows of values instead of a chain of OR: SQLite nests those, a thousand deep at most."""
    anywhere = [role for role, unit in wanted.waiting if not unit]
    places = [(role, unit) for role, unit in wanted.waiting if unit]
    choices = []
    if anywhere:
        choices.append(f"role IN ({_marks(len(anywhere))})")
        values += anywhere
    if places:
        choices.append(f"(role, unit) IN (VALUES {', '.join(['(?, ?)'] * len(places))})")
        values += [part for place in places for part in place]
    return f"stream IN (SELECT stream FROM waiting WHERE {' OR '.join(choices)})"


def _marks(count: int) -> str:
    return ", ".join("?" * count)
