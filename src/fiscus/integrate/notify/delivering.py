"""Deliveries: planned, taken, tried, and tried again later."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from fiscus.errors import FiscusError
from fiscus.integrate.notify import mail, webhook
from fiscus.integrate.notify.recipients import targets
from fiscus.integrate.notify.settings import Settings
from fiscus.workflow.identity.registry import Registry
from fiscus.workflow.service import registry
from fiscus.workflow.store.deliveries import Deliveries, Delivery, Webhook
from fiscus.workflow.store.sql import SqlStore

SECONDS = (5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400)
"""Until the next try after each failure, as Standard Webhooks advises; after the last it is given up."""

STALE = timedelta(seconds=10)
"""Age from which a lease is made whole before a try, so that no try outlives its lease: each waits seconds, not minutes."""

JITTER = 0.1
"""By which share waits differ, so that those who failed together do not come back together."""


@dataclass(slots=True)
class Report:
    """What was done.

    Attributes:
        planned: Deliveries that new notices made.
        sent: Received.
        failed: To be tried again.
        dead: Given up.
    """

    planned: int = 0
    sent: int = 0
    failed: int = 0
    dead: int = 0


def deliver(
    store: SqlStore,
    settings: Settings,
    at: datetime,
    source: random.Random | None = None,
    stop: Callable[[], bool] = lambda: False,
) -> Report:
    """Plan what is new and try everything that is due, once. Any number may do so at the same time.

    Args:
        store: Whose outbox.
        settings: How.
        at: Now.
        source: Of jitter.
        stop: Asked before every try; what was taken is given back once it says so.
    """
    kept, report, source, begun = Deliveries(store), Report(), source or random.Random(), time.monotonic()
    if not kept.any_due(at):
        return report
    with store.read() as reader:
        people = registry(reader)
    hooks = kept.webhooks()
    by_mail = settings.mail is not None
    report.planned = kept.plan(lambda notice: targets(notice, people, hooks, at, mail=by_mail), at)
    known = {hook.id: hook for hook in hooks}

    def now() -> datetime:
        return at + timedelta(seconds=time.monotonic() - begun)

    while not stop() and (taken := kept.take(at, now())):
        fresh = now()
        for position, delivery in enumerate(taken):
            if stop():
                kept.give_back(taken[position:])
                break
            ours: Delivery | None = delivery
            if now() - fresh > STALE:
                ours = kept.renewed(delivery, now())
            if ours is None:  # Tries before it took so long that somebody else has it.
                continue
            try:
                _try(ours, known, people, settings, at)
            except (OSError, FiscusError, ValueError, KeyError) as error:
                _later(kept, ours, str(error), at, source, report)
            else:
                kept.done(ours)
                report.sent += 1
    return report


def _try(delivery: Delivery, hooks: dict[str, Webhook], people: Registry, settings: Settings, at: datetime) -> None:
    kind, _, name = delivery.target.partition(":")
    if kind == "hook":
        webhook.send(delivery, hooks[name], at, timeout=settings.timeout, allow_private=settings.allow_private)
    else:
        mail.send(mail.message_of(delivery, people.people[name], settings), settings)


def _later(
    kept: Deliveries, delivery: Delivery, error: str, at: datetime, source: random.Random, report: Report
) -> None:
    if delivery.tries >= len(SECONDS):
        kept.failed(delivery, None, error)
        report.dead += 1
        return
    wait = SECONDS[delivery.tries] * (1 + source.uniform(0, JITTER))
    kept.failed(delivery, at + timedelta(seconds=wait), error)
    report.failed += 1
