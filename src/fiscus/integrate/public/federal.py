"""The US federal discretionary budget as a plan folder (§7)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

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

OMB = SOURCES / "omb_discretionary_ba_fy2010_2017.csv"

ACCOUNT_FLOOR_PERCENT = 80  # Of last year.
AGENCY_GROWTH = 0.10
DEFENCE_BAND = 0.01  # Either side of last year's share.

FEDERAL_LINE_COLUMNS = (
    "id", "unit", "name", "prior", "ask", "floor", "cap", "weight", "priority", "curve", "a", "h",
    "agency", "bureau", "subfunction", "category", "asks_for",
)  # fmt: skip


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

    @property
    def had(self) -> int:
        """Last year's money; offsetting receipts count as none."""
        return max(0, self.prior)

    @property
    def wants(self) -> int:
        """Money asked for; rescissions and offsetting receipts count as none."""
        return max(0, self.ask)


def read_omb(source: Path = OMB) -> list[Account]:
    """Every account, sorted by id."""
    rows = read_rows(source)
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
    budget = sum(account.had for account in accounts)
    write_table(out / "units.csv", UNIT_COLUMNS, _federal_units(accounts, budget))
    write_table(out / "lines.csv", FEDERAL_LINE_COLUMNS, [_federal_line(account) for account in accounts])
    write_rules(out, _federal_rules(accounts, budget))
    note = "Flat budget: the FY2015 money of all accounts, less than they ask. Our scenario, not a law."
    write_settings(out, "US federal discretionary budget FY2016, flat", "FY2016", budget, note)
    adopted = [("FY2016", account.id, account.enacted) for account in accounts]
    write_table(out / "adopted.csv", ADOPTED_COLUMNS, adopted)


def _federal_line(account: Account) -> tuple[Any, ...]:
    prior, ask = account.had, account.wants
    floor = min(ask, prior * ACCOUNT_FLOOR_PERCENT // 100)
    # A logarithm needs money to bend at; who asks for nothing has no use for any.
    curve = ("log", ask, ask) if ask else ("linear", 0, None)
    asks = "something" if account.ask > 0 else "nothing" if account.ask == 0 else "less than nothing"
    return (
        account.id, account.bureau, account.name, prior, ask, floor, ask, 1, None, *curve,
        account.agency_name, account.bureau_name, account.subfunction, account.category, asks,
    )  # fmt: skip


def _federal_units(accounts: Sequence[Account], budget: int) -> list[Unit]:
    """Agencies and bureaus, with attainable targets by last year's money."""
    asks, priors = _federal_totals(accounts)
    agencies = {account.agency: account.agency_name for account in accounts}
    units: list[Unit] = [("us", "", "United States Government", None, budget)]
    targets = attainable(budget, priors, {agency: asks[agency] for agency in sorted(agencies)})
    for agency, target in targets.items():
        bureaus = {account.bureau: account.bureau_name for account in accounts if account.agency == agency}
        inner = attainable(target, priors, {bureau: asks[bureau] for bureau in sorted(bureaus)})
        units.append((agency, "us", agencies[agency], None, target))
        units += [(bureau, agency, bureaus[bureau], None, inner[bureau]) for bureau in inner]
    return units


def _federal_totals(accounts: Iterable[Account]) -> tuple[dict[str, int], dict[str, int]]:
    """Asks and last year's money of every agency and bureau."""
    asks: dict[str, int] = defaultdict(int)
    priors: dict[str, int] = defaultdict(int)
    for account in accounts:
        for unit in (account.agency, account.bureau):
            asks[unit] += account.wants
            priors[unit] += account.had
    return asks, priors


def _federal_rules(accounts: Sequence[Account], budget: int) -> list[dict[str, Any]]:
    asks, priors = _federal_totals(accounts)
    names = {account.agency: account.agency_name for account in accounts}
    # Only where the rule can bind; an agency that is new this year has nothing to grow from.
    growing = [each for each in sorted(names) if 0 < priors[each] * (1 + AGENCY_GROWTH) < asks[each]]
    defence = sum(account.had for account in accounts if account.category == "defence") / budget
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
