"""The same plan from CSV, XLSX, Parquet and data frames; and what cells mean."""

from __future__ import annotations

import io
import warnings

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from integrate.plan_folders import FILES, write_good_plan

import fiscus
from fiscus.core.cells import read_number
from fiscus.core.money import currency
from fiscus.errors import InvalidPlan

USD = currency("USD")


def typed(name):
    frame = pd.read_csv(io.StringIO(FILES[name]))
    return frame.astype({column: object for column in frame if frame[column].dtype == object})


@pytest.mark.parametrize("ending", ["xlsx", "parquet"])
def test_every_format_gives_the_same_problem(tmp_path, ending):
    plain = fiscus.read_plan(write_good_plan(tmp_path / "plan"))[0].digest
    folder = tmp_path / "plan"
    text = (folder / "plan.yaml").read_text()
    for name in ("units", "lines", "scenarios"):
        frame = pd.read_csv(folder / f"{name}.csv", keep_default_na=True)
        if ending == "xlsx":
            frame.to_excel(folder / f"{name}.xlsx", index=False)
        else:
            frame.to_parquet(folder / f"{name}.parquet", index=False)
        (folder / f"{name}.csv").unlink()
        text = text.replace(f"{name}.csv", f"{name}.{ending}")
    (folder / "plan.yaml").write_text(text)
    problem, findings = fiscus.read_plan(folder)
    assert findings == []
    assert problem.digest == plain


def test_frames_give_the_same_problem(tmp_path):
    import yaml

    plain = fiscus.read_plan(write_good_plan(tmp_path / "plan"))[0]
    frames = {name: typed(f"{name}.csv") for name in ("units", "lines", "scenarios")}
    problem = fiscus.Problem.from_frames(
        **frames,
        rules=yaml.safe_load(FILES["rules.yaml"]),
        name="Test plan",
        periods=["FY1", "FY2"],
        budget={"FY1": 1000, "FY2": 1200},
    )
    assert problem.digest == plain.digest


def test_frames_raise_with_every_finding():
    with pytest.raises(InvalidPlan) as caught:
        fiscus.Problem.from_frames(lines={"id": ["a", "a"], "ask": ["$5m", -1]}, budget=9)
    assert {(each.row, each.column) for each in caught.value.findings} == {(1, "ask"), (2, "ask"), (2, "id")}


@pytest.mark.parametrize("suffix", ["xlsx", "parquet"])
def test_damaged_binary_tables_give_findings(tmp_path, suffix):
    folder = write_good_plan(tmp_path / "plan")
    (folder / "plan.yaml").write_text((folder / "plan.yaml").read_text().replace("lines.csv", f"lines.{suffix}"))
    (folder / f"lines.{suffix}").write_bytes(b"PK\x03\x04 not really")
    problem, findings = fiscus.read_plan(folder)
    assert problem is None
    assert any(each.table == f"lines.{suffix}" for each in findings)


def test_defaults_and_overrides():
    lines = {
        "id": ["a", "b", "c"],
        "ask": [10, 20, None],
        "cap": [None, 5, 7],
        "cap@two": [None, None, 3],
        "curve": ["linear", "step", "step"],
    }
    problem = fiscus.Problem.from_frames(lines=lines | {"colour": ["x", 3, None]}, periods=["one", "two"], budget=100)
    assert problem.lines.cap.tolist() == [[10, 5, 7], [10, 5, 3]]  # The ask where no cap stands; one period overridden.
    assert problem.lines.curves.h.tolist()[1:] == [5, 7]  # A step's threshold is the cap.
    assert problem.lines.tags["colour"] == ("x", "3", "")
    assert np.isinf(problem.lines.ask[0, 2])


@given(st.decimals(min_value=-(10**9), max_value=10**9, places=2, allow_nan=False))
def test_plain_decimals_are_read_exactly(number):
    read = read_number(str(number), USD)
    assert read.severity is None
    assert read.value == float(number)


@given(st.integers(1000, 10**12))
def test_grouped_numbers_equal_plain_ones(number):
    for style in ("{:,}", "{:,}.25"):
        grouped = read_number(style.format(number), USD)
        assert grouped.severity != "error"
        assert grouped.value == float(style.format(number).replace(",", ""))


@pytest.mark.parametrize(
    ("cell", "words"),
    [
        ("1,5", "write 1.5"),
        ("0,500", "write 0.500"),
        ("1,5 m", "is not a number"),  # Not 15 million.
        ("1,500.5 m", "write 1500500000"),
        ("1,5%", "write a fraction"),
        ("(1,5)", "write a minus sign"),
        ("1_000", "is not a number"),
        ("\uff11\uff10", "is not a number"),
        ("\u0661,\u0660\u0660\u0660", "is not a number"),
    ],
)
def test_nothing_is_made_of_digits_and_commas_that_can_be_read_otherwise(cell, words):
    read = read_number(cell, USD)
    assert (read.value, read.severity) == (None, "error")
    assert words in read.sentence


@given(st.one_of(st.text(), st.floats(), st.integers(), st.booleans(), st.none(), st.binary()))
def test_no_cell_raises(cell):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        read = read_number(cell, USD)
    assert (read.value is None) == (read.severity == "error")
    assert read.value is None or np.isfinite(read.value)
