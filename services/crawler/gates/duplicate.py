"""Passes what is not a copy, or nearly one, of an image that was kept or seen before."""

from __future__ import annotations

from services.crawler.gates.gate import Subject
from services.crawler.judgement import Judgement, Verdict
from services.crawler.seen.seen_images import SeenImages


class DuplicateGate:
    """Looks the perceptual hashes up among the kept images and those seen under the profile's name."""

    name = "duplicate"
    cost = 0

    def __init__(self, seen: SeenImages, *, profile_name: str) -> None:
        self._seen = seen
        self._profile_name = profile_name

    async def judge(self, subject: Subject) -> Judgement:
        """DUPLICATE with the digest of the other image, or passes."""
        sighting = self._seen.find(self._profile_name, subject.digest, subject.decoded)
        if sighting is None:
            return Judgement(Verdict.ACCEPTED, "", subject.evidence)
        return Judgement(
            Verdict.DUPLICATE, sighting.reason, subject.evidence, duplicate_of=sighting.digest
        )
