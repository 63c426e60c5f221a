"""What agents see: the table says what each number is, nothing comes from the future, and episodes are alike in any company."""

import gymnasium
import numpy as np
import pytest
from small_games import PERIODS, cash_problem, processes, project_problem, tree_problem

import fiscus
from fiscus.core.process import Constant, RegimeSwitching
from fiscus.env import ALLOCATION, SELECTION, Sight
from fiscus.env.beliefs import RegimeFilter, ResponseEstimate
from fiscus.env.fields import documented, slices
from fiscus.env.single import AllocationEnv
from fiscus.env.vector import AllocationVectorEnv, SelectionVectorEnv
from fiscus.env.wrappers import WithBeliefsVector
from fiscus.errors import InvalidInput

SIGHTS = [
    Sight(),
    Sight(multipliers="never"),
    Sight(multipliers="never", measured=True),
    Sight(multipliers="never", measured=True, delay=2, noise=0.3),
    Sight(measured=True, delay=1),
]


@pytest.mark.parametrize("sight", SIGHTS, ids=str)
@pytest.mark.parametrize("kind", ["autoregression", "product"])
def test_nothing_is_seen_of_the_future(sight: Sight, kind: str) -> None:
    problem = cash_problem()
    process = processes(problem)[kind]
    batch = AllocationVectorEnv(problem, process, num_envs=6, sight=sight)
    other = AllocationVectorEnv(problem, process, num_envs=6, sight=sight)
    rng = np.random.default_rng(0)
    for env in (batch, other):
        env.reset(seed=1)
    changed = False
    for period in range(problem.shape[0]):
        # From here on another future: multipliers after what is shown now, and measurements that are still to come.
        now = period + 1 if sight.multipliers == "now" else period
        other.engine.theta[:, :now] = batch.engine.theta[:, :now]
        other.engine.theta[:, now:] = rng.uniform(0, 3, other.engine.theta[:, now:].shape)
        shown = period - 1 - sight.delay
        other.engine.error[:, max(shown + 1, 0) :] *= 1.5
        other.engine._moment = None
        assert batch.engine.observe().tobytes() == other.engine.observe().tobytes()
        action = rng.uniform(-1, 1, batch.action_space.shape).astype(np.float32)
        rewards = batch.step(action)[1], other.step(action)[1]
        changed |= not np.allclose(*rewards)
        other.engine.theta[:, period], other.engine.benefits[:, period] = (
            batch.engine.theta[:, period],
            batch.engine.benefits[:, period],
        )
        other.engine.error[:, : period + 1] = batch.engine.error[:, : period + 1]
    assert changed or sight.multipliers == "now"


@pytest.mark.parametrize("mode", ["project", "softmax", "spend"])
@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("problem", [tree_problem, cash_problem, project_problem])
@pytest.mark.parametrize("sizes", [(1, 64), pytest.param((1, 2, 7), marks=pytest.mark.slow)], ids=str)
def test_an_episode_is_the_same_bits_alone_and_in_any_batch(
    sizes: tuple[int, ...], mode: str, compiled: bool, problem: object
) -> None:
    stated = problem()  # type: ignore[operator]
    sight = Sight(measured=True, noise=0.2)
    for process in processes(stated).values():
        stories = []
        for size in sizes:
            batch = AllocationVectorEnv(stated, process, num_envs=size, mode=mode, sight=sight, compiled=compiled)
            observations, _ = batch.reset(seed=10)
            story = [observations[0].tobytes()]
            rng = np.random.default_rng(5)
            for _ in range(2 * stated.shape[0] + 1):  # Over the end, into a second episode.
                action = np.broadcast_to(rng.uniform(-1, 1, batch.single_action_space.shape), batch.action_space.shape)
                observations, rewards, *_, infos = batch.step(action.astype(np.float32))
                story += [observations[0].tobytes(), rewards[:1].tobytes()]
                if "allocation" in infos:
                    story.append(infos["allocation"][0].tobytes())
            stories.append(story)
        assert all(story == stories[0] for story in stories)


@pytest.mark.parametrize(("size", "place"), [(5, 0), (300, 123)])
def test_the_single_environment_is_any_one_of_a_batch(size: int, place: int) -> None:
    """With nothing chosen but the ids: whatever the library chooses by itself must not depend on the size of the batch."""
    problem = cash_problem()
    process = processes(problem)["product"]
    for name, batch in (
        (ALLOCATION, AllocationVectorEnv(problem, process, num_envs=size)),
        (SELECTION, SelectionVectorEnv(problem, process, num_envs=size)),
    ):
        env = gymnasium.make(name, problem=problem, process=process)
        one, info = env.reset(seed=4 + place)
        many, _ = batch.reset(seed=4)
        assert one.tobytes() == many[place].tobytes()
        rng, done = np.random.default_rng(1), False
        while not done:
            if name == SELECTION:
                action = rng.choice(np.flatnonzero(info["action_mask"]))
                actions = np.where(np.arange(size) == place, action, problem.shape[1])
            else:
                actions = rng.uniform(-1, 1, (size, 6)).astype(np.float32)
                action = actions[place]
            one, reward, done, _, info = env.step(action)
            many, rewards, *_ = batch.step(actions)
            assert one.tobytes() == many[place].tobytes()
            assert reward == rewards[place]


