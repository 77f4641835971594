"""Between the crawler's sources and their contract (lodestone.crawler.v1)."""

from __future__ import annotations

from collections.abc import Iterable

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from lodestone.crawler.v1 import crawl_source_pb2 as pb
from services.crawler.catalogue.crawl_sources import CrawlSource
from services.crawler.catalogue.discovery import SourceProposal
from services.crawler.post_rules import PostRules
from services.crawler.source_settings import SourceSettings
from services.crawler.sources.kind import SourceKind
from services.servicekit.errors import InvalidInput

_LIST_RULES = (
    *("deny_authors", "licences", "deny_titles", "require_titles"),
    *("deny_flairs", "require_flairs"),
)
_RULES_MAX = 1_000


def sources_from_messages(
    messages: Iterable[pb.CrawlSource],
) -> list[tuple[str, SourceSettings]]:
    """Reads sources as a person wrote them, with how they are listed.

    Raises:
        InvalidInput: A setting makes no sense.
    """
    return [(message.uri, _settings(message)) for message in messages]


def source_to_message(source: CrawlSource) -> pb.SourceStatus:
    """Writes where the listing of a source stands."""
    message = pb.SourceStatus(
        source=_source(source),
        state=pb.SourceState.Value(f"SOURCE_STATE_{source.state.name}"),
        state_reason=source.state_reason,
        listed_count=source.listed_count,
        skipped_count=source.skipped_count,
        gap_count=source.gap_count,
        last_gap=source.last_gap,
        post_count=source.post_counts.get(None, 0),
        turned_away_counts=[
            pb.PostCount(reason=pb.PostReason.Value(f"POST_REASON_{reason.name}"), count=count)
            for reason, count in source.post_counts.items()
            if reason is not None
        ],
    )
    if source.block_reason is not None:
        message.block_reason = pb.BlockReason.Value(f"BLOCK_REASON_{source.block_reason.name}")
    if source.next_poll_time is not None:
        message.next_poll_time.CopyFrom(_timestamp(source.next_poll_time))
    if source.list_time is not None:
        message.list_time.CopyFrom(_timestamp(source.list_time))
    return message


def kind_to_message(kind: SourceKind, obstacle: str) -> pb.SourceKind:
    """Writes a kind of source."""
    return pb.SourceKind(
        word=kind.word,
        forms=kind.forms,
        summary=kind.summary,
        example=kind.example,
        obstacle=obstacle,
    )


def proposal_to_message(proposal: SourceProposal) -> pb.SourceProposal:
    """Writes a proposal."""
    return pb.SourceProposal(
        uri=proposal.uri,
        evidence=proposal.evidence,
        accepted_count=proposal.accepted_count,
        page_urls=proposal.page_urls,
    )


def _settings(message: pb.CrawlSource) -> SourceSettings:
    poll_s = message.poll_interval.ToTimedelta().total_seconds()
    return SourceSettings(
        message.follow,
        poll_s if message.HasField("poll_interval") else None,
        message.max_empty_polls,
        _rules(message.rules),
        message.priority,
    )


def _rules(message: pb.PostRules) -> PostRules:
    lists = {name: tuple(getattr(message, name)) for name in _LIST_RULES}
    for name, entries in lists.items():
        if len(entries) > _RULES_MAX:
            text = f"{len(entries):,} {name}: give {_RULES_MAX:,} at most"
            raise InvalidInput(text)
    return PostRules(message.allow_over_18, message.deny_spoilers, **lists)


def _source(source: CrawlSource) -> pb.CrawlSource:
    settings, rules = source.settings, source.settings.rules
    message = pb.CrawlSource(
        uri=source.uri,
        follow=settings.follow,
        max_empty_polls=settings.max_empty_polls,
        priority=settings.priority,
        rules=pb.PostRules(
            allow_over_18=rules.allow_over_18,
            deny_spoilers=rules.deny_spoilers,
            **{name: getattr(rules, name) for name in _LIST_RULES},
        ),
    )
    if settings.poll_s is not None:
        interval = Duration()
        interval.FromMilliseconds(int(settings.poll_s * 1_000))
        message.poll_interval.CopyFrom(interval)
    return message


def _timestamp(seconds: float) -> Timestamp:
    timestamp = Timestamp()
    timestamp.FromMilliseconds(int(seconds * 1_000))
    return timestamp
