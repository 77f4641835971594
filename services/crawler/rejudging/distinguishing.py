"""Takes a person's word that two images are no duplicates, and has judged again what was rejected for that."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from sqlalchemy import Connection

from services.crawler.catalogue import distinct_pairs, releases
from services.crawler.catalogue.crawls import Crawl
from services.crawler.catalogue.database import Database
from services.crawler.catalogue.distinct_pairs import DistinctPair
from services.crawler.catalogue.nearness import find_near
from services.crawler.catalogue.releases import Rejected
from services.crawler.judgement import ProfileVersion


class FetchReleased(Protocol):
    """Leases known listings again for a profile version; `release` runs in the same transaction, before."""

    async def __call__(
        self,
        profile: ProfileVersion,
        listing_ids: Sequence[int],
        *,
        release: Callable[[Connection], None],
    ) -> Crawl:
        """Returns the crawl that fetches them."""
        ...


@dataclass(frozen=True, slots=True)
class Distinguished:
    """What came of it.

    Attributes:
        pair: The two images.
        crawl_ids: The crawls that judge one of them again.
        near: Whether they would be duplicates of each other by their hashes; None if those are not known.
    """

    pair: DistinctPair
    crawl_ids: tuple[str, ...]
    near: bool | None


class Distinguishing:
    """Writes down pairs; doing it again finishes what a crash left."""

    def __init__(
        self,
        database: Database,
        fetch_released: FetchReleased,
        remove_files_of: Callable[[str], Awaitable[None]],
    ) -> None:
        """Takes the catalogue, what fetches again, and what ends the removal of a replaced image's files."""
        self._database = database
        self._fetch_released = fetch_released
        self._remove_files_of = remove_files_of

    async def distinguish(self, one: str, other: str) -> Distinguished:
        """Says that two images, by their digests, are no duplicates of each other.

        Raises:
            NotFound: Neither is known.
            FetchedAgain: A crawl that has not ended has fetched one of them again already.
            StoreAway: The files of a replaced image cannot be removed now: it cannot be kept again before.
        """
        await self._remove_files(one, other)
        add = partial(distinct_pairs.add_pair, one=one, other=other, now=time.time())
        pair = await self._database.run(add)
        # One of them may have replaced the other meanwhile; from now on neither does.
        await self._remove_files(one, other)
        near = await self._database.run(partial(find_near, one=one, other=other))
        crawl_ids: list[str] = []
        for digest, against in ((one, other), (other, one)):
            find = partial(releases.find_rejected, digest=digest, other=against)
            crawl_ids += [await self._release(each) for each in await self._database.run(find)]
        return Distinguished(pair, tuple(dict.fromkeys(crawl_ids)), near)

    async def undo(self, one: str, other: str) -> bool:
        """Takes it back; False if it was never said.

        Raises:
            PairNeeded: They are near each other; one of the two is kept, and the other one kept or purged.
        """
        return await self._database.run(partial(distinct_pairs.remove_pair, one=one, other=other))

    async def _remove_files(self, *digests: str) -> None:
        for digest in digests:
            await self._remove_files_of(digest)

    async def _release(self, rejected: Rejected) -> str:
        release = partial(releases.release, rejected=rejected)
        crawl = await self._fetch_released(rejected.profile, rejected.listing_ids, release=release)
        return crawl.crawl_id