def test_seeds_are_by_environment() -> None:
    problem = tree_problem()
    process = processes(problem)["autoregression"]
    batch = AllocationVectorEnv(problem, process, num_envs=3)
    batch.reset(seed=[7, 9, 7])
    theta = batch.engine.theta
    assert (theta[0] == theta[2]).all()
    assert (theta[0] != theta[1]).any()
    alone = AllocationEnv(problem, process)
    alone.reset(seed=9)
    assert (alone.engine.theta[0] == theta[1]).all()
    with pytest.raises(InvalidInput, match="one for each of the 3"):
        batch.reset(seed=[1, 2])


def test_the_table_says_where_each_number_lies() -> None:
    problem = cash_problem()
    env = AllocationEnv(problem, sight=Sight(measured=True))
    places = slices(env.engine.table)
    assert list(places) == ["time", "available", "last", "cash", "unspent", "stock", "multiplier", "measured", "known"]
    assert places["known"].stop == env.observation_space.shape[0]
    assert documented(env.engine.table).count("\n") == 1 + len(places)
    observation, _ = env.reset(seed=0)
    seen = env.fields_of(observation)
    assert seen["last"] * env.game.reach == pytest.approx(problem.lines.prior)
    assert seen["cash"] * env.game.money == pytest.approx(50.0)
    env.step(np.zeros(6, dtype=np.float32))
    spent = env.engine.spends[0, 0]
    observation = env.engine.observe()[0]
    assert env.fields_of(observation)["last"] * env.game.reach == pytest.approx(spent)
    assert env.fields_of(observation)["known"] == 1.0


def test_measurements_come_late_and_with_noise() -> None:
    problem = tree_problem()
    sight = Sight(multipliers="never", measured=True, delay=1, noise=0.5)
    batch = AllocationVectorEnv(problem, Constant(4, 6), num_envs=4_000, sight=sight)
    observations, _ = batch.reset(seed=0)
    place = slices(batch.engine.table)
    known = [observations[:, place["known"]].mean()]
    full = batch.game.full_benefit
    for period in range(4):
        observations, *_ = batch.step(np.ones((4_000, 6), dtype=np.float32))
        known.append(observations[:, place["known"]].mean())
        if period == 1:
            ratio = observations[:, place["measured"]] * full / batch.engine.benefits[:, 0]
    assert known == [0.0, 0.0, 1.0, 1.0, 1.0]
    assert ratio.mean() == pytest.approx(1.0, abs=0.02)
    assert np.log(ratio).std() == pytest.approx(0.5, rel=0.02)


def test_the_regime_filter_is_bayes_rule() -> None:
    line = {"id": ["a"], "ask": [50], "curve": ["log"], "a": [1], "h": [10]}
    problem = fiscus.Problem.from_frames(lines=line, periods=list(PERIODS), budget=dict.fromkeys(PERIODS, 100))
    chain = RegimeSwitching(4, 1, np.array([[0.9, 0.1], [0.2, 0.8]]), np.array([1.5, 0.5]), volatility=0.4)
    sight = Sight(multipliers="never", measured=True, noise=0.3)
    batch = WithBeliefsVector(
        AllocationVectorEnv(problem, chain, num_envs=40_000, sight=sight), [RegimeFilter.of(chain)]
    )
    batch.reset(seed=3)
    engine = batch.unwrapped.engine
    for _ in range(3):
        observations, *_ = batch.step(np.zeros((40_000, 1), dtype=np.float32))
    believed = observations[:, slices(engine.table)["regime"]][:, 0]
    # Of the episodes in which the first regime has this chance, it is in force that often: levels tell regimes apart well enough here.
    truth = engine.theta[:, 3, 0]
    for low, high in ((0.1, 0.3), (0.3, 0.7), (0.7, 0.9)):
        some = (believed > low) & (believed < high)
        chance = believed[some].mean()
        expected = chance * 1.5 + (1 - chance) * 0.5
        assert truth[some].mean() == pytest.approx(expected, abs=4 * truth[some].std() / np.sqrt(some.sum()))


def test_the_response_estimate_finds_the_factor() -> None:
    problem = tree_problem()
    factor = np.array([0.5, 2.0, 1.0, 1.5, 0.7, 1.2])
    sight = Sight(multipliers="never", measured=True, noise=0.2)
    belief = ResponseEstimate(prior_sd=1.0, noise_sd=0.2)
    batch = WithBeliefsVector(
        AllocationVectorEnv(problem, Constant(4, 6, factor), num_envs=3_000, sight=sight), [belief]
    )
    batch.reset(seed=3)
    for _ in range(4):
        observations, *_ = batch.step(np.full((3_000, 6), 0.5, dtype=np.float32))
    seen = observations[:, slices(batch.unwrapped.engine.table)["response"]]
    assert seen[:, :6].mean(axis=0) == pytest.approx(factor, rel=0.05)
    # Four measurements and the prior: the posterior's own standard deviation.
    assert seen[:, 6:] == pytest.approx(1 / np.sqrt(1 + 4 / 0.04), rel=1e-4)
    with pytest.raises(InvalidInput, match="measured=True"):
        WithBeliefsVector(AllocationVectorEnv(problem, num_envs=2), [belief])
