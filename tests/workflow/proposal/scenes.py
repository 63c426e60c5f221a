"""Commands that a rule forbids, each with what led to it: a name, and a function that gives rule and reason."""

from __future__ import annotations

from collections.abc import Callable

from small_world import MATRIX, Small, content, item

from fiscus.workflow.identity import commands as who
from fiscus.workflow.proposal import commands as do

Scene = Callable[[], tuple[str, str]]
SCENES: dict[str, Scene] = {}
LARGE = item(amount=100_000)


def scene(function: Scene) -> Scene:
    """Note it by its name."""
    SCENES[function.__name__] = function
    return function


@scene
def a_draft_with_a_parent():
    return Small().refused(do.Draft("p", content(parent="q")), "ann")


@scene
def a_draft_without_an_id():
    return Small().refused(do.Draft(" ", content()), "ann")


@scene
def a_draft_with_an_id_that_leads_elsewhere():
    return Small().refused(do.Draft("../x", content()), "ann")


@scene
def a_draft_with_dots_for_an_id():
    return Small().refused(do.Draft("..", content()), "ann")


@scene
def a_draft_with_an_id_that_is_not_shown():
    return Small().refused(do.Draft("p\x00", content()), "ann")


@scene
def a_draft_with_an_endless_id():
    return Small().refused(do.Draft("p" * 201, content()), "ann")


@scene
def a_draft_of_a_line_that_is_not_shown():
    return Small().refused(do.Draft("p", content(item(), item("ro\x00ads"))), "ann")


@scene
def a_draft_with_an_unknown_risk():
    return Small().refused(do.Draft("p", content(risk="purple")), "ann")


@scene
def a_draft_in_place_of_nothing():
    return Small().refused(do.Draft("p", content(), supersedes="q"), "ann")


@scene
def a_draft_in_place_of_anothers():
    return Small().drafted("q").refused(do.Draft("p", content(), supersedes="q"), "abe")


@scene
def a_draft_in_place_of_what_is_approved():
    return Small().approved("q").refused(do.Draft("p", content(), supersedes="q"), "ann")


@scene
def a_draft_for_an_unknown_unit():
    return Small().refused(do.Draft("p", content(item(unit="lakes"), item("x", unit="bogs"))), "ann")


@scene
def a_name_that_is_taken():
    return Small().drafted().refused(do.Draft("p", content()), "ann")


@scene
def a_reallocation_with_a_name_that_is_taken():
    return Small().approved().refused(do.Reallocate("p", content(parent="p")), "ann")


@scene
def an_unknown_proposal():
    return Small().refused(do.Submit("p"), "ann")


@scene
def an_unknown_person():
    return Small().refused(do.Draft("p", content()), "eve")


@scene
def somebody_who_may_no_longer_act():
    world = Small()
    world.administer(who.Deactivate("ann"))
    return world.refused(do.Draft("p", content()), "ann")


@scene
def for_somebody_who_delegated_nothing():
    return Small().refused(do.Draft("p", content()), "ann", "abe")


@scene
def a_reallocation_of_nothing():
    return Small().refused(do.Reallocate("c", content(item(amount=-5), parent="p")), "ann")


@scene
def a_reallocation_of_what_is_in_review():
    return Small().submitted().refused(do.Reallocate("c", content(item(amount=-5), parent="p")), "ann")


@scene
def a_reallocation_in_another_currency():
    return Small().approved().refused(do.Reallocate("c", content(item(amount=-5), parent="p", currency="EUR")), "ann")


@scene
def a_reallocation_to_another_unit_of_the_same_line():
    return Small().approved().refused(do.Reallocate("c", content(item(amount=5, unit="parks"), parent="p")), "ann")


@scene
def a_reallocation_to_another_fund_of_the_same_line():
    return Small().approved().refused(do.Reallocate("c", content(item(amount=5, fund="bonds"), parent="p")), "ann")


@scene
def a_reallocation_of_more_than_is_left():
    return Small().approved().refused(do.Reallocate("c", content(item(amount=-50_001), parent="p")), "ann")


@scene
def a_reallocation_from_a_line_that_is_not_there():
    return Small().approved().refused(do.Reallocate("c", content(item("lanes", amount=-1), parent="p")), "ann")


