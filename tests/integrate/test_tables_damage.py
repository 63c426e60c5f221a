"""Damage that exports and spreadsheets do, and paths no plan should have: findings, never a traceback or a silent change."""

from __future__ import annotations

import io
import warnings
import zipfile

import numpy as np
import openpyxl
import pandas as pd
import pytest
from integrate.plan_folders import FILES, write_good_plan

import fiscus
from fiscus.integrate.schema import schema


@pytest.fixture
def folder(tmp_path):
    return write_good_plan(tmp_path / "plan")


def change(folder, file, old, new):
    text = (folder / file).read_text(encoding="utf-8")
    assert old in text
    (folder / file).write_text(text.replace(old, new, 1), encoding="utf-8", newline="")


def told(folder):
    problem, findings = fiscus.read_plan(folder)
    assert (problem is None) == any(each.severity == "error" for each in findings)
    return [(each.severity, each.table, each.row, each.column) for each in findings]


def test_a_cut_row_is_told(folder):
    change(folder, "lines.csv", "clinic,south,Clinic,0,250,,1,3,step,150,,,,true,,,grey", "clinic,south,Clinic,0,250")
    assert told(folder) == [("warning", "lines.csv", 7, None)]


def test_a_decimal_comma_that_moves_an_empty_cell_out_of_the_table_is_told(folder):
    row = "clinic,south,Clinic,0,250,,1,3,step,150,,,,true,,,grey"
    change(folder, "lines.csv", row, row.replace("250", "2,50").replace("grey", ""))
    assert ("error", "lines.csv", 7, None) in told(folder)


@pytest.mark.parametrize("name", ["rules", "scenarios"])
def test_a_file_that_lies_there_unused_is_told_unless_that_is_said(folder, name):
    line = next(each for each in FILES["plan.yaml"].splitlines() if each.startswith(name))
    change(folder, "plan.yaml", line, "")
    assert told(folder) == [("warning", "plan.yaml", None, name)]
    (folder / "plan.yaml").write_text((folder / "plan.yaml").read_text() + f"{name}: null\n")
    assert told(folder) == []


def test_columns_of_scenarios_that_are_not_used_are_told(folder):
    change(folder, "scenarios.csv", "line,factor", "lines,factor")
    _, findings = fiscus.read_plan(folder)
    assert [(each.column, "did you mean 'line'" in each.sentence) for each in findings] == [("lines", True)]


def test_scenario_rows_that_repeat_are_told(folder):
    change(folder, "scenarios.csv", "bad,0.6,FY2,roads,0.7", "bad,0.6,FY2,roads,0.7\nbad,0.6,FY2,roads,0.2")
    assert told(folder) == [("warning", "scenarios.csv", 4, "factor")]


@pytest.mark.parametrize(
    "name", ["a" * 5000 + ".csv", "a/../../lines.csv", "~/lines.csv", "/etc/passwd", "loop.csv", "."]
)
def test_paths_no_plan_should_have(folder, name):
    (folder / "loop.csv").symlink_to("loop.csv")
    change(folder, "plan.yaml", "lines.csv", name)
    assert told(folder)[0] == ("error", "plan.yaml", None, "lines")


def test_links_out_of_the_folder_are_not_followed(folder, tmp_path):
    (folder / "lines.csv").rename(tmp_path / "lines.csv")
    (folder / "lines.csv").symlink_to(tmp_path / "lines.csv")
    assert told(folder)[0] == ("error", "plan.yaml", None, "lines")


@pytest.mark.parametrize("place", ["a" * 5000, "a\0b", "plan.yaml"])
def test_plans_that_no_path_leads_to(tmp_path, place):
    (tmp_path / "plan.yaml").mkdir()
    assert fiscus.read_plan(tmp_path / place)[0] is None


@pytest.mark.parametrize("start", ["\n", "\r\n \r\n"])
def test_blank_lines_before_the_header(folder, start):
    (folder / "units.csv").write_text(start + FILES["units.csv"].replace(",", ";"), newline="")
    assert [each[:2] for each in told(folder)] == [("warning", "units.csv")]


def workbook(folder, edit):
    """The good plan with its lines in a workbook that was edited."""
    pd.read_csv(folder / "lines.csv").to_excel(folder / "lines.xlsx", index=False)
    change(folder, "plan.yaml", "lines.csv", "lines.xlsx")
    book = openpyxl.load_workbook(folder / "lines.xlsx")
    edit(book.worksheets[0])
    book.save(folder / "lines.xlsx")


