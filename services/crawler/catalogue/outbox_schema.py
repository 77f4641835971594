"""The tables of sinks and of what is to be delivered to them."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Integer,
    Table,
    UniqueConstraint,
    text,
)

from services.crawler.catalogue.schema_parts import Digest, Id, index_of, metadata
from services.crawler.catalogue.text_columns import String, Text

_TO_DELIVER = text("state = 'PENDING'")
_LEASED = text("lease_owner IS NOT NULL")

# Where kept images are delivered to, by the names that the settings give.
sinks = Table(
    "sinks",
    metadata,
    Column("name", String(32), primary_key=True),
    Column("kind", String(16), nullable=False),
    # Whether the crawler that started last has it: what is accepted meanwhile is to be delivered to it.
    Column("configured", Boolean, nullable=False),
    # Whether it asked never to be told again; a person's word starts it again.
    Column("stopped", Boolean, nullable=False),
    # Why nothing is delivered just now; empty while deliveries go on.
    Column("waiting_for", Text, nullable=False),
    Column("last_error", Text, nullable=False),
    Column("last_error_time", Float),
    Column("create_time", Float, nullable=False),
)

# The outbox: what is to be delivered to which sink, written with what it tells of. In the order of accepting.
outbox = Table(
    "outbox",
    metadata,
    Column("delivery_id", Id, primary_key=True, autoincrement=True),
    Column("sink", ForeignKey("sinks.name"), nullable=False),
    Column("event", String(16), nullable=False),
    # Of an image that may be purged: what is left of it here is told to those who had it.
    Column("digest", Digest, nullable=False),
    Column("profile_name", String(64), nullable=False),
    # Of a purge or replacement that is still to be told: the readable name that the image had.
    Column("file_name", String(200), nullable=False),
    # What is kept again is delivered anew: its place in the order of accepting then, and 0 for the first time.
    Column("again_sequence", BigInteger, nullable=False, server_default="0"),
    # Of a replacement: the better copy. It may have been purged since, and the image may be kept again.
    Column("replaced_by_digest", Digest, nullable=False, server_default=""),
    Column("state", String(16), nullable=False),
    # How often it was begun; more than once, and once after a crash, the receiver may have it already.
    Column("tries", Integer, nullable=False),
    # How often the receiver said no to this one.
    Column("failed_count", Integer, nullable=False),
    Column("next_attempt_time", Float, nullable=False),
    Column("lease_owner", String(32)),
    Column("lease_expire_time", Float),
    # What the receiver said, or why it has not got it.
    Column("message", Text, nullable=False),
    Column("create_time", Float, nullable=False),
    Column("end_time", Float),
    UniqueConstraint("digest", "profile_name", "sink", "event", "again_sequence"),
    index_of(_TO_DELIVER, "ix_outbox_pending", "sink", "delivery_id"),
    index_of(_LEASED, "ix_outbox_leased", "sink"),
)
