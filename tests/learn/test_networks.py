"""NumPy networks against the learners they come from; policies on disk."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
import timeit
import zipfile

import numpy as np
import pytest
from games import choices, observed
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import load, save

import fiscus
from fiscus.env.game import game
from fiscus.errors import BrokenPolicy, InvalidInput
from fiscus.learn.agent import AgentSpec, GuideSpec
from fiscus.learn.learned import WEIGHTS, WORDS, Learned, load_policy
from fiscus.learn.network import Network
from fiscus.learn.play import paths, play
from fiscus.learn.sb3 import ALGORITHMS, Setup, Trainer
from fiscus.learn.train import Judging, Run

SMALL = {"rounds": 2, "episodes": 8, "hidden": (16, 16)}
CONTINUOUS = [name for name in ALGORITHMS if name != "maskable_ppo"]


def trained(algorithm="ppo", spec=None, rounds=1, **more):
    """A learner after a round or so, and its policy."""
    played, spec = observed(), spec or AgentSpec(mode="project")
    setup = Setup(algorithm=algorithm, **{**SMALL, "from_guide": False, **more})
    trainer = Trainer(spec.build(played), setup)
    for _ in range(rounds):
        trainer.train()
    return played, trainer, Learned(trainer.network(), spec, played.problem.digest)


@pytest.mark.parametrize("algorithm", CONTINUOUS)
def test_networks_decide_as_their_learners_do(algorithm):
    _, trainer, policy = trained(algorithm, rounds=3)
    rng = np.random.default_rng(0)
    seen = rng.uniform(0, 2, (200, policy.network.inputs)).astype(np.float32)
    if algorithm == "recurrent_ppo":
        theirs, ours, state, memory = [], [], None, policy.network.start(50)
        for step in range(4):
            part = seen[50 * step : 50 * step + 50]
            action, state = trainer.model.predict(part, state=state, deterministic=True)
            mine, memory = policy.network(part, memory)
            theirs.append(action)
            ours.append(mine)
        assert np.concatenate(ours) == pytest.approx(np.concatenate(theirs), abs=1e-5)
        return
    assert policy.predict(seen) == pytest.approx(trainer.model.predict(seen, deterministic=True)[0], abs=1e-5)
    assert policy.predict(seen[0]) == pytest.approx(trainer.model.predict(seen[0], deterministic=True)[0], abs=1e-5)


def test_choices_are_those_of_the_masked_learner():
    played, spec = game(choices()), AgentSpec(mode="choose")
    trainer = Trainer(spec.build(played), Setup("maskable_ppo", **SMALL, from_guide=False))
    trainer.train()
    seen, masks = trainer.env.reset(), np.array(trainer.env.env_method("action_masks"))
    theirs = trainer.model.predict(seen, deterministic=True, action_masks=masks)[0]
    logits, _ = trainer.network()(seen)
    assert (np.where(masks, logits, -np.inf).argmax(axis=1) == theirs).all()


def test_an_agent_learns_to_choose_projects():
    """Tunnel and nothing beside it in the first year, bridge and depot in the second: 82.5 + 66."""
    played, spec = game(choices()), AgentSpec(mode="choose")
    run = Run(
        played,
        spec,
        Setup("maskable_ppo", rounds=40, episodes=16, hidden=(32,), from_guide=False),
        Judging(every=10, paths=4),
    )
    made = run.play()
    best = fiscus.solve(played.problem).value
    result = play(played, made.policy, paths(0, 3), keep=True)
    assert result.value == pytest.approx(best)
    assert fiscus.violations(played.problem, result.spend[0]) == []
    with pytest.raises(BrokenPolicy, match="one by one"):
        made.policy.reset(played, 1, np.random.default_rng(0))
    with pytest.raises(InvalidInput, match="maskable_ppo, and by it alone"):
        Trainer(spec.build(played), Setup("ppo", **SMALL))


def test_a_decision_takes_a_fraction_of_the_learners_time():
    """The figures are in the documentation; here only that the order is right by far."""
    _, trainer, policy = trained(hidden=(64, 64))
    seen = np.zeros(policy.network.inputs, np.float32)
    ours = min(timeit.repeat(lambda: policy.predict(seen), number=200, repeat=5))
    theirs = min(timeit.repeat(lambda: trainer.model.predict(seen, deterministic=True), number=200, repeat=5))
    assert ours < theirs / 2


def test_a_policy_comes_back_as_it_was_and_needs_no_torch(tmp_path):
    played, _, policy = trained(spec=AgentSpec(mode="scaled", sees_plan=True, guide=GuideSpec(future=(1.1,))))
    policy.save(tmp_path)
    back = load_policy(tmp_path, played.problem.digest)
    seeds = paths(0, 20)
    assert (play(played, back, seeds).value == play(played, policy, seeds).value).all()
    code = (
        "import sys; from fiscus.learn.learned import load_policy; import numpy as np; "
        f"p = load_policy({str(tmp_path)!r}); print(p.predict(np.zeros(p.network.inputs, np.float32)).shape, "
        "sorted({'torch', 'stable_baselines3'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "(4,) []"


def test_another_problem_is_refused_unless_told(tmp_path):
    played, _, policy = trained()
    policy.save(tmp_path)
    with pytest.raises(BrokenPolicy, match="another problem"):
        load_policy(tmp_path, "0" * 64)
    assert load_policy(tmp_path).problem == played.problem.digest
    with pytest.raises(BrokenPolicy, match="looks at"):
        play(observed(lines=2), load_policy(tmp_path), paths(0, 2))


class Wicked:
    """What a pickle would run."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


