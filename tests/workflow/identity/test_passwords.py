"""Passwords: the right one, a wrong one, one of nobody, and those that are refused."""

from __future__ import annotations

import pytest
from argon2 import PasswordHasher

from fiscus.errors import InvalidInput
from fiscus.workflow.identity.passwords import SHORTEST, check_password, hash_password, outdated

GOOD = "correct horse battery"


@pytest.fixture(scope="module")
def stored():
    return hash_password(GOOD)


def test_the_right_password_and_wrong_ones(stored):
    assert check_password(stored, GOOD)
    for wrong in ("", GOOD + " ", GOOD[:-1], GOOD.upper(), stored):
        assert not check_password(stored, wrong)


def test_nobody_has_a_password(stored):
    for guess in (GOOD, "", "a password that nobody has"):
        assert not check_password(None, guess)
    for broken in ("", "no hash", stored[:-1], stored.replace("argon2id", "argon2x")):
        assert not check_password(broken, GOOD)


def test_the_hash_is_argon2id_with_a_salt_of_its_own(stored):
    assert stored.startswith("$argon2id$")
    assert GOOD not in stored
    assert hash_password(GOOD) != stored


def test_weaker_settings_are_outdated(stored):
    assert not outdated(stored)
    weak = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(GOOD)
    assert outdated(weak)
    assert check_password(weak, GOOD)


@pytest.mark.parametrize("short", ["", "a", "Xk9#mQ2$vL7"])
def test_short_passwords_are_refused(short):
    assert len(short) < SHORTEST
    with pytest.raises(InvalidInput, match="at least 12"):
        hash_password(short)


@pytest.mark.parametrize(
    "common", ["password1234", "PassWord2026!", "qwerty123456", "fiscusfiscus", "aaaaaaaaaaaaaa", "abababababab"]
)
def test_common_passwords_are_refused(common):
    with pytest.raises(InvalidInput, match="easy to guess"):
        hash_password(common)


def test_the_shortest_that_will_do():
    assert check_password(hash_password("Xk9#mQ2$vL7w"), "Xk9#mQ2$vL7w")
