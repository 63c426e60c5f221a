"""Plan folders written from public data, and how a total is split among what can use it."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

UNIT_COLUMNS = ("id", "parent", "name", "cap", "target")
ADOPTED_COLUMNS = ("period", "line", "amount")

Unit = tuple[str, str, str, int | None, int | None]
"""A row of ``units.csv``: id, parent, name, cap, target."""


def attainable(total: int, wanted: Mapping[str, int], most: Mapping[str, int]) -> dict[str, int]:
    """Split a total in proportion, giving nobody more than they can use and passing the rest on.

    Args:
        total: Whole money to split; what exceeds the sum of ``most`` stays unsplit.
        wanted: Proportions; missing or negative counts as 0. Where nobody left has one, ``most`` is the proportion.
        most: Largest part of each, whole money.

    Returns:
        Whole parts, in the order of ``most``, that sum to ``min(total, sum(most))`` exactly.
    """
    left = min(total, sum(most.values()))
    parts: dict[str, int] = {}
    while len(parts) < len(most):
        free = [key for key in most if key not in parts]
        weight = {key: max(0, wanted.get(key, 0)) for key in free}
        if not any(weight.values()):
            weight = {key: most[key] or 1 for key in free}
        whole = sum(weight.values())
        full = {key: most[key] for key in free if left * weight[key] >= most[key] * whole}
        parts |= full or _largest_remainder(left, weight)
        left -= sum(full.values())
    return {key: parts[key] for key in most}


def _largest_remainder(total: int, weight: Mapping[str, int]) -> dict[str, int]:
    whole = sum(weight.values())
    parts = {key: total * each // whole for key, each in weight.items()}
    by_remainder = sorted(weight, key=lambda key: (-(total * weight[key] % whole), key))
    for key in by_remainder[: total - sum(parts.values())]:
        parts[key] += 1
    return parts


def read_rows(source: Path) -> list[dict[str, str]]:
    with source.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def write_table(path: Path, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(rows)


def write_text(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8", newline="\n")


def write_rules(out: Path, rules: Sequence[Mapping[str, Any]]) -> None:
    head = "# Illustrations by the authors of Fiscus, not law or policy; owners are roles such rules would belong to.\n"
    body = yaml.safe_dump([dict(rule) for rule in rules], sort_keys=False, allow_unicode=True, width=120)
    write_text(out / "rules.yaml", head + body)


def write_settings(out: Path, name: str, period: str, budget: int, note: str) -> None:
    write_text(out / "plan.yaml", SETTINGS.format(name=name, period=period, budget=budget, note=note))


SETTINGS = """\
name: {name}
currency: USD            # of every amount in this folder, in dollars
periods: [{period}]        # one yearly round
# {note}
budget: {{{period}: {budget}}}
method: optimise         # or top_down, bottom_up, hybrid, incremental, zero_based
spend_weight: 0          # 0: the most benefit from a fixed budget; 1: benefit less spending (net present value)
discount_rate: 0.0       # per period, a fraction; with one period it changes no choice
opening_cash: null       # no working-capital account
reserve: 0               # nothing held back
carry_over: 0            # what is not spent lapses at the end of the period
units: units.csv         # who the money flows through, with targets from earlier years
lines: lines.csv         # what it can be spent on: asks, last year, benefit curve and weight
rules: rules.yaml        # further rules, ours and mild
risk: null               # one scenario, so no risk to be averse to; scenarios: scenarios.csv would add more
"""
