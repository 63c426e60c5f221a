"""Plans that are hostile rather than wrong: files that grow, recurse, or hold what no person writes (§3.9)."""

from __future__ import annotations

import re
import time
import warnings
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import openpyxl
import pandas as pd
import pytest
import yaml
from integrate.plan_folders import FILES, write_good_plan

import fiscus
from fiscus.core.findings import Finding
from fiscus.errors import InvalidPlan

SLOWEST = 5.0
"""Seconds that any one folder may take."""


def bomb(layers: int = 12) -> str:
    """Each layer names the one before nine times: 9**layers items once written out."""
    return (
        "[&a0 [x,x,x,x,x,x,x,x,x],"
        + ",".join(f"&a{n} [{','.join([f'*a{n - 1}'] * 9)}]" for n in range(1, layers))
        + "]"
    )


MERGES = "m0: &m0 {k: 1}\n" + "".join(f"m{n}: &m{n} {{<<: [{','.join([f'*m{n - 1}'] * 9)}]}}\n" for n in range(1, 10))
HEX = "0x" + "f" * 6000
LONGER = "a" * 130_000

# ruff: noqa: E501 - a row a kind reads better than a wrapped one.
# name, file, text, what to put in its place, table, row, column, part of the sentence
KINDS: list[tuple[str, str, str, str, str, int | None, str | None, str]] = [
    ("bomb of periods", "plan.yaml", "[FY1, FY2]", bomb(), "plan.yaml", 3, None, "aliases"),
    ("bomb of merges", "plan.yaml", "name:", MERGES + "name:", "plan.yaml", 5, None, "aliases"),
    ("bomb in a rule", "rules.yaml", "kind: share", "kind: " + bomb(), "rules.yaml", 2, None, "aliases"),
    ("recursive list", "plan.yaml", "[FY1, FY2]", "&a [*a]", "plan.yaml", 3, None, "contains itself"),
    ("recursive rule", "rules.yaml", "{theme: green}", "&t {theme: *t}", "rules.yaml", 4, None, "contains itself"),
    ("deep", "plan.yaml", "[FY1, FY2]", "[" * 60 + "]" * 60, "plan.yaml", 3, None, "levels deep"),
    ("very deep", "plan.yaml", "[FY1, FY2]", "[" * 50_000 + "]" * 50_000, "plan.yaml", None, None, "levels deep"),
    ("whole number of no text", "plan.yaml", "Test plan", "!!int ''", "plan.yaml", None, None, "not YAML"),
    ("time of no text", "plan.yaml", "Test plan", "!!timestamp foo", "plan.yaml", None, None, "not YAML"),
    ("flag of no text", "rules.yaml", "A quarter is green", "!!bool foo", "rules.yaml", None, None, "not YAML"),
    ("month 13", "plan.yaml", "Test plan", "2024-13-45", "plan.yaml", None, None, "not YAML"),
    ("thousands of digits", "plan.yaml", "1000", HEX, "plan.yaml", 4, None, "digits"),
    ("digits in a key", "rules.yaml", "up: 2.0", HEX[:900] + ": 2.0", "rules.yaml", 9, None, "digits"),
    ("half a character", "plan.yaml", "Test plan", '"\\ud800"', "plan.yaml", 1, None, "half a character"),
    ("half a character in a rule", "rules.yaml", "A quarter is green", '"\\udfff"', "rules.yaml", 3, None, "half a character"),
    ("key twice", "plan.yaml", "currency: USD", "currency: USD\ncurrency: EUR", "plan.yaml", 3, None, "keep one"),
    ("key of a rule twice", "rules.yaml", "floor: 0.25", "floor: 0.25\n  floor: 0.1", "rules.yaml", 6, None, "keep one"),
    ("long file name", "plan.yaml", "lines.csv", "a" * 5000 + ".csv", "plan.yaml", None, "lines", "name of a file"),
    ("file named by a list", "plan.yaml", "lines: lines.csv", "lines: [a]", "plan.yaml", None, "lines", "name of a file"),
    ("periods in periods", "plan.yaml", "[FY1, FY2]", "[FY1, [FY2]]", "plan.yaml", None, "periods.1", "not text"),
    ("endless word", "lines.csv", "Roads,200,400", f"Roads,200,{LONGER}!", "lines.csv", 2, "ask", "not a number"),
    ("endless space", "lines.csv", "Roads,200,400", f"Roads,200,x{' ' * 120_000}!", "lines.csv", 2, "ask", "not a number"),
    ("endless digits", "lines.csv", "Roads,200,400", "Roads,200," + "9" * 130_000, "lines.csv", 2, "ask", "not an amount"),
    ("endless unit", "lines.csv", "bus,south", "bus," + LONGER, "lines.csv", 5, "unit", "no unit"),
    ("cell beyond the limit", "lines.csv", "Roads", "R" * 140_000, "lines.csv", 2, None, "field limit"),
    ("amount beyond cents", "lines.csv", "Roads,200,400", "Roads,200,1e300", "lines.csv", 2, "ask", "too large"),
    ("envelope beyond cents", "units.csv", "North,100,700", "North,100,9.3e16", "units.csv", 3, "cap", "too large"),
    ("factor beyond reckoning", "scenarios.csv", "1.1", "1.7e308", "scenarios.csv", 2, "factor", "too large"),
    ("probability beyond reckoning", "scenarios.csv", "0.4", "1e308", "scenarios.csv", 2, "probability", "too large"),
    ("budget beyond reckoning", "plan.yaml", "FY1: 1000", "FY1: 1.0e+300", "plan.yaml", None, "budget", "largest number"),
    ("rule beyond reckoning", "rules.yaml", "up: 2.0", "up: 1.0e+300", "rules.yaml", 6, "up", "largest number"),
    ("points too close", "lines.csv", "0:0;200:180", "0:0;1e-300:180", "lines.csv", 6, "points", "apart"),
    ("NUL", "units.csv", "City", "Ci\0ty", "units.csv", 2, None, "NUL"),
]  # fmt: skip


