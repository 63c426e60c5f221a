"""Approvers at work on a running server: a process of its own, standard library alone, so that it takes little of the machine.

    python visitors.py --url http://127.0.0.1:8000 --people people.json --seconds 120 --think 0.5 2.0 --out seen.json

Everybody signs in, fetches styles and script once, and then goes on like a person: inbox, a proposal, its table by another column
or of one unit, the page where one decides, and now and then a signature, a return or a comment. Times are from the first byte sent
to the last byte read; thinking is between them. What the server said it took is kept, to be looked for in its log.
"""

from __future__ import annotations

import argparse
import asyncio
import html
import json
import random
import re
import time
import zlib
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

TIMEOUT = 30.0
"""Seconds after which an answer counts as missing."""

SLOW = 150.0
"""Milliseconds from which on a request is noted by itself, with the second in which it began."""

LARGE_SHARE = 0.4
"""How often the large proposal is the one looked at."""


@dataclass
class Seen:
    """What came back, by kind of page."""

    milliseconds: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    bytes: dict[str, list[tuple[int, int]]] = field(default_factory=lambda: defaultdict(list))
    errors: list[str] = field(default_factory=list)
    overtaken: list[str] = field(default_factory=list)
    taken: list[dict[str, str]] = field(default_factory=list)
    slow: list[tuple[float, str, float]] = field(default_factory=list)


@dataclass
class Answer:
    """Of a request."""

    status: int
    headers: dict[str, str]
    body: bytes
    text: str


class Browser:
    """One connection that is kept open, and a cookie.

    Args:
        url: Of the server.
        seen: Where times go.
    """

    def __init__(self, url: str, seen: Seen) -> None:
        parts = urlsplit(url)
        self.url, self.seen = url, seen
        self.host, self.port = parts.hostname or "127.0.0.1", parts.port or 80
        self.cookie, self.csrf = "", ""
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def get(self, kind: str, path: str) -> Answer:
        """A page."""
        return await self._timed(kind, "GET", path, b"", 200)

    async def post(self, kind: str, path: str, form: dict[str, str], expected: tuple[int, ...] = (303,)) -> Answer:
        """A form."""
        return await self._timed(kind, "POST", path, urlencode(form).encode(), *expected)

    async def _timed(self, kind: str, method: str, path: str, body: bytes, *expected: int) -> Answer:
        if self._streams is not None and self._streams[0].at_eof():
            self._streams = None  # The server hung up while we did nothing, which it may: any browser dials again.
        began = time.perf_counter()
        try:
            answer = await asyncio.wait_for(self._asked(method, path, body), TIMEOUT)
        except (OSError, EOFError, TimeoutError, ValueError) as error:
            self._streams = None
            self.seen.errors.append(f"{kind} {path}: {type(error).__name__} {error}")
            return Answer(0, {}, b"", "")
        taken = 1_000 * (time.perf_counter() - began)
        self.seen.milliseconds[kind].append(taken)
        if taken > SLOW:
            self.seen.slow.append((round(began % 1_000, 2), kind, round(taken)))
        if answer.headers.get("content-encoding") == "gzip":
            plain = zlib.decompress(answer.body, 31)
        else:
            plain = answer.body
        answer.text = plain.decode()
        self.seen.bytes[kind].append((len(plain), len(answer.body)))
        if answer.status not in expected:
            self.seen.errors.append(f"{kind} {path}: {answer.status}")
        return answer

    async def _asked(self, method: str, path: str, body: bytes) -> Answer:
        if self._streams is None:
            self._streams = await asyncio.open_connection(self.host, self.port, limit=1 << 22)
        reader, writer = self._streams
        head = [f"{method} {path} HTTP/1.1", f"host: {self.host}:{self.port}", "accept-encoding: gzip"]
        if self.cookie:
            head.append(f"cookie: {self.cookie}")
        if method == "POST":
            head += [
                f"origin: {self.url}",
                "content-type: application/x-www-form-urlencoded",
                f"content-length: {len(body)}",
            ]
        writer.write("\r\n".join([*head, "", ""]).encode() + body)
        first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").strip().split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        if "content-length" in headers:
            given = await reader.readexactly(int(headers["content-length"]))
        else:
            given = await self._chunks(reader)
        if "set-cookie" in headers:
            self.cookie = headers["set-cookie"].split(";")[0]
        if headers.get("connection") == "close":
            writer.close()
            self._streams = None
        return Answer(int(first.split()[1]), headers, given, "")

    async def _chunks(self, reader: asyncio.StreamReader) -> bytes:
        found = []
        while size := int(await reader.readline(), 16):
            found.append(await reader.readexactly(size))
            await reader.readline()
        await reader.readline()
        return b"".join(found)

    def close(self) -> None:
        """Hang up."""
        if self._streams is not None:
            self._streams[1].close()


