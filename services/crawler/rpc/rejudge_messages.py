"""Rejudgements between the contract's messages and the domain."""

from __future__ import annotations

from lodestone.crawler.v1 import crawl_pb2, crawler_service_pb2, kept_image_pb2
from services.crawler.rejudging.rejudgement import RejudgeAction, RejudgedImage, RejudgeSummary
from services.crawler.rpc.messages import (
    judgement_to_message,
    listing_to_message,
    verdict_to_message,
)


def rejudgement_to_message(
    event: RejudgedImage | RejudgeSummary,
) -> crawler_service_pb2.RejudgeImagesResponse:
    """Writes what a rejudgement says."""
    if isinstance(event, RejudgedImage):
        return crawler_service_pb2.RejudgeImagesResponse(image=_image(event))
    return crawler_service_pb2.RejudgeImagesResponse(summary=_summary(event))


def _image(image: RejudgedImage) -> kept_image_pb2.RejudgedImage:
    message = kept_image_pb2.RejudgedImage(
        digest=image.digest,
        after=judgement_to_message(image.after, image.decoded, image.digest, image.profile),
        action=kept_image_pb2.RejudgeAction.Value(f"REJUDGE_ACTION_{image.action.name}"),
    )
    if image.listing is not None:
        message.listing.CopyFrom(listing_to_message(image.listing))
    if image.before is not None:
        before = image.before
        message.before.CopyFrom(
            judgement_to_message(before.judgement, image.decoded, image.digest, before.profile)
        )
    return message


def _summary(summary: RejudgeSummary) -> crawler_service_pb2.RejudgeSummary:
    return crawler_service_pb2.RejudgeSummary(
        profile_name=summary.profile.name,
        profile_version=summary.profile.version,
        judged_count=summary.verdicts.total(),
        known_count=summary.known_count,
        unknown_count=summary.unknown_count,
        verdict_counts=[
            crawl_pb2.VerdictCount(verdict=verdict_to_message(verdict), count=count)
            for verdict, count in sorted(summary.verdicts.items())
        ],
        kept_count=summary.actions[RejudgeAction.KEEP],
        fetch_count=summary.actions[RejudgeAction.FETCH],
        dropped_count=summary.actions[RejudgeAction.STAYS_KEPT],
        crawl_id=summary.crawl_id,
    )
