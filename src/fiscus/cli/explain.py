"""``fiscus explain``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fiscus.cli.output import print_json, screen, sentences, working
from fiscus.errors import InvalidInput

if TYPE_CHECKING:
    from fiscus.optimise.result import Result

FLIPS = 3
SECONDS = 6.0
"""After which no more ranges and flip points are begun."""


def explain(
    run: Annotated[Path, typer.Argument(help="Run folder, as written by fiscus solve --out.")],
    line: Annotated[str | None, typer.Argument(help="Id of a line; the whole plan when not given.")] = None,
    against: Annotated[
        Path | None, typer.Option(help="Another run folder: say why this run differs from it, change by change.")
    ] = None,
    flips: Annotated[int, typer.Option(help="How many lines without money to work out a flip point for.")] = FLIPS,
    as_json: Annotated[bool, typer.Option("--json", help="Print the explanation as JSON.")] = False,
) -> None:
    """Say why a plan gives what it gives, what its limits are worth, and what would change it."""
    with sentences():
        if line is not None and against is not None:
            raise InvalidInput("explain one line, or the difference from another run; not both at once")
        if flips < 0:
            raise InvalidInput(f"--flips is a number of lines, got {flips}")
        with working("reading the run"):
            result = load_result(run)
        if against is not None:
            _difference(result, load_result(against), as_json=as_json)
        elif line is not None:
            _line(result, line, as_json=as_json)
        else:
            _whole(result, flips, as_json=as_json)


def load_result(run: Path) -> Result:
    """The saved result of a run folder, explained as it was saved.

    Raises:
        BrokenRun: For a folder that is not a run, or holds no problem.
    """
    from fiscus.optimise.explain.overview import saved_result
    from fiscus.optimise.run_folder import read
    from fiscus.optimise.verify import stored_problem

    saved = read(run)
    return saved_result(saved, stored_problem(run))


def _say(texts: list[str], *, bullet: bool = False) -> None:
    for text in texts:
        screen.print(f"- {text}" if bullet else text, soft_wrap=True)


def _line(result: Result, line: str, *, as_json: bool) -> None:
    from fiscus.optimise.explain.flips import flip
    from fiscus.optimise.explain.lines import explanation

    made = explanation(result, line)
    needs, note = None, ""
    try:
        with working("solving for what would change it"):
            needs = flip(result, line)
    except InvalidInput as error:
        note = f"Without a flip point: {error}."
    if as_json:
        print_json({**made.as_dict(), "flip": needs.as_dict() if needs is not None else None, "note": note})
        return
    for each in made.periods:
        _say([" ".join(each.sentences)])
    if needs is not None and needs.status != "funded":
        _say([" ".join(needs.sentences(result.problem))])
    _say([note] if note else [])


def _whole(result: Result, flips: int, *, as_json: bool) -> None:
    from fiscus.optimise.explain.overview import overview

    with working("solving for prices, ranges and flip points"):
        made = overview(result, flips, seconds=SECONDS)
    if as_json:
        print_json(made.as_dict())
        return
    _say([result.summary()])
    _say(["", "Units:"])
    _say([" ".join(each.sentences) for each in made.units], bullet=True)
    if made.ranges:
        _say(["", "What the limits are worth:"])
        _say(made.range_sentences(), bullet=True)
    _say(["", "The largest changes against last year:"])
    _say([" ".join(each.sentences) for each in made.changes], bullet=True)
    if made.unfunded:
        _say(["", "Lines without money that are nearest to getting some:"])
        _say([" ".join(each.sentences(result.problem)) for each in made.unfunded], bullet=True)
    _say(list(made.notes))


def _difference(result: Result, other: Result, *, as_json: bool) -> None:
    from fiscus.optimise.explain.difference import difference

    with working("solving on the way from one plan to the other"):
        made = difference(other, result)
    if as_json:
        print_json(made.as_dict())
        return
    said = made.sentences()
    _say(said[:1])
    _say(said[1:], bullet=True)
