"""A training run: rounds, judged on paired paths between them, kept so that it can be stopped at any moment and goes on the same way."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from fiscus.core.arrays import FloatArray
from fiscus.env.game import Game
from fiscus.errors import BrokenPolicy, InvalidInput
from fiscus.learn.agent import AgentSpec
from fiscus.learn.evaluate import interval
from fiscus.learn.learned import Learned, write_whole
from fiscus.learn.network import Network
from fiscus.learn.play import paths, play
from fiscus.learn.policy import Policy, ProRata
from fiscus.learn.sb3 import Setup, Trainer, versions

CHECKPOINT = "checkpoint.safetensors"


@dataclass(frozen=True)
class Judging:
    """How a run is judged between rounds.

    Attributes:
        every: Rounds between.
        paths: Sample paths, the same every time, apart from those of training and of tournaments.
        first_path: Seed of the first.
        patience: How many times in a row nothing better may come before the run is stopped; 0 for never.
        clone: Passes of behaviour cloning from the guide before the first round; 0 for none.
    """

    every: int = 25
    paths: int = 1_000
    first_path: int = 2_000_000_000
    patience: int = 0
    clone: int = 0

    def __post_init__(self) -> None:
        if self.every < 1 or self.paths < 2 or self.patience < 0 or self.clone < 0:
            raise InvalidInput("every is at least 1, paths at least 2, patience and clone not negative")


@dataclass(frozen=True)
class Judgement:
    """What a policy in training is worth.

    Attributes:
        round: Rounds played before.
        value: Mean on the judging paths.
        against: Mean difference to the guide, in parts of the guide's mean.
        low: Lower end of its 95% interval.
        high: Upper end.
        seconds: Of training so far.
        frames: Decisions learned from so far.
    """

    round: int
    value: float
    against: float
    low: float
    high: float
    seconds: float
    frames: int


@dataclass(frozen=True, eq=False)
class Trained:
    """What came of a run.

    Attributes:
        policy: The best on the judging paths; the untrained one counts too.
        best: Its judgement.
        history: All judgements.
        stopped: Whether patience ended the run.
    """

    policy: Learned
    best: Judgement
    history: tuple[Judgement, ...]
    stopped: bool


Told = Callable[[Judgement | None, "Run"], None]
"""Called after every round; with a judgement where there was one."""


@dataclass
class Run:
    """A run under way.

    Attributes:
        game: What is played.
        spec: The agent.
        setup: How to train.
        judging: How to judge.
        about: What to write into the policy besides.
        folder: Where to keep it; None for nowhere.
        log: Where the learner writes its losses; None for nowhere.
    """

    game: Game
    spec: AgentSpec
    setup: Setup
    judging: Judging = field(default_factory=Judging)
    about: Mapping[str, Any] = field(default_factory=dict)
    folder: Path | None = None
    log: Path | None = None

    def __post_init__(self) -> None:
        agent = self.spec.build(self.game)
        guide: Policy = ProRata() if agent.choices else self.spec.guide.policy(self.game)
        self.seeds = paths(self.judging.first_path, self.judging.paths)
        self.guide: FloatArray = play(self.game, guide, self.seeds).value
        scale = max(abs(float(self.guide.mean())) / self.game.periods, 1e-9)
        self.trainer = Trainer(agent, self.setup, scale, self.log)
        self.history: list[Judgement] = []
        self.best: Network | None = None
        self.seconds = 0.0
        if self.judging.clone:
            observations, actions = demonstrations(self.game, self.spec, self.setup.episodes, self.setup.seed)
            self.trainer.imitate(observations, actions, self.judging.clone)

    @property
    def frames(self) -> int:
        """Decisions learned from so far."""
        return self.trainer.round * self.trainer.steps

    @property
    def stopped(self) -> bool:
        """Whether nothing better came for as long as patience lasts."""
        if not self.judging.patience or not self.history:
            return False
        best = max(range(len(self.history)), key=lambda place: self.history[place].value)
        return len(self.history) - 1 - best >= self.judging.patience

    def play(self, told: Told | None = None) -> Trained:
        """Train to the end, or until patience is out.

        Args:
            told: Called after every round.
        """
        if not self.history:
            self._told(told, self._judge())
        while not self.trainer.done and not self.stopped:
            began = time.perf_counter()
            self.trainer.train()
            self.seconds += time.perf_counter() - began
            due = self.trainer.round % self.judging.every == 0 or self.trainer.done
            self._told(told, self._judge() if due else None)
        return self.trained()

    def _told(self, told: Told | None, judged: Judgement | None) -> None:
        if judged is not None and self.folder is not None:
            self.keep()
        if told is not None:
            told(judged, self)

    def _judge(self) -> Judgement:
        network = self.trainer.network()
        policy = Learned(network, self.spec, self.game.problem.digest)
        value = play(self.game, policy, self.seeds).value
        size = abs(float(self.guide.mean()))
        mean, low, high = interval((value - self.guide) / (size if size > 0 else 1.0))
        judged = Judgement(self.trainer.round, float(value.mean()), mean, low, high, self.seconds, self.frames)
        if self.best is None or judged.value > max(each.value for each in self.history):
            self.best = network
        self.history.append(judged)
        return judged

    def trained(self) -> Trained:
        """What came of it so far."""
        if self.best is None:
            raise InvalidInput("nothing was judged yet")
        best = max(self.history, key=lambda each: each.value)
        about = {
            **self.about,
            "setup": _plain(self.setup),
            "judging": asdict(self.judging),
            "best": asdict(best),
            "versions": versions(),
        }
        policy = Learned(
            self.best, self.spec, self.game.problem.digest, f"{self.setup.algorithm} {self.spec.mode}", about
        )
        return Trained(policy, best, tuple(self.history), self.stopped)

    def keep(self) -> None:
        """Write what the rest of the run follows from, in one file, whole or not at all."""
        from safetensors.numpy import save

        if self.folder is None or self.best is None:
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        arrays = {**self.trainer.state(), **{f"best/{name}": array for name, array in self.best.arrays().items()}}
        progress = {
            "history": [asdict(each) for each in self.history],
            "seconds": self.seconds,
            "network": [self.best.activation, self.best.head],
            "run": self._name(),
        }
        kept = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
        write_whole(self.folder / CHECKPOINT, save(kept, metadata={"progress": json.dumps(progress)}))

    def _name(self) -> dict[str, Any]:
        """What a run that goes on must agree with."""
        return {
            "problem": self.game.problem.digest,
            "agent": json.loads(json.dumps(self.spec.as_dict())),
            "setup": _plain(self.setup),
            "judging": asdict(self.judging),
        }

    def resume(self) -> bool:
        """Go on from the folder's checkpoint, if there is one.

        Raises:
            BrokenPolicy: For a checkpoint that cannot be read, or of another run.
        """
        if self.folder is None or not (self.folder / CHECKPOINT).exists():
            return False
        path = self.folder / CHECKPOINT
        arrays, progress = _checkpoint(path)
        theirs, ours = progress.get("run"), self._name()
        if theirs != ours:
            differing = [key for key in ours if not isinstance(theirs, dict) or theirs.get(key) != ours[key]]
            raise BrokenPolicy(
                f"{path} is of another run: its {', '.join(differing)} differs; give another folder, or take the run's own configuration"
            )
        try:
            self.trainer.restore({name: array for name, array in arrays.items() if not name.startswith("best/")})
            best = {name.removeprefix("best/"): array for name, array in arrays.items() if name.startswith("best/")}
            self.best = Network.of_arrays(best, *progress["network"])
            self.history = [Judgement(**each) for each in progress["history"]]
            self.seconds = float(progress["seconds"])
        except (InvalidInput, KeyError, TypeError, ValueError) as error:
            raise BrokenPolicy(f"{path} cannot be gone on from: {error}") from error
        return True


def _checkpoint(path: Path) -> tuple[dict[str, npt.NDArray[Any]], dict[str, Any]]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - no mapping
            progress = json.loads((file.metadata() or {})["progress"])
    except (SafetensorError, OSError, ValueError, KeyError, RecursionError) as error:
        raise BrokenPolicy(f"{path} is no checkpoint, or was cut short: {error}") from error
    if not isinstance(progress, dict):
        raise BrokenPolicy(f"{path} is no checkpoint")
    return arrays, progress


def _plain(setup: Setup) -> dict[str, Any]:
    return dict(json.loads(json.dumps(asdict(setup))))


def demonstrations(game: Game, spec: AgentSpec, episodes: int, seed: int) -> tuple[npt.NDArray[np.float32], FloatArray]:
    """What the guide does, as observations and actions of the agent, shapes (episodes * T, numbers) and (episodes * T, size)."""
    agent, guide = spec.build(game), spec.guide.policy(game)
    engine = agent.engine(episodes)
    engine.reset(np.arange(episodes), [np.random.default_rng([seed, place]) for place in range(episodes)])
    memory: Any = guide.reset(game, episodes, np.random.default_rng(seed))
    seen, done = [], []
    for _ in range(game.periods):
        wish, memory = guide.act(engine.moment, memory)
        spend = engine.settle(wish)
        seen.append(engine.observe())
        done.append(agent.decoder.encode(spend, engine.moment))
        engine.commit(spend)
    return np.concatenate(seen), np.concatenate(done)


def seeded(setup: Setup, seed: int) -> Setup:
    """The same setup with another seed."""
    return replace(setup, seed=seed)
