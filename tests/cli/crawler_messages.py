"""Listings and kept images that tests lay out for the fake crawler."""

from __future__ import annotations

import hashlib

from lodestone.crawler.v1 import crawl_pb2, kept_image_pb2, outcome_pb2
from lodestone.crawler.v1.judgement_pb2 import Judgement
from lodestone.image.v1 import image_pb2, verdict_pb2
from tests.cli.fake_embedder import embedding_of


def judgement_of(*, accepted):
    """An accepted judgement with every score, or one that is off the profile, with the watermark gate's absent."""
    judgement = Judgement(
        verdict=verdict_pb2.VERDICT_ACCEPTED if accepted else verdict_pb2.VERDICT_OFF_PROFILE,
        reason="fits" if accepted else "-3.00 nats are under the threshold of 8.00",
        log_likelihood=12.5 if accepted else -3.0,
        percentile=40.0 if accepted else 0.0,
        perceptual_hash="0123456789abcdef",
        width_px=1600,
        height_px=1200,
        profile_name="landscapes",
        profile_version=1,
    )
    if accepted:
        judgement.watermark_probability = 0.125
        judgement.quadrant_probabilities[:] = [0.125, 0.0, 0.0, 0.0]
    return judgement


def fetched(sequence, *, accepted, title="A lake"):
    """A listing that was fetched and judged."""
    url = f"https://example.org/{sequence}.jpg"
    return crawl_pb2.SettledListing(
        sequence=sequence,
        listing=crawl_pb2.Listing(source="page:https://example.org/", url=url, title=title),
        outcome=outcome_pb2.Outcome(
            state=outcome_pb2.OUTCOME_STATE_FETCHED, final_url=url, digest="ab" * 32
        ),
        judgement=judgement_of(accepted=accepted),
    )


def missing(sequence):
    """A listing whose server answered 404."""
    return crawl_pb2.SettledListing(
        sequence=sequence,
        listing=crawl_pb2.Listing(
            source="page:https://example.org/", url=f"https://example.org/{sequence}.jpg"
        ),
        outcome=outcome_pb2.Outcome(
            state=outcome_pb2.OUTCOME_STATE_FAILED,
            reason=outcome_pb2.OUTCOME_REASON_NOT_FOUND,
            message="the server answered 404",
        ),
    )


def kept_image(
    name,
    *,
    profile="landscapes",
    state=kept_image_pb2.FILE_STATE_PRESENT,
    digest="ab" * 32,
):
    """An image that was kept."""
    judgement = judgement_of(accepted=True)
    judgement.profile_name = profile
    image = kept_image_pb2.KeptImage(
        digest=digest,
        file_name=name,
        size_bytes=123_456,
        listing=crawl_pb2.Listing(source="folder:/photos", url="file:///photos/a.jpg"),
        judgement=judgement,
        file_state=state,
    )
    image.accept_time.FromJsonString("2026-11-22T10:00:00Z")
    return image


def keep_pictures(crawler, pictures, *, profile="landscapes"):
    """Lays pictures into the store as `0.png` and so on, with their embeddings; returns their digests."""
    digests = []
    for number, encoded in enumerate(pictures):
        digest = hashlib.sha256(encoded).hexdigest()
        crawler.kept.append(kept_image(f"{number}.png", profile=profile, digest=digest))
        crawler.encoded[digest] = encoded
        crawler.embeddings[digest] = embedding_of(image_pb2.Image(encoded=encoded))
        digests.append(digest)
    return digests
