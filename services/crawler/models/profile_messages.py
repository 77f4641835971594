"""Between what the crawler knows of profiles and the contract (lodestone.novelty.v1)."""

from __future__ import annotations

from lodestone.novelty.v1 import novelty_service_pb2, profile_pb2
from services.crawler.judgement import ProfileVersion, Score
from services.crawler.profile_facts import (
    Explanation,
    LikedNeighbour,
    PrecisionFinding,
    ProfileFacts,
)
from services.servicekit.messages import precision_from_message


def facts_from_message(profile: profile_pb2.Profile) -> ProfileFacts:
    """Reads what the crawler needs of a profile."""
    return ProfileFacts(
        ProfileVersion(profile.name, profile.version),
        profile.encoder_id,
        precision_from_message(profile.precision),
        tuple(finding_from_message(one) for one in profile.precision_checks),
    )


def finding_from_message(check: profile_pb2.PrecisionCheck) -> PrecisionFinding:
    """Reads what was found of a precision."""
    return PrecisionFinding(
        precision_from_message(check.precision),
        check.image_count,
        check.moved_count,
        check.max_shift_nats,
        check.median_shift_nats,
        check.admitted,
        check.moved_share,
    )


def score_from_message(score: novelty_service_pb2.Score) -> Score:
    """Reads a score."""
    return Score(score.log_likelihood, score.percentile, score.threshold_nats)


def explanation_from_message(explanation: novelty_service_pb2.Explanation) -> Explanation:
    """Reads an explanation."""
    nearest = tuple(_neighbour_from_message(one) for one in explanation.neighbours)
    return Explanation(score_from_message(explanation.score), nearest)


def neighbour_to_message(neighbour: LikedNeighbour) -> profile_pb2.LikedNeighbour:
    """Writes a liked image that is near."""
    label = profile_pb2.ImageLabel(digest=neighbour.digest, name=neighbour.name)
    image = profile_pb2.LikedImage(
        position=neighbour.position,
        label=label,
        held_out_log_likelihood=neighbour.held_out_log_likelihood,
    )
    return profile_pb2.LikedNeighbour(image=image, cosine_similarity=neighbour.cosine_similarity)


def _neighbour_from_message(neighbour: profile_pb2.LikedNeighbour) -> LikedNeighbour:
    image = neighbour.image
    held_out = image.held_out_log_likelihood if image.HasField("held_out_log_likelihood") else None
    return LikedNeighbour(
        image.position, image.label.digest, image.label.name, neighbour.cosine_similarity, held_out
    )
