"""Sends what is due, again and again, each time a day later; killed by tests at any moment."""

from __future__ import annotations

import random
import sys
from datetime import UTC, datetime, timedelta

from fiscus.bootstrap import open_office
from fiscus.integrate.notify import Settings, deliver

START = datetime(2027, 1, 1, tzinfo=UTC)

if __name__ == "__main__":
    database, first, seed = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    office = open_office(database)
    for day in range(first, first + 400):
        report = deliver(
            office.store, Settings(allow_private=True, timeout=5), START + timedelta(days=day), random.Random(seed)
        )
        print(day, report.sent, report.failed, report.dead, flush=True)
        if not report.sent and not report.failed:
            break
