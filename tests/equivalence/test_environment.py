"""The third reader of the statement: what can be reached in the environment obeys every rule, and earns what the others say."""

import numpy as np
import numpy.typing as npt
import pyomo.environ as pyo
import pytest
from hypothesis import given
from hypothesis import strategies as st
from random_problems import CURVES, KINDS, random_problem
from repetitions import slow_from

import fiscus
from fiscus.core.activity import Activity
from fiscus.core.process import Scenarios
from fiscus.env.single import AllocationEnv
from fiscus.env.vector import AllocationVectorEnv, SelectionVectorEnv
from fiscus.errors import InvalidInput
from fiscus.optimise.pyomo_model import load_allocation

PLAYED = 1_000
"""Episodes of each random problem."""

MODES = ("project", "softmax", "spend", "residual")


def certain(problem: fiscus.Problem) -> fiscus.Problem:
    """The problem with its mean multipliers for sure."""
    mean = Scenarios.equally_likely(problem.scenarios.expected()[None])
    return problem.but(scenarios=mean, risk=None)


def batch_of(problem: fiscus.Problem, witness: npt.NDArray[np.float64], mode: str, size: int) -> AllocationVectorEnv:
    """A batch; where the environment finds no plan to start from, as under limits on risk, with the witness."""
    given = {"num_envs": size, "mode": mode}
    if mode == "residual":
        given["reference"] = lambda moment: 0.5 * (moment.line_low + moment.line_high)
    try:
        return AllocationVectorEnv(problem, **given)
    except InvalidInput:
        return AllocationVectorEnv(problem, plan=witness, **given)


def adversarial(rng: np.random.Generator, size: int, numbers: int) -> npt.NDArray[np.float64]:
    """Actions of all kinds that somebody may think of: random, at the ends, equal, one-hot, alternating, huge and denormal."""
    actions = rng.uniform(-1, 1, (size, numbers))
    kind = rng.integers(0, 10, size)
    actions[kind == 1], actions[kind == 2], actions[kind == 3] = 1.0, -1.0, 0.0
    hot = np.flatnonzero(kind == 4)
    actions[hot] = -1.0
    actions[hot, rng.integers(0, numbers, len(hot))] = 1.0
    actions[kind == 5] *= 1e300
    actions[kind == 6] *= 5e-324
    actions[kind == 7] = np.sign(actions[kind == 7])
    actions[kind == 8] = rng.uniform(-1, 1)
    actions[kind == 9] = np.where(np.arange(numbers) % 2, 1.0, -1.0)
    return actions


@pytest.mark.parametrize("hundred", slow_from(1, 10))
def test_no_action_breaks_a_rule(hundred: int) -> None:
    """100,000 episodes of 100 problems; a million with those of ``./run slow``."""
    worst, played = -np.inf, 0
    for seed in range(100 * hundred, 100 * hundred + 100):
        rng = np.random.default_rng(seed)
        problem, witness = random_problem(rng)
        batch = batch_of(problem, witness, MODES[seed % 4], PLAYED)
        batch.reset(seed=seed)
        for _ in range(problem.shape[0]):
            batch.step(adversarial(rng, PLAYED, batch.engine.decoder.size))
        plans = batch.engine.spends
        hard = [(rows, np.arange(len(rows))) for rows in problem.statement.rows if rows.penalty is None and len(rows)]
        excess = Activity.of(problem, hard).excess(plans)
        bounds = np.maximum(problem.lines.floor - plans, plans - problem.lines.cap).max()
        worst = max(worst, excess.max(), bounds)
        suspects = {int(excess.argmax()), *rng.integers(0, PLAYED, 2).tolist()}
        assert [fiscus.violations(problem, plans[place]) for place in suspects] == [[]] * len(suspects), seed
        played += len(plans)
    assert played == 100 * PLAYED
    assert worst < 1e-9


