"""Deliveries of what the outbox holds, and who subscribed to it."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0003_deliveries"
down_revision = "0002_sign_in"

NUMBER = sa.BigInteger().with_variant(sa.Integer, "sqlite")
SHORT: dict[str, Any] = {"sqlite_strict": True, "sqlite_with_rowid": False}


def _text(name: str, *rest: Any, **options: Any) -> sa.Column[str]:
    return sa.Column(name, sa.Text, *rest, nullable=False, **options)


def _number(name: str, **options: Any) -> sa.Column[int]:
    return sa.Column(name, NUMBER, nullable=False, **options)


def upgrade() -> None:
    """Tables."""
    op.create_table("webhooks", _text("id", primary_key=True), _text("url"), _text("secrets"), _text("topics"), **SHORT)
    op.create_table(
        "deliveries",
        _number("notice", primary_key=True, autoincrement=False),
        _text("target", primary_key=True),
        _text("message"),
        _text("state"),
        _number("tries"),
        _text("due"),
        _text("lease"),
        _text("error"),
        sa.CheckConstraint("state IN ('waiting', 'sent', 'dead')", name="ck_deliveries_state"),
        sa.Index("ix_deliveries_due", "state", "due"),
        **SHORT,
    )
