"""A rejudgement as the JSON objects that --json prints."""

from __future__ import annotations

from typing import Any

from lodestone.cli.facts import judgement_facts
from lodestone.cli.words import word
from lodestone.crawler.v1.crawler_service_pb2 import RejudgeSummary
from lodestone.crawler.v1.judgement_pb2 import Judgement
from lodestone.crawler.v1.kept_image_pb2 import RejudgeAction, RejudgedImage
from lodestone.image.v1.verdict_pb2 import Verdict


def rejudged_facts(image: RejudgedImage) -> dict[str, Any]:
    """An image whose judgement changes; `before` is null where there was none."""
    listing = image.listing
    return {
        "digest": image.digest,
        "action": word(RejudgeAction, image.action),
        "source": listing.source,
        "url": listing.url,
        "title": listing.title,
        "before": _judged(image.before) if image.HasField("before") else None,
        "after": _judged(image.after),
    }


def summary_facts(summary: RejudgeSummary) -> dict[str, Any]:
    """What a rejudgement came to."""
    return {
        "profile_name": summary.profile_name,
        "profile_version": summary.profile_version,
        "judged_count": summary.judged_count,
        "known_count": summary.known_count,
        "unknown_count": summary.unknown_count,
        "verdict_counts": {word(Verdict, one.verdict): one.count for one in summary.verdict_counts},
        "kept_count": summary.kept_count,
        "fetch_count": summary.fetch_count,
        "dropped_count": summary.dropped_count,
        "crawl_id": summary.crawl_id or None,
    }


def _judged(judgement: Judgement) -> dict[str, Any]:
    return {"profile_version": judgement.profile_version, **judgement_facts(judgement)}
