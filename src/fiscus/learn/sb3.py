"""The one door to torch and stable-baselines3: training, and the way back to networks in NumPy.

Training goes in rounds of whole episodes. Every round begins with fresh episodes and fresh generators, all seeded by the run's seed and
the round's number, so that what a round does follows from the weights and the optimiser's state alone: a run that was stopped and
resumed goes the very same way.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from gymnasium.spaces import Box
from sb3_contrib import TQC, MaskablePPO, RecurrentPPO
from stable_baselines3 import PPO, SAC, TD3
from stable_baselines3.common.logger import configure

from fiscus.core.arrays import FloatArray
from fiscus.env.sb3 import StableBaselinesVecEnv
from fiscus.env.spaces import action_box, choice_space, observation_box
from fiscus.env.vector import BatchEnv
from fiscus.errors import InvalidInput
from fiscus.learn.agent import Agent
from fiscus.learn.foresight import path_rewards
from fiscus.learn.horizon import coupling
from fiscus.learn.network import Network

ALGORITHMS: dict[str, Any] = {
    "ppo": PPO,
    "recurrent_ppo": RecurrentPPO,
    "maskable_ppo": MaskablePPO,
    "sac": SAC,
    "td3": TD3,
    "tqc": TQC,
}
ON_POLICY = ("ppo", "recurrent_ppo", "maskable_ppo")

MINIBATCH = 1024
"""Decisions of a minibatch, at most."""

SEEDS_A_ROUND = 100_000
"""Seeds of episodes that are kept for each round of each run."""


@dataclass(frozen=True)
class Setup:
    """How to train; numbers that stable-baselines3 does not share between algorithms go in ``more``.

    Attributes:
        algorithm: One of :data:`ALGORITHMS`.
        seed: Of everything.
        rounds: In all.
        episodes: Played together, as many environments.
        repeats: Episodes one after another in a round.
        learning_rate: At the beginning; it falls in a straight line to a tenth.
        hidden: Widths of the hidden layers.
        spread: Standard deviation of the first actions, for algorithms that draw around a mean.
        from_guide: Whether the untrained agent acts at zero, which in modes ``scaled`` and ``residual`` is the guide's plan.
        against_foresight: Whether rewards are told less what the best plan of the path would have got that period, which no action
            changes: the same optimum with less noise.
        more: Further arguments of the algorithm.
    """

    algorithm: str = "ppo"
    seed: int = 0
    rounds: int = 100
    episodes: int = 256
    repeats: int = 1
    learning_rate: float = 1e-3
    hidden: tuple[int, ...] = (64, 64)
    spread: float = 0.2
    from_guide: bool = True
    against_foresight: bool = True
    more: Mapping[str, Any] | None = None

    def __post_init__(self) -> None:
        if self.algorithm not in ALGORITHMS:
            raise InvalidInput(f"algorithm is one of {', '.join(ALGORITHMS)}, got {self.algorithm!r}")
        if min(self.rounds, self.episodes, self.repeats, *self.hidden) < 1 or self.seed < 0:
            raise InvalidInput("rounds, episodes, repeats and hidden widths are at least 1, and seed is not negative")
        if not (self.learning_rate > 0 and 0 < self.spread <= 1):
            raise InvalidInput("learning_rate is above zero and spread in (0, 1]")


class TrainingEnv(StableBaselinesVecEnv):
    """Episodes to learn from: rewards in parts of the guide's mean, and less what the path's best plan would have got."""

    def __init__(self, batch: BatchEnv, scale: float, *, against_foresight: bool) -> None:
        """Wrap a batch.

        Args:
            batch: Made with ``autoreset_mode="SameStep"``.
            scale: Value that counts as 1.
            against_foresight: Whether to take off what the path's best plan would have got; only where the tree solver plans ahead.
        """
        super().__init__(batch)
        self.scale = scale
        # Where projects are chosen one by one, episodes do not keep step.
        together = isinstance(batch.single_action_space, Box)
        self.against = against_foresight and together and not coupling(batch.game) and not batch.game.requests
        self._baseline: FloatArray = np.zeros((0, 0))

    def reset(self) -> npt.NDArray[np.float32]:
        """See the base."""
        seen = super().reset()
        self._take_baseline()
        return seen

    def _take_baseline(self) -> None:
        if self.against:
            self._baseline = path_rewards(self.batch.engine)

    def step_wait(self) -> Any:
        """See the base."""
        if not self.against:
            seen, reward, done, infos = super().step_wait()
            return seen, (reward / self.scale).astype(np.float32), done, infos
        period = int(self.batch.engine.state.period[0])
        seen, reward, done, infos = super().step_wait()
        if done.all():
            told = (reward - self._baseline[:, period]) / self.scale
            self._take_baseline()
        else:
            told = (reward - self._baseline[:, period]) / self.scale
        return seen, told.astype(np.float32), done, infos


class Trainer:
    """A run: rounds, one after another."""

    def __init__(self, agent: Agent, setup: Setup, scale: float = 1.0, log: Path | None = None) -> None:
        """Get ready.

        Args:
            agent: What it looks at and how its actions are read.
            setup: How to train.
            scale: Value that counts as a reward of 1, such as a mean period's.
            log: Folder for what the learner tells of its losses: ``progress.csv``, and TensorBoard's events where that is installed.
        """
        self.agent, self.setup, self.round = agent, setup, 0
        batch = _batch(agent, setup)
        self.env = TrainingEnv(batch, scale, against_foresight=setup.against_foresight)
        # Where projects are chosen one by one a period takes as many decisions as there are choices, at most.
        steps = agent.game.periods * setup.repeats * max(agent.choices, 1)
        torch.manual_seed(setup.seed)
        np.random.seed(setup.seed % 2**32)  # noqa: NPY002 - stable-baselines3 draws from it
        self.model = _model(self.env, setup, steps)
        formats = ["csv", *(["tensorboard"] if importlib.util.find_spec("tensorboard") else [])]
        self.model.set_logger(configure(None, []) if log is None else configure(str(log), formats))
        self.steps = steps * setup.episodes
        if setup.from_guide:
            _quiet(self.model)

    @property
    def done(self) -> bool:
        """Whether every round was played."""
        return self.round >= self.setup.rounds

    def train(self) -> None:
        """Play a round and learn from it."""
        setup, model = self.setup, self.model
        seed = int(np.random.SeedSequence([setup.seed, self.round]).generate_state(1)[0])
        torch.manual_seed(seed)
        np.random.seed(seed)  # noqa: NPY002 - stable-baselines3 draws from it
        if model.action_space is not None:
            model.action_space.seed(seed)
        self.env.seed(seed % (2**31 - SEEDS_A_ROUND))
        rate = setup.learning_rate * (1.0 - 0.9 * self.round / setup.rounds)
        model.lr_schedule = lambda _: rate
        model._last_obs = None
        with _one_thread():
            model.learn(self.steps, reset_num_timesteps=False)
        self.round += 1

    def imitate(self, observations: npt.NDArray[np.float32], actions: FloatArray, epochs: int = 50) -> float:
        """Behaviour cloning: fit the mean action to given ones.

        Args:
            observations: Shape (N, numbers).
            actions: Shape (N, size).
            epochs: Passes over them.

        Returns:
            Mean squared error after the last pass.
        """
        policy = self.model.policy
        seen, wanted = torch.as_tensor(observations), torch.as_tensor(np.asarray(actions, dtype=np.float32))
        chooser = torch.Generator().manual_seed(self.setup.seed)
        optimiser = torch.optim.Adam(policy.parameters(), lr=1e-3)
        error = torch.zeros(())
        for _ in range(epochs):
            for part in torch.split(torch.randperm(len(seen), generator=chooser), 1024):
                error = torch.nn.functional.mse_loss(_mean_action(policy, seen[part]), wanted[part])
                optimiser.zero_grad()
                error.backward()  # type: ignore[no-untyped-call]
                optimiser.step()
        with torch.no_grad():
            return float(torch.nn.functional.mse_loss(_mean_action(policy, seen), wanted))

    def network(self) -> Network:
        """The policy as it stands, in NumPy."""
        return network_of(self.model)

    def state(self) -> dict[str, npt.NDArray[Any]]:
        """Everything the next round follows from, as arrays by name."""
        arrays = {f"policy/{name}": _array(tensor) for name, tensor in self.model.policy.state_dict().items()}
        for place, optimiser in enumerate(_optimisers(self.model)):
            arrays |= _optimiser_arrays(place, optimiser)
        buffer = getattr(self.model, "replay_buffer", None)
        if buffer is not None:
            full = buffer.buffer_size if buffer.full else buffer.pos
            for name in BUFFER:
                arrays[f"buffer/{name}"] = getattr(buffer, name)[:full].copy()
            arrays["buffer/place"] = np.array([buffer.pos, int(buffer.full)])
        if getattr(self.model, "log_ent_coef", None) is not None:
            arrays["entropy"] = _array(self.model.log_ent_coef)
        arrays["count"] = np.array([self.round, self.model.num_timesteps, self.model._n_updates])
        return arrays

    def restore(self, arrays: Mapping[str, npt.NDArray[Any]]) -> None:
        """Go on from a state.

        Raises:
            InvalidInput: For a state of another kind of run.
        """
        try:
            policy = {
                name.removeprefix("policy/"): torch.as_tensor(np.array(array))
                for name, array in arrays.items()
                if name.startswith("policy/")
            }
            self.model.policy.load_state_dict(policy)
            for place, optimiser in enumerate(_optimisers(self.model)):
                _restore_optimiser(place, optimiser, arrays)
            buffer = getattr(self.model, "replay_buffer", None)
            if buffer is not None:
                place, full = (int(each) for each in arrays["buffer/place"])
                for name in BUFFER:
                    kept = arrays[f"buffer/{name}"]
                    getattr(buffer, name)[: len(kept)] = kept
                buffer.pos, buffer.full = place, bool(full)
            if "entropy" in arrays:
                with torch.no_grad():
                    self.model.log_ent_coef.copy_(torch.as_tensor(np.array(arrays["entropy"])))
            self.round, self.model.num_timesteps, self.model._n_updates = (int(each) for each in arrays["count"])
        except (KeyError, RuntimeError, ValueError) as error:
            raise InvalidInput(f"this state is not of such a run: {error}") from error


BUFFER = ("observations", "next_observations", "actions", "rewards", "dones", "timeouts")


@contextmanager
def _one_thread() -> Iterator[None]:
    """Networks this small are slower with more threads, and sums would depend on how many there are."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _batch(agent: Agent, setup: Setup) -> BatchEnv:
    if bool(agent.choices) != (setup.algorithm == "maskable_ppo"):
        raise InvalidInput("mode choose is learned by maskable_ppo, and by it alone")
    space = choice_space(agent.game.lines) if agent.choices else action_box(agent.decoder)
    return BatchEnv(agent.engine(setup.episodes), observation_box(agent.table), space, "SameStep")


