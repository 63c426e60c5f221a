"""Notices that a server sends itself, beside its pages."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Protocol

from fiscus.bootstrap import Office
from fiscus.errors import FiscusError
from fiscus.integrate.notify import Report, Settings, deliver
from fiscus.integrate.notify.settings import BASE
from fiscus.workflow.store.deliveries import Deliveries

EVERY = 5.0
"""Seconds between looks at the outbox."""

PATIENCE = 20.0
"""Seconds that stopping waits for a try that is under way; what was not tried is given back to others."""


class Sends(Protocol):
    """As ``deliver``."""

    def __call__(self, office: Office, settings: Settings, stop: Callable[[], bool]) -> Report: ...


def _send(office: Office, settings: Settings, stop: Callable[[], bool]) -> Report:
    return deliver(office.store, settings, office.clock(), stop=stop)


def _say(words: str) -> None:
    print(words, file=sys.stderr, flush=True)  # noqa: T201 - the server's own stream


def settings_for(origin: str) -> Settings:
    """What the environment says; links lead to this server where ``FISCUS_BASE_URL`` names no other.

    Raises:
        InvalidInput: Where it says what cannot be.
    """
    found = Settings.from_environment()
    return found if os.environ.get(BASE) else replace(found, base_url=origin)


class Sender:
    """Looks at the outbox again and again, in a thread of its own, until it is stopped.

    As long as there is neither a mail server nor a webhook, the outbox is left as it is for whoever has one.

    Args:
        office: Store and clock.
        settings: Of notifications.
        every: Seconds between looks.
        send: What is done at each.
        say: Told of trouble, once for each kind until it is over.
    """

    def __init__(
        self,
        office: Office,
        settings: Settings,
        every: float = EVERY,
        send: Sends = _send,
        say: Callable[[str], None] = _say,
    ) -> None:
        self.office, self.settings, self.every, self.send, self.say = office, settings, every, send, say
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="fiscus-notices", daemon=True)
        self._said = ""

    def __enter__(self) -> Sender:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._thread.join(PATIENCE)

    @property
    def alive(self) -> bool:
        """Whether it still looks."""
        return self._thread.is_alive()

    def _run(self) -> None:
        while not self._stopped.is_set():
            self._look()
            self._stopped.wait(self.every)

    def _look(self) -> None:
        """Once; no trouble ends the thread, as the pages go on too."""
        try:
            if self.settings.mail is None and not Deliveries(self.office.store).webhooks():
                return
            report = self.send(self.office, self.settings, self._stopped.is_set)
        except Exception as error:
            kind = str(error) if isinstance(error, FiscusError) else f"{type(error).__name__}: {error}"
            self._tell(f"Notices could not be sent, and are tried again: {kind}")
            return
        if report.dead:
            self._tell(
                "Some notices were given up: fiscus notify list --state dead shows them, fiscus notify retry sends them."
            )
        elif report.failed:
            self._tell("Some notices were not received, and are tried again later: fiscus notify list shows why.")
        elif report.sent:
            self._said = ""

    def _tell(self, words: str) -> None:
        if words != self._said:
            self._said = words
            self.say(f"fiscus: {words}")
