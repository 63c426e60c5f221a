"""Public budget data, shipped with the package, turned into the plan folders (§7) under ``fiscus/plans``.

What people decided in the year being planned never reaches a plan: the tables that a plan is read from are made from
:class:`Ask`, which has no such field, and from rows of earlier years. It goes to ``adopted.csv`` and ``stages.csv``,
for comparison only. The one exception is said where it is made: the money in each fund of the all-funds plan.
"""

from __future__ import annotations

import csv
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from fiscus.errors import InvalidInput
from fiscus.integrate.shipped import SOURCES

BALTIMORE = SOURCES / "baltimore_cip_fy2014_2024.csv"
OMB = SOURCES / "omb_discretionary_ba_fy2010_2017.csv"

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
ACCOUNT_FLOOR_PERCENT = 80  # Of last year.
AGENCY_GROWTH = 0.10
DEFENCE_BAND = 0.01  # Either side of last year's share.

UNIT_COLUMNS = ("id", "parent", "name", "cap", "target")
CITY_LINE_COLUMNS = (
    "id", "unit", "name", "prior", "ask", "cap", "weight", "priority", "curve", "a", "h",
    "fund", "department", "bureau", "status",
)  # fmt: skip
FEDERAL_LINE_COLUMNS = (
    "id", "unit", "name", "prior", "ask", "floor", "cap", "weight", "priority", "curve", "a", "h",
    "agency", "bureau", "subfunction", "category",
)  # fmt: skip
ADOPTED_COLUMNS = ("period", "line", "amount")
STAGE_COLUMNS = ("period", "line", "requested", "planning", "finance", "estimates", "adopted")
LEFT_OUT_COLUMNS = ("period", "line", "name", "prior", "ask", "reason")

Unit = tuple[str, str, str, int | None, int | None]
"""A row of ``units.csv``: id, parent, name, cap, target."""


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


def write_shipped_plans(folder: Path) -> None:
    """Make every shipped plan anew from the raw data, each in its own folder below this one.

    Their README files are written by hand.
    """
    baltimore_go_plan(folder / "baltimore-go-fy2024")
    baltimore_all_funds_plan(folder / "baltimore-all-funds-fy2024")
    omb_plan(folder / "us-federal-fy2016")


# Baltimore


def read_baltimore(source: Path = BALTIMORE) -> list[Outcome]:
    """Every project and fund of every year, sorted; rows of the same year, project and fund are added up."""
    groups: dict[tuple[int, str, str], list[dict[str, str]]] = defaultdict(list)
    for row in _read(source):
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
    _write_table(out / "units.csv", UNIT_COLUMNS, units)
    _write_table(out / "lines.csv", CITY_LINE_COLUMNS, lines)
    _write_rules(out, _bond_rules("", "city", asks, earlier, year))
    name = f"Baltimore FY{year} General Obligation bonds"
    note = "The bond envelope, the same every year since FY2020." if year >= 2020 else "The bond envelope of the year."
    _write_settings(out, name, f"FY{year}", envelope, note)
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
    _write_table(out / "units.csv", UNIT_COLUMNS, [city, *units])
    _write_table(out / "lines.csv", CITY_LINE_COLUMNS, lines)
    _write_rules(out, _rules_of_bonds_fund(asks, earlier, year))
    note = "TAKEN FROM THE OUTCOME: the money in a fund (its cap in units.csv) is what was adopted from it. Their sum:"
    _write_settings(out, f"Baltimore FY{year} capital budget, all funds", f"FY{year}", sum(available.values()), note)
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
    _write_table(out / "adopted.csv", ADOPTED_COLUMNS, [(period, line, each.adopted) for line, each in decided])
    stages = [
        (period, line, each.ask.requested, each.planning, each.finance, each.estimates, each.adopted)
        for line, each in decided
    ]
    _write_table(out / "stages.csv", STAGE_COLUMNS, stages)


# US federal government


@dataclass(frozen=True, slots=True)
class Account:
    """One account of the US budget; US dollars of discretionary budget authority.

    Attributes:
        id: Agency, bureau and account code, and the subfunction where an account has several.
        prior: Last year's actual.
        ask: The President's request.
        enacted: What Congress enacted, for comparison only.
    """

    id: str
    name: str
    agency: str
    agency_name: str
    bureau: str
    bureau_name: str
    subfunction: str
    category: str
    prior: int
    ask: int
    enacted: int


def read_omb(source: Path = OMB) -> list[Account]:
    """Every account, sorted by id."""
    rows = _read(source)
    keys = ["-".join((row["agency_code"], row["bureau_code"], row["account_code"])) for row in rows]
    shared = {key for key in keys if keys.count(key) > 1}
    accounts = (_account(row, key, key in shared) for row, key in zip(rows, keys, strict=True))
    return sorted(accounts, key=lambda account: account.id)


def _account(row: Mapping[str, str], key: str, shared: bool) -> Account:
    def dollars(column: str) -> int:
        return 1000 * int(row[column])

    return Account(
        id=f"{key}/{row['subfunction_code']}" if shared else key,
        name=row["account_name"].strip(),
        agency=row["agency_code"],
        agency_name=row["agency_name"],
        bureau=f"{row['agency_code']}-{row['bureau_code']}",
        bureau_name=row["bureau_name"],
        subfunction=row["subfunction_title"],
        category="defence" if row["subfunction_code"].startswith("05") else "non-defence",
        prior=dollars("ba_2015_actual"),
        ask=dollars("ba_2016_request"),
        enacted=dollars("ba_2016_enacted"),
    )


