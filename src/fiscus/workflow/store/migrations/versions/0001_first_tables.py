"""The first tables."""

import sqlalchemy as sa
from alembic import op

from fiscus.workflow.audit.log import START

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Tables, triggers, and the one row of the chain."""
    op.create_table(
        "chain",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("size", sa.BigInteger, nullable=False),
        sa.Column("hash", sa.String(64), nullable=False),
        sa.Column("frontier", sa.Text, nullable=False),
        sa.Column("at", sa.String(32), nullable=False),
        sa.Column("booked", sa.BigInteger, nullable=False),
        sa.CheckConstraint("id = 1", name="one_row"),
    )

    op.create_table(
        "events",
        sa.Column("seq", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("stream", sa.String(200), nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("hash", sa.String(64), nullable=False),
        sa.UniqueConstraint("stream", "version"),
    )

    op.create_table(
        "streams",
        sa.Column("stream", sa.String(200), primary_key=True),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("owner", sa.String(200), nullable=False, index=True),
        sa.Column("unit", sa.String(200), nullable=False),
        sa.Column("lineage", sa.String(200), nullable=False, index=True),
        sa.Column("amount", sa.BigInteger, nullable=False),
        sa.Column("due", sa.String(32), nullable=False),
        sa.Column("waiting", sa.Text, nullable=False),
        sa.Column("title", sa.Text, nullable=False),
        sa.Column("updated", sa.String(32), nullable=False),
        sa.Index("ix_streams_kind_status", "kind", "status", "updated"),
    )

    op.create_table(
        "waiting",
        sa.Column("stream", sa.String(200), sa.ForeignKey("streams.stream"), primary_key=True),
        sa.Column("role", sa.String(200), primary_key=True),
        sa.Column("unit", sa.String(200), primary_key=True),
        sa.Index("ix_waiting_role", "role", "unit"),
    )

    op.create_table(
        "contents",
        sa.Column("digest", sa.String(64), primary_key=True),
        sa.Column("body", sa.Text, nullable=False),
    )

    op.create_table(
        "accounts",
        sa.Column("book", sa.String(200), primary_key=True),
        sa.Column("period", sa.String(200), primary_key=True),
        sa.Column("fund", sa.String(200), primary_key=True),
        sa.Column("bucket", sa.String(16), primary_key=True),
        sa.Column("balance", sa.BigInteger, nullable=False),
        sa.Column("hard", sa.Integer, nullable=False),
        sa.CheckConstraint("hard = 0 OR balance >= 0 OR bucket = 'appropriated'", name="covered"),
    )

    op.create_table(
        "transfers",
        sa.Column("number", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("seq", sa.BigInteger, sa.ForeignKey("events.seq"), nullable=False, index=True),
        *(
            sa.Column(f"{side}_{part}", sa.String(16 if part == "bucket" else 200), nullable=False)
            for side in ("source", "target")
            for part in ("book", "period", "fund", "bucket")
        ),
        sa.Column("amount", sa.BigInteger, nullable=False),
        sa.Column("line", sa.String(200), nullable=False),
        sa.Column("memo", sa.Text, nullable=False),
        sa.CheckConstraint("amount > 0", name="positive"),
    )

    op.create_table(
        "commands",
        sa.Column("id", sa.String(200), primary_key=True),
        sa.Column("answer", sa.Text, nullable=False),
    )

    op.create_table(
        "sessions",
        sa.Column("session", sa.String(200), primary_key=True),
        sa.Column("role", sa.String(200), primary_key=True),
    )

    op.create_table(
        "outbox",
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("topic", sa.String(200), nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("sent", sa.Integer, nullable=False, index=True),
    )

    op.create_table(
        "checkpoints",
        sa.Column("size", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("document", sa.Text, nullable=False),
    )

    op.create_table(
        "credentials",
        sa.Column("person", sa.String(200), primary_key=True),
        sa.Column("hash", sa.Text, nullable=False),
    )

    op.execute(f"INSERT INTO chain (id, size, hash, frontier, at, booked) VALUES (1, 0, '{START}', '0:', '', 0)")
    bind = op.get_bind()
    for statement in guards(bind.dialect.name):
        bind.exec_driver_sql(statement)


APPEND_ONLY = ("events", "contents", "transfers", "commands", "checkpoints")
"""Tables whose rows never change or go."""


def guards(dialect: str) -> list[str]:
    """Statements that make triggers: nothing of the past is changed, and the log has no gaps.

    Args:
        dialect: ``sqlite`` or ``postgresql``.
    """
    return _sqlite_guards() if dialect == "sqlite" else _postgres_guards()


def _sqlite_guards() -> list[str]:
    found = [
        f"CREATE TRIGGER {table}_no_{verb.lower()} BEFORE {verb} ON {table} "
        f"BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
        for table in APPEND_ONLY
        for verb in ("UPDATE", "DELETE")
    ]
    following = "(SELECT coalesce(max(seq), 0) + 1 FROM events)"
    return [
        *found,
        f"CREATE TRIGGER events_follow BEFORE INSERT ON events WHEN NEW.seq <> {following} "
        "BEGIN SELECT RAISE(ABORT, 'events has no gaps'); END",
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
    found = [
        f"CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {table} "
        "FOR EACH STATEMENT EXECUTE FUNCTION fiscus_refuse()"
        for table in APPEND_ONLY
    ]
    followed = "CREATE TRIGGER events_follow BEFORE INSERT ON events FOR EACH ROW EXECUTE FUNCTION fiscus_follow()"
    return [refuse, follow, *found, followed]
