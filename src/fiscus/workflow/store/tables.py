"""Tables of the SQL stores. What they refuse, no program can do: money that is not there, gaps in the log, changes of the past.

In SQLite tables are strict, as a text would else pass for a balance above zero, and those with short rows have no second tree for
their keys: what a commit costs is the number of pages that it touches.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

metadata = sa.MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "ix": "ix_%(table_name)s_%(column_0_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
    }
)

NUMBER = sa.BigInteger().with_variant(sa.Integer, "sqlite")
STRICT: dict[str, Any] = {"sqlite_strict": True}
SHORT: dict[str, Any] = {**STRICT, "sqlite_with_rowid": False}


def _text(name: str, *rest: Any, **options: Any) -> sa.Column[str]:
    return sa.Column(name, sa.Text, *rest, nullable=False, **options)


def _number(name: str, *rest: Any, **options: Any) -> sa.Column[int]:
    return sa.Column(name, NUMBER, *rest, nullable=False, **options)


chain = sa.Table(
    "chain",
    metadata,
    _number("id", primary_key=True, autoincrement=False),
    _number("size"),
    _text("hash"),
    _text("frontier"),
    _text("at"),
    _number("booked"),
    sa.CheckConstraint("id = 1", name="one_row"),
    **STRICT,
)
"""The end of the log, one row: whoever writes holds it."""

events = sa.Table(
    "events",
    metadata,
    _number("seq", primary_key=True, autoincrement=False),
    _text("stream"),
    _number("version"),
    _text("body"),
    _text("hash"),
    sa.UniqueConstraint("stream", "version"),
    **STRICT,
)
"""Kind, time and actor are in the body, which the hash covers; nothing is told twice."""

streams = sa.Table(
    "streams",
    metadata,
    _text("stream", primary_key=True),
    _number("version"),
    _text("state"),
    _text("kind"),
    _text("status"),
    _text("owner", index=True),
    _text("unit"),
    _text("lineage", index=True),
    _number("amount"),
    _text("due"),
    _text("waiting"),
    _text("title"),
    _text("search"),
    _text("updated"),
    sa.Index("ix_streams_listed", "kind", "updated", "stream", "status", "owner", "due"),
    **STRICT,
)
"""Lists are read off one index in their order; whatever stands in it changes only when ``updated`` does.

``search`` is name and title without case, folded by us: databases disagree on letters outside English."""

waiting = sa.Table(
    "waiting",
    metadata,
    _text("role", primary_key=True),
    _text("unit", primary_key=True),
    _text("stream", sa.ForeignKey("streams.stream"), primary_key=True),
    **SHORT,
)

contents = sa.Table("contents", metadata, _text("digest", primary_key=True), _text("body"), **STRICT)

accounts = sa.Table(
    "accounts",
    metadata,
    *(_text(part, primary_key=True) for part in ("book", "period", "fund", "bucket")),
    _number("balance"),
    _number("hard"),
    sa.CheckConstraint("hard = 0 OR balance >= 0 OR bucket = 'appropriated'", name="covered"),
    **SHORT,
)

transfers = sa.Table(
    "transfers",
    metadata,
    _number("number", primary_key=True, autoincrement=False),
    _number("seq", sa.ForeignKey("events.seq")),
    *(_text(f"{side}_{part}") for side in ("source", "target") for part in ("book", "period", "fund", "bucket")),
    _number("amount"),
    _text("line"),
    _text("memo"),
    sa.CheckConstraint("amount > 0", name="positive"),
    **STRICT,
)

commands = sa.Table("commands", metadata, _text("id", primary_key=True), _text("answer"), **SHORT)

sessions = sa.Table("sessions", metadata, _text("session", primary_key=True), _text("role", primary_key=True), **SHORT)

outbox = sa.Table(
    "outbox",
    metadata,
    _number("number", primary_key=True, autoincrement=True),
    _text("topic"),
    _text("body"),
    _number("sent"),
    sa.Index("ix_outbox_unsent", "number", sqlite_where=sa.text("sent = 0"), postgresql_where=sa.text("sent = 0")),
    **STRICT,
)

checkpoints = sa.Table(
    "checkpoints", metadata, _number("size", primary_key=True, autoincrement=False), _text("document"), **STRICT
)

credentials = sa.Table("credentials", metadata, _text("person", primary_key=True), _text("hash"), **SHORT)
"""Passwords; no part of the log, which everyone may read."""

browser_sessions = sa.Table(
    "browser_sessions",
    metadata,
    _text("token", primary_key=True),
    *(_text(name) for name in ("person", "kind", "csrf", "begun", "seen", "proved", "until")),
    sa.Index("ix_browser_sessions_person", "person"),
    **SHORT,
)
"""Who is signed in, by the digest of what their browser or program shows; nothing here lets anybody in."""

throttles = sa.Table(
    "throttles", metadata, _text("key", primary_key=True), _number("failures"), _text("until"), **SHORT
)

links = sa.Table(
    "links", metadata, _text("token", primary_key=True), *(_text(n) for n in ("purpose", "person", "until")), **SHORT
)

second_factors = sa.Table(
    "second_factors", metadata, _text("person", primary_key=True), _text("secret"), _number("used"), **SHORT
)

identities = sa.Table(
    "identities",
    metadata,
    _text("issuer", primary_key=True),
    _text("subject", primary_key=True),
    _text("person"),
    **SHORT,
)
"""Accounts at OpenID providers; one that was untied stays, as nobody's."""

attempts = sa.Table(
    "attempts",
    metadata,
    _text("token", primary_key=True),
    *(_text(name) for name in ("browser", "purpose", "nonce", "verifier", "target", "person", "session")),
    *(_text(name) for name in ("begun", "proved", "until")),
    **SHORT,
)
"""Sign-ins at OpenID providers that were begun; none of it signs anybody in without what the provider has to say."""

webhooks = sa.Table(
    "webhooks", metadata, _text("id", primary_key=True), *(_text(n) for n in ("url", "secrets", "topics")), **SHORT
)

deliveries = sa.Table(
    "deliveries",
    metadata,
    _number("notice", primary_key=True, autoincrement=False),
    _text("target", primary_key=True),
    _text("message"),
    _text("state"),
    _number("tries"),
    *(_text(name) for name in ("due", "lease", "error")),
    sa.CheckConstraint("state IN ('waiting', 'sent', 'dead')", name="state"),
    sa.Index("ix_deliveries_due", "state", "due"),
    **SHORT,
)
"""What of the outbox goes to whom, and how far that is; ``message`` stays the same over all tries."""
