"""The contract's messages as the JSON objects that --json prints."""

from __future__ import annotations

from typing import Any, Literal

from lodestone.cli.outcome_facts import outcome_facts
from lodestone.cli.source_facts import source_status_facts
from lodestone.cli.words import word
from lodestone.crawler.v1.crawl_pb2 import Crawl, CrawlState, SettledListing
from lodestone.crawler.v1.judgement_pb2 import Judgement
from lodestone.crawler.v1.kept_image_pb2 import (
    FileState,
    HostReport,
    KeptImage,
    PurgedImage,
)
from lodestone.crawler.v1.outcome_pb2 import OutcomeReason, OutcomeState
from lodestone.image.v1.embedding_pb2 import Precision
from lodestone.image.v1.verdict_pb2 import Verdict
from lodestone.novelty.v1.profile_pb2 import Covariance, Profile

_JUDGEMENT_FIELDS = (
    "verdict",
    "reason",
    "log_likelihood",
    "percentile",
    "watermark_probability",
    "quadrant_probabilities",
    "perceptual_hash",
    "width_px",
    "height_px",
)


def judgement_facts(judgement: Judgement | None) -> dict[str, Any]:
    """The verdict and the scores; null is what was not computed, everything is null without a judgement."""
    if judgement is None:
        return dict.fromkeys(_JUDGEMENT_FIELDS)
    return {
        "verdict": word(Verdict, judgement.verdict),
        "reason": judgement.reason,
        "log_likelihood": judgement.log_likelihood
        if judgement.HasField("log_likelihood")
        else None,
        "percentile": judgement.percentile if judgement.HasField("percentile") else None,
        "watermark_probability": (
            judgement.watermark_probability if judgement.HasField("watermark_probability") else None
        ),
        "quadrant_probabilities": list(judgement.quadrant_probabilities) or None,
        "perceptual_hash": judgement.perceptual_hash,
        "width_px": judgement.width_px,
        "height_px": judgement.height_px,
    }


def settled_facts(settled: SettledListing) -> dict[str, Any]:
    """A listing with what became of it."""
    listing, outcome = settled.listing, settled.outcome
    reason = word(OutcomeReason, outcome.reason) if outcome.reason else None
    return {
        "source": listing.source,
        "url": listing.url,
        "title": listing.title,
        "outcome": word(OutcomeState, outcome.state),
        "outcome_reason": reason,
        "message": outcome.message,
        "final_url": outcome.final_url,
        "digest": outcome.digest,
        "known": settled.known,
        **judgement_facts(settled.judgement if settled.HasField("judgement") else None),
    }


def crawl_facts(crawl: Crawl) -> dict[str, Any]:
    """A crawl with its counts."""
    progress, screen = crawl.progress, crawl.screen_limits
    return {
        "crawl_id": crawl.crawl_id,
        "create_time": crawl.create_time.ToJsonString(),
        "state": word(CrawlState, crawl.state),
        "state_reason": crawl.state_reason,
        "sources": list(crawl.sources),
        "profile_name": crawl.profile_name,
        "profile_version": crawl.profile_version,
        "screen_limits": {
            "min_pixels": screen.min_pixels,
            "max_width_ratio": screen.max_width_ratio,
            "max_height_ratio": screen.max_height_ratio,
        },
        "found_count": progress.found_count,
        "settled_count": progress.settled_count,
        "fetched_count": progress.fetched_count,
        "known_count": progress.known_count,
        "skipped_count": progress.skipped_count,
        "repeated_count": progress.repeated_count,
        "outcome_counts": outcome_facts(progress.outcome_counts),
        "verdict_counts": {
            word(Verdict, one.verdict): one.count for one in progress.verdict_counts
        },
        "source_statuses": [source_status_facts(status) for status in crawl.source_statuses],
    }


def profile_facts(profile: Profile) -> dict[str, Any]:
    """A profile without its log-likelihoods."""
    return {
        "name": profile.name,
        "version": profile.version,
        "threshold_nats": profile.threshold_nats,
        "keep_ratio": profile.keep_ratio or None,
        "pass_ratio": profile.pass_ratio or None,
        "expected_keep": _share_facts(profile, "expected_keep"),
        "expected_pass": _share_facts(profile, "expected_pass"),
        "separation": profile.separation if profile.HasField("separation") else None,
        "neighbour_separation": (
            profile.neighbour_separation if profile.HasField("neighbour_separation") else None
        ),
        "encoder_id": profile.encoder_id,
        "precision": word(Precision, profile.precision),
        "dimension": profile.dimension,
        "component_count": profile.component_count,
        "covariance": word(Covariance, profile.covariance),
        "asked_component_count": profile.asked_component_count or None,
        "asked_covariance": (
            word(Covariance, profile.asked_covariance) if profile.asked_covariance else None
        ),
        "seed": profile.seed,
        "liked_count": profile.liked_count,
        "duplicate_count": profile.duplicate_count,
        "background_count": profile.background_count,
        "relative_to_background": profile.relative_to_background,
        "create_time": profile.create_time.ToJsonString(),
        "warnings": list(profile.warnings),
    }


def _share_facts(
    profile: Profile, name: Literal["expected_keep", "expected_pass"]
) -> dict[str, float] | None:
    """An expected share with its confidence interval; null if it is not known."""
    if not profile.HasField(name):
        return None
    share = getattr(profile, name)
    fields = ("expected", "low", "high", "confidence")
    return {field: getattr(share, field) for field in fields}


def kept_image_facts(image: KeptImage) -> dict[str, Any]:
    """A kept image with its listing and the judgement that accepted it."""
    listing = image.listing
    return {
        "digest": image.digest,
        "file_name": image.file_name,
        "size_bytes": image.size_bytes,
        "source": listing.source,
        "url": listing.url,
        "title": listing.title,
        "page_url": listing.page_url,
        "author": listing.author,
        "licence": listing.licence,
        "community": listing.community,
        "final_url": image.final_url,
        "accept_time": image.accept_time.ToJsonString(),
        "file_state": word(FileState, image.file_state),
        "compliance": _compliance_facts(image),
        "profile_name": image.judgement.profile_name,
        "profile_version": image.judgement.profile_version,
        **judgement_facts(image.judgement),
    }


def host_facts(host: HostReport) -> dict[str, Any]:
    """What a host has answered."""
    return {
        "host": host.host,
        "found_count": host.found_count,
        "fetched_count": host.fetched_count,
        "outcome_counts": outcome_facts(host.outcome_counts),
    }


def purged_facts(image: PurgedImage) -> dict[str, Any]:
    """An image that was purged, or would be."""
    return {
        "digest": image.digest,
        "source": image.listing.source,
        "url": image.listing.url,
        "reason": image.reason,
    }


def _compliance_facts(image: KeptImage) -> dict[str, Any] | None:
    if not image.HasField("compliance"):
        return None
    rules = image.compliance
    return {
        "user_agent": rules.user_agent,
        "request_time": rules.request_time.ToJsonString(),
        "final_address": rules.final_address,
        "robots_url": rules.robots_url,
        "robots_status": rules.robots_status,
        "robots_time": rules.robots_time.ToJsonString(),
        "crawl_delay_s": rules.crawl_delay_s,
        "robots_tags": list(rules.robots_tags),
        "licence": rules.licence,
        "last_modified": rules.last_modified,
        "etag": rules.etag,
    }
