"""The first tables. Written out, not taken from ``tables.py``: that one moves on, and this stays as it was."""

from typing import Any

import sqlalchemy as sa
from alembic import op

from fiscus.workflow.audit.log import START

revision = "0001_first_tables"
down_revision = None

NUMBER = sa.BigInteger().with_variant(sa.Integer, "sqlite")
STRICT: dict[str, Any] = {"sqlite_strict": True}
SHORT: dict[str, Any] = {**STRICT, "sqlite_with_rowid": False}


def _text(name: str, *rest: Any, **options: Any) -> sa.Column[str]:
    return sa.Column(name, sa.Text, *rest, nullable=False, **options)


def _number(name: str, *rest: Any, **options: Any) -> sa.Column[int]:
    return sa.Column(name, NUMBER, *rest, nullable=False, **options)


def upgrade() -> None:
    """Tables, triggers, and the one row of the chain."""
    _log()
    _streams()
    _money()
    _rest()
    op.execute(f"INSERT INTO chain (id, size, hash, frontier, at, booked) VALUES (1, 0, '{START}', '0:', '', 0)")
    bind = op.get_bind()
    for statement in _sqlite_guards() if bind.dialect.name == "sqlite" else _postgres_guards():
        bind.exec_driver_sql(statement)


def _log() -> None:
    op.create_table(
        "chain",
        _number("id", primary_key=True, autoincrement=False),
        _number("size"),
        _text("hash"),
        _text("frontier"),
        _text("at"),
        _number("booked"),
        sa.CheckConstraint("id = 1", name="one_row"),
        **STRICT,
    )
    op.create_table(
        "events",
        _number("seq", primary_key=True, autoincrement=False),
        _text("stream"),
        _number("version"),
        _text("body"),
        _text("hash"),
        sa.UniqueConstraint("stream", "version"),
        **STRICT,
    )
    op.create_table("contents", _text("digest", primary_key=True), _text("body"), **STRICT)
    op.create_table("checkpoints", _number("size", primary_key=True, autoincrement=False), _text("document"), **STRICT)


def _streams() -> None:
    op.create_table(
        "streams",
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
        sa.Index("ix_streams_kind_status", "kind", "status"),
        **STRICT,
    )
    op.create_table(
        "waiting",
        _text("role", primary_key=True),
        _text("unit", primary_key=True),
        _text("stream", sa.ForeignKey("streams.stream"), primary_key=True),
        **SHORT,
    )


def _money() -> None:
    op.create_table(
        "accounts",
        *(_text(part, primary_key=True) for part in ("book", "period", "fund", "bucket")),
        _number("balance"),
        _number("hard"),
        sa.CheckConstraint("hard = 0 OR balance >= 0 OR bucket = 'appropriated'", name="covered"),
        **SHORT,
    )
    op.create_table(
        "transfers",
        _number("number", primary_key=True, autoincrement=False),
        _number("seq", sa.ForeignKey("events.seq")),
        *(_text(f"{side}_{part}") for side in ("source", "target") for part in ("book", "period", "fund", "bucket")),
        _number("amount"),
        _text("line"),
        _text("memo"),
        sa.CheckConstraint("amount > 0", name="positive"),
        **STRICT,
    )


def _rest() -> None:
    op.create_table("commands", _text("id", primary_key=True), _text("answer"), **SHORT)
    op.create_table("sessions", _text("session", primary_key=True), _text("role", primary_key=True), **SHORT)
    op.create_table(
        "outbox",
        _number("number", primary_key=True, autoincrement=True),
        _text("topic"),
        _text("body"),
        _number("sent"),
        sa.Index("ix_outbox_unsent", "number", sqlite_where=sa.text("sent = 0"), postgresql_where=sa.text("sent = 0")),
        **STRICT,
    )
    op.create_table("credentials", _text("person", primary_key=True), _text("hash"), **SHORT)


APPEND_ONLY = ("events", "contents", "transfers", "commands", "sessions", "checkpoints")
"""Tables whose rows never change or go."""