def _child(amount: int = -50_000) -> Small:
    world = Small().approved()
    world.give(do.Reallocate("c", content(item(amount=amount), item("trees", 100), parent="p")), "ann")
    return world


@scene
def a_reallocation_submitted_after_its_money_was_released():
    world = _child()
    world.give(do.Release("p", {("y1", "roads"): 1}), "pam")
    return world.refused(do.Submit("c"), "ann")


@scene
def a_reallocation_edited_to_more_than_is_left():
    return _child().refused(do.Edit("c", content(item(amount=-50_001), parent="p")), "ann")


@scene
def a_reallocation_signed_after_its_money_was_released():
    world = _child()
    world.give(do.Submit("c"), "ann")
    world.give(do.Release("p", {("y1", "roads"): 1}), "pam")
    return world.refused(do.Approve("c", world.state("c").hash), "hal")


def _dead_child() -> Small:
    """A reallocation that wants three signatures, and whose parent's time is over."""
    world = Small().drafted()
    world.give(do.Submit("p", world.at.replace(day=3)), "ann")
    world.sign("p", "hal")
    world.give(do.Reallocate("c", content(item(amount=-5), item("trees", 200_000), parent="p")), "ann")
    world.give(do.Submit("c"), "ann")
    world.wait(days=4).give(do.Expire("p"), "ann")
    return world


@scene
def a_first_signature_of_a_reallocation_of_what_has_expired():
    world = _dead_child()
    return world.refused(do.Approve("c", world.state("c").hash), "hal")


@scene
def an_emergency_for_a_reallocation_of_what_has_expired():
    world = _dead_child()
    return world.refused(do.BreakGlass("c", world.state("c").hash, "flood"), "max")


@scene
def anothers_edit():
    return Small().drafted().refused(do.Edit("p", content(item(amount=1))), "abe")


@scene
def an_edit_that_changes_the_currency():
    return Small().drafted().refused(do.Edit("p", content(currency="EUR")), "ann")


@scene
def an_edit_that_changes_the_parent():
    return Small().drafted().refused(do.Edit("p", content(parent="q")), "ann")


@scene
def an_edit_that_changes_nothing():
    return Small().drafted().refused(do.Edit("p", content()), "ann")


@scene
def an_edit_with_a_fund_that_is_not_shown():
    return Small().drafted().refused(do.Edit("p", content(item(fund="gen\neral"))), "ann")


@scene
def an_edit_with_an_unknown_unit():
    return Small().drafted().refused(do.Edit("p", content(item(unit="lakes"))), "ann")


@scene
def an_edit_of_what_is_approved():
    return Small().approved().refused(do.Edit("p", content(item(amount=1))), "ann")


@scene
def anothers_submission():
    return Small().drafted().refused(do.Submit("p"), "abe")


@scene
def a_submission_in_another_currency_than_the_matrix():
    return Small().drafted("p", currency="EUR").refused(do.Submit("p"), "ann")


@scene
def a_submission_without_a_budget():
    return Small(budget=0).drafted().refused(do.Submit("p"), "ann")


@scene
def a_submission_for_a_fund_without_a_budget():
    return Small().drafted("p", item(), item("trees", fund="bonds")).refused(do.Submit("p"), "ann")


@scene
def a_submission_that_has_expired():
    world = Small().drafted()
    return world.refused(do.Submit("p", world.at), "ann")


@scene
def a_submission_without_a_risk():
    return Small().drafted("p", risk="").refused(do.Submit("p"), "ann")


@scene
def a_submission_that_is_not_covered():
    return Small(budget=49_999).drafted().refused(do.Submit("p"), "ann")


@scene
def a_submission_that_nobody_can_sign():
    roles = {"pam": ["payer"], "cal": ["checker"], "bud": ["budget"]}
    return Small(roles=roles).drafted().refused(do.Submit("p"), "ann")


@scene
def a_submission_that_the_author_alone_could_sign():
    roles = {"pam": ["payer"], "cal": ["checker"], "bud": ["budget"]}
    world = Small(roles=roles)
    world.administer(who.GrantRole("ann", "head"))
    return world.drafted().refused(do.Submit("p"), "ann")


@scene
def a_submission_with_too_small_a_panel():
    roles = {
        "hal": ["head"],
        "lee": ["legal"],
        "bea": ["board"],
        "ben": ["board"],
        "pam": ["payer"],
        "cal": ["checker"],
        "bud": ["budget"],
    }
    return Small(roles=roles).drafted("p", LARGE).refused(do.Submit("p"), "ann")


