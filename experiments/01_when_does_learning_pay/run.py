"""When does learning pay? Ten training runs a problem against re-optimisation, its kin and perfect foresight, on the same paths.

python experiments/01_when_does_learning_pay/run.py train     # about an hour on one core; goes on where it was stopped
python experiments/01_when_does_learning_pay/run.py judge     # the tables, from the policies that training left
"""

from __future__ import annotations

import csv
import sys
from pathlib import Path

from fiscus.integrate.learning import config_at, run_of, tournament
from fiscus.learn.play import paths, play

HERE = Path(__file__).parent
CONFIGS = HERE.parent.parent / "configs"
POLICIES = HERE / "policies"
SEEDS = range(10)

LEARNED = {
    "one_pot": ("one_pot", []),
    "wrong_model_0.5": ("wrong_model", []),
    "wrong_model_0.3": ("wrong_model", ["problem.mistaken.log_sd=0.3"]),
    "unknown_curves": ("unknown_curves", []),
    "hidden_regimes": ("hidden_regimes", []),
    "observed_ar1": ("observed_ar1", []),
}
"""Name in the tables, configuration of training, overrides."""

COMMON = ["last year", "pro rata", "best fixed shares", "myopic", "myopic evenly", "MPC"]
OTHERS = {
    "one_pot": ["tuned MPC", "scenario MPC", "DP of money"],
    "wrong_model_0.5": ["MPC true curves"],
    "wrong_model_0.3": ["MPC true curves"],
    "unknown_curves": ["MPC not learning", "posterior sampling"],
    "hidden_regimes": ["MPC not learning", "posterior sampling"],
    "observed_ar1": ["tuned MPC", "scenario MPC"],
    "delay3": ["MPC not learning", "posterior sampling"],
    "jumps": ["MPC not learning"],
    "setup_costs": ["relaxed MPC"],
    "baltimore_rounds": [],
}
PATHS = {"setup_costs": 60, "baltimore_rounds": 500}
MOST_PATHS = 2_000


def train() -> None:
    """Every run that is not there yet."""
    for seed in SEEDS:
        for name, (config, overrides) in LEARNED.items():
            folder = POLICIES / name / str(seed)
            if (folder / "policy.json").exists():
                continue
            given = config_at(CONFIGS / "train" / config, [*overrides, f"+setup.seed={seed}"])
            run = run_of(given, folder)
            run.resume()
            made = run.play()
            made.policy.save(folder)
            (folder / "checkpoint.safetensors").unlink(missing_ok=True)
            best = made.best
            print(
                f"{name} {seed}: {best.against:+.3%} ({best.low:+.3%} to {best.high:+.3%}) at round {best.round}, {run.seconds:.0f} s",
                flush=True,
            )


def judge() -> None:
    """One table for all problems."""
    rows, verdicts, runs = [], [], []
    for name, others in OTHERS.items():
        config, overrides = LEARNED.get(name, (name, []))
        problem = config_at(CONFIGS / "problem" / "bench" / config, [])
        if overrides:
            problem["mistaken"]["log_sd"] = 0.3
        folders = [str(POLICIES / name / str(seed)) for seed in SEEDS if (POLICIES / name / str(seed)).exists()]
        given = {
            "problem": problem,
            "policies": [*COMMON, *others] if name != "setup_costs" else ["pro rata", "myopic", "MPC", *others],
            "learned": {"learned": folders} if folders else {},
            "paths": PATHS.get(name, MOST_PATHS),
        }
        judged = tournament(given)
        rows += [{"problem": name, "paths": str(given["paths"]), **row} for row in judged.rows()]
        learned = judged.tournament.by_name.get("learned")
        standard = judged.tournament.by_name["MPC"].mean.mean()
        for seed, values in enumerate([] if learned is None else learned.values):
            runs.append(
                {
                    "problem": name,
                    "seed": str(seed),
                    "mean": f"{values.mean():.9g}",
                    "against_mpc": f"{values.mean() / standard - 1:+.3%}",
                }
            )
        verdicts.append({"problem": name, "verdict": judged.tournament.verdict()})
        print(name, judged.tournament.verdict(), flush=True)
    for file, table in (("table.csv", rows), ("runs.csv", runs), ("verdicts.csv", verdicts)):
        write(file, table)


def write(file: str, table: list[dict[str, str]]) -> None:
    """A small table beside this file."""
    with (HERE / file).open("w", newline="", encoding="utf-8") as opened:
        writer = csv.DictWriter(opened, table[0], lineterminator="\n")
        writer.writeheader()
        writer.writerows(table)


def modes() -> None:
    """Plain agents that read actions in five ways, on the plain problem, ten runs each, the same rounds for all."""
    problem = config_at(CONFIGS / "problem" / "bench" / "observed_ar1", [])
    entries, rows = {}, []
    for mode in ("spend", "softmax", "project", "residual", "scaled"):
        guided = mode in ("residual", "scaled")
        values, seconds = [], 0.0
        for seed in SEEDS:
            rounds = 20 if guided else 100
            given = {
                "problem": problem,
                "agent": {"mode": mode},
                "setup": {"seed": seed, "rounds": rounds, "spread": 0.05 if guided else 0.3, "from_guide": guided},
                "judging": {"every": 50 if not guided else 10},
            }
            run = run_of(given)
            made = run.play()
            values.append(play(run.game, made.policy, paths(1_000_000_000, MOST_PATHS)).value)
            seconds += run.seconds / len(SEEDS)
            print(mode, seed, f"{made.best.against:+.3%}", flush=True)
        entries[mode] = values
        rows.append({"mode": mode, "rounds": str(rounds), "seconds": f"{seconds:.0f}"})
    judged = tournament({"problem": problem, "policies": ["MPC"], "paths": MOST_PATHS}, entries)
    standings = {row["policy"]: row for row in judged.rows()}
    kept = ("regret", "against_mpc", "low", "high")
    write("modes.csv", [{**row, **{key: standings[row["mode"]][key] for key in kept}} for row in rows])


if __name__ == "__main__":
    {"train": train, "judge": judge, "modes": modes}[sys.argv[1] if len(sys.argv) > 1 else "judge"]()
