"""Budgets and cash that are set when money moves already: all stands as if they had been set at the beginning."""

from __future__ import annotations

import itertools

import pytest
from small_world import Small, content, item

from fiscus.errors import Refused
from fiscus.workflow.proposal import commands as do

ITEMS = (item(), item("paths", 30_000, "parks"), item("later", 5_000, period="y2"))


def _reallocated(world: Small) -> None:
    moved = content(item(amount=-5_000), item("paths", 5_000, "parks"), parent="p")
    world.give(do.Reallocate("r", moved), "ann")
    world.give(do.Submit("r"), "ann")
    world.sign("r", "hua")


STORY = (
    lambda world: world.submitted("p", *ITEMS),
    lambda world: world.sign("p", "hal"),
    lambda world: world.give(do.Release("p", {("y1", "roads"): 40_000, ("y1", "paths"): 20_000}), "pam"),
    lambda world: world.give(do.Release("p", {("y2", "later"): 1_000}), "pam"),
    lambda world: world.give(do.Commit("p", {("y1", "roads"): 10_000}, "order"), "pam"),
    lambda world: world.give(do.Hold("p", "wait"), "hal"),
    lambda world: world.give(do.Resume("p", "go on"), "hal"),
    _reallocated,
    lambda world: world.give(do.RecordActual("p", {("y1", "roads"): 12_000, ("y2", "later"): 500}, "invoice"), "pat"),
    lambda world: world.give(do.RecordActual("p", {("y1", "paths"): 1_000}, "another"), "pat"),
    lambda world: world.give(do.Reverse("p", world.last().version, "paid twice"), "pam"),
    lambda world: world.give(do.Reconcile("p", {"y1": 12_000, "y2": 500}, "bank"), "cal"),
    lambda world: world.give(do.Close("p", "done"), "cat"),
)
SETTINGS = {
    "a lower budget": lambda world: world.budget("works", "y1", 60_000),
    "a soft one": lambda world: world.budget("parks", "y1", 10_000, hard=False),
    "of the second year": lambda world: world.budget("works", "y2", 6_000),
    "of another fund": lambda world: world.budget("works", "y1", 7_000, fund="bonds"),
    "cash": lambda world: world.cash("y1", 90_000, 2_000),
    "cash of the second year": lambda world: world.cash("y2", 20_000, 1_000),
}


def played(moments: dict[str, int]) -> dict:
    """What all accounts have at the end, where each setting comes before a step of the story."""
    world = Small()
    world.budget("city", "y2", 100_000)
    for number, step in enumerate((*STORY, None)):
        for name, moment in moments.items():
            if moment == number:
                SETTINGS[name](world)
        if step is not None:
            step(world)
    with world.store.read() as reader:
        assert sum(reader.balances().values()) == 0
        return {account: amount for account, amount in reader.balances().items() if amount}


@pytest.mark.parametrize("moment", range(len(STORY) + 1))
@pytest.mark.parametrize("name", SETTINGS)
def test_one_that_comes_late_stands_as_if_it_had_been_there(name, moment):
    assert played({name: moment}) == played({name: 0})


@pytest.mark.parametrize(("first", "second"), [*itertools.product((0, 2, 3, 5, 9, 13), repeat=2)])
def test_cash_of_two_years_in_any_order(first, second):
    """Years come in the order of their budgets."""
    late = {"cash": first, "cash of the second year": second}
    assert played(late) == played(dict.fromkeys(late, 0))


def test_too_little_for_what_was_decided_is_refused_in_words():
    world = Small().released()
    with world.store.read() as reader:
        before = reader.head()
    with pytest.raises(
        Refused, match=r"The budget of works in y1 \(general\) would begin with USD 0.01 too little: USD 500.00 of it"
    ):
        world.budget("works", "y1", 49_999)
    with pytest.raises(
        Refused, match=r"The cash of y1 would begin with USD 1.00 too little: USD 500.00 .* USD 499.00 would be"
    ):
        world.cash("y1", 50_000, 100)
    with world.store.read() as reader:
        assert reader.head() == before
    world.budget("works", "y1", 50_000)
    world.cash("y1", 50_100, 100)
    world.give(do.RecordActual("p", {("y1", "roads"): 50_000}, "invoice"), "pat")
    assert world.balance("available", "works") == world.balance("available", "cash") == 0
    assert world.balance("actual", "works") == world.balance("actual", "cash") == 50_000


def test_what_is_only_reserved_is_still_in_cash():
    world = Small().approved()
    world.cash("y1", 10_000)
    assert world.balance("available", "cash") == 10_000
    assert world.refused(do.Release("p"), "pam")[0] == "funds.no_cash"


def test_cash_that_is_set_again_keeps_its_reserve():
    world = Small()
    world.cash("y1", 1_000, 300)
    world.cash("y1", 1_500, None)
    assert (world.balance("available", "cash"), world.balance("reserved", "cash")) == (1_200, 300)
    world.cash("y1", 1_500, 0)
    assert (world.balance("available", "cash"), world.balance("reserved", "cash")) == (1_500, 0)
    world.cash("y2", 100, None)
    assert world.balance("reserved", "cash", "y2") == 0


@pytest.mark.parametrize(("period", "fund"), [("y\x001", "general"), ("y1", "gen\neral")])
def test_a_budget_of_what_nobody_can_read_is_refused(period, fund):
    with pytest.raises(Refused, match="holds a character that is not shown") as refusal:
        Small().budget("works", period, 1, fund=fund)
    assert refusal.value.rule == "funds.illegible"
