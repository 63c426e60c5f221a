"""What every answer carries and every request passes, before any page sees it."""

from __future__ import annotations

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from fiscus.web.settings import LARGEST_BODY, Settings

POLICY = "; ".join(
    (
        "default-src 'none'",
        *(f"{kind}-src 'self'" for kind in ("script", "style", "img", "connect", "font")),
        "form-action 'self'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
    )
)
"""Content-Security-Policy: nothing from elsewhere, nothing inline."""

HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=(), payment=()",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}
TLS = {"strict-transport-security": "max-age=31536000; includeSubDomains"}
PRIVATE, FOR_EVER = "no-store", "public, max-age=31536000, immutable"
"""Pages are kept nowhere; files of a version are kept for good."""

HEALTH = "/healthz"


class Guard:
    """Hosts, sizes and headers.

    Args:
        app: What comes behind it.
        settings: Of the server.
    """

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self.app, self.settings = app, settings

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers, path = Headers(scope=scope), scope["path"]

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                given = MutableHeaders(scope=message)
                given.update(HEADERS | (TLS if self.settings.secure else {}))
                kept = path.startswith("/static/") and message["status"] == 200
                given["cache-control"] = FOR_EVER if kept else PRIVATE
            await send(message)

        if path != HEALTH and headers.get("host", "") != self.settings.host:
            words = f"This is {self.settings.origin}, under no other name."
            await PlainTextResponse(words, 421)(scope, receive, with_headers)
            return
        size = headers.get("content-length", "0")
        if not size.isdigit() or int(size) > LARGEST_BODY:
            await PlainTextResponse(f"At most {LARGEST_BODY:,} bytes.", 413)(scope, receive, with_headers)
            return
        await self.app(scope, _counted(receive), with_headers)


def _counted(receive: Receive) -> Receive:
    """Stops a body that is longer than it said; the client is gone by then as far as we care."""
    seen = 0

    async def counted() -> Message:
        nonlocal seen
        message = await receive()
        if message["type"] == "http.request":
            seen += len(message.get("body", b""))
            if seen > LARGEST_BODY:
                return {"type": "http.disconnect"}
        return message

    return counted
