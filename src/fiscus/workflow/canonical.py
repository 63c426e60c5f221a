"""Documents as bytes in one way only, and their digests."""

from __future__ import annotations

import hashlib
import json
import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any

import orjson
import rfc8785

from fiscus.errors import InvalidInput

_in_an_object, _in_a_list, _first_in_a_list = (
    re.compile(before + rb"-?\d(?:\d*[.eE]|\d{15})").search for before in (rb'":', rb",", rb"\[")
)
"""Fractions, exponents and long numbers in objects and lists, which RFC 8785 writes in its own way; inside a text they only cost time.

Three expressions, as a search leaps to what one begins with.
"""


_NOTHING_ELSE = orjson.OPT_PASSTHROUGH_DATACLASS | orjson.OPT_PASSTHROUGH_DATETIME | orjson.OPT_PASSTHROUGH_SUBCLASS
"""What JSON does not know is refused, and not turned into something that it knows."""


def canonical(document: Any) -> bytes:
    """A JSON document as bytes (RFC 8785).

    Args:
        document: Of dicts, lists, tuples that stand for them, texts, numbers, truth values and None alone.

    Raises:
        InvalidInput: Where it holds what JSON cannot: NaN, infinity, integers beyond 2^53, other objects.
    """
    if isinstance(document, dict | list):
        try:
            found = orjson.dumps(document, option=orjson.OPT_SORT_KEYS | _NOTHING_ELSE)
            if b"null" in found:
                json.dumps(
                    document, allow_nan=False
                )  # What is no number is ``null`` in the other, and no document of ours.
        except (orjson.JSONEncodeError, ValueError, TypeError, RecursionError):
            pass  # The careful way says what is wrong.
        else:
            rare = _in_an_object(found) or _in_a_list(found) or _first_in_a_list(found)
            if not rare and found.isascii() and b"\x7f" not in found:
                return found  # Many times as fast, and the same where there is nothing rare.
    try:
        _refuse_records(document)
        return rfc8785.dumps(document)
    except (rfc8785.CanonicalizationError, RecursionError) as error:
        raise InvalidInput(f"the document cannot be written as JSON: {error}") from error


def _refuse_records(value: Any) -> None:
    """A tuple whose places have names is none of JSON's kinds; without this it would be written as a list."""
    if isinstance(value, tuple) and type(value) is not tuple:
        raise InvalidInput(
            f"the document cannot be written as JSON: it holds {type(value).__name__}, which is none of JSON's kinds"
        )
    if isinstance(value, dict | list | tuple):
        for each in value.values() if isinstance(value, dict) else value:
            _refuse_records(each)


def digest(document: Any) -> str:
    """SHA-256 of the canonical bytes, hexadecimal."""
    return hashlib.sha256(canonical(document)).hexdigest()


@lru_cache(maxsize=256)
def timestamp(at: datetime) -> str:
    """A moment as text that sorts by time: UTC, microseconds, ``Z``.

    Raises:
        InvalidInput: Where it has no time zone.
    """
    if at.tzinfo is None:
        raise InvalidInput(f"{at.isoformat()} has no time zone")
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def minute(text: str) -> str:
    """What ``timestamp`` wrote, as people read it; empty for nothing."""
    return f"{text[:10]} {text[11:16]} UTC" if text else ""


def last_day(text: str) -> str:
    """The last day of what is over at a moment, ``YYYY-MM-DD``: what ends as a day begins had the day before as its last."""
    return timestamp(moment(text) - timedelta(microseconds=1))[:10] if text else ""


def until(text: str) -> str:
    """An end as people say it: the last day where that is wholly included, else the minute; empty for nothing."""
    whole = text[11:19] in ("00:00:00", "23:59:59")
    return last_day(text) if whole else minute(text)


def moment(text: str) -> datetime:
    """The moment that ``timestamp`` wrote."""
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=UTC)
