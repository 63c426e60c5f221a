"""What transfers change, and what is said where money is not there."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from fiscus.errors import Overdrawn
from fiscus.workflow.ports import Account, Transfer


def changes(transfers: Sequence[Transfer]) -> list[tuple[Account, int]]:
    """What each account gains in all, minor units, in an order that is the same for everyone."""
    total: Counter[Account] = Counter()
    for each in transfers:
        total[each.source] -= each.amount
        total[each.target] += each.amount
    return [(account, change) for account, change in sorted(total.items(), key=_order) if change]


def _order(item: tuple[Account, int]) -> tuple[str, str, str, str]:
    account = item[0]
    return account.book, account.period, account.fund, account.bucket


def overdrawn(account: Account, after: int | None) -> Overdrawn:
    """An account that would fall below nothing.

    Args:
        account: Which.
        after: What it would have, minor units; None where that is not known.
    """
    what = "The cash" if account.book == "cash" else f"The budget of {account.book} (fund {account.fund})"
    missing = f"{-after:,} too little" if after is not None else "too little"
    return Overdrawn(f"{what} in {account.period} has {missing} {account.bucket} (minor units).")
