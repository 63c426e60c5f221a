"""What streams are looked for by, as SQL."""

from __future__ import annotations

from typing import Any

from fiscus.workflow.ports import Filter


def conditions(wanted: Filter, dialect: str) -> tuple[str, dict[str, Any]]:
    """A WHERE clause and its parameters; empty where nothing matters.

    Args:
        wanted: What to look for.
        dialect: ``sqlite`` or ``postgresql``.
    """
    parts: list[str] = []
    values: dict[str, Any] = {}
    for name in ("kind", "owner", "lineage"):
        if getattr(wanted, name):
            parts.append(f"{name} = :{name}")
            values[name] = getattr(wanted, name)
    if wanted.status:
        names = {f"s{number}": status for number, status in enumerate(wanted.status)}
        parts.append(f"status IN ({', '.join(f':{name}' for name in names)})")
        values |= names
    if wanted.overdue:
        parts.append("due <> '' AND due < :overdue")
        values["overdue"] = wanted.overdue
    if wanted.text:
        like = "LIKE" if dialect == "sqlite" else "ILIKE"
        parts.append(f"(stream {like} :text ESCAPE '!' OR title {like} :text ESCAPE '!')")
        escaped = wanted.text.replace("!", "!!").replace("%", "!%").replace("_", "!_")
        values["text"] = f"%{escaped}%"
    if wanted.waiting:
        parts.append(_waiting(wanted, values))
    return (f" WHERE {' AND '.join(parts)}" if parts else ""), values


def _waiting(wanted: Filter, values: dict[str, Any]) -> str:
    places = []
    for number, (role, unit) in enumerate(wanted.waiting):
        values[f"r{number}"] = role
        place = f"role = :r{number}"
        if unit:
            values[f"u{number}"] = unit
            place += f" AND unit = :u{number}"
        places.append(f"({place})")
    return f"stream IN (SELECT stream FROM waiting WHERE {' OR '.join(places)})"
