"""Deliveries of images that are kept again, and who removes the files of replaced ones."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

_OLD = ["digest", "profile_name", "sink", "event"]
_NEW = [*_OLD, "again_sequence"]
# No name was given: these are the ones that PostgreSQL makes.
_OLD_NAME, _NEW_NAME = (f"outbox_{'_'.join(names)}_key" for names in (_OLD, _NEW))
_NAMING = {"uq": "outbox_%(column_0_N_name)s_key"}
# What is pending is delivered under its new key. What a receiver has dropped meanwhile is for a backfill.
_NUMBER_PENDING = """
    UPDATE outbox SET again_sequence = (
        SELECT images.sequence FROM images WHERE images.digest = outbox.digest
    ) WHERE state = 'PENDING' AND event = 'ACCEPTED'
    AND digest IN (SELECT digest FROM images WHERE kept_again)
"""
_NAME_SUCCESSORS = """
    UPDATE outbox SET replaced_by_digest = (
        SELECT replaced_images.replaced_by_digest FROM replaced_images
        WHERE replaced_images.digest = outbox.digest
    ) WHERE event = 'REPLACED'
    AND digest IN (SELECT digest FROM replaced_images)
"""

# Of several deliveries of one image to one sink there was only the last.
_LAST_ALONE = """
    DELETE FROM outbox WHERE EXISTS (
        SELECT 1 FROM outbox AS later WHERE later.digest = outbox.digest
        AND later.profile_name = outbox.profile_name AND later.sink = outbox.sink
        AND later.event = outbox.event AND later.delivery_id > outbox.delivery_id
    )
"""


def upgrade() -> None:
    """Applies the change."""
    with op.batch_alter_table("outbox", naming_convention=_NAMING) as outbox:
        outbox.add_column(
            sa.Column("again_sequence", sa.BigInteger(), nullable=False, server_default="0")
        )
        outbox.add_column(
            sa.Column("replaced_by_digest", _digest(), nullable=False, server_default="")
        )
        outbox.drop_constraint(_OLD_NAME, type_="unique")
        outbox.create_unique_constraint(_NEW_NAME, _NEW)
    op.execute(_NUMBER_PENDING)
    op.execute(_NAME_SUCCESSORS)
    op.add_column("replaced_images", sa.Column("removal_expire_time", sa.Float(), nullable=True))


def downgrade() -> None:
    """Takes the change back."""
    op.drop_column("replaced_images", "removal_expire_time")
    op.execute(_LAST_ALONE)
    with op.batch_alter_table("outbox", naming_convention=_NAMING) as outbox:
        outbox.drop_constraint(_NEW_NAME, type_="unique")
        outbox.create_unique_constraint(_OLD_NAME, _OLD)
        outbox.drop_column("replaced_by_digest")
        outbox.drop_column("again_sequence")


def _digest() -> sa.String:
    """Compared by bytes on PostgreSQL too, as SQLite does."""
    is_server = op.get_bind().dialect.name == "postgresql"
    return sa.String(length=64, collation="C" if is_server else None)
