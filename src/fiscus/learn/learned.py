"""Learned policies: a network, what it looks at and how its actions are read; saved as safetensors and JSON, never unpickled."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from fiscus.core.arrays import FloatArray
from fiscus.env.decode import Moment
from fiscus.env.fields import Seen, observed
from fiscus.env.game import Game
from fiscus.env.selection import SelectionEngine
from fiscus.errors import BrokenPolicy, FiscusError
from fiscus.learn.agent import Agent, AgentSpec
from fiscus.learn.network import Array32, Network

FORMAT = 1
WEIGHTS, WORDS = "weights.safetensors", "policy.json"
LARGEST_FILE = 200_000_000
"""Bytes beyond which a file is no policy of ours."""

KEYS = {"format", "name", "agent", "network", "problem", "weights", "about"}


@dataclass(frozen=True, eq=False)
class Learned:
    """A policy that a network plays.

    Attributes:
        network: Decides.
        spec: What it looks at and how its actions are read.
        problem: Digest of the problem that it was trained on.
        name: Short name.
        about: How it came to be: configuration, process, seed, code version, metrics; plain data.
    """

    network: Network
    spec: AgentSpec
    problem: str
    name: str = "learned"
    about: Mapping[str, Any] = field(default_factory=dict)

    def reset(self, game: Game, size: int, _rng: np.random.Generator) -> tuple[Agent, Any]:
        """See :class:`~fiscus.learn.policy.Policy`."""
        agent = self._agent(game)
        if agent.choices:
            raise BrokenPolicy(f"policy {self.name!r} chooses projects one by one; fiscus.learn.play.play plays it")
        return agent, self.network.start(size)

    def _agent(self, game: Game) -> Agent:
        agent = self.spec.build(game)
        if (agent.numbers, agent.outputs) != (self.network.inputs, self.network.outputs):
            raise BrokenPolicy(
                f"policy {self.name!r} looks at {self.network.inputs} numbers and decides {self.network.outputs}; this game shows "
                f"{agent.numbers} and asks for {agent.outputs}"
            )
        return agent

    @property
    def chooses(self) -> bool:
        """Whether it chooses projects one by one."""
        return self.spec.mode == "choose"

    def chosen(self, game: Game, seeds: Sequence[np.random.Generator]) -> tuple[FloatArray, FloatArray]:
        """Play episodes in which projects are chosen, the likeliest open choice each time.

        Args:
            game: What is played.
            seeds: A generator for each episode.

        Returns:
            Discounted value, shape (B,), and amounts, major units, shape (B, T, n).
        """
        engine = self._agent(game).engine(len(seeds))
        if not isinstance(engine, SelectionEngine):
            raise BrokenPolicy(f"policy {self.name!r} does not choose projects")
        engine.reset(np.arange(engine.size), list(seeds))
        value, going = np.zeros(engine.size), np.ones(engine.size, dtype=bool)
        while going.any():
            logits, _ = self.network(engine.observe())
            action = np.where(engine.mask, logits, -np.inf).argmax(axis=1)
            outcome = engine.step(action, np.flatnonzero(going))
            value += outcome.reward
            going &= ~outcome.done
        return value, engine.spends

    def act(self, moment: Moment, memory: tuple[Agent, Any]) -> tuple[FloatArray, tuple[Agent, Any]]:
        """See :class:`~fiscus.learn.policy.Policy`."""
        agent, kept = memory
        action, kept = self.network(observed(agent.table, Seen.of(moment)), kept)
        wish, _ = agent.decoder.decode(np.clip(action.astype(np.float64), -1.0, 1.0), moment)
        return wish, (agent, kept)

    def predict(self, observation: npt.NDArray[np.float32]) -> Array32:
        """Actions for observations of the environment, shape (numbers,) or (B, numbers), without noise and without torch.

        Recurrent policies are played with ``reset`` and ``act``, which keep their memory.
        """
        if observation.ndim == 1:
            return np.asarray(self.network(observation[None])[0][0])
        return self.network(observation)[0]

    def save(self, folder: str | Path) -> Path:
        """Write ``weights.safetensors`` and ``policy.json``, each whole or not at all.

        Returns:
            The folder.
        """
        from safetensors.numpy import save

        path = Path(folder)
        path.mkdir(parents=True, exist_ok=True)
        weights = save(dict(sorted(self.network.arrays().items())))
        document = {
            "format": FORMAT,
            "name": self.name,
            "agent": self.spec.as_dict(),
            "network": {"activation": self.network.activation, "head": self.network.head},
            "problem": self.problem,
            "weights": hashlib.sha256(weights).hexdigest(),
            "about": dict(self.about),
        }
        write_whole(path / WEIGHTS, weights)
        write_whole(path / WORDS, (json.dumps(document, indent=1, sort_keys=True) + "\n").encode())
        return path


def write_whole(path: Path, content: bytes) -> None:
    """Write a file so that whoever reads it finds the old one or the new one, and no part of either."""
    draft = path.with_name(f".{path.name}.draft")
    draft.write_bytes(content)
    draft.replace(path)


def load_policy(folder: str | Path, problem: str | None = None) -> Learned:
    """Read a policy.

    Args:
        folder: Of the two files.
        problem: Digest of the problem it is to play; None to take it for whatever problem it was made for.

    Raises:
        BrokenPolicy: For files that are missing, changed, cut short or of another kind, and for another problem; nothing in them is run.
    """
    path = Path(folder)
    document = _document(path / WORDS)
    weights = _read(path / WEIGHTS)
    if hashlib.sha256(weights).hexdigest() != document["weights"]:
        raise BrokenPolicy(f"{path / WEIGHTS} is not the file that {WORDS} names: it was changed or cut short")
    if problem is not None and document["problem"] != problem:
        raise BrokenPolicy(
            f"{path} was trained on another problem ({str(document['problem'])[:12]} instead of {problem[:12]}); train one for this "
            "problem, or say that any will do"
        )
    try:
        from safetensors import SafetensorError
        from safetensors.numpy import load
    except ImportError as error:
        raise BrokenPolicy("policies are read with safetensors; install fiscus[rl]") from error
    try:
        network = Network.of_arrays(load(weights), **_shape(document))
        spec = AgentSpec.from_dict(document["agent"])
    except (SafetensorError, FiscusError, ValueError, TypeError, KeyError) as error:
        raise BrokenPolicy(f"{path} holds no policy that can be played: {error}") from error
    return Learned(network, spec, document["problem"], document["name"], document["about"])


def _shape(document: Mapping[str, Any]) -> dict[str, str]:
    given = document["network"]
    if not isinstance(given, dict) or set(given) != {"activation", "head"}:
        raise BrokenPolicy(f"{WORDS} says nothing of the network's activation and head")
    return {name: str(value) for name, value in given.items()}


def _document(path: Path) -> dict[str, Any]:
    try:
        document = json.loads(_read(path).decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise BrokenPolicy(f"{path} is no JSON: {error}") from error
    if not isinstance(document, dict) or set(document) != KEYS:
        raise BrokenPolicy(f"{path} does not have the keys of a policy: {', '.join(sorted(KEYS))}")
    if document["format"] != FORMAT:
        raise BrokenPolicy(f"{path} has format {document['format']!r}; this version reads {FORMAT}")
    words = all(isinstance(document[key], str) for key in ("name", "problem", "weights"))
    if not words or not all(isinstance(document[key], dict) for key in ("agent", "about")):
        raise BrokenPolicy(f"{path}: name, problem and weights are text, agent and about hold keys")
    return document


def _read(path: Path) -> bytes:
    try:
        if path.stat().st_size > LARGEST_FILE:
            raise BrokenPolicy(f"{path} is larger than any policy")
        return path.read_bytes()
    except OSError as error:
        raise BrokenPolicy(
            f"{path} cannot be read ({error.strerror}); a policy is a folder with {WORDS} and {WEIGHTS}"
        ) from error
