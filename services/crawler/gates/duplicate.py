"""Passes what is not a copy, or nearly one, of an image that was kept or seen before; or may be a better one."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import partial
from typing import Protocol

from services.crawler.gates.gate import Subject
from services.crawler.judgement import Judgement, Verdict
from services.crawler.seen.better_copy import (
    SHOWN_RATIO,
    Look,
    NearImages,
    copy_facts,
    detail_to_show,
)
from services.crawler.seen.seen_images import SeenImages
from services.servicekit.errors import ItemRejected

# How the detail of encoded bytes compares with that of a copy of so many pixels.
DetailRatio = Callable[[bytes, int], Awaitable[float]]


class ReadNear(Protocol):
    """Says what is known of the images that a candidate is near."""

    async def __call__(self, digest: str, look: Look, *, with_facts: bool) -> NearImages:
        """Without facts, nothing that is near may be replaced, and less has to be read.

        Args:
            digest: Of the candidate.
            look: Finds it in memory; once more if memory turns out to be behind.
            with_facts: Whether it may be better.
        """
        ...


class DuplicateGate:
    """Looks the perceptual hashes up among the kept images and those seen under the profile's name.

    What may be a better copy by its size and its detail goes on to the other gates, with that in its evidence.
    """

    name = "duplicate"
    cost = 0

    def __init__(
        self,
        seen: SeenImages,
        read_near: ReadNear,
        *,
        profile_name: str,
        detail_ratio: DetailRatio | None = None,
    ) -> None:
        """Takes what was seen, and how detail is measured; None if no copy is to take the place of a kept image."""
        self._seen = seen
        self._read_near = read_near
        self._profile_name = profile_name
        self._detail_ratio = detail_ratio

    async def judge(self, subject: Subject) -> Judgement:
        """DUPLICATE with the digest of the other image, or passes."""
        # Nothing can be measured of what is judged from records.
        may_be_better = self._detail_ratio is not None and bool(subject.encoded)
        look = partial(self._seen.sightings, self._profile_name, subject.digest, subject.decoded)
        near = await self._read_near(subject.digest, look, with_facts=may_be_better)
        if not near.sightings:
            return Judgement(Verdict.ACCEPTED, "", subject.evidence)
        first = near.sightings[0]
        beyond_px = self._detail_to_show(subject, near)
        reason = first.reason
        if beyond_px:
            if await self._shows_detail(subject, beyond_px):
                evidence = replace(subject.evidence, detail_px=beyond_px)
                return Judgement(Verdict.ACCEPTED, "", evidence)
            reason += "; it has more pixels or less of a watermark, and no more detail"
        return Judgement(Verdict.DUPLICATE, reason, subject.evidence, duplicate_of=first.digest)

    def _detail_to_show(self, subject: Subject, near: NearImages) -> int:
        """As `detail_to_show`; 0 as well if nothing may be replaced."""
        if not near.may_be_replaced(self._profile_name):
            return 0
        return detail_to_show(copy_facts(subject.decoded, subject.evidence), near)

    async def _shows_detail(self, subject: Subject, beyond_px: int) -> bool:
        assert self._detail_ratio is not None, "asked only where it can be measured"
        try:
            return await self._detail_ratio(subject.encoded, beyond_px) >= SHOWN_RATIO
        except ItemRejected:
            # All its pixels are more than the decoder can take: it is a duplicate as before.
            return False
