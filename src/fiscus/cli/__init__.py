"""The command line: parses, calls, prints.

Exit codes: 0 done; 1 the plan has no allocation (infeasible, unbounded or out of time); 2 the input is wrong, and every
finding was printed.
"""

from __future__ import annotations

import typer

from fiscus.cli import demo, explain, frontier, learn, plans, runs, verify

app = typer.Typer(
    name="fiscus",
    help="Split money under rules, prove the split is a good one, and carry it through approval into the books.",
    epilog="Exit codes: 0 done; 1 the plan has no allocation; 2 the input is wrong, and every finding was printed.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command("init")(plans.init)
app.command("check")(plans.check)
app.command("solve")(runs.solve)
app.command("compare")(runs.compare)
app.command("explain")(explain.explain)
app.command("verify")(verify.verify)
app.command("frontier")(frontier.frontier)
app.command("train")(learn.train)
app.command("tune")(learn.tune)
app.command("tournament")(learn.tournament)
app.command("demo")(demo.demo)


def main() -> None:
    """Entry point of ``fiscus``."""
    app(prog_name="fiscus")