@scene
def a_submission_where_one_person_holds_two_places():
    roles = {"hal": ["head", "payer"], "cal": ["checker"], "bud": ["budget"]}
    return Small(roles=roles).drafted().refused(do.Submit("p"), "ann")


@scene
def a_submission_where_three_places_have_two_people():
    roles = {"hal": ["head", "payer", "checker"], "hua": ["head", "payer", "checker"], "bud": ["budget"]}
    return Small(roles=roles).drafted().refused(do.Submit("p"), "ann")


@scene
def anothers_recall():
    return Small().submitted().refused(do.Recall("p"), "hal")


@scene
def a_recall_of_what_is_approved():
    return Small().approved().refused(do.Recall("p"), "ann")


@scene
def a_stale_signature():
    return Small().submitted().refused(do.Approve("p", "0" * 64), "hal")


@scene
def a_signature_of_nothing_seen():
    return Small().submitted().refused(do.Approve("p", ""), "hal")


@scene
def a_signature_for_an_unknown_stage():
    world = Small().submitted("p", LARGE)
    return world.refused(do.Approve("p", world.state().hash, "board"), "bea")


@scene
def a_signature_without_the_role():
    world = Small().submitted("p", LARGE)
    return world.refused(do.Approve("p", world.state().hash), "pam")


@scene
def a_signature_for_somebody_without_the_role():
    world = Small().submitted()
    world.administer(who.Delegate("pat", world.at, world.at.replace(month=3)), "pam")
    return world.refused(do.Approve("p", world.state().hash), "pat", "pam")


@scene
def a_second_signature_of_the_same_stage():
    world = _board()
    world.sign("p", "bea")
    return world.refused(do.Approve("p", world.state().hash), "bea")


@scene
def a_second_signature_through_a_delegate():
    world = _board()
    world.sign("p", "bea")
    world.administer(who.Delegate("bud", world.at, world.at.replace(month=3)), "bea")
    return world.refused(do.Approve("p", world.state().hash), "bud", "bea")


@scene
def a_signature_in_two_stages():
    world = _board()
    world.administer(who.GrantRole("hal", "board"))
    return world.refused(do.Approve("p", world.state().hash), "hal")


@scene
def a_signature_by_the_author():
    world = Small()
    world.administer(who.GrantRole("ann", "head"))
    world.submitted()
    return world.refused(do.Approve("p", world.state().hash), "ann")


@scene
def a_signature_by_the_authors_robot():
    world = Small()
    world.administer(who.GrantRole("bot", "head"))
    world.submitted()
    return world.refused(do.Approve("p", world.state().hash), "bot")


@scene
def two_roles_in_one_session():
    world = _board()
    world.administer(who.GrantRole("hua", "board"))
    world.submitted("q", item("trees", 60_000))
    world.give(do.Approve("q", world.state("q").hash, "head"), "hua", session="s1")
    return world.refused(do.Approve("p", world.state().hash), "hua", session="s1")


@scene
def two_roles_in_one_session_the_other_way():
    world = _board()
    world.administer(who.GrantRole("hua", "board"))
    world.give(do.Approve("p", world.state().hash), "hua", session="s1")
    world.submitted("q", item("trees", 60_000))
    return world.refused(do.Approve("q", world.state("q").hash, "head"), "hua", session="s1")


@scene
def a_stage_that_wants_a_key():
    world = Small().submitted("p", LARGE)
    return world.refused(do.Approve("p", world.state().hash), "lee")


@scene
def a_signature_by_no_key():
    world = Small().submitted("p", LARGE)
    return world.refused(do.Approve("p", world.state().hash, signature="ab" * 64), "lee")


@scene
def a_signature_that_leaves_nobody():
    world = Small().submitted()
    world.administer(who.GrantRole("cal", "head"))
    world.administer(who.RevokeRole("cat", "checker"))
    return world.refused(do.Approve("p", world.state().hash), "cal")


@scene
def a_last_signature_that_is_not_covered():
    world = Small().submitted()
    world.budget("city", "y1", 49_999)
    return world.refused(do.Approve("p", world.state().hash), "hal")


