"""Images that better copies replaced, and pairs that are no duplicates of each other."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Applies the change."""
    is_server = op.get_bind().dialect.name == "postgresql"
    op.add_column(
        "images", sa.Column("kept_again", sa.Boolean(), nullable=False, server_default=sa.false())
    )
    op.create_table(
        "replaced_images",
        # Every SQLite table has this column by itself.
        *([sa.Column("rowid", sa.BigInteger(), sa.Identity(always=True))] if is_server else []),
        sa.Column("digest", _string(64), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("accept_time", sa.Float(), nullable=False),
        sa.Column("profile_name", _string(64), nullable=False),
        sa.Column("file_name", _string(200), nullable=False),
        sa.Column("replaced_by_digest", _string(64), nullable=False),
        sa.Column("replace_time", sa.Float(), nullable=False),
        sa.Column("files_removed", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["digest"], ["candidates.digest"]),
        sa.PrimaryKeyConstraint("digest"),
    )
    op.create_index(
        "ix_replaced_images_replaced_by_digest", "replaced_images", ["replaced_by_digest"]
    )
    if is_server:
        op.create_index("ix_replaced_images_rowid", "replaced_images", ["rowid"], unique=True)
    op.create_table(
        "distinct_pairs",
        sa.Column("first_digest", _string(64), nullable=False),
        sa.Column("second_digest", _string(64), nullable=False),
        sa.Column("create_time", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("first_digest", "second_digest"),
    )
    op.create_index("ix_distinct_pairs_second_digest", "distinct_pairs", ["second_digest"])


def downgrade() -> None:
    """Takes the change back. What was replaced stays so: its files are gone."""
    op.drop_table("distinct_pairs")
    op.drop_table("replaced_images")
    op.drop_column("images", "kept_again")


def _string(length: int) -> sa.String:
    """Compared by bytes on PostgreSQL too, as SQLite does."""
    is_server = op.get_bind().dialect.name == "postgresql"
    return sa.String(length=length, collation="C" if is_server else None)
