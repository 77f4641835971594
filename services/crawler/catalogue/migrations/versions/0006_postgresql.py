"""Who writes the catalogue, what is to do in its order, and what PostgreSQL needs to be like SQLite."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_PENDING = sa.text("sequence IS NULL")


def upgrade() -> None:
    """Applies the change."""
    op.create_table(
        "writers",
        sa.Column("writer", sa.String(length=32), nullable=False),
        sa.Column("commit_number", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("writer"),
    )
    op.create_index(
        "ix_crawl_listings_pending",
        "crawl_listings",
        ["crawl_id", "listing_id"],
        sqlite_where=_PENDING,
        postgresql_where=_PENDING,
    )
    if op.get_bind().dialect.name == "postgresql":
        _number_candidates()
        op.alter_column("kept_images", "listing_id", type_=sa.BigInteger())
        _compare_by_bytes()


def downgrade() -> None:
    """Takes the change back; what PostgreSQL got in addition hinders no earlier version."""
    op.drop_index("ix_crawl_listings_pending", table_name="crawl_listings")
    op.drop_table("writers")
    if op.get_bind().dialect.name == "postgresql":
        op.drop_column("candidates", "rowid")


def _number_candidates() -> None:
    """Every SQLite table has this column by itself."""
    op.add_column("candidates", sa.Column("rowid", sa.BigInteger(), sa.Identity(always=True)))
    op.create_index("ix_candidates_rowid", "candidates", ["rowid"], unique=True)


def _compare_by_bytes() -> None:
    """Text is ordered as SQLite does, whatever the server's language; a new version of that orders nothing anew."""
    inspector = sa.inspect(op.get_bind())
    for table in inspector.get_table_names():
        for column in inspector.get_columns(table):
            kind = column["type"]
            if isinstance(kind, sa.String) and table != "alembic_version":
                op.alter_column(table, column["name"], type_=type(kind)(kind.length, collation="C"))
