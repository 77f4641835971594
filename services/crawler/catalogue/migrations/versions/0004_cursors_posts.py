"""How each crawl lists its sources and where it stands, and what sources say of posts."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_SOURCE_COLUMNS: tuple[tuple[str, sa.types.TypeEngine[Any], str], ...] = (
    ("settings", sa.Text(), ""),
    ("cursor", sa.Text(), ""),
    ("state", sa.String(length=16), "WAITING"),
    ("state_reason", sa.Text(), ""),
    ("gap_count", sa.BigInteger(), "0"),
    ("last_gap", sa.Text(), ""),
)
_SOURCE_NULLABLE: tuple[tuple[str, sa.types.TypeEngine[Any]], ...] = (
    ("lease_owner", sa.String(length=32)),
    ("lease_expire_time", sa.Float()),
    ("block_reason", sa.String(length=32)),
    ("next_poll_time", sa.Float()),
    ("list_time", sa.Float()),
)
_LISTING_COLUMNS: tuple[tuple[str, sa.types.TypeEngine[Any]], ...] = (
    ("licence", sa.String(length=100)),
    ("community", sa.Text()),
    ("parents", sa.Text()),
    ("post_facts", sa.Text()),
)
_COUNTS = ("listed_count", "skipped_count")


def upgrade() -> None:
    """Applies the change."""
    for name in _COUNTS:
        op.execute(f"UPDATE crawl_sources SET {name} = 0 WHERE {name} IS NULL")  # noqa: S608 - our own names
    with op.batch_alter_table("crawl_sources") as batch_op:
        for name, kind, default in _SOURCE_COLUMNS:
            batch_op.add_column(sa.Column(name, kind, server_default=default, nullable=False))
        for name, kind in _SOURCE_NULLABLE:
            batch_op.add_column(sa.Column(name, kind, nullable=True))
        for name in _COUNTS:
            batch_op.alter_column(
                name, existing_type=sa.BigInteger(), server_default="0", nullable=False
            )
    with op.batch_alter_table("listings") as batch_op:
        for name, kind in _LISTING_COLUMNS:
            batch_op.add_column(sa.Column(name, kind, server_default="", nullable=False))
        batch_op.add_column(sa.Column("post_time", sa.Float(), nullable=True))
        batch_op.add_column(sa.Column("work_s", sa.Float(), nullable=True))
        batch_op.create_index("ix_listings_community", ["community"], unique=False)
    op.create_table(
        "crawl_post_counts",
        sa.Column("crawl_id", sa.String(length=32), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("reason", sa.String(length=16), nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["crawl_id"], ["crawls.crawl_id"]),
        sa.PrimaryKeyConstraint("crawl_id", "position", "reason"),
    )


def downgrade() -> None:
    """Takes the change back."""
    op.drop_table("crawl_post_counts")
    with op.batch_alter_table("listings") as batch_op:
        batch_op.drop_index("ix_listings_community")
        for name in ("work_s", "post_time", *(name for name, _ in _LISTING_COLUMNS)):
            batch_op.drop_column(name)
    with op.batch_alter_table("crawl_sources") as batch_op:
        for name in _COUNTS:
            batch_op.alter_column(
                name, existing_type=sa.BigInteger(), server_default=None, nullable=True
            )
        for name in (*(n for n, _ in _SOURCE_NULLABLE), *(n for n, _, _ in _SOURCE_COLUMNS)):
            batch_op.drop_column(name)
