"""``fiscus train``, ``fiscus tune`` and ``fiscus tournament``."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from fiscus.cli.output import aside, print_json, screen, sentences, table, working
from fiscus.errors import InvalidInput

if TYPE_CHECKING:
    from fiscus.integrate.tracking import Tracking
    from fiscus.learn.train import Judgement, Run

Config = Annotated[Path, typer.Argument(help="Configuration, such as configs/train/one_pot.yaml.")]
Overrides = Annotated[list[str] | None, typer.Argument(help="Changes in Hydra's grammar, such as setup.rounds=50.")]


def train(
    config: Config,
    overrides: Overrides = None,
    out: Annotated[Path, typer.Option(help="Folder for the policy and what the run goes on from.")] = Path("policy"),
    track: Annotated[
        str, typer.Option(help="MLflow's address, 'local' for mlflow.db beside the folder, or 'off'.")
    ] = "local",
    guard: Annotated[
        int, typer.Option(help="Validation paths on which the policy must beat its guide; 0 for none.")
    ] = 2_000,
    log: Annotated[
        Path | None, typer.Option(help="Folder for the learner's losses, as CSV and for TensorBoard.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print what came of it as JSON.")] = False,
) -> None:
    """Train a policy; the same command goes on where it was stopped."""
    with sentences():
        from fiscus.integrate.learning import config_at, run_of
        from fiscus.learn.guarded import guarded

        given = config_at(config, overrides or [])
        with working("getting ready"):
            run = run_of(given, out, log)
            resumed = run.resume()
        if resumed and not as_json:
            screen.print(f"going on after round {run.trainer.round} of {run.setup.rounds}")
        tracking = _tracking(track, out, given, run)
        made = _played(run, tracking)
        with working("writing"):
            made.policy.save(out)
            safe = guarded(run.game, made.policy, run.spec.guide.policy(run.game), guard) if guard else None
        if as_json:
            best = made.best
            print_json(
                {
                    "policy": str(out),
                    "round": best.round,
                    "value": best.value,
                    "against_guide": [best.against, best.low, best.high],
                    "seconds": run.seconds,
                    "frames": run.frames,
                    "stopped": made.stopped,
                    "guarded": None
                    if safe is None
                    else {"playing": safe.playing.name, "gain": [safe.gain, safe.low, safe.high]},
                }
            )
            return
        _show(made.history)
        pace = run.frames / run.seconds if run.seconds else 0.0
        screen.print(f"{run.frames:,} decisions in {run.seconds:.0f} s ({pace:,.0f} a second)")
        if made.stopped:
            screen.print("stopped early: nothing better came")
        if safe is not None:
            screen.print(safe.sentence, soft_wrap=True)
        screen.print(f"wrote {out / 'policy.json'} and weights.safetensors", soft_wrap=True)


def _tracking(track: str, out: Path, given: dict[str, Any], run: Run) -> Tracking | None:
    if track == "off":
        return None
    from fiscus.integrate.tracking import Tracking, local

    address = local(out) if track == "local" else track
    out.absolute().parent.mkdir(parents=True, exist_ok=True)
    with working("opening MLflow"):
        return Tracking(address, out.name, given, run.about)


def _played(run: Run, tracking: Tracking | None) -> Any:
    """Train with a bar where somebody watches."""
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[pace]}"), TimeRemainingColumn())
    status = "FAILED"
    try:
        with Progress(*columns, console=aside, disable=not aside.is_terminal, transient=True) as bar:
            task = bar.add_task("training", total=run.setup.rounds, completed=run.trainer.round, pace="")

            def told(judged: Judgement | None, at: Run) -> None:
                pace = f"{at.frames / at.seconds:,.0f} frames/s" if at.seconds else ""
                best = max((each.against for each in at.history), default=0.0)
                bar.update(task, completed=at.trainer.round, pace=f"{pace}, best {best:+.2%} against the guide")
                if judged is not None and tracking is not None:
                    tracking.judged(judged)

            made = run.play(told)
        status = "FINISHED"
        return made
    except KeyboardInterrupt:
        status = "KILLED"
        run.keep()
        aside.print("stopped; the same command goes on from here")
        raise typer.Exit(130) from None
    finally:
        if tracking is not None:
            tracking.done(status)


def _show(history: tuple[Judgement, ...]) -> None:
    shown = table("round", "value", "against guide", "95% interval", numbers=("round", "value", "against guide"))
    for each in history:
        shown.add_row(
            str(each.round), f"{each.value:,.2f}", f"{each.against:+.3%}", f"{each.low:+.3%} to {each.high:+.3%}"
        )
    screen.print(shown)


def tournament(
    config: Annotated[Path, typer.Argument(help="Configuration, such as configs/tournament/one_pot.yaml.")],
    overrides: Overrides = None,
    out: Annotated[Path | None, typer.Option(help="Folder for table.csv, tournament.json and pictures.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print standings and verdict as JSON.")] = False,
) -> None:
    """Play policies on the same sample paths, against perfect foresight, and say who wins if the paths tell."""
    with sentences():
        from dataclasses import asdict

        from fiscus.integrate.learning import config_at
        from fiscus.integrate.learning import tournament as held

        given = config_at(config, overrides or [])
        with working("playing"):
            judged = held(given)
            if out is not None:
                judged.write(out)
        if as_json:
            print_json(
                {
                    "verdict": judged.tournament.verdict(),
                    "foresight": float(judged.tournament.foresight.mean()),
                    "expected_value_of_perfect_information": judged.tournament.information,
                    "standings": [asdict(each) for each in judged.tournament.standings()],
                }
            )
            return
        columns = (
            "policy",
            "mean",
            "regret",
            "against_mpc",
            "low",
            "high",
            "worse_than_mpc",
            "gap_closed",
            "microseconds",
        )
        shown = table(
            *(name.replace("_", " ") for name in columns), numbers=tuple(name.replace("_", " ") for name in columns[1:])
        )
        for row in judged.rows():
            shown.add_row(*(row[name] for name in columns))
        screen.print(shown)
        gap = f"Expected value of perfect information over MPC: {judged.tournament.information:,.4g}."
        screen.print(gap, soft_wrap=True)
        screen.print(judged.tournament.verdict(), soft_wrap=True)
        if out is not None:
            screen.print(
                f"wrote {out / 'table.csv'}, tournament.json, tournament.svg and tournament.png",
                soft_wrap=True,
            )


def tune(
    config: Config,
    overrides: Overrides = None,
    vary: Annotated[
        list[str] | None,
        typer.Option(
            help="What to search, KEY=LOW:HIGH, with :log for a logarithmic scale; setup.learning_rate=1e-4:1e-2:log."
        ),
    ] = None,
    trials: Annotated[int, typer.Option(help="Runs to try.")] = 20,
    seed: Annotated[int, typer.Option(help="Of the search.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print the trials as JSON.")] = False,
) -> None:
    """Search for the settings of a training run with Optuna."""
    with sentences():
        from fiscus.integrate.search import search, spans

        asked = spans(vary or ["setup.learning_rate=1e-4:1e-2:log", "setup.spread=0.02:0.5:log"])
        if trials < 1:
            raise InvalidInput(f"trials is at least 1, got {trials}")
        began = time.perf_counter()
        with working("searching"):
            found = search(config, overrides or [], asked, trials, seed)
        if as_json:
            print_json({"best": found[0], "trials": found})
            return
        shown = table("against guide", *asked, numbers=("against guide", *asked))
        for trial in found:
            shown.add_row(f"{trial['against']:+.3%}", *(f"{trial['settings'][name]:.4g}" for name in asked))
        screen.print(shown)
        screen.print(f"{trials} trials in {time.perf_counter() - began:.0f} s")
