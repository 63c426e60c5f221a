"""What transfers change, and what is said where money is not there."""

from __future__ import annotations

from typing import NamedTuple

from fiscus.errors import Overdrawn
from fiscus.workflow.ports import Account


class Held(NamedTuple):
    """What an account has.

    Attributes:
        balance: Minor units.
        hard: Whether it must never fall below nothing.
    """

    balance: int
    hard: bool


UNUSED = Held(0, True)
"""An account before anything is booked to it."""


def fallen(account: Account, after: int, hard: bool) -> bool:
    """Whether an account would have less than it may; what is appropriated is owed by the outside."""
    return after < 0 and hard and account.bucket != "appropriated"


def overdrawn(account: Account, after: int) -> Overdrawn:
    """An account that would fall below nothing.

    Args:
        account: Which.
        after: What it would have, minor units.
    """
    what = "The cash" if account.book == "cash" else f"The budget of {account.book} (fund {account.fund})"
    sentence = f"{what} in {account.period} has {-after:,} too little {account.bucket} (minor units)."
    return Overdrawn(sentence, account, -after)
