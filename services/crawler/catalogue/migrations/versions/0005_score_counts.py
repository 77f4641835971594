"""How candidates scored, by profile version, day and source."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Applies the change. Earlier judgements are not counted: the ranges are those of profiles, which are not here."""
    op.create_table(
        "score_counts",
        sa.Column("profile_name", sa.String(length=64), nullable=False),
        sa.Column("profile_version", sa.Integer(), nullable=False),
        sa.Column("day", sa.String(length=10), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("low_nats", sa.Float(), nullable=False),
        sa.Column("high_nats", sa.Float(), nullable=False),
        sa.Column("candidate_count", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("profile_name", "profile_version", "day", "source", "low_nats"),
    )
    op.create_index("ix_score_counts_day", "score_counts", ["day"], unique=False)


def downgrade() -> None:
    """Takes the change back."""
    op.drop_index("ix_score_counts_day", table_name="score_counts")
    op.drop_table("score_counts")
