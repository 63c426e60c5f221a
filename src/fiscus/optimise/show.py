"""Results as tables and short HTML, for notebooks and the report. Imports pandas, so nothing imports this before it is asked."""

from __future__ import annotations

import html

import numpy as np
import pandas as pd

from fiscus.core.facts import Facts
from fiscus.optimise.result import Result


def allocation_table(result: Result) -> pd.DataFrame:
    """One row for each period and line; see :meth:`Result.table`."""
    problem = result.problem
    amounts = result.apportionment.amounts
    periods, lines = problem.shape
    asked = np.where(np.isfinite(problem.lines.ask), problem.lines.ask, np.nan)
    with np.errstate(divide="ignore", invalid="ignore"):  # Lines that ask for nothing have no share of their request.
        share = amounts / asked
    return pd.DataFrame(
        {
            "period": np.repeat(problem.periods, lines),
            "line": np.tile(problem.lines.id, periods),
            "name": np.tile(problem.lines.name, periods),
            "unit": np.tile(unit_of(problem), periods),
            "prior": np.tile(problem.lines.prior, periods),
            "ask": asked.ravel(),
            "amount": amounts.ravel(),
            "share_of_ask": share.ravel(),
        }
    )


def unit_of(problem: Facts) -> list[str]:
    """Unit id of each line."""
    return [problem.tree.ids[unit] for unit in problem.lines.unit.tolist()]


def unit_table(result: Result, depth: int = 1) -> pd.DataFrame:
    """Totals over all periods of the units of one depth: last year (once for every period), request and amount.

    Raises:
        NoAllocation: Where there is no allocation.
    """
    problem = result.problem
    level = problem.tree.levels[min(depth, len(problem.tree.levels) - 1)]
    asked = np.where(np.isfinite(problem.lines.ask), problem.lines.ask, 0.0).sum(axis=0)
    amounts = result.apportionment.amounts.sum(axis=0)
    totals = problem.membership[level] @ np.column_stack([problem.lines.prior * problem.shape[0], asked, amounts])
    frame = pd.DataFrame(totals, columns=["prior", "ask", "amount"])
    frame.insert(0, "unit", [problem.tree.ids[unit] for unit in level.tolist()])
    frame.insert(1, "name", [problem.tree.names[unit] for unit in level.tolist()])
    return frame.sort_values("amount", ascending=False, kind="stable", ignore_index=True)


def comparison_table(first: Result, second: Result) -> pd.DataFrame:
    """Amounts side by side; see :meth:`Result.compare`."""
    keys = ["period", "line", "name"]
    left = first.table()[[*keys, "amount"]]
    right = second.table()[[*keys, "amount"]]
    both = left.merge(right, on=keys, how="outer", suffixes=("_first", "_second")).fillna(
        {"amount_first": 0.0, "amount_second": 0.0}
    )
    both["difference"] = both["amount_second"] - both["amount_first"]
    order = both["difference"].abs().sort_values(ascending=False, kind="stable").index
    return both.loc[order].reset_index(drop=True)


def result_html(result: Result) -> str:
    """A summary sentence and the largest amounts."""
    head = f"<p><b>{html.escape(result.summary())}</b></p>"
    if result.solution is None:
        return head
    table = result.table().sort_values("amount", ascending=False, kind="stable").head(20)
    formats = {
        "prior": "{:,.2f}".format,
        "ask": "{:,.2f}".format,
        "amount": "{:,.2f}".format,
        "share_of_ask": "{:.0%}".format,
    }
    body = table.to_html(index=False, formatters=formats, border=0, escape=True, na_rep="")
    rest = len(result.table()) - len(table)
    return head + body + (f"<p>and {rest} more</p>" if rest > 0 else "")
