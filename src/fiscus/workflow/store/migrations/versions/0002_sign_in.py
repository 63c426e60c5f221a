"""Sign-in: sessions of browsers and programs, failed attempts, one-time links, second factors, accounts elsewhere."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0002_sign_in"
down_revision = "0001_first_tables"

NUMBER = sa.BigInteger().with_variant(sa.Integer, "sqlite")
SHORT: dict[str, Any] = {"sqlite_strict": True, "sqlite_with_rowid": False}


def _text(name: str, *rest: Any, **options: Any) -> sa.Column[str]:
    return sa.Column(name, sa.Text, *rest, nullable=False, **options)


def _number(name: str) -> sa.Column[int]:
    return sa.Column(name, NUMBER, nullable=False)


def upgrade() -> None:
    """Tables."""
    op.create_table(
        "browser_sessions",
        _text("token", primary_key=True),
        _text("person"),
        _text("kind"),
        _text("csrf"),
        _text("begun"),
        _text("seen"),
        _text("proved"),
        _text("until"),
        sa.Index("ix_browser_sessions_person", "person"),
        **SHORT,
    )
    op.create_table("throttles", _text("key", primary_key=True), _number("failures"), _text("until"), **SHORT)
    op.create_table(
        "links", _text("token", primary_key=True), _text("purpose"), _text("person"), _text("until"), **SHORT
    )
    op.create_table("second_factors", _text("person", primary_key=True), _text("secret"), _number("used"), **SHORT)
    op.create_table(
        "identities",
        _text("issuer", primary_key=True),
        _text("subject", primary_key=True),
        _text("person"),
        **SHORT,
    )
