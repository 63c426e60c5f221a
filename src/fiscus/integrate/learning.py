"""From configurations to training runs and tournaments."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from fiscus.core.arrays import FloatArray
from fiscus.env.game import Game, game
from fiscus.errors import InvalidInput
from fiscus.integrate.configs import load_config
from fiscus.integrate.suite import Bench, bench, process_of
from fiscus.learn.agent import AgentSpec
from fiscus.learn.evaluate import Entry, Standing, Tournament, profile
from fiscus.learn.foresight import foresight
from fiscus.learn.learned import load_policy
from fiscus.learn.mpc import MPC, Posterior, ScenarioMPC
from fiscus.learn.oracle import MoneyOracle
from fiscus.learn.play import paths, play
from fiscus.learn.policy import LastYear, Myopic, Policy, ProRata
from fiscus.learn.relaxed import RelaxedMPC
from fiscus.learn.tune import best_shares, tuned_future

if TYPE_CHECKING:
    from fiscus.learn.train import Run

STANDARD = "MPC"
"""Name of the policy that others are measured against."""


def config_at(path: Path, overrides: Sequence[str] = ()) -> dict[str, Any]:
    """A configuration file, with the groups that it names filled in.

    Args:
        path: The YAML file; groups are looked for from the folder ``configs`` that it lies in, else from its own.
        overrides: In Hydra's grammar, without the file's own group: ``setup.seed=3``.

    Raises:
        InvalidInput: For a file that does not exist or cannot be composed.
    """
    file = path if path.suffix == ".yaml" else path.with_name(f"{path.name}.yaml")
    if not file.is_file():
        raise InvalidInput(f"there is no configuration {file}")
    absolute = file.absolute()
    root = next((parent for parent in absolute.parents if parent.name == "configs"), absolute.parent)
    name = absolute.relative_to(root).with_suffix("").as_posix()
    group = ".".join(name.split("/")[:-1])
    own = [_in_group(each, group) for each in overrides]
    return load_config(root, name, own)


def _in_group(override: str, group: str) -> str:
    """An override of a file's own key, as Hydra wants it from the root; keys with a default need no plus sign."""
    if override.startswith("/") or "@" in override.split("=")[0]:
        return override
    sign = "++" if override.startswith("++") else override[:1] if override[:1] in ("+", "~") else ""
    key = override[len(sign) :]
    return f"{sign or '++'}{group}.{key}" if group else f"{sign or '++'}{key}"


def simple_policies(played: Bench, names: Sequence[str]) -> dict[str, Policy]:
    """The policies that are not trained, by name; some are tuned first.

    Args:
        played: The problem and its planner.
        names: Of: last year, incremental, pro rata, best fixed shares, myopic, myopic evenly, MPC, MPC not learning, MPC true curves,
            relaxed MPC, tuned MPC, scenario MPC, posterior sampling, DP of money.

    Raises:
        InvalidInput: For an unknown name.
    """
    return {name: _simple(played, name) for name in names}


def _simple(played: Bench, name: str) -> Policy:
    if name == "best fixed shares":
        return best_shares(played.game)
    if name == "tuned MPC":
        return tuned_future(played.game)
    made: dict[str, Policy] = {
        "last year": LastYear(),
        "incremental": LastYear(0.02),
        "pro rata": ProRata(),
        "myopic": Myopic(),
        "myopic evenly": Myopic(even=True),
        STANDARD: MPC() if played.guide.kind == "relaxed" else _named(played.guide.policy(played.game), STANDARD),
        "relaxed MPC": RelaxedMPC(),
        "MPC not learning": MPC("MPC not learning", learning=False),
        "MPC true curves": MPC("MPC true curves"),
        "scenario MPC": ScenarioMPC(8),
        "posterior sampling": Posterior(),
        "DP of money": MoneyOracle(),
    }
    if name not in made:
        raise InvalidInput(f"no policy is called {name!r}; known are best fixed shares, tuned MPC, {', '.join(made)}")
    return made[name]


def _named(policy: Any, name: str) -> Policy:
    named: Policy = replace(policy, name=name)
    return named


