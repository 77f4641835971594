"""Passes a copy of a kept image only if it is better, now that the other gates have said what they know of it."""

from __future__ import annotations

from functools import partial

from services.crawler.gates.duplicate import ReadNear
from services.crawler.gates.gate import Subject
from services.crawler.judgement import Judgement, Verdict
from services.crawler.seen.better_copy import why_to_replace
from services.crawler.seen.seen_images import SeenImages


class BetterCopyGate:
    """Has the last word on what the duplicate gate let pass; accepts decide it anew, in their order."""

    name = "better_copy"
    cost = 25

    def __init__(self, seen: SeenImages, read_near: ReadNear, *, profile_name: str) -> None:
        self._seen = seen
        self._read_near = read_near
        self._profile_name = profile_name

    async def judge(self, subject: Subject) -> Judgement:
        """DUPLICATE with the digest of the other image, or passes with the reason."""
        if not subject.evidence.detail_px:
            return Judgement(Verdict.ACCEPTED, "", subject.evidence)
        look = partial(self._seen.sightings, self._profile_name, subject.digest, subject.decoded)
        near = await self._read_near(subject.digest, look, with_facts=True)
        if not near.sightings:
            return Judgement(Verdict.ACCEPTED, "", subject.evidence)
        first = near.sightings[0]
        why = why_to_replace(self._profile_name, subject.decoded, subject.evidence, near)
        if why:
            reason = f"a better copy of {first.digest[:12]}: {why}"
            return Judgement(Verdict.ACCEPTED, reason, subject.evidence)
        return Judgement(
            Verdict.DUPLICATE, first.reason, subject.evidence, duplicate_of=first.digest
        )