@pytest.fixture
def folder(tmp_path):
    return write_good_plan(tmp_path / "plan")


@pytest.mark.parametrize("kind", KINDS, ids=[kind[0] for kind in KINDS])
def test_each_kind_gives_its_finding_soon_and_briefly(folder, kind):
    _, file, old, new, table, row, column, part = kind
    assert old in FILES[file]
    (folder / file).write_text(FILES[file].replace(old, new, 1), encoding="utf-8", newline="")
    began = time.perf_counter()
    problem, findings = fiscus.read_plan(folder)
    assert time.perf_counter() - began < SLOWEST
    assert problem is None
    told = [each.sentence for each in findings if (each.table, each.row, each.column) == (table, row, column)]
    assert any(part in sentence for sentence in told), "\n".join(map(str, findings))
    assert max(len(each.sentence) for each in findings) < 1000


def test_six_faults_in_four_files_are_told_at_once(folder):
    edits = [
        ("units.csv", "North,100,700", "North,100,-700"), ("lines.csv", "Roads,200,400", "Roads,200,$5m"),
        ("lines.csv", ",0.2,green", ",20%,green"), ("lines.csv", "hill", "hil"),
        ("rules.yaml", "kind: share", "kind: shares"), ("plan.yaml", "FY2: 1200", "FY3: 1200"),
    ]  # fmt: skip
    for file, old, new in edits:
        path = folder / file
        path.write_text(path.read_text(encoding="utf-8").replace(old, new, 1), encoding="utf-8", newline="")
    problem, findings = fiscus.read_plan(folder)
    assert problem is None
    assert {(each.table, each.row, each.column) for each in findings} >= {
        ("units.csv", 3, "cap"), ("lines.csv", 2, "ask"), ("lines.csv", 3, "retention"), ("lines.csv", 5, "curve"),
        ("rules.yaml", 1, "kind"), ("plan.yaml", None, "budget"),
    }  # fmt: skip


