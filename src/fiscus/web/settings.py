"""What a server is told when it starts."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

from fiscus.errors import InvalidInput
from fiscus.integrate.openid import Provider

CALLBACK = "/sign-in/provider/callback"
"""Where people come back to from an OpenID provider."""

LARGEST_BODY = 8 * 1024 * 1024
"""Bytes of a request, at most: enough for the asks of a large unit."""


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

    @property
    def attempt_cookie(self) -> str:
        """Name of the cookie of a sign-in that was begun at an OpenID provider."""
        return f"{self.cookie}-attempt"

    @property
    def callback(self) -> str:
        """The one redirect URI that an OpenID provider has to know."""
        return f"{self.origin}{CALLBACK}"
