"""Between the crawler's domain and its contract (lodestone.crawler.v1)."""

from __future__ import annotations

import re

from google.protobuf.timestamp_pb2 import Timestamp

from lodestone.crawler.v1 import (
    crawl_pb2,
    crawler_service_pb2,
    judgement_pb2,
    kept_image_pb2,
    outcome_pb2,
)
from lodestone.image.v1 import verdict_pb2
from services.crawler.candidate import DecodedCandidate
from services.crawler.catalogue.crawls import Count, Crawl, SettledListing
from services.crawler.catalogue.frontier import Outcome
from services.crawler.catalogue.kept_images import KeptImage
from services.crawler.catalogue.purge_selection import PurgeSelection
from services.crawler.catalogue.purges import PurgeCandidate
from services.crawler.catalogue.reports import Failures, HostReport, SourceYield
from services.crawler.compliance import Compliance
from services.crawler.judgement import Judgement, ProfileVersion, Verdict
from services.crawler.listing import Listing
from services.crawler.outcome import OutcomeReason, OutcomeState
from services.crawler.rpc.source_messages import source_to_message
from services.crawler.screen import Screen
from services.crawler.store.file_state import FileState
from services.crawler.store.purging import PurgeRequest
from services.servicekit.errors import InvalidInput

# A digest, or its first digits.
DIGEST_PREFIX = re.compile(r"[0-9a-f]{8,64}")
_MAX_DIGESTS = 10_000
_MAX_REASON = 1_000


def verdict_to_message(verdict: Verdict) -> verdict_pb2.Verdict.ValueType:
    """Writes a verdict; the names are the same on both sides."""
    return verdict_pb2.Verdict.Value(f"VERDICT_{verdict.name}")


def judgement_to_message(
    judgement: Judgement, decoded: DecodedCandidate, digest: str, profile: ProfileVersion
) -> judgement_pb2.Judgement:
    """Writes a judgement; scores that were not computed stay absent."""
    message = judgement_pb2.Judgement(
        verdict=verdict_to_message(judgement.verdict),
        reason=judgement.reason,
        perceptual_hash=decoded.fingerprint.hex,
        width_px=decoded.width_px,
        height_px=decoded.height_px,
        digest=digest,
        profile_name=profile.name,
        profile_version=profile.version,
        duplicate_of_digest=judgement.duplicate_of,
    )
    score, detection = judgement.evidence.score, judgement.evidence.detection
    if score is not None:
        message.log_likelihood = score.log_likelihood
        message.percentile = score.percentile
    if detection is not None:
        message.watermark_probability = detection.probability
        message.quadrant_probabilities.extend(detection.quadrant_probabilities)
    return message


def crawl_to_message(crawl: Crawl, counts: list[Count], screen: Screen) -> crawl_pb2.Crawl:
    """Writes a crawl with its counts and the screen of now."""
    limits = crawl.request.limits
    return crawl_pb2.Crawl(
        crawl_id=crawl.crawl_id,
        state=crawl_pb2.CrawlState.Value(f"CRAWL_STATE_{crawl.state.name}"),
        state_reason=crawl.state_reason,
        sources=crawl.request.sources,
        profile_name=crawl.request.profile.name,
        profile_version=crawl.request.profile.version,
        limits=crawl_pb2.CrawlLimits(
            max_listings=limits.max_listings, max_accepted=limits.max_accepted
        ),
        progress=_progress(crawl, counts),
        create_time=_timestamp(crawl.create_time),
        screen_limits=crawl_pb2.ScreenLimits(
            min_pixels=screen.min_pixels,
            max_width_ratio=screen.max_width_ratio,
            max_height_ratio=screen.max_height_ratio,
        ),
        source_statuses=map(source_to_message, crawl.sources),
    )


def settled_to_message(
    settled: SettledListing,
    judged: tuple[DecodedCandidate, Judgement] | None,
    profile: ProfileVersion,
) -> crawl_pb2.SettledListing:
    """Writes a settled listing; the same bytes a second time are a duplicate of themselves."""
    message = crawl_pb2.SettledListing(
        sequence=settled.sequence,
        listing=listing_to_message(settled.listing),
        outcome=_outcome(settled.outcome),
        known=settled.known,
    )
    if judged is None:
        return message
    decoded, judgement = judged
    digest = settled.outcome.digest
    if settled.repeated:
        reason = f"the same bytes as another listing, which is {judgement.verdict}"
        judgement = Judgement(Verdict.DUPLICATE, reason, judgement.evidence, digest)
    message.judgement.CopyFrom(judgement_to_message(judgement, decoded, digest, profile))
    return message


def listing_to_message(listing: Listing) -> crawl_pb2.Listing:
    """Writes a listing."""
    message = crawl_pb2.Listing(
        source=listing.source,
        url=listing.url,
        title=listing.title,
        page_url=listing.page_url,
        author=listing.author,
        licence=listing.licence,
        community=listing.community,
    )
    if listing.post_time is not None:
        message.post_time.CopyFrom(_timestamp(listing.post_time))
    return message


def kept_to_message(
    kept: KeptImage,
    judged: tuple[DecodedCandidate, Judgement] | None,
    state: FileState,
    store_address: str,
) -> kept_image_pb2.KeptImage:
    """Writes a kept image, what became of its file, and the store that it is in."""
    message = kept_image_pb2.KeptImage(
        digest=kept.digest,
        file_name=kept.file_name,
        size_bytes=kept.size_bytes,
        listing=listing_to_message(kept.listing),
        final_url=kept.final_url,
        accept_time=_timestamp(kept.accept_time),
        file_state=kept_image_pb2.FileState.Value(f"FILE_STATE_{state.name}"),
        store_address=store_address,
    )
    if kept.compliance is not None:
        message.compliance.CopyFrom(_compliance(kept.compliance))
    if judged is not None:
        decoded, judgement = judged
        message.judgement.CopyFrom(
            judgement_to_message(judgement, decoded, kept.digest, kept.profile)
        )
    return message


