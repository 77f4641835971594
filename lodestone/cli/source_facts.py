"""What the contract says of sources, as the JSON objects that --json prints."""

from __future__ import annotations

from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp

from lodestone.cli.outcome_facts import outcome_facts
from lodestone.cli.words import word
from lodestone.crawler.v1.crawl_source_pb2 import (
    BlockReason,
    PostReason,
    SourceKind,
    SourceProposal,
    SourceState,
    SourceStatus,
)
from lodestone.crawler.v1.kept_image_pb2 import SourceYield

_COUNTS = (
    *("found_count", "received_count", "decoded_count", "fetched_count", "new_count"),
    *("on_profile_count", "clean_count", "accepted_count"),
)


def source_status_facts(status: SourceStatus) -> dict[str, Any]:
    """Where the listing of a crawl's source stands."""
    source = status.source
    return {
        "uri": source.uri,
        "follow": source.follow,
        "priority": source.priority,
        "state": word(SourceState, status.state),
        "state_reason": status.state_reason,
        "block_reason": word(BlockReason, status.block_reason) if status.block_reason else None,
        "next_poll_time": _time(status.next_poll_time),
        "list_time": _time(status.list_time),
        "listed_count": status.listed_count,
        "skipped_count": status.skipped_count,
        "gap_count": status.gap_count,
        "last_gap": status.last_gap,
        "post_count": status.post_count,
        "turned_away_counts": {
            word(PostReason, one.reason): one.count for one in status.turned_away_counts
        },
    }


def source_yield_facts(source: SourceYield) -> dict[str, Any]:
    """What a source, or a community, has given."""
    return {
        "source": source.source,
        **{name: getattr(source, name) for name in _COUNTS},
        "yield": getattr(source, "yield"),
        "bytes_per_accepted": source.bytes_per_accepted,
        "seconds_per_accepted": source.seconds_per_accepted,
        "outcome_counts": outcome_facts(source.outcome_counts),
    }


def kind_facts(kind: SourceKind) -> dict[str, Any]:
    """A kind of source."""
    return {
        "word": kind.word,
        "forms": list(kind.forms),
        "summary": kind.summary,
        "example": kind.example,
        "obstacle": kind.obstacle,
    }


def proposal_facts(proposal: SourceProposal) -> dict[str, Any]:
    """A source that may be worth crawling."""
    return {
        "uri": proposal.uri,
        "evidence": proposal.evidence,
        "accepted_count": proposal.accepted_count,
        "page_urls": list(proposal.page_urls),
    }


def _time(time: Timestamp) -> str | None:
    """A point in time; None where the message has none, which reads as 1970."""
    return time.ToJsonString() if time.seconds else None
