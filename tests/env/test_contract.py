"""What Gymnasium and stable-baselines3 ask of an environment, for every id and every shipped plan."""

import copy
import pickle
import warnings

import gymnasium
import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from gymnasium.vector import AutoresetMode
from gymnasium.wrappers.vector import NormalizeObservation, RecordEpisodeStatistics
from small_games import cash_problem, processes, project_problem, tree_problem
from stable_baselines3.common.env_checker import check_env as check_for_stable_baselines

import fiscus
import fiscus.env
from fiscus.env import ALLOCATION, SELECTION, Sight
from fiscus.env.beliefs import RegimeFilter, ResponseEstimate
from fiscus.env.wrappers import ByField, ByFieldVector, WithBeliefs, WithBeliefsVector
from fiscus.errors import InvalidAllocation, InvalidInput
from fiscus.integrate.shipped import PLANS

IDS = (ALLOCATION, SELECTION)
PROBLEMS = {"tree": tree_problem, "cash": cash_problem, "projects": project_problem}
SHIPPED = sorted(folder.name for folder in PLANS.iterdir() if (folder / "plan.yaml").exists())


def checked(env: gymnasium.Env) -> None:
    """Both checkers, with every warning an error."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_env(env.unwrapped)
        check_for_stable_baselines(env.unwrapped)


@pytest.mark.parametrize("name", IDS)
@pytest.mark.parametrize("problem", PROBLEMS)
def test_both_checkers_pass(name: str, problem: str) -> None:
    checked(gymnasium.make(name, problem=PROBLEMS[problem](), render_mode="rgb_array"))


@pytest.mark.parametrize("mode", ["project", "softmax", "spend"])
def test_both_checkers_pass_for_every_mode_and_process(mode: str) -> None:
    problem = tree_problem()
    for process in processes(problem).values():
        checked(gymnasium.make(ALLOCATION, problem=problem, process=process, mode=mode))


@pytest.mark.parametrize("plan", SHIPPED)
def test_both_checkers_pass_on_shipped_plans(plan: str) -> None:
    problem, _ = fiscus.read_plan(PLANS / plan)
    checked(gymnasium.make(ALLOCATION, problem=problem))


@pytest.mark.parametrize("plan", SHIPPED)
def test_both_checkers_pass_on_shipped_plans_project_by_project(plan: str) -> None:
    problem, _ = fiscus.read_plan(PLANS / plan)
    checked(gymnasium.make(SELECTION, problem=problem, compiled=problem.shape[1] > 1_000))


def test_the_module_string_registers_the_ids() -> None:
    env = gymnasium.make("fiscus.env:fiscus/Allocation-v0", problem=tree_problem())
    assert env.spec.id == ALLOCATION


def played(env: gymnasium.Env, seed: int) -> list[tuple[bytes, float, bool]]:
    observation, info = env.reset(seed=seed)
    rng, seen, done = np.random.default_rng(seed), [(observation.tobytes(), 0.0, False)], False
    while not done:
        action = rng.uniform(-1, 1, env.action_space.shape).astype(np.float32)
        if "action_mask" in info:
            action = rng.choice(np.flatnonzero(info["action_mask"]))
        observation, reward, done, _, info = env.step(action)
        seen.append((observation.tobytes(), reward, done))
    return seen


@pytest.mark.parametrize("name", IDS)
@pytest.mark.parametrize(
    "copied", [copy.deepcopy, lambda env: pickle.loads(pickle.dumps(env)), lambda env: env.spec.make()]
)
def test_copies_play_on_alike(name: str, copied: object) -> None:
    problem = cash_problem()
    env = gymnasium.make(name, problem=problem, process=processes(problem)["product"])
    played(env, 3)
    twin = copied(env)  # type: ignore[operator]
    assert played(twin, 5) == played(env, 5)


@pytest.mark.parametrize("mode", list(AutoresetMode))
def test_a_batch_declares_how_it_resets(mode: AutoresetMode) -> None:
    batch = gymnasium.make_vec(
        ALLOCATION, num_envs=3, vectorization_mode="vector_entry_point", problem=tree_problem(), autoreset_mode=mode
    )
    assert batch.metadata["autoreset_mode"] == mode
    observations, _ = batch.reset(seed=1)
    assert batch.observation_space.contains(observations)
    for period in range(4):
        observations, _, done, truncated, infos = batch.step(batch.action_space.sample())
        assert batch.observation_space.contains(observations)
        assert done.all() == (period == 3)
        assert not truncated.any()
    if mode is AutoresetMode.SAME_STEP:
        assert observations[:, 0] == pytest.approx(0.0)
        assert [last[0] for last in infos["final_obs"]] == pytest.approx([1.0] * 3)
        assert set(infos["final_info"]) >= {"allocation", "_allocation"}
    elif mode is AutoresetMode.NEXT_STEP:
        assert observations[:, 0] == pytest.approx(1.0)
        observations, rewards, done, *_ = batch.step(batch.action_space.sample())
        assert observations[:, 0] == pytest.approx(0.0)
        assert not done.any()
        assert not rewards.any()
    else:
        with pytest.raises(InvalidInput, match="reset_mask"):
            batch.step(batch.action_space.sample())


@pytest.mark.parametrize("name", IDS)
def test_a_part_of_a_batch_begins_anew_while_others_go_on(name: str) -> None:
    problem = tree_problem()
    batch = gymnasium.make_vec(
        name,
        num_envs=4,
        vectorization_mode="vector_entry_point",
        problem=problem,
        process=processes(problem)["product"],
    )
    close = np.full(4, 6) if name == SELECTION else np.zeros((4, 6), dtype=np.float32)
    batch.reset(seed=1)
    batch.step(close)
    before, _ = batch.reset(options={"reset_mask": np.array([True, False, False, True])})
    assert before[:, 0] == pytest.approx([0.0, 0.25, 0.25, 0.0])
    seen = [batch.step(close) for _ in range(5)]
    assert [list(step[2]) for step in seen[:4]] == [
        [False] * 4, [False] * 4, [False, True, True, False], [True, False, False, True]
    ]  # fmt: skip
    assert seen[3][1][1] == 0.0  # These two began anew in this step,
    assert seen[3][0][1, 0] == 0.0
    assert seen[4][1][1] != 0.0  # and go on in the next, in which the others begin.
    assert seen[4][1][0] == 0.0


def test_gymnasiums_batch_wrappers_work() -> None:
    batch = gymnasium.make_vec(ALLOCATION, num_envs=8, vectorization_mode="vector_entry_point", problem=tree_problem())
    wrapped = NormalizeObservation(RecordEpisodeStatistics(batch))
    wrapped.reset(seed=0)
    for _ in range(4):
        *_, infos = wrapped.step(wrapped.action_space.sample())
    assert infos["episode"]["l"].tolist() == [4] * 8


@pytest.mark.parametrize("name", IDS)
def test_observations_are_not_reused(name: str) -> None:
    batch = gymnasium.make_vec(name, num_envs=2, vectorization_mode="vector_entry_point", problem=tree_problem())
    first, _ = batch.reset(seed=0)
    kept = first.copy()
    batch.step(batch.action_space.sample())
    assert np.array_equal(first, kept)


def test_the_view_by_field_and_beliefs_pass_the_checker() -> None:
    problem = tree_problem()
    chain = processes(problem)["regimes"]
    sight = Sight(multipliers="never", measured=True, delay=1, noise=0.1)
    beliefs = [RegimeFilter.of(chain), ResponseEstimate()]
    env = ByField(WithBeliefs(gymnasium.make(ALLOCATION, problem=problem, process=chain, sight=sight), beliefs))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", message=".*is different from the unwrapped version.*")
        check_env(env, skip_render_check=True)
    observation, _ = env.reset(seed=1)
    assert observation["regime"] == pytest.approx(chain.initial_distribution, abs=1e-6)
    assert observation["response"][6:] == pytest.approx(0.5)
    batch = gymnasium.make_vec(
        ALLOCATION, num_envs=3, vectorization_mode="vector_entry_point", problem=problem, process=chain, sight=sight
    )
    seen, _ = ByFieldVector(WithBeliefsVector(batch, beliefs)).reset(seed=1)
    assert np.array_equal(seen["regime"][0], observation["regime"])


def test_a_picture_shows_the_episode() -> None:
    env = gymnasium.make(ALLOCATION, problem=cash_problem(), render_mode="rgb_array")
    env.reset(seed=0)
    blank = env.render()
    env.step(env.action_space.sample())
    drawn = env.render()
    assert drawn.dtype == np.uint8
    assert drawn.shape[2] == 3
    assert drawn.shape == blank.shape
    assert (drawn != blank).any()


@pytest.mark.filterwarnings("ignore:FigureCanvasAgg is non-interactive")
def test_a_window_is_drawn_anew_by_every_step_and_closed() -> None:
    """On the backend without a screen: the figure is there, shows what was decided, and is gone after close."""
    matplotlib.use("Agg")
    env = gymnasium.make(ALLOCATION, problem=cash_problem(), render_mode="human")
    env.reset(seed=0)
    for decided in (1, 2):
        env.step(env.action_space.sample())
        assert plt.get_figlabels() == ["fiscus"]
        assert f"{decided} of 4 periods decided" in plt.figure("fiscus").get_suptitle()
    env.close()
    assert plt.get_figlabels() == []


def test_what_cannot_be_played_is_refused_with_a_sentence() -> None:
    problem = tree_problem()
    with pytest.raises(InvalidInput, match="mode is one of"):
        gymnasium.make(ALLOCATION, problem=problem, mode="greedy")
    with pytest.raises(InvalidInput, match="reference"):
        gymnasium.make(ALLOCATION, problem=problem, mode="residual")
    with pytest.raises(InvalidInput, match=r"fiscus\.read_plan"):
        gymnasium.make(ALLOCATION, problem="plans/budget")
    with pytest.raises(InvalidInput, match="LognormalAR1"):
        gymnasium.make(ALLOCATION, problem=problem, process=0.3)
    with pytest.raises(InvalidInput, match="Sight"):
        gymnasium.make(ALLOCATION, problem=problem, sight="never")
    with pytest.raises(InvalidAllocation, match="shape"):
        gymnasium.make(ALLOCATION, problem=problem, plan=np.ones((1, 2)))
    env = gymnasium.make(ALLOCATION, problem=problem).unwrapped
    env.reset(seed=0)
    with pytest.raises(InvalidInput, match="actions are numbers"):
        env.step("more")
    with pytest.raises(InvalidInput, match="nothing limits the amount"):
        gymnasium.make(ALLOCATION, problem=fiscus.Problem.from_frames(lines={"id": ["a"]}, budget=None))
    with pytest.raises(InvalidInput, match="cash does not last"):
        gymnasium.make(
            ALLOCATION, problem=tree_problem(budget=dict.fromkeys(("q1", "q2", "q3", "q4"), 10), opening_cash=20)
        )
    with pytest.raises(InvalidInput, match="2 periods and 5 lines"):
        gymnasium.make(ALLOCATION, problem=problem, process=processes(project_problem())["jumps"])