def _model(env: TrainingEnv, setup: Setup, steps: int) -> Any:
    """The learner, with settings for short episodes in large batches."""
    more = dict(setup.more or {})
    size = steps * setup.episodes
    shape: dict[str, Any] = {"net_arch": list(setup.hidden)}
    given: dict[str, Any] = {"learning_rate": setup.learning_rate, "gamma": 1.0, "seed": setup.seed, "device": "cpu"}
    word = "MlpPolicy"
    if setup.algorithm in ON_POLICY:
        given |= {"n_steps": steps, "batch_size": _part(size), "n_epochs": 4, "gae_lambda": 0.95}
        shape["activation_fn"] = torch.nn.Tanh
        if setup.algorithm != "maskable_ppo":
            shape["log_std_init"] = float(np.log(setup.spread))
        if setup.algorithm == "recurrent_ppo":
            word = "MlpLstmPolicy"
            shape |= {"lstm_hidden_size": 64}
    else:
        given |= {
            "train_freq": (_steps(env), "step"),
            "gradient_steps": 4 * _steps(env),
            "learning_starts": 2 * size,
            "buffer_size": 200_000,
            "batch_size": 256,
        }
        shape["activation_fn"] = torch.nn.ReLU
        if setup.algorithm == "td3":
            from stable_baselines3.common.noise import NormalActionNoise

            width = int(np.prod(env.action_space.shape or (1,)))
            given["action_noise"] = NormalActionNoise(np.zeros(width), np.full(width, setup.spread))
        elif setup.algorithm in ("sac", "tqc"):
            shape["log_std_init"] = float(np.log(setup.spread))
    shape |= more.pop("policy_kwargs", {})
    return ALGORITHMS[setup.algorithm](word, env, policy_kwargs=shape, **{**given, **more})


