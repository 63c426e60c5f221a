"""Deliveries in an SQL store: handed out one sender at a time, and never forgotten."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from fiscus.workflow.canonical import timestamp
from fiscus.workflow.ports import Notice
from fiscus.workflow.store.sql import SqlStore

WAITING, SENT, DEAD = "waiting", "sent", "dead"

LEASE = timedelta(minutes=2)
"""How long whoever took a delivery has for it before another may."""

MOST = 50
"""Deliveries that are taken at once."""


@dataclass(frozen=True, slots=True)
class Webhook:
    """A program elsewhere that is told.

    Attributes:
        id: Its name here.
        url: Where.
        secrets: ``whsec_...``, the newest first; several while one is being replaced.
        topics: It wants to hear of; empty for all.
    """

    id: str
    url: str
    secrets: tuple[str, ...]
    topics: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Delivery:
    """One notice to one target.

    Attributes:
        number: Of the notice in the outbox.
        target: ``mail:PERSON`` or ``hook:ID``.
        message: Id that stays the same over all tries.
        tries: That failed so far.
        topic: Of the notice.
        body: Of the notice.
        state: ``waiting``, ``sent`` or ``dead``.
        due: When it is tried next.
        error: Of the last try.
        lease: Until when whoever took it has it; empty where nobody did.
    """

    number: int
    target: str
    message: str
    tries: int
    topic: str
    body: dict[str, object]
    state: str = WAITING
    due: str = ""
    error: str = ""
    lease: str = ""


_COLUMNS = "d.notice, d.target, d.message, d.tries, o.topic, o.body, d.state, d.due, d.error"
_FROM = f"SELECT {_COLUMNS} FROM deliveries d JOIN outbox o ON o.number = d.notice"


class Deliveries:
    """Beside the log.

    Args:
        store: Whose database.
    """

    def __init__(self, store: SqlStore) -> None:
        self.store = store

    def plan(self, targets: Callable[[Notice], Sequence[str]], at: datetime) -> int:
        """Say for every new notice to whom it goes; gives how many deliveries that makes."""
        made = 0
        with self.store.begin() as unit:
            for number, notice in unit.notices():
                for target in dict.fromkeys(targets(notice)):
                    unit.run(
                        "INSERT INTO deliveries (notice, target, message, state, tries, due, lease, error) "
                        "VALUES (?, ?, ?, ?, 0, ?, '', '')",
                        (number, target, f"msg_{secrets.token_urlsafe(20)}", WAITING, timestamp(at)),
                    )
                    made += 1
                unit.sent([number])
            unit.commit()
        return made

    def take(self, at: datetime, now: datetime | None = None) -> list[Delivery]:
        """Some that are due and nobody is at, the oldest first; nobody else gets them until the lease is over.

        Args:
            at: Those that were due then.
            now: When the lease begins, where that is later: whoever takes again and again tries nothing twice.
        """
        begins = now or at
        lease = timestamp(begins + LEASE)
        with self.store.begin() as unit:
            found = unit.run(
                f"{_FROM} WHERE d.state = ? AND d.due <= ? AND d.lease <= ? ORDER BY d.notice, d.target LIMIT {MOST}",
                (WAITING, timestamp(at), timestamp(begins)),
            ).fetchall()
            for row in found:
                unit.run(
                    "UPDATE deliveries SET lease = ? WHERE notice = ? AND target = ?",
                    (lease, row[0], row[1]),
                )
            unit.commit()
        return [replace(_delivery(row), lease=lease) for row in found]

    def renewed(self, delivery: Delivery, at: datetime) -> Delivery | None:
        """The same with a whole lease again; None where it ran out and somebody else took it."""
        lease = timestamp(at + LEASE)
        return replace(delivery, lease=lease) if self._lease(delivery, lease) else None

    def give_back(self, deliveries: Sequence[Delivery]) -> None:
        """Let others have at once what was taken and not tried."""
        for each in deliveries:
            self._lease(each, "")

    def _lease(self, delivery: Delivery, lease: str) -> bool:
        """Change a lease that is still the one that was given."""
        with self.store.begin() as unit:
            changed = unit.run(
                "UPDATE deliveries SET lease = ? WHERE notice = ? AND target = ? AND state = ? AND lease = ?",
                (lease, delivery.number, delivery.target, WAITING, delivery.lease),
            ).rowcount
            unit.commit()
        return bool(changed == 1)

    def any_due(self, at: datetime) -> bool:
        """Whether there is anything to plan or to try; asks without waiting for those who write."""
        now = timestamp(at)
        with self.store.read() as reader:
            new = reader.run("SELECT 1 FROM outbox WHERE sent = 0 LIMIT 1").fetchone()
            due = "SELECT 1 FROM deliveries WHERE state = ? AND due <= ? AND lease <= ? LIMIT 1"
            return new is not None or reader.run(due, (WAITING, now, now)).fetchone() is not None

    def done(self, delivery: Delivery) -> None:
        """It was received."""
        self._set(delivery, SENT, delivery.tries, "", "")

    def failed(self, delivery: Delivery, due: datetime | None, error: str) -> None:
        """It was not; it is tried again then, or given up where there is no time."""
        self._set(delivery, WAITING if due else DEAD, delivery.tries + 1, timestamp(due) if due else "", error[:500])

    def retry(self, at: datetime) -> int:
        """Try everything again that was given up; gives how much that is."""
        with self.store.begin() as unit:
            count = unit.run(
                "UPDATE deliveries SET state = ?, tries = 0, due = ?, lease = '' WHERE state = ?",
                (WAITING, timestamp(at), DEAD),
            ).rowcount
            unit.commit()
        return int(count)

    def all(self, state: str = "") -> list[Delivery]:
        """Deliveries of a state, or all."""
        only, values = (" WHERE d.state = ?", (state,)) if state else ("", ())
        with self.store.read() as reader:
            found = reader.run(f"{_FROM}{only} ORDER BY d.notice, d.target", values).fetchall()
        return [_delivery(row) for row in found]

    def webhooks(self) -> list[Webhook]:
        """All of them."""
        with self.store.read() as reader:
            found = reader.run("SELECT id, url, secrets, topics FROM webhooks ORDER BY id").fetchall()
        return [
            Webhook(name, url, tuple(json.loads(keys)), tuple(json.loads(topics))) for name, url, keys, topics in found
        ]

    def add_webhook(self, hook: Webhook) -> None:
        """A new one, or others of the same name changed."""
        with self.store.begin() as unit:
            unit.run(
                "INSERT INTO webhooks (id, url, secrets, topics) VALUES (?, ?, ?, ?) ON CONFLICT (id) DO UPDATE "
                "SET url = excluded.url, secrets = excluded.secrets, topics = excluded.topics",
                (hook.id, hook.url, json.dumps(hook.secrets), json.dumps(hook.topics)),
            )
            unit.commit()

    def remove_webhook(self, name: str) -> bool:
        """Whether there was one; what waits for it is given up."""
        with self.store.begin() as unit:
            gone = bool(unit.run("DELETE FROM webhooks WHERE id = ?", (name,)).rowcount)
            unit.run(
                "UPDATE deliveries SET state = ?, error = 'the webhook was removed' WHERE target = ? AND state = ?",
                (DEAD, f"hook:{name}", WAITING),
            )
            unit.commit()
        return gone

    def _set(self, delivery: Delivery, state: str, tries: int, due: str, error: str) -> None:
        with self.store.begin() as unit:
            unit.run(
                "UPDATE deliveries SET state = ?, tries = ?, due = ?, lease = '', error = ? "
                "WHERE notice = ? AND target = ?",
                (state, tries, due, error, delivery.number, delivery.target),
            )
            unit.commit()


def _delivery(row: Sequence[object]) -> Delivery:
    number, target, message, tries, topic, body, state, due, error = row
    return Delivery(
        int(str(number)), str(target), str(message), int(str(tries)), str(topic), json.loads(str(body)), str(state),
        str(due), str(error),
    )  # fmt: skip
