"""Baltimore's capital programme as plan folders (§7).

What people decided in the year being planned never reaches a plan: the tables that a plan is read from are made from
:class:`Ask`, which has no such field, and from rows of earlier years. It goes to ``adopted.csv`` and ``stages.csv``,
for comparison only. The one exception is said where it is made: the money in each fund of the all-funds plan.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fiscus.errors import InvalidInput
from fiscus.integrate.public.files import (
    ADOPTED_COLUMNS,
    UNIT_COLUMNS,
    Unit,
    attainable,
    read_rows,
    write_rules,
    write_settings,
    write_table,
)
from fiscus.integrate.shipped import SOURCES

BALTIMORE = SOURCES / "baltimore_cip_fy2014_2024.csv"
GENERAL_OBLIGATION = "100"
"""Fund of the General Obligation bonds."""

BOND_ENVELOPES = dict.fromkeys(range(2016, 2020), 65_000_000) | dict.fromkeys(range(2020, 2025), 80_000_000)
"""US dollars of General Obligation bonds by fiscal year."""

FULL_NAMES = {
    "Baltimore City Office of Infor": "Baltimore City Office of Information & Technology",
    "Baltimore Development Corporat": "Baltimore Development Corporation",
    "City School System - Construct": "City School System - Construction",
    "City School System - Systemics": "City School System - Systemics Program",
    "Dept. of Housing & Community D": "Dept. of Housing & Community Dev.",
    "Transportation: Alleys & Footw": "Transportation: Alleys & Footways",
    "Transportation: Conduit Constr": "Transportation: Conduit Construction Program",
    "Transportation: Dev. Agencies": "Transportation: Dev. Agencies Program",
    "Transportation: Street Resurfa": "Transportation: Street Resurfacing",
    "Transportation: Streets & Hwys": "Transportation: Streets & Hwys.",
    "Transportation: Traffic Engine": "Transportation: Traffic Engineering",
}
"""Names that the annual file cuts off at 30 characters, as the six-year file spells them."""

LOOK_BACK = 5  # Years of decisions that weights, targets and floors are made from.
LOWEST_WEIGHT = 0.05
DEPARTMENT_FLOOR = 0.25  # Of the smaller of its ask and its average of the years looked back on.
DEPARTMENT_CAP = 0.40  # Of all General Obligation bonds.
CONTINUING_FLOOR = 0.5  # Of all General Obligation bonds, soft.
CONTINUING_PENALTY = 0.1
CITY_LINE_COLUMNS = (
    "id", "unit", "name", "prior", "ask", "cap", "weight", "priority", "curve", "a", "h",
    "fund", "department", "bureau", "status",
)  # fmt: skip
STAGE_COLUMNS = ("period", "line", "requested", "planning", "finance", "estimates", "adopted")


@dataclass(frozen=True, slots=True)
class Ask:
    """What is known about one project and fund before anyone decides; US dollars.

    Attributes:
        appropriated: Appropriated in all earlier years.
        requested: By the agency for the year being planned.
    """

    project: str
    title: str
    fund: str
    fund_name: str
    department: str
    bureau: str
    bureau_name: str
    appropriated: int
    requested: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """One project and fund in one year, with the decision of every stage; US dollars."""

    year: int
    ask: Ask
    planning: int
    finance: int
    estimates: int
    adopted: int


def read_baltimore(source: Path = BALTIMORE) -> list[Outcome]:
    """Every project and fund of every year, sorted; rows of the same year, project and fund are added up."""
    groups: dict[tuple[int, str, str], list[dict[str, str]]] = defaultdict(list)
    for row in read_rows(source):
        groups[int(row["fiscal_year"]), row["source_code"], row["cip_number"]].append(row)
    return [_outcome(groups[key]) for key in sorted(groups)]


def _outcome(rows: Sequence[Mapping[str, str]]) -> Outcome:
    def total(stage: str) -> int:
        return sum(int(row[f"{stage}_amt"]) for row in rows)

    first = rows[0]
    ask = Ask(
        project=first["cip_number"],
        title=first["project_title"].strip(),
        fund=first["source_code"],
        fund_name=first["source_name"],
        department=FULL_NAMES.get(first["department"], first["department"]),
        bureau=first["bureau_program"],
        bureau_name=FULL_NAMES.get(first["bureau_name"], first["bureau_name"]),
        appropriated=total("appropriated"),
        requested=total("agency"),
    )
    return Outcome(int(first["fiscal_year"]), ask, total("planning"), total("bof"), total("boe"), total("budget"))


def baltimore_go_plan(out: Path, year: int = 2024, source: Path = BALTIMORE) -> None:
    """Write the plan of one year's General Obligation bonds.

    Args:
        out: Folder to write into.
        year: Fiscal year planned; only earlier years are looked back on.
        source: The raw table.

    Raises:
        InvalidInput: For a year whose bond envelope is not known.
    """
    if year not in BOND_ENVELOPES:
        raise InvalidInput(f"year must be {min(BOND_ENVELOPES)} to {max(BOND_ENVELOPES)}, got {year}")
    outcomes = [each for each in read_baltimore(source) if each.ask.fund == GENERAL_OBLIGATION]
    asks, earlier = _known(outcomes, year)
    envelope = BOND_ENVELOPES[year]
    units = [("city", "", "City of Baltimore", None, envelope), *_fund_units("", "city", asks, earlier, envelope, year)]
    lines = _city_lines(asks, earlier, year, lambda ask: ask.project, lambda ask: f"bureau-{ask.bureau}")
    write_table(out / "units.csv", UNIT_COLUMNS, units)
    write_table(out / "lines.csv", CITY_LINE_COLUMNS, lines)
    write_rules(out, _bond_rules("", "city", asks, earlier, year))
    name = f"Baltimore FY{year} General Obligation bonds"
    note = "The bond envelope, the same every year since FY2020." if year >= 2020 else "The bond envelope of the year."
    write_settings(out, name, f"FY{year}", envelope, note)
    _write_decisions(out, outcomes, year, lambda ask: ask.project)


def baltimore_all_funds_plan(out: Path, year: int = 2024, source: Path = BALTIMORE) -> None:
    """Write the plan of all funds of one year, each fund its own envelope.

    The money in a fund is what was adopted from it: the one figure taken from the outcome. A fund from which nothing
    (or less) was adopted has a cap of 0.

    Args:
        out: Folder to write into.
        year: Fiscal year planned; apart from the funds' envelopes only earlier years are looked back on.
        source: The raw table.

    Raises:
        InvalidInput: For a year without rows.
    """
    outcomes = read_baltimore(source)
    asks, earlier = _known(outcomes, year)
    if not asks:
        raise InvalidInput(f"year must have requests in {source.name}, got {year}")
    available = _available(outcomes, year)
    units: list[Unit] = []
    for fund in sorted({ask.fund for ask in asks}):
        node, members = f"fund-{fund}", [ask for ask in asks if ask.fund == fund]
        target = min(available[fund], sum(ask.requested for ask in members))
        past = [each for each in earlier if each.ask.fund == fund]
        units.append((node, "city", members[0].fund_name, available[fund], target))
        units += _fund_units(f"{node}/", node, members, past, available[fund], year)
    city: Unit = ("city", "", "City of Baltimore", None, sum(row[4] or 0 for row in units if row[1] == "city"))
    lines = _city_lines(asks, earlier, year, _line_of_fund, lambda ask: f"fund-{ask.fund}/bureau-{ask.bureau}")
    write_table(out / "units.csv", UNIT_COLUMNS, [city, *units])
    write_table(out / "lines.csv", CITY_LINE_COLUMNS, lines)
    write_rules(out, _rules_of_bonds_fund(asks, earlier, year))
    note = "TAKEN FROM THE OUTCOME: the money in a fund (its cap in units.csv) is what was adopted from it. Their sum:"
    write_settings(out, f"Baltimore FY{year} capital budget, all funds", f"FY{year}", sum(available.values()), note)
    _write_decisions(out, outcomes, year, _line_of_fund)


def _line_of_fund(ask: Ask) -> str:
    return f"{ask.fund}/{ask.project}"


def _available(outcomes: Sequence[Outcome], year: int) -> dict[str, int]:
    """Money in each fund: what was adopted from it, never below 0."""
    total: dict[str, int] = defaultdict(int)
    for each in outcomes:
        total[each.ask.fund] += each.adopted if each.year == year else 0
    return {fund: max(0, amount) for fund, amount in total.items()}


def _rules_of_bonds_fund(asks: Sequence[Ask], earlier: Sequence[Outcome], year: int) -> list[dict[str, Any]]:
    """The bond plan's rules, on the bonds' part of the tree."""
    bonds = [ask for ask in asks if ask.fund == GENERAL_OBLIGATION]
    past = [each for each in earlier if each.ask.fund == GENERAL_OBLIGATION]
    node = f"fund-{GENERAL_OBLIGATION}"
    return _bond_rules(f"{node}/", node, bonds, past, year)


def _known(outcomes: Iterable[Outcome], year: int) -> tuple[list[Ask], list[Outcome]]:
    """What may be used to plan a year: its positive requests, and the decisions of the years before."""
    outcomes = list(outcomes)
    asks = [each.ask for each in outcomes if each.year == year and each.ask.requested > 0]
    return asks, [each for each in outcomes if each.year < year]


def _recent(earlier: Iterable[Outcome], year: int) -> list[Outcome]:
    return [each for each in earlier if year - LOOK_BACK <= each.year < year]


def _adopted_by(outcomes: Iterable[Outcome], key: Callable[[Ask], str]) -> dict[str, int]:
    total: dict[str, int] = defaultdict(int)
    for each in outcomes:
        total[key(each.ask)] += each.adopted
    return total


def _department(ask: Ask) -> str:
    return re.sub(r"[^a-z0-9]+", "-", ask.department.lower()).strip("-")


def _fund_units(
    prefix: str, top: str, asks: Sequence[Ask], earlier: Sequence[Outcome], envelope: int, year: int
) -> list[Unit]:
    """Departments and bureaus that request from one fund, with attainable targets by what they were given before."""
    recent = _recent(earlier, year)
    by_department, by_bureau = (_adopted_by(recent, key) for key in (_department, lambda ask: ask.bureau))
    departments, bureaus = _asked_by(asks, _department), _asked_by(asks, lambda ask: ask.bureau)
    names = {_department(ask): ask.department for ask in asks}
    caps = _concentration_caps(departments, envelope) if asks[0].fund == GENERAL_OBLIGATION else {}
    most = {each: min(departments[each], caps.get(each, departments[each])) for each in sorted(departments)}
    targets = attainable(envelope, by_department, most)
    units: list[Unit] = []
    for department, target in targets.items():
        node = f"{prefix}{department}"
        units.append((node, top, names[department], caps.get(department), target))
        members = {ask.bureau: ask.bureau_name for ask in asks if _department(ask) == department}
        inner = attainable(target, by_bureau, {bureau: bureaus[bureau] for bureau in sorted(members)})
        units += [(f"{prefix}bureau-{each}", node, members[each], None, inner[each]) for each in inner]
    return units


def _concentration_caps(asked: Mapping[str, int], envelope: int) -> dict[str, int]:
    """No department takes more than its share of the bonds; only for those that ask for more."""
    cap = int(DEPARTMENT_CAP * envelope)
    return {department: cap for department, amount in asked.items() if amount > cap}


def _asked_by(asks: Iterable[Ask], key: Callable[[Ask], str]) -> dict[str, int]:
    total: dict[str, int] = defaultdict(int)
    for ask in asks:
        total[key(ask)] += ask.requested
    return total


def _city_lines(
    asks: Sequence[Ask],
    earlier: Sequence[Outcome],
    year: int,
    line_id: Callable[[Ask], str],
    unit_id: Callable[[Ask], str],
) -> list[tuple[Any, ...]]:
    """Rows of ``lines.csv``."""
    rates = approval_rates(_recent(earlier, year))
    last = {(each.ask.fund, each.ask.project): each.adopted for each in earlier if each.year == year - 1}
    before = {each.ask.project for each in earlier if each.ask.requested > 0}
    rows = []
    for ask in asks:
        continuing = ask.appropriated > 0
        priority = 3 if not continuing else 1 if ask.project in before else 2
        weight = rates.get((ask.fund, ask.bureau)) or rates.get((ask.fund, "")) or rates["", ""]
        rows.append((
            line_id(ask), unit_id(ask), ask.title, max(0, last.get((ask.fund, ask.project), 0)), ask.requested,
            ask.requested, f"{weight:.4f}", priority, "log", ask.requested, ask.requested, ask.fund, ask.department,
            ask.bureau_name, "continuing" if continuing else "new",
        ))  # fmt: skip
    return sorted(rows)


def approval_rates(outcomes: Iterable[Outcome]) -> dict[tuple[str, str], float]:
    """Dollars adopted per dollar requested, between 0.05 and 1, by fund and bureau.

    Bureau ``""`` is the whole fund and fund ``""`` everything, for those that never asked.
    """
    asked: dict[tuple[str, str], int] = defaultdict(int)
    given: dict[tuple[str, str], int] = defaultdict(int)
    for each in outcomes:
        for key in ((each.ask.fund, each.ask.bureau), (each.ask.fund, ""), ("", "")):
            asked[key] += each.ask.requested
            given[key] += each.adopted
    return {key: min(1.0, max(LOWEST_WEIGHT, given[key] / asked[key])) for key in sorted(asked) if asked[key] > 0}


def _bond_rules(
    prefix: str, top: str, asks: Sequence[Ask], earlier: Sequence[Outcome], year: int
) -> list[dict[str, Any]]:
    """Mild rules on General Obligation bonds: no department falls off a cliff, and what was begun is finished."""
    past = _adopted_by(_recent(earlier, year), _department)
    asked, names = _asked_by(asks, _department), {_department(ask): ask.department for ask in asks}
    tag = {"status": "continuing"} | ({"fund": GENERAL_OBLIGATION} if prefix else {})
    floors = {each: _no_cliff(past[each], asked[each]) for each in sorted(asked)}
    return [
        *(_floor_rule(prefix + each, names[each], floors[each], year) for each in floors if floors[each]),
        _continuing_rule(tag, top),
    ]


def _no_cliff(adopted: int, asked: int) -> int:
    return int(DEPARTMENT_FLOOR * min(max(0, adopted) // LOOK_BACK, asked))


def _floor_rule(node: str, name: str, floor: int, year: int) -> dict[str, Any]:
    why = f"a quarter of what it asks or of its FY{year - LOOK_BACK}-FY{year - 1} average, whichever is smaller"
    text = f"No cliff: {name} gets at least ${floor:,} of bonds, {why}."
    rule = {"id": f"floor-{node}", "kind": "envelope", "text": text, "owner": "Department of Planning"}
    return rule | {"node": node, "floor": floor}


def _continuing_rule(tag: Mapping[str, str], top: str) -> dict[str, Any]:
    text = f"Finish what was begun: continuing projects get at least {CONTINUING_FLOOR:.0%} of the bonds spent."
    rule = {"id": "continuing", "kind": "share", "text": text, "owner": "Planning Commission"}
    soft = {"hard": False, "penalty": CONTINUING_PENALTY}
    return rule | soft | {"tag": dict(tag), "of": top, "floor": CONTINUING_FLOOR}


def _write_decisions(out: Path, outcomes: Sequence[Outcome], year: int, line_id: Callable[[Ask], str]) -> None:
    """What people decided in the year planned: for comparison and replay, never read with the plan."""
    period = f"FY{year}"
    decided = sorted((line_id(each.ask), each) for each in outcomes if each.year == year)
    write_table(out / "adopted.csv", ADOPTED_COLUMNS, [(period, line, each.adopted) for line, each in decided])
    stages = [
        (period, line, each.ask.requested, each.planning, each.finance, each.estimates, each.adopted)
        for line, each in decided
    ]
    write_table(out / "stages.csv", STAGE_COLUMNS, stages)
