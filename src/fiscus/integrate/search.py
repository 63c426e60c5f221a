"""A search for the settings of a training run, with Optuna (Akiba et al. 2019)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fiscus.errors import InvalidInput
from fiscus.integrate.learning import config_at, run_of


@dataclass(frozen=True)
class Span:
    """Between what a number is looked for.

    Attributes:
        low: Lower end.
        high: Upper end.
        log: Whether on a logarithmic scale.
    """

    low: float
    high: float
    log: bool


def spans(words: Sequence[str]) -> dict[str, Span]:
    """From ``KEY=LOW:HIGH`` or ``KEY=LOW:HIGH:log``.

    Raises:
        InvalidInput: For words of another form.
    """
    return dict(_span(word) for word in words)


def _span(word: str) -> tuple[str, Span]:
    key, _, rest = word.partition("=")
    parts = rest.split(":")
    try:
        low, high = float(parts[0]), float(parts[1])
    except (ValueError, IndexError):
        raise InvalidInput(f"what to vary is KEY=LOW:HIGH or KEY=LOW:HIGH:log, got {word!r}") from None
    log = parts[2:] == ["log"]
    if not key or (parts[2:] and not log) or not low < high or (log and low <= 0):
        raise InvalidInput(f"what to vary is KEY=LOW:HIGH or KEY=LOW:HIGH:log with LOW below HIGH, got {word!r}")
    return key, Span(low, high, log)


def search(
    config: Path, overrides: Sequence[str], asked: dict[str, Span], trials: int, seed: int
) -> list[dict[str, Any]]:
    """Train with drawn settings and keep what came of each, best first.

    Args:
        config: Of training.
        overrides: The same for all trials.
        asked: What to vary.
        trials: How many.
        seed: Of the search.

    Raises:
        InvalidInput: Where Optuna is not installed, or a key does not exist.
    """
    try:
        import optuna
    except ImportError as error:
        raise InvalidInput("the search needs Optuna; install fiscus[track]") from error
    optuna.logging.set_verbosity(optuna.logging.WARNING)

    def worth(trial: Any) -> float:
        settings = {key: trial.suggest_float(key, span.low, span.high, log=span.log) for key, span in asked.items()}
        drawn = [f"{key}={value!r}" for key, value in settings.items()]
        return run_of(config_at(config, [*overrides, *drawn])).play().best.against

    study = optuna.create_study(direction="maximize", sampler=optuna.samplers.TPESampler(seed=seed))
    study.optimize(worth, n_trials=trials)
    done = [
        {"against": float(each.value), "settings": dict(each.params)} for each in study.trials if each.value is not None
    ]
    return sorted(done, key=lambda each: -float(each["against"]))