@scene
def a_rejection_without_a_reason():
    return Small().submitted().refused(do.Reject("p", " "), "hal")


@scene
def a_return_without_a_reason():
    return Small().submitted().refused(do.Return("p", ""), "hal")


@scene
def a_rejection_without_the_role():
    return Small().submitted().refused(do.Reject("p", "no"), "pam")


@scene
def a_return_by_the_author():
    world = Small()
    world.administer(who.GrantRole("ann", "head"))
    return world.submitted().refused(do.Return("p", "no"), "ann")


@scene
def an_escalation_of_no_stage():
    return Small().submitted().refused(do.Escalate("p", "board"), "ann")


@scene
def an_escalation_of_what_has_nobody_more():
    return Small().submitted("p", LARGE).wait(days=50).refused(do.Escalate("p", "legal"), "ann")


@scene
def an_escalation_in_time():
    return Small().submitted().wait(days=5).refused(do.Escalate("p", "head"), "ann")


@scene
def a_second_escalation():
    world = Small().submitted().wait(days=6)
    world.give(do.Escalate("p", "head"), "ann")
    return world.refused(do.Escalate("p", "head"), "ann")


@scene
def an_emergency_without_a_reason():
    world = Small().submitted()
    return world.refused(do.BreakGlass("p", world.state().hash, ""), "max")


@scene
def an_emergency_on_what_was_not_seen():
    return Small().submitted().refused(do.BreakGlass("p", "1" * 64, "flood"), "max")


@scene
def an_emergency_without_the_role():
    world = Small().submitted()
    return world.refused(do.BreakGlass("p", world.state().hash, "flood"), "hal")


@scene
def an_emergency_that_the_matrix_does_not_know():
    world = Small(matrix=MATRIX.replace("emergency: mayor, ", "")).submitted()
    return world.refused(do.BreakGlass("p", world.state().hash, "flood"), "max")


@scene
def an_emergency_by_the_author():
    world = Small()
    world.administer(who.GrantRole("ann", "mayor"))
    world.submitted()
    return world.refused(do.BreakGlass("p", world.state().hash, "flood"), "ann")


@scene
def an_emergency_by_one():
    world = Small().submitted()
    world.give(do.BreakGlass("p", world.state().hash, "flood"), "max")
    return world.refused(do.BreakGlass("p", world.state().hash, "flood"), "max")


@scene
def an_emergency_by_one_and_a_delegate_of_theirs():
    world = Small().submitted()
    world.give(do.BreakGlass("p", world.state().hash, "flood"), "max")
    world.administer(who.Delegate("abe", world.at, world.at.replace(month=3)), "max")
    return world.refused(do.BreakGlass("p", world.state().hash, "flood"), "abe", "max")


@scene
def an_emergency_that_is_not_covered():
    world = Small().submitted()
    world.give(do.BreakGlass("p", world.state().hash, "flood"), "max")
    world.budget("city", "y1", 0)
    return world.refused(do.BreakGlass("p", world.state().hash, "flood"), "may")


@scene
def a_release_without_the_role():
    return Small().approved().refused(do.Release("p"), "cal")


@scene
def a_release_by_an_approver():
    world = Small().approved()
    world.administer(who.GrantRole("hal", "payer"))
    return world.refused(do.Release("p"), "hal")


@scene
def a_release_of_more_than_is_reserved():
    return Small().approved().refused(do.Release("p", {("y1", "roads"): 50_001}), "pam")


@scene
def a_release_of_nothing():
    return Small().approved().refused(do.Release("p", {("y1", "roads"): 0}), "pam")


@scene
def a_release_of_half_a_cent():
    return Small().approved().refused(do.Release("p", {("y1", "roads"): 0.5}), "pam")


@scene
def a_release_of_an_unknown_line():
    return Small().approved().refused(do.Release("p", {("y1", "lanes"): 1}), "pam")


@scene
def a_release_when_all_is_released():
    return Small().released().refused(do.Release("p"), "pam")


@scene
def a_release_without_cash():
    world = Small().approved()
    world.cash("y1", 60_000, 10_001)
    return world.refused(do.Release("p"), "pam")


@scene
def a_release_while_it_is_held():
    world = Small().approved()
    world.give(do.Hold("p", "wait"), "hal")
    return world.refused(do.Release("p"), "pam")


