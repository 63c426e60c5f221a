"""Sign-ins at OpenID providers that were begun."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0004_attempts"
down_revision = "0003_deliveries"

SHORT: dict[str, Any] = {"sqlite_strict": True, "sqlite_with_rowid": False}


def _text(name: str, **options: Any) -> sa.Column[str]:
    return sa.Column(name, sa.Text, nullable=False, **options)


def upgrade() -> None:
    """Tables."""
    names = ("browser", "purpose", "nonce", "verifier", "target", "person", "session", "begun", "proved", "until")
    op.create_table("attempts", _text("token", primary_key=True), *(_text(name) for name in names), **SHORT)