def yield_to_message(source: SourceYield) -> kept_image_pb2.SourceYield:
    """Writes what a source has given; `yield` is a word of Python, so that field is set by name."""
    message = kept_image_pb2.SourceYield(
        source=source.source,
        found_count=source.found_count,
        fetched_count=source.fetched_count,
        accepted_count=source.accepted_count,
        outcome_counts=_failures(source.failures),
        received_count=source.received_count,
        decoded_count=source.decoded_count,
        new_count=source.new_count,
        on_profile_count=source.on_profile_count,
        clean_count=source.clean_count,
        bytes_per_accepted=source.bytes_per_accepted,
        seconds_per_accepted=source.seconds_per_accepted,
    )
    setattr(message, "yield", source.share)
    return message


def host_to_message(host: HostReport) -> kept_image_pb2.HostReport:
    """Writes what a host has answered."""
    return kept_image_pb2.HostReport(
        host=host.host,
        found_count=host.found_count,
        fetched_count=host.fetched_count,
        outcome_counts=_failures(host.failures),
    )


def purge_from_message(request: crawler_service_pb2.PurgeImagesRequest) -> PurgeRequest:
    """Reads what to purge.

    Raises:
        InvalidInput: A digest is none, there are too many, or the reason is too long.
    """
    bad = [digest for digest in request.digests if not DIGEST_PREFIX.fullmatch(digest)]
    if bad:
        message = f"{bad[0][:80]!r} is no digest: 8 to 64 hex digits, lower-case"
        raise InvalidInput(message)
    if len(request.digests) > _MAX_DIGESTS or len(request.reason) > _MAX_REASON:
        message = f"at most {_MAX_DIGESTS:,} digests and {_MAX_REASON:,} characters of reason"
        raise InvalidInput(message)
    selection = PurgeSelection(
        tuple(request.digests), request.url, request.source, request.host, request.author
    )
    return PurgeRequest(selection, request.gone, request.dry_run, request.reason)


def purged_to_message(image: PurgeCandidate, reason: str) -> kept_image_pb2.PurgedImage:
    """Writes an image that was purged."""
    return kept_image_pb2.PurgedImage(
        digest=image.digest, listing=listing_to_message(image.listing), reason=reason
    )


def _compliance(compliance: Compliance) -> kept_image_pb2.Compliance:
    return kept_image_pb2.Compliance(
        user_agent=compliance.user_agent,
        request_time=_timestamp(compliance.request_time),
        final_address=compliance.final_address,
        robots_url=compliance.robots_url,
        robots_status=compliance.robots_status,
        robots_time=_timestamp(compliance.robots_time),
        crawl_delay_s=compliance.crawl_delay_s,
        robots_tags=compliance.robots_tags,
        licence=compliance.licence,
        last_modified=compliance.last_modified,
        etag=compliance.etag,
    )


def _failures(failures: tuple[Failures, ...]) -> list[crawl_pb2.OutcomeCount]:
    return [
        crawl_pb2.OutcomeCount(
            state=_state(failed.state), reason=_reason(failed.reason), count=failed.count
        )
        for failed in failures
    ]


def _progress(crawl: Crawl, counts: list[Count]) -> crawl_pb2.CrawlProgress:
    outcomes: dict[tuple[OutcomeState, OutcomeReason | None], int] = {}
    verdicts: dict[Verdict, int] = {}
    fetched = known = 0
    for count in counts:
        known += count.count if count.known else 0
        if count.verdict is None:
            key = (count.state, count.reason)
            outcomes[key] = outcomes.get(key, 0) + count.count
        else:
            verdicts[count.verdict] = verdicts.get(count.verdict, 0) + count.count
            fetched += 0 if count.known else count.count
    return crawl_pb2.CrawlProgress(
        found_count=crawl.found_count,
        settled_count=crawl.last_sequence,
        fetched_count=fetched,
        known_count=known,
        outcome_counts=[
            crawl_pb2.OutcomeCount(state=_state(state), reason=_reason(reason), count=count)
            for (state, reason), count in sorted(outcomes.items(), key=str)
        ],
        verdict_counts=[
            crawl_pb2.VerdictCount(verdict=verdict_to_message(verdict), count=count)
            for verdict, count in sorted(verdicts.items())
        ],
        skipped_count=crawl.skipped_count,
        repeated_count=crawl.repeated_count,
    )


def _outcome(outcome: Outcome) -> outcome_pb2.Outcome:
    return outcome_pb2.Outcome(
        state=_state(outcome.state),
        reason=_reason(outcome.reason),
        message=outcome.message,
        final_url=outcome.final_url,
        digest=outcome.digest,
        size_bytes=outcome.size_bytes,
        outcome_time=_timestamp(outcome.time),
    )


def _state(state: OutcomeState) -> outcome_pb2.OutcomeState.ValueType:
    return outcome_pb2.OutcomeState.Value(f"OUTCOME_STATE_{state.name}")


def _reason(reason: OutcomeReason | None) -> outcome_pb2.OutcomeReason.ValueType:
    name = reason.name if reason else "UNSPECIFIED"
    return outcome_pb2.OutcomeReason.Value(f"OUTCOME_REASON_{name}")


def _timestamp(seconds: float) -> Timestamp:
    timestamp = Timestamp()
    timestamp.FromNanoseconds(int(seconds * 1e9))
    return timestamp
