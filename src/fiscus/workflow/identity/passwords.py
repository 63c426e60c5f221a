"""Passwords, kept as Argon2id hashes (RFC 9106)."""

from __future__ import annotations

from functools import cache

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from fiscus.errors import InvalidInput

SHORTEST = 12
"""Characters of a password, at least."""

COMMON = ("password", "123456", "qwerty", "fiscus", "letmein", "admin", "welcome")
"""Words that a password may not be made of, whatever digits follow."""

HASHER = PasswordHasher()


def hash_password(password: str) -> str:
    """What is stored of a password.

    Raises:
        InvalidInput: Where it is too short or too easy to guess.
    """
    if len(password) < SHORTEST:
        raise InvalidInput(f"a password has at least {SHORTEST} characters")
    bare = password.lower()
    for word in COMMON:
        bare = bare.replace(word, "")
    if len(set(bare)) < 5:
        raise InvalidInput("this password is too easy to guess: use more different characters, or several words")
    return HASHER.hash(password)


def check_password(stored: str | None, password: str) -> bool:
    """Whether a password is the one stored. It takes as long where there is none, so that nobody learns who exists."""
    try:
        return HASHER.verify(_nobody() if stored is None else stored, password) and stored is not None
    except (VerificationError, InvalidHashError):
        return False


def outdated(stored: str) -> bool:
    """Whether it was hashed with weaker settings than those of today."""
    return HASHER.check_needs_rehash(stored)


@cache
def _nobody() -> str:
    return HASHER.hash("a password that nobody has")
