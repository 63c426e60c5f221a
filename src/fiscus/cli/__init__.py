"""The command line: parses, calls, prints.

Exit codes: 0 done; 1 the plan has no allocation (infeasible, unbounded or out of time); 2 the input is wrong, and every
finding was printed.
"""

from __future__ import annotations

import typer

from fiscus.cli import (
    audit,
    books,
    demo,
    drafts,
    explain,
    frontier,
    learn,
    notify,
    people,
    plans,
    policy,
    proposals,
    rounds,
    runs,
    serve,
    verify,
)

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
for name, command in (
    ("propose", proposals.propose),
    ("draft", drafts.draft),
    ("edit", drafts.edit),
    ("reallocate", drafts.reallocate),
    ("inbox", proposals.inbox),
    ("show", proposals.show),
    ("submit", proposals.submit),
    ("approve", proposals.approve),
    ("return", proposals.give_back),
    ("reject", proposals.reject),
    ("recall", proposals.recall),
    ("escalate", proposals.escalate),
    ("break-glass", proposals.break_glass),
    ("hold", proposals.hold),
    ("resume", proposals.resume),
    ("release", proposals.release),
    ("commit", proposals.commit),
    ("reverse", proposals.reverse),
    ("reconcile", proposals.reconcile),
    ("close", proposals.close),
    ("expire", drafts.expire),
    ("comment", proposals.comment),
    ("delegate", people.delegate),
):
    app.command(name, rich_help_panel="Decisions")(command)
for name, group in (
    ("people", people.people),
    ("policy", policy.policy),
    ("round", rounds.rounds),
    ("funds", books.funds),
    ("actuals", books.actuals),
    ("audit", audit.audit),
    ("notify", notify.notify),
):
    app.add_typer(group, name=name, rich_help_panel="Decisions")
app.command("serve", rich_help_panel="Decisions")(serve.serve)
app.command("demo")(demo.demo)


def main() -> None:
    """Entry point of ``fiscus``."""
    app(prog_name="fiscus")