@pytest.mark.parametrize("ten", range(4))
def test_no_choice_breaks_a_rule(ten: int) -> None:
    for seed in range(10 * ten, 10 * ten + 10):
        rng = np.random.default_rng(seed)
        problem, witness = random_problem(rng)
        try:
            batch = SelectionVectorEnv(problem, num_envs=20)
        except InvalidInput:
            batch = SelectionVectorEnv(problem, num_envs=20, plan=witness)
        batch.reset(seed=seed)
        over = np.zeros(20, dtype=bool)
        while not over.all():
            open_ = batch.action_masks()
            choice = np.array([rng.choice(np.flatnonzero(row)) for row in open_])
            before = batch.engine.state.period.copy()
            _, _, done, *_ = batch.step(choice)
            closed = batch.engine.state.period != before
            assert (closed == (choice == problem.shape[1]))[~over].all(), seed  # An open line is never refused.
            for place in np.flatnonzero(done & ~over).tolist():
                assert fiscus.violations(problem, batch.engine.spends[place]) == [], seed
            over |= done


@pytest.mark.parametrize("seed", range(60))
def test_the_optimisers_plan_earns_the_pyomo_objective(seed: int) -> None:
    kinds = tuple(kind for kind in KINDS if kind != "risk")  # The mean may miss a limit that was drawn for scenarios.
    problem, _ = random_problem(np.random.default_rng(seed), soft=False, kinds=kinds)
    problem = certain(problem)
    result = fiscus.solve(problem)
    plan = result.allocation
    env = AllocationEnv(problem, plan=plan)
    env.reset(seed=0)
    earned = 0.0
    for period in range(problem.shape[0]):
        action = env.engine.decoder.encode(
            plan[period][None], env.engine.moment
        )  # float64: the space's float32 would round.
        _, reward, *_ = env.step(action[0])
        earned += reward
    assert env.engine.spends[0] == pytest.approx(plan, rel=1e-12, abs=1e-9)
    exact = fiscus.to_pyomo(problem, curves="exact")
    load_allocation(problem, exact, plan)
    assert earned == pytest.approx(pyo.value(exact.worth), rel=1e-9, abs=1e-9)
    assert earned == pytest.approx(float(fiscus.evaluate(problem, plan)[0]), rel=1e-9, abs=1e-9)


@given(seed=st.integers(0, 2**32 - 1), mode=st.sampled_from(MODES))
def test_every_allocation_the_envelopes_allow_is_the_image_of_an_action(seed: int, mode: str) -> None:
    rng = np.random.default_rng(seed)
    # Where margins are constant, several splits have the same prices, and prices cannot tell them apart.
    curves = ("log", "power", "saturating") if mode == "spend" else CURVES
    problem, witness = random_problem(
        rng, kinds=("envelope", "reserve"), integers=False, soft=False, curves=curves, lines=(2, 5)
    )
    batch = batch_of(problem, witness, mode, 16)
    if batch.game.safe is not None:
        return  # Envelopes over lines of several units are no envelopes of the tree.
    batch.reset(seed=0)
    engine = batch.engine
    for _ in range(problem.shape[0]):
        moment = engine.moment
        part = rng.uniform(-0.3, 1.3, moment.line_low.shape).clip(0, 1)
        wish = moment.line_low + part * (moment.line_high - moment.line_low)
        target = moment.splitter.nearest(wish, moment.low, moment.high)
        again = engine.decoder.decode(engine.decoder.encode(target, moment), moment)[1]
        curved = problem.lines.curves
        bent = all(p < 1 for p, family in zip(curved.p, curved.family, strict=True) if family == "power")
        if mode != "spend" or (bent and (moment.multipliers * problem.lines.weight > 0).all()):
            assert (np.abs(again - target) <= 1e-6 * np.maximum(1.0, moment.most)[:, None]).all()
        engine.commit(target)


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf])
def test_an_action_that_is_no_number_changes_nothing(wrong: float) -> None:
    problem, witness = random_problem(np.random.default_rng(11))
    batch = batch_of(problem, witness, "project", 4)
    batch.reset(seed=3)
    if problem.shape[0] > 1:
        batch.step(np.zeros(batch.action_space.shape, dtype=np.float32))

    def everything() -> bytes:
        engine, state = batch.engine, batch.engine.state
        arrays = (
            state.period,
            state.spend,
            state.stock,
            state.unspent,
            state.account,
            engine.plans,
            engine.benefits,
            engine.rewards,
        )
        return b"".join(array.tobytes() for array in arrays) + engine.observe().tobytes()

    before = everything()
    action = np.zeros(batch.action_space.shape)
    action[2, 0] = wrong
    with pytest.raises(InvalidInput, match="environment 2"):
        batch.step(action)
    assert everything() == before
