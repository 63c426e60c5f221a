"""How notices go out."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

from fiscus.errors import InvalidInput

SMTP, SENDER, BASE = "FISCUS_SMTP_URL", "FISCUS_MAIL_FROM", "FISCUS_BASE_URL"
"""Environment variables: secrets are not for command lines."""

PORTS = {"smtp": 25, "starttls": 587, "smtps": 465}


@dataclass(frozen=True)
class Server:
    """Where e-mail is handed in.

    Attributes:
        kind: ``smtp`` in the clear, ``starttls``, or ``smtps``.
        host: Its name.
        port: Its port.
        user: To sign in as; empty for not at all.
        password: Of the user.
    """

    kind: str
    host: str
    port: int
    user: str = ""
    password: str = field(default="", repr=False)

    @classmethod
    def parse(cls, url: str) -> Server:
        """``smtps://user:password@host:port`` or with ``starttls`` or ``smtp``.

        Raises:
            InvalidInput: For anything else; the password is not told.
        """
        parts = urlsplit(url)
        if parts.scheme not in PORTS or not parts.hostname:
            raise InvalidInput(f"{SMTP} must look like smtps://user:password@host:port; smtp:// and starttls:// go too")
        try:
            port = parts.port or PORTS[parts.scheme]
        except ValueError as error:
            raise InvalidInput(f"{SMTP}: the port is no number below 65536") from error
        return cls(parts.scheme, parts.hostname, port, unquote(parts.username or ""), unquote(parts.password or ""))


@dataclass(frozen=True)
class Settings:
    """Of notifications.

    Attributes:
        base_url: Where people reach the pages; links begin with it.
        mail: Where e-mail is handed in; None sends none.
        sender: Address it comes from.
        allow_private: Whether webhooks may go to this machine and its network.
        timeout: Seconds that a receiver has to answer.
    """

    base_url: str = "http://127.0.0.1:8000"
    mail: Server | None = None
    sender: str = "fiscus@localhost"
    allow_private: bool = False
    timeout: float = 15.0

    @classmethod
    def from_environment(cls, given: Mapping[str, str] = os.environ, *, allow_private: bool = False) -> Settings:
        """What the environment says.

        Raises:
            InvalidInput: Where it says what cannot be.
        """
        mail = Server.parse(given[SMTP]) if given.get(SMTP) else None
        return cls(given.get(BASE, cls.base_url), mail, given.get(SENDER, cls.sender), allow_private)
