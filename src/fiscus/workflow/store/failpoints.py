"""Places at which a test may have the process killed, to see that nothing is lost or doubled.

``FISCUS_FAILPOINT=name:count`` kills it with SIGKILL when it comes to that place for the count-th time. Unarmed, a place costs a
look at one variable.
"""

from __future__ import annotations

import os
import signal

PLACES = tuple(
    f"{side}.{what}"
    for what in (
        "events",
        "streams",
        "waiting",
        "contents",
        "accounts",
        "transfers",
        "commands",
        "outbox",
        "chain",
        "commit",
    )
    for side in ("before", "after")
)
"""Before and after every statement that writes, and the commit."""

_armed = os.environ.get("FISCUS_FAILPOINT", "")
_count = {"left": int(_armed.rpartition(":")[2] or 0) if _armed else 0}


def reach(place: str) -> None:
    """A place on the way."""
    if _armed and _armed.rpartition(":")[0] in (place, "any"):
        _count["left"] -= 1
        if _count["left"] == 0:
            os.kill(os.getpid(), signal.SIGKILL)