def _part(size: int) -> int:
    """The largest part of a round's decisions up to :data:`MINIBATCH` into which they can be divided evenly."""
    return max((each for each in range(2, min(MINIBATCH, size) + 1) if size % each == 0), default=size)


def _steps(env: TrainingEnv) -> int:
    """Decisions of an episode."""
    return env.batch.game.periods


def _quiet(model: Any) -> None:
    """Let the last layer begin at nothing, so that the untrained policy acts at zero."""
    policy = model.policy
    last = [getattr(policy, "action_net", None)]
    actor = getattr(policy, "actor", None)
    if actor is not None:
        tail = getattr(actor, "mu", None)
        last = (
            [
                tail
                if isinstance(tail, torch.nn.Linear)
                else [each for each in tail if isinstance(each, torch.nn.Linear)][-1]
            ]
            if tail is not None
            else []
        )
        target = getattr(policy, "actor_target", None)
        if target is not None:
            last.append([each for each in target.mu if isinstance(each, torch.nn.Linear)][-1])
    with torch.no_grad():
        for layer in last:
            if isinstance(layer, torch.nn.Linear):
                layer.weight.zero_()
                layer.bias.zero_()


def _mean_action(policy: Any, seen: torch.Tensor) -> torch.Tensor:
    """The action without noise, with gradients."""
    mean: torch.Tensor
    if hasattr(policy, "mlp_extractor"):
        features = policy.extract_features(seen, policy.pi_features_extractor)
        mean = policy.action_net(policy.mlp_extractor.forward_actor(features))
    elif isinstance(policy.actor.mu, torch.nn.Sequential):
        mean = policy.actor(seen)
    else:
        mean = policy.actor(seen, deterministic=True)
    return mean


