"""A judgement: what the gates say of one image under one profile version, and the evidence for it."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from services.servicekit.embedding import Embedding


class Verdict(StrEnum):
    """The verdict in one word; the names are those of the contract."""

    ACCEPTED = "ACCEPTED"
    OFF_PROFILE = "OFF_PROFILE"
    WATERMARKED = "WATERMARKED"
    DUPLICATE = "DUPLICATE"
    REPLACED = "REPLACED"


@dataclass(frozen=True, slots=True)
class ProfileVersion:
    """One version of one profile."""

    name: str
    version: int

    def __str__(self) -> str:
        """As people write it: `landscapes@3`."""
        return f"{self.name}@{self.version}"


@dataclass(frozen=True, slots=True)
class Score:
    """How well an embedding fits a profile.

    Attributes:
        log_likelihood: Nats; higher is more like the profile.
        percentile: Share of held-out liked images that score lower, 0 to 100.
        threshold_nats: At or over this it fits.
    """

    log_likelihood: float
    percentile: float
    threshold_nats: float


@dataclass(frozen=True, slots=True)
class Detection:
    """What the watermark detector says.

    Attributes:
        probability: [0, 1].
        quadrant_probabilities: Four in [0, 1]: top left, top right, bottom left, bottom right.
        threshold: Over this it is watermarked, [0, 1].
        detector_id: What detected.
    """

    probability: float
    quadrant_probabilities: tuple[float, ...]
    threshold: float
    detector_id: str


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the gates have found out so far; what no gate has asked for is None.

    Attributes:
        embedding: Of the image.
        score: How well it fits the profile.
        detection: What the watermark detector says.
        detail_px: It has detail that no copy of so many pixels could have; 0 if nobody asked. This is not recorded.
    """

    embedding: Embedding | None = None
    score: Score | None = None
    detection: Detection | None = None
    detail_px: int = 0


@dataclass(frozen=True, slots=True)
class Judgement:
    """The verdict with its evidence.

    Attributes:
        verdict: That of the first gate that did not pass the image, or ACCEPTED; REPLACED once a better copy is kept.
        reason: The verdict as a sentence with the numbers.
        evidence: What the gates found out.
        duplicate_of: The digest of the other image; empty unless the verdict is DUPLICATE or REPLACED.
    """

    verdict: Verdict
    reason: str
    evidence: Evidence = field(default_factory=Evidence)
    duplicate_of: str = ""
