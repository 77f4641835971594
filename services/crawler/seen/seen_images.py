"""What was seen before: kept images, and liked ones under their profile's name."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

from services.crawler.candidate import DecodedCandidate, Fingerprint
from services.crawler.seen.duplicate_index import DuplicateIndex


@dataclass(frozen=True, slots=True)
class Sighting:
    """An earlier image that is the same picture.

    Attributes:
        digest: The earlier image.
        reason: A sentence with the distances.
    """

    digest: str
    reason: str


class SeenImages:
    """The in-memory replica of what the catalogue holds for finding duplicates."""

    def __init__(self) -> None:
        self._kept = DuplicateIndex()
        self._forbidden: set[str] = set()
        self._marked: dict[str, DuplicateIndex] = defaultdict(DuplicateIndex)
        self._marked_digests: dict[str, set[str]] = defaultdict(set)

    def add_kept(self, digest: str, fingerprint: Fingerprint) -> None:
        """Adds an image of the store; it counts under every profile."""
        self._kept.add(digest, fingerprint)

    def forbid(self, digest: str) -> None:
        """Notes that an image was purged. Its fingerprint still finds its near copies."""
        self._forbidden.add(digest)

    def is_forbidden(self, digest: str) -> bool:
        """Whether an image was purged, so that it is not even to be decoded again."""
        return digest in self._forbidden

    def mark(self, profile_name: str, digest: str, fingerprint: Fingerprint) -> None:
        """Adds an image that was seen elsewhere; it counts under one profile name."""
        if digest not in self._marked_digests[profile_name]:
            self._marked_digests[profile_name].add(digest)
            self._marked[profile_name].add(digest, fingerprint)

    def find(self, profile_name: str, digest: str, decoded: DecodedCandidate) -> Sighting | None:
        """Looks an image and its mirror image up.

        The very same bytes are no duplicate of themselves in the store: a second profile may keep them too.
        """
        if digest and digest in self._marked_digests.get(profile_name, ()):
            return Sighting(digest, f"these bytes were seen before under {profile_name!r}")
        for index, where in ((self._kept, "kept"), (self._marked.get(profile_name), "seen before")):
            match = index.nearest(decoded.fingerprint, decoded.mirrored) if index else None
            if match is not None and match.digest != digest:
                reason = (
                    f"nearly the same picture as {match.digest[:12]}, which was {where}: perceptual "
                    f"distance {match.distance64} of 64 and {match.distance256} of 256 bits"
                )
                return Sighting(match.digest, reason)
        return None