@dataclass(frozen=True, eq=False)
class Judged:
    """A tournament and what it was played on.

    Attributes:
        tournament: Everyone's values.
        config: As composed.
    """

    tournament: Tournament
    config: Mapping[str, Any]

    def rows(self) -> list[dict[str, str]]:
        """The table, best first, with perfect foresight above."""
        shown = [_row(each) for each in self.tournament.standings()]
        best = self.tournament.foresight
        error = best.std(ddof=1) / np.sqrt(len(best))
        top = {"policy": "perfect foresight", "runs": "", "mean": f"{best.mean():.6g}", "error": f"{error:.2g}"}
        return [{key: top.get(key, "") for key in shown[0]}, *shown]

    def write(self, folder: Path) -> None:
        """``table.csv``, ``tournament.json`` and ``profile.svg``/``.png``."""
        folder.mkdir(parents=True, exist_ok=True)
        rows = self.rows()
        with (folder / "table.csv").open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, rows[0], lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)
        document = {
            "config": dict(self.config),
            "verdict": self.tournament.verdict(),
            "expected_value_of_perfect_information": self.tournament.information,
            "standings": [asdict(each) for each in self.tournament.standings()],
            "version": version("fiscus"),
        }
        (folder / "tournament.json").write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
        figure = draw(self.tournament)
        figure.savefig(folder / "tournament.svg")
        figure.savefig(folder / "tournament.png", dpi=120)


def _row(each: Standing) -> dict[str, str]:
    several = each.interquartile
    return {
        "policy": each.name,
        "runs": str(each.runs),
        "mean": f"{each.mean:.6g}",
        "error": f"{each.error:.2g}",
        "regret": f"{each.regret:.3%}",
        "against_mpc": f"{each.difference:+.3%}",
        "low": f"{each.low:+.3%}",
        "high": f"{each.high:+.3%}",
        "cvar": f"{each.cvar:.6g}",
        "worse_than_mpc": f"{each.worse:.1%}",
        "gap_closed": "" if each.closed is None else f"{each.closed:.1%}",
        "iqm": "" if several is None else f"{several[0]:+.3%}",
        "iqm_low": "" if several is None else f"{several[1]:+.3%}",
        "iqm_high": "" if several is None else f"{several[2]:+.3%}",
        "microseconds": f"{each.microseconds:.0f}",
    }


def draw(tournament: Tournament) -> Any:
    """Regret of each policy with the interval of its difference to the reference, and how often each comes how near the bound."""
    from matplotlib.figure import Figure

    order = tournament.standings()
    figure = Figure(figsize=(11, max(3.6, 0.42 * len(order) + 1.4)), layout="constrained")
    left, right = figure.subplots(1, 2)
    best = abs(float(tournament.foresight.mean())) or 1.0
    size = 100 * abs(float(tournament.by_name[tournament.reference].mean.mean())) / best
    places = np.arange(len(order))
    reach = np.array([[size * (each.difference - each.low), size * (each.high - each.difference)] for each in order])
    left.errorbar([100 * each.regret for each in order], places, xerr=reach.T, fmt="o", capsize=3, color="#1f4e79")
    left.axvline(0.0, color="black", linewidth=0.8)
    left.set_yticks(places, [each.name for each in order])
    left.invert_yaxis()
    left.set_xlabel(
        f"% below perfect foresight\n(bars: 95% intervals of the paired difference to {tournament.reference})"
    )
    _draw_profiles(right, tournament, [each.name for each in order[:MOST_PROFILES]])
    return figure


MOST_PROFILES = 6


def _draw_profiles(axes: Any, tournament: Tournament, names: Sequence[str]) -> None:
    """Performance profiles: the part of paths and runs on which a policy gets at least so much of perfect foresight."""
    part = {name: (tournament.by_name[name].values / tournament.foresight).ravel() for name in names}
    lowest = min(float(np.quantile(each, 0.05)) for each in part.values())
    levels = np.linspace(max(lowest, 0.0), 1.0, 200)
    styles = ("-", "--", "-.", ":", (0, (5, 1)), (0, (1, 1)))
    for (name, each), style in zip(part.items(), styles, strict=False):
        axes.plot(100 * levels, 100 * profile([each], levels), linestyle=style, label=name)
    axes.set_xlabel("at least so many % of perfect foresight")
    axes.set_ylabel("% of paths")
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.17), ncols=3, fontsize="small")