def test_a_malicious_file_runs_nothing_and_is_refused(tmp_path):
    _, _, policy = trained()
    for name, content in {
        "pickle": pickle.dumps(Wicked(tmp_path / "ran")),
        "text": b"__import__('os').system('touch ran')",
        "nothing": b"",
    }.items():
        folder = policy.save(tmp_path / name)
        (folder / WEIGHTS).write_bytes(content)
        with pytest.raises(BrokenPolicy, match="not the file"):
            load_policy(folder)
        words = json.loads((folder / WORDS).read_text())
        import hashlib

        words["weights"] = hashlib.sha256(content).hexdigest()
        (folder / WORDS).write_text(json.dumps(words))
        with pytest.raises(BrokenPolicy, match="no policy that can be played"):
            load_policy(folder)
        (folder / WORDS).write_bytes(content)
        with pytest.raises(BrokenPolicy):
            load_policy(folder)
    with zipfile.ZipFile(tmp_path / "sb3.zip", "w") as archive:
        archive.writestr("data", pickle.dumps(Wicked(tmp_path / "ran")))
    with pytest.raises(BrokenPolicy, match="cannot be read"):
        load_policy(tmp_path / "sb3.zip")
    assert not (tmp_path / "ran").exists()


def test_every_cut_of_a_policy_is_refused(tmp_path):
    _, _, policy = trained()
    folder = policy.save(tmp_path)
    for name in (WEIGHTS, WORDS):
        content = (folder / name).read_bytes()
        for cut in {0, 1, 7, len(content) // 3, len(content) // 2, len(content) - 2}:
            (folder / name).write_bytes(content[:cut])
            with pytest.raises(BrokenPolicy) as refused:
                load_policy(folder)
            assert str(folder) in str(refused.value)
        (folder / name).write_bytes(content)
    load_policy(folder)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("format", 2),
        ("agent", {"mode": "project", "extra": 1}),
        ("agent", {"mode": "sideways"}),
        ("agent", []),
        ("network", {"activation": "cubic", "head": "linear"}),
        ("network", {}),
        ("name", 3),
        ("about", None),
    ],
)
def test_words_of_another_kind_are_refused(tmp_path, key, value):
    _, _, policy = trained()
    folder = policy.save(tmp_path)
    words = json.loads((folder / WORDS).read_text())
    words[key] = value
    (folder / WORDS).write_text(json.dumps(words))
    with pytest.raises(BrokenPolicy):
        load_policy(folder)


@given(st.binary(max_size=300))
def test_whatever_bytes_there_are_the_answer_is_a_sentence(content):
    import tempfile
    from pathlib import Path

    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / WORDS).write_bytes(content)
        (Path(folder) / WEIGHTS).write_bytes(content)
        with pytest.raises(BrokenPolicy):
            load_policy(folder)


def test_layers_that_do_not_fit_are_refused():
    good = Network(
        ((np.ones((3, 2), np.float32), np.zeros(3, np.float32)), (np.ones((1, 3), np.float32), np.zeros(1, np.float32)))
    )
    arrays = load(save(good.arrays()))
    assert Network.of_arrays(arrays, "tanh", "linear").inputs == 2
    for spoiled in (
        {**arrays, "layer1.weight": np.ones((1, 4), np.float32)},
        {**arrays, "layer0.bias": np.full(3, np.nan, np.float32)},
        {**arrays, "extra": np.zeros(1, np.float32)},
        {name: array for name, array in arrays.items() if name != "layer1.bias"},
    ):
        with pytest.raises(InvalidInput):
            Network.of_arrays(spoiled, "tanh", "linear")


def test_a_network_by_hand():
    """x = (1, 2): hidden tanh(1*1 + 1*2 - 3) = 0 and tanh(1 - 2 + 2) = tanh 1; out 2*0 + 0.5 tanh 1 + 0.1."""
    hidden = np.array([[1, 1], [1, -1]], np.float32), np.array([-3, 2], np.float32)
    out = np.array([[2, 0.5]], np.float32), np.array([0.1], np.float32)
    action, _ = Network((hidden, out))(np.array([[1, 2]], np.float32))
    assert action[0, 0] == pytest.approx(0.5 * np.tanh(1) + 0.1, abs=1e-6)