@pytest.mark.parametrize("sign", [";", "\t"])
def test_other_separators_give_the_same_problem(folder, sign):
    plain = fiscus.read_plan(folder)[0].digest
    (folder / "units.csv").write_text(FILES["units.csv"].replace(",", sign), encoding="utf-8")
    problem, findings = fiscus.read_plan(folder)
    assert [each.severity for each in findings] == ["warning"]
    assert problem.digest == plain


def test_grouped_millions_are_read_without_a_word(folder):
    text = FILES["lines.csv"].replace("Roads,200,400", 'Roads,200,"1,200,000"')
    (folder / "lines.csv").write_text(text, encoding="utf-8", newline="")
    problem, findings = fiscus.read_plan(folder)
    assert findings == []
    assert problem.lines.ask[0, 0] == 1_200_000


def test_a_misspelt_column_of_the_scenarios_is_told(folder):
    """Unread, it would let a factor meant for one line and period apply to all."""
    (folder / "scenarios.csv").write_text(FILES["scenarios.csv"].replace("period,line", "periods,lines"))
    _, findings = fiscus.read_plan(folder)
    assert [(each.severity, each.column) for each in findings] == [("warning", "periods"), ("warning", "lines")]


def test_a_link_to_itself_is_no_table(folder):
    (folder / "lines.csv").unlink()
    try:
        (folder / "lines.csv").symlink_to("lines.csv")
    except OSError:
        pytest.skip("this system lets nobody make links")
    problem, findings = fiscus.read_plan(folder)
    assert problem is None
    assert [(each.table, each.column) for each in findings] == [("plan.yaml", "lines")]


@pytest.mark.parametrize("place", ["x" * 5000, "a\0b", "a\0b/plan.yaml", "\ud800"])
def test_what_cannot_be_a_path_is_said(place):
    problem, findings = fiscus.read_plan(place)
    assert problem is None
    assert "no such plan folder" in findings[0].sentence


@pytest.fixture
def workbook(folder):
    path = folder / "lines.xlsx"
    pd.read_csv(folder / "lines.csv").to_excel(path, index=False)
    (folder / "plan.yaml").write_text(FILES["plan.yaml"].replace("lines.csv", "lines.xlsx"))
    return path


def test_a_formula_without_a_result_is_no_empty_cell(folder, workbook):
    book = openpyxl.load_workbook(workbook)
    book.active["E2"] = "=200+200"
    book.save(workbook)
    problem, findings = fiscus.read_plan(folder)
    assert problem is None
    assert [(each.row, each.column) for each in findings] == [(2, "ask")]


def test_a_wrong_extent_cuts_nothing_off(folder, workbook):
    plain = fiscus.read_plan(folder)[0].digest
    with zipfile.ZipFile(workbook) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    sheet = "xl/worksheets/sheet1.xml"
    parts[sheet], changed = re.subn(rb'<dimension ref="[^"]*"', b'<dimension ref="A1"', parts[sheet])
    assert changed == 1
    with zipfile.ZipFile(workbook, "w") as archive:
        for name, data in parts.items():
            archive.writestr(name, data)
    problem, findings = fiscus.read_plan(folder)
    assert findings == []
    assert problem.digest == plain


def test_a_stray_cell_far_away_costs_nothing(folder, workbook):
    """Rows padded to the extent of the sheet would fill the memory: 900,000 rows of 16,384 cells."""
    plain = fiscus.read_plan(folder)[0].digest
    book = openpyxl.load_workbook(workbook)
    book.active["A900000"], book.active["XFD2"] = " ", " "
    book.save(workbook)
    began = time.perf_counter()
    problem, findings = fiscus.read_plan(folder)
    assert time.perf_counter() - began < SLOWEST
    assert [each.severity for each in findings] in ([], ["error"])
    assert problem is None or problem.digest == plain