def tournament(config: Mapping[str, Any], entries: Mapping[str, Sequence[FloatArray]] | None = None) -> Judged:
    """Play everyone whom a configuration names.

    Args:
        config: ``problem`` (keys of a problem), ``policies`` (names), ``learned`` (name to folders of its training runs), ``paths``,
            ``first_path``, and ``shift`` (another ``process``) to judge policies on what they were not made for.
        entries: Values already played, by name, shape (K, N).

    Raises:
        InvalidInput: For unknown keys and names.
        BrokenPolicy: For a policy that cannot be read, or is of another problem.
    """
    known = {"problem", "policies", "learned", "paths", "first_path", "shift"}
    if set(config) - known:
        raise InvalidInput(
            f"a tournament has no key {sorted(set(config) - known)[0]!r}; known are {', '.join(sorted(known))}"
        )
    played = bench(config["problem"])
    judged_on = _shifted(played.game, config.get("shift"))
    seeds = paths(int(config.get("first_path", 1_000_000_000)), int(config.get("paths", 2_000)))
    names = list(config.get("policies") or [STANDARD])
    if STANDARD not in names:
        names.insert(0, STANDARD)
    learned: dict[str, list[Policy]] = {
        name: [load_policy(folder, played.game.problem.digest) for folder in _folders(folders)]
        for name, folders in (config.get("learned") or {}).items()
    }  # Before anybody plays: what cannot be read is told at once.
    made = [_entry(judged_on, name, [policy], seeds) for name, policy in simple_policies(played, names).items()]
    made += [_entry(judged_on, name, runs, seeds) for name, runs in learned.items()]
    made += [Entry(name, np.asarray(values)) for name, values in (entries or {}).items()]
    return Judged(Tournament(tuple(made), foresight(judged_on, seeds), STANDARD), dict(config))


def _folders(given: Any) -> list[str]:
    return [str(given)] if isinstance(given, str) else [str(each) for each in given]


def _shifted(played: Game, shift: Mapping[str, Any] | None) -> Game:
    if not shift:
        return played
    return game(played.problem, process_of(played.problem, shift), played.sight)


def _entry(played: Game, name: str, runs: Sequence[Policy], seeds: Any) -> Entry:
    results = [play(played, policy, seeds) for policy in runs]
    seconds = sum(each.seconds for each in results) / (len(results) * len(seeds) * played.periods)
    return Entry(name, np.stack([each.value for each in results]), seconds)


def lineage(played: Bench, seed: int) -> dict[str, Any]:
    """Where a policy comes from: problem, process, code and seed."""
    return {
        "problem": dict(played.config),
        "problem_digest": played.game.problem.digest,
        "process": type(played.game.process).__name__,
        "fiscus": version("fiscus"),
        "seed": seed,
    }


def agent_of(config: Mapping[str, Any], played: Bench) -> AgentSpec:
    """The agent of a configuration, guided by the problem's planner unless it names another."""
    given = dict(config.get("agent") or {})
    spec = AgentSpec.from_dict(given)
    guide = {
        **played.guide.__dict__,
        **{key: value for key, value in spec.guide.__dict__.items() if key in (given.get("guide") or {})},
    }
    return replace(spec, guide=type(played.guide)(**guide))


def run_of(config: Mapping[str, Any], folder: Path | None = None, log: Path | None = None) -> Run:
    """A training run, ready to begin.

    Args:
        config: ``problem``, ``agent``, ``setup`` and ``judging``; see :class:`~fiscus.learn.agent.AgentSpec`,
            :class:`~fiscus.learn.sb3.Setup` and :class:`~fiscus.learn.train.Judging`.
        folder: Where to keep it.
        log: Where the learner writes its losses.

    Raises:
        InvalidInput: For unknown keys, and values that cannot be meant.
    """
    from fiscus.learn.sb3 import Setup
    from fiscus.learn.train import Judging, Run

    known = {"problem", "agent", "setup", "judging"}
    if set(config) - known:
        raise InvalidInput(
            f"training has no key {sorted(set(config) - known)[0]!r}; known are {', '.join(sorted(known))}"
        )
    if "problem" not in config:
        raise InvalidInput("training needs a problem, such as one of configs/problem/bench")
    played = bench(config["problem"])
    try:
        setup, judging = Setup(**_tuples(config.get("setup"))), Judging(**(config.get("judging") or {}))
    except TypeError as error:
        raise InvalidInput(f"setup or judging has a key that does not exist: {error}") from error
    return Run(played.game, agent_of(config, played), setup, judging, lineage(played, setup.seed), folder, log)


def _tuples(given: Mapping[str, Any] | None) -> dict[str, Any]:
    """Lists of a configuration as tuples, which cannot be changed."""
    return {key: tuple(value) if isinstance(value, list) else value for key, value in (given or {}).items()}
