"""What a server is told when it starts."""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import urlsplit

from fiscus.errors import InvalidInput

LARGEST_BODY = 8 * 1024 * 1024
"""Bytes of a request, at most: enough for the asks of a large unit."""


@dataclass(frozen=True)
class Provider:
    """An OpenID provider that people may sign in with.

    Attributes:
        issuer: Its URL; what it can do is read from ``/.well-known/openid-configuration`` below it.
        client_id: What it calls us.
        client_secret: What it knows us by.
        name: On the button.
        by_email: Whether an account whose verified address is a person's is theirs at the first sign-in.
    """

    issuer: str
    client_id: str
    client_secret: str = field(repr=False)
    name: str = "single sign-on"
    by_email: bool = True


@dataclass(frozen=True)
class Settings:
    """Of a server.

    Attributes:
        base_url: Where people reach it, as ``https://fiscus.example.org``; links and the check of origins follow from it.
        provider: OpenID provider, if any.
        proxies: Addresses whose ``X-Forwarded-For`` is believed.
    """

    base_url: str = "http://127.0.0.1:8000"
    provider: Provider | None = None
    proxies: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        parts = urlsplit(self.base_url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.path.strip("/") or parts.query:
            raise InvalidInput(f"the base URL {self.base_url!r} must look like https://host or http://host:port")

    @property
    def secure(self) -> bool:
        """Whether people come over TLS."""
        return urlsplit(self.base_url).scheme == "https"

    @property
    def origin(self) -> str:
        """Scheme, host and port, as browsers tell them."""
        return self.base_url.rstrip("/")

    @property
    def host(self) -> str:
        """As in the ``Host`` header."""
        return urlsplit(self.base_url).netloc

    @property
    def cookie(self) -> str:
        """Name of the session's cookie; the prefix keeps other hosts and paths from setting it."""
        return "__Host-fiscus" if self.secure else "fiscus"
