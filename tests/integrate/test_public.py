"""The shipped plans: their figures, their origin, and that they know nothing of what was decided."""

from __future__ import annotations

import csv
import hashlib
from collections import Counter, defaultdict
from itertools import pairwise
from pathlib import Path

import pytest
import yaml

from fiscus.errors import InvalidInput
from fiscus.integrate.public import baltimore_all_funds_plan, baltimore_go_plan, write_shipped_plans
from fiscus.integrate.public.baltimore import BALTIMORE, BOND_ENVELOPES, FULL_NAMES, approval_rates, read_baltimore
from fiscus.integrate.public.federal import OMB, read_omb
from fiscus.integrate.public.files import attainable
from fiscus.integrate.shipped import PLANS, SOURCES, shipped_plans
from fiscus.integrate.tables import read_plan

BONDS = PLANS / "baltimore-go-fy2024"
ALL_FUNDS = PLANS / "baltimore-all-funds-fy2024"
FEDERAL = PLANS / "us-federal-fy2016"
DECISIONS = ("planning_amt", "bof_amt", "boe_amt", "budget_amt")
BY_HAND = {"README.md", "authority.yaml"}
READ_WITH_A_PLAN = ("plan.yaml", "units.csv", "lines.csv", "rules.yaml")
PLAN_KEYS = {
    "name", "currency", "periods", "budget", "method", "spend_weight", "discount_rate", "opening_cash", "reserve",
    "carry_over", "units", "lines", "rules", "scenarios", "risk",
}  # fmt: skip
RULE_KEYS = {"id", "kind", "text", "owner", "hard", "penalty", "mandatory", "periods"}
KEYS_OF_KIND = {
    "envelope": {"node", "floor", "cap"},
    "share": {"tag", "node", "of", "floor", "cap"},
    "change": {"node", "lines", "down", "up", "relative"},
}

every_plan = pytest.mark.parametrize("folder", [BONDS, ALL_FUNDS, FEDERAL], ids=lambda folder: folder.name)


