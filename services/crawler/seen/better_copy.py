"""When a candidate is a better copy of a kept image, and takes its place."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from services.crawler.candidate import DecodedCandidate
from services.crawler.judgement import Evidence
from services.crawler.seen.seen_images import Memory, Sighting

# Inclusive; times the pixels. At less it can hardly be told whether there is more detail (docs/duplicates.md).
LARGER: Final = 2.0
# Inclusive; of [0, 1]. What the detector says of one photo at two sizes and qualities differs by less, mostly.
CLEANER: Final = 0.25
# Inclusive; of the pixels. Re-encoded and re-cut copies have about the same size.
SAME_SIZE: Final = 0.9
# Inclusive; of `detail_ratio`.
SHOWN_RATIO: Final = 0.15
# A copy of about the same size must have more detail than one of so many times fewer pixels could: no enlargement that
# lost its watermark on the way takes the place of the original.
_SMALLER: Final = 2

# Looks a candidate up in memory.
Look: TypeAlias = Callable[[], Sequence[Sighting]]


@dataclass(frozen=True, slots=True)
class CopyFacts:
    """What tells which of two copies is the better one.

    Attributes:
        width_px: Width of the upright image.
        height_px: Height of the upright image.
        watermark_probability: [0, 1]; None if that is not known.
        detector_id: What detected; empty if nothing did.
    """

    width_px: int
    height_px: int
    watermark_probability: float | None = None
    detector_id: str = ""

    @property
    def pixel_count(self) -> int:
        """Width × height."""
        return self.width_px * self.height_px

    def __str__(self) -> str:
        """As people write it: `4000x3000`."""
        return f"{self.width_px}x{self.height_px}"


@dataclass(frozen=True, slots=True)
class NearImage:
    """An image that was accepted once, and that a candidate is near.

    Attributes:
        digest: SHA-256, 64 hex digits.
        facts: Its size and watermark probability.
        kept_for: The names of the profiles that keep it; empty once a better copy has replaced it.
        end: The digest of what is in its place now: its own, or that of the last one that replaced it.
    """

    digest: str
    facts: CopyFacts
    kept_for: frozenset[str]
    end: str


@dataclass(frozen=True, slots=True)
class NearImages:
    """What a candidate is near, but for what a person said that it is no duplicate of.

    Attributes:
        sightings: All of them, the nearest first; empty if it is no duplicate of anything.
        accepted: Those of them that were accepted once, and were not purged.
        apart: Whether a person said of two of those that they are no duplicates of each other.
    """

    sightings: tuple[Sighting, ...] = ()
    accepted: tuple[NearImage, ...] = ()
    apart: bool = False

    def kept(self) -> tuple[NearImage, ...]:
        """Those that are kept."""
        return tuple(one for one in self.accepted if one.kept_for)

    def may_be_replaced(self, profile_name: str) -> bool:
        """Whether a better copy may take the place of all of them.

        What was purged or marked as seen is not replaced, nor what another profile keeps, which has not judged the
        copy, nor two that are apart. What was replaced before still counts as seen, unless its successor is among those
        to be replaced now.
        """
        kept = {one.digest for one in self.kept()}
        return (
            bool(kept)
            and not self.apart
            and all(one.memory in (Memory.KEPT, Memory.REPLACED) for one in self.sightings)
            and {one.digest for one in self.sightings} <= {one.digest for one in self.accepted}
            and all(one.kept_for <= {profile_name} and one.end in kept for one in self.accepted)
        )


def detail_to_show(candidate: CopyFacts, near: NearImages) -> int:
    """How many pixels' detail a candidate has to surpass to be better than all that it is near.

    0 if it cannot be, by its size and by what is known of the others' watermarks; nothing else is to be asked then.
    """
    wanted = [_detail_to_surpass(candidate, one.facts) for one in near.accepted]
    return max(wanted) if wanted and all(wanted) else 0


def why_better(candidate: CopyFacts, detail_px: int, near: NearImages) -> str:
    """Why a candidate is better than all that it is near, one sentence; empty if it is not.

    Args:
        candidate: Its facts; its watermark probability is known.
        detail_px: It has detail that no copy of so many pixels could have; 0 if that is not known.
        near: What it is near.
    """
    if not detail_px:
        return ""
    reasons = [_why_better(candidate, detail_px, one.facts) for one in near.accepted]
    return reasons[0] if reasons and all(reasons) else ""


def _detail_to_surpass(candidate: CopyFacts, other: CopyFacts) -> int:
    if _is_larger(candidate, other):
        return other.pixel_count
    if _has_same_size(candidate, other) and (other.watermark_probability or 0.0) >= CLEANER:
        return other.pixel_count // _SMALLER
    return 0


def _why_better(candidate: CopyFacts, detail_px: int, other: CopyFacts) -> str:
    difference = _difference(candidate, other)
    if _is_larger(candidate, other) and detail_px >= other.pixel_count and difference < CLEANER:
        return f"{candidate} pixels, with more detail than the other's {other} can hold"
    is_whole = detail_px >= other.pixel_count // _SMALLER
    if _has_same_size(candidate, other) and is_whole and difference <= -CLEANER:
        return (
            f"as large as the other, with a watermark probability of "
            f"{candidate.watermark_probability:.3f} instead of {other.watermark_probability:.3f}"
        )
    return ""


def _is_larger(candidate: CopyFacts, other: CopyFacts) -> bool:
    return candidate.pixel_count >= LARGER * other.pixel_count


def _has_same_size(candidate: CopyFacts, other: CopyFacts) -> bool:
    return candidate.pixel_count >= SAME_SIZE * other.pixel_count


def _difference(candidate: CopyFacts, other: CopyFacts) -> float:
    """By how much its watermark probability is higher than the other's; 0 where the two cannot be compared."""
    mine, others = candidate.watermark_probability, other.watermark_probability
    if mine is None or others is None or candidate.detector_id != other.detector_id:
        return 0.0
    return mine - others


def copy_facts(decoded: DecodedCandidate, evidence: Evidence) -> CopyFacts:
    """The facts of a candidate, as far as they are known."""
    size = decoded.width_px, decoded.height_px
    detection = evidence.detection
    if detection is None:
        return CopyFacts(*size)
    return CopyFacts(*size, detection.probability, detection.detector_id)


def why_to_replace(
    profile_name: str, decoded: DecodedCandidate, evidence: Evidence, near: NearImages
) -> str:
    """Why a candidate takes the place of all that it is near, one sentence; empty if it must not.

    Args:
        profile_name: The profile that accepts it.
        decoded: Its size.
        evidence: What its gates found out, all of them.
        near: What it is near.
    """
    if not evidence.detail_px or not near.may_be_replaced(profile_name):
        return ""
    return why_better(copy_facts(decoded, evidence), evidence.detail_px, near)


async def as_found(digest: str, look: Look, *, with_facts: bool) -> NearImages:  # noqa: ARG001 - as others
    """What is near where no catalogue knows more of it: nothing of it may be replaced."""
    return NearImages(first_of_each(look()))


def first_of_each(found: Sequence[Sighting]) -> tuple[Sighting, ...]:
    """The first sighting of each image."""
    first: dict[str, Sighting] = {}
    for sighting in found:
        first.setdefault(sighting.digest, sighting)
    return tuple(first.values())
