"""Training: where it starts, what it is told, and that it goes on the very same way after it was killed."""

from __future__ import annotations

import numpy as np
import pytest
from games import MEASURED, jumping, money_problem, observed

from fiscus.core.process import ParameterPrior
from fiscus.env.game import game
from fiscus.errors import BrokenPolicy, InvalidInput
from fiscus.learn.agent import AGENT_MODES, AgentSpec, GuideSpec
from fiscus.learn.foresight import path_rewards
from fiscus.learn.guarded import Guarded, guarded
from fiscus.learn.learned import Learned
from fiscus.learn.mpc import MPC
from fiscus.learn.play import dealt, paths, play
from fiscus.learn.sb3 import ALGORITHMS, Setup, Trainer
from fiscus.learn.train import CHECKPOINT, Judging, Run, demonstrations

SMALL = {"episodes": 8, "hidden": (16,)}


@pytest.mark.parametrize("mode", ["scaled", "residual"])
@pytest.mark.parametrize("algorithm", ["ppo", "recurrent_ppo", "sac", "td3", "tqc"])
def test_the_untrained_agent_is_re_optimisation(mode, algorithm):
    problem = money_problem(4, 4)
    for played in (observed(), jumping(), game(problem, ParameterPrior(4, problem.lines.curves, 0.5), MEASURED)):
        spec = AgentSpec(mode=mode, sees_belief=True, sees_plan=True)
        trainer = Trainer(spec.build(played), Setup(algorithm, rounds=1, **SMALL))
        policy, seeds = Learned(trainer.network(), spec, ""), paths(0, 40)
        plan, learned = play(played, MPC(), seeds, keep=True), play(played, policy, seeds, keep=True)
        assert learned.spend == pytest.approx(plan.spend, abs=1e-6)


def corners(played, moment):
    """Vertices of what is allowed in the period: total at an end, and lines at floor or cap in some order."""
    rng = np.random.default_rng(0)
    for _ in range(40):
        left, spend = moment.most[0], moment.line_low[0].copy()
        left -= spend.sum()
        unit = np.array(played.problem.lines.unit)
        room_of = {each: 30.0 - spend[unit == each].sum() for each in set(unit.tolist())}
        for line in rng.permutation(played.lines).tolist()[: int(rng.integers(0, played.lines + 1))]:
            more = min(moment.line_high[0, line] - spend[line], left, room_of[unit[line]])
            if unit[line] == played.problem.tree.position["all"]:
                continue
            spend[line] += more
            left -= more
            room_of[unit[line]] -= more
        yield spend


@pytest.mark.parametrize("mode", [mode for mode in AGENT_MODES if mode != "choose"])
def test_every_mode_reaches_every_vertex(mode):
    played = observed(lines=4)
    agent = AgentSpec(mode=mode).build(played)
    ((_, engine),) = dealt(played, paths(0, 1))
    for spend in corners(played, engine.moment):
        action = agent.decoder.encode(spend[None], engine.moment)
        _, reached = agent.decoder.decode(np.clip(action, -1, 1), engine.moment)
        assert reached[0] == pytest.approx(spend, abs=2e-3), mode


def test_returns_and_advantages_of_an_episode_by_hand():
    """Discount 1, lambda 0.5, values v: deltas r + v' - v, advantages their discounted sums from behind."""
    played = observed(periods=3)
    setup = Setup(rounds=1, episodes=2, hidden=(8,), against_foresight=False, more={"gae_lambda": 0.5, "n_epochs": 1})
    trainer = Trainer(AgentSpec(mode="project").build(played), setup)
    trainer.train()
    buffer = trainer.model.rollout_buffer
    # The learner has flattened what it learned from, environment by environment, and left the rewards as they came.
    reward, value, advantage = buffer.rewards, buffer.values.reshape(2, 3).T, buffer.advantages.reshape(2, 3).T
    for place in range(2):
        third = reward[2, place] - value[2, place]
        second = reward[1, place] + value[2, place] - value[1, place] + 0.5 * third
        first = reward[0, place] + value[1, place] - value[0, place] + 0.5 * second
        assert advantage[:, place] == pytest.approx([first, second, third], abs=1e-4)


def test_rewards_are_told_less_what_foresight_gets_and_add_up_to_the_regret():
    played = observed(periods=3)
    setup = Setup(rounds=1, episodes=4, hidden=(8,))
    trainer = Trainer(AgentSpec(mode="project").build(played), setup, scale=2.0)
    env = trainer.env
    env.seed(5)
    env.reset()
    best = path_rewards(env.batch.engine)
    told = np.zeros(4)
    for _ in range(3):
        _, reward, done, infos = env.step(np.zeros((4, 3)))
        told += reward
    assert done.all()
    value = np.array([info["episode"]["r"] for info in infos])
    assert told == pytest.approx((value - best.sum(axis=1)) / 2.0, abs=1e-4)


