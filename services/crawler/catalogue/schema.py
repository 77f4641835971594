"""The catalogue's tables. The migrations create them; a test compares the two."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    Table,
    UniqueConstraint,
    false,
    text,
)

from services.crawler.catalogue.outbox_schema import outbox, sinks
from services.crawler.catalogue.schema_parts import Digest, Id, index_of, metadata
from services.crawler.catalogue.text_columns import String, Text

__all__ = [
    "candidates",
    "crawl_counts",
    "crawl_listings",
    "crawl_post_counts",
    "crawl_sources",
    "crawls",
    "distinct_pairs",
    "hosts",
    "images",
    "judgements",
    "kept_images",
    "listings",
    "metadata",
    "outbox",
    "purged_images",
    "replaced_images",
    "score_counts",
    "seen_images",
    "sinks",
    "writers",
]

_PENDING = text("sequence IS NULL")
_NAMES_PENDING = text("pending_names IS NOT NULL")


def _position() -> Column[int]:
    """Numbers rows as they come: SQLite's own number of a row; on PostgreSQL the migrations add it."""
    return Column("rowid", BigInteger, key="position", system=True)


crawls = Table(
    "crawls",
    metadata,
    Column("crawl_id", String(32), primary_key=True),
    Column("request_id", String(128), nullable=False, unique=True),
    Column("profile_name", String(64), nullable=False),
    Column("profile_version", Integer, nullable=False),
    Column("state", String(16), nullable=False),
    Column("state_reason", Text, nullable=False, default=""),
    Column("max_listings", BigInteger, nullable=False),
    Column("max_accepted", BigInteger, nullable=False),
    Column("found_count", BigInteger, nullable=False, default=0),
    Column("last_sequence", BigInteger, nullable=False, default=0),
    Column("create_time", Float, nullable=False),
)

