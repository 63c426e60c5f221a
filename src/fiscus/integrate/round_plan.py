"""A planning round as a plan that can be solved, and a run as what answers a round."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import yaml

from fiscus.core.assemble import PLAN
from fiscus.core.money import currency as coin
from fiscus.core.money import written
from fiscus.core.problem import Problem
from fiscus.core.settings import PlanSettings
from fiscus.errors import BrokenRun, InvalidInput, InvalidPlan
from fiscus.integrate.proposing import allocated_of, asked_of, funds_of, verified
from fiscus.integrate.tables import read_plan, separator_of
from fiscus.integrate.yaml_text import read_yaml
from fiscus.optimise.run_folder import read
from fiscus.optimise.verify import stored_problem
from fiscus.workflow.rounds import commands as do
from fiscus.workflow.rounds.exchange import with_asks, with_targets
from fiscus.workflow.rounds.state import OPEN, PLANNED, Round, asks_digest

RULES = "rules.yaml"
OURS = "round-fund-"
"""What ids of rules begin with that hold a fund to what there is of it."""

GUIDED = ("top_down", "hybrid")
"""Methods that look at targets."""


def write_plan(made: Round, plan: Path, out: Path) -> list[str]:
    """Write a plan with the asks, the funds and the targets of a round.

    Args:
        made: The round.
        plan: Folder of the plan whose lines are asked for.
        out: Folder to write, which must not be there.

    Returns:
        What somebody who solves it should know.

    Raises:
        InvalidInput: Where the plan cannot be read, or round and plan do not fit together; nothing is left behind.
    """
    _check_fit(made, _problem(plan))
    shutil.copytree(plan, out)
    try:
        return _fill(made, out)
    except BaseException:
        shutil.rmtree(out, ignore_errors=True)
        raise


def _fill(made: Round, out: Path) -> list[str]:
    settings = _settings(out)
    _edit(out, settings, "lines", lambda text, separator: with_asks(text, made, separator))
    if made.targets:
        _edit(out, settings, "units", lambda text, separator: with_targets(text, made, separator))
    budget = {period: _major(made, sum(funds.values())) for period, funds in made.funds.items()}
    _write_settings(out, {"budget": budget})
    try:
        problem = _problem(out)
    except InvalidPlan as error:  # It was good before: what a floor needs, for one, is not asked for.
        raise InvalidInput(
            f"with what round {made.id} asks for, the plan is not one that can be solved: {error}"
        ) from error
    limits = _limits(made, problem)
    if limits or any(rule.id.startswith(OURS) for rule in problem.rules):
        _write_rules(out, settings, limits)
        problem = _problem(out)
    return _notes(made, problem)


def _problem(plan: Path) -> Problem:
    problem, findings = read_plan(plan)
    if problem is None:
        raise InvalidPlan([each for each in findings if each.severity == "error"])
    return problem


def _check_fit(made: Round, problem: Problem) -> None:
    if problem.currency.code != made.currency:
        raise InvalidInput(
            f"the plan is in {problem.currency.code} and round {made.id} in {made.currency}: take a plan in {made.currency}"
        )
    missing = [period for period in made.funds if period not in problem.periods]
    if missing:
        raise InvalidInput(
            f"round {made.id} has funds for {', '.join(missing)}, and the plan's periods are {', '.join(problem.periods)}: "
            f"add what is missing to periods in {PLAN}"
        )
    unfunded = [period for period in problem.periods if period not in made.funds]
    if unfunded:
        raise InvalidInput(
            f"the plan is also over {', '.join(unfunded)}, for which round {made.id} has no funds, so a run would give money that "
            f"nobody said there is: take it out of periods and budget in {PLAN} and out of the tables, or plan a round with funds "
            "for every period of the plan"
        )


def _settings(folder: Path) -> dict[str, Any]:
    content: dict[str, Any] = read_yaml((folder / PLAN).read_text(encoding="utf-8-sig"))[0]
    return content


def _edit(folder: Path, settings: Mapping[str, Any], key: str, change: Callable[[str, str], str]) -> None:
    """Change one of the plan's tables."""
    path = folder / str(settings.get(key) or PlanSettings.model_fields[key].default)
    if path.suffix.lower() != ".csv":
        raise InvalidInput(
            f"the {key} of the plan are in {path.name}, and a round is written into CSV: save the table as {path.stem}.csv, and "
            f"name that in {PLAN}"
        )
    text = path.read_bytes().decode("utf-8-sig")
    path.write_text(change(text, separator_of(text)), encoding="utf-8", newline="")


def _major(made: Round, minor: int) -> int | float:
    """Major units as YAML writes them: whole where they are."""
    exact = coin(made.currency).from_minor(minor)
    return int(exact) if exact == int(exact) else float(exact)


