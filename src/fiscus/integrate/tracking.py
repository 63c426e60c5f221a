"""Training runs in MLflow: parameters, judgements and where each policy comes from. The one module that imports MLflow.

A run is kept in a local SQLite file unless another tracking address is given (MLflow's own file store is refused since 3.13).
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fiscus.errors import InvalidInput

if TYPE_CHECKING:
    from fiscus.learn.train import Judgement

EXPERIMENT = "fiscus"
LONGEST = 500
"""Characters of a parameter that are kept."""


def local(folder: Path) -> str:
    """Address of the SQLite file beside a run's folder."""
    return f"sqlite:///{(folder.absolute().parent / 'mlflow.db').as_posix()}"


class Tracking:
    """One run in MLflow."""

    def __init__(self, address: str, name: str, parameters: Mapping[str, Any], lineage: Mapping[str, Any]) -> None:
        """Begin.

        Args:
            address: MLflow's tracking URI.
            name: Of the run.
            parameters: Nested plain data; keys are joined by dots.
            lineage: Problem, process, code version and seed, as tags.

        Raises:
            InvalidInput: Where MLflow is not installed, or the address cannot be reached.
        """
        for noisy in ("mlflow", "alembic"):
            logging.getLogger(noisy).setLevel(logging.WARNING)
        try:
            from mlflow import MlflowClient
            from mlflow.exceptions import MlflowException
        except ImportError as error:
            raise InvalidInput("tracking needs MLflow; install fiscus[track], or turn tracking off") from error
        try:
            self.client = MlflowClient(address)
            found = self.client.get_experiment_by_name(EXPERIMENT)
            experiment = found.experiment_id if found else self.client.create_experiment(EXPERIMENT)
            tags = {key: str(value)[:LONGEST] for key, value in lineage.items()}
            self.run = self.client.create_run(experiment, run_name=name, tags=tags).info.run_id
            for key, value in flat(parameters).items():
                self.client.log_param(self.run, key, str(value)[:LONGEST])
        except MlflowException as error:
            raise InvalidInput(f"MLflow at {address} cannot be written to: {error.message}") from error

    def judged(self, judgement: Judgement) -> None:
        """A judgement, by round."""
        for name in ("value", "against", "low", "high", "seconds", "frames"):
            self.client.log_metric(self.run, name, float(getattr(judgement, name)), step=judgement.round)

    def done(self, status: str = "FINISHED") -> None:
        """End: ``FINISHED``, ``FAILED`` or ``KILLED``."""
        self.client.set_terminated(self.run, status)


def flat(given: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested keys joined by dots."""
    found: dict[str, Any] = {}
    for key, value in given.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping):
            found |= flat(value, f"{name}.")
        else:
            found[name] = value
    return found
