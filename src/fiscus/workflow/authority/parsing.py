"""From the fields of a file to a matrix."""

from __future__ import annotations

from collections.abc import Mapping

from fiscus.core.money import currency
from fiscus.errors import InvalidMoney
from fiscus.workflow.authority.conditions import EVERY_AMOUNT, EVERY_CHANGE, LEAST_CHANGE, Condition, Span
from fiscus.workflow.authority.fields import Field, Reader
from fiscus.workflow.authority.matrix import Duties, Matrix, Pair, Rule, Stage, Steps

_TOP = ("name", "currency", "about", "roles", "rolling_days", "rules")
_TOP_TOO = ("risk_bands", "units", "duties", "budget")


def matrix_of(root: Field, reader: Reader) -> tuple[Matrix, bool]:
    """A matrix as far as it can be read, not to be used where the reader has faults; and whether all conditions could be read.

    Args:
        root: Of the file.
        reader: Notes faults.
    """
    top = reader.table(root, _TOP, _TOP_TOO)
    code = _currency(top, reader)
    risk_bands = _each_name(top["risk_bands"], reader) if "risk_bands" in top else ()
    units = _each_text(top["units"], reader) if "units" in top else ()
    items = reader.items(top["rules"]) if "rules" in top else []
    rows = [reader.table(item, ("id", "path", "release", "reconcile"), ("when",)) for item in items]
    whens = [_condition(row["when"], code, reader) if "when" in row else Condition() for row in rows]
    clear = not reader.faults
    return Matrix(
        name=reader.name(top["name"]) if "name" in top else "",
        currency=code,
        about=reader.text(top["about"]) if "about" in top else "",
        roles=_roles(top["roles"], reader) if "roles" in top else {},
        rolling_days=reader.whole(top["rolling_days"], 0) if "rolling_days" in top else 0,
        risk_bands=risk_bands,
        units=units,
        rules=tuple(_rule(row, when, reader) for row, when in zip(rows, whens, strict=True)),
        duties=_duties(top["duties"], reader) if "duties" in top else Duties(),
        control=_control(top["budget"], reader) if "budget" in top else "hard",
    ), clear


def _currency(top: Mapping[str, Field], reader: Reader) -> str:
    """The code; empty where it is none, so that no amount is read in it."""
    if "currency" not in top:
        return ""
    code = reader.text(top["currency"])
    try:
        return currency(code).code if code else ""
    except InvalidMoney as error:
        reader.fault(top["currency"], f"{error}.")
        return ""


def _roles(at: Field, reader: Reader) -> dict[str, str]:
    roles = {}
    for role, value in reader.mapping(at).items():
        inner = reader.table(value, ("title",))
        roles[reader.name(Field(role, value.line, value.name))] = (
            reader.text(inner["title"]) if "title" in inner else ""
        )
    return roles


def _each_name(at: Field, reader: Reader) -> tuple[str, ...]:
    return tuple(reader.name(item) for item in reader.items(at))


def _each_text(at: Field, reader: Reader) -> tuple[str, ...]:
    return tuple(reader.text(item) for item in reader.items(at))


def _control(at: Field, reader: Reader) -> str:
    inner = reader.table(at, ("control",))
    return reader.text(inner["control"]) if "control" in inner else "hard"


def _duties(at: Field, reader: Reader) -> Duties:
    inner = reader.table(at, (), ("exclusive", "session", "emergency"))
    exclusive, session = (_pairs(inner[key], reader) if key in inner else () for key in ("exclusive", "session"))
    return Duties(exclusive, session, reader.name(inner["emergency"]) if "emergency" in inner else "")


def _pairs(at: Field, reader: Reader) -> tuple[Pair, ...]:
    pairs = []
    for item in reader.items(at):
        roles = _each_name(item, reader)
        if len(roles) == 2:
            first, second = sorted(roles)
            pairs.append((first, second))
        elif isinstance(item.value, list):
            reader.wrong(item, "two roles")
    return tuple(pairs)


def _rule(row: Mapping[str, Field], when: Condition, reader: Reader) -> Rule:
    return Rule(
        id=reader.name(row["id"]) if "id" in row else "",
        when=when,
        steps=_steps(row["path"], reader) if "path" in row else (),
        release=reader.name(row["release"]) if "release" in row else "",
        reconcile=reader.name(row["reconcile"]) if "reconcile" in row else "",
    )


def _condition(at: Field, code: str, reader: Reader) -> Condition:
    inner = reader.table(at, (), ("amount", "change", "new", "unit", "risk", "origin"))
    new = reader.flag(inner["new"]) if "new" in inner else None
    change: Span[float] | None = EVERY_CHANGE
    if "change" in inner:
        change = _change(inner["change"], reader)
    elif new:
        change = None
    return Condition(
        amount=_amount(inner["amount"], code, reader) if "amount" in inner else EVERY_AMOUNT,
        change=change,
        # A range of changes speaks of proposals that had a last year; new ones come in only where it says so.
        new=new if new is not None else "change" not in inner,
        units=_named(inner, "unit", reader),
        risks=_named(inner, "risk", reader),
        origins=_named(inner, "origin", reader),
    )


def _named(inner: Mapping[str, Field], key: str, reader: Reader) -> tuple[str, ...]:
    names = reader.names(inner[key]) if key in inner else ()
    return () if "*" in names else names


def _change(at: Field, reader: Reader) -> Span[float]:
    inner = reader.table(at, (), ("from", "below"))
    start = reader.number(inner["from"]) if "from" in inner else None
    return Span(LEAST_CHANGE if start is None else start, reader.number(inner["below"]) if "below" in inner else None)


def _amount(at: Field, code: str, reader: Reader) -> Span[int]:
    inner = reader.table(at, (), ("from", "below"))
    start = _minor(inner["from"], code, reader) if "from" in inner else None
    return Span(start or 0, _minor(inner["below"], code, reader) if "below" in inner else None)


def _minor(at: Field, code: str, reader: Reader) -> int | None:
    """Minor units; None where it is no amount, or of no known currency."""
    if isinstance(at.value, bool) or not isinstance(at.value, int | str):
        reader.wrong(at, 'an amount: a whole number, or text in quotation marks such as "50000.00"')
        return None
    try:
        return currency(code).to_minor(at.value) if code else None
    except InvalidMoney as error:
        reader.fault(at, f"{error}.")
        return None


def _steps(at: Field, reader: Reader) -> Steps:
    steps = []
    for item in reader.items(at):
        if isinstance(item.value, dict) and "together" in item.value:
            inner = reader.table(item, ("together",))
            steps.append(tuple(_stage(stage, reader) for stage in reader.items(inner["together"])))
        else:
            steps.append((_stage(item, reader),))
    return tuple(steps)


def _stage(at: Field, reader: Reader) -> Stage:
    inner = reader.table(at, ("stage", "role"), ("need", "of", "days", "escalate", "signature"))
    need = reader.whole(inner["need"], 1) if "need" in inner else 1
    return Stage(
        name=reader.name(inner["stage"]) if "stage" in inner else "",
        role=reader.name(inner["role"]) if "role" in inner else "",
        need=need,
        of=reader.whole(inner["of"], need) if "of" in inner else need,
        days=reader.whole(inner["days"], 0) if "days" in inner else 0,
        escalate=reader.name(inner["escalate"]) if _says(inner, "escalate") else "",
        signature=reader.flag(inner["signature"]) if "signature" in inner else False,
    )


def _says(inner: Mapping[str, Field], key: str) -> bool:
    return key in inner and inner[key].value not in (None, "")
