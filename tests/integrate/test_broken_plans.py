"""Kinds of broken plan, each with its finding: file, row, column and a sentence that says what to do (§3.9)."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
from integrate.plan_folders import FILES, write_good_plan

import fiscus

Edit = tuple[str, str, str]
"""File, text, what to put in its place."""

# name, edits, severity, file, row, column, part of the sentence
# ruff: noqa: E501 - a row a kind reads better than a wrapped one.
KINDS: list[tuple[str, list[Edit], str, str, int | None, str | None, str]] = [
    ("cycle", [("units.csv", "city,,City", "city,north,City")], "error", "units.csv", 2, "parent", "cycle: city > north > city"),
    ("orphan", [("units.csv", "north,city,North", "north,town,North")], "error", "units.csv", 3, "parent", "'town'"),
    ("second root", [("units.csv", "south,city", "south,")], "error", "units.csv", 4, "parent", "second root"),
    ("duplicate unit", [("units.csv", "south,city", "north,city")], "error", "units.csv", 4, "id", "second time"),
    ("duplicate line", [("lines.csv", "bus,south", "roads,south")], "error", "lines.csv", 5, "id", "row 2"),
    ("line on no unit", [("lines.csv", "bus,south", "bus,sooth")], "error", "lines.csv", 5, "unit", "did you mean 'south'"),
    ("not a number", [("lines.csv", "Roads,200,400", "Roads,200,nan")], "error", "lines.csv", 2, "ask", "not an amount"),
    ("infinity", [("lines.csv", "Roads,200,400", "Roads,200,inf")], "error", "lines.csv", 2, "ask", "leave the cell empty"),
    ("negative", [("units.csv", "North,100,700", "North,100,-700")], "error", "units.csv", 3, "cap", "below 0"),
    ("accountant's negative", [("lines.csv", "Roads,200,400", "Roads,(200),400")], "error", "lines.csv", 2, "prior", "write -200"),
    ("floor above cap", [("lines.csv", "200,400,50,1", "200,400,450,1")], "error", "lines.csv", 2, "floor", "above the cap 400.00"),
    ("unit floor above cap", [("units.csv", "North,100,700", "North,900,700")], "error", "units.csv", 3, "floor", "above the cap"),
    ("floors above the envelope", [("units.csv", "North,100,700", "North,,40")], "error", "units.csv", 3, "cap", "by 10.00"),
    ("floors above the budget", [("plan.yaml", "FY1: 1000", "FY1: 60")], "error", "plan.yaml", None, "budget", "by 40.00"),
    ("unknown curve", [("lines.csv", "hill", "hil")], "error", "lines.csv", 5, "curve", "did you mean 'hill'"),
    ("missing parameter", [("lines.csv", "log,90,150", "log,90,")], "error", "lines.csv", 2, "h", "needs h"),
    ("bad points", [("lines.csv", "0:0;200:180", "0:0;200-180")], "error", "lines.csv", 6, "points", "points such as"),
    ("falling points", [("lines.csv", "600:300", "600:100")], "error", "lines.csv", 6, "points", "must not fall"),
    ("unknown rule", [("rules.yaml", "kind: share", "kind: shares")], "error", "rules.yaml", 1, "kind", "did you mean 'share'"),
    ("unknown rule key", [("rules.yaml", "up: 2.0", "upp: 2.0")], "error", "rules.yaml", 6, "upp", "did you mean 'up'"),
    ("rule on no unit", [("rules.yaml", "node: south", "node: west")], "error", "rules.yaml", 6, "node", "'west'"),
    ("rule on no line", [("rules.yaml", "needs: school", "needs: scool")], "error", "rules.yaml", 10, "needs", "'scool'"),
    ("rule on no tag", [("rules.yaml", "theme: green", "colour: green")], "error", "rules.yaml", 1, "tag", "no column 'colour'"),
    ("rule in no period", [("rules.yaml", "up: 2.0", "up: 2.0\n  periods: [FY9]")], "error", "rules.yaml", 6, "periods", "FY1, FY2"),
    ("duplicate rule", [("rules.yaml", "id: steady", "id: green")], "error", "rules.yaml", 6, "id", "another rule"),
    ("soft without penalty", [("rules.yaml", "up: 2.0", "up: 2.0\n  hard: false")], "error", "rules.yaml", 6, "penalty", "needs a penalty"),
    ("rule without kind", [("rules.yaml", "  kind: change\n", "")], "error", "rules.yaml", 6, "kind", "missing"),
    ("mixed currencies in a cell", [("lines.csv", "Roads,200,400", "Roads,200,€400")], "error", "lines.csv", 2, "ask", "EUR"),
    (
        "mixed currencies in a column",
        [("units.csv", "id,parent,name", "currency,id,parent,name"), ("units.csv", "city,,", "EUR,city,,"),
         ("units.csv", "north,", "USD,north,"), ("units.csv", "south,", ",south,")],
        "error", "units.csv", 2, "currency", "cannot be mixed",
    ),
    ("unknown currency", [("plan.yaml", "USD", "USX")], "error", "plan.yaml", None, "currency", "ISO 4217"),
    ("for people", [("lines.csv", "Roads,200,400", "Roads,200,$0.4k")], "error", "lines.csv", 2, "ask", "write 400"),
    ("percent", [("lines.csv", ",0.2,green", ",20%,green")], "error", "lines.csv", 3, "retention", "write 0.2"),
    ("decimal comma", [("lines.csv", "Roads,200,400", 'Roads,200,"400,5"')], "error", "lines.csv", 2, "ask", "write 400.5"),
    ("grouped", [("lines.csv", "Roads,200,400", 'Roads,200,"1,400"')], "warning", "lines.csv", 2, "ask", "read as 1400"),
    ("grouped by points", [("lines.csv", "Roads,200,400", "Roads,200,1.400.000")], "warning", "lines.csv", 2, "ask", "read as 1400000"),
    ("too many decimals", [("lines.csv", "Roads,200,400", "Roads,200,400.125")], "warning", "lines.csv", 2, "ask", "rounded to 400.12"),
    ("retention of one", [("lines.csv", ",0.2,green", ",1,green")], "error", "lines.csv", 3, "retention", "must be below 1"),
    ("all or nothing of what", [("lines.csv", "Clinic,0,250", "Clinic,0,")], "error", "lines.csv", 7, "lumpy", "needs a cap"),
    ("not a flag", [("lines.csv", ",true,", ",maybe,")], "error", "lines.csv", 7, "lumpy", "true or false"),
    ("ticket above cap", [("lines.csv", "90,150,,,,,,grey", "90,150,,,,500,,grey")], "warning", "lines.csv", 2, "min_ticket", "never be funded"),
    ("unknown key", [("plan.yaml", "budget:", "budgets:")], "error", "plan.yaml", None, "budgets", "did you mean 'budget'"),
    ("unknown method", [("plan.yaml", "currency: USD", "currency: USD\nmethod: best")], "error", "plan.yaml", None, "method", "'best'"),
    ("budget of no period", [("plan.yaml", "FY2: 1200", "FY3: 1200")], "error", "plan.yaml", None, "budget", "'FY3'"),
    ("negative budget", [("plan.yaml", "FY1: 1000", "FY1: -5")], "error", "plan.yaml", None, "budget.FY1", "at least 0"),
    ("period twice", [("plan.yaml", "[FY1, FY2]", "[FY1, FY1]")], "error", "plan.yaml", None, "periods", "twice"),
    ("column of no period", [("lines.csv", "ask,floor", "ask@FY9,floor")], "error", "lines.csv", 1, "ask@FY9", "FY1, FY2"),
    ("column that cannot vary", [("lines.csv", "prior,ask", "prior@FY1,ask")], "error", "lines.csv", 1, "prior@FY1", "cannot vary"),
    ("misspelt column", [("lines.csv", "priority", "prioritty")], "warning", "lines.csv", 1, "prioritty", "did you mean 'priority'"),
    ("column missing", [("lines.csv", "id,unit", "id,team")], "error", "lines.csv", 1, "unit", "missing"),
    ("column twice", [("lines.csv", "prior,ask", "ask,ask")], "error", "lines.csv", 1, "ask", "two columns"),
    ("ragged row", [("lines.csv", "grey\nparks", "grey,extra,more\nparks")], "error", "lines.csv", 2, None, "quotation marks"),
    ("probabilities", [("scenarios.csv", "0.6", "0.7")], "error", "scenarios.csv", None, "probability", "sum to 1.1"),
    ("scenario of no line", [("scenarios.csv", "roads", "road")], "error", "scenarios.csv", 3, "line", "did you mean 'roads'"),
    ("no file", [("plan.yaml", "lines.csv", "line.csv")], "error", "plan.yaml", None, "lines", "did you mean 'lines.csv'"),
    ("outside", [("plan.yaml", "lines.csv", "../lines.csv")], "error", "plan.yaml", None, "lines", "outside"),
    ("not YAML", [("plan.yaml", "periods: [FY1", "periods: {FY1")], "error", "plan.yaml", 3, None, "not YAML"),
    ("rules not a list", [("rules.yaml", FILES["rules.yaml"], "green: share\n")], "error", "rules.yaml", 1, None, "list"),
    ("no rows", [("lines.csv", FILES["lines.csv"].partition("\n")[2], "")], "error", "lines.csv", None, None, "no rows"),
    ("empty file", [("lines.csv", FILES["lines.csv"], "")], "error", "lines.csv", None, None, "empty"),
    ("semicolons", [("units.csv", FILES["units.csv"], FILES["units.csv"].replace(",", ";"))], "warning", "units.csv", 1, None, "semicolons"),
    ("tabs", [("units.csv", FILES["units.csv"], FILES["units.csv"].replace(",", "\t"))], "warning", "units.csv", 1, None, "tabs"),
    ("reserve without account", [("plan.yaml", "currency: USD", "currency: USD\nreserve: 5")], "error", "plan.yaml", None, "reserve", "opening_cash"),
]  # fmt: skip


def edited(folder: Path, edits: list[Edit]) -> Path:
    for file, old, new in edits:
        text = (folder / file).read_text(encoding="utf-8")
        assert old in text, f"{old!r} is not in {file}"
        (folder / file).write_text(text.replace(old, new, 1), encoding="utf-8", newline="")
    return folder


@pytest.fixture
def folder(tmp_path):
    return write_good_plan(tmp_path / "plan")


def test_the_good_plan_has_no_findings(folder):
    problem, findings = fiscus.read_plan(folder)
    assert findings == []
    assert problem is not None
    assert fiscus.solve(problem).status == "optimal"


@pytest.mark.parametrize("kind", KINDS, ids=[kind[0] for kind in KINDS])
def test_each_kind_gives_its_finding(folder, kind):
    _, edits, severity, file, row, column, part = kind
    problem, findings = fiscus.read_plan(edited(folder, edits))
    assert (problem is None) == (severity == "error")
    matching = [
        each for each in findings if (each.severity, each.table, each.row, each.column) == (severity, file, row, column)
    ]
    assert any(part in each.sentence for each in matching), "\n".join(map(str, findings))


def test_all_findings_come_at_once(folder):
    edits = [
        edit
        for name, kind, *_ in KINDS
        for edit in kind
        if name in ("for people", "percent", "unknown curve", "unknown rule", "negative")
    ]
    _, findings = fiscus.read_plan(edited(folder, edits))
    assert {(each.table, each.column) for each in findings} >= {
        ("lines.csv", "ask"), ("lines.csv", "retention"), ("lines.csv", "curve"), ("rules.yaml", "kind"), ("units.csv", "cap"),
    }  # fmt: skip


def test_bytes_that_are_not_utf8_name_their_row(folder):
    path = folder / "lines.csv"
    path.write_bytes(path.read_bytes().replace(b"Bus", b"B\xfcs"))
    _, findings = fiscus.read_plan(folder)
    assert [(each.table, each.row) for each in findings] == [("lines.csv", 5)]
    assert "UTF-8" in findings[0].sentence


def test_utf16_is_named(folder):
    path = folder / "units.csv"
    path.write_bytes(path.read_text().encode("utf-16"))
    _, findings = fiscus.read_plan(folder)
    assert any(each.table == "units.csv" and "UTF-8" in each.sentence for each in findings)


def test_a_byte_order_mark_and_windows_line_ends_change_nothing(folder):
    digest = fiscus.read_plan(folder)[0].digest
    for name in ("plan.yaml", "units.csv", "rules.yaml", "scenarios.csv"):
        path = folder / name
        path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n"))
    problem, findings = fiscus.read_plan(folder)
    assert findings == []
    assert problem.digest == digest


def test_rows_count_as_an_editor_counts_them(folder):
    """The name of parks holds a line break, and a blank line follows."""
    path = folder / "lines.csv"
    path.write_text(path.read_text().replace("bus,south", "\nbus,south").replace("Bus,150", "Bus,many"))
    _, findings = fiscus.read_plan(folder)
    assert [(each.table, each.row, each.column) for each in findings] == [("lines.csv", 6, "prior")]


@pytest.mark.parametrize("place", ["nowhere", "plan.yaml/plan.yaml", "units.csv"])
def test_what_is_no_plan_is_said(folder, place):
    problem, findings = fiscus.read_plan(folder / place)
    assert problem is None
    assert findings


@pytest.mark.parametrize("file", ["plan.yaml", "rules.yaml"])
def test_yaml_that_would_grow_without_end_is_cut_short(folder, file):
    """A billion laughs: aliases of aliases, whose text would fill the memory."""
    names = "abcdefghi"
    text = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
        f"{new}: &{new} [{','.join(['*' + old] * 9)}]\n" for old, new in itertools.pairwise(names)
    )
    if file == "rules.yaml":
        text = (
            "- "
            + text.replace("\n", "\n  ").rstrip()
            + "\n- *i\n- {id: r, kind: *i}\n- {id: s, kind: envelope, node: *i}\n"
        )
    (folder / file).write_text(text)
    problem, findings = fiscus.read_plan(folder)
    assert problem is None
    assert findings
    assert max(len(each.sentence) for each in findings) < 2000
