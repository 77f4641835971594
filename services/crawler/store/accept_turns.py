"""Lets accepts of near-identical images wait for each other before any of them writes its bytes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from services.crawler.candidate import DecodedCandidate, Fingerprint
from services.crawler.seen.duplicate_index import is_near


class AcceptTurns:
    """The accepts of this crawler that are under way.

    Which of them is accepted is decided in the catalogue. Here those that are near one under way wait until it is
    decided, so that of a picture that comes many times at once the bytes are written once. Belongs to one event loop.
    """

    def __init__(self) -> None:
        self._under_way: dict[asyncio.Event, tuple[str, Fingerprint]] = {}

    @asynccontextmanager
    async def turn(self, digest: str, decoded: DecodedCandidate) -> AsyncIterator[None]:
        """Waits until no accept of a near-identical image is under way, then is one itself."""
        while (other := self._near(digest, decoded)) is not None:
            await other.wait()
        done = asyncio.Event()
        self._under_way[done] = digest, decoded.fingerprint
        try:
            yield
        finally:
            del self._under_way[done]
            done.set()

    def _near(self, digest: str, decoded: DecodedCandidate) -> asyncio.Event | None:
        """The end of an accept under way that is near."""
        for done, (other, fingerprint) in self._under_way.items():
            if other != digest and is_near(fingerprint, decoded):
                return done
        return None
