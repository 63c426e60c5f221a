"""Codes of an authenticator (RFC 6238), each of which counts once."""

from __future__ import annotations

from datetime import datetime

import pyotp

from fiscus.errors import Refused
from fiscus.workflow.identity.sealing import Unreadable
from fiscus.workflow.identity.sessions import FREE_TRIES, SignIns, fail, same, wait

STEP = 30
"""Seconds that a code lasts."""

DRIFT = 1
"""Steps that a clock may be off."""


def new_secret() -> str:
    """Of an authenticator, base 32."""
    return pyotp.random_base32()


def link_of(secret: str, person: str, issuer: str = "Fiscus") -> str:
    """What an authenticator reads from a picture."""
    return pyotp.TOTP(secret).provisioning_uri(name=person, issuer_name=issuer)


def step_of(secret: str, code: str, at: datetime) -> int | None:
    """Number of the step that a code is of; None where it is none of those that count now."""
    now, codes = int(at.timestamp()) // STEP, pyotp.TOTP(secret)
    found = None
    for step in range(now - DRIFT, now + DRIFT + 1):
        if same(codes.generate_otp(step), code.replace(" ", "")):
            found = step
    return found


def check_code(store: SignIns, person: str, code: str, address: str, at: datetime) -> None:
    """Let through whoever has no second factor, or shows a code of it that was not used before.

    Raises:
        Refused: ``identity.code``, ``identity.throttled`` where one has to wait, or ``identity.unreadable`` where no key opens the
            secret: nobody gets in without it.
    """
    try:
        factor = store.second_factor(person)
    except Unreadable as error:
        raise Refused("identity.unreadable", str(error)) from error
    if factor is None:
        return
    keys = ((f"code:{person}", FREE_TRIES), (f"address:{address}", 4 * FREE_TRIES))
    wait(store, tuple(key for key, _ in keys), at)
    step = step_of(factor[0], code, at)
    if step is None or not store.use_step(person, step):
        fail(store, keys, at)
        raise Refused("identity.code", "Enter the code that your authenticator shows now; each code counts once.")
    store.set_throttle(f"code:{person}", None)
