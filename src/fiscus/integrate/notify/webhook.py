"""Webhooks, signed as Standard Webhooks says (https://www.standardwebhooks.com)."""

from __future__ import annotations

import base64
import hashlib
import hmac
import ipaddress
import json
import secrets
import socket
import ssl
from collections.abc import Sequence
from datetime import datetime
from functools import cache

import httpx

from fiscus.errors import InvalidInput
from fiscus.workflow.canonical import timestamp
from fiscus.workflow.store.deliveries import Delivery, Webhook

PREFIX = "whsec_"
RECEIVED = range(200, 300)


def new_secret() -> str:
    """A key for signatures: 32 random bytes."""
    return PREFIX + base64.b64encode(secrets.token_bytes(32)).decode()


def signature(secret: str, message: str, moment: int, payload: bytes) -> str:
    """``v1,...`` over id, time and payload.

    Raises:
        InvalidInput: Where the secret is none.
    """
    try:
        key = base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    except ValueError as error:
        raise InvalidInput("a webhook's secret is whsec_ and base64") from error
    signed = b".".join((message.encode(), str(moment).encode(), payload))
    return "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()


def payload_of(delivery: Delivery, at: datetime) -> bytes:
    """What is sent; times differ between tries, the data do not."""
    document = {"type": delivery.topic, "timestamp": timestamp(at), "data": delivery.body}
    return json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode()


def checked_url(url: str) -> httpx.URL:
    """An address that a webhook may have.

    Raises:
        InvalidInput: For anything but http and https, and where a name or password is in it.
    """
    try:
        found = httpx.URL(url)
    except (httpx.InvalidURL, ValueError) as error:
        raise InvalidInput(f"{url!r} is no URL") from error
    if (
        found.scheme not in ("http", "https")
        or not found.host
        or found.userinfo
        or any(sign in found.host for sign in " %")
    ):
        raise InvalidInput(f"{url!r}: a webhook has an address such as https://host/path, without name and password")
    return found


def addresses(host: str, port: int, *, allow_private: bool) -> Sequence[str]:
    """Where a host is, unless that is this machine or its network.

    Raises:
        OSError: Where nobody knows it, or it is where no webhook may go.
    """
    found = list(dict.fromkeys(str(each[4][0]) for each in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)))
    for address in found:
        if not allow_private and not ipaddress.ip_address(address.partition("%")[0]).is_global:
            raise OSError(f"{host} is {address}, in a private network: allow that, or name another")
    return found


@cache
def _trusted() -> ssl.SSLContext:
    """Who is believed to be who they say; to read all the certificates takes ten times as long as to send a notice."""
    return httpx.create_ssl_context(trust_env=False)


def send(delivery: Delivery, hook: Webhook, at: datetime, *, timeout: float, allow_private: bool) -> None:
    """Tell a program.

    The address is looked up once and connected to as it was checked, so that a name cannot lead elsewhere in between; redirects are
    not followed.

    Raises:
        OSError: Where it was not received.
    """
    url, payload, moment = checked_url(hook.url), payload_of(delivery, at), int(at.timestamp())
    port = url.port or (443 if url.scheme == "https" else 80)
    address = addresses(url.host, port, allow_private=allow_private)[0]
    headers = {
        "host": url.netloc.decode(),
        "content-type": "application/json",
        "user-agent": "fiscus",
        "webhook-id": delivery.message,
        "webhook-timestamp": str(moment),
        "webhook-signature": " ".join(signature(key, delivery.message, moment, payload) for key in hook.secrets),
    }
    extensions = {"sni_hostname": url.host}
    try:
        with httpx.Client(timeout=timeout, follow_redirects=False, trust_env=False, verify=_trusted()) as client:
            answer = client.post(url.copy_with(host=address), content=payload, headers=headers, extensions=extensions)
    except httpx.HTTPError as error:
        raise OSError(f"{hook.url}: {error or type(error).__name__}") from error
    if answer.status_code not in RECEIVED:
        raise OSError(f"{hook.url} answered {answer.status_code}")
