"""The host of each listing, the compliance record of each image, and what is left of purged images."""

from __future__ import annotations

from urllib.parse import urlsplit

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Applies the change."""
    with op.batch_alter_table("listings") as batch_op:
        batch_op.add_column(
            sa.Column("host", sa.String(length=253), server_default="", nullable=False)
        )
        batch_op.create_index("ix_listings_host", ["host"], unique=False)
    with op.batch_alter_table("images") as batch_op:
        batch_op.add_column(sa.Column("compliance", sa.Text(), nullable=True))
    op.create_table(
        "purged_images",
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("hash64", sa.String(length=16), nullable=False),
        sa.Column("hash256", sa.LargeBinary(length=32), nullable=False),
        sa.Column("flat", sa.Boolean(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("purge_time", sa.Float(), nullable=False),
        sa.Column("pending_names", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("digest"),
    )
    _fill_in_hosts(op.get_bind())


def downgrade() -> None:
    """Takes the change back."""
    op.drop_table("purged_images")
    with op.batch_alter_table("images") as batch_op:
        batch_op.drop_column("compliance")
    with op.batch_alter_table("listings") as batch_op:
        batch_op.drop_index("ix_listings_host")
        batch_op.drop_column("host")


def _fill_in_hosts(connection: sa.Connection) -> None:
    listings = sa.table("listings", sa.column("url", sa.Text), sa.column("host", sa.String))
    urls = connection.execute(sa.select(listings.c.url)).scalars().all()
    hosts = [{"key": url, "host": urlsplit(url).hostname or ""} for url in urls if "://" in url]
    if hosts:
        statement = sa.update(listings).where(listings.c.url == sa.bindparam("key"))
        connection.execute(statement, hosts)
