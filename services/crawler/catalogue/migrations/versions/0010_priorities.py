"""Priorities of sources, and of what they have to do."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

_PENDING = sa.text("sequence IS NULL")
# Only of what is still to do: it alone can be moved.
_SET_POSITIONS = """
    UPDATE crawl_listings SET position = (
        SELECT min(crawl_sources.position) FROM crawl_sources
        JOIN listings ON listings.source = crawl_sources.uri
        WHERE crawl_sources.crawl_id = crawl_listings.crawl_id
        AND listings.listing_id = crawl_listings.listing_id
    ) WHERE sequence IS NULL
"""


def upgrade() -> None:
    """Applies the change."""
    op.add_column("crawl_sources", _priority())
    op.add_column("crawl_listings", sa.Column("position", sa.Integer(), nullable=True))
    op.add_column("crawl_listings", _priority())
    op.execute(_SET_POSITIONS)
    op.drop_index("ix_crawl_listings_pending", table_name="crawl_listings")
    _index("ix_crawl_listings_pending", ["crawl_id", sa.text("priority DESC"), "listing_id"])
    _index("ix_crawl_listings_priority", ["crawl_id", "position", "priority"])


def downgrade() -> None:
    """Takes the change back."""
    op.drop_index("ix_crawl_listings_priority", table_name="crawl_listings")
    op.drop_index("ix_crawl_listings_pending", table_name="crawl_listings")
    _index("ix_crawl_listings_pending", ["crawl_id", "listing_id"])
    op.drop_column("crawl_listings", "priority")
    op.drop_column("crawl_listings", "position")
    op.drop_column("crawl_sources", "priority")


def _priority() -> sa.Column[int]:
    return sa.Column("priority", sa.Integer(), nullable=False, server_default="0")


def _index(name: str, columns: list[str | sa.TextClause]) -> None:
    op.create_index(
        name, "crawl_listings", columns, sqlite_where=_PENDING, postgresql_where=_PENDING
    )