def rewrite(path, old, new):
    """Put other bytes into the first sheet of a workbook."""
    source = zipfile.ZipFile(io.BytesIO(path.read_bytes()))
    with zipfile.ZipFile(path, "w") as target:
        for name in source.namelist():
            data = source.read(name)
            if name.endswith("sheet1.xml"):
                assert old in data
                data = data.replace(old, new)
            target.writestr(name, data)


def test_formulas_without_a_stored_result_are_told(folder):
    workbook(folder, lambda sheet: sheet.__setitem__("E2", "=200+200"))
    assert told(folder) == [("error", "lines.xlsx", 2, "ask")]


def test_formulas_with_a_stored_result_are_read(folder):
    plain = fiscus.read_plan(folder)[0].digest

    def edit(sheet):
        sheet["E2"] = "=200+200"
        sheet["F3"] = '=IF(1,"","")'

    workbook(folder, edit)
    rewrite(folder / "lines.xlsx", b"<f>200+200</f><v />", b"<f>200+200</f><v>400</v>")
    rewrite(folder / "lines.xlsx", b'<c r="F3"><f>IF(1,"","")</f><v />', b'<c r="F3" t="str"><f>IF(1,"","")</f><v></v>')
    problem, findings = fiscus.read_plan(folder)
    assert findings == []
    assert problem.digest == plain


def test_a_wrong_extent_loses_no_cells(folder):
    plain = fiscus.read_plan(folder)[0].digest
    workbook(folder, lambda sheet: None)
    rewrite(folder / "lines.xlsx", b'<dimension ref="A1:Q6" />', b'<dimension ref="A1" />')
    assert fiscus.read_plan(folder)[0].digest == plain


@pytest.mark.parametrize("cell", ["#REF!", "#N/A", "#DIV/0!"])
def test_errors_of_spreadsheets_are_named(folder, cell):
    change(folder, "lines.csv", "Roads,200,400", f"Roads,200,{cell}")
    _, findings = fiscus.read_plan(folder)
    assert ["spreadsheet" in each.sentence for each in findings] == [True]


def test_schemas_leave_flags_as_they_are(folder):
    frame = pd.read_csv(folder / "lines.csv")
    checked = schema("lines").validate(frame, lazy=True)
    assert checked["lumpy"].fillna(False).tolist() == [False, False, False, False, True]
    assert schema("lines").validate(frame.assign(lumpy="false"), lazy=True)["lumpy"].tolist() == ["false"] * 5
    with pytest.raises(Exception, match="true or false"):
        schema("lines").validate(frame.assign(lumpy="maybe"))
    with pytest.raises(Exception, match="greater_than_or_equal_to"):
        schema("lines").validate(frame.assign(**{"cap@FY2": -1.0}))


@pytest.mark.parametrize("ending", ["xlsx", "parquet"])
def test_damaged_binary_tables_give_no_traceback(folder, ending):
    for name in ("units", "lines", "scenarios"):
        frame = pd.read_csv(folder / f"{name}.csv")
        write = frame.to_excel if ending == "xlsx" else frame.to_parquet
        write(folder / f"{name}.{ending}", index=False)
        change(folder, "plan.yaml", f"{name}.csv", f"{name}.{ending}")
    path = folder / f"lines.{ending}"
    good = path.read_bytes()
    sheet = zipfile.ZipFile(io.BytesIO(good)).read("xl/worksheets/sheet1.xml") if ending == "xlsx" else b""
    for number in range(150):
        rng = np.random.default_rng([2, number])
        path.write_bytes(good)
        if ending == "xlsx" and number % 3:  # Inside the archive, which else would only fail its checksums.
            rewrite(path, sheet, scratched(sheet, rng))
        else:
            path.write_bytes(scratched(good, rng))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # openpyxl's, of what it leaves out
            told(folder)


def scratched(data, rng):
    mutable = bytearray(data)
    for place in rng.integers(len(mutable), size=int(rng.integers(1, 6))):
        mutable[place] = int(rng.choice(list(b'<>"/= 0159abnst\x00\xff')))
    return bytes(mutable if rng.random() < 0.9 else mutable[: int(rng.integers(len(mutable)))])