ONCE = (
    ("contents", ("digest",), "IGNORE"),
    ("commands", ("id",), "IGNORE"),
    ("sessions", ("session", "role"), "IGNORE"),
    ("transfers", ("number",), "ABORT, 'transfers is append-only'"),
    ("checkpoints", ("size",), "ABORT, 'checkpoints is append-only'"),
)
"""Tables, their keys, and what SQLite does with a second row of the same key. ``INSERT OR REPLACE`` deletes the first one without a
word to triggers on DELETE, so it must not come that far."""


def _sqlite_guards() -> list[str]:
    found = [
        f"CREATE TRIGGER {table}_no_{verb.lower()} BEFORE {verb} ON {table} "
        f"BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
        for table in APPEND_ONLY
        for verb in ("UPDATE", "DELETE")
    ]
    for table, keys, what in ONCE:
        same = " AND ".join(f"{key} = NEW.{key}" for key in keys)
        found.append(
            f"CREATE TRIGGER {table}_once BEFORE INSERT ON {table} WHEN EXISTS (SELECT 1 FROM {table} WHERE {same}) "
            f"BEGIN SELECT RAISE({what}); END"
        )
    return [
        *found,
        "CREATE TRIGGER events_follow BEFORE INSERT ON events "
        "WHEN NEW.seq <> (SELECT coalesce(max(seq), 0) + 1 FROM events) "
        "OR EXISTS (SELECT 1 FROM events WHERE stream = NEW.stream AND version = NEW.version) "
        "BEGIN SELECT RAISE(ABORT, 'events has no gaps'); END",
        "CREATE TRIGGER chain_follows BEFORE UPDATE ON chain "
        "WHEN NOT EXISTS (SELECT 1 FROM events WHERE seq = NEW.size AND hash = NEW.hash "
        "AND seq = (SELECT max(seq) FROM events)) BEGIN SELECT RAISE(ABORT, 'chain is the end of events'); END",
        "CREATE TRIGGER chain_stays BEFORE DELETE ON chain BEGIN SELECT RAISE(ABORT, 'chain stays'); END",
        "CREATE TRIGGER chain_once BEFORE INSERT ON chain WHEN EXISTS (SELECT 1 FROM chain) "
        "BEGIN SELECT RAISE(ABORT, 'chain has one row'); END",
    ]


def _postgres_guards() -> list[str]:
    refuse = (
        "CREATE FUNCTION fiscus_refuse() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION USING MESSAGE = TG_TABLE_NAME || ' is append-only'; END $$"
    )
    follow = (
        "CREATE FUNCTION fiscus_follow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        "IF NEW.seq <> (SELECT coalesce(max(seq), 0) + 1 FROM events) THEN RAISE EXCEPTION 'events has no gaps'; END IF; "
        "RETURN NEW; END $$"
    )
    ends = (
        "CREATE FUNCTION fiscus_ends() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        "IF NOT EXISTS (SELECT 1 FROM events WHERE seq = NEW.size AND hash = NEW.hash AND seq = (SELECT max(seq) FROM events)) "
        "THEN RAISE EXCEPTION 'chain is the end of events'; END IF; RETURN NEW; END $$"
    )
    found = [
        f"CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {table} "
        "FOR EACH STATEMENT EXECUTE FUNCTION fiscus_refuse()"
        for table in APPEND_ONLY
    ]
    return [
        *(refuse, follow, ends),
        *found,
        "CREATE TRIGGER events_follow BEFORE INSERT ON events FOR EACH ROW EXECUTE FUNCTION fiscus_follow()",
        "CREATE TRIGGER chain_follows BEFORE UPDATE ON chain FOR EACH ROW EXECUTE FUNCTION fiscus_ends()",
        "CREATE TRIGGER chain_stays BEFORE DELETE OR TRUNCATE ON chain FOR EACH STATEMENT EXECUTE FUNCTION fiscus_refuse()",
    ]
