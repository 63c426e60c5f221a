"""What people do with a proposal until it is over, in a few stories that together meet what the seeded runs seldom do."""

from __future__ import annotations

from collections.abc import Callable

from scenes import LARGE, _board
from small_world import Small, content, item

from fiscus.workflow.identity import commands as who
from fiscus.workflow.proposal import commands as do

STORIES: dict[str, Callable[[], Small]] = {}


def story(function: Callable[[], Small]) -> Callable[[], Small]:
    """Note it by its name."""
    STORIES[function.__name__] = function
    return function


@story
def a_large_one_through_every_stage_into_the_books() -> Small:
    world = _board()
    world.sign("p", "bea", comment="a good road")
    world.sign("p", "ben")
    world.cash("y1", 100_000, 0)
    world.give(do.Release("p", {("y1", "roads"): 60_000}), "pam")
    world.give(do.Commit("p", {("y1", "roads"): 20_000}, "order 1"), "pam")
    world.give(do.RecordActual("p", {("y1", "roads"): 30_000}, "invoice 1"), "pat")
    world.give(do.RecordActual("p", {("y1", "roads"): 10_000}, "invoice 2"), "pat")
    world.give(do.Reverse("p", world.last().version, "paid twice"), "pam")
    world.give(do.Reconcile("p", {"y1": 30_000}, "bank"), "cal")
    world.give(do.Close("p", "done"), "cat")
    return world


@story
def the_glass_is_broken() -> Small:
    world = Small().submitted("p", LARGE)
    world.give(do.BreakGlass("p", world.state().hash, "flood"), "max")
    world.give(do.BreakGlass("p", world.state().hash, "flood, indeed"), "may")
    world.give(do.Release("p"), "pam")
    return world


@story
def an_overdue_stage_is_escalated_and_signed_by_the_director() -> Small:
    world = Small().submitted().wait(days=5, seconds=1)
    world.give(do.Escalate("p", "head"), "abe")
    world.sign("p", "dee")
    return world


@story
def what_is_approved_and_never_released_expires() -> Small:
    world = Small().drafted()
    world.give(do.Submit("p", world.at.replace(month=2)), "ann")
    world.sign("p", "hal")
    world.wait(days=32)
    world.give(do.Expire("p"), "abe")
    return world


@story
def a_draft_is_replaced_returned_edited_and_recalled() -> Small:
    world = Small().submitted("q")
    world.give(do.Draft("p", content(item(amount=60_000), title="More roads"), supersedes="q"), "ann")
    world.give(do.Submit("p"), "ann")
    world.give(do.Return("p", "less"), "hua")
    world.give(do.Edit("p", content(item(amount=40_000), item("trees", 1, "parks"))), "ann")
    world.give(do.Comment("p", "as you wish"), "ann")
    world.give(do.Recall("p", "no time"), "ann")
    return world


@story
def money_is_reallocated_to_a_line_of_another_unit() -> Small:
    world = Small().approved("p", item(), item("lamps", 10_000))
    world.give(do.Release("p", {("y1", "lamps"): 10_000}), "pam")
    moves = content(
        item(amount=-20_000), item("trees", 15_000, "parks", prior=7, title="Trees"), parent="p", title="Trees"
    )
    world.give(do.Reallocate("c", moves), "ann")
    world.give(do.Submit("c"), "ann")
    world.sign("c", "hal")
    world.give(do.Release("p"), "pam")
    return world


@story
def a_held_one_goes_on_where_it_was() -> Small:
    world = Small().approved()
    world.give(do.Hold("p", "wait"), "cal")
    world.give(do.Resume("p", "go on"), "pam")
    world.give(do.Release("p", {("y1", "roads"): 1}), "pam")
    world.give(do.Hold("p", "wait again"), "hal")
    world.give(do.Resume("p"), "hal")
    world.give(do.Close("p"), "ann")
    return world


@story
def a_delegate_of_two_signs_once_for_each_stage() -> Small:
    world = Small().submitted("p", LARGE)
    world.administer(who.Delegate("abe", world.at, world.at.replace(month=3), ("head",)), "hal")
    world.give(do.Approve("p", world.state().hash, "head"), "abe", "hal")
    return world


@story
def what_the_owner_split_counts_together() -> Small:
    world = Small().submitted("q", item(amount=60_000))
    world.drafted("p", item(amount=40_000), item("trees", 100))
    world.give(do.Submit("p"), "ann")
    world.wait(days=31)
    world.submitted("o", item(amount=40_000))
    return world


@story
def a_rejection_is_for_good() -> Small:
    world = Small().submitted("p", LARGE)
    world.give(do.Reject("p", "not this year"), "lee")
    return world