def _array(tensor: torch.Tensor) -> npt.NDArray[Any]:
    return tensor.detach().cpu().numpy().copy()


def _layer(layer: torch.nn.Linear) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    return _array(layer.weight), _array(layer.bias)


def _linears(module: Any) -> list[torch.nn.Linear]:
    return [each for each in module.modules() if isinstance(each, torch.nn.Linear)]


def network_of(model: Any) -> Network:
    """What a learner would do without noise, as layers of weights.

    Raises:
        InvalidInput: For a learner whose policy is of another build.
    """
    policy = model.policy
    if isinstance(model, RecurrentPPO):
        lstm = policy.lstm_actor
        if lstm.num_layers != 1:
            raise InvalidInput("recurrent policies have one recurrent layer")
        bias = _array(lstm.bias_ih_l0) + _array(lstm.bias_hh_l0)
        layers = [*_linears(policy.mlp_extractor.policy_net), policy.action_net]
        recurrent = (_array(lstm.weight_ih_l0), _array(lstm.weight_hh_l0), bias)
        return Network(tuple(_layer(each) for each in layers), "tanh", "linear", recurrent)
    if isinstance(model, PPO | MaskablePPO):
        layers = [*_linears(policy.mlp_extractor.policy_net), policy.action_net]
        return Network(
            tuple(_layer(each) for each in layers), "tanh", "choice" if isinstance(model, MaskablePPO) else "linear"
        )
    if isinstance(model, TD3) and not isinstance(model, SAC | TQC):
        return Network(tuple(_layer(each) for each in _linears(policy.actor.mu)), "relu", "tanh")
    if isinstance(model, SAC | TQC):
        layers = [*_linears(policy.actor.latent_pi), policy.actor.mu]
        return Network(tuple(_layer(each) for each in layers), "relu", "tanh")
    raise InvalidInput(f"no way is known from a {type(model).__name__} to a network")


def _optimisers(model: Any) -> list[torch.optim.Optimizer]:
    policy = model.policy
    if hasattr(policy, "actor"):
        found = [policy.actor.optimizer, policy.critic.optimizer]
        entropy = getattr(model, "ent_coef_optimizer", None)
        return [*found, entropy] if entropy is not None else found
    return [policy.optimizer]


def _optimiser_arrays(place: int, optimiser: torch.optim.Optimizer) -> dict[str, npt.NDArray[Any]]:
    arrays = {}
    for number, kept in optimiser.state_dict()["state"].items():
        for name, value in kept.items():
            arrays[f"optimiser{place}/{number}/{name}"] = _array(torch.as_tensor(value))
    return arrays


def _restore_optimiser(place: int, optimiser: torch.optim.Optimizer, arrays: Mapping[str, npt.NDArray[Any]]) -> None:
    begin = f"optimiser{place}/"
    state: dict[int, dict[str, torch.Tensor]] = {}
    for key, array in arrays.items():
        if key.startswith(begin):
            number, name = key.removeprefix(begin).split("/")
            state.setdefault(int(number), {})[name] = torch.as_tensor(np.array(array))
    optimiser.load_state_dict({"state": state, "param_groups": optimiser.state_dict()["param_groups"]})


def versions() -> dict[str, str]:
    """Versions of what trains."""
    from importlib.metadata import version

    return {name: version(name) for name in ("torch", "stable-baselines3", "sb3-contrib")}
