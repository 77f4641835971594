"""The liked images of a profile from the least typical to the most."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from lodestone.cli.words import one_line
from lodestone.novelty.v1.profile_pb2 import ImageLabel, LikedImage, Profile


@dataclass(frozen=True, slots=True)
class RankedImage:
    """A liked image with how well it fits the taste that was learned from the others.

    Attributes:
        position: Its place among the liked images, from 0.
        name: What to call it, on one line.
        digest: The SHA-256 of its bytes, 64 hex digits; may be empty.
        log_likelihood: Held out, nats.
        percentile: The share of all held-out liked images that score as low or lower, over 0 and up to 100: what
            `judge` would say of the image if it were not among the liked ones.
        passes: Whether it is at or over the threshold.
        jpeg: A thumbnail; empty if there is none.
    """

    position: int
    name: str
    digest: str
    log_likelihood: float
    percentile: float
    passes: bool
    jpeg: bytes = b""


def rank_liked(
    profile: Profile, images: Iterable[LikedImage], thumbnails: Mapping[int, bytes] | None = None
) -> list[RankedImage]:
    """Those of the images that were held out, least typical first.

    Args:
        profile: The profile, with its log-likelihoods.
        images: Liked images of it, all or some.
        thumbnails: Thumbnails by position.
    """
    held_out = profile.held_out_log_likelihoods
    jpegs = thumbnails or {}

    def ranked(image: LikedImage) -> RankedImage:
        score = image.held_out_log_likelihood
        as_low = bisect_right(held_out, score)
        return RankedImage(
            position=image.position,
            name=image_name(image.label, image.position),
            digest=image.label.digest,
            log_likelihood=score,
            percentile=100.0 * max(1, as_low) / max(1, len(held_out)),
            passes=score >= profile.threshold_nats,
            jpeg=jpegs.get(image.position, b""),
        )

    scored = (image for image in images if image.HasField("held_out_log_likelihood"))
    return sorted(map(ranked, scored), key=lambda one: (one.log_likelihood, one.position))


def image_name(label: ImageLabel, position: int) -> str:
    """The label's name on one line, or else the digest's beginning, or else the place."""
    return one_line(label.name) or label.digest[:12] or f"number {position + 1:,}"
