"""Printing that every command shares."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from fiscus.core.findings import Finding
from fiscus.core.problem import Problem
from fiscus.errors import FiscusError, InvalidInput

NO_PLAN = 1
WRONG_INPUT = 2

COLOURS = {"error": "bold red", "warning": "yellow", "proved": "green", "reported": "yellow", "failed": "bold red"}

WIDTH = 120
"""Columns where the output goes to a file or a pipe; a terminal tells its own."""

# Titles, names and periods are people's words: brackets and colons in them are neither markup nor emoji, also in tables.
screen = Console(highlight=False, markup=False, emoji=False, width=None if sys.stdout.isatty() else WIDTH)
aside = Console(stderr=True, highlight=False, markup=False, emoji=False)


def print_json(document: Any) -> None:
    """Plain JSON on standard output, for machines."""
    sys.stdout.write(json.dumps(document, indent=2, ensure_ascii=False) + "\n")


@contextmanager
def sentences() -> Iterator[None]:
    """Turn what went wrong into a sentence and exit code 2; a person never sees a traceback for bad input."""
    try:
        yield
    except FiscusError as error:
        print_loud("error", f": {error}", aside)
        raise typer.Exit(WRONG_INPUT) from error
    except OSError as error:
        where = f" ({error.filename})" if error.filename else ""
        print_loud("error", f": {error.strerror or error}{where}", aside)
        raise typer.Exit(WRONG_INPUT) from error


@contextmanager
def working(what: str) -> Iterator[None]:
    """A spinner beside the output while something takes its time; nothing where nobody watches.

    HiGHS now and then prints a line of its own to the process's standard output, past every setting; it goes beside too, so that
    ``--json`` stays JSON.
    """
    sys.stdout.flush()
    kept = os.dup(1)
    os.dup2(2, 1)
    try:
        if aside.is_terminal:
            with aside.status(Text(what)):
                yield
        else:
            yield
    finally:
        sys.stdout.flush()
        os.dup2(kept, 1)
        os.close(kept)


def print_loud(word: str, text: str, console: Console = screen) -> None:
    """A word in its colour, and what follows it as it is."""
    console.print(Text.assemble((word, COLOURS[word]), text), soft_wrap=True)


def print_findings(findings: Sequence[Finding]) -> None:
    """Every finding with its place, errors first."""
    for finding in sorted(findings, key=lambda each: each.severity):
        print_loud(finding.severity, str(finding).removeprefix(finding.severity))


def read_or_exit(plan: Path, *, as_json: bool) -> Problem:
    """The problem of a plan folder; exit code 2 with every finding where there is none."""
    from fiscus.integrate.tables import read_plan

    with working(f"reading {plan}"):
        problem, findings = read_plan(plan)
    if problem is not None:
        if not as_json:
            print_findings(findings)
        return problem
    if as_json:
        print_json({"plan": str(plan), "findings": [finding.as_dict() for finding in findings]})
    else:
        print_findings(findings)
        errors = sum(finding.severity == "error" for finding in findings)
        screen.print(f"{errors} error{'s' if errors != 1 else ''} in {plan}; nothing was solved.", soft_wrap=True)
    raise typer.Exit(WRONG_INPUT)


def spare(path: Path) -> Path:
    """A file to write, where nothing is lost by it.

    Raises:
        InvalidInput: Where something is in it already.
    """
    if path.is_file() and path.stat().st_size:
        raise InvalidInput(
            f"{path} is there already, and nothing is written over it: name another file, or move that one away"
        )
    return path


def table(*columns: str, numbers: Sequence[str] = ()) -> Table:
    """An empty table whose number columns are right-aligned."""
    made = Table(box=None, header_style="bold", pad_edge=False)
    for name in columns:
        made.add_column(name, justify="right" if name in numbers else "left", overflow="fold")
    return made
