"""Rows of a CSV."""

from __future__ import annotations

import pytest

from fiscus.core.csv_rows import read_rows, rows_of_file
from fiscus.errors import InvalidInput


def test_rows_are_numbered_by_the_line_they_begin_in():
    rows = read_rows(' a ,b,,\n\n1, "two\nlines"\n3\n, ,\n5,6,,\n', "t.csv", ("a", "b"))
    assert rows == [
        (3, {"a": "1", "b": '"two'}),
        (4, {"a": 'lines"', "b": ""}),
        (5, {"a": "3", "b": ""}),
        (7, {"a": "5", "b": "6"}),
    ]
    quoted = read_rows('a,b\n1,"two\nlines"\n3,4\n', "t.csv", ("a", "b"))
    assert quoted == [(2, {"a": "1", "b": "two\nlines"}), (4, {"a": "3", "b": "4"})]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "t.csv: the column 'a' is missing; columns are a, b, c"),
        ("a,b,d\n", "t.csv: there is no column 'd'"),
        ("a,b,a\n", "t.csv: there are two columns 'a'; keep one"),
        ("a,,b\n", "t.csv: there is no column ''"),
        ("a,b\n1,2\n1,2,3\n1,2,3,4\n", "t.csv, row 3: it has 3 cells for 2 columns"),
        ("a,b\n1,2,3\n1,2,3,4\n", "t.csv, row 3: it has 4 cells for 2 columns"),
        ("a,b\n1,5,\n", "t.csv, row 2: it has 3 cells for 2 columns"),  # 1,5 and an empty cell.
        ("a,b,\n1,5,6\n", "t.csv, row 2: it has 3 cells for 2 columns"),
        ('a,b\n1,"2\n', "t.csv cannot be read"),
    ],
)
def test_nothing_in_a_table_is_passed_over(text, words):
    with pytest.raises(InvalidInput) as refused:
        read_rows(text, "t.csv", ("a", "b"), ("c",))
    assert words in str(refused.value)


def test_any_other_columns_are_let_through_where_none_are_named():
    assert read_rows("a,z\n1,2\n", "t.csv", ("a",)) == [(2, {"a": "1", "z": "2"})]


def test_a_file_that_is_no_text_is_named(tmp_path):
    (tmp_path / "t.csv").write_bytes("\ufeffa\n1\n".encode())
    assert rows_of_file(tmp_path / "t.csv", ("a",)) == [(2, {"a": "1"})]
    (tmp_path / "t.csv").write_bytes(b"\xff")
    with pytest.raises(InvalidInput, match="cannot be read"):
        rows_of_file(tmp_path / "t.csv", ("a",))
