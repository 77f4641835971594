"""Sinks, and the outbox of what is to be delivered to them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

_TO_DELIVER = sa.text("state = 'PENDING'")
_LEASED = sa.text("lease_owner IS NOT NULL")


def upgrade() -> None:
    """Applies the change."""
    op.create_table(
        "sinks",
        sa.Column("name", _string(32), nullable=False),
        sa.Column("kind", _string(16), nullable=False),
        sa.Column("configured", sa.Boolean(), nullable=False),
        sa.Column("stopped", sa.Boolean(), nullable=False),
        sa.Column("waiting_for", _text(), nullable=False),
        sa.Column("last_error", _text(), nullable=False),
        sa.Column("last_error_time", sa.Float(), nullable=True),
        sa.Column("create_time", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("name"),
    )
    op.create_table(
        "outbox",
        sa.Column(
            "delivery_id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column("sink", _string(32), nullable=False),
        sa.Column("event", _string(16), nullable=False),
        sa.Column("digest", _string(64), nullable=False),
        sa.Column("profile_name", _string(64), nullable=False),
        sa.Column("file_name", _string(200), nullable=False),
        sa.Column("state", _string(16), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("failed_count", sa.Integer(), nullable=False),
        sa.Column("next_attempt_time", sa.Float(), nullable=False),
        sa.Column("lease_owner", _string(32), nullable=True),
        sa.Column("lease_expire_time", sa.Float(), nullable=True),
        sa.Column("message", _text(), nullable=False),
        sa.Column("create_time", sa.Float(), nullable=False),
        sa.Column("end_time", sa.Float(), nullable=True),
        sa.ForeignKeyConstraint(["sink"], ["sinks.name"]),
        sa.PrimaryKeyConstraint("delivery_id"),
        sa.UniqueConstraint("digest", "profile_name", "sink", "event"),
    )
    op.create_index(
        "ix_outbox_pending",
        "outbox",
        ["sink", "delivery_id"],
        sqlite_where=_TO_DELIVER,
        postgresql_where=_TO_DELIVER,
    )
    op.create_index(
        "ix_outbox_leased", "outbox", ["sink"], sqlite_where=_LEASED, postgresql_where=_LEASED
    )


def downgrade() -> None:
    """Takes the change back."""
    op.drop_index("ix_outbox_leased", table_name="outbox")
    op.drop_index("ix_outbox_pending", table_name="outbox")
    op.drop_table("outbox")
    op.drop_table("sinks")


def _string(length: int) -> sa.String:
    return sa.String(length=length, collation=_collation())


def _text() -> sa.Text:
    return sa.Text(collation=_collation())


def _collation() -> str | None:
    """Text is compared by its bytes on both databases, as 0006 made it."""
    return "C" if op.get_bind().dialect.name == "postgresql" else None