@scene
def an_order_without_a_reference():
    return Small().released().refused(do.Commit("p", {("y1", "roads"): 1}, " "), "pam")


@scene
def an_order_of_more_than_is_released():
    return Small().released().refused(do.Commit("p", {("y1", "roads"): 50_001}, "o1"), "pam")


@scene
def an_order_of_nothing():
    return Small().released().refused(do.Commit("p", {}, "o1"), "pam")


@scene
def an_order_of_nothing_where_all_is_ordered():
    world = Small().released()
    world.give(do.Commit("p", {("y1", "roads"): 50_000}, "o1"), "pam")
    return world.refused(do.Commit("p", {}, "o2"), "pam")


@scene
def an_order_without_the_role():
    return Small().released().refused(do.Commit("p", {("y1", "roads"): 1}, "o1"), "cal")


@scene
def a_payment_of_more_than_there_is():
    world = Small().released()
    world.give(do.Commit("p", {("y1", "roads"): 10}, "o1"), "pam")
    return world.refused(do.RecordActual("p", {("y1", "roads"): 50_001}, "i1"), "pam")


@scene
def a_payment_without_a_reference():
    return Small().released().refused(do.RecordActual("p", {("y1", "roads"): 1}, ""), "pam")


def _last_checker(*more: str) -> Small:
    """cal alone could reconcile what was released, and holds other roles."""
    world = Small().released()
    world.administer(who.RevokeRole("cat", "checker"))
    for role in more:
        world.administer(who.GrantRole("cal", role))
    return world


@scene
def a_payment_recorded_by_the_last_who_could_reconcile():
    world = _last_checker("bookkeeper")
    return world.refused(do.RecordActual("p", {("y1", "roads"): 1}, "i1"), "cal")


@scene
def a_payment_recorded_for_somebody_by_the_last_who_could_reconcile():
    world = _last_checker()
    world.administer(who.Delegate("cal", world.at, world.at.replace(month=3)), "pam")
    return world.refused(do.RecordActual("p", {("y1", "roads"): 1}, "i1"), "cal", "pam")


@scene
def an_order_recorded_by_the_last_who_could_reconcile():
    return _last_checker("bookkeeper").refused(do.Commit("p", {("y1", "roads"): 1}, "o1"), "cal")


@scene
def a_reversal_by_the_last_who_could_reconcile():
    world = _last_checker("bookkeeper")
    return world.refused(do.Reverse("p", world.last().version, "why"), "cal")


@scene
def a_release_by_the_last_who_could_reconcile():
    world = Small().approved()
    world.administer(who.RevokeRole("cat", "checker"))
    world.administer(who.GrantRole("cal", "payer"))
    return world.refused(do.Release("p"), "cal")


@scene
def a_payment_by_an_approver():
    world = Small().released()
    world.administer(who.GrantRole("hal", "bookkeeper"))
    return world.refused(do.RecordActual("p", {("y1", "roads"): 1}, "i1"), "hal")


@scene
def a_reversal_of_what_moved_no_money():
    return Small().released().refused(do.Reverse("p", 1, "why"), "pam")


@scene
def a_reversal_where_nothing_moved():
    world = Small().released()
    world.give(do.Reverse("p", world.last().version, "oops"), "pam")
    world.give(do.Release("p"), "pam")
    return world.refused(do.Reverse("p", 2, "why"), "pam")


@scene
def a_second_reversal():
    world = Small().approved()
    world.give(do.Release("p", {("y1", "roads"): 5}), "pam")
    first = world.last().version
    world.give(do.Release("p", {("y1", "roads"): 6}), "pam")
    world.give(do.Reverse("p", first, "oops"), "pam")
    return world.refused(do.Reverse("p", first, "why"), "pam")


@scene
def a_reversal_without_a_reason():
    world = Small().released()
    return world.refused(do.Reverse("p", world.last().version, ""), "pam")


@scene
def a_reversal_without_the_role():
    world = Small().released()
    return world.refused(do.Reverse("p", world.last().version, "why"), "cal")


@scene
def a_reversal_by_an_approver():
    world = Small().released()
    version = world.last().version
    world.administer(who.GrantRole("hal", "payer"))
    return world.refused(do.Reverse("p", version, "why"), "hal")