def table(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def total(rows: list[dict[str, str]], column: str) -> int:
    return sum(int(row[column] or 0) for row in rows)


def units_above(units: list[dict[str, str]]) -> dict[str, list[str]]:
    """Every unit with those above it, itself first; loops would not end, so steps are counted."""
    parent = {row["id"]: row["parent"] for row in units}
    paths = {}
    for unit in parent:
        path = [unit]
        while parent[path[-1]]:
            path.append(parent[path[-1]])
            assert len(path) <= len(parent)
        paths[unit] = path
    return paths


# Provenance


@pytest.mark.parametrize(
    ("name", "digest"),
    [
        ("baltimore_cip_fy2014_2024.csv", "927bdc513e1946d6b9be4f50a7ff8f10c49247e5d9cf8a754cd250abc1096ecd"),
        ("baltimore_six_year_fy2024_2029.csv", "c9000b1aad7358a2db5743e440fab06fc9ffdf8c180fd6dbb3dffbcbcd0c96ef"),
        ("omb_discretionary_ba_fy2010_2017.csv", "116afd29dd3f8ca39b9cecc8a93c03bba674ff56c9634d1c17dd5f21c321d3b8"),
    ],
)
def test_raw_data_are_as_gathered(name: str, digest: str) -> None:
    assert hashlib.sha256((SOURCES / name).read_bytes()).hexdigest() == digest


def test_sources_name_origin_and_licence() -> None:
    text = (SOURCES / "README.md").read_text(encoding="utf-8")
    assert "city-of-baltimore/baltimoreCIP" in text
    assert "ea9dd741" in text
    assert "Permission is hereby granted, free of charge" in text
    assert "CC0" in (SOURCES / "OMB-LICENSE.md").read_text(encoding="utf-8")


def test_shipped_plans_are_found() -> None:
    assert shipped_plans() == {folder.name: folder for folder in (ALL_FUNDS, BONDS, FEDERAL)}


def test_made_anew_the_plans_are_the_same_to_the_byte(tmp_path: Path) -> None:
    write_shipped_plans(tmp_path)
    for folder in (BONDS, ALL_FUNDS, FEDERAL):
        made = {path.name: path.read_bytes() for path in (tmp_path / folder.name).iterdir()}
        kept = {path.name: path.read_bytes() for path in folder.iterdir() if path.name not in BY_HAND}
        assert made == kept
        assert not any(b"\r" in content for content in made.values())


def test_the_authority_matrix_beside_the_plan_is_the_one_in_configs() -> None:
    ours = Path(__file__).parents[2] / "configs" / "authority" / "baltimore.yaml"
    assert (BONDS / "authority.yaml").read_bytes() == ours.read_bytes()


@every_plan
def test_readme_says_what_the_data_cannot(folder: Path) -> None:
    text = " ".join((folder / "README.md").read_text(encoding="utf-8").split())
    assert "There is no assessed benefit in the data" in text
    assert "by your own scores" in text
    assert "not an optimum" in text
    assert "never read with the plan" in text


# Shape that every plan has


@every_plan
def test_reader_finds_nothing_wrong(folder: Path) -> None:
    problem, findings = read_plan(folder)
    assert findings == []
    assert problem is not None
    assert problem.shape == (1, len(table(folder / "lines.csv")))


@every_plan
def test_ids_are_unique_and_every_unit_leads_to_lines(folder: Path) -> None:
    units, lines = table(folder / "units.csv"), table(folder / "lines.csv")
    assert max(Counter(row["id"] for row in units + lines).values()) == 1
    assert sum(not row["parent"] for row in units) == 1
    paths = units_above(units)
    reached = {unit for line in lines for unit in paths[line["unit"]]}
    assert reached == set(paths)


@every_plan
def test_targets_of_children_sum_to_their_parents_and_can_be_reached(folder: Path) -> None:
    units, lines = table(folder / "units.csv"), table(folder / "lines.csv")
    paths, asked, inner = units_above(units), defaultdict(int), defaultdict(int)
    for line in lines:
        for unit in paths[line["unit"]]:
            asked[unit] += int(line["ask"])
    for row in units:
        inner[row["parent"]] += int(row["target"])
        assert int(row["target"]) <= min(asked[row["id"]], int(row["cap"] or asked[row["id"]]))
    assert all(inner[row["id"]] == int(row["target"]) for row in units if row["id"] in inner)


@every_plan
def test_rules_use_the_keys_of_the_contract(folder: Path) -> None:
    settings = yaml.safe_load((folder / "plan.yaml").read_text(encoding="utf-8"))
    rules = yaml.safe_load((folder / "rules.yaml").read_text(encoding="utf-8"))
    assert set(settings) <= PLAN_KEYS
    assert max(Counter(rule["id"] for rule in rules).values()) == 1
    for rule in rules:
        assert set(rule) <= RULE_KEYS | KEYS_OF_KIND[rule["kind"]]
        assert rule["text"]
        assert rule["owner"]


@every_plan
def test_floors_fit_under_the_caps_the_targets_and_the_budget(folder: Path) -> None:
    units, lines = table(folder / "units.csv"), table(folder / "lines.csv")
    rules = yaml.safe_load((folder / "rules.yaml").read_text(encoding="utf-8"))
    paths, least = units_above(units), defaultdict(int)
    for line in lines:
        assert int(line.get("floor", 0)) <= int(line["cap"]) == int(line["ask"])
        for unit in paths[line["unit"]]:
            least[unit] += int(line.get("floor", 0))
    for rule in rules:
        if rule["kind"] == "envelope":
            for unit in paths[rule["node"]]:
                least[unit] += rule["floor"]
    assert any(least.values())
    for row in units:
        assert least[row["id"]] <= min(int(row["target"]), int(row["cap"] or row["target"]))


# Baltimore, General Obligation bonds


def test_bond_figures_are_exact() -> None:
    lines, units = table(BONDS / "lines.csv"), table(BONDS / "units.csv")
    settings = yaml.safe_load((BONDS / "plan.yaml").read_text(encoding="utf-8"))
    assert settings["budget"] == {"FY2024": 80_000_000}
    assert len(lines) == 118
    assert total(lines, "ask") == 210_125_000
    assert {(row["curve"], row["a"] == row["ask"] == row["h"]) for row in lines} == {("log", True)}
    assert total([row for row in units if row["parent"] == "city"], "target") == 80_000_000
    assert total(lines, "prior") == 51_027_000


def test_bond_rows_span_eleven_bureaus_and_the_requests_ten() -> None:
    rows = [row for row in table(BALTIMORE) if row["fiscal_year"] == "2024" and row["source_code"] == "100"]
    asking = [row for row in rows if int(row["agency_amt"]) > 0]
    columns = ("bureau_program", "department")
    counts = [[len({row[column] for row in some}) for column in columns] for some in (rows, asking)]
    assert [len(rows), len(asking)] == [125, 118]
    assert counts == [[11, 10], [10, 9]]
    parents = [row["parent"] for row in table(BONDS / "units.csv")]
    assert parents.count("city") == 9
    assert len(parents) - parents.count("city") - 1 == 10


def test_what_was_adopted_is_kept_beside_the_plan() -> None:
    lines = {row["id"] for row in table(BONDS / "lines.csv")}
    adopted = table(BONDS / "adopted.csv")
    unasked = [int(row["amount"]) for row in adopted if row["line"] not in lines]
    assert total(adopted, "amount") == 80_000_000
    assert sorted(unasked) == [-1_450_000, 375_000, 375_000, 375_000, 375_000, 400_000, 1_000_000]
    assert total([row for row in adopted if row["line"] in lines], "amount") == 78_550_000


def test_one_project_was_given_more_than_it_asked() -> None:
    asked = {row["id"]: int(row["ask"]) for row in table(BONDS / "lines.csv")}
    given = {row["line"]: int(row["amount"]) for row in table(BONDS / "adopted.csv")}
    assert [line for line in asked if given[line] > asked[line]] == ["474-087"]
    assert sum(min(asked[line], given[line]) for line in asked) == 77_050_000


def test_weight_is_the_approval_rate_of_the_five_years_before() -> None:
    rows = [row for row in table(BALTIMORE) if row["source_code"] == "100" and 2019 <= int(row["fiscal_year"]) <= 2023]
    weights = {row["unit"]: row["weight"] for row in table(BONDS / "lines.csv")}
    for unit, weight in weights.items():
        bureau = [row for row in rows if f"bureau-{row['bureau_program']}" == unit]
        assert weight == f"{total(bureau, 'budget_amt') / total(bureau, 'agency_amt'):.4f}"
    assert weights["bureau-588"] == "0.8849"
    assert weights["bureau-417"] == "1.0000"


def test_priority_prior_and_status_come_from_earlier_rows() -> None:
    earlier = [row for row in table(BALTIMORE) if int(row["fiscal_year"]) < 2024]
    before = {row["cip_number"] for row in earlier if int(row["agency_amt"]) > 0}
    last = [row for row in earlier if row["fiscal_year"] == "2023" and row["source_code"] == "100"]
    for line in table(BONDS / "lines.csv"):
        assert int(line["prior"]) == total([row for row in last if row["cip_number"] == line["id"]], "budget_amt")
        assert (line["priority"] == "3") == (line["status"] == "new")
        assert line["priority"] != "1" or line["id"] in before
    assert Counter(line["priority"] for line in table(BONDS / "lines.csv")) == {"1": 46, "3": 72}


def test_departments_keep_a_floor_and_none_takes_over_two_fifths() -> None:
    rules = yaml.safe_load((BONDS / "rules.yaml").read_text(encoding="utf-8"))
    caps = {row["id"]: int(row["cap"]) for row in table(BONDS / "units.csv") if row["cap"]}
    assert sum(rule["kind"] == "envelope" for rule in rules) == 9
    assert caps == {"department-of-general-services": 32_000_000, "dept-of-housing-community-dev": 32_000_000}


# No leakage


def scrambled(source: Path, out: Path, columns: tuple[str, ...]) -> Path:
    """A copy of the raw file in which FY2024's decisions are others."""
    rows = table(source)
    for position, row in enumerate(rows):
        if row["fiscal_year"] == "2024":
            row.update({column: str(7_000 * position + 13 * each) for each, column in enumerate(columns)})
    with out.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    return out


def test_bond_plan_knows_nothing_of_the_decisions(tmp_path: Path) -> None:
    other = scrambled(BALTIMORE, tmp_path / "other.csv", DECISIONS)
    baltimore_go_plan(tmp_path / "plan", source=other)
    for name in READ_WITH_A_PLAN:
        assert (tmp_path / "plan" / name).read_bytes() == (BONDS / name).read_bytes()
    for name in ("adopted.csv", "stages.csv"):
        assert (tmp_path / "plan" / name).read_bytes() != (BONDS / name).read_bytes()


def test_bond_plan_knows_nothing_of_later_years(tmp_path: Path) -> None:
    other = scrambled(BALTIMORE, tmp_path / "other.csv", ("appropriated_amt", "agency_amt", *DECISIONS))
    baltimore_go_plan(tmp_path / "here", year=2023)
    baltimore_go_plan(tmp_path / "there", year=2023, source=other)
    for path in (tmp_path / "here").iterdir():
        assert path.read_bytes() == (tmp_path / "there" / path.name).read_bytes()


def test_all_funds_plan_knows_only_the_funds_totals(tmp_path: Path) -> None:
    other = scrambled(BALTIMORE, tmp_path / "other.csv", ("planning_amt", "bof_amt", "boe_amt"))
    baltimore_all_funds_plan(tmp_path / "plan", source=_reversed_within_funds(other, tmp_path / "reversed.csv"))
    for name in READ_WITH_A_PLAN:
        assert (tmp_path / "plan" / name).read_bytes() == (ALL_FUNDS / name).read_bytes()
    assert (tmp_path / "plan" / "adopted.csv").read_bytes() != (ALL_FUNDS / "adopted.csv").read_bytes()


def _reversed_within_funds(source: Path, out: Path) -> Path:
    """A copy in which each fund's adopted amounts of FY2024 went to its projects in the opposite order."""
    rows = table(source)
    funds = defaultdict(list)
    for row in rows:
        if row["fiscal_year"] == "2024":
            funds[row["source_code"]].append(row)
    for members in funds.values():
        for row, amount in zip(members, [row["budget_amt"] for row in reversed(members)], strict=True):
            row["budget_amt"] = amount
    with out.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    return out


# Baltimore, all funds


def test_all_funds_figures_are_exact() -> None:
    lines, units = table(ALL_FUNDS / "lines.csv"), table(ALL_FUNDS / "units.csv")
    settings = yaml.safe_load((ALL_FUNDS / "plan.yaml").read_text(encoding="utf-8"))
    funds = [row for row in units if row["parent"] == "city"]
    assert settings["budget"] == {"FY2024": 831_747_000}
    assert len(funds) == 25
    assert total(funds, "cap") == 831_747_000
    assert [row["id"] for row in funds if row["cap"] == "0"] == ["fund-614", "fund-890"]
    assert (len(lines), total(lines, "ask")) == (429, 1_119_759_000)
    assert total(table(ALL_FUNDS / "adopted.csv"), "amount") == 831_747_000


def test_bonds_are_the_same_in_both_plans() -> None:
    alone = {row["id"]: row for row in table(BONDS / "lines.csv")}
    within = {row["id"].removeprefix("100/"): row for row in table(ALL_FUNDS / "lines.csv") if row["fund"] == "100"}
    assert alone.keys() == within.keys()
    same = ("name", "prior", "ask", "cap", "weight", "priority", "department", "bureau", "status")
    assert all(alone[line][column] == within[line][column] for line in alone for column in same)


def test_stages_replay_the_approval() -> None:
    rows = table(ALL_FUNDS / "stages.csv")
    stages = ("requested", "planning", "finance", "estimates", "adopted")
    changed = [sum(row[one] != row[two] for row in rows) for one, two in pairwise(stages)]
    assert changed == [143, 0, 32, 5]
    assert [row["adopted"] for row in rows] == [row["amount"] for row in table(ALL_FUNDS / "adopted.csv")]


def test_repeated_rows_are_added_up_and_negatives_kept_as_history() -> None:
    outcomes = {(each.year, each.ask.fund, each.ask.project): each for each in read_baltimore()}
    assert len(outcomes) == 4039 - 3
    assert outcomes[2019, "100", "474-111"].ask.requested == 685_000
    assert outcomes[2018, "610", "525-004"].adopted == 7_975_000
    assert outcomes[2023, "301", "557-731"].adopted == -16_439_000
    assert {row["prior"] for row in table(ALL_FUNDS / "lines.csv") if row["id"] == "301/557-731"} <= {"0"}


def test_names_cut_off_are_spelt_as_in_the_six_year_file() -> None:
    known = {row["department"] for row in table(SOURCES / "baltimore_six_year_fy2024_2029.csv")}
    used = {row[column] for row in table(BALTIMORE) for column in ("department", "bureau_name")}
    assert set(FULL_NAMES) <= used
    assert set(FULL_NAMES.values()) <= known
    assert all(full.startswith(cut) for cut, full in FULL_NAMES.items())


@pytest.mark.parametrize("year", sorted(BOND_ENVELOPES))
def test_every_year_with_an_envelope_makes_a_plan(year: int, tmp_path: Path) -> None:
    baltimore_go_plan(tmp_path, year)
    problem, findings = read_plan(tmp_path)
    assert findings == []
    assert problem is not None
    assert total(table(tmp_path / "adopted.csv"), "amount") == BOND_ENVELOPES[year]


def test_a_year_without_an_envelope_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="year must be 2016 to 2024, got 2030"):
        baltimore_go_plan(tmp_path, 2030)
    with pytest.raises(InvalidInput, match="got 2030"):
        baltimore_all_funds_plan(tmp_path, 2030)