@pytest.mark.parametrize(
    ("lines", "column"),
    [
        (pd.DataFrame([["a", 1, 2], ["b", 3, 4]], columns=["id", "ask", "ask"]), "ask"),
        ({"id": ["a"], "ask": 5}, "ask"),
        ({"id": ["\ud800"], "ask": [5]}, "id"),
        ({"id": ["a"], "ask": [5], "theme": ["\ud800"]}, "theme"),
        ({"id": ["a"], "ask": [10**5000]}, "ask"),
        ({"id": ["a"], "ask": [[5]]}, "ask"),
    ],
)
def test_frames_that_are_no_tables_raise_findings(lines, column):
    with pytest.raises(InvalidPlan) as caught:
        fiscus.Problem.from_frames(lines=lines, budget=5)
    assert {each.column for each in caught.value.findings} == {column}


def test_arrays_are_read_as_their_numbers():
    problem = fiscus.Problem.from_frames(
        lines={"id": np.array([1, 2]), "ask": np.array([np.nan, 3], "float32"), "lumpy": np.array([False, True])},
        periods=np.array([2024, 2025]),
        budget={2024: 5, 2025: 6},
        rules=[{"id": "r", "kind": "envelope", "node": "all", "cap": 3, "periods": np.array([2025])}],
    )
    assert problem.lines.id == ("1", "2")
    assert problem.lines.ask[0].tolist() == [np.inf, 3]
    assert problem.periods == ("2024", "2025")
    assert problem.rules[0].periods == ("2025",)


def test_a_frame_without_rows_keeps_its_columns():
    with pytest.raises(InvalidPlan) as caught:
        fiscus.Problem.from_frames(lines=pd.DataFrame({"id": [], "ask": []}), budget=5)
    assert [each.sentence.split(";")[0] for each in caught.value.findings] == ["the table has no rows"]


def test_many_faults_are_found_in_time_that_grows_with_them():
    count = 20_000
    began = time.perf_counter()
    with pytest.raises(InvalidPlan) as caught:
        fiscus.Problem.from_frames(
            lines={"id": [f"l{n}" for n in range(count)], "ask": [1] * count, "curve": ["log"] * count}, budget=5
        )
    assert time.perf_counter() - began < SLOWEST
    assert caught.value.findings


VALUES: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 2.5, 1e308, 10**30, float("nan"), float("inf"), "", " ", "city", "south", "roads", "FY1", "FY9", "green",
    "theme", "=1+1", "١٢", "0x10", "x" * 3000, "\u202e", [], {}, [None], ["roads", "roads"], ["roads", "bus"], {"theme": "green"},
    {"theme": None}, {"a": {"b": []}}, [["FY1"]], pd.Timestamp("2024-01-01").date(), b"\xff", {1, 2}, "cvar:0.9", "chance:0.5", "worst", "cvar:2",
    ["FY1", "FY2"], "share", "lines.csv", "plan.yaml", ".", "..", "units.csv/", "hill", 99,
)  # fmt: skip
KEYS = (
    "id", "kind", "hard", "penalty", "periods", "node", "lines", "line", "needs", "floor", "cap", "up", "down", "tag", "of", "count", "usage",
    "capacity", "per", "amount", "measure", "limit", "relative", "budget", "reserve", "opening_cash", "carry_over", "cash_rate", "risk",
    "aversion", "spend_weight", "discount_rate", "method", "growth", "cut", "currency", "name", "units", "rules", "scenarios",
    1, None, True, 2.5, "",
)  # fmt: skip
RULE_KINDS = (
    "envelope", "share", "change", "freeze", "requires", "at_most", "at_least", "resource", "staged", "turnover", "reserve", "risk",
)  # fmt: skip
CELLS = (
    "", "0", "-1", "1e999", "1e300", "1e-320", "nan", "0x10", "١٢", "=1+1", "1,5", "1,200", "1.200.000", "$5m", "12%", "(500)", "0:0;1:1",
    "1:1;0:0", "city", "north", "roads", "FY1", "FY9", "step", "log", "power", "piecewise", "true", "maybe", "x" * 3000, "€9", "1", "2", "250",
)  # fmt: skip
HEADERS = (
    "id",
    "unit",
    "parent",
    "cap",
    "cap@FY1",
    "floor@FY2",
    "ask@FY9",
    "target@FY1",
    "prior@FY1",
    "@",
    "",
    "currency",
    "points",
    "h",
)


