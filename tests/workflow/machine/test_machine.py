"""Random commands against the reference: what is followed, where proposals stand, and where the money is, must agree."""

from __future__ import annotations

import random

import pytest
from chance import Chance
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from world import World

from fiscus.workflow.audit.log import unbroken
from fiscus.workflow.audit.replaying import replayed
from fiscus.workflow.proposal.transitions import NEXT, STATES
from fiscus.workflow.store.memory import MemoryStore
from fiscus.workflow.store.sql import SqlStore


def run(world: World, seed: int, commands: int, every: int = 1) -> None:
    source = random.Random(seed)
    chance = Chance(source, world.reference)
    for step in range(commands):
        if source.random() < 0.05:
            world.pass_days(source.randint(1, 4))
        kind, name, actor, behalf, given = chance.command()
        before = world.reference.drafts.get(name)
        status = before.status if before else ""
        followed, why = world.follow(kind, name, actor, behalf, **given)
        wanted = world.expected(kind, name, actor, behalf, **given)
        assert followed == wanted, (seed, step, kind, name, status, actor, behalf, given, why)
        if followed:
            after = world.reference.drafts[name].status
            assert after in NEXT[status, kind]
            assert after in STATES
            if step % every == 0:
                world.check([name])
    world.check()


@pytest.mark.parametrize("seed", [*range(4), 1001, 1146])  # The last two: lines that a reallocation brought.
def test_random_commands_agree_with_the_reference(seed):
    run(World(MemoryStore()), seed, 1_500)


def test_the_stores_agree_with_it_too(store):
    world = World(store)
    run(world, 100, 700, every=5)
    with store.read() as reader:
        assert sum(1 for _ in unbroken(reader.events())) == reader.head().size
        assert replayed(reader)


class Machine(RuleBasedStateMachine):
    """The same, drawn and shrunk by Hypothesis."""

    def __init__(self) -> None:
        super().__init__()
        self.world = World(MemoryStore())
        self.names = 0

    @rule(source=st.randoms(use_true_random=False))
    def command(self, source):
        chance = Chance(source, self.world.reference)
        chance.names = self.names
        kind, name, actor, behalf, given = chance.command()
        self.names = chance.names
        followed, why = self.world.follow(kind, name, actor, behalf, **given)
        assert followed == self.world.expected(kind, name, actor, behalf, **given), (kind, name, given, why)

    @rule(days=st.integers(1, 40))
    def wait(self, days):
        self.world.pass_days(days)

    @invariant()
    def agrees(self):
        self.world.check()


TestMachine = Machine.TestCase
TestMachine.settings = settings(
    max_examples=15, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck)
)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(1_000, 1_200))
def test_a_million_commands_in_memory(seed):
    run(World(MemoryStore()), seed, 5_000, every=10)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2_000, 2_100))
def test_a_million_commands_on_databases(seed, url):
    store = SqlStore.open(url)
    run(World(store), seed, 5_000, every=50)
    store.close()