# US federal government


def test_federal_figures_are_exact() -> None:
    lines = table(FEDERAL / "lines.csv")
    settings = yaml.safe_load((FEDERAL / "plan.yaml").read_text(encoding="utf-8"))
    assert settings["budget"] == {"FY2016": 1_140_855_000_000}
    assert total(lines, "prior") == 1_140_855_000_000
    assert total(lines, "ask") == 1_197_378_000_000
    assert total(table(FEDERAL / "adopted.csv"), "amount") == 1_163_017_000_000
    assert len(table(FEDERAL / "units.csv")) == 417


def test_every_account_is_a_line() -> None:
    lines = table(FEDERAL / "lines.csv")
    ids = {row["id"] for row in lines}
    assert len(table(OMB)) == len(ids) == len(lines) == 1186
    assert ids == {account.id for account in read_omb()} == {row["line"] for row in table(FEDERAL / "adopted.csv")}
    assert Counter(row["asks_for"] for row in lines) == {"something": 796, "nothing": 319, "less than nothing": 71}
    assert all(int(row["ask"]) == 0 for row in lines if row["asks_for"] != "something")
    assert sum(account.ask for account in read_omb()) == 1_154_933_000_000


def test_no_account_is_cut_by_over_a_fifth_unless_it_asks_for_less() -> None:
    for row in table(FEDERAL / "lines.csv"):
        assert int(row["floor"]) == min(int(row["prior"]) * 4 // 5, int(row["ask"]))


def test_defence_share_is_around_last_years() -> None:
    lines = table(FEDERAL / "lines.csv")
    rule = yaml.safe_load((FEDERAL / "rules.yaml").read_text(encoding="utf-8"))[-1]
    share = total([row for row in lines if row["category"] == "defence"], "prior") / total(lines, "prior")
    assert rule["floor"] < share < rule["cap"]
    assert rule["cap"] - rule["floor"] == pytest.approx(0.02)


# Parts


@pytest.mark.parametrize(
    ("total_", "wanted", "most", "parts"),
    [
        (100, {"a": 1, "b": 1, "c": 1}, {"a": 90, "b": 90, "c": 90}, {"a": 34, "b": 33, "c": 33}),
        (100, {"a": 8, "b": 1, "c": 1}, {"a": 50, "b": 90, "c": 90}, {"a": 50, "b": 25, "c": 25}),
        (100, {"a": 8, "b": -4}, {"a": 50, "b": 90}, {"a": 50, "b": 50}),
        (100, {}, {"a": 30, "b": 90}, {"a": 25, "b": 75}),
        (100, {"a": 1, "b": 2}, {"a": 10, "b": 20}, {"a": 10, "b": 20}),
        (0, {"a": 1, "b": 0}, {"a": 10, "b": 20}, {"a": 0, "b": 0}),
        (5, {}, {"a": 0, "b": 9}, {"a": 0, "b": 5}),
        (5, {}, {}, {}),
    ],
)
def test_attainable_shares(total_: int, wanted: dict[str, int], most: dict[str, int], parts: dict[str, int]) -> None:
    assert attainable(total_, wanted, most) == parts
    assert list(parts) == list(most)


def test_approval_rates_stay_between_their_limits() -> None:
    rates = approval_rates(read_baltimore())
    assert min(rates.values()) == 0.05
    assert max(rates.values()) == 1.0
    assert 0.05 < rates["100", ""] < 1.0