crawl_sources = Table(
    "crawl_sources",
    metadata,
    Column("crawl_id", ForeignKey("crawls.crawl_id"), primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("uri", Text, nullable=False),
    # JSON: how the crawl lists it.
    Column("settings", Text, nullable=False, server_default=""),
    # Listings of a higher one are leased first.
    Column("priority", Integer, nullable=False, server_default="0"),
    # Where listing goes on, in the source's own format. Only the owner of the lease lists it and moves the cursor.
    Column("cursor", Text, nullable=False, server_default=""),
    Column("lease_owner", String(32)),
    Column("lease_expire_time", Float),
    Column("state", String(16), nullable=False, server_default="WAITING"),
    Column("state_reason", Text, nullable=False, server_default=""),
    Column("block_reason", String(32)),
    # When it is worth another look.
    Column("next_poll_time", Float),
    Column("list_time", Float),
    Column("listed_count", BigInteger, nullable=False, server_default="0"),
    Column("skipped_count", BigInteger, nullable=False, server_default="0"),
    Column("gap_count", BigInteger, nullable=False, server_default="0"),
    Column("last_gap", Text, nullable=False, server_default=""),
)

# The posts of a source that became no listing, by reason; empty is those that did.
crawl_post_counts = Table(
    "crawl_post_counts",
    metadata,
    Column("crawl_id", ForeignKey("crawls.crawl_id"), primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("reason", String(16), primary_key=True),
    Column("count", BigInteger, nullable=False),
)

# The frontier and the outcomes: one row per address, shared by all crawls.
listings = Table(
    "listings",
    metadata,
    Column("listing_id", Id, primary_key=True, autoincrement=True),
    Column("url", Text, nullable=False, unique=True),
    Column("source", Text, nullable=False, index=True),
    # The host to ask; empty for a local file.
    Column("host", String(253), nullable=False, server_default="", index=True),
    Column("title", Text, nullable=False),
    Column("page_url", Text, nullable=False),
    Column("author", Text, nullable=False),
    Column("licence", String(100), nullable=False, server_default=""),
    Column("community", Text, nullable=False, server_default="", index=True),
    # Communities that its post is a crosspost of, a space between them.
    Column("parents", Text, nullable=False, server_default=""),
    Column("post_time", Float),
    # JSON.
    Column("post_facts", Text, nullable=False, server_default=""),
    Column("found_time", Float, nullable=False),
    Column("lease_owner", String(32)),
    Column("lease_expire_time", Float),
    Column("attempts", Integer, nullable=False, default=0),
    Column("next_attempt_time", Float, nullable=False, default=0.0),
    Column("outcome_state", String(16)),
    Column("outcome_reason", String(32)),
    Column("outcome_message", Text),
    Column("final_url", Text),
    # Of the bytes that came; after a failure that may pass, of those that came before; of what was purged for it.
    Column("digest", Digest, index=True),
    Column("size_bytes", BigInteger),
    # Of what the screen left out, so that another screen can tell whether it would.
    Column("width_px", Integer),
    Column("height_px", Integer),
    Column("outcome_time", Float),
    # How long it was under way, waits for its host's turn included.
    Column("work_s", Float),
)

# That of the source, copied to where an index can have it; after a change it follows in parts.
_listing_priority = Column("priority", Integer, nullable=False, server_default="0")
# Which crawl found which listing. `sequence` orders what is settled; null is still to do.
crawl_listings = Table(
    "crawl_listings",
    metadata,
    Column("crawl_id", ForeignKey("crawls.crawl_id"), primary_key=True),
    Column("listing_id", ForeignKey("listings.listing_id"), primary_key=True),
    Column("sequence", BigInteger),
    Column("known", Boolean, nullable=False, default=False),
    Column("repeated", Boolean, nullable=False, default=False),
    # The source that the crawl has it from; null in a refetch.
    Column("position", Integer),
    _listing_priority,
    Index("ix_crawl_listings_sequence", "crawl_id", "sequence"),
    # What is to do, in the order in which it is leased: a server that has no statistics yet sorts all of it otherwise.
    index_of(
        _PENDING, "ix_crawl_listings_pending", "crawl_id", _listing_priority.desc(), "listing_id"
    ),
    # What a source has to do under another priority than it has now.
    index_of(_PENDING, "ix_crawl_listings_priority", "crawl_id", "position", "priority"),
)

crawl_counts = Table(
    "crawl_counts",
    metadata,
    Column("crawl_id", ForeignKey("crawls.crawl_id"), primary_key=True),
    Column("outcome_state", String(16), primary_key=True),
    Column("outcome_reason", String(32), primary_key=True),
    Column("verdict", String(16), primary_key=True),
    Column("known", Boolean, primary_key=True),
    Column("count", BigInteger, nullable=False),
)

# What was learned of fetched bytes, whatever the profile.
candidates = Table(
    "candidates",
    metadata,
    # In the order in which they were first judged.
    _position(),
    Column("digest", Digest, primary_key=True),
    Column("size_bytes", BigInteger, nullable=False),
    Column("width_px", Integer, nullable=False),
    Column("height_px", Integer, nullable=False),
    Column("format", String(8), nullable=False),
    Column("animated", Boolean, nullable=False),
    Column("hash64", String(16), nullable=False),
    Column("hash256", LargeBinary(32), nullable=False),
    Column("mirrored64", String(16), nullable=False),
    Column("mirrored256", LargeBinary(32), nullable=False),
    Column("flat", Boolean, nullable=False),
    Column("encoder_id", String(64)),
    Column("precision", String(8)),
    Column("embedding", LargeBinary),
    Column("detector_id", String(64)),
    Column("watermark_probability", Float),
    Column("quadrant_probabilities", String(128)),
)

judgements = Table(
    "judgements",
    metadata,
    Column("digest", ForeignKey("candidates.digest"), primary_key=True),
    Column("profile_name", String(64), primary_key=True),
    Column("profile_version", Integer, primary_key=True),
    Column("verdict", String(16), nullable=False),
    Column("reason", Text, nullable=False),
    Column("log_likelihood", Float),
    Column("percentile", Float),
    Column("threshold_nats", Float),
    Column("watermark_threshold", Float),
    Column("duplicate_of_digest", Digest, nullable=False),
    Column("judge_time", Float, nullable=False),
)

# How candidates scored, by profile version, day (UTC, `2026-11-25`) and source: one row per range that has any. The
# ranges are those of the profile version (ScoreBins).
score_counts = Table(
    "score_counts",
    metadata,
    Column("profile_name", String(64), primary_key=True),
    Column("profile_version", Integer, primary_key=True),
    Column("day", String(10), primary_key=True, index=True),
    Column("source", Text, primary_key=True),
    # Inclusive; may be negative infinity.
    Column("low_nats", Float, primary_key=True),
    # Exclusive; may be infinity.
    Column("high_nats", Float, nullable=False),
    Column("candidate_count", BigInteger, nullable=False),
)

# Images in the store: one row per accepted digest. The row is the commit point; the bytes are there before it.
images = Table(
    "images",
    metadata,
    Column("sequence", Id, primary_key=True, autoincrement=True),
    Column("digest", ForeignKey("candidates.digest"), nullable=False, unique=True),
    Column("listing_id", ForeignKey("listings.listing_id"), nullable=False),
    Column("final_url", Text, nullable=False),
    Column("accept_time", Float, nullable=False),
    # JSON; null for a local file.
    Column("compliance", Text),
    # Whether it was replaced by a better copy, and kept once more: files of fingerprints have it at its first place.
    Column("kept_again", Boolean, nullable=False, server_default=false()),
    # No number comes back, also if that of the newest image is free: whoever has read up to it has read the next one.
    sqlite_autoincrement=True,
)

# What is left of images that were purged: enough to know them again.
purged_images = Table(
    "purged_images",
    metadata,
    # In the order of purging.
    _position(),
    Column("digest", Digest, primary_key=True),
    Column("hash64", String(16), nullable=False),
    Column("hash256", LargeBinary(32), nullable=False),
    Column("flat", Boolean, nullable=False),
    Column("reason", Text, nullable=False),
    Column("purge_time", Float, nullable=False),
    # JSON: the readable names that are to be removed with the bytes; null once they are.
    Column("pending_names", Text),
    index_of(_NAMES_PENDING, "ix_purged_images_pending", "digest"),
)

# Images that a better copy replaced, under the one profile that kept them. They still count as seen.
replaced_images = Table(
    "replaced_images",
    metadata,
    # In the order of replacing.
    _position(),
    Column("digest", ForeignKey("candidates.digest"), primary_key=True),
    # What the image had in `images`: its place in the order of accepting.
    Column("sequence", BigInteger, nullable=False),
    Column("accept_time", Float, nullable=False),
    Column("profile_name", String(64), nullable=False),
    Column("file_name", String(200), nullable=False),
    # The better copy; it may have been replaced, or purged, since.
    Column("replaced_by_digest", Digest, nullable=False, index=True),
    Column("replace_time", Float, nullable=False),
    # Whether its files are gone.
    Column("files_removed", Boolean, nullable=False),
    # Until when one crawler alone removes them, by the catalogue's clock; null while none does.
    Column("removal_expire_time", Float),
    Index(
        "ix_replaced_images_unremoved",
        "digest",
        # As queries have it, or neither uses it.
        sqlite_where=text("files_removed IS 0"),
        postgresql_where=text("files_removed IS false"),
    ),
    Index("ix_replaced_images_name", "profile_name", "file_name"),
)

# Pairs of images of which a person said that they are no duplicates of each other; the smaller digest is the first.
distinct_pairs = Table(
    "distinct_pairs",
    metadata,
    Column("first_digest", Digest, primary_key=True),
    Column("second_digest", Digest, primary_key=True, index=True),
    Column("create_time", Float, nullable=False),
)

# Under which profiles an image is kept, and its readable name there.
kept_images = Table(
    "kept_images",
    metadata,
    Column("digest", ForeignKey("images.digest"), primary_key=True),
    Column("profile_name", String(64), primary_key=True),
    Column("profile_version", Integer, nullable=False),
    Column("file_name", String(200), nullable=False),
    Column("linked", Boolean, nullable=False, default=False),
    # The listing that the profile accepted it for, which need not be the one that it was first fetched for.
    Column("listing_id", ForeignKey("listings.listing_id")),
    Column("keep_time", Float),
    UniqueConstraint("profile_name", "file_name"),
)

# Images that count as seen before, under one profile: the liked ones.
seen_images = Table(
    "seen_images",
    metadata,
    # In the order of marking.
    _position(),
    Column("profile_name", String(64), primary_key=True),
    Column("digest", Digest, primary_key=True),
    Column("hash64", String(16), nullable=False),
    Column("hash256", LargeBinary(32), nullable=False),
    Column("flat", Boolean, nullable=False),
)

# Hosts that crawlers on one PostgreSQL catalogue share: one of them asks a host at a time, at its own pace. Times are
# those of the catalogue's clock.
hosts = Table(
    "hosts",
    metadata,
    Column("host", String(253), primary_key=True),
    # The crawler that may ask it, and until when; null while nobody does.
    Column("owner", String(32)),
    Column("expire_time", Float),
    # When another crawler last wanted it in vain.
    Column("wanted_time", Float),
    # What the next owner goes on with.
    Column("ready_time", Float, nullable=False, server_default="0"),
    Column("gap_s", Float, nullable=False, server_default="0"),
    Column("down_time", Float, nullable=False, server_default="0"),
)

# The crawlers on a PostgreSQL catalogue: how many transactions each has committed, and when it was last heard of.
# SQLite needs no row.
writers = Table(
    "writers",
    metadata,
    Column("writer", String(32), primary_key=True),
    Column("commit_number", BigInteger, nullable=False),
    Column("seen_time", Float, nullable=False, server_default="0"),
)
