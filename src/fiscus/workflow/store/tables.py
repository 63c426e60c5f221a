"""Tables of the SQL stores. What they refuse, no program can do: money that is not there, gaps in the log, changes of the past."""

from __future__ import annotations

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

BUCKET = 16
NAME = 200
DIGEST = 64

chain = sa.Table(
    "chain",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("size", sa.BigInteger, nullable=False),
    sa.Column("hash", sa.String(DIGEST), nullable=False),
    sa.Column("frontier", sa.Text, nullable=False),
    sa.Column("at", sa.String(32), nullable=False),
    sa.Column("booked", sa.BigInteger, nullable=False),
    sa.CheckConstraint("id = 1", name="one_row"),
)
"""The end of the log, one row: whoever writes holds it."""

events = sa.Table(
    "events",
    metadata,
    sa.Column("seq", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("stream", sa.String(NAME), nullable=False),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("body", sa.Text, nullable=False),
    sa.Column("hash", sa.String(DIGEST), nullable=False),
    sa.UniqueConstraint("stream", "version"),
)

streams = sa.Table(
    "streams",
    metadata,
    sa.Column("stream", sa.String(NAME), primary_key=True),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("kind", sa.String(16), nullable=False),
    sa.Column("status", sa.String(16), nullable=False),
    sa.Column("owner", sa.String(NAME), nullable=False, index=True),
    sa.Column("unit", sa.String(NAME), nullable=False),
    sa.Column("lineage", sa.String(NAME), nullable=False, index=True),
    sa.Column("amount", sa.BigInteger, nullable=False),
    sa.Column("due", sa.String(32), nullable=False),
    sa.Column("waiting", sa.Text, nullable=False),
    sa.Column("title", sa.Text, nullable=False),
    sa.Column("updated", sa.String(32), nullable=False),
    sa.Index("ix_streams_kind_status", "kind", "status", "updated"),
)

waiting = sa.Table(
    "waiting",
    metadata,
    sa.Column("stream", sa.String(NAME), sa.ForeignKey("streams.stream"), primary_key=True),
    sa.Column("role", sa.String(NAME), primary_key=True),
    sa.Column("unit", sa.String(NAME), primary_key=True),
    sa.Index("ix_waiting_role", "role", "unit"),
)

contents = sa.Table(
    "contents",
    metadata,
    sa.Column("digest", sa.String(DIGEST), primary_key=True),
    sa.Column("body", sa.Text, nullable=False),
)

accounts = sa.Table(
    "accounts",
    metadata,
    sa.Column("book", sa.String(NAME), primary_key=True),
    sa.Column("period", sa.String(NAME), primary_key=True),
    sa.Column("fund", sa.String(NAME), primary_key=True),
    sa.Column("bucket", sa.String(BUCKET), primary_key=True),
    sa.Column("balance", sa.BigInteger, nullable=False),
    sa.Column("hard", sa.Integer, nullable=False),
    sa.CheckConstraint("hard = 0 OR balance >= 0 OR bucket = 'appropriated'", name="covered"),
)

transfers = sa.Table(
    "transfers",
    metadata,
    sa.Column("number", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("seq", sa.BigInteger, sa.ForeignKey("events.seq"), nullable=False, index=True),
    *(
        sa.Column(f"{side}_{part}", sa.String(BUCKET if part == "bucket" else NAME), nullable=False)
        for side in ("source", "target")
        for part in ("book", "period", "fund", "bucket")
    ),
    sa.Column("amount", sa.BigInteger, nullable=False),
    sa.Column("line", sa.String(NAME), nullable=False),
    sa.Column("memo", sa.Text, nullable=False),
    sa.CheckConstraint("amount > 0", name="positive"),
)

commands = sa.Table(
    "commands",
    metadata,
    sa.Column("id", sa.String(NAME), primary_key=True),
    sa.Column("answer", sa.Text, nullable=False),
)

sessions = sa.Table(
    "sessions",
    metadata,
    sa.Column("session", sa.String(NAME), primary_key=True),
    sa.Column("role", sa.String(NAME), primary_key=True),
)

outbox = sa.Table(
    "outbox",
    metadata,
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("topic", sa.String(NAME), nullable=False),
    sa.Column("body", sa.Text, nullable=False),
    sa.Column("sent", sa.Integer, nullable=False, index=True),
)

checkpoints = sa.Table(
    "checkpoints",
    metadata,
    sa.Column("size", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("document", sa.Text, nullable=False),
)

credentials = sa.Table(
    "credentials",
    metadata,
    sa.Column("person", sa.String(NAME), primary_key=True),
    sa.Column("hash", sa.Text, nullable=False),
)
"""Passwords; no part of the log, which everyone may read."""
