"""Documents as bytes in one way only, and their digests."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from typing import Any

import rfc8785

from fiscus.errors import InvalidInput


def canonical(document: Any) -> bytes:
    """A JSON document as bytes (RFC 8785).

    Raises:
        InvalidInput: Where it holds what JSON cannot: NaN, infinity, integers beyond 2^53, keys that are no text.
    """
    try:
        return rfc8785.dumps(document)
    except rfc8785.CanonicalizationError as error:
        raise InvalidInput(f"the document cannot be written as JSON: {error}") from error


def digest(document: Any) -> str:
    """SHA-256 of the canonical bytes, hexadecimal."""
    return hashlib.sha256(canonical(document)).hexdigest()


def timestamp(at: datetime) -> str:
    """A moment as text that sorts by time: UTC, microseconds, ``Z``.

    Raises:
        InvalidInput: Where it has no time zone.
    """
    if at.tzinfo is None:
        raise InvalidInput(f"{at.isoformat()} has no time zone")
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def moment(text: str) -> datetime:
    """The moment that ``timestamp`` wrote."""
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=UTC)
