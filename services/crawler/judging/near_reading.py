"""Reads what the catalogue knows of the images that a candidate is near."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from services.crawler.catalogue.database import Database
from services.crawler.catalogue.near_images import read_near
from services.crawler.seen.better_copy import NearImages
from services.crawler.seen.seen_images import Sighting


class NearReading:
    """A transaction for each candidate that is near something."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def read(self, digest: str, found: Sequence[Sighting], *, with_facts: bool) -> NearImages:
        """As `read_near`; of what is committed now."""
        read = partial(read_near, digest=digest, found=found, with_facts=with_facts)
        return await self._database.run(read)