@pytest.mark.parametrize("algorithm", ["ppo", "sac", "td3", "recurrent_ppo"])
@pytest.mark.parametrize("stop", [3, pytest.param(1, marks=pytest.mark.slow), pytest.param(5, marks=pytest.mark.slow)])
def test_a_killed_run_goes_on_the_very_same_way(tmp_path, algorithm, stop):
    played = jumping(lines=2, periods=3)
    spec = AgentSpec(tilts=False)
    more = (
        {}
        if algorithm in ("ppo", "recurrent_ppo")
        else {"more": {"learning_starts": 30, "buffer_size": 400, "batch_size": 16}}
    )
    setup = Setup(algorithm, rounds=6, seed=3, spread=0.3, **SMALL, **more)
    judging = Judging(every=1, paths=20)
    whole = Run(played, spec, setup, judging).play()

    class Killed(Exception):
        pass

    def told(_, run):
        if run.trainer.round == stop:
            raise Killed

    with pytest.raises(Killed):
        Run(played, spec, setup, judging, folder=tmp_path).play(told)
    again = Run(played, spec, setup, judging, folder=tmp_path)
    assert again.resume()
    made = again.play()
    assert [each.value for each in made.history] == [each.value for each in whole.history], (algorithm, stop)
    for name, array in whole.policy.network.arrays().items():
        assert (made.policy.network.arrays()[name] == array).all()


def test_the_same_seed_gives_the_same_run_and_another_another():
    played, spec = jumping(lines=2, periods=3), AgentSpec(tilts=False)
    runs = [
        Run(played, spec, Setup(rounds=2, seed=seed, **SMALL), Judging(every=2, paths=20)).play() for seed in (1, 1, 2)
    ]
    values = [each.history[-1].value for each in runs]
    assert values[0] == values[1] != values[2]


def test_a_checkpoint_of_another_run_is_refused(tmp_path):
    played, spec = jumping(lines=2, periods=3), AgentSpec(tilts=False)
    run = Run(played, spec, Setup(rounds=1, **SMALL), Judging(every=1, paths=20), folder=tmp_path)
    run.play()
    with pytest.raises(BrokenPolicy, match="setup differs"):
        Run(played, spec, Setup(rounds=2, **SMALL), Judging(every=1, paths=20), folder=tmp_path).resume()
    content = (tmp_path / CHECKPOINT).read_bytes()
    for cut in (0, 10, len(content) // 2):
        (tmp_path / CHECKPOINT).write_bytes(content[:cut])
        with pytest.raises(BrokenPolicy, match="cut short"):
            Run(played, spec, Setup(rounds=1, **SMALL), Judging(every=1, paths=20), folder=tmp_path).resume()


def test_patience_ends_a_run_that_gets_no_better():
    played = observed(lines=2, periods=2)
    run = Run(
        played,
        AgentSpec(),
        Setup(rounds=50, learning_rate=0.05, spread=0.9, **SMALL),
        Judging(every=1, paths=50, patience=2),
    )
    made = run.play()
    assert made.stopped
    assert len(made.history) < 50
    assert made.best.value == max(each.value for each in made.history)


def test_cloning_brings_a_plain_agent_near_its_guide():
    played = observed()
    spec = AgentSpec(mode="project")
    observations, actions = demonstrations(played, spec, 300, 0)
    trainer = Trainer(spec.build(played), Setup(rounds=1, episodes=8, from_guide=False))
    seeds = paths(0, 200)
    before = play(played, Learned(trainer.network(), spec, ""), seeds).value.mean()
    trainer.imitate(observations, actions, 60)
    after = play(played, Learned(trainer.network(), spec, ""), seeds).value.mean()
    guide = play(played, MPC(), seeds).value.mean()
    assert guide - after < 0.35 * (guide - before)


def test_ppo_comes_within_one_percent_of_the_dynamic_program():
    from test_policies import chain_game

    from fiscus.learn.oracle import GridOracle

    played, chain = chain_game()
    seeds = paths(0, 2_000)
    best = play(played, GridOracle(chain, 0.25), seeds).value.mean()
    setup = Setup(rounds=100, episodes=256, learning_rate=3e-3, spread=0.3, from_guide=False)
    made = Run(played, AgentSpec(mode="spend"), setup, Judging(every=25, paths=300)).play()
    assert play(played, made.policy, seeds).value.mean() >= 0.99 * best


class Given:
    """A policy made worse or better than MPC by a factor on its amounts."""

    def __init__(self, factor, name):
        self.factor, self.name = factor, name

    def reset(self, played, size, rng):
        return MPC().reset(played, size, rng)

    def act(self, moment, memory):
        wish, memory = MPC().act(moment, memory)
        return wish * self.factor, memory


def test_the_guarded_policy_is_never_knowingly_worse():
    played = jumping(lines=2, periods=5)
    worse = guarded(played, Given(0.5, "timid"), MPC(), 200)
    assert isinstance(worse, Guarded)
    assert worse.playing.name == "MPC"
    assert "timid was not shown to be better" in worse.sentence
    better = guarded(played, MPC(), Given(0.5, "timid"), 200)
    assert better.playing.name == "MPC"
    assert better.sentence.startswith("MPC plays: +")
    same = guarded(played, MPC("twin"), MPC(), 200)
    assert same.playing.name == "MPC"
    seeds = paths(0, 50)
    assert (play(played, worse, seeds).value == play(played, MPC(), seeds).value).all()


def test_what_cannot_be_meant_is_refused():
    with pytest.raises(InvalidInput, match="algorithm is one of"):
        Setup("dqn")
    with pytest.raises(InvalidInput, match="mode is one of"):
        AgentSpec(mode="sideways")
    with pytest.raises(InvalidInput, match="keys mode"):
        AgentSpec.from_dict({"guide": {"colour": "red"}})
    with pytest.raises(InvalidInput, match="mode residual"):
        AgentSpec(guide=GuideSpec(kind="relaxed")).build(observed())
    assert set(ALGORITHMS) == {"ppo", "recurrent_ppo", "maskable_ppo", "sac", "td3", "tqc"}