def omb_plan(out: Path, source: Path = OMB) -> None:
    """Write the plan of US federal discretionary spending in FY2016 under a budget that does not grow.

    Args:
        out: Folder to write into.
        source: The raw table.
    """
    accounts = read_omb(source)
    asking = [account for account in accounts if account.ask > 0]
    budget = sum(max(0, account.prior) for account in asking)
    _write_table(out / "units.csv", UNIT_COLUMNS, _federal_units(asking, budget))
    _write_table(out / "lines.csv", FEDERAL_LINE_COLUMNS, [_federal_line(account) for account in asking])
    _write_rules(out, _federal_rules(asking, budget))
    note = "Flat budget: the FY2015 money of the accounts that ask, less than they ask. Our scenario, not a law."
    _write_settings(out, "US federal discretionary budget FY2016, flat", "FY2016", budget, note)
    adopted = [("FY2016", account.id, account.enacted) for account in accounts]
    _write_table(out / "adopted.csv", ADOPTED_COLUMNS, adopted)
    reasons = {True: "asks for nothing", False: "asks for less than nothing (offsetting receipts, rescissions)"}
    left_out = [
        ("FY2016", account.id, account.name, account.prior, account.ask, reasons[account.ask == 0])
        for account in accounts
        if account.ask <= 0
    ]
    _write_table(out / "left_out.csv", LEFT_OUT_COLUMNS, left_out)


def _federal_line(account: Account) -> tuple[Any, ...]:
    prior = max(0, account.prior)
    floor = min(account.ask, prior * ACCOUNT_FLOOR_PERCENT // 100)
    return (
        account.id, account.bureau, account.name, prior, account.ask, floor, account.ask, 1, None, "log", account.ask,
        account.ask, account.agency_name, account.bureau_name, account.subfunction, account.category,
    )  # fmt: skip


def _federal_units(asking: Sequence[Account], budget: int) -> list[Unit]:
    """Agencies and bureaus, with attainable targets by last year's money."""
    asks, priors = _federal_totals(asking)
    agencies = {account.agency: account.agency_name for account in asking}
    units: list[Unit] = [("us", "", "United States Government", None, budget)]
    targets = attainable(budget, priors, {agency: asks[agency] for agency in sorted(agencies)})
    for agency, target in targets.items():
        bureaus = {account.bureau: account.bureau_name for account in asking if account.agency == agency}
        inner = attainable(target, priors, {bureau: asks[bureau] for bureau in sorted(bureaus)})
        units.append((agency, "us", agencies[agency], None, target))
        units += [(bureau, agency, bureaus[bureau], None, inner[bureau]) for bureau in inner]
    return units


def _federal_totals(asking: Iterable[Account]) -> tuple[dict[str, int], dict[str, int]]:
    """Asks and last year's money of every agency and bureau."""
    asks: dict[str, int] = defaultdict(int)
    priors: dict[str, int] = defaultdict(int)
    for account in asking:
        for unit in (account.agency, account.bureau):
            asks[unit] += account.ask
            priors[unit] += max(0, account.prior)
    return asks, priors


def _federal_rules(asking: Sequence[Account], budget: int) -> list[dict[str, Any]]:
    asks, priors = _federal_totals(asking)
    names = {account.agency: account.agency_name for account in asking}
    # Only where the rule can bind; an agency that is new this year has nothing to grow from.
    growing = [each for each in sorted(names) if 0 < priors[each] * (1 + AGENCY_GROWTH) < asks[each]]
    defence = sum(max(0, account.prior) for account in asking if account.category == "defence") / budget
    return [*(_growth_rule(each, names[each]) for each in growing), _defence_rule(defence)]


def _growth_rule(agency: str, name: str) -> dict[str, Any]:
    text = f"No leap: {name} grows by at most {AGENCY_GROWTH:.0%} in one year."
    rule = {"id": f"growth-{agency}", "kind": "change", "text": text, "owner": "Office of Management and Budget"}
    return rule | {"node": agency, "up": AGENCY_GROWTH, "relative": True}


def _defence_rule(share: float) -> dict[str, Any]:
    floor, cap = round(share - DEFENCE_BAND, 4), round(share + DEFENCE_BAND, 4)
    text = f"Parity: defence keeps its share of last year ({share:.2%} of the total) to within one point either way."
    rule = {"id": "defence-share", "kind": "share", "text": text, "owner": "Committee on Appropriations"}
    return rule | {"tag": {"category": "defence"}, "floor": floor, "cap": cap}


# Files


def _read(source: Path) -> list[dict[str, str]]:
    with source.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _write_table(path: Path, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(rows)


def _write_text(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8", newline="\n")


def _write_rules(out: Path, rules: Sequence[Mapping[str, Any]]) -> None:
    head = "# Illustrations by the authors of Fiscus, not law or policy; owners are roles such rules would belong to.\n"
    body = yaml.safe_dump([dict(rule) for rule in rules], sort_keys=False, allow_unicode=True, width=120)
    _write_text(out / "rules.yaml", head + body)


def _write_settings(out: Path, name: str, period: str, budget: int, note: str) -> None:
    _write_text(out / "plan.yaml", SETTINGS.format(name=name, period=period, budget=budget, note=note))


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
