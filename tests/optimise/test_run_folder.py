"""Runs as folders: written, read back, compared, refused when broken; and the report as a page."""

from __future__ import annotations

import csv
import html.parser
import json
from decimal import Decimal

import numpy as np
import pytest

import fiscus
from fiscus.errors import BrokenRun
from fiscus.optimise.run_folder import compare_runs, read


@pytest.fixture
def problem():
    lines = {
        "id": ["a<b", "c&d", "e"],
        "name": ["<script>alert(1)</script>", "C & D", ""],
        "ask": [70, 50, 60],
        "curve": ["log"] * 3,
    }
    lines |= {"a": [9, 5, 7], "h": [10, 20, 5], "unit": ["x", "x", "y"], "prior": [20, 20, 20]}
    units = {"id": ["all", "x", "y"], "parent": ["", "all", "all"], "name": ["Whole", "North", "South"]}
    rules = [{"id": "half", "kind": "share", "node": "x", "cap": 0.5, "text": "North takes at most half"}]
    return fiscus.Problem.from_frames(lines=lines, units=units, rules=rules, budget=100, name="Test <plan>")


def test_a_run_reads_back_exactly(problem, tmp_path):
    result = fiscus.solve(problem)
    result.save(tmp_path / "run")
    run = read(tmp_path / "run")
    document = json.loads((tmp_path / "run" / "result.json").read_text())
    keys = (
        "status",
        "method",
        "route",
        "value",
        "bound",
        "gap",
        "currency",
        "digests",
        "versions",
        "seed",
        "timings",
        "binding",
        "proof",
    )
    assert [key for key in keys if key not in document] == []
    assert document["digests"] == {"problem": problem.digest, "rules": problem.rules_digest}
    assert sum(run.amounts.values()) == Decimal(document["allocated"]["now"]) == Decimal("100.00")
    assert list(run.amounts.values()) == [problem.currency.from_minor(each) for each in result.minor_units[0].tolist()]
    with (tmp_path / "run" / "allocation.csv").open(newline="") as file:
        rows = list(csv.reader(file))
    assert rows[0] == ["period", "line", "unit", "amount"]
    assert [row[2] for row in rows[1:]] == ["x", "x", "y"]


def test_an_infeasible_run_is_written_too(problem, tmp_path):
    rules = [
        {"id": "all", "kind": "envelope", "node": "all", "floor": 99},
        {"id": "none", "kind": "share", "node": "y", "cap": 0.0},
    ]
    lines = {"id": ["p", "q"], "unit": ["x", "y"], "ask": [50, 60]}
    units = {"id": ["all", "x", "y"], "parent": ["", "all", "all"]}
    result = fiscus.solve(fiscus.Problem.from_frames(lines=lines, units=units, rules=rules, budget=100))
    assert result.status == "infeasible"
    result.save(tmp_path)
    assert read(tmp_path).amounts == {}
    assert "Why there is no plan" in (tmp_path / "report.html").read_text()


def test_compare_finds_every_difference(problem, tmp_path):
    fiscus.solve(problem).save(tmp_path / "one")
    fiscus.solve(problem, method="incremental").save(tmp_path / "two")
    comparison = compare_runs(read(tmp_path / "one"), read(tmp_path / "two"))
    one, two = (read(tmp_path / name).amounts for name in ("one", "two"))
    assert {(row.period, row.line): row.difference for row in comparison.rows} == {
        key: two[key] - one[key] for key in one if one[key] != two[key]
    }
    assert abs(comparison.rows[0].difference) == max(abs(row.difference) for row in comparison.rows)


@pytest.mark.parametrize(
    ("file", "content", "match"),
    [
        ("result.json", None, "result.json"),
        ("result.json", "{", "result.json"),
        ("result.json", "[]", "result.json"),
        ("allocation.csv", None, "allocation.csv"),
        ("allocation.csv", "period,line,unit,amount\nnow,a,x,many\n", "row 2"),
        ("allocation.csv", "period,line\nnow,a\n", "other columns"),
        ("allocation.csv", "period,line,unit,amount\nnow,a,x,1,2\n", "row 2: it has more cells"),
        ("allocation.csv", "period,line,unit,amount\nnow,a,x,1\nnext,a,y,1\n", "row 3: a hangs on another unit"),
    ],
)
def test_a_broken_run_is_refused_with_its_place(problem, tmp_path, file, content, match):
    fiscus.solve(problem).save(tmp_path)
    if content is None:
        (tmp_path / file).unlink()
    else:
        (tmp_path / file).write_text(content)
    with pytest.raises(BrokenRun, match=match):
        read(tmp_path)


class Page(html.parser.HTMLParser):
    """Open tags, and every address the page would fetch."""

    def __init__(self):
        super().__init__()
        self.open: list[str] = []
        self.scripts = 0
        self.fetched: list[str] = []

    def handle_starttag(self, tag, attributes):
        if tag not in ("meta", "br", "link", "img", "input"):
            self.open.append(tag)
        self.scripts += tag == "script"
        self.fetched += [value for name, value in attributes if name in ("src", "href") and value]

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_the_report_is_whole_safe_and_fetches_nothing(problem, tmp_path):
    fiscus.solve(problem).save(tmp_path)
    text = (tmp_path / "report.html").read_text()
    page = Page()
    page.feed(text)
    assert page.open == []
    assert page.scripts == 0  # The title of a line was a script.
    assert page.fetched == []
    assert "North takes at most half" in text
    assert "&lt;script&gt;" in text


def test_table_plot_and_explanations(problem):
    result = fiscus.solve(problem)
    table = result.table()
    assert table["amount"].sum() == pytest.approx(100)
    assert table["share_of_ask"].tolist() == pytest.approx((table["amount"] / table["ask"]).tolist())
    assert list(result.compare(fiscus.solve(problem, method="incremental"))["difference"].abs()) == sorted(
        result.compare(fiscus.solve(problem, method="incremental"))["difference"].abs(), reverse=True
    )
    figure = result.plot()
    assert {text.get_text() for text in figure.axes[0].get_yticklabels()} == {"North", "South"}
    text = result.explain("e")
    assert "gets USD" in text
    assert "binds" in text
    with pytest.raises(fiscus.errors.InvalidInput, match="no line"):
        result.explain("zzz")


def test_explained_marginal_values_are_true(problem):
    """One more unit of money on a line is worth what the explanation says, by a difference quotient."""
    result = fiscus.solve(problem)
    from fiscus.core.dynamics import marginal_value

    step = 1e-5
    for line in range(3):
        more = np.array(result.allocation)
        more[0, line] += step
        quotient = (fiscus.evaluate(problem, more) - fiscus.evaluate(problem, result.allocation))[0] / step
        assert marginal_value(problem, result.allocation)[0, line] == pytest.approx(quotient, rel=1e-4)
