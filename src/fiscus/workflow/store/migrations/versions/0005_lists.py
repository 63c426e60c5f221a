"""One index that lists are read off in their order."""

from alembic import op

revision = "0005_lists"
down_revision = "0004_attempts"


def upgrade() -> None:
    """The index, in place of one that could not sort."""
    op.drop_index("ix_streams_kind_status", "streams")
    op.create_index("ix_streams_listed", "streams", ["kind", "updated", "stream", "status", "owner", "due"])
