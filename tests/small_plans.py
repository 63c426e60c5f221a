"""Hand-made plans of a few lines whose numbers a reader can check, for tests."""

from __future__ import annotations

from typing import Any

import numpy as np

from fiscus.core.arrays import frozen
from fiscus.core.curves import Curves
from fiscus.core.facts import Lines, Units
from fiscus.core.money import currency
from fiscus.core.problem import Problem
from fiscus.core.process import Scenarios
from fiscus.core.tree import Tree

UNITS = (("city", ""), ("north", "city"), ("south", "city"))


def small_plan(
    *,
    unit: tuple[str, ...] = ("north", "north", "south"),
    units: tuple[tuple[str, str], ...] = UNITS,
    periods: int = 2,
    code: str = "USD",
    budget: float | list[float] = 100.0,
    line: dict[str, Any] | None = None,
    envelopes: dict[str, Any] | None = None,
    **facts: Any,
) -> Problem:
    """A plan of lines a, b, c, ... of linear benefit 1 hung on the named units.

    Args:
        unit: Unit of each line.
        units: Id and parent of each unit.
        periods: How many: FY1, FY2, ...
        code: Currency.
        budget: Of each period, major units.
        line: Columns of the lines that differ from: prior 0, no ask, floor 0, cap 100, weight 1.
        envelopes: ``floor``, ``cap``, ``target`` of the units, broadcastable to (T, u).
        facts: Other fields of the problem.
    """
    n, u = len(unit), len(units)
    ids = tuple(name for name, _ in units)
    tree = Tree.make(ids, [parent for _, parent in units], [name.title() for name in ids])
    given, envelope = line or {}, envelopes or {}

    def per_line(name: str, default: float) -> Any:
        return frozen(np.broadcast_to(np.asarray(given.get(name, default), float), n))

    def per_period(values: dict[str, Any], name: str, default: float, width: int) -> Any:
        return frozen(np.broadcast_to(np.asarray(values.get(name, default), float), (periods, width)))

    names = tuple("abcdefghijklmnopqrstuvwxyz"[i] for i in range(n))
    lines = Lines(
        id=names,
        unit=frozen([ids.index(each) for each in unit], np.int64),
        name=tuple(f"Line {name}" for name in names),
        prior=per_line("prior", 0.0),
        ask=per_period(given, "ask", np.inf, n),
        floor=per_period(given, "floor", 0.0, n),
        cap=per_period(given, "cap", 100.0, n),
        weight=per_line("weight", 1.0),
        priority=per_line("priority", np.nan),
        curves=given.get("curves", Curves.make(["linear"] * n)),
        lumpy=frozen(np.broadcast_to(given.get("lumpy", False), n), np.bool_),
        min_ticket=per_line("min_ticket", 0.0),
        retention=per_line("retention", 0.0),
        change_cost=per_line("change_cost", 0.0),
        initial_stock=per_line("initial_stock", 0.0),
        tags=given.get("tags", {}),
    )
    table = Units(
        ids,
        tuple(parent for _, parent in units),
        tree.names,
        per_period(envelope, "floor", 0.0, u),
        per_period(envelope, "cap", np.inf, u),
        per_period(envelope, "target", np.nan, u),
    )
    return Problem(
        name="small",
        currency=currency(code),
        periods=tuple(f"FY{t + 1}" for t in range(periods)),
        tree=tree,
        units=table,
        lines=lines,
        budget=frozen(np.broadcast_to(np.asarray(budget, float), periods)),
        scenarios=facts.pop("scenarios", Scenarios.certain(periods, n)),
        **facts,
    )