@scene
def a_reversal_of_money_that_moved_on():
    world = Small().released()
    version = world.last().version
    world.give(do.RecordActual("p", {("y1", "roads"): 1}, "i1"), "pam")
    return world.refused(do.Reverse("p", version, "why"), "pam")


@scene
def a_reversal_of_a_soft_budget_that_is_hard_by_now():
    world = Small().released()
    version = world.last().version
    world.give(do.Commit("p", {("y1", "roads"): 50_000}, "o1"), "pam")
    return world.refused(do.Reverse("p", version, "why"), "pam")


def _spent() -> Small:
    world = Small().released()
    world.give(do.RecordActual("p", {("y1", "roads"): 20_000}, "i1"), "pam")
    return world


@scene
def a_reconciliation_without_the_role():
    return _spent().refused(do.Reconcile("p", {"y1": 20_000}, "bank"), "pam")


@scene
def a_reconciliation_by_the_releaser():
    world = _spent()
    world.administer(who.GrantRole("pam", "checker"))
    return world.refused(do.Reconcile("p", {"y1": 20_000}, "bank"), "pam")


@scene
def a_reconciliation_without_a_reference():
    return _spent().refused(do.Reconcile("p", {"y1": 20_000}, " "), "cal")


@scene
def a_reconciliation_that_differs():
    return _spent().refused(do.Reconcile("p", {"y1": 19_999}, "the bank"), "cal")


@scene
def a_reconciliation_of_another_period():
    return _spent().refused(do.Reconcile("p", {"y1": 20_000, "y2": 1}, "the statement"), "cal")


@scene
def closing_with_an_open_order():
    world = _spent()
    world.give(do.Commit("p", {("y1", "roads"): 100}, "o1"), "pam")
    return world.refused(do.Close("p"), "ann")


@scene
def closing_before_it_is_reconciled():
    return _spent().refused(do.Close("p"), "ann")


@scene
def closing_without_a_part_in_it():
    return Small().released().refused(do.Close("p"), "bea")


@scene
def closing_while_a_reallocation_is_in_review():
    world = _child()
    world.give(do.Submit("c"), "ann")
    return world.refused(do.Close("p"), "ann")


@scene
def closing_while_reallocations_are_held_and_in_review():
    world = _child(-5)
    world.give(do.Submit("c"), "ann")
    world.give(do.Hold("c", "wait"), "hal")
    world.give(do.Reallocate("b", content(item(amount=-7), item("trees", 7), parent="p")), "ann")
    world.give(do.Submit("b"), "ann")
    world.give(
        do.Reallocate("d", content(item(amount=-9), item("trees", 9), parent="p")), "ann"
    )  # A draft stops nobody.
    return world.refused(do.Close("p"), "ann")


@scene
def submitting_what_would_move_money_of_what_is_closed():
    world = _child()
    world.give(do.Close("p"), "ann")
    return world.refused(do.Submit("c"), "ann")


@scene
def expiring_what_never_does():
    return Small().submitted().refused(do.Expire("p"), "ann")


@scene
def expiring_in_time():
    world = Small().drafted()
    world.give(do.Submit("p", world.at.replace(month=2)), "ann")
    world.at = world.at.replace(month=2)
    return world.refused(do.Expire("p"), "ann")


@scene
def holding_without_a_reason():
    return Small().submitted().refused(do.Hold("p", ""), "hal")


@scene
def holding_without_a_part_in_it():
    return Small().submitted().refused(do.Hold("p", "wait"), "bea")


@scene
def resuming_without_a_part_in_it():
    world = Small().submitted()
    world.give(do.Hold("p", "wait"), "pam")
    return world.refused(do.Resume("p"), "bea")


@scene
def an_empty_comment():
    return Small().drafted().refused(do.Comment("p", "  "), "abe")


@scene
def replacing_by_hand():
    return Small().approved().refused(do.Supersede("p", "q"), "ann")


def _board() -> Small:
    """A large one that waits for the board: hal signed, and the law by its key."""
    from fiscus.workflow.identity.signatures import approval_message, new_key, sign

    world = Small()
    private, public = new_key()
    world.administer(who.AddKey(public), "lee")
    world.submitted("p", LARGE)
    world.sign("p", "hal")
    message = approval_message("p", world.state().hash, "lee", "")
    world.sign("p", "lee", signature=sign(private, message))
    assert world.state().step == 1
    return world
