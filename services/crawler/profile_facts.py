"""What the crawler needs to know of a profile, and of the liked images that it was fitted to."""

from __future__ import annotations

from dataclasses import dataclass

from services.crawler.judgement import ProfileVersion, Score
from services.servicekit.embedding import Precision


@dataclass(frozen=True, slots=True)
class PrecisionFinding:
    """How a profile's verdicts hold for embeddings of another precision: its thumbnails were embedded in both.

    Attributes:
        precision: The other one.
        image_count: How many thumbnails were compared.
        moved_count: How many of their verdicts moved.
        max_shift_nats: The largest difference of log-likelihoods, as an absolute value.
        median_shift_nats: The median of these.
        admitted: Whether the profile scores such embeddings.
        moved_share: Of held-out liked images, the share whose verdict such differences would move, 0 to 1.
    """

    precision: Precision
    image_count: int
    moved_count: int
    max_shift_nats: float
    median_shift_nats: float
    admitted: bool
    moved_share: float = 0.0


@dataclass(frozen=True, slots=True)
class ProfileFacts:
    """A profile version with what its embeddings must be.

    Attributes:
        profile: Which one.
        encoder_id: Of the embeddings that it was fitted to.
        precision: Of the same.
        findings: What is known of other precisions.
    """

    profile: ProfileVersion
    encoder_id: str
    precision: Precision
    findings: tuple[PrecisionFinding, ...] = ()

    @property
    def admitted(self) -> frozenset[Precision]:
        """Other precisions whose embeddings it scores too."""
        return frozenset(one.precision for one in self.findings if one.admitted)

    def finding(self, precision: Precision) -> PrecisionFinding | None:
        """What is known of a precision."""
        return next((one for one in self.findings if one.precision is precision), None)


@dataclass(frozen=True, slots=True)
class LikedNeighbour:
    """A liked image that is like a certain other image.

    Attributes:
        position: Its place among the liked images, from 0.
        digest: The SHA-256 of its bytes, 64 hex digits; may be empty.
        name: What it was called when it was liked.
        cosine_similarity: Of the two embeddings, -1 to 1.
        held_out_log_likelihood: Nats, under a mixture fitted without it; None if it took part in every fit.
    """

    position: int
    digest: str
    name: str
    cosine_similarity: float
    held_out_log_likelihood: float | None = None


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why an embedding fits a profile, or does not.

    Attributes:
        score: How well it fits.
        nearest: The liked images that are nearest to it, nearest first.
    """

    score: Score
    nearest: tuple[LikedNeighbour, ...]