class Approver:
    """Somebody who reads, and signs now and then.

    Args:
        person: Who.
        password: Theirs.
        large: Id of the proposal with very many lines.
        browser: Theirs.
        rng: Of what they do next.
        think: Seconds between two requests, at least and at most; equally likely between.
    """

    def __init__(
        self, person: str, password: str, large: str, browser: Browser, rng: random.Random, think: tuple[float, float]
    ) -> None:
        self.person, self.password, self.large = person, password, large
        self.browser, self.rng, self.think = browser, rng, think
        self.until = 0.0
        self.written = 0

    async def sign_in(self) -> None:
        """A session, and the files that a browser keeps."""
        shown = await self.browser.get("sign-in", "/sign-in")
        for path in re.findall(r'(?:href|src)="(/static/[^"]+)"', shown.text):
            await self.browser.get("static", path)
        await self.browser.post("signing in", "/sign-in", {"person": self.person, "password": self.password})

    async def work(self, until: float) -> None:
        """Go on until a moment of the loop's clock."""
        self.until = until
        await self._pause()  # Nobody begins with everybody else.
        while self._time():
            await self._round()

    def _time(self) -> bool:
        return asyncio.get_running_loop().time() < self.until

    async def _pause(self) -> None:
        if self.think[1]:
            await asyncio.sleep(self.rng.uniform(*self.think))

    async def _look(self, kind: str, path: str) -> str:
        if not self._time():
            return ""
        answer = await self.browser.get(kind, path)
        await self._pause()
        return answer.text

    async def _round(self) -> None:
        """From the inbox to a decision, or to none."""
        draw, listed = self.rng.random, await self._look("inbox", "/inbox")
        if draw() < 0.2 and 'rel="next"' in listed:
            listed = await self._look("inbox: page 2", "/inbox?show=mine&page=2") or listed
        if draw() < 0.15:
            await self._look("inbox: search", f"/inbox?show=all&text={quote(self.rng.choice(WORDS))}")
        if draw() < 0.2:
            which = self.rng.choice(("others", "overdue", "all", "own"))
            await self._look(f"inbox: {which}", f"/inbox?show={which}")
        mine = re.findall(r'<a href="/proposals/([^"/?#]+)"', listed)
        chosen = self.large if draw() < LARGE_SHARE or not mine else self.rng.choice(mine)
        kind = "large proposal" if chosen == self.large else "proposal"
        shown = await self._look(kind, f"/proposals/{chosen}")
        if draw() < 0.4:
            sort, down = self.rng.choice(SORTS), self.rng.choice("01")
            await self._look(f"{kind}: sorted", f"/proposals/{chosen}?sort={sort}&down={down}")
        units = sorted(set(re.findall(r"[?;&]unit=([^&\"#]+)[\"#]", shown)))
        if draw() < 0.4 and units:
            await self._look(f"{kind}: unit", f"/proposals/{chosen}?unit={self.rng.choice(units)}")
        if draw() < 0.2 and "number=2" in shown:
            await self._look(f"{kind}: page 2", f"/proposals/{chosen}?number=2")
        if draw() < 0.5:
            await self._decide(kind, chosen)
        if draw() < 0.08 and self._time():
            await self._comment(kind, chosen, shown)

    async def _decide(self, kind: str, chosen: str) -> None:
        page = await self._look(f"{kind}: decide", f"/proposals/{chosen}/decide")
        fields = dict(re.findall(r'name="(csrf|hash|key|choice)" value="([^"]*)"', page))
        if self.rng.random() > 0.3 or "hash" not in fields or not self._time():
            return
        decision = "approve" if kind == "large proposal" or self.rng.random() < 0.85 else "return"
        form = {name: html.unescape(value) for name, value in fields.items()}
        form |= {"decision": decision, "reason": "Seen with the agency's letter." if decision == "return" else ""}
        answer = await self.browser.post("deciding", f"/proposals/{chosen}/decide", form, (303, 409))
        if answer.status == 303:
            taken = {"what": decision, "proposal": chosen, "person": self.person, "key": form["key"], "text": ""}
            self.browser.seen.taken.append(taken)
            await self._look(f"{kind}: decided", answer.headers["location"])
        elif answer.status == 409:
            said = re.search(r'role="alert">([^<]*)', answer.text)
            self.browser.seen.overtaken.append(f"{self.person} {chosen}: {html.unescape(said[1]) if said else ''}")

    async def _comment(self, kind: str, chosen: str, page: str) -> None:
        csrf = re.search(r'name="csrf" value="([^"]*)"', page)
        if csrf is None or "/do/comment" not in page:
            return
        self.written += 1
        text = f"Note {self.written} by {self.person}, {self.rng.randrange(10**9)}"
        form = {"csrf": html.unescape(csrf[1]), "text": text}
        answer = await self.browser.post("commenting", f"/proposals/{chosen}/do/comment", form)
        if answer.status == 303:
            taken = {"what": "comment", "proposal": chosen, "person": self.person, "key": "", "text": text}
            self.browser.seen.taken.append(taken)
            await self._look(f"{kind}: decided", answer.headers["location"])


