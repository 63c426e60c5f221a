"""How long a second machine takes to verify an exported log of a million events."""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from common import Rows, once, row

from fiscus.workflow.audit.export import verify_export, write_export
from fiscus.workflow.audit.log import START, written
from fiscus.workflow.ports import Document, Stamp, Written

EVENTS = 1_000_000
STREAMS = 5_000
AT = "2026-01-01T00:00:00.000000Z"


class Log:
    """What ``write_export`` reads of a store: signatures, and every fourth time money that is reserved with one."""

    def checkpoints(self) -> list[Document]:
        """None."""
        return []

    def content(self, digest: str) -> bytes | None:
        """None that events speak of."""
        return None

    def events(self) -> Iterator[Written]:
        """One after another, over many proposals."""
        previous, seen = START, [0] * STREAMS
        for number in range(EVENTS):
            place = number % STREAMS
            seen[place] += 1
            data: dict[str, Any] = {"act": "stage:head", "hash": previous, "role": "head", "stage": "head"}
            if seen[place] % 4 == 0:
                ends = [["city", "p1", "general", bucket] for bucket in ("available", "reserved")]
                moved = {"source": ends[0], "target": ends[1], "amount": 100, "line": "roads", "memo": ""}
                data = {"hash": previous, "transfers": [moved]}
            stamp = Stamp(AT, "hal", command=f"c{number}")
            event = written(number + 1, f"proposal/p{place}", seen[place], "Approved", stamp, data, previous)
            previous = event.hash
            yield event


def rows() -> list[dict[str, str]]:
    """Against reading every line as JSON and hashing it, which no verification can do without."""
    made = Rows()
    workload = f"verify an exported log of {EVENTS:,} events"
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "log.jsonl"
        with path.open("wb") as file:
            write_export(Log(), file, AT)  # type: ignore[arg-type]  # It asks for these three alone.
        bare, _ = once(lambda: _read(path))
        seconds, found = once(lambda: verify_export(path))
    assert found.size == EVENTS
    made.append(row(workload, "json.loads and SHA-256 of every line", bare))
    made.append(row(workload, "fiscus audit verify FILE", seconds, seconds / bare, "times reading", "< 60 s"))
    return made


def _read(path: Path) -> None:
    with path.open("rb") as file:
        for line in file:
            json.loads(line)
            hashlib.sha256(line).digest()
