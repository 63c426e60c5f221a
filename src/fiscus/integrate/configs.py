"""Experiment configurations: YAML composed by Hydra, as plain data."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fiscus.errors import InvalidInput


def load_config(directory: str | Path, name: str, overrides: Sequence[str] = ()) -> dict[str, Any]:
    """Compose one configuration.

    Args:
        directory: Folder of configurations, such as ``configs`` of the repository.
        name: File in it without its ending, such as ``experiment/methods``.
        overrides: In Hydra's grammar, such as ``/problem@experiment.problem=us_federal_fy2016``.

    Returns:
        The file's own keys, with the groups it names filled in.

    Raises:
        InvalidInput: For a file, group or override that does not exist; the message is Hydra's.
    """
    from hydra import compose, initialize_config_dir
    from hydra.errors import HydraException
    from omegaconf import OmegaConf

    try:
        with initialize_config_dir(str(Path(directory).resolve()), version_base="1.3"):
            composed = OmegaConf.to_container(compose(name, overrides=list(overrides)), resolve=True)
    except HydraException as error:
        raise InvalidInput(f"the configuration {name!r} cannot be composed: {error}") from error
    if not isinstance(composed, dict):
        raise InvalidInput(f"the configuration {name!r} does not hold keys")
    plain: dict[str, Any] = {str(key): value for key, value in composed.items()}
    for part in name.split("/")[:-1]:
        plain = plain[part]
    return plain