def _write_settings(folder: Path, changes: Mapping[str, Any]) -> None:
    """Change keys of ``plan.yaml``; everything else keeps its place, with comments, where the file is written a key a line."""
    path = folder / PLAN
    text = path.read_text(encoding="utf-8-sig")
    wanted = {**read_yaml(text)[0], **changes}
    for key, value in changes.items():
        text = _with_key(text, key, _dumped({key: value}))
    try:
        kept = read_yaml(text)[0] == wanted
    except Exception:  # Whatever the text became, it is not what is wanted.
        kept = False
    path.write_text(text if kept else _dumped(wanted), encoding="utf-8")


def _dumped(content: Any) -> str:
    return yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=120, default_flow_style=None)


def _with_key(text: str, key: str, entry: str) -> str:
    """Text of a YAML mapping in which one key has another value."""
    node = yaml.compose(text, Loader=yaml.SafeLoader)
    pairs = node.value if isinstance(node, yaml.MappingNode) else []
    for name, value in pairs:
        if name.value == key:
            rest = text[value.end_mark.index :]
            block = isinstance(value, yaml.CollectionNode) and not value.flow_style
            return text[: name.start_mark.index] + (entry if block else entry.rstrip("\n")) + rest
    return f"{text.rstrip()}\n{entry}"


def _limits(made: Round, problem: Problem) -> list[dict[str, Any]]:
    """Rules that hold each fund to its total, where the budget of the period alone does not."""
    found = []
    lines: dict[str, list[str]] = {}
    for line, fund in zip(problem.lines.id, funds_of(problem), strict=True):
        lines.setdefault(fund, []).append(line)
    for period, there in made.funds.items():
        for fund, members in lines.items():
            alone = there.keys() == lines.keys() and len(there) == 1 and problem.account is None
            if alone:  # The budget says the same. With an account, cash of other periods could be spent besides.
                continue
            amount = there.get(fund, 0)
            found.append(
                {
                    "id": f"{OURS}{period}-{fund}",
                    "kind": "envelope",
                    "text": f"Of the fund {fund} there is {written(amount, made.currency)} in {period} (round {made.id}).",
                    "lines": members,
                    "cap": _major(made, amount),
                    "periods": [period],
                    "mandatory": True,
                }
            )
    return found


def _write_rules(folder: Path, settings: Mapping[str, Any], limits: list[dict[str, Any]]) -> None:
    """Add rules to those of the plan, in place of ones that an earlier round left there."""
    name = settings.get("rules")
    path = folder / str(name or RULES)
    text = path.read_text(encoding="utf-8-sig") if name else ""
    old = read_yaml(text)[0] or []
    kept = [rule for rule in old if not str(rule.get("id", "")).startswith(OURS)]
    added = _dumped(limits) if limits else ""
    longer = f"{text.rstrip()}\n{added}".lstrip()
    try:
        whole = read_yaml(longer)[0] == [*kept, *limits]
    except Exception:  # Rules in brackets, for one, cannot be added to by writing more below.
        whole = False
    path.write_text(longer if whole else _dumped([*kept, *limits]), encoding="utf-8")
    if not name:
        _write_settings(folder, {"rules": RULES})


def _notes(made: Round, problem: Problem) -> list[str]:
    told = []
    if made.status in (PLANNED, OPEN):
        told.append(
            f"This is a draft: round {made.id} is {made.status}, and its asks and targets may still change. Export again once it is "
            "frozen, and solve that."
        )
    names = {fund for funds in made.funds.values() for fund in funds}
    others = sorted(set(funds_of(problem)) - names)
    if others:
        told.append(
            f"Lines of funds that are not of the round ({', '.join(others)}) get nothing: to give them a fund, name it in the "
            "column fund of the table of lines."
        )
    if made.targets and problem.method not in GUIDED:
        told.append(
            f"The plan's method, {problem.method}, does not look at targets: write method: top_down (nobody gets more) or "
            f"method: hybrid (more has a price) in {PLAN} where they should count."
        )
    return told


def recording(made: Round, run: Path) -> do.RecordRun:
    """The command that a run answers a round.

    Raises:
        BrokenRun: Where a check of the run fails, or it holds no allocation.
        InvalidInput: Where it is in another currency.
    """
    verified(run)
    saved, problem = read(run), stored_problem(run)
    if not saved.amounts:
        raise BrokenRun(f"{run} has no allocation to record ({saved.document.get('status')})")
    if problem.currency.code != made.currency:
        raise InvalidInput(f"{run} is in {problem.currency.code}, and round {made.id} in {made.currency}")
    return do.RecordRun(made.id, problem.digest, asks_digest(asked_of(problem)), allocated_of(saved, problem))
