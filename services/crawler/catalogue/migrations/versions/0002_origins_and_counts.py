"""What each profile accepted an image for, what sources left out, and the sizes that the screen left out."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Applies the change."""
    with op.batch_alter_table("crawl_sources") as batch_op:
        batch_op.add_column(sa.Column("listed_count", sa.BigInteger(), nullable=True))
        batch_op.add_column(sa.Column("skipped_count", sa.BigInteger(), nullable=True))
    with op.batch_alter_table("listings") as batch_op:
        batch_op.add_column(sa.Column("width_px", sa.Integer(), nullable=True))
        batch_op.add_column(sa.Column("height_px", sa.Integer(), nullable=True))
    with op.batch_alter_table("kept_images") as batch_op:
        batch_op.add_column(sa.Column("listing_id", sa.Integer(), nullable=True))
        batch_op.add_column(sa.Column("keep_time", sa.Float(), nullable=True))
        batch_op.create_foreign_key(
            "fk_kept_images_listing_id", "listings", ["listing_id"], ["listing_id"]
        )


def downgrade() -> None:
    """Takes the change back."""
    with op.batch_alter_table("kept_images") as batch_op:
        batch_op.drop_constraint("fk_kept_images_listing_id", type_="foreignkey")
        batch_op.drop_column("keep_time")
        batch_op.drop_column("listing_id")
    with op.batch_alter_table("listings") as batch_op:
        batch_op.drop_column("height_px")
        batch_op.drop_column("width_px")
    with op.batch_alter_table("crawl_sources") as batch_op:
        batch_op.drop_column("skipped_count")
        batch_op.drop_column("listed_count")
