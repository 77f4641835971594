"""Passes what a gallery's reverse search does not find there."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from services.crawler.gates.gate import NeedsPixels, Subject
from services.crawler.judgement import Judgement, Verdict

# The duplicate is no image of ours: `lodestone verify` tells such a judgement by this.
FOUND: Final = "the gallery has nearly the same picture"


@dataclass(frozen=True, slots=True)
class GalleryMatch:
    """A picture of the gallery that is nearly the same.

    Attributes:
        image_id: Its number there.
        distance: As the gallery measures it; smaller is nearer.
    """

    image_id: int
    distance: float


Search = Callable[[bytes], Awaitable[GalleryMatch | None]]


class GalleryGate:
    """Asks the gallery about what would be kept otherwise, and waits for as long as that takes.

    It fails closed: a gallery that cannot be asked, or that does not find what it is known to have, gives no verdict.
    """

    name = "gallery"
    cost = 30

    def __init__(self, search: Search) -> None:
        """Takes what searches: the nearest match for encoded bytes, None if the gallery has none.

        It raises Unavailable while nobody can tell; then the image is judged later.
        """
        self._search = search

    async def judge(self, subject: Subject) -> Judgement:
        """DUPLICATE without a digest, or passes."""
        if not subject.encoded:
            raise NeedsPixels(self.name)
        match = await self._search(subject.encoded)
        if match is None:
            return Judgement(Verdict.ACCEPTED, "", subject.evidence)
        reason = f"{FOUND}: its image {match.image_id} at distance {match.distance:g}"
        return Judgement(Verdict.DUPLICATE, reason, subject.evidence)
