"""Places at which a test may have the process killed, to see that nothing is lost or doubled.

``FISCUS_FAILPOINT=name:count`` kills it with SIGKILL when it comes to that place for the count-th time; the name ``any`` counts all
places. Unarmed, a place costs a look at one variable.
"""

from __future__ import annotations

import os
import signal

STATEMENTS = (
    "events",
    "streams",
    "waiting",
    "sessions",
    "contents",
    "control",
    "accounts",
    "transfers",
    "commands",
    "outbox",
    "sent",
    "checkpoints",
    "credentials",
    "chain",
    "commit",
)
"""What is written, and the commit."""

PLACES = tuple(f"{side}.{what}" for what in STATEMENTS for side in ("before", "after"))
"""Before and after every statement that writes, and the commit."""

_armed: dict[str, int] = {}


def arm(text: str) -> None:
    """Choose where to be killed.

    Args:
        text: As ``after.events:2``; empty for nowhere.
    """
    _armed.clear()
    if text:
        name, _, count = text.rpartition(":")
        _armed[name] = int(count)


def reach(place: str) -> None:
    """A place on the way."""
    if _armed:
        for name in (place, "any"):
            if name in _armed:
                _armed[name] -= 1
                if _armed[name] == 0:
                    os.kill(os.getpid(), signal.SIGKILL)


arm(os.environ.get("FISCUS_FAILPOINT", ""))
