"""Pages while 50 approvers are at work: a real server in its own process, a real database, visitors in a third process."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from common import Rows, row
from crowd import LARGE, PASSWORD, PROJECTS, Crowd, fill

from fiscus.bootstrap import open_office
from fiscus.workflow.audit.replaying import replayed

HERE = Path(__file__).resolve().parent
PROPOSALS, SECONDS, FLAT_OUT = 5_000, 120, 30
THINK = (0.5, 2.0)
"""Seconds between an answer and the next request of the same person, equally likely between these."""

BAR = 0.150
"""Seconds that 95 of 100 pages may take at most."""

BARRED = ("inbox", "large proposal")
KINDS = {"Approved": "approve", "Returned": "return", "Commented": "comment"}


def rows() -> list[dict[str, str]]:
    """Two minutes with time to think, then half a minute without any."""
    made = Rows()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "fiscus.db"
        crowd = fill(path, PROPOSALS)
        seen = observed(path, crowd, SECONDS, THINK)
        workload = f"50 approvers, {crowd.proposals:,} proposals, {PROJECTS:,} lines in one, {SECONDS} s"
        for kind, page in seen["pages"].items():
            p95 = page["p95"] / 1_000
            times = f"p50 {page['p50']:.0f} ms, p95 {page['p95']:.0f} ms, p99 {page['p99']:.0f} ms"
            way = f"{kind}: {page['count']:,} times, {times}, {page['bytes'] / 1e3:.0f} kB"
            barred = kind.split(":")[0] in BARRED
            made.append(row(workload, way, p95, BAR / p95, "150 ms, over p95", ">= 1" if barred else ""))
        made.append(row(workload, told(seen), seen["seconds"], len(seen["errors"]), "errors", "0"))
        flat = observed(path, crowd, FLAT_OUT, (0.0, 0.0), seed=1)
        rate = flat["requests"] / flat["seconds"]
        workload = f"50 approvers who never stop to think, {FLAT_OUT} s"
        made.append(row(workload, f"{rate:,.0f} requests a second", 1 / rate))
        made.append(row(workload, told(flat), flat["seconds"], len(flat["errors"]), "errors", "0"))
    return made


def told(seen: dict[str, Any]) -> str:
    """A run in words."""
    return (
        f"{seen['requests']:,} requests, {len(seen['errors'])} errors, {len(seen['taken'])} decisions and comments, "
        f"{len(seen['lost'])} of them lost, {len(seen['overtaken'])} overtaken"
    )


def observed(path: Path, crowd: Crowd, seconds: float, think: Sequence[float], seed: int = 0) -> dict[str, Any]:
    """What visitors saw, and what of it the log does not bear out.

    Args:
        path: Of the database; it is written to.
        crowd: Who is in it.
        seconds: How long.
        think: At least and at most, seconds.
        seed: Of the visitors.

    Raises:
        BrokenLog: Where the database is not what its log says.
    """
    with served(path) as url, tempfile.TemporaryDirectory() as folder:
        people, out = Path(folder) / "people.json", Path(folder) / "seen.json"
        people.write_text(json.dumps({"approvers": crowd.approvers, "password": PASSWORD, "large": LARGE}))
        command = [sys.executable, str(HERE / "visitors.py"), "--url", url, "--people", str(people)]
        command += ["--seconds", str(seconds), "--think", *map(str, think), "--seed", str(seed), "--out", str(out)]
        subprocess.run(command, check=True, timeout=seconds + 300)
        seen: dict[str, Any] = json.loads(out.read_text())
    office = open_office(str(path))
    try:
        with office.store.read() as reader:
            seen["audit"] = replayed(reader)
            seen["lost"] = lost(seen["taken"], reader.events(after=crowd.events))
            balance = sum(reader.balances().values())
    finally:
        office.store.close()
    if balance:
        raise RuntimeError(f"the ledger adds up to {balance}, not to nothing")
    return seen


def lost(taken: Sequence[dict[str, str]], events: Iterator[Any]) -> list[dict[str, str]]:
    """What the server said it took and the log does not hold."""
    found = set()
    for event in events:
        what = KINDS.get(event.kind)
        if what is not None:
            found.add(
                (
                    what,
                    event.stream,
                    event.stamp.actor,
                    event.data["text"] if what == "comment" else event.stamp.command,
                )
            )
    return [
        each
        for each in taken
        if (each["what"], f"proposal/{each['proposal']}", each["person"], each["text"] or each["key"]) not in found
    ]


@contextmanager
def served(path: Path) -> Iterator[str]:
    """``fiscus serve`` on a database, in a process of its own, until the block ends."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "fiscus.cli", "serve", "--db", str(path), "--port", str(port)]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, env=os.environ)
    url = f"http://127.0.0.1:{port}"
    try:
        _answers(url, server)
        yield url
    finally:
        server.terminate()
        server.wait(timeout=30)


def _answers(url: str, server: subprocess.Popen[bytes]) -> None:
    for _ in range(300):
        if server.poll() is not None:
            raise RuntimeError("the server ended before it answered")
        try:
            with urllib.request.urlopen(f"{url}/healthz", timeout=1):
                return
        except OSError:
            time.sleep(0.1)
    raise RuntimeError("the server does not answer")
