"""Accounts elsewhere and sign-ins there, as both databases keep them."""

from __future__ import annotations

import contextlib
import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from fiscus.errors import Refused
from fiscus.workflow.identity import accounts, sessions
from fiscus.workflow.identity.sessions import Identity
from fiscus.workflow.store.signins import SqlSignIns
from fiscus.workflow.store.sql import SqlStore

AT = datetime(2026, 1, 1, 12, tzinfo=UTC)
HERE, THERE = "https://login.example.org", "https://other.example.org"


@pytest.fixture
def sign_ins(url):
    store = SqlStore.open(url)
    yield SqlSignIns(store)
    store.close()


def test_an_account_is_one_persons_and_a_person_has_one_at_an_issuer(sign_ins):
    assert sign_ins.identity(HERE, "1") is None
    assert sign_ins.set_identity(Identity(HERE, "1", "ann"))
    assert sign_ins.set_identity(Identity(HERE, "1", "ann"))  # Again is the same.
    assert not sign_ins.set_identity(Identity(HERE, "1", "ben"))
    assert not sign_ins.set_identity(Identity(HERE, "2", "ann"))
    assert sign_ins.set_identity(Identity(THERE, "1", "ben"))
    assert sign_ins.set_identity(Identity(THERE, "2", "ann"))
    assert sign_ins.identities() == (
        Identity(HERE, "1", "ann"),
        Identity(THERE, "1", "ben"),
        Identity(THERE, "2", "ann"),
    )
    assert accounts.tied(sign_ins, THERE, "ann") == (Identity(THERE, "2", "ann"),)


def test_an_account_that_was_untied_is_remembered_as_nobodys(sign_ins):
    sign_ins.set_identity(Identity(HERE, "1", "ann"))
    sign_ins.end_identity(HERE, "1")
    sign_ins.end_identity(HERE, "never")
    assert sign_ins.identity(HERE, "1") == Identity(HERE, "1", "")
    assert sign_ins.identity(HERE, "never") is None
    assert sign_ins.identities() == ()
    assert sign_ins.set_identity(Identity(HERE, "2", "ann"))
    assert sign_ins.set_identity(Identity(HERE, "1", "ben"))


def test_of_two_accounts_at_once_one_becomes_theirs(sign_ins):
    won = []

    def tie(subject):
        won.append(sign_ins.set_identity(Identity(HERE, subject, "ann")))

    threads = [threading.Thread(target=tie, args=(str(number),)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(won) == [False] * 5 + [True]
    assert len(sign_ins.identities()) == 1


def test_an_attempt_comes_back_once_to_its_browser_in_time(sign_ins):
    begun = accounts.begin_attempt(sign_ins, AT, target="/funds")
    assert accounts.open_attempt(sign_ins, begun.state, begun.browser, AT) == begun.attempt
    assert accounts.take_attempt(sign_ins, begun.state, begun.browser, AT) == begun.attempt
    with pytest.raises(Refused, match="Begin again"):
        accounts.take_attempt(sign_ins, begun.state, begun.browser, AT)
    stolen = accounts.begin_attempt(sign_ins, AT)
    for browser in ("", begun.browser, begun.browser):
        with pytest.raises(Refused):
            accounts.take_attempt(sign_ins, stolen.state, browser, AT)
    with pytest.raises(Refused):
        accounts.take_attempt(sign_ins, stolen.state, stolen.browser, AT)
    late = accounts.begin_attempt(sign_ins, AT)
    with pytest.raises(Refused):
        accounts.take_attempt(sign_ins, late.state, late.browser, AT + sessions.ATTEMPT_LASTS)
    with pytest.raises(Refused):
        accounts.take_attempt(sign_ins, "", "", AT)


def test_of_two_who_come_back_at_once_one_goes_on(sign_ins):
    begun, won = accounts.begin_attempt(sign_ins, AT), []

    def take():
        with contextlib.suppress(Refused):
            won.append(accounts.take_attempt(sign_ins, begun.state, begun.browser, AT))

    threads = [threading.Thread(target=take) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert won == [begun.attempt]


def test_what_waits_for_a_code_lasts_no_longer_and_is_taken_for_nothing_else(sign_ins):
    begun = accounts.begin_attempt(sign_ins, AT)
    taken = accounts.take_attempt(sign_ins, begun.state, begun.browser, AT)
    state = accounts.wait_for_code(sign_ins, replace(taken, person="ann"), AT + timedelta(minutes=5))
    waits = accounts.open_attempt(sign_ins, state, begun.browser, AT, code=True)
    assert (waits.person, waits.until, waits.verifier, waits.nonce) == ("ann", taken.until, "", "")
    with pytest.raises(Refused):
        accounts.open_attempt(sign_ins, state, "another browser", AT, code=True)
    with pytest.raises(Refused):
        accounts.open_attempt(sign_ins, state, begun.browser, AT)
    fresh = accounts.begin_attempt(sign_ins, AT)
    with pytest.raises(Refused):
        accounts.open_attempt(sign_ins, fresh.state, fresh.browser, AT, code=True)
    with pytest.raises(Refused):
        accounts.open_attempt(sign_ins, state, begun.browser, AT + sessions.ATTEMPT_LASTS, code=True)