def pick(rng: np.random.Generator, choices: Any) -> Any:
    return choices[int(rng.integers(len(choices)))]


def mutate_mapping(content: dict[Any, Any], rng: np.random.Generator) -> None:
    key = pick(rng, list(content)) if content and rng.random() < 0.6 else pick(rng, KEYS)
    if rng.random() < 0.15:
        content.pop(key, None)
    else:
        content[key] = pick(rng, RULE_KINDS) if key == "kind" and rng.random() < 0.7 else pick(rng, VALUES)


def mutate_yaml(folder: Path, name: str, rng: np.random.Generator) -> None:
    content = yaml.safe_load(FILES[name])
    target = content if isinstance(content, dict) else pick(rng, content)
    for _ in range(int(rng.integers(1, 5))):
        mutate_mapping(target, rng)
    if isinstance(content, list) and rng.random() < 0.3:
        content.append(pick(rng, [target, pick(rng, VALUES), {}]))
    (folder / name).write_text(yaml.safe_dump(content, allow_unicode=True, sort_keys=False), encoding="utf-8")


def mutate_table(folder: Path, name: str, rng: np.random.Generator) -> None:
    frame = pd.read_csv(folder / name, dtype=str, keep_default_na=False)
    for _ in range(int(rng.integers(1, 5))):
        place = int(rng.integers(frame.shape[1]))
        change = rng.random()
        if change < 0.6:
            frame.iloc[int(rng.integers(len(frame))), place] = pick(rng, CELLS)
        elif change < 0.75:
            frame.columns = [pick(rng, HEADERS) if n == place else each for n, each in enumerate(frame.columns)]
        elif change < 0.85:
            frame.insert(
                place, pick(rng, HEADERS), [pick(rng, CELLS) for _ in range(len(frame))], allow_duplicates=True
            )
        elif change < 0.92 and len(frame) > 1:
            frame = frame.drop(frame.index[int(rng.integers(len(frame)))])
        else:
            frame = pd.concat([frame, frame.sample(1, random_state=rng)])
    frame.to_csv(folder / name, index=False)


def fuzz_structures(count: int, seed: int, folder: Path) -> int:
    """Read plans whose values, keys, cells and columns were changed; gives how many of them still made a problem."""
    made = 0
    for number in range(count):
        rng = np.random.default_rng([seed, number])
        write_good_plan(folder)
        for _ in range(int(rng.integers(1, 3))):
            name = pick(rng, list(FILES))
            (mutate_yaml if name.endswith(".yaml") else mutate_table)(folder, name, rng)
        if rng.random() < 0.03:
            (folder / pick(rng, list(FILES))).write_bytes((folder / pick(rng, list(FILES))).read_bytes())
        began = time.perf_counter()
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error", RuntimeWarning)
                problem, findings = fiscus.read_plan(folder)
                assert all(isinstance(each, Finding) and each.sentence for each in findings)
                assert (problem is None) == any(each.severity == "error" for each in findings)
                if problem is not None:
                    made += 1
                    assert problem.statement.rows
                    assert len(problem.digest) == 64
            assert time.perf_counter() - began < SLOWEST
        except Exception as error:
            raise AssertionError(f"seed {seed}, mutation {number}: {type(error).__name__}: {error}") from error
    return made


def test_five_hundred_structures_give_no_traceback(tmp_path):
    assert 0 < fuzz_structures(500, 2, tmp_path / "plan") < 500


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(10))
def test_ten_thousand_structures_give_no_traceback(tmp_path, seed):
    assert 0 < fuzz_structures(1_000, 200 + seed, tmp_path / "plan") < 1_000
