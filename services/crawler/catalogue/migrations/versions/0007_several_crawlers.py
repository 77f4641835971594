"""Several crawlers on one PostgreSQL catalogue: who asks which host, who is there, and logs that all of them read."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_LOGS = ("purged_images", "seen_images")


def upgrade() -> None:
    """Applies the change."""
    op.create_table(
        "hosts",
        sa.Column("host", _text(253), nullable=False),
        sa.Column("owner", _text(32)),
        sa.Column("expire_time", sa.Float()),
        sa.Column("wanted_time", sa.Float()),
        sa.Column("ready_time", sa.Float(), nullable=False, server_default="0"),
        sa.Column("gap_s", sa.Float(), nullable=False, server_default="0"),
        sa.Column("down_time", sa.Float(), nullable=False, server_default="0"),
        sa.PrimaryKeyConstraint("host"),
    )
    op.add_column("writers", sa.Column("seen_time", sa.Float(), nullable=False, server_default="0"))
    if op.get_bind().dialect.name == "postgresql":
        for table in _LOGS:
            # Every SQLite table has this column by itself.
            op.add_column(table, sa.Column("rowid", sa.BigInteger(), sa.Identity(always=True)))
            op.create_index(f"ix_{table}_rowid", table, ["rowid"], unique=True)


def downgrade() -> None:
    """Takes the change back."""
    if op.get_bind().dialect.name == "postgresql":
        for table in _LOGS:
            op.drop_column(table, "rowid")
    op.drop_column("writers", "seen_time")
    op.drop_table("hosts")


def _text(length: int) -> sa.String:
    """Compared by bytes on PostgreSQL too, as SQLite does."""
    is_server = op.get_bind().dialect.name == "postgresql"
    return sa.String(length, collation="C" if is_server else None)
