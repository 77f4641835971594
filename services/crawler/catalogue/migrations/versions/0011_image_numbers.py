"""Numbers of images that never come back on SQLite, and indexes of files that are to be removed."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

_COLUMNS = "sequence, digest, listing_id, final_url, accept_time, compliance, kept_again"
# Beside the images that are kept: what was replaced had a number, too.
_GO_ON_COUNTING = """
    INSERT INTO sqlite_sequence (name, seq) SELECT 'images', coalesce(max(sequence), 0) FROM (
        SELECT sequence FROM images UNION ALL SELECT sequence FROM replaced_images
    )
"""
_PENDING = "pending_names IS NOT NULL"


def upgrade() -> None:
    """Applies the change."""
    if op.get_bind().dialect.name == "sqlite":
        _make_images_anew(autoincrement=True)
        op.execute("DELETE FROM sqlite_sequence WHERE name = 'images'")
        op.execute(_GO_ON_COUNTING)
    _index_files("replaced_images", "unremoved", "files_removed IS 0", "files_removed IS false")
    _index_files("purged_images", "pending", _PENDING, _PENDING)
    op.create_index("ix_replaced_images_name", "replaced_images", ["profile_name", "file_name"])


def downgrade() -> None:
    """Takes the change back."""
    op.drop_index("ix_replaced_images_name", table_name="replaced_images")
    op.drop_index("ix_purged_images_pending", table_name="purged_images")
    op.drop_index("ix_replaced_images_unremoved", table_name="replaced_images")
    if op.get_bind().dialect.name == "sqlite":
        _make_images_anew(autoincrement=False)


def _make_images_anew(*, autoincrement: bool) -> None:
    """Makes the table again, with all rows.

    Rows of `kept_images` refer to it: SQLite looks whether they still do at the end of the transaction only. It counts
    what it misses, and counts it off as rows are inserted, not as a table gets another name.
    """
    op.execute("PRAGMA defer_foreign_keys = ON")
    op.execute(f"CREATE TABLE images_before AS SELECT {_COLUMNS} FROM images")  # noqa: S608 - no input
    op.drop_table("images")
    op.create_table(
        "images",
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("listing_id", sa.Integer(), nullable=False),
        sa.Column("final_url", sa.Text(), nullable=False),
        sa.Column("accept_time", sa.Float(), nullable=False),
        sa.Column("compliance", sa.Text()),
        sa.Column("kept_again", sa.Boolean(), nullable=False, server_default=sa.false()),
        sa.ForeignKeyConstraint(["digest"], ["candidates.digest"]),
        sa.ForeignKeyConstraint(["listing_id"], ["listings.listing_id"]),
        sa.PrimaryKeyConstraint("sequence"),
        sa.UniqueConstraint("digest"),
        sqlite_autoincrement=autoincrement,
    )
    op.execute(
        f"INSERT INTO images ({_COLUMNS}) SELECT {_COLUMNS} FROM images_before ORDER BY sequence"  # noqa: S608 - no input
    )
    op.drop_table("images_before")


def _index_files(table: str, what: str, on_sqlite: str, on_postgresql: str) -> None:
    """Finds what has files that are to be removed; written as queries have it, or they do not use it."""
    op.create_index(
        f"ix_{table}_{what}",
        table,
        ["digest"],
        sqlite_where=sa.text(on_sqlite),
        postgresql_where=sa.text(on_postgresql),
    )
