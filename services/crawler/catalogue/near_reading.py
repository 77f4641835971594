"""Reads what the catalogue knows of the images that a candidate is near, by a memory that is not behind it."""

from __future__ import annotations

from functools import partial

from services.crawler.catalogue.accept_order import read_news
from services.crawler.catalogue.database import Database
from services.crawler.catalogue.near_images import read_near
from services.crawler.seen.better_copy import Look, NearImages
from services.crawler.seen.seen_images import SeenImages


class NearReading:
    """A transaction for each candidate that is near something.

    Another crawler may have replaced what is near, and memory may not know by what: a candidate that is better than
    that would be a duplicate of it. Then memory learns what is new, and is asked again.
    """

    def __init__(self, database: Database, seen: SeenImages) -> None:
        """Takes the catalogue, and the memory that crawls and accepts share."""
        self._database = database
        self._seen = seen

    async def read(self, digest: str, look: Look, *, with_facts: bool) -> NearImages:
        """As `read_near`; of what is committed now."""
        near = await self._read(digest, look, with_facts=with_facts)
        if all(self._seen.end_of(one.digest) == one.end for one in near.accepted):
            return near
        news = await self._database.run(partial(read_news, horizon=self._seen.horizon))
        self._seen.learn(news)
        return await self._read(digest, look, with_facts=with_facts)

    async def _read(self, digest: str, look: Look, *, with_facts: bool) -> NearImages:
        found = look()
        if not found:
            return NearImages()
        read = partial(read_near, digest=digest, found=found, with_facts=with_facts)
        return await self._database.run(read)