SORTS = ("change", "line", "unit", "asked", "amount", "prior")
WORDS = ("school", "Park", "library", "water main", "bridge", "0042", "nothing like it")


def quantile(values: list[float], share: float) -> float:
    """The nearest rank."""
    ordered = sorted(values)
    return ordered[min(max(int(-(-share * len(ordered) // 1)) - 1, 0), len(ordered) - 1)]


def summary(seen: Seen, seconds: float) -> dict[str, Any]:
    """Figures by kind of page."""
    return {
        "seconds": seconds,
        "requests": sum(len(each) for each in seen.milliseconds.values()),
        "pages": {
            kind: {
                "count": len(times),
                **{f"p{share}": round(quantile(times, share / 100), 1) for share in (50, 95, 99)},
                "largest": round(max(times), 1),
                "bytes": max(plain for plain, _ in seen.bytes[kind]),
                "wire": max(wire for _, wire in seen.bytes[kind]),
            }
            for kind, times in sorted(seen.milliseconds.items())
        },
        "errors": seen.errors,
        "overtaken": seen.overtaken,
        "taken": seen.taken,
        "slow": sorted(seen.slow),
        "decisions": Counter(each["what"] for each in seen.taken),
    }


async def visit(given: argparse.Namespace) -> dict[str, Any]:
    """Sign everybody in, then let them all work for some time."""
    people = json.loads(Path(given.people).read_text(encoding="utf-8"))
    before, seen = Seen(), Seen()
    crowd = []
    for number, person in enumerate(people["approvers"]):
        browser = Browser(given.url, before)
        rng = random.Random(f"{given.seed} {number}")
        crowd.append(Approver(person, people["password"], people["large"], browser, rng, tuple(given.think)))
    for each in crowd:  # One after another, as people come in the morning; a password is slow to check by design.
        await each.sign_in()
    for each in crowd:
        each.browser.seen = seen
    began = asyncio.get_running_loop().time()
    await asyncio.gather(*(each.work(began + given.seconds) for each in crowd))
    seconds = asyncio.get_running_loop().time() - began
    for each in crowd:
        each.browser.close()
    found = summary(seen, seconds)
    return {**found, "sign_in": summary(before, 0)["pages"], "errors": [*before.errors, *found["errors"]]}


def main() -> None:
    """Read what is wanted, and write what was seen."""
    reader = argparse.ArgumentParser(description=__doc__)
    reader.add_argument("--url", required=True)
    reader.add_argument("--people", required=True, help="JSON: approvers, password, large")
    reader.add_argument("--seconds", type=float, default=120.0)
    reader.add_argument("--think", type=float, nargs=2, default=(0.5, 2.0))
    reader.add_argument("--seed", type=int, default=0)
    reader.add_argument("--out", required=True)
    given = reader.parse_args()
    Path(given.out).write_text(json.dumps(asyncio.run(visit(given)), indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
